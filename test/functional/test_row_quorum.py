"""When a change is acknowledged a majority of its container's replicas has its row, whoever is down (doc/consistency.md)."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import swiftclient

from functional.cluster import Cluster, wait_until
from swiftlite.container.backend import ContainerBroker

OBJECTS = 8


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three hosts of one device: whoever is down, no handoff takes its share."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), nodes=3, devices=1).start()
    yield cluster
    cluster.remove()


@pytest.mark.parametrize("down", [("container",), ("object",), ("container", "object")])
@pytest.mark.parametrize("node", [1, 2, 3])
def test_a_majority_has_every_row(cluster: Cluster, down: tuple[str, ...], node: int) -> None:
    container = f"{'-and-'.join(down)}-{node}"
    connection = cluster.connection()
    connection.put_container(container)
    replicas = wait_until(lambda: _replicas(cluster, container), "all replicas of the container")
    servers = [cluster.server(f"{kind}-server", node) for kind in down]
    for server in servers:
        server.kill()
    try:
        for number in range(OBJECTS):
            name = f"o{number}"
            connection.put_object(container, name, b"x" * 7, content_type="a/b")
            _expect(replicas, name, (7, "a/b"))
            connection.post_object(container, name, {"Content-Type": "c/d"})
            _expect(replicas, name, (7, "c/d"))
            connection.delete_object(container, name)
            _expect(replicas, name, (0, "application/deleted"))
    finally:
        for server in servers:
            server.start()
    assert "Listings may lag" not in cluster.log_text()


@pytest.mark.parametrize("node", [1, 2, 3])
def test_a_replica_that_missed_an_object_does_not_delete_its_container(cluster: Cluster, node: int) -> None:
    container = f"kept-{node}"
    connection = cluster.connection()
    connection.put_container(container, {"X-Container-Read": "test2:tester2", "X-Container-Meta-Color": "blue"})
    replicas = wait_until(lambda: _replicas(cluster, container), "all replicas of the container")
    server = cluster.server("container-server", node)
    server.kill()
    try:
        connection.put_object(container, "o", b"x")
    finally:
        server.start()
    with pytest.raises(swiftclient.ClientException, match="409"):
        connection.delete_container(container)
    for path in replicas:
        broker = ContainerBroker(str(path), "", logger=logging.getLogger("test"))
        assert {key: value for key, (value, _) in broker.metadata().items()} == {
            "X-Container-Read": "test2:tester2",
            "X-Container-Meta-Color": "blue",
        }
    connection.delete_object(container, "o")
    assert connection.head_container(container)["x-container-meta-color"] == "blue"
    connection.delete_container(container)


def test_past_the_bound_a_change_is_acknowledged_and_logged(cluster: Cluster) -> None:
    connection = cluster.connection()
    connection.put_container("late")
    servers = [cluster.server("container-server", node) for node in (1, 2)]
    for server in servers:
        server.kill()
    try:
        connection.put_object("late", "o", b"x")
    finally:
        for server in servers:
            server.start()
    expected = "Listings may lag behind /AUTH_test/late/o: 1 of the container's 3 replicas have its row, 2 should"
    assert expected in cluster.log_text()


def _replicas(cluster: Cluster, container: str) -> list[Path]:
    """The databases of a container; none unless all are there."""
    found = [path for path in cluster.files("containers/*/*/*/*.db") if _is_of(path, container)]
    return found if len(found) == 3 else []


def _is_of(path: Path, container: str) -> bool:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT container FROM container_info").fetchone() == (container,)


def _expect(replicas: list[Path], name: str, row: tuple[int, str]) -> None:
    holders = [path for path in replicas if _row(path, name) == row]
    assert len(holders) >= 2, f"{name}: {row} is known to {len(holders)} replicas"


def _row(path: Path, name: str) -> tuple[int, str] | None:
    """Size and content type of an object as a replica knows them, rows that wait to be merged included."""
    ContainerBroker(str(path), "", logger=logging.getLogger("test")).commit_pending()
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT size, content_type FROM object WHERE name = ?", (name,)).fetchone()
