"""Loggers: one line a record, with the transaction it belongs to."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

transaction_id: ContextVar[str] = ContextVar("transaction_id", default="")
"""The X-Trans-Id of the request that this green thread works for."""

Logger = logging.Logger


class _LineFormatter(logging.Formatter):
    """Puts a record, its transaction and its traceback on one line, so that syslog keeps them together."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += " " + self.formatException(record.exc_info)
        message = message.replace("\n", "#012").replace("\r", "#015")
        transaction = transaction_id.get()
        if transaction and transaction not in message and record.levelno >= logging.WARNING:
            message += f" (txn: {transaction})"
        return f"{record.name}: {message}"


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
        handler = logging.handlers.SysLogHandler(address, names.get(facility, names["local0"]))
        handler.setFormatter(_LineFormatter())
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_TimedLineFormatter())
    return handler


class _TimedLineFormatter(_LineFormatter):
    """A line for a plain log file, which unlike syslog adds no time and level of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{self.formatTime(record)} {record.levelname} {super().format(record)}"
