"""Spans of OpenTelemetry traces: what a process does for a request, step by step; costs next to nothing until it is on."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from swiftlite.core.hosts import HandoffAddress

F = TypeVar("F", bound=Callable[..., Any])

_tracing: Tracing | None = None
"""Set by the filter tracing, for the whole process."""
_senders: list[tuple[Callable[[], object], float]] = []
"""Of all such filters of the process: where it has several servers, each has spans of its own to send, in so many seconds."""


class Tracing:
    """Makes spans.

    :param tracer: OpenTelemetry's
    :param propagator: reads and writes the header that joins the spans of different servers (W3C Trace Context)
    :param send: sends all spans that have ended and were not sent
    :param patience: seconds that it may take when the process ends
    """

    def __init__(self, tracer: Any, propagator: Any, send: Callable[[], object] = bool, patience: float = 1.0) -> None:
        from opentelemetry import trace

        self.api = trace
        self.tracer = tracer
        self.propagator = propagator
        self.send = send
        self.patience = patience

    def start(self) -> None:
        """From now on :func:`traced` makes spans."""
        global _tracing
        _tracing = self
        _senders.append((self.send, self.patience))

    def context_of(self, environ: Mapping[str, Any]) -> Any:
        """The span that a request was made in, as its headers tell."""
        names = ("traceparent", "tracestate")
        found = {name: environ[f"HTTP_{name.upper()}"] for name in names if f"HTTP_{name.upper()}" in environ}
        return self.propagator.extract(found)

    def follow(self, address: tuple[str, int], method: str, path: str) -> Asking | None:
        """A span for a request to another server (``http.reply.follow``); None where nothing is traced now."""
        if not self.api.get_current_span().get_span_context().is_valid:
            return None
        facts = asking_facts(address, method, path)
        span = self.tracer.start_span(f"backend {method}", kind=self.api.SpanKind.CLIENT, attributes=facts)
        carrier: dict[str, str] = {}
        self.propagator.inject(carrier, self.api.set_span_in_context(span))
        return Asking(span, list(carrier.items()), self.api.StatusCode.ERROR)


class Asking:
    """The span of a request to another server: until its answer has been read.

    :param headers: tell the server whose trace it is part of
    :param failure: OpenTelemetry's word for it
    """

    __slots__ = ("_failure", "_is_answered", "_span", "headers")

    def __init__(self, span: Any, headers: list[tuple[str, str]], failure: Any) -> None:
        self.headers = headers
        self._span = span
        self._failure = failure
        self._is_answered = False

    def answered(self, status: int) -> None:
        """The head of the answer has come; that something is not there (404) is no failure between our servers."""
        self._is_answered = True
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)
            if status >= 500:
                self._span.set_status(self._failure)

    def ended(self, error: BaseException | None = None) -> None:
        """The answer has been read, or given up; only the first time counts."""
        span, self._span = self._span, None
        if span is None:
            return
        if error is not None:
            span.set_status(self._failure, str(error))
        elif not self._is_answered:
            span.set_status(self._failure, "its answer was not waited for")
        span.end()


def asking_facts(address: tuple[str, int], method: str, path: str) -> dict[str, str | int | bool]:
    """What a span says of a request to a storage server: OpenTelemetry's names, and which node it is.

    :param path: ``/device/partition/account…``, with a query if there is one
    """
    bare = path.partition("?")[0]
    device, _, rest = bare[1:].partition("/")
    return {
        "http.request.method": method,
        "server.address": address[0],
        "server.port": address[1],
        "url.path": bare,
        "swift.device": device,
        "swift.partition": rest.partition("/")[0],
        "swift.handoff": isinstance(address, HandoffAddress),
    }


def stop() -> None:
    """Make no more spans."""
    global _tracing
    _tracing = None


def flush() -> None:
    """Send what spans there are, as far as a collector takes them at once: this process is about to end."""
    # A collector that is away, or hangs, must not hold up the end.
    threads = [(threading.Thread(target=send, daemon=True), patience) for send, patience in _senders]
    _senders.clear()
    for thread, _ in threads:
        thread.start()
    started = time.monotonic()
    for thread, patience in threads:
        thread.join(max(0.0, started + patience - time.monotonic()))


def traced(name: str) -> Callable[[F], F]:
    """Make every call of a function a span."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if _tracing is None:
                return function(*args, **kwargs)
            with _tracing.tracer.start_as_current_span(name):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate
