"""What a statsd hears of from where it is noticed: nodes and their errors, caches, signatures, logins, daemons' passes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.backends import FakeRing
from fakes.ports import free_port
from swiftlite.common import statsd
from swiftlite.common.cache import Cache, CacheUnreachable
from swiftlite.common.daemon import Daemon, DaemonOptions
from swiftlite.common.memcached import MemcachedOptions, MemcachedStore
from swiftlite.common.statsd import Datagrams, Statsd
from swiftlite.core.form_post import Form
from swiftlite.proxy.info import get_container_info
from swiftlite.proxy.nodes import ErrorLimits, NodeIter
from swiftlite.ring.ring import Node

LOG = logging.getLogger("test-statsd-counters")
NODES = [
    Node(
        i, 1, 1, "10.0.0.1", 6200, "10.0.0.1", 6200, f"d{i}", 1.0,
        index=i if i < 3 else None, handoff_index=i - 3 if i >= 3 else None,
    )
    for i in range(9)
]  # fmt: skip


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of what is told, with their types, in order."""
    names: list[str] = []
    monkeypatch.setattr(Datagrams, "send", lambda self, line: names.append(line.replace("x.", "", 1)))
    monkeypatch.setattr(Datagrams, "suffix", lambda self, rate: "")
    statsd.announce(Statsd(Datagrams(("127.0.0.1", 9), 1.0, 1.0, LOG), "x."))
    yield names
    statsd.announce(None)


def counted(told: list[str]) -> list[str]:
    """Of timings only the names."""
    return [line.partition(":")[0] if line.endswith("|ms") else line for line in told]


def nodes(limits: ErrorLimits, count: int = 6) -> NodeIter:
    ring = FakeRing(NODES)
    ring.name = "object-1"
    return NodeIter(ring, 7, limits, count, lambda nodes: None)  # type: ignore[arg-type]


def test_handoffs_are_told_beyond_those_that_are_tried_anyway(told: list[str]) -> None:
    limits = ErrorLimits(2, 60.0, LOG)
    assert len(list(nodes(limits))) == 6 and not told  # three handoffs, as request_node_count says
    limits.out_of_service(NODES[0], "full")
    assert len(list(nodes(limits))) == 6
    assert told == ["error_limiter.forced_limit:1|c", "error_limiter.is_limited:1|c", "object.handoff_count:1|c"]
    for node in NODES[1:3]:
        limits.out_of_service(node, "full")
    told.clear()
    assert len(list(nodes(limits))) == 6
    assert told == [
        *["error_limiter.is_limited:1|c"] * 3,
        *["object.handoff_count:1|c"] * 3,
        "object.handoff_all_count:1|c",
    ]


def test_a_node_that_fails_too_often_is_told_from_then_on(told: list[str]) -> None:
    limits = ErrorLimits(2, 60.0, LOG)
    for _ in range(4):
        limits.failed(NODES[0], "broken")
    assert told == ["error_limiter.incremented_limit:1|c"] * 2


def test_a_memcached_that_is_away_is_told_by_operation(told: list[str]) -> None:
    store = MemcachedStore(MemcachedOptions(memcache_servers=(f"127.0.0.1:{free_port()}",)), LOG)
    with pytest.raises(CacheUnreachable):
        store.get("k")
    with pytest.raises(CacheUnreachable):
        store.incr("k", -1, 60)
    assert counted(told) == ["memcached.get.conn_err.timing", "memcached.decr.conn_err.timing"]


def container(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


def test_infos_are_told_by_where_they_were_found(told: list[str]) -> None:
    cache = Cache()
    environ: dict[str, Any] = {"PATH_INFO": "/v1/a/c", "swift.cache": cache}
    get_container_info(environ, container)
    get_container_info(environ, container)
    cache.set("container/a/c", {"status": 204}, 60)
    get_container_info({"PATH_INFO": "/v1/a/c", "swift.cache": cache}, container)
    get_container_info({"PATH_INFO": "/v1/a/c"}, container)
    start = "container.info"
    assert told == [
        f"{start}.cache.miss.404:1|c",
        f"{start}.infocache.hit:1|c",
        f"{start}.cache.hit:1|c",
        f"{start}.cache.disabled.404:1|c",
    ]


def test_a_form_has_the_digest_that_signed_it() -> None:
    form = Form()
    form.add("signature", b"sha512:" + b"QUJD" * 10)
    assert form.digest == "sha512"
    form.add("signature", b"ab" * 32)
    assert form.digest == "sha256"


class Counting(Daemon):
    """Two jobs, the second of which fails; tells what was told when it came."""

    section = "container-auditor"
    seen: list[str]

    def jobs(self) -> Iterator[int]:
        yield 1
        yield 2

    def work(self, job: int) -> None:
        if job == 2:
            self.seen = list(self.heard)
            raise ValueError("bad")
        self.counts["passed"] += 1

    heard: list[str]


def test_a_daemon_tells_of_a_job_before_the_pass_is_over(told: list[str]) -> None:
    daemon = Counting(DaemonOptions(concurrency=1), None, LOG)  # type: ignore[arg-type]
    daemon.heard = told
    assert daemon.run_once() == {"jobs": 2, "passed": 1, "failures": 1}
    assert counted(daemon.seen) == ["passes:1|c", "timing"]
    assert counted(told) == ["passes:1|c", "timing", "failures:1|c"]
