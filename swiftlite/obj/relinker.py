"""The object relinker: links every object to its place under a greater partition power, later removes the old places.

What it does may be repeated, and may end at any moment: an old file goes only when the same file is at the new place.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from swiftlite.common import forks, recon
from swiftlite.common.config import ServerOptions, option
from swiftlite.common.daemon import at_rate
from swiftlite.common.fs import FileSystem, LockTimeout
from swiftlite.common.policies import StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.names import partition_of_hash
from swiftlite.obj import layout, relink_state
from swiftlite.obj.diskfile import DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DeviceUnavailable
from swiftlite.obj.relink import ObjectRelinker
from swiftlite.obj.relink_state import RelinkState
from swiftlite.ring.format import RingError
from swiftlite.ring.ring import Ring

DONE, FAILED, NOTHING_TO_DO = 0, 1, 2
"""Exit statuses; the last one: no policy's ring is in the phase that this step is for."""

ALL = -1
CACHE = "relinker.recon"
COUNTS = ("hash_dirs", "files", "linked", "removed", "errors")
BOOKKEEPING = ("hashes.pkl", "hashes.invalid", ".lock", ".lock-replication")
"""Files of a partition, in the order in which they go: a crash in between leaves nothing that could deceive."""


def _parse_workers(text: str) -> int:
    return ALL if text.strip().lower() == "auto" else int(text)


@dataclass(frozen=True)
class RelinkerOptions(ServerOptions):
    """Options of ``[object-relinker]``."""

    workers: int = option(ALL, "devices that are worked on at once; auto: all of them, 0: no fork", _parse_workers)
    files_per_second: float = option(0.0, "objects of one device that are taken up in a second; 0: no limit")
    stats_interval: float = option(300.0, "seconds between statistics")
    recon_cache_path: str = option(recon.DEFAULT_PATH, "directory of the statistics that operators' tools read")
    clobber_hardlink_collisions: bool = option(
        False,
        "settle different files of one moment: relink quarantines the one at the new place, cleanup drops the old",
    )
    reclaim_age: float = option(604800.0, "seconds after which a tombstone is removed")


class Task(NamedTuple):
    """A policy whose ring is in the phase that a step is for."""

    policy: StoragePolicy
    part_power: int
    next_part_power: int


class Relinker:
    """One step, on the devices of this machine.

    :param is_cleanup: whether old places are removed
    :param policies: to work on
    :param partitions: to work on; empty: all
    """

    def __init__(
        self,
        options: RelinkerOptions,
        swift: SwiftConf,
        logger: logging.Logger,
        is_cleanup: bool,
        policies: Sequence[StoragePolicy],
        partitions: frozenset[int] = frozenset(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.swift = swift
        self.logger = logger
        self.is_cleanup = is_cleanup
        self.policies = policies
        self.partitions = partitions
        self.clock = clock
        self.fs = FileSystem()
        files = DiskFileOptions(options.devices, options.mount_check, reclaim_age=options.reclaim_age)
        self.manager = DiskFileManager(files, swift.hash_path, logger, self.fs, clock)
        self.tasks: list[Task] = []

    # A run ------------------------------------------------------------------------------------------------------------

    def run(self, devices: Sequence[str] = ()) -> int:
        """Work on the devices; all where none is named.

        :returns: the exit status
        """
        self.tell({"devices": {}, "workers": {}})
        devices = sorted(set(devices) or set(self.fs.list(self.options.devices)))
        total: Counter[str] = Counter()
        self.tasks = self._tasks(total)
        if not (self.tasks or total["errors"]):
            self.logger.warning("No policy found to %s", "clean up after" if self.is_cleanup else "relink for")
            return NOTHING_TO_DO
        workers = len(devices) if self.options.workers < 0 else self.options.workers
        if workers == 0 or len(devices) < 2:
            for device in devices:
                total.update(self._device(device))
        else:
            total.update(forks.each(self._device, devices, workers, self.logger))
        total["errors"] += total.pop("failures", 0)  # workers that died
        level = logging.WARNING if total["errors"] else logging.INFO
        numbers = [total[name] for name in COUNTS]
        self.logger.log(level, "%d hash dirs processed (%d files, %d linked, %d removed, %d errors)", *numbers)
        return FAILED if total["errors"] else DONE

    def _tasks(self, counts: Counter[str]) -> list[Task]:
        tasks = []
        for policy in self.policies:
            try:
                ring = Ring(self.options.swift_dir, policy.ring_name, hash_path=self.swift.hash_path)
            except RingError as error:
                self.logger.error("%s", error)
                counts["errors"] += 1
                continue
            part_power, next_part_power = 32 - ring.part_shift, ring.next_part_power
            if not next_part_power or self.is_cleanup != (next_part_power == part_power):
                continue
            if policy.policy_type != "replication":
                self.logger.error("Policy %s is not replicated: its objects cannot be relinked", policy.name)
                counts["errors"] += 1
                continue
            tasks.append(Task(policy, part_power, next_part_power))
        return tasks

    def _device(self, device: str) -> Counter[str]:
        """Work on one device, perhaps in a process of its own."""
        total: Counter[str] = Counter()
        worker = {"devices": [device], "timestamp": self.clock(), "return_code": None}
        self.tell({"workers": {str(os.getpid()): worker}})
        policies: dict[str, Any] = {}
        for task in self.tasks:
            try:
                root = self.manager.device_root(device)
                with relink_state.lock(self.fs, root, task.policy.objects_dir):
                    run = _DeviceRun(self, task, device, root, policies)
                    run.run()
                total.update(run.worker.counts)
            except DeviceUnavailable:
                self.logger.error("Skipping %s: it is not mounted", device)
                total["errors"] += 1
            except OSError as error:
                self.logger.error("Cannot go on with %s: %s", device, error)
                total["errors"] += 1
        status = FAILED if total["errors"] else DONE
        self.tell({"workers": {str(os.getpid()): {**worker, "timestamp": self.clock(), "return_code": status}}})
        return total

    def tell(self, values: dict[str, Any]) -> None:
        """Merge values into the recon cache."""
        recon.dump(self.options.recon_cache_path, CACHE, values, self.logger)


class _DeviceRun:
    """One policy's objects of one device."""

    def __init__(self, relinker: Relinker, task: Task, device: str, root: str, told: dict[str, Any]) -> None:
        self.relinker = relinker
        self.task = task
        self.device = device
        self.root = root
        self.fs = relinker.fs
        self.logger = relinker.logger
        self.told = told
        """What recon knows of this device, by policy."""
        options = relinker.options
        self.worker = ObjectRelinker(
            relinker.manager, root, task.policy, relinker.is_cleanup, options.clobber_hardlink_collisions
        )
        path = relink_state.state_path(root, task.policy.objects_dir)
        self.state = RelinkState(path, task.part_power, task.next_part_power)
        self.started = self.told_at = relinker.clock()

    def run(self) -> None:
        """Work on all partitions that are left to do."""
        directory = f"{self.root}/{self.task.policy.objects_dir}"
        try:
            names = self.fs.list(directory)
        except FileNotFoundError:
            names = []
        self.state.load()
        numbers = [int(name) for name in names if layout.is_partition_number(name)]
        todo = [number for number in self.state.begin(numbers) if self._is_asked_for(number)]
        self._tell()
        for partition in todo:
            before = self.worker.counts["errors"]
            self._partition(partition)
            if self.worker.counts["errors"] == before:
                if self.worker.linked_partitions:
                    self.fs.sync_filesystem(self.root)
                self.state.finish(partition)
            self.logger.info(
                "Device: %s Policy: %s Partitions: %d/%d", self.device, self.task.policy.name, *self.state.progress
            )
            if self.relinker.clock() >= self.told_at + self.relinker.options.stats_interval:
                self._tell()
        self._tell(total_time=self.relinker.clock() - self.started)

    def _is_asked_for(self, partition: int) -> bool:
        return not self.relinker.partitions or partition in self.relinker.partitions

    def _partition(self, partition: int) -> None:
        """Work on one partition, and bring suffix hashes up to date: the replicator will want them all at once."""
        self.worker.linked_partitions.clear()
        for old in at_rate(self._hash_directories(partition), self.relinker.options.files_per_second):
            name_hash = os.path.basename(old)
            new = layout.moved_hash_directory(old, partition_of_hash(name_hash, self.task.next_part_power))
            if new != old:
                self.worker.run(old, new)
        # While relinking, partitions that exist now will change again; those beyond are visited by nobody later.
        dirty = {int(name) for name in self.worker.linked_partitions}
        if not self.relinker.is_cleanup:
            dirty = {number for number in dirty if number >= 1 << self.task.part_power}
        for number in sorted(dirty - {partition}):
            self._hash(number)
        if self.relinker.is_cleanup and self._hash(partition) == {}:
            self._remove_partition(partition)

    def _hash_directories(self, partition: int) -> Iterator[str]:
        directory = layout.partition_directory(self.root, self.task.policy, str(partition))
        for suffix in sorted(filter(layout.is_suffix, self._list(directory))):
            for name_hash in sorted(filter(layout.is_hash, self._list(f"{directory}/{suffix}"))):
                yield f"{directory}/{suffix}/{name_hash}"

    def _list(self, directory: str) -> list[str]:
        try:
            return self.fs.list(directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.worker.counts["errors"] += 1
            self.logger.error("Error relinking: %s cannot be listed: %s", directory, error)
            return []

    def _hash(self, partition: int) -> dict[str, str] | None:
        """The suffix hashes of a partition; None when they cannot be computed now, which others will do later."""
        try:
            return self.relinker.manager.suffix_hashes(self.root, self.task.policy, str(partition))
        except OSError as error:
            self.logger.warning("Cannot hash partition %d of %s: %s", partition, self.device, error)
            return None

    def _remove_partition(self, partition: int) -> None:
        """Remove a partition that has become empty, unless a writer comes in between."""
        directory = layout.partition_directory(self.root, self.task.policy, str(partition))
        try:
            with self.fs.lock(f"{directory}/.lock-replication"), self.fs.lock(f"{directory}/{layout.LOCK_FILE}"):
                for name in BOOKKEEPING:
                    with suppress(FileNotFoundError):
                        self.fs.unlink(f"{directory}/{name}")
            self.fs.remove_directory(directory)
        except (FileNotFoundError, LockTimeout):
            pass
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                self.logger.warning("Cannot remove %s: %s", directory, error)

    def _tell(self, **more: float) -> None:
        """Tell recon how far we are, as OpenStack Swift does."""
        self.told_at = now = self.relinker.clock()
        done, total = self.state.progress
        counts = {name: self.worker.counts[name] for name in COUNTS}
        shared = {"parts_done": done, "total_parts": total, "stats": counts}
        self.told[str(self.task.policy.index)] = {
            **shared,
            "part_power": self.task.part_power,
            "next_part_power": self.task.next_part_power,
            "step": "cleanup" if self.relinker.is_cleanup else "relink",
            "start_time": self.started,
            "timestamp": now,
            **more,
        }
        self.relinker.tell({"devices": {self.device: _summed(self.told)}})


def _summed(policies: dict[str, Any]) -> dict[str, Any]:
    """What recon knows of a device: each of its policies, and all of them together."""
    stats: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    for each in policies.values():
        for name in COUNTS:
            stats[name] += each["stats"][name]
    return {
        "policies": policies,
        "parts_done": sum(each["parts_done"] for each in policies.values()),
        "total_parts": sum(each["total_parts"] for each in policies.values()),
        "start_time": min(each["start_time"] for each in policies.values()),
        "timestamp": max(each["timestamp"] for each in policies.values()),
        "total_time": max(each.get("total_time", 0) for each in policies.values()),
        "stats": dict(stats),
    }
