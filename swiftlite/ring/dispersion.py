"""Dispersion: how many replicas of each partition every failure domain holds, and how many are too close together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from swiftlite.ring.format import Device
from swiftlite.ring.rows import Rows
from swiftlite.ring.targets import TierName, build_tree, most_replicas
from swiftlite.ring.tier_index import CHUNK, TierIndex, together

Graph = dict[TierName, list[int]]
"""For each tier, how many partitions have 0, 1, 2… replicas in it."""


def measure(devices: Iterable[Device], rows: Rows, replicas: float) -> tuple[Graph, float]:
    """The dispersion graph, and the percentage of replicas beyond what an even spread would put into one tier.

    :param devices: all devices of the ring, those without weight too
    :param replicas: of a partition, on average
    """
    index = TierIndex(devices)
    held = index.read(rows)
    most = most_replicas(index.root, replicas)
    width = ceil(replicas) + 1
    partitions = held.shape[1]
    graph: Graph = {}
    # A replica that is too close to others in several kinds of tier counts once.
    at_risk = np.zeros(partitions, dtype=np.int64)
    for tiers, ancestors in zip(index.tiers, index.ancestors, strict=True):
        limits = np.array([*(most.get(tier.name, 0) for tier in tiers), 0])
        lines = np.zeros((len(tiers), width), dtype=np.int64)
        for start in range(0, partitions, CHUNK):
            standing = ancestors[held[:, start : start + CHUNK]]
            counts, first = together(standing)
            lines += np.bincount(standing[first] * width + counts[first], minlength=lines.size).reshape(lines.shape)
            beyond = np.where(first, np.maximum(counts - limits[standing], 0), 0).sum(axis=0)
            at_risk[start : start + CHUNK] = np.maximum(at_risk[start : start + CHUNK], beyond)
        lines[:, 0] = partitions - lines.sum(axis=1)
        graph.update((tier.name, line) for tier, line in zip(tiers, lines.tolist(), strict=True) if any(line[1:]))
    return graph, 100.0 * int(at_risk.sum()) / (partitions * replicas) if partitions else 0.0


@dataclass(frozen=True)
class TierReport:
    """One line of a dispersion report: ``dispersion`` is in percent, ``counts`` is the tier's line of the graph."""

    name: str
    most: int
    placed: int
    dispersion: float
    counts: list[int]


def report(devices: Iterable[Device], graph: Graph, replicas: float, pattern: str | None = None) -> list[TierReport]:
    """A report per tier, in order of their names; ``pattern`` is a regular expression that names must match."""
    devices = list(devices)
    labels = {device["id"]: device["device"] for device in devices}
    most = most_replicas(build_tree(devices)[0], replicas)
    lines = []
    for tier, counts in sorted(graph.items()):
        name = tier_label(tier, labels)
        if pattern and not re.match(pattern, name):
            continue
        limit = most.get(tier, 0)
        placed = sum(count * parts for count, parts in enumerate(counts))
        beyond = sum((count - limit) * parts for count, parts in enumerate(counts) if count > limit)
        lines.append(TierReport(name, limit, placed, 100.0 * beyond / placed if placed else 0.0, counts))
    return lines


def tier_label(tier: TierName, labels: Mapping[int, str]) -> str:
    """``r1``, ``r1z2``, ``r1z2-10.0.0.1`` or ``r1z2-10.0.0.1/sdb``; ``labels`` are the devices' names by id."""
    text = f"r{tier[0]}"
    if len(tier) > 1:
        text += f"z{tier[1]}"
    if len(tier) > 2:
        text += f"-{tier[2]}"
    if len(tier) > 3:
        text += f"/{labels.get(int(tier[3]), f'IDd{tier[3]}')}"
    return text
