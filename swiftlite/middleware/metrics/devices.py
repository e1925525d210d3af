"""Devices: room and health of each device, found out beside the event loop and without waiting for a disk that hangs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from time import monotonic

from swiftlite.common import metrics
from swiftlite.common.concurrency import Event, Semaphore, ThreadPool, Timeout, spawn
from swiftlite.common.device_rights import closed_directory
from swiftlite.common.metric_text import Sample
from swiftlite.middleware.node_facts import quarantine_counts

PATIENCE = 2.0
"""Seconds that an answer waits for disks; those that take longer cannot be used."""
AT_ONCE = 4
"""Devices that are looked at at the same time."""
MOST_THREADS = 1000
TURN = 0.2
"""Seconds after which a device that does not answer holds up the next no longer."""


class Devices:
    """The entries of a directory of devices, and those that it should have.

    :param root: the directory
    :param mount_check: whether a device must be a mount point
    """

    def __init__(self, root: str, mount_check: bool) -> None:
        self.root = root
        self.mount_check = mount_check
        self._threads = ThreadPool(
            MOST_THREADS
        )  # as many as were ever needed at once: a few, and one a disk that hangs
        self._turns = Semaphore(AT_ONCE)
        self._asked: dict[str, Event] = {}
        """Devices that somebody waits for."""
        self._known: dict[str, list[Sample]] = {}
        self._wanted: frozenset[str] = frozenset()

    def samples(self, wanted: frozenset[str] = frozenset()) -> Iterator[Sample]:
        """What is known of each device; of one that does not answer, or is gone, that it cannot be used.

        :param wanted: names of the devices that rings say are here
        """
        self._wanted = wanted
        try:
            names = sorted(wanted.union(self._threads.run(os.listdir, self.root)))
        except OSError:
            names = sorted(wanted)
        for name in names:
            if name not in self._asked:
                self._asked[name] = Event()
                spawn(self._take_turn, name)
        deadline = monotonic() + PATIENCE
        for name in names:
            if self._wait(name, deadline):
                yield from self._known.get(name, ())
            else:
                yield Sample(metrics.DEVICE_USABLE, 0, (name,))

    def _wait(self, name: str, deadline: float) -> bool:
        event = self._asked.get(name)
        if event is not None:
            with Timeout(max(0.001, deadline - monotonic()), False):
                event.wait()
        return name not in self._asked

    def _take_turn(self, name: str) -> None:
        with self._turns:
            spawn(self._ask, name)
            self._wait(name, monotonic() + TURN)

    def _ask(self, name: str) -> None:
        try:
            self._known[name] = self._threads.run(self._look, name)
        finally:
            self._asked.pop(name).send()

    def _look(self, name: str) -> list[Sample]:
        path = os.path.join(self.root, name)
        is_device = name in self._wanted or _may_be_device(path)
        return look_at(name, path, self.mount_check) if is_device else []


def look_at(name: str, path: str, mount_check: bool) -> list[Sample]:
    """What can be said of one device; may take as long as its disk likes."""
    try:
        os.stat(path)
        if (mount_check and not os.path.ismount(path)) or closed_directory(path):
            return [Sample(metrics.DEVICE_USABLE, 0, (name,))]
        disk = os.statvfs(path)
        found = [
            Sample(metrics.DEVICE_SIZE, disk.f_frsize * disk.f_blocks, (name,)),
            Sample(metrics.DEVICE_FREE, disk.f_frsize * disk.f_bavail, (name,)),
            Sample(metrics.DEVICE_INODES, disk.f_files, (name,)),
            Sample(metrics.DEVICE_INODES_FREE, disk.f_favail, (name,)),
        ]
        found += [Sample(metrics.QUARANTINED, count, (name, kind)) for kind, count in quarantined(path).items()]
    except OSError:
        return [Sample(metrics.DEVICE_USABLE, 0, (name,))]
    return [Sample(metrics.DEVICE_USABLE, 1, (name,)), *found]


def quarantined(path: str) -> dict[str, int]:
    """How many things of a kind (objects, objects-1, containers, accounts) lie in a device's quarantine.

    Raises OSError.
    """
    return dict.fromkeys(("objects", "containers", "accounts"), 0) | quarantine_counts(path)


def _may_be_device(path: str) -> bool:
    """Whether a path is a directory, or something so broken that nobody can tell."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
