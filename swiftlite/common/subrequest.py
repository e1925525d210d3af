"""Subrequests: what a filter asks of the rest of its pipeline for the sake of a client's request."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from swiftlite.common.web import environ_key
from swiftlite.core.query import parse_query

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
WSGIApp = Callable[..., Iterable[bytes]]

_ESCAPED_NAME = re.compile(r"(?:^|&)[^=&]*%").search

POST_AS_COPY = "swift.post_as_copy"
"""Set where a GET and a PUT do a POST's work: no version is made of what is replaced, a manifest is read and written
as it is stored."""

KEPT = (
    "HTTP_HOST",
    "HTTP_ORIGIN",
    "HTTP_REFERER",
    "HTTP_USER_AGENT",
    "HTTP_X_DOMAIN_ID",
    "HTTP_X_PROJECT_DOMAIN_ID",
    "HTTP_X_USER_ID",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_USER",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "swift.authorize",
    "swift.authorize_override",
    "swift.cache",
    "swift.infocache",
    "swift.reseller_request",
    "swift.trans_id",
    "swift_owner",
    "wsgi.errors",
    "wsgi.multiprocess",
    "wsgi.multithread",
    "wsgi.run_once",
    "wsgi.url_scheme",
    "wsgi.version",
)
"""What every subrequest has in common with the request that it serves."""


def make_environ(
    environ: Environ,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Any = b"",
    source: str | None = None,
) -> Environ:
    """A request by the same client, who must be allowed to send it.

    :param path: decoded, a WSGI string
    :param query: as it stands in a URL, without the question mark
    :param headers: names in any case, values WSGI strings
    :param body: bytes, or an object with ``read(size)``: then a ``Content-Length`` among the headers tells how much it
        gives; without one it is read to its end
    :param source: who asks, as the log calls it: ``COPY``, ``SLO``…
    """
    made: Environ = {key: environ[key] for key in KEPT if key in environ}
    made["REQUEST_METHOD"] = made["swift.orig_req_method"] = method
    made["SCRIPT_NAME"] = ""
    made["PATH_INFO"] = path
    made["QUERY_STRING"] = query
    if source or "swift.source" in environ:
        made["swift.source"] = source or environ["swift.source"]
    if isinstance(body, bytes):
        made["CONTENT_LENGTH"] = str(len(body))
        made["wsgi.input"] = io.BytesIO(body)
    else:
        made["wsgi.input"] = body
    for name, value in headers:
        made[environ_key(name)] = value
    if not isinstance(body, bytes) and "CONTENT_LENGTH" not in made:
        made["HTTP_TRANSFER_ENCODING"] = "chunked"
    return made


def query_of(environ: Environ) -> dict[str, str]:
    """The parameters of a request's query as WSGI strings; of a repeated one the last."""
    query = environ.get("QUERY_STRING")
    return parse_query(query) if query else {}


def may_have(query: str, parameter: str) -> bool:
    """Whether a query may have a parameter: a quick look, for most have none and need not be decoded."""
    return parameter in query or ("%" in query and _ESCAPED_NAME(query) is not None)


def trust(environ: Environ) -> Environ:
    """Make a subrequest one of our own: nobody is asked whether it may be done, reserved names may be used."""
    environ["swift.authorize"] = lambda _request: None
    environ["swift.authorize_override"] = True
    environ["swift_owner"] = True
    environ["REMOTE_USER"] = ".wsgi.pre_authed"
    environ["HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"] = "true"
    return environ


class SubResponse:
    """The answer to a request: its head, and a body that is still to be read, sent on or closed.

    :param body: iterated once; its ``close`` is called when it is done with
    """

    __slots__ = ("body", "headers", "status_line")

    def __init__(self, status_line: str, headers: Headers, body: Iterable[bytes]) -> None:
        self.status_line = status_line
        self.headers = headers
        self.body = body

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.status_line[:3])

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status_line[0] == "2"

    def header(self, name: str, default: str | None = None) -> str | None:
        """The value of a header, its name in any case."""
        name = name.lower()
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return default

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.body
        finally:
            self.close()

    def read(self, limit: int | None = None) -> bytes:
        """All of the body.

        :param limit: bytes that are read at most; the rest is dropped
        """
        chunks, size = [], 0
        for chunk in self:
            chunks.append(chunk)
            size += len(chunk)
            if limit is not None and size >= limit:
                break
        self.close()
        return b"".join(chunks)[:limit]

    def close(self) -> None:
        """Let go of the body, read or not."""
        close = getattr(self.body, "close", None)
        if close is not None:
            close()

    def forward(self, start_response: StartResponse) -> Iterable[bytes]:
        """Send head and body on as they are."""
        start_response(self.status_line, self.headers)
        return self.body


class BodyReader:
    """A body's pieces as a file to ``read`` from: a GET's body as the body of a PUT."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._pieces = iter(body)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, ``b""`` at the end; all that is left when it is negative."""
        if size is None or size < 0:
            rest, self._rest = self._rest, b""
            return rest + b"".join(self._pieces)
        while not self._rest and size:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def call(app: WSGIApp, environ: Environ) -> SubResponse:
    """Send a request down the pipeline and return its answer as soon as its head is known."""
    held: list[Any] = []

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> None:
        held[:] = status, headers

    body = app(environ, start_response)
    if not held:
        body = _started(body)
    return SubResponse(held[0], held[1], body)


def _started(body: Iterable[bytes]) -> Iterable[bytes]:
    """The body, read as far as it takes until ``start_response`` was called (PEP 3333 allows to do that late)."""
    pieces = iter(body)
    first = next(pieces, b"")

    def rest() -> Iterator[bytes]:
        try:
            if first:
                yield first
            yield from pieces
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    return rest()


def object_path(environ: Environ) -> tuple[str, str, str, str] | None:
    """Version, account, container and object of a request's path as WSGI strings; None when it names no object."""
    parts = environ["PATH_INFO"].split("/", 4)
    if len(parts) == 5 and parts[1] and parts[2] and parts[3] and parts[4]:
        return parts[1], parts[2], parts[3], parts[4]
    return None
