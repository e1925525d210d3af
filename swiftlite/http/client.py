"""Client: requests to other servers over pooled keep-alive connections."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from logging import Logger
from time import monotonic

from swiftlite.core.hosts import spell_address
from swiftlite.http.errors import Address, ConnectFailed, ConnectTimeout, StreamTimeout
from swiftlite.http.exchange import Exchange
from swiftlite.http.reply import Asked, Connection, HeaderPairs, Response, format_request
from swiftlite.http.stream import Stream
from swiftlite.http.tls import HandshakeFailed, TLSStream
from swiftlite.http.upload import Upload

JOIN_BELOW = 16384
"""A request body smaller than this is joined to the head; a bigger one goes beside it, uncopied."""


class Client:
    """Sends requests over connections that are kept for the next request to the same address.

    One per process; safe for any number of green threads, not for real threads.

    Args:
        conn_timeout: seconds to establish a connection, and again for its TLS handshake.
        node_timeout: seconds for every wait on an established one.
        max_idle_per_host: connections kept per address.
        idle_timeout: seconds after which a kept connection is not used again (less than servers keep theirs).
        log: hears of every request and every answer, at level DEBUG.
        tls: gives what to speak TLS with, at every new connection; None: speak without.
        observer: hears of every answer: method and path of the request, status, seconds until its head had come.
    """

    def __init__(
        self,
        conn_timeout: float = 0.5,
        node_timeout: float = 10.0,
        max_idle_per_host: int = 32,
        idle_timeout: float = 30.0,
        log: Logger | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        observer: Callable[[str, str, int, float], None] | None = None,
    ) -> None:
        self.conn_timeout = conn_timeout
        self.node_timeout = node_timeout
        self.max_idle_per_host = max_idle_per_host
        self.idle_timeout = idle_timeout
        self.log = log
        self.tls = tls
        self.observer = observer
        self._idle: dict[Address, list[Connection]] = {}

    def request(
        self,
        address: Address,
        method: str,
        path: str,
        headers: HeaderPairs,
        body: bytes = b"",
        *,
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
            node_timeout: seconds, instead of the client's.

        Raises:
            ConnectFailed, ConnectTimeout, NodeTimeout, PeerClosed, BadResponse.
        """
        return self.start(address, method, path, headers, body, node_timeout=node_timeout).response()

    def start(
        self,
        address: Address,
        method: str,
        path: str,
        headers: HeaderPairs,
        body: bytes = b"",
        *,
        node_timeout: float | None = None,
    ) -> Exchange:
        """Send a request whose whole body is at hand, and do not wait for its response; as ``request`` otherwise."""
        timeout = self.node_timeout if node_timeout is None else node_timeout
        self._note(address, method, path)
        asked = Asked(address, method, path)

        def connect() -> Connection:
            return self.connect(address)

        try:
            parts = [format_request(address, asked, headers, len(body))]
            if body:
                parts = [parts[0] + body] if len(body) <= JOIN_BELOW else [parts[0], body]
            return Exchange(self.take(address) or connect(), connect, asked, parts, timeout)
        except BaseException as error:
            asked.ended(error)
            raise

    def open(
        self,
        address: Address,
        method: str,
        path: str,
        headers: HeaderPairs,
        *,
        node_timeout: float | None = None,
    ) -> Upload:
        """Begin a request whose body will be sent in pieces: chunked unless ``headers`` has a Content-Length.

        The head leaves with ``expect_continue``, with the first piece of the body, or with ``response``.
        Arguments and errors as for ``request``.
        """
        timeout = self.node_timeout if node_timeout is None else node_timeout
        self._note(address, method, path)
        asked = Asked(address, method, path)

        def connect() -> Connection:
            return self.connect(address)

        try:
            head = format_request(address, asked, headers, None)
            return Upload(self.take(address) or connect(), connect, asked, head, timeout, _length(headers))
        except BaseException as error:
            asked.ended(error)
            raise

    def _note(self, address: Address, method: str, path: str) -> None:
        if self.log is not None:
            self.log.debug("asking %s: %s %s", spell_address(*address), method, path)

    def connect(self, address: Address) -> Connection:
        """Return a new connection; raise ConnectFailed or ConnectTimeout."""
        stream = self.reach(address)
        return Connection(self, stream if self.tls is None else self.secure(stream, address), address)

    def reach(self, address: Address) -> Stream:
        """Return a new connection without TLS; raise ConnectFailed or ConnectTimeout."""
        timeout = self.conn_timeout
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectFailed(address, f"cannot connect: {error.strerror}") from None
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
        except (socket.gaierror, OverflowError, UnicodeError) as error:  # The address is none.
            stream.close()
            raise ConnectFailed(address, f"cannot connect: {error}") from None
        except BaseException:
            stream.close()
            raise
        return stream

    def secure(self, plain: Stream, address: Address) -> Stream:
        """Return a stream over TLS in the place of a plain one, to a server that has proved to be ``address``.

        Raises:
            ConnectFailed, ConnectTimeout: it has not.
        """
        assert self.tls is not None
        try:
            stream = TLSStream(plain, self.tls(), address[0])
        except HandshakeFailed as error:
            raise ConnectFailed(address, f"cannot speak TLS: {error}") from None
        try:
            stream.shake_hands(self.conn_timeout)
        except StreamTimeout:
            stream.close()
            raise ConnectTimeout(address, f"no TLS handshake within {self.conn_timeout} s") from None
        except HandshakeFailed as error:
            stream.close()
            raise ConnectFailed(address, f"TLS handshake failed: {error}") from None
        except BaseException:
            stream.close()
            raise
        return stream

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


def _length(headers: HeaderPairs) -> int | None:
    """The Content-Length among some headers; None where there is none."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return next((int(value) for name, value in pairs if name.lower() == "content-length"), None)
