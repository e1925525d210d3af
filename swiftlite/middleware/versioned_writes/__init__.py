"""Keep what is overwritten or deleted: two kinds of versioning, each container with its own or none (formats.md 7.13, 7.14)."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common import swift_info
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.middleware.versioned_writes.filter import VersionedWrites, VersionedWritesOptions


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: VersionedWritesOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(VersionedWritesOptions, conf)
    if options.allow_versioned_writes:
        swift_info.register("versioned_writes", allowed_flags=["x-versions-location", "x-history-location"])
    if options.allow_object_versioning:
        if "symlink" not in swift_info.registered():
            raise ValueError("allow_object_versioning needs the filter symlink to the right")
        swift_info.register("object_versioning")
    log = get_logger(conf, "versioned_writes")
    return lambda app: VersionedWrites(app, options, log)
