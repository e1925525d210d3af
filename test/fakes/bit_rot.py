"""Bit rot for tests: other bytes in place of sound ones, in a file or in an extended attribute of one."""

from __future__ import annotations

import os
import random
from pathlib import Path


def flipped(value: bytes, chance: random.Random) -> bytes:
    """Some other bytes: a bit or several flipped, a sector zeroed, an end cut off, or all of it noise."""
    spoiled = bytearray(value)
    how = chance.choice(("bit", "bit", "bits", "zeros", "cut", "noise"))
    if how == "bits":
        for _ in range(8):
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    elif how == "zeros":
        start = chance.randrange(len(spoiled))
        spoiled[start : start + 512] = bytes(len(spoiled[start : start + 512]))
    elif how == "cut":
        del spoiled[chance.randrange(len(spoiled)) :]
    elif how == "noise":
        spoiled = bytearray(chance.randbytes(len(spoiled)))
    if how == "bit" or bytes(spoiled) == value:
        spoiled = bytearray(value)
        spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def overwrite(path: Path, content: bytes) -> None:
    """Change a file where it stands, as a disk does: who has it open sees it, too."""
    with open(path, "r+b", buffering=0) as file:
        file.write(content)
        file.truncate()


def attributes(path: Path) -> dict[str, bytes]:
    """The extended attributes of a file, by name."""
    return {name: os.getxattr(path, name) for name in sorted(os.listxattr(path)) if name.startswith("user.")}


def spoiled_database(sound: bytes, chance: random.Random) -> bytes:
    """Other bytes for a database: most of a page is room to spare, so what is in use is hit more often than that."""
    if not chance.randrange(3):
        return flipped(sound, chance)
    spoiled = bytearray(sound)
    used = [place for place, byte in enumerate(sound) if byte]
    for _ in range(chance.choice((1, 1, 4, 30))):
        place = chance.randrange(100) if not chance.randrange(3) else chance.choice(used)
        spoiled[place] ^= 1 << chance.randrange(8)
    return bytes(spoiled)
