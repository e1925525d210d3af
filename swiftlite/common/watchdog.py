"""Watchdog: tells systemd again and again that a process gets on, as long as it does, and its children do.

Each child has a cell of shared memory in which it notes when it last got on: a process whose event loop hangs no longer
does. A parent that finds an old note falls silent itself, so what hangs deep down is heard of at the top.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from time import monotonic
from typing import Any

from swiftlite.common.concurrency import sleep, spawn
from swiftlite.common.notify import notify, watchdog_seconds

LONGEST_PAUSE = 1.0
"""Seconds between two notes of an event loop, at most."""

Cell = Any
"""A memoryview of one float: the moment of the last note, by the clock that all processes of a machine share."""


def is_stuck(notes: Iterable[float], now: float, limit: float) -> bool:
    """Whether one of several processes has not got on for too long.

    :param notes: when each last did
    :param limit: seconds after which systemd would act; half of it counts, so that it is told in time
    """
    return any(now - note > limit / 2 for note in notes)


class Watchdog:
    """One a process. Does nothing until :meth:`start`, and nothing then unless systemd asks for it."""

    def __init__(self) -> None:
        self.limit = 0.0
        """Seconds of silence that are allowed; 0: any number."""
        self._cell: Cell | None = None
        """Where this process notes that it gets on; None: it tells systemd."""
        self._children: dict[object, Cell] = {}
        self._due = 0.0
        self.is_silent = False
        """A child hangs."""

    def start(self) -> None:
        """Begin, in the process that systemd watches."""
        self.limit = watchdog_seconds()

    @property
    def period(self) -> float:
        """Seconds between two calls of :meth:`beat`, at most."""
        return min(LONGEST_PAUSE, self.limit / 10) if self.limit else 3600.0

    def new_child(self, key: object) -> Cell | None:
        """Return the cell of a child that is about to be forked; None where nobody watches.

        :param key: its parent's name for it; a successor of the same name takes its place
        """
        if not self.limit:
            return None
        cell = memoryview(mmap.mmap(-1, 8)).cast("d")
        cell[0] = monotonic()
        self._children[key] = cell
        return cell

    def forget(self, key: object) -> None:
        """A child has ended, and nobody waits for a successor."""
        self._children.pop(key, None)

    def become(self, cell: Cell | None) -> None:
        """In a child that has been forked, with an event hub of its own: note from now on in its cell that it gets on."""
        self._children, self._due, self._cell = {}, 0.0, cell
        self.keep_beating()

    def beat(self) -> None:
        """Say that this process gets on; cheap, so that long work can say it often."""
        if not self.limit:
            return
        now = monotonic()
        if now < self._due:
            return
        self._due = now + (self.period / 2 if self._cell is not None else self.limit / 4)
        self.is_silent = is_stuck((cell[0] for cell in self._children.values()), now, self.limit)
        if self.is_silent:
            return
        if self._cell is None:
            notify("WATCHDOG=1")
        else:
            self._cell[0] = now

    def keep_beating(self) -> None:
        """Beat from now on for as long as the event loop turns."""
        if self.limit:
            spawn(self._beat_forever)

    def _beat_forever(self) -> None:
        while True:
            self.beat()
            sleep(self.period)


watchdog = Watchdog()
"""That of this process."""
