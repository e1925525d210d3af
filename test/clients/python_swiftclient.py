"""python-swiftclient: the command `swift`, the library's connections, and its service for many files at once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from clients.harness.client import Apt, Client, Pip
from clients.harness.site import Site, anyone, same

CLIENT = Client(
    title="python-swiftclient",
    sources=(
        Pip("python-swiftclient", also=("python-keystoneclient",)),
        Apt("python3-swiftclient", "/usr/lib/python3/dist-packages/swiftclient", ("python3-keystoneclient",)),
    ),
    auths=("v1", "v2", "v3"),
    in_ci=True,
    settings="""
```
swift -A http://127.0.0.1:8080/auth/v1.0 -U test:tester -K testing stat

# python-keystoneclient, too, for this one
swift --os-auth-url http://127.0.0.1:8080/v3 --auth-version 3 --os-username tester --os-password testing \\
    --os-project-name test --os-user-domain-name Default --os-project-domain-name Default stat
```
The same in the library: `swiftclient.Connection(authurl, user, key)`, with `auth_version="3"` and
`os_options={"project_name": "test", "user_domain_name": "Default", "project_domain_name": "Default"}`.
""",
)
MIB = 1 << 20


def swift(site: Site, *arguments: object, fails: bool = False) -> str:
    """Run the command; it takes its user from the environment."""
    version = {"v1": "1.0", "v2": "2.0", "v3": "3"}[site.auth]
    env = {**site.environment, "ST_AUTH_VERSION": version}
    return site.run("swift", *arguments, env=env, fails=fails)


@contextlib.contextmanager
def connection(site: Site) -> Iterator[Any]:
    """A connection of the library."""
    import swiftclient

    options = {"project_name": site.account, "user_domain_name": "Default", "project_domain_name": "Default"}
    more: dict[str, Any] = {"v1": {}, "v2": {"tenant_name": site.account}, "v3": {"os_options": options}}[site.auth]
    user = f"{site.account}:{site.user}" if site.auth == "v1" else site.user
    made = swiftclient.Connection(site.auth_url, user, site.key, auth_version=site.auth[1], retries=1, **more)
    with contextlib.closing(made):
        yield made


@CLIENT.operation("stat and auth")
def stat(site: Site) -> None:
    assert "Account: AUTH_test" in swift(site, "stat")
    assert f"export OS_STORAGE_URL={site.storage_url}" in swift(site, "auth")


@CLIENT.operation("upload and list")
def upload(site: Site) -> None:
    for name, size in {"tree/one": 10, "tree/sub/ünï çødé": 3000}.items():
        site.file(name, size)
    swift(site, "upload", "files", "tree")
    same(site.eye.names("files"), ["tree/one", "tree/sub/ünï çødé"], "names")
    same(
        swift(site, "list", "files", "--prefix", "tree/", "--delimiter", "/").split(), ["tree/one", "tree/sub/"], "list"
    )
    same(site.eye.get("files", "tree/one"), (site.scratch / "tree/one").read_bytes(), "tree/one")


@CLIENT.operation("download")
def download(site: Site) -> None:
    swift(site, "download", "files", "-D", "down")
    for name in ("tree/one", "tree/sub/ünï çødé"):
        same((site.scratch / "down" / name).read_bytes(), (site.scratch / name).read_bytes(), name)


@CLIENT.operation("metadata and access lists")
def post(site: Site) -> None:
    swift(site, "post", "files", "-m", "Colour:blue", "-r", ".r:*")
    head = site.eye.head("files")
    same((head["x-container-meta-colour"], head["x-container-read"]), ("blue", ".r:*"), "container")
    swift(site, "post", "files", "tree/one", "-m", "Mood:fine", "-H", "Content-Type: text/x-new")
    head = site.eye.head("files", "tree/one")
    same((head["x-object-meta-mood"], head["content-type"]), ("fine", "text/x-new"), "object")
    swift(site, "post", "-m", "Owner:me")
    assert "Meta Owner: me" in swift(site, "stat")


@CLIENT.operation("copy")
def copy(site: Site) -> None:
    swift(site, "copy", "files", "tree/one", "-d", "/copies/one", "-m", "Taste:sweet")
    head = site.eye.head("copies", "one")
    same((head["x-object-meta-mood"], head["x-object-meta-taste"]), ("fine", "sweet"), "metadata")


@CLIENT.operation("large objects, static and dynamic")
def large(site: Site) -> None:
    content = site.file("big", 3 * MIB + 1).read_bytes()
    dynamic = ["--use-dlo"] if "--use-dlo" in swift(site, "upload", "--help") else []  # without, of old
    for kind, options, mark in (("slo", ["--use-slo"], "x-static-large-object"), ("dlo", dynamic, "x-object-manifest")):
        swift(site, "upload", *options, "--segment-size", MIB, kind, "big")
        assert mark in site.eye.head(kind, "big"), f"the object has no {mark}"
        same(site.eye.get(kind, "big"), content, kind)
        swift(site, "download", kind, "big", "-o", "down-big")
        same((site.scratch / "down-big").read_bytes(), content, f"{kind} as downloaded")
        swift(site, "delete", kind, "big")
        same(site.eye.names(f"{kind}_segments"), [], "segments")


@CLIENT.operation("temporary URL")
def temporary_url(site: Site) -> None:
    swift(site, "post", "-m", "Temp-URL-Key:secret")
    site.eye.put("private", "one", b"content")
    path = site.storage_url[len(site.url) :] + "/private/one"
    signed = swift(site, "tempurl", "GET", 600, path, "secret").strip()
    found = anyone("GET", site.url + signed)
    same((found.status, found.body), (200, b"content"), "answer")
    same(anyone("PUT", site.url + signed, body=b"x").status, 401, "PUT")


@CLIENT.operation("capabilities")
def capabilities(site: Site) -> None:
    assert "swift" in json.loads(swift(site, "info", "--json"))


@CLIENT.operation("delete, many at once")
def delete(site: Site) -> None:
    swift(site, "delete", "files")
    same(site.eye.is_there("files"), False, "files is there")
    same(swift(site, "stat", "files", fails=True), "", "printed")


@CLIENT.operation("library: objects")
def objects(site: Site) -> None:
    with connection(site) as swift:
        swift.put_container("library")
        swift.put_object("library", "name", b"content", content_type="text/plain", headers={"X-Object-Meta-Mood": "ok"})
        headers, body = swift.get_object("library", "name")
        same((body, headers["x-object-meta-mood"]), (b"content", "ok"), "object")
        same(site.eye.get("library", "name"), b"content", "content")
        swift.put_object("library", "chunked", iter([b"one", b"two"]))
        same(site.eye.get("library", "chunked"), b"onetwo", "chunked")
        _, chunks = swift.get_object("library", "name", resp_chunk_size=3)
        same(b"".join(chunks), b"content", "in pieces")
        swift.post_object("library", "name", {"X-Object-Meta-Mood": "new"})
        same(swift.head_object("library", "name")["x-object-meta-mood"], "new", "metadata")
        swift.copy_object("library", "name", "/library/copy")
        same([e["name"] for e in swift.get_container("library")[1]], ["chunked", "copy", "name"], "listing")
        for name in ("chunked", "copy", "name"):
            swift.delete_object("library", name)
        swift.delete_container("library")
        same(site.eye.is_there("library"), False, "library is there")


@CLIENT.operation("library: errors")
def errors(site: Site) -> None:
    import swiftclient

    with connection(site) as swift:
        for act in (lambda: swift.get_object("none", "none"), lambda: swift.delete_container("none")):
            try:
                act()
            except swiftclient.ClientException as error:
                same(error.http_status, 404, "status")
            else:
                raise AssertionError("no error")
