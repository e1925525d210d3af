"""Spans of OpenTelemetry traces: what a process does for a request, step by step; costs next to nothing until it is on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_tracing: Tracing | None = None
"""Set by the filter tracing, for the whole process."""


class Tracing:
    """Makes spans.

    :param tracer: OpenTelemetry's
    :param propagator: reads and writes the header that joins the spans of different servers (W3C Trace Context)
    """

    def __init__(self, tracer: Any, propagator: Any) -> None:
        self.tracer = tracer
        self.propagator = propagator

    def start(self) -> None:
        """From now on :func:`traced` makes spans."""
        global _tracing
        _tracing = self

    def headers(self) -> list[tuple[str, str]]:
        """What a request to another server says of the current span."""
        carrier: dict[str, str] = {}
        self.propagator.inject(carrier)
        return list(carrier.items())

    def context_of(self, environ: Mapping[str, Any]) -> Any:
        """The span that a request was made in, as its headers tell."""
        names = ("traceparent", "tracestate")
        found = {name: environ[f"HTTP_{name.upper()}"] for name in names if f"HTTP_{name.upper()}" in environ}
        return self.propagator.extract(found)


def stop() -> None:
    """Make no more spans."""
    global _tracing
    _tracing = None


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
