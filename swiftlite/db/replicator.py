"""DatabaseReplicator: brings every replica of a device's databases to the newest state, handoffs home, ruins away."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from swiftlite.common import daemon, recon, statsd
from swiftlite.common.concurrency import ThreadPool
from swiftlite.common.config import SHORTEST, at_least, option
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import replicas
from swiftlite.core.replicas import Step
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout, pending
from swiftlite.db.broker import BadRow, DatabaseBroker, DatabaseMissing, Misplaced, sync_directory
from swiftlite.db.peer import Peer
from swiftlite.db.whole_file import Rsync, make_copy
from swiftlite.ring.own import is_same, own_nodes, place_among
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.node_client import node_client
from swiftlite.wire.peers import PeerFailed, Silences
from swiftlite.wire.rsync import warn_of_rsync

MERGED_PER_SECOND = 2000
"""Rows that a peer is given a second to merge, when it merges its own into a file of ours."""

_COUNTED = (
    *("attempted", "success", "failure", "no_change", "hashmatch", "rsync", "diff", "remove", "empty"),
    *("remote_merge", "ts_repl", "diff_capped", "deferred"),
)
"""What the recon cache tells of a pass (formats.md 5.8)."""


def parse_sync_method(text: str) -> str:
    """One of the two methods.

    :raises ValueError: for any other word
    """
    if text.strip() not in ("auto", "rsync"):
        raise ValueError("it is neither auto nor rsync")
    return text.strip()


@dataclass(frozen=True)
class ReplicatorOptions(daemon.DaemonOptions):
    """Options of ``[account-replicator]`` and ``[container-replicator]`` (formats.md 8.3)."""

    interval: float = option(30.0, "seconds from the start of one pass to the start of the next")
    concurrency: int = option(8, "databases that are replicated at once", least=1)
    node_timeout: float = option(10.0, "seconds to wait for a server's answer", least=SHORTEST)
    databases_per_second: float = option(
        50.0, "databases that are looked at in a second; 0: as many as can be", least=None
    )
    per_diff: int = option(1000, "rows of one message; a peer that lacks fewer is never sent the whole file", least=1)
    max_diffs: int = option(
        100, "messages for one database and peer in a pass; the rest waits for the next pass", least=1
    )
    reclaim_age: float = option(604800.0, "seconds after which what was deleted is forgotten")
    rsync_module: str = option(
        "",
        "rsync module of the peers; default: {replication_ip}:: and the kind of database",
        replicas.parse_rsync_module,
    )
    rsync_compress: bool = option(False, "compress what is sent by rsync to other regions")
    sync_method: str = option(
        "auto",
        "how whole files are sent: rsync, or auto: over HTTP to servers that take them so, by rsync to others",
        parse_sync_method,
    )
    handoffs_only: bool = option(False, "only send home what is on a handoff")
    handoff_delete: int = option(
        0,
        "replicas that must have what a handoff has before it is removed; auto: all",
        at_least(0, replicas.parse_handoff_delete),
    )
    only_devices: tuple[str, ...] = option((), "devices to work on; empty: all")
    only_partitions: tuple[str, ...] = option((), "partitions to work on; empty: all")


Names = tuple[str, str | None]
"""Account and, of a container, container."""


class Job(NamedTuple):
    """A database, and the device of the ring that it lies on."""

    path: str
    node: Node

    @property
    def partition(self) -> int:
        """The partition whose directory it lies in."""
        return int(self.path.split("/")[-4])


class DatabaseReplicator(daemon.Daemon):
    """What account and container replicators do alike."""

    kind: ClassVar[layout.Kind]
    broker_class: ClassVar[type[DatabaseBroker]]
    options_class = ReplicatorOptions
    switches = {
        "only_devices": "names of devices to work on, with commas between them",
        "only_partitions": "partitions to work on, with commas between them",
    }
    switch_flags = {"only_devices": ("-d", "--devices"), "only_partitions": ("-p", "--partitions")}

    def __init__(self, options: ReplicatorOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.ring = Ring(options.swift_dir, self.kind, hash_path=swift.hash_path)
        self.client = node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, logger)
        module = options.rsync_module or f"{{replication_ip}}::{self.kind}"
        self.rsync = Rsync(module, options.rsync_compress, options.conn_timeout, options.node_timeout)
        if options.sync_method == "rsync":
            warn_of_rsync(swift.backend_tls, logger)
        self.threads = ThreadPool(max(1, options.concurrency))
        self.local: list[Node] = []
        """The ring's devices that are this machine's, and usable."""
        self.failures: dict[str, Counter[str]] = {}
        """By address and device how often a peer failed in this pass."""
        self.silences = Silences()

    # A pass -----------------------------------------------------------------------------------------------------------

    def run_once(self) -> Counter[str]:
        """Make one pass, and tell the recon cache of it."""
        started = time.time()
        self.failures, self.silences = {}, Silences()
        self.local = self.local_nodes()
        super().run_once()
        self.finish_pass()
        stats = {name: self.counts[name] for name in _COUNTED}
        stats |= {"start": started, "failure_nodes": self.failures}
        stats["failure"] = self.counts["failures"]  # those of peers, and what failed here
        changes = {
            "replication_stats": stats,
            "replication_time": time.time() - started,
            "replication_last": time.time(),
        }
        recon.dump(self.options.recon_cache_path, f"{self.kind}.recon", changes, self.logger)
        return self.counts

    def finish_pass(self) -> None:
        """Do what has to wait until all databases have had their turn."""

    def local_nodes(self) -> list[Node]:
        """The usable devices of the ring whose servers listen on our address and port; others are logged."""
        options, found = self.options, []
        ours = own_nodes(self.ring, options.bind_ip, options.bind_port)
        if not ours:
            self.logger.error("%s: no device of the ring is at port %d here", self.section, options.bind_port)
        for node in ours:
            if options.only_devices and node.device not in options.only_devices:
                continue
            if layout.usable_device(options.devices, node.device, options.mount_check) is None:
                self.logger.warning("%s: skipping %s: it is not a usable device", self.section, node.device)
                continue
            found.append(node)
        return found

    def jobs(self) -> Iterator[Job]:
        """The databases of our devices, one of each in turn, no faster than the options allow."""
        return daemon.at_rate(self._in_turns(), self.options.databases_per_second)

    def _in_turns(self) -> Iterator[Job]:
        walks = [self._databases(node) for node in self.local]
        while walks:
            for walk in list(walks):
                job = next(walk, None)
                if job is None:
                    walks.remove(walk)
                else:
                    yield job

    def _databases(self, node: Node) -> Iterator[Job]:
        device_path = f"{self.options.devices}/{node.device}"
        self._tidy(f"{device_path}/tmp")
        for path in layout.databases(device_path, self.kind, failed=self.pass_over):
            job = Job(path, node)
            wanted = self.options.only_partitions
            if wanted and str(job.partition) not in wanted:
                continue
            if self.options.handoffs_only and place_among(self.ring.primaries(job.partition), node) is not None:
                continue
            yield job

    def _tidy(self, directory: str, suffix: str = "") -> None:
        """Remove what was left half-done in a directory long ago."""
        oldest = time.time() - self.options.reclaim_age
        with suppress(FileNotFoundError):
            for entry in os.scandir(directory):
                if entry.name.endswith(suffix) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)

    # One database -----------------------------------------------------------------------------------------------------

    def work(self, job: Job) -> None:
        """Bring one database and its replicas together; remove it where it does not belong, or nobody needs it."""
        self.counts["attempted"] += 1
        hash_path = self.swift.hash_path  # peers are told by hash alone: what it holds must be of that name
        broker = self.broker_class(job.path, "", logger=self.logger, patience=pending.REPLICATION, hash_path=hash_path)
        try:
            info = self._prepare(broker)
        except DatabaseMissing:
            return
        except Misplaced as error:
            self.logger.error("%s: leaving %s alone: %s", self.section, job.path, error)
            self.counts["failures"] += 1
            return
        if info is None:
            return
        names = (info["account"], info.get("container"))
        partition, primaries, place = self._whereabouts(job, names)
        if partition != job.partition:
            self.logger.error("%s: %s belongs to partition %d, and goes there", self.section, job.path, partition)
        successes, answers = self._tell(broker, info, job.node, replicas.in_turn(primaries, place), partition)
        self.after_replication(broker, info, [*successes, True] if place is not None else successes)
        may_go = place is None and not self.defers_rows(broker, info)
        if may_go and replicas.enough_succeeded(successes, self.options.handoff_delete):
            self.remove(broker, lambda now: self._is_astray(job, names) and replicas.all_is_told(now, info, answers))

    def _whereabouts(self, job: Job, names: Names) -> tuple[int, Sequence[Node], int | None]:
        """A database's partition, its primaries, and the place among them of our device if it is in that partition.

        All of one ring: a moment later it may be another, in which the device is a primary that takes itself for a handoff.
        """
        partition, primaries = self.ring.get_nodes(*names)
        return partition, primaries, place_among(primaries, job.node) if partition == job.partition else None

    def _is_astray(self, job: Job, names: Names) -> bool:
        """Whether no ring wants a database where it is: neither the one in use nor one that has come meanwhile."""
        return not self.ring.has_changed() and self._whereabouts(job, names)[2] is None

    def _prepare(self, broker: DatabaseBroker) -> dict[str, Any] | None:
        """Let go of what is too old; return what the database says of itself, None when nothing is left to replicate."""
        now, age = time.time(), self.options.reclaim_age
        self._tidy(broker.directory, ".tmp")
        ages = (Timestamp(max(0.0, now - age)).internal, Timestamp(max(0.0, now - 2 * age)).internal)
        broker.reclaim(*ages, self._told(broker))
        if broker.is_reclaimable(now, age):
            self.remove(broker, lambda _: broker.is_reclaimable(now, age))
            return None
        return broker.replication_info()

    def _told(self, broker: DatabaseBroker) -> int:
        """The last row that all replicas are known to know of; -1: too few have ever been told of any."""
        points = [point["sync_point"] for point in broker.sync_points(incoming=False)]
        others = self.ring.replica_count - 1
        return min(points, default=broker.max_row()) if len(points) >= others else -1

    def after_replication(self, broker: DatabaseBroker, info: dict[str, Any], successes: Sequence[bool]) -> None:
        """Do what a kind of database needs once its replicas have been told.

        :param successes: whether each replica has all that ``info`` tells of, our own included
        """

    def _tell(
        self, broker: DatabaseBroker, info: dict[str, Any], own: Node, nodes: Sequence[Node], partition: int
    ) -> tuple[list[bool], list[dict[str, Any]]]:
        """Bring peers together with our database; for each whose disk is missing, one handoff more.

        :returns: whether each has all that is ours, and what those that have a database said of it
        """
        name_hash = os.path.basename(broker.directory)
        handoffs = (node for node in self.ring.handoffs(partition) if not is_same(node, own))
        successes: list[bool] = []
        answers: list[dict[str, Any]] = []
        waiting = list(nodes)
        while waiting:
            node = waiting.pop(0)
            session = Session(self, broker, info, Peer(self.client, node, partition, name_hash), own)
            try:
                self.silences.check(node.replication_address)
                successes.append(session.run())
                answers += session.answers
                self.silences.answered(node.replication_address)
            except PeerFailed as error:
                successes.append(False)
                self._count_failure(node, error)
                if error.status == 507:
                    waiting += itertools.islice(handoffs, 1)
        self.counts["success"] += sum(successes)
        return successes, answers

    def _count_failure(self, node: Node, error: PeerFailed) -> None:
        devices = self.failures.setdefault(node.replication_ip, Counter())
        # A node that is down fails for every database: one line a pass is enough.
        self.logger.log(logging.DEBUG if devices[node.device] else logging.ERROR, "%s: %s", self.section, error)
        devices[node.device] += 1
        self.silences.failed(node.replication_address, error)
        self.counts["failure"] += 1
        self.counts["failures"] += 1

    def remove(self, broker: DatabaseBroker, may_go: Callable[[dict[str, Any]], bool]) -> bool:
        """Remove a database, unless something came in meanwhile.

        Nobody can append or write when it is decided: rows that wait are merged first, and whoever waits for a lock
        finds the database gone, and says so. It leaves its place in one step.

        :param may_go: is given what the database says of itself then
        """
        device_path = layout.device_of(broker.path, self.kind)
        grave = f"{device_path}/tmp/{uuid.uuid4().hex}"
        os.makedirs(os.path.dirname(grave), exist_ok=True)
        with pending.directory_lock(broker.directory, broker.patience.seconds):
            broker.commit_pending_locked()
            with broker.write_locked():
                if not may_go(broker.replication_info()):
                    return False
                self.before_removal(broker)
                os.rename(broker.directory, grave)
        sync_directory(os.path.dirname(broker.directory))
        shutil.rmtree(grave, ignore_errors=True)
        with suppress(OSError):  # others are in there
            for parent in (os.path.dirname(broker.directory), os.path.dirname(os.path.dirname(broker.directory))):
                os.rmdir(parent)
        self.counts["remove"] += 1
        statsd.note(f"removes.{os.path.basename(device_path)}")
        return True

    def before_removal(self, broker: DatabaseBroker) -> None:
        """Remove what points to a database."""

    def settle(self, broker: DatabaseBroker, info: dict[str, Any], theirs: dict[str, Any], peer: Peer) -> None:
        """Take over what a peer knows better, besides rows, metadata and timestamps."""

    def sync_arguments(self, info: dict[str, Any]) -> list[Any]:
        """What is told to a peer about our database."""
        fields = ("max_row", "hash", "id", "created_at", "put_timestamp", "delete_timestamp", "metadata")
        return [info[field] for field in fields]

    def defers_rows(self, broker: DatabaseBroker, info: dict[str, Any]) -> bool:
        """Whether rows are not to be sent, nor a handoff to be removed, because others see to them."""
        return False


class Session:
    """One database brought together with one peer's.

    :param info: what our database said of itself when its turn began
    :param own: the device that our database lies on
    """

    def __init__(
        self, replicator: DatabaseReplicator, broker: DatabaseBroker, info: dict[str, Any], peer: Peer, own: Node
    ) -> None:
        self.replicator = replicator
        self.options = replicator.options
        self.counts = replicator.counts
        self.broker = broker
        self.info = info
        self.peer = peer
        self.own = own
        self.answers: list[dict[str, Any]] = []

    def run(self) -> bool:
        """Do what the peer's answer asks for.

        :returns: whether the peer has now all that was here when the turn began
        :raises PeerFailed: when it does not, and the peer is to blame
        """
        try:
            return self._try()
        except PeerFailed as error:
            if error.status != 404:
                raise
        # What the peer had, or lacked, when it was asked is not so any more: another replicator has been there.
        self.answers.clear()
        return self._try()

    def _try(self) -> bool:
        answer = self.peer.ask("sync", *self.replicator.sync_arguments(self.info))
        if answer.status == 404:
            self.counts["rsync"] += 1
            self._send_file("complete_rsync", self.options.node_timeout)
            return True
        if not 200 <= answer.status < 300:
            raise PeerFailed(f"{self.peer} answered {answer.status} to sync", answer.status)
        theirs = answer.json()
        self.answers.append(theirs)
        self._learn(theirs)
        if self.replicator.defers_rows(self.broker, self.info):
            self.counts["deferred"] += 1
            return True
        return self._take_step(theirs, replicas.next_step(self.info, theirs, self.options.per_diff))

    def _learn(self, theirs: dict[str, Any]) -> None:
        """Take over the peer's metadata and timestamps, as it took ours."""
        try:
            self.broker.merge_metadata_text(theirs.get("metadata") or "")
        except BadRow as error:  # our rows are good for it all the same
            self.replicator.logger.error("%s has %s", self.peer, error)
        times = ("created_at", "put_timestamp", "delete_timestamp")
        if any(theirs[name] != self.info[name] for name in times):
            self.broker.merge_timestamps(*(theirs[name] for name in times))
        self.replicator.settle(self.broker, self.info, theirs, self.peer)

    def _take_step(self, theirs: dict[str, Any], step: Step) -> bool:
        if step is Step.RENEW_ID:
            # Not only beyond what we knew a moment ago.
            if theirs["id"] == self.info["id"] or theirs["point"] > self.broker.max_row():
                self.broker.leave_id(self.info["id"])
            return False
        if step is Step.UP_TO_DATE:
            self.counts["no_change"] += 1
            if self.broker.sync_point(theirs["id"], incoming=False) < theirs["point"]:
                self._remember(theirs, theirs["point"])
        elif step is Step.SAME_ROWS:
            self.counts["hashmatch"] += 1
            self._remember(theirs, theirs["point"])
        elif step is Step.SEND_FILE:
            self.counts["remote_merge"] += 1
            seconds = max(self.options.node_timeout, (theirs["count"] + self.info["count"]) / MERGED_PER_SECOND)
            self._send_file("rsync_then_merge", seconds)
        else:
            self.counts["diff"] += 1
            return self._send_rows(theirs)
        return True

    def _remember(self, theirs: dict[str, Any], row: int) -> None:
        self.broker.merge_sync_points([{"remote_id": theirs["id"], "sync_point": row}], incoming=False)

    def _send_rows(self, theirs: dict[str, Any]) -> bool:
        """Send what the peer lacks, and whose rows it then knows because we did.

        :returns: whether that was all of it
        """
        points = self.broker.sync_points()  # before the rows: they are to cover what it claims
        last = theirs["point"]
        for _ in range(self.options.max_diffs):
            rows = self.broker.items_since(last, self.options.per_diff)
            if rows:
                self.peer.tell("merge_items", rows, self.info["id"])
                last = rows[-1]["ROWID"]
            if len(rows) < self.options.per_diff:
                break
        else:
            self.counts["diff_capped"] += 1
            return False
        if self.broker.get_info()["id"] != self.info["id"]:
            return False  # another file took the place of ours meanwhile, and numbers its rows differently
        # Rows at the end may have been reclaimed: the peer knows of all that was here.
        last = max(last, self.info["max_row"])
        self.peer.tell("merge_syncs", [*points, {"remote_id": self.info["id"], "sync_point": last}])
        self._remember(theirs, last)
        return True

    def _send_file(self, operation: str, timeout: float) -> None:
        """Send a copy of the whole file, and have the peer put it in place.

        :param timeout: seconds that the peer may take for that
        :raises PeerFailed: when one or the other fails
        """
        threads = self.replicator.threads
        path, name = layout.newest_file(self.broker.path), self.info["id"]
        copy = threads.run(make_copy, path, layout.device_of(self.broker.path, self.replicator.kind))
        try:
            if self.options.sync_method == "rsync" or not self.peer.send_file(copy, name):
                other_region = self.peer.node.region != self.own.region
                threads.run(self.replicator.rsync.send, copy, self.peer, name, other_region)
        finally:
            os.unlink(copy)
        self.peer.tell(operation, name, os.path.basename(path), timeout=timeout)
