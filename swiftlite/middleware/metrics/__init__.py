"""Answer /metrics, from which Prometheus learns how a server is (doc/metrics.md)."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.middleware.metrics.filter import Metrics, MetricsOptions


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: MetricsOptions. Raises ConfigError."""
    options = factory_options(MetricsOptions, {**global_conf, **local_conf})
    return lambda app: Metrics(app, options)
