"""What a log record looks like: plain, with time and level, as JSON, or in the fields of systemd's journal."""

from __future__ import annotations

import functools
import json
import logging
import time
from contextvars import ContextVar

from swiftlite.common import process_id

transaction_id: ContextVar[str] = ContextVar("transaction_id", default="")
"""The X-Trans-Id of the request that this green thread works for."""

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Level to priority of syslog and the journal."""


class LineFormatter(logging.Formatter):
    """Puts a record, its transaction and its traceback on one line, so that syslog keeps them together.

    :param most: characters of a line, of whose middle the rest is left out; 0: all
    """

    def __init__(self, most: int = 0) -> None:
        super().__init__()
        self.most = most

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: str | None = getattr(record, "line", None)
        if line is not None:
            return line
        # Daemons begin with their own name, which is lost where log_name is another; else it would stand there twice.
        message = record.getMessage().removeprefix(f"{record.name}: ")
        if record.exc_info:
            message += " " + self.formatException(record.exc_info)
        return self.spell(record.name, record.levelname, self.with_transaction(record.levelno, message), record.created)

    def with_transaction(self, level: int, message: str) -> str:
        """A message that names its transaction; those of INFO are access lines, which do so themselves."""
        transaction = transaction_id.get() if level != logging.INFO else ""
        return f"{message} (txn: {transaction})" if transaction and transaction not in message else message

    def spell(self, name: str, level: str, message: str, moment: float, is_json: bool = False) -> str:
        """The line of a message.

        :param moment: seconds since the epoch
        :param is_json: the message is a JSON object
        """
        return self.shorten(f"{name}: {one_line(message)}")

    def shorten(self, line: str) -> str:
        """A line with no more characters than there may be."""
        if not 0 < self.most < len(line):
            return line
        if self.most < len(" ... ") + 2:
            return line[: self.most]
        half = (self.most - len(" ... ")) // 2
        return f"{line[:half]} ... {line[-half:]}"


class TimedLineFormatter(LineFormatter):
    """A line for a plain log file, which unlike syslog adds no time and level of its own."""

    def spell(self, name: str, level: str, message: str, moment: float, is_json: bool = False) -> str:
        """The line of a message, with its time and level."""
        second = int(moment)
        stamp = f"{_local_time(second)},{int((moment - second) * 1000):03d} {level} "
        return self.shorten(stamp + f"{name}: {one_line(message)}")


class JSONFormatter(LineFormatter):
    """A JSON object: ``time`` (UTC), ``level``, ``logger``, ``pid``, ``transaction``, and ``message`` or ``request``."""

    def with_transaction(self, level: int, message: str) -> str:
        """The message alone: the transaction has a field of its own."""
        return message

    def spell(self, name: str, level: str, message: str, moment: float, is_json: bool = False) -> str:
        """The line of a message; what is JSON itself becomes the object ``request``."""
        second = int(moment)
        stamp = f"{_universal_time(second)}.{int((moment - second) * 1000000):06d}Z"
        head = f'{{"time": "{stamp}", "level": "{level}", "logger": {json.dumps(name)}, "pid": {process_id.current}'
        transaction = transaction_id.get()
        if transaction:
            head += f', "transaction": {json.dumps(transaction)}'
        return (
            f'{head}, "request": {message}}}'
            if is_json
            else f'{head}, "message": {json.dumps(self.shorten(message))}}}'
        )


class JournalFormatter(LineFormatter):
    """The fields of an entry of systemd's journal (systemd.journal-fields(7)), a line each."""

    def with_transaction(self, level: int, message: str) -> str:
        """The message alone: the transaction has a field of its own."""
        return message

    def spell(self, name: str, level: str, message: str, moment: float, is_json: bool = False) -> str:
        """The entry of a message: ``journalctl SWIFT_TRANSACTION=…`` finds all that a process said about one."""
        priority = PRIORITIES.get(logging.getLevelName(level), 6)
        transaction = transaction_id.get()
        mark = f"SWIFT_TRANSACTION={one_line(transaction)}\n" if transaction else ""
        message = self.shorten(one_line(message))
        return f"PRIORITY={priority}\nSYSLOG_IDENTIFIER={one_line(name)}\n{mark}MESSAGE={message}\n"


def one_line(text: str) -> str:
    """A text without line breaks, spelled as syslog daemons spell them."""
    if "\n" in text or "\r" in text:
        text = text.replace("\n", "#012").replace("\r", "#015")
    return text


@functools.lru_cache(maxsize=4)
def _local_time(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


@functools.lru_cache(maxsize=4)
def _universal_time(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
