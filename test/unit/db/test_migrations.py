"""Older databases: brought up to date on the first opening, with nothing of what they hold lost; newer ones left alone."""

from __future__ import annotations

import logging
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fakes import old_databases
from swiftlite.account.backend import AccountBroker
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.listing import ListingQuery
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.db.connections import open_database
from swiftlite.db.migrations import migrate
from swiftlite.db.schema import ACCOUNT_SCHEMA, CONTAINER_SCHEMA, chexor

LOGGER = logging.getLogger(__name__)


def container_at(path: Path) -> ContainerBroker:
    return ContainerBroker(str(path), "AUTH_t", "c1", logger=LOGGER)


def account_at(path: Path) -> AccountBroker:
    return AccountBroker(str(path), "AUTH_t", logger=LOGGER)


@pytest.fixture
def container_path(tmp_path: Path) -> Path:
    return tmp_path / "sda/containers/1/abc/deadabc/deadabc.db"


@pytest.fixture
def account_path(tmp_path: Path) -> Path:
    return tmp_path / "sda/accounts/1/abc/deadabc/deadabc.db"


def shape(connection: sqlite3.Connection) -> dict[Any, Any]:
    things = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
    return {
        (kind, name): {row[1] for row in connection.execute(f"PRAGMA table_info({name})")} if "e" in kind else None
        for kind, name in things
    }


def shape_of(schema: str) -> dict[Any, Any]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema)
    return shape(connection)


@pytest.mark.parametrize("age", old_databases.CONTAINERS)
def test_an_old_container(container_path: Path, age: str) -> None:
    old_databases.make_container(container_path, old_databases.CONTAINERS[age])
    broker = container_at(container_path)
    info = broker.get_info()
    assert (info["account"], info["container"], info["id"], info["put_timestamp"]) == (
        *("AUTH_t", "c1", "old-id", "0000000010.00000"),
    )
    assert (info["object_count"], info["bytes_used"], info["storage_policy_index"]) == (2, 7, 0)
    assert info["reported_delete_timestamp"] == "0000000007.00000"
    expected = "0" * 32
    for name, created_at, *_ in old_databases.OBJECT_ROWS:
        expected = chexor(expected, name, created_at)
    assert info["hash"] == expected
    assert broker.policy_stats() == {0: (2, 7)}
    assert broker.sync_points() == [{"remote_id": "somebody", "sync_point": 2}]
    assert [row["ROWID"] for row in broker.items_since(-1, 10)] == [1, 2, 3]
    with broker.connection() as connection:
        assert shape(connection) == shape_of(CONTAINER_SCHEMA)
    _use_container(broker)


def _use_container(broker: ContainerBroker) -> None:
    broker.put_object(ObjectReport("new", "0000000030.00000", 5, "t", "e", 0, 1))
    broker.delete_object("a", "0000000031.00000")
    assert broker.policy_stats() == {0: (1, 4), 1: (1, 5)}
    broker.update_metadata({"X-Container-Meta-A": ("1", "0000000032.00000")})
    assert broker.metadata() == {"X-Container-Meta-A": ("1", "0000000032.00000")}
    assert broker.move_container_sync_points((-1, -1), (3, -1))
    assert broker.container_sync_points() == (3, -1)
    broker.reclaim("0000000040.00000", "9999999999.00000")
    assert broker.sync_points() == []
    assert [row[0] for row in broker.list_objects(ListingQuery())] == ["c/d"]


@pytest.mark.parametrize("age", old_databases.ACCOUNTS)
def test_an_old_account(account_path: Path, age: str) -> None:
    old_databases.make_account(account_path, old_databases.ACCOUNTS[age])
    broker = account_at(account_path)
    info = broker.get_info()
    assert (info["container_count"], info["object_count"], info["bytes_used"]) == (2, 7, 70)
    assert broker.policy_stats() == {0: {"container_count": 2, "object_count": 7, "bytes_used": 70}}
    with broker.connection() as connection:
        assert shape(connection) == shape_of(ACCOUNT_SCHEMA)
    broker.put_container(ContainerRow("new", "0000000030.00000", "0", 1, 1, 0, 1))
    broker.put_container(ContainerRow("a", "0000000020.00000", "0000000031.00000", 0, 0))
    assert broker.policy_stats() == {
        0: {"container_count": 1, "object_count": 4, "bytes_used": 40},
        1: {"container_count": 1, "object_count": 1, "bytes_used": 1},
    }
    broker.update_metadata({"X-Account-Meta-A": ("1", "0000000032.00000")})
    broker.reclaim("0000000040.00000", "9999999999.00000")
    assert broker.sync_points() == []


def test_containers_of_a_policy_are_counted_apart(account_path: Path) -> None:
    old_databases.make_account(account_path, old_databases.ACCOUNTS["before counts of policies"])
    connection = sqlite3.connect(account_path)
    connection.create_function("chexor", 3, chexor)
    connection.execute(
        "INSERT INTO container (name, put_timestamp, delete_timestamp, object_count, bytes_used, storage_policy_index)"
        " VALUES ('silver', '0000000020.00000', '0', 1, 1, 1)"
    )
    connection.commit()
    connection.close()
    counts = account_at(account_path).policy_stats()
    assert {index: stats["container_count"] for index, stats in counts.items()} == {0: 2, 1: 1}


@pytest.mark.parametrize("lost", ["DROP TABLE shard_range", "DROP INDEX ix_object_deleted_name"])
def test_a_container_of_a_time_in_between(container_path: Path, lost: str) -> None:
    broker = container_at(container_path)
    broker.initialize("0000000010.00000")
    with sqlite3.connect(container_path) as connection:
        connection.execute(lost)
    connection.close()
    broker.get_info()
    with broker.connection() as connection:
        assert shape(connection) == shape_of(CONTAINER_SCHEMA)


@pytest.mark.parametrize("column", ["reported", "tombstones"])
def test_a_container_with_an_older_shard_table(container_path: Path, column: str) -> None:
    broker = container_at(container_path)
    broker.initialize("0000000010.00000")
    with sqlite3.connect(container_path) as connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'shard_range'").fetchone()
        connection.execute("DROP TABLE shard_range")
        connection.execute(re.sub(rf", {column} INTEGER DEFAULT [-0-9]+", "", sql))
        assert column not in {row[1] for row in connection.execute("PRAGMA table_info(shard_range)")}
    connection.close()
    broker.get_info()
    with broker.connection() as connection:
        assert shape(connection) == shape_of(CONTAINER_SCHEMA)


def test_a_migration_that_fails_changes_nothing(container_path: Path) -> None:
    old_databases.make_container(container_path, old_databases.CONTAINERS["before policies"])
    connection = sqlite3.connect(container_path, isolation_level=None)
    connection.execute("CREATE TABLE policy_stat (something TEXT)")
    before = shape(connection)
    with pytest.raises(sqlite3.Error):
        migrate(connection)
    assert shape(connection) == before
    assert not connection.in_transaction


def test_a_current_database_is_not_written_to(container_path: Path) -> None:
    container_at(container_path).initialize("0000000010.00000")
    before = container_path.read_bytes()
    connection = open_database(str(container_path))
    assert not migrate(connection)
    connection.close()
    assert container_path.read_bytes() == before


NEWER = [
    "CREATE TABLE future (x TEXT)",
    "ALTER TABLE container_info ADD COLUMN future TEXT DEFAULT 'f'",
    "ALTER TABLE object ADD COLUMN future TEXT DEFAULT 'f'",
    "CREATE INDEX ix_future ON object (created_at)",
]


@pytest.mark.parametrize("change", NEWER)
def test_a_newer_container_is_used_as_far_as_it_is_known(container_path: Path, change: str) -> None:
    broker = container_at(container_path)
    broker.initialize("0000000010.00000")
    with sqlite3.connect(container_path) as connection:
        connection.execute(change)
    newer = shape(connection)
    connection.close()
    broker.put_object(ObjectReport("a", "0000000020.00000", 3, "t", "e"))
    broker.put_object(ObjectReport("a", "0000000021.00000", 4, "t", "e"))
    assert (broker.get_info()["object_count"], broker.get_info()["bytes_used"]) == (1, 4)
    with broker.connection() as mine:
        assert shape(mine) == newer


def test_counting_that_was_replaced_is_not_added_again(container_path: Path) -> None:
    broker = container_at(container_path)
    broker.initialize("0000000010.00000")
    with sqlite3.connect(container_path) as connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'object_insert_policy_stat'").fetchone()
        connection.execute("DROP TRIGGER object_insert_policy_stat")
        connection.execute(sql.replace("object_insert_policy_stat", "object_insert_v3"))
    connection.close()
    broker.put_object(ObjectReport("a", "0000000020.00000", 3, "t", "e"))
    assert broker.get_info()["bytes_used"] == 3


def test_what_needs_a_function_of_the_future_is_an_error_and_no_corruption(container_path: Path) -> None:
    broker = container_at(container_path)
    broker.initialize("0000000010.00000")
    with sqlite3.connect(container_path) as connection:
        connection.execute("CREATE TRIGGER future AFTER INSERT ON object BEGIN SELECT future(new.name); END")
    connection.close()
    broker.put_object(ObjectReport("a", "0000000020.00000", 3, "t", "e"))
    with pytest.raises(sqlite3.OperationalError, match="no such function"):
        broker.get_info()
    assert container_path.exists()
