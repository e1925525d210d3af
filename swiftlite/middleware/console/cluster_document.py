"""cluster.json and requests.json: what the console shows administrators, made of what is known. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from math import isfinite
from typing import Any

from swiftlite.core.metrics_text import Requests
from swiftlite.watch.facts import Asked, ClusterView, RingFacts
from swiftlite.watch.findings import NOTICE, SEVERITIES, Finding, Limits
from swiftlite.watch.gathering import METRICS
from swiftlite.watch.judging import findings, worst
from swiftlite.watch.rows import Look, device_rows, host_rows
from swiftlite.watch.rules_daemons import PASSES, last_pass, pending
from swiftlite.watch.rules_hosts import limited_nodes

HEALTHY = "healthy"


def cluster_document(view: ClusterView) -> dict[str, Any]:
    """All but the numbers of requests. Times are seconds since the epoch, sizes bytes, shares percent."""
    found = findings(view, Limits())
    look = Look(view.taken, view.servers)
    return {
        "taken": view.taken,
        "swift_dir": view.swift_dir,
        "status": worst([one for one in found if one.severity != NOTICE]) or HEALTHY,
        "counts": {severity: sum(one.severity == severity for one in found) for severity in SEVERITIES},
        "problems": problems(found),
        "hosts": [{**vars(row), "style": row.style} for row in host_rows(look)],
        "servers": [_server(asked) for asked in view.servers],
        "devices": _devices(view, look),
        "rings": [_ring(view, ring) for ring in view.rings],
        "limited": [{"node": node, "proxies": proxies} for node, proxies in sorted(_limited(view).items())],
    }


def _limited(view: ClusterView) -> dict[str, list[str]]:
    return limited_nodes(view.reached("proxy"))


# --- what is wrong ---

MOST_KINDS, MOST_OF_A_KIND = 100, 5


def problems(found: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings of a kind together, since a fault of many nodes is one fault: how many, and the first of them."""
    kinds: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in found:
        kinds.setdefault((finding.severity, finding.code, finding.why), []).append(finding)
    return [
        {
            "severity": severity,
            "code": code,
            "why": why,
            "count": len(alike),
            "first": [{"subject": one.subject, "what": one.what, "fix": one.fix} for one in alike[:MOST_OF_A_KIND]],
        }
        for (severity, code, why), alike in islice(kinds.items(), MOST_KINDS)
    ]


# --- servers ---


def _server(asked: Asked) -> dict[str, Any]:
    server = asked.server
    told: dict[str, Any] = {
        "kind": server.kind,
        "ip": server.ip,
        "port": server.port,
        "address": server.address,
        "problem": asked.problem,
        "version": asked.word("version", "version"),
    }
    if server.kind in PASSES and not asked.problem:
        told["passes"] = {daemon.program: last_pass(asked, daemon.check) for daemon in PASSES[server.kind]}
        told["quarantined"] = asked.figure("quarantined", f"{server.kind}s")
    if server.kind == "object" and not asked.problem:
        told["updates"], told["oldest_update"] = pending(asked)
        told["handoffs"] = asked.figure("facts", "passes", "handoffs_left")
        told["passes"]["object-expirer"] = asked.figure("facts", "passes", "object_expiration_last")
    return told


# --- devices ---

DEVICE_COLUMNS = (
    *("ip", "device", "fill", "free", "size", "inodes", "updates", "quarantined", "problem", "style"),
    *("rings", "region", "zone", "weight", "assigned"),
)


def _devices(view: ClusterView, look: Look) -> dict[str, Any]:
    """A list for each device, which has the columns named: there may be thousands."""
    placed = _places(view.rings)
    rows = []
    for row in device_rows(look):
        place = placed.get((row.ip, row.device), {})
        values = {**vars(row), "style": row.style, **place}
        rows.append([_short(values.get(column)) for column in DEVICE_COLUMNS])
    rows += [[*_unseen(*place, placed[place])] for place in sorted(set(placed) - {(row[0], row[1]) for row in rows})]
    return {"columns": DEVICE_COLUMNS, "rows": rows}


def _unseen(ip: str, device: str, place: Mapping[str, Any]) -> Iterable[Any]:
    values = {"ip": ip, "device": device, "problem": "its node does not answer", "style": "bad", **place}
    return (values.get(column) for column in DEVICE_COLUMNS)


def _short(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


def _places(rings: Iterable[RingFacts]) -> dict[tuple[str, str], dict[str, Any]]:
    """For each device what rings say of it; its weight is that of the first ring of objects."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for ring in sorted(rings, key=lambda ring: (not ring.name.startswith("object"), ring.name)):
        for device in ring.devices:
            first = {key: device[key] for key in ("region", "zone", "weight")}
            place = found.setdefault((device["ip"], device["device"]), {**first, "rings": [], "assigned": 0})
            if ring.name not in place["rings"]:
                place["rings"].append(ring.name)
            place["assigned"] += ring.assigned.get(device["id"], 0)
    return found


# --- rings ---


def _ring(view: ClusterView, ring: RingFacts) -> dict[str, Any]:
    weighted = [device for device in ring.devices if device["weight"] > 0]
    return {
        "name": ring.name,
        "path": ring.path,
        "md5": ring.md5,
        "problem": ring.problem,
        "version": ring.version,
        "replicas": ring.replicas,
        "partitions": 0 if ring.problem else 1 << ring.part_power,
        "part_power": ring.part_power,
        "next_part_power": ring.next_part_power,
        "devices": len(ring.devices),
        "weighted": len(weighted),
        "balance": balance(ring),
        "servers": len({(device["ip"], device["port"]) for device in weighted}),
        "zones": len({(device["region"], device["zone"]) for device in weighted}),
        "regions": len({device["region"] for device in weighted}),
        **agreement(ring, view.reached()),
    }


def balance(ring: RingFacts) -> float | None:
    """Percent by which the device that is furthest off has more or less than its weight asks for; None: not counted."""
    weights = {device["id"]: device["weight"] for device in ring.devices if device["weight"] > 0}
    total, assigned = sum(weights.values()), sum(ring.assigned.values())
    if not total or not assigned:
        return None
    wanted = {number: assigned * weight / total for number, weight in weights.items()}
    return max(abs(100 * ring.assigned.get(number, 0) / share - 100) for number, share in wanted.items())


def agreement(ring: RingFacts, servers: Sequence[Asked]) -> dict[str, Any]:
    """How many files of nodes are this ring, and the nodes that have another."""
    file = os.path.basename(ring.path)
    sums = {
        (asked.server.ip, path): md5
        for asked in servers
        for path, md5 in asked.table("ringmd5").items()
        if os.path.basename(path) == file
    }
    differing = sorted({ip for (ip, _), md5 in sums.items() if md5 != ring.md5})
    return {"told": len(sums), "same": sum(md5 == ring.md5 for md5 in sums.values()), "differing": differing}


# --- requests ---


def requests_document(taken: float, servers: Iterable[Asked]) -> dict[str, Any]:
    """What servers have answered since each was started; the page shows what came between two of these.

    Of each server: kind, address, requests, those answered with 5xx, and how many took no longer than each of ``ends`` (the
    last has no end).
    """
    read = [(asked.server, Requests.read(asked.table(METRICS))) for asked in servers]
    told = [(server, requests) for server, requests in read if requests is not None]
    ends = sorted({end for _, requests in told for end in requests.buckets})
    rows = [
        [
            *(server.kind, server.address, requests.count, requests.errors),
            _cumulative(requests, ends),
        ]
        for server, requests in told
    ]
    silent = len(read) - len(told)
    return {"taken": taken, "ends": [end for end in ends if isfinite(end)], "silent": silent, "servers": rows}


def _cumulative(requests: Requests, ends: Sequence[float]) -> list[float]:
    """How many took no longer than each end; where a server has other ends than the rest, what is known for certain."""
    found, known = [], 0.0
    for end in ends:
        known = requests.buckets.get(end, known)
        found.append(known)
    return found
