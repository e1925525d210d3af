"""Objects that expire: not to be read from that moment on, deleted by the expirer, their rows gone from its queue."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import swiftclient

from functional.cluster import Cluster, wait_until
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.expirations import Share
from swiftlite.core.placement import ExpirerQueue
from swiftlite.ring.ring import Ring

QUEUE = ".expiring_objects"
LATER = 4000000000
SETTINGS = {
    "expirer": {
        "object-expirer": {
            "tasks_per_second": "0",
            "request_tries": "1",
            "delay_reaping_AUTH_test/sl%6Fw": "1000000",
            "delay_reaping_AUTH_test": "0",
        }
    },
    "object": {"object-updater": {"objects_per_second": "0"}},
}


@pytest.fixture(scope="module")
def store(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    return make_session_cluster(settings=SETTINGS)


@pytest.fixture
def user(store: Cluster) -> Iterator[swiftclient.Connection]:
    connection = store.connection()
    yield connection
    connection.close()


class Queue:
    """The expirer's queue, as the container servers of a cluster have it."""

    def __init__(self, store: Cluster) -> None:
        self.node = store.layout.nodes[0]
        self.swift = SwiftConf.load(str(store.layout.etc))
        etc = str(store.layout.etc)
        self.containers_ring = Ring(etc, "container", hash_path=self.swift.hash_path)
        self.accounts_ring = Ring(etc, "account", hash_path=self.swift.hash_path)

    def ask(self, port: int, method: str, path: str, headers: dict[str, str] | None = None) -> bytes:
        """Make one request of a storage server."""
        connection = http.client.HTTPConnection(self.node.ip, self.node.ports[port], timeout=60)
        connection.request(method, quote(path, safe="/?="), headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return body if answer.status // 100 == 2 else b""

    def containers(self) -> list[str]:
        """The queue's containers."""
        partition, nodes = self.accounts_ring.get_nodes(QUEUE)
        body = self.ask(2, "GET", f"/{nodes[0].device}/{partition}/{QUEUE}?format=json")
        return [entry["name"] for entry in json.loads(body or b"[]")]

    def rows(self, container: str, replica: int = 0) -> list[dict[str, object]]:
        """The rows that one replica of a container has."""
        partition, nodes = self.containers_ring.get_nodes(QUEUE, container)
        body = self.ask(1, "GET", f"/{nodes[replica].device}/{partition}/{QUEUE}/{container}?format=json")
        return list(json.loads(body or b"[]"))

    def names(self, marker: str = "") -> list[str]:
        """All rows whose name contains a text."""
        return sorted(str(row["name"]) for c in self.containers() for row in self.rows(c) if marker in str(row["name"]))

    def add(self, container: str, row: str, content_type: str) -> None:
        """Put a row into every replica of a container."""
        partition, nodes = self.containers_ring.get_nodes(QUEUE, container)
        headers = {
            "X-Timestamp": f"{time.time():.5f}",
            "X-Size": "0",
            "X-Content-Type": content_type,
            "X-Etag": "0" * 32,
        }
        for node in nodes:
            path = f"/{node.device}/{partition}/{QUEUE}/{container}/{row}"
            self.ask(1, "PUT", path, headers)


@pytest.fixture
def queue(store: Cluster) -> Queue:
    return Queue(store)


def status_of(call: Callable[..., object], *arguments: object) -> int:
    """The status that a client sees."""
    try:
        call(*arguments)
    except swiftclient.ClientException as error:
        return int(error.http_status)
    return 200


def wait_expired(user: swiftclient.Connection, container: str, *names: str) -> None:
    """Return when the objects cannot be read any more."""
    for name in names:
        wait_until(lambda: status_of(user.head_object, container, name) == 404, f"{name} expires")  # noqa: B023


def soon(seconds: int = 1) -> dict[str, str]:
    """Headers of an object that expires; what must come before needs several seconds on a busy machine."""
    return {"X-Delete-After": str(seconds)}


def replicas(store: Cluster, name: str) -> list[str]:
    """File names of the replicas of AUTH_test/reaped/<name>."""
    hash_path = SwiftConf.load(str(store.layout.etc)).hash_path
    return sorted(path.name for path in store.files(f"objects/*/*/{hash_path.hex('AUTH_test', 'reaped', name)}/*"))


def expire(store: Cluster, *arguments: str) -> None:
    """Make one pass of the expirer, after one of the updater that tells the hidden account of new containers."""
    store.run_updaters(["container-updater"])
    store.run_once("object-expirer", *arguments)


def test_what_has_expired_is_gone_at_once_and_then_reaped(
    store: Cluster, user: swiftclient.Connection, queue: Queue
) -> None:
    user.put_container("reaped")
    user.put_object("reaped", "posted", b"x")
    user.post_object("reaped", "posted", soon())
    before = int(time.time())
    user.put_object("reaped", "put é/1", b"12345", headers=soon(3))
    after = int(time.time())
    user.put_object("reaped", "stays", b"x", headers={"X-Delete-At": str(LATER)})
    store.run_updaters(["container-updater"])
    row = next(row for c in queue.containers() for row in queue.rows(c) if "put é" in str(row["name"]))
    delete_at = int(str(row["name"]).partition("-")[0])
    assert before + 3 <= delete_at <= after + 3
    assert (row["name"], row["content_type"], row["bytes"]) == (
        f"{delete_at:010d}-AUTH_test/reaped/put é/1",
        "text/plain;swift_expirer_bytes=5",
        0,
    )
    wait_expired(user, "reaped", "put é/1", "posted")
    assert status_of(user.get_object, "reaped", "put é/1") == 404
    assert status_of(user.post_object, "reaped", "put é/1", {}) == 404
    assert [entry["name"] for entry in user.get_container("reaped")[1]] == ["posted", "put é/1", "stays"]

    expire(store)

    # Dated back to its end: what was written since would have survived.
    assert replicas(store, "put é/1") == [f"{delete_at}.00000.ts"] * 3
    assert [entry["name"] for entry in user.get_container("reaped")[1]] == ["stays"]
    assert queue.names("/reaped/") == [f"{LATER}-AUTH_test/reaped/stays"]
    statistics = json.loads((store.directory / "recon/object.recon").read_text())
    assert statistics["expired_last_pass"] == 2
    assert statistics["object_expiration_pass"] > 0

    # Another pass finds the containers empty, and removes them.
    expire(store)
    assert queue.containers() == [name for name in queue.containers() if int(name) > time.time()]


def test_an_object_that_lives_on_is_not_deleted(store: Cluster, user: swiftclient.Connection, queue: Queue) -> None:
    user.put_container("kept")
    names = ("overwritten", "posted", "prolonged", "deleted", "expired, then overwritten")
    changes = (
        lambda name: user.put_object("kept", name, b"new"),
        lambda name: user.post_object("kept", name, {"X-Object-Meta-A": "b"}),
        lambda name: user.post_object("kept", name, {"X-Delete-At": str(LATER)}),
        lambda name: user.delete_object("kept", name),
        lambda name: None,
    )
    puts = last = 0
    for name, change in zip(names, changes, strict=True):
        for seconds in (2, 15, 60):  # on a machine that stands still it may have ended before it is changed
            user.put_object("kept", name, b"old", headers=soon(seconds))
            ends, puts = int(time.time()) + seconds, puts + 1
            if status_of(change, name) == 200:
                break
        else:
            raise AssertionError(f"{name} has always ended before it is changed")
        last = max(last, ends)
    store.run_updaters(["container-updater"])
    assert len(queue.names("/kept/")) == puts + 1  # The old rows wait for the updater.
    wait_expired(user, "kept", "expired, then overwritten")
    wait_until(lambda: time.time() > last, "the time of all old rows has come")
    user.put_object("kept", "expired, then overwritten", b"new")

    def is_all_there() -> bool:
        found = {entry["name"] for entry in user.get_container("kept")[1]}
        return found == set(names) - {"deleted"} and all(
            status_of(user.get_object, "kept", name) == 200 for name in sorted(found)
        )

    expire(store)
    assert is_all_there()
    store.run_updaters(["object-updater"])
    assert queue.names("/kept/") == [f"{LATER}-AUTH_test/kept/prolonged"]
    expire(store)
    assert is_all_there()
    assert user.get_object("kept", "expired, then overwritten")[1] == b"new"


def test_objects_of_some_containers_are_left_for_a_while(
    store: Cluster, user: swiftclient.Connection, queue: Queue
) -> None:
    for container in ("slow", "fast"):
        user.put_container(container)
        user.put_object(container, "o", b"x", headers=soon())
    wait_expired(user, "slow", "o")
    wait_expired(user, "fast", "o")
    expire(store)
    assert [name.partition("-")[2] for name in queue.names("/o")] == ["AUTH_test/slow/o"]
    assert user.get_container("slow")[1] and not user.get_container("fast")[1]


def test_two_expirers_share_the_work(store: Cluster, user: swiftclient.Connection, queue: Queue) -> None:
    user.put_container("shared")
    names = [f"o{number}" for number in range(20)]  # that chance gives all of them to one expirer happens to nobody
    for name in names:
        user.put_object("shared", name, b"x", headers=soon())
    wait_expired(user, "shared", *names)
    store.run_updaters(["container-updater"])
    rows = [
        (c, str(row["name"])) for c in queue.containers() for row in queue.rows(c) if "/shared/" in str(row["name"])
    ]
    assert len(rows) == len(names)
    expire(store, "--processes", "2", "--process", "1")
    others = sorted(row for container, row in rows if not Share(1, 2).has(container, row))
    assert queue.names("/shared/") == others and 0 < len(others) < len(names)
    expire(store, "--processes", "2", "--process", "0")
    assert queue.names("/shared/") == []
    assert user.get_container("shared")[1] == []


def test_asynchronous_deletes_are_done(store: Cluster, user: swiftclient.Connection, queue: Queue) -> None:
    user.put_container("async")
    for name in ("segment", "newer"):
        user.put_object("async", name, b"x")
    now = time.time()
    hash_path = queue.swift.hash_path
    for name, moment in (("segment", now), ("newer", now - 100), ("was never there", now)):
        container = ExpirerQueue().container(int(moment), hash_path.hex("AUTH_test", "async", name))
        queue.add(container, f"{moment:016.5f}-AUTH_test/async/{name}", "application/async-deleted")
    expire(store)
    assert queue.names("/async/") == []
    assert [entry["name"] for entry in user.get_container("async")[1]] == ["newer"]


def test_what_cannot_be_understood_stays_and_disturbs_nobody(
    store: Cluster, user: swiftclient.Connection, queue: Queue
) -> None:
    user.put_container("reaped")
    user.put_object("reaped", "o", b"x", headers=soon())
    wait_expired(user, "reaped", "o")
    queue.add("not a number", f"{0:010d}-AUTH_test/reaped/o", "text/plain")
    queue.add("0000000000", "junk", "text/plain")
    queue.add("0000000000", "0000000001-AUTH_test/reaped", "text/plain")
    expire(store)
    assert [entry["name"] for entry in user.get_container("reaped")[1]] == ["stays"]
    assert len(queue.rows("0000000000")) == 2


def test_a_row_of_an_object_that_is_not_there_is_kept_until_it_is_old(
    store: Cluster, user: swiftclient.Connection, queue: Queue
) -> None:
    user.put_container("gone")
    now = int(time.time())
    for moment in (now - 10, now - 1000000):
        container = ExpirerQueue().container(moment, queue.swift.hash_path.hex("AUTH_test", "gone", "o"))
        queue.add(container, f"{moment:010d}-AUTH_test/gone/o", "text/plain")
    expire(store)
    assert queue.names("/gone/") == [f"{now - 10}-AUTH_test/gone/o"]


def test_a_row_stays_while_its_object_cannot_be_deleted(
    store: Cluster, user: swiftclient.Connection, queue: Queue
) -> None:
    user.put_container("unreachable")
    user.put_object("unreachable", "o", b"x", headers=soon())
    wait_expired(user, "unreachable", "o")
    store.run_updaters(["container-updater"])
    server = store.server("object-server")
    server.kill()
    try:
        expire(store)
        assert len(queue.names("/unreachable/")) == 1
    finally:
        server.start()
    expire(store)
    assert queue.names("/unreachable/") == []
    assert user.get_container("unreachable")[1] == []
