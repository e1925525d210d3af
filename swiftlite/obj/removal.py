"""Removal of what a device need no longer hold: objects of a handoff, and partitions that have become empty."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from contextlib import suppress

from swiftlite.common.fs import FileSystem, LockTimeout
from swiftlite.core import fileset
from swiftlite.core.fileset import FileSet
from swiftlite.obj import hashes, layout

_KEPT = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
"""Why a directory is not removed, without anything being wrong with the disk."""


def remove_objects(fs: FileSystem, partition_directory: str, may_go: Callable[[str, FileSet], bool]) -> int:
    """Remove objects, each under its lock, unless it has changed.

    :param may_go: is given an object's hash, and the files that are there when nobody can change them
    :returns: how many were removed
    :raises OSError: for the first that could not be, once all others are
    """
    removed, problems = 0, []
    for suffix in filter(layout.is_suffix, _list(fs, partition_directory)):
        _note_change(fs, partition_directory, suffix)
        suffix_directory = f"{partition_directory}/{suffix}"
        for name_hash in filter(layout.is_hash, _list(fs, suffix_directory)):
            try:
                removed += _remove_object(fs, f"{suffix_directory}/{name_hash}", name_hash, may_go)
            except OSError as error:
                problems.append(error)
        _remove_directory(fs, suffix_directory)
        # Once more: who hashed the suffix in between still found the objects there.
        _note_change(fs, partition_directory, suffix)
    if problems:
        raise problems[0]
    return removed


def remove_partition(fs: FileSystem, partition_directory: str) -> bool:
    """Remove a partition that holds nothing but bookkeeping; say whether it is gone.

    A writer that comes at the same moment has made its directory before it looks for the bookkeeping: then this one
    stays, and its hashes are computed anew.
    """
    try:
        with fs.lock(f"{partition_directory}/{layout.LOCK_FILE}", timeout=0.2):
            names = fs.list(partition_directory)
            if not all(map(layout.is_bookkeeping, names)):
                return False
            for name in sorted(names, reverse=True):  # the lock last
                fs.unlink(f"{partition_directory}/{name}")
    except FileNotFoundError:
        pass  # others were at it, too
    except LockTimeout:
        return False
    return _remove_directory(fs, partition_directory)


def _note_change(fs: FileSystem, partition_directory: str, suffix: str) -> None:
    try:
        hashes.invalidate(fs, partition_directory, suffix)
    except OSError as error:
        if error.errno not in hashes.FULL:
            raise
        hashes.forget(fs, partition_directory)  # A full disk is what most needs to get rid of something.


def _remove_object(fs: FileSystem, directory: str, name_hash: str, may_go: Callable[[str, FileSet], bool]) -> bool:
    try:
        lock = fs.lock_directory(directory)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if lock is None:
        return False  # a writer is busy with it
    try:
        names = fs.list(directory)
        if not may_go(name_hash, fileset.resolve(names)):
            return False
        for name in sorted(names):  # the data before the .meta, which alone nobody sees
            if fileset.parse_name(name) is not None:
                with suppress(FileNotFoundError):  # tidied away this moment
                    fs.unlink(f"{directory}/{name}")
        return _remove_directory(fs, directory)
    finally:
        fs.close(lock)


def _remove_directory(fs: FileSystem, directory: str) -> bool:
    try:
        fs.remove_directory(directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in _KEPT:
            raise
        return False
    return True


def _list(fs: FileSystem, directory: str) -> Iterable[str]:
    try:
        return sorted(fs.list(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
