"""Which of a hash directory's files are the object, and which are litter (formats.md 3.1, 3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from swiftlite.core.timestamp import ZERO, Timestamp, decode_timestamps, encode_timestamps

DATA, META, TOMBSTONE = ".data", ".meta", ".ts"

_RSYNC_TEMPORARY = re.compile(r"^\..*\.[A-Za-z0-9_]{6}$", re.DOTALL)


class StoredFile(NamedTuple):
    """One file of a hash directory, as its name tells.

    ``content_type_timestamp`` is spelled by some .meta names only: when the content type that it holds was set.
    """

    name: str
    extension: str
    timestamp: Timestamp
    content_type_timestamp: Timestamp | None = None


class FileSet(NamedTuple):
    """What the files of one hash directory mean together.

    :ivar data: the object, or None
    :ivar meta: the newest metadata that lie over ``data``, or None
    :ivar content_type: the .meta file that holds the newest content type, where that is newer than ``data``
    :ivar tombstone: says that the object was deleted; never together with ``data``
    :ivar strays: .meta files that wait for a .data file still to come
    :ivar obsolete: files that newer ones made useless
    :ivar unexpected: names that no version of Swift writes
    :ivar temporary: names of files that rsync is still writing, or has left behind
    """

    data: StoredFile | None = None
    meta: StoredFile | None = None
    content_type: StoredFile | None = None
    tombstone: StoredFile | None = None
    strays: tuple[StoredFile, ...] = ()
    obsolete: tuple[StoredFile, ...] = ()
    unexpected: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()

    @property
    def effective(self) -> tuple[StoredFile | None, ...]:
        """The files that a reader goes by: as long as these are the same, so is the object."""
        return (self.data, self.meta, self.content_type, self.tombstone)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the object, not even that it was deleted."""
        return self.data is None and self.tombstone is None


def file_name(extension: str, timestamp: Timestamp, content_type_timestamp: Timestamp | None = None) -> str:
    """The name of a file: ``1402464677.04188.data``, or ``1402464677.04188-1a.meta`` with a content-type timestamp."""
    if extension == META and content_type_timestamp is not None:
        return encode_timestamps(timestamp, content_type_timestamp, explicit=True) + META
    return timestamp.internal + extension


def parse_name(name: str) -> StoredFile | None:
    """Read a file name of the replication policies; None when it is none."""
    stem, dot, extension = name.rpartition(".")
    extension = dot + extension
    try:
        if extension in (DATA, TOMBSTONE):
            return StoredFile(name, extension, Timestamp(stem))
        if extension == META:
            timestamp, content_type, _ = decode_timestamps(stem, explicit=True)
            return StoredFile(name, extension, timestamp, content_type)
    except ValueError:
        pass
    return None


def is_rsync_temporary(name: str) -> bool:
    """Whether rsync is still writing this file: it is ignored without a word."""
    return _RSYNC_TEMPORARY.match(name) is not None


def resolve(names: Iterable[str]) -> FileSet:
    """Decide what a listing means. The answer is the same for any order of the names, and for the listing without
    the obsolete ones.

    :param names: one listing of a hash directory
    """
    names = list(names)
    if len(names) == 1 and names[0].endswith(DATA):
        # Nearly every directory that is ever read.
        only = parse_name(names[0])
        if only is not None:
            return FileSet(data=only)
    files: dict[str, list[StoredFile]] = {DATA: [], META: [], TOMBSTONE: []}
    unexpected: list[str] = []
    temporary: list[str] = []
    for name in names:
        file = parse_name(name)
        if file is not None:
            files[file.extension].append(file)
        else:
            (temporary if is_rsync_temporary(name) else unexpected).append(name)
    data, tombstone = _newest(files[DATA]), _newest(files[TOMBSTONE])
    if data and tombstone:
        # At the same moment the deletion wins.
        data, tombstone = (data, None) if data.timestamp > tombstone.timestamp else (None, tombstone)
    metas = files[META]
    floor = data or tombstone
    if floor:
        metas = [file for file in metas if file.timestamp > floor.timestamp]
    metas = _effective_metas(metas)
    kept = {file.name for file in (data, tombstone, *metas) if file}
    obsolete = sorted(
        (file for group in files.values() for file in group if file.name not in kept), key=lambda file: file.name
    )
    return FileSet(
        data=data,
        meta=metas[0] if data and metas else None,
        content_type=_content_type_file(data, metas),
        tombstone=tombstone,
        strays=() if data else tuple(metas),
        obsolete=tuple(obsolete),
        unexpected=tuple(sorted(unexpected)),
        temporary=tuple(sorted(temporary)),
    )


def reclaimable(files: FileSet, now: float, reclaim_age: float) -> tuple[StoredFile, ...]:
    """Files that were kept for others to learn of, and that by now everybody has seen.

    :param now: seconds since the epoch
    :param reclaim_age: seconds
    """
    waiting = files.strays if files.tombstone is None else (files.tombstone, *files.strays)
    return tuple(file for file in waiting if now - float(file.timestamp) > reclaim_age)


def _order(file: StoredFile) -> tuple[Timestamp, Timestamp, str]:
    # Total, so that the answer never hangs on the order of a listing.
    return (file.timestamp, file.content_type_timestamp or ZERO, file.name)


def _newest(files: list[StoredFile]) -> StoredFile | None:
    return max(files, key=_order) if files else None


def _effective_metas(metas: list[StoredFile]) -> list[StoredFile]:
    """The newest .meta, and behind it another one where that holds a newer content type."""
    if len(metas) < 2:
        return metas
    newest = max(metas, key=_order)
    others = [file for file in metas if file.timestamp < newest.timestamp]
    if not others:
        return [newest]
    other = max(others, key=lambda file: (file.content_type_timestamp or ZERO, file.timestamp, file.name))
    if (other.content_type_timestamp or ZERO) > (newest.content_type_timestamp or ZERO):
        return [newest, other]
    return [newest]


def _content_type_file(data: StoredFile | None, metas: list[StoredFile]) -> StoredFile | None:
    if data is None or not metas:
        return None
    last = metas[-1].content_type_timestamp
    return metas[-1] if last is not None and last > data.timestamp else None
