"""The queue of misplaced objects: a majority of its containers' servers has to take a row, or it is sent again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import SWIFT, BackendServer, container_server
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.misplaced import PAGE, MisplacedQueue
from swiftlite.core import misplaced
from swiftlite.core.rows import ObjectReport
from swiftlite.http.client import Client
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.ring import Ring

LOGGER = logging.getLogger("test.misplaced_queue")
HOUR = "1700006400"


class Servers:
    """Three container servers, each with a device of its own, and the queue that they keep."""

    def __init__(self, directory: Path) -> None:
        self.threads = [container_server(directory / f"containers{number}") for number in range(3)]
        builder = RingBuilder(1, 3, 1)
        for zone, thread in enumerate(self.threads):
            ip, port = thread.address[:2]
            builder.add_device({"region": 1, "zone": zone, "ip": ip, "port": port, "device": "sda", "weight": 1})
        builder.rebalance(seed=1)
        builder.write_ring(directory / "container.ring.gz")
        self.ring = Ring(str(directory), "container", hash_path=SWIFT.hash_path)
        self.queue = MisplacedQueue(self.ring, Client(30.0, 60.0), LOGGER, "test")
        self.running = list(self.threads)

    def stop(self, count: int) -> None:
        for _ in range(count):
            self.running.pop().__exit__()

    def rows(self) -> list[dict[str, Any]]:
        """What the servers that run have in the queue, all the same."""
        partition, _ = self.ring.get_nodes(misplaced.ACCOUNT, HOUR)
        path = f"/sda/{partition}/{misplaced.ACCOUNT}/{HOUR}"
        found = []
        for thread in self.running:
            answer = BackendServer(thread).request("GET", path, query="format=json")
            found.append(json.loads(answer.body) if answer.status == 200 else [])
        assert all(rows == found[0] for rows in found)
        return found[0]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.stop(len(made.running))


@pytest.fixture
def broker(tmp_path: Path) -> ContainerBroker:
    """A container of policy 0."""
    (tmp_path / "sda").mkdir()
    made = ContainerBroker(str(tmp_path / "sda/containers/1/abc/h/h.db"), "a", "c", logger=LOGGER)
    made.initialize("1700000000.00000", 0)
    return made


def add(broker: ContainerBroker, *names: str, policy: int = 1, deleted: int = 0, moment: int = 1700006500) -> None:
    broker.merge_items([ObjectReport(name, f"{moment}.00000", 0, "t", "e", deleted, policy) for name in names])


def test_rows_of_other_policies_are_queued_once(servers: Servers, broker: ContainerBroker) -> None:
    add(broker, "in place", policy=0)
    add(broker, "é", "b")
    add(broker, "gone", deleted=1)
    assert servers.queue.feed(broker)
    assert broker.reconciler_sync_point() == broker.max_row() == 4
    assert [(row["name"], row["content_type"], row["hash"]) for row in servers.rows()] == [
        ("1:/a/c/b", "application/x-put", "1700006500.00000"),
        ("1:/a/c/gone", "application/x-delete", "1700006500.00000"),
        ("1:/a/c/é", "application/x-put", "1700006500.00000"),
    ]
    servers.stop(3)
    assert servers.queue.feed(broker)  # has nothing to send


def test_a_container_of_one_policy_has_nothing_to_queue(servers: Servers, broker: ContainerBroker) -> None:
    servers.stop(3)
    add(broker, "o", policy=0)
    assert servers.queue.feed(broker)
    assert broker.reconciler_sync_point() == 1


def test_many_rows_are_queued_page_by_page(servers: Servers, broker: ContainerBroker) -> None:
    add(broker, *(f"o{number:05d}" for number in range(2 * PAGE + 5)))
    assert servers.queue.feed(broker)
    assert len(servers.rows()) == 2 * PAGE + 5


def test_a_majority_is_enough_and_less_is_not(
    servers: Servers, broker: ContainerBroker, caplog: pytest.LogCaptureFixture
) -> None:
    servers.stop(1)
    add(broker, "o")
    assert servers.queue.feed(broker)
    assert "cannot connect" in caplog.text
    servers.stop(1)
    add(broker, "p")
    point = broker.reconciler_sync_point()
    assert not servers.queue.feed(broker)
    assert broker.reconciler_sync_point() == point  # so that it comes again


@pytest.mark.parametrize("queued_before", [False, True])
def test_a_policy_that_changes_while_rows_are_queued_makes_others_misplaced(
    servers: Servers, broker: ContainerBroker, monkeypatch: pytest.MonkeyPatch, queued_before: bool
) -> None:
    """A peer's policy is taken over by the server at any moment."""
    add(broker, "zero", policy=0)
    if queued_before:
        assert servers.queue.feed(broker)
    add(broker, "one")
    send = servers.queue.add

    def change_policy_and_send(*arguments: Any) -> bool:
        broker.set_storage_policy_index(1, "1700006600.00000")
        return send(*arguments)

    monkeypatch.setattr(servers.queue, "add", change_policy_and_send)
    assert not servers.queue.feed(broker)  # not all
    assert broker.reconciler_sync_point() == -1
    assert servers.queue.feed(broker)
    assert [row["name"] for row in servers.rows()] == ["0:/a/c/zero", "1:/a/c/one"]


def test_another_policy_makes_other_rows_misplaced(servers: Servers, broker: ContainerBroker) -> None:
    add(broker, "zero", policy=0)
    add(broker, "one", policy=1)
    assert servers.queue.feed(broker)
    broker.set_storage_policy_index(1, "1700006600.00000")
    assert broker.reconciler_sync_point() == -1
    assert servers.queue.feed(broker)
    assert [row["name"] for row in servers.rows()] == ["0:/a/c/zero", "1:/a/c/one"]


def test_the_queue_itself_is_not_queued(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "sda").mkdir()
    own = ContainerBroker(str(tmp_path / "sda/containers/1/abc/q/q.db"), misplaced.ACCOUNT, HOUR, logger=LOGGER)
    own.initialize("1700000000.00000", 0)
    add(own, "1:/a/c/o")
    assert servers.queue.feed(own)
    assert servers.rows() == []
