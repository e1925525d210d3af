"""AccountBroker: an account's database: its container rows, its counts, its life (formats.md 4.4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from swiftlite.core.listing import ListingQuery, Row
from swiftlite.core.rows import ZERO_LIKE, ContainerRow, is_storable, merge_container
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.broker import DatabaseBroker, Refuse
from swiftlite.db.listing import Listed, Page, walk
from swiftlite.db.schema import ACCOUNT_SCHEMA

_LISTED = Listed("name, object_count, bytes_used, put_timestamp, storage_policy_index", "container WHERE deleted = 0")
_COLUMNS = "name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted, storage_policy_index"


def is_marked_deleted(info: dict[str, Any]) -> bool:
    """Whether somebody deleted the account, be it reaped yet or not."""
    return info["status"] == "DELETED" or Timestamp(info["delete_timestamp"]) > Timestamp(info["put_timestamp"])


def is_deleted(info: dict[str, Any]) -> bool:
    """Whether the account is gone: deleted by status, or deleted after its last PUT and without containers."""
    deleted_after_put = Timestamp(info["delete_timestamp"]) > Timestamp(info["put_timestamp"])
    return info["status"] == "DELETED" or (deleted_after_put and info["container_count"] in ZERO_LIKE)


class AccountBroker(DatabaseBroker):
    """An account's database on one device; see :class:`swiftlite.db.broker.DatabaseBroker`."""

    kind = "account"
    schema = ACCOUNT_SCHEMA
    stat_table = "account_stat"
    row_table = "container"
    reclaim_column = "delete_timestamp"

    def _fill(self, connection: sqlite3.Connection, put_timestamp: str, policy_index: int, now: str) -> None:
        connection.execute(
            "INSERT INTO account_stat (account, created_at, id, put_timestamp, status_changed_at, container_count) "
            "VALUES (?, ?, ?, ?, ?, 0)",
            (self.account, now, self.new_id(), put_timestamp, put_timestamp),
        )

    # Writing ------------------------------------------------------------------------------------------------

    def put_container(self, row: ContainerRow) -> None:
        """Accept what a container server tells about a container; whether it is deleted follows from the rest.

        :raises DatabaseMissing: when there is no database
        """
        deleted = int(row.delete_timestamp > row.put_timestamp and row.object_count in ZERO_LIKE)
        self.append(row._replace(deleted=deleted))

    def _record(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        columns = ("name", "put_timestamp", "delete_timestamp", "object_count", "bytes_used")
        return (*(row[column] for column in columns), row.get("deleted", 0), row.get("storage_policy_index", 0))

    def _is_deleted(self, info: dict[str, Any]) -> bool:
        return is_deleted(info)

    def _merge(self, connection: sqlite3.Connection, records: Iterable[tuple[Any, ...]], refuse: Refuse) -> None:
        for record in records:
            report = _readable(record)
            if report is None:
                refuse(record, "a field too many or too few, or of the wrong type")
                continue
            where = "FROM container WHERE deleted IN (0, 1) AND name = ?"
            found = connection.execute(f"SELECT {_COLUMNS} {where}", (record[0],)).fetchone()
            settled = merge_container(ContainerRow._make(found) if found else None, report)
            if None in settled:
                refuse(record, "a field that nobody has told yet")
            elif settled != found:
                connection.execute(f"DELETE {where}", (record[0],))
                connection.execute(f"INSERT INTO container ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", settled)

    # Reading ------------------------------------------------------------------------------------------------

    def is_status_deleted(self) -> bool:
        """Whether somebody deleted the account, be it reaped yet or not."""
        return is_marked_deleted(self.get_info())

    def empty(self) -> bool:
        """Whether no container is left."""
        return self.get_info()["container_count"] in ZERO_LIKE

    def policy_stats(self) -> dict[int, dict[str, int]]:
        """Policy index -> container_count, object_count and bytes_used."""
        columns = ("container_count", "object_count", "bytes_used")
        counted = self._policy_counts(", ".join(columns))
        return {index: dict(zip(columns, counts, strict=True)) for index, counts in counted.items()}

    def page(self, query: ListingQuery) -> Page:
        """Rows ``(name, object_count, bytes_used, put_timestamp, policy index)`` and Subdirs, with the info.

        :raises DatabaseMissing: when there is no database
        """
        self.commit_pending()
        with self.snapshot() as connection:
            return Page(self._info(connection), walk(connection, _LISTED, {}, query))

    def list_containers(self, query: ListingQuery) -> list[Row]:
        """The rows of a page alone."""
        return self.page(query).rows


def _readable(record: tuple[Any, ...]) -> ContainerRow | None:
    """A record's fields, counts as numbers: other servers write down the text that they were sent."""
    try:
        name, put, deleted, count, used, *rest = record
        row = ContainerRow(name, put, deleted, _number(count), _number(used), *rest)
        texts = [text for text in row[1:3] if text is not None]
        if not all(isinstance(text, str) for text in (row.name, *texts)) or not is_storable(row):
            return None
        for text in texts:
            Timestamp(text)
    except (TypeError, ValueError):
        return None
    return row


def _number(count: Any) -> Any:
    return int(count or 0) if isinstance(count, str) else count
