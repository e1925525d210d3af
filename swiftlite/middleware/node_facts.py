"""/recon/facts: what swiftlite-doctor wants to know of a node, and OpenStack Swift's recon does not tell (extensions.md)."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import resource
import time
from collections.abc import Iterator, Mapping
from heapq import nsmallest
from typing import Any

from swiftlite.common import hash_secret, recon
from swiftlite.common.config import ConfFile, ConfigError, ServerOptions, is_true, read_options
from swiftlite.common.device_rights import LOOKED_AT, closed_directory, closed_root
from swiftlite.common.failed_passes import KEY as FAILED
from swiftlite.common.manager import manager_of_this
from swiftlite.common.permissions import owner_and_mode
from swiftlite.common.running import daemons
from swiftlite.core.names import HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.middleware.node_rights import (
    Ring,
    RingVersions,
    account,
    closed_caches,
    daemon_sections,
    outside,
)

MOST_NAMED = 1000
"""Quarantined things of one kind on one device whose hashes are told, those with the least hashes.

So devices that have more tell nevertheless of the same ones, and what is quarantined on all of them is seen.
"""
MOST_COUNTED = 100_000
"""Spooled updates of one device that are counted: more are too many, however many."""
DIGEST_LENGTH = 16
RECLAIM_AGE = "604800"
STORAGE = ("object", "container", "account")
EXPIRER = "object-expirer"

_QUARANTINED = re.compile(r"([0-9a-f]{32})(-[0-9a-f]{32})?")
"""Of a hash's directory, perhaps with a UUID, since one of this name was there; not an update's file."""
_OWN_OPTIONS = re.compile(
    r"^(bind_|log_|access_log_|statsd_|metrics_|rlimit_|devices$|user$|pid_file$|recon_cache_path$|workers$|swift_dir$|"
    r"cert_file$|key_file$|ring_ip$|dequeue_from_legacy$|process$|processes$|oom_score_adj$)"
)
"""Options in which the nodes of one cluster may differ."""
_PASSES = {
    "object": ("object_expiration_last", "object_updater_last"),
    "container": ("container_updater_last",),
    "account": ("account_reaper_last",),
}
"""For each cache, the ends of passes that no other check tells of."""


class NodeFacts:
    """Gathers the facts of one server and of the disks it serves.

    :param conf_path: of the conf file that the server was started from; empty where that is not known
    :param swift_dir: directory of swift.conf
    :param cache_path: directory of the recon caches
    """

    def __init__(self, conf_path: str, swift_dir: str, cache_path: str) -> None:
        self.conf_path = conf_path
        self.swift_dir = swift_dir
        self.cache_path = cache_path
        self.started = time.time()
        self.rings = RingVersions(swift_dir)

    def gather(self, devices: list[tuple[str, str]]) -> dict[str, Any]:
        """All facts, as JSON values.

        :param devices: name and path of each
        :raises OSError: when a cache cannot be read
        """
        conf = self._conf(self.conf_path) if self.conf_path else None
        secret = self._hash_secret()
        kind = server_kind(conf) if conf else ""
        options = _server_options(conf) if conf else ServerOptions()
        mount_check = options.mount_check
        manager, rings = manager_of_this(), self.rings.read()
        return {
            **account(),
            "conf": self.conf_path,
            "kind": kind,
            "started": self.started,
            "manager": manager,
            "rings": rings,
            "daemons": daemons(daemon_sections(conf, kind), conf.path, manager) if conf and kind else {},
            "closed_caches": closed_caches(self.cache_path),
            "closed_root": closed_root(options.devices) if kind in STORAGE else "",
            "cores": os.cpu_count() or 1,
            "limits": {"nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0]},
            "hash_path": {name: bool(value) for name, value in secret.items()},
            "hash_secret": {"running": hash_secret.of_this(), "file": _fingerprint(secret)},
            "options": option_digests(conf, "".join(secret.values())) if conf else {},
            "settings": settings(conf) if conf else {},
            "dequeues": dequeues(conf) if conf and kind == "object" else None,
            "devices": [
                {**facts, **self._rights(path, kind, rings)} if "filesystem" in facts else facts
                for name, path in devices
                for facts in (device_facts(name, path, kind, mount_check),)
            ],
            "passes": self._passes(),
        }

    @staticmethod
    def _rights(path: str, kind: str, rings: dict[str, Ring]) -> dict[str, Any]:
        try:
            closed = closed_directory(path, partitions=LOOKED_AT)
            facts: dict[str, Any] = {"closed": closed}
            if closed:
                owner, mode = owner_and_mode(closed)
                facts |= {"closed_owner": owner, "closed_mode": f"{mode:04o}"}
        except OSError:  # it goes away just now
            facts = {"closed": path}
        return {**facts, "outside": outside(path, rings)} if kind == "object" else facts

    @staticmethod
    def _conf(path: str) -> ConfFile | None:
        try:
            return ConfFile.load(path)
        except ConfigError:  # it was good when the server started from it; somebody is editing it
            return None

    def _hash_secret(self) -> dict[str, str]:
        conf = self._conf(os.path.join(self.swift_dir, "swift.conf"))
        options = conf.section("swift-hash") if conf else {}
        return {name: options.get(f"swift_hash_path_{name}", "") for name in ("prefix", "suffix")}

    def _passes(self) -> dict[str, Any]:
        found: dict[str, Any] = {"failed": {}}
        for cache, keys in _PASSES.items():
            values = self._cache(cache)
            found |= {key: values.get(key) for key in keys}
            failed = values.get(FAILED)
            found["failed"] |= failed if isinstance(failed, dict) else {}
            if cache == "object":
                stats = values.get("replication_stats")
                found["handoffs_left"] = stats.get("handoffs_left") if isinstance(stats, dict) else None
        drives = self._cache("drive")
        found["drive_errors"] = {name: count for name, count in drives.items() if name != "drive_audit_errors"}
        return found

    def _cache(self, name: str) -> Mapping[str, Any]:
        try:
            return recon.load(os.path.join(self.cache_path, f"{name}.recon"))
        except PermissionError:  # it is among the closed caches
            return {}


def _fingerprint(secret: Mapping[str, str]) -> str:
    """Of a swift.conf's secret; empty where there is none."""
    held = HashPath(*(secret[name].encode("latin-1") for name in ("prefix", "suffix")))
    return hash_secret.fingerprint(held) if any(secret.values()) else ""


def server_kind(conf: ConfFile) -> str:
    """``object``, ``container``, ``account`` or ``proxy``: what the conf's application is; empty when none is known."""
    for section in conf.sections():
        if section.startswith("app:"):
            kind = conf.section(section).get("use", "").rpartition("#")[2].strip()
            if kind in ("object", "container", "account", "proxy"):
                return kind
    return ""


def option_digests(conf: ConfFile, secret: str) -> dict[str, dict[str, str]]:
    """Each option's value under the cluster's secret: nodes can be compared, and nobody learns a password.

    An option of ``[DEFAULT]`` stands only there; what may differ from node to node is left out.
    """
    defaults = conf.section("DEFAULT")
    found: dict[str, dict[str, str]] = {"DEFAULT": _digests(defaults, secret)}
    for name in conf.sections():
        own = {key: text for key, text in conf.section(name).items() if defaults.get(key) != text}
        found[name] = _digests(own, secret)
    return {name: digests for name, digests in found.items() if digests}


def _digests(options: Mapping[str, str], secret: str) -> dict[str, str]:
    key = secret.encode("latin-1")
    return {
        name: hmac.new(key, " ".join(text.split()).encode("latin-1"), hashlib.sha256).hexdigest()[:DIGEST_LENGTH]
        for name, text in sorted(options.items())
        if not _OWN_OPTIONS.match(name)
    }


def settings(conf: ConfFile) -> dict[str, Any]:
    """The values of those options that tell whether a node is well: none of them is a secret."""
    options = _server_options(conf)
    application = next((name for name in conf.sections() if name.startswith("app:")), "DEFAULT")
    daemons = [name for name in conf.sections() if ":" not in name]
    reclaim = {name: conf.section(name).get("reclaim_age", RECLAIM_AGE).strip() for name in [application, *daemons]}
    return {
        "mount_check": options.mount_check,
        "workers": options.workers,
        "max_clients": options.max_clients,
        "fallocate_reserve": conf.section(application).get("fallocate_reserve", "1%").strip(),
        "reclaim_age": reclaim,
    }


def dequeues(conf: ConfFile) -> bool | None:
    """Whether an expirer of a node, with its server's conf or one of its own, works off the queue; None: there is none."""
    directory = os.path.dirname(conf.path)
    above = os.path.dirname(directory) if directory.endswith("-server") else directory  # of several servers of a kind
    own = os.path.join(above, EXPIRER)
    if any(os.path.exists(own + suffix) for suffix in ("", ".conf", ".conf.d")) or "expirer" in conf.path:
        return True  # a path with the word says so
    return is_true(conf.section(EXPIRER).get("dequeue_from_legacy")) if conf.has(EXPIRER) else None


def _server_options(conf: ConfFile) -> ServerOptions:
    try:
        return read_options(ServerOptions, conf.section("DEFAULT"), conf.path, "DEFAULT")
    except ConfigError:
        return ServerOptions()


# --- devices ---


def device_facts(name: str, path: str, kind: str, mount_check: bool) -> dict[str, Any]:
    """Filesystem, space, inodes, quarantine and spooled updates of a device; ``problem`` says why there are none.

    :param kind: of the server: only that of objects looks into the spool, and each names what is of its kind
    :param mount_check: a directory that is no mount point is no device, but a hole in which one was
    """
    facts: dict[str, Any] = {"device": name, "mounted": os.path.ismount(path)}
    if mount_check and not facts["mounted"]:
        return facts
    try:
        disk = os.statvfs(path)
        facts["filesystem"] = os.stat(path).st_dev
        facts |= {
            "size": disk.f_frsize * disk.f_blocks,
            "free": disk.f_frsize * disk.f_bavail,
            "inodes": disk.f_files,
            "inodes_free": disk.f_favail,
            "read_only": bool(disk.f_flag & os.ST_RDONLY),
            "quarantined": sum(quarantine_counts(path).values()),
        }
        if hashes := quarantined_hashes(path, kind):
            facts["quarantined_hashes"] = hashes
        if kind == "object":
            facts |= spool_facts(path)
    except OSError as error:
        facts["problem"] = error.strerror or str(error)
    return facts


def quarantine_counts(path: str) -> dict[str, int]:
    """How many things of each kind (``objects``, ``objects-1``…) are in a device's quarantine.

    :raises OSError: when it cannot be looked into
    """
    directory = os.path.join(path, "quarantined")
    # A directory's links, but for its own and that of its parent.
    return {kind: max(os.lstat(os.path.join(directory, kind)).st_nlink - 2, 0) for kind in _listed(directory)}


def quarantined_hashes(path: str, kind: str) -> dict[str, list[str]]:
    """The hashes of what is in a device's quarantine, by its directory there (``objects``, ``objects-1``…).

    :param kind: whose
    :raises OSError: when it cannot be looked into
    """
    directory = os.path.join(path, "quarantined")
    found = {}
    for name in _listed(directory) if kind in STORAGE else ():
        if name.partition("-")[0] == f"{kind}s":
            matches = map(_QUARANTINED.fullmatch, _listed(os.path.join(directory, name)))
            if hashes := nsmallest(MOST_NAMED, {match[1] for match in matches if match}):
                found[name] = hashes
    return found


def spool_facts(path: str) -> dict[str, Any]:
    """How many updates wait on a device, and when the oldest of them was made (None: there are none).

    :raises OSError: when the spool cannot be listed
    """
    count, oldest = 0, None
    for name in _spooled(path):
        count += 1
        try:
            made = float(Timestamp(name[33:]))  # <hash>-<timestamp>
        except ValueError:
            continue
        oldest = made if oldest is None else min(oldest, made)
        if count >= MOST_COUNTED:
            break
    return {"async_pending": count, "async_oldest": oldest}


def _spooled(path: str) -> Iterator[str]:
    for root in sorted(os.listdir(path)):
        if root == "async_pending" or root.startswith("async_pending-"):
            for suffix in _listed(f"{path}/{root}"):
                yield from _listed(f"{path}/{root}/{suffix}")


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):  # an updater has emptied it
        return []
