"""Answer /recon/…, from which swift-recon and other monitors learn how a node is (formats.md 5.8)."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import swiftlite
from swiftlite.common import recon
from swiftlite.common.concurrency import ThreadPool
from swiftlite.common.config import ConfigError, option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.common.subrequest import Environ, StartResponse
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.swift_info import register
from swiftlite.common.web import Answer
from swiftlite.core import node_state
from swiftlite.core.names import quote_wsgi
from swiftlite.middleware.node_facts import NodeFacts, quarantine_counts

CACHED: dict[str, tuple[str, tuple[str, ...]]] = {
    "async": ("object", ("async_pending", "async_pending_last")),
    "auditor/account": (
        "account",
        ("account_audits_passed", "account_auditor_pass_completed", "account_audits_since", "account_audits_failed"),
    ),
    "auditor/container": (
        "container",
        (
            *("container_audits_passed", "container_auditor_pass_completed"),
            *("container_audits_since", "container_audits_failed"),
        ),
    ),
    "auditor/object": ("object", ("object_auditor_stats_ALL", "object_auditor_stats_ZBF")),
    "driveaudit": ("drive", ("drive_audit_errors",)),
    "expirer/object": ("object", ("object_expiration_pass", "expired_last_pass")),
    "reconstruction/object": ("object", ("object_reconstruction_last", "object_reconstruction_time")),
    "relinker": ("relinker", ("devices", "workers")),
    "replication/account": ("account", ("replication_time", "replication_stats", "replication_last")),
    "replication/container": ("container", ("replication_time", "replication_stats", "replication_last")),
    "replication/object": (
        "object",
        (
            *("replication_time", "replication_stats", "replication_last"),
            *("object_replication_time", "object_replication_last"),
        ),
    ),
    "sharding": ("container", ("sharding_stats", "sharding_time", "sharding_last")),
    "updater/container": ("container", ("container_updater_sweep",)),
    "updater/object": ("object", ("object_updater_sweep", "object_updater_stats", "object_updater_last")),
}
"""What the daemons have written down: for each check the cache, and what of it is shown."""
TYPED = frozenset(check.partition("/")[0] for check in CACHED if "/" in check)
"""Checks that must say of which kind of server; all others do not mind."""

THREADS = 4
"""Answers that are under way at once: a disk that is dying takes long to say so, and must not hold up the server."""


@dataclass(frozen=True)
class ReconOptions:
    """The filter's section."""

    recon_cache_path: str = option(recon.DEFAULT_PATH, "directory where the daemons write their statistics")
    devices: str = option("/srv/node", "directory whose entries are the devices")
    swift_dir: str = option("/etc/swift", "directory of swift.conf and the rings")


class Recon:
    """The filter."""

    def __init__(self, app: WSGIApp, options: ReconOptions, log: Logger, conf_path: str = "") -> None:
        self.app = app
        self.options = options
        self.log = log
        self._threads = ThreadPool(THREADS)
        self._facts = NodeFacts(conf_path, options.swift_dir, options.recon_cache_path)
        self._checks: dict[str, Callable[[], Any]] = {
            "devices": self.devices,
            "diskusage": self.disk_usage,
            "facts": lambda: self._facts.gather(self._device_paths(may_be_none=True)),
            "load": lambda: node_state.load(_read("/proc/loadavg")),
            "mem": lambda: node_state.memory(_read("/proc/meminfo")),
            "mounted": lambda: node_state.mounts(_read("/proc/mounts")),
            "quarantined": self.quarantined,
            "ringmd5": self.ring_sums,
            "sockstat": self.sockets,
            "swiftconfmd5": lambda: self._sum_of(os.path.join(self.options.swift_dir, "swift.conf")),
            "time": time.time,
            "unmounted": self.unmounted,
            "version": lambda: {"version": swiftlite.__version__},
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith("/recon/"):
            return self.app(environ, start_response)
        answer = self._threads.run(self._answer, path)
        if environ["REQUEST_METHOD"] == "HEAD":
            answer.body, answer.content_length = b"", len(answer.body)
        return answer(environ, start_response)

    def _answer(self, path: str) -> Answer:
        check, _, kind = path.removeprefix("/recon/").partition("/")
        if check == "replication" and not kind:
            kind = "object"  # as it was asked when only objects were replicated
        name = f"{check}/{kind}" if check in TYPED else check
        try:
            if name in CACHED:
                content = self._cached(*CACHED[name])
            elif name in self._checks:
                content = self._checks[name]()
            else:
                return Answer(404, f"Invalid path: {quote_wsgi(path)}", content_type="text/plain")
        except (OSError, ValueError, IndexError) as error:
            self.log.error("recon: cannot tell %s: %s", name, error)
            return Answer(500, "Internal server error.", content_type="text/plain")
        return Answer(200, json.dumps(content), content_type="application/json")

    def _cached(self, cache: str, keys: Iterable[str]) -> dict[str, Any]:
        path = os.path.join(self.options.recon_cache_path, f"{cache}.recon")
        try:
            values = recon.load(path)
        except OSError as error:
            self.log.error("recon: cannot read %s: %s", path, error.strerror)
            values = {}
        return {key: values.get(key) for key in keys}

    # --- devices ---

    def _device_paths(self, may_be_none: bool = False) -> list[tuple[str, str]]:
        """Name and path of each entry that may be a device.

        :param may_be_none: a node without the directory is a proxy, and no error; nor is one that is closed to us
        """
        root = self.options.devices
        if may_be_none and not (os.path.isdir(root) and os.access(root, os.R_OK)):
            return []
        found = ((name, os.path.join(root, name)) for name in os.listdir(root))
        return [(name, path) for name, path in found if _may_be_device(path)]

    def devices(self) -> dict[str, list[str] | None]:
        """The entries of the directory of devices."""
        try:
            return {self.options.devices: os.listdir(self.options.devices)}
        except OSError as error:
            self.log.error("recon: cannot list %s: %s", self.options.devices, error.strerror)
            return {self.options.devices: None}

    def unmounted(self) -> list[dict[str, Any]]:
        """Each device that is no mount point."""
        found = ((name, _mounted(path)) for name, path in self._device_paths())
        return [{"device": name, "mounted": mounted} for name, mounted in found if mounted is not True]

    def disk_usage(self) -> list[dict[str, Any]]:
        """Bytes of each device, used and free; nothing of one that is no mount point."""
        return [{"device": name, **_usage(path)} for name, path in self._device_paths()]

    def quarantined(self) -> dict[str, Any]:
        """How many things are in quarantine, on all devices together."""
        links: dict[str, int] = {}
        for _, path in self._device_paths():
            try:
                for kind, count in quarantine_counts(path).items():
                    links[kind] = links.get(kind, 0) + count
            except OSError as error:
                self.log.error("recon: cannot look into %s/quarantined: %s", path, error.strerror)
        return node_state.quarantined(links)

    # --- files of the cluster ---

    def ring_sums(self) -> dict[str, str | None]:
        """MD5 of each ring that is there."""
        names = ["account", "container"]
        try:
            names += [policy.ring_name for policy in SwiftConf.load(self.options.swift_dir).policies]
        except ConfigError as error:
            self.log.error("recon: %s", error)
        sums: dict[str, str | None] = {}
        for name in names:
            path = os.path.join(self.options.swift_dir, f"{name}.ring.gz")
            if os.path.exists(path):
                sums |= self._sum_of(path)
        return sums

    def _sum_of(self, path: str) -> dict[str, str | None]:
        try:
            with open(path, "rb") as file:
                return {path: hashlib.md5(file.read(), usedforsecurity=False).hexdigest()}
        except OSError as error:
            if os.path.exists(path):
                self.log.error("recon: cannot read %s: %s", path, error.strerror)
            return {path: None}

    def sockets(self) -> dict[str, int]:
        """What the kernel says of its TCP sockets."""
        texts = [_read(path) if os.path.exists(path) else "" for path in ("/proc/net/sockstat", "/proc/net/sockstat6")]
        return node_state.sockets(*texts, page=os.sysconf("SC_PAGE_SIZE"))


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _may_be_device(path: str) -> bool:
    """Whether a path is a directory, or something so broken that nobody can tell: a dead disk, which must be shown."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        return not isinstance(error, FileNotFoundError)


def _mounted(path: str) -> bool | str:
    """Whether a directory is a mount point; else, the text of what is wrong with it."""
    try:
        os.stat(path)
        return os.path.ismount(path)
    except OSError as error:
        return str(error)


def _usage(path: str) -> dict[str, Any]:
    mounted = _mounted(path)
    try:
        disk = os.statvfs(path) if mounted is True else None
    except OSError as error:
        mounted, disk = str(error), None
    if disk is None:
        return {"mounted": mounted, "size": "", "used": "", "avail": ""}
    free = disk.f_bsize * disk.f_bavail
    size = disk.f_bsize * disk.f_blocks
    return {"mounted": True, "size": size, "used": size - free, "avail": free}


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: ReconOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(ReconOptions, conf)
    log = get_logger(conf, "recon")
    register("recon")  # the doctor asks only the proxies that have it
    return lambda app: Recon(app, options, log, conf.get("__file__", ""))
