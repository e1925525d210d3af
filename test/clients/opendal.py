"""Apache OpenDAL: its service `swift`, which is given a token."""

from __future__ import annotations

from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, same

CLIENT = Client(
    title="Apache OpenDAL",
    sources=(Pip("opendal"),),
    auths=("token",),
    in_ci=True,
    settings="""
```python
opendal.Operator("swift", endpoint="http://127.0.0.1:8080/v1/AUTH_test", container="data", token=TOKEN)
```
The token is what `/auth/v1.0` gives in `X-Auth-Token`; the container must exist.
""",
)


def operator(site: Site) -> Any:
    """OpenDAL on the container ``data``."""
    import opendal

    return opendal.Operator("swift", endpoint=site.storage_url, container="data", token=site.eye.token)


@CLIENT.operation("write and read")
def write(site: Site) -> None:
    site.eye.put("data", "made first", b"")
    store = operator(site)
    for name, content in (("dir/one", b"content"), ("dir/ünï çødé & more", bytes(range(256)) * 500)):
        store.write(name, content)
        same(site.eye.get("data", name), content, name)
        same(bytes(store.read(name)), content, f"{name}, read")


@CLIENT.operation("read a part")
def part(site: Site) -> None:
    with operator(site).open("dir/one", "rb") as file:
        file.seek(3)
        same(bytes(file.read(4)), b"tent", "part")


@CLIENT.operation("stat")
def stat(site: Site) -> None:
    found = operator(site).stat("dir/one")
    same((found.content_length, found.etag), (7, site.eye.head("data", "dir/one")["etag"]), "stat")


@CLIENT.operation("list and scan")
def listing(site: Site) -> None:
    store = operator(site)
    store.write("dir/sub/two", b"2")
    same({e.path for e in store.list("dir/")} - {"dir/"}, {"dir/one", "dir/sub/", "dir/ünï çødé & more"}, "list")
    found = {e.path for e in store.scan("")} - {"/", "dir/", "dir/sub/"}
    same(found, {"dir/one", "dir/sub/two", "dir/ünï çødé & more", "made first"}, "scan")


@CLIENT.operation("copy")
def copy(site: Site) -> None:
    operator(site).copy("dir/one", "dir/copied")
    same(site.eye.get("data", "dir/copied"), b"content", "copy")


@CLIENT.operation("large file in chunks")
def chunks(site: Site) -> None:
    content = site.file("big", 12 << 20).read_bytes()
    with operator(site).open("big", "wb") as file:
        for start in range(0, len(content), 1 << 20):
            file.write(content[start : start + (1 << 20)])
    same(site.eye.get("data", "big"), content, "big")


@CLIENT.operation("delete and remove_all")
def delete(site: Site) -> None:
    store = operator(site)
    store.delete("dir/one")
    store.delete("dir/one")
    same(site.eye.is_there("data", "dir/one"), False, "dir/one is there")
    store.remove_all("dir/")
    same([name for name in site.eye.names("data") if name.startswith("dir/")], [], "left behind")


@CLIENT.operation("what is not there")
def missing(site: Site) -> None:
    import opendal.exceptions

    try:
        operator(site).read("none")
    except opendal.exceptions.NotFound:
        return
    raise AssertionError("no NotFound")
