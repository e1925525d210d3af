"""Access lists: containers' read and write lists, accounts' JSON lists, and whom they let in (formats.md 7.8)."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlparse

from swiftlite.core.json_text import load_json

REFERRER_WORDS = frozenset({".r", ".ref", ".referer", ".referrer"})
LISTINGS = ".rlistings"
"""The element that extends referrer access from objects to the listing."""

_ENCODED_BYTE = re.compile(rb"%[0-9a-fA-F]{2}")
_BYTES = {b"%%%02X" % byte: bytes([min(byte, 0xFE)]) for byte in range(256)}
"""What each stands for; FE in place of FF, which is no more a text than that."""
ACCOUNT_LEVELS = ("admin", "read-write", "read-only")


def clean_acl(header: str, value: str) -> str:
    """Bring a container's access list into the one spelling that is stored.

    :param header: name of the header it came in; one with ``write`` in it may not name referrers
    :param value: WSGI string as the client sent it
    :returns: elements without blanks, referrers as ``.r:[-]host``
    :raises ValueError: saying which element is wrong; the answer is 400
    """
    elements = (element.strip() for element in value.split(","))
    return ",".join(_clean_element(header.lower(), element) for element in elements if element)


def _clean_element(header: str, element: str) -> str:
    if not element.startswith("."):
        return element
    designator, colon, host = element.partition(":")
    designator, host = designator.rstrip(), host.lstrip()
    if not colon:
        return element
    if designator not in REFERRER_WORDS:
        raise ValueError(f"Unknown designator {designator!r} in ACL: {element!r}")
    if "write" in header:
        raise ValueError(f"A write ACL cannot name referrers: {element!r}")
    sign = "-" if host.startswith("-") else ""
    host = host.removeprefix("-").strip()
    if host.startswith("*") and host != "*":
        host = host[1:].strip()
    if host in ("", "."):
        raise ValueError(f"No host after the referrer designator in ACL: {element!r}")
    return f".r:{sign}{host}"


@dataclass(frozen=True)
class ContainerACL:
    """A stored access list, taken apart: the referrer entries in order, and the groups."""

    referrers: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()

    def allows_referrer(self, referrer: str | None) -> bool:
        """Whether a page at this URL may lead to the container; the last entry that matches decides.

        :param referrer: the Referer header; a request without one comes from the host ``unknown``
        """
        if not self.referrers:
            return False
        host = _host(referrer)
        allowed = False
        for entry in self.referrers:
            if entry == "*" or _is_host(entry.removeprefix("-"), host):
                allowed = not entry.startswith("-")
        return allowed

    @property
    def allows_listings(self) -> bool:
        """Whether referrer access covers listings, too."""
        return LISTINGS in self.groups

    def allows_group(self, groups: Iterable[str]) -> bool:
        """Whether one of a user's groups is named."""
        return not self.groups.isdisjoint(groups)


@functools.lru_cache(maxsize=1024)
def parse_acl(stored: str | None) -> ContainerACL:
    """Take apart a list that :func:`clean_acl` made; groups are percent-decoded."""
    if not stored:
        return ContainerACL()
    elements = stored.split(",")
    referrers = tuple(element[3:] for element in elements if element.startswith(".r:"))
    groups = [element for element in elements if not element.startswith(".r:")]
    return ContainerACL(referrers, frozenset(_decoded(groups) if "%" in stored else groups))


def _decoded(groups: list[str]) -> list[str]:
    """All of them at once: a call costs more than what it decodes. The byte FF parts them, which no UTF-8 text has."""
    if not groups:
        return []
    data = ",".join(groups).encode("utf-8", "replace").replace(b",", b"\xff")
    parts = _ENCODED_BYTE.sub(lambda match: _BYTES[match[0].upper()], data).split(b"\xff")
    return [part.decode("utf-8", "replace") for part in parts]


def _host(referrer: str | None) -> str:
    try:
        return urlparse(referrer or "").hostname or "unknown"
    except ValueError:  # a bracket without its pair
        return "unknown"


def _is_host(entry: str, host: str) -> bool:
    return entry == host or (entry.startswith(".") and host.endswith(entry))


@dataclass(frozen=True)
class AccountACL:
    """Who besides its own users may use an account (formats.md 7.8)."""

    admin: frozenset[str] = frozenset()
    read_write: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()

    def level(self, groups: Collection[str]) -> str | None:
        """The widest of ACCOUNT_LEVELS that a user's groups reach, or None."""
        for name, members in zip(ACCOUNT_LEVELS, (self.admin, self.read_write, self.read_only), strict=True):
            if not members.isdisjoint(groups):
                return name
        return None


@functools.lru_cache(maxsize=1024)
def parse_account_acl(stored: str | None) -> AccountACL:
    """Read a stored account list; whatever is no such list lets nobody in."""
    try:
        lists = read_account_acl(stored or "")
    except ValueError:
        return AccountACL()
    return AccountACL(*(frozenset(lists.get(level, ())) for level in ACCOUNT_LEVELS))


def read_account_acl(text: str) -> Mapping[str, list[str]]:
    """Check an account list as a client sends it.

    :param text: native string, JSON; an empty one removes the list
    :raises ValueError: saying what is wrong; the answer is 400
    """
    if not text:
        return {}
    try:
        lists = load_json(text)
    except ValueError:
        lists = None
    if not isinstance(lists, dict):
        raise ValueError(f"Syntax error in input ({text!r})")
    for key, members in lists.items():
        if key not in ACCOUNT_LEVELS:
            raise ValueError(f"Key {json.dumps(key)} not recognized")
        if not isinstance(members, list):
            raise ValueError(f"Value for key {json.dumps(key)} must be a list")
        if not all(isinstance(member, str) for member in members):
            raise ValueError(f"Elements of {json.dumps(key)} list must be strings")
    return lists


def format_account_acl(lists: Mapping[str, list[str]]) -> str:
    """The one spelling of an account list: ASCII, keys sorted, no blanks."""
    return json.dumps(lists, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
