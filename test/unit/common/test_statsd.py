"""Datagrams for a statsd: their names, their sampling; what the proxy and the storage servers tell."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from swiftlite.common import statsd as statsd_module
from swiftlite.common.config import ConfigError
from swiftlite.common.request_log import RequestLog, object_labels
from swiftlite.common.statsd import (
    LabeledStatsd,
    PassCounts,
    Statsd,
    announce,
    job_over,
    make_labeled_statsd,
    make_statsd,
    note,
    pass_over,
    took,
)
from swiftlite.core.access_log import Entry, request_labels, resource_type
from swiftlite.core.statsd_labels import SPELLINGS, labeled_line
from swiftlite.middleware.request_metrics import RequestMetrics

LOG = logging.getLogger("test-statsd")


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """A statsd's socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(60)
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


def test_a_name_that_nobody_knows_at_the_start_is_looked_for_again(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = receiver.getsockname()
    look, asked_by = socket.getaddrinfo, []

    def name_server(host: str, *more: int, **options: int) -> object:
        asked_by.append(threading.get_ident())
        if len(asked_by) <= 2:
            raise socket.gaierror("Temporary failure in name resolution")
        return [(socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", 9, 0, 0)), *look(known[0], *more, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", name_server)
    statsd = make_statsd(
        {**conf_for(receiver), "log_statsd_host": "statsd.lab"}, "object-server", LOG, "file", "section"
    )
    assert statsd is not None and "cannot find the statsd host statsd.lab" in caplog.text
    statsd.increment("too early")
    assert len(asked_by) == 1, "not at once again"
    monkeypatch.setattr(statsd_module, "PAUSE", 0.0)
    receiver.settimeout(0.01)
    for _ in range(6000):
        statsd.increment("later")
        with contextlib.suppress(TimeoutError):
            assert heard(receiver, 1) == ["object-server.later:1|c"]
            break
    else:
        pytest.fail("it was never found")
    assert threading.get_ident() not in asked_by[1:], "it would hold up the event loop"


@pytest.mark.parametrize(
    "prefix, start", [("", "object-server"), ("lab.", "lab.object-server"), ("a.b", "a.b.object-server")]
)
def test_names_have_prefixes(receiver: socket.socket, prefix: str, start: str) -> None:
    statsd = statsd_of(receiver, log_statsd_metric_prefix=prefix)
    statsd.increment("async_pendings")
    statsd.timing("PUT.timing", 0.0125)
    assert heard(receiver, 2) == [f"{start}.async_pendings:1|c", f"{start}.PUT.timing:12.5|ms"]


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
    assert make_statsd({"log_statsd_host": "no.such.invalid"}, "x", LOG, "file", "section") is not None
    assert "no.such.invalid" in caplog.text


@pytest.mark.parametrize("status, name", [(201, "PUT.timing"), (412, "PUT.timing"), (507, "PUT.errors.timing")])
def test_storage_servers_tell_timings(receiver: socket.socket, status: int, name: str) -> None:
    noted = RequestLog(LOG, enabled=False)
    noted.statsd = statsd_of(receiver)
    noted.note({"REQUEST_METHOD": "PUT"}, status, "0", 10.0, 10.5)
    assert heard(receiver, 1) == [f"object-server.{name}:500.0|ms"]


def test_a_storage_server_tells_no_word_that_a_client_made_up(receiver: socket.socket) -> None:
    noted = RequestLog(LOG, enabled=False)
    noted.statsd = statsd_of(receiver)
    noted.note({"REQUEST_METHOD": "A.B|C#D"}, 405, "0", 10.0, 10.5)
    assert heard(receiver, 1) == ["object-server.BAD_METHOD.timing:500.0|ms"]


def test_the_proxy_tells_timing_transfer_and_first_byte(receiver: socket.socket) -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/a/c/o"}
    entry = Entry(environ, "/v1/a/c/o", 1.0, 3.0, 2.0, 499, 200, 5, 7, "1")
    RequestMetrics(statsd_of(receiver), ["GET"]).tell(entry)
    start = "object-server.object"
    assert heard(receiver, 6) == [
        f"{start}.GET.499.timing:2000.0|ms",
        f"{start}.GET.499.xfer:12|c",
        f"{start}.GET.200.first-byte.timing:1000.0|ms",
        f"{start}.policy.1.GET.499.timing:2000.0|ms",
        f"{start}.policy.1.GET.499.xfer:12|c",
        f"{start}.policy.1.GET.200.first-byte.timing:1000.0|ms",
    ]


def test_methods_that_nobody_knows_share_a_name(receiver: socket.socket) -> None:
    entry = Entry({"REQUEST_METHOD": "BREW", "PATH_INFO": "/v1/a"}, "/v1/a", 1.0, 1.0, status=405)
    RequestMetrics(statsd_of(receiver), ["GET"]).tell(entry)
    assert heard(receiver, 2)[0] == "object-server.account.BAD_METHOD.405.timing:0.0|ms"


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


@pytest.fixture
def announced(receiver: socket.socket) -> Iterator[socket.socket]:
    """The socket of a statsd that hears of what happens in this process."""
    announce(statsd_of(receiver))
    yield receiver
    announce(None)


def test_a_pass_is_told_as_it_goes_in_swifts_words(announced: socket.socket) -> None:
    counts = PassCounts.of("container-updater")
    counts["jobs"] += 9  # which only the log tells
    counts["updated"] += 3
    counts["updated"] += 0
    counts.update(on_handoff=1)
    counts.update({"updated": 2})
    counts["gone"] = 2
    counts["gone"] = 3
    note("async_pendings")
    start = "object-server"
    assert heard(announced, 6) == [
        f"{start}.successes:3|c",
        f"{start}.on_handoff:1|c",
        f"{start}.successes:2|c",
        f"{start}.gone:2|c",
        f"{start}.gone:1|c",
        f"{start}.async_pendings:1|c",
    ]
    assert counts == {"jobs": 9, "updated": 5, "on_handoff": 1, "gone": 3}


def test_what_is_one_thing_under_two_names_is_told_once(announced: socket.socket) -> None:
    """A peer that fails is a failure of the pass as well; Swift has one word for both."""
    counts = PassCounts.of("account-replicator")
    counts["failure"] += 1
    counts["failures"] += 1
    note("last")
    assert heard(announced, 2) == ["object-server.failures:1|c", "object-server.last:1|c"]


def test_timings_are_of_jobs_or_of_passes(announced: socket.socket) -> None:
    for tell in (job_over, pass_over):
        for number, section in enumerate(("account-auditor", "object-updater", "account-reaper")):
            tell(section, number + 1)
    took("last", 0.5)
    assert heard(announced, 3) == [
        "object-server.timing:1000|ms",  # each database
        "object-server.timing:2000|ms",  # a pass
        "object-server.last:500.0|ms",
    ]


def test_without_a_statsd_nothing_is_told() -> None:
    assert statsd_module._of_process is None
    note("async_pendings")
    took("PUT.sdb1.timing", 2.0)
    counts = PassCounts.of("container-updater")
    counts["updated"] += 3
    assert counts["updated"] == 3


def test_a_rate_of_its_own_goes_before_the_usual_one(receiver: socket.socket) -> None:
    statsd = statsd_of(receiver, log_statsd_default_sample_rate="0", log_statsd_sample_rate_factor="0.5")
    for _ in range(100):
        statsd.increment("never")
        statsd.timing("often", 1.0, rate=1.8)
    assert set(heard(receiver, 60)) == {"object-server.often:1000.0|ms|@0.9"}


# With labels ----------------------------------------------------------------------------------------------------------


def labeled_of(receiver: socket.socket, mode: str, **more: str) -> LabeledStatsd:
    made = make_labeled_statsd(conf_for(receiver, statsd_label_mode=mode, **more), LOG, "file", "section")
    assert made is not None
    return made


LABELS = {"b": 2, "a": "x.y", "c": None}


@pytest.mark.parametrize(
    "mode, plain, told",
    [
        ("dogstatsd", "n:1|c|@0.5", "n:1|c|@0.5|#a:x.y,b:2,c:"),
        ("graphite", "n:1|c|@0.5", "n;a=x.y;b=2;c=:1|c|@0.5"),
        ("influxdb", "n:1|c|@0.5", "n,a=x.y,b=2,c=:1|c|@0.5"),
        ("librato", "n:1|c|@0.5", "n#a=x.y,b=2,c=:1|c|@0.5"),
    ],
)
def test_receivers_spell_labels_differently(mode: str, plain: str, told: str) -> None:
    assert labeled_line(SPELLINGS[mode], "n", "1|c|@0.5", {}) == plain
    assert labeled_line(SPELLINGS[mode], "n", "1|c|@0.5", LABELS) == told


def test_an_operators_labels_are_in_all_metrics(receiver: socket.socket) -> None:
    statsd = labeled_of(receiver, "Graphite", statsd_user_label_rack="r_1.b")
    statsd.increment("n", {"z": 1}, 3)
    statsd.timing("t", {}, 0.25)
    assert heard(receiver, 2) == ["n;user_rack=r_1.b;z=1:3|c", "t;user_rack=r_1.b:250.0|ms"]


def test_labels_are_off_until_a_mode_is_chosen_and_plain_names_on(receiver: socket.socket) -> None:
    conf = conf_for(receiver)
    assert make_labeled_statsd(conf, LOG, "file", "section") is None
    assert make_labeled_statsd({"statsd_label_mode": "graphite"}, LOG, "file", "section") is None
    assert make_statsd({**conf, "statsd_emit_legacy": "no"}, "x", LOG, "file", "section") is None


@pytest.mark.parametrize(
    "option, value",
    [
        ("statsd_label_mode", "prometheus"),
        ("statsd_user_label_a-b", "x"),
        ("statsd_user_label_a", "x,y=z"),
    ],
)
def test_what_is_no_label_is_refused(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=option):
        make_labeled_statsd({option: value}, LOG, "file", "section")


def entry_of(path: str, path_info: str = "", **environ: str) -> Entry:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path_info or path.partition("?")[0], **environ}
    return Entry(environ, path, 1.0, 3.0, 2.0, 499, 200, 5, 7, "1")


@pytest.mark.parametrize(
    "path, path_info, names",
    [
        ("/v1/a/c/o?x=1", "", ("a", "c", "object")),
        ("/v1/a/c/", "", ("a", "c", "container")),
        ("/v1/a", "", ("a", None, "account")),
        ("/v1/a%2C/c%7Cc%3A/o", "", ("a%2C", "c%7Cc%3A", "object")),
        ("/o", "/v1/a/c/o", ("a", "c", "object")),  # a filter has found out whose it is
        ("/o", "/v1/a,=/c|#/o", ("a%2C%3D", "c%7C%23", "object")),
        ("/info", "", (None, None, "FP")),
        ("/", "", (None, None, "FP")),
        ("", "", (None, None, "FP")),
        ("/v2/a/c", "", (None, None, "FP")),
        ("/v1//c", "", (None, "c", "container")),
    ],
)
def test_the_labels_of_a_clients_request(path: str, path_info: str, names: tuple[str | None, ...]) -> None:
    labels = request_labels(entry_of(path, path_info, **{"swift.source": "FP"}), "GET")
    assert (labels["account"], labels.get("container"), labels["resource"]) == names
    assert not set(",=|#;: \n") & set("".join(str(value) for value in labels.values()))


def test_the_proxy_tells_with_labels_what_it_tells_by_names(receiver: socket.socket) -> None:
    RequestMetrics(None, ["GET"], labeled_of(receiver, "librato")).tell(entry_of("/v1/a/c/o"))
    labels = "#account=a,api=swift,container=c,method=GET,policy=1,resource=object,status=200"
    start = "swift_proxy_server"
    assert heard(receiver, 4) == [
        f"{start}_request_ttfb{labels}:1000.0|ms",
        f"{start}_request_timing{labels}:2000.0|ms",
        f"{start}_request_body_bytes{labels}:5|c",
        f"{start}_response_body_bytes{labels}:7|c",
    ]


def test_a_body_that_is_under_way_is_told_of_in_the_end_and_before_where_time_is_up(receiver: socket.socket) -> None:
    entry = entry_of("/v1/a/c/o")
    patient = RequestMetrics(None, ["GET"], labeled_of(receiver, "librato"), 3600.0)
    eager = RequestMetrics(None, ["GET"], labeled_of(receiver, "librato"), 0.0)
    for metrics, of_answer in ((patient, False), (eager, True)):
        meter = metrics.meter(entry, of_answer)
        for size, is_last in ((3, False), (4, False), (0, True)):
            meter(size, is_last)
    labels = "account=a,api=swift,container=c,method=GET"
    answer = f"swift_proxy_server_response_body_streaming_bytes#{labels},policy=1,resource=object,status=200"
    assert heard(receiver, 3) == [
        f"swift_proxy_server_request_body_streaming_bytes#{labels},resource=object:7|c",
        f"{answer}:3|c",
        f"{answer}:4|c",
    ]
    assert not RequestMetrics(None, ["GET"], labeled_of(receiver, "librato")).follows_bodies


@pytest.mark.parametrize(
    "method, path, labels",
    [
        ("PUT", "/sda/7/a/c/o/p", {"account": "a", "container": "c"}),
        ("HEAD", "/sda/7/a,=/c|#/o", {"account": "a%2C%3D", "container": "c%7C%23"}),
        ("REPLICATE", "/sda/7", {"skip_rehash": False}),
        ("REPLICATE", "/sda/7/abc-def", {"skip_rehash": True}),
        ("SSYNC", "/sda/7", {}),
        ("GET", "/", {}),
        ("B:R|W", "/", {}),
    ],
)
def test_the_labels_of_an_object_servers_request(method: str, path: str, labels: dict[str, object]) -> None:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_X_BACKEND_STORAGE_POLICY_INDEX": "1"}
    known = "BAD_METHOD" if ":" in method else method
    assert object_labels(environ, 201) == {"method": known, "status": 201, "policy": "1", **labels}
    environ["HTTP_X_BACKEND_STORAGE_POLICY_INDEX"] = "1|c"
    assert object_labels(environ, 201)["policy"] == "0"
