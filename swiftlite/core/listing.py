"""What a listing asks for, and how to walk sorted names so that it is answered with few looks (formats.md 5.2, 7.7)."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Row = Sequence[Any]
"""A row of a listing; its first field is the name."""

_FIRST_ORDINARY = "\x01"
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class NameRange(NamedTuple):
    """A stretch of sorted names.

    :param low: where it begins
    :param inclusive: whether ``low`` itself belongs to it
    :param high: the first name beyond it, or None for no end
    """

    low: str
    inclusive: bool
    high: str | None

    def covers(self, name: str) -> bool:
        """Whether the name lies in it."""
        above = name >= self.low if self.inclusive else name > self.low
        return above and (self.high is None or name < self.high)


class Subdir(NamedTuple):
    """Names rolled up to their common beginning, which ends with the delimiter."""

    name: str


class RollUp(NamedTuple):
    """Which names are rolled up.

    :param prefix: all names that are looked at begin with it
    :param delimiter: names that hold it after the prefix are rolled up to it
    :param children_only: a name that ends with its first delimiter is a child like others, and not rolled up
    """

    prefix: str
    delimiter: str
    children_only: bool

    def subdir(self, name: str) -> str | None:
        """What a name is rolled up to; None when it is not."""
        cut = name.find(self.delimiter, len(self.prefix))
        if cut < 0:
            return None
        end = cut + len(self.delimiter)
        return None if self.children_only and end == len(name) else name[:end]


class SortedNames(Protocol):
    """Rows in the order of their names, or in the reverse order: what a listing is collected from."""

    def rows(self, names: NameRange, count: int) -> Iterable[Row]:
        """The rows of a range, at most so many; lazily, because not all may be wanted."""
        ...

    def firsts(self, names: NameRange, rule: RollUp) -> Iterable[str]:
        """The first name of each roll-up of a range, up to and with the first name that is not rolled up; lazily.

        They may be fewer, but none means that there are none.
        """
        ...


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One request for a listing; empty text means not asked for.

    :param limit: most entries to answer
    :param marker: entries come after this name (before it in reverse)
    :param end_marker: entries come before this name (after it in reverse)
    :param prefix: names begin with it
    :param delimiter: names that hold it after the prefix are rolled up to it
    :param path: only the children of this pseudo-directory, as prefix ``path/`` and delimiter ``/``; None: not asked
    :param reverse: from the last name to the first
    :param allow_reserved: show names of the reserved namespace too (formats.md 1.7)
    """

    limit: int = 10000
    marker: str = ""
    end_marker: str = ""
    prefix: str = ""
    delimiter: str = ""
    path: str | None = None
    reverse: bool = False
    allow_reserved: bool = False


def next_after(prefix: str) -> str | None:
    """The first text that sorts after everything beginning with ``prefix``; None when there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        if code in _SURROGATES:  # they cannot be written in UTF-8
            code = _SURROGATES.stop
        if code <= _LAST_CHARACTER:
            return prefix[:-1] + chr(code)
        prefix = prefix[:-1]
    return None


def effective_prefix(query: ListingQuery) -> str:
    """The prefix that a query means: its own, or the one its path stands for."""
    if query.path is None:
        return query.prefix
    return query.path.rstrip("/") + "/" if query.path else ""


def first_range(query: ListingQuery) -> NameRange:
    """Where the names that a query may show lie."""
    after, before = (query.end_marker, query.marker) if query.reverse else (query.marker, query.end_marker)
    prefix = effective_prefix(query)
    low, inclusive, high = prefix, True, next_after(prefix)
    if after and after >= low:
        low, inclusive = after, False
    if before and (high is None or before < high):
        high = before
    if not query.allow_reserved and low < _FIRST_ORDINARY:
        low, inclusive = _FIRST_ORDINARY, True
    return NameRange(low, inclusive, high)


def roll_up(query: ListingQuery) -> RollUp | None:
    """The rule that a query's delimiter or path stands for; None when it has neither."""
    if query.path is not None:
        return RollUp(effective_prefix(query), "/", True)
    return RollUp(query.prefix, query.delimiter, False) if query.delimiter else None


def collect(query: ListingQuery, names: SortedNames) -> list[Row]:
    """Answer a query from sorted rows.

    :param names: where to look, in the query's direction
    :returns: rows, and a Subdir for each roll-up
    """
    rule = roll_up(query)
    if query.limit <= 0:
        return []
    if rule is None:
        return list(names.rows(first_range(query), query.limit))
    return list(itertools.islice(_walk(query, rule, names), query.limit))


def _walk(query: ListingQuery, rule: RollUp, names: SortedNames) -> Iterator[Row]:
    rest: NameRange | None = first_range(query)
    while rest is not None:
        rest = yield from _leap(rest, query, rule, names)
        if rest is not None:
            rest = yield from _step(rest, query, rule, names)


def _leap(
    rest: NameRange | None, query: ListingQuery, rule: RollUp, names: SortedNames
) -> Generator[Row, None, NameRange | None]:
    """Go from roll-up to roll-up; return what begins with the first name that is not rolled up."""
    hidden = query.end_marker if query.reverse else query.marker  # a subdir equal to it was shown before
    while rest is not None:
        last = None
        for name in names.firsts(rest, rule):
            subdir = rule.subdir(name)
            if subdir is None:
                return _from(name, rest, query.reverse)
            if not rule.children_only and subdir != hidden:
                yield Subdir(subdir)
            last = subdir
        rest = None if last is None else beyond(last, rest, rule, query.reverse)
    return None


def _step(
    rest: NameRange, query: ListingQuery, rule: RollUp, names: SortedNames
) -> Generator[Row, None, NameRange | None]:
    """Go from row to row; return what begins with the first name that is rolled up."""
    for row in names.rows(rest, query.limit + 1):
        name = row[0]
        if rule.subdir(name) is not None:
            return _from(name, rest, query.reverse)
        if not (rule.children_only and name == rule.prefix):
            yield row
    return None


def beyond(subdir: str, names: NameRange, rule: RollUp, reverse: bool) -> NameRange | None:
    """What is left of a range once everything that is rolled up to ``subdir`` has been dealt with."""
    if reverse:
        # An object that is named like the subdir is itself a child, and still to come.
        high = subdir + "\x00" if rule.children_only and names.covers(subdir) else subdir
        return NameRange(names.low, names.inclusive, high)
    low = next_after(subdir)
    return None if low is None else NameRange(low, True, names.high)


def _from(name: str, names: NameRange, reverse: bool) -> NameRange:
    """What of a range begins with a name that lies in it."""
    return NameRange(names.low, names.inclusive, name + "\x00") if reverse else NameRange(name, True, names.high)
