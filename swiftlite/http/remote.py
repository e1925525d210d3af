"""RemoteClient: requests to servers beyond the cluster, found by name and, for https, spoken to over TLS."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from swiftlite.common.concurrency import ThreadPool
from swiftlite.http.client import Client
from swiftlite.http.errors import Address, BackendError, ConnectFailed, ConnectTimeout, StreamClosed, StreamTimeout
from swiftlite.http.reply import Connection
from swiftlite.http.stream import Stream

_RESOLVERS = 4


class RemoteClient(Client):
    """A Client whose addresses may hold names.

    Args:
        conn_timeout: seconds to establish a connection, and again for its TLS handshake.
        node_timeout: seconds for every wait on an established one.
        tls: how servers prove who they are; None: speak without TLS.
    """

    def __init__(self, conn_timeout: float, node_timeout: float, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(conn_timeout, node_timeout)
        self.tls = tls
        self._resolvers = ThreadPool(_RESOLVERS)

    def connect(self, address: Address) -> Connection:
        """Return a new connection to the first of the name's addresses that takes one.

        Raises:
            ConnectFailed, ConnectTimeout: none does, the name is unknown, or the server cannot prove to be it.
        """
        failure: BackendError = ConnectFailed(address, "the name has no address")
        for ip in self._resolve(address):
            try:
                connection = super().connect((ip, address[1]))
            except (ConnectFailed, ConnectTimeout) as error:
                failure = error
                continue
            connection.address = address
            if self.tls is not None:
                connection.stream = self._secure(self.tls, connection.stream, address)
            return connection
        raise failure

    def _resolve(self, address: Address) -> list[str]:
        host, port = address
        try:
            # In a thread: asking a name server that does not answer would stop everything else.
            found = self._resolvers.run(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(address, f"cannot find its address: {error}") from None
        return list(dict.fromkeys(str(place[4][0]) for place in found))

    def _secure(self, tls: ssl.SSLContext, plain: Stream, address: Address) -> Stream:
        """Return a stream over TLS in the place of a plain one."""
        plain.waiter.close()
        plain.closed = True  # Its socket lives on, in the other stream.
        try:
            wrapped = tls.wrap_socket(plain.sock, server_hostname=address[0], do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            plain.sock.close()
            raise ConnectFailed(address, f"cannot speak TLS: {error}") from None
        stream = Stream(_TLSSocket(wrapped))  # type: ignore[arg-type]
        try:
            self._shake_hands(wrapped, stream)
        except StreamTimeout:
            stream.close()
            raise ConnectTimeout(address, f"no TLS handshake within {self.conn_timeout} s") from None
        except (OSError, StreamClosed) as error:
            stream.close()
            raise ConnectFailed(address, f"TLS handshake failed: {error}") from None
        except BaseException:
            stream.close()
            raise
        return stream

    def _shake_hands(self, wrapped: ssl.SSLSocket, stream: Stream) -> None:
        while True:
            try:
                wrapped.do_handshake()
            except ssl.SSLWantReadError:
                stream.wait_readable(self.conn_timeout)
            except ssl.SSLWantWriteError:
                stream.wait_writable(self.conn_timeout)
            else:
                return


class _TLSSocket:
    """As much of a non-blocking socket as a Stream uses, over TLS."""

    def __init__(self, wrapped: ssl.SSLSocket) -> None:
        self._wrapped = wrapped
        self.fileno = wrapped.fileno
        self.setblocking = wrapped.setblocking
        self.setsockopt = wrapped.setsockopt
        self.shutdown = wrapped.shutdown

    def recv(self, limit: int, flags: int = 0) -> bytes:
        # With flags it is a look at a kept connection, on which nothing may come but its end: no need to put it back.
        return self._retried(self._wrapped.recv, limit)

    def recv_into(self, view: memoryview) -> int:
        return self._retried(self._wrapped.recv_into, view)

    def send(self, data: Any) -> int:
        return self._retried(self._wrapped.send, data)

    def sendmsg(self, parts: Any) -> int:
        return self.send(b"".join(parts))

    def close(self) -> None:
        self._wrapped.close()

    def _retried(self, function: Any, argument: Any) -> Any:
        try:
            return function(argument)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
