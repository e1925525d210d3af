"""When an object expires, from what a client asks (formats.md 7.11)."""

from __future__ import annotations

from swiftlite.core.constraints import Violation
from swiftlite.core.timestamp import Timestamp, normal_delete_at


def requested_delete_at(delete_at: str | None, delete_after: str | None, now: Timestamp) -> int | None:
    """The Unix time at which an object shall expire; None when the request does not say.

    :param delete_at: X-Delete-At, Unix seconds
    :param delete_after: X-Delete-After, seconds from ``now``; wins over the other
    :param now: the request's timestamp
    :raises Violation: 400 when it is no whole number, or not in the future
    """
    if delete_after is not None:
        seconds = _whole_number("X-Delete-After", delete_after)
        return _in_future("X-Delete-After", int(now) + seconds, now)
    if delete_at is not None:
        return _in_future("X-Delete-At", _whole_number("X-Delete-At", delete_at), now)
    return None


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Violation(400, f"Non-integer {name}") from None


def _in_future(name: str, moment: int, now: Timestamp) -> int:
    moment = int(normal_delete_at(moment))
    if moment <= float(now):
        raise Violation(400, f"{name} in past")
    return moment
