"""Traces of OpenTelemetry: one request from the proxy to the disk, as a collector gets it."""

import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from functional.cluster import Cluster
from swiftlite import testing
from swiftlite.cli import children

KINDS = ("proxy", "object", "container", "account")
PATIENT = {"flush_timeout": "25"}
"""The last spans are waited for, though this machine may be a busy one."""


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        message = ExportTraceServiceRequest.FromString(body)
        for resource in message.resource_spans:
            name = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                self.server.spans.extend((name, span) for span in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def collector():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.spans = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def traced(collector, **options):
    """A store whose servers all have the filter."""
    values = {
        "use": "egg:swiftlite#tracing",
        "endpoint": f"http://127.0.0.1:{collector.server_port}/v1/traces",
        **PATIENT,
        **options,
    }
    settings = {
        kind: {
            "filter:tracing": values,
            "pipeline:main": {"pipeline": f"tracing {kind}-server"},
        }
        for kind in KINDS
    }
    pipeline = "catch_errors tracing gatekeeper proxy-logging cache listing_formats tempauth copy slo dlo versioned_writes symlink"
    settings["proxy"]["pipeline:main"]["pipeline"] = f"{pipeline} proxy-logging proxy-server"
    return testing.store(settings=settings)


def spans_of(collector, transaction, *wanted):
    """All spans of the trace whose root tells this transaction, once those wanted are among them."""
    deadline = time.monotonic() + 120
    while True:
        roots = [
            span
            for _, span in collector.spans
            if not span.parent_span_id and attributes(span).get("swift.trans_id") == transaction
        ]
        found = [(name, span) for name, span in collector.spans if roots and span.trace_id == roots[0].trace_id]
        if roots and {span.name for _, span in found} >= set(wanted):
            return found
        assert time.monotonic() < deadline, [(name, span.name) for name, span in found]
        time.sleep(0.05)


def names_above(span, by_id):
    """The names of the spans that a span is in, the nearest first."""
    while (span := by_id.get(span.parent_span_id)) is not None:
        yield span.name


def attributes(span):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def test_a_put_is_one_trace_down_to_the_disk(collector):
    with traced(collector, service_name="") as store:
        store.request("PUT", "c")
        answer = store.request("PUT", "c/an%20object", b"traced")
        assert answer.status == 201
    steps = ("send to object servers", "put object file in place", "tell container servers", "note row")
    found = spans_of(collector, answer.headers["X-Trans-Id"], "PUT", *steps)
    by_id = {span.span_id: span for _, span in found}
    named = {span.name: span for _, span in found}
    chain = ["PUT", "backend PUT", "ask storage servers", "send to object servers", "PUT"]
    assert list(names_above(named["put object file in place"], by_id)) == chain
    # The container server's, below the object server's request to it.
    assert list(names_above(named["note row"], by_id)) == ["PUT", "backend PUT", "tell container servers", *chain]
    (root,) = [span for _, span in found if not span.parent_span_id]
    assert attributes(root)["url.path"] == "/v1/AUTH_test/c/an%20object"
    assert attributes(root)["http.response.status_code"] == 201
    for facts in [attributes(span) for _, span in found if span.name == "backend PUT"]:
        assert facts["url.path"] == f"/{facts['swift.device']}/{facts['swift.partition']}/AUTH_test/c/an%20object"
        assert facts["http.response.status_code"] == 201 and facts["swift.handoff"] is False
        assert facts["server.address"] == "127.0.0.1" and facts["server.port"] > 0


def test_a_get_is_traced_to_the_end_of_its_body(collector):
    with traced(collector) as store:
        store.request("PUT", "c")
        store.request("PUT", "c/o", b"x" * 1_000_000)
        answer = store.request("GET", "c/o")
        assert len(answer.body) == 1_000_000
    found = spans_of(collector, answer.headers["X-Trans-Id"], "GET", "find object", "open object file")
    names = [span.name for _, span in found]
    assert names.count("GET") == 2 and names.count("backend GET") == 1


@pytest.mark.parametrize("trust, joined", [("yes", True), ("no", False)])
def test_a_clients_trace_is_joined_where_clients_are_trusted(collector, trust, joined):
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    with traced(collector, trust_parent=trust) as store:
        transaction = store.request("HEAD", "", headers={"traceparent": parent}).headers["X-Trans-Id"]
    mine = [span for _, span in collector.spans if attributes(span).get("swift.trans_id") == transaction]
    assert any(span.trace_id == bytes.fromhex("ab" * 16) for span in mine) == joined
    assert mine


def test_none_are_made_with_a_ratio_of_nothing(collector):
    with traced(collector, sample_ratio="0") as store:
        quiet = store.request("PUT", "c").headers["X-Trans-Id"]
    with traced(collector) as store:
        loud = store.request("PUT", "c").headers["X-Trans-Id"]
    spans_of(collector, loud)
    assert not [span for _, span in collector.spans if attributes(span).get("swift.trans_id") == quiet]


@pytest.fixture
def account_server(collector, tmp_path):
    """One server of a cluster, with a worker of its own."""
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    values = {"use": "egg:swiftlite#tracing", "endpoint": endpoint, **PATIENT}
    pipeline = {"pipeline:main": {"pipeline": "healthcheck tracing account-server"}, "filter:tracing": values}
    cluster = Cluster(tmp_path, settings={"account": pipeline})
    server = cluster.server("account-server")
    server.start()
    yield server
    cluster.remove()


def test_the_last_spans_of_a_worker_are_not_lost(collector, account_server):
    """Every request of its last second is sent when it ends: because others have taken its place, or for good."""
    made = 0

    def ask():
        nonlocal made
        headers = {"X-Trans-Id": f"tx{made}"}
        assert children.request(account_server.address, "HEAD", "/d1/0/AUTH_none", headers, 60)[0] == 404
        made += 1

    ask()
    before = workers_of(account_server.running.pid)
    account_server.running.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 120
    while not before.isdisjoint(workers_of(account_server.running.pid)):
        ask()  # the old worker is asked until others are there
        assert time.monotonic() < deadline
    ask()
    account_server.running.terminate()
    account_server.running.wait(120)
    told = {attributes(span).get("swift.trans_id") for _, span in collector.spans}
    assert [number for number in range(made) if f"tx{number}" not in told] == []


def workers_of(pid):
    """The processes that a server has started; the trial of a reload may be among them."""
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def test_a_collector_that_is_away_does_no_harm(collector):
    with traced(collector, endpoint="http://127.0.0.1:9/v1/traces", flush_timeout="1") as store:
        assert store.request("PUT", "c").status == 201
        assert store.request("PUT", "c/o", b"x").status == 201


def test_a_ratio_that_is_none_is_refused(collector):
    with pytest.raises(testing.StoreError, match="sample_ratio"), traced(collector, sample_ratio="2"):
        pass
