"""The object replicator: brings every replica of a device's partitions to the newest state, handoffs home."""

from __future__ import annotations

import logging
import os
import random
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from swiftlite.common import daemon, forks, recon, statsd
from swiftlite.common.concurrency import ThreadPool, sleep
from swiftlite.common.config import SHORTEST, ConfFile, at_least, option
from swiftlite.common.failed_passes import FailedPasses
from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import replicas
from swiftlite.obj import layout
from swiftlite.obj.diskfile import DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DeviceUnavailable
from swiftlite.obj.partition_push import Job, PartitionPush
from swiftlite.obj.rsync_sender import RsyncOptions, RsyncSender
from swiftlite.obj.shipment import Sender
from swiftlite.obj.ssync_sender import SsyncSender
from swiftlite.ring.own import own_nodes, place_among
from swiftlite.ring.ring import Node, Ring, RingError
from swiftlite.wire.node_client import node_client
from swiftlite.wire.peers import PeerFailed, Silences
from swiftlite.wire.rsync import warn_of_rsync

_COUNTED = (
    *("attempted", "failure", "hashmatch", "remove", "rsync", "success"),
    *("suffix_count", "suffix_hash", "suffix_sync", "handoffs_left"),
)
"""What the recon cache tells of a pass (formats.md 5.8)."""


THEIR_NAMES = {"interval": "run_pause", "report_interval": "stats_interval"}
"""Options of every daemon here, and how OpenStack Swift calls those of this one."""


def _parse_sync_method(text: str) -> str:
    if text.strip() not in ("ssync", "rsync"):
        raise ValueError("it is neither ssync nor rsync")
    return text.strip()


@dataclass(frozen=True)
class ReplicatorOptions(daemon.DaemonOptions):
    """Options of ``[object-replicator]`` (formats.md 8.3)."""

    interval: float = option(30.0, "seconds from the start of one pass to the start of the next")
    concurrency: int = option(1, "partitions that a process replicates at once", least=1)
    replicator_workers: int = option(
        0, "devices that are replicated at once, each by a process of its own; 0: one for all"
    )
    sync_method: str = option(
        "ssync", "how objects are sent: ssync, over the object server's port, or rsync", _parse_sync_method
    )
    http_timeout: float = option(60.0, "seconds that a peer may take to hash a partition", least=SHORTEST)
    node_timeout: float = option(10.0, "seconds that a peer may be silent while objects are sent", least=SHORTEST)
    ssync_bwlimit: float = option(0.0, "KiB that ssync sends to a peer in a second; 0: no limit")
    rsync_module: str = option("{replication_ip}::object", "rsync module of the peers", replicas.parse_rsync_module)
    rsync_timeout: float = option(900.0, "seconds that one call of rsync may take", least=SHORTEST)
    rsync_io_timeout: int = option(30, "seconds without progress after which rsync gives up")
    rsync_bwlimit: str = option("0", "KiB that rsync sends in a second, or with a unit, say 20m; 0: no limit")
    rsync_compress: bool = option(False, "compress what is sent by rsync to other regions")
    handoffs_first: bool = option(False, "send home what is on handoffs, and all else only once that is done")
    handoff_delete: int = option(
        0,
        "replicas that must have an object before it is removed from a handoff; auto: all",
        at_least(0, replicas.parse_handoff_delete),
    )
    ring_ip: str = option("", "address that the rings have for this machine; default: bind_ip")
    ring_check_interval: float = option(15.0, "seconds between looks at the ring files")
    reclaim_age: float = option(604800.0, "seconds after which a tombstone is removed")
    only_devices: tuple[str, ...] = option((), "devices to work on; empty: all")
    only_partitions: tuple[str, ...] = option((), "partitions to work on; empty: all")
    only_policies: tuple[str, ...] = option((), "indices of the policies to work on; empty: all")

    @property
    def is_partial(self) -> bool:
        """Whether a pass leaves something out, so that it says little of the whole."""
        return bool(self.only_devices or self.only_partitions or self.only_policies)


class ObjectReplicator(daemon.Daemon):
    """Bring what other replicas of objects lack to them, and what lies on handoffs to where it belongs."""

    section = "object-replicator"
    options_class = ReplicatorOptions
    switches = {
        "only_devices": "names of devices to work on, with commas between them",
        "only_partitions": "partitions to work on, with commas between them",
        "only_policies": "indices of policies to work on, with commas between them",
    }
    switch_flags = {
        "only_devices": ("-d", "--devices"),
        "only_partitions": ("-p", "--partitions"),
        "only_policies": ("-i", "--policies"),
    }

    @classmethod
    def from_conf(cls, conf: ConfFile, texts: dict[str, str]) -> daemon.Daemon:
        """As every daemon; what OpenStack Swift calls by other names is understood."""
        theirs = {ours: texts[name] for ours, name in THEIR_NAMES.items() if name in texts}
        return super().from_conf(conf, {**theirs, **texts})

    def __init__(self, options: ReplicatorOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.fs = FileSystem()
        of_files = DiskFileOptions(options.devices, options.mount_check, reclaim_age=options.reclaim_age)
        self.files = DiskFileManager(of_files, swift.hash_path, logger, self.fs, time.time)
        self.rings: dict[int, Ring] = {}
        """By policy; one that cannot be loaded is left out, and tried again in the next pass."""
        self.client = node_client(swift.backend_tls, options.conn_timeout, options.http_timeout, logger)
        self.threads = ThreadPool(max(1, options.concurrency))
        self.regions: dict[str, int] = {}
        """Of our devices, by their directories."""
        self.sender = self._make_sender()
        self.random = random.Random()
        self.cycle = 0
        """Counts passes: each lists some other partitions anew."""
        self.failures: dict[str, Counter[str]] = {}
        """By address and device how often a peer failed in this pass."""
        self._hashed = 0
        """Suffixes that were counted as hashed."""
        self.silences = Silences()
        self.local: list[tuple[StoragePolicy, Node]] = []
        """The devices of this pass, in each policy's ring."""
        self.roles: tuple[bool, ...] = (True, False)
        """Which partitions this pass is about: those that the device is a primary of, and those that it is not."""

    def _make_sender(self) -> Sender:
        options = self.options
        if options.sync_method == "ssync":
            return SsyncSender(
                self.client,
                self.files,
                node_timeout=options.node_timeout,
                bytes_per_second=options.ssync_bwlimit * 1024,
                http_timeout=options.http_timeout,
            )
        warn_of_rsync(self.swift.backend_tls, self.logger)
        how = RsyncOptions(
            options.rsync_module,
            options.rsync_timeout,
            options.rsync_io_timeout,
            options.rsync_bwlimit,
            options.rsync_compress,
        )
        return RsyncSender(self.client, self.files, how, self.threads.run, self.regions)

    # A pass: all devices in one process, or each in one of its own ----------------------------------------------------

    def run_once(self) -> Counter[str]:
        """Make one pass over all devices, and tell the recon cache of it."""
        started = time.time()
        self.cycle += 1
        local, workers = self.local_nodes(), self.options.replicator_workers
        devices = device_names(local)
        if workers:
            counts = forks.each(self._pass_of_device, devices, workers, self.logger)
        else:
            counts = self._pass(local)
        self._tell_recon(devices, time.time() - started)
        return counts

    def run_forever(self) -> None:
        """Make pass after pass. Each worker has its share of the devices: a disk that hangs holds up no other share."""
        if self.options.replicator_workers:
            numbers = [str(number) for number in range(self.options.replicator_workers)]
            FailedPasses.forget_others(self.options.recon_cache_path, self.section, self.logger, numbers)
            forks.keep(self._share_forever, numbers, self.logger)
        super().run_forever()

    def _share_forever(self, number: str) -> Counter[str]:
        """Replicate every so-manieth device, in a process of its own."""
        told = FailedPasses(self.options.recon_cache_path, self.section, self.logger, number)
        while True:
            started = time.time()
            self.cycle += 1
            try:
                devices = device_names(self.local_nodes())
                for device in devices[int(number) :: self.options.replicator_workers]:
                    self._pass_of_device(device)
                self._tell_recon(devices, time.time() - started)
            except Exception as error:
                self.logger.exception("%s: the pass failed, will try again", self.section)
                told.failed(error)
            else:
                told.done()
            sleep(max(0.0, started + self.options.interval - time.time()))

    def local_nodes(self) -> list[tuple[StoragePolicy, Node]]:
        """The usable devices of the rings whose servers listen on our address and port; others are logged."""
        options, found = self.options, []
        for policy in self._policies():
            ring = self._ring(policy)
            if ring is None:
                continue
            if ring.next_part_power is not None:
                self.logger.warning(
                    "%s: leaving policy %s alone while its partition power grows", self.section, policy.name
                )
                continue
            own = own_nodes(ring, options.ring_ip or options.bind_ip, options.bind_port)
            if not own:
                self.logger.error("%s: no device of %s is at port %d here", self.section, ring.path, options.bind_port)
            for node in own:
                if (not options.only_devices or node.device in options.only_devices) and self._is_usable(node):
                    found.append((policy, node))
        return found

    def _policies(self) -> list[StoragePolicy]:
        wanted = self.options.only_policies
        known = [policy for policy in self.swift.policies if policy.policy_type == "replication"]
        return [policy for policy in known if not wanted or str(policy.index) in wanted]

    def _ring(self, policy: StoragePolicy) -> Ring | None:
        options = self.options
        try:
            if policy.index not in self.rings:
                reload_time = options.ring_check_interval
                self.rings[policy.index] = Ring(
                    options.swift_dir, policy.ring_name, hash_path=self.swift.hash_path, reload_time=reload_time
                )
        except RingError as error:
            self.logger.error("%s: leaving policy %s alone: %s", self.section, policy.name, error)
        return self.rings.get(policy.index)

    def _is_usable(self, node: Node) -> bool:
        try:
            self.regions[self.files.device_root(node.device)] = node.region
        except DeviceUnavailable:
            self.logger.warning("%s: skipping %s: it is not a usable device", self.section, node.device)
            return False
        return True

    def _pass_of_device(self, device: str) -> Counter[str]:
        """What a process does that has a device to itself."""
        return self._pass([(policy, node) for policy, node in self.local_nodes() if node.device == device], device)

    def _pass(self, local: list[tuple[StoragePolicy, Node]], device: str = "") -> Counter[str]:
        """Replicate some devices.

        :param device: the one that it is about, where there are processes for others
        """
        started = time.time()
        self.failures, self.silences, self.local = {}, Silences(), local
        if self.options.handoffs_first:
            counts = self._handoffs_then_primaries()
        else:
            counts = super().run_once()
        if not self.options.is_partial:
            self._tell_of_pass(device, counts, time.time() - started)
        return counts

    def _handoffs_then_primaries(self) -> Counter[str]:
        self.roles = (False,)
        counts = super().run_once()
        if counts["handoffs_left"]:
            self.logger.warning("%s: %d handoffs are left: primaries wait", self.section, counts["handoffs_left"])
        else:
            self.roles = (True,)
            counts = counts + super().run_once()
        self.roles = (True, False)
        return counts

    # Statistics -------------------------------------------------------------------------------------------------------

    def _tell_of_pass(self, device: str, counts: Counter[str], seconds: float) -> None:
        """Put the statistics of a pass into the recon cache: of all devices, or of one that has its own process."""
        stats = {name: counts[name] for name in _COUNTED} | {"failure_nodes": self.failures}
        stats["failure"] = counts["failures"]  # those of peers, and what failed here
        changes = replication_facts(stats, seconds / 60, time.time())
        recon.dump(
            self.options.recon_cache_path,
            recon.OBJECT_CACHE,
            {"object_replication_per_disk": {device: changes}} if device else changes,
            self.logger,
        )

    def _tell_recon(self, devices: list[str], seconds: float) -> None:
        """Bring the statistics of single devices up to date, and sum them up where each has a process of its own."""
        if self.options.is_partial:
            return
        path = os.path.join(self.options.recon_cache_path, recon.OBJECT_CACHE)
        try:
            known = recon.load(path).get("object_replication_per_disk") or {}
        except OSError:
            known = {}  # the dump will say what is wrong
        kept = set(devices) if self.options.replicator_workers else set()
        changes: dict[str, Any] = {}
        if known.keys() - kept:
            changes["object_replication_per_disk"] = {device: {} for device in known.keys() - kept}
        stats = [known[device]["replication_stats"] for device in devices if device in known and device in kept]
        if stats:
            changes |= replication_facts(sum_up(stats), seconds / 60, time.time())
        if changes:
            recon.dump(self.options.recon_cache_path, recon.OBJECT_CACHE, changes, self.logger)

    def count_failure(self, node: Node, error: PeerFailed) -> None:
        """A peer has failed: one line a pass is enough for each of its devices."""
        devices = self.failures.setdefault(node.replication_ip, Counter())
        self.logger.log(logging.DEBUG if devices[node.device] else logging.ERROR, "%s: %s", self.section, error)
        devices[node.device] += 1
        self.silences.failed(node.replication_address, error)
        self.counts["failure"] += 1
        self.counts["failures"] += 1

    # What there is to do ----------------------------------------------------------------------------------------------

    def jobs(self) -> Iterator[Job]:
        """The partitions of the devices in any order, so that not all replicas work on the same ones at a time."""
        jobs = [job for policy, node in self.local for job in self._partitions(policy, node)]
        self.random.shuffle(jobs)
        return iter(jobs)

    def _partitions(self, policy: StoragePolicy, node: Node) -> Iterator[Job]:
        ring, device_root = self.rings[policy.index], f"{self.options.devices}/{node.device}"
        try:
            self._tidy(layout.temporary_directory(device_root, policy))
        except OSError as error:
            self.pass_over(error)
        root = layout.objects_root(device_root, policy)
        try:
            self.fs.make_directories(root)  # rsync of a peer makes no parents
            names = self.fs.list(root)
        except OSError as error:
            self.pass_over(error)
            return
        wanted = self.options.only_partitions
        for name in names:
            if not name.isdecimal() or (wanted and name not in wanted):
                continue
            job = Job(ring, policy, node, device_root, int(name))
            if len(self.roles) == 2 or self._is_primary(job) in self.roles:
                yield job

    def _is_primary(self, job: Job) -> bool:
        try:
            return place_among(job.ring.primaries(job.partition), job.node) is not None
        except ValueError:
            return False  # it will be told of when its turn comes

    def _tidy(self, directory: str) -> None:
        """Remove what was left half-done long ago."""
        oldest = time.time() - self.options.reclaim_age
        with suppress(FileNotFoundError):
            for entry in os.scandir(directory):
                with suppress(OSError):  # others tidy here, too
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        if entry.is_dir(follow_symlinks=False):
                            shutil.rmtree(entry.path)
                        else:
                            os.unlink(entry.path)

    def work(self, job: Job) -> None:
        """Bring one partition to its peers, unless the ring has begun to grow since the pass began."""
        if job.ring.next_part_power is not None:
            return
        self.counts["attempted"] += 1
        started = time.monotonic()
        try:
            work = PartitionPush(self, job).run()
            statsd.note(f"partition.{work}.count.{job.node.device}")
            statsd.took(f"partition.{work}.timing", time.monotonic() - started)
        except NotADirectoryError:
            if self.fs.is_directory(job.directory):
                raise  # It is something in it.
            self._put_aside(job)
        except ValueError as error:
            self.counts["failures"] += 1
            self.logger.error("%s: leaving %s alone: %s", self.section, job.directory, error)
        finally:
            more = self.files.suffixes_hashed - self._hashed
            self._hashed += more
            self.counts["suffix_hash"] += more

    def _put_aside(self, job: Job) -> None:
        """Something that is no directory stands in a partition's place."""
        target = layout.quarantine_directory(job.device_root, job.policy)
        self.fs.make_directories(target)
        target += f"/partition-{job.partition}-{uuid.uuid4().hex}"
        self.fs.rename(job.directory, target)
        self.counts["failures"] += 1
        self.logger.error("Quarantined %s to %s: it is no directory", job.directory, target)


def device_names(local: Sequence[tuple[StoragePolicy, Node]]) -> list[str]:
    """The names of devices that are in one policy's ring or several."""
    return sorted({node.device for _, node in local})


def replication_facts(stats: Mapping[str, Any], minutes: float, now: float) -> dict[str, Any]:
    """What the recon cache holds of a pass of object replication (formats.md 5.8), under its older names too."""
    facts = {"replication_time": minutes, "replication_last": now}
    return {"replication_stats": stats, **facts, **{f"object_{name}": value for name, value in facts.items()}}


def sum_up(stats: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The statistics of several devices as those of one pass."""
    nodes: dict[str, Counter[str]] = {}
    for each in stats:
        for ip, devices in each["failure_nodes"].items():
            nodes.setdefault(ip, Counter()).update(devices)
    return {name: sum(each.get(name, 0) for each in stats) for name in _COUNTED} | {"failure_nodes": nodes}


def main(argv: list[str]) -> int:
    """Run it: ``CONF [once] [-v] [-o | --once] [-d D1,D2] [-p P1,P2] [-i N1,N2]``; returns the exit status."""
    return daemon.main(ObjectReplicator, argv)
