"""Storage servers that answer as a test says, over real sockets; and a proxy application in front of them."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from fakes.http_server import PATIENCE, ServerThread, wait_until
from swiftlite.common.concurrency import Timeout, sleep
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.common.web import status_line
from swiftlite.core.constraints import Constraints
from swiftlite.core.names import HashPath
from swiftlite.http.errors import RequestBodyError
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.info import account_info, container_info
from swiftlite.proxy.options import ProxyOptions
from swiftlite.proxy.server import Application
from swiftlite.ring.ring import Node

PRIMARIES = 3
HANDOFFS = 3


@dataclass
class Seen:
    """A request that a backend got.

    :param ended: nothing more will come of its body
    :param complete: the body came whole
    :param trailers: what came after it
    :param leave: the body that came after a vote
    """

    method: str
    path: str
    headers: dict[str, str]
    query: str = ""
    body: bytes = b""
    ended: bool = False
    complete: bool = False
    trailers: list[tuple[str, str]] = field(default_factory=list)
    leave: bytes | None = None


@dataclass
class Say:
    """What a backend does with a request.

    :param die_after: break the connection after so many bytes of the body
    :param stall_after: fall silent after so many bytes of the body
    :param hang: never answer
    :param read: take the body before answering
    :param read_only: of the body take so many bytes
    :param chunked: do not tell the length
    :param interim: headers of the 100 Continue
    :param vote: after the body send another 100 Continue, and read another body before the answer
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    die_after: int | None = None
    stall_after: int | None = None
    hang: bool = False
    read: bool = True
    read_only: int = -1
    chunked: bool = False
    interim: dict[str, str] = field(default_factory=dict)
    vote: bool = False


Script = Callable[[Seen], Say]


class Backend:
    """One server: a device of the ring, and the script that it follows."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"d{number}"
        self.seen: list[Seen] = []
        self.problems: list[Exception] = []
        self.reads_first = False
        """Whether the script wants to see the body before it says anything."""
        self.script: Script = lambda seen: Say(404)
        self.thread = ServerThread(self)

    def says(self, *says: Say | int) -> None:
        """Answer one request after the other so, the last one for ever."""
        left = [Say(say) if isinstance(say, int) else say for say in says]
        self.script = lambda seen: left.pop(0) if len(left) > 1 else left[0]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        headers = {key[5:].replace("_", "-").lower(): v for key, v in environ.items() if key.startswith("HTTP_")}
        headers |= {
            "content-type": environ.get("CONTENT_TYPE", ""),
            "content-length": environ.get("CONTENT_LENGTH", ""),
        }
        path = environ["PATH_INFO"].encode("latin-1").decode()
        seen = Seen(environ["REQUEST_METHOD"], path, headers, environ["QUERY_STRING"])
        self.seen.append(seen)
        if self.reads_first:
            seen.body = environ["wsgi.input"].read()
        say = self.script(seen)
        if say.hang:
            sleep(600)
        if say.read and not self.reads_first:
            try:
                environ["wsgi.input"].set_hundred_continue_response_headers(say.interim.items())
                seen.body = environ["wsgi.input"].read(say.read_only)
                seen.trailers = environ["wsgi.input"].trailers.items()
                seen.complete = say.read_only < 0
                if say.vote:
                    environ["wsgi.input"].send_hundred_continue_response()
                    seen.leave = environ["wsgi.input"].read()
            except RequestBodyError as error:
                self.problems.append(error)
        seen.ended = True
        length = len(say.body)
        fixed = [] if say.chunked or "Content-Length" in say.headers else [("Content-Length", str(length))]
        start_response(status_line(say.status), [*say.headers.items(), *fixed])
        if say.die_after is not None:
            return iter([say.body[: say.die_after]])
        if say.stall_after is not None:
            return _stalling(say.body[: say.stall_after])
        return iter([say.body]) if say.chunked else [say.body]


def _stalling(body: bytes) -> Iterator[bytes]:
    yield body
    sleep(600)


class FakeRing:
    """Every partition has the same primaries, and the other devices as handoffs."""

    def __init__(self, nodes: list[Node]) -> None:
        self.name = "fake"
        self.nodes = nodes
        self.replica_count = PRIMARIES
        self.next_part_power: int | None = None

    def partition(self, *names: str | None) -> int:
        return 7

    def primaries(self, partition: int) -> tuple[Node, ...]:
        return tuple(self.nodes[:PRIMARIES])

    def get_nodes(self, *names: str | None) -> tuple[int, tuple[Node, ...]]:
        return 7, self.primaries(7)

    def handoffs(self, partition: int) -> Any:
        return iter(self.nodes[PRIMARIES:])


@dataclass
class Result:
    """An answer of the proxy; ``broken`` is what ended its body too early."""

    status: int
    headers: dict[str, str]
    body: bytes
    broken: Exception | None = None


class Body(io.BytesIO):
    """A request body that ends with an error if one is given."""

    def __init__(self, data: bytes, error: Exception | None = None) -> None:
        super().__init__(data)
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data and self.error is not None:
            raise self.error
        return data


class Stage:
    """Backends, and a proxy application before them whose account ``a`` and container ``c`` exist."""

    def __init__(self, **options: Any) -> None:
        self.backends = [Backend(number) for number in range(PRIMARIES + HANDOFFS)]
        self.primaries, self.handoffs = self.backends[:PRIMARIES], self.backends[PRIMARIES:]
        nodes = [self._node(backend) for backend in self.backends]
        policies = StoragePolicies(
            [StoragePolicy(0, "gold", is_default=True), StoragePolicy(1, "old", is_deprecated=True)]
        )
        swift = SwiftConf(HashPath(b"pre", b"suf"), Constraints(max_file_size=1 << 20), policies)
        self.log = logging.getLogger("test.proxy")
        settings = {"node_timeout": 60.0, "conn_timeout": 20.0, "post_quorum_timeout": 20.0} | options
        self.cluster = Cluster(ProxyOptions(**settings), swift, self.log, lambda name: FakeRing(nodes))
        self.app = Application(self.cluster, self.log)
        self.known = {"account/a": account_info({}, 200), "container/a/c": container_info({}, 200)}

    def _node(self, backend: Backend) -> Node:
        ip, port = backend.thread.address[:2]
        role = (
            {"index": backend.number} if backend.number < PRIMARIES else {"handoff_index": backend.number - PRIMARIES}
        )
        return Node(backend.number, 1, 1, ip, port, ip, port, backend.name, 100.0, **role)

    def all_say(self, *says: Say | int) -> None:
        for backend in self.backends:
            backend.says(*says)

    def primaries_say(self, *says: Say | int) -> None:
        for backend, say in zip(self.primaries, says, strict=True):
            backend.says(say)

    @property
    def seen(self) -> list[Seen]:
        return [seen for backend in self.backends for seen in backend.seen]

    def stored(self) -> list[bytes]:
        """The bodies that came whole, once all that were begun have ended."""
        wait_until(lambda: all(seen.ended for seen in self.seen), "the end of all requests")
        return [seen.body for seen in self.seen if seen.method == "PUT" and seen.complete]

    def call(
        self,
        method: str,
        path: str = "/v1/a/c/o",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        **environ: Any,
    ) -> Result:
        """Send a request to the application, without a server in between; ``environ`` adds to its environ."""
        path, _, query = path.partition("?")
        whole = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote(path, encoding="latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "proxy",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": Body(body),
            "swift.infocache": dict(self.known),
        }
        if method in ("PUT", "POST"):
            whole["CONTENT_LENGTH"] = str(len(body))
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            whole[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key] = value
        whole |= environ
        whole = {key: value for key, value in whole.items() if value is not None}
        started: list[Any] = []
        parts = self.app(whole, lambda status, headers, exc_info=None: started.append((status, headers)))
        received, broken = b"", None
        try:
            for part in parts:
                received += part
        except OSError as error:
            broken = error
        finally:
            getattr(parts, "close", lambda: None)()
        status, answered = started[0]
        return Result(int(status[:3]), {name.lower(): value for name, value in answered}, received, broken)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until it is true, while the application's background work goes on."""
        with Timeout(PATIENCE, AssertionError(f"timed out waiting for: {what}")):
            while not condition():
                sleep(0.005)

    def stop(self, backend: Backend) -> None:
        """Take a server down: its port refuses connections."""
        backend.thread.__exit__()

    def close(self) -> None:
        self.cluster.client.close()
        for backend in self.backends:
            backend.thread.__exit__()
