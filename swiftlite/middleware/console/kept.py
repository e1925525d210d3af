"""Kept: what is costly to find out, kept for a while; all who ask meanwhile wait for the same finding out."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from swiftlite.common.concurrency import GreenThread, Timeout, sleep, spawn
from swiftlite.middleware.console.shared import SharedBytes

V = TypeVar("V")

PATIENCE = 3.0
"""Seconds that somebody waits for something new, where there is something old."""
LONGEST = 60.0
"""Seconds that somebody waits where there is nothing yet."""
SHARE = 4
"""Finding out takes up no more than a fourth of the time."""
POLL = 0.05
"""Seconds between looks whether another worker has found it out."""


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
        try:
            (self._value, self._until), self._problem = self._look(), None
        except Exception as error:  # of those who wait for it
            self._problem = error
        finally:
            self._finding = None

    def _look(self) -> tuple[V, float]:
        """The value, and until when it is good."""
        begun = self.clock()
        value = self.find()
        now = self.clock()
        return value, now + max(self.age, (SHARE - 1) * (now - begun))


class KeptByAll(Kept[bytes]):
    """A value of all workers of a server: one of them finds it out, the others take it from there.

    To be made before they are forked. Where finding out fails, each tries for itself, one after the other.
    """

    def __init__(self, find: Callable[[], bytes], age: float) -> None:
        super().__init__(find, age, monotonic)
        self._shared = SharedBytes()

    def _look(self) -> tuple[bytes, float]:
        while not self._shared.take_turn():
            sleep(POLL)
            found = self._shared.read(self.clock())
            if found:
                return found
        try:
            found = self._shared.read(self.clock())  # perhaps another was quicker
            if not found:
                found = super()._look()
                self._shared.write(*found)
            return found
        finally:
            self._shared.end_turn()
