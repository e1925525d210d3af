"""What bulk requests mean: where a file of an archive goes, what its attributes say, which names are to be deleted
(formats.md 7.19)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from swiftlite.core.constraints import Constraints, Violation
from swiftlite.core.names import str_to_wsgi

ARCHIVES = {"tar": "", "tar.gz": "gz", "tar.bz2": "bz2"}
"""Kind of archive, as the query's ``extract-archive`` says it, and how it is compressed."""

MIME_TYPE = "mime_type"
METADATA = "meta."
ATTRIBUTES = ("SCHILY.xattr.user.", "LIBARCHIVE.xattr.user.")
"""How GNU tar and BSD tar begin the name of a file's extended attribute."""

MOST_QUOTED = 9
"""Characters that one of a name can take in a list: up to three bytes of UTF-8, each percent-encoded."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z\x80-\xff]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def compression_of(kind: str) -> str | None:
    """How an archive is compressed: ``""``, ``gz`` or ``bz2``; None for a kind that is not known.

    :param kind: the query's ``extract-archive``
    """
    return ARCHIVES.get(kind.lower().strip("."))


def destination(base: str, name: str) -> str | None:
    """Where below the account a file of an archive goes, as ``container/object``; a WSGI string as all here.

    Nothing is made of ``..``: it is part of the name, for an account has no directories.

    :param base: what the request's path says below the account, without a slash at its end
    :param name: the file's name in the archive
    :returns: None for a file that would lie in no container
    """
    name = name.removeprefix("./").lstrip("/")
    if base:
        return f"{base}/{name}"
    return name if "/" in name else None


def attribute_headers(attributes: Mapping[str, str]) -> dict[str, str]:
    """The headers that a file's extended attributes ask for: ``user.mime_type`` and ``user.meta.*``.

    :param attributes: the file's pax headers, native strings
    :returns: names and values as WSGI strings
    :raises ValueError: when one cannot be a header
    """
    found = {}
    for key, value in attributes.items():
        prefix = next((prefix for prefix in ATTRIBUTES if key.startswith(prefix)), None)
        attribute = key[len(prefix) :] if prefix else ""
        if attribute == MIME_TYPE:
            header = "Content-Type"
        elif attribute.startswith(METADATA):
            header = "X-Object-Meta-" + str_to_wsgi(attribute.removeprefix(METADATA))
        else:
            continue
        text = str_to_wsgi(value)
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"{key!r} cannot be a header")
        found[header] = text
    return found


class NameList:
    """The names that are to be deleted, taken from a body piece by piece: one a line, percent-encoded.

    :param most: names that there may be
    """

    def __init__(self, constraints: Constraints, most: int) -> None:
        self.names: list[str] = []
        """As native strings, in their order; bad UTF-8 survives as surrogates."""
        self.most = most
        longest = constraints.max_container_name_length + constraints.max_object_name_length + 2
        self._longest_line = MOST_QUOTED * longest
        self._room = most * longest
        """Characters that all names that may still come can have, if there is none too long to exist."""
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body.

        :raises Violation: 413 for too many names, 400 for a line that is too long, or all of them together
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._add(line)
        self._check_length(self._rest)

    def end(self) -> None:
        """Say that the body is over; raises as `feed`."""
        if self._rest.strip():
            self._add(self._rest)
        self._rest = b""

    def _add(self, line: bytes) -> None:
        self._check_length(line)
        if len(self.names) >= self.most:  # empty lines count as well
            raise Violation(413, f"Maximum Bulk Deletes: {self.most} per request")
        name = unquote_to_bytes(line.strip()).decode("utf-8", "surrogateescape")
        self._room -= len(name)
        if self._room < 0:
            raise Violation(400, "Invalid File Name")
        self.names.append(name)

    def _check_length(self, line: bytes) -> None:
        if len(line) > self._longest_line:
            raise Violation(400, "Invalid File Name")


def is_object(name: str) -> bool:
    """Whether a name that is to be deleted is an object's; otherwise it is a container's, which must be empty then."""
    return "/" in name.strip("/")


def is_text(name: str) -> bool:
    """Whether a name, as a native string, is UTF-8 without NUL."""
    if name.isascii():
        return "\x00" not in name
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in name
