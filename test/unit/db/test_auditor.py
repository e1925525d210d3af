"""The database auditors on real files: what is sound passes, what is not is repaired, quarantined or told of."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.database_servers import SWIFT
from swiftlite.account.auditor import AccountAuditor, AccountAuditorOptions
from swiftlite.account.backend import AccountBroker
from swiftlite.common import concurrency
from swiftlite.container.auditor import ContainerAuditor, ContainerAuditorOptions
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.names import HashPath
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.db import layout, recount
from swiftlite.db.auditor import DatabaseAuditor, is_turn
from swiftlite.db.schema import chexor

LOGGER = logging.getLogger("test.auditor")
Make = Callable[..., DatabaseAuditor]
both = pytest.mark.parametrize("kind", ["container", "account"])


@pytest.fixture
def make_auditor(tmp_path: Path) -> Make:
    def make(kind: str, **changes: Any) -> DatabaseAuditor:
        cls, options = {
            "container": (ContainerAuditor, ContainerAuditorOptions),
            "account": (AccountAuditor, AccountAuditorOptions),
        }[kind]
        rate = {f"{kind}s_per_second": 0}
        recon = str(tmp_path / "recon")
        common = {"devices": str(tmp_path / "node"), "mount_check": False, "recon_cache_path": recon}
        return cls(options(**{**common, **rate, **changes}), SWIFT, LOGGER)

    return make


def make_database(tmp_path: Path, kind: str, name: str, rows: int = 3) -> Any:
    """A database on the only device, with rows of two policies."""
    names = ("AUTH_t", name) if kind == "container" else (name,)
    name_hash = SWIFT.hash_path.hex(*names)
    path = layout.database_path(str(tmp_path / "node/sda"), kind, "7", name_hash)
    broker: Any = {"container": ContainerBroker, "account": AccountBroker}[kind](path, *names, logger=LOGGER)
    broker.initialize("0000000010.00000")
    for number in range(rows):
        stamp = f"00000000{20 + number % 9}.00000"
        if kind == "container":
            broker.put_object(ObjectReport(f"o{number:06d}", stamp, number, "t" * 40, "e", 0, number % 2))
        else:
            broker.put_container(ContainerRow(f"c{number:06d}", stamp, "0", number, 2 * number, 0, number % 2))
    return broker


def recon(tmp_path: Path, kind: str) -> dict[str, Any]:
    return json.loads((tmp_path / f"recon/{kind}.recon").read_text())


@both
def test_sound_databases_pass(tmp_path: Path, kind: str, make_auditor: Make) -> None:
    brokers = [make_database(tmp_path, kind, name) for name in "abc"]
    assert make_auditor(kind).run_once() == {"jobs": 3, "passed": 3}
    told = recon(tmp_path, kind)
    assert (told[f"{kind}_audits_passed"], told[f"{kind}_audits_failed"]) == (3, 0)
    assert told[f"{kind}_audits_since"] > 1e9
    assert told[f"{kind}_auditor_pass_completed"] >= 0
    assert [broker.max_row() for broker in brokers] == [3, 3, 3]  # what was pending is merged


@both
def test_one_bad_database_is_quarantined_and_ends_no_pass(tmp_path: Path, kind: str, make_auditor: Make) -> None:
    brokers = [make_database(tmp_path, kind, name) for name in "abcde"]
    bad = sorted(brokers, key=lambda broker: broker.path)[1]
    bad.get_info()
    Path(bad.path).write_bytes(b"no database" * 1000)
    counts = make_auditor(kind).run_once()
    assert counts == {"jobs": 5, "passed": 4, "failures": 1, "quarantined": 1}
    assert not bad.exists
    assert (tmp_path / f"node/sda/quarantined/{kind}s" / os.path.basename(bad.directory)).is_dir()
    assert recon(tmp_path, kind)[f"{kind}_audits_failed"] == 1
    assert make_auditor(kind).run_once() == {"jobs": 4, "passed": 4}


def damage(broker: Any, name: str) -> None:
    """Overwrite a leaf of a table or index with nonsense."""
    broker.get_info()
    with sqlite3.connect(broker.path) as connection:
        sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' LIMIT 1 OFFSET 3"
        try:
            (page,) = connection.execute(sql, (name,)).fetchone()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite does not tell where its pages are")
    connection.close()
    with open(broker.path, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


@both
@pytest.mark.parametrize("name", ["{}", "ix_{}_deleted_name"])
def test_a_damaged_page_that_nobody_reads_is_found(tmp_path: Path, kind: str, name: str, make_auditor: Make) -> None:
    broker = make_database(tmp_path, kind, "a", rows=2000)
    damage(broker, name.format(broker.row_table))
    assert make_auditor(kind, whole_file_passes=0).run_once()["passed"] == 1
    counts = make_auditor(kind).run_once()
    assert (counts["passed"], counts["failures"], counts["quarantined"]) == (0, 1, 1)
    assert not broker.exists


@both
def test_a_large_file_is_checked_by_reading_its_rows(
    tmp_path: Path, kind: str, make_auditor: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swiftlite.db.auditor._CHECKED_BY_SQLITE", 0)
    sound, broken = (make_database(tmp_path, kind, name, rows=2000) for name in "ab")
    damage(broken, broken.row_table)
    counts = make_auditor(kind).run_once()
    assert (counts["passed"], counts["failures"]) == (1, 1)
    assert (sound.exists, broken.exists) == (True, False)


DRIFTS = {
    "container": [
        "UPDATE container_info SET hash = '0123456789abcdef0123456789abcdef'",
        "UPDATE policy_stat SET object_count = 7 WHERE storage_policy_index = 1",
        "UPDATE policy_stat SET bytes_used = -5 WHERE storage_policy_index = 0",
        "DELETE FROM policy_stat WHERE storage_policy_index = 1",
        "INSERT INTO policy_stat VALUES (5, 1, 1)",
    ],
    "account": [
        "UPDATE account_stat SET hash = '0123456789abcdef0123456789abcdef'",
        "UPDATE account_stat SET object_count = 0",
        "UPDATE account_stat SET container_count = -1",
        "UPDATE policy_stat SET bytes_used = 1 WHERE storage_policy_index = 0",
        "DELETE FROM policy_stat",
    ],
}


@pytest.mark.parametrize(("kind", "drift"), [(kind, drift) for kind in DRIFTS for drift in DRIFTS[kind]])
def test_counts_that_their_rows_do_not_bear_out_are_corrected(
    tmp_path: Path, make_auditor: Make, caplog: pytest.LogCaptureFixture, kind: str, drift: str
) -> None:
    broker = make_database(tmp_path, kind, "a")

    def state() -> Any:
        stats = broker.policy_stats()
        return broker.get_info(), {policy: stats[policy] for policy in stats if policy != 5}

    before = state()
    with sqlite3.connect(broker.path) as connection:
        connection.create_function("chexor", 3, chexor)
        connection.execute(drift)
    connection.close()
    assert state() != before or "VALUES (5" in drift
    assert make_auditor(kind, whole_file_passes=0).run_once() == {"jobs": 1, "passed": 1}
    assert make_auditor(kind).run_once() == {"jobs": 1, "passed": 1, "corrected": 1}
    assert state() == before
    assert sum("corrected" in message for message in caplog.messages if broker.path in message) == 1
    assert make_auditor(kind).run_once() == {"jobs": 1, "passed": 1}


def test_counts_are_not_judged_while_somebody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "_ROWS_AT_ONCE", 1)
    broker = make_database(tmp_path, "container", "a", rows=5)
    broker.get_info()

    def write() -> None:
        broker.put_object(ObjectReport("late", "0000000030.00000", 9, "t", "e"))
        broker.commit_pending()

    writer = concurrency.spawn(write)
    assert recount.recount(broker) is None
    writer.wait()
    found = recount.recount(broker)
    assert found is not None
    assert found.kept == found.counted
    assert found.kept.policies == {0: (4, 0 + 2 + 4 + 9), 1: (2, 1 + 3)}


@both
def test_a_database_in_a_place_of_another_is_quarantined(
    tmp_path: Path, kind: str, make_auditor: Make, caplog: pytest.LogCaptureFixture
) -> None:
    brokers = [make_database(tmp_path, kind, name) for name in "ab"]
    theirs, ours = sorted(brokers, key=lambda broker: broker.path)
    theirs.get_info()
    shutil.copy(theirs.path, ours.path)
    assert make_auditor(kind, whole_file_passes=0).run_once() == {
        "jobs": 2,
        "passed": 1,
        "failures": 1,
        "quarantined": 1,
    }
    assert (theirs.exists, ours.exists) == (True, False)
    assert any(f"quarantined {ours.directory}" in text and "does not belong there" in text for text in caplog.messages)


@both
def test_a_wrong_swift_conf_has_nothing_quarantined(tmp_path: Path, kind: str, make_auditor: Make) -> None:
    brokers = [make_database(tmp_path, kind, name) for name in "abc"]
    auditor = make_auditor(kind)
    auditor.swift = dataclasses.replace(SWIFT, hash_path=HashPath(b"wrong", b""))
    assert auditor.run_once() == {"jobs": 3, "failures": 3}
    assert all(broker.exists for broker in brokers)


def test_a_directory_that_cannot_be_read_is_told_of(
    tmp_path: Path, make_auditor: Make, caplog: pytest.LogCaptureFixture
) -> None:
    make_database(tmp_path, "container", "a")
    loop = tmp_path / "node/sda/containers/7/000"
    loop.symlink_to(loop)
    counts = make_auditor("container").run_once()
    assert (counts["passed"], counts["failures"]) == (1, 1)
    assert any(str(loop) in message for message in caplog.messages)


def test_a_device_that_is_not_mounted_is_skipped(
    tmp_path: Path, make_auditor: Make, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "ab":
        make_database(tmp_path, "container", name)
    assert make_auditor("container", mount_check=True).run_once() == {}
    assert sum("skipping sda" in message for message in caplog.messages) == 1


@given(st.integers(0, 2**128 - 1), st.integers(0, 10**6), st.integers(1, 60))
def test_every_database_has_its_turn_once(name: int, first: int, passes: int) -> None:
    assert sum(is_turn(f"{name:032x}", first + number, passes) for number in range(passes)) == 1
