"""Real threads beside green ones: work that blocks holds nobody up, and its results and errors come back."""

from __future__ import annotations

import os
import socket
import threading
from contextvars import ContextVar

import pytest

from swiftlite.common.concurrency import Event, GreenPool, ThreadPool, Timeout, get_hub, sleep, spawn

word: ContextVar[str] = ContextVar("word", default="")


def test_results_and_errors_come_back() -> None:
    pool = ThreadPool(2)
    assert pool.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.run(divmod, 1, 0)
    assert pool.run(int, "11", base=2) == 3


def test_green_threads_go_on_meanwhile() -> None:
    pool, gate = ThreadPool(1), threading.Event()
    blocked = spawn(pool.run, gate.wait, 60)
    went_on = Event()
    spawn(went_on.send, True)
    assert went_on.wait()
    gate.set()
    assert blocked.wait() is True


def test_no_more_threads_than_allowed_and_none_for_nothing() -> None:
    pool, gate, inside = ThreadPool(3), threading.Event(), []
    lock, most = threading.Lock(), [0]

    def work(number: int) -> int:
        with lock:
            inside.append(number)
            most[0] = max(most[0], len(inside))
            if len(inside) == 3:
                gate.set()
        gate.wait(60)
        with lock:
            inside.remove(number)
        return number

    assert pool.run(abs, 0) == 0
    assert threading.active_count() >= 2
    assert pool._threads == 1
    greens = GreenPool(20)
    calls = [greens.spawn(pool.run, work, number) for number in range(20)]
    assert [call.wait() for call in calls] == list(range(20))
    assert most[0] == 3


def test_the_context_goes_along() -> None:
    word.set("here")
    assert ThreadPool(1).run(word.get) == "here"


def test_a_caller_that_gives_up_leaves_when_the_work_is_over() -> None:
    pool, gate, over, timers = ThreadPool(1), threading.Event(), [], []

    def work() -> None:
        gate.wait(60)
        over.append(True)

    def give_up() -> bool:
        try:
            with Timeout(0.01) as timer:
                timers.append(timer)
                pool.run(work)
        except Timeout:
            return bool(over)
        raise AssertionError("it was not interrupted")

    caller = spawn(give_up)
    while not timers or timers[0].pending:
        sleep(0.005)
    gate.set()
    assert caller.wait() is True
    assert [pool.run(abs, -number) for number in range(50)] == list(range(50))


def test_two_event_loops_have_their_own_pools() -> None:
    found: list[int] = []

    def other() -> None:
        found.append(ThreadPool(1).run(abs, -5))

    assert ThreadPool(1).run(abs, -4) == 4
    thread = threading.Thread(target=other)
    thread.start()
    while thread.is_alive():
        sleep(0.001)
    assert found == [5]


def test_a_thread_pool_may_get_the_descriptor_of_a_socket_that_was_collected() -> None:
    """The event loop still knows whoever had the number before."""
    hub = get_hub()
    one, other = socket.socketpair()
    number = one.fileno()
    hub.add(hub.READ, number, lambda *_: None, lambda *_: None, None)
    one.close()
    taken = []  # so that the next descriptor gets the number
    while (made := os.open(os.devnull, os.O_RDONLY)) < number:
        taken.append(made)
    os.close(made)
    try:
        assert ThreadPool(1).run(lambda: "done") == "done"
    finally:
        for made in taken:
            os.close(made)
        other.close()
