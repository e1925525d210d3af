"""Exchange: a request that was sent and whose response has not been read, so that one green thread can wait for many."""

from __future__ import annotations

from collections.abc import Sequence

from swiftlite.http.client import JOIN_BELOW, Client, Connection, HeaderPairs, Response, format_request
from swiftlite.http.errors import Address, PeerClosed, StreamTimeout
from swiftlite.http.stream import wait_any_readable


class Exchange:
    """One request under way; made by ``start``."""

    __slots__ = ("_client", "_connection", "_method", "_parts", "_timeout", "address")

    def __init__(self, client: Client, connection: Connection, method: str, parts: list[bytes], timeout: float) -> None:
        self.address = connection.address
        self._client = client
        self._connection = connection
        self._method = method
        self._parts = parts
        self._timeout = timeout

    def has_arrived(self) -> bool:
        """Tell whether the response has begun to come, or the connection has ended."""
        return self._connection.stream.is_stale()

    def response(self) -> Response:
        """Return the response, waiting for it; a kept connection that was dead is replaced once.

        Raises:
            ConnectFailed, ConnectTimeout, NodeTimeout, PeerClosed, BadResponse.
        """
        connection = self._connection
        try:
            try:
                answer = connection.read_head(self._timeout)
            except PeerClosed:
                if not connection.reused or connection.stream.buffer:
                    raise
                connection.stream.close()
                connection = self._connection = self._client.connect(self.address)
                connection.send(self._parts, self._timeout)
                answer = connection.read_head(self._timeout)
            while answer.status < 200:
                answer = connection.read_head(self._timeout)
        except BaseException:
            connection.stream.close()
            raise
        return connection.respond(self._method, answer, self._timeout)

    def close(self) -> None:
        """Give up the response and the connection; not needed after ``response``."""
        self._connection.stream.close()


def start(
    client: Client,
    address: Address,
    method: str,
    path: str,
    headers: HeaderPairs,
    body: bytes = b"",
    *,
    node_timeout: float | None = None,
) -> Exchange:
    """Send a request whose whole body is at hand, and do not wait for its response.

    Arguments and errors as for ``Client.request``.
    """
    timeout = client.node_timeout if node_timeout is None else node_timeout
    parts = [format_request(address, method, path, headers, len(body))]
    if body:
        parts = [parts[0] + body] if len(body) <= JOIN_BELOW else [parts[0], body]
    connection = client.take(address) or client.connect(address)
    try:
        try:
            connection.send(parts, timeout)
        except PeerClosed:
            if not connection.reused:
                raise
            connection.stream.close()
            connection = client.connect(address)
            connection.send(parts, timeout)
    except BaseException:
        connection.stream.close()
        raise
    return Exchange(client, connection, method, parts, timeout)


def wait_any(exchanges: Sequence[Exchange], timeout: float) -> list[int]:
    """Wait until a response arrives, and return the places of all that have; none after ``timeout`` seconds."""
    arrived = [index for index, exchange in enumerate(exchanges) if exchange.has_arrived()]
    if arrived or timeout <= 0:
        return arrived
    try:
        wait_any_readable([exchange._connection.stream for exchange in exchanges], timeout)
    except StreamTimeout:
        return []
    return [index for index, exchange in enumerate(exchanges) if exchange.has_arrived()]
