"""Upload: a request whose body is sent piece by piece, after a 100 Continue if the server is to decide first."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from swiftlite.http.errors import BackendError, PeerClosed
from swiftlite.http.head import Headers, ResponseHead
from swiftlite.http.reply import Asked, Connection, Response
from swiftlite.http.stream import Piece

Connect = Callable[[], Connection]


class Upload:
    """A request whose body is sent piece by piece; made by ``Client.open``.

    ``connect`` makes another connection, should a kept one prove dead."""

    __slots__ = (
        "_chunk_end",
        "_connect",
        "_connection",
        "_head",
        "_keeps",
        "_left",
        "_asked",
        "_timeout",
        "address",
        "continue_headers",
    )

    def __init__(
        self,
        connection: Connection,
        connect: Connect,
        asked: Asked,
        head: bytes,
        timeout: float,
        length: int | None = None,
    ) -> None:
        self.address = connection.address
        self.continue_headers = Headers([])
        """The headers of the last 100 Continue (formats.md 5.5)."""
        self._chunk_end = b""
        self._connect = connect
        self._connection = connection
        self._asked = asked
        self._head = head
        self._keeps = False
        """The connection may be kept once a body that was sent beside its answer is complete."""
        self._left = length
        """Bytes of the body still to be sent; None: the last chunk is."""
        self._timeout = timeout

    def expect_continue(self) -> Response | None:
        """Wait for the server's word on ``Expect: 100-continue``.

        Returns:
            None for a 100 Continue: send the body now. A response if the server has decided without the body.

        Raises:
            NodeTimeout, PeerClosed, BadResponse.
        """
        head, self._head = self._head, b""
        answer = self._first_answer([head] if head else [])
        if answer.status == 100:
            self.continue_headers = answer.headers
            if not head:
                self._left = None  # Another chunked body follows the first.
            return None
        self._connection.reusable = False  # The body that was promised will not come.
        return self._connection.respond(self._asked, answer, self._timeout)

    def converse(self, first: Piece, read_timeout: float | None = None) -> Response:
        """Begin a chunked request whose server answers while it reads, and return its answer.

        The body of either side goes on: ``say`` and ``finish_chunks`` here, ``read`` there. What this sends may be sent
        twice, on a second connection, if a kept one proves dead.

        Args:
            first: the first chunk of the body.
            read_timeout: seconds for every wait for more of the response's body; default: the upload's.

        Raises:
            NodeTimeout, PeerClosed, BadResponse.
        """
        head, self._head = self._head, b""
        answer = self._first_answer([head, *_whole_chunk(first)])
        timeout = self._timeout if read_timeout is None else read_timeout
        response = self._connection.respond(self._asked, answer, timeout)
        self._keeps = self._connection.reusable
        self._connection.reusable = False  # Until the body is complete.
        return response

    def say(self, data: Piece) -> None:
        """Send one chunk to a server that acts on it before the next one comes. Raises as ``send``."""
        if data:
            self._send(_whole_chunk(data))

    def _first_answer(self, parts: list[Piece]) -> ResponseHead:
        """Send the first bytes of the request and wait for what the server says to it."""
        try:
            return self._asked_first(parts)
        except BackendError as error:
            self._asked.ended(error)
            raise

    def _asked_first(self, parts: list[Piece]) -> ResponseHead:
        try:
            if parts:
                self._connection.send(parts, self._timeout)
            return self._connection.read_head(self._timeout)
        except PeerClosed:
            if not parts or not self._connection.is_replaceable:
                raise
            # The kept connection had died: nothing was processed, so a new one gets the same request.
            self._connection.stream.close()
            self._connection = self._connect()
            self._connection.send(parts, self._timeout)
            return self._connection.read_head(self._timeout)

    def send(self, data: Piece) -> None:
        """Send a piece of a body of known length; raise NodeTimeout or PeerClosed."""
        if data:
            if self._left is not None:
                self._left -= len(data)
            self._send([data])

    def send_chunk(self, data: Piece) -> None:
        """Send one chunk of a chunked body; nothing for no bytes. Raises as ``send``."""
        if data:
            self._send(self.frame(data))

    def finish_chunks(self, trailers: Iterable[tuple[str, str]] = ()) -> None:
        """End the chunked body (again after a second 100 Continue, where one was asked for).

        Arguments as for ``frame_end``; raises as ``frame_end`` and ``send``.
        """
        self._send(self.frame_end(trailers))
        self._connection.reusable = self._connection.reusable or self._keeps

    def frame(self, data: Piece) -> list[Piece]:
        """What goes over the wire for the next chunk, of at least one byte: for ``send_now`` and ``send_all``."""
        # A chunk's line end goes with what follows it: alone it would often be a packet of two bytes.
        head = b"%b%x\r\n" % (self._chunk_end, len(data))
        self._chunk_end = b"\r\n"
        return [head, data]

    def frame_end(self, trailers: Iterable[tuple[str, str]] = ()) -> list[Piece]:
        """What goes over the wire for the end of a chunked body.

        Args:
            trailers: names and latin-1 values to send after the last chunk (RFC 9112 7.1.2).

        Raises:
            ValueError: a line end in one of them.
        """
        lines = [f"{name}: {value}" for name, value in trailers]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line end in a trailer")
        end, self._chunk_end = self._chunk_end, b""
        self._left = 0
        return [end + "\r\n".join(["0", *lines, "", ""]).encode("latin-1")]

    def send_now(self, pieces: list[Piece]) -> list[Piece]:
        """Send framed pieces as far as there is room, without waiting; return the rest. Raises PeerClosed."""
        try:
            return self._connection.send_now(pieces)
        except BackendError as error:
            self._asked.ended(error)
            raise

    def send_all(self, pieces: list[Piece]) -> None:
        """Send framed pieces, waiting for room. Raises as ``send``."""
        self._send(pieces)

    def has_answered(self) -> bool:
        """Whether something has come from the server, if only the end of the connection."""
        return self._connection.stream.has_arrived()

    def _send(self, parts: list[Piece]) -> None:
        if self._head:
            parts.insert(0, self._head)
            self._head = b""
        try:
            self._connection.send(parts, self._timeout)
        except BackendError as error:
            self._asked.ended(error)
            raise

    def response(self, node_timeout: float | None = None) -> Response:
        """Return the final response, waiting up to ``node_timeout`` (default: the upload's) seconds for it.

        May be called before the body is complete, and after a failed ``send``: the server may have answered already.
        The connection is not used again then.

        Raises:
            NodeTimeout, PeerClosed, BadResponse.
        """
        timeout = self._timeout if node_timeout is None else node_timeout
        if self._head:
            self._send([])
        if self._left != 0:
            self._connection.reusable = False
        try:
            while (answer := self._connection.read_head(timeout)).status < 200:
                pass
        except BackendError as error:
            self._asked.ended(error)
            raise
        return self._connection.respond(self._asked, answer, timeout)

    def hang_up(self) -> None:
        """Make another green thread that is sending stop; it sees a PeerClosed."""
        self._connection.reusable = False
        self._connection.stream.hang_up(socket.SHUT_WR)

    def close(self) -> None:
        """Break the upload off; the server sees a disconnect. Not needed after ``response``."""
        self._connection.stream.close()
        self._asked.ended()


def _whole_chunk(data: Piece) -> list[Piece]:
    """A chunk with its line end, for which many servers wait before they hand on what the chunk holds."""
    return [b"%x\r\n" % len(data), data, b"\r\n"]
