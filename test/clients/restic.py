"""restic: encrypted backups, without duplicates."""

from __future__ import annotations

import json

from clients.harness.client import Apt, Client
from clients.harness.site import Site, same

CLIENT = Client(
    title="restic",
    sources=(Apt("restic", "restic"),),
    auths=("v1", "v2", "v3"),
    in_ci=True,
    settings="""
```
export ST_AUTH=http://127.0.0.1:8080/auth/v1.0 ST_USER=test:tester ST_KEY=testing
restic -r swift:backups:/laptop init
```
For v3: `OS_AUTH_URL=http://127.0.0.1:8080/v3`, `OS_USERNAME`, `OS_PASSWORD`, `OS_PROJECT_NAME`, `OS_USER_DOMAIN_NAME`,
`OS_PROJECT_DOMAIN_NAME`.
""",
)


def restic(site: Site, *arguments: object, fails: bool = False) -> str:
    """Run restic on a repository in the container ``backups``."""
    env = {**site.environment, "RESTIC_PASSWORD": "secret", "RESTIC_REPOSITORY": "swift:backups:/laptop"}
    return site.run("restic", "--no-cache", *arguments, env=env, fails=fails)


@CLIENT.operation("init")
def init(site: Site) -> None:
    restic(site, "init")
    assert "laptop/config" in site.eye.names("backups")


@CLIENT.operation("backup")
def backup(site: Site) -> None:
    site.file("home/one", 3_000_000)
    site.file("home/sub/two", 5_000)
    restic(site, "backup", "home")
    before = len([name for name in site.eye.names("backups") if name.startswith("laptop/data/")])
    (site.scratch / "home/sub/two").write_bytes(b"changed")
    restic(site, "backup", "home")
    after = len([name for name in site.eye.names("backups") if name.startswith("laptop/data/")])
    assert 0 < before < after, f"{before} data objects, then {after}"


@CLIENT.operation("snapshots and ls")
def snapshots(site: Site) -> None:
    same(len(json.loads(restic(site, "snapshots", "--json"))), 2, "snapshots")
    assert "/home/sub/two" in restic(site, "ls", "latest")


@CLIENT.operation("check, reading all data")
def check(site: Site) -> None:
    assert "no errors were found" in restic(site, "check", "--read-data")


@CLIENT.operation("restore")
def restore(site: Site) -> None:
    restic(site, "restore", "latest", "--target", "back")
    for name in ("home/one", "home/sub/two"):
        same((site.scratch / "back" / name).read_bytes(), (site.scratch / name).read_bytes(), name)


@CLIENT.operation("forget and prune")
def prune(site: Site) -> None:
    before = set(site.eye.names("backups"))
    restic(site, "forget", "--keep-last", "1", "--prune")
    assert before - set(site.eye.names("backups")), "nothing was deleted"
    same(len(json.loads(restic(site, "snapshots", "--json"))), 1, "snapshots")
    restic(site, "check", "--read-data")


@CLIENT.operation("damage is found")
def damage(site: Site) -> None:
    name = next(name for name in site.eye.names("backups") if name.startswith("laptop/data/"))
    content = site.eye.get("backups", name)
    site.eye.put("backups", name, content[:-1] + bytes([content[-1] ^ 1]))
    restic(site, "check", "--read-data", fails=True)


@CLIENT.operation("locks")
def locks(site: Site) -> None:
    restic(site, "unlock")
    same([name for name in site.eye.names("backups") if "/locks/" in name], [], "locks")
