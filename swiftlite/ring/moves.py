"""What a rebalance moved, and why: derived from the assignments before it and after."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np

from swiftlite.ring.format import Device
from swiftlite.ring.rows import view

Rows = Sequence["array[int]"]


@dataclass
class Moves:
    """How many replicas went where. Each moved one counts under one reason.

    :ivar placed: that had no place before: the first rebalance, or more replicas
    :ivar removed: from devices that are no more
    :ivar drained: from devices without weight
    :ivar spread: so that the partition's replicas lie further apart
    :ivar balanced: to give devices their share by weight
    :ivar dropped: given up: fewer replicas
    :ivar gained: by device id
    :ivar lost: by device id, those of removed devices too
    """

    placed: int = 0
    removed: int = 0
    drained: int = 0
    spread: int = 0
    balanced: int = 0
    dropped: int = 0
    gained: Counter[int] = field(default_factory=Counter)
    lost: Counter[int] = field(default_factory=Counter)

    @property
    def moved(self) -> int:
        """Replicas that have to be copied from one device to another."""
        return self.removed + self.drained + self.spread + self.balanced


def compare(before: Rows, after: Rows, devices: Iterable[Device]) -> Moves:
    """Find out what changed between two assignments.

    :param devices: of the ring afterwards
    """
    if not before:  # Worth a path of its own: there every partition changes.
        gained: Counter[int] = Counter()
        for row in after:
            ids, counts = np.unique(view(row), return_counts=True)
            gained.update(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
        return Moves(placed=gained.total(), gained=gained)
    moves, known = Moves(), {device["id"]: device for device in devices}
    for partition in sorted(_changed(before, after)):
        old = {row[partition] for row in before if partition < len(row)}
        new = {row[partition] for row in after if partition < len(row)}
        _add(moves, old, new, known)
    return moves


def _changed(before: Rows, after: Rows) -> set[int]:
    changed: set[int] = set()
    for old, new in zip_longest(before, after, fillvalue=array("H")):
        common = min(len(old), len(new))
        changed.update(np.flatnonzero(view(old)[:common] != view(new)[:common]).tolist())
        changed.update(range(common, max(len(old), len(new))))
    return changed


def _add(moves: Moves, old: set[int], new: set[int], devices: dict[int, Device]) -> None:
    """Count the changes of one partition: by the set of its devices, for in which row they stand means nothing."""
    leaving, coming = sorted(old - new), sorted(new - old)
    moves.lost.update(leaving)
    moves.gained.update(coming)
    moves.placed += max(len(coming) - len(leaving), 0)
    is_wider = _spread(new, devices) > _spread(old, devices)
    # Those that had to go first; where replicas are given up, the others are.
    urgent = sorted(
        leaving, key=lambda device_id: (device_id in devices, devices.get(device_id, {}).get("weight", 0) > 0)
    )
    for device_id in urgent[: len(coming)]:
        if device_id not in devices:
            moves.removed += 1
        elif not devices[device_id]["weight"]:
            moves.drained += 1
        elif is_wider:
            moves.spread += 1
        else:
            moves.balanced += 1
    moves.dropped += max(len(leaving) - len(coming), 0)


def _spread(device_ids: set[int], devices: dict[int, Device]) -> tuple[int, int, int]:
    """How many regions, zones and servers hold a replica; what is no device any more holds none."""
    places = [devices[device_id] for device_id in device_ids if device_id in devices]
    return (
        len({device["region"] for device in places}),
        len({(device["region"], device["zone"]) for device in places}),
        len({(device["region"], device["zone"], device["ip"]) for device in places}),
    )
