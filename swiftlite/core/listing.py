"""What a listing asks for, and how to walk sorted names so that it is answered with few looks (formats.md 5.2, 7.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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


def collect(query: ListingQuery, fetch: Callable[[NameRange, int], Iterable[Row]]) -> list[Row]:
    """Answer a query from sorted rows.

    :param fetch: gives the rows of a range in the query's direction, at most so many; it is asked again whenever the
        walk can leap over names that have been rolled up, so it should be lazy
    :returns: rows, and a Subdir for each roll-up
    """
    wanted = first_range(query)
    if query.limit <= 0:
        return []
    if query.path is None and not query.delimiter:
        return list(fetch(wanted, query.limit))
    return _collect_rolled(query, wanted, fetch)


def _collect_rolled(
    query: ListingQuery, wanted: NameRange | None, fetch: Callable[[NameRange, int], Iterable[Row]]
) -> list[Row]:
    prefix = effective_prefix(query)
    delimiter = "/" if query.path is not None else query.delimiter
    hidden = query.end_marker if query.reverse else query.marker  # a subdir equal to it was shown before
    found: list[Row] = []
    while wanted is not None and len(found) < query.limit:
        remaining, wanted = wanted, None
        for row in fetch(remaining, query.limit - len(found) + 1):
            name = row[0]
            cut = name.find(delimiter, len(prefix))
            if cut >= 0 and not (query.path is not None and cut + len(delimiter) == len(name)):
                subdir = name[: cut + len(delimiter)]
                if query.path is None and subdir != hidden:
                    found.append(Subdir(subdir))
                wanted = _beyond(query, remaining, subdir)
                break
            if query.path is None or name != prefix:
                found.append(row)
            if len(found) >= query.limit:
                break
    return found


def _beyond(query: ListingQuery, remaining: NameRange, subdir: str) -> NameRange | None:
    """What is left of a range once everything that begins with ``subdir`` has been dealt with."""
    if query.reverse:
        # With a path, an object that is named like the subdir is a child of its own and still to come.
        high = subdir + "\x00" if query.path is not None and remaining.covers(subdir) else subdir
        return NameRange(remaining.low, remaining.inclusive, high)
    low = next_after(subdir)
    return None if low is None else NameRange(low, True, remaining.high)
