"""What a storage server tells of each request: a line in the log, whose form log analysers know, and a timing."""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Collection, Mapping
from typing import Any

from swiftlite.common import process_id
from swiftlite.common.log import log_line, writes_json
from swiftlite.common.metrics import KNOWN_METHODS
from swiftlite.common.statsd import LabeledStatsd, Statsd, announce, make_labeled_statsd, make_statsd
from swiftlite.core.names import quote_wsgi

OBJECT_TIMING = "swift_object_server_request_timing"


class RequestLog:
    """Notes the requests of one server.

    :param enabled: write lines at all
    :param quiet: methods whose lines are of level DEBUG
    """

    def __init__(self, logger: logging.Logger, enabled: bool, quiet: Collection[str] = ()) -> None:
        self.logger = logger
        self.enabled = enabled
        self.quiet = quiet
        self.is_json = writes_json(logger)
        self.statsd: Statsd | None = None
        """Gets timings; None: nobody does."""
        self.labeled: LabeledStatsd | None = None
        """The same with labels; object servers have such."""

    def tell_statsd(self, conf: Mapping[str, str], name: str, file: str, section: str) -> None:
        """Tell the statsd that a server's section names, if it does, of requests and of what else happens in the process.

        :param name: of the server: ``object-server``
        :raises ConfigError: when an option does not fit
        """
        self.statsd = make_statsd(conf, name, self.logger, file, section)
        announce(self.statsd)
        if name == "object-server":
            self.labeled = make_labeled_statsd(conf, self.logger, file, section)

    def note(self, environ: Mapping[str, Any], status: int, length: str, started: float, ended: float) -> None:
        """Tell of a request that has been answered.

        :param length: bytes of the answer's body, or ``-``
        :param started: seconds since the epoch, like `ended`
        """
        if self.statsd is not None:
            kind = "errors.timing" if status >= 500 else "timing"
            method = environ["REQUEST_METHOD"]
            name = method if method in KNOWN_METHODS else "BAD_METHOD"  # clients can make up any word
            self.statsd.timing(f"{name}.{kind}", ended - started)
        if self.labeled is not None:
            self.labeled.timing(OBJECT_TIMING, object_labels(environ, status), ended - started)
        if not self.enabled:
            return
        line = (storage_json if self.is_json else storage_line)(environ, status, length, started, ended)
        if environ["REQUEST_METHOD"] in self.quiet:
            log_line(self.logger, line, self.is_json, logging.DEBUG)
        else:
            log_line(self.logger, line, self.is_json)


def object_labels(environ: Mapping[str, Any], status: int) -> dict[str, object]:
    """What tells the requests of an object server apart: what it was for, as far as its path says, and how it ended."""
    method, policy = environ["REQUEST_METHOD"], environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX", "")
    labels: dict[str, object] = {
        "method": method if method in KNOWN_METHODS else "BAD_METHOD",
        "status": status,
        "policy": policy if policy.isdigit() else "0",
    }
    parts = environ.get("PATH_INFO", "").split("/", 5)
    if method == "REPLICATE":
        labels["skip_rehash"] = bool("".join(parts[3:]))
    elif len(parts) == 6:
        labels |= {"account": quote_wsgi(parts[3]), "container": quote_wsgi(parts[4])}
    return labels


def storage_line(environ: Mapping[str, Any], status: int, length: str, started: float, ended: float) -> str:
    """``address - - [time] "METHOD path" status length "referer" "transaction" "agent" seconds "-" pid policy``.

    :param length: bytes of the answer's body, or ``-``
    :param started: seconds since the epoch, like ``ended``
    """
    get = environ.get
    path = get("RAW_PATH_INFO") or get("PATH_INFO")
    return (
        f"{get('REMOTE_ADDR', '-')} - - [{_log_time(int(ended))}] "
        f'"{environ["REQUEST_METHOD"]} {path}" {status} {length} '
        f'"{get("HTTP_REFERER", "-")}" "{get("HTTP_X_TRANS_ID", "-")}" "{get("HTTP_USER_AGENT", "-")}" '
        f'{ended - started:.4f} "-" {process_id.current} {get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX", "-")}'
    )


def storage_json(environ: Mapping[str, Any], status: int, length: str, started: float, ended: float) -> str:
    """The same as a JSON object."""
    get = environ.get
    return json.dumps(
        {
            "remote_addr": get("REMOTE_ADDR"),
            "method": environ["REQUEST_METHOD"],
            "path": get("RAW_PATH_INFO") or get("PATH_INFO"),
            "status": status,
            "bytes_sent": int(length) if length.isdigit() else None,
            "referer": get("HTTP_REFERER"),
            "user_agent": get("HTTP_USER_AGENT"),
            "seconds": round(ended - started, 6),
            "policy_index": get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX"),
        }
    )


@functools.lru_cache(maxsize=4)
def _log_time(second: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
