"""The filter: who may ask, and whom it asks in turn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from swiftlite.common import metric_text, recon
from swiftlite.common.concurrency import ThreadPool
from swiftlite.common.config import option
from swiftlite.common.metric_memory import told
from swiftlite.common.metric_text import Sample, Source
from swiftlite.common.metrics import process_name
from swiftlite.common.pipeline import WSGIApp
from swiftlite.core.allowed_hosts import AllowedHosts
from swiftlite.middleware.metrics.cluster_files import ClusterFiles
from swiftlite.middleware.metrics.devices import Devices
from swiftlite.middleware.metrics.recon_numbers import FILES, numbers

NETWORKS = {
    "loopback": "127.0.0.0/8, ::1",
    "private": "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, fc00::/7, fe80::/10",
}
"""Words for networks in the option."""
FORWARDED = (
    *(f"HTTP_X_FORWARDED_{word}" for word in ("FOR", "HOST", "PORT", "PROTO", "SERVER")),
    *("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP"),
)
"""Headers of a request that somebody has passed on: it is not from where it seems to be from."""
STORAGE = ("object", "container", "account")


def parse_networks(text: str) -> AllowedHosts:
    """Read the option: what AllowedHosts takes, and the words above.

    :raises ValueError: when an element is neither
    """
    words = [word.strip() for word in text.split(",")]
    known = AllowedHosts.parse(", ".join(NETWORKS.get(word, word) for word in words))
    return AllowedHosts(text.strip(), known.everyone, known.hosts, known.addresses, known.networks)


@dataclass(frozen=True)
class MetricsOptions:
    """The filter's section."""

    allowed_networks: AllowedHosts = option(
        parse_networks("loopback"),
        "who may ask: addresses, network/bits, loopback, private (the networks that no router passes on), *: everybody; "
        "a request that came through a proxy of any kind is from nobody",
        parse_networks,
    )
    recon_cache_path: str = option(recon.DEFAULT_PATH, "directory where the daemons write their statistics")
    devices: str = option("/srv/node", "directory whose entries are the devices")
    mount_check: bool = option(True, "a device that is not a mount point cannot be used")
    swift_dir: str = option("/etc/swift", "directory of swift.conf and the rings")


class Metrics:
    """Answers the one path ``/metrics``.

    :param place: address and port that rings have of this server; port 0: none
    """

    def __init__(self, app: WSGIApp, options: MetricsOptions, place: tuple[str, int] = ("0.0.0.0", 0)) -> None:
        self.app = app
        self.options = options
        self._threads = ThreadPool(1)
        self._devices = Devices(options.devices, options.mount_check)
        self._files = ClusterFiles(options.swift_dir, *place)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            return self.app(environ, start_response)
        status, kind, body = self._answer(environ)
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, str, bytes]:
        if not self._may_ask(environ):
            return (
                "403 Forbidden",
                "text/plain",
                b"allowed_networks of the filter metrics does not have this address.\n",
            )
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return "405 Method Not Allowed", "text/plain", b"Only GET and HEAD.\n"
        accept = environ.get("HTTP_ACCEPT", "")
        kind, body = metric_text.exposition(process_name(), self._sources(), accept, told())
        return "200 OK", kind, body

    def _may_ask(self, environ: dict[str, Any]) -> bool:
        if any(header in environ for header in FORWARDED):
            return False
        address = environ.get("REMOTE_ADDR", "").removeprefix("::ffff:")
        return self.options.allowed_networks.allows((address, 0))

    def _sources(self) -> list[Source]:
        kind = process_name().removesuffix("-server")
        files: Source = lambda: self._threads.run(self._files.samples)  # noqa: E731 - rings are read and counted
        if kind not in STORAGE:
            return [files]
        return [files, lambda: self._of_devices(kind), lambda: self._recon(kind)]

    def _of_devices(self, kind: str) -> Iterable[Sample]:
        return self._devices.samples(self._threads.run(self._files.devices, kind))

    def _recon(self, kind: str) -> Iterable[Sample]:
        caches = [recon.load(os.path.join(self.options.recon_cache_path, name)) for name in FILES[kind]]
        return [sample for cache in caches for sample in numbers(kind, cache)]
