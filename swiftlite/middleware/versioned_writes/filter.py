"""VersionedWrites: leads a request through the kinds of versioning that the operator allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from swiftlite.common.config import is_true, option
from swiftlite.common.log import Logger
from swiftlite.common.pipeline import WSGIApp
from swiftlite.middleware.versioned_writes.legacy import LegacyVersioning
from swiftlite.middleware.versioned_writes.object_versioning import ObjectVersioning


@dataclass(frozen=True)
class VersionedWritesOptions:
    """The filter's section."""

    allow_versioned_writes: bool | None = option(
        None,
        "let containers send old versions to another one (X-Versions-Location, X-History-Location); empty: only those "
        "that have an X-Versions-Location from a container server with allow_versions",
        lambda text: is_true(text) if text.strip() else None,
    )
    allow_object_versioning: bool = option(
        False, "let containers keep versions of their own (X-Versions-Enabled); needs the filter symlink"
    )


class VersionedWrites:
    """Legacy versioning around object versioning around the rest of the pipeline.

    A container has at most one kind, so each finds by a look at its info that the other's container is none of its
    business.
    """

    def __init__(self, app: WSGIApp, options: VersionedWritesOptions, log: Logger) -> None:
        if options.allow_object_versioning:
            app = ObjectVersioning(app, log)
        self.app = LegacyVersioning(app, options.allow_versioned_writes, log)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self.app(environ, start_response)
