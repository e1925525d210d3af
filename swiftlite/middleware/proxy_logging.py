"""Write one access log line a request, when its answer is complete or its client has left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from swiftlite.common import process_id
from swiftlite.common.concurrency import Timeout
from swiftlite.common.config import ConfigError, option
from swiftlite.common.log import Logger, get_logger, log_line, writes_json
from swiftlite.common.pipeline import WSGIApp, factory_options, factory_place
from swiftlite.common.statsd import access_texts, make_labeled_statsd, make_statsd
from swiftlite.core.access_log import (
    DEFAULT_TEMPLATE,
    Entry,
    Formatter,
    Style,
    anonymize,
    compile_json,
    compile_template,
)
from swiftlite.core.names import quote_wsgi
from swiftlite.middleware.request_metrics import Meter, RequestMetrics

LOGGED = "swift.proxy_access_log_made"
"""Set by the first of the pipeline's loggers; the others then log only requests that filters make themselves."""

COMPILERS = {"text": compile_template, "json": compile_json}
"""What makes lines, by the option log_format."""

POLICY_HEADER = "x-backend-storage-policy-index"


class ProxyLogging:
    """Logs what passes.

    :param line: makes a line of an entry
    :param log: gets the lines
    :param is_json: they are JSON objects
    :param metrics: what else is told of each entry, once it is complete
    """

    def __init__(
        self, app: WSGIApp, line: Formatter, log: Logger, is_json: bool, metrics: RequestMetrics | None
    ) -> None:
        self.app = app
        self.line = line
        self.log = log
        self.is_json = is_json
        self.metrics = metrics
        self.follows = metrics if metrics is not None and metrics.follows_bodies else None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if LOGGED in environ:
            return self.app(environ, start_response)
        environ[LOGGED] = True
        entry = Entry(environ, requested_path(environ), time.time())
        if environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            meter = self.follows.meter(entry, of_answer=False) if self.follows else None
            environ["wsgi.input"] = _CountedInput(environ["wsgi.input"], entry, meter)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            entry.wire_status = int(status[:3])
            entry.first_byte = time.time()
            for name, value in headers:
                if len(name) == len(POLICY_HEADER) and name.lower() == POLICY_HEADER:
                    entry.policy_index = value
            return start_response(status, headers, exc_info)

        try:
            body = self.app(environ, start)
        except (Exception, Timeout):
            self.finish(entry, 500)
            raise
        if not isinstance(body, list):
            return _LoggedBody(self, entry, body)
        if environ["REQUEST_METHOD"] != "HEAD":
            entry.sent = sum(map(len, body))
            if self.follows:
                self.follows.meter(entry, of_answer=True)(entry.sent, True)
        self.finish(entry)  # all of it is at hand: no need to watch it pass
        return body

    def finish(self, entry: Entry, status: int | None = None) -> None:
        """Write the line.

        :param status: what became of the request after all: 499 or 500
        """
        environ = entry.environ
        entry.status = status or environ.get("swift.proxy_logging_status") or entry.wire_status
        entry.policy_index = entry.policy_index or environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX")
        entry.end = time.time()
        entry.pid = process_id.current
        log_line(self.log, self.line(entry), self.is_json)
        if self.metrics is not None:
            self.metrics.tell(entry)


def requested_path(environ: Mapping[str, Any]) -> str:
    """Path and query as the client sent them, or nearly; to be asked before filters change them."""
    path = quote_wsgi(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


class _LoggedBody:
    """Passes a body on, counting."""

    __slots__ = ("_body", "_chunks", "_done", "_entry", "_logging", "_meter")

    def __init__(self, logging: ProxyLogging, entry: Entry, body: Iterable[bytes]) -> None:
        self._logging = logging
        self._entry = entry
        self._body = body
        self._chunks = iter(body)
        self._done = False
        self._meter: Meter | None = logging.follows.meter(entry, of_answer=True) if logging.follows else None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._finish(None)
            raise
        except (Exception, Timeout):
            self._finish(500)
            raise
        self._entry.sent += len(chunk)
        if self._meter is not None:
            self._meter(len(chunk), False)
        return chunk

    def close(self) -> None:
        # Closed before its end: the client has left, unless it asked for no body.
        self._finish(None if self._entry.environ["REQUEST_METHOD"] == "HEAD" else 499)
        if hasattr(self._body, "close"):
            self._body.close()

    def _finish(self, status: int | None) -> None:
        if self._done:
            return
        self._done = True
        if self._meter is not None:
            self._meter(0, True)
        if self._entry.environ["REQUEST_METHOD"] == "HEAD":
            self._entry.sent = 0
        self._logging.finish(self._entry, status)


class _CountedInput:
    """A request's body, counting what is read of it."""

    __slots__ = ("_entry", "_input", "_length", "_meter")

    def __init__(self, wrapped: Any, entry: Entry, meter: Meter | None) -> None:
        self._input = wrapped
        self._entry = entry
        self._meter = meter
        length = entry.environ.get("CONTENT_LENGTH") or ""
        self._length = int(length) if length.isdecimal() else float("inf")

    def _count(self, size: int) -> None:
        self._entry.received += size
        if self._meter is not None:
            self._meter(size, size == 0 or self._entry.received >= self._length)

    def read(self, *size: int) -> bytes:
        data: bytes = self._input.read(*size)
        self._count(len(data))
        return data

    def read1(self, *size: int) -> bytes:
        data: bytes = self._input.read1(*size)
        self._count(len(data))
        return data

    def readinto(self, buffer: Any) -> int:
        count: int = self._input.readinto(buffer)
        self._count(count)
        return count

    def readline(self, *size: int) -> bytes:
        data: bytes = self._input.readline(*size)
        self._count(len(data))
        return data

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(65536), b"")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._input, name)
        return partial(self._read_soon, found) if name == "read_soon" else found

    def _read_soon(self, read: Callable[..., bytes], size: int, seconds: float) -> bytes:
        data = read(size, seconds)
        self._count(len(data))
        return data


@dataclass(frozen=True)
class ProxyLoggingOptions:
    """The filter's section. ``access_log_name``, ``_facility``, ``_level`` and ``_address`` go before ``log_name``…"""

    log_msg_template: str = option(DEFAULT_TEMPLATE, "what a line says, and in which order")
    log_format: str = option(
        "",
        "json: each line is a JSON object of the fields that log_msg_template names; text: as the template says; "
        "default: json where log_style is",
    )
    reveal_sensitive_prefix: int = option(16, "characters of a token or signature that a line shows")
    log_statsd_valid_http_methods: tuple[str, ...] = option(
        ("GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "OPTIONS", "UPDATE"),
        "methods that statsd is told by name; others are BAD_METHOD",
    )
    statsd_emit_buffer_xfer_bytes_seconds: float = option(
        -1.0,
        "seconds between two words to statsd on a body that is under way, where statsd_label_mode is set; negative: none",
        float,
    )
    log_anonymization_method: str = option("md5", "hash for fields that the template names with .anonymized")
    log_anonymization_salt: str = option("", "what is hashed before such a field")
    access_log_headers: bool = option(False, "log the request's headers, too")
    access_log_headers_only: tuple[str, ...] = option((), "log only these headers; none: all")

    def style(self) -> Style:
        """How lines look."""
        return Style(
            template=self.log_msg_template,
            reveal=self.reveal_sensitive_prefix,
            method=self.log_anonymization_method.lower(),
            salt=self.log_anonymization_salt,
            headers=self.access_log_headers,
            only_headers=frozenset(name.title() for name in self.access_log_headers_only),
        )


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: ProxyLoggingOptions.

    :raises ConfigError: when one does not fit
    """
    conf = {**global_conf, **local_conf}
    conf = access_texts(conf)
    options = factory_options(ProxyLoggingOptions, conf)
    style = options.style()
    file, section = factory_place(conf)
    try:
        log = get_logger(conf, "proxy-access")
        log_format = options.log_format or ("json" if writes_json(log) else "text")
        if log_format not in COMPILERS:
            raise ValueError(f"log_format must be one of {', '.join(COMPILERS)}, not {log_format!r}")
        line = COMPILERS[log_format](style)
        anonymize("x", style.method, style.salt)
    except ValueError as error:
        raise ConfigError(file, section, None, str(error), "correct it") from None
    statsd = make_statsd(conf, "proxy-server", log, file, section)
    labeled = make_labeled_statsd(conf, log, file, section)
    seconds = options.statsd_emit_buffer_xfer_bytes_seconds
    told = (
        RequestMetrics(statsd, options.log_statsd_valid_http_methods, labeled, seconds) if statsd or labeled else None
    )
    return lambda app: ProxyLogging(app, line, log, log_format == "json", told)
