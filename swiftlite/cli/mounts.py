"""Which block devices are mounted where, and fstab without one of them: read from the texts that the kernel gives."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPE = re.compile(r"\\([0-7]{3})")

Numbers = tuple[int, int]
"""Major and minor number of a device."""


@dataclass(frozen=True)
class Mount:
    """A device that is mounted.

    :ivar block_device: its path, for example ``/dev/sdb1``
    """

    mount_point: str
    block_device: str


def parse_mounts(text: str, device_dir: str) -> list[Mount]:
    """The mounts below a directory.

    :param text: of ``/proc/mounts``
    """
    mounts = []
    for line in text.splitlines():
        block_device, mount_point, *_ = [_unescape(word) for word in line.split()] + ["", ""]
        if mount_point.startswith(device_dir.rstrip("/") + "/"):
            mounts.append(Mount(mount_point, block_device))
    return mounts


def parse_partitions(text: str) -> dict[Numbers, str]:
    """The kernel's names of block devices.

    :param text: of ``/proc/partitions``
    """
    names = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4 and words[0].isdecimal() and words[1].isdecimal():
            names[int(words[0]), int(words[1])] = words[3]
    return names


def parse_block_links(links: Mapping[str, str]) -> dict[str, Numbers]:
    """The numbers of block devices by the last part of their names.

    :param links: entries of ``/dev/block``, ``major:minor``, and what they point to
    """
    numbers = {}
    for name, target in links.items():
        major, _, minor = name.partition(":")
        if major.isdecimal() and minor.isdecimal():
            numbers[os.path.basename(target)] = (int(major), int(minor))
    return numbers


def commented_out(fstab: str, mount_point: str) -> str:
    """The text of fstab, with the lines of a mount point made comments."""
    lines = []
    for line in fstab.splitlines(keepends=True):
        words = line.split()
        mounts_it = (
            len(words) > 2 and not line.lstrip().startswith("#") and _unescape(words[1]).rstrip("/") == mount_point
        )
        lines.append(f"#{line}" if mounts_it else line)
    return "".join(lines)


def _unescape(word: str) -> str:
    """A word of a table of mounts, in which spaces are ``\\040``."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), word)
