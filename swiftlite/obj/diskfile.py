"""DiskFileManager and DiskFile: the one door to object files."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from logging import Logger
from typing import NamedTuple

from swiftlite.common.config import is_true
from swiftlite.common.fs import FileSystem
from swiftlite.common.kernel_queue import KernelQueue
from swiftlite.common.policies import StoragePolicy
from swiftlite.core import fileset
from swiftlite.core.fileset import FileSet, StoredFile
from swiftlite.core.metadata import merge_object_metadata
from swiftlite.core.names import EntityName, HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import growth, hashes, layout, quarantine, xattrs
from swiftlite.obj.disk_threads import DiskThreads
from swiftlite.obj.errors import (
    DeviceUnavailable,
    DiskFileCollision,
    DiskFileDeleted,
    DiskFileExpired,
    DiskFileNotExist,
    DiskFileQuarantined,
    DiskFileStateChanged,
    DiskFileSuperseded,
)
from swiftlite.obj.reader import DiskFileReader
from swiftlite.obj.writer import DiskFileWriter, Reserve

OPEN_ATTEMPTS = 3
"""How often a file that vanished between listing and opening is looked for again: a writer may have superseded it."""


@dataclass(frozen=True)
class DiskFileOptions:
    """How object files are read and written; each is an option of the object server (formats.md 8.2)."""

    devices: str
    mount_check: bool = True
    disk_chunk_size: int = 262144
    reserve: Reserve = Reserve()
    disable_fallocate: bool = False
    bytes_per_sync: int = 512 << 20
    keep_cache_size: int = 5 << 20
    keep_cache_private: bool = False
    keep_cache_slo_manifest: bool = False
    reclaim_age: float = 604800.0
    etag_validate_pct: float = 100.0
    threads_per_disk: int = 0
    io_uring: bool = True


class Place(NamedTuple):
    """Where an object belongs on this machine."""

    device_root: str
    partition: str
    name: EntityName
    policy: StoragePolicy


class DiskFileManager:
    """Opens object files on the devices of this machine.

    :param fs: the disk, or a fake one
    :param clock: seconds since the epoch
    """

    def __init__(
        self,
        options: DiskFileOptions,
        hash_path: HashPath,
        logger: Logger,
        fs: FileSystem,
        clock: Callable[[], float],
    ) -> None:
        self.options = options
        self.hash_path = hash_path
        self.logger = logger
        self.fs = fs
        self.clock = clock
        self.threads = DiskThreads(options.threads_per_disk, KernelQueue if options.io_uring else None)
        self.anonymous_files = True
        """Whether the devices take files without a name; found out by trying, once for ever."""
        self.suffixes_hashed = 0
        """Suffixes that had to be hashed, so far; for statistics."""

    def device_root(self, device: str) -> str:
        """The directory of a device.

        :raises DeviceUnavailable: when it is not mounted, or no directory
        """
        if not layout.is_device_name(device):
            raise DeviceUnavailable(device)
        root = f"{self.options.devices}/{device}"
        if not (self.fs.is_mount if self.options.mount_check else self.fs.is_directory)(root):
            raise DeviceUnavailable(device)
        return root

    def disk_file(self, device_root: str, partition: str, name: EntityName, policy: StoragePolicy) -> DiskFile:
        """The file of an object, whether there is one or not; takes what a :class:`Place` holds."""
        directory = layout.hash_directory(device_root, policy, partition, self.hash_path.hex(*name))
        return DiskFile(self, device_root, policy, directory, name.path)

    def tidy(self, hash_directory: str, names: list[str] | None = None) -> FileSet:
        """Remove the files that newer ones made useless, or that are too old to matter.

        :param names: what the directory holds, where that is known
        :returns: what is left; nothing when the directory is gone
        """
        files = list_files(self.fs, hash_directory) if names is None else fileset.resolve(names)
        for file in files.obsolete:
            self._unlink(hash_directory, file)
        old = fileset.reclaimable(files, self.clock(), self.options.reclaim_age)
        for file in old:
            self._unlink(hash_directory, file)
        for name in files.unexpected:
            self.logger.warning("Unexpected file %s/%s", hash_directory, name)
        if old:
            files = fileset.resolve(self.fs.list(hash_directory))
        if files.is_empty and not files.strays and not files.unexpected:
            self._remove_directory(hash_directory)
        return files

    def suffix_hashes(
        self,
        device_root: str,
        policy: StoragePolicy,
        partition: str,
        recalculate: Iterable[str] = (),
        relist: bool = False,
        hashed: set[str] | None = None,
    ) -> dict[str, str]:
        """The hash of every suffix of a partition (formats.md 3.7); a suffix that cannot be read is logged and left out.

        Blocks for as long as the disk takes where something has changed. Other arguments: :func:`hashes.get_hashes`'.

        :param hashed: gets the suffixes that had to be hashed
        """
        directory = layout.partition_directory(device_root, policy, partition)
        hashed = set() if hashed is None else hashed
        known = len(hashed)

        def tidy(hash_directory: str) -> FileSet:
            hashed.add(layout.split_hash_directory(hash_directory)[1])
            try:
                return self.tidy(hash_directory)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, *quarantine.DAMAGED_DIRECTORY):
                    raise
                self.quarantine(device_root, policy, hash_directory, f"it cannot be listed: {error.strerror}")
                return FileSet()

        def failed(error: OSError) -> None:
            self.logger.error("Cannot hash a suffix of %s: %s", directory, error)

        found = hashes.get_hashes(self.fs, directory, tidy, recalculate, relist, failed)
        self.suffixes_hashed += len(hashed) - known
        return found

    def quarantine(
        self, device_root: str, policy: StoragePolicy, hash_directory: str, reason: str, damaged: str | None = None
    ) -> str | None:
        """Move a damaged object out of the way; as :func:`quarantine.move_away`, and the log says why."""
        directory = layout.quarantine_directory(device_root, policy)
        target = quarantine.move_away(self.fs, hash_directory, directory, damaged)
        if target is None:
            self.logger.warning("%s was damaged, and has gone or changed meanwhile: %s", hash_directory, reason)
        else:
            self.logger.error("Quarantined %s to %s: %s", hash_directory, target, reason)
        return target

    def _unlink(self, directory: str, file: StoredFile) -> None:
        try:
            self.fs.unlink(f"{directory}/{file.name}")
        except FileNotFoundError:
            pass  # another writer tidied up at the same moment

    def _remove_directory(self, directory: str) -> None:
        try:
            lock = self.fs.lock_directory(directory)
            if lock is None:
                return  # a writer is about to put something there
            try:
                self.fs.remove_directory(directory)
            finally:
                self.fs.close(lock)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise


def list_files(fs: FileSystem, directory: str) -> FileSet:
    """What a hash directory holds; nothing when there is none."""
    try:
        return fileset.resolve(fs.list(directory))
    except FileNotFoundError:
        return FileSet()


class DiskFile:
    """One object's place on one device.

    :param path: ``/account/container/object``, the name that the stored metadata must carry
    :ivar twins: its other places while the ring's partition power grows: whatever is written goes there, too, and what
        is only there is found
    """

    __slots__ = ("device_root", "directory", "fs", "is_absent", "manager", "path", "policy", "twins")

    def __init__(
        self, manager: DiskFileManager, device_root: str, policy: StoragePolicy, directory: str, path: str
    ) -> None:
        self.manager = manager
        self.fs = manager.fs
        self.device_root = device_root
        self.policy = policy
        self.directory = directory
        self.path = path
        self.twins: tuple[growth.Twin, ...] = ()
        self.is_absent = False

    def open(self, now: Timestamp, open_expired: bool = False) -> OpenObject:
        """Read what is there.

        :param now: the moment at which the object must not have expired
        :param open_expired: whether it may have expired all the same
        :returns: the object; close it
        :raises DiskFileNotExist: Deleted, Expired or Quarantined where more is known
        :raises DiskFileCollision: when another object stands here
        :raises DiskFileStateChanged: when the files change faster than they can be opened
        """
        for _ in range(OPEN_ATTEMPTS):
            try:
                return self._open(now, open_expired)
            except (FileNotFoundError, DiskFileSuperseded):
                pass  # a writer came first
        raise DiskFileStateChanged(self.path)

    def _open(self, now: Timestamp, open_expired: bool) -> OpenObject:
        files = self._files()
        if files.is_empty and self._adopt():
            files = self._files()
        if files.tombstone is not None:
            raise _knowing(DiskFileDeleted(self._check_tombstone(files.tombstone)), files)
        if files.data is None:
            raise _knowing(DiskFileNotExist(self.path), files)
        fd = self._open_file(files.data)
        try:
            opened = self._load(files, fd)
            if not open_expired:
                _refuse_expired(opened, now)
            return opened
        except BaseException:
            self.fs.close(fd)
            raise

    def writer(self, size: int | None, makes_etag: bool = True) -> DiskFileWriter:
        """A writer of a new version of the object. Arguments: DiskFileWriter's.

        :raises DiskFileNoSpace: when the device has no room for so many bytes
        """
        writer = DiskFileWriter(self, size, makes_etag)
        writer.check_space()
        return writer

    def remover(self) -> DiskFileWriter:
        """A writer of a tombstone. A full device takes it all the same: it is what makes room."""
        return DiskFileWriter(self, None)

    def write_metadata(self, metadata: Mapping[str, str]) -> None:
        """Lay new metadata over the object, whatever it is: a .meta file.

        :param metadata: ``X-Timestamp``, and ``Content-Type-Timestamp`` where there is one, also name the file
        """
        with self.writer(0) as writer:
            writer.put(metadata, fileset.META)

    def delete(self, timestamp: Timestamp) -> None:
        """Write a tombstone, whatever is there."""
        with self.remover() as writer:
            writer.put({"X-Timestamp": timestamp.internal}, fileset.TOMBSTONE)

    def quarantine(self, reason: str, file_name: str | None = None) -> DiskFileQuarantined:
        """Move the object out of the way; the caller raises what it gets.

        :param file_name: the damaged file; where a newer one has superseded it, all stays, and DiskFileSuperseded says so
        """
        linked = growth.linked_directories(self.fs, f"{self.directory}/{file_name}", self.twins) if file_name else []
        moved = self.manager.quarantine(self.device_root, self.policy, self.directory, reason, file_name)
        for directory in linked if moved else ():  # Or it would come back.
            self.manager.quarantine(self.device_root, self.policy, directory, reason, file_name)
        return DiskFileQuarantined(reason) if moved else DiskFileSuperseded(reason)

    def _adopt(self) -> bool:
        """Take what is at the object's other places; returns whether anything was."""
        return bool(self.twins) and self.manager.threads.run(
            self.device_root, growth.adopt, self.fs, self.directory, self.twins
        )

    def _files(self) -> FileSet:
        try:
            return fileset.resolve(self.fs.list(self.directory))
        except FileNotFoundError:
            self.is_absent = True  # So a writer makes it, before it tries in vain to use it.
            return FileSet()
        except NotADirectoryError:
            raise self.quarantine("a file stands where the object's directory should be") from None
        except OSError as error:
            if error.errno in quarantine.DAMAGED_DIRECTORY:
                raise self.quarantine(f"its directory cannot be listed: {error}") from None
            raise

    def _check_tombstone(self, file: StoredFile) -> Timestamp:
        try:
            if "X-Timestamp" not in self._read_metadata(file):
                raise self.quarantine("a tombstone without a timestamp", file.name)
        except FileNotFoundError:
            pass  # tidied away this moment; its name said enough
        return file.timestamp

    def _load(self, files: FileSet, fd: int) -> OpenObject:
        assert files.data is not None
        data_metadata = self._attributes(fd, files.data)
        try:
            self._check(data_metadata, self.fs.size(fd))
        except ValueError as error:
            raise self.quarantine(str(error), files.data.name) from None
        posted = self._read_metadata(files.meta) if files.meta else None
        metadata = merge_object_metadata(data_metadata, posted)
        content_type_timestamp = files.data.timestamp
        if posted is not None:
            metadata["Content-Type"] = data_metadata.get("Content-Type", "application/octet-stream")
        if files.content_type is not None:
            holder = posted if files.content_type is files.meta else self._read_metadata(files.content_type)
            if holder and "Content-Type" in holder:
                metadata["Content-Type"] = holder["Content-Type"]
                content_type_timestamp = files.content_type.content_type_timestamp or content_type_timestamp
        try:
            int(metadata.get("X-Delete-At") or 0)
        except ValueError:
            reason = f"its metadata have a bad X-Delete-At: {metadata['X-Delete-At']!r}"
            raise self.quarantine(reason, (files.meta or files.data).name) from None
        return OpenObject(self, fd, files, AllMetadata(metadata, data_metadata, posted, content_type_timestamp))

    def _check(self, metadata: Mapping[str, str], size: int) -> None:
        """Hold what is stored against what must be (formats.md 3.3, 3.6).

        :raises ValueError: saying what is damaged
        :raises DiskFileCollision: when it is another object
        """
        if "name" not in metadata:
            raise ValueError("its metadata have no name")
        self._check_name(metadata["name"])
        if "Content-Length" not in metadata:
            raise ValueError("its metadata have no Content-Length")
        try:
            length = int(metadata["Content-Length"])
        except ValueError:
            raise ValueError(f"its metadata have a bad Content-Length: {metadata['Content-Length']!r}") from None
        if length != size:
            raise ValueError(f"its metadata say {metadata['Content-Length']} bytes, but the file has {size}")

    def _check_name(self, name: str) -> None:
        if name != self.path:
            self.manager.logger.error(
                "Client path %s does not match path stored in object metadata %s", self.path, name
            )
            raise DiskFileCollision(self.path)

    def _read_metadata(self, file: StoredFile) -> dict[str, str]:
        fd = self._open_file(file)
        try:
            return self._attributes(fd, file)
        finally:
            self.fs.close(fd)

    def _open_file(self, file: StoredFile) -> int:
        try:
            return self.fs.open_read(f"{self.directory}/{file.name}")
        except OSError as error:
            if error.errno in quarantine.UNREADABLE:
                raise self.quarantine(f"{file.name} cannot be opened: {error.strerror}", file.name) from None
            raise

    def _attributes(self, fd: int, file: StoredFile) -> dict[str, str]:
        """The metadata of an open file; one that has none to be read is quarantined."""
        try:
            return self._read_attributes(fd)
        except xattrs.BadMetadata as error:
            raise self.quarantine(f"{file.name}: {error}", file.name) from None
        except OSError as error:
            if error.errno in quarantine.UNREADABLE:
                raise self.quarantine(
                    f"{file.name} has metadata that cannot be read: {error.strerror}", file.name
                ) from None
            raise

    def _read_attributes(self, fd: int) -> dict[str, str]:
        return xattrs.read(self.fs, fd)


def _refuse_expired(opened: OpenObject, now: Timestamp) -> None:
    delete_at = opened.metadata.get("X-Delete-At")
    if delete_at and int(delete_at) * 100_000 <= now.raw:
        raise _knowing(DiskFileExpired(opened.timestamp, opened.data_timestamp, opened.metadata), opened.files)


def _knowing(error: DiskFileNotExist, files: FileSet) -> DiskFileNotExist:
    error.files = files
    return error


class AllMetadata(NamedTuple):
    """All metadata of an object; the names are those of :class:`OpenObject`."""

    metadata: dict[str, str]
    data_metadata: dict[str, str]
    posted_metadata: dict[str, str] | None
    content_type_timestamp: Timestamp


class OpenObject:
    """An object as one reader found it.

    :ivar files: what its directory held
    :ivar metadata: the merged view (formats.md 3.3)
    :ivar data_metadata: what the PUT stored
    :ivar posted_metadata: what the newest POST stored, or None
    :ivar timestamp: of the newest change, data or metadata
    :ivar data_timestamp: of the PUT
    :ivar content_type_timestamp: when the content type was set
    """

    __slots__ = (
        "content_type_timestamp",
        "data_metadata",
        "data_timestamp",
        "disk_file",
        "fd",
        "file_name",
        "files",
        "metadata",
        "posted_metadata",
        "timestamp",
    )

    def __init__(self, disk_file: DiskFile, fd: int, files: FileSet, stored: AllMetadata) -> None:
        assert files.data is not None
        self.disk_file = disk_file
        self.fd = fd
        self.files = files
        self.file_name = files.data.name
        self.metadata, self.data_metadata, self.posted_metadata, self.content_type_timestamp = stored
        self.data_timestamp = files.data.timestamp
        self.timestamp = files.meta.timestamp if files.meta else files.data.timestamp

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return int(self.data_metadata["Content-Length"])

    @property
    def etag(self) -> str:
        """MD5 of the body as 32 hex digits."""
        return self.data_metadata.get("ETag", "")

    def reader(self, *, is_private: bool = False) -> DiskFileReader:
        """Read the body; the reader closes the file.

        :param is_private: for one who had to show a token: such reads leave nothing in the page cache
        """
        reader = DiskFileReader(self.disk_file, self.file_name, self.fd, self.size, self.etag)
        if is_private and self._is_forgotten():
            reader.keep_cache = False
        self.fd = -1
        return reader

    def _is_forgotten(self) -> bool:
        """Whether a private read is to leave nothing in the page cache."""
        options = self.disk_file.manager.options
        keeps_manifest = options.keep_cache_slo_manifest and is_true(self.metadata.get("X-Static-Large-Object"))
        return not options.keep_cache_private and not keeps_manifest

    def close(self) -> None:
        """Close the file, unless a reader has it."""
        if self.fd >= 0:
            self.disk_file.fs.close(self.fd)
            self.fd = -1

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
