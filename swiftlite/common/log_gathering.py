"""Log lines of a busy server: held for a moment and written together, warnings and worse at once and in their order."""

from __future__ import annotations

import logging
from typing import Any

from swiftlite.common.concurrency import get_hub

GATHERED_SECONDS = 0.05
GATHERED_LINES = 200

Line = tuple[int, str]
"""A finished line, after its level."""

_hub: Any = None
"""The event loop that ends the moment; None: this process holds nothing back."""


def gather_lines() -> None:
    """From now on hold lines of INFO and below back for a moment, and write them together.

    Writing each line wakes the syslog daemon, which costs a busy server more than making the line. Warnings and worse
    are written at once, after what is held. For processes with a running event loop, to be called in its thread.
    """
    global _hub
    _hub = get_hub()


def hub() -> Any:
    """The event loop of a process that gathers; None in others."""
    return _hub


class Gathering(logging.Handler):
    """Holds finished lines back while :func:`gather_lines` says so; what comes after it in a class writes them."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._held: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it; its line is made now, while its transaction is known."""
        self.take(record.levelno, self.format(record))

    def take(self, level: int, line: str) -> None:
        """Write a line, or hold it."""
        held = self._held
        held.append((level, line))
        if _hub is None or level > logging.INFO or len(held) >= GATHERED_LINES:
            self.flush()
        elif len(held) == 1:
            _hub.schedule_call_global(GATHERED_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is held."""
        with self.lock:  # type: ignore[union-attr]  # threads log, too
            held, self._held = self._held, []
            if held:
                self.write(held)
            super().flush()

    def write(self, lines: list[Line]) -> None:
        """Write lines."""
        raise NotImplementedError
