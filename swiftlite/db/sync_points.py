"""SyncPoints: up to which row number a database knows the rows of its replicas, and they its own (formats.md 4.2, 4.8)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from swiftlite.core.rows import is_storable
from swiftlite.db.access import DatabaseFile

UNTAKEN = -1
"""The sync point of a replica of which it is not known that any row was taken."""


class BadRow(ValueError):
    """A row, a sync point or metadata that no database can keep; says why."""


class SyncPoints(DatabaseFile):
    """What a database remembers of its replicas.

    A point that covers a row which was never taken would hide that row for ever. So where rows come in several steps, and
    the file may be replaced by another one in between, points are raised from a known point only.
    """

    def sync_point(self, remote_id: str, incoming: bool = True) -> int:
        """Up to which row number another replica's rows are known here, or ours there; -1: none.

        :param incoming: theirs, known here
        """
        sql = f"SELECT sync_point FROM {_table(incoming)} WHERE remote_id = ?"
        with self.connection() as connection:
            found = self._select(connection, sql, (remote_id,)).fetchall()
        return found[0][0] if found else UNTAKEN

    def sync_points(self, incoming: bool = True) -> list[dict[str, Any]]:
        """All of them: ``remote_id`` and ``sync_point``."""
        with self.connection() as connection:
            return dictionaries(self._select(connection, f"SELECT remote_id, sync_point FROM {_table(incoming)}"))

    def merge_sync_points(
        self, points: Sequence[Mapping[str, Any]], incoming: bool = True, in_session: bool = False
    ) -> None:
        """Take over sync points that are higher than those known here.

        :param in_session: whether they end a session in which rows came; a database that remembers no replica at all has
            been made since that began, and takes none of them
        :raises BadRow: when they are none
        """
        try:
            pairs = [(point["remote_id"], point["sync_point"]) for point in points]
        except (KeyError, TypeError) as error:
            raise BadRow(f"a sync point lacks a field: {error!r}") from None
        if not all(isinstance(name, str) and isinstance(row, int) and is_storable((name, row)) for name, row in pairs):
            raise BadRow("a sync point has a field of the wrong type")
        with self.transaction() as connection:
            if in_session and not connection.execute("SELECT 1 FROM incoming_sync LIMIT 1").fetchall():
                return
            for name, row in pairs:
                connection.execute(
                    f"INSERT INTO {_table(incoming)} (sync_point, remote_id) VALUES (?, ?) "
                    "ON CONFLICT (remote_id) DO UPDATE SET sync_point = MAX(excluded.sync_point, sync_point)",
                    (row, name),
                )

    def lower_sync_point(self, remote_id: str, row: int) -> None:
        """Forget that more rows of a replica are known here than it has: it has lost the last ones, to a power cut say."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE incoming_sync SET sync_point = MIN(sync_point, ?) WHERE remote_id = ?", (row, remote_id)
            )

    def note_same_rows(self, remote_id: str, rows_hash: str, until: int) -> None:
        """Remember that another replica's rows are known here up to a number, if the hash of the rows here is its own."""
        with self.transaction() as connection:
            connection.execute(
                f"INSERT INTO incoming_sync (sync_point, remote_id) SELECT ?, ? FROM {self.stat_table} WHERE hash = ? "
                "ON CONFLICT (remote_id) DO UPDATE SET sync_point = MAX(excluded.sync_point, sync_point)",
                (until, remote_id, rows_hash),
            )


def raise_known_point(connection: sqlite3.Connection, remote_id: str, row: int, since: int) -> None:
    """Raise a sync point, inside the transaction that took the rows, if it has come as far as ``since`` already."""
    connection.execute(
        "UPDATE incoming_sync SET sync_point = MAX(?, sync_point) WHERE remote_id = ? AND sync_point >= ?",
        (row, remote_id, since),
    )


def _table(incoming: bool) -> str:
    return "incoming_sync" if incoming else "outgoing_sync"


def dictionaries(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    """The rows of a query by the names of its columns; the query is finished."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
