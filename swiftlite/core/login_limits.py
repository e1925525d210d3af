"""Limits on wrong logins: which window of time a moment is in, and how long that lasts."""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    """So many wrong logins a window."""

    key: str
    """Of what is counted."""
    most: int


def window_of(now: float, length: int) -> int:
    """The number of the window that a moment is in; windows lie end to end.

    :param now: seconds since the epoch
    :param length: seconds
    """
    return int(now) // max(1, length)


def seconds_left(now: float, length: int) -> int:
    """Whole seconds until the next window begins: 1 at least, ``length`` at most."""
    length = max(1, length)
    return length - int(now) % length
