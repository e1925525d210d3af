"""Thousands of random calls over real HTTP, held against a model of the API; then the same while object servers die.

Without faults every answer is known: status, headers, metadata, every byte, and at last the listing.

With faults one object server at a time is killed (SIGKILL) and restarted. What Swift promises then, and what is held:

* A write that was acknowledged is shown by every later read that asks for the newest replica (``X-Newest: true``). A read
  that does not may see what an older replica holds until replication has passed, so all reads here ask for it.
* A write that was not acknowledged (5xx, connection lost) may have happened, and may come to light later; never in part.
* Metadata of a POST that the server slept through are seen once the others are there.
* A write with a condition may be refused for the sake of a replica that is behind, but is never done in spite of one that
  is not.
* At the end, all servers up, nothing acknowledged is lost, torn or back from the dead; neither with any one server dead.

``MODEL_SEED`` chooses another run, ``MODEL_OPERATIONS`` a longer one; a failure prints the seed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from functional.cluster import Cluster, wait_until
from functional.model import POSTED, Book, Call, Content, Reply, Violation

SEED_OF_RUN = os.environ.get("MODEL_SEED", "2026")
OPERATIONS = int(os.environ.get("MODEL_OPERATIONS", "0"))
SIZES = (0, 1, 1000, 1000, 65_536, 65_537, 300_000)
NAMES = 12
CLIENTS = 3
"""At once, when servers die; each has objects of its own."""
IDLE = 2.0
"""Seconds after which a proxy may have closed a connection."""
LEFT_ALONE = 0.5
"""Seconds that a proxy does not ask a server that failed: a server that is back must be asked before the next one dies."""


class Client:
    """One connection to the proxy."""

    def __init__(self, cluster: Cluster, container: str, newest: bool) -> None:
        self.address = cluster.proxy_address
        self.container = container
        self.headers = {"x-auth-token": cluster.token()} | ({"x-newest": "true"} if newest else {})
        self.lost = ""
        """Why the last answer did not come whole."""
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def send(self, call: Call) -> Reply | None:
        """Return the answer, None when the connection was lost before the end of it."""
        headers = {**self.headers, **call.headers}
        body = call.content.body if call.content else None
        if call.chunked:
            headers["transfer-encoding"] = "chunked"
        elif body is None and not call.is_read:
            headers["content-length"] = "0"
        if call.destination:
            headers["destination"] = f"{self.container}/{call.destination}"
        path = f"/v1/AUTH_test/{self.container}/{call.name}"
        return self.request(call.method, path, headers, _chunks(body) if call.chunked and body is not None else body)

    def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None = None
    ) -> Reply | None:
        """Send any request with these headers alone."""
        if self._connection is None or time.monotonic() - self._used > IDLE:
            self._connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            self._connection.request(method, path, body, headers, encode_chunked="transfer-encoding" in headers)
            response = self._connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, received, response.read())
        except (OSError, http.client.HTTPException) as error:
            self.lost = f"{type(error).__name__}: {error}"
            self._connection.close()
            self._connection = None
            return None
        finally:
            self._used = time.monotonic()


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


class Dice:
    """Makes calls at random; what was there before gives the conditions something to hold or miss."""

    def __init__(self, seed: str, prefix: str) -> None:
        self.rng = random.Random(seed)
        self.prefix = prefix
        self.names = [f"{prefix}{number}" for number in range(NAMES)]
        self.contents = {name: deque([Content(0, 0)], maxlen=2) for name in self.names}
        """What was put last under a name."""

    def call(self) -> Call:
        """Return the next call."""
        make, _ = self.rng.choices(MIX, [weight for _, weight in MIX])[0]
        return make(self, self.rng.choice(self.names))

    def put(self, name: str) -> Call:
        content = Content(self.rng.getrandbits(32), self.rng.choice(SIZES))
        self.contents[name].append(content)
        headers = {"content-type": self.rng.choice(("text/plain", "image/png"))}
        headers |= self._maybe(0.3, "x-object-meta-colour", self.rng.choice("rgb"))
        headers |= self._maybe(0.05, "etag", Content(1, 1).etag)
        headers |= self._maybe(0.15, *self._condition(name, ("if-none-match: *", "if-match: *")))
        headers |= self._maybe(0.25, *self._expiry())
        return Call("PUT", name, headers, content, chunked=self.rng.random() < 0.2)

    def post(self, name: str) -> Call:
        headers = {POSTED: str(self.rng.getrandbits(16))}
        headers |= self._maybe(0.4, "content-type", self.rng.choice(("text/html", "text/plain")))
        headers |= self._maybe(0.25, *self._expiry())
        headers |= self._maybe(0.15, *self._condition(name, ("if-none-match: *", "if-match: *")))
        return Call("POST", name, headers)

    def copy(self, name: str) -> Call:
        destination = self.rng.choice([other for other in self.names if other != name])
        headers = self._maybe(0.3, "x-fresh-metadata", "true") | self._maybe(0.3, "content-type", "text/html")
        headers |= self._maybe(0.3, "x-object-meta-copied", str(self.rng.getrandbits(16)))
        headers |= self._maybe(0.2, *self._expiry())
        self.contents[destination].append(self.contents[name][-1])
        return Call("COPY", name, headers, destination=destination)

    def delete(self, name: str) -> Call:
        return Call("DELETE", name, self._maybe(0.15, *self._condition(name, ("if-none-match: *", "if-match: *"))))

    def read(self, name: str) -> Call:
        headers = self._maybe(0.3, "range", self._range())
        headers |= self._maybe(0.3, *self._condition(name, ("if-none-match: *", "if-match: *")))
        return Call(self.rng.choice(("GET", "GET", "GET", "HEAD")), name, headers)

    def _maybe(self, chance: float, name: str, value: str) -> dict[str, str]:
        return {name: value} if self.rng.random() < chance else {}

    def _condition(self, name: str, whole: tuple[str, ...]) -> tuple[str, str]:
        """An ETag that the object has, had or never had; or one of the conditions that name none."""
        etag = self.rng.choice([*self.contents[name], Content(1, 1)]).etag
        some = [f'{header}: "{etag}"' for header in ("if-match", "if-none-match")]
        header, _, value = self.rng.choice([*some, *whole]).partition(": ")
        return header, value

    def _expiry(self) -> tuple[str, str]:
        seconds = self.rng.choice((-5, 1, 2, 3, 1000))
        if seconds > 0 and self.rng.random() < 0.3:
            return "x-delete-after", str(seconds)
        return "x-delete-at", str(int(time.time()) + seconds)

    def _range(self) -> str:
        def one() -> str:
            start, size = self.rng.choice((0, 1, 500, 70_000)), self.rng.choice((1, 100, 70_000))
            return self.rng.choice((f"{start}-{start + size - 1}", f"{start}-", f"-{size}"))

        return "bytes=" + ",".join(one() for _ in range(self.rng.choice((1, 1, 2, 3))))


MIX = ((Dice.put, 30), (Dice.post, 13), (Dice.copy, 10), (Dice.delete, 10), (Dice.read, 37))


class Player:
    """Sends random calls and holds the answers against the book."""

    def __init__(self, client: Client, dice: Dice, book: Book) -> None:
        self.client, self.dice, self.book = client, dice, book
        self.done: deque[tuple[Call, Reply | None]] = deque(maxlen=400)

    def play(self) -> None:
        """Make one call."""
        self.check(self.dice.call())

    def check(self, call: Call) -> None:
        """Send one call; where the answer is wrong, tell what happened to its object before."""
        began = time.time()
        reply = self.client.send(call)
        self.done.append((call, reply))
        try:
            self.book.check(call, reply, began, time.time())
        except Violation as violation:
            story = [f"  {c} -> {r}" for c, r in self.done if call.target in (c.name, c.target)]
            lost = self.client.lost if reply is None else ""
            raise AssertionError(f"MODEL_SEED={SEED_OF_RUN}: {violation} {lost}\n" + "\n".join(story[-12:])) from None

    def check_all(self) -> None:
        """Read every object."""
        for name in self.dice.names:
            self.check(Call("GET", name))


@contextmanager
def told_apart(problems: list[BaseException]) -> Iterator[None]:
    """Keep what a thread raises for the test."""
    try:
        yield
    except BaseException as problem:
        problems.append(problem)


# ------------------------------------------------------------------------------------------------------- without faults


def test_every_answer_is_the_models(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(nodes=3, devices=1)
    client = Client(cluster, "model", newest=False)
    assert client.request("PUT", "/v1/AUTH_test/model", client.headers | {"content-length": "0"})
    player = Player(client, Dice(SEED_OF_RUN, "o"), Book(faulty=False))
    for _ in range(OPERATIONS or 3000):
        player.play()
    player.check_all()
    cluster.run_updaters(["object-updater"])
    assert_listed(client, player.book, player.dice.prefix)


def assert_listed(client: Client, book: Book, prefix: str) -> None:
    """The listing shows each object as it may be; one that has expired may be listed until the expirer passes.

    The content type of a POST reaches the container server that a dead object server was to tell by replication alone.
    """
    reply = client.request("GET", f"/v1/AUTH_test/{client.container}?format=json&prefix={prefix}", client.headers)
    assert reply is not None and reply.status == 200
    rows = {row["name"]: (row["hash"], row["bytes"], row["content_type"]) for row in json.loads(reply.body)}
    for name in {*book.states, *rows}:
        states = book.possible(name)
        possible = [(s.content.etag, s.content.size, s.content_type) if s else None for s in states]
        if book.faulty and name in rows:
            rows[name] = (*rows[name][:2], next((p[2] for p in possible if p and p[:2] == rows[name][:2]), ""))
        assert rows.get(name) in possible, f"MODEL_SEED={SEED_OF_RUN}: {name} is listed as {rows.get(name)}, {states}"


# ---------------------------------------------------------------------------------------------------------- with faults


@pytest.fixture
def fragile(make_cluster: Callable[..., Cluster]) -> Cluster:
    """Four nodes, so that there is a handoff when one is dead."""
    options = {"error_suppression_interval": str(LEFT_ALONE)}
    return make_cluster(nodes=4, devices=1, settings={"proxy": {"app:proxy-server": options}})


def test_no_acknowledged_write_is_lost_torn_or_undone_when_servers_die(fragile: Cluster) -> None:
    container = Client(fragile, "model", newest=False)
    assert container.request("PUT", "/v1/AUTH_test/model", container.headers | {"content-length": "0"})
    players = [
        Player(Client(fragile, "model", newest=True), Dice(f"{SEED_OF_RUN} {prefix}", prefix), Book(faulty=True))
        for prefix in "abc"[:CLIENTS]
    ]
    problems: list[BaseException] = []
    killed = threading.Event()
    threads = [threading.Thread(target=_play, args=(player, problems, killed), daemon=True) for player in players]
    for thread in threads:
        thread.start()
    # This thread is the killer: a server lives only as long as the thread that started it.
    kill_in_turn(fragile, random.Random(SEED_OF_RUN), killed, lambda: any(thread.is_alive() for thread in threads))
    if problems:
        raise problems[0]
    for player in players:
        assert player.book.acknowledged > 9 * player.book.unacknowledged, "most writes are done whoever is dead"
        player.book.settle_down()
        player.check_all()
    fragile.run_updaters(["object-updater"])
    for player in players:
        assert_listed(container, player.book, player.dice.prefix)
    for node in fragile.layout.nodes:
        server = fragile.server("object-server", node.number)
        server.kill()
        for player in players:
            player.check_all()
        server.start()
        let_it_be_asked(fragile)


def _play(player: Player, problems: list[BaseException], killed: threading.Event) -> None:
    """Make its share of the calls, and more until enough servers have been killed."""
    with told_apart(problems):
        played = 0
        while (played < (OPERATIONS or 4000) // CLIENTS or not killed.is_set()) and not problems:
            player.play()
            played += 1


def kill_in_turn(cluster: Cluster, rng: random.Random, killed: threading.Event, is_needed: Callable[[], bool]) -> None:
    """Kill and restart one object server after the other while it is needed; say when there were enough."""
    kills = 0
    while is_needed():
        time.sleep(rng.random())
        server = cluster.server("object-server", rng.choice(cluster.layout.nodes).number)
        server.kill()
        kills += 1
        time.sleep(rng.random() * 2)
        server.start()
        let_it_be_asked(cluster)
        if kills > 3:
            killed.set()


def let_it_be_asked(cluster: Cluster) -> None:
    """Wait until the proxy has stopped leaving any server alone."""
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > LEFT_ALONE * 1.2, "servers are asked again")
