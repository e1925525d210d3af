"""Write one access log line a request, when its answer is complete or its client has left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from swiftlite.common.concurrency import Timeout
from swiftlite.common.config import ConfigError, is_true
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.core.access_log import DEFAULT_TEMPLATE, Entry, Formatter, Style, compile_template
from swiftlite.core.names import quote_wsgi

LOGGED = "swift.proxy_access_log_made"
"""Set by the first of the pipeline's loggers; the others then log only requests that filters make themselves."""

POLICY_HEADER = "x-backend-storage-policy-index"


class ProxyLogging:
    """Logs what passes.

    :param line: makes a line of an entry
    :param log: gets the lines
    """

    def __init__(self, app: WSGIApp, line: Formatter, log: Logger) -> None:
        self.app = app
        self.line = line
        self.log = log

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if LOGGED in environ:
            return self.app(environ, start_response)
        environ[LOGGED] = True
        record = _Record(self, environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            record.started(status, headers)
            return start_response(status, headers, exc_info)

        try:
            body = self.app(environ, start)
        except (Exception, Timeout):
            record.finish(500)
            raise
        if isinstance(body, list):  # all of it is at hand: no need to watch it pass
            record.sent = sum(map(len, body)) if environ["REQUEST_METHOD"] != "HEAD" else 0
            record.finish()
            return body
        return _LoggedBody(body, record)


class _Record:
    """What is known of one request so far."""

    __slots__ = ("_input", "_logging", "environ", "first_byte", "path", "policy_index", "sent", "start", "status")

    def __init__(self, logging: ProxyLogging, environ: dict[str, Any]) -> None:
        self._logging = logging
        self.environ = environ
        self.start = time.time()
        query = environ.get("QUERY_STRING")
        path = quote_wsgi(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        self.path = f"{path}?{query}" if query else path  # now: filters change the query
        self.sent = 0
        self.status = 0
        self.first_byte: float | None = None
        self.policy_index: str | None = None
        self._input: _CountedInput | None = None
        if environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            self._input = environ["wsgi.input"] = _CountedInput(environ["wsgi.input"])

    def started(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status = int(status[:3])
        self.first_byte = time.time()
        for name, value in headers:
            if name.lower() == POLICY_HEADER:
                self.policy_index = value

    def finish(self, status: int | None = None) -> None:
        """Write the line.

        :param status: what became of it after all: 499 or 500
        """
        entry = Entry(
            self.environ,
            self.path,
            status or self.environ.get("swift.proxy_logging_status") or self.status,
            self._input.received if self._input else 0,
            self.sent,
            self.start,
            time.time(),
            self.first_byte,
            self.policy_index or self.environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX"),
            os.getpid(),
            self.status or status or 0,
        )
        self._logging.log.info(self._logging.line(entry))


class _LoggedBody:
    """Passes a body on, counting."""

    __slots__ = ("_body", "_chunks", "_done", "_record")

    def __init__(self, body: Iterable[bytes], record: _Record) -> None:
        self._body = body
        self._chunks = iter(body)
        self._record = record
        self._done = False

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
        self._record.sent += len(chunk)
        return chunk

    def close(self) -> None:
        if not self._done and self._record.environ["REQUEST_METHOD"] == "HEAD":
            self._record.sent = 0
            self._finish(None)
        self._finish(499)  # the server stopped before the end: the client has left
        if hasattr(self._body, "close"):
            self._body.close()

    def _finish(self, status: int | None) -> None:
        if not self._done:
            self._done = True
            self._record.finish(status)


class _CountedInput:
    """A request's body, counting what is read of it."""

    __slots__ = ("_input", "received")

    def __init__(self, wrapped: Any) -> None:
        self._input = wrapped
        self.received = 0

    def read(self, *size: int) -> bytes:
        data: bytes = self._input.read(*size)
        self.received += len(data)
        return data

    def read1(self, *size: int) -> bytes:
        data: bytes = self._input.read1(*size)
        self.received += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        count: int = self._input.readinto(buffer)
        self.received += count
        return count

    def readline(self, *size: int) -> bytes:
        data: bytes = self._input.readline(*size)
        self.received += len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(65536), b"")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._input, name)


def read_style(conf: Mapping[str, str]) -> Style:
    """The options that shape a line.

    :raises ValueError: when a number is none
    """
    only = conf.get("access_log_headers_only", "")
    return Style(
        template=conf.get("log_msg_template", DEFAULT_TEMPLATE),
        reveal=int(conf.get("reveal_sensitive_prefix", 16)),
        method=conf.get("log_anonymization_method", "md5").lower(),
        salt=conf.get("log_anonymization_salt", ""),
        headers=is_true(conf.get("access_log_headers", conf.get("log_headers", "no"))),
        only_headers=frozenset(name.strip().title() for name in only.split(",") if name.strip()),
    )


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory. Options ``access_log_…`` go before ``log_…``; see also :func:`read_style`.

    :raises ConfigError: when the template or a number does not fit
    """
    conf = {**global_conf, **local_conf}
    for key in ("log_name", "log_facility", "log_level", "log_address"):
        if conf.get(f"access_{key}"):
            conf[key] = conf[f"access_{key}"]
    try:
        line = compile_template(read_style(conf))
    except ValueError as error:
        file, section = conf.get("__file__", "conf"), conf.get("__section__", "filter:proxy-logging")
        raise ConfigError(file, section, "log_msg_template", str(error), "correct it") from None
    log = get_logger(conf, "proxy-access")
    return lambda app: ProxyLogging(app, line, log)
