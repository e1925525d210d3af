"""Whether a server may write to a device: a new filesystem belongs to root, and what root has made there does, too."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from swiftlite.common.permissions import ENTER, READ, Account, allows

WRITE = 0o2
_OF_SERVERS = re.compile(r"(objects|async_pending|tmp|containers|accounts|quarantined)(-\d+)?")
"""What servers make at the top of a device."""


def is_open(place: str, account: Account) -> bool:
    """Whether an account may list a directory, and make files there."""
    return allows(place, account, READ | WRITE | ENTER)


def is_open_to_us(place: str) -> bool:
    """The same for this process, and whether its filesystem lets it."""
    return os.access(place, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)


def closed_directory(device: str, may_use: Callable[[str], bool] = is_open_to_us) -> str:
    """The first of a device's own directory, and those at its top, where a server may not write; empty: there is none.

    :param device: path of the device
    :param may_use: whether the server may use a directory
    :raises OSError: when nobody can look at them
    """
    if not may_use(device):
        return device
    below = (f"{device}/{name}" for name in sorted(os.listdir(device)) if _OF_SERVERS.fullmatch(name))
    return next((place for place in below if not may_use(place)), "")


def is_closed(device: str) -> bool:
    """Whether this process may not write to a device, or cannot even look at it."""
    try:
        return bool(closed_directory(device))
    except OSError:
        return True
