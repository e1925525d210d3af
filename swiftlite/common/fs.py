"""FileSystem: every call that is made on a disk to store an object; tests hand in one that loses power."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from swiftlite.common.concurrency import sleep

FALLOC_KEEP_SIZE = 1
LOCK_POLL = 0.01
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong]


class AnonymousFilesUnsupported(OSError):
    """This filesystem cannot make a file without a name (O_TMPFILE)."""


class LockTimeout(OSError):
    """Somebody else held a lock for too long; names the file."""


class Space(NamedTuple):
    """Bytes of a filesystem that an ordinary process may still fill, and of the whole."""

    free: int
    total: int


class FileSystem:
    """The real thing: each method is one call, or one step that cannot be halved, and raises OSError.

    File descriptors are plain integers; whoever opens one closes it.
    """

    def make_directories(self, path: str) -> list[str]:
        """Make a directory and whatever is missing above it.

        :returns: the directories made, deepest first; none when all was there
        """
        try:
            os.mkdir(path)
        except FileExistsError:
            return []
        except FileNotFoundError:
            made = self.make_directories(os.path.dirname(path))
            return self.make_directories(path) + made
        return [path]

    def open_anonymous(self, directory: str) -> int:
        """Open a new file for writing that has no name yet; it vanishes unless linked.

        :raises AnonymousFilesUnsupported: where the filesystem knows no such files
        """
        try:
            return os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if error.errno in _NOT_SUPPORTED:
                raise AnonymousFilesUnsupported(error.errno, error.strerror, directory) from None
            raise

    def open_new(self, path: str) -> int:
        """Open a new file for writing; raises FileExistsError when there is one."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def open_read(self, path: str) -> int:
        """Open a file for reading."""
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        """Close a file."""
        os.close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> None:
        """Write all of ``data`` where the last write ended."""
        written = os.write(fd, data)
        while written < len(data):
            data = memoryview(data)[written:]
            written = os.write(fd, data)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Read up to ``size`` bytes at ``offset``; fewer only at the end of the file."""
        return os.pread(fd, size, offset)

    def read_cached(self, fd: int, size: int, offset: int) -> bytes | bytearray | None:
        """The same, but only if all of it is in the page cache; None when the disk would have to be asked, perhaps."""
        buffer = bytearray(size)
        try:
            count = os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno in (errno.EAGAIN, *_NOT_SUPPORTED):
                return None
            raise
        return buffer if count == size else None

    def size(self, fd: int) -> int:
        """Bytes in an open file."""
        return os.fstat(fd).st_size

    def get_attribute(self, fd: int, name: str) -> bytes:
        """Read an extended attribute."""
        return os.getxattr(fd, name)

    def set_attribute(self, fd: int, name: str, value: bytes) -> None:
        """Write an extended attribute."""
        os.setxattr(fd, name, value)

    def preallocate(self, fd: int, size: int) -> None:
        """Take ``size`` bytes of disk for a file without changing its size; silent where that is not possible."""
        if _libc.fallocate(fd, FALLOC_KEEP_SIZE, 0, size):
            number = ctypes.get_errno()
            if number not in (errno.ENOSYS, *_NOT_SUPPORTED):
                raise OSError(number, os.strerror(number))

    def sync(self, fd: int) -> None:
        """Wait until a file's data, size and attributes are on stable storage."""
        os.fsync(fd)

    def sync_data(self, fd: int) -> None:
        """Wait until a file's data are on stable storage."""
        os.fdatasync(fd)

    def sync_directory(self, path: str) -> None:
        """Wait until a directory's entries are on stable storage."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_filesystem(self, path: str) -> None:
        """Wait until all that was written to the filesystem of a directory is on stable storage."""
        fd = self.open_directory(path)
        try:
            if _libc.syncfs(fd):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(fd)

    def drop_cache(self, fd: int, offset: int = 0, size: int = 0) -> None:
        """Let the kernel forget pages of a file that will hardly be read again; size 0 means to the end."""
        os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)

    def link(self, fd: int, path: str) -> None:
        """Give an anonymous file a name; raises FileExistsError, or FileNotFoundError for a missing directory."""
        # src_dir_fd makes Python use linkat(2) with AT_SYMLINK_FOLLOW; link(2) would link the symlink itself.
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)

    def link_file(self, source: str, path: str) -> None:
        """Give a file one more name; raises FileExistsError, or FileNotFoundError for a missing file or directory."""
        os.link(source, path, follow_symlinks=False)

    def inode(self, path: str) -> int:
        """The number that all names of one file share."""
        return os.stat(path, follow_symlinks=False).st_ino

    def rename(self, old: str, new: str) -> None:
        """Move a file or directory; a file of the new name is replaced."""
        os.rename(old, new)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def list(self, path: str) -> list[str]:
        """The names in a directory, in any order."""
        return os.listdir(path)

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory of this name."""
        return os.path.exists(path)

    def modified_time(self, path: str) -> float:
        """When a file was last written, in seconds since the epoch."""
        return os.stat(path).st_mtime

    def is_directory(self, path: str) -> bool:
        """Whether it is a directory."""
        return os.path.isdir(path)

    def is_mount(self, path: str) -> bool:
        """Whether a filesystem is mounted there."""
        return os.path.ismount(path)

    def space(self, path: str) -> Space:
        """How full the filesystem of ``path`` is."""
        found = os.statvfs(path)
        return Space(found.f_frsize * found.f_bavail, found.f_frsize * found.f_blocks)

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a file in one write, making the file if need be."""
        fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)

    def read_file(self, path: str) -> bytes:
        """A whole small file."""
        with open(path, "rb") as opened:
            return opened.read()

    def truncate(self, path: str) -> None:
        """Empty a file."""
        os.truncate(path, 0)

    def open_directory(self, path: str) -> int:
        """Open a directory, to sync its entries."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def lock_directory(self, path: str) -> int | None:
        """Take the lock of a directory, if nobody holds it; whoever locks it, in any process, keeps all others out.

        :returns: a descriptor of the directory, whose closing gives the lock back; None when it is taken
        :raises FileNotFoundError: when there is no such directory, or when it has just been replaced
        """
        fd = self.open_directory(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.check_in_place(fd, path)  # It may have been removed, and made anew, before the lock was ours.
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        return fd

    def is_locked(self, path: str) -> bool:
        """Whether somebody holds the lock of a directory; raises FileNotFoundError when there is none."""
        fd = self.open_directory(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # Shared: two that ask do not see each other.
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)

    def check_in_place(self, fd: int, path: str) -> None:
        """Make sure that a directory still stands where it was opened.

        :raises FileNotFoundError: when it was moved away, and perhaps made anew
        """
        if os.stat(path).st_ino != os.fstat(fd).st_ino:
            raise FileNotFoundError(errno.ENOENT, "directory replaced", path)

    @contextmanager
    def lock(self, path: str, timeout: float = 10.0) -> Iterator[None]:
        """Hold the lock of a file, which is made if need be (formats.md 3.8).

        :param timeout: seconds to wait for another holder
        :raises LockTimeout: when that was not enough
        """
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _take_lock([fd], path, timeout)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def lock_any(self, paths: Sequence[str], timeout: float) -> Iterator[None]:
        """Hold the lock of whichever of several files is free first; otherwise as ``lock``."""
        opened: list[int] = []
        try:
            for path in paths:
                opened.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
            _take_lock(opened, paths[0], timeout)
            yield
        finally:
            for fd in opened:
                os.close(fd)


def _take_lock(opened: Sequence[int], path: str, timeout: float) -> None:
    deadline = None
    while True:
        for fd in opened:
            try:
                return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
        now = time.monotonic()
        deadline = deadline or now + timeout
        if now >= deadline:
            raise LockTimeout(errno.ETIMEDOUT, f"lock not free within {timeout:g} s", path)
        sleep(LOCK_POLL)
