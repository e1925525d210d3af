"""What is handed to the kernel is synced in order, up to what fails, while other green threads run."""

from __future__ import annotations

import errno
import gc
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from fakes.descriptors import opened
from fakes.http_server import wait_until
from swiftlite.common.concurrency import Timeout, get_hub, sleep, spawn
from swiftlite.common.kernel_queue import ENTRIES, KernelQueue, QueueUnsupported


@pytest.fixture
def queue() -> KernelQueue:
    try:
        return KernelQueue()
    except QueueUnsupported as error:
        pytest.skip(f"no io_uring: {error}")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[int]]:
    opened = [os.open(tmp_path, os.O_RDONLY), os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY)]
    yield opened
    for fd in opened:
        os.close(fd)


def test_files_and_directories_are_synced(queue: KernelQueue, files: list[int]) -> None:
    os.write(files[1], b"data")
    queue.sync(files)
    queue.sync(files[:1])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_first_failure_is_told(queue: KernelQueue, files: list[int], place: int) -> None:
    reader, writer = os.pipe()  # fsync(2): EINVAL for what cannot be synced
    try:
        with pytest.raises(OSError) as caught:
            queue.sync([*files[:place], reader, *files[place:]])
    finally:
        os.close(reader)
        os.close(writer)
    assert caught.value.errno == errno.EINVAL
    queue.sync(files)  # and what comes later is not held up by it


def test_a_descriptor_that_is_closed_is_told(queue: KernelQueue, files: list[int]) -> None:
    closed = os.dup(files[0])
    os.close(closed)
    with pytest.raises(OSError) as caught:
        queue.sync([files[0], closed, files[1]])
    assert caught.value.errno == errno.EBADF


def test_many_wait_at_once_and_each_hears_of_its_own(queue: KernelQueue, files: list[int], tmp_path: Path) -> None:
    """More than the queue has places, so that its indices go round."""
    reader, writer = os.pipe()
    outcomes: dict[int, int] = {}

    def one(number: int) -> None:
        try:
            queue.sync([*files, reader] if number % 3 == 0 else files)
            outcomes[number] = 0
        except OSError as error:
            outcomes[number] = error.errno or -1

    for thread in [spawn(one, number) for number in range(2 * ENTRIES)]:
        thread.wait()
    os.close(reader)
    os.close(writer)
    assert outcomes == {number: 0 if number % 3 else errno.EINVAL for number in range(2 * ENTRIES)}


def test_who_is_interrupted_waits_until_the_kernel_is_done(
    queue: KernelQueue, files: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swiftlite.common.kernel_queue.SWEEP", 60)
    hub = get_hub()
    hub.remove(hub.listeners[hub.READ][queue._wakeup])  # So it seems to need until we look.
    looked: list[bool] = []

    def look() -> None:
        sleep(0.02)  # The timeout has come long before.
        looked.append(True)
        while queue._waiting:  # A busy disk takes its time.
            hub.schedule_call_global(0, queue._take_answers)
            sleep(0.001)

    thread = spawn(look)
    with pytest.raises(Timeout), Timeout(0.001):
        queue.sync(files)
    assert looked and queue._waiting == {}
    thread.wait()


def test_all_syncs_of_a_hand_over_wake_the_event_loop_once(queue: KernelQueue, files: list[int]) -> None:
    hub = get_hub()
    hub.remove(hub.listeners[hub.READ][queue._wakeup])
    thread = spawn(queue.sync, files * 3)
    sleep(0)
    assert select.select([queue._wakeup], [], [], 60)[0]
    assert os.eventfd_read(queue._wakeup) == 1
    assert select.select([queue._wakeup], [], [], 0.02)[0] == []
    hub.schedule_call_global(0, queue._take_answers)
    thread.wait()


def test_what_nothing_wakes_us_for_is_found_all_the_same(queue: KernelQueue, files: list[int]) -> None:
    """As if the kernel had taken the call that wakes us before the others were done."""
    hub = get_hub()
    hub.remove(hub.listeners[hub.READ][queue._wakeup])
    with Timeout(60):
        queue.sync(files)
    assert queue._waiting == {}


def test_who_is_killed_by_another_that_waited_is_not_woken_again(
    queue: KernelQueue, files: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are done at the same look; who goes on first ends the other, which waits for something else by then."""
    monkeypatch.setattr("swiftlite.common.kernel_queue.SWEEP", 60)
    hub = get_hub()
    hub.remove(hub.listeners[hub.READ][queue._wakeup])
    slept: list[bool] = []

    def one(number: int) -> None:
        try:
            queue.sync(files)
        except ValueError:
            began = monotonic()
            sleep(0.05)
            slept.append(monotonic() - began >= 0.05)
        else:
            threads[1 - number].kill(ValueError)

    threads = [spawn(one, number) for number in range(2)]
    sleep(0)
    for _ in range(2):
        assert select.select([queue._wakeup], [], [], 60)[0]
        while queue._indices[queue._done_tail_at] - queue._indices[queue._done_head_at] < 2 * (len(files) + 1):
            sleep(0.001)
    hub.schedule_call_global(0, queue._take_answers)
    with Timeout(60):
        for thread in threads:
            thread.wait()
    assert slept == [True]


@pytest.mark.parametrize("failure", [ValueError, Timeout])
def test_who_fails_after_its_sync_keeps_none_from_going_on(
    queue: KernelQueue,
    files: list[int],
    monkeypatch: pytest.MonkeyPatch,
    failure: type[BaseException],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not who was done at the same look, and not those that come later."""
    monkeypatch.setattr("swiftlite.common.kernel_queue.SWEEP", 60)

    def fail() -> None:
        queue.sync(files)
        raise failure()

    spawn(fail)
    other = spawn(queue.sync, files)
    sleep(0)
    while queue._indices[queue._done_tail_at] - queue._indices[queue._done_head_at] < 2 * (len(files) + 1):
        time.sleep(0.001)  # The hub does not look before both are done.
    with Timeout(60):
        other.wait()
        queue.sync(files)
    assert failure.__name__ in capfd.readouterr().err


def test_nothing_is_left_to_read_once_all_is_done(queue: KernelQueue, files: list[int]) -> None:
    queue.sync(files)
    sleep(0)
    assert select.select([queue._wakeup], [], [], 0)[0] == []
    assert queue._waiting == {}


def test_a_kernel_that_does_not_wake_us_is_not_relied_on(queue: KernelQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swiftlite.common.kernel_queue._WRITE", 0)  # a call that does nothing
    with pytest.raises(QueueUnsupported):
        KernelQueue()


@pytest.mark.usefixtures("queue")
def test_nothing_stays_open_of_one_that_is_used_no_more() -> None:
    """Each in an event loop of its own, as those of servers in threads of a test are."""

    def use() -> None:
        with open("/dev/null") as file, suppress(OSError):
            KernelQueue().sync([file.fileno()])
        get_hub().abort(wait=True)

    gc.collect()
    before = opened()
    for _ in range(3):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    gc.collect()
    wait_until(lambda: not opened() - before, "what other threads have open for a moment")
