"""Short work goes to a device's threads only while something there is stuck."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from swiftlite.common.concurrency import Event, sleep, spawn
from swiftlite.common.fs import FileSystem
from swiftlite.common.kernel_queue import KernelQueue, QueueUnsupported
from swiftlite.obj import disk_threads
from swiftlite.obj.disk_threads import DiskThreads


def test_short_work_is_done_at_once() -> None:
    threads = DiskThreads(per_device=1)
    assert threads.run("d1", threading.get_ident) != threading.get_ident()
    assert threads.run_short("d1", threading.get_ident) == threading.get_ident()


def test_a_stuck_device_holds_up_nobody_but_its_own_threads() -> None:
    threads = DiskThreads(per_device=2)
    stuck = threading.Event()
    waiting = spawn(threads.run, "d1", stuck.wait, 60)
    while threads._pools["d1"].busy_for() <= disk_threads.STUCK:
        sleep(0.01)
    try:
        assert threads.run_short("d1", threading.get_ident) != threading.get_ident()
        assert threads.run_short("d2", threading.get_ident) == threading.get_ident()
    finally:
        stuck.set()
    assert waiting.wait() is True
    assert threads.run_short("d1", threading.get_ident) == threading.get_ident()


def test_without_threads_all_is_done_at_once() -> None:
    threads = DiskThreads()
    assert threads.run("d1", threading.get_ident) == threading.get_ident()
    assert threads.run_short("d1", threading.get_ident) == threading.get_ident()


class Recorder:
    """Stands for the kernel's queue; a sync takes as long as it is told to."""

    is_full = False

    def __init__(self) -> None:
        self.synced: list[list[int]] = []
        self.finished = Event()

    def sync(self, descriptors: list[int]) -> None:
        self.synced.append(descriptors)
        self.finished.wait()


def test_syncs_go_to_the_kernel_a_few_of_each_device_at_a_time() -> None:
    queue = Recorder()
    threads = DiskThreads(2, lambda: queue)  # type: ignore[arg-type,return-value]
    waiting = [spawn(threads.sync, device, FileSystem(), [number]) for device in ("d1", "d2") for number in range(3)]
    while len(queue.synced) < 4:
        sleep(0)
    sleep(0.01)
    assert queue.synced == [[0], [1], [0], [1]]
    assert threads.busy_for("d1") > 0 and threads.busy_for("d3") == 0
    queue.finished.send(None)
    for thread in waiting:
        thread.wait()
    assert len(queue.synced) == 6 and threads.busy_for("d1") == 0


def test_threads_sync_where_the_kernel_has_no_queue(tmp_path: Path) -> None:
    asked = []

    def make_queue() -> KernelQueue:
        asked.append(True)
        raise QueueUnsupported("not allowed")

    threads = DiskThreads(1, make_queue)
    fd = os.open(tmp_path, os.O_RDONLY)
    threads.sync("d1", FileSystem(), [fd])
    threads.sync("d1", FileSystem(), [fd])
    os.close(fd)
    with pytest.raises(OSError):
        threads.sync("d1", FileSystem(), [fd])
    assert asked == [True]
