"""Specifies that a listing shows every write that was acknowledged before it, with any one container server down."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import swiftclient

from functional.cluster import Cluster, merged

OPERATIONS = int(os.environ.get("OPERATIONS", "10000"))
WRITERS = 16
NAMES_AT_ONCE = 12
"""Objects that a writer keeps, more or less."""
LATE = "Listings may lag behind "
"""The proxy says so of each write that it had to acknowledge before a majority had its row."""
UNPROVEN = re.compile(r"The listing of /AUTH_test/trusted may lag: .*\(txn: (\S+)\)")
"""And so of each listing that it could not prove: on a machine that stands still two replicas may take too long."""


@dataclass
class Tally:
    """What the writers found."""

    operations: int = 0
    unacknowledged: int = 0
    stalls: int = 0
    """How often the machine let those wait who had something to do."""
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Name and the listing's transaction, of each that was shown and should not have been, or the other way round."""
    failed_listings: list[int] = field(default_factory=list)

    @property
    def excused(self) -> int:
        """How many answers may have come too late to be waited for, because of that: each writer's last and next one."""
        return min(self.stalls * WRITERS * 2, OPERATIONS // 10)


class Watch(threading.Thread):
    """Notes whenever the machine stands still for about as long as servers have patience with each other."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(daemon=True)
        self.tally = tally
        self.ended = threading.Event()

    def run(self) -> None:
        before = time.monotonic()
        while not self.ended.wait(0.05):
            now = time.monotonic()
            self.tally.stalls += now - before > 0.3
            before = now


class Writer(threading.Thread):
    """Puts and deletes objects under a prefix of its own, and lists the prefix after each of them."""

    killed = threading.Event()
    """Set once enough servers have been killed: until then there is more to do."""

    def __init__(self, cluster: Cluster, token: str, number: int, tally: Tally, operations: int) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.headers = {"X-Auth-Token": token}
        self.prefix = f"{number:02d}-"
        self.random = random.Random(number)
        self.tally = tally
        self.left = operations
        self.mine: set[str] = set()
        self.made = 0
        self.connection = http.client.HTTPConnection(*cluster.proxy_address, timeout=60)

    def run(self) -> None:
        while self.left > 0 or not self.killed.is_set():
            self.left -= 1
            self.step()
            self.look()
        self.connection.close()

    def step(self) -> None:
        """Put a new object, or delete one."""
        if self.random.random() < len(self.mine) / NAMES_AT_ONCE / 2:
            name = self.random.choice(sorted(self.mine))
            status, _, _ = self.ask("DELETE", name)
            self.mine.discard(name)
        else:
            name = f"{self.prefix}{self.made:05d}"
            self.made += 1
            status, _, _ = self.ask("PUT", name, b"x")
            if status == 201:
                self.mine.add(name)
        self.tally.operations += 1
        if status not in (201, 204):  # Nobody knows whether it is there: away with it, and on with another prefix.
            self.tally.unacknowledged += 1
            self.prefix += "+"
            self.mine.clear()

    def look(self) -> None:
        """List, and compare with what was acknowledged."""
        status, body, transaction = self.ask("GET", "", query=f"?format=json&prefix={quote(self.prefix)}")
        if status != 200:
            self.tally.failed_listings.append(status)
            return
        seen = {entry["name"] for entry in json.loads(body)}
        seen = {name for name in seen if "+" not in name.removeprefix(self.prefix)}
        self.tally.wrong.extend((name, transaction) for name in sorted(seen ^ self.mine))

    def ask(self, method: str, name: str, body: bytes = b"", query: str = "") -> tuple[int, bytes, str]:
        """The answer's status, body and transaction; 0 where there is none."""
        path = "/v1/AUTH_test/trusted" + (f"/{quote(name)}" if name else "") + query
        try:
            self.connection.request(method, path, body, self.headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read(), answer.headers["X-Trans-Id"]
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0, b"", ""


HURRIED = {
    "proxy": {"app:proxy-server": {"conn_timeout": "0.5", "node_timeout": "10", "post_quorum_timeout": "0.5"}},
    "object": {"app:object-server": {"conn_timeout": "0.5", "node_timeout": "3", "container_update_timeout": "1"}},
}
"""What the options are by default: many writers need not wait for each start of a server."""


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes with container servers of their own, and the proxy's option and the settings of the test."""
    consistency, settings = request.param
    options = {"proxy": {"DEFAULT": {"log_level": "DEBUG"}, "app:proxy-server": {"listing_consistency": consistency}}}
    made = Cluster(tmp_path, nodes=3, devices=1, settings=merged(settings, options)).start()
    yield made
    made.remove()


def write_and_look(cluster: Cluster, operations: int) -> Tally:
    """Let the writers work while one container server after the other is killed and started again."""
    connection = cluster.connection()
    connection.put_container("trusted")
    tally = Tally()
    writers = [Writer(cluster, cluster.token(), n, tally, operations // WRITERS) for n in range(WRITERS)]
    Writer.killed.clear()
    watch = Watch(tally)
    for thread in (*writers, watch):
        thread.start()
    number = 0
    while any(writer.is_alive() for writer in writers):
        server = cluster.server("container-server", number % 3 + 1)
        server.kill()
        time.sleep(0.3)  # let it be missed
        server.start()
        time.sleep(0.3)  # let it be used
        number += 1
        if number >= 3:
            Writer.killed.set()
    watch.ended.set()
    watch.join()
    return tally


@pytest.mark.parametrize("cluster", [("quorum", HURRIED)], indirect=True, ids=["quorum"])
def test_every_acknowledged_write_is_in_the_very_next_listing(cluster: Cluster) -> None:
    tally = write_and_look(cluster, OPERATIONS)
    log = cluster.log_text()
    admitted = {line.partition(LATE)[2].partition(":")[0] for line in log.splitlines() if LATE in line}
    unproven = set(UNPROVEN.findall(log))
    missed = [
        (name, listing)
        for name, listing in tally.wrong
        if f"/AUTH_test/trusted/{name}" not in admitted and listing not in unproven
    ]
    assert missed == [], "\n".join(
        line for line in log.splitlines() if any(word in line for pair in missed for word in pair)
    )
    assert tally.operations >= OPERATIONS - WRITERS
    assert len(tally.failed_listings) <= tally.excused, tally.failed_listings
    assert tally.unacknowledged < OPERATIONS / 100 + tally.excused
    assert len(admitted) < OPERATIONS / 100 + tally.excused
    assert len(unproven) < OPERATIONS / 100 + tally.excused


@pytest.mark.parametrize("cluster", [("quorum", {})], indirect=True, ids=["quorum"])
def test_replicas_that_were_away_in_turn_miss_nothing_that_a_listing_shows(cluster: Cluster) -> None:
    connection = cluster.connection()
    connection.put_container("trusted")
    expected = []
    for number in range(1, 7):
        server = cluster.server("container-server", (number - 1) % 3 + 1)
        server.kill()
        for name in ("a", "b", "c"):
            connection.put_object("trusted", f"{number}{name}", b"x")
            expected.append(f"{number}{name}")
        connection.delete_object("trusted", f"{number}b")
        expected.remove(f"{number}b")
        connection.post_container("trusted", {"X-Container-Meta-Number": str(number)})
        for _ in range(3):
            headers, listing = proven_listing(cluster, connection)
            assert [entry["name"] for entry in listing] == expected
            assert headers["x-container-object-count"] == str(len(expected))
            assert headers["x-container-meta-number"] == str(number)
        server.start()
    assert LATE not in cluster.log_text()


def proven_listing(
    cluster: Cluster, connection: swiftclient.Connection
) -> tuple[dict[str, str], list[dict[str, object]]]:
    """Return a listing that the proxy does not say of that it may lag; one in five must be such, on the worst machine."""
    for _ in range(5):
        headers, listing = connection.get_container("trusted")
        if headers["x-trans-id"] not in UNPROVEN.findall(cluster.log_text()):
            return headers, listing
    raise AssertionError("no listing is proven")


@pytest.mark.parametrize("cluster", [("quorum", {})], indirect=True, ids=["quorum"])
def test_a_container_that_is_deleted_or_created_again_is_so_at_once(cluster: Cluster) -> None:
    connection = cluster.connection()
    for number in range(1, 4):
        server = cluster.server("container-server", number)
        connection.put_container("trusted")
        server.kill()
        for _ in range(2):
            connection.delete_container("trusted")
            for _ in range(3):
                with pytest.raises(swiftclient.ClientException) as caught:
                    connection.head_container("trusted")
                assert caught.value.http_status == 404
            connection.put_container("trusted")
            assert [connection.get_container("trusted")[1] for _ in range(3)] == [[], [], []]
        server.start()
        connection.delete_container("trusted")


@pytest.mark.parametrize("cluster", [("eventual", HURRIED)], indirect=True, ids=["eventual"])
def test_without_a_quorum_the_same_writers_do_miss_writes(cluster: Cluster) -> None:
    tally = write_and_look(cluster, 2000)
    assert tally.wrong
