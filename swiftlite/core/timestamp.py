"""Timestamps: their order, and their spellings in headers, file names and databases (formats.md 2)."""

from __future__ import annotations

import functools
import math
import re
from datetime import datetime, timedelta
from email.utils import formatdate

PRECISION = 100_000
"""Raw units per second: Swift counts time in steps of 10 microseconds."""

MAX_RAW = 10_000_000_000 * PRECISION - 1
MAX_OFFSET = 2**64 - 1
MAX_DELETE_AT = 9_999_999_999

_EPOCH = datetime(1970, 1, 1)
_SPLIT_DELTAS = re.compile(r"([+-][0-9a-f]+)")


@functools.total_ordering
class Timestamp:
    """A moment in steps of 10 microseconds, with an offset that orders several changes at one moment.

    :param value: seconds since the epoch, or any of the spellings below, or another Timestamp
    :param offset: added to the offset that ``value`` carries
    :param delta: raw units (10 microseconds) added to the time
    :raises ValueError: for text that is no timestamp, or a moment outside 0 <= t < 10000000000
    """

    __slots__ = ("offset", "raw")

    raw: int
    offset: int

    def __init__(self, value: str | float | int | Timestamp, offset: int = 0, delta: int = 0) -> None:
        if isinstance(value, Timestamp):
            self.raw, self.offset = value.raw, value.offset
        elif isinstance(value, str):
            self.raw, self.offset = _parse(value)
        else:
            self.raw, self.offset = _to_raw(float(value)), 0
        self.raw += delta
        self.offset += offset
        if not 0 <= self.raw <= MAX_RAW:
            raise ValueError(f"timestamp {value!r} is outside 0 to 9999999999.99999")
        if not 0 <= self.offset <= MAX_OFFSET:
            raise ValueError(f"timestamp offset of {value!r} is outside 0 to 2^64 - 1")

    @property
    def normal(self) -> str:
        """``1402464677.04188``: what clients see."""
        seconds, fraction = divmod(self.raw, PRECISION)
        return f"{seconds:010d}.{fraction:05d}"

    @property
    def internal(self) -> str:
        """``1402464677.04188_000000000000002a``: file names and backend headers; no offset, no suffix."""
        return f"{self.normal}_{self.offset:016x}" if self.offset else self.normal

    @property
    def short(self) -> str:
        """``1402464677.04188_2a``: used only inside encoded timestamps."""
        return f"{self.normal}_{self.offset:x}" if self.offset else self.normal

    @property
    def isoformat(self) -> str:
        """``2014-06-11T05:31:17.041880``: listings; UTC, no zone, always microseconds."""
        return (_EPOCH + timedelta(microseconds=self.raw * 10)).isoformat(timespec="microseconds")

    @property
    def http_date(self) -> str:
        """``Wed, 11 Jun 2014 05:31:18 GMT``: Last-Modified, in whole seconds, rounded up."""
        return _http_date(self.ceil())

    def ceil(self) -> int:
        """Whole seconds, rounded up: what Last-Modified shows."""
        return -(-self.raw // PRECISION)

    def __float__(self) -> float:
        return self.raw / PRECISION

    def __int__(self) -> int:
        return self.raw // PRECISION

    def __bool__(self) -> bool:
        return bool(self.raw or self.offset)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timestamp):
            return NotImplemented
        return self.raw == other.raw and self.offset == other.offset

    def __lt__(self, other: Timestamp) -> bool:
        if not isinstance(other, Timestamp):
            return NotImplemented
        return (self.raw, self.offset) < (other.raw, other.offset)

    def __hash__(self) -> int:
        return hash((self.raw, self.offset))

    def __invert__(self) -> Timestamp:
        """The moment mirrored in time, so that newer ones sort first (version names, formats.md 7.14)."""
        raw = 999_999_999_999_999 - self.raw
        if not self.offset:
            return _make(raw, 0)
        return _make(raw - 1, 2**64 - self.offset)

    def __str__(self) -> str:
        return self.internal

    def __repr__(self) -> str:
        return f"Timestamp({self.internal!r})"


def _make(raw: int, offset: int) -> Timestamp:
    made = Timestamp.__new__(Timestamp)
    made.raw, made.offset = raw, offset
    return made


@functools.lru_cache(maxsize=256)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _to_raw(seconds: float) -> int:
    if not math.isfinite(seconds):
        raise ValueError(f"timestamp {seconds!r} is not a finite number")
    return round(seconds * PRECISION)


def _parse(text: str) -> tuple[int, int]:
    if len(text) == 16 and text[10] == "." and text.isascii():
        digits = text[:10] + text[11:]
        if digits.isdigit():
            return int(digits), 0
    time_part, *offset_part = text.split("_")
    if len(offset_part) > 1:
        raise ValueError(f"timestamp {text!r} has more than one offset")
    offset = 0
    if offset_part:
        digits = offset_part[0]
        if not 1 <= len(digits) <= 16 or not all(c in "0123456789abcdefABCDEF" for c in digits):
            raise ValueError(f"timestamp offset of {text!r} is not 1 to 16 hex digits")
        offset = int(digits, 16)
    return (_parse(time_part)[0] if offset_part else _to_raw(float(time_part))), offset


ZERO = Timestamp(0)


def encode_timestamps(
    data: Timestamp,
    content_type: Timestamp | None = None,
    metadata: Timestamp | None = None,
    explicit: bool = False,
) -> str:
    """Spell up to three timestamps in one string: ``t1.short[±hex[±hex]]`` (formats.md 2).

    :param explicit: write the deltas even where all of them are zero
    """
    text, last = data.short, data
    deltas = []
    for timestamp in (content_type, metadata):
        if timestamp is None:
            break
        deltas.append(timestamp.raw - last.raw)
        last = timestamp
    if explicit or any(deltas):
        text += "".join(f"{delta:+x}" for delta in deltas)
    return text


def decode_timestamps(encoded: str, explicit: bool = False) -> tuple[Timestamp, Timestamp | None, Timestamp | None]:
    """Read back what :func:`encode_timestamps` wrote.

    :param explicit: return None for what is not spelled; otherwise it equals its predecessor
    :raises ValueError: for text of another form
    """
    first, *deltas = [part for part in _SPLIT_DELTAS.split(encoded) if part] or ["+"]
    if len(deltas) > 2 or first[0] in "+-":
        raise ValueError(f"{encoded!r} does not spell one to three timestamps")
    times = [Timestamp(first)]
    for delta in deltas:
        step = int(delta, 16)
        times.append(times[-1] if step == 0 else Timestamp(times[-1].normal, delta=step))
    while len(times) < 3 and not explicit:
        times.append(times[-1])
    padded: list[Timestamp | None] = [*times, None, None]
    return times[0], padded[1], padded[2]


def normal_delete_at(value: str | float | int) -> str:
    """Spell an X-Delete-At as ten digits of whole seconds, clamped to 0 … 9999999999.

    :raises ValueError: when ``value`` is no number
    """
    number = value if isinstance(value, int) else float(value)  # an int may be too large for a float
    if number != number:
        raise ValueError("It is no number.")
    return f"{int(min(max(0, number), MAX_DELETE_AT)):010d}"
