"""What of the recon caches is a number: the daemons' own statistics as metrics (formats.md 5.8)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from swiftlite.common import metrics
from swiftlite.common.failed_passes import KEY as FAILED
from swiftlite.common.failed_passes import is_forgotten
from swiftlite.common.metric_text import Sample
from swiftlite.common.metrics import Family
from swiftlite.common.recon import CONTAINER_CACHE, OBJECT_CACHE

FILES = {
    "object": (OBJECT_CACHE, "drive.recon"),
    "container": (CONTAINER_CACHE,),
    "account": ("account.recon",),
}
"""The caches that a storage server of a kind tells of."""
Cache = Mapping[str, Any]


def numbers(kind: str, cache: Cache, now: float | None = None) -> Iterator[Sample]:
    """The samples of one cache; whatever in it is missing or no number is passed over.

    :param kind: object, container or account
    :param now: seconds since the epoch
    """
    now = time.time() if now is None else now
    for daemon, facts in _mapping(cache.get(FAILED)).items():
        if not is_forgotten(_mapping(facts), now):
            yield from _one(metrics.FAILED_PASSES, _mapping(facts).get("count"), daemon)
    if kind == "object":
        yield from _object_replication(cache)
        yield from _updater(cache, now)
        yield from _object_auditor(cache)
        yield from _one(metrics.EXPIRER_SECONDS, cache.get("object_expiration_pass"))
        yield from _one(metrics.EXPIRER_COUNT, cache.get("expired_last_pass"))
        if "drive_audit_errors" in cache:
            for device, count in cache.items():
                if device != "drive_audit_errors":
                    yield from _one(metrics.DRIVE_ERRORS, count, device)
    else:
        yield from _replication(cache, "", 1)
        yield from _one(metrics.UPDATER_SECONDS, cache.get(f"{kind}_updater_sweep"))
        yield from _one(metrics.AUDITOR_LAST, cache.get(f"{kind}_audits_since"), "", "ALL")
        for count in ("passed", "failed"):
            yield from _one(metrics.AUDITOR_COUNT, cache.get(f"{kind}_audits_{count}"), "", "ALL", count)


def _one(family: Family, value: object, *labels: str) -> Iterator[Sample]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield Sample(family, value, labels)


def _replication(cache: Cache, device: str, unit: float) -> Iterator[Sample]:
    """:param unit: of replication_time, in seconds"""
    yield from _one(metrics.REPLICATION_LAST, cache.get("replication_last"), device)
    for family, took, labels in _one(metrics.REPLICATION_SECONDS, cache.get("replication_time"), device):
        yield Sample(family, took * unit, labels)
    for name, count in _mapping(cache.get("replication_stats")).items():
        if name != "start":  # a moment among counts
            yield from _one(metrics.REPLICATION_COUNT, count, device, name)


def _object_replication(cache: Cache) -> Iterator[Sample]:
    """Objects' replicators tell minutes, and of each device where each has a process of its own."""
    devices = _mapping(cache.get("object_replication_per_disk"))
    if not devices:
        yield from _replication(cache, "", 60)
    for device, facts in devices.items():
        yield from _replication(_mapping(facts), device, 60)


def _updater(cache: Cache, now: float) -> Iterator[Sample]:
    yield from _one(metrics.ASYNC_PENDING, cache.get("async_pending"))
    yield from _one(metrics.UPDATER_LAST, cache.get("object_updater_last"))
    yield from _one(metrics.UPDATER_SECONDS, cache.get("object_updater_sweep"))
    if "object_updater_stats" in cache:
        oldest = _mapping(cache["object_updater_stats"]).get("failures_oldest_timestamp")
        yield Sample(metrics.ASYNC_OLDEST, max(0.0, now - oldest) if isinstance(oldest, (int, float)) else 0.0)


def _object_auditor(cache: Cache) -> Iterator[Sample]:
    """Statistics of all devices together, or a mapping of those of each."""
    for kind in ("ALL", "ZBF"):
        facts = _mapping(cache.get(f"object_auditor_stats_{kind}"))
        for device, found in {"": facts, **facts}.items():
            found = _mapping(found)
            if "start_time" not in found:
                continue
            yield from _one(metrics.AUDITOR_LAST, found["start_time"], device, kind)
            for name in ("passes", "errors", "quarantined", "bytes_processed"):
                yield from _one(metrics.AUDITOR_COUNT, found.get(name), device, kind, name)


def _mapping(value: object) -> Cache:
    return value if isinstance(value, Mapping) else {}
