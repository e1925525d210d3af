"""What a server is called in traces; spans cost nothing while nobody wants them."""

import socket
import threading

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from swiftlite.common import tracing
from swiftlite.core.hosts import HandoffAddress
from swiftlite.http import reply
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.middleware.tracing import TracingFilter, default_name

ADDRESS = ("127.0.0.1", 1)
"""Nobody listens there."""


@pytest.mark.parametrize(
    "conf, name",
    [
        ("/etc/swift/proxy-server.conf", "proxy-server"),
        ("/etc/swift/object-server/1.conf", "object-server"),
        ("/etc/swift/object-server", "object-server"),
        ("conf", "swift"),
    ],
)
def test_a_server_is_called_as_its_conf_file(conf, name):
    assert default_name(conf) == name


def test_nothing_is_traced_until_it_is_on(monkeypatch):
    monkeypatch.setattr(reply, "follow", None)  # another test may have loaded the filter
    tracing.stop()

    @tracing.traced("step")
    def step(number):
        return number + 1

    assert step(1) == 2
    assert step.__name__ == "step"
    asked = reply.Asked(ADDRESS, "GET", "/")
    assert asked.followed is None
    assert b"traceparent" not in reply.format_request(ADDRESS, asked, [], None)


@pytest.fixture
def spans(monkeypatch):
    """Those that have ended; requests to other servers are followed."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    made = tracing.Tracing(provider.get_tracer("test"), TraceContextTextMapPropagator(), provider.force_flush)
    monkeypatch.setattr(reply, "follow", made.follow)
    exporter.tracer = made.tracer
    return exporter


def test_the_end_waits_for_each_collector_as_long_as_its_filter_says(monkeypatch):
    monkeypatch.setattr(tracing, "_senders", [])
    monkeypatch.setattr(tracing, "_tracing", None)
    never, began, sent = threading.Event(), threading.Event(), []

    def send():
        assert began.wait(60)
        sent.append("spans")

    def hang():
        began.set()
        never.wait(60)

    for sender, patience in ((send, 60.0), (hang, 0.0)):
        tracing.Tracing(None, None, sender, patience).start()
    tracing.flush()
    assert sent == ["spans"] and not never.is_set()
    never.set()


class Answering(threading.Thread):
    """A server that gives one answer to each connection, and keeps what it was asked."""

    def __init__(self, *answers):
        super().__init__(daemon=True)
        self.answers, self.asked = answers, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.start()

    def run(self):
        for answer in self.answers:
            connection, _ = self.listener.accept()
            with connection:
                asked = connection.recv(65536)
                # A body is read to its end: who closes before tears the answer out of the client's hands.
                while b"chunked" in asked and not asked.endswith(b"0\r\n\r\n"):
                    if not (more := connection.recv(65536)):
                        break
                    asked += more
                self.asked.append(asked)
                connection.sendall(answer)
        self.listener.close()


TARGET = "/sdb1/77/AUTH_a/c/o?x=1"
FACTS = {
    "http.request.method": "GET",
    "url.path": "/sdb1/77/AUTH_a/c/o",
    "swift.device": "sdb1",
    "swift.partition": "77",
}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("is_handoff", [False, True])
def test_a_request_to_a_server_is_a_span_until_its_answer_is_read(spans, is_handoff):
    server = Answering(OK)
    address = HandoffAddress(server.address) if is_handoff else server.address
    with spans.tracer.start_as_current_span("step") as step:
        response = Client().request(address, "GET", TARGET, {"X-A": "1"})
        assert not spans.get_finished_spans()
        assert response.read() == b"ok"
        (span,) = spans.get_finished_spans()
    place = {"server.address": server.address[0], "server.port": server.address[1], "swift.handoff": is_handoff}
    assert span.name == "backend GET" and span.kind is trace.SpanKind.CLIENT
    assert dict(span.attributes) == {**FACTS, **place, "http.response.status_code": 200}
    assert span.parent.span_id == step.get_span_context().span_id
    sent = f"traceparent: 00-{span.context.trace_id:032x}-{span.context.span_id:016x}-".encode()
    assert server.asked[0].count(b"traceparent") == 1 and sent in server.asked[0]
    assert span.status.status_code is trace.StatusCode.UNSET


def closed_early(address):
    response = Client().request(address, "GET", TARGET, {})
    response.close()
    response.close()


def drained(address):
    Client().request(address, "GET", TARGET, {}).drain()


def given_up(address):
    Client().start(address, "GET", TARGET, {}).close()


def uploaded(address):
    upload = Client().open(address, "GET", TARGET, {})
    upload.finish_chunks()
    drained = upload.response()
    drained.drain()


def broken_off(address):
    Client().open(address, "GET", TARGET, {}).close()


def refused_line_end(address):
    Client().start(address, "GET", TARGET, {"X-A": "1\n2"})


ERROR, FINE = trace.StatusCode.ERROR, trace.StatusCode.UNSET


@pytest.mark.parametrize(
    ("act", "answer", "code", "says"),
    [
        (drained, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", FINE, None),
        (drained, b"HTTP/1.1 507 Full\r\nContent-Length: 0\r\n\r\n", ERROR, None),
        (drained, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", ERROR, "4 bytes are missing"),
        (drained, b"", ERROR, "before a response"),
        (drained, b"nonsense\r\n\r\n", ERROR, ""),
        (closed_early, OK, FINE, None),
        (given_up, OK, ERROR, "not waited for"),
        (uploaded, OK, FINE, None),
        (uploaded, b"", ERROR, "before a response"),
        (broken_off, OK, ERROR, "not waited for"),
        (refused_line_end, OK, ERROR, "line end"),
    ],
)
def test_however_a_request_ends_so_does_its_span(spans, act, answer, code, says):
    server = Answering(answer)
    with spans.tracer.start_as_current_span("step"):
        try:
            act(server.address)
        except (BackendError, ValueError):
            assert code is ERROR
        (span,) = spans.get_finished_spans()
    assert span.status.status_code is code
    assert says is None or says in span.status.description


def test_a_server_that_is_not_there_ends_the_span_too(spans):
    with spans.tracer.start_as_current_span("step"):
        with pytest.raises(BackendError):
            Client().start(ADDRESS, "GET", TARGET, {})
        with pytest.raises(BackendError):
            Client().open(ADDRESS, "GET", TARGET, {})
        found = spans.get_finished_spans()
    assert [span.status.status_code for span in found] == [ERROR] * 2
    assert all("cannot connect" in span.status.description for span in found)


def test_a_request_that_belongs_to_no_trace_begins_none(spans):
    assert reply.Asked(ADDRESS, "GET", TARGET).followed is None


class Body:
    """Two pieces, and a failure in place of the second if that is wanted."""

    def __init__(self, fails):
        self.pieces = iter([b"one", ValueError("lost") if fails else b"two"])
        self.is_closed = False

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.pieces)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("trusts", [True, False])
@pytest.mark.parametrize(("read", "fails"), [(0, False), (1, False), (3, False), (2, True)])
def test_however_a_body_ends_so_does_its_span(trusts, read, fails):
    """A HEAD's body is never begun, a client leaves in the middle: nothing stays for the connection's next request."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    made = tracing.Tracing(provider.get_tracer("test"), TraceContextTextMapPropagator())
    bodies = []

    def app(environ, start_response):
        start_response("200 OK", [])
        bodies.append(Body(fails))
        return bodies[-1]

    traced = TracingFilter(app, made, trusts, trace.SpanKind.SERVER)
    for _ in range(2):
        body = traced({"REQUEST_METHOD": "GET"}, lambda *_: None)
        try:
            for _ in range(read):
                next(body)
        except (StopIteration, ValueError):
            pass
        body.close()
        assert not trace.get_current_span().get_span_context().is_valid
    assert all(body.is_closed for body in bodies)
    finished = spans.get_finished_spans()
    assert len(finished) == 2 and not any(span.parent for span in finished)
    assert [span.status.is_ok for span in finished] == [not fails] * 2
