"""A client's body on its way through the access log to the storage servers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fakes.http_server import ServerThread
from swiftlite.middleware.proxy_logging import ProxyLogging
from swiftlite.middleware.request_metrics import RequestMetrics
from swiftlite.proxy import upload

BODY = b"one two three"


class Labeled:
    """A statsd that is told with labels."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def increment(self, name: str, labels: object, by: int = 1) -> None:
        self.told.append((name, by))

    def timing(self, name: str, labels: object, seconds: float) -> None:
        pass


@pytest.mark.parametrize("is_metered", [False, True])
def test_what_a_slow_client_sends_goes_on_at_once_and_all_of_it_is_counted(
    monkeypatch: pytest.MonkeyPatch, is_metered: bool
) -> None:
    monkeypatch.setattr(upload, "PASS_ON", 0.01)
    pieces: list[bytes] = []
    took = threading.Semaphore(0)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = upload.ClientBody(environ, len(BODY), 1000, 8)
        while piece := body.read_chunk():
            pieces.append(piece)
            took.release()
        start_response("201 Created", [("Content-Length", "0")])
        return []

    labeled = Labeled()
    metrics = RequestMetrics(None, ["PUT"], labeled, 3600.0) if is_metered else None  # type: ignore[arg-type]
    received: list[int] = []
    logged = ProxyLogging(
        app, lambda entry: received.append(entry.received) or "", logging.getLogger("test"), False, metrics
    )
    with ServerThread(logged) as server, server.connect() as wire:
        wire.send(b"PUT /v1/a/c/o HTTP/1.1\r\nHost: h\r\nContent-Length: 13\r\n\r\n")
        for start in range(0, 13, 3):
            wire.send(BODY[start : start + 3])
            assert took.acquire(timeout=60)
        assert wire.read_response().status == 201
    assert b"".join(pieces) == BODY and received == [len(BODY)]
    streamed = [by for name, by in labeled.told if name == "swift_proxy_server_request_body_streaming_bytes"]
    assert streamed == ([len(BODY)] if is_metered else [])
