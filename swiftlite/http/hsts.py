"""HTTP Strict Transport Security: answers over TLS tell browsers to come by TLS only (RFC 6797)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.http.response import WSGIApp


def with_hsts(app: WSGIApp, max_age: int) -> WSGIApp:
    """The application, whose answers say so for ``max_age`` seconds where they go over TLS."""
    header = ("Strict-Transport-Security", f"max-age={max_age}")

    def told(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["wsgi.url_scheme"] != "https":  # Whoever listens in between could have written it.
            return app(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, header], exc_info)

        return app(environ, start)

    return told
