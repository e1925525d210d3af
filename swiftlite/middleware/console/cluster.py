"""ClusterWatch: asks the servers of the rings, without keeping the proxy waiting, and keeps what they said for a while."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any

from swiftlite import __version__
from swiftlite.common import metric_text
from swiftlite.common.addresses import own_addresses
from swiftlite.common.concurrency import ThreadPool
from swiftlite.common.metrics import process_name
from swiftlite.core import metrics_text
from swiftlite.middleware.console.cluster_document import cluster_document, requests_document
from swiftlite.middleware.console.kept import KeptByAll
from swiftlite.middleware.console.options import ConsoleOptions
from swiftlite.watch.facts import Asked, ClusterView, RingFacts, Server
from swiftlite.watch.files import ring_facts, ring_names, swift_conf_facts
from swiftlite.watch.gathering import METRICS, Gatherer, clients_of_nodes, server_at, servers_of
from swiftlite.watch.proxies import with_sums

ONLY_METRICS = dict.fromkeys(("proxy", "object", "container", "account"), (METRICS,))
EVERYWHERE = ("", "0.0.0.0", "::")


class ClusterWatch:
    """What administrators see, as JSON.

    :param bind: where this proxy listens: IP and port, as its conf file says
    :ivar documents: by name
    """

    def __init__(self, options: ConsoleOptions, bind: tuple[str, str]) -> None:
        self.options = options
        self.bind = bind
        self.rings = RingFiles(options.swift_dir)
        self.documents = {
            "cluster.json": KeptByAll(self._cluster, options.cluster_age),
            "requests.json": KeptByAll(self._requests, options.requests_age),
        }
        # Reading rings and judging a large cluster take their time, in which the event loop must go on.
        self._threads = ThreadPool(1)

    def _cluster(self) -> bytes:
        begun = time.monotonic()
        rings = self._threads.run(self.rings.read)
        asked = self._ask(rings, None)
        return self._threads.run(self._judge, rings, asked, time.monotonic() - begun)

    def _judge(self, rings: tuple[RingFacts, ...], asked: tuple[Asked, ...], seconds: float) -> bytes:
        swift_dir = self.options.swift_dir
        view = ClusterView(time.time(), swift_dir, swift_conf_facts(swift_dir), rings, asked)
        return _as_json({**cluster_document(view), "seconds": round(seconds, 3)})

    def _requests(self) -> bytes:
        asked = self._ask(self._threads.run(self.rings.read), ONLY_METRICS)
        return self._threads.run(lambda: _as_json(requests_document(time.time(), asked)))

    def _ask(self, rings: Iterable[RingFacts], checks: dict[str, tuple[str, ...]] | None) -> tuple[Asked, ...]:
        servers = servers_of(rings)
        own = self._own(servers)
        others = [server_at("proxy", *address) for address in self.options.proxies]
        servers += [server for server in others if server.address != own.address]
        gatherer = Gatherer(self.options.cluster_timeout, new_client=clients_of_nodes(self.options.swift_dir))
        return (Asked(own, own_answers()), *map(with_sums, gatherer.ask_all(servers, checks)))

    def _own(self, servers: Iterable[Server]) -> Server:
        """This proxy, under the address by which the rings know its machine, if they do."""
        ip, port = self.bind[0], int(self.bind[1]) if self.bind[1].isdecimal() else 0
        if ip in EVERYWHERE:
            ours = sorted(own_addresses("0.0.0.0"))
            known = [server.ip for server in servers if server.is_local]
            outside = [address for address in ours if not address.startswith("127.") and ":" not in address]
            ip = next(iter([*known, *outside, "127.0.0.1"]))
        return Server("proxy", ip, port, is_local=True)


def own_answers() -> dict[str, Any]:
    """What this proxy knows of itself: it need not be asked over the network."""
    _, text = metric_text.exposition(process_name(), (), "")
    return {"version": {"version": __version__}, METRICS: metrics_text.parse(text.decode())}


def _as_json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()


class RingFiles:
    """The rings of a directory, each read again when its file changes; blocks, so it belongs in a thread."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._known: dict[str, tuple[tuple[int, int, int], RingFacts]] = {}

    def read(self) -> tuple[RingFacts, ...]:
        """All rings.

        :raises OSError: when the directory cannot be listed
        """
        return tuple(map(self._read, ring_names(self.directory)))

    def _read(self, name: str) -> RingFacts:
        found = os.stat(os.path.join(self.directory, f"{name}.ring.gz"))
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        if name not in self._known or self._known[name][0] != stamp:
            self._known[name] = stamp, ring_facts(self.directory, name, with_builder=False, with_assigned=True)
        return self._known[name][1]
