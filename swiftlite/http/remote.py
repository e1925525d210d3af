"""RemoteClient: requests to servers beyond the cluster, found by name and, for https, spoken to over TLS."""

from __future__ import annotations

import socket
import ssl

from swiftlite.common.concurrency import ThreadPool
from swiftlite.http.client import Client
from swiftlite.http.errors import Address, BackendError, ConnectFailed, ConnectTimeout
from swiftlite.http.reply import Connection

_RESOLVERS = 4


class RemoteClient(Client):
    """A Client whose addresses may hold names.

    Args:
        conn_timeout: seconds to establish a connection, and again for its TLS handshake.
        node_timeout: seconds for every wait on an established one.
        tls: how servers prove who they are; None: speak without TLS.
    """

    def __init__(self, conn_timeout: float, node_timeout: float, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(conn_timeout, node_timeout, tls=None if tls is None else lambda: tls)
        self._resolvers = ThreadPool(_RESOLVERS)

    def connect(self, address: Address) -> Connection:
        """Return a new connection to the first of the name's addresses that takes one.

        Raises:
            ConnectFailed, ConnectTimeout: none does, the name is unknown, or the server cannot prove to be it.
        """
        failure: BackendError = ConnectFailed(address, "the name has no address")
        for ip in self._resolve(address):
            try:
                stream = self.reach((ip, address[1]))
            except (ConnectFailed, ConnectTimeout) as error:
                failure = error
                continue
            return Connection(self, stream if self.tls is None else self.secure(stream, address), address)
        raise failure

    def _resolve(self, address: Address) -> list[str]:
        host, port = address
        try:
            # In a thread: asking a name server that does not answer would stop everything else.
            found = self._resolvers.run(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(address, f"cannot find its address: {error}") from None
        return list(dict.fromkeys(str(place[4][0]) for place in found))
