"""What comes on a connection before its first request: a PROXY header, and a TLS handshake."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from socket import MSG_PEEK
from time import monotonic
from typing import TYPE_CHECKING

from swiftlite.http import proxy_protocol
from swiftlite.http.errors import StreamClosed, StreamTimeout
from swiftlite.http.stream import Stream
from swiftlite.http.tls import HandshakeFailed, TLSStream

if TYPE_CHECKING:
    from swiftlite.http.connection import Connection

HELLO = b"\x16"
"""The first byte of a TLS connection, and never of a request."""
_PLAIN_TEXT = b"This port speaks TLS: ask it by an https:// URL.\n"
NOT_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_PLAIN_TEXT), _PLAIN_TEXT)
)


@dataclass(frozen=True)
class Transport:
    """What lies between TCP and HTTP on a server's connections."""

    tls: ssl.SSLContext | None = None
    """How to speak TLS; None: connections are plain."""
    tls_optional: bool = False
    """Clients may speak without TLS all the same."""
    expects_proxy: bool = False
    """Connections begin with a PROXY header."""
    proxy_networks: Sequence[IPv4Network | IPv6Network] = ()
    """Only those from these networks do; none named: all."""

    def __bool__(self) -> bool:
        return self.tls is not None or self.expects_proxy

    def expects_proxy_from(self, ip: str) -> bool:
        """Whether a connection from this address has to begin with a PROXY header."""
        return self.expects_proxy and proxy_protocol.is_expected_from(ip, self.proxy_networks)


def greet(connection: Connection, transport: Transport) -> bool:
    """Do what has to be done before the first request; return False for a connection that is to be closed.

    A client that says nothing waits among the idle ones, so that a server that drains can let it go. Raises StreamTimeout,
    StreamClosed.
    """
    server = connection.server
    deadline = monotonic() + server.options.client_timeout
    address = connection.base["REMOTE_ADDR"]
    server.idle[connection] = None
    try:
        if transport.expects_proxy_from(address):
            _introduce(connection, _read_proxy_header(connection.stream, deadline))
        if transport.tls is not None and (not transport.tls_optional or _says_hello(connection.stream, deadline)):
            stream = TLSStream(connection.stream, transport.tls)
            connection.stream = stream
            stream.shake_hands(max(0.0, deadline - monotonic()))
            connection.base["wsgi.url_scheme"] = "https"
    except proxy_protocol.BadProxyHeader as problem:
        server.log.info("closed a connection from %s: no PROXY header: %s", address, problem)
        return False
    except HandshakeFailed as failure:
        server.log.info("closed a connection from %s: TLS handshake failed: %s", address, failure)
        if failure.reason == "HTTP_REQUEST" and isinstance(connection.stream, TLSStream):
            connection.stream.refuse_in_the_clear(NOT_TLS)
        return False
    finally:
        server.idle.pop(connection, None)
    return True


def _read_proxy_header(stream: Stream, deadline: float) -> proxy_protocol.ProxyHeader:
    """Take the header, and not one byte more: what follows may be TLS, which reads from the socket itself."""
    header = b""
    while True:
        data = _peek(stream, deadline)
        end = proxy_protocol.header_end(header + data)
        if end:
            header += stream.recv(end - len(header), 0)
            return proxy_protocol.parse(header)
        header += stream.recv(len(data), 0)


def _says_hello(stream: Stream, deadline: float) -> bool:
    return _peek(stream, deadline, 1) == HELLO


def _peek(stream: Stream, deadline: float, limit: int = 8192) -> bytes:
    """What has come and is not read thereby, at least one byte; raise StreamClosed at the end, or StreamTimeout."""
    while True:
        try:
            data = stream.sock.recv(limit, MSG_PEEK)
        except BlockingIOError:
            if monotonic() >= deadline:
                raise StreamTimeout("nothing came in time") from None
            stream.wait_readable(deadline - monotonic())
            continue
        except OSError as error:
            raise StreamClosed(str(error)) from None
        if not data:
            raise StreamClosed("closed before it began")
        return data


def _introduce(connection: Connection, header: proxy_protocol.ProxyHeader) -> None:
    """Put the client in the balancer's place; the environ's names are those that OpenStack Swift gives."""
    base = connection.base
    if header.source is not None:
        base["REMOTE_ADDR"], base["REMOTE_PORT"] = header.source[0], str(header.source[1])
    if header.destination is not None:
        base["SERVER_ADDR"], base["SERVER_PORT"] = header.destination[0], str(header.destination[1])
    if header.is_secure:
        base["wsgi.url_scheme"], base["HTTPS"] = "https", "on"
