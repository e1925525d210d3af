"""The container updater: tells accounts what their containers hold, wherever that has changed (formats.md 4.7)."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from swiftlite.common import daemon, recon
from swiftlite.common.config import option
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.account_update import AccountUpdates, update_of
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.ring.ring import Ring
from swiftlite.wire.direct import user_agent

_REPORTED = ("put_timestamp", "delete_timestamp", "object_count", "bytes_used")


@dataclass(frozen=True)
class UpdaterOptions(daemon.DaemonOptions):
    """Options of ``[container-updater]`` (formats.md 8.3)."""

    containers_per_second: float = option(50.0, "databases that are looked at in a second; 0: as many as can be")
    account_suppression_time: float = option(60.0, "seconds to leave an account alone after an update failed")


class ContainerUpdater(daemon.Daemon):
    """Send to accounts the counts of containers that have changed."""

    section = "container-updater"
    options_class = UpdaterOptions

    def __init__(self, options: UpdaterOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.ring = Ring(options.swift_dir, "account", hash_path=swift.hash_path)
        self.updates = AccountUpdates(logger, options.conn_timeout, options.node_timeout)
        self._suppressed: dict[str, float] = {}
        """Account -> time.monotonic() until which it is left alone."""

    def run_once(self) -> Counter[str]:
        """Make one pass, and tell the recon cache how long it took."""
        started = time.monotonic()
        counts = super().run_once()
        changes = {"container_updater_sweep": time.monotonic() - started}
        recon.dump(self.options.recon_cache_path, recon.CONTAINER_CACHE, changes, self.logger)
        return counts

    def jobs(self) -> Iterator[str]:
        """The container databases of all devices, no faster than the options allow."""
        return daemon.at_rate(self._databases(), self.options.containers_per_second)

    def _databases(self) -> Iterator[str]:
        for device in sorted(os.listdir(self.options.devices)):
            device_path = layout.usable_device(self.options.devices, device, self.options.mount_check)
            if device_path is None:
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, device)
                continue
            yield from layout.databases(device_path, "container")

    def work(self, path: str) -> None:
        """Tell the account servers about one container, if they do not know yet."""
        broker = ContainerBroker(path, "", logger=self.logger)
        info = broker.get_info()
        if not Timestamp(info["put_timestamp"]) or all(info[key] == info[f"reported_{key}"] for key in _REPORTED):
            return
        if self._suppressed.get(info["account"], 0) > time.monotonic():
            self.counts["postponed"] += 1
            return
        statuses = self._tell(info)
        if sum(200 <= status < 300 for status in statuses) > len(statuses) // 2:
            broker.set_reported(*(info[key] for key in _REPORTED))
            self.counts["updated"] += 1
        elif all(status == 404 for status in statuses):
            broker.quarantine("no account server knows its account")
            self.counts["quarantined"] += 1
        else:
            self._suppressed[info["account"]] = time.monotonic() + self.options.account_suppression_time
            raise RuntimeError(f"account servers answered {statuses}")

    def _tell(self, info: dict[str, Any]) -> list[int]:
        account, container = info["account"], info["container"]
        partition, nodes = self.ring.get_nodes(account)
        headers = {
            **update_of(info, override_deleted=True).to_headers(),
            "User-Agent": user_agent(self.section),
        }
        places = [(node.replication_address, node.device) for node in nodes]
        return self.updates.tell_all(places, partition, f"/{account}/{container}", headers)


def main(argv: list[str]) -> int:
    """Run it: ``CONF [-v] [-o | --once]``; returns the exit status."""
    return daemon.main(ContainerUpdater, argv)
