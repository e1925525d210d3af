"""DatabaseFile: one database file, its transactions, and what becomes of it when it is corrupt (formats.md 4.1)."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from swiftlite.common import metrics
from swiftlite.core.names import HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout, retired
from swiftlite.db.connections import (
    ConnectionCache,
    DatabaseMissing,
    file_identity,
    is_at,
    open_database,
    until_unlocked,
)

_CORRUPTION = (
    "database disk image is malformed",
    "malformed database schema",
    "is not a database",
    "no such table",
    "unsupported file format",
    "could not decode to utf-8",
)
_BAD_SCHEMA = (
    "no such column",
    "duplicate column name",
    "no such function",
    "no such collation",
    "has no column named",
)
_WRITE_VERSION = 18
"""Place in the file's header of the byte that tells who may write: 1 or 2, whoever knows of no more may only read."""
_NO_TEXT = "malformed database schema, with a text that is no Unicode"
_READ_ONLY = "attempt to write a readonly database"
_UNREADABLE = frozenset({"SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA"})
"""Which errors of the disk mean that the file itself is damaged; others come of a quota, or a disk that is full."""

_CONNECTIONS = ConnectionCache()


def close_idle() -> None:
    """Close the connections of this process that nobody uses: they would keep removed databases open."""
    _CONNECTIONS.close()


class DatabaseQuarantined(Exception):
    """A database was corrupt and has been moved away; carries its path and the error."""


class Misplaced(Exception):
    """A database lies where its hash does not belong; says whose it is. It is all of them when swift.conf is wrong."""


class DatabaseFile:
    """A database's file, opened anew for whoever comes.

    :param path: the file, in the form without an epoch; it need not exist
    """

    kind: ClassVar[layout.Kind]
    stat_table: ClassVar[str]
    """The table, or view, of one row that tells of the whole."""
    account = ""
    container: str | None = None
    hash_path: HashPath | None = None

    def __init__(self, path: str, logger: logging.Logger) -> None:
        self.path = path
        self.directory = os.path.dirname(path)
        self.logger = logger

    @property
    def exists(self) -> bool:
        """Whether the database has a file."""
        return os.path.exists(self.path) or os.path.exists(layout.newest_file(self.path))

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own to the current file.

        :raises DatabaseMissing: when there is no file
        :raises DatabaseQuarantined: when the file turned out to be corrupt
        """
        with self._opened() as (connection, _, _):
            yield connection

    @contextmanager
    def _opened(self) -> Iterator[tuple[sqlite3.Connection, str, tuple[int, int]]]:
        path = layout.newest_file(self.path)
        try:
            identity, connection = _CONNECTIONS.take(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self.possibly_quarantine(error)
            raise
        try:
            yield connection, path, identity
        except BaseException as error:
            connection.close()
            if isinstance(error, (sqlite3.DatabaseError, UnicodeDecodeError)):
                self.possibly_quarantine(error, identity)
            raise
        _CONNECTIONS.give_back(path, identity, connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a transaction that is committed at the end, or undone when anything is raised.

        Whoever moves the file away, or another into its place, has the write lock meanwhile: others look again which
        file is the current one, lest they write to one that nobody will read.
        """
        begun = False
        while not begun:
            with self._opened() as (connection, path, identity):
                begun = self._begin(connection, path, identity)
                if begun:
                    try:
                        yield connection
                        until_unlocked(lambda: connection.execute("COMMIT"))
                    finally:
                        if connection.in_transaction:
                            connection.execute("ROLLBACK")

    @contextmanager
    def write_locked(self) -> Iterator[None]:
        """Let nobody else write, so that one can move the file away, or another into its place.

        :raises DatabaseMissing: when there is no file, or it is moved already
        """
        path = layout.newest_file(self.path)
        identity, connection = file_identity(path), open_database(path)
        try:
            if not self._begin(connection, path, identity):
                raise DatabaseMissing(path)
            yield
        finally:
            if connection.in_transaction and not is_at(path, identity):
                retired.keep(connection)
            else:
                connection.close()

    def _begin(self, connection: sqlite3.Connection, path: str, identity: tuple[int, int]) -> bool:
        """Take the write lock, however long that takes; return whether the file is the current one then."""

        def attempt() -> bool:
            if layout.newest_file(self.path) != path or not is_at(path, identity):
                return False
            connection.execute("BEGIN IMMEDIATE")
            if layout.newest_file(self.path) == path and is_at(path, identity):
                return True
            connection.execute("ROLLBACK")
            return False

        return until_unlocked(attempt)

    def close(self) -> None:
        """Keep no connection for the next who comes: the file is about to go."""
        with suppress(DatabaseMissing, sqlite3.DatabaseError):
            _, connection = _CONNECTIONS.take(layout.newest_file(self.path))
            connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection whose reads all see the same state; finish every statement before leaving it."""
        with self.connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def file_problems(self) -> list[str]:
        """What SQLite finds wrong with the file, all of which it reads; writers wait meanwhile.

        That the indices say what the rows say is all that tells of damage within a name.
        """
        with self.connection() as connection:
            found = [text for (text,) in self._select(connection, "PRAGMA integrity_check(5)").fetchall()]
        return [] if found == ["ok"] else found

    def forbids_writing(self) -> bool:
        """Whether the file itself says that nobody may write to it, which no database of ours does."""
        path = layout.newest_file(self.path)
        try:
            with open(path, "rb", buffering=0) as file:
                header = file.read(_WRITE_VERSION + 1)
        except FileNotFoundError:
            raise DatabaseMissing(path) from None
        return len(header) > _WRITE_VERSION and header[_WRITE_VERSION] > 2

    def _select(self, connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return until_unlocked(lambda: connection.execute(sql, values))

    def _stat(self, connection: sqlite3.Connection, columns: str = "*") -> dict[str, Any]:
        cursor = self._select(connection, f"SELECT {columns} FROM {self.stat_table}")
        rows = cursor.fetchall()  # to the end: an unfinished statement would keep the file locked
        if not rows:
            raise sqlite3.DatabaseError(f"file is not a database: no row in {self.stat_table}")
        found = dict(zip((column[0] for column in cursor.description), rows[0], strict=True))
        if columns == "*":
            _check_moments(found)
            self.check_names(found)
        return found

    def check_names(self, info: Mapping[str, Any]) -> None:
        """See that the file is not another account's or container's, put here by mistake: nobody is served from that.

        :param info: the row of the stat table
        :raises sqlite3.DatabaseError: when it is; it is quarantined then, and replication brings back the right one
        :raises Misplaced: when it is, and only the hash says so
        """
        names = (info["account"], info.get("container"))
        if self.account and names != (self.account, self.container):
            raise sqlite3.DatabaseError(f"file is not a database of this place, but of {_path(names)}")
        if self.hash_path and self.hash_path.hex(*names) != os.path.basename(self.directory):
            raise Misplaced(f"it is the database of {_path(names)}, which does not belong there")

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
            metrics.QUARANTINED_NOW.add(1, f"{self.kind}s")
            self.logger.error("quarantined %s to %s: %s", self.directory, target, reason)

    def possibly_quarantine(
        self, error: sqlite3.DatabaseError | UnicodeDecodeError, identity: tuple[int, int] | None = None
    ) -> None:
        """Quarantine the database if that is what the error calls for.

        A file that was received and is not in its place yet is left to its receiver.

        :param identity: of the file that the error is about; when another has replaced it, that one stays
        :raises DatabaseQuarantined: when it did
        """
        is_corrupt = _is_corruption(error) or (_READ_ONLY in str(error) and self.forbids_writing())
        if not is_corrupt or not layout.is_in_place(self.path, self.kind):
            return
        if identity is None or is_at(layout.newest_file(self.path), identity):
            self.quarantine(str(error) or _NO_TEXT)
        raise DatabaseQuarantined(self.path, str(error) or _NO_TEXT) from error


def _check_moments(info: Mapping[str, Any]) -> None:
    """See that the row of the stat table is one.

    :raises sqlite3.DatabaseError: when its columns hold something else
    """
    for name in ("created_at", "put_timestamp", "delete_timestamp"):
        try:
            Timestamp(info[name])
        except (ValueError, TypeError, AttributeError):
            raise sqlite3.DatabaseError(f"file is not a database: its {name} is {info[name]!r}") from None


def _path(names: tuple[str, str | None]) -> str:
    return "/".join(name for name in names if name)


def is_disk_error(error: BaseException) -> bool:
    """Whether SQLite failed because of the disk: it is full, its quota is used up, or it cannot be read or written."""
    text = str(error)
    return isinstance(error, sqlite3.OperationalError) and ("disk I/O error" in text or "disk is full" in text)


def is_bad_schema(error: sqlite3.Error) -> bool:
    """Whether a database lacks what each of its kind has; so it is with all of them when the fault is ours."""
    return any(sign in str(error) for sign in _BAD_SCHEMA)


def _is_corruption(error: sqlite3.DatabaseError | UnicodeDecodeError) -> bool:
    # What SQLite says of a damaged schema quotes it, and is no Unicode then; Python 3.10 has an error without a text instead.
    if type(error) is sqlite3.DatabaseError and not error.args:
        return True
    # Python 3.10 does not tell which error of the disk it was; a database that may be sound is to stay then.
    is_quoted = isinstance(error, UnicodeDecodeError)
    text = (error.object.decode("utf-8", "replace") if is_quoted else str(error)).lower()
    return getattr(error, "sqlite_errorname", "") in _UNREADABLE or any(sign in text for sign in _CORRUPTION)
