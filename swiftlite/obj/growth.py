"""Growth of the partition power: an object's place before and after it, and links between the two.

With one bit more, partition p becomes 2p and 2p + 1. While the ring announces that (``next_part_power``), every new
file gets a link at its future place; a relinker links what was there before. Then the ring switches over, and the
relinker removes the old places. Both places are on one device, so a link costs no copy.

No reader waits for a relinker: an object that is not where a request looks for it is linked there from its other
place. So it does not matter in which order proxies learn of the new ring.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from swiftlite.common.fs import FileSystem
from swiftlite.core import fileset
from swiftlite.core.names import partition_of_hash
from swiftlite.obj import hashes, layout

LINK_ATTEMPTS = 3


class LinkCollision(FileExistsError):
    """Another file of the same name stands where a link should be."""


class Twin(NamedTuple):
    """Another place of an object.

    :ivar directory: the hash directory there
    :ivar is_needed: whether it is made where it is missing
    """

    directory: str
    is_needed: bool


def twins(hash_directory: str, next_part_power: int | None) -> tuple[Twin, ...]:
    """The other places of what is in a hash directory, to which it must be linked; none when the power does not grow.

    Before the ring has grown that is the future place. Afterwards, and after a growth that was cancelled, it is the
    place that the relinker has still to clear: there an older state could be read by a proxy whose ring is not yet
    the newest, or come back to life once the tombstone here is reclaimed.
    """
    if next_part_power is None:
        return ()
    partition_directory, _, name_hash = layout.split_hash_directory(hash_directory)
    here = os.path.basename(partition_directory)
    future = partition_of_hash(name_hash, next_part_power)
    if str(future) != here:
        return (Twin(layout.moved_hash_directory(hash_directory, future), True),)
    powers = [power for power in (next_part_power - 1, next_part_power + 1) if 0 <= power <= 32]
    others = sorted({partition_of_hash(name_hash, power) for power in powers} - {future})
    return tuple(Twin(layout.moved_hash_directory(hash_directory, other), False) for other in others)


def link_written(fs: FileSystem, path: str, twin: Twin, temporary_name: Callable[[], str]) -> None:
    """Link a file that was just written to a twin, on stable storage; one of the same moment there is replaced.

    :param temporary_name: names a file on the same device
    """
    try:
        link(fs, path, twin)
    except LinkCollision:
        temporary = temporary_name()
        fs.link_file(path, temporary)
        fs.rename(temporary, f"{twin.directory}/{os.path.basename(path)}")
        fs.sync_directory(twin.directory)


def adopt(fs: FileSystem, hash_directory: str, others: tuple[Twin, ...]) -> bool:
    """Link to a hash directory, where nothing is, what is at its other places.

    :returns: whether anything was
    """
    found = False
    for twin in others:
        try:
            files = fileset.resolve(fs.list(twin.directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        if files.is_empty:
            continue
        for name in sorted({file.name for file in files.effective if file is not None}):
            try:
                found = link(fs, f"{twin.directory}/{name}", Twin(hash_directory, True)) or found
            except LinkCollision:
                found = True  # A writer was faster.
    return found


def linked_directories(fs: FileSystem, path: str, others: tuple[Twin, ...]) -> list[str]:
    """The other places of an object where one of its files is linked to."""
    found, name = [], os.path.basename(path)
    for twin in others:
        try:
            if fs.inode(path) == fs.inode(f"{twin.directory}/{name}"):
                found.append(twin.directory)
        except (FileNotFoundError, NotADirectoryError):
            pass
    return found


def link(fs: FileSystem, path: str, twin: Twin, is_synced: bool = True) -> bool:
    """Link a file to a twin.

    :param is_synced: whether the link is on stable storage when this returns
    :returns: whether a link was made; not when it is there, when the file is gone, or when the twin is and is not needed
    :raises LinkCollision: when another file is there
    """
    for attempt in range(LINK_ATTEMPTS):
        try:
            return _link_once(fs, path, twin, is_synced)
        except FileNotFoundError:
            if not fs.exists(path) or not (twin.is_needed or fs.exists(twin.directory)):
                return False
            if attempt == LINK_ATTEMPTS - 1:
                raise  # Else somebody tidied the twin's directory away, or moved it to quarantine.
    raise AssertionError("unreachable")


def _link_once(fs: FileSystem, path: str, twin: Twin, is_synced: bool) -> bool:
    target = f"{twin.directory}/{os.path.basename(path)}"
    made = fs.make_directories(twin.directory) if twin.is_needed else []
    directory = fs.open_directory(twin.directory)
    try:
        partition_directory, suffix, _ = layout.split_hash_directory(twin.directory)
        # Before the file shows: a crash in between makes one suffix be hashed in vain, never one be forgotten.
        hashes.invalidate(fs, partition_directory, suffix)
        is_made = True
        try:
            fs.link_file(path, target)
        except FileExistsError:
            if fs.inode(path) != fs.inode(target):
                raise LinkCollision(f"{target} is not the file that {path} is") from None
            is_made = False
        else:
            # Once more: who hashed the suffix in between has not seen the file.
            hashes.invalidate(fs, partition_directory, suffix)
        if is_synced:
            fs.sync(directory)
        fs.check_in_place(directory, twin.directory)
    finally:
        fs.close(directory)
    for new in made if is_synced else ():
        fs.sync_directory(os.path.dirname(new))
    return is_made
