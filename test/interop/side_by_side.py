"""Two small clusters with the same confs, OpenStack Swift's and ours, and how their answers are compared."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.memcached_server import Memcached
from functional.cluster import Cluster, Server, merged
from functional.object_cases.notation import DATE, HTML, TIMESTAMP, Case, Step, Table
from functional.object_cases.site import Answer, Site, site_of, without_boundary
from interop import peer
from swiftlite.cli import children

# A manifest tells when its segments were stored, so its own hash is never twice the same.
MD5 = re.compile(r"[0-9a-f]{32}")
_MANIFEST_HASH = re.compile(rb'(?<="hash": ")[0-9a-f]{32}(?=[^}]*"slo_etag")')
# Of every answer, and said in words of the server's own.
PASSING = ("connection", "keep-alive", "server", "transfer-encoding")
# Sets, in any order.
LISTS = ("allow", *(f"access-control-{words}" for words in ("allow-methods", "allow-headers", "expose-headers")))
SHAPES = {
    "date": DATE,
    "last-modified": DATE,
    "x-copied-from-last-modified": DATE,
    "x-timestamp": TIMESTAMP,
    "x-manifest-etag": MD5,
    "x-trans-id": re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10}"),
    "x-openstack-request-id": re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10}"),
}
# Of each side's own clock, or, for the last, of the second in which the request came.
_TIMESTAMP = re.compile(rb"\b\d{10}\.\d{5}\b")
SECONDS = 60
"""Between an object that lives for a thousand seconds on one side, and the same on the other: a case is first sent to one."""
_HTTP_DATE = re.compile(DATE.pattern.encode())
_ISO_DATE = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6})?")
# How a page looks that has no style of its own, and how its source is indented, is each side's own.
_PAGE = b"<!DOCTYPE html>"
_STYLE = re.compile(rb"<style.*?</style>", re.DOTALL)
_BETWEEN_TAGS = re.compile(rb"(?<=>)\s+(?=<)|\s+$")
# Where the two clusters have put something.
_ENDPOINT = re.compile(rb'(?<="http://)127\.0\.0\.1:\d+/d\d/\d+/')


Settings = Mapping[str, Mapping[str, Mapping[str, str]]]

ONLY_OURS = re.compile(r" (console|listing_metadata|identity|metrics)\b")
"""Filters that OpenStack Swift has not, where a pipeline names them."""


class PeerServer(Server):
    """A daemon of OpenStack Swift on the conf of ours."""

    def launch(self) -> None:
        program = peer.tool(self.process.program.replace("swiftlite-", "swift-"))
        swift_dir = next(path for path in self.process.conf.parents if (path / "swift.conf").exists())
        with open(self.log, "ab") as log:
            self.running = subprocess.Popen(
                peer.command(swift_dir, program, self.process.conf),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=peer.environment(),
            )

    def kill(self) -> None:
        if self.running is not None:
            peer.kill(self.running)
        super().kill()

    def wait_up(self) -> None:
        super().wait_up()
        assert children.is_healthy(self.address, 60)


class PeerCluster(Cluster):
    """OpenStack Swift on a layout of ours; the confs differ in whose factories they name."""

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        for conf in self.layout.etc.rglob("*.conf"):
            text = ONLY_OURS.sub("", conf.read_text()).replace("egg:swiftlite#", "egg:swift#")
            conf.write_text(text.replace("log_address = \n", "log_address = /dev/nonexistent\n"))
        self.servers = {name: PeerServer(server.process, server.log) for name, server in self.servers.items()}

    def run_once(self, name: str, *arguments: str) -> None:
        """Make one pass of a daemon."""
        process = self.servers[name].process
        swift_dir, program = self.layout.etc, peer.tool(process.program.replace("swiftlite-", "swift-"))
        command = peer.command(swift_dir, program, process.conf, "once", *arguments)
        with open(self.servers[name].log, "ab") as log:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=300,
                env=peer.environment(),
                check=True,
            )


@contextmanager
def two_clusters(
    directory: Path,
    settings: Settings,
    swift_conf: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[dict[str, Cluster]]:
    """Start both clusters, and one memcached that only the peer uses; yield them as "ours" and "theirs"."""
    memcached = Memcached()
    cache = {"memcache_servers": memcached.server, "connect_timeout": "30", "pool_timeout": "30", "io_timeout": "60"}
    with_memcached = merged(settings, {"proxy": {"filter:cache": cache}})
    clusters: dict[str, Cluster] = {}
    try:
        # One after the other: a port is free as long as nobody listens.
        clusters["ours"] = Cluster(directory / "ours", settings=settings, swift_conf=swift_conf).start()
        clusters["theirs"] = PeerCluster(directory / "theirs", settings=with_memcached, swift_conf=swift_conf)
        clusters["theirs"].start()
        yield clusters
    finally:
        for cluster in clusters.values():
            cluster.remove()
        memcached.stop()


def sites_of(clusters: Mapping[str, Cluster]) -> dict[str, Site]:
    """Return the sites of both clusters."""
    return {"ours": site_of(clusters["ours"]), "theirs": site_of(clusters["theirs"], repeats=3)}


@dataclass(frozen=True)
class Unlike:
    """One facet in which two answers differ: the how-manieth request, of which method and status, what, and both."""

    number: int
    method: str
    facet: str
    ours: str
    theirs: str

    @property
    def place(self) -> str:
        """Where the answers differ, without what they say."""
        return f"{self.method} {self.facet}"

    def __str__(self) -> str:
        return f"{self.number} {self.place}: {self.ours} | {self.theirs}"


def compare(table: Table, case: Case, sites: Mapping[str, Site], now: int) -> list[Unlike]:
    """Send a case to both; return how their answers differ. `now`: seconds since 1970, for both."""
    runs = [sites[side].run(table, case, now) for side in ("ours", "theirs")]
    addresses = [site.address for site in sites.values()]
    found = []
    for number, ((step, ours), (_, theirs)) in enumerate(zip(*runs), 1):
        for facet, left, right in differences(step, ours, theirs, addresses):
            found.append(Unlike(number, step.method, facet, left, right))
    return found


def differences(
    step: Step, ours: Answer, theirs: Answer, addresses: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, str, str]]:
    """Yield each facet in which two answers differ, with what either says."""
    if ours.status != theirs.status:
        yield "status", f"{ours.status} {ours.body[:200]!r}", f"{theirs.status} {theirs.body[:200]!r}"
        return
    if ours.reason != theirs.reason:
        yield f"{ours.status} reason", ours.reason, theirs.reason
    mine, others = (_headers(step, answer, addresses) for answer in (ours, theirs))
    for name in sorted({*mine, *others}):
        if not _same(name, mine.get(name), others.get(name)):
            yield f"{ours.status} {name}", str(mine.get(name)), str(others.get(name))
    bodies = [_body(answer) for answer in (ours, theirs)]
    if bodies[0] != bodies[1]:
        yield f"{ours.status} body", repr(bodies[0][:1500]), repr(bodies[1][:1500])


def _same(name: str, mine: list[str] | None, others: list[str] | None) -> bool:
    if name == "x-delete-at" and mine and others:
        return abs(int(mine[0]) - int(others[0])) <= SECONDS
    return mine == others


def _headers(step: Step, answer: Answer, addresses: Sequence[tuple[str, int]]) -> dict[str, list[str]]:
    """Return the headers that count, with what must differ replaced by its shape."""
    found: dict[str, list[str]] = {}
    # A HEAD says nothing, or how long the words would be, or that there are none.
    is_error_without_body = answer.status >= 400 and not answer.body
    for name, value in answer.headers:
        if name in PASSING or (name == "content-length" and (_has_own_words(answer.body) or is_error_without_body)):
            continue
        if name == "content-type":
            value = without_boundary(answer)[0]
        if name == "etag" and "multipart-manifest=get" in step.target and MD5.fullmatch(value):
            value = "<md5>"
        if name in SHAPES and SHAPES[name].fullmatch(value):
            value = f"<{name}>"
        value = _TIMESTAMP.sub(b"<timestamp>", value.encode("latin-1")).decode("latin-1")
        for address in addresses:
            value = value.replace("%s:%d" % address, "<host>")
        if name in LISTS:
            value = ", ".join(sorted(value.split(", ")))
        found.setdefault(name, []).append(value)
    return found


def _has_own_words(body: bytes) -> bool:
    """Tell whether a body says something of the server's own, which then may be of any length."""
    return bool(HTML.fullmatch(body) or body.startswith(_PAGE) or _ENDPOINT.search(body))


def _body(answer: Answer) -> bytes:
    """Return the body, that of an answer without words of its own by its status alone."""
    body = without_boundary(answer)[1]
    if HTML.fullmatch(body):
        return b"<standard>"
    if body.startswith(_PAGE):
        body = _BETWEEN_TAGS.sub(b"", _STYLE.sub(b"", body))
    body = _ENDPOINT.sub(b"<endpoint>/", body)
    body = _HTTP_DATE.sub(b"<date>", _MANIFEST_HASH.sub(b"<md5>", body))
    return _TIMESTAMP.sub(b"<timestamp>", _ISO_DATE.sub(b"<date>", body))
