"""Merging shard ranges: newest wins, attribute by attribute, in any order and repetition."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.shard_ranges import ShardRange, is_sharding, merge

OWN = "a/c"
RANGE = ShardRange(
    ".shards_a/c-1", "0000000010.00000", "b", "m", 5, 50, "0000000011.00000", 0, 20, "0000000012.00000", None
)

moments = st.sampled_from(["0000000010.00000", "0000000011.00000", "0000000012.00000"])


@st.composite
def ranges(draw: st.DrawFn) -> ShardRange:
    """What a replica may know: everything follows from the times and the state, as a range has one writer at a time."""
    timestamp, meta, state_time = draw(moments), draw(moments), draw(moments)
    state = draw(st.sampled_from([20, 40, 60]))
    return RANGE._replace(
        timestamp=timestamp,
        lower=timestamp[-8:],
        object_count=int(meta[:10]),
        meta_timestamp=meta,
        state=state,
        state_timestamp=state_time,
        epoch=f"{state}-{state_time}",
    )


@given(st.lists(ranges(), min_size=1, max_size=4))
def test_the_order_of_arrival_does_not_matter(known: list[ShardRange]) -> None:
    newest = max(found.timestamp for found in known)
    outcomes = set()
    for order in itertools.permutations(known):
        kept = None
        for told in (*order, *order):
            kept = merge(kept, told, OWN)
        assert kept is not None and kept.timestamp == newest
        outcomes.add(kept)
    assert len(outcomes) == 1


@given(ranges())
def test_what_is_known_changes_nothing(found: ShardRange) -> None:
    assert merge(found, found._replace(), OWN) is found


def test_each_attribute_has_its_clock() -> None:
    counts = RANGE._replace(object_count=9, bytes_used=90, tombstones=3, meta_timestamp="0000000020.00000")
    state = RANGE._replace(state=60, state_timestamp="0000000020.00000", epoch="0000000019.00000")
    expected = counts._replace(state=60, state_timestamp="0000000020.00000", epoch="0000000019.00000")
    assert merge(merge(RANGE, counts, OWN), state, OWN) == expected
    assert merge(RANGE, counts._replace(lower="x", deleted=1), OWN) == counts


def test_of_two_states_of_one_time_the_later_in_life_stays() -> None:
    assert merge(RANGE, RANGE._replace(state=40), OWN).state == 40
    assert merge(RANGE._replace(state=40), RANGE, OWN).state == 40


def test_a_newer_range_replaces_all_and_has_to_be_reported() -> None:
    newer = RANGE._replace(timestamp="0000000030.00000", lower="", meta_timestamp="0000000001.00000", reported=1)
    assert merge(RANGE, newer, OWN) == newer._replace(reported=0)
    assert merge(newer, RANGE, OWN) is newer


def test_a_report_counts_for_what_was_reported() -> None:
    assert merge(RANGE, RANGE._replace(reported=1), OWN).reported == 1
    counts = RANGE._replace(object_count=9, meta_timestamp="0000000020.00000")
    assert merge(RANGE._replace(reported=1), counts, OWN).reported == 0


def test_the_own_range_keeps_its_epoch() -> None:
    own = RANGE._replace(name=OWN, epoch="0000000019.00000")
    assert merge(own, RANGE._replace(name=OWN, timestamp="0000000040.00000"), OWN) is own
    assert merge(own, own._replace(timestamp="0000000040.00000"), OWN).timestamp == "0000000040.00000"


def test_sharding_has_begun_once_there_are_shards_to_go_to() -> None:
    own = RANGE._replace(name=OWN, state=60)
    assert is_sharding([own, RANGE], OWN)
    assert not is_sharding([own], OWN)
    assert not is_sharding([own._replace(state=40), RANGE], OWN)
    assert not is_sharding([own, RANGE._replace(deleted=1)], OWN)


@pytest.mark.parametrize("change", [{"name": 5}, {"state": "60"}, {"epoch": 7}, {"lower": None}])
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ShardRange.from_mapping(RANGE._asdict() | change)


def test_fields_that_older_replicas_do_not_know_have_defaults() -> None:
    row = RANGE._asdict()
    del row["reported"], row["tombstones"]
    assert ShardRange.from_mapping(row) == RANGE
    del row["name"]
    with pytest.raises(ValueError):
        ShardRange.from_mapping(row)
