"""DiskThreads: work that waits for a disk, in real threads, a few for each device; syncs without any where that goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar

from swiftlite.common.concurrency import Semaphore, ThreadPool
from swiftlite.common.fs import FileSystem
from swiftlite.common.kernel_queue import KernelQueue, QueueUnsupported

T = TypeVar("T")

STUCK = 1.0
"""Seconds of waiting for a device after which even short work on it is left to its own threads."""


class DiskThreads:
    """Keeps the waits for one device from holding up the requests for all others.

    Syncs that run side by side share the filesystem's journal commits; and a device that stalls takes no more than its
    own threads with it.

    :param per_device: threads of one device, and syncs; 0 does the work at once, in the caller's
    :param make_queue: of what syncs without a thread, where the machine has it; None: threads do all
    """

    def __init__(self, per_device: int = 0, make_queue: Callable[[], KernelQueue] | None = None) -> None:
        self._pools: defaultdict[str, ThreadPool] = defaultdict(lambda: ThreadPool(per_device))
        self._turns: defaultdict[str, Semaphore] = defaultdict(lambda: Semaphore(per_device))
        self._syncing: defaultdict[str, dict[object, float]] = defaultdict(dict)
        """When each hand-over to the kernel began that is not over, the oldest first."""
        self._enabled = per_device > 0
        self._queue: KernelQueue | None = None
        self._make_queue = make_queue if self._enabled else None

    def run(self, device_root: str, function: Callable[..., T], *args: Any) -> T:
        """Call ``function``; return or raise what it did."""
        return self._pools[device_root].run(function, *args) if self._enabled else function(*args)

    def run_short(self, device_root: str, function: Callable[..., T], *args: Any) -> T:
        """Call ``function``, whose work the page cache takes: at once, unless the device is stuck.

        In a thread each of its system calls would hand the interpreter's lock to and fro, which costs more than they.
        """
        if self._enabled and self.busy_for(device_root) > STUCK:
            return self._pools[device_root].run(function, *args)
        return function(*args)

    def sync(self, device_root: str, fs: FileSystem, descriptors: Sequence[int]) -> None:
        """Sync open files and directories of a device, one after the other.

        :raises OSError: of the first that fails; those behind it need not be synced
        """
        queue = self._kernel_queue() if type(fs) is FileSystem else None  # A fake disk syncs in its own way.
        if queue is None or queue.is_full:
            return self.run(device_root, _sync_all, fs, descriptors)
        syncing, mine = self._syncing[device_root], object()
        syncing[mine] = monotonic()
        try:
            with self._turns[device_root]:
                queue.sync(descriptors)
        finally:
            del syncing[mine]

    def busy_for(self, device_root: str) -> float:
        """Seconds for which the oldest wait for a device has lasted; 0 when there is none."""
        syncing = self._syncing[device_root]
        oldest = monotonic() - next(iter(syncing.values())) if syncing else 0.0
        return max(oldest, self._pools[device_root].busy_for())

    def _kernel_queue(self) -> KernelQueue | None:
        if self._make_queue is not None and self._queue is None:  # Not before a worker serves: it belongs to its loop.
            try:
                self._queue = self._make_queue()
            except QueueUnsupported:
                self._make_queue = None
        return self._queue


def _sync_all(fs: FileSystem, descriptors: Sequence[int]) -> None:
    for fd in descriptors:
        fs.sync(fd)
