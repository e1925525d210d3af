"""Where log lines go: syslog, systemd's journal, standard output or error; INFO gathered for a moment where that is cheaper."""

from __future__ import annotations

import logging
import logging.handlers
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from swiftlite.common.concurrency import get_hub
from swiftlite.common.log_styles import JournalFormatter, JSONFormatter, LineFormatter, TimedLineFormatter

GATHERED_SECONDS = 0.05
GATHERED_LINES = 200
JOURNAL = "/run/systemd/journal/socket"
SYSLOG = "/dev/log"
STYLES = ("plain", "json")

_gathering = False


def gather_lines() -> None:
    """From now on hold lines of INFO and below back for a moment, and write them together.

    Writing each line wakes the syslog daemon, which costs a busy server more than making the line. Warnings and worse
    are written at once, after what is held. For processes with a running event loop.
    """
    global _gathering
    _gathering = True


class Gathering(logging.Handler):
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


class SyslogHandler(Gathering, logging.handlers.SysLogHandler):
    """Datagrams to a syslog daemon, on a socket of this machine or over UDP."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prefixes: dict[int, str] = {}
        """What a datagram of each level begins with."""

    def _prefix(self, level: int) -> str:
        priority = self.encodePriority(self.facility, self.mapPriority(logging.getLevelName(level)))
        prefix = self._prefixes[level] = f"<{priority}>"
        return prefix

    def write(self, lines: list[tuple[int, str]]) -> None:
        """Send each line as a datagram of its own."""
        for level, line in lines:
            prefix = self._prefixes.get(level) or self._prefix(level)
            datagram = as_bytes(f"{prefix}{line}\0")
            try:
                if self.unixsocket:
                    self.socket.send(datagram)
                else:
                    self.socket.sendto(datagram, self.address)
            except OSError:
                # The daemon was restarted: the library's own way connects again, and tells where that fails.
                made = logging.makeLogRecord({"levelno": level, "levelname": logging.getLevelName(level), "line": line})
                logging.handlers.SysLogHandler.emit(self, made)


class StreamHandler(Gathering, logging.StreamHandler):  # type: ignore[type-arg]
    """Lines on standard output or error."""

    def write(self, lines: list[tuple[int, str]]) -> None:
        """Write all lines at once."""
        try:
            text = "".join([line + "\n" for _, line in lines])
            try:
                self.stream.write(text)
            except UnicodeEncodeError:  # one odd name must not cost the others their lines
                encoding = self.stream.encoding or "utf-8"
                self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.stream.flush()
        except Exception:
            self.handleError(logging.makeLogRecord({"msg": lines[0][1]}))


class JournalHandler(Gathering):
    """Entries for systemd's journal, by its native protocol.

    :param address: its socket
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def write(self, lines: list[tuple[int, str]]) -> None:
        """Send each entry as a datagram of its own."""
        for _, line in lines:
            try:
                self.socket.sendto(as_bytes(line), self.address)
            except OSError:
                self.handleError(logging.makeLogRecord({"msg": line}))


def as_bytes(line: str) -> bytes:
    """A line in UTF-8; bytes of a file's name that are none stay as they are, half a surrogate pair is spelled out."""
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return line.encode("utf-8", "backslashreplace")


def make_handler(options: Mapping[str, str]) -> logging.Handler:
    """The handler that conf options ask for.

    :param options: conf texts: log_to, log_style, log_address, log_udp_host, log_udp_port, log_facility, log_max_line_length
    :raises ValueError: when one does not fit
    """
    target = options.get("log_to", "").strip().lower() or "auto"
    if target not in _TARGETS:
        raise ValueError(f"log_to must be one of {', '.join(_TARGETS)}, not {target!r}")
    style = options.get("log_style", "").strip().lower() or "plain"
    if style not in STYLES:
        raise ValueError(f"log_style must be one of {', '.join(STYLES)}, not {style!r}")
    handler, plain = _TARGETS[target](options)
    most = int(options.get("log_max_line_length") or 0)
    handler.setFormatter(JSONFormatter(most) if style == "json" and plain is not JournalFormatter else plain(most))
    return handler


Choice = tuple[logging.Handler, type[LineFormatter]]


def _auto(options: Mapping[str, str]) -> Choice:
    if options.get("log_udp_host") or os.path.exists(options.get("log_address", SYSLOG)):
        return _syslog(options)
    return _stream(sys.stderr)


def _syslog(options: Mapping[str, str]) -> Choice:
    facility = options.get("log_facility", "LOG_LOCAL0").upper().removeprefix("LOG_").lower()
    names: dict[str, Any] = logging.handlers.SysLogHandler.facility_names
    number = names.get(facility, names["local0"])
    host = options.get("log_udp_host", "").strip()
    address = (host, int(options.get("log_udp_port") or 514)) if host else options.get("log_address", SYSLOG)
    try:
        return SyslogHandler(address, number), LineFormatter
    except OSError as error:
        raise ValueError(f"log_address or log_udp_host: cannot log to {address}: {error}") from None


def _stream(stream: TextIO) -> Choice:
    return StreamHandler(stream), TimedLineFormatter


def _journal(options: Mapping[str, str]) -> Choice:
    address = options.get("log_address", SYSLOG)
    return JournalHandler(JOURNAL if address == SYSLOG else address), JournalFormatter


_TARGETS = {
    "auto": _auto,
    "syslog": _syslog,
    "journal": _journal,
    "stdout": lambda options: _stream(sys.stdout),
    "stderr": lambda options: _stream(sys.stderr),
}
