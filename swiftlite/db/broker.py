"""DatabaseBroker: what account and container databases do alike: life, metadata, pending rows (formats.md 4)."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from swiftlite.core.rows import is_storable
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout, pending
from swiftlite.db.connections import ConnectionCache, DatabaseMissing, prepare, until_unlocked

__all__ = ["BadRow", "DatabaseBroker", "DatabaseExists", "DatabaseMissing", "DatabaseQuarantined"]

_CORRUPTION = (
    "database disk image is malformed",
    "malformed database schema",
    "is not a database",
    "disk i/o error",
    "no such table",
)

_CONNECTIONS = ConnectionCache()


class DatabaseExists(Exception):
    """A database that was to be created is there already; carries its path."""


class BadRow(ValueError):
    """A row that no database can keep."""


class DatabaseQuarantined(Exception):
    """A database was corrupt and has been moved away; carries its path and the error."""


class DatabaseBroker:
    """One database file.

    Rows that come in are appended to the ``.pending`` file and merged before anybody reads.

    :param path: the file, in the form without an epoch; it need not exist
    :param account: native name
    :param container: native name, or None for an account's database
    :param pending_timeout: seconds to wait for the directory's lock
    :param stale_reads: readers go on with what is merged already when the lock is not free at once
    """

    kind: ClassVar[layout.Kind]
    schema: ClassVar[str]
    stat_table: ClassVar[str]

    def __init__(
        self,
        path: str,
        account: str,
        container: str | None = None,
        *,
        logger: logging.Logger,
        pending_timeout: float = 10.0,
        stale_reads: bool = False,
    ) -> None:
        self.path = path
        self.directory = os.path.dirname(path)
        self.pending_path = path + ".pending"
        self.account = account
        self.container = container
        self.logger = logger
        self.pending_timeout = pending_timeout
        self.stale_reads = stale_reads

    # What a kind of database adds ---------------------------------------------------------------------------

    def _fill(self, connection: sqlite3.Connection, put_timestamp: str, policy_index: int, now: str) -> None:
        """Write the first row of a new database."""
        raise NotImplementedError

    def _merge(self, connection: sqlite3.Connection, records: Iterable[tuple[Any, ...]]) -> None:
        """Merge pending records inside a transaction."""
        raise NotImplementedError

    # Life ---------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether the database has a file."""
        return os.path.exists(self.path) or os.path.exists(layout.newest_file(self.path))

    def initialize(self, put_timestamp: str, policy_index: int = 0, now: Timestamp | None = None) -> None:
        """Create the database; it appears whole or not at all.

        :param put_timestamp: internal form of the PUT that creates it
        :param now: time of the local creation
        :raises DatabaseExists: when it exists already, also when it has just appeared
        """
        now = now or Timestamp(time.time())
        _make_directories(self.directory)
        descriptor, temporary = tempfile.mkstemp(suffix=".tmp", dir=self.directory)
        try:
            self._build(temporary, put_timestamp, policy_index, now.internal)
            os.fsync(descriptor)
            with pending.directory_lock(self.directory, self.pending_timeout):
                if self.exists:
                    raise DatabaseExists(self.path)
                os.rename(temporary, self.path)
            _sync_directory(self.directory)
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
        """Mark the database deleted at an internal timestamp, and blank its metadata."""
        blank = {key: ("", timestamp) for key in self.metadata() if self._blanked_by_delete(key)}
        self.update_metadata(blank)
        self._execute(
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

    # Metadata -----------------------------------------------------------------------------------------------

    def metadata(self) -> dict[str, tuple[str, str]]:
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
            kept = load_metadata(self._stat(connection, "metadata")["metadata"])
            newer = {key: pair for key, pair in updates.items() if key not in kept or pair[1] > kept[key][1]}
            if not newer:
                return
            kept.update(newer)
            if check is not None:
                check({key: value for key, (value, _) in kept.items() if value})
            connection.execute(f"UPDATE {self.stat_table} SET metadata = ?", (json.dumps(kept),))

    # Pending rows -------------------------------------------------------------------------------------------

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
            with pending.directory_lock(self.directory, self.pending_timeout):
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
            with pending.directory_lock(self.directory, 0.1 if self.stale_reads else self.pending_timeout):
                self._merge_pending([])
        except FileNotFoundError:
            raise DatabaseMissing(self.path) from None
        except pending.LockTimeout:
            if not self.stale_reads:
                raise

    def _merge_pending(self, more: list[tuple[Any, ...]]) -> None:
        records, bad = pending.decode(pending.read(self.pending_path))
        for text in bad:
            self.logger.error("dropped a bad record of %s: %r", self.pending_path, text[:200])
        if records or more:
            self.merge_items([*records, *more])
        # The database is committed: only now may the records go. A crash in between merges them twice, which is harmless.
        pending.clear(self.pending_path)

    def merge_items(self, records: Iterable[tuple[Any, ...]]) -> None:
        """Merge rows into the database in one transaction.

        :param records: the fields of pending records; those of too few or too many fields are logged and dropped
        """
        with self.transaction() as connection:
            self._merge(connection, records)

    # Access -------------------------------------------------------------------------------------------------

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own to the current file.

        :raises DatabaseMissing: when there is no file
        :raises DatabaseQuarantined: when the file turned out to be corrupt
        """
        path = layout.newest_file(self.path)
        try:
            identity, connection = _CONNECTIONS.take(path)
        except sqlite3.DatabaseError as error:
            self._quarantine_if_corrupt(error)
            raise
        try:
            yield connection
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.DatabaseError):
                self._quarantine_if_corrupt(error)
            raise
        _CONNECTIONS.give_back(path, identity, connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction that is committed at the end, or undone when anything is raised."""
        with self.connection() as connection:
            until_unlocked(lambda: connection.execute("BEGIN IMMEDIATE"))
            try:
                yield connection
                until_unlocked(lambda: connection.execute("COMMIT"))
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _select(self, connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return until_unlocked(lambda: connection.execute(sql, values))

    def _stat(self, connection: sqlite3.Connection, columns: str = "*") -> dict[str, Any]:
        cursor = self._select(connection, f"SELECT {columns} FROM {self.stat_table}")
        rows = cursor.fetchall()  # to the end: an unfinished statement would keep the file locked
        if not rows:
            raise sqlite3.DatabaseError(f"file is not a database: no row in {self.stat_table}")
        return dict(zip((column[0] for column in cursor.description), rows[0], strict=True))

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        with self.transaction() as connection:
            connection.execute(sql, values)

    def quarantine(self, reason: object) -> None:
        """Move the database's directory out of the way, and log why."""
        try:
            target = layout.quarantine_directory(self.path, self.kind)
        except OSError as failure:
            self.logger.error("%s (%s) cannot be quarantined: %s", self.directory, reason, failure)
        else:
            self.logger.error("quarantined %s to %s: %s", self.directory, target, reason)

    def _quarantine_if_corrupt(self, error: sqlite3.DatabaseError) -> None:
        text = str(error).lower()
        if not any(sign in text for sign in _CORRUPTION):
            return
        self.quarantine(error)
        raise DatabaseQuarantined(self.path, str(error)) from error


def load_metadata(text: str | None) -> dict[str, tuple[str, str]]:
    """Read the metadata column: native key -> (native value, internal timestamp)."""
    return {key: (value, timestamp) for key, (value, timestamp) in json.loads(text).items()} if text else {}


def _make_directories(directory: str) -> None:
    """Make a directory and its missing parents, durably."""
    if os.path.isdir(directory):
        return
    parent = os.path.dirname(directory)
    _make_directories(parent)
    try:
        os.mkdir(directory)
    except FileExistsError:
        return
    _sync_directory(parent)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
