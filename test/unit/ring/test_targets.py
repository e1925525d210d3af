"""Replica targets: shares add up, respect weight, spread and overload, and round without loss."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.ring.clusters import any_cluster, device

from swiftlite.ring.format import RingError
from swiftlite.ring.targets import (
    build_tree,
    by_spread,
    by_weight,
    most_replicas,
    plan,
    quotas,
    replica_targets,
    required_overload,
)

REPLICAS = st.fractions(1, 3, max_denominator=8)
OVERLOAD = st.sampled_from([0.0, 0.1, 0.5, 3.0])


def leaves(tree):
    return [tier for tier in tree.walk() if not tier.children]


def by_name(shares):
    return {tier.name: float(share) for tier, share in shares.items()}


@given(any_cluster(), REPLICAS, OVERLOAD)
def test_shares_add_up_and_no_device_gets_a_partition_twice(cluster, replicas, overload):
    tree, _ = build_tree(cluster)
    targets = replica_targets(tree, replicas, overload)
    assert targets[tree] == replicas
    for tier in tree.walk():
        assert 0 <= targets[tier] <= tier.capacity
        if tier.children:
            assert targets[tier] == sum(targets[child] for child in tier.children)


@given(any_cluster(), REPLICAS, OVERLOAD)
def test_no_device_exceeds_its_share_by_more_than_the_overload(cluster, replicas, overload):
    tree, _ = build_tree(cluster)
    weighted, targets = by_weight(tree, replicas), replica_targets(tree, replicas, overload)
    for leaf in leaves(tree):
        assert targets[leaf] <= weighted[leaf] * (1 + Fraction(overload))
    required = required_overload(tree, replicas)
    assert replica_targets(tree, replicas, required) == by_spread(tree, replicas)
    if overload >= required:
        assert targets == by_spread(tree, replicas)


def test_the_required_overload_is_enough_though_its_float_is_rounded():
    tree, _ = build_tree(
        [device(0, 1, weight=0.3), *(device(i, 2, weight=w) for i, w in enumerate([1.0, 2.0, 0.3], 1))]
    )
    replicas = Fraction(2)
    assert replica_targets(tree, replicas, required_overload(tree, replicas)) == by_spread(tree, replicas)


@given(any_cluster(), REPLICAS)
def test_shares_by_weight_are_in_proportion_below_the_limit_of_one(cluster, replicas):
    tree, _ = build_tree(cluster)
    weighted = by_weight(tree, replicas)
    ratios = {weighted[leaf] / leaf.weight for leaf in leaves(tree) if weighted[leaf] < 1}
    assert len(ratios) <= 1
    assert all(
        weighted[leaf] / leaf.weight <= min(ratios, default=1000) for leaf in leaves(tree) if weighted[leaf] == 1
    )


@given(any_cluster(), REPLICAS)
def test_the_widest_spread_differs_by_no_more_than_one_among_siblings_with_room(cluster, replicas):
    tree, _ = build_tree(cluster)
    wanted = by_spread(tree, replicas)
    for tier in tree.walk():
        roomy = [wanted[child] for child in tier.children if wanted[child] < child.capacity]
        if roomy:
            assert max(wanted[child] for child in tier.children) <= floor(min(roomy)) + 1


@given(any_cluster(), REPLICAS, OVERLOAD, st.integers(0, 6))
def test_quotas_are_shares_rounded_and_add_up(cluster, replicas, overload, part_power):
    tree, _ = build_tree(cluster)
    targets = replica_targets(tree, replicas, overload)
    partitions = 2**part_power
    rounded = quotas(tree, targets, partitions)
    assert rounded[tree] == floor(replicas * partitions)
    for tier in tree.walk():
        assert floor(targets[tier] * partitions) <= rounded[tier] <= ceil(targets[tier] * partitions)
        if tier.children:
            assert rounded[tier] == sum(rounded[child] for child in tier.children)


def test_rounding_up_goes_to_those_who_hold_more_already():
    tree, paths = build_tree([device(index) for index in range(5)])
    targets = replica_targets(tree, 3, 0.0)
    last = paths[4][3]
    # Each device's share of 24 replicas is 4.8: four of five are rounded up.
    without = quotas(tree, targets, 8)
    assert (without[paths[0][3]], without[last]) == (5, 4)
    assert quotas(tree, targets, 8, {last: 5})[last] == 5
    assert quotas(tree, targets, 8, {last: 4})[last] == 4


@given(any_cluster(least=4), st.integers(1, 3), st.fractions(0, 1, max_denominator=64), OVERLOAD)
def test_partitions_of_more_and_of_fewer_replicas_together_meet_the_targets(cluster, whole, share, overload):
    tree, _ = build_tree(cluster)
    targets = replica_targets(tree, whole + share, overload)
    planned = plan(tree, whole + share, overload)
    fewer, more = planned[floor(whole + share)], planned.get(floor(whole + share) + 1, targets)
    share = 0 if len(planned) == 1 else share
    for tier in tree.walk():
        assert share * more[tier] + (1 - share) * fewer[tier] == targets[tier]
        if tier is not tree:
            assert floor(targets[tier]) <= min(more[tier], fewer[tier])
            assert max(more[tier], fewer[tier]) <= ceil(targets[tier])
        if tier.children:
            assert more[tier] == sum(more[child] for child in tier.children)
            assert fewer[tier] == sum(fewer[child] for child in tier.children)


def test_overload_trades_weight_for_spread():
    # Two zones of one device each and one of two: by weight the third zone would hold one and a half replicas.
    cluster = [device(0, zone=1), device(1, zone=2), device(2, zone=3), device(3, zone=3, ip="10.0.0.2")]
    tree, _ = build_tree(cluster)
    assert by_name(replica_targets(tree, 3, 0.0))[(1, 3)] == 1.5
    assert by_name(replica_targets(tree, 3, 1.0))[(1, 3)] == 1.0
    assert required_overload(tree, 3) == pytest.approx(1 / 3)
    assert 1.0 < by_name(replica_targets(tree, 3, 0.2))[(1, 3)] < 1.5


def test_fewer_devices_with_weight_than_replicas_are_refused():
    tree, _ = build_tree([device(0), device(1, weight=0.0)])
    with pytest.raises(RingError, match="there are 1"):
        replica_targets(tree, 2, 0.0)


@pytest.mark.parametrize(("replicas", "zone", "server"), [(1, 1, 1), (2, 1, 1), (3, 2, 1), (4, 2, 1), (4.5, 3, 2)])
def test_most_replicas_of_an_even_spread(replicas, zone, server):
    cluster = [
        device(i, zone=1 + i % 2, ip=f"10.0.{i % 2}.{i // 2 % 2}") for i in range(8)
    ]  # 2 zones of 2 servers of 2 devices
    most = most_replicas(build_tree(cluster)[0], replicas)
    assert (most[(1, 1)], most[(1, 1, "10.0.0.0")]) == (zone, server)
    assert most[(1, 1, "10.0.0.0", 0)] == 1
