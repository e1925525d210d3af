"""Three nodes, one of which is down, damaged or emptied: one pass of the replicators, and all have the same again."""

from __future__ import annotations

import http.client
import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from functional.cluster import Cluster
from swiftlite.account.backend import AccountBroker
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout
from swiftlite.ring.ring import Ring

CONTAINER = "many é"
LOGGER = logging.getLogger("test.replicators")


class Site:
    """A cluster of three nodes with a device each, and its container and account of that name."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.account = "AUTH_test"
        self.swift = SwiftConf.load(str(cluster.layout.etc))

    def database(self, node: int, kind: str = "container") -> Path:
        """The file of a node's replica."""
        names = (self.account, CONTAINER)[: 1 if kind == "account" else 2]
        partition = Ring(str(self.cluster.layout.etc), kind, hash_path=self.swift.hash_path).partition(*names)
        device = self.cluster.layout.nodes[node - 1].root / "d1"
        return Path(layout.database_path(str(device), kind, str(partition), self.swift.hash_path.hex(*names)))  # type: ignore[arg-type]

    def broker(self, node: int) -> ContainerBroker:
        """A broker of the container's replica."""
        return ContainerBroker(str(self.database(node)), self.account, CONTAINER, logger=LOGGER)

    def hashes(self) -> set[str]:
        """The hashes of the three replicas' rows."""
        return {self.broker(node).get_info()["hash"] for node in (1, 2, 3)}

    def names(self, node: int) -> set[str]:
        """The names that a replica lists."""
        return {row["name"] for row in self.broker(node).items_since(-1, 100000) if not row["deleted"]}

    def update(self, node: int, rows: list[dict[str, object]]) -> None:
        """Give a node's server many rows at once."""
        partition = self.database(node).parts[-4]
        path = f"/d1/{partition}/{self.account}/{quote(CONTAINER)}"
        headers = {"X-Timestamp": "1", "X-Backend-Storage-Policy-Index": "0", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(*self.cluster.server("container-server", node).address, timeout=60)
        try:
            connection.request("UPDATE", path, json.dumps(rows).encode(), headers)
            assert connection.getresponse().status == 202
        finally:
            connection.close()

    def replicate(self, kind: str = "container") -> None:
        """Make a pass of every node's replicator."""
        for node in (1, 2, 3):
            self.cluster.run_once(f"{kind}-replicator-{node}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    cluster = Cluster(tmp_path_factory.mktemp("replicators"), nodes=3, devices=1)
    try:
        made = Site(cluster.start())
        cluster.connection().put_container(CONTAINER)
        yield made
    finally:
        cluster.remove()


def row(name: str, moment: float, deleted: int = 0) -> dict[str, object]:
    kind, etag = ("application/deleted", "noetag") if deleted else ("text/plain", "e")
    shared = {"name": name, "created_at": Timestamp(moment).internal, "size": 0 if deleted else 5}
    return {**shared, "content_type": kind, "etag": etag, "deleted": deleted, "storage_policy_index": 0}


def test_a_node_that_was_down_for_thousands_of_changes_catches_up(site: Site) -> None:
    now = time.time() - 100
    for node in (1, 2, 3):
        site.update(node, [row(f"old{number}", now) for number in range(1500)])
    site.cluster.server("container-server", 2).kill()
    client = site.cluster.connection()
    for number in range(20):
        client.put_object(CONTAINER, f"object{number}", b"x")
    for number in range(5):
        client.delete_object(CONTAINER, f"object{number}")
    for node in (1, 3):
        site.update(node, [row(f"new{number}", now + 1) for number in range(2500)])
        site.update(node, [row(f"old{number}", now + 2, deleted=1) for number in range(700)])
    client.post_container(CONTAINER, {"X-Container-Meta-Color": "blé"})
    site.cluster.server("container-server", 2).start()
    site.replicate()
    assert len(site.hashes()) == 1
    assert len(site.names(2)) == 1500 - 700 + 2500 + 15
    assert site.broker(2).metadata()["X-Container-Meta-Color"][0] == "blé"
    listing = client.get_container(CONTAINER, full_listing=True)[1]
    assert {entry["name"] for entry in listing} == site.names(2)


def test_a_replica_that_was_deleted_comes_back(site: Site) -> None:
    before = site.names(1)
    shutil.rmtree(site.database(1).parent)
    site.replicate()
    assert site.names(1) == before
    assert len(site.hashes()) == 1


def test_a_replica_that_is_corrupt_is_quarantined_and_comes_back(site: Site) -> None:
    before = site.names(3)
    path = site.database(3)
    data = bytearray(path.read_bytes())
    data[: len(data) // 2] = b"\x5a" * (len(data) // 2)
    path.write_bytes(data)
    site.replicate()
    site.replicate()
    assert (site.cluster.layout.nodes[2].root / "d1" / "quarantined" / "containers" / path.parent.name).is_dir()
    assert site.names(3) == before
    assert len(site.hashes()) == 1


def test_an_account_that_missed_containers_learns_of_them(site: Site) -> None:
    site.cluster.server("account-server", 1).kill()
    client = site.cluster.connection()
    for number in range(5):
        client.put_container(f"c{number}")
    site.cluster.server("account-server", 1).start()
    site.replicate("account")
    account = AccountBroker(str(site.database(1, "account")), site.account, logger=LOGGER)
    assert {row["name"] for row in account.items_since(-1, 100)} >= {f"c{number}" for number in range(5)}


def test_the_command_line_narrows_a_pass(site: Site) -> None:
    before = site.names(2)
    shutil.rmtree(site.database(2).parent)
    site.cluster.run_once("container-replicator-1", "--devices", "d7")
    site.cluster.run_once("container-replicator-1", "--partitions", "9999", "-d", "d1")
    assert not site.broker(2).exists
    site.cluster.run_once("container-replicator-1", "--devices=d1", f"--partitions={site.database(2).parts[-4]}")
    assert site.names(2) == before
