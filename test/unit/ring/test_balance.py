"""What a rebalance owes, over random clusters: bounds, quotas, few moves, none for the worse; wide scatter."""

import subprocess
import sys
from collections import Counter
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unit.ring.clusters import WEIGHTS, any_cluster, any_device, device

from swiftlite.ring.assignment import FORBIDDEN, Assignment
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.metrics import describe, scatter_widths
from swiftlite.ring.targets import build_tree, plan, tier_names
from swiftlite.ring.tier_index import NONE, TierIndex

QUICK = settings(deadline=None, max_examples=25)
POWER = 7


def a_builder(cluster, replicas=3, overload=0.0, part_power=POWER):
    builder = RingBuilder(part_power, replicas, 0)
    for each in cluster:
        builder.add_device(each)
    builder.set_overload(overload)
    return builder


def held_by(rows, part):
    return [row[part] for row in rows if part < len(row)]


def spread(builder, rows):
    """For each partition how many replicas are beyond or below the bounds of their tiers, all added up."""
    tree, _ = build_tree(builder.present)
    planned = plan(tree, Fraction(sum(map(len, rows)), builder.partition_count), builder.overload)
    names = {each["id"]: tier_names(each) for each in builder.present}
    result = []
    for part in range(builder.partition_count):
        held = held_by(rows, part)
        counts = Counter(name for device_id in held for name in names[device_id])
        bounds = {tier.name: (floor(share), ceil(share)) for tier, share in planned[len(held)].items() if tier.name}
        result.append(sum(max(counts[name] - high, low - counts[name], 0) for name, (low, high) in bounds.items()))
    return result


def needed(builder):
    """How many replicas must come to devices that lack some, after rounding in favour of what is there."""
    return int(np.maximum(-Assignment(builder.present, builder.rows, builder.overload).surplus, 0).sum())


@st.composite
def a_change(draw):
    """A change of a builder that takes no device away."""
    kind = draw(st.sampled_from(["add", "add", "weigh", "zone", "overload"]))
    if kind == "add":
        added = draw(st.lists(any_device(), min_size=1, max_size=3))
        return lambda builder: [builder.add_device(each) for each in added]
    if kind == "overload":
        return lambda builder: builder.set_overload(0.5)
    index, weight, zone = draw(st.integers(0, 4)), draw(WEIGHTS), draw(st.integers(1, 4))
    if kind == "zone":
        return lambda builder: builder.set_zone(index, zone)
    return lambda builder: builder.set_weight(index, weight)


@QUICK
@given(any_cluster(least=5), a_change(), st.sampled_from([1, 2, 3, 3.25]), st.sampled_from([0.0, 0.2]))
def test_moves_are_few_and_none_for_the_worse(cluster, change, replicas, overload):
    builder = a_builder(cluster, replicas, overload)
    builder.rebalance(seed=1)
    change(builder)
    before, necessary = [row[:] for row in builder.rows], needed(builder)
    misplaced = spread(builder, before)
    moved, _, _ = builder.rebalance(seed=2)
    builder.validate()
    assert all(now <= was for was, now in zip(misplaced, spread(builder, builder.rows), strict=True))
    # A partition out of bounds moves for that, and another may move back for it to keep quotas; detours are rare.
    assert moved <= necessary + 2 * sum(map(bool, misplaced)) + 0.05 * builder.partition_count


@QUICK
@given(
    st.lists(st.sampled_from([1.0, 1.5, 2.0]), min_size=9, max_size=14),
    st.lists(st.sampled_from([1.0, 2.0]), max_size=3),
    st.integers(1, 3),
)
@example([1.0] * 9, [2.0, 2.0, 2.0], 3)  # more is needed than there are partitions
def test_where_bounds_allow_for_anything_every_device_gets_its_share_with_the_fewest_moves(weights, more, replicas):
    # Each device is a zone, none so heavy that every partition must have a replica there.
    builder = a_builder([device(zone=zone, weight=weight) for zone, weight in enumerate(weights)], replicas)
    builder.rebalance(seed=1)
    for zone, weight in enumerate(more):
        builder.add_device(device(zone=100 + zone, weight=weight))
    necessary = needed(builder)
    moved, _, _ = builder.rebalance(seed=2)
    assert moved == min(necessary, builder.partition_count)  # no rebalance takes two replicas of a partition
    if moved < necessary:
        assert moved + builder.rebalance(seed=3)[0] == necessary
    total = sum(each["weight"] for each in builder.present)
    for each in builder.present:
        share = builder.partition_count * replicas * each["weight"] / total
        assert floor(share) <= each["parts"] <= ceil(share)


@QUICK
@given(any_cluster(least=5), st.integers(0, 4), st.sampled_from([1, 2, 3]))
def test_a_device_without_weight_is_emptied_in_one_rebalance(cluster, victim, replicas):
    builder = a_builder(cluster, replicas)
    builder.rebalance(seed=1)
    builder.set_weight(victim, 0)
    builder.rebalance(seed=2)
    assert builder.devices[victim]["parts"] == 0
    builder.validate()


def test_a_device_is_emptied_first_though_other_moves_would_help_too():
    # All partitions must come to the heavy device that is left: moving their other replica there would strand this one.
    builder = a_builder([device(weight=weight) for weight in (1.0, 1.0, 1.0, 7.5, 7.5)], replicas=2)
    builder.rebalance(seed=1)
    builder.set_weight(3, 0)
    builder.rebalance(seed=2)
    assert builder.devices[3]["parts"] == 0


@QUICK
@given(any_cluster(least=5), a_change(), st.integers(0, 4))
def test_a_seed_repeats_every_later_ring(cluster, change, removed):
    def history(seed):
        builder = a_builder([dict(each) for each in cluster])
        builder.rebalance(seed=1)
        change(builder)
        builder.rebalance(seed=seed)
        builder.remove_device(removed)
        builder.rebalance(seed=seed)
        return builder.rows

    assert history("a") == history("a")


@given(any_cluster(least=4), st.sampled_from([1, 2, 3, 2.5]), st.data())
@settings(deadline=None, max_examples=30)
def test_the_harm_of_a_move_is_how_much_worse_the_spread_gets(cluster, replicas, data):
    builder = a_builder(cluster, replicas, part_power=4)
    builder.rebalance(seed=1)
    builder.set_weight(0, data.draw(WEIGHTS))
    builder.set_zone(1, 3)
    books = Assignment(builder.present, builder.rows, 0.0)
    part = data.draw(st.integers(0, builder.partition_count - 1))
    slot = data.draw(st.integers(0, len(held_by(builder.rows, part)) - 1))
    source = int(books.held[slot, part])
    anywhere = books.harm_anywhere(part, source)
    was = spread(builder, builder.rows)[part]
    for target, device_id in enumerate(books.index.ids.tolist()):
        rows = [row[:] for row in builder.rows]
        rows[slot][part] = device_id
        harm = int(books.harm(np.array([part]), np.array([source]), np.array([target]))[0])
        twin = device_id in held_by(builder.rows, part)
        assert harm == anywhere[target] == (FORBIDDEN if twin else spread(builder, rows)[part] - was)


def test_partitions_of_a_device_are_spread_over_nearly_all_others_that_may_share_them():
    zones = [device(zone=1 + i % 4, ip=f"10.0.{i % 4}.{i // 16}") for i in range(64)]
    builder = a_builder(zones, part_power=12)
    builder.rebalance(seed=1)
    placed = describe(builder.present, builder.rows)
    # Each holds 192 partitions, of which the 384 other replicas are in three zones of 16 devices.
    assert (placed.scatter_least, placed.scatter_mean) == (48, 48.0)
    before = [row[:] for row in builder.rows]
    for number in range(8):
        builder.add_device(device(zone=1 + number % 4, ip=f"10.0.{number % 4}.9"))
    builder.rebalance(seed=2)
    placed = describe(builder.present, builder.rows, before)
    assert placed.scatter_least >= 48
    assert placed.moved == sum(each["parts"] for each in builder.present if each["id"] >= 64)


def test_a_ring_that_is_as_it_should_be_stays_as_it_is():
    builder = a_builder([device(zone=1 + i % 3, ip=f"10.0.{i % 3}.{i}", weight=1 + i % 2) for i in range(13)])
    builder.rebalance(seed=1)
    before = [row[:] for row in builder.rows]
    assert builder.rebalance(seed=2)[0] == 0
    assert builder.rows == before


@pytest.mark.parametrize("seed", range(6))
def test_a_new_zone_takes_its_share_though_nearly_every_partition_must_move_to_it(seed):
    cluster = [device(zone=1 + i % 5, ip=f"10.0.{i % 5}.{i // 10}", weight=100 - 50 * (i // 10 % 2)) for i in range(20)]
    builder = a_builder(cluster, replicas=3.25, part_power=9)
    builder.rebalance(seed=seed)
    for number in range(6):
        builder.add_device(device(zone=9, ip=f"10.9.0.{number // 3}"))
    moved, _, _ = builder.rebalance(seed=seed)
    builder.validate()
    assert sum(each["parts_wanted"] for each in builder.present if each["parts_wanted"] > 0) == 0
    assert moved <= builder.partition_count


def test_metrics_of_a_ring_done_by_hand():
    cluster = [device(0, zone=1), device(1, zone=2), device(2, zone=3, weight=200.0), device(3, zone=3, weight=0.0)]
    builder = a_builder(cluster, replicas=2, part_power=2)
    builder.rebalance(seed=1)
    rows = [builder.rows[0][:], builder.rows[1][:]]
    rows[0][:], rows[1][:] = type(rows[0])("H", [0, 0, 1, 2]), type(rows[1])("H", [1, 2, 2, 3])
    placed = describe(builder.present, rows, builder.rows)
    assert (placed.devices, placed.replicas, placed.stranded) == (4, 8, 1)
    assert placed.balance == pytest.approx(25.0)  # by weight 2, 2 and 4; held 2, 2 and 3
    assert placed.dispersion == pytest.approx(100 / 8)  # one partition is twice in the third zone
    assert placed.moved == sum(
        a != b for old, new in zip(builder.rows, rows, strict=True) for a, b in zip(old, new, strict=True)
    )
    assert (placed.scatter_least, placed.scatter_mean) == (1, 2.0)


def test_scatter_counts_each_pair_once():
    held = np.array([[0, 0, 3, NONE], [1, 1, 0, 2], [2, 1, NONE, 4]], dtype=np.int32)
    assert scatter_widths(held, 5).tolist() == [3, 2, 3, 1, 1]


def test_what_is_in_a_tier_stands_side_by_side():
    index = TierIndex([device(i, region=i % 2, zone=i % 3, ip=f"10.0.0.{i % 5}") for i in range(30)])
    for tiers in index.ancestors[:, :-1]:
        assert (np.diff(tiers) >= 0).all()
        assert tiers.max() + 1 == len(np.unique(tiers))
    assert (index.ancestors[:, NONE] == NONE).all()


def test_no_server_or_daemon_loads_numpy():
    # Its memory, in every worker of every server, would be for nothing.
    program = """
import importlib, pkgutil, sys
import swiftlite
for module in pkgutil.walk_packages(swiftlite.__path__, "swiftlite."):
    layer = module.name.split(".")[1]
    if layer not in ("cli", "ring") or module.name in ("swiftlite.ring.ring", "swiftlite.cli.aio"):
        importlib.import_module(module.name)
assert "swiftlite.ring.ring" in sys.modules and "swiftlite.proxy.server" in sys.modules
print("numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stdout + done.stderr
