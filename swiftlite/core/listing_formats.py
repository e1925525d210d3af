"""A listing as plain text, JSON or XML, and which of them a client wants (formats.md 7.7)."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from swiftlite.core.json_text import load_json
from swiftlite.core.listing import Row, Subdir
from swiftlite.core.rows import split_swift_bytes
from swiftlite.core.timestamp import Timestamp, decode_timestamps

PLAIN = "text/plain"
JSON = "application/json"
XML = "application/xml"
TEXT_XML = "text/xml"

AT_ONCE = 500
"""Entries of one piece of a listing: a millisecond's work or so."""

READ_AT_ONCE = 100_000
"""Characters of one piece of a listing that is read."""

Entry = Mapping[str, Any]
"""One entry of a listing as JSON shows it."""

Writer = Callable[[Any], str]
"""Gives the text of one entry, or of one row."""

_BY_NAME = {"plain": PLAIN, "json": JSON, "xml": XML}
_OFFERED = (PLAIN, JSON, XML, TEXT_XML)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_RANGE = re.compile(rf'^({_TOKEN})/({_TOKEN})((?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|"[^"]*"))*)$')
_QUALITY = re.compile(r";\s*q=([^;\s]*)", re.IGNORECASE)
_NUMBER = re.compile(r"^(\d+(\.\d*)?|\.\d+)$")
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_OBJECT_FIELDS = ("name", "hash", "bytes", "content_type", "last_modified")
_CONTAINER_FIELDS = ("name", "count", "bytes", "last_modified")
_DIGITS = 19
"""Of the largest size that a database could keep; Python reads no number of thousands."""
_SIXTY = [f"{number:02d}" for number in range(60)]


def choose_format(format_parameter: str | None, accept: str | None) -> str | None:
    """The media type that answers a listing request.

    :param format_parameter: the query's ``format``; it wins, and an unknown one means plain
    :param accept: the Accept header, or None
    :returns: one of PLAIN, JSON, XML and TEXT_XML, or None when none of them is acceptable (406)
    :raises ValueError: when the Accept header cannot be understood (400)
    """
    if format_parameter:
        return _BY_NAME.get(format_parameter.lower(), PLAIN)
    if not accept:
        return PLAIN
    return _choose_accepted(accept)


@functools.lru_cache(maxsize=256)
def _choose_accepted(accept: str) -> str | None:
    ranges = []
    for text in accept.split(","):
        match = _MEDIA_RANGE.match(text.strip())
        if not match:
            raise ValueError("Invalid Accept header")
        quality = _QUALITY.search(match[3])
        if quality and not _NUMBER.match(quality[1]):
            raise ValueError("Invalid Accept header")
        weight = float(quality[1]) if quality else 1.0
        ranges.append((-weight, "*" in (match[1], match[2]), match[1].lower(), match[2].lower()))
    refused = {f"{main}/{sub}" for weight, _, main, sub in ranges if weight == 0}
    for weight, _, main, sub in sorted(ranges, key=lambda entry: entry[:2]):
        for offered in _OFFERED:
            if weight and offered not in refused and _matches(offered, main, sub):
                return offered
    return None


def _matches(offered: str, main: str, sub: str) -> bool:
    offered_main, _, offered_sub = offered.partition("/")
    return main in ("*", offered_main) and sub in ("*", offered_sub)


@dataclass(frozen=True, slots=True)
class Sheet:
    """How the text of a listing is put together.

    :param write: gives the text of one entry
    :param head: stands before the first entry
    :param between: stands between two entries
    :param tail: stands after the last entry
    :param empty: the whole text of a listing without entries
    """

    write: Writer
    head: str = ""
    between: str = ""
    tail: str = ""
    empty: str = ""


def render(media_type: str, kind: str, name: str, entries: Sequence[Entry]) -> Iterator[bytes]:
    """A listing's body, a bounded piece at a time, so that a long one can be made with pauses.

    :param media_type: one of PLAIN, JSON, XML and TEXT_XML
    :param kind: ``account`` or ``container``: whose listing it is
    :param name: native name of the account or container
    """
    return _pieces(_sheet(media_type, kind, name, _entry_writer(media_type, kind)), entries)


def render_objects(media_type: str, name: str, rows: Sequence[Row]) -> Iterator[bytes]:
    """A container's body from rows ``(name, created_at, size, content_type, etag)`` and Subdirs; pieces as of `render`."""
    direct: dict[str, Writer] = {JSON: _object_json, PLAIN: _row_line}
    write = direct.get(media_type) or (lambda row: _object_element(object_entry(row)))
    return _pieces(_sheet(media_type, "container", name, write), rows)


def render_containers(
    media_type: str, name: str, rows: Sequence[Row], policy_names: Mapping[int, str]
) -> Iterator[bytes]:
    """An account's body from rows ``(name, object_count, bytes_used, put_timestamp, policy index)`` and Subdirs.

    :param policy_names: policy index -> name; a policy without a name is not told
    :returns: pieces as of `render`
    """
    of_entry = _entry_writer(media_type, "account")
    sheet = _sheet(media_type, "account", name, lambda row: of_entry(container_entry(row, policy_names)))
    return _pieces(sheet, rows)


def read_entries(body: bytes, at_once: int = READ_AT_ONCE) -> Iterator[list[Any]]:
    """What a JSON list holds, a bounded piece at a time, so that a long one can be read with pauses.

    :param at_once: characters of a piece, or a few more
    :raises ValueError: at any piece, when the body is no JSON list
    """
    text = body.decode().strip()
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError("no JSON list")
    start, last, cut = 1, len(text) - 1, 0
    while cut < last:
        # An entry ends here, or a name that ends in the same characters: then there is an open string, and so an error.
        found = text.find('}, {"', max(start + at_once, cut))
        cut = found + 1 if found >= 0 else last
        try:
            entries = load_json(f"[{text[start:cut]}]")
        except ValueError:
            if cut == last:
                raise
            continue
        yield entries
        start = cut + 1


def _entry_writer(media_type: str, kind: str) -> Writer:
    if media_type == JSON:
        return json.dumps
    if media_type == PLAIN:
        return _entry_line
    return _container_element if kind == "account" else _object_element


def _sheet(media_type: str, kind: str, name: str, write: Writer) -> Sheet:
    if media_type == JSON:
        return Sheet(write, "[", ", ", "]", "[]")
    if media_type == PLAIN:
        return Sheet(write)
    start, end = f'{_XML_HEAD}<{kind} name="{_attribute(name)}"', f"</{kind}>"
    if kind == "account":
        return Sheet(write, f"{start}>\n", "\n", f"\n{end}", f"{start}>\n{end}")
    return Sheet(write, f"{start}>", "", end, f"{start} />")


def _pieces(sheet: Sheet, entries: Sequence[Any]) -> Iterator[bytes]:
    if not entries:
        yield sheet.empty.encode("utf-8", "surrogateescape")
        return
    before = sheet.head
    for start in range(0, len(entries), AT_ONCE):
        text = sheet.between.join(map(sheet.write, entries[start : start + AT_ONCE]))
        after = sheet.tail if start + AT_ONCE >= len(entries) else ""
        yield f"{before}{text}{after}".encode("utf-8", "surrogateescape")
        before = sheet.between


def object_entry(row: Row) -> dict[str, Any]:
    """The JSON entry of a container's row ``(name, created_at, size, content_type, etag)`` or Subdir."""
    if isinstance(row, Subdir):
        return {"subdir": row.name}
    name, created_at, size, content_type, etag = row[:5]
    if ";" in content_type:
        content_type, real_size = _type_and_size(content_type)
        size = size if real_size is None else real_size
    return {
        "bytes": size,
        "hash": etag,
        "name": name,
        "content_type": content_type,
        "last_modified": last_modified(created_at),
    }


def _object_json(row: Row) -> str:
    """What ``json.dumps`` makes of a row's entry, at a third of the price: a page has 10,000 of them."""
    if row.__class__ is Subdir:
        return f'{{"subdir": {_quoted(row[0])}}}'
    name, created_at, size, content_type, etag = row
    if ";" in content_type:
        content_type, real_size = _type_and_size(content_type)
        size = size if real_size is None else real_size
    return (
        f'{{"bytes": {size}, "hash": {_quoted(etag)}, "name": {_quoted(name)}, '
        f'"content_type": {_quoted(content_type)}, "last_modified": "{last_modified(created_at)}"}}'
    )


@functools.lru_cache(maxsize=1024)
def _type_and_size(content_type: str) -> tuple[str, int | None]:
    """A content type without ``swift_bytes``, and those where there are any."""
    shown, swift_bytes = split_swift_bytes(content_type)
    if swift_bytes is None or not swift_bytes.isdecimal() or len(swift_bytes) > _DIGITS:
        return shown, None
    return shown, int(swift_bytes)


def container_entry(row: Row, policy_names: Mapping[int, str]) -> dict[str, Any]:
    """The JSON entry of an account's row ``(name, object_count, bytes_used, put_timestamp, policy index)`` or Subdir."""
    if isinstance(row, Subdir):
        return {"subdir": row.name}
    name, count, used, put_timestamp, policy_index = row[:5]
    entry = {"name": name, "count": count, "bytes": used, "last_modified": last_modified(put_timestamp)}
    if policy_index in policy_names:
        entry["storage_policy"] = policy_names[policy_index]
    return entry


def last_modified(created_at: str) -> str:
    """ISO time of a row: that of its newest metadata, without a zone, always with microseconds."""
    if len(created_at) == 16 and created_at.isascii():  # a plain timestamp, by far the most frequent
        hour, second = divmod(int(created_at[:10]), 3600)
        return f"{_iso_hour(hour)}:{_SIXTY[second // 60]}:{_SIXTY[second % 60]}.{created_at[11:]}0"
    times = [moment for moment in decode_timestamps(created_at) if moment is not None]
    return Timestamp(times[-1]).isoformat


@functools.lru_cache(maxsize=4096)
def _iso_hour(hour: int) -> str:
    return Timestamp(hour * 3600).isoformat[:13]


def _row_line(row: Row) -> str:
    return f"{row[0]}\n"


def _entry_line(entry: Entry) -> str:
    return f"{entry['name'] if 'name' in entry else entry['subdir']}\n"


def _object_element(entry: Entry) -> str:
    if "subdir" in entry:
        subdir = entry["subdir"]
        return f'<subdir name="{_attribute(subdir)}"><name>{_text(subdir)}</name></subdir>'
    more = _metadata_elements(entry) if "metadata" in entry else ""
    return f"<object>{_elements(entry, _OBJECT_FIELDS)}{more}</object>"


def _metadata_elements(entry: Entry) -> str:
    """What `swiftlite.core.listing_metadata` has added to an entry."""
    if entry["metadata"] is None:
        return f'<metadata status="{entry["metadata_status"]}" />'
    items = "".join(
        f'<item name="{_attribute(name)}">{_text(value)}</item>' for name, value in entry["metadata"].items()
    )
    mtime = _elements(entry, ("mtime",)) if "mtime" in entry else ""
    return f"<metadata>{items}</metadata>{mtime}"


def _container_element(entry: Entry) -> str:
    if "subdir" in entry:
        return f'<subdir name="{_attribute(entry["subdir"])}" />'
    fields = (*_CONTAINER_FIELDS, *(("storage_policy",) if "storage_policy" in entry else ()))
    return f"<container>{_elements(entry, fields)}</container>"


def _elements(entry: Entry, fields: Iterable[str]) -> str:
    parts = []
    for field in fields:
        text = _text(str(entry[field]))
        parts.append(f"<{field}>{text}</{field}>" if text else f"<{field} />")
    return "".join(parts)


def _text(text: str) -> str:
    if "&" in text or "<" in text or ">" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def _attribute(text: str) -> str:
    escaped = _text(text).replace('"', "&quot;")
    return escaped.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#09;")
