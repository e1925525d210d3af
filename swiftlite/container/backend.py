"""ContainerBroker: a container's database: its object rows, its counts, its life (formats.md 4.3)."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from swiftlite.core.listing import ListingQuery, Row
from swiftlite.core.rows import DELETED_ETAG, DELETED_TYPE, ZERO_LIKE, ObjectReport, ObjectRow, check_report, merge
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import pending
from swiftlite.db.broker import DatabaseBroker, DatabaseMissing, Refuse, dictionaries
from swiftlite.db.listing import Listed, Page, walk
from swiftlite.db.schema import CONTAINER_SCHEMA

_REPORTED = ("put_timestamp", "delete_timestamp", "object_count", "bytes_used")
_LOOKED_UP_AT_ONCE = 400
_LISTED = Listed(
    "name, created_at, size, content_type, etag", "object WHERE deleted = 0 AND storage_policy_index = :policy_index"
)
_COLUMNS = "name, created_at, size, content_type, etag, deleted, storage_policy_index"
_KEPT_BY_DELETE = ("X-Container-Sysmeta-Sharding", "X-Container-Sysmeta-Shard-")

Key = tuple[str, int]
"""What makes a row the row it is: name and policy index."""


def is_deleted(info: dict[str, Any]) -> bool:
    """Whether a container is deleted: it holds no objects of its policy, and was deleted after its last PUT."""
    deleted_after_put = Timestamp(info["delete_timestamp"]) > Timestamp(info["put_timestamp"])
    return deleted_after_put and info["object_count"] in ZERO_LIKE


class NotDeletable(Exception):
    """A container that must not be deleted; says why."""


class ContainerBroker(DatabaseBroker):
    """A container's database on one device; see :class:`swiftlite.db.broker.DatabaseBroker`."""

    kind = "container"
    schema = CONTAINER_SCHEMA
    stat_table = "container_stat"
    row_table = "object"
    reclaim_column = "created_at"

    def _fill(self, connection: sqlite3.Connection, put_timestamp: str, policy_index: int, now: str) -> None:
        connection.execute("INSERT INTO policy_stat (storage_policy_index) VALUES (?)", (policy_index,))
        connection.execute(
            "INSERT INTO container_info (account, container, created_at, id, put_timestamp, status_changed_at, "
            "storage_policy_index) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self.account, self.container, now, self.new_id(), put_timestamp, put_timestamp, policy_index),
        )

    def _blanked_by_delete(self, key: str) -> bool:
        return not key.startswith(_KEPT_BY_DELETE)

    # Writing ------------------------------------------------------------------------------------------------

    def put_object(self, report: ObjectReport) -> None:
        """Accept what an object server tells about an object.

        :raises DatabaseMissing: when there is no database
        """
        self.append(report)

    def delete_object(self, name: str, timestamp: str, policy_index: int = 0) -> None:
        """Accept that an object was deleted at an internal timestamp."""
        self.append(ObjectReport(name, timestamp, 0, DELETED_TYPE, DELETED_ETAG, 1, policy_index))

    def delete_if_empty(self, timestamp: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Delete the container at an internal timestamp, with its metadata; no row can come in between.

        :returns: what the database said of itself before, and what it says after
        :raises NotDeletable: when any policy has an object here, or there is a newer PUT; nothing is changed then
        :raises DatabaseMissing: when there is no database
        """
        with self._all_merged() as connection:
            before = self._info(connection)
            if connection.execute("SELECT 1 FROM policy_stat WHERE object_count > 0 LIMIT 1").fetchone():
                raise NotDeletable("The container is not empty.")
            if max(Timestamp(timestamp), Timestamp(before["delete_timestamp"])) <= Timestamp(before["put_timestamp"]):
                raise NotDeletable("The container was created after that time.")
            self._delete(connection, timestamp)
            return before, self._info(connection)

    @contextmanager
    def _all_merged(self) -> Iterator[sqlite3.Connection]:
        """A transaction with all rows that were accepted; while it lasts, nobody can accept another."""
        if not self.exists:
            raise DatabaseMissing(self.path)
        try:
            with pending.directory_lock(self.directory, self.patience.seconds):
                self.commit_pending_locked()
                with self.transaction() as connection:
                    yield connection
        except FileNotFoundError:
            raise DatabaseMissing(self.path) from None

    def _record(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return (
            *(row[column] for column in ("name", "created_at", "size", "content_type", "etag")),
            *(row.get(column, 0) for column in ("deleted", "storage_policy_index")),
            *(row.get(column) for column in ("ctype_timestamp", "meta_timestamp")),
        )

    def _is_deleted(self, info: dict[str, Any]) -> bool:
        return is_deleted(info)

    def _merge(self, connection: sqlite3.Connection, records: Iterable[tuple[Any, ...]], refuse: Refuse) -> None:
        reports = list(_readable(records, refuse))
        known = _rows_of(connection, {report.name for report in reports})
        merged: dict[Key, ObjectRow] = {}
        for report in reports:
            key = (report.name, report.storage_policy_index)
            row = merged.get(key) or known.get(key)
            try:
                settled = merge(row, report)
            except ValueError as error:
                refuse(report, error)
                continue
            if settled is not row:
                merged[key] = settled
        connection.executemany(
            "DELETE FROM object WHERE deleted IN (0, 1) AND name = ? AND storage_policy_index = ?",
            [key for key in merged if key in known],
        )
        connection.executemany(f"INSERT INTO object ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", merged.values())

    # Reading ------------------------------------------------------------------------------------------------

    def _info(self, connection: sqlite3.Connection) -> dict[str, Any]:
        return self._stat(connection) | {"db_state": "unsharded"}

    def _replication_info(self, connection: sqlite3.Connection) -> dict[str, Any]:
        return super()._replication_info(connection) | {"shard_max_row": self._sequence(connection, "shard_range")}

    def policy_stats(self) -> dict[int, tuple[int, int]]:
        """Policy index -> (object count, bytes used) of every policy that has had rows here."""
        return {
            index: (count, used) for index, (count, used) in self._policy_counts("object_count, bytes_used").items()
        }

    def empty(self) -> bool:
        """Whether no policy has an object here."""
        return all(count <= 0 for count, _ in self.policy_stats().values())

    def page(self, query: ListingQuery, policy_index: int | None = None) -> Page:
        """Rows ``(name, created_at, size, content_type, etag)`` and Subdirs that answer a query, with the info.

        :param policy_index: whose rows; None: those of the container's own policy
        :raises DatabaseMissing: when there is no database
        """
        self.commit_pending()
        with self.snapshot() as connection:
            info = self._info(connection)
            index = info["storage_policy_index"] if policy_index is None else policy_index
            return Page(info, walk(connection, _LISTED, {"policy_index": index}, query))

    def list_objects(self, query: ListingQuery, policy_index: int = 0) -> list[Row]:
        """The rows of a page alone."""
        return self.page(query, policy_index).rows

    # Reports and policy -------------------------------------------------------------------------------------

    def set_reported(self, put_timestamp: str, delete_timestamp: str, object_count: int, bytes_used: int) -> None:
        """Remember what the account servers have been told."""
        self._execute(
            "UPDATE container_stat SET reported_put_timestamp = ?, reported_delete_timestamp = ?, "
            "reported_object_count = ?, reported_bytes_used = ?",
            (put_timestamp, delete_timestamp, object_count, bytes_used),
        )

    def is_reported(self) -> bool:
        """Whether the account servers know all that they should of this container."""
        info = self.get_info()
        return all(info[name] == info[f"reported_{name}"] for name in _REPORTED)

    def is_reclaimable(self, now: float, reclaim_age: float) -> bool:
        """Whether nobody needs the database any more, the account servers included."""
        return super().is_reclaimable(now, reclaim_age) and self.is_reported()

    def set_storage_policy_index(self, policy_index: int, timestamp: str) -> None:
        """Move the container to a policy; its status changes at that internal timestamp if it was another one.

        Then other rows are misplaced than before, so that none of them counts as queued for the reconciler.
        """
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO policy_stat (storage_policy_index) VALUES (?)", (policy_index,))
            connection.execute(
                "UPDATE container_stat SET storage_policy_index = ?, status_changed_at = MAX(?, status_changed_at), "
                "reconciler_sync_point = -1 WHERE storage_policy_index <> ?",
                (policy_index, timestamp, policy_index),
            )

    def misplaced_since(self, row: int, count: int) -> list[dict[str, Any]]:
        """Rows numbered above ``row`` that are not of the container's policy, at most ``count``, in order."""
        self.commit_pending()
        sql = (
            f"SELECT ROWID AS ROWID, {_COLUMNS} FROM object WHERE ROWID > ? AND storage_policy_index <> "
            "(SELECT storage_policy_index FROM container_info) ORDER BY ROWID LIMIT ?"
        )
        with self.connection() as connection:
            return dictionaries(self._select(connection, sql, (row, count)))

    def reconciler_sync_point(self) -> int:
        """Up to which row number misplaced rows have been queued for the reconciler; -1: none."""
        with self.connection() as connection:
            return self._stat(connection, "reconciler_sync_point")["reconciler_sync_point"]

    def set_reconciler_sync_point(self, row: int) -> None:
        """Remember up to which row number misplaced rows have been queued for the reconciler."""
        self._execute("UPDATE container_stat SET reconciler_sync_point = ?", (row,))

    def move_reconciler_sync_point(self, known: tuple[int, int], row: int) -> bool:
        """The same, if nobody has moved the point or the container to another policy meanwhile.

        :param known: policy index and point that were found before the rows were queued
        :returns: whether it has been moved
        """
        with self.transaction() as connection:
            moved = connection.execute(
                "UPDATE container_info SET reconciler_sync_point = ? "
                "WHERE storage_policy_index = ? AND reconciler_sync_point = ?",
                (row, *known),
            )
            return moved.rowcount == 1

    def container_sync_points(self) -> tuple[int, int]:
        """How far container sync has come: the row numbers ``x_container_sync_point1`` and ``2``; -1: nowhere."""
        with self.connection() as connection:
            return self._sync_points(connection)

    def move_container_sync_points(self, known: tuple[int, int], points: tuple[int, int]) -> bool:
        """Remember how far container sync has come.

        :param known: where the points were left; if they are elsewhere, container sync has begun anew meanwhile
        :returns: whether they have been moved
        """
        with self.transaction() as connection:
            if self._sync_points(connection) != known:
                return False
            self._set_sync_points(connection, points)
        return True

    def reset_sync_points(self) -> None:
        """Let container sync begin anew, because its target is another one."""
        with self.transaction() as connection:
            self._set_sync_points(connection, (-1, -1))

    def _sync_points(self, connection: sqlite3.Connection) -> tuple[int, int]:
        points = self._stat(connection, "x_container_sync_point1, x_container_sync_point2")
        return points["x_container_sync_point1"], points["x_container_sync_point2"]

    def _set_sync_points(self, connection: sqlite3.Connection, points: tuple[int, int]) -> None:
        connection.execute("UPDATE container_stat SET x_container_sync_point1 = ?, x_container_sync_point2 = ?", points)

    # Replication --------------------------------------------------------------------------------------------

    def _forget_copied(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE container_stat SET reported_put_timestamp = '0', reported_delete_timestamp = '0', "
            "reported_object_count = 0, reported_bytes_used = 0"
        )

    def _reclaim_rest(self, connection: sqlite3.Connection, age: str, sync_age: str) -> None:
        super()._reclaim_rest(connection, age, sync_age)
        # The container's own range says that it was once sharded: that must not be forgotten.
        connection.execute(
            "DELETE FROM shard_range WHERE deleted = 1 AND timestamp < ? "
            "AND name <> (SELECT account || '/' || container FROM container_info)",
            (sync_age,),
        )


def _readable(records: Iterable[tuple[Any, ...]], refuse: Refuse) -> Iterator[ObjectReport]:
    for record in records:
        try:
            report = ObjectReport(*record)
            check_report(report)
        except (TypeError, ValueError) as error:
            refuse(record, error)
        else:
            yield report


def _rows_of(connection: sqlite3.Connection, names: set[str]) -> dict[Key, ObjectRow]:
    known: dict[Key, ObjectRow] = {}
    remaining = iter(names)
    while chunk := list(itertools.islice(remaining, _LOOKED_UP_AT_ONCE)):
        sql = f"SELECT {_COLUMNS} FROM object WHERE deleted IN (0, 1) AND name IN ({_marks(len(chunk))})"
        for row in connection.execute(sql, chunk):
            known[row[0], row[6]] = ObjectRow._make(row)
    return known


def _marks(count: int) -> str:
    return ",".join("?" * count)
