"""Whether a server may write to a device: a new filesystem belongs to root, and what root has made there does, too."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from swiftlite.common.permissions import ENTER, READ, Account, allows

WRITE = 0o2
LOOKED_AT = 64
"""Partitions of each kind that whoever checks a device looks at."""
_OF_SERVERS = re.compile(r"(objects|async_pending|tmp|containers|accounts|quarantined)(-\d+)?")
"""What servers make at the top of a device."""


def is_open(place: str, account: Account) -> bool:
    """Whether an account may list a directory, and make files there."""
    return allows(place, account, READ | WRITE | ENTER)


def is_open_to_us(place: str) -> bool:
    """The same for this process, and whether its filesystem lets it."""
    return os.access(place, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)


def closed_directory(device: str, may_use: Callable[[str], bool] = is_open_to_us, partitions: int = 0) -> str:
    """The first directory of a device where a server may not write; empty: none was found.

    :param device: path of the device; it is looked at, and what servers make at its top
    :param may_use: whether the server may use a directory
    :param partitions: about how many partitions of each kind are looked at, too: where a program has made them under
        another account, many are closed
    :raises OSError: when nobody can look at the device
    """
    if not may_use(device):
        return device
    places = (f"{device}/{name}" for name in sorted(os.listdir(device)) if _OF_SERVERS.fullmatch(name))
    for place in places:
        if not may_use(place):
            return place
        for partition in _some_partitions(place, partitions):
            if not may_use(partition) and os.path.isdir(partition):
                return partition
    return ""


def _some_partitions(place: str, most: int) -> list[str]:
    found = [f"{place}/{name}" for name in os.listdir(place) if name.isdecimal()] if most else []
    return found[:: max(1, len(found) // most)] if found else []


def is_closed(device: str) -> bool:
    """Whether this process may not write to a device, or cannot even look at it."""
    try:
        return bool(closed_directory(device))
    except OSError:
        return True
