"""Static large objects' manifests: what a client may send, what is stored, which bytes answer a range (formats.md 7.15)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from swiftlite.core.json_text import load_json
from swiftlite.core.names import quote_path
from swiftlite.core.ranges import RangeRequest
from swiftlite.core.rows import split_swift_bytes

MAX_DEPTH = 10
"""Manifests that may refer to one another, the first included."""

TOO_SMALL = "each segment must be at least 1 byte."
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_KEYS = {"data": frozenset({"data"}), "path": frozenset({"path", "range", "etag", "size_bytes"})}
_RAW_NAMES = {"name": "path", "bytes": "size_bytes", "hash": "etag"}
_NOT_RAW = frozenset({"content_type", "last_modified", "sub_slo"})

Entry = dict[str, Any]
"""A segment as the stored manifest lists it."""


MOST_PROBLEMS = 1000
"""Faults of a client's manifest that are told; what follows is not looked at."""


class ManifestError(Exception):
    """A manifest that a client sent cannot be one, or one that was stored cannot be read.

    :param message: what is wrong, a line for each fault
    """


class TooDeep(Exception):
    """Manifests refer to manifests beyond MAX_DEPTH."""


class Wanted(NamedTuple):
    """A segment as the client lists it.

    :ivar path: ``/container/object``, native; empty for inline data
    :ivar etag: what its ETag must be, if the client says
    :ivar size: how many bytes it must have, if the client says
    :ivar span: the bytes of it that are wanted; None for all
    :ivar data: inline data
    """

    path: str
    etag: str | None = None
    size: int | None = None
    span: RangeRequest | None = None
    data: bytes | None = None


class Found(NamedTuple):
    """What a HEAD of a segment told.

    :ivar status: the status line, ``404 Not Found``
    :ivar size: bytes of the object
    :ivar etag: without quotes
    :ivar last_modified: an HTTP date
    :ivar is_manifest: whether it is a static large object itself
    """

    status: str
    size: int
    etag: str
    content_type: str
    last_modified: str
    is_manifest: bool


class Segment(NamedTuple):
    """A segment of a stored manifest.

    :ivar name: ``/container/object``, native; empty for inline data
    :ivar etag: of the object
    :ivar size: bytes of the object
    :ivar first: where in the object the segment begins
    :ivar stop: where it ends, not included
    :ivar is_manifest: whether the object is a static large object itself
    :ivar data: inline data
    """

    name: str
    etag: str
    size: int
    first: int
    stop: int
    is_manifest: bool = False
    data: bytes | None = None

    @property
    def length(self) -> int:
        """How many bytes it gives."""
        return self.stop - self.first


class Piece(NamedTuple):
    """Bytes ``first`` to ``stop``, not included, of a segment's object or of its data."""

    segment: Segment
    first: int
    stop: int


# What a client sends ------------------------------------------------------------------------------------------------


def parse_manifest(body: bytes, own_path: str) -> list[Wanted]:
    """Read the manifest that a client PUTs.

    :param own_path: ``/container/object``, native, of the object that it shall become
    :raises ManifestError: with a line for every entry that cannot be, up to MOST_PROBLEMS
    """
    try:
        listed = load_json(body)
    except ValueError:
        raise ManifestError("Manifest must be valid JSON.\n") from None
    if not isinstance(listed, list):
        raise ManifestError("Manifest must be a list.\n")
    wanted, problems = [], []
    for index, entry in enumerate(listed):
        try:
            wanted.append(_read_wanted(entry, own_path, index == len(listed) - 1))
        except ManifestError as error:
            problems.append(f"Index {index}: {error}\n")
            if len(problems) == MOST_PROBLEMS:  # a body of 8 MiB has room for millions, and each is told in a line
                raise ManifestError("".join(problems)) from None
    if listed and all(isinstance(entry, dict) and "data" in entry for entry in listed):
        problems.append("Inline data segments require at least one object-backed segment.\n")
    if problems:
        raise ManifestError("".join(problems))
    return wanted


def _read_wanted(entry: Any, own_path: str, is_last: bool) -> Wanted:
    if not isinstance(entry, dict):
        raise ManifestError("not a JSON object")
    kind = next((key for key in _KEYS if key in entry), None)
    if kind is None:
        raise ManifestError("expected keys to include one of 'data' or 'path'")
    extraneous = sorted(key for key in entry if key not in _KEYS[kind])
    if extraneous:
        raise ManifestError(f"extraneous keys {', '.join(map(json.dumps, extraneous))}")
    return _read_data(entry["data"]) if kind == "data" else _read_path(entry, own_path, is_last)


def _read_data(text: Any) -> Wanted:
    if not isinstance(text, str) or not _BASE64.issuperset(text.strip("=")):
        raise ManifestError("data must be valid base64")
    try:
        data = base64.b64decode(text)
    except ValueError:
        raise ManifestError("data must be valid base64") from None
    if not data:
        raise ManifestError(f"too small; {TOO_SMALL}")
    return Wanted("", data=data)


def _read_path(entry: Entry, own_path: str, is_last: bool) -> Wanted:
    path, etag = entry["path"], entry.get("etag")
    if not isinstance(path, str):
        raise ManifestError('"path" must be a string')
    if not (etag is None or isinstance(etag, str)):
        raise ManifestError('"etag" must be a string or null (if provided)')
    if not _is_text(path):
        raise ManifestError('"path" must be valid Unicode')
    if "/" not in path.strip("/"):
        raise ManifestError("path does not refer to an object. Path must be of the form /container/object.")
    size = _read_size(entry.get("size_bytes"))
    if size is not None and size < 1 and not is_last:
        raise ManifestError(f"too small; {TOO_SMALL}")
    path = "/" + path.lstrip("/")
    if path == own_path:
        raise ManifestError("manifest must not include itself as a segment")
    span = _read_span(entry["range"], size) if entry.get("range") else None
    return Wanted(path, etag, size, span)


def _is_text(text: str) -> bool:
    """Whether UTF-8 can say it: JSON may hold halves of characters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _read_size(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ManifestError("invalid size_bytes") from None


def _read_span(text: Any, size: int | None) -> RangeRequest:
    span = RangeRequest.parse(f"bytes={text}")
    if span is None:
        raise ManifestError("invalid range")
    if len(span.specs) > 1:
        raise ManifestError("multiple ranges (only one allowed)")
    if size is not None and span.resolve(size) == []:
        raise ManifestError("unsatisfiable range")
    return span


# What is stored -----------------------------------------------------------------------------------------------------


def check_segment(wanted: Wanted, found: Found, may_be_empty: bool) -> tuple[Entry | None, int, list[str]]:
    """Hold an object against what the manifest says of it.

    :param may_be_empty: whether no bytes are enough, as they are for the last segment
    :returns: the entry to store, how many bytes the segment gives, and what does not fit
    """
    if found.status[0] != "2":
        return None, 0, [found.status]
    problems, length, text = [], found.size, None
    if wanted.span is not None:
        ranges = wanted.span.resolve(found.size)
        if ranges == []:
            problems.append("Unsatisfiable Range")
        elif ranges and ranges[0].length != found.size:
            length, text = ranges[0].length, f"{ranges[0].start}-{ranges[0].stop - 1}"
    if length < 1 and not may_be_empty:
        problems.append(f"Too small; {TOO_SMALL}")
    if wanted.size is not None and wanted.size != found.size:
        problems.append("Size Mismatch")
    if wanted.etag is not None and wanted.etag != found.etag:
        problems.append("Etag Mismatch")
    # The order of the keys is part of the manifest's bytes, and so of its ETag.
    entry = {
        "name": wanted.path,
        "bytes": found.size,
        "hash": found.etag,
        "content_type": found.content_type.partition(";")[0],
        "last_modified": _iso(found.last_modified),
    }
    if text:
        entry["range"] = text
    if found.is_manifest:
        entry["sub_slo"] = True
    return entry, length, problems


def _iso(http_date: str) -> str:
    try:
        moment = parsedate_to_datetime(http_date)
    except (TypeError, ValueError):
        moment = datetime(1970, 1, 1)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


def data_entry(data: bytes) -> Entry:
    """How inline data is stored."""
    return {"data": base64.b64encode(data).decode("ascii")}


def problem_line(wanted: Wanted, problem: str) -> tuple[str, str]:
    """A segment's quoted path and what is wrong with it, as the answer to a PUT lists them."""
    return quote_path(wanted.path), problem


def md5(body: bytes) -> str:
    """The MD5 of bytes, as hex digits."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def large_etag(entries: Iterable[Entry]) -> str:
    """The ETag of a static large object: the MD5 of its segments' ETags and ranges."""
    digest = hashlib.md5(usedforsecurity=False)
    for entry in entries:
        if "data" in entry:
            text = md5(base64.b64decode(entry["data"]))
        elif entry.get("range"):
            text = f"{entry['hash']}:{entry['range']};"
        else:
            text = entry["hash"]
        digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def read_entries(body: bytes) -> list[Entry]:
    """The entries of a stored manifest.

    :raises ManifestError: when it is none
    """
    try:
        entries = load_json(body)
    except ValueError as error:
        raise ManifestError(f"Unable to load SLO manifest: {error}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ManifestError("Unable to load SLO manifest: it is no list of segments")
    return entries


def read_segments(entries: Iterable[Entry]) -> list[Segment]:
    """The segments that a stored manifest lists.

    :raises ManifestError: when an entry cannot be read
    """
    try:
        return [_read_segment(entry) for entry in entries]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ManifestError(f"Unable to load SLO manifest: {error!r}") from None


def _read_segment(entry: Entry) -> Segment:
    if "data" in entry:
        data = base64.b64decode(entry["data"])
        return Segment("", "", len(data), 0, len(data), data=data)
    is_manifest = entry.get("sub_slo") in (True, "true", "True")
    size = int(entry["bytes"])
    if is_manifest:
        # Manifests of old give a manifest's own size here, and the object's in the content type.
        _, swift_bytes = split_swift_bytes(entry.get("content_type") or "")
        size = int(swift_bytes) if swift_bytes else size
    first, stop = 0, size
    if entry.get("range"):
        start, _, last = entry["range"].partition("-")
        first, stop = int(start), int(last) + 1
    return Segment("/" + entry["name"].lstrip("/"), entry["hash"], size, first, stop, is_manifest)


def total_length(segments: Iterable[Segment]) -> int:
    """Bytes of the large object."""
    return sum(segment.length for segment in segments)


def to_raw(entries: Iterable[Entry]) -> bytes:
    """A stored manifest as a client may PUT it again."""
    raw = [
        {_RAW_NAMES.get(key, key): value for key, value in entry.items() if "data" in entry or key not in _NOT_RAW}
        for entry in entries
    ]
    return json.dumps(raw, sort_keys=True).encode("ascii")


# Reading ------------------------------------------------------------------------------------------------------------

Fetch = Callable[[Segment], Sequence[Segment]]


def pieces(segments: Iterable[Segment], start: int, stop: int, fetch: Fetch, depth: int = 1) -> Iterator[Piece]:
    """Which bytes of which objects make up bytes ``start`` to ``stop``, not included, of a large object.

    Law: the pieces' bytes joined are that slice of all segments' bytes joined.

    :param fetch: gives the segments of a segment that is a manifest; asked only for those that the range touches
    :param depth: how many manifests led here
    :raises TooDeep: when manifests refer to manifests too often
    """
    for segment in segments:
        if stop <= max(0, start):
            return
        length = segment.length
        first, last = segment.first + max(0, start), segment.first + min(length, stop)
        if first < last:
            if not segment.is_manifest:
                yield Piece(segment, first, last)
            elif depth >= MAX_DEPTH:
                raise TooDeep(segment.name)
            else:
                yield from pieces(fetch(segment), first, last, fetch, depth + 1)
        start -= length
        stop -= length


def part_range(segments: Sequence[Segment], number: int) -> tuple[int, int]:
    """Where the segment of a number, from 1, begins and ends (not included) in the large object."""
    start = total_length(segments[: number - 1])
    return start, start + segments[number - 1].length
