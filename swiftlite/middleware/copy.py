"""ServerSideCopy: COPY, and PUT with X-Copy-From, as a GET whose body is PUT (formats.md 7.12)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from swiftlite.common.config import option
from swiftlite.common.log import Logger, get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options


@dataclass(frozen=True)
class CopyOptions:
    """The filter's section."""

    object_post_as_copy: bool = option(
        False, "do a POST by copying the object onto itself, as clusters did before metadata had files of their own"
    )
    yield_frequency: float = option(10.0, "seconds between the blanks that a copy with heartbeat=on sends meanwhile")


class ServerSideCopy:
    """The filter."""

    def __init__(self, app: WSGIApp, options: CopyOptions, log: Logger) -> None:
        self.app = app
        self.options = options
        self.log = log

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.app(environ, start_response)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: CopyOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(CopyOptions, conf)
    log = get_logger(conf, "copy")
    return lambda app: ServerSideCopy(app, options, log)
