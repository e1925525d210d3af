"""Databases as earlier releases of Swift left them, for readers that must bring them up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from swiftlite.db.schema import chexor

ZERO = "0" * 32

_SYNC = """
    CREATE TABLE outgoing_sync (remote_id TEXT UNIQUE, sync_point INTEGER{updated_at});
    CREATE TABLE incoming_sync (remote_id TEXT UNIQUE, sync_point INTEGER{updated_at});
"""
_TOUCH = "BEGIN UPDATE {0} SET updated_at = STRFTIME('%s', 'NOW') WHERE ROWID = new.ROWID; END;"
_SYNC_TRIGGERS = "".join(
    f"CREATE TRIGGER {table}_{what} AFTER {what.upper()} ON {table} {_TOUCH.format(table)}\n"
    for table in ("outgoing_sync", "incoming_sync")
    for what in ("insert", "update")
)
_NO_UPDATE = """
    CREATE TRIGGER {0}_update BEFORE UPDATE ON {0}
        BEGIN SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT'); END;
"""

_OBJECT = """
    CREATE TABLE object (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created_at TEXT, size INTEGER,
        content_type TEXT, etag TEXT, deleted INTEGER DEFAULT 0);
    CREATE TRIGGER object_insert AFTER INSERT ON object
        BEGIN
            UPDATE container_stat SET object_count = object_count + (1 - new.deleted),
                bytes_used = bytes_used + new.size, hash = chexor(hash, new.name, new.created_at);
        END;
    CREATE TRIGGER object_delete AFTER DELETE ON object
        BEGIN
            UPDATE container_stat SET object_count = object_count - (1 - old.deleted),
                bytes_used = bytes_used - old.size, hash = chexor(hash, old.name, old.created_at);
        END;
""" + _NO_UPDATE.format("object")
_CONTAINER_STAT = """
    CREATE TABLE container_stat (account TEXT, container TEXT, created_at TEXT, put_timestamp TEXT DEFAULT '0',
        delete_timestamp TEXT DEFAULT '0', object_count INTEGER, bytes_used INTEGER,
        reported_put_timestamp TEXT DEFAULT '0', reported_delete_timestamp TEXT DEFAULT '0',
        reported_object_count INTEGER DEFAULT 0, reported_bytes_used INTEGER DEFAULT 0,
        hash TEXT DEFAULT '00000000000000000000000000000000', id TEXT, status TEXT DEFAULT '',
        status_changed_at TEXT DEFAULT '0'{later});
"""
_METADATA = ", metadata TEXT DEFAULT ''"
_SYNC_POINTS = ", x_container_sync_point1 INTEGER DEFAULT -1, x_container_sync_point2 INTEGER DEFAULT -1"
_DELETED_NAME = "CREATE INDEX ix_{0}_deleted_name ON {0} (deleted, name);"

_CONTAINER = """
    CREATE TABLE container (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, put_timestamp TEXT,
        delete_timestamp TEXT, object_count INTEGER, bytes_used INTEGER, deleted INTEGER DEFAULT 0{policy});
    CREATE TRIGGER container_insert AFTER INSERT ON container
        BEGIN
            UPDATE account_stat SET container_count = container_count + (1 - new.deleted),
                object_count = object_count + new.object_count, bytes_used = bytes_used + new.bytes_used,
                hash = chexor(hash, new.name, new.put_timestamp || '-' || new.delete_timestamp || '-' ||
                              new.object_count || '-' || new.bytes_used);
        END;
    CREATE TRIGGER container_delete AFTER DELETE ON container
        BEGIN
            UPDATE account_stat SET container_count = container_count - (1 - old.deleted),
                object_count = object_count - old.object_count, bytes_used = bytes_used - old.bytes_used,
                hash = chexor(hash, old.name, old.put_timestamp || '-' || old.delete_timestamp || '-' ||
                              old.object_count || '-' || old.bytes_used);
        END;
""" + _NO_UPDATE.format("container")
_ACCOUNT_STAT = """
    CREATE TABLE account_stat (account TEXT, created_at TEXT, put_timestamp TEXT DEFAULT '0',
        delete_timestamp TEXT DEFAULT '0', container_count INTEGER, object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0, hash TEXT DEFAULT '00000000000000000000000000000000', id TEXT,
        status TEXT DEFAULT '', status_changed_at TEXT DEFAULT '0'{later});
"""
# Policies came to accounts before anybody counted their containers.
_UNCOUNTED_POLICIES = """
    CREATE TABLE policy_stat (storage_policy_index INTEGER PRIMARY KEY, object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0);
    CREATE TRIGGER container_insert_ps AFTER INSERT ON container
        BEGIN
            INSERT OR IGNORE INTO policy_stat (storage_policy_index) VALUES (new.storage_policy_index);
            UPDATE policy_stat SET object_count = object_count + new.object_count,
                bytes_used = bytes_used + new.bytes_used WHERE storage_policy_index = new.storage_policy_index;
        END;
    CREATE TRIGGER container_delete_ps AFTER DELETE ON container
        BEGIN
            UPDATE policy_stat SET object_count = object_count - old.object_count,
                bytes_used = bytes_used - old.bytes_used WHERE storage_policy_index = old.storage_policy_index;
        END;
"""


def _sync(updated_at: bool = True) -> str:
    return (
        _SYNC.format(updated_at=", updated_at TEXT DEFAULT 0") + _SYNC_TRIGGERS
        if updated_at
        else _SYNC.format(updated_at="")
    )


_OBJECT_INDEX, _CONTAINER_INDEX = _DELETED_NAME.format("object"), _DELETED_NAME.format("container")

CONTAINERS: Mapping[str, str] = {
    "before the index": _sync(False) + _OBJECT + _CONTAINER_STAT.format(later=""),
    "before metadata": _sync(False) + _OBJECT + _OBJECT_INDEX + _CONTAINER_STAT.format(later=""),
    "before sync points": _sync() + _OBJECT + _OBJECT_INDEX + _CONTAINER_STAT.format(later=_METADATA),
    "before policies": _sync() + _OBJECT + _OBJECT_INDEX + _CONTAINER_STAT.format(later=_METADATA + _SYNC_POINTS),
}
"""Schemas of containers, by what came next."""

ACCOUNTS: Mapping[str, str] = {
    "before the index": _sync(False) + _CONTAINER.format(policy="") + _ACCOUNT_STAT.format(later=""),
    "before metadata": _sync(False) + _CONTAINER.format(policy="") + _CONTAINER_INDEX + _ACCOUNT_STAT.format(later=""),
    "before policies": _sync()
    + _CONTAINER.format(policy="")
    + _CONTAINER_INDEX
    + _ACCOUNT_STAT.format(later=_METADATA),
    "before counts of policies": _sync()
    + _CONTAINER.format(policy=", storage_policy_index INTEGER DEFAULT 0")
    + _CONTAINER_INDEX
    + _ACCOUNT_STAT.format(later=_METADATA)
    + _UNCOUNTED_POLICIES,
}
"""Schemas of accounts, by what came next."""

OBJECT_ROWS = [
    ("a", "0000000020.00000", 3, "text/plain", "e", 0),
    ("b", "0000000021.00000", 0, "application/deleted", "noetag", 1),
    ("c/d", "0000000022.00000", 4, "text/plain", "f", 0),
]
CONTAINER_ROWS = [
    ("a", "0000000020.00000", "0", 3, 30, 0),
    ("b", "0000000021.00000", "0000000030.00000", 0, 0, 1),
    ("c", "0000000022.00000", "0", 4, 40, 0),
]


def make_container(path: Path, schema: str) -> None:
    """Write a container's database with OBJECT_ROWS; it was made by PUT at 10 and created here at 11."""
    columns = {"account": "AUTH_t", "container": "c1", "reported_delete_timestamp": "0000000007.00000"}
    _make(path, schema, "container_stat", {**columns, "object_count": 0, "bytes_used": 0}, "object", OBJECT_ROWS)


def make_account(path: Path, schema: str) -> None:
    """Write an account's database with CONTAINER_ROWS; it was made by PUT at 10 and created here at 11."""
    _make(path, schema, "account_stat", {"account": "AUTH_t", "container_count": 0}, "container", CONTAINER_ROWS)


def _make(
    path: Path, schema: str, stat: str, columns: Mapping[str, object], table: str, rows: Sequence[tuple[object, ...]]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.create_function("chexor", 3, chexor)
    connection.executescript(schema)
    values = {"created_at": "0000000011.00000", "put_timestamp": "0000000010.00000", "id": "old-id", **columns}
    _insert(connection, stat, list(values), list(values.values()))
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "ROWID"]
    for row in rows:
        _insert(connection, table, names[: len(row)], row)
    _insert(connection, "incoming_sync", ["remote_id", "sync_point"], ["somebody", 2])
    connection.commit()
    connection.close()


def _insert(connection: sqlite3.Connection, table: str, names: Sequence[str], values: Sequence[object]) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", list(values))
