"""What sender and receiver of SSYNC say to each other: both ends of each message are one class (formats.md 5.6).

The sender offers objects, one line each; the receiver answers which parts of which it lacks; the sender sends those as
subrequests. Markers stand around each of the three lists. Every line ends with CR LF.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn
from urllib.parse import quote, unquote, unquote_to_bytes

from swiftlite.core.missing_check import Parts, Versions
from swiftlite.core.timestamp import MAX_OFFSET, Timestamp
from swiftlite.wire.messages import BadMessage

METHOD = "SSYNC"
ACCEPT_NO_COMMIT = ("X-Backend-Accept-No-Commit", "True")
"""Says in the head of the answer that the receiver knows the header that keeps a fragment from being durable."""
REPLICATION = "X-Backend-Replication"
"""True in a request that brings what another replica has, and not what a client wants."""
REPLICATION_HEADERS = "X-Backend-Replication-Headers"
"""Names of the headers of such a request that are stored, whatever they are, with spaces between them."""

MISSING_CHECK_START, MISSING_CHECK_END = b":MISSING_CHECK: START", b":MISSING_CHECK: END"
UPDATES_START, UPDATES_END = b":UPDATES: START", b":UPDATES: END"
LINE_END = b"\r\n"
LONGEST_LINE = 65536
MOST_HEADERS = 1024
"""Headers of one subrequest; a .data file's metadata have hardly more than a hundred keys."""

_ERROR = re.compile(rb":ERROR: (\d{1,3}) (.*)", re.DOTALL)
_DELTA = re.compile(r"-?[0-9a-fA-F]{1,16}")
_OFFSET = re.compile(r"[0-9a-fA-F]{1,16}")
_METHODS = ("PUT", "POST", "DELETE")
_HASH = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z\x80-\xff]+")


class Offer(NamedTuple):
    """Sender to receiver: I have this object.

    :param object_hash: 32 hex digits
    :param is_durable: false for a fragment that was not committed
    """

    object_hash: str
    versions: Versions
    is_durable: bool = True

    def to_line(self) -> bytes:
        """``<hash> <data timestamp>[ m:<delta>[__<offset>][,t:<delta>[__<offset>]][,durable:False]]``, without end."""
        data, metadata, content_type = self.versions
        extras = []
        if metadata != data:
            extras.append("m:" + _since(data, metadata))
            if content_type != data:
                extras.append("t:" + _since(data, content_type))
        if not self.is_durable:
            extras.append("durable:False")
        line = f"{quote(self.object_hash)} {quote(data.internal)}"
        return (f"{line} {','.join(extras)}" if extras else line).encode("ascii")

    @classmethod
    def from_line(cls, line: bytes) -> Offer:
        """Read an offer; extras of later versions are passed over.

        :raises BadMessage: when it is none
        """
        words = _words(line)
        if len(words) < 2:
            raise BadMessage(f"no hash and timestamp: {_shown(line)}")
        object_hash = _object_hash(words[0], line)
        try:
            data = Timestamp(unquote(words[1]))
            metadata = content_type = data
            is_durable = True
            for extra in unquote(words[2]).split(",") if len(words) > 2 else ():
                key, _, value = extra.partition(":")
                if key == "m":
                    metadata = _moved(data, value)
                elif key == "t":
                    content_type = _moved(data, value)
                elif key == "durable":
                    is_durable = value.lower() in ("true", "1", "yes", "on", "t", "y")
        except ValueError as error:
            raise BadMessage(f"{error}: {_shown(line)}") from None
        return cls(object_hash, Versions(data, metadata, content_type), is_durable)


class Wanted(NamedTuple):
    """Receiver to sender: send me these parts of that object."""

    object_hash: str
    parts: Parts

    def to_line(self) -> bytes:
        """``<hash> dm``, without end."""
        letters = ("d" if self.parts.data else "") + ("m" if self.parts.metadata else "")
        return f"{quote(self.object_hash)} {letters}".encode("ascii")

    @classmethod
    def from_line(cls, line: bytes) -> Wanted:
        """Read a wish; one without parts, as of old receivers, means the data.

        :raises BadMessage: when it is none
        """
        words = _words(line)
        if not words:
            raise BadMessage("an empty line where a hash was due")
        letters = words[1] if len(words) > 1 else ""
        parts = Parts("d" in letters, "m" in letters)
        return cls(_object_hash(words[0], line), parts if any(parts) else Parts(True, False))


class ErrorLine(NamedTuple):
    """Receiver to sender: I give up; the connection ends after this.

    :param status: as of an HTTP answer, 0 where none fits
    """

    status: int
    text: str

    def to_line(self) -> bytes:
        """``:ERROR: 503 'text'``, without end."""
        return f":ERROR: {self.status} {self.text!r}".encode("ascii", "backslashreplace")

    @classmethod
    def from_line(cls, line: bytes) -> ErrorLine | None:
        """Read an error; None for any other line."""
        match = _ERROR.fullmatch(line)
        if match is None:
            return None
        text = match[2].decode("ascii", "backslashreplace").removeprefix("b")
        return cls(int(match[1]), text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text)


class Subrequest(NamedTuple):
    """Sender to receiver: store this. A PUT is followed by its body, of just as many bytes as it says.

    :param method: ``PUT``, ``POST`` or ``DELETE``
    :param path: ``/account/container/object``, text
    :param headers: names and WSGI strings
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]

    def to_bytes(self) -> bytes:
        """Its head, with the empty line at the end.

        :raises ValueError: for a header that no line can carry
        """
        if not all(_TOKEN.fullmatch(name) for name, _ in self.headers):
            raise ValueError("no name of a header")
        lines = [f"{name}: {value}" for name, value in self.headers]
        head = "\r\n".join([f"{self.method} {quote(self.path.encode('utf-8', 'surrogateescape'))}", *lines, "", ""])
        if head.count("\r") != len(lines) + 2 or head.count("\n") != len(lines) + 2:
            raise ValueError("a line end in a header")
        return head.encode("latin-1")

    @classmethod
    def receive(cls, first: bytes, line: Callable[[], bytes | None]) -> Subrequest:
        """Read a head.

        :param first: its first line, without end
        :param line: gives the next one, None at the end
        :raises BadMessage: when it is none
        """
        method, space, target = first.partition(b" ")
        if method.decode("latin-1") not in _METHODS or not space or not target.startswith(b"/"):
            raise BadMessage(f"no PUT, POST or DELETE: {_shown(first)}")
        headers: list[tuple[str, str]] = []
        while text := line():
            name, colon, value = text.decode("latin-1").partition(":")
            if not colon or not _TOKEN.fullmatch(name.strip(" \t")):
                raise BadMessage(f"no header: {_shown(text)}")
            headers.append((name.strip(" \t"), value.strip(" \t")))
            if len(headers) > MOST_HEADERS:
                raise BadMessage(f"more than {MOST_HEADERS} headers: {_shown(first)}")
        if text is None:
            raise BadMessage(f"no end of the headers: {_shown(first)}")
        path = unquote_to_bytes(target).decode("utf-8", "surrogateescape")
        return cls(method.decode("latin-1"), path, tuple(headers))

    @property
    def length(self) -> int:
        """Bytes of the body that follows.

        :raises BadMessage: when a PUT does not say, or another promises one
        """
        lengths = [value for name, value in self.headers if name.lower() == "content-length"]
        text = lengths[0] if lengths else ""
        if len(lengths) > 1 or not (text == "" or (text.isascii() and text.isdecimal() and len(text) < 19)):
            raise BadMessage(f"{self.method} with a Content-Length of {', '.join(lengths)!r}")
        if self.method == "PUT" and not text:
            raise BadMessage("PUT without a Content-Length")
        if self.method != "PUT" and int(text or 0):
            raise BadMessage(f"{self.method} with a body")
        return int(text or 0)


class LineReader:
    """Splits what comes into lines, and into bodies between them.

    When reading has failed once, it fails in the same way ever after: nothing can be told of what would come next.

    :param read: gives the next bytes, none at the end
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._buffer = b""
        self._at = 0
        """Where in the buffer the next line begins."""
        self._failure: BaseException | None = None

    def line(self) -> bytes | None:
        """The next line without the blanks around it; None at the end.

        :raises BadMessage: for one that is too long, or does not end
        """
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            if len(self._buffer) - self._at > LONGEST_LINE:
                self._fail(BadMessage(f"a line of more than {LONGEST_LINE} bytes"))
            if not self._more():
                if len(self._buffer) > self._at:
                    self._fail(BadMessage(f"a line without an end: {_shown(self._buffer[self._at :])}"))
                return None
        found = self._buffer[self._at : end]
        self._at = end + 1
        return found.strip()

    def readinto(self, view: memoryview) -> int:
        """Put the next bytes of a body into ``view``; return how many, 0 at the end."""
        if self._at == len(self._buffer) and not self._more():
            return 0
        count = min(len(view), len(self._buffer) - self._at)
        view[:count] = self._buffer[self._at : self._at + count]
        self._at += count
        return count

    def _more(self) -> bool:
        if self._failure is not None:
            raise self._failure
        try:
            data = self._read()
        except BaseException as error:
            self._failure = error
            raise
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        return bool(data)

    def _fail(self, error: BadMessage) -> NoReturn:
        self._failure = error
        raise error


class Body:
    """The body of one subrequest as ``wsgi.input``.

    :param length: bytes
    """

    def __init__(self, lines: LineReader, length: int) -> None:
        self._lines = lines
        self.left = length
        """Bytes that are still to come."""

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read what is there into ``buffer``; return how many bytes, 0 at the end."""
        count = self._lines.readinto(memoryview(buffer)[: self.left]) if self.left else 0
        self.left -= count
        return count

    def fill(self, buffer: bytearray) -> bool:
        """Read all of it into a buffer of its size; False when the sender's words end before it does."""
        view = memoryview(buffer)
        while self.left and self.readinto(view[len(view) - self.left :]):
            pass
        return self.left == 0

    def drain(self) -> bool:
        """Read the rest away; False as ``fill``."""
        scrap = memoryview(bytearray(min(self.left, LONGEST_LINE)))
        while self.left and self.readinto(scrap):
            pass
        return self.left == 0


def _since(data: Timestamp, later: Timestamp) -> str:
    delta = f"{later.raw - data.raw:x}"
    return f"{delta}__{later.offset:x}" if later.offset else delta


def _moved(data: Timestamp, text: str) -> Timestamp:
    """The timestamp so much after ``data``, whose offset does not count."""
    delta, underscores, offset = text.partition("__")
    if not _DELTA.fullmatch(delta) or not (_OFFSET.fullmatch(offset) or not underscores):
        raise ValueError(f"{text!r} is no time span")
    return Timestamp(data.normal, offset=min(int(offset or "0", 16), MAX_OFFSET), delta=int(delta, 16))


def _words(line: bytes) -> list[str]:
    try:
        return line.decode("ascii").split()
    except UnicodeDecodeError:
        raise BadMessage(f"not ASCII: {_shown(line)}") from None


def _object_hash(word: str, line: bytes) -> str:
    object_hash = unquote(word)
    if not _HASH.fullmatch(object_hash):
        raise BadMessage(f"no hash: {_shown(line)}")
    return object_hash


def _shown(line: bytes) -> str:
    """A line for a log, cut where it is long."""
    return repr(line[:200])
