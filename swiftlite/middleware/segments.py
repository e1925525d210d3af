"""The body of a large object: the bytes of one segment after another, each held against what was promised."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from swiftlite.common.concurrency import GreenThread, sleep, spawn
from swiftlite.common.subrequest import Environ, SubResponse, WSGIApp, call, make_environ
from swiftlite.common.web import Answer, HTTPServiceUnavailable
from swiftlite.core.names import quote_wsgi
from swiftlite.http.errors import BackendError
from swiftlite.http.response import ResponseError

# Without it a segment that is a large object itself would be read as one.
AS_STORED = "multipart-manifest=get"
SHOWN_OF_A_BODY = 60
AHEAD = 256 * 1024
"""Bytes to go of a segment at which the next one is asked for. Not sooner: its server does not wait for ever, and a slow
client may take a minute for these."""


_CONDITIONS = {
    "If-Match": "HTTP_IF_MATCH",
    "If-None-Match": "HTTP_IF_NONE_MATCH",
    "If-Modified-Since": "HTTP_IF_MODIFIED_SINCE",
    "If-Unmodified-Since": "HTTP_IF_UNMODIFIED_SINCE",
}


def conditions_of(environ: Environ) -> dict[str, str]:
    """The conditions of a GET or HEAD: names as ``core.preconditions`` knows them, WSGI strings."""
    return {name: environ[key] for name, key in _CONDITIONS.items() if key in environ}


class SegmentError(ResponseError):
    """A segment is not what the large object's head promises: the transfer ends short, and the server logs why."""


class Part(NamedTuple):
    """Bytes of an object that belong to the large one.

    :ivar path: ``/v1/account/container/object``, a WSGI string
    :ivar first: the first byte
    :ivar stop: the byte after the last; None: to the object's end, wherever that is
    :ivar etag: what its ETag must be; None: any
    :ivar size: how many bytes the whole object must have; None: any
    """

    path: str
    first: int = 0
    stop: int | None = None
    etag: str | None = None
    size: int | None = None

    @property
    def range(self) -> str | None:
        """The Range to ask for, None for the whole object."""
        if self.stop is None or self.stop == self.size:
            return f"bytes={self.first}-" if self.first else None
        return f"bytes={self.first}-{self.stop - 1}"


@dataclass(slots=True)
class Pace:
    """Lets so many pass at once, and then so many a second.

    :param free: how many pass at once
    :param per_second: 0 for no limit
    """

    free: int
    per_second: float
    _next: float = 0.0

    def wait(self) -> None:
        """Return when one more may pass."""
        if self.per_second <= 0:
            return
        if self.free > 0:
            self.free -= 1
            return
        now = monotonic()
        if self._next > now:
            sleep(self._next - now)
        self._next = max(now, self._next) + 1 / self.per_second


class SegmentSource:
    """Reads segments for the client of a request, who must be allowed to read them.

    :param environ: the client's request
    :param kind: ``SLO`` or ``DLO``, for logs
    """

    def __init__(self, app: WSGIApp, environ: Environ, kind: str) -> None:
        self.app = app
        self.kind = kind
        self.name = quote_wsgi(environ["PATH_INFO"])
        headers = [("User-Agent", agent(environ, f"{kind} MultipartGET"))]
        if "HTTP_X_OPEN_EXPIRED" in environ:
            headers.append(("X-Open-Expired", environ["HTTP_X_OPEN_EXPIRED"]))
        self._like = make_environ(environ, "GET", "", query=AS_STORED, headers=headers, source=kind)

    def open(self, part: Part) -> SubResponse:
        """The answer to a GET of a part, if it is what it should be.

        :raises SegmentError: when it is not
        :raises Answer: 503 when that cannot be told now
        """
        environ: Environ = {**self._like, "PATH_INFO": part.path, "wsgi.input": io.BytesIO()}
        wanted = part.range
        if wanted is not None:
            environ["HTTP_RANGE"] = wanted
        response = call(self.app, environ)
        if not response.is_success:
            raise self._failure(part, response)
        etag = (response.header("Etag") or "").strip('"')
        length = int(response.header("Content-Length") or -1)
        expected = part.size if part.stop is None else part.stop - part.first
        if (part.etag is not None and etag != part.etag) or (expected is not None and length != expected):
            response.close()
            raise SegmentError(
                f"While processing manifest {self.name}, segment {quote_wsgi(part.path)} is no longer valid: "
                f"etag {etag}, expected {part.etag}; {length} bytes, expected {expected}"
            )
        return response

    def _failure(self, part: Part, response: SubResponse) -> Exception:
        text = response.read(SHOWN_OF_A_BODY).decode("utf-8", "replace")
        problem = (
            f"While processing manifest {self.name}, got {response.status} ({text}) while retrieving "
            f"{quote_wsgi(part.path)}"
        )
        if response.status >= 500:
            return Unavailable(problem)
        return SegmentError(problem)


class Unavailable(SegmentError):
    """No server could say what a segment is."""

    def answer(self) -> Answer:
        """What the client hears where nothing was sent yet."""
        return HTTPServiceUnavailable(content_type="text/plain")


class SegmentedBody:
    """The bytes of many parts as a WSGI body. Before one part is sent, the next is asked for.

    :param items: parts, and bytes that stand between them
    :param length: bytes that there must be; None: unknown
    :param seconds: how long the transfer may take
    """

    def __init__(
        self, source: SegmentSource, items: Iterable[Part | bytes], length: int | None, seconds: float
    ) -> None:
        self.source = source
        self.length = length
        self.seconds = seconds
        self._deadline = monotonic() + seconds
        self._items = iter(items)
        self._prepared: list[bytes | SubResponse] = []
        self._current: SubResponse | None = None
        self._ahead: GreenThread | None = None

    def start(self) -> None:
        """Ask for the first part, so that the client can still be told what is wrong with it.

        :raises SegmentError, Unavailable: for it
        """
        while (opened := self._open_next()) is not None:
            self._prepared.append(opened)
            if not isinstance(opened, bytes):
                return

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        try:
            for chunk in self._chunks():
                if left is not None:
                    left -= len(chunk)
                    if left < 0:
                        raise SegmentError(f"{self.source.name}: {-left} bytes too many from its segments")
                yield chunk
                if monotonic() > self._deadline:
                    raise SegmentError(f"{self.source.name}: not sent within {self.seconds} s (max_get_time)")
            if left:
                raise SegmentError(f"{self.source.name}: {left} bytes too few from its segments")
        finally:
            self.close()

    def close(self) -> None:
        """Let go of what is open, sent or not."""
        current, self._current = self._current, None
        ahead, self._ahead = self._ahead, None
        prepared, self._prepared = self._prepared, []
        if ahead is not None:
            ahead.kill()
            prepared.extend(_result(ahead))
        for opened in (current, *prepared):
            if opened is not None and not isinstance(opened, bytes):
                opened.close()

    def _chunks(self) -> Iterator[bytes]:
        prepared, self._prepared = self._prepared, []
        for opened in prepared:
            yield from self._send(opened)
        while (opened := self._take_next()) is not None:
            yield from self._send(opened)

    def _send(self, opened: bytes | SubResponse) -> Iterator[bytes]:
        if isinstance(opened, bytes):
            yield opened
            return
        self._current = opened
        left = int(opened.header("Content-Length") or -1)
        try:
            for chunk in opened:
                left -= len(chunk)
                if left <= AHEAD and self._ahead is None:
                    self._ahead = spawn(_caught, self._open_next)
                yield chunk
        except BackendError as error:
            raise SegmentError(f"{self.source.name}: {error}") from error
        if left > 0:
            raise SegmentError(f"{self.source.name}: a segment ended {left} bytes early")
        self._current = None

    def _take_next(self) -> bytes | SubResponse | None:
        """What was asked for ahead, or what comes next."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return self._open_next()
        opened, error = ahead.wait()
        if error is not None:
            raise error
        return opened

    def _open_next(self) -> bytes | SubResponse | None:
        item = next(self._items, None)
        return self.source.open(item) if isinstance(item, Part) else item


def _caught(function: Any) -> tuple[Any, Exception | None]:
    """The result, or the failure: a green thread's own would be printed where nobody asks for it."""
    try:
        return function(), None
    except Exception as error:
        return None, error


def _result(thread: GreenThread) -> list[Any]:
    """What a green thread that has ended, or was killed, gave."""
    try:
        return [thread.wait()[0]]
    except BaseException:  # it was killed: nothing
        return []


def agent(environ: Environ, who: str) -> str:
    """The User-Agent of a subrequest: the client's, and who asks for it."""
    return f"{environ.get('HTTP_USER_AGENT', '')} {who}".lstrip()
