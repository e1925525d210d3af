"""Temporary URLs: what one asks for, whom it lets in and how far, and how its answer looks (formats.md 7.18)."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import formatdate
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import quote, urlencode

from swiftlite.core.query import Parameters

KEYS = ("temp-url-key", "temp-url-key-2")
"""The user metadata of accounts and containers that hold a key."""
POINTERS = ("X-Object-Manifest", "X-Symlink-Target", "X-Copy-From")
"""Headers by which an upload would lead to what its signature does not cover."""

_SIGNED_FOR = {"HEAD": ("HEAD", "GET", "POST", "PUT")}
_ISO_8601 = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST_EXPIRES = 32
_LONGEST_IP_RANGE = 128
_LATEST = 253402300799
"""The last second that an HTTP date can name: that of the year 9999."""

_parameters = Parameters(
    ("temp_url_sig", "temp_url_expires", "temp_url_prefix", "temp_url_ip_range", "filename", "inline")
)


class TempURL(NamedTuple):
    """What the query of a temporary URL says; None: nothing of that.

    :ivar signature: as it stands there, like the rest
    :ivar inline: whether a browser shall show the object instead of saving it
    """

    signature: str | None
    expires: str | None
    prefix: str | None
    ip_range: str | None
    filename: str | None
    inline: bool

    def query(self, signature: str) -> str:
        """The query as whoever builds links to neighbours needs it (staticweb); it asks for nothing else.

        :param signature: in hex
        """
        kept = {
            "temp_url_sig": signature,
            "temp_url_expires": self.expires,
            "temp_url_prefix": self.prefix,
            "temp_url_ip_range": self.ip_range or None,
            "filename": self.filename or None,
            "inline": "" if self.inline else None,
        }
        return urlencode({name: value for name, value in kept.items() if value is not None})


def read_query(query: str) -> TempURL | None:
    """What a query says of a temporary URL; None: it is none."""
    if "temp_url_" not in query and "%" not in query:
        return None
    found = _parameters(query)
    if "temp_url_sig" not in found and "temp_url_expires" not in found:
        return None
    return TempURL(
        found.get("temp_url_sig"),
        found.get("temp_url_expires"),
        found.get("temp_url_prefix"),
        found.get("temp_url_ip_range"),
        found.get("filename"),
        "inline" in found,
    )


def expiry(text: str) -> int | None:
    """Seconds since 1970 of ``temp_url_expires``, which may also be ISO 8601; None when it is no moment."""
    if len(text) > _LONGEST_EXPIRES:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return calendar.timegm(datetime.strptime(text, _ISO_8601).timetuple())
    except ValueError:
        return None


def expires_date(expires: int) -> str:
    """The value of an answer's Expires; dates end with the year 9999."""
    return formatdate(min(expires, _LATEST), usegmt=True)


def admits(ip_range: str, address: str | None) -> bool:
    """Whether a client's address is among those of a URL: one address, or a network as ``10.0.0.0/8``."""
    if address is None or len(ip_range) > _LONGEST_IP_RANGE or not ip_range.isprintable():
        return False
    try:
        network, client = ip_network(ip_range), ip_address(address)
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None)  # of a server that listens on :: for both
    return client in network or (mapped is not None and mapped in network)


def methods_that_allow(method: str) -> tuple[str, ...]:
    """The methods for which a signature may be made that lets a request of this one in."""
    return _SIGNED_FOR.get(method, (method,))


def signed_path(account: str, container: str, name: str, prefix: str | None) -> str | None:
    """The path that a signature covers; None when the object is not one of the prefix. All native text.

    It says v1 whatever a cluster's versions are called, and never how the path was percent-encoded.
    """
    if prefix is None:
        return f"/v1/{account}/{container}/{name}"
    return f"prefix:/v1/{account}/{container}/{prefix}" if name.startswith(prefix) else None


def keys_of(metadata: Mapping[str, str]) -> list[str]:
    """The keys in an account's or container's user metadata; an empty one is none, for everybody knows it."""
    return [metadata[name] for name in KEYS if metadata.get(name)]


class NameRule:
    """Which headers are taken away: those of a list, but not the exceptions; ``*`` ends a name that begins many.

    :param listed: names in the case in which they will be asked for
    :param exceptions: likewise
    """

    def __init__(self, listed: Iterable[str], exceptions: Iterable[str]) -> None:
        self._names, self._prefixes = _split(listed)
        self._kept_names, self._kept_prefixes = _split(exceptions)

    def __call__(self, name: str) -> bool:
        """Whether this one is."""
        if name not in self._names and not name.startswith(self._prefixes):
            return False
        return name not in self._kept_names and not name.startswith(self._kept_prefixes)


def _split(patterns: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    patterns = list(patterns)
    names = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
    return names, tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))


def disposition(url: TempURL, inline: bool, stored: str | None, name: str) -> str:
    """The Content-Disposition of a download: as the URL says, else the object, else to be saved under its name.

    :param inline: a browser shall show it
    :param stored: the object's own Content-Disposition
    :param name: the object's whole name, native text
    """
    kind = "inline" if inline else "attachment"
    if url.filename:
        return _with_filename(kind, url.filename)
    if inline:
        return kind
    if stored:
        return stored.replace("\n", "%0A")
    return _with_filename(kind, name.rstrip("/").rpartition("/")[2])


def _with_filename(kind: str, filename: str) -> str:
    """RFC 6266: a plain spelling for old browsers, and one that says how it is encoded."""
    encoded = filename.encode("utf-8", "surrogateescape")
    return f"{kind}; filename=\"{quote(encoded, safe=' /')}\"; filename*=UTF-8''{quote(encoded)}"
