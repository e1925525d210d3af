"""What a rebalance moved: every replica counted once, under the reason that an operator would give."""

from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.moves import Moves, compare


def device(number, zone=None, weight=1.0):
    return {
        "id": number,
        "region": 1,
        "zone": number if zone is None else zone,
        "ip": f"10.0.0.{number}",
        "weight": weight,
    }


def rows(*texts):
    return [array("H", map(int, text)) for text in texts]


DEVICES = [device(number) for number in range(5)]


@pytest.mark.parametrize(
    ("before", "after", "devices", "counts"),
    [
        (rows(), rows("0123", "1234"), DEVICES, {"placed": 8}),
        (rows("0123"), rows("0123"), DEVICES, {}),
        (rows("0123", "1234"), rows("1123", "0234"), DEVICES, {}),  # the same devices in another order
        (rows("0123"), rows("0124"), DEVICES, {"balanced": 1}),
        (rows("0129"), rows("0124"), DEVICES, {"removed": 1}),
        (rows("0123"), rows("0124"), [*DEVICES[:3], device(3, weight=0.0), DEVICES[4]], {"drained": 1}),
        (rows("01", "12"), rows("01", "13"), [device(0, 0), device(1, 1), device(2, 1), device(3, 2)], {"spread": 1}),
        (rows("0123", "1234"), rows("0123"), DEVICES, {"dropped": 4}),
        (rows("0123", "1234"), rows("0123", "12"), DEVICES, {"dropped": 2}),
        (rows("0123"), rows("0123", "12"), DEVICES, {"placed": 2}),
        (rows("09", "12"), rows("01", "12"), DEVICES, {"removed": 1}),
        (rows("0", "9"), rows("1"), DEVICES, {"removed": 1, "dropped": 1}),
    ],
)
def test_reasons(before, after, devices, counts):
    moves = compare(before, after, devices)
    names = ("placed", "removed", "drained", "spread", "balanced", "dropped")
    assert {name: value for name in names if (value := getattr(moves, name))} == counts


def test_who_gains_and_who_loses():
    moves = compare(rows("0012", "9234"), rows("0122", "1234"), DEVICES)
    assert (dict(moves.gained), dict(moves.lost)) == ({1: 2, 2: 1}, {9: 1, 0: 1, 1: 1})


@given(
    st.lists(st.permutations(range(5)), min_size=1, max_size=6),
    st.lists(st.permutations(range(5)), min_size=1, max_size=6),
)
def test_gains_and_losses_add_up(before, after):
    count = min(len(before), len(after))
    old, new = ([array("H", column) for column in zip(*table[:count], strict=True)][:3] for table in (before, after))
    moves = compare(old, new, DEVICES)
    assert sum(moves.gained.values()) == moves.moved + moves.placed
    assert sum(moves.lost.values()) == moves.moved + moves.dropped
    assert (moves.placed, moves.dropped) == (0, 0)
    for device_id in range(5):
        held = [sum(row.count(device_id) for row in table) for table in (old, new)]
        assert held[1] - held[0] == moves.gained[device_id] - moves.lost[device_id]


def test_a_builder_says_the_same():
    builder = RingBuilder(6, 3, 0)
    for number in range(5):
        builder.add_device({**device(number), "port": 1, "device": "sda", "weight": 100})
    builder.rebalance(seed=1)
    before = [row[:] for row in builder.rows]
    builder.remove_device(4)
    builder.rebalance(seed=1)
    moves = compare(before, builder.rows, builder.present)
    assert moves.removed == moves.lost[4] == sum(row.count(4) for row in before)
    assert compare([], before, builder.present) == Moves(
        placed=192, gained=Counter(device_id for row in before for device_id in row)
    )
