"""Legacy versioning's rules: how versions are named, and how a container says where its versions go (formats.md 7.13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swiftlite.core.constraints import Violation
from swiftlite.core.timestamp import Timestamp

Mode = Literal["stack", "history"]

DELETE_MARKER = "application/x-deleted;swift_versions_deleted=1"
"""Content type of the empty object that tells when an object was deleted."""


def version_prefix(name: str) -> str:
    """How the names of all versions of an object begin.

    :param name: WSGI string, whose length is that of the UTF-8
    """
    return f"{len(name):03x}{name}/"


def version_name(name: str, written: Timestamp) -> str:
    """The name of one version.

    :param name: of the object, a WSGI string
    :param written: when the version was written, or deleted for a delete marker
    """
    return version_prefix(name) + written.internal


@dataclass(frozen=True)
class Location:
    """What a request wants with a container's versions.

    :param container: where they shall go, percent-encoded; empty: nowhere any more
    """

    container: str
    mode: Mode | Literal[""]


NOWHERE = Location("", "")


def requested_location(versions: str | None, history: str | None, removes: bool, allowed: bool) -> Location | None:
    """What the headers of a container PUT or POST ask for, None for nothing.

    :param versions: ``X-Versions-Location``, None when it is missing
    :param history: ``X-History-Location``
    :param removes: whether ``X-Remove-Versions-Location`` or ``X-Remove-History-Location`` has a value
    :param allowed: whether the operator wants this kind of versioning
    :raises Violation: 400 for two locations, 412 for one that cannot be
    """
    if versions and history:
        raise Violation(400, "Only one of x-versions-location or x-history-location may be specified")
    container = versions or history
    if not container:
        return NOWHERE if removes or versions is not None or history is not None else None
    if not allowed:
        raise Violation(412, "Versioned Writes is disabled")
    if "/" in container:
        raise Violation(412, "Container name cannot contain slashes")
    return Location(container, "stack" if versions else "history")
