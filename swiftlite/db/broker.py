"""DatabaseBroker: what account and container databases do alike: life, metadata, pending rows (formats.md 4)."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from swiftlite.common.concurrency import sleep
from swiftlite.common.tracing import traced
from swiftlite.core.json_text import load_json
from swiftlite.core.names import HashPath, str_to_wsgi
from swiftlite.core.rows import Metadata, is_storable, merge_metadata, newest_metadata
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout, pending, reclaiming
from swiftlite.db.access import DatabaseQuarantined, Misplaced
from swiftlite.db.connections import DatabaseMissing, prepare
from swiftlite.db.layout import make_directories, sync_directory
from swiftlite.db.sync_points import UNTAKEN, BadRow, SyncPoints, dictionaries, raise_known_point

__all__ = [
    "BadRow",
    "DatabaseBroker",
    "DatabaseExists",
    "DatabaseMissing",
    "DatabaseQuarantined",
    "Misplaced",
    "dictionaries",
]

Refuse = Callable[[Any, Exception | str], None]
"""What is done with a record that cannot be merged: it is given the record and what is wrong with it."""


class DatabaseExists(Exception):
    """A database that was to be created is there already; carries its path."""


class DatabaseBroker(SyncPoints):
    """An account's or a container's database.

    Rows that come in are appended to the ``.pending`` file and merged before anybody reads.

    :param path: the file, in the form without an epoch; it need not exist
    :param account: native name; empty for whoever's database lies at the path
    :param container: native name, or None for an account's database
    :param patience: how long to wait for the directory's lock
    :param hash_path: what tells, where the names are not given, whether the file lies in its directory
    """

    schema: ClassVar[str]
    row_table: ClassVar[str]
    reclaim_column: ClassVar[str]
    """The timestamp that says how old a deleted row is."""

    def __init__(
        self,
        path: str,
        account: str,
        container: str | None = None,
        *,
        logger: logging.Logger,
        patience: pending.Patience = pending.FRESH_READS,
        hash_path: HashPath | None = None,
    ) -> None:
        super().__init__(path, logger)
        self.pending_path = path + ".pending"
        self.account = account
        self.container = container
        self.patience = patience
        self.hash_path = hash_path

    # What a kind of database adds ---------------------------------------------------------------------------

    def _fill(self, connection: sqlite3.Connection, put_timestamp: str, policy_index: int, now: str) -> None:
        """Write the first row of a new database."""
        raise NotImplementedError

    def _merge(self, connection: sqlite3.Connection, records: Iterable[tuple[Any, ...]], refuse: Refuse) -> None:
        """Merge records inside a transaction; those that cannot be are handed to ``refuse``."""
        raise NotImplementedError

    def _record(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """The record of a row as another replica sends it.

        :raises KeyError: when it lacks a column
        """
        raise NotImplementedError

    def _is_deleted(self, info: dict[str, Any]) -> bool:
        """Whether the row of the stat table says that the account or container is gone."""
        raise NotImplementedError

    # Life ---------------------------------------------------------------------------------------------------

    def initialize(self, put_timestamp: str, policy_index: int = 0, now: Timestamp | None = None) -> None:
        """Create the database; it appears whole or not at all.

        :param put_timestamp: internal form of the PUT that creates it
        :param now: time of the local creation
        :raises DatabaseExists: when it exists already, also when it has just appeared
        """
        now = now or Timestamp(time.time())
        make_directories(self.directory)
        descriptor, temporary = tempfile.mkstemp(suffix=".tmp", dir=self.directory)
        try:
            self._build(temporary, put_timestamp, policy_index, now.internal)
            os.fsync(descriptor)
            with pending.directory_lock(self.directory, self.patience.seconds):
                if self.exists:
                    raise DatabaseExists(self.path)
                layout.remove_journal(self.path)
                os.rename(temporary, self.path)
            sync_directory(self.directory)
        finally:
            os.close(descriptor)
            if os.path.exists(temporary):
                os.unlink(temporary)

    def _build(self, file: str, put_timestamp: str, policy_index: int, now: str) -> None:
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection)
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.executescript(f"BEGIN; {self.schema} COMMIT;")
            connection.execute("BEGIN")
            self._fill(connection, put_timestamp, policy_index, now)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = DELETE")
        finally:
            connection.close()

    def new_id(self) -> str:
        """An identity for a new database: unique, and telling its device."""
        return f"{uuid.uuid4()}-{os.path.basename(layout.device_of(self.path, self.kind))}"

    def delete(self, timestamp: str) -> None:
        """Mark the database deleted at an internal timestamp, and blank its metadata: both or nothing."""
        with self.transaction() as connection:
            self._delete(connection, timestamp)

    def _delete(self, connection: sqlite3.Connection, timestamp: str) -> None:
        before = load_metadata(self._stat(connection, "metadata")["metadata"])
        blank = {key: ("", timestamp) for key in before if self._blanked_by_delete(key)}
        kept = json.dumps(newest_metadata(before, blank)) if before else ""  # as replicas that never had any
        connection.execute(f"UPDATE {self.stat_table} SET metadata = ?", (kept,))
        connection.execute(
            f"UPDATE {self.stat_table} SET delete_timestamp = ?, status = 'DELETED', status_changed_at = ? "
            "WHERE delete_timestamp < ?",
            (timestamp, timestamp, timestamp),
        )

    def _blanked_by_delete(self, key: str) -> bool:
        return True

    def update_put_timestamp(self, timestamp: str) -> None:
        """Raise the put timestamp to an internal timestamp, if it is older."""
        self._execute(f"UPDATE {self.stat_table} SET put_timestamp = ? WHERE put_timestamp < ?", (timestamp, timestamp))

    def update_status_changed_at(self, timestamp: str) -> None:
        """Raise the time of the last creation, deletion or change of policy, if it is older."""
        self._execute(
            f"UPDATE {self.stat_table} SET status_changed_at = ? WHERE status_changed_at < ?", (timestamp, timestamp)
        )

    def merge_timestamps(
        self, created_at: str, put_timestamp: str, delete_timestamp: str, now: Timestamp | None = None
    ) -> None:
        """Settle what another replica knows of the database's life: the oldest creation, the newest PUT and DELETE.

        :param created_at: internal form, as the others
        :param now: when the status changes if that deletes or revives it
        """
        with self.transaction() as connection:
            before = self._is_deleted(self._stat(connection))
            connection.execute(
                f"UPDATE {self.stat_table} SET created_at = MIN(?, created_at), "
                "put_timestamp = MAX(?, put_timestamp), delete_timestamp = MAX(?, delete_timestamp)",
                (created_at, put_timestamp, delete_timestamp),
            )
            if self._is_deleted(self._stat(connection)) != before:
                stamp = (now or Timestamp(time.time())).internal
                connection.execute(
                    f"UPDATE {self.stat_table} SET status_changed_at = ? WHERE status_changed_at < ?", (stamp, stamp)
                )

    def is_deleted(self) -> bool:
        """Whether the account or container is gone: deleted and empty, or without a database."""
        try:
            return self._is_deleted(self.get_info())
        except DatabaseMissing:
            return True

    def is_reclaimable(self, now: float, reclaim_age: float) -> bool:
        """Whether nobody needs the database any more: empty, and deleted longer ago than ``reclaim_age`` seconds.

        :param now: seconds since the epoch
        """
        info = self.get_info()
        deleted, put = Timestamp(info["delete_timestamp"]), Timestamp(info["put_timestamp"])
        return Timestamp(max(0.0, now - reclaim_age)) > deleted > put and self.empty()

    def empty(self) -> bool:
        """Whether it holds nothing that is not deleted."""
        raise NotImplementedError

    def get_info(self) -> dict[str, Any]:
        """The row of the stat table, after merging what is pending.

        :raises DatabaseMissing: when there is no database
        """
        self.commit_pending()
        with self.connection() as connection:
            return self._info(connection)

    def _info(self, connection: sqlite3.Connection) -> dict[str, Any]:
        return self._stat(connection)

    def _policy_counts(self, columns: str) -> dict[int, tuple[int, ...]]:
        """Policy index -> these columns of ``policy_stat``."""
        self.commit_pending()
        with self.connection() as connection:
            rows = self._select(connection, f"SELECT storage_policy_index, {columns} FROM policy_stat").fetchall()
        return {index: tuple(counts) for index, *counts in rows}

    # Metadata -----------------------------------------------------------------------------------------------

    def metadata(self) -> Metadata:
        """Title-cased native key -> (native value, internal timestamp); a blank value marks a deleted key."""
        with self.connection() as connection:
            text = self._stat(connection, "metadata")["metadata"]
        return load_metadata(text)

    def update_metadata(
        self,
        updates: Mapping[str, tuple[str, str]],
        check: Callable[[dict[str, str]], None] | None = None,
    ) -> None:
        """Merge metadata; of every key the value with the newest timestamp stays.

        :param check: is given the values that would be kept, and raises to refuse them
        """
        if not updates:
            return
        with self.transaction() as connection:
            before = load_metadata(self._stat(connection, "metadata")["metadata"])
            kept = newest_metadata(before, updates)
            if kept == before:
                return
            if check is not None:
                check({key: value for key, (value, _) in kept.items() if value})
            connection.execute(f"UPDATE {self.stat_table} SET metadata = ?", (json.dumps(kept),))

    def merge_metadata_text(self, text: str) -> None:
        """Merge the metadata column of another replica.

        :raises BadRow: when it is no such column
        """
        theirs = read_metadata(text)
        if not theirs:
            return
        with self.transaction() as connection:
            before = load_metadata(self._stat(connection, "metadata")["metadata"])
            kept = merge_metadata(before, theirs)
            if kept != before:
                connection.execute(f"UPDATE {self.stat_table} SET metadata = ?", (json.dumps(kept),))

    # Pending rows -------------------------------------------------------------------------------------------

    @traced("note row")
    def append(self, record: Sequence[Any]) -> None:
        """Accept a row: it is on the pending file, or in the database, when this returns.

        :raises BadRow: when it could never be merged
        :raises DatabaseMissing: when the database has no file
        """
        if not is_storable(record):
            raise BadRow(f"the row of {record[0]!r} has text that is no Unicode, or too large a number")
        if not self.exists:
            raise DatabaseMissing(self.path)
        encoded = pending.encode(record)
        try:
            with pending.directory_lock(self.directory, self.patience.seconds):
                if not pending.append(self.pending_path, encoded):
                    self._merge_pending([tuple(record)])
        except FileNotFoundError:
            raise DatabaseMissing(self.path) from None

    def commit_pending(self) -> None:
        """Merge what is pending; readers do this first.

        :raises LockTimeout: when the lock is not free in time and this broker's readers need the newest rows
        """
        if not pending.size(self.pending_path):
            return
        try:
            with pending.directory_lock(self.directory, self.patience.seconds):
                self.commit_pending_locked()
        except FileNotFoundError:
            raise DatabaseMissing(self.path) from None
        except pending.LockTimeout:
            if not self.patience.then_stale:
                raise

    def commit_pending_locked(self) -> None:
        """Merge what is pending; the caller holds the directory's lock."""
        if pending.size(self.pending_path):
            self._merge_pending([])

    def _merge_pending(self, more: list[tuple[Any, ...]]) -> None:
        records, bad = pending.decode(pending.read(self.pending_path))
        for text in bad:
            self.logger.error("dropped a bad record of %s: %r", self.pending_path, text[:200])
        if records or more:
            self.merge_items([*records, *more])
        # The database is committed: only now may the records go. A crash in between merges them twice, which is harmless.
        pending.clear(self.pending_path)

    @traced("commit rows")
    def merge_items(self, records: Iterable[tuple[Any, ...]]) -> None:
        """Merge rows into the database in one transaction.

        :param records: the fields of pending records; bad ones are logged and dropped
        """
        with self.transaction() as connection:
            self._merge(connection, records, self._drop)

    def _drop(self, record: Any, problem: Exception | str) -> None:
        self.logger.error("dropped a bad row of %s: %s: %r", self.path, problem, record)

    # Replication (formats.md 4.8) ---------------------------------------------------------------------------

    def replication_info(self) -> dict[str, Any]:
        """What replicas tell each other: ``get_info`` with the rows' ``count``, ``max_row`` and ``metadata`` (JSON).

        All of one moment: a peer that has the same hash takes all rows up to ``max_row`` for known.
        """
        self.commit_pending()
        with self.snapshot() as connection:
            return self._replication_info(connection)

    def _replication_info(self, connection: sqlite3.Connection) -> dict[str, Any]:
        info = self._info(connection)
        info["count"] = info.pop(f"{self.row_table}_count")
        info["max_row"] = self._sequence(connection, self.row_table)
        return info

    def max_row(self) -> int:
        """The highest row number that was ever given; -1 before the first."""
        with self.connection() as connection:
            return self._sequence(connection, self.row_table)

    def _sequence(self, connection: sqlite3.Connection, table: str) -> int:
        found = self._select(connection, "SELECT seq FROM SQLITE_SEQUENCE WHERE name = ?", (table,)).fetchall()
        return found[0][0] if found else -1

    def items_since(self, row: int, count: int) -> list[dict[str, Any]]:
        """Rows numbered above ``row``, at most ``count``, in the order of their numbers; ``ROWID`` is among the keys."""
        self.commit_pending()
        sql = f"SELECT * FROM {self.row_table} WHERE ROWID > ? ORDER BY ROWID LIMIT ?"
        with self.connection() as connection:
            return dictionaries(self._select(connection, sql, (row, count)))

    def merge_rows(
        self,
        rows: Sequence[Mapping[str, Any]],
        source: str | None = None,
        since: int = UNTAKEN,
        until: int = UNTAKEN,
    ) -> None:
        """Merge what :meth:`items_since` gave of another replica, in one transaction.

        Rows that no database can keep are logged and dropped: they must not hold up the others for ever.

        :param source: the identity of that replica: how far its rows are known here is remembered, where its sync point
            (it must have one) has come as far as ``since`` already
        :param until: up to which number these are all its rows, if that is beyond the last of them
        :raises BadRow: for what are no rows at all; nothing is merged then
        """
        try:
            records = [self._record(row) for row in rows]
            numbers = [row["ROWID"] for row in rows] if source else []
            if not (all(isinstance(number, int) for number in numbers) and is_storable(numbers)):
                raise ValueError("a row has no number that a database could have given it")
            last = max([until, *numbers])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRow(f"a row lacks a column, or is no mapping: {error!r}") from None
        with self.transaction() as connection:
            self._merge(connection, records, self._drop)
            if source and last > UNTAKEN:
                raise_known_point(connection, source, last, since)

    def renew_id(self, remote_id: str) -> None:
        """Give a database that was copied from another replica an identity of its own.

        :param remote_id: that replica's; all rows that are here are known to come from there
        """
        with self.transaction() as connection:
            connection.execute(f"UPDATE {self.stat_table} SET id = ?", (self.new_id(),))
            (last,) = connection.execute(f"SELECT MAX(ROWID) FROM {self.row_table}").fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO incoming_sync (sync_point, remote_id) VALUES (?, ?)",
                (-1 if last is None else last, remote_id),
            )
            self._forget_copied(connection)

    def leave_id(self, old: str) -> None:
        """Take a new identity in place of one under which others have seen rows that are not here.

        Unlike a copy that was received, this database knows nothing of what the other one has.

        :param old: the identity; when it is another one by now, that stays
        """
        with self.transaction() as connection:
            if self._stat(connection, "id")["id"] != old:
                return
            connection.execute(f"UPDATE {self.stat_table} SET id = ?", (self.new_id(),))
            connection.execute("DELETE FROM incoming_sync WHERE remote_id = ?", (old,))
            self._forget_copied(connection)
        self.logger.warning("%s was the copy of another one; it has an identity of its own now", self.path)

    def _forget_copied(self, connection: sqlite3.Connection) -> None:
        """Undo what a copied database says of the replica it was copied from."""

    def reclaim(self, age: str, sync_age: str, told: int | None = None) -> int:
        """Remove what everybody must know by now: old deleted rows, blank metadata, sync points of lost replicas.

        :param age: internal timestamp; what was deleted before it goes
        :param sync_age: the same for sync points and shard ranges
        :param told: the last row that all replicas know of: a deletion may be older than the day it came here; others go
            when they are from before ``sync_age``, too. None: all are known
        :returns: how many rows went
        """
        self.commit_pending()
        removed = 0
        marker: str | None = ""
        rows = reclaiming.OldRows(self.row_table, self.reclaim_column, age, sync_age, told)
        while marker is not None:
            with self.transaction() as connection:
                count, marker = rows.remove_page(connection, marker)
            removed += count
            sleep(0)
        with self.transaction() as connection:
            self._reclaim_rest(connection, age, sync_age)
        return removed

    def _reclaim_rest(self, connection: sqlite3.Connection, age: str, sync_age: str) -> None:
        for table in ("outgoing_sync", "incoming_sync"):
            connection.execute(f"DELETE FROM {table} WHERE updated_at < ?", (sync_age,))
        metadata = load_metadata(self._stat(connection, "metadata")["metadata"])
        kept = {key: pair for key, pair in metadata.items() if pair[0] or pair[1] >= age}
        if kept != metadata:
            connection.execute(f"UPDATE {self.stat_table} SET metadata = ?", (json.dumps(kept),))


def load_metadata(text: str | None) -> Metadata:
    """Read the metadata column: native key -> (native value, internal timestamp)."""
    return {key: (value, timestamp) for key, (value, timestamp) in load_json(text).items()} if text else {}


def read_metadata(text: str) -> Metadata:
    """Read the metadata column of another replica.

    :raises BadRow: when it is no such column
    """
    try:
        found = load_metadata(text)
        for key, (value, timestamp) in found.items():
            str_to_wsgi(key + value + timestamp)  # text, and such that an answer's headers can hold
    except (ValueError, TypeError, AttributeError) as error:
        raise BadRow(f"metadata that cannot be read: {error}") from None
    return found
