"""LegacyVersioning: what a write replaces is first copied to another container (formats.md 7.13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp


class LegacyVersioning:
    """Containers with ``X-Versions-Location`` or ``X-History-Location``.

    :param allowed: None: only containers whose location a container server keeps have it
    """

    def __init__(self, app: WSGIApp, allowed: bool | None, log: Logger) -> None:
        self.app = app
        self.allowed = allowed
        self.log = log

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.app(environ, start_response)
