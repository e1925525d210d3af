"""Existence: whether an object is there, by what the servers say that were to change it (formats.md 5.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from swiftlite.core.quorum import Reply
from swiftlite.core.timestamp import Timestamp

FOUND = "X-Backend-Found"


class Found(NamedTuple):
    """What a server had of an object before it was to change it. Of two the greater one is right.

    :ivar base: when the data were put, or the tombstone was written
    :ivar newest: when the metadata were posted; ``base`` if never
    """

    base: Timestamp
    newest: Timestamp

    def to_headers(self) -> dict[str, str]:
        """What the server's answer to a POST or DELETE says of it."""
        return {FOUND: f"{self.base.internal} {self.newest.internal}"}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Found | None:
        """None of a server that had nothing, or does not say: OpenStack Swift's."""
        try:
            base, newest = map(Timestamp, headers.get(FOUND, "").split())
        except ValueError:
            return None
        return cls(base, newest)


def unrefuted(replies: Iterable[Reply]) -> Reply | None:
    """The success that shows that the object was there, however many say 404; None when it was not.

    A server that says 404 may have been away while the object was put, or stand in for another: that proves nothing. It
    refutes the others only if it knows of a deletion, or an expiry, that is newer than all they found.
    """
    success: Reply | None = None
    there: list[Found | None] = []
    gone: list[Found] = []
    for reply in replies:
        found = Found.from_headers(reply.headers)
        if reply.status_class == 200:
            success = success or reply
            there.append(found)
        elif reply.status == 404 and found is not None:
            gone.append(found)
    known = [found for found in there if found is not None]
    is_refuted = gone and len(known) == len(there) and max(gone) > max(known, default=max(gone))
    return None if is_refuted else success


def is_gone(missing: Iterable[tuple[bool, Reply]], quorum: int) -> bool:
    """Whether enough of those know it that say that there is no such object.

    :param missing: of every server that says 404, whether it is a primary, and its reply. A handoff that stands in for a
        primary knows of nothing but deletions.
    """
    return sum(is_primary or Found.from_headers(reply.headers) is not None for is_primary, reply in missing) >= quorum
