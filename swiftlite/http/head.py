"""Heads of HTTP/1.x messages: bytes in, a checked and framed request or response out; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import httptools

from swiftlite.http.errors import BadRequest

BAD_REQUEST = "400 Bad Request"
LINE_TOO_LONG = "414 Request-URI Too Long"
HEADER_TOO_LONG = "400 Header Line Too Long"
HEADERS_TOO_LARGE = "400 Headers Too Large"
NOT_IMPLEMENTED = "501 Not Implemented"
VERSION_NOT_SUPPORTED = "505 HTTP Version Not Supported"

METHODS = {
    name.encode(): name
    for name in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "COPY", "REPLICATE", "SSYNC", "UPDATE", "TRACE")
}
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FOREIGN_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z\x80-\xff]+")
FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
BAD_TARGET_BYTE = re.compile(rb"[\x00-\x20\x7f]")
HOST = re.compile(r"[A-Za-z0-9\-._~!$&'()*+;=:%\[\]]*")
DIGITS = re.compile(r"[0-9]{1,19}")
BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")

FIRST_WINS = {"CONTENT_TYPE", "HTTP_USER_AGENT", "HTTP_REFERER"}
KNOWN_CODINGS = {"chunked"}
VERSIONS = {b"HTTP/1.1": True, b"HTTP/1.0": False}


@dataclass(frozen=True)
class HeadLimits:
    """How much of a head is read before it is refused (formats.md 7.1); sizes in bytes, line ends not counted."""

    max_request_line: int = 8192
    max_header_size: int = 8192
    max_header_count: int = 126

    @property
    def max_size(self) -> int:
        """Bytes that a whole head may have."""
        return self.max_request_line + max(65536, 4 * self.max_header_size)


@dataclass(slots=True)
class RequestHead:
    """One request's head, ready for a WSGI environ."""

    method: str
    raw_path: str
    query: str
    http11: bool
    fields: dict[str, str]
    """CGI names (``HTTP_X_FOO``, ``CONTENT_LENGTH``…) to latin-1 values."""
    content_length: int | None
    chunked: bool
    expect_continue: bool
    keep_alive: bool

    @property
    def path(self) -> str:
        """The percent-decoded path as a WSGI string."""
        return (
            unquote_to_bytes(self.raw_path.encode("latin-1")).decode("latin-1")
            if "%" in self.raw_path
            else self.raw_path
        )


class _Fields:
    """Collects what the C parser finds."""

    __slots__ = ("complete", "lines")

    def __init__(self) -> None:
        self.lines: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


def find_end(buffer: bytearray, limits: HeadLimits, scanned: int = 0) -> int:
    """Return the length of the head at the start of ``buffer``, 0 if it is not complete yet.

    Args:
        buffer: bytes received so far.
        limits: what to refuse without waiting for the rest.
        scanned: how many bytes an earlier call has seen already.

    Raises:
        BadRequest: the part that is there is wrong already.
    """
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3))
    if end >= 0:
        return end + 4
    if BARE_LINE_END.search(buffer, max(0, scanned - 1)):
        raise BadRequest(BAD_REQUEST, "Lines must end with CR LF.")
    if len(buffer) > min(limits.max_request_line, limits.max_header_size):
        check_sizes(bytes(buffer), limits)
    return 0


def check_sizes(head: bytes, limits: HeadLimits) -> None:
    """Raise BadRequest if a line of a (perhaps unfinished) head, or the whole, is too long."""
    request_line, *headers = head.split(b"\r\n")
    if len(request_line) > limits.max_request_line:
        raise BadRequest(LINE_TOO_LONG, f"The request line is longer than {limits.max_request_line} bytes.")
    for line in headers:
        if len(line) > limits.max_header_size:
            raise BadRequest(HEADER_TOO_LONG, f"A header line is longer than {limits.max_header_size} bytes.")
    if len(head) > limits.max_size:
        raise BadRequest(HEADERS_TOO_LARGE, f"The headers are larger than {limits.max_size} bytes.")


def parse_request(head: bytes, limits: HeadLimits) -> RequestHead:
    """Parse and check one request head (RFC 9112), refusing all that two parsers might frame differently.

    Args:
        head: the head from its request line to the empty line, inclusive.
        limits: sizes and counts beyond which it is refused.

    Returns:
        The head with its body's framing decided.

    Raises:
        BadRequest: with the status to answer; the connection cannot be used any further.
    """
    if len(head) > min(limits.max_request_line, limits.max_header_size):
        check_sizes(head, limits)
    if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n"):
        raise BadRequest(BAD_REQUEST, "Lines must end with CR LF.")
    line_end = head.index(b"\r\n")
    method, target, http11 = _parse_request_line(head[:line_end])
    fields = _collect(_parse_lines(head[line_end:], limits))
    _check_host(fields, http11)
    raw_path, query = _parse_target(method, target, fields)
    length, chunked = _framing(fields, http11)
    expect = fields.get("HTTP_EXPECT")
    return RequestHead(
        method,
        raw_path,
        query,
        http11,
        fields,
        length,
        chunked,
        expect is not None and http11 and expect.lower() == "100-continue" and (chunked or bool(length)),
        _is_persistent(fields.get("HTTP_CONNECTION"), http11),
    )


def _parse_request_line(line: bytes) -> tuple[str, bytes, bool]:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise BadRequest(BAD_REQUEST, "The request line must be: method, target, version, with one space between.")
    method, target, version = parts
    http11 = VERSIONS.get(version)
    if http11 is None:
        if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
            raise BadRequest(VERSION_NOT_SUPPORTED, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        raise BadRequest(BAD_REQUEST, "The request line does not end with an HTTP version.")
    name = METHODS.get(method)
    if name is None:
        if not TOKEN.fullmatch(method):
            raise BadRequest(BAD_REQUEST, "The method is not a token.")
        name = method.decode("ascii")
    if not target or BAD_TARGET_BYTE.search(target):
        raise BadRequest(BAD_REQUEST, "The request target is empty or holds a control character.")
    return name, target, http11


def _parse_lines(tail: bytes, limits: HeadLimits) -> list[tuple[bytes, bytes]]:
    found = _Fields()
    if not tail.isascii():
        tail = b"\r\n".join(_take_foreign_names(tail.split(b"\r\n"), found.lines))
    try:
        # The parser knows neither REPLICATE and SSYNC nor raw UTF-8 in a target: it sees a request line of ours.
        httptools.HttpRequestParser(found).feed_data(b"POST / HTTP/1.1" + tail)
    except httptools.HttpParserUpgrade:
        pass  # An offer that we do not take up; the head was parsed to its end.
    except httptools.HttpParserError as error:
        if b"\ncontent-length:" not in tail.lower():
            _refuse_unknown_coding(found.lines)
        raise BadRequest(BAD_REQUEST, f"Malformed header: {error}.") from None
    if not found.complete:
        raise BadRequest(BAD_REQUEST, "Malformed header.")
    if len(found.lines) > limits.max_header_count:
        raise BadRequest(BAD_REQUEST, f"More than {limits.max_header_count} headers.")
    return found.lines


def _take_foreign_names(lines: list[bytes], found: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Move well-formed lines whose names are not ASCII to ``found``; return the others.

    RFC 9110 knows no such names, so the C parser refuses them, but clients of Swift name metadata in UTF-8.
    """
    others = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon and not name.isascii() and FOREIGN_NAME.fullmatch(name) and FIELD_VALUE.fullmatch(value):
            found.append((name, value.strip(b" \t")))
        else:
            others.append(line)
    return others


def _refuse_unknown_coding(lines: list[tuple[bytes, bytes]]) -> None:
    """The parser stops at any odd Transfer-Encoding; a well-formed one that is merely unknown deserves a 501."""
    if any(name.lower() == b"transfer-encoding" for name, _ in lines):
        _framing(_collect(lines), True)


@lru_cache(maxsize=2048)
def environ_key(name: bytes) -> str | None:
    """Return the CGI name of a header; None for one with ``_``, which would collide with one spelled with ``-``."""
    if b"_" in name:
        return None
    key = name.upper().replace(b"-", b"_").decode("latin-1")  # as bytes: only ASCII letters have a case here
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else "HTTP_" + key


def _collect(lines: list[tuple[bytes, bytes]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, raw in lines:
        key = environ_key(name)
        if key is None:
            continue
        value = raw.decode("latin-1").rstrip(" \t")
        if key not in fields:
            fields[key] = value
        elif key not in FIRST_WINS:
            fields[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
    return fields


def _parse_target(method: str, target: bytes, fields: dict[str, str]) -> tuple[str, str]:
    text = target.decode("latin-1")
    if text[0] != "/":
        if text == "*" and method == "OPTIONS":
            return "*", ""
        scheme, found, rest = text.partition("://")
        if not found or scheme.lower() not in ("http", "https") or method == "CONNECT":
            raise BadRequest(BAD_REQUEST, "The request target must begin with / or http://.")
        authority = re.split("[/?]", rest, maxsplit=1)[0]
        rest = rest[len(authority) :]
        if not authority or not _is_host(authority):
            raise BadRequest(BAD_REQUEST, "The request target names no proper host.")
        fields["HTTP_HOST"] = authority  # RFC 9112 3.2.2
        text = rest if rest.startswith("/") else "/" + rest
    path, _, query = text.partition("?")
    return path, query


def _check_host(fields: dict[str, str], http11: bool) -> None:
    host = fields.get("HTTP_HOST")
    if host is None:
        if http11:
            raise BadRequest(BAD_REQUEST, "The Host header is missing.")
    elif not _is_host(host):
        raise BadRequest(BAD_REQUEST, "The Host header is repeated or malformed.")


@lru_cache(maxsize=1024)
def _is_host(text: str) -> bool:
    return HOST.fullmatch(text) is not None


def _framing(fields: dict[str, str], http11: bool) -> tuple[int | None, bool]:
    """Return (content length, chunked) or refuse (RFC 9112 6)."""
    coding, length = fields.get("HTTP_TRANSFER_ENCODING"), fields.get("CONTENT_LENGTH")
    if coding is None:
        if length is None:
            return None, False
        if not DIGITS.fullmatch(length):
            raise BadRequest(BAD_REQUEST, "Content-Length must be one decimal number.")
        return int(length), False
    if length is not None:
        raise BadRequest(BAD_REQUEST, "A request with Transfer-Encoding must not have a Content-Length.")
    if not http11:
        raise BadRequest(BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding.")
    if coding.lower() != "chunked":
        codings = [word.strip().lower() for word in coding.split(",")]
        if all(TOKEN.fullmatch(word.encode("latin-1")) for word in codings) and set(codings) - KNOWN_CODINGS:
            raise BadRequest(NOT_IMPLEMENTED, "The only Transfer-Encoding understood is chunked.")
        raise BadRequest(BAD_REQUEST, "Malformed Transfer-Encoding.")
    return None, True


def _is_persistent(connection: str | None, http11: bool) -> bool:
    if connection is None:
        return http11
    words = {word.strip() for word in connection.lower().split(",")}
    if "close" in words:
        return False
    return http11 or "keep-alive" in words


MOST_REMEMBERED = 144
"""Bytes of a response's head that says no more than status, type, length and date: the next one will be the same.

Those of row updates are, three for every object that is stored.
"""


class Headers(Mapping[str, str]):
    """The headers of a response: looked up in any case, listed as they came; repeated ones joined with a comma."""

    __slots__ = ("_by_name", "_items")

    def __init__(self, items: list[tuple[str, str]]) -> None:
        self._items = items
        by_name: dict[str, str] = {}
        for name, value in items:
            key = name.lower()
            by_name[key] = f"{by_name[key]},{value}" if key in by_name else value
        self._by_name = by_name

    def __getitem__(self, name: str) -> str:
        return self._by_name[name.lower()]

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return the value of a header, whatever the case of its name."""
        return self._by_name.get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._items))

    def __len__(self) -> int:
        return len(self._by_name)

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
        """Return (name, value) in the order and spelling of the wire."""
        return self._items

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


@dataclass(slots=True)
class ResponseHead:
    """One response's head with the framing of its body decided."""

    status: int
    reason: str
    headers: Headers
    content_length: int | None
    chunked: bool
    keep_alive: bool


class _Response(_Fields):
    __slots__ = ("reason",)

    def __init__(self) -> None:
        super().__init__()
        self.reason = b""

    def on_status(self, reason: bytes) -> None:
        self.reason = reason


def parse_response(head: bytes) -> ResponseHead:
    """Parse one response head, from the status line to the empty line inclusive; raise ValueError if it is none.

    What is returned must not be changed: equal heads may share it.
    """
    return _remembered(head) if len(head) <= MOST_REMEMBERED else _parse_response(head)


def _parse_response(head: bytes) -> ResponseHead:
    found = _Response()
    parser = httptools.HttpResponseParser(found)
    if not head.isascii():
        status_line, *lines = head.split(b"\r\n")
        head = b"\r\n".join([status_line, *_take_foreign_names(lines, found.lines)])
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise ValueError(f"malformed response: {error}") from None
    if not found.complete:
        raise ValueError("malformed response")
    headers = Headers([(name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")) for name, value in found.lines])
    length = headers.get("content-length")
    coding = headers.get("transfer-encoding")
    if (length is not None and not DIGITS.fullmatch(length)) or (coding is not None and coding.lower() != "chunked"):
        raise ValueError("malformed response: its length cannot be told")
    return ResponseHead(
        parser.get_status_code(),
        found.reason.decode("latin-1"),
        headers,
        None if length is None else int(length),
        coding is not None,
        _is_persistent(headers.get("connection"), head.startswith(b"HTTP/1.1")),
    )


_remembered = lru_cache(32)(_parse_response)
