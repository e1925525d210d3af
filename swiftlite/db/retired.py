"""Locks on database files that were moved away, or replaced: kept until nobody can be waiting for them any more.

SQLite finds a journal by its database's name. Somebody who opened the old file and then takes the first lock on it
would hold the journal of the new file, which lies at that name, for one that a crash left: roll the old file back by
it, and delete it under its owner's hands. While there is a write lock on the old file SQLite lets journals be.
"""

from __future__ import annotations

import sqlite3
from collections import deque

from swiftlite.common.concurrency import sleep, spawn
from swiftlite.db.connections import LOCKED_TIMEOUT

MOST = 64
"""Locks that are kept; beyond that the oldest goes early, for each holds a file open."""

_kept: deque[sqlite3.Connection] = deque()


def keep(connection: sqlite3.Connection) -> None:
    """Keep a connection, in a transaction that holds the write lock, for as long as others may wait for that."""
    _kept.append(connection)
    if len(_kept) > MOST:
        _kept.popleft().close()
    spawn(_let_go_later, connection)


def _let_go_later(connection: sqlite3.Connection) -> None:
    sleep(2 * LOCKED_TIMEOUT)
    if connection in _kept:
        _kept.remove(connection)
        connection.close()
