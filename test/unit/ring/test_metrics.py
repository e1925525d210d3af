"""What a placement is worth: moves that weights make necessary, and moves too many at once."""

from array import array
from collections import Counter
from fractions import Fraction
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.ring.clusters import any_cluster, device

from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.metrics import hurried, least_moves
from swiftlite.ring.targets import build_tree, replica_targets


def by_hand(*rows):
    return [array("H", row) for row in rows]


def test_what_a_new_device_lacks_must_move():
    devices = [device(index) for index in range(4)]
    rows = by_hand([0, 1, 2, 0], [1, 2, 0, 1], [2, 0, 1, 2])
    assert least_moves(devices[:3], rows, 0.0) == 0
    assert least_moves(devices, rows, 0.0) == 3


def test_what_a_removed_device_held_must_move():
    devices = [device(index) for index in range(4)]
    rows = by_hand([0, 1, 2, 3], [1, 2, 3, 0])
    assert least_moves([each for each in devices if each["id"] != 3], rows, 0.0) == 2


def test_one_move_of_a_partition_is_allowed():
    devices = [device(index) for index in range(6)]
    before = by_hand([0, 0, 0], [1, 1, 1], [2, 2, 2])
    assert hurried(devices, before, by_hand([0, 3, 3], [1, 1, 4], [2, 2, 2])) == 1
    # Device 2 has left the ring: its replicas are placed anew, and nothing else may move.
    left = [each for each in devices if each["id"] != 2]
    assert hurried(left, before, by_hand([0, 0, 5], [1, 1, 1], [3, 4, 4])) == 1


@settings(max_examples=30, deadline=None)
@given(any_cluster(), any_cluster(least=1, most=4), st.integers(0, 5))
def test_what_must_move_is_what_shares_lack_and_nothing_moves_twice(devices, added, part_power):
    builder = RingBuilder(part_power, 3, 1)
    for each in devices:
        builder.add_device(each)
    builder.rebalance(1)
    for number, each in enumerate(added):
        builder.add_device({**each, "id": len(devices) + number, "device": f"new{number}"})
    before = [row[:] for row in builder.rows]
    devices = list(builder.present)
    root, paths = build_tree(devices)
    targets = replica_targets(root, Fraction(3), 0.0)
    held = Counter(chain.from_iterable(before))
    shares = {each["id"]: targets[paths[each["id"]][-1]] * builder.partition_count for each in devices}
    lacking = sum(max(share - held[device_id], 0) for device_id, share in shares.items())
    # Quotas are shares rounded.
    assert abs(least_moves(devices, before, 0.0) - lacking) < len(devices)
    builder.pretend_min_part_hours_passed()
    builder.rebalance(2)
    assert hurried(devices, before, builder.rows) == 0
