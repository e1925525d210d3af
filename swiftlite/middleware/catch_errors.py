"""Outermost filter: gives each request its transaction id, says when to try again what could not be done for now, and
answers 500 for what nobody caught."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from swiftlite.common.concurrency import Timeout
from swiftlite.common.config import option
from swiftlite.common.log import Logger, get_logger, transaction_id
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.core.transaction import EXTRA_LENGTH


@dataclass(frozen=True)
class CatchErrorsOptions:
    """The filter's section."""

    trans_id_suffix: str = option("", "end of every transaction id, so that those of several clusters differ")
    retry_after: int = option(
        5, "seconds after which answers of 429 and 503 tell clients to try again (Retry-After); 0: they say nothing"
    )


NOT_NOW = ("503 ", "429 ")
"""How the answers begin to what may be done a moment later. Ratelimit's 498 is none: it has waited already."""


class CatchErrors:
    """Wraps all other filters. That a body is as long as its head promised is seen to by the HTTP server.

    :param log: hears of exceptions that nobody caught
    """

    def __init__(self, app: WSGIApp, options: CatchErrorsOptions, log: Logger) -> None:
        self.app = app
        self.suffix = options.trans_id_suffix
        self.retry_after = options.retry_after
        self.log = log

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        extra = environ.get("HTTP_X_TRANS_ID_EXTRA")
        suffix = f"{self.suffix}-{extra[:EXTRA_LENGTH]}" if extra else self.suffix
        identity = new_transaction_id(suffix, random.getrandbits(84), time.time())
        environ["swift.trans_id"] = identity
        transaction_id.set(identity)
        trace = (("X-Trans-Id", identity), ("X-Openstack-Request-Id", identity))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            headers = [*headers, *trace]
            if status.startswith(NOT_NOW) and self.retry_after and not _says_when(headers):
                headers.append(("Retry-After", str(self.retry_after)))
            return start_response(status, headers, exc_info)

        try:
            return self.app(environ, start)
        except (Exception, Timeout):
            self.log.exception("Error: an error occurred in %s %r", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            body = b"An error occurred"
            headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *trace]
            # With the exception the server lets us take back a status that no byte was sent of.
            start_response("500 Internal Error", headers, sys.exc_info())
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


def _says_when(headers: list[tuple[str, str]]) -> bool:
    return any(name.lower() == "retry-after" for name, _ in headers)


def new_transaction_id(suffix: str, number: int, now: float) -> str:
    """``tx`` + 21 hexadecimal digits + ``-`` + 10 of the time + suffix (formats.md 7.3).

    :param number: 84 random bits
    :param now: seconds since the epoch
    """
    return f"tx{number:021x}-{int(now):010x}{quote(suffix) if suffix else ''}"


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: CatchErrorsOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(CatchErrorsOptions, conf)
    log = get_logger(conf, "catch-errors")
    return lambda app: CatchErrors(app, options, log)
