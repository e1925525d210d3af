"""docker-registry: images in a container, pushed and pulled by the registry's HTTP API."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator

from clients.harness.client import Apt, Client
from clients.harness.site import Answer, Site, anyone, same

CLIENT = Client(
    title="docker-registry",
    sources=(Apt("docker-registry", "docker-registry"),),
    auths=("v1", "v2", "v3"),
    notes="Of an upload that is given up it leaves an object `hashstates/sha256/0`, on OpenStack Swift, too.",
    settings="""
```yaml
storage:
  delete: {enabled: true}
  swift:
    authurl: http://127.0.0.1:8080/auth/v1.0
    username: test:tester
    password: testing
    container: images
    chunksize: 5242880
```
For v3: `authurl: http://127.0.0.1:8080/v3`, `username: tester`, `tenant: test`, `domain: Default`, `tenantdomain: Default`.
""",
)
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MIB = 1 << 20


def configuration(site: Site, port: int) -> str:
    """The registry's configuration, which is JSON as it is YAML."""
    swift = {"authurl": site.auth_url, "password": site.key, "container": "images", "chunksize": 2 * MIB}
    swift |= {"username": f"{site.account}:{site.user}" if site.auth == "v1" else site.user}
    if site.auth != "v1":
        swift |= {"tenant": site.account}
    if site.auth == "v3":
        swift |= {"domain": "Default", "tenantdomain": "Default"}
    http = {"addr": f"127.0.0.1:{port}", "secret": "x"}
    return json.dumps({"version": 0.1, "storage": {"delete": {"enabled": True}, "swift": swift}, "http": http})


@contextlib.contextmanager
def registry(site: Site) -> Iterator[str]:
    """Run the registry; yield the URL of the repository ``team/app`` in it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = site.file("registry.yml", configuration(site, port).encode())
    with open(site.scratch / "registry.log", "ab") as log:
        process = subprocess.Popen([site.program("docker-registry"), "serve", str(path)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        assert process.poll() is None, (site.scratch / "registry.log").read_text().strip().splitlines()[-1][-300:]
        yield f"http://127.0.0.1:{port}/v2/team/app"
    finally:
        process.terminate()
        process.wait(60)


def digest(content: bytes) -> str:
    """How a registry names a content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def expect(answer: Answer, status: int, what: str) -> Answer:
    """Return the answer if it has this status."""
    assert answer.status == status, f"{what} is answered {answer.status}: {answer.body[:200]!r}"
    return answer


def push_blob(url: str, pieces: list[bytes]) -> str:
    """Push a blob in pieces, and return its digest."""
    place = expect(anyone("POST", f"{url}/blobs/uploads/", body=b""), 202, "POST").headers["location"]
    start = 0
    for piece in pieces:
        span = {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{start + len(piece) - 1}"}
        place = expect(anyone("PATCH", place, span, piece), 202, "PATCH").headers["location"]
        start += len(piece)
    name = digest(b"".join(pieces))
    expect(anyone("PUT", f"{place}&digest={name}", body=b""), 201, "PUT of a blob")
    return name


@CLIENT.operation("push an image")
def push(site: Site) -> None:
    with registry(site) as url:
        config = b'{"architecture": "amd64"}'
        layer = site.file("layer", 5 * MIB).read_bytes()
        push_blob(url, [config])
        push_blob(url, [layer[: 3 * MIB], layer[3 * MIB :]])
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "x", "size": len(config), "digest": digest(config)},
            "layers": [{"mediaType": "x", "size": len(layer), "digest": digest(layer)}],
        }
        body = site.file("manifest", json.dumps(manifest).encode()).read_bytes()
        expect(anyone("PUT", f"{url}/manifests/latest", {"Content-Type": MANIFEST}, body), 201, "PUT of a manifest")
    hexadecimal = digest(layer).partition(":")[2]
    stored = f"files/docker/registry/v2/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data"
    same(site.eye.get("images", stored), layer, "the layer")


@CLIENT.operation("pull it")
def pull(site: Site) -> None:
    with registry(site) as url:
        manifest = expect(anyone("GET", f"{url}/manifests/latest", {"Accept": MANIFEST}), 200, "GET").body
        same(manifest, (site.scratch / "manifest").read_bytes(), "manifest")
        layer = (site.scratch / "layer").read_bytes()
        same(expect(anyone("GET", f"{url}/blobs/{digest(layer)}"), 200, "GET of a blob").body, layer, "layer")
        found = expect(anyone("GET", f"{url}/blobs/{digest(layer)}", {"Range": "bytes=5-14"}), 206, "GET of a part")
        same(found.body, layer[5:15], "part")


@CLIENT.operation("catalog and tags")
def catalog(site: Site) -> None:
    with registry(site) as url:
        root = url.removesuffix("/team/app")
        same(json.loads(anyone("GET", f"{root}/_catalog").body), {"repositories": ["team/app"]}, "catalog")
        same(json.loads(anyone("GET", f"{url}/tags/list").body)["tags"], ["latest"], "tags")


@CLIENT.operation("upload given up")
def give_up(site: Site) -> None:
    with registry(site) as url:
        place = anyone("POST", f"{url}/blobs/uploads/", body=b"").headers["location"]
        kind = {"Content-Type": "application/octet-stream", "Content-Range": "0-2"}
        place = expect(anyone("PATCH", place, kind, b"123"), 202, "PATCH").headers["location"]
        expect(anyone("DELETE", place), 204, "DELETE of an upload")
    left = [name for name in site.eye.names("images") if "/_uploads/" in name and "/hashstates/" not in name]
    same(left, [], "left behind")


@CLIENT.operation("delete and garbage-collect")
def delete(site: Site) -> None:
    manifest = (site.scratch / "manifest").read_bytes()
    with registry(site) as url:
        expect(anyone("DELETE", f"{url}/manifests/{digest(manifest)}"), 202, "DELETE")
        expect(anyone("GET", f"{url}/manifests/latest", {"Accept": MANIFEST}), 404, "GET of what was deleted")
    site.run("docker-registry", "garbage-collect", "registry.yml")
    left = [name for name in site.eye.names("images") if "/blobs/" in name and name.endswith("/data")]
    same(left, [], "left behind")
