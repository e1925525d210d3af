"""What a server is called in traces; spans cost nothing while nobody wants them."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from swiftlite.common import tracing
from swiftlite.http import reply
from swiftlite.middleware.tracing import TracingFilter, default_name


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
    monkeypatch.setattr(reply, "ambient_headers", None)  # another test may have loaded the filter
    tracing.stop()

    @tracing.traced("step")
    def step(number):
        return number + 1

    assert step(1) == 2
    assert step.__name__ == "step"
    assert b"traceparent" not in reply.format_request(("127.0.0.1", 1), "GET", "/", [], None)


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
