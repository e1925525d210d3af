"""Suffix hashes: one hash for all objects of a suffix, so that replicas compare quickly (formats.md 3.7)."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import time
from collections.abc import Callable, Iterable
from typing import Any

from swiftlite.common import pickles
from swiftlite.common.fs import FileSystem
from swiftlite.core.fileset import FileSet
from swiftlite.obj import layout

Hashes = dict[str, Any]
"""Suffix -> hash or None (to be computed), and the bookkeeping keys ``valid`` and ``updated``."""

BOOKKEEPING = frozenset({"valid", "updated"})
_KEYS = BOOKKEEPING | {f"{number:03x}" for number in range(0x1000)}
MAX_ATTEMPTS = 3
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk that has no room."""


def fileset_strings(files: FileSet) -> Iterable[str]:
    """What one object adds to the hash of its suffix: timestamps only, never a .meta file's encoded name."""
    for file in (files.meta, files.tombstone, files.data):
        if file is not None:
            yield file.timestamp.internal + file.extension
    if files.content_type is not None and files.content_type.content_type_timestamp is not None:
        yield files.content_type.content_type_timestamp.internal + "_ctype"


def invalidate(fs: FileSystem, partition_directory: str, suffix: str) -> None:
    """Note that a suffix is about to change: done before the change can be seen (formats.md 3.5, step 6).

    Nothing happens when the partition has vanished.
    """
    try:
        with fs.lock(f"{partition_directory}/{layout.LOCK_FILE}"):
            fs.append(f"{partition_directory}/{layout.INVALIDATIONS_FILE}", suffix.encode() + b"\n")
    except FileNotFoundError:
        pass


def forget(fs: FileSystem, partition_directory: str) -> None:
    """Have all suffixes hashed anew: for a disk that is too full to take a note of one."""
    try:
        with fs.lock(f"{partition_directory}/{layout.LOCK_FILE}"):
            fs.unlink(f"{partition_directory}/{layout.HASHES_FILE}")
    except FileNotFoundError:
        pass


def known(fs: FileSystem, partition_directory: str) -> dict[str, str] | None:
    """The hashes of a partition in which nothing has changed, for the price of two small files; None: compute them.

    Without a lock: the notes are read first, so whatever is not noted by then is in the hashes, or is missed as if
    they had been asked for a moment earlier.
    """
    if _read_notes(fs, partition_directory):
        return None
    stored = _read(fs, partition_directory)
    hashes = _without_bookkeeping(stored)
    return hashes if stored["valid"] and all(hashes.values()) else None


def get_hashes(
    fs: FileSystem,
    partition_directory: str,
    tidy: Callable[[str], FileSet],
    recalculate: Iterable[str] = (),
    relist: bool = False,
    failed: Callable[[OSError], None] | None = None,
) -> dict[str, str]:
    """The hash of every suffix of a partition, computing those that are not known.

    :param tidy: cleans one hash directory and says what is left in it
    :param recalculate: suffixes to compute anew whatever is stored
    :param relist: do not trust the stored set of suffixes
    :param failed: is told of a suffix that cannot be read, which then is left out; None: that ends the whole
    :returns: suffix -> hash; nothing for a partition that does not exist
    """
    if not fs.is_directory(partition_directory):
        return {}
    for _ in range(MAX_ATTEMPTS):
        with fs.lock(f"{partition_directory}/{layout.LOCK_FILE}"):
            before, notes = _read(fs, partition_directory), _read_notes(fs, partition_directory)
        hashes = {**before, **dict.fromkeys(_noted(notes))}
        hashes.update(dict.fromkeys(suffix for suffix in recalculate if suffix in hashes))
        if relist or not hashes["valid"]:
            for suffix in filter(layout.is_suffix, fs.list(partition_directory)):
                hashes.setdefault(suffix, None)
            hashes["valid"] = True
        changing = []
        for suffix in [key for key, value in hashes.items() if not value and key not in BOOKKEEPING]:
            try:
                found, is_changing = _suffix_hash(fs, f"{partition_directory}/{suffix}", tidy)
            except OSError as error:
                if failed is None:
                    raise
                failed(error)
                continue  # Still to be computed, by whoever asks next.
            if found is None:
                del hashes[suffix]
            else:
                hashes[suffix] = found
            if is_changing:
                changing.append(suffix)
        stored = {**hashes, **dict.fromkeys(changing)}
        if (stored == before and not notes) or _store(fs, partition_directory, before, notes, stored):
            break
    return {suffix: found for suffix, found in _without_bookkeeping(hashes).items() if found}


def _without_bookkeeping(stored: Hashes) -> dict[str, Any]:
    hashes = dict(stored)
    for key in BOOKKEEPING:
        hashes.pop(key, None)
    return hashes


def _suffix_hash(fs: FileSystem, suffix_directory: str, tidy: Callable[[str], FileSet]) -> tuple[str | None, bool]:
    """The hash of one suffix directory; None when it is gone or has become empty, in which case it is removed.

    :returns: the hash, and whether a writer was busy: it noted its change before we began, and may show it after we
        have looked. Then the hash is good for now, and must not be remembered.
    """
    try:
        names = sorted(filter(layout.is_hash, fs.list(suffix_directory)))
    except (FileNotFoundError, NotADirectoryError):
        return None, False
    digest, found, is_changing = hashlib.md5(usedforsecurity=False), False, False
    for name in names:
        directory = f"{suffix_directory}/{name}"
        is_changing = _is_changing(fs, directory) or is_changing  # Before the look: a writer that ends now is seen.
        for text in fileset_strings(tidy(directory)):
            digest.update(text.encode())
            found = True
    if not found:
        try:
            fs.remove_directory(suffix_directory)
            return None, False
        except FileNotFoundError:
            return None, False
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    return digest.hexdigest(), is_changing


def _is_changing(fs: FileSystem, hash_directory: str) -> bool:
    """Whether a writer holds an object, from before it notes its change until all can see it."""
    try:
        return fs.is_locked(hash_directory)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _read(fs: FileSystem, partition_directory: str) -> Hashes:
    unknown: Hashes = {"valid": False, "updated": -1}
    try:
        stored = pickles.loads(fs.read_file(f"{partition_directory}/{layout.HASHES_FILE}"), encoding="utf8")
    except (OSError, pickle.UnpicklingError):
        return unknown
    if not isinstance(stored, dict) or not stored.keys() <= _KEYS:
        return unknown
    return {"valid": True, "updated": -1, **stored}


def _read_notes(fs: FileSystem, partition_directory: str) -> bytes:
    try:
        return fs.read_file(f"{partition_directory}/{layout.INVALIDATIONS_FILE}")
    except FileNotFoundError:
        return b""


def _noted(notes: bytes) -> list[str]:
    """The suffixes that some notes say have changed."""
    return [line for line in notes.decode("ascii", "replace").split("\n") if layout.is_suffix(line)]


def _write(fs: FileSystem, partition_directory: str, hashes: Hashes) -> None:
    hashes["updated"] = time.time()
    path = f"{partition_directory}/{layout.HASHES_FILE}"
    temporary = f"{path}.{os.getpid()}.{time.monotonic_ns():x}.tmp"
    fd = fs.open_new(temporary)
    try:
        try:
            fs.write(fd, pickle.dumps(dict(sorted(hashes.items())), 2))  # in the order that answers have
            fs.sync(fd)
        finally:
            fs.close(fd)
        fs.rename(temporary, path)
    except BaseException:
        fs.unlink(temporary)  # A full disk would get one more at every attempt.
        raise


def _store(fs: FileSystem, partition_directory: str, before: Hashes, notes: bytes, hashes: Hashes) -> bool:
    """Store what was computed, and strike out the notes; False when others did so meanwhile.

    :param before: what was stored when we began
    :param notes: and what was noted: what has come since stays to be computed
    """
    with fs.lock(f"{partition_directory}/{layout.LOCK_FILE}"):
        now = _read_notes(fs, partition_directory)
        if _read(fs, partition_directory) != before or not now.startswith(notes):
            return False
        hashes = {**hashes, **dict.fromkeys(_noted(now[len(notes) :]))}
        if _remember(fs, partition_directory, hashes) and now:
            # Only after the pickle is safe: a crash in between repeats the work, it loses nothing.
            fs.truncate(f"{partition_directory}/{layout.INVALIDATIONS_FILE}")
        return True


def _remember(fs: FileSystem, partition_directory: str, hashes: Hashes) -> bool:
    """Store hashes; False when the disk is full: then they are good for now, and computed again the next time."""
    try:
        _write(fs, partition_directory, hashes)
    except OSError as error:
        if error.errno not in FULL:
            raise
        return False
    return True
