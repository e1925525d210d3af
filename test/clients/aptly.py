"""aptly: a repository of Debian packages, published to a container."""

from __future__ import annotations

import json

from clients.harness.client import Apt, Client
from clients.harness.site import Site, anyone, same

CLIENT = Client(
    title="aptly",
    sources=(Apt("aptly", "aptly"),),
    auths=("v1", "v2", "v3"),
    settings="""
```
"SwiftPublishEndpoints": {"store": {"container": "debian", "authurl": "http://127.0.0.1:8080/auth/v1.0",
                                    "osname": "test:tester", "password": "testing"}}
```
in `~/.aptly.conf`; then `aptly publish repo NAME swift:store:`. For v3: `"authurl": "http://127.0.0.1:8080/v3"`,
`"tenant": "test"`, `"domain": "Default"`, `"tenantdomain": "Default"`.
""",
)


def aptly(site: Site, *arguments: object, fails: bool = False) -> str:
    """Run aptly with a configuration of its own."""
    user = {"osname": f"{site.account}:{site.user}"} if site.auth == "v1" else {"osname": site.user}
    domains = {"domain": "Default", "tenantdomain": "Default"} if site.auth == "v3" else {}
    tenant = {} if site.auth == "v1" else {"tenant": site.account}
    endpoint = {"container": "debian", "authurl": site.auth_url, "password": site.key, **user, **tenant, **domains}
    configuration = {"rootDir": str(site.scratch / "aptly"), "SwiftPublishEndpoints": {"store": endpoint}}
    path = site.file("aptly.conf", json.dumps(configuration).encode())
    return site.run("aptly", f"-config={path}", *arguments, fails=fails)


def package(site: Site, name: str, version: str) -> None:
    """Build a small Debian package in ``packages``."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: x\n"
    site.file(f"{name}-{version}/DEBIAN/control", control.encode())
    site.file(f"{name}-{version}/usr/share/{name}/file", 20_000)
    (site.scratch / "packages").mkdir(exist_ok=True)
    site.run("dpkg-deb", "--build", f"{name}-{version}", "packages")


@CLIENT.operation("publish a repository")
def publish(site: Site) -> None:
    site.eye.put("debian", "note", b"kept")
    package(site, "hello", "1.0")
    aptly(site, "repo", "create", "-distribution=stable", "-component=main", "ours")
    aptly(site, "repo", "add", "ours", "packages")
    aptly(site, "publish", "repo", "-skip-signing", "-architectures=amd64,all", "ours", "swift:store:")
    same(
        site.eye.get("debian", POOL.format("1.0")),
        (site.scratch / "packages/hello_1.0_all.deb").read_bytes(),
        "package",
    )
    assert b"Package: hello" in site.eye.get("debian", "dists/stable/main/binary-amd64/Packages")


POOL = "pool/main/h/hello/hello_{}_all.deb"


@CLIENT.operation("update")
def update(site: Site) -> None:
    package(site, "hello", "2.0")
    aptly(site, "repo", "add", "ours", "packages")
    aptly(site, "publish", "update", "-skip-signing", "stable", "swift:store:")
    assert b"Version: 2.0" in site.eye.get("debian", "dists/stable/main/binary-amd64/Packages")
    assert site.eye.is_there("debian", POOL.format("2.0"))


@CLIENT.operation("read by anyone, as apt does")
def read(site: Site) -> None:
    site.eye.ask("POST", "/debian", {"X-Container-Read": ".r:*"})
    found = anyone("GET", f"{site.storage_url}/debian/dists/stable/Release")
    assert found.status == 200 and b"Codename: stable" in found.body


@CLIENT.operation("drop")
def drop(site: Site) -> None:
    aptly(site, "publish", "drop", "stable", "swift:store:")
    same(site.eye.names("debian"), ["note"], "left behind")
