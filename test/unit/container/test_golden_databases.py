"""Databases that OpenStack Swift wrote, read by our brokers (test/golden/README.md)."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from swiftlite.account.backend import AccountBroker
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.listing import ListingQuery
from swiftlite.core.listing_formats import container_entry, object_entry
from swiftlite.db import layout, pending
from swiftlite.db.schema import chexor

LOGGER = logging.getLogger(__name__)
POLICY_NAMES = {0: "gold", 1: "silver", 2: "ec42"}


@pytest.fixture(scope="module")
def devices(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The device directories, unpacked afresh."""
    target = tmp_path_factory.mktemp("golden")
    subprocess.run(["tar", "-xJf", golden / "devices.tar.xz", "-C", target], check=True)
    return sorted(target.glob("*/node/*"))


@pytest.fixture(scope="module")
def listings(golden: Path) -> dict[str, list[dict[str, object]]]:
    return {unquote(path): entries for path, entries in json.loads((golden / "listings.json").read_text()).items()}


def containers(devices: list[Path]) -> list[ContainerBroker]:
    brokers = []
    for device in devices:
        for path in layout.databases(str(device), "container"):
            broker = ContainerBroker(path, "", logger=LOGGER)
            info = broker.get_info()
            broker.account, broker.container = info["account"], info["container"]
            brokers.append(broker)
    return brokers


def test_there_are_records_pending(devices: list[Path]) -> None:
    sizes = [pending.size(str(path)) for device in devices for path in device.glob("*/*/*/*/*.pending")]
    assert any(sizes)
    records = [
        record
        for device in devices
        for path in device.glob("containers/*/*/*/*.pending")
        for record in pending.decode(pending.read(str(path)))[0]
    ]
    assert all(isinstance(record[0], str) and len(record) == 9 for record in records)


def test_every_replica_lists_what_the_proxy_listed(devices: list[Path], listings: dict[str, list]) -> None:
    seen, all_late = set(), set()
    for broker in containers(devices):
        if broker.account != "AUTH_test" or f"/{broker.container}" not in listings:
            continue
        seen.add(f"/{broker.container}")
        info = broker.get_info()
        rows = broker.list_objects(ListingQuery(), info["storage_policy_index"])
        entries = [object_entry(row) for row in rows]
        expected = {entry["name"]: entry for entry in listings[f"/{broker.container}"]}
        late = [entry["name"] for entry in entries if entry["name"] not in expected]
        assert all(name.startswith("late") for name in late)  # put after the listing was taken
        all_late |= set(late)
        assert [entry["name"] for entry in entries if entry["name"] not in late] == list(expected)
        for entry in entries:
            if entry["name"] in expected:
                # What middleware makes of a manifest or a symlink stands behind the etag in the row.
                entry["hash"] = entry["hash"].partition(";")[0]
                assert entry.items() <= expected[entry["name"]].items()
    assert all_late == {f"late{number}" for number in range(1, 7)}  # each in the replicas that were up, at least
    assert seen == {path for path in listings if path and "?" not in path}


def test_every_account_replica_lists_what_the_proxy_listed(devices: list[Path], listings: dict[str, list]) -> None:
    brokers = [
        AccountBroker(path, "AUTH_test", logger=LOGGER)
        for device in devices
        for path in layout.databases(str(device), "account")
    ]
    assert len(brokers) == 3
    for broker in brokers:
        entries = [container_entry(row, POLICY_NAMES) for row in broker.list_containers(ListingQuery())]
        assert entries == listings[""]
        info = broker.get_info()
        assert (info["account"], info["container_count"]) == ("AUTH_test", 8)
        assert broker.policy_stats()[1]["container_count"] == 1
        assert broker.metadata()["X-Account-Meta-Color"][0] == "blue"


def test_hash_and_counts_follow_from_the_rows_after_our_merge(devices: list[Path]) -> None:
    for broker in containers(devices):
        info = broker.get_info()
        with sqlite3.connect(broker.path) as connection:
            rows = connection.execute("SELECT * FROM object").fetchall()
        expected = "0" * 32
        for _, name, created_at, *_ in rows:
            expected = chexor(expected, name, created_at)
        assert info["hash"] == expected
        of_policy = [row for row in rows if row[7] == info["storage_policy_index"]]
        assert info["object_count"] == sum(not row[6] for row in of_policy)
        assert info["bytes_used"] == sum(row[3] for row in of_policy)


def test_the_same_names_as_in_our_schema(devices: list[Path], tmp_path: Path) -> None:
    def described(path: str) -> dict[tuple[str, str, str], list[tuple]]:
        with sqlite3.connect(path) as connection:
            things = connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
            return {thing: connection.execute(f"PRAGMA table_xinfo({thing[1]})").fetchall() for thing in things}

    for kind, cls, names in (("container", ContainerBroker, ("a", "c")), ("account", AccountBroker, ("a",))):
        ours = cls(str(tmp_path / f"{kind}s/1/abc/abc/abc.db"), *names, logger=LOGGER)
        ours.initialize("0000000001.00000")
        theirs = next(path for device in devices for path in layout.databases(str(device), kind))
        expected, found = described(theirs), described(ours.path)
        view = ("view", "container_stat", "container_stat")
        if view in expected:  # its columns may stand in another order, because they are always named
            expected[view], found[view] = ([sorted(column[1:3] for column in x.pop(view))] for x in (expected, found))
        assert found == expected
