"""The tables, triggers, view and indexes of account and container databases (formats.md 4.2 to 4.5)."""

from __future__ import annotations

import hashlib
import sqlite3


def chexor(old: str | None, name: str, timestamp: str) -> str:
    """Fold a row into, or out of, a database's hash, whatever the order (formats.md 4.5).

    :param old: 32 hex digits
    :param timestamp: the text that changes whenever the row does
    """
    if name is None:
        raise ValueError("a row without a name cannot be hashed")
    row = hashlib.md5(f"{name}-{timestamp}".encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return f"{int(old or '0', 16) ^ int(row, 16):032x}"


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


SYNC_TABLES = ("outgoing_sync", "incoming_sync")


def sync_triggers(table: str) -> str:
    """The triggers that tell when a sync point was last moved."""
    touch = f"BEGIN UPDATE {table} SET updated_at = STRFTIME('%s', 'NOW') WHERE ROWID = new.ROWID; END;"
    return f"""
        CREATE TRIGGER {table}_insert AFTER INSERT ON {table} {touch}
        CREATE TRIGGER {table}_update AFTER UPDATE ON {table} {touch}
    """


def _sync_table(name: str) -> str:
    return f"""
        CREATE TABLE {name} (remote_id TEXT UNIQUE, sync_point INTEGER, updated_at TEXT DEFAULT 0);
        {sync_triggers(name)}
    """


def _refuse_update(table: str) -> str:
    return f"""
        CREATE TRIGGER {table}_update BEFORE UPDATE ON {table}
            BEGIN SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT'); END;
    """


_SYNC = "".join(map(_sync_table, SYNC_TABLES))

OBJECT_INDEX = "CREATE INDEX ix_object_deleted_name ON object (deleted, name);"

OBJECT_COUNTS = """
    CREATE TABLE policy_stat (
        storage_policy_index INTEGER PRIMARY KEY,
        object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0
    );
    CREATE TRIGGER object_insert_policy_stat AFTER INSERT ON object
        BEGIN
            INSERT OR IGNORE INTO policy_stat (storage_policy_index) VALUES (new.storage_policy_index);
            UPDATE policy_stat
                SET object_count = object_count + (1 - new.deleted), bytes_used = bytes_used + new.size
                WHERE storage_policy_index = new.storage_policy_index;
            UPDATE container_info SET hash = chexor(hash, new.name, new.created_at);
        END;
    CREATE TRIGGER object_delete_policy_stat AFTER DELETE ON object
        BEGIN
            UPDATE policy_stat
                SET object_count = object_count - (1 - old.deleted), bytes_used = bytes_used - old.size
                WHERE storage_policy_index = old.storage_policy_index;
            UPDATE container_info SET hash = chexor(hash, old.name, old.created_at);
        END;
"""
"""How many objects of each policy there are, kept by triggers, with the hash of all rows."""

_OBJECT = f"""
    CREATE TABLE object (
        ROWID INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT,
        created_at TEXT,
        size INTEGER,
        content_type TEXT,
        etag TEXT,
        deleted INTEGER DEFAULT 0,
        storage_policy_index INTEGER DEFAULT 0
    );
    {OBJECT_INDEX}
    {_refuse_update("object")}
    {OBJECT_COUNTS}
"""

INFO_COLUMNS = {
    "account": "TEXT",
    "container": "TEXT",
    "created_at": "TEXT",
    "put_timestamp": "TEXT DEFAULT '0'",
    "delete_timestamp": "TEXT DEFAULT '0'",
    "reported_put_timestamp": "TEXT DEFAULT '0'",
    "reported_delete_timestamp": "TEXT DEFAULT '0'",
    "reported_object_count": "INTEGER DEFAULT 0",
    "reported_bytes_used": "INTEGER DEFAULT 0",
    "hash": "TEXT default '00000000000000000000000000000000'",
    "id": "TEXT",
    "status": "TEXT DEFAULT ''",
    "status_changed_at": "TEXT DEFAULT '0'",
    "metadata": "TEXT DEFAULT ''",
    "x_container_sync_point1": "INTEGER DEFAULT -1",
    "x_container_sync_point2": "INTEGER DEFAULT -1",
    "storage_policy_index": "INTEGER DEFAULT 0",
    "reconciler_sync_point": "INTEGER DEFAULT -1",
}

INFO_TABLE = f"CREATE TABLE container_info ({_columns(INFO_COLUMNS)});"

# Older readers go through the view, so it keeps the name and the columns of the table that once held the counts.
STAT_VIEW = f"""
    CREATE VIEW container_stat AS
        SELECT {", ".join(f"info.{name} AS {name}" for name in INFO_COLUMNS)},
            coalesce(stat.object_count, 0) AS object_count, coalesce(stat.bytes_used, 0) AS bytes_used
        FROM container_info info LEFT JOIN policy_stat stat
        ON info.storage_policy_index = stat.storage_policy_index;
    CREATE TRIGGER container_stat_update INSTEAD OF UPDATE ON container_stat
        BEGIN UPDATE container_info SET {", ".join(f"{name} = NEW.{name}" for name in INFO_COLUMNS)}; END;
"""

SHARD_RANGE_COLUMNS = {
    "ROWID": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "name": "TEXT",
    "timestamp": "TEXT",
    "lower": "TEXT",
    "upper": "TEXT",
    "object_count": "INTEGER DEFAULT 0",
    "bytes_used": "INTEGER DEFAULT 0",
    "meta_timestamp": "TEXT",
    "deleted": "INTEGER DEFAULT 0",
    "state": "INTEGER",
    "state_timestamp": "TEXT",
    "epoch": "TEXT",
    "reported": "INTEGER DEFAULT 0",
    "tombstones": "INTEGER DEFAULT -1",
}

SHARD_RANGE = f"""
    CREATE TABLE shard_range ({_columns(SHARD_RANGE_COLUMNS)});
    {_refuse_update("shard_range")}
"""

_CONTAINER_ROW_TEXT = " || '-' || ".join(
    f"{{row}}.{column}" for column in ("put_timestamp", "delete_timestamp", "object_count", "bytes_used")
)


def _account_counts(row: str, sign: str) -> str:
    """The SET clause that adds (``+``) or takes away (``-``) a container's row."""
    return f"""container_count = container_count {sign} (1 - {row}.deleted),
                object_count = object_count {sign} {row}.object_count,
                bytes_used = bytes_used {sign} {row}.bytes_used"""


CONTAINER_INDEX = "CREATE INDEX ix_container_deleted_name ON container (deleted, name);"

CONTAINER_COUNTS = """
    CREATE TABLE policy_stat (
        storage_policy_index INTEGER PRIMARY KEY,
        container_count INTEGER DEFAULT 0,
        object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0
    );
"""

CONTAINER_COUNT_TRIGGERS = f"""
    CREATE TRIGGER container_insert_ps AFTER INSERT ON container
        BEGIN
            INSERT OR IGNORE INTO policy_stat (storage_policy_index) VALUES (new.storage_policy_index);
            UPDATE policy_stat SET {_account_counts("new", "+")}
                WHERE storage_policy_index = new.storage_policy_index;
        END;
    CREATE TRIGGER container_delete_ps AFTER DELETE ON container
        BEGIN
            UPDATE policy_stat SET {_account_counts("old", "-")}
                WHERE storage_policy_index = old.storage_policy_index;
        END;
"""

STAT_COLUMNS = {
    "account": "TEXT",
    "created_at": "TEXT",
    "put_timestamp": "TEXT DEFAULT '0'",
    "delete_timestamp": "TEXT DEFAULT '0'",
    "container_count": "INTEGER",
    "object_count": "INTEGER DEFAULT 0",
    "bytes_used": "INTEGER DEFAULT 0",
    "hash": "TEXT default '00000000000000000000000000000000'",
    "id": "TEXT",
    "status": "TEXT DEFAULT ''",
    "status_changed_at": "TEXT DEFAULT '0'",
    "metadata": "TEXT DEFAULT ''",
}

_ACCOUNT = f"""
    CREATE TABLE container (
        ROWID INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT,
        put_timestamp TEXT,
        delete_timestamp TEXT,
        object_count INTEGER,
        bytes_used INTEGER,
        deleted INTEGER DEFAULT 0,
        storage_policy_index INTEGER DEFAULT 0
    );
    {CONTAINER_INDEX}
    CREATE TRIGGER container_insert AFTER INSERT ON container
        BEGIN
            UPDATE account_stat SET {_account_counts("new", "+")},
                hash = chexor(hash, new.name, {_CONTAINER_ROW_TEXT.format(row="new")});
        END;
    {_refuse_update("container")}
    CREATE TRIGGER container_delete AFTER DELETE ON container
        BEGIN
            UPDATE account_stat SET {_account_counts("old", "-")},
                hash = chexor(hash, old.name, {_CONTAINER_ROW_TEXT.format(row="old")});
        END;
    CREATE TABLE account_stat ({_columns(STAT_COLUMNS)});
    {CONTAINER_COUNTS}
    {CONTAINER_COUNT_TRIGGERS}
"""

CONTAINER_SCHEMA = _SYNC + _OBJECT + INFO_TABLE + STAT_VIEW + SHARD_RANGE
ACCOUNT_SCHEMA = _SYNC + _ACCOUNT


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that the triggers call; without them every write fails."""
    connection.create_function("chexor", 3, chexor)
