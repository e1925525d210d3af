"""Specifies reads that ask several nodes at once, and those that ask the quickest or the nearest first."""

import pytest

from fakes.backends import Say
from fakes.more_time import with_more_time
from swiftlite.common.concurrency import Event, Timeout, sleep
from swiftlite.core.affinity import ReadAffinity
from swiftlite.proxy.nodes import NodeIter
from swiftlite.proxy.race import Race
from swiftlite.ring.ring import Node

HEADERS = {"Etag": '"e1"', "X-Backend-Timestamp": "1400000001.00000", "X-Backend-Data-Timestamp": "1400000001.00000"}
NODES = [Node(i, 1, 1, "10.0.0.1", 6200, "10.0.0.1", 6200, f"d{i}", 1.0, index=i) for i in range(5)]


def in_ring_order(stage):
    limits, count = stage.cluster.limits, len(stage.backends)
    stage.cluster.nodes = lambda ring, partition: NodeIter(ring, partition, limits, count, lambda nodes: None)


@pytest.fixture
def stage(staged):
    stage = staged(concurrent_gets=True, concurrency_timeout=0.05)
    in_ring_order(stage)
    return stage


def asks(stage, *counts):
    """Whether each backend is asked so often; one that hangs may hear of it after others have answered."""
    stage.until(lambda: all(len(backend.seen) >= count for backend, count in zip(stage.backends, counts)), "questions")
    assert tuple(len(backend.seen) for backend in stage.backends) == counts


def test_another_replica_answers_for_a_slow_one(staged, caplog):
    def attempt(timeout):
        caplog.clear()
        stage = staged(concurrent_gets=True, concurrency_timeout=timeout)
        in_ring_order(stage)
        stage.primaries_say(Say(hang=True), Say(hang=True), Say(200, HEADERS, b"hello"))
        assert stage.call("GET").body == b"hello"
        asks(stage, 1, 1, 1, 0, 0, 0)
        assert not [record for record in caplog.records if record.name == stage.log.name]  # to be slow is no error

    with_more_time(attempt, 0.05, 0.5, 5.0)


def test_handoffs_are_asked_at_once_for_nodes_that_fail_not_for_those_that_are_slow(staged):
    def attempt(timeout):
        stage = staged(concurrent_gets=True, concurrency_timeout=timeout)
        in_ring_order(stage)
        stage.primaries_say(Say(hang=True), 503, 404)
        stage.handoffs[0].says(Say(200, HEADERS, b"hello"))
        assert stage.call("GET").body == b"hello"
        asks(stage, 1, 1, 1, 1, 0, 0)

    with_more_time(attempt, 0.05, 0.5, 5.0)


def test_a_quick_replica_is_asked_alone(staged):
    stage = staged(concurrent_gets=True, concurrency_timeout=30.0)
    in_ring_order(stage)
    stage.all_say(Say(200, HEADERS, b"hello"))
    assert stage.call("GET").body == b"hello"
    assert len(stage.seen) == 1


def test_missing_everywhere_is_404(stage):
    assert stage.call("GET").status == 404
    assert [len(backend.seen) for backend in stage.backends] == [1] * 6


def test_what_was_too_slow_for_the_answer_still_gives_the_rest_of_it(stage):
    first = [Say(hang=True)]
    rest = Say(206, HEADERS | {"Content-Range": "bytes 2-4/5"}, b"llo")
    stage.backends[0].script = lambda seen: first.pop() if first else rest
    stage.backends[1].says(Say(200, HEADERS, b"hello", die_after=2), Say(200, HEADERS), 404)
    result = stage.call("GET")
    assert (result.body, result.broken) == (b"hello", None)


def test_containers_are_read_so_too(staged, caplog):
    def attempt(timeout):
        caplog.clear()
        stage = staged(concurrent_gets=True, concurrency_timeout=0.05, conn_timeout=timeout)
        in_ring_order(stage)
        stage.known.clear()
        stage.all_say(Say(204, {"X-Container-Object-Count": "5", "X-Put-Timestamp": "1400000001.00000"}))
        stage.backends[0].says(Say(hang=True))
        result = stage.call("HEAD", "/v1/a/c")
        assert (result.status, result.headers["x-container-object-count"]) == (204, "5")
        assert (
            "silent" not in caplog.text
        )  # the others cannot prove the listing, so nobody waits for the one that hangs

    with_more_time(attempt, 0.2, 2.0, 10.0)


def test_the_quickest_is_asked_first(staged):
    def attempt(seconds):
        stage = staged(sorting_method="timing")

        def slow(seen):
            sleep(seconds)
            return Say(200, HEADERS, b"slow")

        stage.all_say(Say(200, HEADERS, b"quick"))
        stage.backends[1].script = slow
        for _ in range(3):
            stage.call("GET")
        assert len(stage.backends[1].seen) == 1  # each is tried once
        for _ in range(9):
            assert stage.call("GET").body == b"quick"

    with_more_time(attempt, 0.3, 2.0, 10.0)


def test_the_nearest_is_asked_first(staged):
    stage = staged(sorting_method="affinity", read_affinity=ReadAffinity("r2z1=1"))
    stage.all_say(Say(200, HEADERS, b"far"))
    stage.backends[1].says(Say(200, HEADERS, b"near"))
    for ring in (stage.cluster.object_ring(policy) for policy in stage.cluster.policies):
        object.__setattr__(ring.nodes[1], "region", 2)
    for _ in range(9):
        assert stage.call("GET").body == b"near"


# --- the race itself ---


def race(ask, at_once=5, patience=0.0, nodes=NODES):
    left = list(nodes)
    return Race(ask, lambda: left.pop(0) if left else None, at_once, patience)


def test_all_answers_are_handed_over_the_quickest_first():
    answers = [Event() for _ in NODES]

    def ask(node):
        answers[node.id].wait()
        return node.device if node.id != 2 else None

    running, found = race(ask), []
    for number in (4, 3, 2, 1, 0):
        answers[number].send()
        if number != 2:
            found.append(running.next())
    assert [*found, running.next(), running.next()] == ["d4", "d3", "d1", "d0", None, None]
    assert running.stop(pytest.fail) == []


def test_no_more_are_asked_at_once_than_may_be():
    now, most = [0], [0]

    def ask(node):
        now[0] += 1
        most[0] = max(most[0], now[0])
        sleep(0.01)
        now[0] -= 1

    assert race(ask, at_once=2).next() is None
    assert most == [2]


def test_what_was_found_and_not_taken_is_discarded_and_who_was_not_heard_is_told():
    ended = []

    def ask(node):
        try:
            if node.id > 1:
                sleep(600)
        finally:
            ended.append(node.device)
        return node.device

    running = race(ask)
    assert running.next() == "d0"
    sleep(0)
    discarded = []
    assert [node.device for node in running.stop(discarded.append)] == ["d1", "d2", "d3", "d4"]
    assert discarded == ["d1"]
    assert ended == ["d0", "d1", "d2", "d3", "d4"]


def test_the_next_is_asked_at_once_when_one_found_nothing():
    running = race(lambda node: node.device if node.id == 3 else None, patience=600.0)
    with Timeout(60):
        assert running.next() == "d3"


def test_an_error_of_ours_is_raised():
    def ask(node):
        raise KeyError("x")

    with pytest.raises(KeyError):
        race(ask).next()
