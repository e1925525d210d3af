"""Bulk requests: an archive whose files become objects, a list of objects to delete (formats.md 7.19)."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common import swift_info
from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.middleware.bulk.filter import Bulk
from swiftlite.middleware.bulk.options import BulkOptions


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: BulkOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(BulkOptions, conf)
    log = get_logger(conf, "bulk")
    swift_info.register(
        "bulk_upload",
        max_containers_per_extraction=options.max_containers_per_extraction,
        max_failed_extractions=options.max_failed_extractions,
    )
    swift_info.register(
        "bulk_delete",
        max_deletes_per_request=options.max_deletes_per_request,
        max_failed_deletes=options.max_failed_deletes,
    )
    return lambda app: Bulk(app, options, log)
