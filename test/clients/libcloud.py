"""Apache Libcloud: its object storage API on the driver for OpenStack Swift."""

from __future__ import annotations

import hashlib
from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, same

CLIENT = Client(
    title="Apache Libcloud",
    sources=(Pip("apache-libcloud"),),
    auths=("v1", "v2", "v3"),
    in_ci=True,
    notes="`ex_multipart_upload_object` compares a wrong hash, and fails on OpenStack Swift, too.",
    settings="""
```python
driver = get_driver(Provider.OPENSTACK_SWIFT)
driver("test:tester", "testing", ex_force_auth_version="1.0", ex_force_auth_url="http://127.0.0.1:8080/auth/v1.0",
       ex_force_base_url="http://127.0.0.1:8080/v1/AUTH_test", region="")
driver("tester", "testing", ex_force_auth_version="3.x_password", ex_force_auth_url="http://127.0.0.1:8080",
       ex_tenant_name="test", ex_domain_name="Default", ex_force_service_region="RegionOne", region="RegionOne")
```
""",
)


def driver(site: Site) -> Any:
    """A driver that has logged in."""
    from libcloud.storage.providers import get_driver
    from libcloud.storage.types import Provider

    swift = get_driver(Provider.OPENSTACK_SWIFT)
    if site.auth == "v1":
        return swift(
            f"{site.account}:{site.user}",
            site.key,
            region="",
            ex_force_auth_version="1.0",
            ex_force_auth_url=site.auth_url,
            ex_force_base_url=site.storage_url,
        )
    return swift(
        site.user,
        site.key,
        region="RegionOne",
        ex_force_service_region="RegionOne",
        ex_force_auth_version={"v2": "2.0_password", "v3": "3.x_password"}[site.auth],
        ex_force_auth_url=site.url,
        ex_tenant_name=site.account,
        ex_domain_name="Default",
    )


@CLIENT.operation("containers")
def containers(site: Site) -> None:
    swift = driver(site)
    swift.create_container("files")
    same([container.name for container in swift.iterate_containers()], site.eye.names(), "containers")
    same(swift.get_container("files").extra["object_count"], 0, "object_count")


@CLIENT.operation("upload a file")
def upload(site: Site) -> None:
    swift = driver(site)
    path = site.file("one", 100_000)
    extra = {"content_type": "text/x-one", "meta_data": {"mood": "fine"}}
    made = swift.upload_object(str(path), swift.get_container("files"), "dir/one", extra=extra)
    same(site.eye.get("files", "dir/one"), path.read_bytes(), "content")
    head = site.eye.head("files", "dir/one")
    same((head["content-type"], head["x-object-meta-mood"]), ("text/x-one", "fine"), "headers")
    same(made.hash, hashlib.md5(path.read_bytes()).hexdigest(), "hash")


@CLIENT.operation("upload a stream")
def stream(site: Site) -> None:
    swift = driver(site)
    path = site.file("stream", 100_000)
    with open(path, "rb") as stream:
        swift.upload_object_via_stream(stream, swift.get_container("files"), "stream ünï")
    same(site.eye.get("files", "stream ünï"), path.read_bytes(), "content")


@CLIENT.operation("list objects")
def listing(site: Site) -> None:
    swift = driver(site)
    files = swift.get_container("files")
    same([found.name for found in swift.iterate_container_objects(files)], ["dir/one", "stream ünï"], "all")
    same([found.name for found in swift.iterate_container_objects(files, prefix="dir/")], ["dir/one"], "prefix")


@CLIENT.operation("download")
def download(site: Site) -> None:
    swift = driver(site)
    found = swift.get_object("files", "dir/one")
    swift.download_object(found, str(site.scratch / "down"), overwrite_existing=True)
    content = (site.scratch / "one").read_bytes()
    same((site.scratch / "down").read_bytes(), content, "content")
    same(b"".join(swift.download_object_as_stream(found)), content, "stream")
    same(b"".join(swift.download_object_range_as_stream(found, 10, 20)), content[10:20], "range")


@CLIENT.operation("multipart upload")
def multipart(site: Site) -> None:
    swift = driver(site)
    path = site.file("big", 5_000_000)
    swift.ex_multipart_upload_object(str(path), swift.get_container("files"), "big", chunk_size=2_000_000)
    same(site.eye.get("files", "big"), path.read_bytes(), "content")


@CLIENT.operation("delete")
def delete(site: Site) -> None:
    swift = driver(site)
    for name in ("dir/one", "stream ünï"):
        swift.get_object("files", name).delete()
        same(site.eye.is_there("files", name), False, f"{name} is there")
    site.eye.put("empty", "one", b"")
    swift.get_object("empty", "one").delete()
    swift.get_container("empty").delete()
    same(site.eye.is_there("empty"), False, "empty is there")


@CLIENT.operation("errors")
def errors(site: Site) -> None:
    from libcloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError

    for wanted, names in ((ContainerDoesNotExistError, ("none", "none")), (ObjectDoesNotExistError, ("files", "none"))):
        try:
            driver(site).get_object(*names)
        except wanted:
            continue
        raise AssertionError(f"no {wanted.__name__}")
