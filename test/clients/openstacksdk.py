"""openstacksdk: its object store, logged in at Keystone's API."""

from __future__ import annotations

from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, anyone, same

CLIENT = Client(
    title="openstacksdk",
    sources=(Pip("openstacksdk"),),
    auths=("v2", "v3"),
    in_ci=True,
    settings="""
```python
openstack.connect(auth_url="http://127.0.0.1:8080/v3", username="tester", password="testing", project_name="test",
                  user_domain_name="Default", project_domain_name="Default")
```
or the same in `clouds.yaml`; `region_name` can be left out.
""",
)


def cloud(site: Site) -> Any:
    """A connection that has logged in."""
    import openstack

    domains = {"user_domain_name": "Default", "project_domain_name": "Default"} if site.auth == "v3" else {}
    return openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth_type=f"{site.auth}password",
        auth={
            "auth_url": site.auth_url,
            "username": site.user,
            "password": site.key,
            **({"project_name": site.account} if site.auth == "v3" else {"tenant_name": site.account}),
            **domains,
        },
    )


@CLIENT.operation("log in, endpoint from the catalog")
def login(site: Site) -> None:
    same(cloud(site).object_store.get_endpoint(), site.storage_url, "endpoint")


@CLIENT.operation("containers")
def containers(site: Site) -> None:
    store = cloud(site).object_store
    store.create_container(name="files")
    same([container.name for container in store.containers()], site.eye.names(), "containers")
    store.set_container_metadata("files", colour="blue")
    same(site.eye.head("files")["x-container-meta-colour"], "blue", "metadata")
    same(store.get_container_metadata("files").count, 0, "count")


@CLIENT.operation("upload and download")
def objects(site: Site) -> None:
    store = cloud(site).object_store
    store.upload_object(container="files", name="one", data=b"content")
    same(site.eye.get("files", "one"), b"content", "content")
    same(store.download_object("one", container="files"), b"content", "download")
    same(b"".join(store.stream_object("one", container="files")), b"content", "stream")


@CLIENT.operation("object metadata")
def metadata(site: Site) -> None:
    store = cloud(site).object_store
    store.set_object_metadata("one", container="files", mood="fine")
    same(site.eye.head("files", "one")["x-object-meta-mood"], "fine", "metadata")
    same(store.get_object_metadata("one", container="files").content_length, 7, "content_length")


@CLIENT.operation("large object")
def large(site: Site) -> None:
    path = site.file("big", 5_000_000)
    made = cloud(site)
    made.create_object("files", "big", filename=str(path), segment_size=2_000_000, use_slo=True)
    same(site.eye.get("files", "big"), path.read_bytes(), "content")
    assert "x-static-large-object" in site.eye.head("files", "big"), "it is not in segments"
    made.delete_object("files", "big")
    same(site.eye.is_there("files", "big"), False, "big is there")


@CLIENT.operation("list")
def listing(site: Site) -> None:
    store = cloud(site).object_store
    site.eye.put("files", "dir/ünï", b"")
    same([found.name for found in store.objects("files")], ["dir/ünï", "one"], "all")
    same([found.name for found in store.objects("files", prefix="dir/")], ["dir/ünï"], "prefix")


@CLIENT.operation("temporary URL")
def temporary_url(site: Site) -> None:
    store = cloud(site).object_store
    store.set_account_temp_url_key("secret")
    path = site.storage_url[len(site.url) :] + "/files/one"
    signed = store.generate_temp_url(path, 600, "GET", temp_url_key="secret")
    found = anyone("GET", site.url + signed)
    same((found.status, found.body), (200, b"content"), "answer")


@CLIENT.operation("capabilities")
def capabilities(site: Site) -> None:
    assert "version" in cloud(site).object_store.get_info().swift


@CLIENT.operation("delete")
def delete(site: Site) -> None:
    store = cloud(site).object_store
    for name in site.eye.names("files"):
        store.delete_object(name, container="files")
    store.delete_container("files")
    same(site.eye.is_there("files"), False, "files is there")
