"""Gather what is known of a cluster: ask every server of the rings, several at once, each within a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from swiftlite.common.addresses import is_own, own_addresses
from swiftlite.common.backend_tls import BackendTLS
from swiftlite.common.concurrency import Timeout, in_order
from swiftlite.common.config import ConfFile, ConfigError
from swiftlite.core import metrics_text
from swiftlite.core.json_text import load_json
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.watch.facts import Asked, RingFacts, Server, number
from swiftlite.wire.node_client import node_client

CONCURRENCY = 30
TIMEOUT = 5.0
MAX_ANSWER = 16 << 20
"""Bytes of an answer that are read."""

BASIC = ("time", "version", "ringmd5", "swiftconfmd5", "facts", "load", "sockstat")
"""Of every server; what takes a look at disks comes last, since a dying one keeps everybody waiting."""
ON_DISKS = ("devices", "driveaudit", "diskusage", "unmounted", "quarantined")
SERVER, METRICS, INFO = "server", "metrics", "info"
"""Checks that are none of recon's: which server it is; what it counts; what a proxy's /info says."""
LISTS = ("diskusage", "unmounted")
"""Checks whose answers are lists; that of ``time`` is a number, all others are mappings."""
NO_METRICS = "no filter metrics in its pipeline; add it (doc/metrics.md)"
_NO_SUCH_PATH = {"proxy": "status 412"}
"""What a proxy says of a path that no filter of its answers; storage servers say 400."""
STRANGE = "the answer has another shape than it should"
CHECKS: dict[str, tuple[str, ...]] = {
    "object": (*BASIC, "async", "auditor/object", "updater/object", "expirer/object", "replication/object", *ON_DISKS),
    "container": (*BASIC, "auditor/container", "updater/container", "replication/container", *ON_DISKS),
    "account": (*BASIC, "auditor/account", "replication/account", *ON_DISKS),
    "proxy": (METRICS, INFO, *BASIC),
}
"""What each kind of server is asked, in this order."""


class NoAnswer(Exception):
    """A server did not say what it was asked; the text says why."""


class Unending(NoAnswer):
    """An answer comes in drops, each of them in time, and no end is in sight."""


def clients_of_nodes(swift_dir: str) -> Callable[[float, float], Client]:
    """What asks storage servers, over TLS where swift.conf says so; one that cannot be used is told of elsewhere."""
    try:
        backend = BackendTLS.read(ConfFile.load(os.path.join(swift_dir, "swift.conf")))
    except ConfigError:
        return Client
    return partial(node_client, backend)


@dataclass(frozen=True)
class Gatherer:
    """Asks servers.

    :ivar timeout: seconds to wait for a connection, and for every answer
    :ivar concurrency: servers that are asked at once
    :ivar new_client: makes what asks storage servers, of the timeouts for a connection and for an answer
    :ivar new_proxy_client: makes what asks proxies
    """

    timeout: float = TIMEOUT
    concurrency: int = CONCURRENCY
    clock: Callable[[], float] = time.time
    new_client: Callable[[float, float], Client] = Client
    new_proxy_client: Callable[[float, float], Client] = Client

    def ask_all(
        self, servers: Iterable[Server], checks: Mapping[str, Sequence[str]] | None = None
    ) -> tuple[Asked, ...]:
        """Ask every server for the checks of its kind; the answers come in the order of the servers."""
        wanted = CHECKS if checks is None else checks
        client, proxies = self.new_client(self.timeout, self.timeout), self.new_proxy_client(self.timeout, self.timeout)
        try:
            work = [
                (proxies if server.kind == "proxy" else client, server, wanted.get(server.kind, ()))
                for server in servers
            ]
            return tuple(in_order(self.concurrency, lambda one: self._ask(*one), work))
        finally:
            client.close()
            proxies.close()

    def _ask(self, client: Client, server: Server, checks: Sequence[str]) -> Asked:
        answers: dict[str, Any] = {}
        problems: dict[str, str] = {}
        asked = Asked(server, answers, problems)
        for check in checks:
            if INFO in checks and check in BASIC and not _has_recon(asked):
                break  # most have no such filter, and it would stand in their logs as a bad request each time
            sent = self.clock()
            try:
                with Timeout(2 * self.timeout, Unending("the answer does not end")):
                    answers[check] = _ask_for(client, server, check)
            except (BackendError, Unending) as error:
                problems[check] = error.problem if isinstance(error, BackendError) else str(error)
                # It would keep us waiting each time.
                problem = "" if answers or len(problems) > 1 else problems[check]
                return replace(asked, problem=problem)
            except NoAnswer as error:
                problems[check] = str(error)
            if check == "time":
                asked = replace(asked, sent=sent, received=self.clock())
        return asked


def _ask_for(client: Client, server: Server, check: str) -> Any:
    address = server.ip, server.port
    if check == SERVER:
        return _server_program(client, address)
    if check == METRICS:
        return metrics_text.parse(_fetch_metrics(client, server).decode("utf-8", "replace"))
    if check == INFO:
        return _shaped(check, fetch_json(client, address, "/info"))
    return _shaped(check, fetch_json(client, address, f"/recon/{check}"))


def _fetch_metrics(client: Client, server: Server) -> bytes:
    try:
        return fetch(client, (server.ip, server.port), "/metrics")
    except NoAnswer as error:
        lacks = str(error) == _NO_SUCH_PATH.get(server.kind, "status 400")
        raise (NoAnswer(NO_METRICS) if lacks else error) from None


def _shaped(check: str, answer: Any) -> Any:
    """An answer that is what this check is answered with; raises NoAnswer of another."""
    is_good = isinstance(answer, list if check in LISTS else dict)
    if not (number(answer) is not None if check == "time" else is_good):
        raise NoAnswer(STRANGE)
    return answer


def _has_recon(asked: Asked) -> bool:
    """Whether a proxy answers /recon: it says so in /info."""
    return "recon" in asked.table(INFO)


def _server_program(client: Client, address: tuple[str, int]) -> str:
    """Which server it is, ``object-server`` say: what it calls itself when it is asked for its options."""
    response = client.request(address, "OPTIONS", "/", {})
    response.drain()
    response.close()
    if response.status != 200:
        raise NoAnswer(f"status {response.status}")
    return (response.headers.get("Server") or "").partition("/")[0]


def fetch(client: Client, address: tuple[str, int], path: str) -> bytes:
    """The body of a 200.

    :raises NoAnswer: when the answer is none
    :raises BackendError: when there is no answer
    """
    response = client.request(address, "GET", path, {})
    body = b""
    try:
        while chunk := response.read(65536):
            body += chunk
            if len(body) > MAX_ANSWER:
                raise NoAnswer(f"the answer is longer than {MAX_ANSWER} bytes")
    finally:
        response.close()
    if response.status != 200:
        raise NoAnswer(f"status {response.status}")
    return body


def fetch_json(client: Client, address: tuple[str, int], path: str) -> Any:
    """The JSON value of a 200; raises as :func:`fetch`."""
    try:
        return load_json(fetch(client, address, path))
    except ValueError:
        raise NoAnswer("the answer is no JSON") from None


# --- whom to ask ---


def servers_of(rings: Iterable[RingFacts]) -> list[Server]:
    """The servers that rings name, each once for each kind."""
    devices: dict[tuple[str, str, int], dict[str, list[str]]] = {}
    for ring in rings:
        kind = ring.name.partition("-")[0]
        for device in ring.devices:
            place = devices.setdefault((kind, device["ip"], device["port"]), {})
            place.setdefault(ring.name, []).append(device["device"])
    ours = own_addresses("0.0.0.0")
    return [
        replace(server_at(*place, ours), devices={ring: tuple(sorted(names)) for ring, names in named.items()})
        for place, named in sorted(devices.items())
    ]


def server_at(kind: str, ip: str, port: int, own: Collection[str] | None = None) -> Server:
    """A server, which may be one of this machine.

    :param own: addresses of this machine; default: those of its interfaces
    """
    ours = own_addresses("0.0.0.0") if own is None else own
    return Server(kind, ip, port, is_local=ip.startswith("127.") or is_own(ip, ours))
