"""Proxies, which have no recon by default: what their metrics, or this machine's own files, tell of rings and swift.conf."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from swiftlite.http.client import Client
from swiftlite.watch.facts import Asked, Server
from swiftlite.watch.files import md5_of, ring_names
from swiftlite.watch.gathering import BASIC, METRICS, NO_METRICS, Gatherer, server_at

CUSTOMARY = "/etc/swift"
"""Where a proxy has its files that does not tell of their place."""


@dataclass(frozen=True)
class LocalProxy:
    """A proxy whose conf file is on this machine.

    :ivar speaks_tls: on its port
    :ivar is_choosy: it answers nobody who does not begin with a header of a load balancer, or has no certificate
    :ivar is_everywhere: it listens at all addresses of its machine
    :ivar filters: of its pipeline
    """

    conf: str
    ip: str
    port: int
    swift_dir: str = CUSTOMARY
    speaks_tls: bool = False
    is_choosy: bool = False
    is_everywhere: bool = False
    filters: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """What it can be asked, so that no request is a bad one to it."""
        metrics = (METRICS,) if METRICS in self.filters else ()
        recon = BASIC if "recon" in self.filters else ()
        return () if self.is_choosy else (*metrics, *recon)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.ip, self.port


def ask_local(gatherer: Gatherer, proxies: Iterable[LocalProxy]) -> Iterator[Asked]:
    """Ask the proxies of this machine whether they live, and look at their files."""
    for proxy in proxies:
        server = replace(server_at("proxy", *proxy.address), is_local=True)
        if not proxy.checks:
            asked = Asked(server, problem=_connect(proxy.address, gatherer.timeout))
        else:
            tls = partial(Client, tls=_any_certificate) if proxy.speaks_tls else Client
            [asked] = replace(gatherer, new_proxy_client=tls).ask_all([server], {"proxy": proxy.checks})
        if not asked.problem:
            lacking = {METRICS: NO_METRICS} if proxy.filters and METRICS not in proxy.filters else {}
            answers = {**_local_answers(proxy), **asked.answers}
            asked = replace(asked, answers=answers, problems={**asked.problems, **lacking})
        yield asked


def _any_certificate() -> ssl.SSLContext:
    """It is this machine itself, under an address that its certificate need not name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _connect(address: tuple[str, int], timeout: float) -> str:
    try:
        socket.create_connection(address, timeout).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _local_answers(proxy: LocalProxy) -> dict[str, Any]:
    rings: dict[str, str | None] = {}
    conf_path = os.path.join(proxy.swift_dir, "swift.conf")
    with suppress(OSError):
        for name in ring_names(proxy.swift_dir):
            path = os.path.join(proxy.swift_dir, f"{name}.ring.gz")
            rings[path] = md5_of(path)
    sums = {}
    with suppress(OSError):
        sums[conf_path] = md5_of(conf_path)
    return {"ringmd5": rings, "swiftconfmd5": sums, "facts": {"conf": proxy.conf}}


def with_sums(asked: Asked) -> Asked:
    """A proxy with what its metrics tell of its files, as recon would tell it."""
    if asked.server.kind != "proxy" or asked.table("ringmd5"):
        return asked
    samples = asked.table(METRICS)
    rings = {
        f"{CUSTOMARY}/{sample.labels['ring']}.ring.gz": sample.labels["md5"]
        for sample in samples.get("swiftlite_ring_info", ())
        if {"ring", "md5"} <= sample.labels.keys() and "/" not in sample.labels["ring"]
    }
    confs = {
        f"{CUSTOMARY}/swift.conf": sample.labels["md5"]
        for sample in samples.get("swiftlite_conf_info", ())
        if sample.labels.get("file") == "swift.conf" and "md5" in sample.labels
    }
    answers = {name: told for name, told in (("ringmd5", rings), ("swiftconfmd5", confs)) if told}
    return replace(asked, answers={**asked.answers, **answers})


def apart(proxies: Iterable[tuple[str, int]], local: Iterable[LocalProxy]) -> list[Server]:
    """The named proxies that are not those of this machine's confs: no proxy is asked twice."""
    here = list(local)
    servers = [server_at("proxy", *address) for address in proxies]
    ours = {proxy.address for proxy in here}
    ports = {proxy.port for proxy in here}
    return [
        server
        for server in servers
        if (server.ip, server.port) not in ours and not (server.is_local and server.port in ports)
    ]
