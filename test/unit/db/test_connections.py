"""Kept connections: one owner at a time, and never to a file that is not there any more."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from swiftlite.db.connections import ConnectionCache, DatabaseMissing, open_database, until_unlocked
from swiftlite.db.pending import LockTimeout


@pytest.fixture
def path(tmp_path: Path) -> str:
    return make(tmp_path / "a b?#%.db", "old")


def make(path: Path, text: str) -> str:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", (text,))
    connection.close()
    return str(path)


def value(connection: sqlite3.Connection) -> str:
    return connection.execute("SELECT x FROM t").fetchone()[0]


def test_a_connection_is_used_again(path: str) -> None:
    cache = ConnectionCache()
    identity, first = cache.take(path)
    _, second = cache.take(path)
    assert second is not first
    cache.give_back(path, identity, first)
    assert cache.take(path)[1] is first


def test_a_replaced_file_is_opened_anew(path: str, tmp_path: Path) -> None:
    cache = ConnectionCache()
    cache.give_back(path, *cache.take(path))
    os.replace(make(tmp_path / "new.db", "new"), path)
    assert value(cache.take(path)[1]) == "new"


def test_a_file_deleted_and_made_again_is_opened_anew(path: str) -> None:
    cache = ConnectionCache()
    for turn in range(5):  # file systems like to hand out the same inode again
        identity, connection = cache.take(path)
        assert value(connection) == ("old" if turn == 0 else str(turn))
        cache.give_back(path, identity, connection)
        os.unlink(path)
        with pytest.raises(DatabaseMissing):
            cache.take(path)
        make(Path(path), str(turn + 1))


def test_the_oldest_is_closed_when_there_are_too_many(tmp_path: Path) -> None:
    cache = ConnectionCache(limit=2)
    paths = [make(tmp_path / f"{number}.db", str(number)) for number in range(3)]
    taken = [cache.take(path) for path in paths]
    for path, pair in zip(paths, taken, strict=True):
        cache.give_back(path, *pair)
    with pytest.raises(sqlite3.ProgrammingError):
        value(taken[0][1])
    assert value(taken[2][1]) == "2"
    cache.close()


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        open_database(str(tmp_path / "none.db"))
    assert not (tmp_path / "none.db").exists()


def test_the_journal_is_no_write_ahead_log(path: str) -> None:
    connection = open_database(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert connection.execute("PRAGMA temp_store").fetchone() == (2,)


def test_a_commit_outlives_a_loss_of_power(path: str) -> None:
    """Other replicas remember the numbers of its rows; EXTRA alone syncs the directory that the journal was in."""
    extra = 3
    assert open_database(path).execute("PRAGMA synchronous").fetchone() == (extra,)


def test_a_locked_database_is_tried_again() -> None:
    attempts = []

    def call() -> str:
        attempts.append(1)
        if len(attempts) < 4:
            raise sqlite3.OperationalError("database is locked")
        return "done"

    assert until_unlocked(call) == "done"
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        until_unlocked(lambda: (_ for _ in ()).throw(sqlite3.OperationalError("no such table: x")))


def test_a_database_that_stays_locked_is_told_of(path: str) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    connection = sqlite3.connect(path, timeout=0)
    with pytest.raises(LockTimeout):
        until_unlocked(lambda: value(connection), timeout=0.02)
    other.execute("ROLLBACK")
    assert until_unlocked(lambda: value(connection), timeout=0.02) == "old"
