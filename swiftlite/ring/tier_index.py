"""TierIndex: failure domains and assignments as numpy arrays, for what is done to millions of replicas at once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from swiftlite.ring.format import Device
from swiftlite.ring.rows import Rows, view
from swiftlite.ring.targets import Tier, build_tree

Ints = NDArray[np.int32]
LEVELS = 4
"""Regions, zones, servers, devices."""

NONE = -1
"""Stands for no device, and for no tier, in the arrays."""


CHUNK = 1 << 16
"""So many partitions are looked at together: their arrays stay in the cache of the processor."""


class TierIndex:
    """Numbers for tiers: each level's count from 0 in the tree's order, so that what is in a tier stands side by side.

    :param devices: all devices of a ring

    ``ancestors[level][device]`` is the tier of that level which holds the device; ``ancestors[level][NONE]`` is NONE.
    """

    def __init__(self, devices: Iterable[Device]) -> None:
        self.root, paths = build_tree(devices)
        self.tiers: list[list[Tier]] = [[] for _ in range(LEVELS)]
        for tier in self.root.walk():
            if tier.name:
                self.tiers[len(tier.name) - 1].append(tier)
        numbers = {tier: number for tiers in self.tiers for number, tier in enumerate(tiers)}
        self.ids = np.array([tier.device_id for tier in self.tiers[3]], dtype=np.int64)
        """The ids of the devices, by their numbers."""
        self.ancestors = np.full((LEVELS, len(self.ids) + 1), NONE, dtype=np.int32)
        for device, leaf in enumerate(self.tiers[3]):
            self.ancestors[:, device] = [numbers[tier] for tier in paths[leaf.device_id]]

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, rows: Rows) -> Ints:
        """``held[replica][partition]``, the numbers of devices; NONE where there is no replica or no such device."""
        held = np.full((len(rows), len(rows[0]) if rows else 0), NONE, dtype=np.int32)
        numbers = np.full(int(self.ids.max(initial=-1)) + 2, NONE, dtype=np.int32)
        numbers[self.ids] = np.arange(len(self.ids), dtype=np.int32)
        for row, numbered in zip(rows, held, strict=True):
            known = np.minimum(view(row), len(numbers) - 1)
            numbered[: len(row)] = numbers[known]
        return held

    def write(self, held: Ints, rows: Rows) -> None:
        """Write the ids of devices back; all replicas must have one."""
        for row, numbered in zip(rows, held, strict=True):
            view(row)[:] = self.ids[numbered[: len(row)]]


def together(tiers: Ints) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """For each replica how many of its partition stand in the same tier, and whether it is the first of these.

    :param tiers: ``tiers[replica][partition]``, the tiers of one level; NONE counts for nothing
    """
    first = tiers != NONE
    counts = first.astype(np.int16)
    for one, other in combinations(range(len(tiers)), 2):
        same = tiers[one] == tiers[other]
        counts[one] += same
        counts[other] += same
        first[other] &= ~same
    counts[tiers == NONE] = 0
    return counts, first
