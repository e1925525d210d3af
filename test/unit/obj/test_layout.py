"""Paths on a device: what is built reads back, and nothing leads out of the device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.common.policies import StoragePolicy
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import layout

GOLD, SILVER = StoragePolicy(0, "gold"), StoragePolicy(1, "silver")
HASH = "684b6cedb964bd63fd434995ed10fcda"


def test_places_of_an_object() -> None:
    place = layout.hash_directory("/srv/node/sda", SILVER, "7", HASH)
    assert place == f"/srv/node/sda/objects-1/7/cda/{HASH}"
    assert layout.split_hash_directory(place) == ("/srv/node/sda/objects-1/7", "cda", HASH)
    assert layout.partition_directory("/srv/node/sda", GOLD, "7") == "/srv/node/sda/objects/7"
    assert layout.temporary_directory("/srv/node/sda", SILVER) == "/srv/node/sda/tmp-1"
    assert layout.quarantine_directory("/srv/node/sda", SILVER) == "/srv/node/sda/quarantined/objects-1"


def test_places_of_a_spooled_update() -> None:
    timestamp = Timestamp("1402464677.04188_2a")
    place = layout.async_path("/srv/node/sda", SILVER, HASH, timestamp)
    assert place == f"/srv/node/sda/async_pending-1/cda/{HASH}-1402464677.04188_000000000000002a"
    assert layout.parse_async_name(place.rpartition("/")[2]) == (HASH, timestamp)


@pytest.mark.parametrize("name", ["", "junk", HASH, f"{HASH}-", f"{HASH}-soon", f"{HASH[1:]}-1402464677.04188"])
def test_other_names_are_no_spooled_update(name: str) -> None:
    with pytest.raises(ValueError):
        layout.parse_async_name(name)


@pytest.mark.parametrize("name", ["sda", "sda1", "d.1-x_y"])
def test_device_names(name: str) -> None:
    assert layout.is_device_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "a%2F", "ä"])
def test_no_device_names(name: str) -> None:
    assert not layout.is_device_name(name)


@pytest.mark.parametrize(("name", "valid"), [("7", True), ("x", True), ("", False), ("..", False), ("a/b", False)])
def test_partition_names(name: str, valid: bool) -> None:
    assert layout.is_partition_name(name) is valid


@given(st.binary(min_size=16, max_size=16), st.integers(0, 32))
def test_a_hash_belongs_to_one_partition_of_each_part_power(digest: bytes, part_power: int) -> None:
    partition = int.from_bytes(digest[:4], "big") >> (32 - part_power)
    assert layout.is_partition_of(partition, digest.hex())
    name_hash = digest.hex()
    assert layout.placement_problem(f"/d/objects/{partition}/{name_hash[-3:]}/{name_hash}") is None


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**33))
def test_and_to_no_other(digest: bytes, partition: int) -> None:
    start = int.from_bytes(digest[:4], "big")
    allowed = {start >> (32 - part_power) for part_power in range(33)}
    assert layout.is_partition_of(partition, digest.hex()) == (partition in allowed)


@pytest.mark.parametrize("place", [f"6/cdb/{HASH}", f"5/cda/{HASH}", "6/cda/lost", f"6/cda/{HASH[1:]}"])
def test_places_where_nobody_looks(place: str) -> None:
    assert layout.placement_problem(f"/d/objects/6/cda/{HASH}") is None
    assert layout.placement_problem(f"/d/objects/{place}")


@pytest.mark.parametrize(
    ("name", "valid"), [("7", True), ("0", True), ("x", False), ("", False), ("-1", False), ("²", False), ("٣", False)]
)
def test_partition_numbers(name: str, valid: bool) -> None:
    assert layout.is_partition_number(name) is valid
