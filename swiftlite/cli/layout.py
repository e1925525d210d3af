"""Lay out a cluster in one directory: conf files, rings and device directories that ordinary daemons run from."""

from __future__ import annotations

import os
import pwd
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STORAGE_KINDS = ("object", "container", "account")
SERVER_KINDS = ("proxy", *STORAGE_KINDS)
PIPELINE = (
    "catch_errors gatekeeper healthcheck metrics console proxy-logging cache etag-quoter listing_formats container_sync bulk "
    "tempurl formpost identity tempauth staticweb listing_metadata copy container-quotas account-quotas slo dlo "
    "versioned_writes symlink proxy-logging proxy-server"
)
INTERNAL_PIPELINE = "catch_errors proxy-logging cache symlink proxy-server"
"""What daemons' requests go down that do what clients do."""
VERSIONING = {"allow_versioned_writes": "true", "allow_object_versioning": "true"}
"""A container's owner may choose either kind of versions, where the defaults of OpenStack Swift allow neither."""
STORAGE_METRICS = {"allowed_networks": "loopback, private"}
"""Storage servers talk to their own network only, and Prometheus is in it."""
FILTERS = {"cache": "memcache"}
"""Names of filters whose sections are called otherwise than by their names with dashes."""

DAEMONS = {
    ("object", "updater"): "5",
    ("object", "replicator"): "30",
    ("object", "auditor"): "30",
    ("container", "updater"): "5",
    ("container", "replicator"): "30",
    ("account", "replicator"): "30",
    ("account", "reaper"): "30",
}
"""The daemons of each storage node, by the kind of server whose devices they work on; seconds between their passes."""

Conf = dict[str, dict[str, str]]
"""Section name to options."""


@dataclass(frozen=True)
class StorageNode:
    """One machine's worth of storage servers.

    `ports` are those of the object, container and account server on `ip`; `devices` the names of the directories
    below `root`; `number` tells the nodes of a layout apart, 0 when there is only one.
    """

    number: int
    ip: str
    ports: tuple[int, int, int]
    root: Path
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """All that is decided about a cluster; the functions below only write it down.

    `users` maps ``account:user`` to tempauth's ``key groups…``; `settings` adds or replaces options, by server kind
    (``proxy``, ``object``…) and section; `policies` are extra sections of swift.conf.
    """

    directory: Path
    proxy_ip: str
    proxy_port: int
    nodes: tuple[StorageNode, ...]
    users: Mapping[str, str]
    workers: str = "auto"
    replicas: int = 3
    part_power: int = 10
    settings: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    swift_conf: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def etc(self) -> Path:
        """Where the conf files and rings are."""
        return self.directory / "etc"


@dataclass(frozen=True)
class Process:
    """One daemon of a layout: its name, its program in bin/, its conf file, and where it listens, if it does."""

    name: str
    program: str
    conf: Path
    address: tuple[str, int] | None


def processes(layout: Layout) -> list[Process]:
    """Return every daemon that the layout's confs are for; the servers first, each proxy before its backends."""
    proxy_address = (layout.proxy_ip, layout.proxy_port)
    found = [Process("proxy-server", "swiftlite-proxy-server", layout.etc / "proxy-server.conf", proxy_address)]
    for node in layout.nodes:
        for kind, port in zip(STORAGE_KINDS, node.ports):
            name = _node_name(f"{kind}-server", node)
            found.append(Process(name, f"swiftlite-{kind}-server", conf_path(layout, kind, node), (node.ip, port)))
    for node in layout.nodes:
        for kind, daemon in DAEMONS:
            name = _node_name(f"{kind}-{daemon}", node)
            found.append(Process(name, f"swiftlite-{kind}-{daemon}", conf_path(layout, kind, node), None))
    found.append(Process("object-expirer", "swiftlite-object-expirer", layout.etc / "object-expirer.conf", None))
    return found


def _node_name(name: str, node: StorageNode) -> str:
    return f"{name}-{node.number}" if node.number else name


def conf_path(layout: Layout, kind: str, node: StorageNode) -> Path:
    """Return where a storage server's conf is; several of a kind share a directory, as is custom (formats.md 8.1)."""
    if node.number:
        return layout.etc / f"{kind}-server" / f"{node.number}.conf"
    return layout.etc / f"{kind}-server.conf"


def write(layout: Layout, write_rings: Callable[[Layout], None] | None = None) -> None:
    """Write confs, builders and rings, and make the device directories; the hash secret of an old layout is kept.

    `write_rings` writes the rings instead of the ring builder. Raises OSError, RingError.
    """
    if write_rings is None:
        # Imported here: a start that finds all laid out needs no ring builder.
        from swiftlite.cli import layout_rings

        write_rings = layout_rings.write_rings

    for directory in (layout.etc, layout.directory / "log", layout.directory / "run"):
        directory.mkdir(parents=True, exist_ok=True)
    for node in layout.nodes:
        for device in node.devices:
            (node.root / device).mkdir(parents=True, exist_ok=True)
    swift_conf = layout.etc / "swift.conf"
    if not swift_conf.exists():
        secret = {"swift-hash": {"swift_hash_path_prefix": _secret(), "swift_hash_path_suffix": _secret()}}
        write_private(swift_conf, render(secret | {name: dict(values) for name, values in layout.swift_conf.items()}))
    write_rings(layout)
    for path, conf in confs(layout):
        path.parent.mkdir(exist_ok=True)
        write_private(path, render(conf))


def ring_names(layout: Layout, kind: str) -> list[str]:
    """Return the names of a kind of server's rings: of objects, each storage policy has one."""
    if kind != "object":
        return [kind]
    sections = (section.partition(":") for section in layout.swift_conf if section.startswith("storage-policy:"))
    indexes = {int(index) for _, _, index in sections} | {0}
    return [f"object-{index}" if index else "object" for index in sorted(indexes)]


def _secret() -> str:
    return secrets.token_hex(16)


def confs(layout: Layout) -> Iterator[tuple[Path, Conf]]:
    """Yield each server's conf file and what belongs in it; the proxy's last, so that it marks a whole layout."""
    for node in layout.nodes:
        for kind, port in zip(STORAGE_KINDS, node.ports):
            conf = _storage_conf(layout, node, kind, port)
            yield conf_path(layout, kind, node), _merged(conf, layout.settings.get(kind, {}))
    yield layout.etc / "object-expirer.conf", _merged(_expirer_conf(layout), layout.settings.get("expirer", {}))
    yield layout.etc / "proxy-server.conf", _merged(_proxy_conf(layout), layout.settings.get("proxy", {}))


def _merged(conf: Conf, settings: Mapping[str, Mapping[str, str]]) -> Conf:
    for section, options in settings.items():
        conf.setdefault(section, {}).update(options)
    return conf


def _default_section(layout: Layout, ip: str, port: int) -> dict[str, str]:
    listening = {"bind_ip": ip, "bind_port": str(port), "workers": layout.workers}
    return listening | _common_section(layout)


def _common_section(layout: Layout) -> dict[str, str]:
    return {
        "user": _user_name(),
        "swift_dir": str(layout.etc),
        # No syslog: the supervisor gives each process a log file as its standard error.
        "log_address": "",
        "recon_cache_path": str(layout.directory / "recon"),
    }


def _user_option(user: str) -> str:
    """The option by which tempauth knows ``account:user``; names that would not stand in it as they are, in base64."""
    names = user.split(":", 1)
    if all(re.fullmatch("[A-Za-z0-9.-]+", name) for name in names):
        return "_".join(("user", *names))
    return "_".join(("user64", *(b64encode(name.encode()).decode().rstrip("=") for name in names)))


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's arbitrary user id; only root ever changes to this name
        return str(os.geteuid())


def _proxy_conf(layout: Layout) -> Conf:
    conf = {
        "DEFAULT": _default_section(layout, layout.proxy_ip, layout.proxy_port),
        "pipeline:main": {"pipeline": PIPELINE},
        "app:proxy-server": {"use": "egg:swiftlite#proxy", "account_autocreate": "true"},
    }
    conf |= _filter_sections(PIPELINE)
    conf["filter:versioned_writes"] |= VERSIONING
    for user, key_and_groups in layout.users.items():
        conf["filter:tempauth"][_user_option(user)] = key_and_groups
    return conf


def _filter_sections(pipeline: str) -> Conf:
    names = dict.fromkeys(pipeline.split()[:-1])
    return {f"filter:{name}": {"use": f"egg:swiftlite#{FILTERS.get(name, name.replace('-', '_'))}"} for name in names}


def _expirer_conf(layout: Layout) -> Conf:
    return {
        "DEFAULT": _common_section(layout),
        "object-expirer": {"interval": "5"},
        "pipeline:main": {"pipeline": INTERNAL_PIPELINE},
        "app:proxy-server": {"use": "egg:swiftlite#proxy", "account_autocreate": "true"},
        **_filter_sections(INTERNAL_PIPELINE),
    }


def _storage_conf(layout: Layout, node: StorageNode, kind: str, port: int) -> Conf:
    default = _default_section(layout, node.ip, port) | {"devices": str(node.root), "mount_check": "false"}
    conf = {
        "DEFAULT": default,
        "pipeline:main": {"pipeline": f"healthcheck metrics recon {kind}-server"},
        f"app:{kind}-server": {"use": f"egg:swiftlite#{kind}"},
        "filter:healthcheck": {"use": "egg:swiftlite#healthcheck"},
        "filter:metrics": {"use": "egg:swiftlite#metrics", **STORAGE_METRICS},
        "filter:recon": {"use": "egg:swiftlite#recon"},
    }
    # Little to walk on one machine, so look again soon.
    conf |= {f"{kind}-{daemon}": {"interval": seconds} for (owner, daemon), seconds in DAEMONS.items() if owner == kind}
    if kind == "object":
        conf["object-relinker"] = {}  # which is run by hand, and wants its section
    return conf


def render(conf: Mapping[str, Mapping[str, str]]) -> str:
    """Return the text of a conf file."""
    blocks = []
    for section, options in conf.items():
        lines = [f"[{section}]", *(f"{name} = {value}".rstrip() for name, value in options.items())]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def set_options(text: str, section: str, options: Mapping[str, str]) -> str:
    """Return a conf file's text with some options of one section set anew; all else stays as the operator has it."""
    before, header, after = _split_section(text, section)
    body, end = _split_at_next_section(after)
    for name, value in options.items():
        line = f"{name} = {value}"
        pattern = re.compile(rf"^{re.escape(name)}\s*[=:].*$", re.MULTILINE)
        if pattern.search(body):
            body = pattern.sub(lambda _: line, body)  # noqa: B023 - used at once
        else:
            body = f"\n{line}{body}"
    return before + header + body + end


def _split_section(text: str, section: str) -> tuple[str, str, str]:
    header = re.search(rf"^\[{re.escape(section)}\][ \t]*$", text, re.MULTILINE)
    if header is None:
        return text, f"\n[{section}]", "\n"
    return text[: header.start()], header.group(), text[header.end() :]


def _split_at_next_section(text: str) -> tuple[str, str]:
    following = re.search(r"^\[", text, re.MULTILINE)
    return (text[: following.start()], text[following.start() :]) if following else (text, "")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read (it may hold keys), in one step: no reader sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
