"""AuditedFile: looks whether what lies in one hash directory is sound (formats.md 3.6)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

import xxhash

from swiftlite.common.policies import StoragePolicy
from swiftlite.core.fileset import FileSet
from swiftlite.core.names import EntityName
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import layout, quarantine, xattrs
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, OpenObject
from swiftlite.obj.errors import (
    DiskFileCollision,
    DiskFileNotExist,
    DiskFileQuarantined,
    DiskFileStateChanged,
    DiskFileSuperseded,
)
from swiftlite.obj.reader import PAGE, SMALL

DROP_WINDOW = 16 << 20
"""Bytes after which what was read leaves the page cache."""
ATTEMPTS = 3
"""How often a directory is looked at again that writers change meanwhile."""


class Verdict(Enum):
    """What came of looking at a hash directory."""

    SOUND = "an object that is as it should be"
    NOTHING = "no object; a tombstone, metadata that wait for theirs, or nothing at all"
    QUARANTINED = "was damaged, and has been moved away"
    MISPLACED = "sound, but of another name than its directory; left, for it may be swift.conf that is wrong"
    UNVERIFIED = "an object without an ETag: nobody can say"
    CHANGING = "changes faster than it can be looked at"


class Finding(NamedTuple):
    """A verdict, and what it was made from.

    :ivar reason: why, where that is not clear
    :ivar files: what the directory held
    :ivar metadata: of a sound object that has not expired
    :ivar size: bytes of its body
    """

    verdict: Verdict
    reason: str = ""
    files: FileSet = FileSet()
    metadata: dict[str, str] | None = None
    size: int = 0


class AuditedFile(DiskFile):
    """A hash directory whose object's name is not known: it must be one that hashes to the directory's.

    Metadata that lack a checksum are given one, as OpenStack Swift's auditor does.

    :param spend: told of every piece of a body that was read, in bytes, and may wait; None: bodies are not read
    :param trusts_hash: whether an object whose name does not hash to the directory is damaged; else it may be that
        swift.conf is
    """

    __slots__ = ("spend", "trusts_hash")

    def __init__(
        self,
        manager: DiskFileManager,
        device_root: str,
        policy: StoragePolicy,
        directory: str,
        *,
        spend: Callable[[int], None] | None,
        trusts_hash: bool,
    ) -> None:
        super().__init__(manager, device_root, policy, directory, "")
        self.spend = spend
        self.trusts_hash = trusts_hash

    def inspect(self, now: Timestamp) -> Finding:
        """Look at what is there, and quarantine it when it is damaged.

        What writers change meanwhile is looked at again: only what is damaged when nobody can change it is moved.

        :raises DiskFileLocked: when a writer holds what is damaged for too long
        :raises OSError: when the disk fails otherwise
        """
        for _ in range(ATTEMPTS):
            try:
                return self._inspect(now)
            except (DiskFileSuperseded, DiskFileStateChanged, FileNotFoundError):
                continue
            except DiskFileQuarantined as error:
                return Finding(Verdict.QUARANTINED, str(error))
        return Finding(Verdict.CHANGING)

    def _inspect(self, now: Timestamp) -> Finding:
        self._check_place()
        try:
            with self.open(now, open_expired=True) as opened:
                problem = None if self.spend is None else self._read_body(opened, self.spend)
                if problem is not None:
                    raise self.quarantine(problem, opened.file_name)
                return _finding(opened, now, self.spend is not None)
        except DiskFileQuarantined:
            raise
        except DiskFileNotExist as error:
            return Finding(Verdict.NOTHING, files=error.files)
        except DiskFileCollision as error:
            return Finding(Verdict.MISPLACED, str(error))

    def _check_place(self) -> None:
        problem = layout.placement_problem(self.directory)
        if problem is None:
            return
        files = self._files()
        held = files.data or files.tombstone
        if held is not None:
            raise self.quarantine(f"it lies where nobody looks for it: {problem}", held.name)

    def _check_name(self, name: str) -> None:
        directory_hash = os.path.basename(self.directory)
        try:
            account, container, object_name = EntityName.from_path(name)
            name_hash = self.manager.hash_path.hex(account, container, object_name)
        except ValueError:
            raise ValueError(f"{name!r} is the name of no object") from None
        if name_hash == directory_hash:
            return
        problem = f"its name, {name!r}, hashes to {name_hash}"
        if self.trusts_hash:
            raise ValueError(problem)
        raise DiskFileCollision(problem)

    def _read_attributes(self, fd: int) -> dict[str, str]:
        stored = xattrs.load(self.fs, fd)
        metadata = xattrs.decode(stored.blob)
        if not stored.has_checksum:
            try:
                xattrs.add_checksum(self.fs, fd, stored.blob)
            except OSError as error:
                self.manager.logger.warning("cannot add a checksum to metadata in %s: %s", self.directory, error)
        return metadata

    # The body ---------------------------------------------------------------------------------------------------------

    def _read_body(self, opened: OpenObject, spend: Callable[[int], None]) -> str | None:
        """Hold the whole body against its ETag; say what is wrong with it, or None.

        The fingerprint does not stand in for the ETag: that is what clients were promised, and what OpenStack Swift's
        auditor goes by. It costs next to nothing beside, and where it alone is wrong, it is what rotted.
        """
        digest, fingerprint = hashlib.md5(usedforsecurity=False), xxhash.xxh3_128()
        stored = xattrs.read_fingerprint(self.fs, opened.fd) if opened.size > SMALL else None  # others have none
        read = 0
        try:
            for piece in self._pieces(opened):
                digest.update(piece)
                if stored is not None:
                    fingerprint.update(piece)
                read += len(piece)
                spend(len(piece))
        except OSError as error:
            if error.errno not in quarantine.UNREADABLE:
                raise
            return f"its body cannot be read at {read} of {opened.size} bytes: {error.strerror}"
        if read != opened.size:
            return f"its body ends at {read} of {opened.size} bytes"
        if opened.etag and digest.hexdigest() != opened.etag:
            return f"its ETag is {opened.etag}, and the MD5 of its body {digest.hexdigest()}"
        if opened.etag and stored is not None and fingerprint.hexdigest() != stored:
            xattrs.write_fingerprint(self.fs, opened.fd, fingerprint.hexdigest())
            self.manager.logger.warning("%s/%s: corrected its fingerprint", self.directory, opened.file_name)
        return None

    def _pieces(self, opened: OpenObject) -> Iterator[bytes | bytearray]:
        """The body; it leaves the page cache as it was, as far as its first piece can tell."""
        fd, size, chunk_size = opened.fd, opened.size, self.manager.options.disk_chunk_size
        first = self.fs.read_cached(fd, min(chunk_size, size), 0)
        is_hot = first is not None
        offset = dropped = 0
        while offset < size:
            piece = first or self.fs.read(fd, min(chunk_size, size - offset), offset)
            first = None
            if not piece:
                return
            offset += len(piece)
            yield piece
            if not is_hot and (offset - dropped >= DROP_WINDOW or offset == size):
                self.fs.drop_cache(fd, dropped, offset - dropped)
                dropped = offset - offset % PAGE  # the kernel drops whole pages only


def _finding(opened: OpenObject, now: Timestamp, is_read: bool) -> Finding:
    """What is to be said of an object that nothing is wrong with."""
    if is_read and not opened.etag:
        return Finding(Verdict.UNVERIFIED, "its metadata have no ETag", opened.files, size=opened.size)
    delete_at = int(opened.metadata.get("X-Delete-At") or 0)
    is_expired = 0 < delete_at <= int(now)
    return Finding(Verdict.SOUND, "", opened.files, None if is_expired else opened.metadata, opened.size)
