"""The model of durability: formula, sample, simulation and a Markov chain agree; what is known by hand comes out."""

from array import array
from dataclasses import replace
from itertools import chain, combinations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.ring.clusters import any_cluster, device

from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.durability import HOURS_A_YEAR, Estimate, Exposure, Rates, independent_losses, some_year

AT_ONCE = 1e12
"""MB/s that restore everything as soon as repair begins."""


def numbers(seed=1):
    return np.random.default_rng(seed)


def cluster(zones, servers, disks):
    return [
        device(len_before, zone=zone, ip=f"10.{zone}.0.{server}")
        for len_before, (zone, server, _) in enumerate(
            (zone, server, disk) for zone in range(zones) for server in range(servers) for disk in range(disks)
        )
    ]


def ring(devices, replicas, part_power):
    builder = RingBuilder(part_power, replicas, 1)
    for each in devices:
        builder.add_device(each)
    builder.rebalance(1)
    return list(builder.present), builder.rows


def by_hand(*rows):
    return [array("H", row) for row in rows]


def expose(devices, rows, rates, partition_size=1.0):
    return Exposure(devices, rows, rates, partition_size, numbers())


# --- one thing at a time ---


def markov_losses(rate, repair, replicas):
    """How often a Markov chain that counts missing replicas comes to miss all, each repaired independently."""
    states = replicas + 1
    flows = np.zeros((states, states))
    for missing in range(states):
        if missing < replicas:
            flows[missing, missing + 1] = (replicas - missing) * rate
        if missing:
            flows[missing, missing - 1] = missing * repair
    generator = flows - np.diag(flows.sum(axis=1))
    steady = np.linalg.lstsq(np.vstack([generator.T, np.ones(states)]), np.append(np.zeros(states), 1.0), rcond=None)[0]
    return float(steady[replicas - 1] * rate)


@pytest.mark.parametrize("replicas", [1, 2, 3, 4])
def test_independent_losses_are_those_of_a_markov_chain(replicas):
    known = markov_losses(0.02, 1 / 10.0, replicas)
    assert independent_losses(np.full(replicas, 0.02), np.full(replicas, 10.0)) == pytest.approx(known)


@pytest.mark.parametrize("replicas", [2, 3])
def test_the_formula_is_that_of_independent_losses_where_only_devices_fail(replicas):
    rates = Rates(2.0, 0.0, 0.0, delay=24.0, bandwidth=AT_ONCE)
    exposure = expose(*ring(cluster(3, 2, 2), replicas, 6), rates)
    each = independent_losses(np.full(replicas, rates.hourly[0]), np.full(replicas, 24.0))
    assert exposure.expected_losses() == pytest.approx([HOURS_A_YEAR * 64 * each, 0, 0], rel=replicas * 24e-5)


def test_what_stands_in_one_server_is_lost_with_it():
    exposure = expose(cluster(1, 1, 3), by_hand([0] * 8, [1] * 8, [2] * 8), Rates(0.0, 3.0, 0.0, 24.0, 20.0))
    assert exposure.expected_losses() == pytest.approx([0, 8 * 0.03, 0])
    assert exposure.loss_events(100, numbers()).mean == pytest.approx(0.03)


def test_what_stands_in_one_zone_is_lost_with_it():
    devices = cluster(2, 2, 1)
    exposure = expose(devices, by_hand([0, 2, 0], [1, 3, 2]), Rates(0.0, 0.0, 5.0, 1.0, AT_ONCE))
    alone, both = 0.05, 2 * 0.05 * 0.05 / HOURS_A_YEAR
    assert exposure.expected_losses() == pytest.approx([0, 0, 2 * alone + both])


def test_what_two_servers_take_is_lost_while_both_are_missing():
    # Devices 0 and 1 stand in one server: of what it takes, the replica restored first ends the danger.
    exposure = expose(cluster(1, 2, 2), by_hand([0], [1], [2]), Rates(0.0, 40.0, 0.0, 5.0, 1.0), 50.0)
    first, second, other = exposure.windows[1][:, 0]
    hourly = 0.4 / HOURS_A_YEAR
    assert first != second
    assert exposure.expected_losses()[1] == pytest.approx(0.4 * hourly * (min(first, second) + other))


def test_partitions_on_the_same_devices_are_lost_together():
    rates = Rates(2.0, 0.0, 0.0, 24.0, AT_ONCE)
    devices = cluster(1, 4, 1)
    together = expose(devices, by_hand([0] * 10, [1] * 10), rates)
    apart = expose(devices, by_hand([0, 2], [1, 3]), rates)
    assert together.loss_events(100, numbers()).mean == pytest.approx(together.expected_losses().sum() / 10)
    assert apart.loss_events(100, numbers()).mean == pytest.approx(apart.expected_losses().sum())


def test_what_is_restored_later_or_more_slowly_is_lost_more_often():
    devices, rows = ring(cluster(3, 2, 2), 3, 6)
    rates = Rates(2.0, 0.2, 0.01, 24.0, 20.0)
    losses = [
        expose(devices, rows, each).expected_losses().sum()
        for each in (rates, replace(rates, delay=48.0), replace(rates, delay=48.0, bandwidth=0.01))
    ]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]


def test_a_device_is_restored_by_all_that_share_partitions_with_it():
    # Device 0 holds three partitions of 36 GB, with devices 1, 2 and 3; devices 0 and 1 are one server, and so are 2 and 3.
    exposure = expose(cluster(2, 1, 2), by_hand([0, 0, 0], [1, 2, 3]), Rates(2.0, 1.0, 1.0, 0.0, 10.0), 36.0)
    assert exposure.repair_hours[0] == pytest.approx([3 * 1.0 / 3, 1.0, 1.0, 1.0])
    assert exposure.repair_hours[1] == pytest.approx([4 * 1.0 / 2, 2 * 1.0 / 1])
    assert (exposure.windows[0] <= exposure.repair_hours[0][exposure.held]).all()


def test_losses_are_some_in_a_year_or_more():
    assert some_year(1e-9) == pytest.approx(1e-9)
    assert some_year(3.0) == pytest.approx(0.950213)


def test_an_estimate_is_a_mean_with_its_error():
    estimate = Estimate.of(np.array([1.0, 2.0, 3.0]))
    assert (estimate.mean, estimate.error) == pytest.approx((2.0, 1.96 / 3**0.5))
    assert estimate.covers(3.1) and not estimate.covers(3.2) and estimate.covers(3.2, 2.0)
    assert estimate.times(2.0) == Estimate(4.0, 2 * estimate.error)


# --- all together ---


def minimal_losses(devices, rows, rates):
    """The formula the long way round: all sets of failures that take a partition, less those that hold a smaller one."""
    places = [
        ("device", lambda each: each["id"]),
        ("server", lambda each: (each["region"], each["zone"], each["ip"])),
        ("zone", lambda each: (each["region"], each["zone"])),
    ]
    hourly = dict(zip(("device", "server", "zone"), rates.hourly))
    known = {each["id"]: [(kind, place(each)) for kind, place in places] for each in devices}
    total = 0.0
    for ids in zip(*rows):
        failures = sorted(set(chain.from_iterable(known[each] for each in ids)), key=repr)
        found = []
        for size in range(1, len(ids) + 1):
            for some in combinations(failures, size):
                takes_all = all(set(known[each]) & set(some) for each in ids)
                if takes_all and not any(smaller < set(some) for smaller in found):
                    found.append(set(some))
        total += sum(
            prod(hourly[kind] for kind, _ in some) * len(some) * rates.delay ** (len(some) - 1) for some in found
        )
    return total * HOURS_A_YEAR


@settings(max_examples=40, deadline=None)
@given(any_cluster(), st.sampled_from([1, 2, 3]), st.integers(0, 3))
def test_every_way_to_lose_a_partition_counts_once(devices, replicas, part_power):
    rates = Rates(2.0, 0.7, 0.3, 24.0, AT_ONCE)
    devices, rows = ring(devices, replicas, part_power)
    assert expose(devices, rows, rates).expected_losses().sum() == pytest.approx(minimal_losses(devices, rows, rates))


@pytest.mark.parametrize(
    "zones, replicas, years, rates",
    [
        (3, 2, 200, Rates(100.0, 0.0, 0.0, 24.0, 20.0)),
        (3, 3, 100, Rates(600.0, 0.0, 0.0, 24.0, 20.0)),
        (2, 2, 200, Rates(40.0, 100.0, 20.0, 24.0, 20.0)),
        (1, 3, 200, Rates(200.0, 200.0, 0.0, 24.0, 20.0)),
    ],
)
def test_simulation_agrees(zones, replicas, years, rates):
    exposure = expose(*ring(cluster(zones, 4, 2), replicas, 7), rates, partition_size=20.0)
    events, partitions = exposure.simulate(years, numbers(2))
    lost, losses = Estimate.of(partitions), Estimate.of(events)
    assert lost.mean > lost.error, "too few losses to compare"
    # The formula leaves out that what is missing cannot fail again; so does the sample.
    missing = replicas * sum(rates.hourly) * float(exposure.windows.mean())
    assert lost.covers(exposure.expected_losses().sum(), 1.5 + missing * lost.mean / lost.error)
    assert losses.covers(exposure.loss_events(600, numbers(3)).mean, 1.5 + missing * losses.mean / losses.error)


def test_the_same_seed_gives_the_same_estimate():
    devices, rows = ring(cluster(3, 2, 2), 3, 5)
    estimates = [expose(devices, rows, Rates(2.0, 0.2, 0.01, 24.0, 20.0)).loss_events(50, numbers()) for _ in range(2)]
    assert estimates[0] == estimates[1]


def test_nothing_is_lost_where_nothing_fails():
    exposure = expose(*ring(cluster(3, 2, 2), 3, 5), Rates(0.0, 0.0, 0.0, 24.0, 20.0))
    assert exposure.expected_losses().tolist() == [0, 0, 0]
    assert exposure.loss_events(50, numbers()) == Estimate(0.0, 0.0)
