"""Waiter: lets green threads wait, again and again and cheaply, until one descriptor is ready."""

from __future__ import annotations

from time import monotonic
from typing import Any

from swiftlite.common.concurrency import current_greenlet, get_hub
from swiftlite.http.errors import StreamTimeout

NEVER = float("inf")


class Waiter:
    """Waits for one descriptor on this thread's event hub.

    The read registration stays in place between waits (it goes only when an event finds nobody waiting), and one lazy
    timer serves all waits: a wait costs no system call and no timer of its own. At most one green thread may wait to read
    and one to write at a time.

    The hub knows the waiter, never the socket: a socket that is dropped without being closed can be collected.

    Args:
        fileno: a non-blocking descriptor.
    """

    __slots__ = ("_deadline", "_fileno", "_hub", "_listener", "_reader", "_timer", "_timer_at")

    def __init__(self, fileno: int) -> None:
        self._fileno = fileno
        self._hub = get_hub()
        # Whoever had this descriptor number before may have been collected without closing it properly.
        self._hub.mark_as_reopened(fileno)
        self._reader: Any = None
        self._listener: Any = None
        self._timer: Any = None
        self._timer_at = 0.0
        self._deadline = NEVER

    def wait_readable(self, timeout: float | None) -> None:
        """Let others run until there is something to read (or the end); raise StreamTimeout after so many seconds."""
        if self._listener is None:
            self._listener = self._hub.add("read", self._fileno, self._on_readable, self._on_reused, None)
        if timeout is None:
            self._deadline = NEVER
        else:
            self._deadline = deadline = monotonic() + timeout
            if self._timer is None or self._timer_at > deadline:
                self._schedule(deadline, timeout)
        self._reader = current_greenlet()
        try:
            self._hub.switch()
        finally:
            self._reader = None

    def watch_for(self, reader: Any) -> None:
        """Switch to the green thread ``reader`` when there is something to read; None ends that."""
        self._reader = reader
        self._deadline = NEVER
        if reader is not None and self._listener is None:
            self._listener = self._hub.add("read", self._fileno, self._on_readable, self._on_reused, None)

    def wait_writable(self, timeout: float | None) -> None:
        """Let others run until there is room to write; raise StreamTimeout after so many seconds."""
        hub, me = self._hub, current_greenlet()
        timer = None
        if timeout is not None:
            timer = hub.schedule_call_global(timeout, me.throw, StreamTimeout("there was no room in time"))
        listener = hub.add("write", self._fileno, me.switch, me.throw, None)
        try:
            hub.switch()
        finally:
            hub.remove(listener)
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Forget the descriptor, which is about to be closed."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            self._hub.remove(listener)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, deadline: float, timeout: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._hub.schedule_call_global(timeout, self._on_timer)

    def _on_timer(self) -> None:
        # The timer of an early wait; later waits moved the deadline without touching the hub's heap.
        self._timer = None
        if self._reader is None:
            return
        left = self._deadline - monotonic()
        if left <= 0:
            self._reader.throw(StreamTimeout("nothing came in time"))
        elif left != NEVER:
            self._schedule(self._deadline, left)

    def _on_readable(self, _fileno: int) -> None:
        if self._reader is not None:
            self._reader.switch()
        elif self._listener is not None:
            # Readable while its owner is busy elsewhere: stop the level-triggered hub from spinning on it.
            listener, self._listener = self._listener, None
            self._hub.remove(listener)

    def _on_reused(self, *exc_info: Any) -> None:
        self._listener = None
        if self._reader is not None:
            self._reader.throw(*exc_info)
