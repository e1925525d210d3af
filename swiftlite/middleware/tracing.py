"""Trace requests with OpenTelemetry: a span for each that this server gets, part of the trace of whoever asked it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swiftlite.common.config import ConfigError, option
from swiftlite.common.pipeline import WSGIApp, factory_options, factory_place
from swiftlite.common.tracing import Tracing
from swiftlite.core.names import quote_wsgi
from swiftlite.http import reply

EXPORT_MILLISECONDS = 1000
"""How often spans leave the process; the last ones leave when it ends (``common.tracing.flush``)."""


@dataclass(frozen=True)
class TracingOptions:
    """The filter's section."""

    endpoint: str = option("http://127.0.0.1:4318/v1/traces", "where spans are sent, by OTLP over HTTP")
    service_name: str = option("", "what traces call this server; default: its kind, as its conf file is named")
    sample_ratio: float = option(1.0, "share of the requests that are traced, where whoever asks has not decided that")
    trust_parent: bool = option(
        True,
        "join the trace that a request names, and record it if that says so; no, at a proxy: clients may not decide",
    )
    flush_timeout: float = option(
        1.0,
        "seconds that a worker which ends gives the collector to take its last spans; its server kills it in the end",
    )


class TracingFilter:
    """The filter.

    :param kind: OpenTelemetry's word for a span of a server
    """

    def __init__(self, app: WSGIApp, tracing: Tracing, trust_parent: bool, kind: Any) -> None:
        self.app = app
        self.tracing = tracing
        self.trust_parent = trust_parent
        self.kind = kind

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        parent = self.tracing.context_of(environ if self.trust_parent else {})
        starting = self.tracing.tracer.start_as_current_span(environ["REQUEST_METHOD"], context=parent, kind=self.kind)
        span = starting.__enter__()

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            span.set_attributes(_facts(environ, int(status[:3])))
            return start_response(status, headers, exc_info)

        try:
            body = self.app(environ, start)
        except BaseException as error:
            starting.__exit__(type(error), error, error.__traceback__)
            raise
        if isinstance(body, list):
            starting.__exit__(None, None, None)
            return body
        return _Watched(body, starting)


class _Watched:
    """The body; the span ends with it, or when the client leaves, even before it has got anything."""

    __slots__ = ("_body", "_chunks", "_starting")

    def __init__(self, body: Iterable[bytes], starting: AbstractContextManager[Any]) -> None:
        self._body = body
        self._chunks = iter(body)
        self._starting: AbstractContextManager[Any] | None = starting

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise

    def close(self) -> None:
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.__exit__(error and type(error), error, error and error.__traceback__)


def _facts(environ: dict[str, Any], status: int) -> dict[str, Any]:
    """What a span says of its request: OpenTelemetry's names, and the transaction's id."""
    return {
        "http.request.method": environ["REQUEST_METHOD"],
        "url.path": quote_wsgi(environ.get("PATH_INFO", "")),
        "http.response.status_code": status,
        "client.address": environ.get("REMOTE_ADDR", ""),
        "swift.trans_id": environ.get("swift.trans_id") or environ.get("HTTP_X_TRANS_ID", ""),
    }


def default_name(conf_file: str) -> str:
    """What a server is called whose conf is this file: ``object-server`` for ``object-server/1.conf``."""
    path = Path(conf_file)
    return next((name for name in (path.stem, path.parent.name) if name.endswith("-server")), "swift")


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: TracingOptions.

    :raises ConfigError: when one does not fit, or OpenTelemetry is not installed
    """
    conf = {**global_conf, **local_conf}
    options = factory_options(TracingOptions, conf)
    file, section = factory_place(conf)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        raise ConfigError(
            file, section, None, str(error), "pip install opentelemetry-sdk and its exporter: .[tracing]"
        ) from None
    if not 0 <= options.sample_ratio <= 1:
        raise ConfigError(file, section, "sample_ratio", "is not between 0 and 1", "correct it")
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(options.sample_ratio)),
        resource=Resource.create({"service.name": options.service_name or default_name(file)}),
        shutdown_on_exit=False,  # It waits for ever so long where the collector is away.
    )
    exporter = OTLPSpanExporter(endpoint=options.endpoint)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_MILLISECONDS))
    propagator = TraceContextTextMapPropagator()
    tracing = Tracing(provider.get_tracer("swiftlite"), propagator, provider.force_flush, options.flush_timeout)
    tracing.start()
    reply.follow = tracing.follow
    return lambda app: TracingFilter(app, tracing, options.trust_parent, SpanKind.SERVER)
