"""swiftspec: the protocol `swift` of fsspec, as pandas, xarray and Dask open files."""

from __future__ import annotations

from typing import Any

from clients.harness.client import Client, Pip
from clients.harness.site import Site, same

CLIENT = Client(
    title="swiftspec",
    sources=(Pip("swiftspec"),),
    auths=("token",),
    notes="It speaks https only; here its parameter `get_client` gives it a session that says http to the store.",
    settings="""
```python
fsspec.filesystem("swift", auth=[{"token": TOKEN, "url": "https://store.example.com/v1/AUTH_test"}])
```
or the two as `OS_AUTH_TOKEN` and `OS_STORAGE_URL`; then `swift://store.example.com/AUTH_test/container/object`. The store
has to be reached by https.
""",
)


def files(site: Site) -> tuple[Any, str]:
    """The file system, and the URL of the account in it."""
    import aiohttp
    import fsspec

    class Plain(aiohttp.ClientSession):
        async def _request(self, method: str, url: Any, **more: Any) -> Any:
            return await super()._request(method, str(url).replace("https://", "http://", 1), **more)

    async def get_client(**more: Any) -> Any:
        return Plain(**more)

    auth = [{"token": site.eye.token, "url": site.storage_url.replace("http://", "https://", 1)}]
    made = fsspec.filesystem("swift", auth=auth, get_client=get_client, skip_instance_cache=True)
    return made, "swift://" + site.storage_url.split("://", 1)[1].replace("/v1/", "/", 1)


@CLIENT.operation("write and read")
def objects(site: Site) -> None:
    site.eye.ask("PUT", "/data")
    system, root = files(site)
    content = site.file("one", 300_000).read_bytes()
    with system.open(f"{root}/data/dir/one", "wb") as file:
        file.write(content)
    same(site.eye.get("data", "dir/one"), content, "content")
    same(system.cat_file(f"{root}/data/dir/one"), content, "read")
    with system.open(f"{root}/data/dir/one", "rb") as file:
        file.seek(100_000)
        same(file.read(10), content[100_000:100_010], "a part")


@CLIENT.operation("list and facts")
def listing(site: Site) -> None:
    system, root = files(site)
    same(system.ls(root, detail=False), [f"{root}/data"], "containers")
    same([one["type"] for one in system.ls(f"{root}/data")], ["directory"], "types")
    same(system.find(f"{root}/data"), [f"{root}/data/dir/one"], "find")
    same(system.info(f"{root}/data/dir/one")["size"], 300_000, "size")
    same((system.exists(f"{root}/data/dir/one"), system.exists(f"{root}/data/none")), (True, False), "exists")


@CLIENT.operation("delete")
def delete(site: Site) -> None:
    system, root = files(site)
    system.rm(f"{root}/data/dir/one")
    same(site.eye.names("data"), [], "names")
    try:
        system.cat_file(f"{root}/data/dir/one")
    except FileNotFoundError:
        return
    raise AssertionError("no error")
