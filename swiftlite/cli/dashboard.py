"""Write etc/grafana/swiftlite-dashboard.json from a table of panels: ``python -m swiftlite.cli.dashboard etc``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "grafana/swiftlite-dashboard.json"
WIDTH, HEIGHT = 8, 7
"""Of a panel, in Grafana's grid, which is 24 wide."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = 'instance=~"$instance"'
PROXY = f'{HERE}, server="proxy-server"'
NODE = f'{HERE}, server="object-server"'
"""Each storage server of a node tells of all its devices: one of them is enough."""
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """A graph, or with ``kind`` stat the number that it has reached.

    :ivar queries: expression and legend of each line
    :ivar unit: as Grafana calls it
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def _panel(title: str, unit: str, *queries: str, kind: str = "timeseries") -> Panel:
    return Panel(title, unit, tuple(zip(queries[::2], queries[1::2], strict=True)), kind)


def _quantile(share: float, buckets: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({buckets}{RATE})))"


def _or_none(expression: str) -> str:
    """0 where nothing of the kind has ever happened."""
    return f"{expression} or vector(0)"


REQUESTS = f"swiftlite_requests_total{{{PROXY}}}"
FAILED = f'swiftlite_requests_total{{{PROXY}, status=~"5.."}}'
LATENCY = f"swiftlite_request_seconds_bucket{{{PROXY}}}"
BACKEND = f"swiftlite_backend_request_seconds_bucket{{{HERE}}}"

ROWS: dict[str, tuple[Panel, ...]] = {
    "Overview": (
        _panel("Requests", "reqps", f"sum(rate({REQUESTS}{RATE}))", "requests", kind="stat"),
        _panel(
            "Server errors",
            "percentunit",
            f"({_or_none(f'sum(rate({FAILED}{RATE}))')}) / sum(rate({REQUESTS}{RATE}))",
            "of all requests",
            kind="stat",
        ),
        _panel(
            "99th percentile, GET", "s", _quantile(0.99, LATENCY[:-1] + ', method="GET"}', "method"), "GET", kind="stat"
        ),
        _panel("Targets down", "short", 'sum(up{job=~"swiftlite.*"} == bool 0)', "down", kind="stat"),
        _panel(
            "Space in use",
            "percentunit",
            f"1 - sum(swiftlite_device_free_bytes{{{NODE}}}) / sum(swiftlite_device_size_bytes{{{NODE}}})",
            "of all devices",
            kind="stat",
        ),
        _panel("Updates that wait", "short", f"sum(swiftlite_async_pending{{{HERE}}})", "async_pending", kind="stat"),
    ),
    "Requests": (
        _panel("By method", "reqps", f"sum by (method) (rate({REQUESTS}{RATE}))", "{{method}}"),
        _panel("By status", "reqps", f"sum by (status) (rate({REQUESTS}{RATE}))", "{{status}}"),
        _panel("In flight", "short", f"sum by (instance) (swiftlite_requests_in_flight{{{PROXY}}})", "{{instance}}"),
        _panel("Median", "s", _quantile(0.5, LATENCY, "method"), "{{method}}"),
        _panel("95th percentile", "s", _quantile(0.95, LATENCY, "method"), "{{method}}"),
        _panel("99th percentile", "s", _quantile(0.99, LATENCY, "method"), "{{method}}"),
        _panel(
            "Bytes",
            "Bps",
            *(f"sum(rate(swiftlite_received_bytes_total{{{PROXY}}}{RATE}))", "received"),
            *(f"sum(rate(swiftlite_sent_bytes_total{{{PROXY}}}{RATE}))", "sent"),
        ),
        _panel(
            "Clients that left",
            "reqps",
            _or_none(f'sum(rate(swiftlite_requests_total{{{PROXY}, status="499"}}{RATE}))'),
            "499",
        ),
        _panel(
            "Requests of storage servers",
            "reqps",
            f'sum by (server) (rate(swiftlite_requests_total{{{HERE}, server=~"object.*|container.*|account.*"}}{RATE}))',
            "{{server}}",
        ),
    ),
    "Backends": (
        _panel(
            "Answers by kind and status",
            "reqps",
            f"sum by (kind, status) (rate(swiftlite_backend_requests_total{{{HERE}}}{RATE}))",
            "{{kind}} {{status}}",
        ),
        _panel("Median until the answer begins", "s", _quantile(0.5, BACKEND, "kind, method"), "{{kind}} {{method}}"),
        _panel("99th percentile", "s", _quantile(0.99, BACKEND, "kind, method"), "{{kind}} {{method}}"),
        _panel(
            "Failures by device",
            "ops",
            _or_none(f"sum by (node, reason) (rate(swiftlite_node_errors_total{{{HERE}}}{RATE}))"),
            "{{node}} {{reason}}",
        ),
        _panel(
            "Error-limited devices",
            "short",
            _or_none(f"max by (node) (swiftlite_node_error_limited{{{HERE}}})"),
            "{{node}}",
        ),
        _panel(
            "Handoffs asked",
            "ops",
            _or_none(f"sum by (ring) (rate(swiftlite_handoffs_total{{{HERE}}}{RATE}))"),
            "{{ring}}",
        ),
        _panel(
            "Quorum failures",
            "ops",
            f"sum by (method) (rate(swiftlite_quorum_failures_total{{{HERE}}}{RATE}))",
            "{{method}}",
        ),
        _panel(
            "Rows for the level above",
            "ops",
            f"sum by (server, outcome) (rate(swiftlite_row_updates_total{{{HERE}}}{RATE}))",
            "{{server}} {{outcome}}",
        ),
        _panel(
            "memcached failures",
            "ops",
            _or_none(f"sum by (memcached) (rate(swiftlite_memcache_errors_total{{{HERE}}}{RATE}))"),
            "{{memcached}}",
        ),
    ),
    "Storage": (
        _panel(
            "Space in use",
            "percentunit",
            f"1 - swiftlite_device_free_bytes{{{NODE}}} / swiftlite_device_size_bytes{{{NODE}}}",
            "{{instance}} {{device}}",
        ),
        _panel(
            "Inodes in use",
            "percentunit",
            f"1 - swiftlite_device_free_inodes{{{NODE}}} / (swiftlite_device_inodes{{{NODE}}} > 0)",
            "{{instance}} {{device}}",
        ),
        _panel("Devices unusable", "short", f"sum(1 - swiftlite_device_usable{{{NODE}}})", "unusable"),
        _panel(
            "In quarantine",
            "short",
            f"sum by (instance, device, type) (swiftlite_quarantined{{{NODE}}})",
            "{{instance}} {{device}} {{type}}",
        ),
        _panel(
            "Put into quarantine",
            "short",
            f"sum by (server, type) (increase(swiftlite_quarantined_total{{{HERE}}}[1h]))",
            "{{server}} {{type}}",
        ),
        _panel(
            "Errors of drives",
            "short",
            _or_none(f"sum by (instance, device) (swiftlite_drive_errors{{{HERE}}})"),
            "{{instance}} {{device}}",
        ),
    ),
    "Consistency": (
        _panel(
            "Age of the last replication",
            "s",
            f"time() - swiftlite_replication_last_timestamp_seconds{{{HERE}}}",
            "{{instance}} {{device}}",
        ),
        _panel(
            "Length of a replication pass",
            "s",
            f"swiftlite_replication_pass_seconds{{{HERE}}}",
            "{{instance}} {{device}}",
        ),
        _panel(
            "What the last replication did",
            "short",
            f'sum by (server, count) (swiftlite_replication_last_pass{{{HERE}, count=~"attempted|success|failure"}})',
            "{{server}} {{count}}",
        ),
        _panel("Updates that wait", "short", f"swiftlite_async_pending{{{HERE}}}", "{{instance}}"),
        _panel("Age of the oldest", "s", f"swiftlite_async_pending_oldest_seconds{{{HERE}}}", "{{instance}}"),
        _panel(
            "Age of the auditors' reports",
            "s",
            f"time() - swiftlite_auditor_report_timestamp_seconds{{{HERE}}}",
            "{{instance}} {{pass}} {{device}}",
        ),
        _panel(
            "What auditors found",
            "short",
            f'sum by (server, count) (swiftlite_auditor_last_report{{{HERE}, count!="bytes_processed"}})',
            "{{server}} {{count}}",
        ),
        _panel(
            "What daemons do",
            "ops",
            f"sum by (server, what) (rate(swiftlite_daemon_work_total{{{HERE}}}{RATE}))",
            "{{server}} {{what}}",
        ),
        _panel(
            "Passes of daemons",
            "s",
            f"rate(swiftlite_daemon_pass_seconds_total{{{HERE}}}{RATE}) / rate(swiftlite_daemon_passes_total{{{HERE}}}{RATE})",
            "{{server}} {{instance}}",
        ),
        _panel(
            "Expirer",
            "short",
            *(f"swiftlite_expirer_queue_objects{{{HERE}}}", "rows due on {{instance}}"),
            *(f"swiftlite_expirer_last_pass_objects{{{HERE}}}", "deleted by the last pass"),
        ),
    ),
    "Rings and processes": (
        _panel(
            "Different rings of a name",
            "short",
            "count by (ring) (count by (ring, md5) (swiftlite_ring_info))",
            "{{ring}}",
        ),
        _panel("Ring versions", "short", f"max by (ring) (swiftlite_ring_version{{{HERE}}})", "{{ring}}"),
        _panel("Balance", "percent", f"max by (ring) (swiftlite_ring_balance_percent{{{HERE}}})", "{{ring}}"),
        _panel("CPU", "percentunit", f"rate(swiftlite_cpu_seconds_total{{{HERE}}}{RATE})", "{{server}} {{instance}}"),
        _panel("Memory", "bytes", f"swiftlite_resident_bytes{{{HERE}}}", "{{server}} {{instance}}"),
        _panel("Event loop lag", "s", f"swiftlite_event_loop_lag_seconds{{{HERE}}}", "{{server}} {{instance}}"),
        _panel(
            "Open files",
            "percentunit",
            f"swiftlite_open_files{{{HERE}}} / swiftlite_open_files_limit{{{HERE}}}",
            "{{server}} {{instance}}",
        ),
        _panel("Processes", "short", f"swiftlite_processes{{{HERE}}}", "{{server}} {{instance}}"),
        _panel(
            "Starts within an hour",
            "short",
            f"changes(swiftlite_start_timestamp_seconds{{{HERE}}}[1h])",
            "{{server}} {{instance}}",
        ),
        _panel(
            "Log lines lost within an hour",
            "short",
            f"increase(swiftlite_log_lines_lost_total{{{HERE}}}[1h])",
            "{{server}} {{instance}}",
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "title": "swiftlite",
        "uid": "swiftlite",
        "tags": ["swiftlite"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_SOURCE_VARIABLE, _INSTANCE_VARIABLE]},
        "panels": list(_placed()),
    }


_SOURCE_VARIABLE = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_INSTANCE_VARIABLE = {
    "name": "instance",
    "label": "Instance",
    "type": "query",
    "datasource": SOURCE,
    "query": {"query": "label_values(swiftlite_build_info, instance)", "refId": "instance"},
    "definition": "label_values(swiftlite_build_info, instance)",
    "includeAll": True,
    "allValue": ".*",
    "multi": True,
    "refresh": 2,
    "sort": 1,
    "current": {"text": "All", "value": "$__all"},
}


def _placed() -> Iterator[dict[str, Any]]:
    """Each row's head and panels, with their places, from the top down."""
    number, top = 1, 0
    for title, panels in ROWS.items():
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
        }
        number, top = number + 1, top + 1
        is_small = all(panel.kind == "stat" for panel in panels)
        width, height = (4, 4) if is_small else (WIDTH, HEIGHT)
        per_line = 24 // width
        for place, panel in enumerate(panels):
            where = {"x": place % per_line * width, "y": top + place // per_line * height, "w": width, "h": height}
            yield {"id": number, "gridPos": where, **_spelled(panel)}
            number += 1
        top += -(-len(panels) // per_line) * height


def _spelled(panel: Panel) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for place, (expression, legend) in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def main(argv: Sequence[str]) -> int:
    """Write it into the directory named."""
    (Path(argv[0]) / FILE).write_text(json.dumps(dashboard(), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
