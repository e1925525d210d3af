"""Datagrams for a statsd: their names, their sampling; what the proxy and the storage servers tell."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest

from swiftlite.common import statsd as statsd_module
from swiftlite.common.request_log import RequestLog
from swiftlite.common.statsd import Statsd, announce, make_statsd, note, tell_pass
from swiftlite.core.access_log import Entry, resource_type
from swiftlite.middleware.proxy_logging import RequestMetrics

LOG = logging.getLogger("test-statsd")


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """A statsd's socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(10)
        yield bound


def heard(receiver: socket.socket, count: int) -> list[str]:
    return [receiver.recv(1000).decode() for _ in range(count)]


def conf_for(receiver: socket.socket, **more: str) -> dict[str, str]:
    host, port = receiver.getsockname()
    return {"log_statsd_host": host, "log_statsd_port": str(port), **more}


def statsd_of(receiver: socket.socket, **more: str) -> Statsd:
    made = make_statsd(conf_for(receiver, **more), "object-server", LOG, "file", "section")
    assert made is not None
    return made


def test_no_host_no_statsd() -> None:
    assert make_statsd({}, "object-server", LOG, "file", "section") is None


@pytest.mark.parametrize(
    "prefix, start", [("", "object-server"), ("lab.", "lab.object-server"), ("a.b", "a.b.object-server")]
)
def test_names_have_prefixes(receiver: socket.socket, prefix: str, start: str) -> None:
    statsd = statsd_of(receiver, log_statsd_metric_prefix=prefix)
    statsd.increment("async_pendings")
    statsd.timing("PUT.timing", 0.0125)
    assert heard(receiver, 2) == [f"{start}.async_pendings:1|c", f"{start}.PUT.timing:12.500|ms"]


def test_a_sample_is_marked_as_one(receiver: socket.socket) -> None:
    statsd = statsd_of(receiver, log_statsd_default_sample_rate="0.5", log_statsd_sample_rate_factor="0.5")
    for _ in range(400):
        statsd.increment("x")
    statsd.increment("last")
    receiver.setblocking(False)
    seen = []
    try:
        while True:
            seen.append(receiver.recv(1000))
    except BlockingIOError:
        pass
    assert 40 < len(seen) < 200  # a quarter, give or take eight standard deviations
    assert set(seen) <= {b"object-server.x:1|c|@0.25", b"object-server.last:1|c|@0.25"}


def test_a_host_that_is_none_is_told_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    assert make_statsd({"log_statsd_host": "no.such.invalid"}, "x", LOG, "file", "section") is None
    assert "no.such.invalid" in caplog.text


@pytest.mark.parametrize("status, name", [(201, "PUT.timing"), (412, "PUT.timing"), (507, "PUT.errors.timing")])
def test_storage_servers_tell_timings(receiver: socket.socket, status: int, name: str) -> None:
    noted = RequestLog(LOG, enabled=False)
    noted.statsd = statsd_of(receiver)
    noted.note({"REQUEST_METHOD": "PUT"}, status, "0", 10.0, 10.5)
    assert heard(receiver, 1) == [f"object-server.{name}:500.000|ms"]


def test_a_storage_server_tells_no_word_that_a_client_made_up(receiver: socket.socket) -> None:
    noted = RequestLog(LOG, enabled=False)
    noted.statsd = statsd_of(receiver)
    noted.note({"REQUEST_METHOD": "A.B|C#D"}, 405, "0", 10.0, 10.5)
    assert heard(receiver, 1) == ["object-server.BAD_METHOD.timing:500.000|ms"]


def test_the_proxy_tells_timing_transfer_and_first_byte(receiver: socket.socket) -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/a/c/o"}
    entry = Entry(environ, "/v1/a/c/o", 1.0, 3.0, 2.0, 499, 200, 5, 7, "1")
    RequestMetrics(statsd_of(receiver), ["GET"]).tell(entry)
    start = "object-server.object"
    assert heard(receiver, 6) == [
        f"{start}.GET.499.timing:2000.000|ms",
        f"{start}.GET.499.xfer:12|c",
        f"{start}.GET.200.first-byte.timing:1000.000|ms",
        f"{start}.policy.1.GET.499.timing:2000.000|ms",
        f"{start}.policy.1.GET.499.xfer:12|c",
        f"{start}.policy.1.GET.200.first-byte.timing:1000.000|ms",
    ]


def test_methods_that_nobody_knows_share_a_name(receiver: socket.socket) -> None:
    entry = Entry({"REQUEST_METHOD": "BREW", "PATH_INFO": "/v1/a"}, "/v1/a", 1.0, 1.0, status=405)
    RequestMetrics(statsd_of(receiver), ["GET"]).tell(entry)
    assert heard(receiver, 2)[0] == "object-server.account.BAD_METHOD.405.timing:0.000|ms"


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/v1/a/c/o", "object"),
        ("/v1/a/c/o/o", "object"),
        ("/v1/a/c/", "container"),
        ("/v1/a/c", "container"),
        ("/v1.0/a", "account"),
        ("/v1", "FP"),
        ("/info", "FP"),
        ("", "FP"),
        ("/v2/a/c", "FP"),
    ],
)
def test_what_a_path_is_for(path: str, kind: str) -> None:
    assert resource_type({"PATH_INFO": path, "swift.source": "FP"}) == kind
    if kind == "FP":
        assert resource_type({"PATH_INFO": path}) == "UNKNOWN"


def test_a_pass_is_told_in_swifts_words(receiver: socket.socket) -> None:
    announce(statsd_of(receiver))
    try:
        tell_pass("container-updater", {"jobs": 9, "updated": 3, "failures": 0, "on_handoff": 1}, 2.0)
        note("async_pendings")
    finally:
        announce(None)
    start = "object-server"
    assert heard(receiver, 4) == [
        f"{start}.timing:2000.000|ms",
        f"{start}.successes:3|c",
        f"{start}.on_handoff:1|c",
        f"{start}.async_pendings:1|c",
    ]


def test_without_a_statsd_nothing_is_told() -> None:
    assert statsd_module._of_process is None
    note("async_pendings")
    tell_pass("container-updater", {"updated": 3}, 2.0)
