"""Loggers: one line a record, with the transaction it belongs to; log_targets.py says where to, log_styles.py how."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping

from swiftlite.common.log_gathering import Gathering, gather_lines
from swiftlite.common.log_styles import JSONFormatter, LineFormatter, transaction_id
from swiftlite.common.log_targets import make_handler
from swiftlite.core.transaction import debug_endings

__all__ = ["Logger", "gather_lines", "get_logger", "log_line", "transaction_id", "writes_json"]

Logger = logging.Logger

# Nobody's line tells where in the code it was made or by which thread, so do not find out (logging's documentation, "Optimization").
logging._srcfile = None  # type: ignore[attr-defined]
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def log_line(logger: logging.Logger, message: str, is_json: bool = False, level: int = logging.INFO) -> None:
    """Log a message, for lines that every request writes: as ``logger.log``, without a record's cost.

    :param logger: one of :func:`get_logger`; for any other it is the same as ``log``
    :param is_json: the message is a JSON object, to be told from a text where lines are JSON
    """
    handler = logger.handlers[0] if len(logger.handlers) == 1 else None
    if not isinstance(handler, Gathering) or logger.propagate or logger.filters:
        logger.log(level, "%s", message)
    elif logger.isEnabledFor(level):
        formatter = handler.formatter
        assert isinstance(formatter, LineFormatter)
        name = "INFO" if level == logging.INFO else logging.getLevelName(level)
        handler.take(level, formatter.spell(logger.name, name, message, time.time(), is_json))


def writes_json(logger: logging.Logger) -> bool:
    """Whether a logger's lines are JSON objects, and what it is given may be, too."""
    return any(isinstance(handler.formatter, JSONFormatter) for handler in logger.handlers)


def get_logger(options: Mapping[str, str], name: str) -> logging.Logger:
    """The logger of a server or daemon, set up from its conf section.

    :param options: conf texts: log_name, log_level, debug_trans_id_extra, and those of :func:`make_handler`
    :param name: used where the conf has no log_name
    :raises ValueError: when one does not fit
    """
    logger = logging.getLogger(options.get("log_name") or name)
    if not logger.handlers:
        handler = make_handler(options)
        handler.name = logger.name
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(options.get("log_level", "INFO").upper())
    if endings := debug_endings(options.get("debug_trans_id_extra", "")):
        # Only where somebody wants it, so that others pay nothing: not even for a class of our own.
        logger.isEnabledFor = functools.partial(_shows, logger, endings)  # type: ignore[method-assign]
    return logger


def _shows(logger: logging.Logger, endings: tuple[str, ...], level: int) -> bool:
    """Whether a logger takes a record: of some transactions it takes all."""
    return logging.Logger.isEnabledFor(logger, level) or transaction_id.get().endswith(endings)
