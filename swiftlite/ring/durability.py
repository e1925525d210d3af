"""Durability: how often a ring's partitions lose all replicas, for stated rates of failure and repair; pure.

The model is written out in doc/placement.md. Here it is computed in three ways that check each other: a formula for what
is expected, a sample of losses for how they come together, and a plain simulation for rates so high that losses happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import exp, prod, sqrt

import numpy as np
from numpy.typing import NDArray

from swiftlite.ring.format import Device
from swiftlite.ring.rows import Rows
from swiftlite.ring.tier_index import LEVELS, Ints, TierIndex

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

HOURS_A_YEAR = 8766.0

KINDS = 3
"""What fails as a whole: a device, a server, a zone; numbered 0, 1 and 2."""


@dataclass(frozen=True)
class Rates:
    """How things fail and are repaired.

    ``device``, ``server`` and ``zone`` are how many of a hundred lose all their data in a year. ``delay`` is in hours,
    from the loss until the ring is changed and repair begins; ``bandwidth`` is what each device that takes part gives to
    repair, in MB/s.
    """

    device: float
    server: float
    zone: float
    delay: float
    bandwidth: float

    @property
    def hourly(self) -> tuple[float, float, float]:
        """Losses an hour of one device, one server, one zone."""
        device, server, zone = (percent / 100 / HOURS_A_YEAR for percent in (self.device, self.server, self.zone))
        return device, server, zone


@dataclass(frozen=True)
class Estimate:
    """A mean, and half the width of its confidence interval of 95 %."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: Floats | Longs) -> Estimate:
        """Estimate the mean of what was drawn independently."""
        return cls(float(values.mean()), 1.96 * float(values.std(ddof=1)) / sqrt(len(values)))

    def times(self, factor: float) -> Estimate:
        """The estimate of a multiple."""
        return Estimate(self.mean * factor, self.error * factor)

    def covers(self, value: float, widths: float = 1.0) -> bool:
        """Whether a value lies within so many half-widths of the mean."""
        return abs(self.mean - value) <= widths * self.error


def some_year(events: float) -> float:
    """The probability that something which happens so often a year happens within one."""
    return 1.0 - exp(-events)


class Exposure:
    """A ring exposed to failures.

    :param devices: all devices of the ring
    :param rows: its assignments, whole numbers of replicas
    :param rates: see there
    :param partition_size: GB that one replica of a partition takes
    :param random: in which order the partitions of a device are restored
    """

    def __init__(
        self, devices: Iterable[Device], rows: Rows, rates: Rates, partition_size: float, random: np.random.Generator
    ) -> None:
        self.rates = rates
        self.index = TierIndex(devices)
        self.held = self.index.read(rows)
        self.replicas, self.partitions = self.held.shape
        self.tiers = [self.index.ancestors[LEVELS - 1 - kind] for kind in range(KINDS)]
        """``tiers[kind][device]``: the device itself, its server, its zone."""
        self.repair_hours = [_repair_hours(self.held, tiers, rates.bandwidth, partition_size) for tiers in self.tiers]
        """``repair_hours[kind][tier]``: until all that was lost with it is restored, once repair has begun."""
        turn = 1.0 - random.random(self.held.shape)
        self.windows = np.stack(
            [rates.delay + turn * hours[tiers[self.held]] for hours, tiers in zip(self.repair_hours, self.tiers)]
        )
        """``windows[kind][replica][partition]``: for how many hours a replica is missing after such a loss."""
        self._parts = [_by_tier(tiers[self.held], len(hours)) for hours, tiers in zip(self.repair_hours, self.tiers)]

    # --- the formula ---

    def expected_losses(self) -> Floats:
        """How many partitions are lost a year, on average: to devices alone, to servers too, to zones too."""
        losses = np.zeros(KINDS)
        for cover in self._covers():
            losses[max(cover.kinds)] += HOURS_A_YEAR * float(cover.rates.sum())
        return losses

    def _covers(self) -> Iterator[_Cover]:
        """All ways to choose for each replica what takes it."""
        hourly = self.rates.hourly
        for kinds in product(range(KINDS), repeat=self.replicas):
            if all(hourly[kind] for kind in kinds):
                yield self._cover(kinds)

    def _cover(self, kinds: tuple[int, ...]) -> _Cover:
        """Replicas lost each to a certain kind of failure; those that stand in the same tier to the same failure.

        A partition counts only if no replica is lost to a lesser failure than another that takes it as well: each way
        to lose it is counted once.
        """
        hourly = self.rates.hourly
        standing = np.stack([self.tiers[kind][self.held[replica]] for replica, kind in enumerate(kinds)])
        windows = np.stack([self.windows[kind, replica] for replica, kind in enumerate(kinds)])
        first = np.ones(self.held.shape, dtype=np.bool_)
        valid = np.ones(self.partitions, dtype=np.bool_)
        for one, kind in enumerate(kinds):
            for other, other_kind in enumerate(kinds):
                together = self.tiers[kind][self.held[other]] == standing[one]
                if one == other:
                    continue
                if other_kind != kind:
                    valid &= ~together
                elif one < other:
                    # What is first stands for both; both must still be missing.
                    first[other] &= ~together
                    windows[one] = np.where(together, np.minimum(windows[one], windows[other]), windows[one])
        rates = np.where(first, np.array([hourly[kind] for kind in kinds])[:, None], 1.0).prod(axis=0)
        gaps = np.where(first, windows, 1.0)
        lasts = np.where(first, gaps.prod(axis=0) / gaps, 0.0)
        return _Cover(kinds, standing, first, windows, lasts, np.where(valid, rates * lasts.sum(axis=0), 0.0))

    # --- a sample of losses ---

    def loss_events(self, count: int, random: np.random.Generator) -> Estimate:
        """How often a year partitions are lost, be it one or many at a time.

        Draws losses of single partitions, each as often as the formula says, and looks how many others are lost in the
        same moment: a loss of n partitions is drawn n times as often, and counts 1/n.
        """
        totals = np.array([cover.rates.sum() for cover in self._covers()])
        if not totals.any():
            return Estimate(0.0, 0.0)
        # Half of them evenly over the ways to lose: rare ones may lose little at a time, and so count for much.
        counts = np.ceil(count / 2 * (totals / totals.sum() + 1 / np.count_nonzero(totals))).astype(np.int64) + 1
        mean, variance = 0.0, 0.0
        # Made anew, not kept: all together they are large.
        for cover, total, draws in zip(self._covers(), totals.tolist(), counts.tolist()):
            if total:
                parts = random.choice(self.partitions, draws, p=cover.rates / total)
                share = Estimate.of(np.array([1.0 / self._lost_with(part, cover, random) for part in parts]))
                mean += total * share.mean
                variance += (total * share.error) ** 2
        return Estimate(mean, sqrt(variance)).times(HOURS_A_YEAR)

    def _lost_with(self, part: int, cover: _Cover, random: np.random.Generator) -> int:
        """Draw when the failures of a cover struck so that a partition was lost; returns how many were, with it."""
        outages = _Outages(self)
        lasts = cover.lasts[:, part]
        last = int(random.choice(len(lasts), p=lasts / lasts.sum()))
        for replica in np.flatnonzero(cover.first[:, part]):
            age = random.random() * cover.windows[replica, part]
            if replica != last:
                outages.note(cover.kinds[replica], int(cover.standing[replica, part]), -age)
        return outages.strike(cover.kinds[last], int(cover.standing[last, part]), 0.0)

    # --- simulation ---

    def simulate(self, years: int, random: np.random.Generator) -> tuple[Longs, Longs]:
        """Let things fail for some years; returns for each year the losses, and the partitions lost.

        Only for rates so high that there are losses to see.
        """
        sizes = [len(hours) for hours in self.repair_hours]
        hourly = [rate * size for rate, size in zip(self.rates.hourly, sizes)]
        count = random.poisson(sum(hourly) * HOURS_A_YEAR * years)
        times = np.sort(random.random(count)) * HOURS_A_YEAR * years
        kinds = random.choice(KINDS, count, p=np.array(hourly) / sum(hourly))
        events, partitions = np.zeros(years, dtype=np.int64), np.zeros(years, dtype=np.int64)
        outages = _Outages(self)
        for time, kind in zip(times.tolist(), kinds.tolist()):
            lost = outages.strike(kind, int(random.integers(sizes[kind])), time)
            year = int(time // HOURS_A_YEAR)
            events[year] += lost > 0
            partitions[year] += lost
        return events, partitions

    def held_in(self, kind: int, tier: int) -> Longs:
        """The partitions of which a device, server or zone holds replicas."""
        parts, starts = self._parts[kind]
        return parts[starts[tier] : starts[tier + 1]]


@dataclass(frozen=True)
class _Cover:
    """One way in which partitions are lost: ``rates`` says how often an hour each of them is, lost like that.

    All others by replica and partition: the tier that takes it, whether it is the first that this tier takes, for how
    long all that the tier takes is missing, and how likely this failure is the last, as a weight.
    """

    kinds: tuple[int, ...]
    standing: Ints
    first: NDArray[np.bool_]
    windows: Floats
    lasts: Floats
    rates: Floats


class _Outages:
    """When each device lost its data last, and with what."""

    def __init__(self, exposure: Exposure) -> None:
        self._exposure = exposure
        self._times = np.full(len(exposure.index), -np.inf)
        self._kinds = np.zeros(len(exposure.index), dtype=np.int8)

    def note(self, kind: int, tier: int, now: float) -> None:
        """Let a device, server or zone lose its data."""
        struck = self._exposure.tiers[kind][:-1] == tier
        self._times[struck] = now
        self._kinds[struck] = kind

    def strike(self, kind: int, tier: int, now: float) -> int:
        """Let a device, server or zone lose its data; returns how many partitions are lost by that."""
        before = self._times.copy(), self._kinds.copy()
        self.note(kind, tier, now)
        parts = self._exposure.held_in(kind, tier)
        lost = parts[self._missing(parts, now)]
        if not len(lost):
            return 0
        # What was missing altogether before was lost before.
        after = self._times, self._kinds
        self._times, self._kinds = before
        fresh = ~self._missing(lost, now)
        self._times, self._kinds = after
        return int(fresh.sum())

    def _missing(self, parts: Longs, now: float) -> NDArray[np.bool_]:
        held = self._exposure.held[:, parts]
        replicas = np.arange(len(held))[:, None]
        windows = self._exposure.windows[self._kinds[held], replicas, parts]
        missing: NDArray[np.bool_] = np.all(now - self._times[held] < windows, axis=0)
        return missing


def independent_losses(rates: Floats, windows: Floats) -> float:
    """How often an hour all of some things are missing at once, each of which fails and is repaired independently.

    :param rates: failures an hour of each
    :param windows: hours that each is missing after a failure; on average, if they vary
    """
    # Each is missing for a part of the time, however long its single repairs take (renewal theory).
    missing = rates * windows / (1 + rates * windows)
    failures = rates / (1 + rates * windows)
    others = [prod(np.delete(missing, last).tolist()) for last in range(len(rates))]
    return float(failures @ np.array(others))


def _repair_hours(held: Ints, tiers: Ints, bandwidth: float, partition_size: float) -> Floats:
    """How long it takes to restore each tier's replicas: all devices outside that share its partitions work at once."""
    count = int(tiers.max()) + 1
    devices = len(tiers) - 1
    gigabytes = np.bincount(tiers[held].ravel(), minlength=count) * partition_size
    pairs = []
    for one, other in permutations(held, 2):
        outside = tiers[one] != tiers[other]
        pairs.append(tiers[one][outside].astype(np.int64) * devices + other[outside])
    peers = np.unique(np.concatenate(pairs)) // devices if pairs else np.empty(0, dtype=np.int64)
    width = np.maximum(np.bincount(peers, minlength=count), 1)
    hours: Floats = gigabytes * 1000 / (bandwidth * width) / 3600
    return hours


def _by_tier(standing: Ints, count: int) -> tuple[Longs, Longs]:
    """The partitions of each tier, tier after tier, and where each tier's begin."""
    partitions = standing.shape[1]
    places = np.unique(standing.astype(np.int64) * partitions + np.arange(partitions))
    tiers, parts = np.divmod(places, partitions)
    return parts, np.searchsorted(tiers, np.arange(count + 1))
