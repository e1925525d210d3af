"""The container updater: tells accounts what their containers hold, wherever that has changed (formats.md 4.7)."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import unquote

from swiftlite.common import daemon, forks, recon, statsd
from swiftlite.common.addresses import is_own, own_addresses
from swiftlite.common.config import option
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.account_update import AccountUpdates, is_denied_by_all, update_of
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.quorum import majority
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.db.broker import DatabaseMissing, load_metadata
from swiftlite.db.pending import LockTimeout
from swiftlite.http.errors import Address
from swiftlite.ring.ring import Node, Ring, RingError
from swiftlite.wire.direct import user_agent
from swiftlite.wire.node_client import node_client

_REPORTED = ("put_timestamp", "delete_timestamp", "object_count", "bytes_used")


@dataclass(frozen=True)
class UpdaterOptions(daemon.DaemonOptions):
    """Options of ``[container-updater]`` (formats.md 8.3)."""

    concurrency: int = option(4, "containers whose accounts are told at once", least=1)
    updater_workers: int = option(1, "devices that are worked on at once, each by a process of its own", least=1)
    containers_per_second: float = option(
        50.0, "databases that each of these processes looks at in a second; 0: as many as can be", least=None
    )
    account_suppression_time: float = option(60.0, "seconds to leave an account alone after an update failed")


class ContainerUpdater(daemon.Daemon):
    """Send to accounts the counts of containers that have changed."""

    section = "container-updater"
    options_class = UpdaterOptions

    def __init__(self, options: UpdaterOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.ring = Ring(options.swift_dir, "account", hash_path=swift.hash_path)
        self.containers = self._container_ring()
        self.updates = AccountUpdates(
            logger, node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, logger)
        )
        self._own = own_addresses(options.bind_ip)
        self._placed: set[str] = set()
        """Names of our devices that the ring of containers has."""
        self._devices: Sequence[str] = ()
        """Paths of the devices that this process works on."""
        self._suppressed: dict[str, float] = {}
        """Account -> time.monotonic() until which it is left alone."""

    def _container_ring(self) -> Ring | None:
        try:
            return Ring(self.options.swift_dir, "container", hash_path=self.swift.hash_path)
        except RingError as error:
            self.logger.warning("%s: reporting copies on handoffs, too: %s", self.section, error)
            return None

    # A pass ---------------------------------------------------------------------------------------------------------

    def run_once(self) -> Counter[str]:
        """Make one pass over all devices, and tell the recon cache how long it took."""
        started = time.monotonic()
        known = [Node.from_device(device) for device in (self.containers.devices if self.containers else ()) if device]
        self._placed = {node.device for node in known if self._is_ours(node)}
        self._suppressed = {account: until for account, until in self._suppressed.items() if until > started}
        devices, workers = self._usable_devices(), self.options.updater_workers
        if workers > 1:
            # What a child suppresses ends with it: most often the time is over before the next pass anyway.
            counts = forks.each(lambda device: self._sweep([device]), devices, workers, self.logger)
        else:
            counts = self._sweep(devices)
        changes = {"container_updater_sweep": time.monotonic() - started, "container_updater_last": time.time()}
        recon.dump(self.options.recon_cache_path, recon.CONTAINER_CACHE, changes, self.logger)
        return counts

    def _usable_devices(self) -> list[str]:
        found = []
        for device in sorted(os.listdir(self.options.devices)):
            path = layout.usable_device(self.options.devices, device, self.options.mount_check)
            if path is None:
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, device)
            else:
                found.append(path)
        return found

    def _sweep(self, devices: Sequence[str]) -> Counter[str]:
        self._devices = devices
        return super().run_once()

    def jobs(self) -> Iterator[str]:
        """The container databases of the devices, no faster than the options allow."""
        walks = (layout.databases(device, "container", failed=self.pass_over) for device in self._devices)
        found = (path for walk in walks for path in walk)
        return daemon.at_rate(found, self.options.containers_per_second)

    # One container --------------------------------------------------------------------------------------------------

    def work(self, path: str) -> None:
        """Tell the account servers about one container, if they do not know yet."""
        broker = ContainerBroker(path, "", logger=self.logger)
        try:
            info = _to_report(path, broker.get_info())
        except DatabaseMissing:
            return  # Removed since it was listed.
        except LockTimeout as error:
            self.counts["locked"] += 1
            self.logger.info("%s: passing over %s: %s", self.section, path, error)
            return
        if info is None or all(info[key] == info[f"reported_{key}"] for key in _REPORTED):
            statsd.note("no_changes")
            return
        if self._is_on_handoff(path):
            self.counts["on_handoff"] += 1
            return
        if self._suppressed.get(info["account"], 0) > time.monotonic():
            self.counts["postponed"] += 1
            return
        started = time.monotonic()
        statuses = self._tell(info)
        statsd.took("timing", time.monotonic() - started)
        taken = sum(200 <= status < 300 for status in statuses)
        if taken == len(statuses):
            broker.set_reported(*(info[key] for key in _REPORTED))
            self.counts["updated"] += 1
        elif taken >= majority(len(statuses)):
            # The next pass tells them all again: by replication the one that missed it may give its old counts to the others.
            self.counts["incomplete"] += 1
        elif is_denied_by_all(statuses) and self._is_unknown(info["account"]):
            broker.quarantine("no account server knows its account")
            self.counts["quarantined"] += 1
        else:
            self._suppressed[info["account"]] = time.monotonic() + self.options.account_suppression_time
            self.counts["failures"] += 1
            self.logger.warning(
                "%s: account servers answered %s about /%s/%s, will try again",
                self.section, statuses, info["account"], info["container"],
            )  # fmt: skip

    def _is_on_handoff(self, path: str) -> bool:
        """Whether a database is on a device that is no primary of it: its counts may be old, or those of a part.

        The replicator brings home what it has. Where the ring does not know our device, nothing is said.
        """
        *_, device, _, partition, _, _, _ = path.split("/")
        if self.containers is None or device not in self._placed or int(partition) >= self.containers.partition_count:
            return False
        primaries = self.containers.primaries(int(partition))
        return not any(node.device == device and self._is_ours(node) for node in primaries)

    def _is_ours(self, node: Node) -> bool:
        port = self.options.bind_port
        places = (node.address, node.replication_address)
        return any(is_own(ip, self._own) and port in (0, own) for ip, own in places)

    def _tell(self, info: dict[str, Any]) -> list[int]:
        """Tell all primaries of the account; returns what they answered."""
        account, container = info["account"], info["container"]
        partition, nodes = self.ring.get_nodes(account)
        headers = {
            **update_of(info, override_deleted=True).to_headers(),
            "User-Agent": user_agent(self.section),
        }
        return self.updates.tell_all(_places(nodes), partition, f"/{account}/{container}", headers)

    def _is_unknown(self, account: str) -> bool:
        """Whether no handoff has the account either: just after a rebalance all replicas may be on handoffs.

        As many are asked as there are primaries; one that cannot be asked may have it.
        """
        partition, nodes = self.ring.get_nodes(account)
        handoffs = _places(islice(self.ring.handoffs(partition), len(nodes)))
        headers = {"User-Agent": user_agent(self.section)}
        statuses = self.updates.tell_all(handoffs, partition, f"/{account}", headers, "HEAD")
        return all(status == 404 for status in statuses)


def _places(nodes: Iterable[Node]) -> list[tuple[Address, str]]:
    return [(node.replication_address, node.device) for node in nodes]


def _to_report(path: str, info: dict[str, Any]) -> dict[str, Any] | None:
    """What the account is to hear of a container, if anything.

    Not of one that nobody created: a row did, and its counts are not the container's. Not of one that OpenStack Swift has
    sharded: its counts are in shards, and its own updater reports them. A shard counts nothing: its root does.

    :param info: as the broker gives it
    """
    if not Timestamp(info["put_timestamp"]) or layout.newest_file(path) != path:
        return None
    return info | {"object_count": 0, "bytes_used": 0} if _is_shard(info) else info


def _is_shard(info: dict[str, Any]) -> bool:
    metadata = load_metadata(info.get("metadata"))
    quoted, _ = metadata.get("X-Container-Sysmeta-Shard-Quoted-Root", ("", ""))
    root = unquote(quoted) or metadata.get("X-Container-Sysmeta-Shard-Root", ("", ""))[0]
    return bool(root) and root != f"{info['account']}/{info['container']}"


def main(argv: list[str]) -> int:
    """Run it: ``CONF [-v] [-o | --once]``; returns the exit status."""
    return daemon.main(ContainerUpdater, argv)
