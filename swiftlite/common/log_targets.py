"""Where log lines go: syslog, systemd's journal, standard output or error, as conf options say."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from swiftlite.common.log_datagrams import JournalHandler, SyslogHandler
from swiftlite.common.log_gathering import Gathering, Line
from swiftlite.common.log_styles import JournalFormatter, JSONFormatter, LineFormatter, TimedLineFormatter

JOURNAL = "/run/systemd/journal/socket"
SYSLOG = "/dev/log"
STYLES = ("plain", "json")


class StreamHandler(Gathering, logging.StreamHandler):  # type: ignore[type-arg]
    """Lines on standard output or error."""

    def write(self, lines: list[Line]) -> None:
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
