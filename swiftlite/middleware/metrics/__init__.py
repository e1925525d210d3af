"""Answer /metrics, from which Prometheus learns how a server is (doc/metrics.md)."""

from __future__ import annotations

from collections.abc import Callable

from swiftlite.common.pipeline import WSGIApp, factory_options
from swiftlite.middleware.metrics.filter import Metrics, MetricsOptions


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """Paste's factory; options: MetricsOptions. Raises ConfigError."""
    conf = {**global_conf, **local_conf}
    options = factory_options(MetricsOptions, conf)
    ip, port = conf.get("ring_ip", "").strip() or conf.get("bind_ip", "0.0.0.0").strip(), conf.get("bind_port", "")
    place = ip, int(port) if port.strip().isdecimal() else 0
    return lambda app: Metrics(app, options, place)
