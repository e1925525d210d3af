"""Reaping: which accounts may be emptied, who empties which container, and what came of it (formats.md 4.7, 8.3)."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence

from swiftlite.core.timestamp import Timestamp


class Stand(enum.Enum):
    """What another replica of an account knows of its deletion; anything but DELETED forbids to empty it."""

    DELETED = "calls it deleted"
    RECREATED = "has a newer PUT of it"
    UNCLEAR = "answers as if it lived; may have learnt of the deletion from another replica"
    LAGS = "has not heard of its deletion"
    MISSING = "has no database of it"
    UNKNOWN = "gave no useful answer"


def is_due(put: Timestamp, delete: Timestamp, now: float, delay: float) -> bool:
    """Whether what one replica knows allows to empty an account.

    The status is set by a DELETE and never taken back, and replication passes on the timestamps alone; so they decide:
    an account that has a newer PUT lives, whatever its status.

    :param put, delete: of the account's database
    :param now: seconds since the epoch
    :param delay: seconds for which deleted accounts are kept
    """
    return delete > put and now - float(delete) > delay


def stand_of(status: int, headers: Mapping[str, str], deletion: Timestamp) -> Stand:
    """What a replica's answer to HEAD says (formats.md 5.1).

    :param headers: looked up in any case
    :param deletion: when the account was deleted, for all that we know
    """
    if status == 404 and headers.get("X-Account-Status", "").lower() != "deleted":
        return Stand.MISSING
    if status != 404 and status // 100 != 2:
        return Stand.UNKNOWN
    try:
        # OpenStack Swift's servers do not say when the last PUT of a deleted account was.
        put = Timestamp(
            headers.get("X-Backend-PUT-Timestamp", "0") if status == 404 else headers.get("X-PUT-Timestamp", "")
        )
    except ValueError:
        return Stand.UNKNOWN
    if put >= deletion:
        return Stand.RECREATED
    return Stand.DELETED if status == 404 else Stand.UNCLEAR


def stand_of_refusal(status: int, headers: Mapping[str, str]) -> Stand:
    """What a replica's answer to a PUT says that is older than all others, so that it changes nothing (formats.md 5.1).

    A replica that got the deletion by replication has no status, and answers HEAD as if the account lived until its last
    container is gone; but a PUT it refuses.
    """
    if status == 403 and headers.get("X-Account-Status", "").lower() == "deleted":
        return Stand.DELETED
    return Stand.LAGS if status // 100 == 2 else Stand.UNKNOWN


def share_of(container: str, replicas: int) -> int:
    """Which replica of the account deletes a container: the index of that primary (formats.md 8.3).

    :param replicas: how many primaries the account has
    """
    return int(hashlib.md5(container.encode("utf-8"), usedforsecurity=False).hexdigest(), 16) % replicas


def is_gone(status: int) -> bool:
    """Whether an answer to DELETE says that there is nothing any more. What was missing has a tombstone now."""
    return status // 100 == 2 or status == 404


def outcome(statuses: Sequence[int]) -> str:
    """What came of a DELETE that was sent to all replicas: the end of a counter's name.

    :param statuses: what they answered, 0 for none
    """
    gone = sum(map(is_gone, statuses))
    if not gone:
        return "remaining"
    return "deleted" if gone > len(statuses) - gone else "possibly_remaining"


def summary(counts: Mapping[str, int]) -> str:
    """The counters of an account's pass as text for the log."""
    parts = []
    for end in ("deleted", "remaining", "possibly_remaining"):
        for what in ("containers", "objects"):
            if counts.get(f"{what}_{end}"):
                parts.append(f"{counts[f'{what}_{end}']} {what} {end.replace('_', ' ')}")
    codes = [f"{count} {name}s" for name, count in sorted(counts.items()) if name[:1].isdigit() and count]
    if codes:
        parts.append("return codes: " + ", ".join(codes))
    return ", ".join(parts) or "nothing to do"
