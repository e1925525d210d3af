"""davix: the HTTP tools of grid computing, in their mode for Swift."""

from __future__ import annotations

from clients.harness.client import Apt, Client
from clients.harness.site import Site, same

CLIENT = Client(
    title="davix",
    sources=(Apt("davix", "davix-get"),),
    auths=("token",),
    settings="""
```
davix-put --ostoken TOKEN --swiftaccount AUTH_test file swift://127.0.0.1:8080/container/file
```
The token is what `/auth/v1.0` gives in `X-Auth-Token`.
""",
)


def davix(site: Site, tool: str, *arguments: object, fails: bool = False) -> str:
    """Run one of the tools."""
    return site.run(
        f"davix-{tool}", "--ostoken", site.eye.token, "--swiftaccount", "AUTH_test", *arguments, fails=fails
    )


def url(site: Site, path: str) -> str:
    """The URL of a path below the account, in davix's spelling."""
    return site.url.replace("http://", "swift://") + path


@CLIENT.operation("put and get")
def put(site: Site) -> None:
    site.eye.put("files", "first", b"1")
    path = site.file("one", 100_000)
    davix(site, "put", "one", url(site, "/files/one"))
    same(site.eye.get("files", "one"), path.read_bytes(), "content")
    davix(site, "get", url(site, "/files/one"), "down")
    same((site.scratch / "down").read_bytes(), path.read_bytes(), "download")


@CLIENT.operation("ls")
def listing(site: Site) -> None:
    site.eye.put("files", "dir/sub", b"2")
    same(davix(site, "ls", url(site, "/files/")).split(), ["dir/", "first", "one"], "names")


@CLIENT.operation("mkdir")
def mkdir(site: Site) -> None:
    davix(site, "mkdir", url(site, "/made"))
    assert site.eye.is_there("made")


@CLIENT.operation("rm")
def remove(site: Site) -> None:
    davix(site, "rm", url(site, "/files/one"))
    same(site.eye.is_there("files", "one"), False, "one is there")
    davix(site, "get", url(site, "/files/one"), "none", fails=True)
