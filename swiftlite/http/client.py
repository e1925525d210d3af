"""Client: requests to other servers over pooled keep-alive connections."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic

from swiftlite.http.body import Body, ChunkedBody, FixedBody, UntilCloseBody
from swiftlite.http.errors import (
    Address,
    BadBody,
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    NodeTimeout,
    PeerClosed,
    ShortBody,
    StreamClosed,
    StreamTimeout,
)
from swiftlite.http.head import Headers, ResponseHead, parse_response
from swiftlite.http.stream import Piece, Stream

CHUNK = 65536
MAX_RESPONSE_HEAD = 256 * 1024
JOIN_BELOW = 16384
"""A request body smaller than this is joined to the head; a bigger one goes beside it, uncopied."""

HeaderPairs = Mapping[str, str] | Iterable[tuple[str, str]]


class Response:
    """What a server answered: status and headers at once, the body as it is read.

    Read it to the end (or ``drain`` it) to give the connection back to the pool; ``close`` gives it up.
    """

    __slots__ = ("_body", "_connection", "address", "headers", "reason", "status")

    def __init__(self, head: ResponseHead, connection: Connection, body: Body | None) -> None:
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

    def __iter__(self) -> Iterable[bytes]:
        return iter(lambda: self.read(CHUNK), b"")

    def drain(self, limit: int = CHUNK) -> None:
        """Read the rest away, if it is no more than ``limit`` bytes, so that the connection can be used again."""
        try:
            while limit > 0 and (data := self.read(min(limit, CHUNK))):
                limit -= len(data)
        except (ShortBody, NodeTimeout, BadResponse):
            return
        if self._connection is not None and isinstance(self._body, ChunkedBody):
            return
        self.close()

    def close(self) -> None:
        """Give up what was not read; harmless when repeated."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.stream.close()

    def _finish(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def _fail(self, error: Exception) -> None:
        self.close()
        if isinstance(error, StreamTimeout):
            raise NodeTimeout(self.address, "timed out while sending a response body") from None
        if isinstance(error, StreamClosed):
            raise ShortBody(self.address, f"response body ended early: {error}") from None
        raise BadResponse(self.address, str(error)) from None


class Upload:
    """A request whose body is sent piece by piece; made by ``Client.open``."""

    __slots__ = ("_client", "_connection", "_head", "_method", "_timeout", "address", "continue_headers")

    def __init__(self, client: Client, connection: Connection, method: str, head: bytes, timeout: float) -> None:
        self.address = connection.address
        self.continue_headers = Headers([])
        """The headers of the last 100 Continue (formats.md 5.5)."""
        self._client = client
        self._connection = connection
        self._method = method
        self._head = head
        self._timeout = timeout

    def expect_continue(self) -> Response | None:
        """Wait for the server's word on ``Expect: 100-continue``.

        Returns:
            None for a 100 Continue: send the body now. A response if the server has decided without the body.

        Raises:
            NodeTimeout, PeerClosed, BadResponse.
        """
        head, self._head = self._head, b""
        try:
            if head:
                self._connection.send([head], self._timeout)
            answer = self._connection.read_head(self._timeout)
        except PeerClosed:
            if not head or not self._connection.reused:
                raise
            # The kept connection had died: nothing was processed, so a new one gets the same request.
            self._connection.stream.close()
            self._connection = self._client.connect(self.address)
            self._connection.send([head], self._timeout)
            answer = self._connection.read_head(self._timeout)
        if answer.status == 100:
            self.continue_headers = answer.headers
            return None
        self._connection.reusable = False  # The body that was promised will not come.
        return self._connection.respond(self._method, answer, self._timeout)

    def send(self, data: Piece) -> None:
        """Send a piece of a body of known length; raise NodeTimeout or PeerClosed."""
        if data:
            self._send([data])

    def send_chunk(self, data: Piece) -> None:
        """Send one chunk of a chunked body; nothing for no bytes. Raises as ``send``."""
        if data:
            self._send([b"%x\r\n" % len(data), data, b"\r\n"])

    def finish_chunks(self) -> None:
        """End the chunked body (again after a second 100 Continue, where one was asked for). Raises as ``send``."""
        self._send([b"0\r\n\r\n"])

    def _send(self, parts: list[Piece]) -> None:
        if self._head:
            parts.insert(0, self._head)
            self._head = b""
        self._connection.send(parts, self._timeout)

    def response(self, node_timeout: float | None = None) -> Response:
        """Return the final response, waiting up to ``node_timeout`` (default: the upload's) seconds for it.

        May be called after a failed ``send``: the server may have answered before it closed.

        Raises:
            NodeTimeout, PeerClosed, BadResponse.
        """
        timeout = self._timeout if node_timeout is None else node_timeout
        if self._head:
            self._send([])
        while True:
            answer = self._connection.read_head(timeout)
            if answer.status >= 200:
                return self._connection.respond(self._method, answer, timeout)

    def close(self) -> None:
        """Break the upload off; the server sees a disconnect. Not needed after ``response``."""
        self._connection.stream.close()


class Client:
    """Sends requests over connections that are kept for the next request to the same address.

    One per process; safe for any number of green threads, not for real threads.

    Args:
        conn_timeout: seconds to establish a connection.
        node_timeout: seconds for every wait on an established one.
        max_idle_per_host: connections kept per address.
        idle_timeout: seconds after which a kept connection is not used again (less than servers keep theirs).
    """

    def __init__(
        self,
        conn_timeout: float = 0.5,
        node_timeout: float = 10.0,
        max_idle_per_host: int = 32,
        idle_timeout: float = 30.0,
    ) -> None:
        self.conn_timeout = conn_timeout
        self.node_timeout = node_timeout
        self.max_idle_per_host = max_idle_per_host
        self.idle_timeout = idle_timeout
        self._idle: dict[Address, list[Connection]] = {}

    def request(
        self,
        address: Address,
        method: str,
        path: str,
        headers: HeaderPairs,
        body: bytes = b"",
        *,
        conn_timeout: float | None = None,
        node_timeout: float | None = None,
    ) -> Response:
        """Send a request whose whole body is at hand and return the response, its body yet to be read.

        A kept connection that turns out to be dead before any byte of a response is replaced once, silently: all that
        was sent can be sent again.

        Args:
            address: (host, port).
            method: HTTP method.
            path: percent-encoded path with query string.
            headers: names and latin-1 values; Host and Content-Length are added where missing.
            body: the request body.
            conn_timeout, node_timeout: seconds, instead of the client's.

        Raises:
            ConnectFailed, ConnectTimeout, NodeTimeout, PeerClosed, BadResponse.
        """
        timeout = self.node_timeout if node_timeout is None else node_timeout
        parts: list[bytes] = [format_request(address, method, path, headers, len(body))]
        if body:
            parts = [parts[0] + body] if len(body) <= JOIN_BELOW else [parts[0], body]
        connection = self.take(address) or self.connect(address, conn_timeout)
        try:
            try:
                connection.send(parts, timeout)
                answer = connection.read_head(timeout)
            except PeerClosed:
                if not connection.reused or connection.stream.buffer:
                    raise
                connection.stream.close()
                connection = self.connect(address, conn_timeout)
                connection.send(parts, timeout)
                answer = connection.read_head(timeout)
            while answer.status < 200:
                answer = connection.read_head(timeout)
        except BaseException:
            connection.stream.close()
            raise
        return connection.respond(method, answer, timeout)

    def open(
        self,
        address: Address,
        method: str,
        path: str,
        headers: HeaderPairs,
        *,
        conn_timeout: float | None = None,
        node_timeout: float | None = None,
    ) -> Upload:
        """Begin a request whose body will be sent in pieces: chunked unless ``headers`` has a Content-Length.

        The head leaves with ``expect_continue``, with the first piece of the body, or with ``response``.
        Arguments and errors as for ``request``.
        """
        timeout = self.node_timeout if node_timeout is None else node_timeout
        head = format_request(address, method, path, headers, None)
        connection = self.take(address) or self.connect(address, conn_timeout)
        return Upload(self, connection, method, head, timeout)

    def connect(self, address: Address, conn_timeout: float | None = None) -> Connection:
        """Return a new connection; raise ConnectFailed or ConnectTimeout."""
        timeout = self.conn_timeout if conn_timeout is None else conn_timeout
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        stream = Stream(sock)
        try:
            code = sock.connect_ex(address)
            if code == errno.EINPROGRESS:
                stream.wait_writable(timeout)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise ConnectFailed(address, f"cannot connect: {os.strerror(code)}")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except StreamTimeout:
            stream.close()
            raise ConnectTimeout(address, f"no connection within {timeout} s") from None
        except socket.gaierror as error:
            stream.close()
            raise ConnectFailed(address, f"cannot connect: {error}") from None
        except BaseException:
            stream.close()
            raise
        return Connection(self, stream, address)

    def close(self) -> None:
        """Close all idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.stream.close()
        self._idle.clear()

    def take(self, address: Address) -> Connection | None:
        """Return the most recently used idle connection that still lives."""
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if monotonic() - connection.idle_since < self.idle_timeout and not connection.stream.is_stale():
                connection.reused = True
                return connection
            connection.stream.close()
        return None

    def put_back(self, connection: Connection) -> None:
        """Keep a connection whose last response was read to its end."""
        connection.idle_since = now = monotonic()
        idle = self._idle.setdefault(connection.address, [])
        idle.append(connection)
        if len(idle) > self.max_idle_per_host or now - idle[0].idle_since > self.idle_timeout:
            idle.pop(0).stream.close()


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

    def respond(self, method: str, head: ResponseHead, timeout: float) -> Response:
        """Return the response with its body framed (RFC 9112 6.3)."""
        body: Body | None
        if method == "HEAD" or head.status in (204, 304):
            body = None
        elif head.chunked:
            body = ChunkedBody(self.stream, timeout)
        elif head.content_length is not None:
            body = FixedBody(self.stream, head.content_length, timeout)
        else:
            body = UntilCloseBody(self.stream, timeout)
        return Response(head, self, body)

    def release(self) -> None:
        """Back to the pool, or closed if it cannot carry another request."""
        if self.reusable and not self.stream.closed:
            self.client.put_back(self)
        else:
            self.stream.close()


def format_request(address: Address, method: str, path: str, headers: HeaderPairs, length: int | None) -> bytes:
    """Return a request head.

    Args:
        address: for the Host header where none is given.
        method, path: the request line.
        headers: names and latin-1 values.
        length: of the body; None: chunked, unless ``headers`` has a Content-Length.

    Raises:
        ValueError: a line end where it would change the meaning of the request.
    """
    lines = [f"{method} {path} HTTP/1.1\r\n"]
    hosted = framed = False
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        key = name.lower()
        if key == "host":
            hosted = True
        elif key == "content-length" or key == "transfer-encoding":
            framed = True
        lines.append(f"{name}: {value}\r\n")
    if not hosted:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        lines.append(f"Host: {host}:{address[1]}\r\n")
    if not framed:
        if length is None:
            lines.append("Transfer-Encoding: chunked\r\n")
        elif length or method in ("PUT", "POST"):
            lines.append(f"Content-Length: {length}\r\n")
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or " " in path:
        raise ValueError(f"a line end or a space where none may be, in the request {method} {path!r}")
    return f"{text}\r\n".encode("latin-1")
