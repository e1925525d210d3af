"""Storage nodes restart one after the other: what clients put meanwhile can be changed, and deleted, all the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import mode

import pytest

from functional.client import Client
from functional.cluster import Cluster


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    """Three nodes; a device that fails once is left alone from then on, as long as others answer."""
    options = {"error_suppression_limit": "0", "error_suppression_interval": "600"}
    return make_cluster(nodes=3, devices=2, settings={"proxy": {"app:proxy-server": options}})


@contextmanager
def down(cluster: Cluster, number: int) -> Iterator[None]:
    """A node's object server dies, and is started again."""
    server = cluster.server("object-server", number)
    server.kill()
    try:
        yield
    finally:
        server.start()


def holders(cluster: Cluster, size: int) -> list[int]:
    """The nodes that have an object of this size, which no other has; twice, where two of their devices have it."""
    root = cluster.directory / "nodes"
    return [
        node.number
        for node in cluster.layout.nodes
        for path in (root / str(node.number)).glob("*/objects/*/*/*/*.data")
        if path.stat().st_size == size
    ]


def test_every_object_can_be_changed_while_nodes_restart(cluster: Cluster) -> None:
    client = Client(cluster)
    assert client.ask("PUT", "/c").status == 201
    old = [f"/c/old{number}" for number in range(8)]
    for name in old:
        assert client.ask("PUT", name, body=b"old").status == 201
    put: dict[int, list[str]] = defaultdict(list)
    """Objects of which node 1 has nothing, by the node that has two of their replicas: one stands in."""
    with down(cluster, 1):
        for number in range(40):
            assert client.ask("PUT", f"/c/{number}", body=b"x" * (1000 + number)).status == 201
            put[mode(holders(cluster, 1000 + number))].append(f"/c/{number}")
            if len(put[2]) >= 4 and len(put[3]) >= 2:
                break
    with down(cluster, 2):
        for name in put[2][:2]:
            assert client.ask("DELETE", name).status == 204, "one server that is up had it"
            assert client.ask("DELETE", name).status == 404
        for name in put[2][2:4]:
            assert client.ask("POST", name).status == 503, "one server would take it: too few, but there is an object"
        for name in put[3][:2]:
            assert client.ask("POST", name, {"X-Object-Meta-A": "b"}).status == 202
        assert client.ask("DELETE", "/c/never").status == client.ask("POST", "/c/never").status == 404
    for name in put[2][:2]:
        assert client.ask("GET", name, {"X-Newest": "true"}).status == 404
    with down(cluster, 3):
        for name in old:
            assert client.ask("POST", name, {"X-Object-Meta-A": "b"}).status == 202, "shunned servers have it"
            assert client.ask("DELETE", name).status == 204
