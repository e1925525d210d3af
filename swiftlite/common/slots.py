"""Slots: so many may do something at once, over all processes that were forked from the one that made them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


class NoSlot(Exception):
    """All slots are taken."""


class Slots:
    """A counter that survives its holders: the kernel gives a slot back when the process that held it has died.

    :param count: how many there are; 0 for as many as anybody wants
    """

    def __init__(self, count: int) -> None:
        self._files = [os.memfd_create(f"slot-{number}") for number in range(count)]

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a slot.

        :raises NoSlot: when none is free; nobody waits
        """
        held = self._take() if self._files else -1
        try:
            yield
        finally:
            if held >= 0:
                os.close(held)

    def _take(self) -> int:
        for file in self._files:
            # Opened anew: a lock belongs to an opened file, and the one that was inherited is everybody's.
            fd = os.open(f"/proc/self/fd/{file}", os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except BlockingIOError:
                os.close(fd)
        raise NoSlot

    def __del__(self) -> None:
        for file in self._files:
            os.close(file)
