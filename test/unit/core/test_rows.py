"""Merging rows: the laws that let replicas agree, and the cases of formats.md 4.6."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.rows import (
    ContainerRow,
    ObjectReport,
    ObjectRow,
    check_report,
    first_row,
    merge,
    merge_container,
    split_swift_bytes,
)
from swiftlite.core.timestamp import Timestamp

moments = st.integers(min_value=100_000_000, max_value=100_000_020).map(lambda raw: Timestamp(0, delta=raw).internal)


def of_moment(data: str, content_type: str | None, metadata: str | None) -> ObjectReport:
    """A report whose values follow from their timestamps, as if each moment were one write."""
    seed = int(data[-3:])
    type_seed = int((content_type or data)[-3:])
    swift_bytes = f";swift_bytes={seed}" if seed % 3 == 0 else ""
    return ObjectReport(
        "o",
        data,
        seed,
        f"text/{type_seed};charset=utf-8{swift_bytes}",
        f"etag{seed}",
        seed % 2,
        0,
        content_type,
        metadata,
    )


reports = st.builds(of_moment, moments, st.none() | moments, st.none() | moments)


def as_report(row: ObjectRow) -> ObjectReport:
    """A row as replication sends it: with all its timestamps in created_at."""
    return ObjectReport(*row)


def merge_all(many: list[ObjectReport]) -> ObjectRow:
    row = functools.reduce(merge, many, None)
    assert row is not None
    return row


def facts(row: ObjectRow) -> tuple[object, ...]:
    """What readers see of a row: everything, its content type's parameters in any order."""
    content_type, swift_bytes = split_swift_bytes(row.content_type)
    return (*row[:3], content_type, swift_bytes, *row[4:])


@given(reports, reports)
def test_merging_is_commutative(first: ObjectReport, second: ObjectReport) -> None:
    assert facts(merge_all([first, second])) == facts(merge_all([second, first]))


@given(reports, reports, reports)
def test_merging_is_associative(first: ObjectReport, second: ObjectReport, third: ObjectReport) -> None:
    right = as_report(merge_all([second, third]))
    assert facts(merge_all([first, right])) == facts(merge_all([first, second, third]))


@given(reports)
def test_merging_is_idempotent(report: ObjectReport) -> None:
    row = first_row(report)
    assert merge(row, report) is row
    assert merge(row, as_report(row)) is row


@given(st.lists(reports, min_size=1, max_size=4))
def test_any_order_of_arrival_with_repeats_gives_one_row(many: list[ObjectReport]) -> None:
    expected = facts(merge_all(many))
    for order in itertools.permutations(many):
        assert facts(merge_all([*order, *order])) == expected


def report(
    data: float, content_type: float | None = None, metadata: float | None = None, **values: object
) -> ObjectReport:
    def spell(moment: float | None) -> str | None:
        return None if moment is None else Timestamp(moment).internal

    made = ObjectReport("o", Timestamp(data).internal, 1, "text/plain", "e")
    return made._replace(ctype_timestamp=spell(content_type), meta_timestamp=spell(metadata), **values)


def test_a_post_changes_times_alone() -> None:
    row = merge_all([report(1795334321.12398), report(1795334321.12398, metadata=1795334321.52517)])
    assert row.created_at == "1795334321.12398+0+9cb7"  # formats.md 11


def test_a_tie_keeps_what_is_there() -> None:
    row = first_row(report(1))
    assert merge(row, report(1, size=2, etag="other")) is row


def test_a_newer_content_type_keeps_the_bytes_of_the_data() -> None:
    row = first_row(report(1))._replace(content_type="text/plain; a=b;swift_bytes=9")
    merged = merge(row, report(1, 2)._replace(content_type="text/html; c=d;swift_bytes=7"))
    assert merged.content_type == "text/html;c=d;swift_bytes=9"


def test_a_deletion_is_a_newer_state_of_the_data() -> None:
    gone = ObjectReport("o", Timestamp(2).internal, 0, "application/deleted", "noetag", 1)
    assert merge_all([report(1), gone]).deleted == 1
    assert merge_all([gone, report(1)]).deleted == 1
    assert merge_all([gone, report(3)]).deleted == 0


@pytest.mark.parametrize(
    ("content_type", "bare", "swift_bytes"),
    [
        ("text/plain", "text/plain", None),
        ("text/plain; charset=utf-8", "text/plain;charset=utf-8", None),
        ("a/b;swift_bytes=5;x=y", "a/b;x=y", "5"),
        ('a/b; x="q;r" ; swift_bytes=7', 'a/b;x="q;r"', "7"),
        ('a/b;a="x\\"y;swift_bytes=1";b', 'a/b;a="x\\"y;swift_bytes=1";b=', None),
        ("a/b;x = 1", "a/b;x=1", None),
        ("a/b;", "a/b", None),
        ("", "", None),
        ("a/b;swift_bytes=3;swift_bytes=4", "a/b", "4"),
    ],
)
def test_splitting_swift_bytes(content_type: str, bare: str, swift_bytes: str | None) -> None:
    assert split_swift_bytes(content_type) == (bare, swift_bytes)


container_reports = st.builds(
    ContainerRow, st.just("c"), moments, moments, st.integers(0, 3), st.integers(0, 9), st.just(0), st.integers(0, 1)
)


@given(st.lists(container_reports, min_size=1, max_size=5))
def test_an_account_keeps_the_greatest_timestamps_and_the_last_counts_of_those_who_know_them(
    many: list[ContainerRow],
) -> None:
    row = functools.reduce(merge_container, many, None)
    assert row is not None
    assert row.put_timestamp == max(each.put_timestamp for each in many)
    assert row.delete_timestamp == max(each.delete_timestamp for each in many)
    newest = max(max(each[1:3]) for each in many)
    last = next(each for each in reversed(many) if max(each[1:3]) == newest)
    assert (row.object_count, row.bytes_used, row.storage_policy_index) == (*last[3:5], last.storage_policy_index)
    assert row.deleted == (row.delete_timestamp > row.put_timestamp and row.object_count == 0)
    assert merge_container(row, many[-1]) == row


def container_of_moment(put: str, delete: str) -> ContainerRow:
    """A report whose counts follow from what its sender knows, as if nothing else changed them."""
    count = int(max(put, delete)[-3:]) % 3
    return ContainerRow("c", put, delete, count, 10 * count, 0, count)


timely = st.builds(container_of_moment, moments, moments)


@given(st.lists(timely, min_size=1, max_size=4))
def test_rows_of_accounts_do_not_depend_on_the_order_of_arrival_or_repeats(many: list[ContainerRow]) -> None:
    expected = functools.reduce(merge_container, many, None)
    for order in itertools.permutations(many):
        assert functools.reduce(merge_container, [*order, *order], None) == expected
    assert expected is not None
    assert merge_container(expected, expected) == expected


@given(timely, timely, timely)
def test_merging_rows_of_accounts_is_associative(
    first: ContainerRow, second: ContainerRow, third: ContainerRow
) -> None:
    one_by_one = functools.reduce(merge_container, [first, second, third], None)
    assert merge_container(merge_container(None, first), merge_container(second, third)) == one_by_one


def test_a_replica_that_missed_the_deletion_brings_no_container_back() -> None:
    row = ContainerRow("c", "0000000002.00000", "0000000009.00000", 0, 0, 1)
    assert merge_container(row, ContainerRow("c", "0000000002.00000", "0", 5, 50)) == row


def test_fields_that_an_account_is_not_told_stay() -> None:
    row = ContainerRow("c", "0000000002.00000", "0", 3, 4)
    merged = merge_container(row, ("c", None, "0000000005.00000", None, None, 0, 1))
    assert merged == ContainerRow("c", "0000000002.00000", "0000000005.00000", 3, 4, 0, 1)


GOOD = ObjectReport("o", "0000000002.00000", 1, "t", "e")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"created_at": "0000000002.00000_1+2-1"},
        {"created_at": "0", "deleted": 1},
        {"ctype_timestamp": "0000000003.00000", "meta_timestamp": "0000000004.00000"},
        {"size": 2**63 - 1, "storage_policy_index": 7},
    ],
)
def test_reports_that_are_good(change: dict) -> None:
    check_report(GOOD._replace(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": "\ud800"},
        {"etag": 5},
        {"size": None},
        {"size": "1"},
        {"size": 2**63},
        {"deleted": 2},
        {"deleted": "1"},
        {"deleted": None},
        {"storage_policy_index": None},
        {"created_at": "yesterday"},
        {"created_at": "x" * 16},
        {"created_at": 2.0},
        {"ctype_timestamp": "x"},
        {"meta_timestamp": 5},
    ],
    ids=repr,
)
def test_reports_that_no_container_can_keep(change: dict) -> None:
    with pytest.raises(ValueError):
        check_report(GOOD._replace(**change))


def test_a_row_has_its_timestamp_in_the_one_spelling() -> None:
    assert first_row(GOOD._replace(created_at="1.00000000000e09")).created_at == "1000000000.00000"
