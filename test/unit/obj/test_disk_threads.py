"""Short work goes to a device's threads only while something there is stuck."""

from __future__ import annotations

import threading

from swiftlite.common.concurrency import sleep, spawn
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
