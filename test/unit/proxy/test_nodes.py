"""Specifies in which order nodes are tried, and which are passed over."""

import logging

import pytest

from fakes.backends import FakeRing
from swiftlite.proxy.nodes import ErrorLimits, NodeIter
from swiftlite.proxy.options import NodeCount, parse_node_count
from swiftlite.ring.ring import Node

NODES = [Node(i, 1, 1, "10.0.0.1", 6200, "10.0.0.1", 6200, f"d{i}", 1.0, index=i if i < 3 else None) for i in range(6)]


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def limits(clock):
    return ErrorLimits(2, 60.0, logging.getLogger("test.nodes"), lambda: clock[0])


def nodes(limits, count=6, shuffle=lambda nodes: None):
    return NodeIter(FakeRing(NODES), 7, limits, count, shuffle)


def names(iterator):
    return [node.device for node in iterator]


def test_primaries_shuffled_then_handoffs_in_order(limits):
    assert names(nodes(limits, shuffle=lambda found: found.reverse())) == ["d2", "d1", "d0", "d3", "d4", "d5"]


def test_no_more_than_allowed(limits):
    assert names(nodes(limits, count=4)) == ["d0", "d1", "d2", "d3"]


def test_errors_up_to_the_limit_are_borne(limits):
    for _ in range(2):
        limits.failed(NODES[0], "broken")
    assert names(nodes(limits))[0] == "d0"
    limits.failed(NODES[0], "broken")
    assert names(nodes(limits)) == ["d1", "d2", "d3", "d4", "d5"]


def test_a_device_that_says_it_is_dead_is_left_alone_at_once(limits):
    limits.out_of_service(NODES[1], "507")
    assert names(nodes(limits)) == ["d0", "d2", "d3", "d4", "d5"]


def test_errors_are_forgotten_after_the_interval(limits, clock):
    limits.out_of_service(NODES[1], "507")
    clock[0] += 60.5
    assert names(nodes(limits)) == ["d0", "d1", "d2", "d3", "d4", "d5"]
    assert not limits.is_limited(NODES[1])


def test_only_errors_in_succession_count(limits, clock):
    for _ in range(2):
        limits.failed(NODES[0], "broken")
    clock[0] += 61
    limits.is_limited(NODES[0])
    limits.failed(NODES[0], "broken")
    assert not limits.is_limited(NODES[0])


def test_those_passed_over_are_the_last_resort(limits):
    for _ in range(3):
        limits.failed(NODES[0], "broken")
        limits.failed(NODES[4], "broken")
    limits.out_of_service(NODES[1], "507")
    tried = nodes(limits)
    assert names(tried) == ["d2", "d3", "d5"]
    assert [tried.next_limited() for _ in range(4)] == [NODES[0], NODES[1], NODES[4], None]
    tried.worked(NODES[0])
    assert not limits.is_limited(NODES[0])


@pytest.mark.parametrize(
    ("text", "count"),
    [("6", NodeCount(6, False)), ("2 * replicas", NodeCount(2, True)), (" 3*replicas ", NodeCount(3, True))],
)
def test_node_counts(text, count):
    assert parse_node_count(text) == count
    assert count.of(3) in (6, 9)


@pytest.mark.parametrize("text", ["", "x", "0", "0 * replicas", "replicas", "2 * replica", "-1"])
def test_bad_node_counts(text):
    with pytest.raises(ValueError, match="neither a number"):
        parse_node_count(text)


@pytest.mark.parametrize(
    ("statuses", "is_told"),
    [((507, 507, 507), True), ((507, 507, 503), True), ((507, 503), False), ((503,), False), ((), False)],
)
def test_a_store_without_room_says_so(limits, statuses, is_told):
    found = nodes(limits)
    for status in statuses:
        found.refused(found.next(), status, "PUT /a/c/o")
    answer = found.too_few()
    assert answer.status_int == 503
    assert (b"has no room" in answer.body) == is_told


def test_nodes_that_are_silent_lack_no_room(limits):
    found = nodes(limits)
    found.refused(found.next(), 507, "PUT /a/c/o")
    found.failed(found.next(), "silent")
    assert b"please try again" in found.too_few().body
