"""Specifies the order in which primaries are asked, and that policies may have one of their own."""

import logging

import pytest

from fakes.backends import FakeRing
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.affinity import ReadAffinity, WriteAffinity
from swiftlite.core.constraints import Constraints
from swiftlite.core.names import HashPath
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.options import NodeCount, PolicyOptions, ProxyOptions
from swiftlite.proxy.ordering import Timings, node_order
from swiftlite.ring.ring import Node


def node(number, region=1, zone=1):
    role = {"index": number} if number < 3 else {"handoff_index": number - 3}
    return Node(number, region, zone, f"10.0.0.{number}", 6200, "", 0, f"d{number}", 1.0, **role)


# Two primaries far away; of the handoffs the last two are near.
NODES = [node(0, region=2), node(1, zone=2), node(2, region=2), node(3, region=2), node(4), node(5)]
POLICIES = StoragePolicies([StoragePolicy(0, "gold", is_default=True), StoragePolicy(1, "near")])


def cluster(policy_options=None, **options):
    swift = SwiftConf(HashPath(b"pre", b"suf"), Constraints(), POLICIES)
    log = logging.getLogger("test.ordering")
    return Cluster(ProxyOptions(**options), swift, log, lambda name: FakeRing(NODES), policy_options)


def ring_of(made, policy=0):
    return made.object_ring(POLICIES.by_index(policy))


def names(nodes):
    return [node.device for node in nodes]


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def timings(clock):
    return Timings(300.0, lambda: clock[0])


def in_order(method, affinity, timings):
    nodes = NODES[:3]
    node_order(method, affinity, timings, lambda found: found.reverse())(nodes)
    return names(nodes)


def test_by_default_only_shuffled(timings):
    timings.took(NODES[1], 9.0)
    assert in_order("shuffle", ReadAffinity("r2=1"), timings) == ["d2", "d1", "d0"]


def test_by_affinity_with_equals_shuffled(timings):
    assert in_order("affinity", ReadAffinity("r1=1, r2=2"), timings) == ["d1", "d2", "d0"]
    assert in_order("affinity", ReadAffinity("r2=1"), timings) == ["d2", "d0", "d1"]
    assert in_order("affinity", ReadAffinity(), timings) == ["d2", "d1", "d0"]


def test_by_timing_those_first_of_which_nothing_is_known(timings, clock):
    timings.took(NODES[2], 0.5)
    timings.took(NODES[1], 0.1)
    assert in_order("timing", ReadAffinity(), timings) == ["d0", "d1", "d2"]
    clock[0] += 200
    timings.took(NODES[0], 0.3)
    assert in_order("timing", ReadAffinity(), timings) == ["d1", "d0", "d2"]
    clock[0] += 101  # what was learnt first is too old now
    assert in_order("timing", ReadAffinity(), timings) == ["d2", "d1", "d0"]


def test_timings_that_differ_by_less_than_a_millisecond_are_equal(timings):
    for number, seconds in enumerate((0.1004, 0.1001, 0.1)):
        timings.took(NODES[number], seconds)
    assert in_order("timing", ReadAffinity(), timings) == ["d2", "d1", "d0"]


def test_reads_ask_the_nearest_primary_first_and_handoffs_as_the_ring_has_them():
    made = cluster(sorting_method="affinity", read_affinity=ReadAffinity("r1=1"))
    for _ in range(5):
        found = names(made.nodes(ring_of(made), 7))
        assert found[0] == "d1"
        assert found[3:] == ["d3", "d4", "d5"]


def test_uploads_go_to_local_nodes_first_with_a_write_affinity():
    made = cluster(write_affinity=WriteAffinity("r1"), write_affinity_node_count=NodeCount(2, False))
    first = set()
    for _ in range(20):
        found = names(made.write_nodes(ring_of(made), 7))
        assert set(found[:3]) == {"d1", "d4", "d0"}
        assert found[3:] == ["d2", "d3", "d5"]
        first.add(found[0])
        assert set(names(made.nodes(ring_of(made), 7))[:3]) == {"d0", "d1", "d2"}
    assert len(first) > 1


def test_without_a_write_affinity_uploads_and_deletes_go_where_reads_look():
    made = cluster()
    assert set(names(made.write_nodes(ring_of(made), 7))[:3]) == {"d0", "d1", "d2"}
    nodes, count = made.delete_nodes(ring_of(made), 7)
    assert (set(names(nodes)[:3]), count) == ({"d0", "d1", "d2"}, 3)


@pytest.mark.parametrize(
    ("extra", "count", "handoffs"), [(None, 5, "d4 d5 d3"), (1, 4, "d4 d3 d5"), (0, 3, "d3 d4 d5")]
)
def test_deletes_go_to_local_handoffs_too_with_a_write_affinity(extra, count, handoffs):
    made = cluster(write_affinity=WriteAffinity("r1"), write_affinity_handoff_delete_count=extra)
    nodes, found = made.delete_nodes(ring_of(made), 7)
    assert found == count
    tried = names(nodes)
    assert set(tried[:3]) == {"d0", "d1", "d2"}
    assert tried[3:] == handoffs.split()


def test_a_policy_has_an_order_of_its_own():
    near = PolicyOptions(
        sorting_method="affinity", read_affinity=ReadAffinity("r1=1"), write_affinity=WriteAffinity("r1")
    )
    made = cluster({1: near})
    for _ in range(5):
        assert names(made.nodes(ring_of(made, 1), 7))[0] == "d1"
        assert set(names(made.write_nodes(ring_of(made, 1), 7))[:3]) == {"d1", "d4", "d5"}
        assert set(names(made.write_nodes(ring_of(made, 0), 7))[:3]) == {"d0", "d1", "d2"}
    assert made.options_of(ring_of(made, 1)) is near
    assert made.options_of(ring_of(made, 0)) is made.options
    assert made.options_of(made.container_ring) is made.options


def test_a_read_affinity_without_effect_is_told(caplog):
    cluster(read_affinity=ReadAffinity("r1=1"))
    assert "read_affinity has no effect, for sorting_method is shuffle" in caplog.text


@pytest.fixture
def remote(staged):
    """A proxy whose primaries are all far away, and whose handoffs are near."""
    stage = staged(write_affinity=WriteAffinity("r2"))
    ring = stage.cluster.object_ring(POLICIES.default)
    for handoff in ring.nodes[3:]:
        object.__setattr__(handoff, "region", 2)
    return stage


def asked(stage, method):
    return [sum(seen.method == method for seen in backend.seen) for backend in stage.backends]


def test_an_upload_is_stored_nearby(remote):
    remote.all_say(201)
    assert remote.call("PUT", body=b"hello").status == 201
    assert asked(remote, "PUT") == [0, 0, 0, 1, 1, 1]


def test_an_upload_goes_far_when_nobody_near_takes_it(remote):
    for backend in remote.primaries:
        backend.says(201)
    for backend in remote.handoffs:
        backend.says(507)
    assert remote.call("PUT", body=b"hello").status == 201
    assert asked(remote, "PUT") == [1] * 6


def test_what_was_stored_nearby_is_deleted_there_too(remote):
    for backend in remote.primaries:
        backend.says(404)
    for backend in remote.handoffs:
        backend.says(204)
    assert remote.call("DELETE").status == 204
    assert asked(remote, "DELETE") == [1] * 6
