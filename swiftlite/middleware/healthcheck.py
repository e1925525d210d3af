"""Answer /healthcheck, for load balancers; an operator takes a node out by creating a file (formats.md 7.2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swiftlite.common.config import option
from swiftlite.common.pipeline import WSGIApp, factory_options


@dataclass(frozen=True)
class HealthCheckOptions:
    """The filter's section."""

    disable_path: str = option("", "while this file exists the answer is 503, so that load balancers go elsewhere")


class HealthCheck:
    """Answers the one path ``/healthcheck``."""

    def __init__(self, app: WSGIApp, options: HealthCheckOptions) -> None:
        self.app = app
        self.disable_path = options.disable_path

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ.get("PATH_INFO") != "/healthcheck":
            return self.app(environ, start_response)
        disabled = self.disable_path and os.path.exists(self.disable_path)
        status, body = ("503 Service Unavailable", b"DISABLED BY FILE") if disabled else ("200 OK", b"OK")
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: HealthCheckOptions. Raises ConfigError."""
    options = factory_options(HealthCheckOptions, {**global_conf, **local_conf})
    return lambda app: HealthCheck(app, options)
