"""Ring files: the bytes of OpenStack Swift's own, both versions, both byte orders, and damage of every kind."""

import gzip
import hashlib
import json
import struct
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.ring.format import MAGIC, RingData, RingError, dump_v1, dump_v2, load

GOLDEN_V1 = ["account", "container", "object", "object-1", "object-2"]


def device(index, **changes):
    return {
        "id": index, "region": 1, "zone": index, "ip": f"10.0.0.{index}", "port": 6200, "device": f"sd{index}",
        "weight": 1.0, "meta": "", "replication_ip": f"10.1.0.{index}", "replication_port": 6400, **changes,
    }  # fmt: skip


def a_ring(rows=((0, 1, 2, 0), (2, 0, 1, 1)), devices=3, code="H"):
    return RingData([device(i) for i in range(devices)], 30, [array(code, row) for row in rows], version=7)


def v1_bytes(facts, rows, length=None):
    text = json.dumps(facts).encode()
    head = MAGIC + struct.pack(">HI", 1, len(text) if length is None else length)
    return gzip.compress(head + text + rows, mtime=0)


def v1_facts(**changes):
    ring = a_ring()
    return {"devs": ring.devices, "part_shift": 30, "replica_count": 2, "byteorder": "little", **changes}


ROWS = struct.pack("<8H", 0, 1, 2, 0, 2, 0, 1, 1)


def v2_bytes(facts, devices, rows):
    """A version 2 ring as formats.md 6.2 describes it, but for the flushes that only seeking readers need."""
    payload = MAGIC + struct.pack(">H", 2)
    index = {}
    for name, content in [("metadata", json.dumps(facts)), ("devices", json.dumps(devices)), ("assignments", rows)]:
        section = content if isinstance(content, bytes) else content.encode()
        framed = struct.pack(">Q", len(section)) + section
        index[f"swift/ring/{name}"] = [
            0, len(payload), 0, len(payload) + len(framed), "sha256", hashlib.sha256(framed).hexdigest(),
        ]  # fmt: skip
        payload += framed
    text = json.dumps(index).encode()
    return gzip.compress(payload + struct.pack(">Q", len(text)) + text + struct.pack(">QQ", len(payload), 0), mtime=0)


@pytest.mark.parametrize("name", GOLDEN_V1)
def test_writing_what_was_read_gives_the_bytes_of_openstack_swift(golden, name):
    path = golden / "rings" / f"{name}.ring.gz"
    assert dump_v1(load(path), f"{name}.ring") == path.read_bytes()


def test_both_versions_of_the_golden_ring_are_one_ring(golden):
    assert load(golden / "rings" / "object.v2.ring.gz") == load(golden / "rings" / "object.ring.gz")


def test_writing_version_2_gives_the_bytes_of_openstack_swift(golden):
    data = (golden / "rings" / "object.v2.ring.gz").read_bytes()
    assert dump_v2(load(data), "obj2.ring") == data


@pytest.mark.parametrize("dump", [dump_v1, dump_v2])
def test_a_ring_survives_a_round_trip(dump):
    ring = a_ring(rows=((0, 1, 2, 0), (2, 0)))
    ring.devices.append(None)
    ring.next_part_power = 3
    assert load(dump(ring)) == ring
    assert load(dump(ring)).replicas == 1.5


@pytest.mark.parametrize("dump", [dump_v1, dump_v2])
def test_big_rings_survive_too_though_they_are_deflated_faster(dump):
    rows = [array("H", [(part * 7 + slot) % 100 for part in range(1 << 17)]) for slot in range(3)]
    ring = RingData([device(i) for i in range(100)], 32 - 17, rows)
    assert load(dump(ring)) == ring
    assert len(dump(ring)) < sum(len(row) for row in rows) * 2


def test_version_2_holds_wide_device_ids():
    ring = a_ring(code="I")
    assert load(dump_v2(ring)) == ring
    assert load(dump_v2(ring)).rows[0].itemsize == 4


def test_a_ring_of_the_other_byte_order_reads_the_same():
    facts = v1_facts(byteorder="big")
    assert (
        load(v1_bytes(facts, struct.pack(">8H", *struct.unpack("<8H", ROWS)))).rows
        == load(v1_bytes(v1_facts(), ROWS)).rows
    )


def test_a_ring_without_byte_order_is_of_this_machine():
    facts = v1_facts()
    del facts["byteorder"]
    native = array("H", struct.unpack("<8H", ROWS)).tobytes()
    assert list(load(v1_bytes(facts, native)).rows[0]) == [0, 1, 2, 0]
    assert sys.byteorder in ("little", "big")


@pytest.mark.parametrize(("width", "code"), [(2, "H"), (4, "I")])
def test_version_2_rows_are_of_network_order(width, code):
    facts = {"dev_id_bytes": width, "part_shift": 30, "replica_count": 1.5, "version": 7}
    rows = struct.pack(f">6{code}", 0, 1, 2, 0, 2, 1)
    ring = load(v2_bytes(facts, [device(i) for i in range(3)], rows))
    assert ring.rows == [array(code, [0, 1, 2, 0]), array(code, [2, 1])]
    assert ring.version == 7


def test_old_devices_get_what_they_lack():
    devices = [device(i) for i in range(3)]
    for key in ("region", "meta", "replication_ip", "replication_port"):
        del devices[0][key]
    loaded = load(v1_bytes(v1_facts(devs=devices), ROWS)).devices[0]
    assert (loaded["region"], loaded["meta"]) == (1, "")
    assert (loaded["replication_ip"], loaded["replication_port"]) == ("10.0.0.0", 6200)


def without(index, key):
    devices = [device(i) for i in range(3)]
    del devices[index][key]
    return devices


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "usable ring"),
        (b"not gzip", "gzip"),
        (gzip.compress(b"\x80\x02}q\x00.", mtime=0), "R1NG"),
        (gzip.compress(MAGIC, mtime=0), "usable ring"),
        (gzip.compress(MAGIC + b"\x00\x03", mtime=0), "version 3"),
        (v1_bytes(v1_facts(), ROWS, length=9_999_999), "usable ring"),
        (v1_bytes({}, ROWS), "'devs' is missing"),
        (v1_bytes([], ROWS), "usable ring"),
        (v1_bytes(v1_facts(part_shift=33), ROWS), "part_shift 33"),
        (v1_bytes(v1_facts(part_shift="x"), ROWS), "usable ring"),
        (v1_bytes(v1_facts(replica_count=3), ROWS), "3 rows"),
        (v1_bytes(v1_facts(replica_count=1), ROWS), "1 rows"),
        (v1_bytes(v1_facts(), ROWS[:-1]), "cut off"),
        (v1_bytes(v1_facts(), ROWS[:8]), "2 rows"),
        (v1_bytes(v1_facts(devs=[device(0), device(1)]), ROWS), "device 2, which does not exist"),
        (v1_bytes(v1_facts(devs=[device(0), None, device(2)]), ROWS), "device 1, which does not exist"),
        (v1_bytes(v1_facts(devs=[device(0), device(1), device(7)]), ROWS), "device 7 stands in place 2"),
        (v1_bytes(v1_facts(devs=without(1, "device")), ROWS), "device 1 has no device"),
        (v1_bytes(v1_facts(devs=without(1, "ip")), ROWS), "'ip' is missing"),
        (v1_bytes(v1_facts(devs=7), ROWS), "usable ring"),
        (v2_bytes({"part_shift": 30, "replica_count": 2.0, "dev_id_bytes": 3}, [], ROWS), "3 bytes"),
    ],
)
def test_a_damaged_ring_is_refused_with_one_line(data, reason, tmp_path):
    path = tmp_path / "object.ring.gz"
    path.write_bytes(data)
    with pytest.raises(RingError) as caught:
        load(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_section_that_fails_its_checksum_is_refused(golden):
    payload = bytearray(gzip.decompress((golden / "rings" / "object.v2.ring.gz").read_bytes()))
    at = payload.index(b"sdb3")
    payload[at : at + 4] = b"sdb9"
    with pytest.raises(RingError, match="checksum"):
        load(gzip.compress(payload))


def test_a_missing_ring_is_refused_with_its_path(tmp_path):
    with pytest.raises(RingError, match=r"nowhere\.ring\.gz: cannot read ring file: No such file"):
        load(tmp_path / "nowhere.ring.gz")


@given(st.data())
def test_no_damage_raises_anything_but_a_ring_error(data):
    original = data.draw(st.sampled_from([gzip.decompress(dump_v1(a_ring())), gzip.decompress(V2_SAMPLE)]))
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
    try:
        load(gzip.compress(bytes(damaged), 1))
    except RingError as error:
        assert "\n" not in str(error)


V2_SAMPLE = v2_bytes({"dev_id_bytes": 2, "part_shift": 30, "replica_count": 2.0}, [device(i) for i in range(3)], ROWS)


def test_an_index_beyond_all_memory_is_a_ring_error():
    damaged = bytearray(gzip.decompress(V2_SAMPLE))
    damaged[-16] = 128  # the first byte of where the index begins
    with pytest.raises(RingError, match="not a usable ring file"):
        load(gzip.compress(bytes(damaged)))


def test_version_1_cannot_hold_wide_device_ids():
    with pytest.raises(RingError, match="65534"):
        dump_v1(a_ring(code="I"))
