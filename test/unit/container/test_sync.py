"""The container sync daemon: whose turn a row is, how far it has come, and what becomes of rows that fail."""

from __future__ import annotations

import dataclasses
import logging
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import SWIFT
from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.sync import PAGE, ContainerSync, SyncOptions
from swiftlite.container.sync_row import Link, NotHereYet, Refused
from swiftlite.container.sync_store import link_path, synced_databases, update_link
from swiftlite.core.container_sync import sends_first
from swiftlite.core.rows import ObjectReport
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.http.errors import ConnectFailed, NodeTimeout
from swiftlite.ring.format import RingData, dump_v1

PORT = 6201
METADATA = {"X-Container-Sync-To": "//us/east/AUTH_there/c", "X-Container-Sync-Key": "key"}
LOGGER = logging.getLogger("test.container_sync_daemon")


class Sender:
    """Stands for the other cluster: remembers what it is sent, and refuses what a test says."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.failures: dict[str, Exception] = {}
        self.before: Callable[[str], None] = lambda name: None

    def send(self, link: Link, row: Mapping[str, Any]) -> str:
        self.before(row["name"])
        self.sent.append(row["name"])
        if row["name"] in self.failures:
            raise self.failures[row["name"]]
        return "puts"


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make_sync(tmp_path: Path) -> Callable[..., ContainerSync]:
    """Of three replicas at ``sda``, ``sdb`` and ``sdc``, all on this server."""
    devices = [
        {"id": number, "region": 1, "zone": number, "ip": "127.0.0.1", "port": PORT, "device": name, "weight": 1.0}
        for number, name in enumerate(("sda", "sdb", "sdc"))
    ]
    data = RingData(devices, 32, [array("H", [number]) for number in range(3)])
    (tmp_path / "container.ring.gz").write_bytes(dump_v1(data))
    (tmp_path / "container-sync-realms.conf").write_text("[us]\nkey = k\ncluster_east = http://127.0.0.1:1/v1/\n")
    for device in ("sda", "sdb", "sdc", "sdd"):
        (tmp_path / "devices" / device).mkdir(parents=True)

    def make(**changed: Any) -> ContainerSync:
        options = SyncOptions(
            swift_dir=str(tmp_path),
            devices=str(tmp_path / "devices"),
            mount_check=False,
            bind_ip="127.0.0.1",
            bind_port=PORT,
            recon_cache_path=str(tmp_path / "recon"),
        )
        made = ContainerSync(dataclasses.replace(options, **changed), SWIFT, LOGGER)
        made.sender = Sender()  # type: ignore[assignment]
        made.clock = Clock()
        return made

    return make


@pytest.fixture
def make_container(tmp_path: Path) -> Callable[..., ContainerBroker]:
    def make(device: str = "sda", rows: int = 0, **metadata: str) -> ContainerBroker:
        name_hash = SWIFT.hash_path.hex("AUTH_here", "c")
        path = layout.database_path(str(tmp_path / "devices" / device), "container", "0", name_hash)
        broker = ContainerBroker(path, "AUTH_here", "c", logger=LOGGER)
        broker.initialize(Timestamp(1).internal)
        add_rows(broker, rows)
        broker.update_metadata({key: (value, Timestamp(1).internal) for key, value in (METADATA | metadata).items()})
        update_link(broker)
        return broker

    return make


def add_rows(broker: ContainerBroker, count: int) -> None:
    first = max(0, broker.max_row()) + 1
    for number in range(first, first + count):
        broker.put_object(ObjectReport(f"o{number:04}", Timestamp(number).internal, 1, "text/plain", "e"))


def names(*numbers: int) -> list[str]:
    return [f"o{number:04}" for number in numbers]


def test_each_row_is_sent_first_by_one_and_then_by_all(make_sync: Any, make_container: Any) -> None:
    brokers = [make_container(device, rows=60) for device in ("sda", "sdb", "sdc")]
    sync = make_sync()
    for ordinal, broker in enumerate(brokers):
        sync.sender.sent.clear()
        sync.work(broker.path)
        assert sorted(sync.sender.sent) == [
            name
            for name in names(*range(1, 61))
            if sends_first(SWIFT.hash_path.digest("AUTH_here", "c", name), 3, ordinal)
        ]
        assert broker.container_sync_points() == (60, -1)
    for broker in brokers:
        sync.sender.sent.clear()
        sync.work(broker.path)
        assert sorted(sync.sender.sent) == names(*range(1, 61))
        assert broker.container_sync_points() == (60, 60)
        sync.sender.sent.clear()
        sync.work(broker.path)
        assert sync.sender.sent == []


@pytest.mark.parametrize(
    "failure",
    [NotHereYet("x"), NodeTimeout(("h", 1), "x"), ValueError("x"), RuntimeError("a bug"), OSError("x")],
    ids=lambda failure: type(failure).__name__,
)
def test_what_has_not_arrived_is_sent_until_it_has(make_sync: Any, make_container: Any, failure: Exception) -> None:
    broker, sync = make_container(rows=9), make_sync()
    sync.work(broker.path)
    sync.sender.failures = dict.fromkeys(names(4, 7), failure)
    for _ in range(2):
        sync.sender.sent.clear()
        sync.counts.clear()
        sync.work(broker.path)
        assert (sync.counts["failures"], sync.counts["synced"]) == (1, 0)
        assert broker.container_sync_points() == (9, 3)
        assert set(names(4, 5, 6, 7, 8, 9)) <= set(sync.sender.sent)
    del sync.sender.failures["o0004"]
    sync.work(broker.path)
    assert broker.container_sync_points() == (9, 6)
    sync.sender.failures = {}
    sync.work(broker.path)
    assert broker.container_sync_points() == (9, 9)


def test_points_are_written_down_on_the_way(make_sync: Any, make_container: Any) -> None:
    broker, sync = make_container(rows=2 * PAGE + 10), make_sync(sync_row_concurrency=1)
    seen = set()
    sync.sender.before = lambda name: seen.add(broker.container_sync_points())
    sync.work(broker.path)
    sync.work(broker.path)
    last = 2 * PAGE + 10
    assert seen == {(-1, -1), (PAGE, -1), (2 * PAGE, -1), (last, -1), (last, PAGE), (last, 2 * PAGE)}


@pytest.mark.parametrize("reason", [ConnectFailed(("h", 1), "x"), None], ids=["nobody is there", "the keys differ"])
def test_a_hopeless_container_is_given_up_for_this_pass(
    make_sync: Any, make_container: Any, reason: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    broker, sync = make_container(rows=500), make_sync()
    sync.work(broker.path)
    target = sync._task(broker, broker.get_info()).link.target
    sync.sender.failures = dict.fromkeys(names(*range(1, 501)), reason or Refused("HEAD", target, 401))
    sync.sender.sent.clear()
    caplog.clear()
    sync.work(broker.path)
    assert len(sync.sender.sent) <= sync.options.sync_row_concurrency
    assert broker.container_sync_points() == (500, -1)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_a_target_that_changes_meanwhile_gets_all(make_sync: Any, make_container: Any) -> None:
    broker, sync = make_container(rows=20), make_sync()
    sync.work(broker.path)
    sync.sender.before = lambda name: broker.reset_sync_points()
    sync.work(broker.path)
    assert broker.container_sync_points() == (-1, -1)
    sync.sender.before = lambda name: None
    sync.sender.sent.clear()
    for _ in range(2):
        sync.work(broker.path)
    assert set(sync.sender.sent) == set(names(*range(1, 21)))
    assert broker.container_sync_points() == (20, 20)


def test_new_rows_go_on_though_old_ones_fail_and_take_all_time(make_sync: Any, make_container: Any) -> None:
    """Half of a pass is theirs; and of the old ones, too, those come that there was no time for before."""
    broker, sync = make_container(rows=400), make_sync(container_time=100, sync_row_concurrency=1)
    sync.work(broker.path)
    sync.sender.failures = {"o0001": NotHereYet("x")}

    def one_second(name: str) -> None:
        sync.clock.now += 1

    sync.sender.before = one_second
    again: set[str] = set()
    for _ in range(9):
        add_rows(broker, 1)
        sync.sender.sent.clear()
        sync.work(broker.path)
        again |= set(sync.sender.sent)
        assert broker.container_sync_points() == (broker.max_row(), -1)
    assert set(names(*range(1, 401))) <= again


def test_who_is_not_to_be_synced(make_sync: Any, make_container: Any, tmp_path: Path) -> None:
    handoff = make_container("sdd", rows=9)
    versioned = make_container("sda", 9, **{"X-Container-Sysmeta-Versions-Container": "x"})
    nowhere = make_container("sdb", 9, **{"X-Container-Sync-To": "//us/west/a/c"})
    sync = make_sync()
    for broker in (handoff, versioned, nowhere):
        sync.work(broker.path)
        assert broker.container_sync_points() == (-1, -1)
        assert Path(link_path(broker.path)).is_symlink()
    assert (sync.sender.sent, sync.counts["skipped"], sync.counts["failures"]) == ([], 3, 1)


def test_links(make_sync: Any, make_container: Any, tmp_path: Path) -> None:
    broker = make_container("sda", rows=1)
    device = tmp_path / "devices/sda"
    link = Path(link_path(broker.path))
    assert link == device / "sync_containers" / Path(broker.path).relative_to(device / "containers")
    assert link.resolve() == Path(broker.path)
    assert list(synced_databases(str(device))) == [broker.path] == list(make_sync().jobs())
    update_link(broker)
    for key in ("X-Container-Sync-To", "X-Container-Sync-Key"):
        broker.update_metadata({key: ("", Timestamp(2).internal)})
        update_link(broker)
        assert not link.is_symlink()
        assert (device / "sync_containers").is_dir()
        broker.update_metadata({key: (METADATA[key], Timestamp(3).internal)})
        update_link(broker)
        assert link.is_symlink()
    link.rename(link.with_name(link.name.replace(".db", "_0000000001.00000.db")))  # as for one that is being sharded
    assert list(synced_databases(str(device))) == [broker.path]
    broker.delete_object("o0001", Timestamp(5).internal)
    broker.delete(Timestamp(9).internal)
    update_link(broker)
    assert list(synced_databases(str(device))) == []


def test_keys_are_not_logged(make_sync: Any, make_container: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", LOGGER.name)
    broker = make_container(rows=3, **{"X-Container-Sync-Key": "very-secret"})
    sync = make_sync()
    sync.sender.failures = {"o0002": RuntimeError("a bug")}
    for _ in range(2):
        sync.work(broker.path)
    assert "a bug" in caplog.text
    assert "very-secret" not in caplog.text
    assert "very-secret" not in repr(sync._task(broker, broker.get_info()))


def test_a_conf_that_wants_an_http_proxy_is_refused(tmp_path: Path) -> None:
    """Silently going another way than the operator has said would be worse."""
    path = tmp_path / "container-server.conf"
    path.write_text("[container-sync]\nsync_proxy = http://10.0.0.1:8888\n")
    conf = ConfFile.load(str(path))
    with pytest.raises(ConfigError, match="sync_proxy"):
        ContainerSync.from_conf(conf, conf.section("container-sync"))
