"""What a placement is worth: balance, dispersion, moves and scatter width, pure; for reports, tests and simulations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from swiftlite.ring import dispersion
from swiftlite.ring.assignment import Assignment
from swiftlite.ring.format import Device
from swiftlite.ring.rows import Rows, differences
from swiftlite.ring.tier_index import NONE, Ints, TierIndex


@dataclass(frozen=True)
class Placement:
    """The measures of one placement.

    ``balance`` is how far, in percent, the worst device with weight is from its share by weight; ``mean_balance`` how far
    devices are on average. ``stranded`` counts replicas on devices without weight. ``dispersion`` is the percentage of
    replicas too close together (dispersion.py). ``moved`` counts replicas that are elsewhere than before, or new.
    ``scatter_least`` and ``scatter_mean`` are over devices that hold something: with how many others each shares
    partitions, that is, how many take part in its repair.
    """

    devices: int
    replicas: int
    balance: float
    mean_balance: float
    stranded: int
    dispersion: float
    moved: int
    scatter_least: int
    scatter_mean: float


def describe(devices: Iterable[Device], rows: Rows, before: Rows | None = None) -> Placement:
    """Measure a placement.

    :param devices: all devices of the ring, those without weight too
    :param rows: its assignments
    :param before: the assignments to count moves from; without, all replicas are new
    """
    devices = list(devices)
    index = TierIndex(devices)
    held = index.read(rows)
    weights = {device["id"]: device["weight"] for device in devices}
    weight = np.array([weights[device_id] for device_id in index.ids.tolist()], dtype=np.float64)
    counts = np.bincount(held[held != NONE], minlength=len(index))
    wanted = weight * (counts.sum() / weight.sum()) if weight.any() else weight
    off = np.abs(100.0 * counts[weight > 0] / wanted[weight > 0] - 100.0)
    _, too_close = dispersion.measure(devices, rows, sum(map(len, rows)) / len(rows[0]))
    scatter = scatter_widths(held, len(index))[counts > 0]
    return Placement(
        devices=len(index),
        replicas=int(counts.sum()),
        balance=float(off.max(initial=0.0)),
        mean_balance=float(off.mean()) if len(off) else 0.0,
        stranded=int(counts[weight == 0].sum()),
        dispersion=too_close,
        moved=differences(before or [], rows),
        scatter_least=int(scatter.min(initial=len(index))),
        scatter_mean=float(scatter.mean()) if len(scatter) else 0.0,
    )


def scatter_widths(held: Ints, devices: int) -> Ints:
    """With how many other devices each shares partitions.

    :param held: ``held[replica][partition]``, numbers of devices from 0, or NONE
    :param devices: how many there are
    """
    pairs = [np.empty(0, dtype=np.int64)]
    for one, other in combinations(held, 2):
        least, most = np.minimum(one, other), np.maximum(one, other)
        pairs.append((least.astype(np.int64) * devices + most)[(least != NONE) & (least != most)])
    shared = np.unique(np.concatenate(pairs))
    ends = np.concatenate(np.divmod(shared, devices)) if len(shared) else shared
    return np.bincount(ends, minlength=devices).astype(np.int32)


def least_moves(devices: Iterable[Device], rows: Rows, overload: float) -> int:
    """How many replicas must move before every device holds its quota (targets.py): what weights alone make necessary.

    :param devices: all devices of the ring as it shall be; what stands on others has to move
    :param rows: the assignments before the change
    """
    surplus = Assignment(devices, rows, overload).surplus
    return int(np.maximum(-surplus, 0).sum())


def hurried(devices: Iterable[Device], before: Rows, after: Rows) -> int:
    """Of how many partitions one rebalance moved more than one replica away from devices that could still be read.

    A replica whose device left the ring has to be placed anew; then no other of its partition should move.

    :param devices: all devices of the ring after the rebalance
    """
    index = TierIndex(devices)
    old, new = index.read(before), index.read(after)
    lost = (old == NONE).any(axis=0)
    moved = ((old != NONE) & (old != new)).sum(axis=0)
    return int((moved > np.where(lost, 0, 1)).sum())
