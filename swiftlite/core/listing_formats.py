"""A listing as plain text, JSON or XML, and which of them a client wants (formats.md 7.7)."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swiftlite.core.listing import Subdir
from swiftlite.core.rows import split_swift_bytes
from swiftlite.core.timestamp import Timestamp, decode_timestamps

PLAIN = "text/plain"
JSON = "application/json"
XML = "application/xml"
TEXT_XML = "text/xml"

Entry = Mapping[str, Any]
"""One entry of a listing as JSON shows it."""

_BY_NAME = {"plain": PLAIN, "json": JSON, "xml": XML}
_OFFERED = (PLAIN, JSON, XML, TEXT_XML)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_RANGE = re.compile(rf'^({_TOKEN})/({_TOKEN})((?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|"[^"]*"))*)$')
_QUALITY = re.compile(r";\s*q=([^;\s]*)", re.IGNORECASE)
_NUMBER = re.compile(r"^(\d+(\.\d*)?|\.\d+)$")
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_OBJECT_FIELDS = ("name", "hash", "bytes", "content_type", "last_modified")
_CONTAINER_FIELDS = ("name", "count", "bytes", "last_modified")


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
    for text in filter(None, (part.strip() for part in accept.split(","))):
        match = _MEDIA_RANGE.match(text)
        if not match:
            raise ValueError("Invalid Accept header")
        quality = _QUALITY.search(match[3])
        if (quality and not _NUMBER.match(quality[1])) or (match[1] == "*" and match[2] != "*"):
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


def object_entries(rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """JSON entries of container rows ``(name, created_at, size, content_type, etag)`` and Subdirs."""
    entries: list[dict[str, Any]] = []
    for row in rows:
        if isinstance(row, Subdir):
            entries.append({"subdir": row.name})
            continue
        name, created_at, size, content_type, etag = row[:5]
        if ";" in content_type:
            content_type, swift_bytes = split_swift_bytes(content_type)
            if swift_bytes is not None and swift_bytes.isdecimal():
                size = int(swift_bytes)
        entries.append(
            {
                "bytes": size,
                "hash": etag,
                "name": name,
                "content_type": content_type,
                "last_modified": last_modified(created_at),
            }
        )
    return entries


def container_entries(
    rows: Iterable[Sequence[Any]], policy_names: Mapping[int, str] | None = None
) -> list[dict[str, Any]]:
    """JSON entries of account rows ``(name, object_count, bytes_used, put_timestamp, policy index)`` and Subdirs."""
    entries: list[dict[str, Any]] = []
    for row in rows:
        if isinstance(row, Subdir):
            entries.append({"subdir": row.name})
            continue
        name, count, used, put_timestamp, policy_index = row[:5]
        entry = {"name": name, "count": count, "bytes": used, "last_modified": last_modified(put_timestamp)}
        if policy_names and policy_index in policy_names:
            entry["storage_policy"] = policy_names[policy_index]
        entries.append(entry)
    return entries


def last_modified(created_at: str) -> str:
    """ISO time of a row: that of its newest metadata, without a zone, always with microseconds."""
    if len(created_at) == 16 and created_at.isascii():  # a plain timestamp, by far the most frequent
        return f"{_iso_second(created_at[:10])}.{created_at[11:]}0"
    times = [moment for moment in decode_timestamps(created_at) if moment is not None]
    return Timestamp(times[-1]).isoformat


@functools.lru_cache(maxsize=4096)
def _iso_second(seconds: str) -> str:
    return Timestamp(int(seconds)).isoformat[:19]


def render(media_type: str, kind: str, name: str, entries: Sequence[Entry]) -> bytes:
    """A listing's body.

    :param media_type: one of PLAIN, JSON, XML and TEXT_XML
    :param kind: ``account`` or ``container``: whose listing it is
    :param name: native name of the account or container
    """
    if media_type == JSON:
        return to_json(entries)
    if media_type == PLAIN:
        return to_plain(entries)
    return account_to_xml(name, entries) if kind == "account" else container_to_xml(name, entries)


def to_json(entries: Sequence[Entry]) -> bytes:
    """The entries as JSON, all ASCII."""
    return json.dumps(entries).encode("ascii")


def to_plain(entries: Sequence[Entry]) -> bytes:
    """One name or subdir a line."""
    lines = [entry["name"] if "name" in entry else entry["subdir"] for entry in entries]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def container_to_xml(name: str, entries: Sequence[Entry]) -> bytes:
    """A container's listing: one line of objects and subdirs."""
    parts = [_object_element(entry) for entry in entries]
    start = f'<container name="{_attribute(name)}"'
    document = f"{start}>{''.join(parts)}</container>" if parts else f"{start} />"
    return (_XML_HEAD + document).encode("utf-8", "surrogateescape")


def _object_element(entry: Entry) -> str:
    if "subdir" in entry:
        subdir = entry["subdir"]
        return f'<subdir name="{_attribute(subdir)}"><name>{_text(subdir)}</name></subdir>'
    return f"<object>{_elements(entry, _OBJECT_FIELDS)}</object>"


def account_to_xml(name: str, entries: Sequence[Entry]) -> bytes:
    """An account's listing: one container or subdir a line."""
    lines = [f'<account name="{_attribute(name)}">']
    for entry in entries:
        if "subdir" in entry:
            lines.append(f'<subdir name="{_attribute(entry["subdir"])}" />')
            continue
        fields = (*_CONTAINER_FIELDS, *(("storage_policy",) if "storage_policy" in entry else ()))
        lines.append(f"<container>{_elements(entry, fields)}</container>")
    lines.append("</account>")
    return (_XML_HEAD + "\n".join(lines)).encode("utf-8", "surrogateescape")


def _elements(entry: Entry, fields: Iterable[str]) -> str:
    parts = []
    for field in fields:
        text = _text(str(entry[field]))
        parts.append(f"<{field}>{text}</{field}>" if text else f"<{field} />")
    return "".join(parts)


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attribute(text: str) -> str:
    escaped = _text(text).replace('"', "&quot;")
    return escaped.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#09;")
