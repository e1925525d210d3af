"""Object versioning's rules: names of versions and of their hidden container, and the merged listings (formats.md 7.14).

Names are native text or WSGI strings alike: the functions only put them together and take them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from swiftlite.core.constraints import Violation
from swiftlite.core.names import RESERVED, quote_path
from swiftlite.core.timestamp import Timestamp
from swiftlite.core.versions import DELETE_MARKER

NULL = "null"
"""The version id of an object that was written without versioning."""

Entry = dict[str, Any]
"""One entry of a listing as JSON shows it."""

_ID_CHARACTERS = frozenset("0123456789." + RESERVED)


def reserved_name(*parts: str) -> str:
    """A name of the reserved namespace (formats.md 1.7).

    :raises ValueError: when a part is of that namespace already
    """
    if any(RESERVED in part for part in parts):
        raise ValueError("a reserved name cannot hold another")
    return RESERVED + RESERVED.join(parts)


def hidden_container(container: str) -> str:
    """The container that keeps another one's versions. Raises as ``reserved_name``."""
    return reserved_name("versions", container)


def container_of(hidden: str) -> str:
    """Whose versions a hidden container keeps; any other name as it is."""
    first, *parts = hidden.split(RESERVED)
    return parts[1] if not first and len(parts) == 2 and parts[0] == "versions" else hidden


def version_id(timestamp: str | Timestamp) -> str:
    """The id of a version that was written at that time; an offset does not count.

    :raises ValueError: for text that is no timestamp
    """
    return Timestamp(timestamp).normal


def check_version_id(text: str) -> None:
    """Refuse a version id that cannot be one, or be ``null``.

    :raises Violation: 400
    """
    try:
        Timestamp(text)
    except ValueError:
        raise Violation(400, "Invalid version parameter") from None


def version_name(name: str, identity: str) -> str:
    """The name of an object's version in the hidden container; newer ones sort first. Raises ValueError."""
    return reserved_name(name, (~Timestamp(identity)).internal)


def split_version_name(text: str) -> tuple[str, str | None]:
    """Name and version id that a version's name is made of; any other name as it is, and None."""
    first, *parts = text.split(RESERVED)
    if first or len(parts) != 2:
        return text, None
    try:
        return parts[0], (~Timestamp(parts[1])).internal
    except ValueError:
        return text, None


@dataclass(frozen=True, slots=True)
class VersionsQuery:
    """What a listing of versions asks the hidden container; empty text means not asked for.

    Fields as of ``core/listing.ListingQuery``; ``limit`` is text as it was sent.
    """

    prefix: str = ""
    marker: str = ""
    limit: str = ""
    delimiter: str = ""
    reverse: str = ""


def versions_query(query: dict[str, str]) -> VersionsQuery:
    """Turn a client's query for versions into one for the hidden container.

    :param query: the parameters that were sent
    :raises Violation: 400 for a version_marker that is none, or has no marker, or for what no name can hold
    """
    for name in ("marker", "prefix"):
        if RESERVED in query.get(name, ""):
            raise Violation(400, f"invalid {name} param")
    asked = VersionsQuery(limit=query.get("limit", ""), reverse=query.get("reverse", ""))
    version, marker = query.get("version_marker"), query.get("marker")
    if marker is None and version is not None:
        raise Violation(400, "version_marker param requires marker")
    if marker is not None:
        asked = replace(asked, marker=_marker(marker, version))
    delimiter = query.get("delimiter", "")
    if _ID_CHARACTERS.intersection(delimiter):
        raise Violation(400, "invalid delimiter param")
    prefix = query.get("prefix")
    return replace(asked, delimiter=delimiter, prefix="" if prefix is None else reserved_name(prefix))


def _marker(name: str, version: str | None) -> str:
    if version is None:
        return reserved_name(name, "") + ":"  # sorts behind every timestamp
    if version == NULL:
        return reserved_name(name, "")
    try:
        return version_name(name, version)
    except ValueError:
        raise Violation(400, "invalid version_marker param") from None


def show_target(entry: Entry, container: str, hidden: str, keep_path: bool) -> None:
    """Show in a container's listing, instead of a link to a version, that version's size and ETag.

    :param container: the listed one
    :param hidden: the container of its versions; links to elsewhere stay what they are
    :param keep_path: leave ``symlink_path`` pointing into the hidden container
    """
    if not all(key in entry for key in ("symlink_path", "symlink_etag", "symlink_bytes")):
        return
    _, _, account, target_container, name = unquote(entry["symlink_path"]).split("/", 4)
    if target_container != hidden:
        return
    parameters = entry["hash"].partition(";")[1:]
    entry["bytes"] = int(entry.pop("symlink_bytes"))
    entry["version_symlink"] = True
    entry["hash"] = entry.pop("symlink_etag") + "".join(parameters)
    name, identity = split_version_name(name)
    if identity is not None and not keep_path:
        entry["symlink_path"] = quote_path(f"/v1/{account}/{container}/{name}") + f"?version-id={identity}"


class VersionListing:
    """A container's listing merged with that of its versions.

    :param current: entries of the container, after ``show_target``
    """

    def __init__(self, current: Iterable[Entry]) -> None:
        self._subdirs: set[str] = set()
        self._latest: set[str] = set()
        """Names whose latest version is known."""
        self._links: dict[str, Entry] = {}
        """Entries of links to versions, by the version's path."""
        self._found: list[Entry] = []
        for entry in current:
            if "name" not in entry:
                self._subdirs.add(entry["subdir"])
            elif entry.get("version_symlink"):
                self._links[unquote(entry["symlink_path"])] = entry
            else:
                self._found.append({**entry, "version_id": NULL, "is_latest": True})
                self._latest.add(entry["name"])

    def add_versions(self, versions: Iterable[Entry], account: str, hidden: str) -> None:
        """Take in the listing of the hidden container."""
        for entry in versions:
            if "name" not in entry:
                self._subdirs.add(entry["subdir"].split(RESERVED)[1])
                continue
            name, identity = split_version_name(entry["name"])
            if identity is None:
                continue
            is_linked = self._links.pop(f"/v1/{account}/{hidden}/{entry['name']}", None) is not None
            is_latest = is_linked or (entry["content_type"] == DELETE_MARKER and name not in self._latest)
            if is_latest:
                self._latest.add(name)
            self._found.append({**entry, "is_latest": is_latest, "name": name, "version_id": identity})

    def add_links(self) -> None:
        """Show what the links tell of their targets, for the hidden container is gone."""
        for path, entry in self._links.items():
            name, identity = split_version_name(path.split("/", 4)[-1])
            if identity is None:
                continue
            is_latest = name not in self._latest
            self._latest.add(name)
            shown = {key: entry[key] for key in ("content_type", "bytes", "hash", "last_modified")}
            self._found.append({"name": name, "is_latest": is_latest, "version_id": identity, **shown})

    def entries(self, reverse: bool, limit: int) -> list[Entry]:
        """All entries in order of name, versions of one name as they were listed."""
        subdirs = [{"subdir": name} for name in self._subdirs]
        return in_order([*self._found, *subdirs], reverse, limit)


def in_order(entries: Sequence[Entry], reverse: bool, limit: int) -> list[Entry]:
    """The first entries of a listing, in order of name or subdir."""
    return sorted(entries, key=lambda entry: entry.get("subdir") or entry.get("name", ""), reverse=reverse)[:limit]


def hidden_listing_query(query: dict[str, str]) -> dict[str, str]:
    """What to ask of an account for the hidden containers of those containers that a query lists."""
    asked = dict(query)
    asked["prefix"] = _hidden(query["prefix"]) if "prefix" in query else reserved_name("versions")
    for name in ("marker", "end_marker"):
        if name in query:
            asked[name] = _hidden(query[name])
    return asked


def _hidden(text: str) -> str:
    return text if RESERVED in text else hidden_container(text)


def with_hidden_bytes(containers: Sequence[Entry], hidden: Iterable[Entry]) -> list[Entry]:
    """An account's listing whose containers count the bytes of their versions.

    A hidden container whose container is gone is shown in its place, so that its owner can find what takes up space.
    """
    owned = {container_of(entry["name"]): entry for entry in hidden if "name" in entry}
    shown = []
    for entry in containers:
        versions = owned.pop(entry["name"], None) if "name" in entry else None
        shown.append({**entry, "bytes": entry["bytes"] + versions["bytes"]} if versions else entry)
    return shown + [{**entry, "name": name, "count": 0} for name, entry in owned.items()]
