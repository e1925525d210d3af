"""Walks for listings: what the pure rules give, with as little of SQLite's work as there are entries."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swiftlite.account.backend import AccountBroker
from swiftlite.common import concurrency
from swiftlite.container import backend as container_backend
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.listing import ListingQuery, NameRange, RollUp, Row, Subdir, beyond, collect
from swiftlite.core.listing_formats import JSON, render_objects
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.db import listing
from swiftlite.db.listing import Listed, walk
from swiftlite.db.schema import CONTAINER_SCHEMA

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

    def firsts(self, wanted: NameRange, rule: RollUp) -> list[str]:
        found: list[str] = []
        rest: NameRange | None = wanted
        while rest is not None and (rows := self.rows(rest, 1)):
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
    rows = walk(database(names, others), LISTED, {"policy": 1}, query)
    assert rows == collect(query, Plain(names, query.reverse))


def large_database(count: int) -> sqlite3.Connection:
    """A container's database: so many objects below ``a/``, and below ``b/``, and deleted ones between others."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(CONTAINER_SCHEMA)
    for trigger in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger[0]}")
    for start, step, deleted in (
        ("a/", 1, 0),
        ("b/", 1, 0),
        ("c", 1, 1),
        ("c", count // 200, 0),
        ("d", count // 200, 0),
    ):
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows) "
            "INSERT INTO object (name, created_at, size, content_type, etag, deleted) "
            "SELECT printf('%s%07d%s', :start, i * :step, iif(:deleted, '-', '')), '1', 1, 't', 'e', :deleted FROM n",
            {"rows": count // step, "start": start, "step": step, "deleted": deleted},
        )
    connection.execute("BEGIN")
    return connection


@pytest.fixture(scope="module")
def small_and_large() -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """A thousandth of a million, and more than a million."""
    return large_database(400), large_database(400_000)


@pytest.mark.parametrize(
    "query",
    [
        ListingQuery(limit=100),
        ListingQuery(limit=100, reverse=True),
        ListingQuery(limit=100, prefix="a/"),
        ListingQuery(limit=100, prefix="b/", reverse=True),
        ListingQuery(limit=150, delimiter="/"),
        ListingQuery(limit=150, delimiter="/", reverse=True),
        ListingQuery(limit=150, delimiter="/", marker="a/", end_marker="c0000002"),
        ListingQuery(limit=150, path=""),
        ListingQuery(limit=150, path="", reverse=True),
        ListingQuery(limit=150, prefix="c"),
        ListingQuery(limit=150, prefix="c", reverse=True),
    ],
    ids=str,
)
def test_a_page_of_a_million_rows_is_no_more_work_than_one_of_a_thousand(
    small_and_large: tuple[sqlite3.Connection, sqlite3.Connection], query: ListingQuery
) -> None:
    def instructions(connection: sqlite3.Connection) -> tuple[int, int]:
        """How many instructions SQLite's machine runs for a page, and how many entries that has."""
        ran = 0

        def count() -> None:
            nonlocal ran
            ran += 1

        connection.set_progress_handler(count, 1)
        rows = walk(connection, container_backend._LISTED, {"policy_index": 0}, query)
        connection.set_progress_handler(None, 0)
        return ran, len(rows)

    small, large = map(instructions, small_and_large)
    assert small[1] == large[1] > 1
    assert large[0] <= small[0]


@pytest.mark.parametrize("reverse", [False, True])
def test_sqlite_goes_by_the_index_and_sorts_nothing(
    small_and_large: tuple[sqlite3.Connection, sqlite3.Connection], reverse: bool
) -> None:
    values = {"policy_index": 0, "low": "a", "high": "b", "count": 1, "start": 1, "delimiter": b"/", "kept": 0}
    for sql in (
        listing._rows_sql(container_backend._LISTED, True, True, reverse),
        listing._firsts_sql(container_backend._LISTED, True, True, reverse, True),
    ):
        plan = small_and_large[0].execute(f"EXPLAIN QUERY PLAN {sql}", {**values, "after": b""}).fetchall()
        uses = [detail for *_, detail in plan if "object" in detail]
        assert uses
        assert all("USING INDEX ix_object_deleted_name (deleted=? AND name" in detail for detail in uses)
        assert not any("B-TREE" in detail for *_, detail in plan)


@pytest.fixture
def container(tmp_path: Path) -> ContainerBroker:
    """A container of 10,000 objects, below 500 pseudo-directories."""
    broker = ContainerBroker(str(tmp_path / "sda/containers/1/abc/h/h.db"), "AUTH_t", "c", logger=LOGGER)
    broker.initialize(STAMP)
    broker.merge_items([ObjectReport(f"{n % 500:03d}/{n:05d}", STAMP, 3, "t/x", "e") for n in range(10_000)])
    return broker


class Others:
    """Whoever wants to run, too; counts how often it could."""

    def __enter__(self) -> Others:
        self.turns = 0
        self.thread = concurrency.spawn(self._run)
        return self

    def _run(self) -> None:
        while True:
            self.turns += 1
            concurrency.sleep()

    def __exit__(self, *_: object) -> None:
        self.thread.kill()


@pytest.mark.parametrize(
    ("query", "turns"),
    [
        (ListingQuery(), 9),
        (ListingQuery(reverse=True), 9),
        (ListingQuery(delimiter="/"), 1),
        (ListingQuery(path=""), 1),
    ],
    ids=str,
)
def test_others_run_while_a_long_page_is_read(container: ContainerBroker, query: ListingQuery, turns: int) -> None:
    with Others() as others:
        container.page(query)
    assert others.turns >= turns


def test_others_run_while_a_long_page_is_written(container: ContainerBroker) -> None:
    rows = container.page(ListingQuery()).rows
    with Others() as others:
        b"".join(concurrency.in_turns(render_objects(JSON, "c", rows)))
    assert others.turns >= 10


def test_a_walk_that_takes_long_lets_writers_in(container: ContainerBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shown of a path that has only pseudo-directories; a million of them take seconds."""
    for name, value in (("HELD_AT_MOST", 0.0), ("MOST_LEAPS", 3), ("COST_AT_ONCE", 10)):
        monkeypatch.setattr(listing, name, value)
    walked: list[bool] = []

    def write() -> bool:
        container.merge_items([ObjectReport("500", STAMP, 3, "t/x", "e")])
        return not walked

    writer = concurrency.spawn(write)
    rows = container.page(ListingQuery(path="")).rows
    walked.append(True)
    assert writer.wait(), "it could not write before the walk was over"
    assert [row[0] for row in rows] == ["500"]


def test_a_page_is_of_one_moment_with_its_info(container: ContainerBroker) -> None:
    def write() -> None:
        container.merge_items([ObjectReport(f"{n:05d}", STAMP, 3, "t/x", "e") for n in (1, 99999)])

    writer = concurrency.spawn(write)
    page = container.page(ListingQuery())
    assert page.info["object_count"] == len(page.rows) == 10_000
    writer.wait()
    page = container.page(ListingQuery(limit=20_000))
    assert page.info["object_count"] == len(page.rows) == 10_002


def test_pages_of_an_account(tmp_path: Path) -> None:
    broker = AccountBroker(str(tmp_path / "sda/accounts/1/abc/h/h.db"), "AUTH_t", logger=LOGGER)
    broker.initialize(STAMP)
    for name in ("a-1", "a-2", "b", "c-1"):
        broker.put_container(ContainerRow(name, STAMP, "0", 2, 5, storage_policy_index=1))
    broker.put_container(ContainerRow("b-gone", STAMP, "0000000021.00000", 0, 0))
    page = broker.page(ListingQuery(delimiter="-", limit=2))
    assert page.rows == [Subdir("a-"), ("b", 2, 5, STAMP, 1)]
    assert page.info["container_count"] == 4
