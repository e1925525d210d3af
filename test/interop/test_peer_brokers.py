"""Brokers: random histories leave the same in our databases and in OpenStack Swift's, and either goes on with the other's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from fakes import old_databases
from interop import peer
from interop.broker_histories import THEIRS, Dice, Step, broker_of, carry_out, dump, path_on

KINDS = ("container", "account")
HISTORIES = 40
LENGTH = 20
both = pytest.mark.parametrize("kind", KINDS)

Job = tuple[str, str, list[Step]]


def theirs(swift_dir: Path, jobs: list[Job]) -> None:
    """Let OpenStack Swift's brokers carry out histories."""
    peer.evaluate(swift_dir, THEIRS, jobs)


def assert_equal(ours: Path, others: Path, steps: list[Step]) -> None:
    mine, other = dump(ours), dump(others)
    differing = {
        table: (mine.get(table), other.get(table)) for table in mine | other if mine.get(table) != other.get(table)
    }
    assert not differing, (steps, differing)


@both
def test_random_histories_leave_the_same(tmp_path: Path, swift_dir: Path, kind: str) -> None:
    histories = [Dice(kind, seed).history(LENGTH) for seed in range(HISTORIES)]
    paths = [(path_on(tmp_path / f"o{n}/d1", kind), path_on(tmp_path / f"t{n}/d1", kind)) for n in range(HISTORIES)]
    theirs(swift_dir, [(kind, str(path), steps) for (_, path), steps in zip(paths, histories, strict=True)])
    for (ours, others), steps in zip(paths, histories, strict=True):
        carry_out(kind, ours, steps)
        assert_equal(ours, others, steps)


@both
def test_turns_on_one_database_leave_what_one_of_us_leaves(tmp_path: Path, swift_dir: Path, kind: str) -> None:
    histories = [Dice(kind, 1000 + seed).history(3 * LENGTH) for seed in range(HISTORIES // 3)]
    shared = [path_on(tmp_path / f"s{number}/d1", kind) for number in range(len(histories))]
    for turn in range(3):
        parts = [steps[turn * LENGTH : (turn + 1) * LENGTH if turn < 2 else None] for steps in histories]
        if turn == 1:
            theirs(swift_dir, [(kind, str(path), part) for path, part in zip(shared, parts, strict=True)])
        else:
            for path, part in zip(shared, parts, strict=True):
                carry_out(kind, path, part)
    for number, steps in enumerate(histories):
        alone = path_on(tmp_path / f"a{number}/d1", kind)
        for turn in range(3):  # as often read in between, as merging rows in batches numbers them
            carry_out(kind, alone, steps[turn * LENGTH : (turn + 1) * LENGTH if turn < 2 else None])
        assert_equal(alone, shared[number], steps)


def old_files(tmp_path: Path, kind: str) -> dict[str, Path]:
    schemas, make = {
        "container": (old_databases.CONTAINERS, old_databases.make_container),
        "account": (old_databases.ACCOUNTS, old_databases.make_account),
    }[kind]
    files = {}
    for number, (age, schema) in enumerate(schemas.items()):
        files[age] = path_on(tmp_path / f"old{number}/d1", kind)
        make(files[age], schema)
    return files


LATER: dict[str, list[Step]] = {
    "container": [
        ["put", "a", "0000000040.00000", 9, "text/plain", "e", 0, 1, None, None],
        ["gone", "c/d", "0000000041.00000", 0],
        ["policy", 1, "0000000043.00000"],
        ["synced", 5, 6],
    ],
    "account": [
        ["stats"],
        ["report", "a", "0000000040.00000", "0", 7, 70, 0],
        ["report", "new", "0000000041.00000", "0", 1, 10, 1],
    ],
}
COMMON: list[Step] = [
    ["meta", "X-Meta-A", "é", "0000000042.00000"],
    ["syncs", [{"remote_id": "r", "sync_point": 4}], True],
]


@both
def test_old_databases_become_what_they_become_there(tmp_path: Path, swift_dir: Path, kind: str) -> None:
    ours, others = old_files(tmp_path / "ours", kind), old_files(tmp_path / "theirs", kind)
    # Those that are too old for metadata or times of sync points, their replicator's steps cannot do without a write.
    ages = [age for age in ours if age not in ("before the index", "before metadata")]
    steps = [*LATER[kind], *COMMON]
    theirs(swift_dir, [(kind, str(others[age]), steps) for age in ages])
    for age in ages:
        carry_out(kind, ours[age], steps)
        mine, other = dump(ours[age]), dump(others[age])
        for table in ("object", "container", "policy_stat", "incoming_sync", "account_stat"):
            assert mine.get(table) == other.get(table), (age, table)
        if kind == "container":
            # Their migration forgets when the account was last told of a deletion; it is told again, that is all.
            for row in (*mine["container_info"], *other["container_info"]):
                row.pop("reported_delete_timestamp")
            assert mine["container_info"] == other["container_info"], age


@both
def test_they_go_on_with_old_databases_that_we_brought_up_to_date(tmp_path: Path, swift_dir: Path, kind: str) -> None:
    files = old_files(tmp_path, kind)
    alone = {age: Path(shutil.copytree(path.parents[4], tmp_path / f"copy {age}")) for age, path in files.items()}
    steps = [*LATER[kind], *COMMON, ["reclaim", "0000000030.00000", "0000000000.00000"], ["renew", "r"]]
    for path in files.values():
        broker_of(kind, path).get_info()
    theirs(swift_dir, [(kind, str(path), steps) for path in files.values()])
    for age, path in files.items():
        copy = path_on(alone[age], kind)
        carry_out(kind, copy, steps)
        assert_equal(copy, path, steps)


def test_a_database_of_ours_has_their_schema(tmp_path: Path, swift_dir: Path) -> None:
    def columns(path: Path) -> Any:
        import sqlite3

        with sqlite3.connect(path) as connection:
            names = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2").fetchall()
            return names, {
                name: sorted(row[1:] for row in connection.execute(f"PRAGMA table_info({name})"))
                for what, name, _ in names
                if what == "table"
            }

    for kind in KINDS:
        files = old_files(tmp_path / kind, kind)
        fresh = path_on(tmp_path / f"fresh-{kind}/d1", kind)
        theirs(swift_dir, [(kind, str(fresh), [["create", "0000000010.00000", 0]])])
        for path in files.values():
            broker_of(kind, path).get_info()
            assert columns(path) == columns(fresh)
