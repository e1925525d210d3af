"""Increase of a ring's partition power, as pure functions from one builder file's content to the next (formats.md 6.6).

prepared -> (relink everywhere) -> increased -> (clean up everywhere) -> finished; or prepared -> cancelled -> (clean
up everywhere) -> finished. After each the ring is written and distributed. Partition p becomes 2p and 2p + 1, on the
same devices, so nothing moves between them.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

from swiftlite.ring.format import RingError

MAX_PART_POWER = 32

Content = dict[str, Any]
"""What ``RingBuilder.to_dict`` gives and ``RingBuilder.from_dict`` takes."""


def is_prepared(content: Mapping[str, Any]) -> bool:
    """Whether object servers link what is written to its future place."""
    return bool(content["next_part_power"] == content["part_power"] + 1)


def is_to_be_cleaned(content: Mapping[str, Any]) -> bool:
    """Whether the power was increased, or the increase cancelled, and there are links to remove."""
    return bool(content["next_part_power"] == content["part_power"])


def prepared(content: Mapping[str, Any]) -> Content:
    """Announce the next power.

    :raises RingError: when an increase is under way, or the ring cannot grow
    """
    if content["next_part_power"]:
        raise RingError("The ring is already prepared for an increase of its partition power")
    if content["part_power"] >= MAX_PART_POWER:
        raise RingError(f"The partition power is {MAX_PART_POWER} already, which is the most there can be")
    if not content["_replica2part2dev"]:
        raise RingError("The ring has no assignments; rebalance it first, or make a new one with the power you want")
    return _next_version(content, next_part_power=content["part_power"] + 1)


def increased(content: Mapping[str, Any]) -> Content:
    """Double the partitions.

    :raises RingError: when that was not prepared, or has been done
    """
    if not is_prepared(content):
        raise RingError("The partition power cannot be increased: that was not prepared, or it has been done")
    # Devices to be removed are the same objects in both lists, and doubled once.
    for device in content["devs"]:
        if device is not None:
            device.update({key: device[key] * 2 for key in ("parts", "parts_wanted") if key in device})
    graph = {tier: [2 * parts for parts in counts] for tier, counts in (content["_dispersion_graph"] or {}).items()}
    return _next_version(
        content,
        part_power=content["next_part_power"],
        parts=content["parts"] * 2,
        _replica2part2dev=[_doubled(row) for row in content["_replica2part2dev"]],
        _last_part_moves=_doubled(content["_last_part_moves"]),
        _dispersion_graph=graph,
    )


def cancelled(content: Mapping[str, Any]) -> Content:
    """Take the announcement back; what was linked has to be cleaned up.

    :raises RingError: when nothing was announced, or the power has been increased
    """
    if not is_prepared(content):
        raise RingError("The increase of the partition power cannot be cancelled: there is none, or it has been done")
    return _next_version(content, next_part_power=content["part_power"])


def finished(content: Mapping[str, Any]) -> Content:
    """End the increase, after the clean-up.

    :raises RingError: when there is none, or the power has not been increased yet
    """
    if not is_to_be_cleaned(content):
        raise RingError("The increase of the partition power cannot be finished: there is none, or it is only prepared")
    return _next_version(content, next_part_power=None)


def _next_version(content: Mapping[str, Any], **changes: Any) -> Content:
    return {**content, **changes, "version": content["version"] + 1}


def _doubled(row: array[int]) -> array[int]:
    """Every item twice in a row."""
    doubled = array(row.typecode, bytes(2 * row.itemsize * len(row)))
    doubled[0::2] = doubled[1::2] = row
    return doubled
