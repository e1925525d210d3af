"""Loggers: one line a record, with the transaction it belongs to."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from swiftlite.common.concurrency import get_hub

transaction_id: ContextVar[str] = ContextVar("transaction_id", default="")
"""The X-Trans-Id of the request that this green thread works for."""

Logger = logging.Logger

# Nobody's line tells where in the code it was made or by which thread, so do not find out (logging's documentation, "Optimization").
logging._srcfile = None  # type: ignore[attr-defined]
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


GATHERED_SECONDS = 0.05
GATHERED_LINES = 200

_gathering = False


def gather_lines() -> None:
    """From now on hold lines of INFO and below back for a moment, and write them together.

    Writing each line wakes the syslog daemon, which costs a busy server more than making the line. Warnings and worse
    are written at once, after what is held. For processes with a running event loop.
    """
    global _gathering
    _gathering = True


class _Gathering(logging.Handler):
    """Beside a handler that writes: holds its records back while :func:`gather_lines` says so."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._held: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it; its line is made now, while its transaction is known."""
        record.line = self.format(record)
        self._held.append(record)
        if not _gathering or record.levelno > logging.INFO or len(self._held) >= GATHERED_LINES:
            self.flush()
        elif len(self._held) == 1:
            get_hub().schedule_call_global(GATHERED_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        for record in held:
            super().emit(record)
        super().flush()


class _SyslogHandler(_Gathering, logging.handlers.SysLogHandler):
    pass


class _StderrHandler(_Gathering, logging.StreamHandler):  # type: ignore[type-arg]
    pass


class _LineFormatter(logging.Formatter):
    """Puts a record, its transaction and its traceback on one line, so that syslog keeps them together."""

    def format(self, record: logging.LogRecord) -> str:
        line: str | None = getattr(record, "line", None)
        return self.spell(record) if line is None else line

    def spell(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        message = record.getMessage()
        if record.exc_info:
            message += " " + self.formatException(record.exc_info)
        if "\n" in message or "\r" in message:
            message = message.replace("\n", "#012").replace("\r", "#015")
        if record.levelno >= logging.WARNING:
            transaction = transaction_id.get()
            if transaction and transaction not in message:
                message += f" (txn: {transaction})"
        return f"{record.name}: {message}"


class _TimedLineFormatter(_LineFormatter):
    """A line for a plain log file, which unlike syslog adds no time and level of its own."""

    def spell(self, record: logging.LogRecord) -> str:
        """The line of a record, with its time and level."""
        return f"{self.formatTime(record)} {record.levelname} {super().spell(record)}"


def get_logger(options: Mapping[str, str], name: str) -> logging.Logger:
    """The logger of a server or daemon, set up from its conf section.

    :param options: conf texts: log_name, log_facility, log_level, log_address
    :param name: used where the conf has no log_name
    :returns: writes to the syslog socket ``log_address`` where one exists, else to standard error
    """
    logger = logging.getLogger(options.get("log_name") or name)
    if not logger.handlers:
        logger.addHandler(_handler(options))
        logger.propagate = False
    logger.setLevel(options.get("log_level", "INFO").upper())
    return logger


def _handler(options: Mapping[str, str]) -> logging.Handler:
    address = options.get("log_address", "/dev/log")
    handler: logging.Handler
    if os.path.exists(address):
        facility = options.get("log_facility", "LOG_LOCAL0").upper().removeprefix("LOG_").lower()
        names: dict[str, Any] = logging.handlers.SysLogHandler.facility_names
        handler = _SyslogHandler(address, names.get(facility, names["local0"]))
        handler.setFormatter(_LineFormatter())
    else:
        handler = _StderrHandler(sys.stderr)
        handler.setFormatter(_TimedLineFormatter())
    return handler
