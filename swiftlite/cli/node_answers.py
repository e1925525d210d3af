"""What an operator says of a node: the answer file of swiftlite-node, read and checked."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swiftlite.cli.unit_files import STORAGE_ROLES
from swiftlite.common.config import ConfFile, ConfigError, option, parse_workers, read_options, whole
from swiftlite.common.recon import DEFAULT_PATH

ROLES = ("proxy", *STORAGE_ROLES)
WHOLE = {"storage": STORAGE_ROLES}
"""Words for several roles."""


def _address(text: str) -> str:
    address = str(ipaddress.ip_address(text.strip())) if text.strip() else ""
    if "%" in address:
        raise ValueError("an address with a zone is none for other nodes")
    return address


def _path(text: str) -> str:
    path = text.strip()
    if path and not re.fullmatch(r"/[\w./+@-]*", path):
        raise ValueError("it is no absolute path of letters, digits and ._+@-")
    if ".." in path.split("/"):
        raise ValueError("it has .. in it")
    return path.rstrip("/")


def _directory(text: str) -> str:
    path = _path(text)
    if not path:
        raise ValueError("it must be a directory other than /")
    return path


def _workers(text: str) -> str:
    parse_workers(text)
    return text.strip()


def _account(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]*", text.strip()):
        raise ValueError("it is no name of an account")
    return text.strip()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.replace(",", " ").split())
    for name in names:
        if not re.fullmatch(r"[\w.-]+", name) or name in (".", ".."):
            raise ValueError(f"{name!r} is no name of a device")
    if len(set(names)) < len(names):
        raise ValueError("one of them is named twice")
    return names


def _roles(text: str) -> tuple[str, ...]:
    roles: list[str] = []
    for word in text.replace(",", " ").split():
        if word not in (*ROLES, *WHOLE):
            raise ValueError(f"{word!r} is none of {', '.join((*ROLES, *WHOLE))}")
        roles += WHOLE.get(word, (word,))
    return tuple(role for role in ROLES if role in roles)


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError("it is none of 1 to 65535")
    return port


@dataclass(frozen=True)
class NodeAnswers:
    """Section ``[node]``."""

    roles: tuple[str, ...] = option((), "what the node is: proxy, storage (or of account, container, object)", _roles)
    ip: str = option(
        "", "its address for the other nodes, as the rings will have it; storage servers listen on it", _address
    )
    proxy_ip: str = option("0.0.0.0", "address that the proxy listens on", _address)
    replication_ip: str = option("", "address that the rsync daemon listens on; empty: ip", _address)
    disks: tuple[str, ...] = option(
        (), "names of its devices: directories below devices that a disk is mounted on", _names
    )
    devices: str = option("/srv/node", "directory whose entries are the devices", _directory)
    mount_check: bool = option(True, "refuse a device that is not a mount point")
    region: int = option(1, "region of its devices, for the ring", whole(0, 65535))
    zone: int = option(1, "zone of its devices, for the ring: what may fail together, say a rack", whole(0, 65535))
    workers: str = option("auto", "processes of each server; auto: one a processor", _workers)
    memcache_servers: tuple[str, ...] = option((), "ip:port of each memcached that the proxies share, comma-separated")
    expirer: bool = option(True, "run the object expirer here, if the node has the object role; on one or a few nodes")
    reconciler: bool = option(True, "run the container reconciler here, if the node has the container role; likewise")
    rsync: bool = option(True, "write rsyncd.conf, for replicators of OpenStack Swift and sync_method = rsync")
    user: str = option("swift", "account that everything runs as", _account)
    group: str = option("swift", "its group", _account)
    swift_dir: str = option("/etc/swift", "directory of confs and rings", _directory)
    cache_dir: str = option(DEFAULT_PATH, "directory of what daemons tell recon (recon_cache_path)", _directory)
    run_dir: str = option(
        "/var/run/swift", "directory of swiftlite-init's pid files, where there is no systemd", _directory
    )
    log_dir: str = option("/var/log/swift", "directory of what daemons print, likewise", _directory)
    bin_dir: str = option("", "directory of the programs; empty: that of this swiftlite-node", _path)


@dataclass(frozen=True)
class PortAnswers:
    """Section ``[ports]``."""

    proxy: int = option(8080, "TCP port of the proxy server", _port)
    object: int = option(6200, "of the object server", _port)
    container: int = option(6201, "of the container server", _port)
    account: int = option(6202, "of the account server", _port)


@dataclass(frozen=True)
class HashAnswers:
    """Section ``[swift-hash]``: the cluster's secret."""

    swift_hash_path_prefix: str = option("", "the same on every node, never changed once there are data")
    swift_hash_path_suffix: str = option("", "likewise; both empty: what swift.conf has, else made at random")


SECTIONS: Mapping[str, type] = {"node": NodeAnswers, "ports": PortAnswers, "swift-hash": HashAnswers}
USERS = "users"
"""The section that has names of its own, those of tempauth: ``user_<account>_<user> = <key> [group...]``."""


@dataclass(frozen=True)
class Answers:
    """A whole answer file.

    :ivar users: lines of tempauth's: ``user_<account>_<user>`` to key and groups
    """

    node: NodeAnswers
    ports: PortAnswers = PortAnswers()
    secret: HashAnswers = HashAnswers()
    users: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_storage(self) -> bool:
        """Whether it has devices."""
        return any(role in STORAGE_ROLES for role in self.node.roles)

    @property
    def has_secret(self) -> bool:
        """Whether the cluster's secret is known."""
        return bool(self.secret.swift_hash_path_prefix or self.secret.swift_hash_path_suffix)

    def listens(self) -> list[tuple[str, str, int]]:
        """Each server's role and where it listens."""
        node = self.node
        return [(role, node.proxy_ip if role == "proxy" else node.ip, getattr(self.ports, role)) for role in node.roles]


def read_answers(path: str) -> Answers:
    """Read an answer file.

    :raises ConfigError: when it cannot be read, or an answer is missing, unknown or does not fit
    """
    conf = ConfFile.load(path)
    for section in ["DEFAULT", *conf.sections()]:
        _refuse_unknown(conf, section)
    filled: dict[str, Any] = {
        name: read_options(table, conf.section(name), path, name) for name, table in SECTIONS.items()
    }
    users = _users(conf)
    answers = Answers(filled["node"], filled["ports"], filled["swift-hash"], users)
    _refuse_incomplete(answers, path)
    return answers


def _refuse_unknown(conf: ConfFile, section: str) -> None:
    if section == USERS:
        return
    names = list(conf.section(section))
    if section not in SECTIONS:
        if section == "DEFAULT" and not names:
            return
        raise ConfigError(conf.path, section, None, "there is no such section", f"use [{_nearest(section, SECTIONS)}]")
    known = [found.name for found in dataclasses.fields(SECTIONS[section])]  # type: ignore[arg-type]
    for name in names:
        if name not in known:
            remedy = f"did you mean {_nearest(name, known)}?"
            raise ConfigError(conf.path, section, name, "there is no such option", remedy)


def _nearest(name: str, known: Any) -> str:
    found = difflib.get_close_matches(name, list(known), 1, 0.0)
    return found[0] if found else ""


def _users(conf: ConfFile) -> dict[str, str]:
    users = conf.section(USERS) if conf.has(USERS) else {}
    for user, value in users.items():
        if not re.fullmatch(r"user_[^_]+_[^_]+|user64_[^_]+_[^_]+", user) or not value.split():
            problem = "is not what tempauth calls a user"
            raise ConfigError(conf.path, USERS, user, problem, "write: user_<account>_<user> = <key> [group...]")
    return users


def _refuse_incomplete(answers: Answers, path: str) -> None:
    node = answers.node
    if not node.roles:
        raise ConfigError(path, "node", "roles", "is not set", "say what the node is, for example: roles = storage")
    if answers.has_storage and not node.ip:
        raise ConfigError(path, "node", "ip", "is not set", "set it to the address that other nodes reach it by")
    if answers.has_storage and ipaddress.ip_address(node.ip).is_unspecified:
        raise ConfigError(path, "node", "ip", "is no address of one node", "name the one that the rings will have")
    if answers.has_storage and not node.disks:
        raise ConfigError(path, "node", "disks", "is not set", "name its devices, for example: disks = sdb1, sdc1")
    ports = [port for _, _, port in answers.listens()]
    if len(set(ports)) < len(ports):
        raise ConfigError(path, "ports", None, "two servers have the same port", "give each its own")
