"""DiskFileWriter: one new file of an object, on stable storage before anyone can see it (formats.md 3.5).

Writers of one object take turns: each holds the lock of the object's directory from its last look at what is there
until its own file is in place. So it knows what it replaces, and need not look again to tidy up.

What a reader finds after a crash: before the link, the old object (the new file has no name, and vanishes); after it,
the new one, whole, for its data and attributes were synced first. The change may be acknowledged once the directory
is synced too.
"""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import xxhash

from swiftlite.common.concurrency import sleep
from swiftlite.common.fs import LOCK_POLL, AnonymousFilesUnsupported, FileSystem, Space
from swiftlite.common.tracing import traced
from swiftlite.core import fileset
from swiftlite.core.fileset import FileSet
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import growth, hashes, layout, xattrs
from swiftlite.obj.errors import DiskFileLocked, DiskFileNoSpace, DiskFileStateChanged, MetadataDoesNotFit

if TYPE_CHECKING:
    from swiftlite.obj.diskfile import DiskFile

HELD = 65536
"""Bytes that are held in memory before a file is made: a small body then costs one visit to the disk."""
PREALLOCATED = 1 << 20
"""Bodies from this many bytes on get their space at once; for smaller ones the call costs more than it saves."""
LINK_ATTEMPTS = 3
LOCK_TIMEOUT = 10.0
"""Seconds that a writer waits for others of the same object."""
_T = TypeVar("_T")
_FULL = (errno.ENOSPC, errno.EDQUOT)
NOTHING = FileSet().effective


@dataclass(frozen=True)
class Reserve:
    """Free space that objects may not use (``fallocate_reserve``): bytes, or percent of the device."""

    amount: float = 1.0
    is_percent: bool = True

    @classmethod
    def parse(cls, text: str) -> Reserve:
        """Read ``10737418240`` or ``1%``.

        :raises ValueError: for anything else
        """
        text = text.strip()
        if text.endswith("%"):
            return cls(float(text[:-1]), True)
        return cls(float(int(text)), False)

    def __str__(self) -> str:
        """As a conf file spells it."""
        return f"{self.amount:g}%" if self.is_percent else str(int(self.amount))

    def refuses(self, space: Space, size: int | None) -> bool:
        """Whether ``size`` more bytes (None or 0: unknown or nothing) would leave less than the reserve."""
        reserve = space.total * self.amount / 100 if self.is_percent else self.amount
        return space.free - size <= reserve if size else space.free < reserve


class DiskFileWriter:
    """Takes a body in pieces, then puts it in place with its metadata; without a put, nothing remains.

    :param size: bytes to come, None when that is not known; the reserve of free space is held against it
    :param makes_etag: false where somebody else has computed the MD5, which costs more than all else here
    """

    def __init__(self, disk_file: DiskFile, size: int | None, makes_etag: bool = True) -> None:
        self.disk_file = disk_file
        self.fs: FileSystem = disk_file.fs
        self.manager = disk_file.manager
        self.expected = size
        self.size = 0
        self.makes_etag = makes_etag
        self._digest = hashlib.md5(usedforsecurity=False)
        self._fingerprint = xxhash.xxh3_128()
        self._held: list[bytes | memoryview] = []
        self._unsynced = 0
        self._fd = -1
        self._temporary: str | None = None
        self._made: list[str] = []
        self._is_described = False
        self._is_synced = False
        self._lock = -1
        self._parents: list[int] = []
        """Directories that got a new entry on the way to the object's own."""
        self._names: list[str] = []
        """What the object's directory held."""

    def __enter__(self) -> DiskFileWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def check_space(self) -> None:
        """Hold the device's free space against its reserve.

        :raises DiskFileNoSpace: when there is too little
        """
        options = self.manager.options
        if not options.disable_fallocate and options.reserve.refuses(
            self.fs.space(self.disk_file.device_root), self.expected
        ):
            raise DiskFileNoSpace(self.disk_file.device_root)

    def write(self, chunk: bytes | memoryview) -> None:
        """Take more of the body.

        :param chunk: must not change afterwards, unless more than HELD bytes have been written with it
        :raises DiskFileNoSpace: when the device is full
        """
        if self.makes_etag:
            self._digest.update(chunk)
        self.size += len(chunk)
        self._held.append(chunk)
        if self._fd >= 0 or self.size > HELD:
            self._flush()
        if self._unsynced >= self.manager.options.bytes_per_sync:
            self.manager.threads.run(self.disk_file.device_root, self._sync_early)

    @property
    def etag(self) -> str:
        """MD5 of what was written, as hex digits."""
        assert self.makes_etag
        return self._digest.hexdigest()

    @property
    def fingerprint(self) -> str:
        """XXH3-128 of what was written, as hex digits."""
        whole = self._fingerprint.copy()
        for chunk in self._held:
            whole.update(chunk)
        return whole.hexdigest()

    def hold(self, metadata: Mapping[str, str] | None = None) -> None:
        """Keep all others from changing the object, until ``put`` or ``close``.

        :param metadata: what ``put`` will be given, where that is known: then the file is brought to stable storage,
            and what is left to do is quick
        :raises DiskFileNoSpace: as ``put``
        :raises DiskFileLocked: as ``put``
        """
        if metadata is not None:
            self._short(self._describe, {**metadata, "name": self.disk_file.path})
            self._sync()
        self._take_turn(self._take_hold)

    @traced("put object file in place")
    def put(self, metadata: Mapping[str, str], extension: str = fileset.DATA, seen: FileSet | None = None) -> None:
        """Put what was written in place. When this returns, it is on stable storage.

        :param metadata: ``X-Timestamp`` names the file, and a .meta file's ``Content-Type-Timestamp`` too; the
            object's name is added
        :param extension: what kind of file it is
        :param seen: what stood there when the caller decided to put; None if that does not matter
        :raises DiskFileStateChanged: when something else stands there by now; nothing was done, and with the same
            metadata this may be called again
        :raises DiskFileLocked: when other writers hold the object for too long
        :raises DiskFileNoSpace: when the device or a file's attributes are full; nothing is left behind then
        """
        stored = {**metadata, "name": self.disk_file.path}
        type_timestamp = metadata.get("Content-Type-Timestamp") if extension == fileset.META else None
        name = fileset.file_name(
            extension, Timestamp(metadata["X-Timestamp"]), Timestamp(type_timestamp) if type_timestamp else None
        )
        if self.size > HELD and not self._is_synced:
            self._short(self._describe, stored)
            self._sync()  # That takes time, which others of this object need not wait for.
        for attempt in range(LINK_ATTEMPTS):
            self._take_turn(self._prepare, stored, seen)
            try:
                self._commit(f"{self.disk_file.directory}/{name}")
                break
            except FileNotFoundError:
                self._let_go()  # The locked directory was moved away, to quarantine for example.
                if attempt == LINK_ATTEMPTS - 1:
                    raise
        self._short(self._clean_up, name)

    def close(self) -> None:
        """Close the file; one that was never put is gone with this."""
        self._let_go()
        if self._fd >= 0:
            self.fs.close(self._fd)
            self._fd = -1
        if self._temporary is not None:
            self.fs.unlink(self._temporary)
            self._temporary = None

    # Short work waits for no disk, long work does -----------------------------------------------------------------

    def _short(self, work: Callable[..., _T], *args: Any) -> _T:
        return self.manager.threads.run_short(self.disk_file.device_root, self._guarded, work, *args)

    def _long(self, work: Callable[..., _T], *args: Any) -> _T:
        return self.manager.threads.run(self.disk_file.device_root, self._guarded, work, *args)

    def _wait_for(self, descriptors: Sequence[int]) -> None:
        """Bring files and directories to stable storage."""
        self._guarded(self.manager.threads.sync, self.disk_file.device_root, self.fs, descriptors)

    def _take_turn(self, work: Callable[..., bool], *args: Any) -> None:
        """Do short work that needs the object's lock, as soon as others let go of it."""
        deadline = None
        while not self._short(work, *args):
            now = monotonic()
            deadline = deadline or now + LOCK_TIMEOUT
            if now > deadline:
                raise DiskFileLocked(self.disk_file.directory)
            sleep(LOCK_POLL)

    def _guarded(self, work: Callable[..., _T], *args: Any) -> _T:
        try:
            return work(*args)
        except xattrs.MetadataTooLarge as error:
            raise MetadataDoesNotFit(str(error)) from None
        except xattrs.AttributesUnsupported as error:
            raise DiskFileNoSpace(f"the filesystem keeps no extended attributes: {error}") from None
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFileNoSpace(str(error)) from None
            raise

    # The steps of a put, in their order ---------------------------------------------------------------------------

    def _prepare(self, metadata: Mapping[str, str], seen: FileSet | None) -> bool:
        """Do all that can be done before the file is synced; False when another writer holds the object."""
        self._describe(metadata)
        if not self._take_hold():
            return False
        directory = self.disk_file.directory
        try:
            self._names = self._unchanged(seen)
            # Before the file shows: a crash in between makes one suffix be hashed in vain, never one be forgotten.
            partition_directory, suffix, _ = layout.split_hash_directory(directory)
            hashes.invalidate(self.fs, partition_directory, suffix)
            for made in self._made:
                self._parents.append(self.fs.open_directory(os.path.dirname(made)))
        except FileNotFoundError:
            self._let_go()  # The directory was moved away under our hands.
            return False
        return True

    def _describe(self, metadata: Mapping[str, str]) -> None:
        if self._is_described:
            return
        self._flush()
        xattrs.write(self.fs, self._fd, metadata)
        if self.size > HELD:
            xattrs.write_fingerprint(self.fs, self._fd, self._fingerprint.hexdigest())
        self._is_described = True

    def _take_hold(self) -> bool:
        """Take the object's lock; False when somebody else has it."""
        if self._lock < 0:
            lock = self._in_directory(lambda: self.fs.lock_directory(self.disk_file.directory))
            if lock is None:
                return False
            self._lock = lock
        return True

    def _commit(self, path: str) -> None:
        """Sync, show, sync."""
        self._sync()
        self._short(self._show_in_place, path)
        self._wait_for([self._lock, *self._parents])
        if self.disk_file.twins:
            self._long(self._link_twins, path)

    def _sync(self) -> None:
        if self._is_synced:
            return
        self._wait_for([self._fd])
        if self.size > self.manager.options.keep_cache_size:
            self._long(self.fs.drop_cache, self._fd)
        self._is_synced = True

    def _show_in_place(self, path: str) -> None:
        # What is linked into another directory than the one that is held and synced might not last.
        self.fs.check_in_place(self._lock, self.disk_file.directory)
        self._show(path)

    def _link_twins(self, path: str) -> None:
        for twin in self.disk_file.twins:
            growth.link_written(self.fs, path, twin, self._temporary_name)

    def _clean_up(self, name: str) -> None:
        if self._names:
            self._tidy(self.disk_file.directory, [*self._names, name])
        for twin in self.disk_file.twins:
            self._tidy(twin.directory, None)
        self._let_go()

    def _unchanged(self, seen: FileSet | None) -> list[str]:
        """The names of the directory, which must mean the same as when the caller looked."""
        names = self.fs.list(self.disk_file.directory)
        if (
            seen is not None
            and (names or seen.effective != NOTHING)
            and fileset.resolve(names).effective != seen.effective
        ):
            self._let_go()
            raise DiskFileStateChanged(self.disk_file.path)
        return names

    def _let_go(self) -> None:
        while self._parents:
            self.fs.close(self._parents.pop())
        if self._lock >= 0:
            self.fs.close(self._lock)
            self._lock = -1

    def _tidy(self, directory: str, names: list[str] | None) -> None:
        try:
            self.manager.tidy(directory, names)
        except OSError as error:
            # The change is made, and readers pass over what is obsolete: the next write or hashing removes it.
            self.manager.logger.warning("Cannot tidy %s: %s", directory, error)

    def _flush(self) -> None:
        """Write what is held, into a file that is made for it if need be."""
        try:
            if self._fd < 0:
                self._open()
            for chunk in self._held:
                self.fs.write(self._fd, chunk)
                self._fingerprint.update(chunk)
                self._unsynced += len(chunk)
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFileNoSpace(str(error)) from None
            raise
        self._held.clear()

    def _sync_early(self) -> None:
        # Only clean pages can be dropped from the cache, and one huge sync at the end would stall the disk.
        self.fs.sync_data(self._fd)
        self.fs.drop_cache(self._fd)
        self._unsynced = 0

    def _open(self) -> None:
        if self.disk_file.is_absent:
            self._made += self.fs.make_directories(self.disk_file.directory)
        if self.manager.anonymous_files:
            try:
                self._fd = self._in_directory(lambda: self.fs.open_anonymous(self.disk_file.directory))
            except AnonymousFilesUnsupported:
                self.manager.anonymous_files = False
        if self._fd < 0:
            self._made += self.fs.make_directories(self.disk_file.directory)
            temporary = self._temporary_name()
            self._fd = self.fs.open_new(temporary)
            self._temporary = temporary
        if self.expected and self.expected >= PREALLOCATED and not self.manager.options.disable_fallocate:
            self.fs.preallocate(self._fd, self.expected)

    def _temporary_name(self) -> str:
        directory = layout.temporary_directory(self.disk_file.device_root, self.disk_file.policy)
        self.fs.make_directories(directory)
        return f"{directory}/{uuid.uuid4().hex}"

    def _show(self, path: str) -> None:
        if self._temporary is None:
            try:
                self.fs.link(self._fd, path)
                return
            except FileExistsError:
                # The same moment was written before. It must not vanish in between, so replace it by rename.
                temporary = self._temporary_name()
                self.fs.link(self._fd, temporary)
                self._temporary = temporary
        self.fs.rename(self._temporary, path)
        self._temporary = None

    def _in_directory(self, action: Callable[[], _T]) -> _T:
        """Do something in the object's directory, which is made if need be; a tidier may remove it at any moment."""
        for attempt in range(LINK_ATTEMPTS):
            try:
                return action()
            except FileNotFoundError:
                if attempt == LINK_ATTEMPTS - 1:
                    raise
                self._made += self.fs.make_directories(self.disk_file.directory)
        raise AssertionError("unreachable")
