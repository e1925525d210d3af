"""Loggers: one line a record, with the transaction it belongs to."""

from __future__ import annotations

import functools
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from swiftlite.common.concurrency import get_hub
from swiftlite.core.transaction import debug_endings

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
    """Holds finished lines back while :func:`gather_lines` says so; what comes after it in a class writes them."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._held: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or hold it; its line is made now, while its transaction is known."""
        self.take(record.levelno, self.format(record))

    def take(self, level: int, line: str) -> None:
        """Write a line, or hold it."""
        self._held.append((level, line))
        if not _gathering or level > logging.INFO or len(self._held) >= GATHERED_LINES:
            self.flush()
        elif len(self._held) == 1:
            get_hub().schedule_call_global(GATHERED_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        if held:
            self.write(held)
        super().flush()

    def write(self, lines: list[tuple[int, str]]) -> None:
        """Write lines, each with its level."""
        raise NotImplementedError


class _SyslogHandler(_Gathering, logging.handlers.SysLogHandler):
    def write(self, lines: list[tuple[int, str]]) -> None:
        """Send each line as a datagram of its own."""
        for level, line in lines:
            priority = self.encodePriority(self.facility, self.mapPriority(logging.getLevelName(level)))
            try:
                self.socket.send(f"<{priority}>{line}\0".encode("utf-8", "surrogateescape"))
            except OSError:
                # The daemon was restarted: the library's own way connects again, and tells where that fails.
                made = logging.makeLogRecord({"levelno": level, "levelname": logging.getLevelName(level), "line": line})
                logging.handlers.SysLogHandler.emit(self, made)


class _StderrHandler(_Gathering, logging.StreamHandler):  # type: ignore[type-arg]
    def write(self, lines: list[tuple[int, str]]) -> None:
        """Write all lines at once."""
        try:
            self.stream.write("".join([line + "\n" for _, line in lines]))
        except Exception:
            self.handleError(logging.makeLogRecord({"msg": lines[0][1]}))


class _LineFormatter(logging.Formatter):
    """Puts a record, its transaction and its traceback on one line, so that syslog keeps them together."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: str | None = getattr(record, "line", None)
        if line is not None:
            return line
        message = record.getMessage()
        if record.exc_info:
            message += " " + self.formatException(record.exc_info)
        if record.levelno != logging.INFO:
            transaction = transaction_id.get()
            if transaction and transaction not in message:
                message += f" (txn: {transaction})"
        return self.spell(record.name, record.levelname, message, record.created)

    def spell(self, name: str, level: str, message: str, moment: float) -> str:
        """The line of a message."""
        if "\n" in message or "\r" in message:
            message = message.replace("\n", "#012").replace("\r", "#015")
        return f"{name}: {message}"


class _TimedLineFormatter(_LineFormatter):
    """A line for a plain log file, which unlike syslog adds no time and level of its own."""

    def spell(self, name: str, level: str, message: str, moment: float) -> str:
        """The line of a message, with its time and level."""
        second = int(moment)
        return f"{_local_time(second)},{int((moment - second) * 1000):03d} {level} {super().spell(name, level, message, moment)}"


@functools.lru_cache(maxsize=4)
def _local_time(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


def log_line(logger: logging.Logger, message: str) -> None:
    """Log a message of level INFO, for lines that every request writes: as ``logger.info``, without a record's cost.

    :param logger: one of :func:`get_logger`; for any other it is the same as ``info``
    """
    handler = logger.handlers[0] if len(logger.handlers) == 1 else None
    if not isinstance(handler, _Gathering) or logger.propagate or logger.filters:
        logger.info("%s", message)
    elif logger.isEnabledFor(logging.INFO):
        formatter = handler.formatter
        assert isinstance(formatter, _LineFormatter)
        handler.take(logging.INFO, formatter.spell(logger.name, "INFO", message, time.time()))


def get_logger(options: Mapping[str, str], name: str) -> logging.Logger:
    """The logger of a server or daemon, set up from its conf section.

    :param options: conf texts: log_name, log_facility, log_level, log_address, debug_trans_id_extra
    :param name: used where the conf has no log_name
    :raises ValueError: when one does not fit
    :returns: writes to the syslog socket ``log_address`` where one exists, else to standard error
    """
    logger = logging.getLogger(options.get("log_name") or name)
    if not logger.handlers:
        logger.addHandler(_handler(options))
        logger.propagate = False
    logger.setLevel(options.get("log_level", "INFO").upper())
    if endings := debug_endings(options.get("debug_trans_id_extra", "")):
        # Only where somebody wants it, so that others pay nothing: not even for a class of our own.
        logger.isEnabledFor = functools.partial(_shows, logger, endings)  # type: ignore[method-assign]
    return logger


def _shows(logger: logging.Logger, endings: tuple[str, ...], level: int) -> bool:
    """Whether a logger takes a record: of some transactions it takes all."""
    return logging.Logger.isEnabledFor(logger, level) or transaction_id.get().endswith(endings)


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
