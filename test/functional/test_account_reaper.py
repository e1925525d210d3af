"""The account reaper against a real cluster: what it deletes, and, above all, what it must not."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from functional.cluster import Cluster, wait_until
from swiftlite.account.backend import AccountBroker
from swiftlite.account.reaper import AccountReaper, ReaperOptions
from swiftlite.cli.layout import StorageNode
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.reaping import share_of
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.ring.ring import Node, Ring

LOGGER = logging.getLogger("test.reaper")
SETTINGS = {"proxy": {"app:proxy-server": {"allow_account_management": "true"}}}
POLICIES = {
    "storage-policy:0": {"name": "gold", "default": "yes"},
    "storage-policy:1": {"name": "silver"},
}
NAMES = ["a", "dir/b", "é漢😀", "line\nbreak", "%2F & co?#", "x" * 900]
numbers = itertools.count()


class Site:
    """The cluster as the tests need it: the proxy as an administrator, and each replica by itself."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        etc = str(cluster.layout.etc)
        self.swift = SwiftConf.load(etc)
        self.root = cluster.layout.nodes[0].root
        self.rings = {
            name: Ring(etc, name, hash_path=self.swift.hash_path)
            for name in ("account", "container", "object", "object-1")
            if (cluster.layout.etc / f"{name}.ring.gz").exists()
        }
        self.token = cluster.token("admin:admin")

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> int:
        """A client's request; the path is native and follows ``/v1/``."""
        own = {"X-Auth-Token": self.token, **(headers or {})}
        return request(self.cluster.proxy_address, method, f"/v1/{path}", own, body)[0]

    def ask_node(
        self, node: Node, partition: int, method: str, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """A request to a storage server."""
        return request(node.address, method, f"/{node.device}/{partition}{path}", headers)

    def reaper(self, node: StorageNode | None = None, **options: Any) -> AccountReaper:
        """A reaper of all devices of a node, by default of the first."""
        node = node or self.cluster.layout.nodes[0]
        settings = {
            "bind_ip": node.ip,
            "bind_port": node.ports[2],
            "swift_dir": str(self.cluster.layout.etc),
            "devices": str(node.root),
            "mount_check": False,
            "recon_cache_path": str(node.root),
            "conn_timeout": 30.0,
            "node_timeout": 60.0,
        }
        return AccountReaper(ReaperOptions(**settings | options), self.swift, LOGGER)


def request(
    address: tuple[str, int], method: str, path: str, headers: dict[str, str] | None, body: bytes | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, quote(path), body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


class Account:
    """An account with objects in containers of two policies, and the files that hold it all."""

    def __init__(self, site: Site, containers: int = 2, names: Sequence[str] = NAMES[:2]) -> None:
        self.site = site
        self.name = f"AUTH_reaped{next(numbers)}"
        self.path = f"/{self.name}"
        self.partition, self.nodes = site.rings["account"].get_nodes(self.name)
        self.objects: list[tuple[str, str, int]] = []
        for number in range(containers):
            policy = number % 2
            container = f"c{number} é"
            headers = {"X-Storage-Policy": ("gold", "silver")[policy]}
            assert site.ask("PUT", f"{self.name}/{container}", headers) == 201
            for name in names if number < 2 else names[:1]:
                assert site.ask("PUT", f"{self.name}/{container}/{name}", body=b"x") == 201
                self.objects.append((container, name, policy))
        wait_until(lambda: self.is_whole and self.counts() == [containers] * 3, f"all replicas of {self.name}")

    def delete(self, *replicas: int, at: float | None = None) -> None:
        """Delete it at some replicas; none means all."""
        stamp = {"X-Timestamp": Timestamp(time.time() if at is None else at).internal}
        for index in replicas or range(len(self.nodes)):
            status, _ = self.site.ask_node(self.nodes[index], self.partition, "DELETE", self.path, stamp)
            assert status == 204

    def broker(self, index: int) -> AccountBroker:
        """One of its databases."""
        device = f"{self.site.root}/{self.nodes[index].device}"
        name_hash = self.site.swift.hash_path.hex(self.name)
        return AccountBroker(
            layout.database_path(device, "account", str(self.partition), name_hash), self.name, logger=LOGGER
        )

    def counts(self) -> list[int]:
        """How many containers each of its databases has."""
        return [self.broker(index).get_info()["container_count"] for index in range(len(self.nodes))]

    def data_files(self) -> int:
        """How many files there are of its objects' data."""
        found = 0
        for container, name, policy in self.objects:
            ring = self.site.rings["object-1" if policy else "object"]
            partition, nodes = ring.get_nodes(self.name, container, name)
            name_hash = self.site.swift.hash_path.hex(self.name, container, name)
            folder = "objects-1" if policy else "objects"
            for node in nodes:
                directory = self.site.root / node.device / folder / str(partition) / name_hash[-3:] / name_hash
                found += len(list(directory.glob("*.data")))
        return found

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is lost."""
        return self.data_files() == 3 * len(self.objects) and min(self.counts()) > 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is left."""
        return self.data_files() == 0 and self.counts() == [0, 0, 0]

    def remove(self) -> None:
        """Take its databases away, so that no other test's reaper meets it."""
        for index in range(len(self.nodes)):
            for file in Path(self.broker(index).directory).glob("*"):
                file.unlink()


@pytest.fixture(scope="module")
def site(make_session_cluster: Callable[..., Cluster]) -> Site:
    return Site(make_session_cluster(settings=SETTINGS, swift_conf=POLICIES))


@pytest.fixture
def account(site: Site) -> Iterator[Account]:
    made = Account(site)
    yield made
    made.remove()


def test_the_daemon_empties_a_deleted_account(site: Site) -> None:
    account, other = Account(site, names=NAMES), Account(site)
    assert account.is_whole
    assert site.ask("DELETE", account.name) == 204
    assert site.ask("HEAD", account.name) == 410
    assert account.is_whole
    site.cluster.run_once("account-reaper")
    assert account.is_empty
    assert other.is_whole
    assert f"Completed pass on account {account.name}, 1 containers deleted, 6 objects deleted" in (
        site.cluster.log_text()
    )
    for container in ("c0 é", "c1 é"):
        partition, nodes = site.rings["container"].get_nodes(account.name, container)
        assert {site.ask_node(node, partition, "HEAD", f"{account.path}/{container}")[0] for node in nodes} == {404}
    account.remove()
    other.remove()


def test_replicas_share_the_containers(site: Site) -> None:
    account = Account(site, containers=9)
    account.delete()
    names = [f"c{number} é" for number in range(9)]
    for index in range(3):
        reaper = site.reaper(devices=str(only_device(site, account.nodes[index].device)))
        share = [name for name in names if share_of(name, 3) == index]
        before = account.counts()[0]
        assert reaper.run_once()["containers_deleted"] == len(share)
        assert account.counts()[0] == before - len(share)
    assert account.is_empty
    account.remove()


def only_device(site: Site, device: str) -> Path:
    """A directory in which one device of the cluster is, and no other."""
    directory = site.cluster.directory / f"only-{device}"
    directory.mkdir(exist_ok=True)
    if not (directory / device).exists():
        (directory / device).symlink_to(site.root / device)
    return directory


def test_an_account_of_the_reserved_namespace_goes_too(site: Site, account: Account) -> None:
    """Versioned containers keep their versions in one whose name begins with a NUL."""
    assert site.ask("PUT", f"{account.name}/c0 é", {"X-Versions-Enabled": "true"}) in (201, 202)
    assert site.ask("PUT", f"{account.name}/c0 é/a", body=b"newer") == 201
    assert max(account.counts()) == 3
    account.delete()
    assert site.reaper().run_once()["containers_deleted"] == 3
    assert account.is_empty


# What must not be reaped --------------------------------------------------------------------------------------------------


def test_an_account_that_lives_is_left_alone(site: Site, account: Account) -> None:
    assert site.reaper().run_once().keys() == {"jobs"}
    assert account.is_whole


def test_a_deleted_account_is_kept_for_the_delay(site: Site, account: Account) -> None:
    account.delete()
    reaper = site.reaper(delay_reaping=600.0)
    reaper.run_once()
    assert account.is_whole
    reaper.clock = lambda: time.time() + 601
    reaper.run_once()
    assert account.is_empty


def test_an_account_created_anew_is_left_alone_though_its_status_is_deleted(site: Site, account: Account) -> None:
    account.delete()
    for index in range(3):
        account.broker(index).update_put_timestamp(Timestamp(time.time() + 1).internal)
        assert account.broker(index).get_info()["status"] == "DELETED"
    assert not site.reaper().run_once()["containers_deleted"]
    assert account.is_whole


@pytest.mark.parametrize("replica", range(3))
def test_an_account_created_anew_at_one_replica_is_left_alone(site: Site, account: Account, replica: int) -> None:
    account.delete(*{0, 1, 2} - {replica})
    stamp = {"X-Timestamp": Timestamp(time.time() + 1).internal}
    assert site.ask_node(account.nodes[replica], account.partition, "PUT", account.path, stamp)[0] == 202
    assert site.reaper().run_once()["spared"] == 2
    assert account.is_whole


def test_an_account_that_one_replica_has_learnt_is_created_anew_is_left_alone(site: Site, account: Account) -> None:
    """Replication has brought it the newer PUT, but its status stays: it answers as if there were nothing."""
    account.delete()
    info = account.broker(1).get_info()
    newer = Timestamp(float(Timestamp(info["delete_timestamp"])) + 1).internal
    account.broker(1).merge_timestamps(info["created_at"], newer, info["delete_timestamp"])
    assert site.ask_node(account.nodes[1], account.partition, "HEAD", account.path)[0] == 404
    assert site.reaper().run_once()["spared"] == 2
    assert account.is_whole


@pytest.mark.parametrize("replica", range(3))
def test_an_account_is_left_alone_until_the_last_replica_has_heard(site: Site, account: Account, replica: int) -> None:
    account.delete(*{0, 1, 2} - {replica})
    reaper = site.reaper()
    counts = reaper.run_once()
    assert (counts["spared"], counts["containers_deleted"]) == (2, 0)
    assert account.is_whole
    # Replication brings the timestamps, and not the status; so this replica answers HEAD as before.
    told = account.broker((replica + 1) % 3).get_info()
    broker = account.broker(replica)
    broker.merge_timestamps(told["created_at"], told["put_timestamp"], told["delete_timestamp"])
    assert site.reaper().run_once()["spared"] == 0
    assert account.is_empty


def test_an_account_is_left_alone_while_a_replica_is_missing(site: Site, account: Account) -> None:
    account.delete()
    database = Path(account.broker(1).path)
    database.rename(database.with_suffix(".away"))
    assert site.reaper().run_once()["spared"] == 2
    database.with_suffix(".away").rename(database)
    assert account.is_whole


def test_an_account_is_left_alone_while_a_device_is_away(site: Site, account: Account) -> None:
    account.delete()
    device = site.root / account.nodes[2].device
    with moved_away(device):
        assert site.reaper().run_once()["spared"] == 2
    assert account.is_whole
    site.reaper().run_once()
    assert account.is_empty


@contextlib.contextmanager
def moved_away(device: Path) -> Iterator[None]:
    away = device.parent.parent / f"{device.name}.away"
    device.rename(away)
    try:
        yield
    finally:
        away.rename(device)


def test_nothing_is_deleted_while_account_servers_are_down(site: Site, account: Account) -> None:
    account.delete()
    server = site.cluster.server("account-server")
    server.kill()
    try:
        assert site.reaper().run_once()["spared"] == 3
    finally:
        server.start()
    assert account.is_whole


def test_a_database_in_the_wrong_place_is_no_reason_to_delete(site: Site, account: Account) -> None:
    """Say an operator has restored a backup of another account, or of another cluster."""
    account.delete()
    victim = Account(site)
    copy = Path(account.broker(0).path).read_bytes()
    for index in range(3):
        account.broker(index).update_put_timestamp(Timestamp(time.time() + 9).internal)
        Path(victim.broker(index).path).write_bytes(copy)
    reaper = site.reaper()
    assert reaper.run_once()["spared"] == 3
    assert account.is_whole
    assert victim.data_files() == 3 * len(victim.objects)
    victim.remove()


def test_a_copy_on_a_handoff_reaps_nothing(site: Site, account: Account) -> None:
    account.delete()
    (handoff,) = set(site.cluster.layout.nodes[0].devices) - {node.device for node in account.nodes}
    source = Path(account.broker(0).path)
    copy = Path(str(source).replace(f"/{account.nodes[0].device}/", f"/{handoff}/"))
    copy.parent.mkdir(parents=True)
    copy.write_bytes(source.read_bytes())
    assert site.reaper(devices=str(only_device(site, handoff))).run_once() == Counter()
    assert account.is_whole
    copy.unlink()


class Interrupted(AccountReaper):
    """Runs something when it asks for the fourth time whether an account may be emptied."""

    confirm_every = 0.0
    then: Callable[[], None]
    asked = 0

    def _objection(self, case: Any) -> str:
        self.asked += 1
        if self.asked == 4:
            self.then()
        return super()._objection(case)


def test_reaping_stops_when_the_account_is_created_anew_meanwhile(site: Site) -> None:
    account = Account(site, containers=12)
    account.delete()
    made = site.reaper(concurrency=1)
    reaper = Interrupted(made.options, site.swift, LOGGER)

    def create_anew() -> None:
        for index in range(3):
            account.broker(index).update_put_timestamp(Timestamp(time.time() + 1).internal)

    reaper.then = create_anew
    counts = reaper.run_once()
    assert counts["spared"] > 0
    assert counts["containers_deleted"] <= 2
    assert account.counts()[0] >= 10
    account.remove()


# Failures -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["container", "object"])
def test_what_a_dead_server_leaves_goes_in_the_next_pass(site: Site, account: Account, kind: str) -> None:
    account.delete()
    server = site.cluster.server(f"{kind}-server")
    server.kill()
    try:
        counts = site.reaper().run_once()
    finally:
        server.start()
    assert counts["containers_remaining"] == 2
    assert account.data_files() == 3 * len(account.objects)
    counts = site.reaper().run_once()
    assert (counts["containers_deleted"], counts["containers_remaining"]) == (2, 0)
    assert account.is_empty


def test_a_replica_of_a_container_that_is_missing_holds_nothing_up(site: Site, account: Account) -> None:
    """It is the one that would be listed first."""
    account.delete()
    partition, nodes = site.rings["container"].get_nodes(account.name, "c0 é")
    name_hash = site.swift.hash_path.hex(account.name, "c0 é")
    Path(layout.database_path(f"{site.root}/{nodes[-1].device}", "container", str(partition), name_hash)).unlink()
    assert site.reaper().run_once()["containers_deleted"] == 2
    assert account.data_files() == 0
    assert sorted(account.counts()) == [0, 0, 1]  # Nobody told the last; replication will.


def test_objects_that_one_replica_alone_lists_are_deleted(site: Site, account: Account) -> None:
    account.delete()
    partition, nodes = site.rings["container"].get_nodes(account.name, "c1 é")
    row = {"X-Size": "1", "X-Content-Type": "text/plain", "X-Etag": "e", "X-Backend-Storage-Policy-Index": "1"}
    row["X-Timestamp"] = Timestamp(time.time()).internal
    path = f"{account.path}/c1 é/only here"
    assert site.ask_node(nodes[0], partition, "PUT", path, row)[0] == 201
    counts = site.reaper().run_once()
    assert counts["containers_deleted"] == 2
    assert counts["objects_deleted"] == len(account.objects) + 1
    assert account.is_empty


def test_a_container_that_is_nowhere_is_taken_out_of_the_account(site: Site, account: Account) -> None:
    row = {"X-Put-Timestamp": "0000000001.00000", "X-Delete-Timestamp": "0", "X-Object-Count": "5", "X-Bytes-Used": "5"}
    for node in account.nodes:
        assert site.ask_node(node, account.partition, "PUT", f"{account.path}/nowhere", row)[0] == 201
    account.delete()
    assert account.counts() == [3, 3, 3]
    site.reaper().run_once()
    assert account.is_empty


def test_a_corrupt_database_does_not_end_the_pass(site: Site, account: Account) -> None:
    account.delete()
    corrupt = Path(layout.database_path(f"{site.root}/d1", "account", "0", "0" * 32))
    if not any(node.device == "d1" for node in site.rings["account"].primaries(0)):
        corrupt = Path(str(corrupt).replace("/d1/", "/d2/"))
    corrupt.parent.mkdir(parents=True)
    corrupt.write_bytes(b"no database" * 1000)
    counts = site.reaper().run_once()
    assert (counts["failures"], counts["containers_deleted"]) == (1, 2)
    assert account.is_empty
    assert not corrupt.exists()


def test_an_account_that_stays_full_is_warned_of(
    site: Site, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    deletion = Timestamp(time.time())
    account.delete(at=float(deletion))
    server = site.cluster.server("object-server")
    server.kill()
    try:
        for late in (99, 101):
            reaper = site.reaper(delay_reaping=60.0, reap_warn_after=40.0)
            reaper.clock = lambda: float(deletion) + late  # noqa: B023 - used at once
            caplog.clear()
            reaper.run_once()
            warned = f"Account {account.name} has not been reaped since {deletion.isoformat}" in caplog.text
            assert warned == (late > 100)
    finally:
        server.start()
    assert account.counts() == [2, 2, 2]
