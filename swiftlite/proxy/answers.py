"""PlainAnswer: an answer to a client without the cost of a response object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.common.web import default_body, status_line

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class PlainAnswer:
    """A status, a list of headers and a body; a WSGI application.

    :param status: status line without the version
    :param headers: (name, WSGI string) pairs
    :param body: bytes, or an iterable of them
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes | Iterable[bytes] = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(self.status, self.headers)
        body = self.body
        if body.__class__ is bytes:
            return [body] if body else []  # type: ignore[list-item]
        return body  # type: ignore[return-value]

    def header(self, name: str) -> str | None:
        """The value of a header, its name in any case."""
        name = name.lower()
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None


def empty(status: int, headers: list[tuple[str, str]] | None = None) -> PlainAnswer:
    """An answer without a body."""
    return PlainAnswer(
        status_line(status), [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", "0"), *(headers or ())]
    )


def standard(status: int, headers: list[tuple[str, str]] | None = None) -> PlainAnswer:
    """An answer with the status's usual body (formats.md 7.3)."""
    body = default_body(status)
    fixed = [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", str(len(body)))]
    return PlainAnswer(status_line(status), fixed + (headers or []), body)
