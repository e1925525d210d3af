"""Which headers are user, system or transient metadata, and what a POST keeps (formats.md 3.3, 5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

Kind = Literal["account", "container", "object"]

USER_PREFIX = {kind: f"x-{kind}-meta-" for kind in ("account", "container", "object")}
SYSTEM_PREFIX = {kind: f"x-{kind}-sysmeta-" for kind in ("account", "container", "object")}
TRANSIENT_PREFIX = "x-object-transient-sysmeta-"

CONTAINER_HEADERS = frozenset({"x-container-read", "x-container-write", "x-container-sync-key", "x-container-sync-to"})
"""Container headers that are stored though they carry neither metadata prefix (formats.md 4.7)."""

ALLOWED_OBJECT_HEADERS = (
    "content-disposition",
    "content-encoding",
    "x-delete-at",
    "x-object-manifest",
    "x-static-large-object",
    "cache-control",
    "content-language",
    "expires",
    "x-robots-tag",
)
"""Default of the object server's ``allowed_headers`` (formats.md 5.3)."""

KEPT_BY_POST = frozenset({"Content-Length", "deleted", "ETag", "X-Static-Large-Object", "name"})
"""Keys that a merged view always takes from the .data file, besides system metadata."""


def title_case(name: str) -> str:
    """``x-object-meta-a2b`` -> ``X-Object-Meta-A2B``: how metadata keys are stored; only ASCII letters change."""
    return name.encode("latin-1").title().decode("latin-1")


def lower_case(name: str) -> str:
    """A header's name in small letters; only ASCII letters change, for others are bytes of UTF-8."""
    return name.lower() if name.isascii() else name.encode("latin-1").lower().decode("latin-1")


def is_user_metadata(kind: Kind, name: str) -> bool:
    """Whether the header is the user's own metadata, with a name after the prefix."""
    prefix = USER_PREFIX[kind]
    return len(name) > len(prefix) and name.lower().startswith(prefix)


def is_system_metadata(kind: Kind, name: str) -> bool:
    """Whether the header is metadata that only middleware may set."""
    prefix = SYSTEM_PREFIX[kind]
    return len(name) > len(prefix) and name.lower().startswith(prefix)


def is_transient_metadata(name: str) -> bool:
    """Whether the header is middleware's object metadata that a POST replaces."""
    return len(name) > len(TRANSIENT_PREFIX) and name.lower().startswith(TRANSIENT_PREFIX)


def stored_object_headers(headers: Iterable[tuple[str, str]], allowed: frozenset[str]) -> dict[str, str]:
    """The headers of a PUT that become object metadata, under their stored names.

    :param headers: names in any case, values as WSGI strings
    :param allowed: lower-case names that are kept besides metadata
    """
    kept = {}
    for name, value in headers:
        lower = name.lower()
        if lower in allowed or (
            lower.startswith("x-object-")
            and (
                is_user_metadata("object", lower) or is_system_metadata("object", lower) or is_transient_metadata(lower)
            )
        ):
            kept[title_case(name)] = value
    return kept


def posted_object_headers(headers: Iterable[tuple[str, str]], allowed: frozenset[str]) -> dict[str, str]:
    """The headers of a POST that become object metadata: as a PUT, without system metadata."""
    stored = stored_object_headers(headers, allowed)
    return {name: value for name, value in stored.items() if not is_system_metadata("object", name)}


def stored_database_headers(
    kind: Literal["account", "container"], headers: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """The headers of an account or container request that its database stores (formats.md 4.7)."""
    kept = {}
    for name, value in headers:
        lower = name.lower()
        if (
            is_user_metadata(kind, lower)
            or is_system_metadata(kind, lower)
            or (kind == "container" and lower in CONTAINER_HEADERS)
        ):
            kept[title_case(name)] = value
    return kept


def merge_object_metadata(data: Mapping[str, str], posted: Mapping[str, str] | None) -> dict[str, str]:
    """What a reader sees when a .meta file lies over a .data file (formats.md 3.3).

    The posted metadata replace everything but what belongs to the body and to middleware. The content type is not
    decided here: it has a timestamp of its own.
    """
    if posted is None:
        return dict(data)
    merged = dict(posted)
    for key, value in data.items():
        if key in KEPT_BY_POST or is_system_metadata("object", key):
            merged[key] = value
    return merged


def client_content_type(content_type: str) -> str:
    """A stored content type as clients see it: without our own parameter at its end, ``;swift_bytes=N``."""
    rest, separator, parameter = content_type.rpartition(";")
    return rest if separator and parameter.lstrip().startswith("swift_bytes=") else content_type
