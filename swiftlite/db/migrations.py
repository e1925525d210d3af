"""Older databases brought up to date when they are opened: what their schema lacks is added (formats.md 4.3, 4.4)."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from swiftlite.db import schema

_CREATED = re.compile(r"\s*CREATE (TABLE|VIEW|INDEX|TRIGGER) (\w+)")
_OUTDATED = {"object_insert", "object_delete"}
"""Triggers of a time before storage policies: they count in the table that is a view now."""


class _Thing(NamedTuple):
    """A table, view, index or trigger of a database."""

    type: str
    name: str
    sql: str | None


_Things = tuple[_Thing, ...]


def migrate(connection: sqlite3.Connection) -> bool:
    """Add what an older database lacks, in one transaction.

    A schema with tables or triggers that nobody knows here is newer than this program: it is left as it is.

    :returns: whether anything had to be done
    :raises sqlite3.OperationalError: when somebody else has the database locked; nothing is changed then
    """
    if is_current(_things(connection)):
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        things = _things(connection)
        outdated = not is_current(things)  # somebody else may just have done it
        if outdated:
            kind = _kind(things)
            assert kind is not None
            _STEPS[kind](connection, things)
            _create(connection, _SCHEMAS[kind])
        connection.execute("COMMIT")
        return outdated
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _things(connection: sqlite3.Connection) -> _Things:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return tuple(map(_Thing._make, rows))


@functools.lru_cache(maxsize=64)
def is_current(things: _Things) -> bool:
    """Whether a schema has all that this program needs, or is none that it could bring up to date."""
    kind = _kind(things)
    if kind is None:
        return True
    expected = {name: sql for _, name, sql in _statements(_SCHEMAS[kind])}
    known = expected.keys() | _OUTDATED
    if any(thing.type in ("table", "trigger") and thing.name not in known for thing in things if _is_ours(thing)):
        return True
    sqls = {thing.name: thing.sql or "" for thing in things}
    return expected.keys() <= sqls.keys() and all(
        column in sqls[table] for table, columns in _ADDED_COLUMNS[kind].items() for column in columns
    )


def _is_ours(thing: _Thing) -> bool:
    return not thing.name.startswith("sqlite_")


def _kind(things: _Things) -> str | None:
    tables = {thing.name for thing in things if thing.type == "table"}
    return "container" if "object" in tables else "account" if "container" in tables else None


def _container(connection: sqlite3.Connection, things: _Things) -> None:
    _add_columns(connection, _ADDED_COLUMNS["container"])
    if any(thing[:2] == ("table", "container_stat") for thing in things):
        for trigger in _OUTDATED:
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        _create(connection, schema.INFO_TABLE)
        shared = ", ".join(name for name in _columns(connection, "container_stat") if name in schema.INFO_COLUMNS)
        connection.execute(f"INSERT INTO container_info ({shared}) SELECT {shared} FROM container_stat")
        _create(connection, schema.OBJECT_COUNTS)
        connection.execute(
            "INSERT OR REPLACE INTO policy_stat (storage_policy_index, object_count, bytes_used) "
            "SELECT 0, coalesce(object_count, 0), coalesce(bytes_used, 0) FROM container_stat"
        )
        connection.execute("DROP TABLE container_stat")
    elif not set(schema.INFO_COLUMNS) <= set(_columns(connection, "container_stat")):
        connection.execute("DROP VIEW container_stat")


def _account(connection: sqlite3.Connection, things: _Things) -> None:
    present = {thing.name: thing.sql or "" for thing in things}
    counted = "container_count" in present.get("policy_stat", "")
    _add_columns(connection, _ADDED_COLUMNS["account"])
    if "policy_stat" not in present:
        _create(connection, schema.CONTAINER_COUNTS)
        connection.execute(
            "INSERT INTO policy_stat (storage_policy_index, container_count, object_count, bytes_used) "
            "SELECT 0, container_count, object_count, bytes_used FROM account_stat WHERE container_count > 0"
        )
    elif not counted:
        connection.execute(
            "UPDATE policy_stat SET container_count = (SELECT COUNT(*) FROM container "
            "WHERE deleted = 0 AND container.storage_policy_index = policy_stat.storage_policy_index)"
        )
        for trigger in ("container_insert_ps", "container_delete_ps"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")


def _add_columns(connection: sqlite3.Connection, tables: Mapping[str, Mapping[str, str]]) -> None:
    for table, columns in tables.items():
        present = _columns(connection, table)
        for column, kind in columns.items() if present else ():
            if column not in present:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _create(connection: sqlite3.Connection, script: str) -> None:
    """Run those statements of a script whose table, view, index or trigger is not there."""
    present = {thing.name for thing in _things(connection)}
    for _, name, sql in _statements(script):
        if name not in present:
            connection.execute(sql)


def _statements(script: str) -> Iterator[tuple[str, str, str]]:
    """What each statement of a schema creates: its type, its name, and the statement."""
    sql = ""
    for part in script.split(";")[:-1]:
        sql += part + ";"
        if sqlite3.complete_statement(sql):
            created = _CREATED.match(sql)
            assert created, sql
            yield created[1].lower(), created[2], sql
            sql = ""


_SCHEMAS = {"container": schema.CONTAINER_SCHEMA, "account": schema.ACCOUNT_SCHEMA}
_STEPS = {"container": _container, "account": _account}

_POLICY = {"storage_policy_index": "INTEGER DEFAULT 0"}
_UPDATED_AT = {table: {"updated_at": "TEXT DEFAULT 0"} for table in schema.SYNC_TABLES}
_LATER_INFO = ("metadata", "x_container_sync_point1", "x_container_sync_point2", *_POLICY, "reconciler_sync_point")

_ADDED_COLUMNS: dict[str, dict[str, dict[str, str]]] = {
    "container": {
        **_UPDATED_AT,
        "object": _POLICY,
        "container_info": {name: schema.INFO_COLUMNS[name] for name in _LATER_INFO},
        "shard_range": {name: schema.SHARD_RANGE_COLUMNS[name] for name in ("reported", "tombstones")},
    },
    "account": {
        **_UPDATED_AT,
        "container": _POLICY,
        "account_stat": {"metadata": schema.STAT_COLUMNS["metadata"]},
        "policy_stat": {"container_count": "INTEGER DEFAULT 0"},
    },
}
"""Columns that tables got after they were first made. All have a default, so that they can be added to a full table."""
