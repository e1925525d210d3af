"""Exchange: a request that was sent and whose response has not been read, so that one green thread can wait for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from swiftlite.http.errors import PeerClosed, StreamTimeout
from swiftlite.http.reply import Asked, Connection, Response
from swiftlite.http.stream import Stream, wait_any_readable


class Exchange:
    """One request under way, whole; made by ``Client.start``.

    A kept connection that turns out to be dead before any byte of a response is replaced once, silently: all that was
    sent can be sent again. ``connect`` makes that other connection.
    """

    __slots__ = ("_connect", "_connection", "_asked", "_parts", "_timeout", "address")

    def __init__(
        self,
        connection: Connection,
        connect: Callable[[], Connection],
        asked: Asked,
        parts: list[bytes],
        timeout: float,
    ) -> None:
        self.address = connection.address
        self._connection = connection
        self._connect = connect
        self._asked = asked
        self._parts = parts
        self._timeout = timeout
        try:
            try:
                connection.send(parts, timeout)
            except PeerClosed:
                if not connection.is_replaceable:
                    raise
                self._replace()
        except BaseException as error:
            asked.ended(error)
            self.close()
            raise

    def _replace(self) -> None:
        self._connection.stream.close()
        self._connection = self._connect()
        self._connection.send(self._parts, self._timeout)

    @property
    def stream(self) -> Stream:
        """The connection that the response comes on."""
        return self._connection.stream

    def response(self, timeout: float | None = None) -> Response:
        """Return the response, waiting for it; raise ConnectFailed, ConnectTimeout, NodeTimeout, PeerClosed, BadResponse.

        ``timeout``: seconds for every wait from now on, instead of the client's.
        """
        if timeout is not None:
            self._timeout = timeout
        try:
            try:
                answer = self._connection.read_head(self._timeout)
            except PeerClosed:
                if not self._connection.is_replaceable:
                    raise
                self._replace()
                answer = self._connection.read_head(self._timeout)
            while answer.status < 200:
                answer = self._connection.read_head(self._timeout)
        except BaseException as error:
            self._asked.ended(error)
            self.close()
            raise
        return self._connection.respond(self._asked, answer, self._timeout)

    def close(self) -> None:
        """Give up the response and the connection; not needed after ``response``."""
        self._connection.stream.close()
        self._asked.ended()


def wait_any(exchanges: Sequence[Exchange], timeout: float) -> list[int]:
    """Wait until a response arrives, and return the places of all that have; none after ``timeout`` seconds."""
    deadline = monotonic() + timeout
    while True:
        if timeout > 0:
            try:
                wait_any_readable([exchange.stream for exchange in exchanges], timeout)
            except StreamTimeout:
                return []
        arrived = [index for index, exchange in enumerate(exchanges) if exchange.stream.has_arrived()]
        # Over TLS what came may be part of a record, or a message of TLS itself.
        if arrived or (timeout := deadline - monotonic()) <= 0:
            return arrived
