"""Increase of the partition power: its steps, what each needs, and that no name changes its devices."""

import hashlib
import pickle

import pytest

from swiftlite.ring import part_power
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.format import RingError


@pytest.fixture(scope="module")
def content():
    builder = RingBuilder(4, 2.5, 1, clock=lambda: 1_000_000.0)
    for number in range(6):
        builder.add_device(
            {
                "region": 1,
                "zone": number % 3,
                "ip": f"10.0.0.{number}",
                "port": 6200,
                "device": "sda",
                "weight": 1 + number,
            }
        )
    builder.rebalance(seed=1)
    builder.set_weight(0, 50)
    builder.rebalance(seed=1)
    builder.remove_device(3)
    return pickle.dumps(builder.to_dict())


@pytest.fixture
def before(content):
    return pickle.loads(content)


def devices_of(content, name):
    ring = RingBuilder.from_dict(content).ring_data()
    partition = int.from_bytes(hashlib.md5(name).digest()[:4], "big") >> ring.part_shift
    return [row[partition] for row in ring.rows if partition < len(row)]


def test_the_whole_way(before):
    power, version = before["part_power"], before["version"]
    names = [str(number).encode() for number in range(200)]
    places = [devices_of(before, name) for name in names]
    parts = [device and device["parts"] for device in before["devs"]]

    prepared = part_power.prepared(before)
    assert (prepared["part_power"], prepared["next_part_power"], prepared["version"]) == (power, power + 1, version + 1)
    increased = part_power.increased(prepared)
    assert (increased["part_power"], increased["next_part_power"], increased["version"]) == (
        power + 1,
        power + 1,
        version + 2,
    )
    finished = part_power.finished(increased)
    assert (finished["part_power"], finished["next_part_power"], finished["version"]) == (power + 1, None, version + 3)

    assert [devices_of(finished, name) for name in names] == places
    builder = RingBuilder.from_dict(pickle.loads(pickle.dumps(finished)))
    builder.validate()
    assert [device and device["parts"] for device in builder.devices] == [count and count * 2 for count in parts]
    assert builder.is_removed(3)
    graph = builder.dispersion_graph
    builder.measure_dispersion()
    assert builder.dispersion_graph == graph


def test_the_hours_that_partitions_rest_are_kept(before):
    moves = before["_last_part_moves"]
    moves[5] = 7
    doubled = part_power.increased(part_power.prepared(before))["_last_part_moves"]
    assert doubled.tolist() == [hours for hours in moves for _ in range(2)]


def test_a_cancelled_increase_changes_nothing_else(before):
    cancelled = part_power.cancelled(part_power.prepared(before))
    assert cancelled["next_part_power"] == cancelled["part_power"] == before["part_power"]
    assert part_power.is_to_be_cleaned(cancelled)
    finished = part_power.finished(cancelled)
    assert finished == {**before, "next_part_power": None, "version": before["version"] + 3}


@pytest.mark.parametrize(
    "steps",
    [
        ["increased"], ["cancelled"], ["finished"], ["prepared", "prepared"], ["prepared", "finished"],
        ["prepared", "increased", "increased"], ["prepared", "increased", "cancelled"],
        ["prepared", "increased", "prepared"], ["prepared", "cancelled", "increased"],
        ["prepared", "increased", "finished", "finished"],
    ],
)  # fmt: skip
def test_steps_out_of_turn_are_refused(before, steps):
    for step in steps[:-1]:
        before = getattr(part_power, step)(before)
    with pytest.raises(RingError):
        getattr(part_power, steps[-1])(before)


def test_what_cannot_grow():
    with pytest.raises(RingError, match="no assignments"):
        part_power.prepared(RingBuilder(4, 1, 1).to_dict())
    with pytest.raises(RingError, match="most"):
        part_power.prepared({**RingBuilder(4, 1, 1).to_dict(), "part_power": 32})


def test_what_openstack_swift_makes_of_the_hours_is_taken(before):
    """It keeps them in a list once it has increased the power."""
    increased = part_power.increased(part_power.prepared(before))
    theirs = {**increased, "_last_part_moves": list(increased["_last_part_moves"])}
    builder = RingBuilder.from_dict(theirs)
    builder.validate()
    assert builder.to_dict() == increased
    again = part_power.increased(part_power.prepared(part_power.finished(builder.to_dict())))
    assert len(again["_last_part_moves"]) == again["parts"]
