"""Multipart bodies (RFC 2046 5.1) as they come: one part after the other, never more of them at hand than was asked for.

Whatever a body holds, what is kept of it is bounded, and so is the time that its bytes take.
"""

from __future__ import annotations

from collections.abc import Callable

CHUNK = 65536
MAX_BOUNDARY = 256
"""Bytes of a boundary; RFC 2046 allows 70."""
MAX_HEAD = 8192
"""Bytes of a part's headers together."""
_BLANKS = b" \t"
_MAX_BLANKS = 128
_MAX_EMPTY_LINES = 64


class MultipartError(Exception):
    """A body is not what its content type says; the text tells how."""


class MultipartReader:
    """Reads the parts of a body in order.

    Unlike RFC 2046 it wants nothing but empty lines before the first boundary, as OpenStack Swift does, and takes no
    line for content that begins with the boundary but goes on: so no two readers can differ about where a part ends.

    :param read: gives at most so many of the body's next bytes, ``b""`` at its end
    :raises MultipartError: for a boundary that is too long
    """

    def __init__(self, read: Callable[[int], bytes], boundary: bytes) -> None:
        if not 0 < len(boundary) <= MAX_BOUNDARY:
            raise MultipartError("invalid starting boundary")
        self._source = read
        self._delimiter = b"\r\n--" + boundary
        # The line end before the first boundary may be missing.
        self._buffer = bytearray(b"\r\n")
        self._scanned = 0
        """So much of the buffer is known to hold no delimiter's beginning."""
        self._is_started = False
        self._is_inside = False
        """The content of a part is being read."""
        self._is_last = False
        """No other part follows."""

    def next_part(self) -> dict[str, str] | None:
        """The headers of the next part, names in lower case; None after the last. What is left of this one is skipped.

        :raises MultipartError: when the body is malformed, or ends too soon
        """
        if not self._is_started:
            self._start()
        while self._is_inside and self.read(CHUNK):
            pass
        if self._is_last:
            return None
        self._is_inside = True
        return self._head()

    def read(self, size: int) -> bytes:
        """At least one and at most ``size`` bytes of the part's content, ``b""`` at its end.

        :raises MultipartError: when the body ends before the part does
        """
        while self._is_inside and size > 0:
            end = self._buffer.find(self._delimiter, self._scanned)
            if end == 0:
                self._take_boundary("a boundary is followed by something else")
                self._is_inside = False
                break
            # The last bytes may begin a delimiter whose rest is still to come.
            self._scanned = end if end > 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
            if self._scanned:
                return self._take(min(size, self._scanned))
            self._fill()
        return b""

    def _start(self) -> None:
        """Take the empty lines and the first boundary away."""
        for _ in range(_MAX_EMPTY_LINES):
            while len(self._buffer) < len(self._delimiter):
                self._fill("invalid starting boundary")
            if not self._buffer.startswith(b"\r\n\r\n"):
                break
            self._drop(2)
        if not self._buffer.startswith(self._delimiter):
            raise MultipartError("invalid starting boundary")
        self._take_boundary("invalid starting boundary")
        if self._is_last:
            raise MultipartError("invalid starting boundary")
        self._is_started = True

    def _take_boundary(self, problem: str) -> None:
        """Take a boundary's line away; what follows the last one is of no interest."""
        self._drop(len(self._delimiter))
        while len(self._buffer) < 2:
            self._fill()
        if self._buffer.startswith(b"--"):
            self._is_last = True
            return
        while (line := self._buffer[: _MAX_BLANKS + 2].lstrip(_BLANKS)) in (b"", b"\r"):
            if len(self._buffer) > _MAX_BLANKS:
                break
            self._fill()
        if not line.startswith(b"\r\n"):
            raise MultipartError(problem)
        self._drop(self._buffer.index(b"\r\n") + 2)

    def _head(self) -> dict[str, str]:
        """Take the headers of a part and the empty line after them away."""
        buffer, scanned = self._buffer, 0
        while not buffer.startswith(b"\r\n") and (end := buffer.find(b"\r\n\r\n", scanned, MAX_HEAD)) < 0:
            scanned = max(0, len(buffer) - 3)
            if scanned >= MAX_HEAD:
                raise MultipartError("the headers of a part are too long")
            self._fill()
        if buffer.startswith(b"\r\n"):
            self._drop(2)
            return {}
        head = bytes(buffer[:end])
        if self._delimiter in b"\r\n" + head:
            raise MultipartError("a part has no content")
        self._drop(end + 4)
        return _read_headers(head)

    def _fill(self, problem: str = "the body ends before its last boundary") -> None:
        data = self._source(CHUNK)
        if not data:
            raise MultipartError(problem)
        self._buffer += data

    def _take(self, size: int) -> bytes:
        data = bytes(memoryview(self._buffer)[:size])
        self._drop(size)
        return data

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._scanned = max(0, self._scanned - size)


def _read_headers(head: bytes) -> dict[str, str]:
    """The headers of a part as native text; the first of a name counts."""
    found: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = _text(line).partition(":")
        if not colon or not name or name != name.strip():
            raise MultipartError("a part has a malformed header")
        found.setdefault(name.lower(), value.strip())
    return found


def _text(line: bytes) -> str:
    """Browsers send UTF-8; what is not is taken for Latin-1."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
