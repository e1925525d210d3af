"""What a listing tells of an object beyond its row: the user's metadata, and the time that they say (doc/extensions.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from swiftlite.core.metadata import USER_PREFIX, lower_case

Entry = dict[str, Any]

AS_STORED = "multipart-manifest=get"
"""A large object's metadata are its manifest's: nobody need look at the segments."""
MTIME = "mtime"
DELETED = "swift_versions_deleted="
"""Parameter of the content type of what a listing of versions shows where an object was deleted."""

_PREFIX = USER_PREFIX["object"]
_SECONDS = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")


def question(entry: Mapping[str, Any]) -> str | None:
    """The query of the HEAD that tells the metadata of a listing's entry; None for one that has none.

    A link is asked about itself, not about what it leads to, for so does its row; a version is asked for by its id.
    """
    if "name" not in entry or "\x00" in entry["name"] or DELETED in entry.get("content_type", ""):
        return None
    if "version_id" in entry:
        return f"{AS_STORED}&version-id={quote(str(entry['version_id']), safe='')}"
    if "symlink_path" in entry:
        return f"{AS_STORED}&symlink=get"
    return AS_STORED


def describe(entry: Entry, status: int, headers: Iterable[tuple[str, str]]) -> None:
    """Add to a listing's entry what a HEAD of the object has said.

    :param status: of the answer; where it is no success the entry tells it, and ``None`` in place of metadata
    :param headers: of the answer, WSGI strings
    """
    if status // 100 != 2:
        entry["metadata"], entry["metadata_status"] = None, status
        return
    found = user_metadata(headers)
    entry["metadata"] = found
    if _SECONDS.fullmatch(found.get(MTIME, "")):
        entry[MTIME] = found[MTIME]


def user_metadata(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The user's metadata among headers: names in small letters without their prefix, values as text.

    Bytes that are no UTF-8 become U+FFFD.
    """
    return {
        _text(lower_case(name)[len(_PREFIX) :]): _text(value)
        for name, value in headers
        if len(name) > len(_PREFIX) and name[: len(_PREFIX)].lower() == _PREFIX
    }


def _text(wsgi: str) -> str:
    return wsgi if wsgi.isascii() else wsgi.encode("latin-1").decode("utf-8", "replace")
