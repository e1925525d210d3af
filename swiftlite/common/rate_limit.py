"""RateLimit: so many of something a second, bytes or files, spread evenly."""

from __future__ import annotations

import time
from collections.abc import Callable

from swiftlite.common.concurrency import sleep as green_sleep

SAVED = 1.0
"""Seconds of the allowance that who was held up, by a slow disk say, may catch up with."""


class RateLimit:
    """Holds up its caller, who goes too fast.

    :param per_second: 0 for no limit
    :param clock: tells the time, in seconds
    :param sleep: waits so many seconds
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = green_sleep,
    ) -> None:
        self._pause = 1 / per_second if per_second > 0 else 0.0
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def spend(self, amount: float = 1) -> None:
        """Return when so much more was allowed."""
        if not self._pause:
            return
        now = self._clock()
        self._due = max(self._due, now - SAVED) + amount * self._pause
        if self._due > now:
            self._sleep(self._due - now)
