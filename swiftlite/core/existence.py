"""Existence: whether an object is there, by what the servers say that were to change it (formats.md 5.9)."""

from __future__ import annotations

from collections.abc import Iterable

from swiftlite.core.quorum import Reply, Tally
from swiftlite.core.timestamp import ZERO, Timestamp


def unrefuted(replies: Iterable[Reply]) -> Reply | None:
    """The success that shows that the object was there, however many say 404; None when it was not.

    A server that says 404 may have been away while the object was put, or stand in for another: that proves nothing. It
    refutes the others only if it knows of a deletion that is newer than all they found, and not if the object has expired
    there: who has missed what let it expire takes a POST that puts the expiry off.
    """
    success: Reply | None = None
    there: list[Timestamp | None] = []
    gone = ZERO
    for reply in replies:
        if reply.status_class == 200:
            success = success or reply
            there.append(reply.found)
        elif reply.status == 404 and reply.found is not None:
            gone = max(gone, reply.found)
    is_refuted = all(found is not None and found < gone for found in there)
    return None if is_refuted else success


def deletion(tally: Tally) -> Reply | None:
    """The reply that speaks for all servers that were to delete an object; None when they do not agree.

    Whoever says 204 or 404 has written a tombstone. So with a quorum of these the object is deleted; and it was there if
    one server had it, unless another knew of its deletion.
    """
    best = tally.best({404: 204})
    missing = [reply for reply in tally.replies if reply.status == 404]
    is_mixed = bool(missing) and tally.count(200) < tally.quorum <= tally.count(200) + len(missing)
    if best is None or not is_mixed or (best.status_class != 200 and best.status != 404):
        return best
    return unrefuted(tally.replies) or missing[0]


def is_gone(missing: Iterable[tuple[bool, Reply]], quorum: int) -> bool:
    """Whether enough of those know it that say that there is no such object.

    :param missing: of every server that says 404, whether it is a primary, and its reply. A handoff that stands in for a
        primary knows of nothing but deletions.
    """
    return sum(is_primary or reply.found is not None for is_primary, reply in missing) >= quorum
