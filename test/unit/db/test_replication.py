"""Replication: what becomes of a database when the file of another replica comes (formats.md 4.8)."""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from unit.db.replicas import HASH, at, broker_on, make_replicas, put, rows_of

from fakes.database_servers import SWIFT
from swiftlite.account.server import AccountServer
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.server import ContainerOptions, ContainerServer
from swiftlite.core.names import HashPath
from swiftlite.core.replicas import Step, next_step
from swiftlite.core.rows import ObjectReport
from swiftlite.db import replication
from swiftlite.db.broker import DatabaseBroker
from swiftlite.db.connections import open_database
from swiftlite.db.controller import DatabaseServerOptions
from swiftlite.db.replication import Place, Replication

LOGGER = logging.getLogger("test.replication")


class OneHash(HashPath):
    """Every name has the hash of the tests' replicas."""

    def hex(self, *names: Any) -> str:
        return HASH


def receiver(tmp_path: Path, kind: str) -> Replication:
    """What answers REPLICATE for device d0."""
    (tmp_path / "d0" / "tmp").mkdir(parents=True, exist_ok=True)
    swift = SwiftConf(OneHash(b"", b""), SWIFT.constraints, SWIFT.policies)
    if kind == "account":
        options = DatabaseServerOptions(devices=str(tmp_path), mount_check=False)
        return AccountServer(options, swift, LOGGER).replication
    return ContainerServer(ContainerOptions(devices=str(tmp_path), mount_check=False), swift, LOGGER).replication


def place_of(broker: DatabaseBroker, tmp_path: Path) -> Place:
    return Place(str(tmp_path / "d0"), HASH, broker.path)


def send(broker: DatabaseBroker, tmp_path: Path) -> str:
    """Copy a database's file to where the receiver looks for it; return its name there."""
    known = broker.get_info()["id"]
    shutil.copyfile(broker.path, tmp_path / "d0" / "tmp" / known)
    return known


def lost_with_its_journal(broker: DatabaseBroker) -> None:
    """Leave what is left where a writer was killed in a transaction, and the database's file was lost then."""
    for number in range(500):
        put(broker, f"o{number:03}")
    broker.get_info()
    child = os.fork()
    if not child:
        connection = open_database(broker.path)
        connection.execute("PRAGMA cache_size = 1")  # so that it writes, with its journal synced, before the end
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM object")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.path.getsize(f"{broker.path}-journal") > 0
    os.unlink(broker.path)


def names(broker: DatabaseBroker) -> list[str]:
    return [row["name"] for row in rows_of(broker)]


def test_two_files_that_come_at_once_are_both_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, first, second = make_replicas(tmp_path, "container", 3)
    for letter, broker in zip("opq", (ours, first, second), strict=True):
        for number in range(3):
            put(broker, f"{letter}{number}")
    served, place = receiver(tmp_path, "container"), place_of(ours, tmp_path)
    sent = [send(broker, tmp_path) for broker in (first, second)]

    def meanwhile(_: float) -> None:
        # The second file's request has just merged the first rows of ours: it lets others run.
        monkeypatch.undo()
        assert served._rsync_then_merge(place, sent[0]).status == 204

    monkeypatch.setattr(replication, "sleep", meanwhile)
    assert served._rsync_then_merge(place, sent[1]).status == 204
    assert names(ours) == [f"{letter}{number}" for letter in "opq" for number in range(3)]
    assert [ours.sync_point(known) for known in sent] == [3, 3]


def old_and_deleted(broker: DatabaseBroker) -> None:
    """It was away for long; of what was done meanwhile it has heard of by `sync` alone."""
    put(broker, "old")
    broker.delete(at(100))
    broker.merge_timestamps(at(10), at(5000), at(100))


@pytest.mark.parametrize("ours_is_old", [True, False])
def test_an_account_that_was_created_anew_stays_when_old_replicas_come(tmp_path: Path, ours_is_old: bool) -> None:
    ours, theirs = make_replicas(tmp_path, "account")
    served = receiver(tmp_path, "account")
    old, new = (ours, theirs) if ours_is_old else (theirs, ours)
    old_and_deleted(old)
    new.merge_timestamps(at(10), at(5000), at(100))
    put(new, "new")
    assert served._rsync_then_merge(place_of(ours, tmp_path), send(theirs, tmp_path)).status == 204
    assert (ours.get_info()["status"], ours.is_deleted()) == ("", False)
    assert names(ours) == ["new", "old"]


def test_an_old_replica_of_an_account_that_was_created_anew_is_not_deleted_where_it_is_the_first(
    tmp_path: Path,
) -> None:
    ours, theirs = broker_on(tmp_path / "d0", "account"), broker_on(tmp_path / "d1", "account")
    theirs.initialize(at(10))
    served = receiver(tmp_path, "account")
    old_and_deleted(theirs)
    assert served._complete_rsync(place_of(ours, tmp_path), send(theirs, tmp_path)).status == 204
    assert (ours.get_info()["status"], ours.is_deleted()) == ("", False)


@pytest.mark.parametrize("ours_is_deleted", [True, False])
def test_an_account_that_was_deleted_last_stays_deleted(tmp_path: Path, ours_is_deleted: bool) -> None:
    ours, theirs = make_replicas(tmp_path, "account")
    served = receiver(tmp_path, "account")
    (ours if ours_is_deleted else theirs).delete(at(100))
    put(theirs, "a")
    assert served._rsync_then_merge(place_of(ours, tmp_path), send(theirs, tmp_path)).status == 204
    assert (ours.get_info()["status"], ours.is_deleted()) == ("DELETED", True)


def test_a_file_that_cannot_be_merged_for_want_of_space_is_not_called_unsound(tmp_path: Path) -> None:
    ours, theirs = make_replicas(tmp_path, "container")
    for number in range(300):
        put(ours, f"o{number:03}" + "x" * 200)
    served, known = receiver(tmp_path, "container"), send(theirs, tmp_path)
    size = os.path.getsize(theirs.path)
    ours.get_info()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            served._rsync_then_merge(place_of(ours, tmp_path), known)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(names(ours)) == 300


@pytest.mark.parametrize("is_received", [True, False])
def test_the_journal_of_a_file_that_was_lost_stays_out_of_the_next(tmp_path: Path, is_received: bool) -> None:
    ours, theirs = make_replicas(tmp_path, "container")
    put(theirs, "new")
    lost_with_its_journal(ours)
    if is_received:
        served = receiver(tmp_path, "container")
        assert served._complete_rsync(place_of(ours, tmp_path), send(theirs, tmp_path)).status == 204
    else:
        ours.initialize(at(10))
        put(ours, "new")
    assert names(ours) == ["new"]
    assert ours.file_problems() == []


def asked(served: Replication, place: Place, sender: DatabaseBroker) -> Any:
    """What `sync` answers a sender that has several policies."""
    info = sender.replication_info()
    times = ("created_at", "put_timestamp", "delete_timestamp")
    fields = ("max_row", "hash", "id", *times, "metadata", "status_changed_at", "count", "storage_policy_index")
    return json.loads(served._sync(place, *(info[field] for field in fields)).body)


def test_of_two_databases_with_one_identity_both_take_another(tmp_path: Path) -> None:
    ours, theirs = (broker_on(tmp_path / device, "container") for device in ("d0", "d1"))
    theirs.initialize(at(10))
    put(theirs, "both")
    known = theirs.get_info()["id"]
    shutil.copytree(theirs.directory, ours.directory)
    put(ours, "mine")
    answer = asked(receiver(tmp_path, "container"), place_of(ours, tmp_path), theirs)
    assert (answer["id"], answer["point"]) == (known, -1)  # by which the sender sees it
    assert next_step(theirs.replication_info(), answer, 1000) is Step.RENEW_ID
    theirs.leave_id(known)
    assert len({known, ours.get_info()["id"], theirs.get_info()["id"]}) == 3


def test_an_identity_that_was_left_already_is_left_once(tmp_path: Path) -> None:
    (ours,) = make_replicas(tmp_path, "container", 1)
    known = ours.get_info()["id"]
    ours.merge_sync_points([{"remote_id": known, "sync_point": 4}])
    ours.leave_id(known)
    renewed = ours.get_info()["id"]
    ours.leave_id(known)
    assert ours.get_info()["id"] == renewed
    assert ours.sync_point(known) == -1


def test_rows_of_one_name_and_time_in_two_policies_do_not_pass_for_none(tmp_path: Path) -> None:
    ours, theirs = make_replicas(tmp_path, "container")
    for index in (0, 1):
        theirs.put_object(ObjectReport("o", at(20), 3, "t", "e", 0, index))
    info = theirs.replication_info()
    assert info["hash"] == ours.replication_info()["hash"]
    answer = asked(receiver(tmp_path, "container"), place_of(ours, tmp_path), theirs)
    assert (answer["point"], next_step(info, answer, 1000)) == (-1, Step.SEND_ROWS)
