"""Whether a server may write to a device: a new filesystem belongs to root, and what root has made there does, too."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from shlex import quote

from swiftlite.common.permissions import ENTER, READ, Account, allows, barrier, is_of_system

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


# --- what opens it ---


def opening(place: str, user: str, owner: str = "", mode: int = 0o700, top: str = "") -> str:
    """The line of shell, for root, that opens a directory of a device to the account of its server, or shows why not.

    :param owner: of the directory; empty: nobody knows, and likely it is another
    :param mode: its permissions
    :param top: what servers have made at the top of the device, if the directory is that or below: all of it is opened.
        Of a device nothing but itself is: what is below may be many files, or root's own, as lost+found is
    """
    path = quote(top or place)
    if owner != user:
        given = f"chown -R {quote(user)}: {path}" if top else f"chown {quote(user)}: {path}"
        return given if mode & 0o700 == 0o700 else f"{given} && chmod u+rwx {quote(place)}"
    if mode & 0o700 != 0o700:
        return f"chmod -R u+rwX {path}" if top not in ("", place) else f"chmod u+rwx {path}"
    return f"ls -ld {quote(place)} && findmnt -T {quote(place)}"


def top_of(device: str, place: str) -> str:
    """The directory at the top of a device that another one of it is, or is below; empty: it is the device itself."""
    name = place.removeprefix(device).strip("/").partition("/")[0]
    return f"{device}/{name}" if name else ""


def entering(directory: str, root: str, is_here: bool = True) -> str:
    """The line of shell, for root, that lets servers into a directory above devices; whoever passes need not list it.

    :param root: the directory of the devices: it is listed, too
    :param is_here: whether it is one of this machine
    """
    if is_of_system(directory, is_here):
        place = " ".join(directory.split())
        return f"# leave {place} closed: mount devices elsewhere, say below /srv/node, and name that in option devices"
    return f"chmod {'a+rx' if directory == os.path.normpath(root) else 'a+x'} {quote(directory)}"


def closed_root(root: str) -> str:
    """What keeps this process from the directory of its devices: a directory above, or that; empty: nothing does."""
    modes = {ENTER: os.X_OK, READ | ENTER: os.R_OK | os.X_OK}
    return barrier(root, lambda place, wanted: os.access(place, modes[wanted], effective_ids=True))
