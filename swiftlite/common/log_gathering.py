"""Log lines of a busy server: held for a moment and written together, warnings and worse at once and in their order."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import Any

from swiftlite.common.concurrency import get_hub

GATHERED_SECONDS = 0.05
GATHERED_LINES = 200

Line = tuple[int, str]
"""A finished line, after its level."""

_hub: Any = None
"""The event loop that ends the moment; None: this process holds nothing back."""
_thread = 0
"""In which it runs."""
_handlers: weakref.WeakSet[Gathering] = weakref.WeakSet()


def gather_lines() -> None:
    """From now on hold lines of INFO and below back for a moment, and write them together.

    Writing each line wakes the syslog daemon, which costs a busy server more than making the line. Warnings and worse
    are written at once, after what is held. For processes with a running event loop, to be called in its thread.
    """
    global _hub, _thread
    _hub, _thread = get_hub(), threading.get_ident()


def hub() -> Any:
    """The event loop of a process that gathers; None in others."""
    return _hub


class Gathering(logging.Handler):
    """Holds finished lines back while :func:`gather_lines` says so; what comes after it in a class writes them."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._held: list[Line] = []
        self._is_due = False
        """The event loop will write what is held."""
        _handlers.add(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it; its line is made now, while its transaction is known."""
        try:
            line = self.format(record)
        except Exception:  # a message that does not fit its arguments is no reason to end what logs it
            self.handleError(record)
        else:
            self.take(record.levelno, line)

    def take(self, level: int, line: str) -> None:
        """Write a line, or hold it."""
        self._held.append((level, line))
        if _hub is None or level > logging.INFO or len(self._held) >= GATHERED_LINES:
            self.flush()
        elif not self._is_due:
            if threading.get_ident() == _thread:
                self._is_due = True
                _hub.schedule_call_global(GATHERED_SECONDS, self._flush_when_due)
            else:  # the loop does not hear of other threads, and may sleep for long
                self.flush()

    def _flush_when_due(self) -> None:
        self._is_due = False
        self.flush()

    def flush(self) -> None:
        """Write what is held."""
        with self.lock:  # type: ignore[union-attr]  # threads log, too
            held = self._held.copy()
            del self._held[: len(held)]  # others may have come meanwhile
            if held:
                self.write(held)

    def write(self, lines: list[Line]) -> None:
        """Write lines; that these cannot be written must not be felt by who logs."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop what is held: in a forked child, whose parent writes it."""
        self._held.clear()
        self._is_due = False


def _forget_after_fork() -> None:
    global _hub
    _hub = None  # that of the parent; its threads are not here
    for handler in _handlers:
        handler.forget()


os.register_at_fork(after_in_child=_forget_after_fork)
