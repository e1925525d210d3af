"""Dealing out a ring without assignments: all quotas met exactly, each partition spread as its bounds say."""

from __future__ import annotations

import numpy as np

from swiftlite.ring.assignment import Assignment, Longs, Population
from swiftlite.ring.tier_index import LEVELS, TierIndex

_MOST_BATCHES = 2048


def deal(assignment: Assignment, population: Population, random: np.random.Generator) -> None:
    """Give every replica of some partitions, none of which has a device yet, a device.

    Systematic sampling: the devices stand side by side on a line, tier beside tier, each as long as its quota, and each
    partition puts points on the line at equal distances: the number of partitions. A tier of length t at distance d holds
    floor or ceil of t/d points of each, and every place on the line belongs to one replica. Partitions go in batches with
    quotas of their own, rounded along the line, for which the same holds; each batch has the line in a new order, so that
    a device shares its partitions with many others, and the loss of one is repaired by many.
    """
    left = population.quota.copy()
    remaining = len(population.parts)
    replicas = population.replicas
    size = -(-remaining // _batches(len(left), remaining * replicas))
    at = population.parts.start
    while remaining:
        count = min(size, remaining)
        order = shuffled(assignment.index, random)
        edges = np.cumsum(left[order]) * count + random.integers(remaining)
        shares = np.diff(edges // remaining, prepend=0)
        line = np.repeat(order, shares).reshape(replicas, count)
        left[order] -= shares
        # Any device may hold the first replica: that is the one asked first.
        block = random.permuted(line[:, random.permutation(count)], axis=0)
        assignment.held[:replicas, at : at + count] = block
        at += count
        remaining -= count


def _batches(devices: int, assignments: int) -> int:
    """Enough that a device has one or two replicas of a batch, and more would change little."""
    return max(1, min(assignments // devices, max(64, 4 * devices), _MOST_BATCHES))


def shuffled(index: TierIndex, random: np.random.Generator) -> Longs:
    """All devices in random order, except that those of a tier stay side by side."""
    order = random.permutation(len(index.tiers[0]))
    for level in range(1, LEVELS):
        children = len(index.tiers[level])
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        order = np.argsort(ranks[_parents(index, level)] * children + random.permutation(children))
    return order


def _parents(index: TierIndex, level: int) -> Longs:
    """For each tier of a level its parent's number."""
    parents = np.empty(len(index.tiers[level]), dtype=np.int64)
    parents[index.ancestors[level, :-1]] = index.ancestors[level - 1, :-1]
    return parents
