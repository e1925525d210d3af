"""What the all-in-one's directory holds: decided from its confs and the command line, then made so."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swiftlite.cli import layout, probing
from swiftlite.cli.layout import Layout, StorageNode
from swiftlite.common.config import ConfFile, ConfigError, StartError
from swiftlite.core.hosts import spell_address

DEFAULT_PORT = 8080
LOOPBACK = "127.0.0.1"
USER = "test:tester"
# The customary users of Swift's all-in-one: two accounts, a plain user, and a reseller administrator.
USERS = {
    "admin:admin": "admin .admin .reseller_admin",
    USER: "testing .admin",
    "test2:tester2": "testing2 .admin",
    "test:tester3": "testing3",
}
DEVICES = ("d1", "d2", "d3", "d4")
MOST_WORKERS = 4
PASTE = """\
  TOKEN=$(curl -s -o /dev/null -D - -H "X-Auth-User: {user}" -H "X-Auth-Key: {key}" {auth} | tr -d '\\r' | sed -n 's/^x-auth-token: //Ip')
  curl -f -H "X-Auth-Token: $TOKEN" -X PUT {container} && curl -f -H "X-Auth-Token: $TOKEN" -T /etc/os-release {object}
  swift -A {auth} -U {user} -K "{key}" upload demo /etc/os-release
"""


@dataclass(frozen=True)
class Plan:
    """The wanted layout, and how far what lies in the directory is from it.

    `is_new`: nothing is laid out yet. `new_keys`: users whose keys were made just now, to be told once.
    `missing`: filters of a new store's pipeline that this one's lacks, as directories of earlier versions do.
    `can_log_in`: a user of tempauth's can have a token at the usual place, so that the start can be tried to its end.
    `speaks_tls`: the proxy does.
    """

    layout: Layout
    is_new: bool
    new_keys: Mapping[str, str]
    missing: tuple[str, ...] = ()
    can_log_in: bool = True
    speaks_tls: bool = False

    @property
    def user(self) -> str:
        """The user to greet, as ``account:user``; one whose password is in the conf file, not only a hash of it."""
        plain = [user for user, value in self.layout.users.items() if not _is_hashed(value)]
        candidates = plain or list(self.layout.users)
        return USER if USER in candidates else candidates[0]

    @property
    def key(self) -> str:
        """That user's key."""
        return self.layout.users[self.user].split()[0]

    @property
    def auth_url(self) -> str:
        """Where clients get a token."""
        ip, port = self.local_address
        return f"{'https' if self.speaks_tls else 'http'}://{spell_address(ip, port)}/auth/v1.0"

    @property
    def local_address(self) -> tuple[str, int]:
        """Where this machine reaches the proxy."""
        return probing.reachable((self.layout.proxy_ip, self.layout.proxy_port))

    @property
    def administrator(self) -> str:
        """Who may see what the console's section Cluster shows, and where his key is, or that tempauth knows none."""
        names = [user for user, value in self.layout.users.items() if ".reseller_admin" in value.split()[1:]]
        if not names:
            return "(tempauth has none)"
        name, key = names[0], self.layout.users[names[0]].split()[0]
        if key == USERS.get(name, "").partition(" ")[0]:
            return f"{name}, key {key}"
        return f"{name}, key in {self.layout.etc}/proxy-server.conf"

    def carry_out(self) -> None:
        """Write what is missing or differs; what an operator changed besides stays. Raises StartError."""
        try:
            if self.is_new:
                layout.write(self.layout)
            else:
                _converge(self.layout, self.new_keys)
        except OSError as error:
            raise StartError(f"cannot write {error.filename}: {error.strerror}") from error

    def banner(self) -> str:
        """The text that greets the operator once the store is up."""
        root, (account, name) = self.auth_url.removesuffix("/auth/v1.0"), self.user.split(":", 1)
        is_secret = self.key != USERS.get(self.user, "").partition(" ")[0] and self.user not in self.new_keys
        conf = self.layout.etc / "proxy-server.conf"
        key_line = f"in {conf}, put it in the variable KEY" if is_secret else self.key
        paste = PASTE.format(
            user=self.user,
            key="$KEY" if is_secret else self.key,
            auth=_for_shell(self.auth_url),
            container=_for_shell(f"{root}/v1/AUTH_{account}/demo"),
            object=_for_shell(f"{root}/v1/AUTH_{account}/demo/os-release"),
        )
        told = "".join(f"  {user} has the key {key}\n" for user, key in self.new_keys.items() if user != self.user)
        kept = f"The keys are random, told only this once, and kept in {conf}:\n{told}\n" if self.new_keys else ""
        console = f"  Console   {root}/console/\n"
        keystone = f"  Keystone  {root}/v3 (or v2.0), user {name}, project {account}, domain Default\n"
        return (
            f"The store is up, with three replicas of everything, in {self.layout.directory}\n\n"
            f"  Auth URL  {self.auth_url}\n  User      {self.user}\n  Key       {key_line}\n"
            f"  Admin     {self.administrator}; the console's section Cluster wants it\n"
            f"  Logs      {self.layout.directory}/log/\n"
            f"{'' if 'console' in self.missing else console}{'' if 'identity' in self.missing else keystone}\n"
            f"{kept}Paste these lines to get a token, put a file with curl, and one with swift:\n\n{paste}{self._advice()}"
        )

    def _advice(self) -> str:
        """What somebody should know who speaks TLS, or whose directory is from an earlier version."""
        conf = self.layout.etc / "proxy-server.conf"
        trust = (
            f"\nWhere nobody has told this machine to trust the certificate of {conf}:\n"
            "curl --cacert FILE, swift --os-cacert FILE, with that of the authority which has signed it.\n"
        )
        return (trust if self.speaks_tls else "") + (self._what_is_missing(conf) if self.missing else "")

    def _what_is_missing(self, conf: Path) -> str:
        return (
            f"\nThe pipeline in {conf} lacks {', '.join(self.missing)}, which a new store has;\n"
            "etc/proxy-server.conf-sample of this checkout shows where they go, and the sections they need.\n"
        )


def make_plan(directory: Path, port: int | None, bind: str | None, workers: int | None) -> Plan:
    """Decide what `directory` should hold: what the command line says, else what its confs say, else the defaults.

    Raises StartError when the confs cannot be read.
    """
    conf_path = directory / "etc" / "proxy-server.conf"
    is_new = not conf_path.exists()
    conf = None if is_new else ConfFile.load(str(conf_path))
    default = conf.section("DEFAULT") if conf else {}
    try:
        had_port = int(default.get("bind_port", DEFAULT_PORT))
    except ValueError:
        problem = f"{default['bind_port']!r} is no port"
        raise ConfigError(str(conf_path), "DEFAULT", "bind_port", problem, "correct it") from None
    bind = bind or default.get("bind_ip", LOOPBACK)
    users = _users_of(conf) if conf else dict(USERS)
    new_keys = {} if _is_loopback(bind) else _replace_public_keys(users)
    port = port or had_port
    backend_ports = (port + 1, port + 2, port + 3)
    wanted = Layout(
        directory=directory,
        proxy_ip=bind,
        proxy_port=port,
        nodes=(StorageNode(0, LOOPBACK, backend_ports, directory / "devices", DEVICES),),
        users=users,
        workers=str(workers) if workers is not None else default.get("workers", str(_default_workers())),
        swift_conf={"storage-policy:0": {"name": "Policy-0", "default": "yes"}},
    )
    if conf is None:
        return Plan(wanted, is_new, new_keys)
    filters = conf.section("pipeline:main").get("pipeline", "").split()
    missing = tuple(name for name in dict.fromkeys(layout.PIPELINE.split()) if name not in filters)
    return Plan(wanted, is_new, new_keys, missing, _can_log_in(conf, users, filters), probing.speaks_tls(default))


def _can_log_in(conf: ConfFile, users: Mapping[str, str], filters: Sequence[str]) -> bool:
    """Whether a password is known that buys a token at ``/auth/v1.0``, for an account ``AUTH_…``."""
    options = conf.section("filter:tempauth")
    changed = options.get("reseller_prefix", "AUTH").strip("_") != "AUTH" or "auth_prefix" in options
    return "tempauth" in filters and not changed and not all(map(_is_hashed, users.values()))


def _for_shell(url: str) -> str:
    """A URL as it is typed: the brackets of an IPv6 address are patterns to shells."""
    return f"'{url}'" if "[" in url else url


def _is_hashed(value: str) -> bool:
    """Whether what the conf says of a user has a hash in the password's place (doc/identity.md)."""
    return value.startswith(("{argon2}", "$argon2"))


def _default_workers() -> int:
    return min(MOST_WORKERS, os.cpu_count() or 1)


def _users_of(conf: ConfFile) -> dict[str, str]:
    options = conf.section("filter:tempauth")
    return {
        name.removeprefix("user_").replace("_", ":", 1): value
        for name, value in options.items()
        if name.startswith("user_")
    }


def _is_loopback(bind: str) -> bool:
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def _replace_public_keys(users: dict[str, str]) -> dict[str, str]:
    """Give each user whose key everybody knows a random one; return the new keys."""
    new_keys = {}
    for user, value in users.items():
        key, _, groups = value.partition(" ")
        if key == USERS.get(user, "").partition(" ")[0]:
            new_keys[user] = secrets.token_urlsafe(18)
            users[user] = f"{new_keys[user]} {groups}".rstrip()
    return new_keys


def _converge(wanted: Layout, new_keys: Mapping[str, str]) -> None:
    """Change only what must: addresses, paths and workers in the confs; ports in the rings."""
    changed: dict[Path, str] = {}
    for path, conf in layout.confs(wanted):
        kept = ("log_address", "mount_check", "recon_cache_path")
        options = {name: value for name, value in conf["DEFAULT"].items() if name not in kept}
        # A store of an older release lacks the confs of newer daemons.
        text = path.read_text(encoding="utf-8") if path.exists() else layout.render(conf)
        new = layout.set_options(text, "DEFAULT", options)
        if path.name == "proxy-server.conf":
            keys = {"user_" + user.replace(":", "_", 1): wanted.users[user] for user in new_keys}
            new = layout.set_options(new, "filter:tempauth", keys)
        if new != text or not path.exists():
            changed[path] = new
    if changed:
        # Rings first: when a crash comes between, the confs still differ, and the next start does all of this again.
        from swiftlite.cli.layout_rings import write_rings  # here: most starts change nothing

        write_rings(wanted)
    for path, text in changed.items():
        layout.write_private(path, text)
