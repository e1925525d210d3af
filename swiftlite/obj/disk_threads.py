"""DiskThreads: work that waits for a disk, in real threads, a few for each device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from swiftlite.common.concurrency import ThreadPool

T = TypeVar("T")

STUCK = 1.0
"""Seconds of waiting for a device after which even short work on it is left to its own threads."""


class DiskThreads:
    """Keeps the waits for one device from holding up the requests for all others.

    Syncs that run side by side share the filesystem's journal commits; and a device that stalls takes no more than its
    own threads with it.

    :param per_device: threads of one device; 0 does the work at once, in the caller's
    """

    def __init__(self, per_device: int = 0) -> None:
        self._pools: defaultdict[str, ThreadPool] = defaultdict(lambda: ThreadPool(per_device))
        self._enabled = per_device > 0

    def run(self, device_root: str, function: Callable[..., T], *args: Any) -> T:
        """Call ``function``; return or raise what it did."""
        return self._pools[device_root].run(function, *args) if self._enabled else function(*args)

    def run_short(self, device_root: str, function: Callable[..., T], *args: Any) -> T:
        """Call ``function``, whose work the page cache takes: at once, unless the device is stuck.

        In a thread each of its system calls would hand the interpreter's lock to and fro, which costs more than they.
        """
        if self._enabled and self._pools[device_root].busy_for() > STUCK:
            return self._pools[device_root].run(function, *args)
        return function(*args)
