"""The container updater against real account servers: who is told, what is remembered, what is quarantined."""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Callable, Iterable
from itertools import repeat
from pathlib import Path

import pytest

from fakes.database_servers import PATIENT, SWIFT, BackendServer, account_server
from swiftlite.container.account_update import is_denied_by_all
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.updater import ContainerUpdater, UpdaterOptions
from swiftlite.core.rows import ObjectReport
from swiftlite.db import layout
from swiftlite.db.pending import Patience, directory_lock
from swiftlite.ring.format import RingData, dump_v1

UNREACHABLE = ("127.0.0.1", 1)


def devices_at(addresses: list[tuple[str, int]], names: Iterable[str] = repeat("sda")) -> list[dict[str, object]]:
    """Devices of a ring."""
    return [
        {
            "id": number,
            "region": 1,
            "zone": number,
            "ip": ip,
            "port": port,
            "replication_ip": ip,
            "replication_port": port,
            "device": name,
            "weight": 1.0,
            "meta": "",
        }
        for number, ((ip, port), name) in enumerate(zip(addresses, names, strict=False))
    ]


def write_account_ring(
    directory: Path, addresses: list[tuple[str, int]], handoff: tuple[str, int] | None = None
) -> None:
    """A ring of one partition whose replicas are at these addresses; with a handoff, of two, of which it has the other."""
    devices = devices_at([*addresses, handoff] if handoff else addresses)
    rows = [array("H", [number] * (2 if handoff else 1)) for number in range(len(addresses))]
    if handoff:
        rows[0][1] = len(addresses)
    (directory / "account.ring.gz").write_bytes(dump_v1(RingData(devices, 31 if handoff else 32, rows)))


@pytest.fixture
def accounts(tmp_path: Path):
    """Three account servers, each with a device of its own, that have account ``a``."""
    threads = [account_server(tmp_path / f"accounts{number}") for number in range(3)]
    servers = [BackendServer(thread) for thread in threads]
    for server in servers:
        assert server.request("PUT", "/sda/0/a", {"X-Timestamp": "1"}).status == 201
    yield servers
    for thread in threads:
        thread.__exit__()


@pytest.fixture
def make_updater(tmp_path: Path) -> Callable[..., ContainerUpdater]:
    def make(*addresses: tuple[str, int], handoff: tuple[str, int] | None = None, **more: object) -> ContainerUpdater:
        write_account_ring(tmp_path, list(addresses), handoff)
        options = {
            "swift_dir": str(tmp_path),
            "devices": str(tmp_path),
            "mount_check": False,
            "containers_per_second": 0,
            "recon_cache_path": str(tmp_path / "recon"),
            **PATIENT,
        }
        return ContainerUpdater(UpdaterOptions(**options | more), SWIFT, logging.getLogger("test.updater"))

    return make


@pytest.fixture
def container(tmp_path: Path) -> ContainerBroker:
    """Container ``a/c`` on device sda, with an object that no account has heard of."""
    (tmp_path / "sda").mkdir(exist_ok=True)
    return make_container(tmp_path / "sda", "a")


def make_container(device: Path, account: str, name: str = "c") -> ContainerBroker:
    """A container with an object, in partition 0."""
    path = layout.database_path(str(device), "container", "0", SWIFT.hash_path.hex(account, name))
    broker = ContainerBroker(path, account, name, logger=logging.getLogger("test.updater"))
    broker.initialize("0000000010.00000", 1)
    broker.put_object(ObjectReport("o", "0000000020.00000", 5, "text/plain", "e", 0, 1))
    return broker


def listing(server: BackendServer) -> list[dict[str, object]]:
    return json.loads(server.request("GET", "/sda/0/a", query="format=json").body)


def addresses(servers: list[BackendServer]) -> list[tuple[str, int]]:
    return [server.thread.address[:2] for server in servers]


def test_all_replicas_are_told_once(accounts, container, make_updater) -> None:
    updater = make_updater(*addresses(accounts))
    assert updater.run_once()["updated"] == 1
    for server in accounts:
        assert listing(server) == [
            {
                "name": "c",
                "count": 1,
                "bytes": 5,
                "last_modified": "1970-01-01T00:00:10.000000",
                "storage_policy": "silver",
            }
        ]
    info = container.get_info()
    assert (info["reported_object_count"], info["reported_bytes_used"]) == (1, 5)
    assert info["reported_put_timestamp"] == info["put_timestamp"]
    assert updater.run_once()["updated"] == 0
    container.delete_object("o", "0000000030.00000", 1)
    assert updater.run_once()["updated"] == 1
    assert [entry["count"] for server in accounts for entry in listing(server)] == [0, 0, 0]


def test_a_pass_is_timed(accounts, make_updater, tmp_path: Path) -> None:
    make_updater(*addresses(accounts)).run_once()
    assert json.loads((tmp_path / "recon/container.recon").read_text())["container_updater_sweep"] >= 0


def test_a_deletion_is_told(accounts, container, make_updater) -> None:
    updater = make_updater(*addresses(accounts))
    updater.run_once()
    container.delete_object("o", "0000000030.00000", 1)
    container.delete("0000000040.00000")
    assert updater.run_once()["updated"] == 1
    assert [listing(server) for server in accounts] == [[], [], []]


def test_a_container_that_nobody_created_is_not_told(accounts, make_updater, tmp_path: Path) -> None:
    path = layout.database_path(str(tmp_path / "sda"), "container", "0", SWIFT.hash_path.hex("a", "auto"))
    broker = ContainerBroker(path, "a", "auto", logger=logging.getLogger("test.updater"))
    broker.initialize("0000000000.00000")
    broker.put_object(ObjectReport("o", "0000000020.00000", 5, "text/plain", "e"))
    assert make_updater(*addresses(accounts)).run_once() == {"jobs": 1}
    assert listing(accounts[0]) == []


def test_all_are_told_again_until_the_last_has_heard(accounts, container, make_updater, tmp_path: Path) -> None:
    """One that missed it may give its old counts to the others meanwhile: all are equally new to replication."""
    other = make_container(tmp_path / "sda", "a", "other")
    updater = make_updater(*addresses(accounts[:2]), UNREACHABLE)
    for _ in range(2):
        assert updater.run_once() == {"jobs": 2, "incomplete": 2}  # the account is not left alone for that
        assert [len(listing(server)) for server in accounts] == [2, 2, 0]
    assert not container.is_reported()
    row = {"X-Put-Timestamp": "10", "X-Delete-Timestamp": "0", "X-Object-Count": "9", "X-Bytes-Used": "99"}
    assert accounts[0].request("PUT", "/sda/0/a/c", row).status == 201
    assert make_updater(*addresses(accounts)).run_once() == {"jobs": 2, "updated": 2}
    assert [[entry["count"] for entry in listing(server)] for server in accounts] == [[1, 1]] * 3
    assert container.is_reported() and other.is_reported()


def test_without_a_majority_the_account_is_left_alone_for_a_while(accounts, container, make_updater) -> None:
    updater = make_updater(*addresses(accounts[:1]), UNREACHABLE, UNREACHABLE)
    counts = updater.run_once()
    assert (counts["updated"], counts["failures"]) == (0, 1)
    assert container.get_info()["reported_object_count"] == 0
    assert updater.run_once()["postponed"] == 1


@pytest.mark.parametrize(
    ("port", "primary", "counted"), [(6201, "sda", "updated"), (6201, "sdb", "on_handoff"), (7000, "sdb", "updated")]
)
def test_a_copy_on_a_handoff_reports_nothing(
    accounts, container, make_updater, tmp_path: Path, port: int, primary: str, counted: str
) -> None:
    """It may be old, or a part. A device that the ring has elsewhere, or not at all, may be anything."""
    names = [primary, *{"sda", "sdb"} - {primary}]
    (tmp_path / "container.ring.gz").write_bytes(
        dump_v1(RingData(devices_at([("127.0.0.1", port)] * 2, names), 31, [array("H", [0, 1])]))
    )
    updater = make_updater(*addresses(accounts), bind_ip="127.0.0.1", bind_port=6201)
    assert updater.run_once() == {"jobs": 1, counted: 1}
    assert [len(listing(server)) for server in accounts] == [int(counted == "updated")] * 3


def test_a_container_of_no_account_is_quarantined(accounts, container, make_updater, tmp_path: Path) -> None:
    for server in accounts:  # another container's account is there, this one's is not
        assert server.request("HEAD", "/sda/0/a").status == 204
    orphan = make_container(tmp_path / "sda", "nobody")
    counts = make_updater(*addresses(accounts)).run_once()
    assert (counts["quarantined"], counts["updated"]) == (1, 1)
    assert (tmp_path / "sda/quarantined/containers" / Path(orphan.directory).name).is_dir()
    assert container.exists


def test_one_corrupt_database_does_not_stop_the_pass(accounts, container, make_updater, tmp_path: Path) -> None:
    corrupt = Path(layout.database_path(str(tmp_path / "sda"), "container", "0", "0" * 32))
    corrupt.parent.mkdir(parents=True)
    corrupt.write_bytes(b"no database" * 1000)
    counts = make_updater(*addresses(accounts)).run_once()
    assert (counts["failures"], counts["updated"]) == (1, 1)
    assert (tmp_path / "sda/quarantined/containers" / ("0" * 32)).is_dir()


def nobody() -> str:
    """An account in the ring's first partition that no server has."""
    return next(name for name in map("nobody{}".format, range(99)) if SWIFT.hash_path.digest(name)[0] < 128)


def test_no_container_is_quarantined_while_a_handoff_has_its_account(accounts, make_updater, tmp_path: Path) -> None:
    """Right after a rebalance the account may be where it was."""
    account = nobody()
    (tmp_path / "sda").mkdir()
    broker = make_container(tmp_path / "sda", account)
    with account_server(tmp_path / "handoff") as thread:
        handoff = BackendServer(thread)
        assert handoff.request("PUT", f"/sda/0/{account}", {"X-Timestamp": "1"}).status == 201
        updater = make_updater(*addresses(accounts), handoff=thread.address[:2])
        assert updater.run_once() == {"jobs": 1, "failures": 1}
    assert broker.exists
    assert make_updater(*addresses(accounts), handoff=UNREACHABLE).run_once() == {"jobs": 1, "failures": 1}
    assert broker.exists
    with account_server(tmp_path / "another") as thread:
        updater = make_updater(*addresses(accounts), handoff=thread.address[:2])
        assert updater.run_once() == {"jobs": 1, "quarantined": 1}
    assert not broker.exists


@pytest.mark.parametrize("reached", [0, 1, 2])
def test_no_container_is_quarantined_while_a_primary_is_silent(
    accounts, make_updater, tmp_path: Path, reached: int
) -> None:
    (tmp_path / "sda").mkdir()
    broker = make_container(tmp_path / "sda", "nobody")
    places = addresses(accounts)[:reached] + [UNREACHABLE] * (3 - reached)
    assert make_updater(*places).run_once() == {"jobs": 1, "failures": 1}
    assert broker.exists


def test_no_answers_deny_nothing() -> None:
    assert not is_denied_by_all([])
    assert is_denied_by_all([404, 404])
    assert not is_denied_by_all([404, 503])


def test_each_device_may_have_a_process(accounts, make_updater, tmp_path: Path) -> None:
    brokers = []
    for number, device in enumerate(["sda", "sdb", "sdc"]):
        (tmp_path / "devices" / device).mkdir(parents=True)
        brokers.append(make_container(tmp_path / "devices" / device, "a", f"c{number}"))
    (tmp_path / "devices/stray file").touch()
    updater = make_updater(*addresses(accounts), devices=str(tmp_path / "devices"), updater_workers=2)
    assert updater.run_once() == {"jobs": 3, "updated": 3}
    assert [broker.get_info()["reported_object_count"] for broker in brokers] == [1, 1, 1]
    assert sorted(entry["name"] for entry in listing(accounts[0])) == ["c0", "c1", "c2"]


def test_a_locked_container_is_for_the_next_pass(accounts, container, make_updater, monkeypatch) -> None:
    updater = make_updater(*addresses(accounts))
    monkeypatch.setattr(ContainerBroker.__init__, "__kwdefaults__", {**ContainerBroker.__init__.__kwdefaults__, "patience": Patience(0.05)})  # fmt: skip
    with directory_lock(container.directory, 1.0):
        assert updater.run_once() == {"jobs": 1, "locked": 1}
    assert updater.run_once()["updated"] == 1


def test_a_shard_adds_nothing_to_its_account(accounts, container, make_updater) -> None:
    """The root of the container, in another database, reports the objects of all shards."""
    container.update_metadata({"X-Container-Sysmeta-Shard-Quoted-Root": ("a/root%20c", "0000000011.00000")})
    make_updater(*addresses(accounts)).run_once()
    assert [(entry["count"], entry["bytes"]) for entry in listing(accounts[0])] == [(0, 0)]


def test_a_root_that_names_itself_is_no_shard(accounts, container, make_updater) -> None:
    container.update_metadata({"X-Container-Sysmeta-Shard-Quoted-Root": ("a/c", "0000000011.00000")})
    make_updater(*addresses(accounts)).run_once()
    assert [(entry["count"], entry["bytes"]) for entry in listing(accounts[0])] == [(1, 5)]


def test_a_container_that_was_sharded_is_left_to_its_own_updater(accounts, container, make_updater) -> None:
    """Its rows are in the shards: what this database has would tell the account of an empty container."""
    database = Path(container.path)
    database.rename(database.with_name(f"{database.stem}_0000000012.00000.db"))
    assert make_updater(*addresses(accounts)).run_once() == {"jobs": 1}
    assert listing(accounts[0]) == []
