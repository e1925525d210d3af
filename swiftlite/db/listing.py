"""Walks the sorted names of a database for a listing: by leaps, and with pauses for others (formats.md 5.2)."""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from swiftlite.common.concurrency import sleep
from swiftlite.core.listing import ListingQuery, NameRange, RollUp, Row, collect, next_after
from swiftlite.db.connections import until_unlocked

COST_AT_ONCE = 1000
"""Rows to read before others may run, a millisecond or two; other work counts as so many rows:"""
COST_OF_A_QUERY = 10
COST_OF_A_LEAP = 3
MOST_LEAPS = 10_000
"""Leaps of one query: between two of them a walk can let go of the lock."""
HELD_AT_MOST = 1.0
"""Seconds after which a walk lets go of the database's lock, because writers wait for it."""


class Page(NamedTuple):
    """A page of a listing, and the state of the database that it was read from.

    :param info: as of ``get_info``, of the same moment as the rows; only a walk that takes long goes on in later ones
    :param rows: rows, and a Subdir for each roll-up
    """

    info: dict[str, Any]
    rows: list[Row]


class Listed(NamedTuple):
    """What of a database is listed.

    :param columns: of a row; the name comes first
    :param source: SQL: a table, and a WHERE clause that can be gone on with
    """

    columns: str
    source: str


def walk(connection: sqlite3.Connection, listed: Listed, values: Mapping[str, Any], query: ListingQuery) -> list[Row]:
    """The rows and Subdirs that answer a query.

    :param connection: inside a transaction of its own
    :param values: the parameters of ``listed``
    """
    names = _Names(connection, listed, values, query.reverse)
    try:
        return collect(query, names)
    finally:
        names.cursor.close()  # a statement that is not finished would keep the file locked


class _Names:
    """The names of a database as `SortedNames`."""

    def __init__(
        self, connection: sqlite3.Connection, listed: Listed, values: Mapping[str, Any], reverse: bool
    ) -> None:
        self.connection = connection
        self.cursor = connection.cursor()
        self.listed = listed
        self.values = values
        self.reverse = reverse
        self._cost = 0
        self._began = time.monotonic()

    def rows(self, names: NameRange, count: int) -> Iterator[Row]:
        sql = _rows_sql(self.listed, names.inclusive, names.high is not None, self.reverse)
        return self._run(sql, {"low": names.low, "high": names.high, "count": count}, 1)

    def firsts(self, names: NameRange, rule: RollUp) -> Iterator[str]:
        last = rule.delimiter[-1]
        after = "" if self.reverse else next_after(last)
        if after is None:  # what sorts after the last character of all is no matter of one character
            return (row[0] for row in self.rows(names, 1))
        values = {
            "low": names.low,
            "high": names.high,
            "count": MOST_LEAPS,
            "delimiter": rule.delimiter.encode(),
            "start": len(rule.prefix.encode()) + 1,
            "kept": len(rule.delimiter.encode()) - (0 if self.reverse else len(last.encode())),
            "after": b"\x00" if self.reverse and rule.children_only else after.encode(),
        }
        sql = _firsts_sql(self.listed, names.inclusive, names.high is not None, self.reverse, rule.children_only)
        return (name.decode() for (name,) in self._run(sql, values, COST_OF_A_LEAP))

    def _run(self, sql: str, values: dict[str, Any], cost: int) -> Iterator[Any]:
        """The rows of a query, with pauses."""
        self._cost += COST_OF_A_QUERY
        if self._cost >= COST_AT_ONCE:
            self._pause()
        values |= self.values
        until_unlocked(lambda: self.cursor.execute(sql, values))
        for row in self.cursor:
            yield row
            self._cost += cost
            if self._cost >= COST_AT_ONCE:
                self._cost = 0
                sleep()

    def _pause(self) -> None:
        """Let others run between two queries; after a long time, also those who want to write."""
        self._cost = 0
        held = time.monotonic() - self._began
        if held < HELD_AT_MOST:
            sleep()
            return
        self.cursor.close()
        self.connection.execute("ROLLBACK")
        sleep(held / 10)
        self.connection.execute("BEGIN")
        self.cursor = self.connection.cursor()
        self._began = time.monotonic()


@functools.lru_cache
def _rows_sql(listed: Listed, inclusive: bool, has_high: bool, reverse: bool) -> str:
    low, high = _bounds(inclusive, has_high)
    return f"SELECT {listed.columns} FROM {listed.source} {low} {high} {_order(reverse)} LIMIT :count"


@functools.lru_cache
def _firsts_sql(listed: Listed, inclusive: bool, has_high: bool, reverse: bool, children_only: bool) -> str:
    """Leap from roll-up to roll-up inside SQLite: four times as fast as one query a leap.

    Names are cut as bytes: SQLite's functions of text stop at a NUL, and in UTF-8 both find the same places.
    """
    low, high = _bounds(inclusive, has_high)
    found = "instr(substr(first, :start), :delimiter)"
    bound = f"CAST(substr(first, 1, :start + {found} - 2 + :kept) || :after AS TEXT)"
    next_low, next_high = (low, f"AND name < {bound}") if reverse else (f"AND name >= {bound}", high)
    child = f"AND :start + {found} - 2 + length(:delimiter) < length(first)" if children_only else ""
    name = f"SELECT CAST(name AS BLOB) FROM {listed.source}"
    return (
        f"WITH RECURSIVE leap (first) AS ("
        f"SELECT ({name} {low} {high} {_order(reverse)} LIMIT 1) UNION ALL "
        f"SELECT ({name} {next_low} {next_high} {_order(reverse)} LIMIT 1) FROM leap WHERE {found} > 0 {child}"
        f") SELECT first FROM leap WHERE first IS NOT NULL LIMIT :count"
    )


def _bounds(inclusive: bool, has_high: bool) -> tuple[str, str]:
    return f"AND name {'>=' if inclusive else '>'} :low", "AND name < :high" if has_high else ""


def _order(reverse: bool) -> str:
    return "ORDER BY name DESC" if reverse else "ORDER BY name"
