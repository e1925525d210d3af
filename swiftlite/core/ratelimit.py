"""Rate limits: the rate for a container of a size, and when the next request may go on (formats.md 7.20).

All times are whole ticks, thousandths of a second unless an operator says otherwise: a limit is one counter, the time from
which the next request is due, so that proxies share it by nothing but memcached's ``incr``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_TICKS = 2**53
"""That one request takes, at however low a rate; memcached counts no further than to 2**64."""
MARGIN = 0.01
"""Seconds by which a wait may be shorter than the longest that is allowed and still count as too long."""


def parse_rate(text: str) -> float:
    """A number of an operator's that limits something; 0 mostly means that nothing does.

    :raises ValueError: when it is no number, negative or infinite
    """
    rate = float(text)
    if not 0 <= rate < float("inf"):
        raise ValueError("it must be a number, and not negative")
    return rate


class Step(NamedTuple):
    """From this number of objects on, so many requests a second."""

    size: int
    rate: float


def steps(options: Mapping[str, str], prefix: str) -> list[Step]:
    """The steps that options named ``<prefix><size>`` describe, by size.

    :raises ValueError: naming the option whose size or rate is none
    """
    return sorted(_step(name, name[len(prefix) :], value) for name, value in options.items() if name.startswith(prefix))


def _step(name: str, size: str, rate: str) -> Step:
    if not (size.isascii() and size.isdigit()):
        raise ValueError(f"{name}: {size!r} is no number of objects")
    try:
        return Step(int(size), parse_rate(rate))
    except ValueError as error:
        raise ValueError(f"{name}: {rate!r}: {error}") from None


def rate_for(limits: Iterable[Step], size: int) -> float | None:
    """Requests a second for a container with so many objects, in proportion between two steps; None: no limit.

    An empty container has no limit, whatever the steps say, as in OpenStack Swift.
    """
    below: Step | None = None
    for step in limits if size > 0 else ():
        if size < step.size:
            if below is None:
                return None
            share = (size - below.size) / (step.size - below.size)
            return below.rate + share * (step.rate - below.rate)
        below = step
    return below.rate if below else None


class Verdict(NamedTuple):
    """What becomes of a request.

    :ivar wait: ticks before it goes on
    :ivar restart: the counter must be set to this, because it was left behind; None: leave it
    """

    wait: int
    restart: int | None


def cost(rate: float, accuracy: int) -> int:
    """Ticks that one request takes. `accuracy`: ticks a second."""
    return round(min(accuracy / rate, MOST_TICKS))


def judge(counter: int, now: int, spent: int, buffer: int) -> Verdict:
    """Decide on a request that has been counted.

    :param counter: after the request was added to it
    :param now: in ticks
    :param spent: the request's :func:`cost`
    :param buffer: ticks of unused time that are not lost; a counter further behind starts anew
    """
    if now - counter > buffer:
        return Verdict(0, now + spent)
    return Verdict(max(counter - now - spent, 0), None)


def is_too_long(wait: int, longest: float, accuracy: int) -> bool:
    """Whether a request is refused rather than held up. `longest`: seconds."""
    return longest * accuracy - wait <= accuracy * MARGIN


class Allowance:
    """A limit that refuses what comes too soon, for one process; `clock` times are seconds.

    :param rate: requests a second; 0 for no limit
    :param buffer: seconds' worth of requests that may come at once after a rest
    :param now: when it begins: with no such reserve
    """

    __slots__ = ("_due", "buffer", "rate")

    def __init__(self, rate: float, buffer: float, now: float) -> None:
        self.rate = rate
        self.buffer = buffer
        self._due = now

    def take(self, now: float) -> bool:
        """Count a request if it may go on, and tell whether it may."""
        if self.rate <= 0:
            return True
        self._due = max(self._due, now - self.buffer)
        if now < self._due:
            return False
        self._due += 1 / self.rate
        return True
