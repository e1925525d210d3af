"""Assignment: which device holds which replica, how full tiers are and should be, and what a move does to the spread."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from swiftlite.ring.format import Device
from swiftlite.ring.rows import Rows
from swiftlite.ring.targets import Targets, plan, quotas
from swiftlite.ring.tier_index import CHUNK, LEVELS, NONE, Ints, TierIndex, together

Mask = NDArray[np.bool_]
Longs = NDArray[np.int64]

FORBIDDEN = 1000
"""Harm of what never may be: two replicas on one device, or one on a device without weight."""


class Population:
    """Partitions that have equally many replicas.

    :param parts: which they are
    :param replicas: of each
    :param quota: how many of their replicas each device shall hold
    """

    def __init__(self, parts: range, replicas: int, quota: Longs) -> None:
        self.parts = parts
        self.replicas = replicas
        self.quota = quota


class Assignment:
    """The books of one rebalance.

    Every tier has a quota by weight, spread and overload (targets.py), and of every partition it should hold its average
    rounded down or up: its bounds. What a partition's tiers hold beyond or below their bounds, all added up, is how badly
    it is spread; the harm of a move is by how much that grows.

    :param devices: all devices that may hold partitions
    :param rows: ``rows[replica][partition]``, device ids; what is no device's id has no device yet
    :param overload: see ``targets.replica_targets``
    :raises RingError: when there are fewer devices with weight than replicas
    """

    def __init__(self, devices: Iterable[Device], rows: Rows, overload: float) -> None:
        self.index = TierIndex(devices)
        self.held = self.index.read(rows)
        self.origin = self.held.copy()
        """``held`` as it was: what is elsewhere now may go on to another device, which is no further move."""
        self.weightless = np.array([not tier.capacity for tier in self.index.tiers[3]])
        self.loads = self._count()
        """``loads[level][tier]``: replicas over all partitions; ``quotas`` likewise."""
        sizes = [len(tiers) for tiers in self.index.tiers]
        self.quotas = [np.zeros(size, dtype=np.int64) for size in sizes]
        self._low = [np.zeros((2, size + 1), dtype=np.int32) for size in sizes]
        self._high = [np.full((2, size + 1), FORBIDDEN, dtype=np.int32) for size in sizes]
        whole, extra = len(rows[0]), len(rows[-1])
        self._population = (np.arange(whole) >= extra).astype(np.int8)
        parts = {len(rows): range(extra), len(rows) - 1: range(extra, whole)}
        replicas = Fraction(sum(map(len, rows)), whole)
        planned = plan(self.index.root, replicas, overload)
        self.populations = [
            self._enter(number, parts[count], count, planned[count])
            for number, count in enumerate(parts)
            if count in planned and parts[count]
        ]

    def _enter(self, number: int, parts: range, replicas: int, targets: Targets) -> Population:
        """Add a population to the quotas and bounds."""
        surplus = {
            tier: int(self.loads[level][at] - self.quotas[level][at])
            for level, tiers in enumerate(self.index.tiers)
            for at, tier in enumerate(tiers)
        }
        rounded = quotas(self.index.root, targets, len(parts), surplus)
        for level, tiers in enumerate(self.index.tiers):
            self.quotas[level] += [rounded[tier] for tier in tiers]
            self._low[level][number, :-1] = [floor(targets[tier]) for tier in tiers]
            self._high[level][number, :-1] = [ceil(targets[tier]) for tier in tiers]
        return Population(parts, replicas, np.array([rounded[tier] for tier in self.index.tiers[3]], dtype=np.int64))

    # --- how full ---

    def _count(self) -> list[Longs]:
        devices = np.bincount(self.held.ravel() + 1, minlength=len(self.index) + 1)[1:]
        return [self._sum_up(devices, level) for level in range(LEVELS)]

    def _sum_up(self, by_device: Longs, level: int) -> Longs:
        sums = np.zeros(len(self.index.tiers[level]), dtype=np.int64)
        np.add.at(sums, self.index.ancestors[level, :-1], by_device)
        return sums

    def recount(self) -> None:
        """Count anew what tiers hold, after ``held`` was filled from outside."""
        self.loads = self._count()

    @property
    def surplus(self) -> Longs:
        """For each device how many replicas it holds beyond its quota; negative where it lacks some."""
        return self.loads[3] - self.quotas[3]

    def move(self, parts: Longs, slots: Longs, targets: Ints) -> None:
        """Give replicas (each ``held[slot][part]``) to other devices."""
        sources = self.held[slots, parts]
        for level, tiers in enumerate(self.index.ancestors):
            np.subtract.at(self.loads[level], tiers[sources[sources != NONE]], 1)
            np.add.at(self.loads[level], tiers[targets], 1)
        self.held[slots, parts] = targets

    # --- how spread ---

    def harm(self, parts: Longs, leaving: Ints, entering: Ints) -> Ints:
        """By how much each partition is spread worse once a replica goes from one device to another.

        :param leaving: NONE where the replica has no device yet
        """
        held = self.held[:, parts]
        population = self._population[parts]
        harm = np.zeros(len(parts), dtype=np.int32)
        for level, tiers in enumerate(self.index.ancestors):
            old, new, standing = tiers[leaving], tiers[entering], tiers[held]
            inside = (standing == new).sum(axis=0, dtype=np.int32)
            step = self._step(level, population, new, inside, 1)
            lost = self._step(level, population, old, (standing == old).sum(axis=0, dtype=np.int32), -1)
            step += np.where(old == NONE, 0, lost)
            harm += np.where(old == new, 0, step)
        harm[(inside > 0) | self.weightless[entering]] = FORBIDDEN
        return harm

    def _step(self, level: int, population: NDArray[np.int8], tiers: Ints, counts: Ints, step: int) -> Ints:
        low, high = self._low[level][population, tiers], self._high[level][population, tiers]
        return _beyond(counts + step, low, high) - _beyond(counts, low, high)

    def harm_anywhere(self, part: int, leaving: int) -> Ints:
        """The harm of a replica's move from a device (or NONE) to each of all devices."""
        population = int(self._population[part])
        harm = np.zeros(len(self.index), dtype=np.int32)
        for level, tiers in enumerate(self.index.ancestors):
            low, high = self._low[level][population, :-1], self._high[level][population, :-1]
            counts = np.zeros(len(low), dtype=np.int32)
            standing = tiers[self.held[:, part]]
            np.add.at(counts, standing[standing != NONE], 1)
            old = tiers[leaving]
            step = _beyond(counts + 1, low, high) - _beyond(counts, low, high)
            if old != NONE:
                before = counts[old : old + 1]
                bounds = low[old : old + 1], high[old : old + 1]
                step += _beyond(before - 1, *bounds) - _beyond(before, *bounds)
                step[old] = 0
            harm += step[tiers[:-1]]
        harm[counts > 0] = FORBIDDEN
        harm[self.weightless] = FORBIDDEN
        return harm

    def homes(self, parts: Longs, entering: Ints) -> Mask:
        """Whether one more replica on a device crowds no tier, and fills a gap on each level where there is one."""
        held = self.held[:, parts]
        population = self._population[parts]
        homes = ~self.weightless[entering]
        for level, tiers in enumerate(self.index.ancestors):
            standing, new = tiers[held], tiers[entering]
            inside = (standing == new).sum(axis=0)
            fills = inside < self._low[level][population, new]
            homes &= (inside < self._high[level][population, new]) & (fills | ~self._gaps(level, standing, population))
        return homes

    def neediest(self, devices: Longs) -> Longs:
        """Those of some devices that have the fewest full tiers, and of these the ones furthest below their quota."""
        full = np.zeros(len(devices), dtype=np.int64)
        for level, tiers in enumerate(self.index.ancestors):
            within = tiers[devices]
            full += self.loads[level][within] >= self.quotas[level][within]
        devices = devices[full == full.min()]
        surplus = self.surplus[devices]
        return devices[surplus == surplus.min()]

    def out_of_bounds(self) -> tuple[Mask, NDArray[np.int8]]:
        """Which partitions have too many or too few replicas in some tier; for each replica in how many too many."""
        wrong = np.zeros(self.held.shape[1], dtype=np.bool_)
        crowded = np.zeros(self.held.shape, dtype=np.int8)
        for start in range(0, self.held.shape[1], CHUNK):
            chunk = slice(start, start + CHUNK)
            population = self._population[chunk]
            for level, tiers in enumerate(self.index.ancestors):
                standing = tiers[self.held[:, chunk]]
                counts, _ = together(standing)
                crowded[:, chunk] += counts > self._high[level][population, standing]
                wrong[chunk] |= self._gaps(level, standing, population)
        return wrong | crowded.any(axis=0), crowded

    def _gaps(self, level: int, standing: Ints, population: NDArray[np.int8]) -> Mask:
        """Of which partitions some tier has too few replicas."""
        gaps = np.zeros(len(population), dtype=np.bool_)
        for number in range(len(self._low[level])):
            # Of these there are no more than a partition has replicas.
            for tier in np.flatnonzero(self._low[level][number]):
                few = (standing == tier).sum(axis=0) < self._low[level][number, tier]
                gaps |= few & (population == number)
        return gaps


def _beyond(counts: Ints, low: Ints, high: Ints) -> Ints:
    """How far counts are outside of their bounds."""
    return np.maximum(np.maximum(counts - high, low - counts), 0)
