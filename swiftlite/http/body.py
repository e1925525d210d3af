"""Bodies of HTTP/1.x messages on a stream: of known length, chunked, or until the end; each knows when it is done."""

from __future__ import annotations

import re

from swiftlite.http.errors import BadBody, StreamClosed
from swiftlite.http.head import Headers
from swiftlite.http.stream import Stream

CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(;[\t\x20-\x7e\x80-\xff]*)?")
TRAILER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
MAX_CHUNK_LINE = 1024
MAX_TRAILERS = 8192
READ_AHEAD = 65536
BIG_CHUNK = 16384
"""After a chunk of so many bytes only the next chunk's size is read, and not data that would be copied once more."""
NO_TRAILERS = Headers([])


class FixedBody:
    """A body of so many bytes (RFC 9112 6.2).

    Args:
        stream: where it comes from; its buffer may hold the beginning.
        length: bytes still to come.
        timeout: seconds that each wait may last.
    """

    __slots__ = ("_length", "remaining", "stream", "timeout")

    def __init__(self, stream: Stream, length: int, timeout: float | None) -> None:
        self.stream = stream
        self.remaining = self._length = length
        self.timeout = timeout

    @property
    def done(self) -> bool:
        """True when the next byte of the stream belongs to the next message."""
        return self.remaining == 0

    @property
    def received(self) -> int:
        """Bytes that were read."""
        return self._length - self.remaining

    def read_some(self, limit: int) -> bytes:
        """Return at least one and at most ``limit`` bytes, ``b""`` at the end; raise as ``Stream.recv``."""
        remaining = self.remaining
        if remaining == 0 or limit == 0:
            return b""
        stream = self.stream
        if limit > remaining:
            limit = remaining
        data = stream.take(limit) if stream.buffer else stream.recv(limit, self.timeout)
        if not data:
            raise StreamClosed(f"{remaining} bytes are missing")
        self.remaining = remaining - len(data)
        return data

    def read_into(self, view: memoryview) -> int:
        """Like ``read_some`` into a caller's buffer, without a copy; return the number of bytes, 0 at the end."""
        return _read_into(self, view)


class ChunkedBody:
    """A body in chunks (RFC 9112 7.1), decoded strictly."""

    __slots__ = ("_ahead", "_begun", "_is_inside", "done", "remaining", "stream", "timeout", "trailers")

    def __init__(self, stream: Stream, timeout: float | None) -> None:
        self.stream = stream
        self.timeout = timeout
        self.remaining = 0
        """Bytes left of the chunk at hand."""
        self._begun = 0
        """Bytes of all chunks that were begun."""
        self.done = False
        self.trailers = NO_TRAILERS
        """What came after the last chunk (RFC 9112 7.1.2), once the body is done: headers that nobody has checked."""
        self._is_inside = False
        """The line end that follows a chunk is still to be read."""
        self._ahead = READ_AHEAD

    def read_some(self, limit: int) -> bytes:
        """Return at least one and at most ``limit`` bytes, ``b""`` at the end.

        Raises:
            BadBody: the framing is wrong.
            StreamTimeout, StreamClosed: as ``Stream.recv``.
        """
        if self.done or limit == 0:
            return b""
        if self.remaining == 0 and not self._next_chunk():
            return b""
        stream = self.stream
        limit = min(limit, self.remaining)
        data = stream.take(limit) if stream.buffer else stream.recv(limit, self.timeout)
        if not data:
            raise StreamClosed("closed inside a chunk")
        self.remaining -= len(data)
        return data

    def read_into(self, view: memoryview) -> int:
        """Like ``read_some`` into a caller's buffer; return the number of bytes, 0 at the end."""
        if self.done or not view or (self.remaining == 0 and not self._next_chunk()):
            return 0
        return _read_into(self, view)

    @property
    def received(self) -> int:
        """Bytes of data that were read."""
        return self._begun - self.remaining

    def has_arrived(self) -> bool:
        """Tell whether more of the body, or the end of the connection, is there to be read."""
        buffer = self.stream.buffer
        if self._is_inside and self.remaining == 0:
            # The line end of the last chunk is nothing new; half of it may have come.
            if len(buffer) < 2 and not self.stream.fill_now():
                return False
            if len(buffer) < 2:
                return not buffer or buffer[:1] != b"\r"
            self._expect_line_end()
        return self.stream.has_arrived()

    def _next_chunk(self) -> bool:
        if self._is_inside:
            self._expect_line_end()
        self._is_inside = True
        line = self._line(MAX_CHUNK_LINE, "chunk size")
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise BadBody("Invalid chunk size.")
        self.remaining = int(match[1], 16)
        if self.remaining:
            self._begun += self.remaining
            # The next size most likely is as long as this one, between two line ends.
            self._ahead = len(line) + 4 if self.remaining >= BIG_CHUNK else READ_AHEAD
            return True
        self._ahead = READ_AHEAD
        self._read_trailers()
        self.done = True
        return False

    def _expect_line_end(self) -> None:
        buffer = self.stream.buffer
        while len(buffer) < 2:
            if buffer and buffer[0] != 13:
                break
            self.stream.fill(self.timeout, self._ahead)
        if buffer[:2] != b"\r\n":
            raise BadBody("A chunk is not followed by CR LF.")
        del buffer[:2]
        self._is_inside = False

    def _read_trailers(self) -> None:
        found, total = [], 0
        while line := self._line(MAX_TRAILERS, "trailer"):
            total += len(line)
            if total > MAX_TRAILERS or not TRAILER_LINE.fullmatch(line):
                raise BadBody("Invalid or too long trailers after the last chunk.")
            name, _, value = line.decode("latin-1").partition(":")
            found.append((name, value.strip(" \t")))
        if found:
            self.trailers = Headers(found)

    def _line(self, limit: int, what: str) -> bytes:
        """Return the next line without its CR LF."""
        stream, buffer, scanned = self.stream, self.stream.buffer, 0
        while (end := buffer.find(b"\n", scanned)) < 0:
            scanned = len(buffer)
            if scanned > limit:
                raise BadBody(f"The {what} line is too long.")
            stream.fill(self.timeout, self._ahead)
        if end == 0 or buffer[end - 1] != 13 or end > limit:
            raise BadBody(f"The {what} line is too long or does not end with CR LF.")
        return stream.take(end + 1)[:-2]


class UntilCloseBody:
    """A response body that ends with the connection (RFC 9112 6.3, rule 8)."""

    __slots__ = ("done", "remaining", "stream", "timeout")

    def __init__(self, stream: Stream, timeout: float | None) -> None:
        self.stream = stream
        self.timeout = timeout
        self.done = False
        self.remaining = 1

    def read_some(self, limit: int) -> bytes:
        """Return at least one and at most ``limit`` bytes, ``b""`` at the end of the connection."""
        if self.done or limit == 0:
            return b""
        stream = self.stream
        data = stream.take(limit) if stream.buffer else stream.recv(limit, self.timeout)
        self.done = not data
        return data

    def read_into(self, view: memoryview) -> int:
        """Like ``read_some`` into a caller's buffer; return the number of bytes, 0 at the end."""
        data = self.read_some(len(view))
        view[: len(data)] = data
        return len(data)


Body = FixedBody | ChunkedBody | UntilCloseBody


def _read_into(body: FixedBody | ChunkedBody, view: memoryview) -> int:
    limit = min(len(view), body.remaining)
    if limit == 0:
        return 0
    stream = body.stream
    if stream.buffer:
        data = stream.take(limit)
        count = len(data)
        view[:count] = data
    else:
        count = stream.recv_into(view[:limit], body.timeout)
        if count == 0:
            raise StreamClosed(f"{body.remaining} bytes are missing")
    body.remaining -= count
    return count
