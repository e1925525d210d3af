"""Walks the sorted names of a database for a listing: within one state of it, by leaps, with pauses (formats.md 5.2)."""

from __future__ import annotations

import functools
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from swiftlite.common.concurrency import sleep
from swiftlite.core.listing import ListingQuery, NameRange, Row, collect
from swiftlite.db.connections import until_unlocked

ROWS_AT_ONCE = 1000
"""Rows to read before others may run: a millisecond or two."""
ROWS_OF_A_LEAP = 10
"""A query costs as much as reading so many rows."""
HELD_AT_MOST = 1.0
"""Seconds after which a walk lets go of the database's lock, because writers wait for it."""


class Page(NamedTuple):
    """A page of a listing, and the state of the database that it was read from.

    :param info: as of ``get_info``, of the same moment as the rows
    :param rows: rows, and a Subdir for each roll-up
    :param one_moment: False where the walk took so long that others were let in meanwhile
    """

    info: dict[str, Any]
    rows: list[Row]
    one_moment: bool


def walk(
    connection: sqlite3.Connection, select: str, values: Sequence[Any], query: ListingQuery
) -> tuple[list[Row], bool]:
    """The rows and Subdirs that answer a query, and whether all are of one moment.

    :param connection: inside a transaction of its own
    :param select: SQL that chooses among all names, with a WHERE clause to be gone on with; the name comes first
    :param values: its parameters
    """
    walker = _Walk(connection, select, values, query.reverse)
    try:
        return collect(query, walker.fetch), walker.one_moment
    finally:
        walker.cursor.close()  # a statement that is not finished would keep the file locked


class _Walk:
    def __init__(self, connection: sqlite3.Connection, select: str, values: Sequence[Any], reverse: bool) -> None:
        self.connection = connection
        self.cursor = connection.cursor()
        self.select = select
        self.values = values
        self.reverse = reverse
        self.one_moment = True
        self._done = 0
        self._began = time.monotonic()

    def fetch(self, names: NameRange, count: int) -> Iterator[Row]:
        """At most ``count`` rows of a range, in the direction of the listing."""
        self._done += ROWS_OF_A_LEAP
        if self._done >= ROWS_AT_ONCE:
            self._pause()
        sql = _sql(self.select, names.inclusive, names.high is not None, self.reverse)
        bounds = (names.low, count) if names.high is None else (names.low, names.high, count)
        until_unlocked(lambda: self.cursor.execute(sql, (*self.values, *bounds)))
        for row in self.cursor:
            yield row
            self._done += 1
            if self._done >= ROWS_AT_ONCE:
                self._done = 0
                sleep()

    def _pause(self) -> None:
        """Let others run between two queries; after a long time, also those who want to write."""
        self._done = 0
        held = time.monotonic() - self._began
        if held < HELD_AT_MOST:
            sleep()
            return
        self.cursor.close()
        self.connection.execute("ROLLBACK")
        sleep(held / 100)  # long enough for one who tries again every few milliseconds
        self.connection.execute("BEGIN")
        self.cursor = self.connection.cursor()
        self.one_moment = False
        self._began = time.monotonic()


@functools.lru_cache
def _sql(select: str, inclusive: bool, has_high: bool, reverse: bool) -> str:
    return (
        f"{select} AND name {'>=' if inclusive else '>'} ? {'AND name < ? ' if has_high else ''}"
        f"ORDER BY name {'DESC ' if reverse else ''}LIMIT ?"
    )
