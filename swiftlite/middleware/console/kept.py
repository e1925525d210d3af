"""Kept: what is costly to find out, kept for a while; all who ask meanwhile wait for the same finding out."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from swiftlite.common.concurrency import GreenThread, Timeout, spawn

V = TypeVar("V")

PATIENCE = 3.0
"""Seconds that somebody waits for something new, where there is something old."""
LONGEST = 60.0
"""Seconds that somebody waits where there is nothing yet."""
SHARE = 4
"""Finding out takes up no more than a fourth of the time."""


class Kept(Generic[V]):
    """A value.

    :param find: finds it out; called in a green thread
    :param age: seconds for which it is good
    """

    def __init__(self, find: Callable[[], V], age: float, clock: Callable[[], float] = monotonic) -> None:
        self.find, self.age, self.clock = find, age, clock
        self._value: V | None = None
        self._until = 0.0
        self._finding: GreenThread | None = None
        self._problem: Exception | None = None

    def get(self, patience: float = PATIENCE, longest: float = LONGEST) -> V | None:
        """The value, an old one where a new one is long in coming; None: there is none yet.

        :raises Exception: what ``find`` raises
        """
        if self._value is not None and self.clock() < self._until:
            return self._value
        if self._finding is None:
            self._finding = spawn(self._find)
        with Timeout(longest if self._value is None else patience, False):
            self._finding.wait()
            if self._problem is not None:
                raise self._problem
        return self._value

    def _find(self) -> None:
        begun = self.clock()
        try:
            self._value, self._problem = self.find(), None
            now = self.clock()
            self._until = now + max(self.age, (SHARE - 1) * (now - begun))
        except Exception as error:  # of those who wait for it
            self._problem = error
        finally:
            self._finding = None
