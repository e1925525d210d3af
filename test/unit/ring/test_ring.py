"""Ring lookups: partition vectors, primaries, the handoff order of formats.md 6.5 told a second way, reload."""

import hashlib
import os
import pickle
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.hosts import HandoffAddress
from swiftlite.core.names import HashPath
from swiftlite.ring.format import RingData, RingError, dump_v1
from swiftlite.ring.ring import Node, Ring

HASH = HashPath(b"pre", b"suf")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def device(index, region=1, zone=None, ip=None):
    zone = index if zone is None else zone
    return {
        "id": index, "region": region, "zone": zone, "ip": ip or f"10.0.0.{index}", "port": 6200,
        "device": f"sd{index}", "weight": 1.0, "meta": "", "replication_ip": "10.1.0.1", "replication_port": 6400,
    }  # fmt: skip


def write(path, rows, devices, part_power):
    path.write_bytes(dump_v1(RingData(devices, 32 - part_power, [array("H", row) for row in rows])))
    return path


def handoff_ids(data: RingData, part: int) -> list[int]:
    """formats.md 6.5, told as plainly as possible."""
    count = data.partition_count
    start = int(hashlib.md5(str(part).encode()).hexdigest()[:8], 16) >> data.part_shift
    step = max(1, count // 65536)
    sequence = [*range(start, count, step), *range(step - (count - start) % step, start, step)]
    order = dict.fromkeys(row[p] for p in sequence for row in data.rows if p < len(row))
    primaries = [row[part] for row in data.rows if part < len(row)]
    found: list[int] = []
    for keys in [("region",), ("region", "zone"), ("region", "zone", "ip"), ("id",)]:
        place = {i: [data.devices[i][key] for key in keys] for i in [*order, *primaries]}
        for device_id in order:
            if all(place[device_id] != place[other] for other in primaries + found):
                found.append(device_id)
    return found


@pytest.mark.parametrize(("part_power", "partition"), [(4, 6), (10, 417), (18, 106797)])
def test_partitions_of_the_golden_vector(tmp_path, part_power, partition):
    path = write(tmp_path / "object.ring.gz", [[0] * 2**part_power], [device(0)], part_power)
    assert Ring(path, hash_path=HASH).partition("AUTH_t", "c1", "o1") == partition


@pytest.mark.parametrize("name", ["account", "container", "object", "object-1", "object-2"])
def test_nodes_and_handoffs_of_the_golden_rings(golden, name):
    ring = Ring(golden / "rings", name, hash_path=HASH)
    for part in range(ring.partition_count):
        ids = [node.id for node in ring.primaries(part)]
        assert ids == [row[part] for row in ring._data.rows]
        handoffs = list(ring.handoffs(part))
        assert [node.id for node in handoffs] == handoff_ids(ring._data, part)
        assert [node.handoff_index for node in handoffs] == list(range(len(handoffs)))
        assert all(
            isinstance(node.address, HandoffAddress) and node.address == (node.ip, node.port) for node in handoffs
        )
        assert not any(isinstance(node.address, HandoffAddress) for node in ring.primaries(part))
        assert sorted(ids + [node.id for node in handoffs]) == [d["id"] for d in ring.devices]


@st.composite
def rings(draw):
    """Rings with regions, zones, shared servers, fractional rows, repeated and unassigned devices."""
    number = st.integers(1, 3)
    devices = [device(i, draw(number), draw(number), f"10.0.0.{draw(number)}") for i in range(draw(st.integers(1, 12)))]
    part_power = draw(st.integers(0, 5))
    ids = st.integers(0, len(devices) - 1)
    lengths = [2**part_power] * draw(st.integers(1, 3))
    if part_power:
        lengths.append(draw(st.integers(1, 2**part_power)))
    rows = [array("H", draw(st.lists(ids, min_size=length, max_size=length))) for length in lengths]
    return RingData(devices, 32 - part_power, rows)


@given(rings())
def test_handoffs_follow_the_four_sweeps(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("ring") / "object.ring.gz"
    path.write_bytes(dump_v1(data))
    ring = Ring(path, hash_path=HASH)
    for part in range(ring.partition_count):
        primaries = [node.id for node in ring.primaries(part)]
        assert primaries == list(dict.fromkeys(row[part] for row in data.rows if part < len(row)))
        # Not always all devices: the sequence of the sheet leaves out partition 0 unless it starts there.
        assert [node.id for node in ring.handoffs(part)] == handoff_ids(data, part)


def test_a_large_ring_steps_over_partitions(tmp_path):
    rows = [array("H", [(part * 7 + part // 1000) % 20 for part in range(2**17)])]
    data = RingData([device(i) for i in range(20)], 32 - 17, rows)
    (tmp_path / "object.ring.gz").write_bytes(dump_v1(data))
    ring = Ring(tmp_path, hash_path=HASH)
    for part in (0, 1, 77_777, 2**17 - 1):
        assert [node.id for node in ring.handoffs(part)] == handoff_ids(data, part)


def test_a_device_listed_twice_counts_once_and_short_rows_end(tmp_path):
    path = write(tmp_path / "object.ring.gz", [[0, 1], [0, 0], [1]], [device(0), device(1)], 1)
    ring = Ring(path, hash_path=HASH)
    assert [(node.id, node.index) for node in ring.primaries(0)] == [(0, 0), (1, 1)]
    assert [(node.id, node.index) for node in ring.primaries(1)] == [(1, 0), (0, 1)]
    assert (ring.replica_count, ring.replicas, ring.partition_count) == (3, 2.5, 2)


@pytest.mark.parametrize("partition", [-1, 2, 10**9])
def test_a_partition_beyond_the_ring_is_refused(tmp_path, partition):
    ring = Ring(write(tmp_path / "object.ring.gz", [[0, 1]], [device(0), device(1)], 1), hash_path=HASH)
    with pytest.raises(ValueError, match="not in the ring"):
        ring.primaries(partition)


def test_get_nodes_is_partition_and_primaries(golden):
    ring = Ring(golden / "rings", "object", hash_path=HASH)
    part, nodes = ring.get_nodes("AUTH_t", "c1", "o1")
    assert part == ring.partition("AUTH_t", "c1", "o1") == 417
    assert nodes is ring.primaries(417)
    assert nodes[0].address == (nodes[0].ip, nodes[0].port)


def test_nodes_are_values():
    one, other = Node.from_device(device(1), index=0), Node.from_device(device(1), index=0)
    assert one == other
    assert len({one, other, Node.from_device(device(1), index=1)}) == 2
    assert one.replication_address == ("10.1.0.1", 6400)
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_replaced_file_is_loaded_after_the_reload_time(tmp_path):
    clock = Clock()
    devices = [device(0), device(1)]
    path = write(tmp_path / "object.ring.gz", [[0, 0]], devices, 1)
    ring = Ring(path, hash_path=HASH, reload_time=15, clock=clock)
    assert ring.primaries(0)[0].id == 0
    write(tmp_path / "new", [[1, 1, 1, 1]], devices, 2)
    os.replace(tmp_path / "new", path)
    assert ring.has_changed()
    clock.now += 14
    assert ring.primaries(0)[0].id == 0
    clock.now += 1
    assert ring.primaries(0)[0].id == 1
    assert (ring.partition_count, ring.has_changed()) == (4, False)


@pytest.mark.parametrize("harm", ["damage", "remove", "empty"])
def test_a_ring_that_goes_bad_leaves_the_old_one_in_use_and_is_logged(tmp_path, caplog, harm):
    clock = Clock()
    path = write(tmp_path / "object.ring.gz", [[0, 0]], [device(0), device(1)], 1)
    ring = Ring(path, hash_path=HASH, clock=clock)
    if harm == "damage":
        path.write_bytes(b"half a ri")
    elif harm == "empty":
        path.write_bytes(dump_v1(RingData([device(0)], 31, [])))
    else:
        path.unlink()
    clock.now += 15
    assert ring.primaries(0)[0].id == 0
    assert str(path) in caplog.text
    write(path, [[1, 1]], [device(0), device(1)], 1)
    clock.now += 15
    assert ring.primaries(0)[0].id == 1


def test_a_ring_without_partitions_is_refused(tmp_path):
    (tmp_path / "object.ring.gz").write_bytes(dump_v1(RingData([device(0)], 31, [])))
    with pytest.raises(RingError, match="no partitions"):
        Ring(tmp_path, hash_path=HASH)


def test_a_missing_ring_is_refused_with_its_path(tmp_path):
    with pytest.raises(RingError, match=r"object-7\.ring\.gz: cannot read ring file: No such file"):
        Ring(tmp_path, "object-7", hash_path=HASH)
