"""OldRows: rows of deleted things that are removed for good, page by page (formats.md 4.7)."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

AT_ONCE = 10000
"""Deleted rows that one transaction looks at."""


class OldRows(NamedTuple):
    """Which rows go.

    :ivar column: the timestamp that says how old a deleted row is
    :ivar age: internal timestamp; what was deleted before it goes
    :ivar told: the last row that all replicas know of; others go when they are from before ``late_age``, too. None: all are
    """

    table: str
    column: str
    age: str
    late_age: str
    told: int | None

    def remove_page(self, connection: sqlite3.Connection, marker: str) -> tuple[int, str | None]:
        """Remove what is old among the next deleted rows, inside a transaction.

        :param marker: the name to begin with
        :returns: how many rows went, and the name to go on with; None at the end
        """
        sql = f"SELECT name FROM {self.table} WHERE deleted = 1 AND name >= ? ORDER BY name LIMIT 1 OFFSET ?"
        found = connection.execute(sql, (marker, AT_ONCE)).fetchone()
        end = found and found[0]
        sql = (
            f"DELETE FROM {self.table} WHERE deleted = 1 AND {self.column} < ? "
            f"AND (? IS NULL OR ROWID <= ? OR {self.column} < ?) AND name >= ?"
        )
        values = [self.age, self.told, self.told, self.late_age, marker]
        if end is not None:
            sql, values = f"{sql} AND name < ?", [*values, end]
        return connection.execute(sql, values).rowcount, end
