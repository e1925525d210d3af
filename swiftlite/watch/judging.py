"""All rules together: what is wrong with a cluster, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from swiftlite.watch import (
    rules_agreement,
    rules_copies,
    rules_daemons,
    rules_devices,
    rules_hosts,
    rules_rings,
    rules_secret,
)
from swiftlite.watch.facts import ClusterView
from swiftlite.watch.findings import SEVERITIES, Finding, Limits, Rule

RULES: tuple[Rule, ...] = (
    *rules_hosts.RULES,
    *rules_devices.RULES,
    *rules_copies.RULES,
    *rules_secret.RULES,
    *rules_agreement.RULES,
    *rules_daemons.RULES,
    *rules_rings.RULES,
)

_ORDER = {severity: -number for number, severity in enumerate(SEVERITIES)}


def findings(view: ClusterView, limits: Limits) -> list[Finding]:
    """What is wrong, the worst first."""
    found = chain.from_iterable(rule(view, limits) for rule in RULES)
    return sorted(found, key=lambda finding: (_ORDER[finding.severity], finding.code, finding.subject))


def worst(found: Sequence[Finding]) -> str:
    """The severity of the worst finding; empty when there is none."""
    return min((finding.severity for finding in found), key=lambda severity: _ORDER[severity], default="")
