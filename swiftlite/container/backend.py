"""ContainerBroker: a container's database: its object rows, its counts, its life (formats.md 4.3)."""

from __future__ import annotations

import functools
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from swiftlite.core.listing import ListingQuery, NameRange, Row, collect
from swiftlite.core.rows import DELETED_ETAG, DELETED_TYPE, ZERO_LIKE, ObjectReport, ObjectRow, is_storable, merge
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.broker import DatabaseBroker, until_unlocked
from swiftlite.db.schema import CONTAINER_SCHEMA

_LOOKED_UP_AT_ONCE = 400
_COLUMNS = "name, created_at, size, content_type, etag, deleted, storage_policy_index"
_KEPT_BY_DELETE = ("X-Container-Sysmeta-Sharding", "X-Container-Sysmeta-Shard-")

Key = tuple[str, int]
"""What makes a row the row it is: name and policy index."""


def is_deleted(info: dict[str, Any]) -> bool:
    """Whether a container is deleted: it holds no objects of its policy, and was deleted after its last PUT."""
    deleted_after_put = Timestamp(info["delete_timestamp"]) > Timestamp(info["put_timestamp"])
    return deleted_after_put and info["object_count"] in ZERO_LIKE


class ContainerBroker(DatabaseBroker):
    """A container's database on one device; see :class:`swiftlite.db.broker.DatabaseBroker`."""

    kind = "container"
    schema = CONTAINER_SCHEMA
    stat_table = "container_stat"

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

    def _merge(self, connection: sqlite3.Connection, records: Iterable[tuple[Any, ...]]) -> None:
        reports = list(self._readable(records))
        known = _rows_of(connection, {report.name for report in reports})
        merged: dict[Key, ObjectRow] = {}
        for report in reports:
            key = (report.name, report.storage_policy_index)
            row = merged.get(key) or known.get(key)
            try:
                settled = merge(row, report)
            except ValueError as error:
                self.logger.error("dropped a bad row of %s: %s: %r", self.path, error, report)
                continue
            if settled is not row:
                merged[key] = settled
        connection.executemany(
            "DELETE FROM object WHERE deleted IN (0, 1) AND name = ? AND storage_policy_index = ?",
            [key for key in merged if key in known],
        )
        connection.executemany(f"INSERT INTO object ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", merged.values())

    def _readable(self, records: Iterable[tuple[Any, ...]]) -> Iterator[ObjectReport]:
        for record in records:
            try:
                if len(record) < 6 or not all(isinstance(text, str) for text in (*record[:2], *record[3:5])):
                    raise TypeError
                if not is_storable(record):
                    raise TypeError
                yield ObjectReport(*record)
            except TypeError:
                self.logger.error("dropped a bad row of %s: %r", self.path, record)

    # Reading ------------------------------------------------------------------------------------------------

    def get_info(self) -> dict[str, Any]:
        """Timestamps, counts, reported counts, hash, identity, policy and metadata text of the container.

        :raises DatabaseMissing: when there is no database
        """
        self.commit_pending()
        with self.connection() as connection:
            return self._stat(connection) | {"db_state": "unsharded"}

    def policy_stats(self) -> dict[int, tuple[int, int]]:
        """Policy index -> (object count, bytes used) of every policy that has had rows here."""
        self.commit_pending()
        with self.connection() as connection:
            rows = self._select(
                connection, "SELECT storage_policy_index, object_count, bytes_used FROM policy_stat"
            ).fetchall()
        return {index: (count, used) for index, count, used in rows}

    def empty(self) -> bool:
        """Whether no policy has an object here."""
        return all(count <= 0 for count, _ in self.policy_stats().values())

    def list_objects(self, query: ListingQuery, policy_index: int = 0) -> list[Row]:
        """Rows ``(name, created_at, size, content_type, etag)`` and Subdirs that answer a query."""
        self.commit_pending()
        with self.connection() as connection:
            cursor = connection.cursor()

            def fetch(names: NameRange, count: int) -> Iterable[Row]:
                sql = _listing_sql(names.inclusive, names.high is not None, query.reverse)
                values: list[Any] = [policy_index, names.low, count]
                if names.high is not None:
                    values.insert(2, names.high)
                return until_unlocked(lambda: cursor.execute(sql, values))

            try:
                return collect(query, fetch)
            finally:
                cursor.close()  # a statement that is not finished would keep the file locked

    # Reports and policy -------------------------------------------------------------------------------------

    def set_reported(self, put_timestamp: str, delete_timestamp: str, object_count: int, bytes_used: int) -> None:
        """Remember what the account servers have been told."""
        self._execute(
            "UPDATE container_stat SET reported_put_timestamp = ?, reported_delete_timestamp = ?, "
            "reported_object_count = ?, reported_bytes_used = ?",
            (put_timestamp, delete_timestamp, object_count, bytes_used),
        )

    def set_storage_policy_index(self, policy_index: int, timestamp: str) -> None:
        """Move the container to a policy; its status changes at that internal timestamp if it was another one."""
        self._execute(
            "UPDATE container_stat SET storage_policy_index = ?, status_changed_at = MAX(?, status_changed_at) "
            "WHERE storage_policy_index <> ?",
            (policy_index, timestamp, policy_index),
        )

    def reset_sync_points(self) -> None:
        """Let container sync begin anew, because its target is another one."""
        self._execute("UPDATE container_stat SET x_container_sync_point1 = -1, x_container_sync_point2 = -1")


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


@functools.lru_cache
def _listing_sql(inclusive: bool, has_high: bool, reverse: bool) -> str:
    return (
        "SELECT name, created_at, size, content_type, etag FROM object "
        f"WHERE deleted = 0 AND storage_policy_index = ? AND name {'>=' if inclusive else '>'} ? "
        f"{'AND name < ? ' if has_high else ''}ORDER BY name {'DESC ' if reverse else ''}LIMIT ?"
    )
