"""Byte ranges: parse them, resolve them against a length, frame the answer (RFC 9110 14, formats.md 7.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice, pairwise
from typing import NamedTuple

MAX_RANGES = 50
MAX_OVERLAPS = 2
MAX_UNORDERED = 8


class ByteRange(NamedTuple):
    """Bytes ``start`` to ``stop`` of an object, ``stop`` not included."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.stop - self.start

    def after(self, count: int) -> ByteRange:
        """What is left when the first ``count`` bytes are taken."""
        return ByteRange(self.start + count, self.stop)

    def content_range(self, total: int) -> str:
        """``bytes 0-4/13``."""
        return f"bytes {self.start}-{self.stop - 1}/{total}"


class RangeRequest:
    """What a Range header asks for.

    :param specs: (first, last), (first, None) for "from there on", or (None, count) for the last ``count`` bytes
    """

    def __init__(self, specs: Sequence[tuple[int | None, int | None]]) -> None:
        self.specs = tuple(specs)

    @classmethod
    def parse(cls, header: str | None) -> RangeRequest | None:
        """Read a Range header; None when there is none or it makes no sense, for then the whole object is meant."""
        if not header:
            return None
        unit, equals, text = header.partition("=")
        if not equals or unit.strip().lower() != "bytes":
            return None
        specs: list[tuple[int | None, int | None]] = []
        for part in text.split(","):
            start, dash, end = part.partition("-")
            try:
                first, last = _position(start), _position(end)
            except ValueError:
                return None
            if not dash or first is last is None:
                return None
            if first is not None and last is not None and first > last:
                return None
            specs.append((first, last))
        return cls(specs)

    def resolve(self, total: int) -> list[ByteRange] | None:
        """The ranges that an object of ``total`` bytes can satisfy, in the order they were asked for.

        :returns: none at all means 416, as does asking for too much at once (RFC 9110 17.15); None means that the
            last bytes of an empty object were wanted: the answer is 200 with no bytes
        """
        wanted = (found for spec in self.specs if (found := _resolve_one(spec, total)) is not None)
        ranges = list(islice(wanted, MAX_RANGES + 1))  # one too many is enough to know
        if _is_excessive(ranges):
            return []
        if total == 0 and ranges:
            return None
        return ranges


def _position(text: str) -> int | None:
    """A number of digits alone, None for nothing.

    :raises ValueError: when it is something else, or has more digits than Python turns into a number
    """
    if text.isdigit() and text.isascii():
        return int(text)
    digits = text.strip()
    if digits == text and digits:
        raise ValueError("It is no position.")
    return _position(digits) if digits else None


def _resolve_one(spec: tuple[int | None, int | None], total: int) -> ByteRange | None:
    first, last = spec
    if first is None:
        return ByteRange(max(0, total - last), total) if last else None
    if first >= total:
        return None
    return ByteRange(first, total if last is None else min(last + 1, total))


def _is_excessive(ranges: list[ByteRange]) -> bool:
    if len(ranges) > MAX_RANGES:
        return True
    overlaps = sum(_overlap(one, other) for one, other in combinations(ranges, 2))
    if overlaps > MAX_OVERLAPS:
        return True
    ascending = all(one <= other for one, other in pairwise(ranges))
    return not ascending and len(ranges) >= MAX_UNORDERED


def _overlap(one: ByteRange, other: ByteRange) -> bool:
    # Asking twice for just the same bytes does not count.
    return one != other and one.start < other.stop and other.start < one.stop


class MultipartFraming(NamedTuple):
    """The frame around several ranges in one multipart/byteranges body.

    :ivar boundary: 32 hex digits
    :ivar content_type: of the object, repeated in every part
    :ivar total: bytes of the whole object
    """

    boundary: str
    content_type: str
    total: int

    @property
    def header(self) -> str:
        """The Content-Type of the whole answer."""
        return f"multipart/byteranges;boundary={self.boundary}"

    def before(self, part: ByteRange, is_first: bool) -> bytes:
        """What stands before a part's bytes."""
        lead = "" if is_first else "\r\n"
        return (
            f"{lead}--{self.boundary}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Range: {part.content_range(self.total)}\r\n\r\n"
        ).encode("latin-1")

    def end(self) -> bytes:
        """What closes the body."""
        return f"\r\n--{self.boundary}--".encode()

    def pieces(self, parts: Sequence[ByteRange], skip: int = 0) -> Iterator[bytes | ByteRange]:
        """The whole body in order: framing as bytes, and in between the ranges whose bytes belong there.

        :param skip: how many bytes at the beginning of the body are left out
        """
        for piece in self._all_pieces(parts):
            size = len(piece) if isinstance(piece, bytes) else piece.length
            if size > skip:
                yield piece if not skip else piece[skip:] if isinstance(piece, bytes) else piece.after(skip)
            skip = max(0, skip - size)

    def _all_pieces(self, parts: Sequence[ByteRange]) -> Iterator[bytes | ByteRange]:
        for index, part in enumerate(parts):
            yield self.before(part, index == 0)
            yield part
        yield self.end()

    def content_length(self, parts: Sequence[ByteRange]) -> int:
        """Bytes of the whole answer."""
        framing = sum(len(self.before(part, index == 0)) for index, part in enumerate(parts))
        return framing + sum(part.length for part in parts) + len(self.end())
