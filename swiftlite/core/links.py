"""Symbolic links: what a client asks for, what an object's metadata keep of it, what listings show (formats.md 7.17)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from swiftlite.core.constraints import Violation
from swiftlite.core.names import quote_wsgi, split_path

TARGET = "X-Object-Sysmeta-Symlink-Target"
TARGET_ACCOUNT = "X-Object-Sysmeta-Symlink-Target-Account"
TARGET_ETAG = "X-Object-Sysmeta-Symlink-Target-Etag"
TARGET_BYTES = "X-Object-Sysmeta-Symlink-Target-Bytes"
EXTENDS_LOOP = "X-Object-Sysmeta-Symloop-Extend"
REACHES_RESERVED = "X-Object-Sysmeta-Allow-Reserved-Names"

CLIENT_NAMES = {
    name.lower(): name.replace("Object-Sysmeta-", "") for name in (TARGET, TARGET_ACCOUNT, TARGET_ETAG, TARGET_BYTES)
}
"""What a client calls the metadata of a link, by their lower-case stored names."""

LISTED_ETAG = "X-Object-Sysmeta-Container-Update-Override-Etag"

MARK = b"symlink_target="
"""What a listing that shows a link holds somewhere."""

MD5_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"
CONTENT_TYPE = "application/symlink"
"""What a link is whose target is not looked at."""

_BAD_TARGET = "X-Symlink-Target header must be of the form <container name>/<object name>"
_STORED = {
    name.lower(): name for name in (TARGET, TARGET_ACCOUNT, TARGET_ETAG, TARGET_BYTES, EXTENDS_LOOP, REACHES_RESERVED)
}
_LENGTHS = frozenset(map(len, _STORED))


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link points; all texts are WSGI strings.

    :param target: ``container/object``, percent-encoded
    :param account: of the target, percent-encoded; None for the link's own
    :param etag: of a static link: what the target's ETag must be
    :param size: of a static link: the target's bytes
    :param extends_loop: following it does not count towards the limit
    :param reaches_reserved: whoever may read it may read its target, even one in the reserved namespace
    """

    target: str
    account: str | None = None
    etag: str | None = None
    size: str | None = None
    extends_loop: bool = False
    reaches_reserved: bool = False

    def path(self, version: str, account: str) -> str:
        """The target's path, percent-encoded.

        :param account: the account that the link itself is in, not encoded
        """
        return f"/{version}/{self.account or quote_wsgi(account)}/{self.target}"

    def listed_etag(self, etag: str | None = None) -> str:
        """What the container's listing is told as the link's ETag.

        :param etag: what it would be told otherwise, parameters included
        """
        parts = [etag or MD5_OF_NOTHING, f"symlink_target={self.target}"]
        if self.account is not None:
            parts.append(f"symlink_target_account={self.account}")
        if self.etag is not None:
            parts += [f"symlink_target_etag={self.etag}", f"symlink_target_bytes={self.size}"]
        return "; ".join(parts)


def requested_link(own: tuple[str, str, str], target: str, account: str | None, etag: str | None) -> Link:
    """The link that the headers of a PUT ask for.

    :param own: account, container and object of the link to be
    :param target: X-Symlink-Target, and so on for the rest
    :raises Violation: 412 for a malformed target or account, 400 for a link to itself or an impossible ETag
    """
    name = unquote(target, "latin-1")
    try:
        container, object_name = split_path("/" + name, 2, 2, rest_with_last=True)
    except ValueError:
        raise Violation(412, _BAD_TARGET) from None
    if account is not None:
        account = unquote(account, "latin-1")
        if not account:
            raise Violation(412, "Account name cannot be empty")
        if "/" in account:
            raise Violation(412, "Account name cannot contain slashes")
    if (account or own[0], container, object_name) == own:
        raise Violation(400, "Symlink cannot target itself")
    if etag and len(etag) > 1 and etag[0] == etag[-1] == '"':
        etag = etag[1:-1]
    if etag and any(mark in etag for mark in ';"\\'):  # it goes into a listing's parameters
        raise Violation(400, "Bad X-Symlink-Target-Etag format")
    return Link(quote_wsgi(name), None if account is None else quote_wsgi(account), etag or None)


def stored_link(headers: Iterable[tuple[str, str]]) -> Link | None:
    """The link that an object's headers tell of; None when it is none."""
    found = {}
    for name, value in headers:
        if len(name) in _LENGTHS:  # of an ordinary object's headers hardly one has such a length
            key = name.lower()
            if key in _STORED:
                found[_STORED[key]] = value
    if not found.get(TARGET):
        return None
    return Link(
        found[TARGET],
        found.get(TARGET_ACCOUNT) or None,
        found.get(TARGET_ETAG) or None,
        found.get(TARGET_BYTES),
        found.get(EXTENDS_LOOP, "").lower() == "true",
        bool(found.get(REACHES_RESERVED)),
    )


def inherited_etag(target: Mapping[str, str]) -> str | None:
    """What a listing shows behind a static link's own ETag, for its target is a large object; None for other targets.

    :param target: the target's headers, by lower-case name
    """
    listed, slo_etag = target.get(LISTED_ETAG.lower()), target.get("x-object-sysmeta-slo-etag")
    if listed is not None:
        return "".join([MD5_OF_NOTHING, *listed.partition(";")[1:]])
    return None if slo_etag is None else f"{MD5_OF_NOTHING}; slo_etag={slo_etag}"


def split_etag(text: str) -> tuple[str, dict[str, str]]:
    """The ETag of a listing's row, and the parameters that middleware has put behind it."""
    etag, *parameters = text.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return etag.strip(), {key.strip(): value.strip().strip('"') for key, _, value in pairs if key.strip()}


def show_link(entry: MutableMapping[str, Any], version: str, account: str) -> None:
    """Show in a listing's entry where a link points: ``symlink_path``, of a static one its ETag and size, too.

    :param account: whose container is listed, percent-encoded
    """
    if "symlink_target=" not in entry.get("hash", ""):
        return
    etag, parameters = split_etag(entry["hash"])
    target = parameters.pop("symlink_target", "")
    account = parameters.pop("symlink_target_account", account)
    if "symlink_target_etag" in parameters:
        entry["symlink_etag"] = parameters.pop("symlink_target_etag")
    if "symlink_target_bytes" in parameters:
        entry["symlink_bytes"] = int(parameters.pop("symlink_target_bytes"))
    entry["hash"] = "; ".join([etag, *(f"{key}={value}" for key, value in parameters.items())])
    if target:
        entry["symlink_path"] = f"/{version}/{account}/{target}"
