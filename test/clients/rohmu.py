"""rohmu: the object storage library of Aiven's backup programs, on its transfer for Swift."""

from __future__ import annotations

import logging
from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, same

CLIENT = Client(
    title="rohmu",
    sources=(Pip("rohmu", also=("python-swiftclient", "python-keystoneclient")),),
    auths=("v1", "v2", "v3"),
    settings="""
```python
get_transfer({"storage_type": "swift", "auth_url": "http://127.0.0.1:8080/auth/v1.0", "auth_version": "1.0",
              "user": "test:tester", "key": "testing", "container_name": "backups"})
```
For v3: `"auth_version": "3.0"`, `"project_name": "test"`, `"user_domain_name": "Default"`, `"project_domain_name": "Default"`.
""",
)


def transfer(site: Site) -> Any:
    """A transfer to the container ``backups``."""
    from rohmu import get_transfer

    logging.basicConfig()
    more: dict[str, Any] = {"user": f"{site.account}:{site.user}", "auth_version": "1.0"}
    if site.auth == "v2":
        more = {"user": site.user, "auth_version": "2.0", "tenant_name": site.account}
    if site.auth == "v3":
        domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
        more = {"user": site.user, "auth_version": "3.0", "project_name": site.account, **domains}
    common = {"storage_type": "swift", "auth_url": site.auth_url, "key": site.key, "container_name": "backups"}
    return get_transfer({**common, **more, "segment_size": 2_000_000})


@CLIENT.operation("store and get")
def store(site: Site) -> None:
    to = transfer(site)
    to.store_file_from_memory("dir/one", b"content", metadata={"mood": "fine"})
    same(site.eye.get("backups", "dir/one"), b"content", "content")
    content, metadata = to.get_contents_to_string("dir/one")
    same((content, metadata["mood"]), (b"content", "fine"), "read")
    same(to.get_metadata_for_key("dir/one")["mood"], "fine", "metadata")


@CLIENT.operation("large file in segments")
def large(site: Site) -> None:
    path = site.file("big", 5_000_000)
    to = transfer(site)
    to.store_file_from_disk("dir/big", str(path), multipart=True)
    same(site.eye.get("backups", "dir/big"), path.read_bytes(), "content")
    to.get_contents_to_file("dir/big", str(site.scratch / "down"))
    same((site.scratch / "down").read_bytes(), path.read_bytes(), "download")


@CLIENT.operation("list")
def listing(site: Site) -> None:
    found = {entry["name"]: entry["size"] for entry in transfer(site).list_path("dir", with_metadata=False)}
    same(found["dir/one"], 7, "size")
    assert "dir/big" in found


@CLIENT.operation("copy")
def copy(site: Site) -> None:
    transfer(site).copy_file(source_key="dir/one", destination_key="dir/copy")
    same(site.eye.get("backups", "dir/copy"), b"content", "content")


@CLIENT.operation("delete")
def delete(site: Site) -> None:
    to = transfer(site)
    to.delete_key("dir/copy")
    same(site.eye.is_there("backups", "dir/copy"), False, "dir/copy is there")
    to.delete_tree("dir")
    same([name for name in site.eye.names("backups") if name.startswith("dir/")], [], "left behind")
