"""What of a node /recon/facts tells that decides whether its daemons can work: rings, what they may not write, who runs."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from typing import Any

from swiftlite.common.config import ConfFile, StartError
from swiftlite.ring import format

CACHES = ("account.recon", "container.recon", "object.recon")
"""Recon caches of daemons that are not root's."""

Ring = dict[str, Any]


class RingVersions:
    """What the ring files of a directory say of themselves; each is read again when it has changed.

    :param directory: option ``swift_dir``
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._known: dict[str, tuple[tuple[int, int, int], Ring | None]] = {}

    def read(self) -> dict[str, Ring]:
        """By path: ``version``, ``part_power``, ``next_part_power``; without those that cannot be read."""
        found = {}
        for name in _listed(self.directory):
            if name.endswith(".ring.gz"):
                path = os.path.join(self.directory, name)
                ring = self._ring(path)
                if ring is not None:
                    found[path] = ring
        return found

    def _ring(self, path: str) -> Ring | None:
        try:
            looks = os.stat(path)
            state = looks.st_mtime_ns, looks.st_size, looks.st_ino
            if path not in self._known or self._known[path][0] != state:
                self._known[path] = state, _facts(path)
        except OSError:
            return None
        return self._known[path][1]


def _facts(path: str) -> Ring | None:
    try:
        ring = format.load(path)
    except StartError:  # its server says so, and louder
        return None
    return {"version": ring.version, "part_power": 32 - ring.part_shift, "next_part_power": ring.next_part_power}


# --- who we are, and who else runs ---


def account() -> dict[str, str]:
    """The ``user`` and ``group`` that this process runs as, which its daemons run as, too; without those of no name."""
    found = {}
    try:
        found["user"] = pwd.getpwuid(os.geteuid()).pw_name
        found["group"] = grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        pass
    return found


def daemon_sections(conf: ConfFile, kind: str) -> list[str]:
    """The daemons that have sections in a server's conf."""
    return sorted(name for name in conf.sections() if name.startswith(f"{kind}-") and name != f"{kind}-server")


# --- what may not be written ---


def closed_caches(directory: str) -> list[str]:
    """The recon caches that this account, and so its daemons, cannot write; or their directory."""
    if not os.path.isdir(directory):
        return []
    if not os.access(directory, os.W_OK | os.X_OK):
        return [directory]
    paths = [os.path.join(directory, name) for name in CACHES]
    return [path for path in paths if os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK)]


def outside(device: str, rings: Mapping[str, Ring]) -> dict[str, int]:
    """How many partitions of objects on a device no ring has: by the ring's name, where there are any.

    While its partition power grows, there may be those of the next one.

    :param rings: by path, as RingVersions tells them
    """
    found = {}
    for path, ring in rings.items():
        name = os.path.basename(path).removesuffix(".ring.gz")
        kind, _, policy = name.partition("-")
        if kind == "object" and ring["next_part_power"] is None:
            entries = _listed(f"{device}/objects-{policy}" if policy else f"{device}/objects")
            count = sum(entry.isdecimal() and int(entry) >> ring["part_power"] > 0 for entry in entries)
            if count:
                found[name] = count
    return found


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # whoever needs it says so
        return []
