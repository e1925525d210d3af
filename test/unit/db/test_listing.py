"""Walks for listings: what the pure rules give, with as little of SQLite's work as there are entries."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swiftlite.account.backend import AccountBroker
from swiftlite.common import concurrency
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.listing import ListingQuery, NameRange, RollUp, Row, Subdir, beyond, collect
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.db import listing
from swiftlite.db.listing import Listed, walk

LOGGER = logging.getLogger(__name__)
STAMP = "0000000020.00000"
LISTED = Listed("name, size", "object WHERE deleted = 0 AND policy = :policy")
SCHEMA = """
    CREATE TABLE object (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, size INTEGER, deleted INTEGER, policy INTEGER);
    CREATE INDEX ix_object_deleted_name ON object (deleted, name);
"""

texts = st.text(alphabet="ab/-\x00\x01é😀\ud7ff\ue000\uffff\U0010ffff", min_size=1, max_size=6)
short = st.text(alphabet="ab/-é\x00\U0010ffff", max_size=3)
queries = st.builds(
    ListingQuery,
    limit=st.integers(0, 12),
    marker=texts | st.just(""),
    end_marker=texts | st.just(""),
    prefix=short,
    delimiter=st.sampled_from(["", "/", "-", "a", "//", "/-", "é", "\x00", "\ud7ff", "a\U0010ffff", "\U0010ffff"]),
    path=st.none() | st.sampled_from(["", "a", "a/", "a/b", "b"]),
    reverse=st.booleans(),
    allow_reserved=st.booleans(),
)


class Plain:
    """The same names in a list."""

    def __init__(self, names: set[str], reverse: bool) -> None:
        self.names = sorted(names, reverse=reverse)
        self.reverse = reverse

    def rows(self, wanted: NameRange, count: int) -> list[Row]:
        return [(name, 7) for name in self.names if wanted.covers(name)][:count]

    def firsts(self, wanted: NameRange, rule: RollUp, count: int) -> list[str]:
        found: list[str] = []
        rest: NameRange | None = wanted
        while rest is not None and len(found) < count and (rows := self.rows(rest, 1)):
            found.append(rows[0][0])
            subdir = rule.subdir(found[-1])
            rest = None if subdir is None else beyond(subdir, rest, rule, self.reverse)
        return found


def database(names: set[str], others: set[str] = frozenset()) -> sqlite3.Connection:  # type: ignore[assignment]
    """A database with live rows, and others that are deleted or of another policy."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    rows = [(name, 7, 0, 1) for name in names] + [(name, 8, number % 2, 2) for number, name in enumerate(others)]
    connection.executemany("INSERT INTO object (name, size, deleted, policy) VALUES (?, ?, ?, ?)", rows)
    connection.execute("BEGIN")
    return connection


@given(st.sets(texts, max_size=30), st.sets(texts, max_size=9), queries)
@example({"a\x00b/", "a\x00b/c", "a\x00b0"}, set(), ListingQuery(prefix="a\x00", delimiter="/", allow_reserved=True))
@example({"é/", "é/1", "é/2", "é0"}, set(), ListingQuery(path="", reverse=True))
@example({"a\ud7ff1", "a\ue000"}, set(), ListingQuery(delimiter="\ud7ff"))
def test_a_walk_of_a_database_is_a_walk_of_its_names(names: set[str], others: set[str], query: ListingQuery) -> None:
    rows, one_moment = walk(database(names, others), LISTED, {"policy": 1}, query)
    assert rows == collect(query, Plain(names, query.reverse))
    assert one_moment
