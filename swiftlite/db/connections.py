"""Connections to database files: opened once, kept, and noticed when the file behind them is another one."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from swiftlite.common.concurrency import sleep
from swiftlite.db.migrations import migrate
from swiftlite.db.pending import LockTimeout
from swiftlite.db.schema import register_functions

T = TypeVar("T")

LOCKED_TIMEOUT = 25.0
"""Seconds to go on trying while another process has the database locked (formats.md 4.1)."""

# EXTRA syncs the directory after each commit, which is the removal of the journal. With less, as formats.md has it (no
# peer can see what a connection sets), a loss of power may undo a commit whose rows others have taken already: the next
# rows get the same numbers, and count as known there for ever.
# Half a megabyte of pages for a connection: the kernel caches the files anyway, and many connections are kept.
_PRAGMAS = ("synchronous = EXTRA", "temp_store = MEMORY", "journal_mode = DELETE", "cache_size = -500")


class DatabaseMissing(Exception):
    """There is no database file; carries its path."""


class ConnectionCache:
    """Idle connections by file; whoever takes one has it alone until giving it back.

    :param limit: most connections kept idle; the one unused for longest is closed
    """

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._idle: OrderedDict[str, tuple[tuple[int, int], sqlite3.Connection]] = OrderedDict()

    def take(self, path: str) -> tuple[tuple[int, int], sqlite3.Connection]:
        """An open connection to the file that is at ``path`` now, and that file's identity.

        :raises DatabaseMissing: when there is none
        """
        identity = file_identity(path)
        known, connection = self._idle.pop(path, (None, None))
        if connection is not None:
            # An open connection keeps its inode from being used again, so equal numbers mean the same file.
            if known == identity:
                return identity, connection
            connection.close()
        return identity, open_database(path)

    def give_back(self, path: str, identity: tuple[int, int], connection: sqlite3.Connection) -> None:
        """Keep the connection for the next one who asks."""
        if path in self._idle:
            connection.close()
            return
        self._idle[path] = (identity, connection)
        if len(self._idle) > self._limit:
            _, (_, oldest) = self._idle.popitem(last=False)
            oldest.close()

    def close(self) -> None:
        """Close all that are idle."""
        while self._idle:
            _, (_, connection) = self._idle.popitem()
            connection.close()


def file_identity(path: str) -> tuple[int, int]:
    """Device and inode of a file.

    :raises DatabaseMissing: when there is none
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DatabaseMissing(path) from None
    return found.st_dev, found.st_ino


def is_at(path: str, identity: tuple[int, int]) -> bool:
    """Whether a file is what is at a path now."""
    try:
        return file_identity(path) == identity
    except DatabaseMissing:
        return False


def open_database(path: str) -> sqlite3.Connection:
    """Open an existing database file, and bring an older one up to date; commits are explicit."""
    try:
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
        )
    except sqlite3.OperationalError:
        if not os.path.exists(path):
            raise DatabaseMissing(path) from None
        raise
    try:
        prepare(connection)
        until_unlocked(lambda: migrate(connection))
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Set the pragmas and functions that every connection needs (formats.md 4.1)."""
    register_functions(connection)
    for pragma in _PRAGMAS:
        until_unlocked(lambda pragma=pragma: connection.execute(f"PRAGMA {pragma}"))  # type: ignore[misc]


def until_unlocked(call: Callable[[], T], timeout: float = LOCKED_TIMEOUT) -> T:
    """Repeat a call for as long as it fails because somebody else has the database locked.

    :param timeout: seconds to go on trying
    :raises LockTimeout: when that is not enough
    """
    deadline = None
    delay = 0.001
    while True:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            now = time.monotonic()
            deadline = deadline or now + timeout
            if now >= deadline:
                raise LockTimeout("the database") from error
        sleep(delay)
        delay = min(delay * 2, 0.05)
