"""Counts and hash of a database, computed anew from its rows: they must be what its triggers have kept."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from swiftlite.common.concurrency import sleep
from swiftlite.db.broker import DatabaseBroker
from swiftlite.db.connections import until_unlocked

_ROWS_AT_ONCE = 5000


class _Kind(NamedTuple):
    """How a kind of database counts.

    :param rows: a query for number, name, policy, the text that a row is hashed by, and what it adds to each count
    :param counts: the columns of ``policy_stat`` that it adds to
    :param hashed: the table whose row has the hash
    :param sums: columns of that table that are sums over all policies
    """

    rows: str
    counts: tuple[str, ...]
    hashed: str
    sums: tuple[str, ...]


_COUNTS = ("container_count", "object_count", "bytes_used")
_KINDS = {
    "container": _Kind(
        "SELECT ROWID, name, storage_policy_index, created_at, 1 - deleted, size FROM object",
        _COUNTS[1:],
        "container_info",
        (),
    ),
    "account": _Kind(
        "SELECT ROWID, name, storage_policy_index, put_timestamp || '-' || delete_timestamp || '-' || object_count "
        "|| '-' || bytes_used, 1 - deleted, object_count, bytes_used FROM container",
        _COUNTS,
        "account_stat",
        _COUNTS,
    ),
}


class Totals(NamedTuple):
    """What the rows of a database come to.

    :param policies: counts by policy; policies all of whose counts are zero are left out
    :param sums: counts of all policies together, where they are kept
    """

    hash: str
    policies: dict[int, tuple[int, ...]]
    sums: tuple[int, ...]


class Recount(NamedTuple):
    """Totals as they were kept, and as the rows say."""

    kept: Totals
    counted: Totals


def recount(broker: DatabaseBroker, repair: bool = True) -> Recount | None:
    """Compare what is kept of a database with its rows, a few thousand at a time, so that nobody waits for its lock.

    :param repair: make what is kept what the rows say
    :returns: None when somebody wrote meanwhile, and nothing can be told
    :raises DatabaseQuarantined: when the rows cannot be read
    """
    kind = _KINDS[broker.kind]
    broker.commit_pending()
    with broker.connection() as connection:
        version = _version(connection)
        counted = _count(connection, kind)
        until_unlocked(lambda: connection.execute("BEGIN IMMEDIATE" if repair else "BEGIN"))
        try:
            kept = _kept(connection, kind)
            if _version(connection) != version:
                return None
            if repair and kept != counted:
                _correct(connection, kind, counted)
                until_unlocked(lambda: connection.execute("COMMIT"))
            return Recount(kept, counted)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection) -> int:
    """A number that changes whenever another connection changes the database."""
    return until_unlocked(lambda: connection.execute("PRAGMA data_version").fetchone())[0]


def _count(connection: sqlite3.Connection, kind: _Kind) -> Totals:
    total, policies = 0, {}
    for _, name, policy, text, *amounts in _rows(connection, kind):
        digest = hashlib.md5(f"{name}-{text}".encode("utf-8", "surrogateescape"), usedforsecurity=False)
        total ^= int.from_bytes(digest.digest(), "big")
        sums = policies.setdefault(policy, [0] * len(amounts))
        for place, amount in enumerate(amounts):
            sums[place] += amount
    by_policy = {policy: tuple(sums) for policy, sums in policies.items() if any(sums)}
    sums = tuple(sum(counts[place] for counts in by_policy.values()) for place in range(len(kind.sums)))
    return Totals(f"{total:032x}", by_policy, sums)


def _rows(connection: sqlite3.Connection, kind: _Kind) -> Iterator[tuple[Any, ...]]:
    sql, last = f"{kind.rows} WHERE ROWID > ? ORDER BY ROWID LIMIT ?", -1
    while rows := until_unlocked(lambda: connection.execute(sql, (last, _ROWS_AT_ONCE)).fetchall()):  # noqa: B023
        yield from rows
        last = rows[-1][0]
        sleep(0)


def _kept(connection: sqlite3.Connection, kind: _Kind) -> Totals:
    kept_hash, *sums = connection.execute(f"SELECT {', '.join(('hash', *kind.sums))} FROM {kind.hashed}").fetchone()
    counts = ", ".join(f"coalesce({column}, 0)" for column in kind.counts)
    rows = connection.execute(f"SELECT storage_policy_index, {counts} FROM policy_stat").fetchall()
    return Totals(kept_hash, {policy: tuple(counts) for policy, *counts in rows if any(counts)}, tuple(sums))


def _correct(connection: sqlite3.Connection, kind: _Kind, counted: Totals) -> None:
    zeros = ", ".join(f"{column} = 0" for column in kind.counts)
    connection.execute(f"UPDATE policy_stat SET {zeros}")
    marks = ", ".join("?" * (1 + len(kind.counts)))
    connection.executemany(
        f"INSERT OR REPLACE INTO policy_stat (storage_policy_index, {', '.join(kind.counts)}) VALUES ({marks})",
        [(policy, *counts) for policy, counts in counted.policies.items()],
    )
    connection.execute(f"UPDATE {kind.hashed} SET hash = ?", (counted.hash,))
    for column in kind.sums:
        connection.execute(f"UPDATE {kind.hashed} SET {column} = (SELECT coalesce(SUM({column}), 0) FROM policy_stat)")
