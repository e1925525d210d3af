"""For each alert, series that must set it off, and what a healthy cluster tells at the same time."""

from __future__ import annotations

from typing import Any

HEALTHY = {
    'up{job="swiftlite-proxy", instance="p"}': "1x150",
    'swiftlite_start_timestamp_seconds{server="proxy-server", instance="p"}': "1000x150",
    'swiftlite_requests_total{server="proxy-server", instance="p", method="GET", status="200"}': "0+6000x150",
    'swiftlite_requests_total{server="proxy-server", instance="p", method="GET", status="404"}': "0+600x150",
    'swiftlite_requests_total{server="proxy-server", instance="p", method="GET", status="503"}': "0+6x150",
    'swiftlite_backend_request_seconds_bucket{kind="object", method="GET", le="0.5"}': "0+1000x150",
    'swiftlite_backend_request_seconds_bucket{kind="object", method="GET", le="2.5"}': "0+1001x150",
    'swiftlite_backend_request_seconds_bucket{kind="object", method="GET", le="+Inf"}': "0+1001x150",
    'swiftlite_quorum_failures_total{instance="p", method="GET"}': "0x150",
    'swiftlite_node_error_limited{instance="p", node="n/d1"}': "0 1 1 0x150",
    'swiftlite_event_loop_lag_seconds{instance="p"}': "0.002x20 3 0.002x150",
    'swiftlite_open_files{instance="p"}': "100x150",
    'swiftlite_open_files_limit{instance="p"}': "1024x150",
    'swiftlite_metrics_memory_ratio{instance="p"}': "0.05x150",
    'swiftlite_device_usable{instance="s", device="d1"}': "1x150",
    'swiftlite_device_size_bytes{instance="s", device="d1"}': "1000x150",
    'swiftlite_device_free_bytes{instance="s", device="d1"}': "500x150",
    'swiftlite_device_inodes{instance="s", device="d1"}': "1000x150",
    'swiftlite_device_free_inodes{instance="s", device="d1"}': "900x150",
    'swiftlite_device_inodes{instance="s", device="btrfs"}': "0x150",
    'swiftlite_device_free_inodes{instance="s", device="btrfs"}': "0x150",
    'swiftlite_quarantined{instance="s", device="d1", type="objects"}': "0x150",
    'swiftlite_drive_errors{instance="s", device="sda"}': "0x150",
    'swiftlite_async_pending{instance="s"}': "500-1x150",
    'swiftlite_async_pending_oldest_seconds{instance="s"}': "60x150",
    'swiftlite_updater_last_timestamp_seconds{instance="s"}': "0+60x150",
    'swiftlite_failed_passes{instance="s", daemon="object-updater"}': "1x150",
    'swiftlite_replication_last_timestamp_seconds{instance="s"}': "0+60x150",
    'swiftlite_auditor_report_timestamp_seconds{instance="s", pass="ALL"}': "0+60x150",
    'swiftlite_ring_info{instance="p", ring="object", md5="one"}': "1x150",
    'swiftlite_ring_info{instance="s", ring="object", md5="one"}': "1x150",
    'swiftlite_conf_info{instance="p", file="swift.conf", md5="one"}': "1x150",
    'swiftlite_conf_info{instance="s", file="swift.conf", md5="one"}': "1x150",
    'swiftlite_hash_secret_info{instance="p", fingerprint="one"}': "1x150",
    'swiftlite_hash_secret_info{instance="s", fingerprint="one"}': "1x150",
    'swiftlite_ring_balance_percent{instance="s", ring="object"}': "3x150",
}
"""A series' value in each minute, in promtool's spelling: ``a+bxn`` is a, a+b, … n times more."""

FAULTS: dict[str, dict[str, str]] = {
    "SwiftliteDown": {'up{job="swiftlite-proxy", instance="p"}': "0x150"},
    "SwiftliteRestarts": {'swiftlite_start_timestamp_seconds{server="proxy-server", instance="p"}': "0+600x150"},
    "SwiftliteErrorRate": {
        'swiftlite_requests_total{server="proxy-server", instance="p", method="GET", status="503"}': "0+100x150"
    },
    "SwiftliteSlow": {'swiftlite_backend_request_seconds_bucket{kind="object", method="GET", le="0.5"}': "0+970x150"},
    "SwiftliteQuorumFailures": {'swiftlite_quorum_failures_total{instance="p", method="GET"}': "0+2x150"},
    "SwiftliteNodeErrorLimited": {'swiftlite_node_error_limited{instance="p", node="n/d1"}': " ".join(["1 1 0"] * 50)},
    "SwiftliteEventLoopSlow": {'swiftlite_event_loop_lag_seconds{instance="p"}': "0.7x150"},
    "SwiftliteOpenFiles": {'swiftlite_open_files{instance="p"}': "900x150"},
    "SwiftliteMetricsFull": {'swiftlite_metrics_memory_ratio{instance="p"}': "1x150"},
    "SwiftliteDeviceUnusable": {'swiftlite_device_usable{instance="s", device="d1"}': "0x150"},
    "SwiftliteDiskNearlyFull": {'swiftlite_device_free_bytes{instance="s", device="d1"}': "140x150"},
    "SwiftliteDiskFull": {'swiftlite_device_free_bytes{instance="s", device="d1"}': "20x150"},
    "SwiftliteInodesNearlyUsed": {'swiftlite_device_free_inodes{instance="s", device="d1"}': "90x150"},
    "SwiftliteQuarantines": {'swiftlite_quarantined{instance="s", device="d1", type="objects"}': "1x150"},
    "SwiftliteDriveErrors": {'swiftlite_drive_errors{instance="s", device="sda"}': "4x150"},
    "SwiftliteAsyncPendingGrowing": {'swiftlite_async_pending{instance="s"}': "500+1x150"},
    "SwiftliteAsyncPendingOld": {'swiftlite_async_pending_oldest_seconds{instance="s"}': "0+60x150"},
    "SwiftlitePassesFail": {'swiftlite_failed_passes{instance="s", daemon="object-updater"}': "1 2x149"},
    "SwiftliteUpdaterStale": {'swiftlite_updater_last_timestamp_seconds{instance="s"}': "0x150"},
    "SwiftliteReplicationStale": {'swiftlite_replication_last_timestamp_seconds{instance="s"}': "-90000x150"},
    "SwiftliteAuditorStale": {'swiftlite_auditor_report_timestamp_seconds{instance="s", pass="ALL"}': "-1300000x150"},
    "SwiftliteRingsDiffer": {'swiftlite_ring_info{instance="s", ring="object", md5="two"}': "1x150"},
    "SwiftliteConfDiffers": {'swiftlite_conf_info{instance="s", file="swift.conf", md5="two"}': "1x150"},
    "SwiftliteHashSecretsDiffer": {'swiftlite_hash_secret_info{instance="s", fingerprint="two"}': "1x150"},
    "SwiftliteRingUnbalanced": {'swiftlite_ring_balance_percent{instance="s", ring="object"}': "30x150"},
}
"""What differs from HEALTHY."""
IMPLIED = {"SwiftliteDiskFull": {"SwiftliteDiskNearlyFull"}}
"""Alerts that come with another."""


def _test(fault: str, differing: dict[str, str]) -> dict[str, Any]:
    """One case of promtool's: which alerts fire, and that no other does."""
    series = {**HEALTHY, **differing}
    expected = sorted({fault, *IMPLIED.get(fault, ())} - {""})
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {
        "name": fault or "healthy",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": "150m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected],
            }
        ],
    }


def promtool_tests(rules: str) -> dict[str, Any]:
    """The whole file for ``promtool test rules``."""
    tests = [_test("", {}), *(_test(fault, differing) for fault, differing in FAULTS.items())]
    return {"rule_files": [rules], "evaluation_interval": "2m", "tests": tests}
