"""Quarantine: how a damaged object leaves its place, and what a writer puts there meanwhile stays (formats.md 3.6)."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from swiftlite.common import metrics, statsd
from swiftlite.common.concurrency import sleep
from swiftlite.common.fs import LOCK_POLL, FileSystem
from swiftlite.core import fileset
from swiftlite.obj import hashes, layout
from swiftlite.obj.errors import DiskFileLocked

PATIENCE = 1.0
"""Seconds to wait for a writer to end: what it puts in place must not be moved away with what was damaged."""
DAMAGED_DIRECTORY = (errno.ENODATA, errno.EUCLEAN)
"""What a disk says of a directory that it has lost."""
UNREADABLE = (errno.EIO, errno.EBADMSG, *DAMAGED_DIRECTORY)
"""What it says of a file that it has lost; other errors may pass."""


def move_away(fs: FileSystem, hash_directory: str, quarantine: str, damaged: str | None = None) -> str | None:
    """Move an object to where an operator may look at it, and have its suffix hashed anew: replicas bring it back.

    :param quarantine: directory that it goes to, made if need be
    :param damaged: name of the damaged file: where a newer one has superseded it, all stays
    :returns: where it is now; None when it has gone already, or was left
    :raises DiskFileLocked: when a writer holds it for too long
    """
    partition_directory, suffix, name_hash = layout.split_hash_directory(hash_directory)
    fs.make_directories(quarantine)
    with _held(fs, hash_directory):
        if damaged is not None and not _matters(fs, hash_directory, damaged):
            return None
        hashes.invalidate(fs, partition_directory, suffix)
        target = f"{quarantine}/{name_hash}"
        if fs.exists(target):
            target += f"-{uuid.uuid4().hex}"
        try:
            fs.rename(hash_directory, target)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in DAMAGED_DIRECTORY:
                raise
            target = f"{quarantine}/{suffix}-{uuid.uuid4().hex}"
            fs.rename(os.path.dirname(hash_directory), target)
    metrics.QUARANTINED_NOW.add(1, "objects")
    statsd.note("quarantines")
    # Once more: who hashed the suffix in between still found the object there.
    hashes.invalidate(fs, partition_directory, suffix)
    return target


def remove(fs: FileSystem, hash_directory: str, only: str) -> bool:
    """Remove an object and all that is known of it, on this device alone: no tombstone tells others.

    :param only: name of the file that must still be the object
    :returns: whether it was removed
    :raises DiskFileLocked: when a writer holds it for too long
    """
    partition_directory, suffix, _ = layout.split_hash_directory(hash_directory)
    with _held(fs, hash_directory):
        if not _matters(fs, hash_directory, only):
            return False
        hashes.invalidate(fs, partition_directory, suffix)
        for name in fs.list(hash_directory):
            fs.unlink(f"{hash_directory}/{name}")
        fs.remove_directory(hash_directory)
    hashes.invalidate(fs, partition_directory, suffix)
    return True


@contextmanager
def _held(fs: FileSystem, hash_directory: str) -> Iterator[None]:
    """Keep writers out of an object's directory, where there is one that can be opened."""
    deadline, lock = monotonic() + PATIENCE, None
    try:
        while (lock := fs.lock_directory(hash_directory)) is None:
            if monotonic() > deadline:
                raise DiskFileLocked(hash_directory)
            sleep(LOCK_POLL)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
    try:
        yield
    finally:
        if lock is not None:
            fs.close(lock)


def _matters(fs: FileSystem, hash_directory: str, file_name: str) -> bool:
    """Whether a file of the directory is one that readers go by."""
    try:
        files = fileset.resolve(fs.list(hash_directory))
    except FileNotFoundError:
        return False
    return any(file and file.name == file_name for file in files.effective)
