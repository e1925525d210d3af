"""Nothing that was acknowledged is lost when servers die during an upload (issue 2, point 2)."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
import swiftclient

from functional.cluster import Cluster, wait_until
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.ring import Ring

SEED = 7
CONTAINER = "faults"
SIZES = (0, 1, 1000, 70_000, 600_000)


class Uploader(threading.Thread):
    """Uploads objects one after the other until told to stop; remembers what was acknowledged and what failed."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        super().__init__(daemon=True)
        self.connection = cluster.connection()
        self.prefix = prefix
        self.acknowledged: dict[str, str] = {}
        self.failed: list[str] = []
        self._enough = threading.Event()

    def run(self) -> None:
        rng = random.Random(f"{SEED} {self.prefix}")
        while not self._enough.is_set():
            name = f"{self.prefix}{len(self.acknowledged) + len(self.failed):05}"
            body = rng.randbytes(rng.choice(SIZES))
            try:
                self.connection.put_object(CONTAINER, name, body)
                self.acknowledged[name] = hashlib.md5(body).hexdigest()
            except (swiftclient.ClientException, OSError) as error:
                self.failed.append(f"{name}: {error}")

    def wait_for(self, more: int) -> None:
        """Return when `more` objects than now have been acknowledged."""
        wanted = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= wanted, f"{wanted} uploads; {self.failed[-1:]}", 300)

    def finish(self) -> None:
        self._enough.set()
        self.join(300)
        assert not self.is_alive()


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster(nodes=4, devices=2)


def test_uploads_survive_the_death_of_servers(cluster: Cluster) -> None:
    cluster.connection().put_container(CONTAINER)
    uploaders = [Uploader(cluster, prefix) for prefix in "ab"]
    for uploader in uploaders:
        uploader.start()
    try:
        uploaders[0].wait_for(20)
        cluster.server("object-server", 2).kill()
        uploaders[0].wait_for(40)
        cluster.server("object-server", 2).start()
        uploaders[0].wait_for(20)
        down = container_node(cluster)
        cluster.server("container-server", down).kill()
        uploaders[0].wait_for(40)
        wait_until(cluster.async_pending, "an update for the container server that is down is spooled")
        cluster.server("container-server", down).start()
        uploaders[0].wait_for(10)
    finally:
        for uploader in uploaders:
            uploader.finish()
    acknowledged = uploaders[0].acknowledged | uploaders[1].acknowledged
    assert not uploaders[0].failed + uploaders[1].failed, "two of three replicas were always up"

    assert cluster.async_pending()
    cluster.run_updaters(["object-updater"])
    assert cluster.async_pending() == []
    assert_intact(cluster, acknowledged)
    for row_source in listings_of_every_replica(cluster):
        assert row_source == acknowledged
    cluster.run_updaters(["container-updater"])
    assert cluster.connection().head_account()["x-account-object-count"] == str(len(acknowledged))


def container_node(cluster: Cluster) -> int:
    """Return the number of a node that has a replica of the container."""
    return container_nodes(cluster)[0][0]


def container_nodes(cluster: Cluster) -> list[tuple[int, Any, int]]:
    """Return node number, ring node and partition for each replica of the container."""
    swift = SwiftConf.load(str(cluster.layout.etc))
    ring = Ring(str(cluster.layout.etc), "container", hash_path=swift.hash_path)
    partition, nodes = ring.get_nodes("AUTH_test", CONTAINER)
    numbers = {node.ip: node.number for node in cluster.layout.nodes}
    return [(numbers[node.ip], node, partition) for node in nodes]


def assert_intact(cluster: Cluster, acknowledged: dict[str, str]) -> None:
    connection = cluster.connection()
    for name, md5 in acknowledged.items():
        headers, body = connection.get_object(CONTAINER, name)
        assert hashlib.md5(body).hexdigest() == md5 == headers["etag"], name


def listings_of_every_replica(cluster: Cluster) -> list[dict[str, str]]:
    """Return name to etag, as each container server itself lists it."""
    found = []
    for _, node, partition in container_nodes(cluster):
        connection = http.client.HTTPConnection(node.ip, node.port, timeout=60)
        path = f"/{node.device}/{partition}/AUTH_test/{CONTAINER}?format=json"
        connection.request("GET", path, headers={"X-Timestamp": "0000000001.00000"})
        rows = json.loads(connection.getresponse().read())
        found.append({row["name"]: row["hash"] for row in rows})
        connection.close()
    return found
