"""Static large objects: one object out of many, by a list of them that was checked when it was made (formats.md 7.15)."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common import swift_info
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.middleware.slo.filter import StaticLargeObjects
from swiftlite.middleware.slo.options import SLOOptions


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: SLOOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(SLOOptions, conf)
    log = get_logger(conf, "slo")
    swift_info.register(
        "slo",
        max_manifest_segments=options.max_manifest_segments,
        max_manifest_size=options.max_manifest_size,
        yield_frequency=options.yield_frequency,
        min_segment_size=1,  # it could be set once, and clients may still look
        allow_async_delete=options.allow_async_delete,
    )
    return lambda app: StaticLargeObjects(app, options, log)
