"""duplicity: encrypted, incremental backups as tar archives."""

from __future__ import annotations

from clients.harness.client import Apt, Client, Pip
from clients.harness.site import Site, same

LIBRSYNC = (("/usr/include/librsync.h", "librsync-dev"), ("gpg", "gnupg"), ("gcc", "gcc"))
NEEDED = ("fasteners", "pexpect", "python-swiftclient", "python-keystoneclient")
WITHOUT = """
Deleting takes none of these: python-swiftclient's own variables say the same once more (`ST_AUTH`, `ST_USER`, `ST_KEY`, or
`OS_AUTH_URL`, `OS_USERNAME`…). Without them duplicity says that it deleted old backups, and has not; on OpenStack Swift, too.
"""
CLIENT = Client(
    title="duplicity",
    sources=(
        # What it asks for are the libraries of all its backends, some of them too old for this Python.
        Pip("duplicity", also=NEEDED, system=LIBRSYNC, alone=True),
        Apt("duplicity", "/usr/bin/duplicity", ("python3-swiftclient", "python3-keystoneclient", "gnupg")),
    ),
    auths=("v1", "v2", "v3"),
    notes=WITHOUT,
    settings="""
```
export SWIFT_AUTHURL=http://127.0.0.1:8080/auth/v1.0 SWIFT_AUTHVERSION=1 SWIFT_USERNAME=test:tester SWIFT_PASSWORD=testing
duplicity full /home swift://container
```
For v3: `SWIFT_AUTHURL=http://127.0.0.1:8080/v3`, `SWIFT_AUTHVERSION=3`, `SWIFT_USERNAME=tester`, `SWIFT_TENANTNAME=test`,
`SWIFT_USER_DOMAIN_NAME=Default`, `SWIFT_PROJECT_DOMAIN_NAME=Default`.
""",
)


def duplicity(site: Site, *arguments: object, fails: bool = False) -> str:
    """Run duplicity with the settings in variables."""
    env = {
        **site.environment,
        "SWIFT_AUTHURL": site.auth_url,
        "SWIFT_AUTHVERSION": site.auth[1],
        "SWIFT_PASSWORD": site.key,
    }
    env |= {"SWIFT_USERNAME": f"{site.account}:{site.user}" if site.auth == "v1" else site.user, "PASSPHRASE": "secret"}
    if site.auth != "v1":
        env |= {"SWIFT_TENANTNAME": site.account}
    if site.auth == "v3":
        env |= {"SWIFT_USER_DOMAIN_NAME": "Default", "SWIFT_PROJECT_DOMAIN_NAME": "Default"}
    common = ("--archive-dir", site.scratch / "cache", "--num-retries", "1")
    return site.run("duplicity", *arguments, *common, env=env, fails=fails)


@CLIENT.operation("full backup")
def full(site: Site) -> None:
    site.file("home/one", 3_000_000)
    site.file("home/sub/two", 5_000)
    duplicity(site, "full", "--volsize", 1, "home", "swift://backups")
    names = site.eye.names("backups")
    assert sum(name.startswith("duplicity-full.") and ".vol" in name for name in names) >= 3, names
    assert all(name.endswith(".gpg") for name in names), names


@CLIENT.operation("incremental backup")
def incremental(site: Site) -> None:
    (site.scratch / "home/sub/two").write_bytes(b"changed")
    duplicity(site, "incremental", "home", "swift://backups")
    assert any(name.startswith("duplicity-inc.") for name in site.eye.names("backups"))


@CLIENT.operation("verify")
def verify(site: Site) -> None:
    duplicity(site, "verify", "--compare-data", "swift://backups", "home")


@CLIENT.operation("collection-status and list")
def status(site: Site) -> None:
    assert "Found primary backup chain" in duplicity(site, "collection-status", "swift://backups")
    assert "sub/two" in duplicity(site, "list-current-files", "swift://backups")


@CLIENT.operation("restore without the cache")
def restore(site: Site) -> None:
    (site.scratch / "cache").rename(site.scratch / "old cache")
    duplicity(site, "restore", "swift://backups", "back")
    for name in ("one", "sub/two"):
        same((site.scratch / "back" / name).read_bytes(), (site.scratch / "home" / name).read_bytes(), name)


@CLIENT.operation("remove old backups")
def remove(site: Site) -> None:
    old = set(site.eye.names("backups"))
    duplicity(site, "full", "home", "swift://backups")
    duplicity(site, "remove-all-but-n-full", 1, "--force", "swift://backups")
    same(old & set(site.eye.names("backups")), set(), "left behind")
