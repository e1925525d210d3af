"""Reload and restart under load: all servers are HUPed and USR1ed tens of times, and no client hears of it.

No client here repeats a request: a kept connection that a server closes at the wrong moment is a failure.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from functional.cluster import Cluster, wait_until

ROUNDS = 7
"""At least so many, of which each reloads every server; more, until the clients have made requests of all kinds."""
KINDS = ("proxy-server", "object-server", "container-server", "account-server")
PATIENCE = 60.0
SLOW_UPLOAD = 4.0
"""Seconds that a slow upload takes: several reloads, of every server it goes through."""


class Client:
    """Does one thing after the other over one kept connection, until told to stop; whatever goes wrong is kept."""

    def __init__(self, cluster: Cluster, name: str, step: Callable[[Client], None]) -> None:
        self.connection = http.client.HTTPConnection(*cluster.proxy_address, timeout=PATIENCE)
        self.headers = {"X-Auth-Token": cluster.token()}
        self.name = name
        self.random = random.Random(name)
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.reused = 0
        self.stop = threading.Event()
        self._step = step
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self.stop.is_set():
            try:
                self._step(self)
            except Exception as error:
                self.failures.append(f"{self.name} after {sum(self.counts.values())} requests: {error!r}")
                self.connection.close()

    def end(self) -> None:
        self.stop.set()
        self._thread.join()
        self.connection.close()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        """One request, sent once."""
        self.reused += self.connection.sock is not None
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, f"/v1/AUTH_test{path}", body, self.headers | sent)  # type: ignore[arg-type]
        answer = self.connection.getresponse()
        content = answer.read()
        self.counts[method] += 1
        if answer.status >= 300:
            raise AssertionError(f"{method} {path} was answered {answer.status}: {content[:200]!r}")
        return answer.status, content

    def has(self, path: str, content: bytes) -> None:
        """The object is this, whole and in part."""
        assert self.ask("GET", path)[1] == content, f"{path} is another"
        first = self.random.randrange(len(content))
        last = self.random.randrange(first, len(content))
        status, part = self.ask("GET", path, Range=f"bytes={first}-{last}")
        assert status == 206 and part == content[first : last + 1], f"bytes {first} to {last} of {path} are others"


def busy(client: Client) -> None:
    """Small objects, without a pause."""
    name = f"/busy/{client.name}-{client.random.randrange(20)}"
    content = client.random.randbytes(client.random.choice((100, 5_000, 200_000)))
    client.ask("PUT", name, content, ETag=hashlib.md5(content).hexdigest())
    client.has(name, content)
    if client.random.random() < 0.2:
        client.ask("POST", name, X_Object_Meta_Colour="blue")
        client.ask("DELETE", name)
    assert b"busy" in client.ask("GET", "?prefix=b")[1]


def hesitant(client: Client) -> None:
    """Little, with pauses in which its connection is idle while servers are reloaded."""
    client.ask("HEAD", "/busy")
    client.stop.wait(client.random.uniform(0.1, 2.5))


def slow(client: Client) -> None:
    """An upload that lasts longer than many a worker; its length is told or not."""
    content = client.random.randbytes(2_000_000)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 50_000):
            yield content[start : start + 50_000]
            time.sleep(SLOW_UPLOAD / 40)

    told = {"Content_Length": str(len(content))} if client.random.random() < 0.5 else {}
    client.ask("PUT", f"/slow/{client.name}", pieces(), **told)
    client.has(f"/slow/{client.name}", content)


@pytest.fixture(scope="module")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    return make_session_cluster(workers=2)


def signal_server(cluster: Cluster, kind: str, number: int) -> None:
    server = cluster.servers[kind].running
    assert server is not None
    server.send_signal(number)


def counts_of(clients: list[Client]) -> Counter[str]:
    """The requests of all clients, by method."""
    return sum((client.counts for client in clients), Counter[str]())


def are_enough(clients: list[Client]) -> bool:
    """Whether they have made requests of every kind, each client some over a kept connection."""
    counts = counts_of(clients)
    return min(counts[method] for method in ("GET", "HEAD", "PUT", "POST", "DELETE")) > 5 and all(
        client.reused for client in clients
    )


def logged(cluster: Cluster) -> Counter[str]:
    """The requests of clients that the proxies' workers have logged, by method."""
    path = r"(?:/(?:busy|slow)/\S+|/busy(?<!PUT /v1/AUTH_test/busy)|%3Fprefix%3Db)"
    return Counter(re.findall(rf" ([A-Z]+) /v1/AUTH_test{path} ", cluster.servers["proxy-server"].log.read_text()))


def test_no_client_hears_of_reloads(cluster: Cluster) -> None:
    def reloads(kind: str) -> int:
        return cluster.servers[kind].log.read_text().count(": reloading\n")

    connection = cluster.connection()
    for container in ("busy", "slow", "public"):
        connection.put_container(container, {"X-Container-Read": ".r:*"})
    connection.put_object("public", "o", b"x" * 1024)
    url = f"{cluster.url}/v1/AUTH_test/public/o"
    steps = [busy, busy, hesitant, hesitant, hesitant, slow, slow]
    wrk_command = ["wrk", "-t1", "-c3", "-d500", "--timeout", f"{PATIENCE:.0f}s", url]
    with subprocess.Popen(wrk_command, stdout=subprocess.PIPE, text=True) as wrk:
        clients = [Client(cluster, f"{step.__name__}{number}", step) for number, step in enumerate(steps)]
        try:
            for number in itertools.count():
                if number >= ROUNDS and (are_enough(clients) or any(client.failures for client in clients)):
                    break
                for kind in KINDS:
                    signal_server(cluster, kind, (signal.SIGHUP, signal.SIGUSR1)[number % 2])
                wait_until(lambda: min(map(reloads, KINDS)) > number, "all servers are reloaded", 120)  # noqa: B023
        finally:
            for client in clients:
                client.stop.set()
            for client in clients:
                client.end()
            wrk.send_signal(signal.SIGINT)
            heard = wrk.communicate(timeout=120)[0]
    assert [failure for client in clients for failure in client.failures] == []
    assert "Socket errors" not in heard and "Non-2xx" not in heard, heard
    requests = re.search(r"(\d+) requests in", heard)
    assert requests and int(requests[1]) > 100, heard
    assert are_enough(clients)
    counts = counts_of(clients)
    wait_until(lambda: logged(cluster) == counts, "each request has its line, whichever worker ended after it")
    text = cluster.log_text()
    assert "Traceback" not in text and "cannot reload" not in text and "died with" not in text
    print(requests[1], counts)
