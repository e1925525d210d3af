"""The request body as ``wsgi.input``: a file to read, and the 100 Continue that asks the client to send it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import NoReturn

from swiftlite.http.body import NO_TRAILERS, ChunkedBody, FixedBody
from swiftlite.http.errors import ClientDisconnected, ClientTimeout, RequestBodyError, StreamClosed, StreamTimeout
from swiftlite.http.head import Headers
from swiftlite.http.stream import Stream

CHUNK = 65536


class Input:
    """Reads one request's body.

    The first read sends ``100 Continue`` if the client waits for it and the response has not begun.

    Args:
        stream: the client's connection.
        body: how the body is framed.
        expects: the client sent ``Expect: 100-continue``.
    """

    __slots__ = ("_continue_headers", "_line", "body", "expects", "failed", "is_read_whole", "stream")

    def __init__(self, stream: Stream, body: FixedBody | ChunkedBody, expects: bool) -> None:
        self.stream = stream
        self.body = body
        self.expects = expects
        """The client still waits for a 100 Continue before it sends."""
        self.failed = False
        """Reading failed: nothing that follows on this connection can be trusted."""
        self.is_read_whole = False
        """The application answers while the body comes, and reads all that matters of it: only its end may be left."""
        self._continue_headers: list[tuple[str, str]] = []
        self._line = b""

    # -- 100 Continue (formats.md 5.5) -----------------------------------------------------------------------------

    def set_hundred_continue_response_headers(
        self, headers: Iterable[tuple[str, str]], capitalize_response_headers: bool = True
    ) -> None:
        """Set headers to send with the next 100 Continue.

        Args:
            headers: pairs of name and value.
            capitalize_response_headers: write ``x-foo`` as ``X-Foo``.
        """
        self._continue_headers = [
            ("-".join(word.capitalize() for word in name.split("-")) if capitalize_response_headers else name, value)
            for name, value in headers
        ]

    def send_hundred_continue_response(self) -> None:
        """Send 100 Continue now; after a chunked body has ended, another chunked body may be read."""
        self.expects = False
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._continue_headers)
        self._continue_headers = []
        try:
            self.stream.send(f"HTTP/1.1 100 Continue\r\n{lines}\r\n".encode("latin-1"), self.body.timeout)
        except (StreamTimeout, StreamClosed) as error:
            self._fail(error)
        if isinstance(self.body, ChunkedBody) and self.body.done:
            self.body = ChunkedBody(self.stream, self.body.timeout)

    @property
    def trailers(self) -> Headers:
        """The trailers of a chunked body that was read to its end; none before, and for a body of known length.

        Whoever sent the body can put any header there: none is to be taken for one of the request's.
        """
        return self.body.trailers if isinstance(self.body, ChunkedBody) else NO_TRAILERS

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, size: int | None = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end of the body; all that is left without ``size``.

        Raises:
            ClientDisconnected, ClientTimeout, BadBody: the body is not coming.
        """
        if size is None or size < 0:
            return b"".join(self)
        data = self.read1(size)
        if len(data) == size or not data:
            return data
        parts, missing = [data], size - len(data)
        while missing and (data := self.read1(missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def read1(self, size: int = CHUNK) -> bytes:
        """Return what is there, at least one and at most ``size`` bytes; ``b""`` at the end. Raises as ``read``."""
        if self._line:
            data, self._line = self._line[:size], self._line[size:]
            return data
        if self.expects:
            self.send_hundred_continue_response()
        try:
            return self.body.read_some(size)
        except (StreamTimeout, StreamClosed, RequestBodyError) as error:
            self._fail(error)

    def read_soon(self, size: int, seconds: float) -> bytes:
        """Return ``size`` bytes, or what has come when ``seconds`` are over, but at least one; ``b""`` at the end.

        So what a slow client sends can be passed on before long. Raises as ``read``.
        """
        data = self.read1(size)
        if len(data) == size or not data:
            return data
        parts, missing, deadline = [data], size - len(data), monotonic() + seconds
        while missing and (left := deadline - monotonic()) > 0:
            if self.body.done or not self.stream.comes_within(left):
                break
            parts.append(data := self.read1(missing))
            missing -= len(data)
        return b"".join(parts)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read what is there into ``buffer``; return the number of bytes, 0 at the end. Raises as ``read``."""
        view = memoryview(buffer)
        if self._line:
            data = self.read1(len(view))
            view[: len(data)] = data
            return len(data)
        if self.expects:
            self.send_hundred_continue_response()
        try:
            return self.body.read_into(view)
        except (StreamTimeout, StreamClosed, RequestBodyError) as error:
            self._fail(error)

    def readline(self, size: int | None = -1) -> bytes:
        """Return the next line with its end, at most ``size`` bytes of it. Raises as ``read``."""
        limit = size if size is not None and size >= 0 else float("inf")
        parts: list[bytes] = []
        found = 0
        while found < limit and (data := self.read1(CHUNK)):
            end = data.find(b"\n") + 1 or len(data)
            end = int(min(end, limit - found))
            parts.append(data[:end])
            found += end
            self._line = data[end:] + self._line
            if parts[-1].endswith(b"\n"):
                break
        return b"".join(parts)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """Return all lines; ``hint`` is ignored."""
        return list(iter(self.readline, b""))

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read1(CHUNK), b"")

    def _fail(self, error: Exception) -> NoReturn:
        self.failed = True
        if isinstance(error, StreamTimeout):
            raise ClientTimeout("The client sent nothing for too long.") from None
        if isinstance(error, StreamClosed):
            raise ClientDisconnected(str(error)) from None
        raise error

    def abandon(self) -> None:
        """Break off a conversation: once the answer is sent, this connection serves nothing else."""
        self.is_read_whole = False
        self.failed = self.failed or self.body.done

    # -- after the response ----------------------------------------------------------------------------------------

    def can_be_drained(self, limit: int) -> bool:
        """Tell whether reading the rest away is worth keeping the connection."""
        if self.failed:
            return False
        if self.body.done or self.is_read_whole:
            return True
        if self.expects:
            return False  # The client may send the body or not: nobody can tell what comes next.
        # How much of a chunked body is to come nobody knows: better to tell the client that it needs a new connection.
        return isinstance(self.body, FixedBody) and self.body.remaining <= limit

    def drain(self, limit: int) -> bool:
        """Read up to ``limit`` bytes away; return True if that was all and the next request may follow."""
        if not self.can_be_drained(limit):
            return False
        self._line = b""
        try:
            while not self.body.done and limit > 0:
                limit -= len(self.body.read_some(CHUNK))
        except (StreamTimeout, StreamClosed, RequestBodyError):
            return False
        return self.body.done
