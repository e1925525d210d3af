"""Responder: one WSGI response put on the wire, framed as its request allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from swiftlite.http.head import RequestHead
from swiftlite.http.input import Input
from swiftlite.http.stream import Stream

if TYPE_CHECKING:
    from swiftlite.http.server import HTTPServer

JOIN_BELOW = 8192
"""A first chunk smaller than this is joined to the head; a bigger one goes beside it, uncopied."""
DRAIN_LIMIT = 65536
"""Bytes of an unread request body that are read away to keep the connection."""

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
NO_BODY, FIXED, CHUNKED, UNTIL_CLOSE = "no body", "fixed", "chunked", "until close"

_date = (0, "")


def http_date() -> str:
    """Return the present as an IMF-fixdate, formatted once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True))
    return _date[1]


class ResponseError(Exception):
    """The application broke the rules of WSGI or of HTTP in its response."""


class Responder:
    """Runs an application for one request and sends what it answers.

    Args:
        server: tells how long the client may take no bytes, and whether connections can be kept at all.
        stream: the client's connection.
        request: what was asked.
        body: the request body, to decide whether the connection can be used again.
    """

    __slots__ = (
        "_headers",
        "_left",
        "_status",
        "body",
        "client_left",
        "head_sent",
        "keep_alive",
        "mode",
        "request",
        "sent",
        "server",
        "stream",
        "timeout",
    )

    def __init__(self, server: HTTPServer, stream: Stream, request: RequestHead, body: Input) -> None:
        self.server = server
        self.stream = stream
        self.request = request
        self.body = body
        self.timeout = server.options.client_timeout
        self.keep_alive = request.keep_alive
        """After the response: the connection can carry another request."""
        self.head_sent = False
        self.client_left = False
        """The connection ended before the answer did."""
        self.sent = 0
        """Bytes of the body that were put on the wire."""
        self.mode = ""
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._left = 0

    @property
    def outcome(self) -> int:
        """What became of the request: the status; 499 where the client left, 500 where there was no answer."""
        if self.client_left:
            return 499
        return int(self._status[:3]) if self.head_sent else 500

    def run(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        """Call the application and send its whole response.

        Raises:
            ResponseError: it yielded more or fewer bytes than its Content-Length; the connection must be reset.
            StreamTimeout, StreamClosed: the client takes no more.
        """
        result = app(environ, self.start_response)
        try:
            if isinstance(result, (list, tuple)):
                self._send_whole(result[0] if len(result) == 1 else b"".join(result))
            else:
                for chunk in result:
                    if chunk:
                        self.write(chunk)
                        if self.mode is NO_BODY:
                            break
                self._finish()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """WSGI's start_response (PEP 3333)."""
        if exc_info is not None and self.head_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status and exc_info is None:
            raise ResponseError("start_response was called twice")
        self._status, self._headers = status, headers
        return self.write

    def write(self, chunk: bytes) -> None:
        """Send the next piece of the body, with the head before the first."""
        parts = [] if self.head_sent else [self._begin(None)]
        mode, excess = self.mode, 0
        if mode is FIXED:
            excess = len(chunk) - self._left
            if excess > 0:
                chunk = chunk[: self._left]
            self._left -= len(chunk)
            parts.append(chunk)
        elif mode is CHUNKED:
            parts += (b"%x\r\n" % len(chunk), chunk, b"\r\n")
        elif mode is UNTIL_CLOSE:
            parts.append(chunk)
        self._send(parts)
        if mode is not NO_BODY:
            self.sent += len(chunk)
        if excess > 0:
            raise ResponseError(f"the application sent {excess} bytes more than its Content-Length")

    def _send_whole(self, body: bytes) -> None:
        if self.head_sent:
            if body:
                self.write(body)
            self._finish()
            return
        head = self._begin(len(body))
        if self.mode is NO_BODY or not body:
            self._send([head])
        else:
            self._send([head, body] if self.mode is not FIXED else [head, body[: self._left]])
            self.sent = len(body)
        if self.mode is FIXED and self._left != len(body):
            raise ResponseError(f"Content-Length is {self._left} but the body has {len(body)} bytes")

    def _finish(self) -> None:
        if not self.head_sent:
            self._send([self._begin(0)])
        if self.mode is FIXED and self._left:
            raise ResponseError(f"the body is {self._left} bytes shorter than its Content-Length")
        if self.mode is CHUNKED:
            self.stream.send(b"0\r\n\r\n", self.timeout)

    def _send(self, parts: list[bytes]) -> None:
        self.head_sent = True
        self.body.expects = False  # After a final response a 100 Continue would be taken for another one.
        if len(parts) == 1:
            self.stream.send(parts[0], self.timeout)
        elif sum(map(len, parts)) <= JOIN_BELOW:
            self.stream.send(b"".join(parts), self.timeout)
        else:
            self.stream.send_parts(parts, self.timeout)

    def _begin(self, known_length: int | None) -> bytes:
        """Decide the framing and return the head.

        Args:
            known_length: the length of the body where all of it is at hand.
        """
        if not self._status:
            raise ResponseError("the application did not call start_response")
        request, length, dated, lines = self.request, None, False, []
        for name, value in self._headers:
            key = name.lower()
            if key == "content-length":
                length = value
                continue
            if key == "connection":
                self.keep_alive = self.keep_alive and "close" not in value.lower()
                continue
            if key == "transfer-encoding" or key == "keep-alive":
                continue
            if key == "date":
                dated = True
            lines.append(f"{name}: {value}\r\n")
        self._frame(length, known_length, lines)
        if not dated:
            lines.append(f"Date: {http_date()}\r\n")
        self.keep_alive = self.keep_alive and not self.server.draining and self.body.can_be_drained(DRAIN_LIMIT)
        if not self.keep_alive:
            lines.append("Connection: close\r\n")
        elif not request.http11:
            lines.append("Connection: keep-alive\r\n")
        head = f"HTTP/1.1 {self._status}\r\n{''.join(lines)}\r\n"
        ends = len(lines) + 2
        if head.count("\n") != ends or head.count("\r") != ends or "\0" in head:
            raise ResponseError("a line end in the status or a header")
        return head.encode("latin-1")

    def _frame(self, length: str | None, known_length: int | None, lines: list[str]) -> None:
        """Set the mode and what is left to send; append the header that says so."""
        status = self._status[:3]
        if length is not None and not (length.isascii() and length.isdigit()):
            raise ResponseError(f"Content-Length is {length!r}")
        if self.request.method == "HEAD" or status in ("204", "304") or status[0] == "1":
            self.mode = NO_BODY
            if length is None and known_length is not None and status not in ("204", "304"):
                length = str(known_length)
            if length is not None and (status != "204" or length == "0"):
                lines.append(f"Content-Length: {length}\r\n")
            return
        if length is None and known_length is not None:
            length = str(known_length)
        if length is not None:
            self.mode, self._left = FIXED, int(length)
            lines.append(f"Content-Length: {length}\r\n")
        elif self.request.http11:
            self.mode = CHUNKED
            lines.append("Transfer-Encoding: chunked\r\n")
        else:
            self.mode, self.keep_alive = UNTIL_CLOSE, False
