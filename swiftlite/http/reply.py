"""The client's end of one connection: a request put on the wire, a Response read from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, NoReturn, Protocol

from swiftlite.core.hosts import spell_address
from swiftlite.http.body import Body, ChunkedBody, FixedBody, UntilCloseBody
from swiftlite.http.errors import (
    Address,
    BadBody,
    BadResponse,
    NodeTimeout,
    PeerClosed,
    ShortBody,
    StreamClosed,
    StreamTimeout,
)
from swiftlite.http.head import Headers, ResponseHead, parse_response
from swiftlite.http.stream import Piece, Stream

if TYPE_CHECKING:
    from swiftlite.http.client import Client

CHUNK = 65536
MAX_RESPONSE_HEAD = 256 * 1024

HeaderPairs = Mapping[str, str] | Iterable[tuple[str, str]]


class Followed(Protocol):
    """One request to another server, in the eyes of somebody who follows what becomes of it."""

    headers: Iterable[tuple[str, str]]
    """What the request says besides."""

    def answered(self, status: int) -> None:
        """The head of the answer has come."""

    def ended(self, error: BaseException | None = None) -> None:
        """The answer has been read, or given up; only the first time counts.

        :param error: why it, or the rest of it, does not come
        """


follow: Callable[[Address, str, str], Followed | None] | None = None
"""Is told address, method and path of every request to another server, where a process has tracing on."""


class Response:
    """What a server answered: status and headers at once, the body as it is read.

    Read it to the end (or ``drain`` it) to give the connection back to the pool; ``close`` gives it up.
    """

    __slots__ = ("_asked", "_body", "_connection", "address", "headers", "reason", "status")

    def __init__(self, head: ResponseHead, connection: Connection, body: Body | None, asked: Asked) -> None:
        self._asked = asked
        self.status = head.status
        self.reason = head.reason
        self.headers: Headers = head.headers
        self.address = connection.address
        self._body = body
        self._connection: Connection | None = connection
        if not head.keep_alive or isinstance(body, UntilCloseBody):
            connection.reusable = False
        if body is None or body.done:
            self._finish()

    def read(self, size: int = -1) -> bytes:
        """Return what is there: at least one and at most ``size`` bytes, ``b""`` at the end; all without ``size``.

        Raises:
            ShortBody: the server died before the promised end.
            NodeTimeout: it sent nothing for ``node_timeout`` seconds.
            BadResponse: its chunked framing is wrong.
        """
        if size < 0:
            parts = []
            while part := self.read(CHUNK):
                parts.append(part)
            return b"".join(parts)
        if self._connection is None:
            return b""
        assert self._body is not None
        try:
            data = self._body.read_some(size)
        except (StreamTimeout, StreamClosed, BadBody) as error:
            self._fail(error)
        if self._body.done:
            self._finish()
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read what is there into ``buffer``; return the number of bytes, 0 at the end. Raises as ``read``."""
        if self._connection is None:
            return 0
        assert self._body is not None
        try:
            count = self._body.read_into(memoryview(buffer))
        except (StreamTimeout, StreamClosed, BadBody) as error:
            self._fail(error)
        if self._body.done:
            self._finish()
        return count

    def has_arrived(self) -> bool:
        """Tell whether more of the body, or the end of the connection, is there to be read; raises as ``read``."""
        if self._connection is None:
            return True
        if not isinstance(self._body, ChunkedBody):
            return self._connection.stream.has_arrived()
        try:
            return self._body.has_arrived()
        except BadBody as error:
            self._fail(error)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(CHUNK), b"")

    def drain(self, limit: int = CHUNK) -> None:
        """Read the rest away, if it is no more than ``limit`` bytes, so that the connection can be used again."""
        if isinstance(self._body, FixedBody) and self._body.remaining > limit:
            limit = 0
        try:
            while limit > 0 and (data := self.read(min(limit, CHUNK))):
                limit -= len(data)
        except (ShortBody, NodeTimeout, BadResponse):
            return
        self.close()

    def close(self) -> None:
        """Give up what was not read; harmless when repeated."""
        self._give_up(None)

    def _give_up(self, error: Exception | None) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.stream.close()
            self._asked.ended(error)

    def _finish(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()
            self._asked.ended()

    def _fail(self, error: Exception) -> NoReturn:
        self._give_up(error)
        if isinstance(error, StreamTimeout):
            raise NodeTimeout(self.address, "timed out while sending a response body") from None
        if isinstance(error, StreamClosed):
            raise ShortBody(self.address, f"response body ended early: {error}") from None
        raise BadResponse(self.address, str(error)) from None


class Asked:
    """What was asked, and when; remembered until the answer comes."""

    __slots__ = ("at", "followed", "method", "path")

    def __init__(self, address: Address, method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.at = monotonic()
        self.followed = None if follow is None else follow(address, method, path)

    def ended(self, error: BaseException | None = None) -> None:
        """Tell whoever follows it."""
        if self.followed is not None:
            self.followed.ended(error)


class Connection:
    """One connection to a server, in the hands of one request at a time."""

    __slots__ = ("address", "client", "idle_since", "reusable", "reused", "stream")

    def __init__(self, client: Client, stream: Stream, address: Address) -> None:
        self.client = client
        self.stream = stream
        self.address = address
        self.reused = False
        self.reusable = True
        self.idle_since = 0.0

    @property
    def is_replaceable(self) -> bool:
        """True for a kept connection without a byte of a response: the server has closed it meanwhile."""
        return self.reused and not self.stream.buffer

    def send(self, parts: Sequence[Piece], timeout: float) -> None:
        """Send; raise NodeTimeout or PeerClosed."""
        try:
            if len(parts) == 1:
                self.stream.send(parts[0], timeout)
            else:
                self.stream.send_parts(parts, timeout)
        except StreamTimeout:
            self.reusable = False
            raise NodeTimeout(self.address, f"took no bytes for {timeout} s") from None
        except StreamClosed as error:
            self.reusable = False
            raise PeerClosed(self.address, f"connection lost while sending: {error}") from None

    def send_now(self, parts: Sequence[Piece]) -> list[Piece]:
        """Send what there is room for, without waiting; return what is left. Raises PeerClosed."""
        try:
            return self.stream.send_now(parts)
        except StreamClosed as error:
            self.reusable = False
            raise PeerClosed(self.address, f"connection lost while sending: {error}") from None

    def read_head(self, timeout: float) -> ResponseHead:
        """Read one response head, of whatever status; raise NodeTimeout, PeerClosed or BadResponse."""
        stream = self.stream
        buffer = stream.buffer
        try:
            if not buffer:
                stream.wait_readable(timeout)
                stream.fill(timeout)
            scanned = 0
            while (end := buffer.find(b"\r\n\r\n", max(0, scanned - 3))) < 0:
                scanned = len(buffer)
                if scanned > MAX_RESPONSE_HEAD:
                    raise BadResponse(self.address, "the response head is too long")
                stream.fill(timeout)
            return parse_response(stream.take(end + 4))
        except StreamTimeout:
            stream.close()
            raise NodeTimeout(self.address, f"no response within {timeout} s") from None
        except StreamClosed as error:
            stream.close()
            raise PeerClosed(self.address, f"connection lost before a response: {error}") from None
        except ValueError as error:
            stream.close()
            raise BadResponse(self.address, str(error)) from None

    def respond(self, asked: Asked, head: ResponseHead, timeout: float) -> Response:
        """Return the response with its body framed (RFC 9112 6.3)."""
        method = asked.method
        body: Body | None
        if method == "HEAD" or head.status in (204, 304):
            body = None
        elif head.chunked:
            body = ChunkedBody(self.stream, timeout)
        elif head.content_length is not None:
            body = FixedBody(self.stream, head.content_length, timeout)
        else:
            body = UntilCloseBody(self.stream, timeout)
        if self.client.log is not None:
            self.client.log.debug("%s answered %d to a %s", spell_address(*self.address), head.status, method)
        if self.client.observer is not None:
            self.client.observer(method, asked.path, head.status, monotonic() - asked.at)
        if asked.followed is not None:
            asked.followed.answered(head.status)
        return Response(head, self, body, asked)

    def release(self) -> None:
        """Back to the pool, or closed if it cannot carry another request."""
        if self.reusable and not self.stream.closed:
            self.client.put_back(self)
        else:
            self.stream.close()


def format_request(address: Address, asked: Asked, headers: HeaderPairs, length: int | None) -> bytes:
    """Return a request head.

    Args:
        address: for the Host header where none is given.
        asked: method and path, and who follows it.
        headers: names and latin-1 values.
        length: of the body; None: chunked, unless ``headers`` has a Content-Length.

    Raises:
        ValueError: a line end where it would change the meaning of the request.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    method, path = asked.method, asked.path
    lines = [f"{method} {path} HTTP/1.1\r\n", *[f"{name}: {value}\r\n" for name, value in pairs]]
    if asked.followed is not None:
        lines += [f"{name}: {value}\r\n" for name, value in asked.followed.headers]
    given = "".join(lines).lower()
    if "\nhost:" not in given:
        lines.append(f"Host: {spell_address(*address)}\r\n")
    if "\ncontent-length:" not in given and "\ntransfer-encoding:" not in given:
        if length is None:
            lines.append("Transfer-Encoding: chunked\r\n")
        elif length or method in ("PUT", "POST"):
            lines.append(f"Content-Length: {length}\r\n")
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or " " in path:
        raise ValueError(f"a line end or a space where none may be, in the request {method} {path!r}")
    return f"{text}\r\n".encode("latin-1")
