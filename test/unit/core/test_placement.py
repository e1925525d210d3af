"""Specifies how updates are dealt out to the servers that store an object."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.names import HashPath
from swiftlite.core.placement import ExpirerQueue, Target, deal_accounts, spread_updates, updates_needed
from swiftlite.core.quorum import quorum_size


def targets(count, letter="c"):
    return [Target(f"10.0.0.{i}:6201", f"{letter}{i}") for i in range(count)]


def devices(shares, kind):
    return [[target.device for target in getattr(share, kind)] for share in shares]


def test_three_objects_three_containers():
    shares = spread_updates(3, 2, targets(3))
    assert devices(shares, "containers") == [["c0"], ["c1"], ["c2"]]
    assert [share.cleans_queue for share in shares] == [True, True, False]


def test_more_containers_than_objects():
    assert devices(spread_updates(2, 1, targets(3)), "containers") == [["c0", "c2"], ["c1"]]


def test_more_objects_than_containers():
    assert devices(spread_updates(5, 3, targets(3)), "containers") == [["c0"], ["c1"], ["c2"], ["c0"], []]


def test_the_queue_is_dealt_from_the_other_end():
    shares = spread_updates(3, 2, targets(3), targets(3, "q"))
    assert devices(shares, "queue") == [["q2"], ["q1"], ["q0"]]
    shares = spread_updates(4, 2, targets(3), targets(3, "q"))
    assert devices(shares, "containers") == [["c0"], ["c1"], ["c2"], ["c0"]]
    assert devices(shares, "queue") == [["q0"], ["q2"], ["q1"], ["q0"]]


@given(st.integers(1, 8), st.integers(1, 8))
def test_every_container_is_told_and_evenly(objects, containers):
    shares = spread_updates(objects, quorum_size(objects), targets(containers))
    told = Counter(device for share in devices(shares, "containers") for device in share)
    assert len(told) == containers
    assert max(told.values()) - min(told.values()) <= 1
    lengths = [len(share.containers) for share in shares]
    assert max(lengths) - min(lengths) <= 1
    assert sum(lengths) == updates_needed(containers, quorum_size(containers), objects, quorum_size(objects))


def test_account_updates_of_a_container_request():
    assert deal_accounts(3, targets(3)) == [(target,) for target in targets(3)]
    assert [len(share) for share in deal_accounts(2, targets(3))] == [2, 1]
    assert [len(share) for share in deal_accounts(3, targets(1))] == [1, 0, 0]


@pytest.mark.parametrize(("delete_at", "container"), [(1700000000, "1699919925")])
def test_expirer_queue_names_are_those_of_the_golden_vector(delete_at, container):
    queue = ExpirerQueue()
    object_hash = HashPath(b"pre", b"suf").hex("a", "c", "o")
    assert queue.container(delete_at, object_hash) == container
    assert queue.object(delete_at, "a/c/o") == "1700000000-a/c/o"
    assert queue.container(0, object_hash) == "0000000000"
