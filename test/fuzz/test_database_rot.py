"""Bit rot in databases: whatever SQLite, or we, notice of it has the database moved away; no auditor ever fails.

SQLite's pages have no checksums: a name that is another in a row shows, because the index says otherwise; a size that is
another does not. Such damage must do no harm to the pass, and that is all.
"""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.bit_rot import spoiled_database
from swiftlite.account.auditor import AccountAuditor, AccountAuditorOptions
from swiftlite.account.backend import AccountBroker
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.auditor import ContainerAuditor, ContainerAuditorOptions
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.constraints import Constraints
from swiftlite.core.names import HashPath
from swiftlite.db import layout

SWIFT = SwiftConf(HashPath(b"pre", b"suf"), Constraints(), StoragePolicies([StoragePolicy(0, "gold", is_default=True)]))
LOGGER = logging.getLogger("test.database_rot")
SEEDS = 6
PER_SEED = 25
ROWS = 60


class Rotting:
    """A sound database, and beside it the one that is spoiled again and again."""

    def __init__(self, directory: Path, kind: layout.Kind) -> None:
        self.device = directory / "node/sda"
        self.kind = kind
        self.make("sound")
        self.path = self.make("spoiled")
        self.content = self.path.read_bytes()
        common = {"devices": str(self.device.parent), "mount_check": False, "recon_cache_path": str(directory)}
        self.auditor = (
            ContainerAuditor(ContainerAuditorOptions(**common, containers_per_second=0), SWIFT, LOGGER)
            if kind == "container"
            else AccountAuditor(AccountAuditorOptions(**common, accounts_per_second=0), SWIFT, LOGGER)
        )

    def make(self, name: str) -> Path:
        names = ("a", name) if self.kind == "container" else (name,)
        path = layout.database_path(str(self.device), self.kind, "0", SWIFT.hash_path.hex(*names))
        cls = ContainerBroker if self.kind == "container" else AccountBroker
        broker = cls(path, *names, logger=LOGGER)
        broker.initialize("0000000010.00000")
        broker.update_metadata({"X-Meta-Color": ("blé", "0000000010.00000")})
        shared = {"storage_policy_index": 0, "deleted": 0}
        if self.kind == "container":
            shared |= {"created_at": "0000000011.00000", "size": 5, "content_type": "text/plain", "etag": "e"}
        else:
            shared |= {"put_timestamp": "0000000011.00000", "delete_timestamp": "0", "object_count": 1, "bytes_used": 2}
        broker.merge_rows([{**shared, "name": f"name é {number}"} for number in range(ROWS)])
        broker.close()
        return Path(path)

    def is_moved(self) -> bool:
        return (self.device / f"quarantined/{self.kind}s" / self.path.parent.name).exists()

    def heal(self) -> None:
        for directory in (self.device / "quarantined", self.path.parent):
            shutil.rmtree(directory, ignore_errors=True)
        self.path.parent.mkdir()


@pytest.fixture(scope="module", params=["container", "account"])
def rotting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotting]:
    yield Rotting(tmp_path_factory.mktemp("rot"), request.param)


def is_damaged(path: Path) -> bool:
    """Whether SQLite, asked about a file that nobody else uses, has anything to complain of."""
    try:
        connection = sqlite3.connect(path)
        try:
            return connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError):
        return True


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_damaged_is_moved_away(
    rotting: Rotting, seed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    for number in range(PER_SEED):
        rotting.heal()
        spoiled = spoiled_database(rotting.content, chance)
        rotting.path.write_bytes(spoiled)
        (tmp_path / "alone.db").write_bytes(spoiled)
        counts = rotting.auditor.run_once()
        assert [record.exc_info for record in caplog.records if record.exc_info] == [], (number, counts)
        assert counts["quarantined"] == counts["failures"] == rotting.is_moved()
        assert rotting.is_moved() or not is_damaged(tmp_path / "alone.db"), number


def test_what_is_sound_stays(rotting: Rotting) -> None:
    rotting.heal()
    rotting.path.write_bytes(rotting.content)
    assert rotting.auditor.run_once()["passed"] == 2


def write_version(path: Path) -> None:
    """The header says that only a newer SQLite may write."""
    content = bytearray(path.read_bytes())
    content[18] = 9
    path.write_bytes(content)


@pytest.mark.parametrize("is_written_to", [False, True])
def test_a_header_that_forbids_writing(rotting: Rotting, is_written_to: bool) -> None:
    rotting.heal()
    rotting.path.write_bytes(rotting.content)
    write_version(rotting.path)
    if is_written_to:
        cls = ContainerBroker if rotting.kind == "container" else AccountBroker
        with pytest.raises(Exception, match="readonly"):
            cls(str(rotting.path), "", logger=LOGGER).update_put_timestamp("0000000012.00000")
    else:
        rotting.auditor.run_once()
    assert rotting.is_moved()


@pytest.mark.parametrize("has_others", [True, False])
def test_one_that_lacks_a_column_is_moved_away_where_others_do_not(tmp_path: Path, has_others: bool) -> None:
    """If none makes sense, the fault may be ours."""
    rotting = Rotting(tmp_path, "container")
    if not has_others:
        shutil.rmtree(rotting.device / "containers/0")
        rotting.make("spoiled")
    content = rotting.path.read_bytes()
    rotting.path.write_bytes(content.replace(b"info.put_timestamp AS", b"info.put_timestamq AS"))
    assert rotting.path.read_bytes() != content
    counts = rotting.auditor.run_once()
    assert (counts["failures"], counts["quarantined"], rotting.is_moved()) == (1, has_others, has_others)
