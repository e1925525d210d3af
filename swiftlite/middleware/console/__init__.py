"""Serve the web console below /console/: a page for users and administrators, whose files are all in this package."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common.log import get_logger
from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.middleware.console.admin import AdminDocuments
from swiftlite.middleware.console.assets import load_assets
from swiftlite.middleware.console.cluster import ClusterWatch
from swiftlite.middleware.console.document import config_document
from swiftlite.middleware.console.filter import Console
from swiftlite.middleware.console.options import ConsoleOptions


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: ConsoleOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(ConsoleOptions, conf)
    document = config_document(options, conf.get("__file__"))
    assets = load_assets()
    bind = conf.get("bind_ip", "0.0.0.0").strip(), conf.get("bind_port", "").strip()
    watch = ClusterWatch(options, bind) if options.cluster else None
    log = get_logger(conf, "console")
    return lambda app: Console(app, assets, document, AdminDocuments(app, watch, log))
