"""Specifies how many share the result of one call."""

import pytest

from swiftlite.common.concurrency import Event, sleep, spawn
from swiftlite.proxy.turns import TurnLost, Turns


class Stepped:
    """Calls that end when the test says so; each gives its number."""

    def __init__(self):
        self.events = []

    def __call__(self):
        event = Event()
        self.events.append(event)
        number = len(self.events)
        event.wait()
        return number

    def end(self, number):
        self.events[number - 1].send()


def settle():
    for _ in range(5):
        sleep(0)


def test_alone_it_is_just_a_call():
    turns = Turns()
    assert [turns.take(lambda: 1), turns.take(lambda: 2)] == [1, 2]


def test_all_who_come_during_one_call_share_the_next():
    turns, call = Turns(), Stepped()
    first = spawn(turns.take, call)
    settle()
    others = [spawn(turns.take, call) for _ in range(5)]
    settle()
    assert len(call.events) == 1
    call.end(1)
    settle()
    late = spawn(turns.take, call)
    settle()
    call.end(2)
    settle()
    call.end(3)
    assert first.wait() == 1
    assert [other.wait() for other in others] == [2] * 5
    assert late.wait() == 3


def test_who_fails_fails_for_those_who_shared_and_nobody_else():
    turns, call = Turns(), Stepped()
    first = spawn(turns.take, call)
    settle()
    others = [spawn(turns.take, lambda: 1 // 0) for _ in range(2)]
    settle()
    call.end(1)
    assert first.wait() == 1
    for other in others:
        with pytest.raises(ZeroDivisionError):
            other.wait()
    assert turns.take(lambda: 5) == 5


@pytest.mark.parametrize("waiting", [False, True])
def test_who_is_stopped_leaves_nobody_waiting(waiting):
    turns, call = Turns(), Stepped()
    running = spawn(turns.take, call)
    settle()
    leader = spawn(turns.take, call)
    settle()
    follower = spawn(turns.take, call)
    settle()
    if not waiting:
        call.end(1)
        settle()
    leader.kill()
    with pytest.raises(TurnLost):
        follower.wait()
    if waiting:
        call.end(1)
    assert running.wait() == 1
    assert turns.take(lambda: 5) == 5
