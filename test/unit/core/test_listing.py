"""Listings: equal to a naive model over random names and queries, and never slower than one look a result."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swiftlite.core.listing import (
    ListingQuery,
    NameRange,
    RollUp,
    Row,
    Subdir,
    beyond,
    collect,
    first_range,
    next_after,
)

texts = st.text(alphabet="ab/-\x00\x01é😀\ud7ff\uffff\U0010ffff", max_size=6)
short = st.text(alphabet="ab/-é\U0010ffff", max_size=3)
queries = st.builds(
    ListingQuery,
    limit=st.integers(0, 12),
    marker=texts | st.just(""),
    end_marker=texts | st.just(""),
    prefix=short,
    delimiter=st.sampled_from(["", "/", "-", "a", "//", "/-", "\U0010ffff"]),
    path=st.none() | st.sampled_from(["", "a", "a/", "a/b", "b"]),
    reverse=st.booleans(),
    allow_reserved=st.booleans(),
)


class Table:
    """Sorted rows that count how often they are asked."""

    def __init__(self, names: set[str], reverse: bool) -> None:
        self.names = sorted(names)
        self.reverse = reverse
        self.looks = 0
        self.read = 0

    def rows(self, wanted: NameRange, count: int) -> Iterator[Row]:
        self.looks += 1
        find = bisect.bisect_left if wanted.inclusive else bisect.bisect_right
        low = find(self.names, wanted.low)
        high = len(self.names) if wanted.high is None else bisect.bisect_left(self.names, wanted.high)
        chosen = self.names[low:high]
        for name in (chosen[::-1] if self.reverse else chosen)[:count]:
            self.read += 1
            yield (name, "row")

    def firsts(self, wanted: NameRange, rule: RollUp) -> Iterator[str]:
        rest: NameRange | None = wanted
        # Sometimes fewer than asked for: no walker may take that for the end.
        for _ in range(3):
            name = next((row[0] for row in self.rows(rest, 1)), None) if rest else None
            if name is None:
                return
            yield name
            subdir = rule.subdir(name)
            if subdir is None:
                return
            rest = beyond(subdir, rest, rule, self.reverse)


def naive(names: set[str], query: ListingQuery) -> list[str | Subdir]:
    """The same answer from first principles: look at every name."""
    prefix, delimiter = query.prefix, query.delimiter
    if query.path is not None:
        prefix, delimiter = (query.path.rstrip("/") + "/" if query.path else ""), "/"
    after, before = (query.end_marker, query.marker) if query.reverse else (query.marker, query.end_marker)
    shown: dict[str | Subdir, None] = {}
    for name in sorted(names, reverse=query.reverse):
        if not name.startswith(prefix) or (after and name <= after) or (before and name >= before):
            continue
        if not query.allow_reserved and name < "\x01":
            continue
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        rolled = name[: cut + len(delimiter)] if cut >= 0 else None
        if query.path is not None:
            if name != prefix and rolled in (None, name):
                shown[name] = None
        elif rolled is None:
            shown[name] = None
        elif rolled != (query.end_marker if query.reverse else query.marker):
            shown[Subdir(rolled)] = None
    return list(shown)[: query.limit]


@given(st.sets(texts.filter(bool), max_size=30), queries)
@example({"a/", "a/b", "a/\x00", "a0"}, ListingQuery(path="", reverse=True, allow_reserved=True))
@example({"a\U0010ffff", "b"}, ListingQuery(delimiter="\U0010ffff"))
@example({"\ud7ff"}, ListingQuery(prefix="\ud7ff"))
def test_listing_equals_the_naive_model(names: set[str], query: ListingQuery) -> None:
    table = Table(names, query.reverse)
    found = [row if isinstance(row, Subdir) else row[0] for row in collect(query, table)]
    assert found == naive(names, query)


@given(st.sets(texts.filter(bool), max_size=30), queries)
def test_pages_together_are_the_whole_listing(names: set[str], query: ListingQuery) -> None:
    if query.path is not None or query.reverse:  # a reversed roll-up is no marker to go on from
        query = ListingQuery(marker=query.marker, prefix=query.prefix, delimiter=query.delimiter)
    whole = ListingQuery(1000, query.marker, query.end_marker, query.prefix, query.delimiter)
    expected = [row[0] for row in collect(whole, Table(names, False))]
    found: list[str] = []
    marker = query.marker
    while True:
        page = ListingQuery(2, marker, query.end_marker, query.prefix, query.delimiter)
        entries = [row[0] for row in collect(page, Table(names, False))]
        if not entries:
            break
        found += entries
        marker = entries[-1]
    assert found == expected


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("query", [{"delimiter": "/"}, {"path": ""}])
def test_a_roll_up_is_leapt_over(query: dict[str, str], reverse: bool) -> None:
    table = Table({f"{first}/{second}" for first in "abc" for second in range(1000)}, reverse)
    found = collect(ListingQuery(reverse=reverse, **query), table)
    assert len(found) == (3 if "delimiter" in query else 0)
    assert table.looks <= 6
    assert table.read == 3


@given(texts)
def test_next_after_is_the_least_bound_of_a_prefix(prefix: str) -> None:
    bound = next_after(prefix)
    if bound is None:
        assert set(prefix) <= {"\U0010ffff"}
        return
    assert bound > prefix + "\U0010ffff" * 3
    assert not bound.startswith(prefix)
    bound.encode()  # never a surrogate


def test_the_first_range_has_all_bounds() -> None:
    assert first_range(ListingQuery()) == NameRange("\x01", True, None)
    assert first_range(ListingQuery(marker="b", prefix="a")) == NameRange("b", False, "b")
    assert first_range(ListingQuery(marker="b", end_marker="a", reverse=True)) == NameRange("a", False, "b")
    assert first_range(ListingQuery(allow_reserved=True)) == NameRange("", True, None)
