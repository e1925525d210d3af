"""What operators are given for Prometheus and Grafana says what the declarations say."""

from __future__ import annotations

import json
import re
from pathlib import Path

from swiftlite.cli import dashboard, metrics_document
from swiftlite.common.metrics import FAMILIES

CHECKOUT = Path(__file__).resolve().parents[3]
RULES = (CHECKOUT / "etc/prometheus/swiftlite-alerts.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)
SUFFIXES = ("_bucket", "_sum", "_count")


def test_the_document_is_up_to_date():
    text = (CHECKOUT / "doc" / metrics_document.FILE).read_text()
    assert metrics_document.brought_up_to_date(text) == text, "run: python -m swiftlite.cli.metrics_document doc"
    assert all(f"`{name}`" in text for name in FAMILIES)


def test_the_dashboard_is_up_to_date():
    text = (CHECKOUT / "etc" / dashboard.FILE).read_text()
    assert json.loads(text) == dashboard.dashboard(), "run: python -m swiftlite.cli.dashboard etc"


def test_panels_do_not_overlap():
    covered = set()
    for panel in dashboard.dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & covered, panel["title"]
        assert place["x"] + place["w"] <= 24
        covered |= cells


def names_in(text: str) -> set[str]:
    found = set(re.findall(r"\bswiftlite_\w+", text))
    return {
        next((name.removesuffix(end) for end in SUFFIXES if name.removesuffix(end) in FAMILIES), name) for name in found
    }


def test_rules_and_dashboard_know_only_metrics_that_there_are():
    assert names_in(RULES) <= set(FAMILIES)
    assert names_in(json.dumps(dashboard.dashboard())) <= set(FAMILIES)


def test_the_dashboard_shows_or_an_alert_watches_nearly_all():
    unseen = set(FAMILIES) - names_in(RULES) - names_in(json.dumps(dashboard.dashboard()))
    assert unseen == {
        "swiftlite_updater_pass_seconds",
        "swiftlite_expirer_pass_seconds",
        "swiftlite_daemon_last_pass_timestamp_seconds",
        "swiftlite_ring_modified_timestamp_seconds",
        "swiftlite_ring_devices",
        "swiftlite_ring_partitions",
        "swiftlite_ring_replicas",
    }


def test_each_alert_says_what_to_do():
    document = (CHECKOUT / "doc/alerts.md").read_text()
    assert re.findall(r"^## (\w+)", document, re.MULTILINE) == ALERTS
    assert re.findall(r"runbook_url: doc/alerts.md#(\w+)", RULES) == [name.lower() for name in ALERTS]
    assert RULES.count("summary:") == RULES.count("description:") == RULES.count("severity:") == len(ALERTS)
