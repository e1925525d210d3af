"""What is done to all assignments of a ring: rows are arrays of device ids, worked on in place through numpy."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from swiftlite.ring.format import TYPE_CODES, Device, RingError, unassigned

Rows = list["array[int]"]
"""``rows[replica][partition]``, a device id or ``unassigned``; the last row may be shorter."""


def view(row: array[int]) -> NDArray[np.unsignedinteger]:
    """An array's own memory, as numpy sees it; while the view lives, the array cannot change its length."""
    return np.frombuffer(row, dtype=f"u{row.itemsize}") if len(row) else np.empty(0, dtype=f"u{row.itemsize}")


def resize(rows: Rows, lengths: list[int], width: int) -> None:
    """Make the rows as many and as long as that, filled up with ``unassigned``.

    :param width: bytes of a device id
    """
    code = TYPE_CODES[width]
    del rows[len(lengths) :]
    rows.extend(array(code) for _ in range(len(lengths) - len(rows)))
    for row, length in zip(rows, lengths, strict=True):
        del row[length:]
        row.extend(array(code, [unassigned(width)]) * (length - len(row)))


def with_width(rows: Rows, width: int) -> Rows:
    """The same assignments, with device ids of so many bytes."""
    result = []
    for row in rows:
        ids = view(row)
        copy = ids.astype(f"u{width}")
        copy[ids == unassigned(row.itemsize)] = unassigned(width)
        result.append(array(TYPE_CODES[width], copy.tobytes()))
    return result


def unassign(rows: Rows, device_ids: Iterable[int]) -> None:
    """Take all replicas from some devices."""
    gone = list(device_ids)
    for row in rows:
        view(row)[np.isin(view(row), gone)] = unassigned(row.itemsize)


def lost(before: Rows, after: Rows, partitions: int) -> NDArray[np.bool_]:
    """For each partition whether a replica that it had has no device any more."""
    result = np.zeros(partitions, dtype=np.bool_)
    for old, new in zip(before, after, strict=False):
        length = min(len(old), len(new))
        result[:length] |= view(new)[:length] == unassigned(new.itemsize)
    return result


def differences(before: Rows, after: Rows) -> int:
    """How many replicas are on another device than before, or are new."""
    changed = 0
    for index, row in enumerate(after):
        old = before[index] if index < len(before) else row[:0]
        length = min(len(row), len(old))
        changed += int(np.count_nonzero(view(row)[:length] != view(old)[:length])) + len(row) - length
    return changed


def check(rows: Rows, devices: list[Device | None]) -> None:
    """Check that every replica of every partition has a device, no two the same.

    :raises RingError: saying which has not
    """
    views = [view(row) for row in rows]
    present = np.array([device is not None for device in devices] + [False])
    for row in views:
        for part in np.flatnonzero(~present[np.minimum(row, len(devices))])[:1]:
            raise RingError(f"partition {part} is assigned to device {row[part]}, which does not exist")
    for one, other in combinations(views, 2):
        for part in np.flatnonzero(one[: len(other)] == other)[:1]:
            held_by = [int(row[part]) for row in views if part < len(row)]
            raise RingError(f"partition {part} is assigned to a device twice: {held_by}")
