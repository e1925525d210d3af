"""Replicas of one container or account for the tests of what brokers exchange."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swiftlite.account.backend import AccountBroker
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.broker import DatabaseBroker

HASH = "277013d51b0186f9d602edcbebdf6668"
KINDS = ("container", "account")


def at(seconds: float) -> str:
    """The internal form of a moment."""
    return Timestamp(seconds).internal


def broker_on(device: Path, kind: str) -> DatabaseBroker:
    """The broker of the database on a device, which need not exist."""
    path = str(device / f"{kind}s/1/668/{HASH}/{HASH}.db")
    logger = logging.getLogger(__name__)
    if kind == "account":
        return AccountBroker(path, "AUTH_t", logger=logger)
    return ContainerBroker(path, "AUTH_t", "c1", logger=logger)


def make_replicas(tmp_path: Path, kind: str, count: int = 2) -> list[Any]:
    """Brokers of new databases on devices d0, d1, …"""
    brokers = [broker_on(tmp_path / f"d{number}", kind) for number in range(count)]
    for broker in brokers:
        broker.initialize(at(10), now=Timestamp(11))
    return brokers


def put(broker: Any, name: str, seconds: float = 20, size: int = 3) -> None:
    """Report a thing that exists; its size follows from nothing else."""
    if isinstance(broker, AccountBroker):
        broker.put_container(ContainerRow(name, at(seconds), "0", 1, size))
    else:
        broker.put_object(ObjectReport(name, at(seconds), size, "text/plain", "e"))


def delete(broker: Any, name: str, seconds: float = 30) -> None:
    """Report that a thing is gone."""
    if isinstance(broker, AccountBroker):
        broker.put_container(ContainerRow(name, "0", at(seconds), 0, 0))
    else:
        broker.delete_object(name, at(seconds))


def meet(target: DatabaseBroker, identity: str) -> None:
    """Let a database hear of a replica before its rows come, as at the beginning of every session."""
    target.merge_sync_points([{"remote_id": identity, "sync_point": -1}])


def push(source: DatabaseBroker, target: DatabaseBroker) -> int:
    """Send the rows that the target lacks, as a replicator does; returns how many went."""
    identity = source.get_info()["id"]
    meet(target, identity)
    since = target.sync_point(identity)
    sent = 0
    while rows := source.items_since(since, 2):
        target.merge_rows(rows, identity)
        since = rows[-1]["ROWID"]
        sent += len(rows)
    return sent


def exchange(brokers: Sequence[DatabaseBroker]) -> None:
    """Let every replica push to every other, and tell timestamps and metadata, as `sync` does."""
    for source in brokers:
        for target in brokers:
            if source is not target:
                push(source, target)
                info = source.replication_info()
                target.merge_timestamps(info["created_at"], info["put_timestamp"], info["delete_timestamp"])
                target.merge_metadata_text(info["metadata"])


def rows_of(broker: DatabaseBroker) -> list[dict[str, Any]]:
    """All rows, whatever their numbers."""
    rows = [{key: row[key] for key in row if key != "ROWID"} for row in broker.items_since(-1, 10**6)]
    return sorted(rows, key=lambda row: (row["name"], row["storage_policy_index"]))
