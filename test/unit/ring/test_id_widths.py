"""Rings whose device ids are widened or narrowed: the same ring, in other bytes."""

from array import array

import pytest

from swiftlite.ring.format import RingData, RingError, dump_v2, load, widened


def device(number):
    return {
        "id": number, "region": 1, "zone": 1, "ip": "10.0.0.1", "port": 6200, "device": f"sd{number}", "weight": 1.0,
        "meta": "", "replication_ip": "10.0.0.1", "replication_port": 6200,
    }  # fmt: skip


@pytest.mark.parametrize("width", [2, 4])
def test_wider_and_narrower_ids(width):
    rows = [array("H", (0, 1, 2, 0)), array("H", (2, 0))]
    ring = widened(RingData([device(number) for number in range(3)], 30, rows, version=7, next_part_power=3), width)
    read = load(dump_v2(ring))
    assert read == ring
    assert (read.format_version, read.rows[0].itemsize, [list(row) for row in read.rows]) == (
        2,
        width,
        [*map(list, rows)],
    )


def test_too_many_devices_for_narrow_ids():
    with pytest.raises(RingError, match="65536 devices"):
        widened(RingData([None] * 65536, 30, []), 2)
