"""The container sync daemon: brings what changes in containers to their counterparts in other clusters (formats.md 7.21)."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from swiftlite.common import daemon, statsd
from swiftlite.common.addresses import is_own, own_addresses
from swiftlite.common.concurrency import Timeout, in_order
from swiftlite.common.config import SHORTEST, ConfFile, ConfigError, at_least, option
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.sync_realms import SyncRealms
from swiftlite.container.backend import ContainerBroker, is_deleted
from swiftlite.container.sync_row import Link, NotHereYet, Refused, RowSender
from swiftlite.container.sync_store import SYNC_KEY, SYNC_TO, remove_link, synced_databases
from swiftlite.core.container_sync import BadTarget, read_target, sends_first, settled_point
from swiftlite.db import layout
from swiftlite.db.broker import DatabaseMissing, load_metadata
from swiftlite.http.errors import ConnectFailed, ConnectTimeout
from swiftlite.ring.ring import Ring
from swiftlite.wire.internal_client import InternalClient, UnexpectedResponse

VERSIONS = "X-Container-Sysmeta-Versions-Container"
PAGE = 100
"""Rows that are read at once, and after which it is written down how far sync has come."""

Row = dict[str, Any]
Outcome = tuple[int, bool]
"""The ROWID of a row, and whether the other cluster has it."""


@dataclass(frozen=True)
class SyncOptions(daemon.DaemonOptions):
    """Options of ``[container-sync]`` (formats.md 8.3)."""

    concurrency: int = option(4, "containers that are synced at once", least=1)
    container_time: float = option(60.0, "seconds that one container may take in a pass")
    sync_row_concurrency: int = option(
        8, "objects of a container that are sent at once", at_least(1, lambda text: int(text) or 8)
    )
    conn_timeout: float = option(5.0, "seconds to wait for a connection to another cluster", least=SHORTEST)
    node_timeout: float = option(60.0, "seconds to wait for another cluster's answer", least=SHORTEST)
    allowed_sync_hosts: tuple[str, ...] = option(("127.0.0.1",), "hosts that containers may be synced to")
    internal_client_conf_path: str = option(
        "", "conf with the pipeline that objects are read through; default: internal-client.conf, or a built-in one"
    )
    request_tries: int = option(3, "how often an object is asked for when the answer is a server error", least=1)
    ring_ip: str = option("", "address that the rings have of this node; default: bind_ip")


@dataclass
class Task:
    """One container in one pass.

    :ivar replicas: of the container
    :ivar ordinal: which of them this database is, from 0
    :ivar points: ROWIDs: all rows up to the second have arrived; up to the first, each has been sent once by one of
        the replicas
    :ivar stopped: why nothing more is to be sent in this pass; empty as long as there is no reason
    """

    broker: ContainerBroker
    link: Link
    replicas: int
    ordinal: int
    points: tuple[int, int]
    counts: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    def move(self, first: int | None = None, second: int | None = None) -> None:
        """Write down how far sync has come."""
        known = self.points
        moved = (known[0] if first is None else first, known[1] if second is None else second)
        if moved == known:
            return
        if self.broker.move_container_sync_points(known, moved):
            self.points = moved
        else:
            self.stopped = self.stopped or "it is synced to something else now"


class ContainerSync(daemon.Daemon):
    """Bring what has changed in synced containers to other clusters."""

    section = "container-sync"
    options_class = SyncOptions
    sender: RowSender

    def __init__(self, options: SyncOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.ring = Ring(options.swift_dir, "container", hash_path=swift.hash_path)
        self.realms = SyncRealms.of(options.swift_dir, logger)
        self.own = own_addresses(options.ring_ip or options.bind_ip)
        self.clock: Callable[[], float] = time.monotonic
        self._resume: dict[str, int] = {}
        """Database -> ROWID after which rows are to be sent again, where a pass had too little time for all."""

    @classmethod
    def from_conf(cls, conf: ConfFile, texts: dict[str, str]) -> ContainerSync:
        """Make it from its conf file.

        :raises StartError: when that cannot be used
        """
        if texts.get("sync_proxy", "").strip():
            problem = "other clusters can only be reached directly"
            raise ConfigError(conf.path, cls.section, "sync_proxy", problem, "take it out")
        made = super().from_conf(conf, texts)
        assert isinstance(made, cls)
        options = made.options
        path = options.internal_client_conf_path
        usual = os.path.join(options.swift_dir, "internal-client.conf")
        if not path and os.path.exists(usual):
            path = usual
        agent, tries = "Swift Container Sync", options.request_tries
        if path:
            local = InternalClient.from_conf(path, options.swift_dir, agent, tries, made.logger)
        else:
            local = InternalClient.built_in(options.swift_dir, texts, agent, tries, made.logger)
        made.sender = RowSender(local, options.conn_timeout, options.node_timeout)
        return made

    def jobs(self) -> Iterator[str]:
        """The databases that are to be synced, of all devices."""
        for device in sorted(os.listdir(self.options.devices)):
            device_path = layout.usable_device(self.options.devices, device, self.options.mount_check)
            if device_path is None:
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, device)
                continue
            yield from synced_databases(device_path)

    def work(self, path: str) -> None:
        """Sync one container, as far as there is time."""
        broker = ContainerBroker(path, "", logger=self.logger)
        try:
            info = broker.get_info()
        except DatabaseMissing:
            remove_link(path)
            self.counts["gone"] += 1
            return
        task = self._task(broker, info)
        if task is None:
            self.counts["skipped"] += 1
            return
        started = self.clock()
        # New rows get half of the time, however many of the old ones fail again and again.
        self._send_again(task, started + self.options.container_time / 2)
        self._send_new(task, started + self.options.container_time)
        self._tell(task)

    def _task(self, broker: ContainerBroker, info: dict[str, Any]) -> Task | None:
        """What is to be done for a container; None where that is nothing, or not our job."""
        account, container = info["account"], info["container"]
        metadata = {key: value for key, (value, _) in load_metadata(info["metadata"]).items()}
        to, key = metadata.get(SYNC_TO), metadata.get(SYNC_KEY)
        if is_deleted(info) or not to or not key:
            return None  # The container server is about to remove the link.
        if metadata.get(VERSIONS):
            self.logger.warning("%s: %s/%s has versions, it is not synced", self.section, account, container)
            return None
        _, nodes = self.ring.get_nodes(account, container)
        ordinal = self._ordinal(nodes, broker.path)
        if ordinal is None:
            return None
        try:
            target = read_target(to, self.options.allowed_sync_hosts, self.realms)
        except BadTarget as error:
            self.logger.error("%s: %s/%s cannot be synced: %s", self.section, account, container, error)
            self.counts["failures"] += 1
            return None
        points = info["x_container_sync_point1"], info["x_container_sync_point2"]
        link = Link(account, container, info["storage_policy_index"], target, key)
        return Task(broker, link, len(nodes), ordinal, points)

    def _ordinal(self, nodes: Any, path: str) -> int | None:
        """Which of the container's primaries a database of ours is; None for a handoff."""
        device = os.path.basename(layout.device_of(path, "container"))
        for ordinal, node in enumerate(nodes):
            if node.device == device and node.port == self.options.bind_port and is_own(node.ip, self.own):
                return ordinal
        return None

    # Rows -------------------------------------------------------------------------------------------------------------

    def _send_again(self, task: Task, deadline: float) -> None:
        """Send the rows that each were the business of one replica, for it may have failed."""
        first, second = task.points
        start = self._resume.pop(task.broker.path, second)
        if not second <= start < first:
            start = second
        point, last = second, start
        is_settled = start == second
        rows = self._rows(task, start, first, deadline)
        for outcomes in self._outcomes(rows, lambda row: (row["ROWID"], self._send(task, row))):
            last = outcomes[-1][0]
            if is_settled:
                point = settled_point(point, outcomes)
                is_settled = point == last
                task.move(second=point)
        if not is_settled and not task.stopped and self.clock() >= deadline:
            self._resume[task.broker.path] = last

    def _send_new(self, task: Task, deadline: float) -> None:
        """Send this replica's share of the new rows; what fails is sent again in the next pass, by all of them."""

        def send(row: Row) -> Outcome:
            digest = self.swift.hash_path.digest(task.link.account, task.link.container, row["name"])
            if sends_first(digest, task.replicas, task.ordinal):
                self._send(task, row)
            return row["ROWID"], True

        rows = self._rows(task, task.points[0], None, deadline)
        for outcomes in self._outcomes(rows, send):
            task.move(first=outcomes[-1][0])

    def _rows(self, task: Task, after: int, up_to: int | None, deadline: float) -> Iterator[Row]:
        """Rows in their order, until time is up or there is a reason to stop."""
        while rows := task.broker.items_since(after, PAGE):
            for row in rows:
                after = row["ROWID"]
                if task.stopped or self.clock() >= deadline or (up_to is not None and after > up_to):
                    return
                yield row

    def _outcomes(self, rows: Iterator[Row], send: Callable[[Row], Outcome]) -> Iterator[list[Outcome]]:
        """Send rows, several at once, and tell what became of them in their order, page by page."""
        outcomes = in_order(self.options.sync_row_concurrency, send, rows)
        while page := list(itertools.islice(outcomes, PAGE)):
            yield page

    def _send(self, task: Task, row: Row) -> bool:
        """Send one row; whatever goes wrong is logged and counted, for the row comes again."""
        started = time.monotonic()
        try:
            outcome = self.sender.send(task.link, row)
            task.counts[outcome] += 1
            if outcome in ("puts", "deletes"):
                statsd.note(outcome)
                statsd.took(f"{outcome}.timing", time.monotonic() - started)
            return True
        except (ConnectFailed, ConnectTimeout) as error:
            self._stop(task, str(error))
        except Refused as error:
            if error.status == 401:
                self._stop(task, f"{error}: the keys of both sides differ")
            else:
                self._log_failure(task, row, error)
        except (NotHereYet, UnexpectedResponse, OSError, ValueError) as error:
            self._log_failure(task, row, error)
        except (Exception, Timeout):
            self.logger.exception(
                "%s: %s/%s: row %d", self.section, task.link.account, task.link.container, row["ROWID"]
            )
        task.counts["rows_failed"] += 1
        return False

    def _stop(self, task: Task, reason: str) -> None:
        if not task.stopped:
            task.stopped = reason
            link = task.link
            self.logger.error("%s: %s/%s: %s, will try again", self.section, link.account, link.container, reason)

    def _log_failure(self, task: Task, row: Row, error: Exception) -> None:
        """Log the first failure of a container as an error, for there may be very many."""
        level = logging.DEBUG if task.counts["rows_failed"] else logging.ERROR
        place = f"{task.link.account}/{task.link.container}/{row['name']}"
        self.logger.log(level, "%s: %s: %s, will try again", self.section, place, error)

    def _tell(self, task: Task) -> None:
        self.counts.update(task.counts)
        self.counts["failures" if task.counts["rows_failed"] else "synced"] += 1
        link = task.link
        level = logging.INFO if task.counts.keys() - {"present"} else logging.DEBUG
        summary = ", ".join(f"{name} {count}" for name, count in sorted(task.counts.items())) or "nothing new"
        place, points = f"{link.account}/{link.container} => {link.target.url}", task.points
        self.logger.log(level, "%s: %s: %s; sync points %d and %d", self.section, place, summary, *points)


def main(argv: list[str]) -> int:
    """Run it: ``CONF [once] [-v] [-o | --once]``; returns the exit status."""
    return daemon.main(ContainerSync, argv)
