"""A disk in memory that can lose power: it stops at a chosen step, and then knows only what was synced.

Every change counts as one step. After the loss of power each call raises :class:`PowerLoss`; :meth:`reboot` gives the
disk as it may be found then.
"""

from __future__ import annotations

import copy
import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from swiftlite.common.fs import AnonymousFilesUnsupported, FileSystem, Space


class PowerLoss(BaseException):
    """The machine is off: nothing may catch this and go on."""


class File:
    """Content and attributes, and what of them a crash leaves."""

    def __init__(self) -> None:
        self.data = b""
        self.attributes: dict[str, bytes] = {}
        self.synced: tuple[bytes, dict[str, bytes]] = (b"", {})

    def sync(self) -> None:
        self.synced = self.data, dict(self.attributes)

    def forget(self) -> None:
        self.data, attributes = self.synced
        self.attributes = dict(attributes)


class Directory:
    """Entries, and which of them a crash leaves."""

    def __init__(self) -> None:
        self.entries: dict[str, Directory | File] = {}
        self.synced: dict[str, Directory | File] = {}

    def sync(self) -> None:
        self.synced = dict(self.entries)


MODES = ("killed", "forgets all", "forgets data", *(f"mixed {seed}" for seed in range(4)))
"""What a crash may leave: all that was done; only what was synced; names without data; or anything in between."""


class ForgetfulDisk(FileSystem):
    """A FileSystem over directories in memory.

    :param stop_at: the step before which the power goes; None for never
    :param fail_at: the step that fails with ``error`` instead of happening
    :param anonymous: whether it has files without names
    """

    def __init__(self, anonymous: bool = True) -> None:
        self.root = Directory()
        self.stop_at: int | None = None
        self.fail_at: int | None = None
        self.error = errno.ENOSPC
        self.anonymous = anonymous
        self.steps: list[str] = []
        self.off = False
        self.open_files: dict[int, Any] = {}
        """Files and directories."""
        self.locks: set[int] = set()
        """Descriptors of directories that are locked."""

    # Losing power -------------------------------------------------------------------------------------------------

    def arm(self, stop_at: int | None = None, fail_at: int | None = None) -> None:
        """Count steps from here on."""
        self.steps, self.stop_at, self.fail_at = [], stop_at, fail_at

    def _step(self, what: str) -> None:
        if self.off or len(self.steps) == self.stop_at:
            self.off = True
            raise PowerLoss
        self.steps.append(what)
        if len(self.steps) - 1 == self.fail_at:
            raise OSError(self.error, os.strerror(self.error))

    def reboot(self, mode: str) -> ForgetfulDisk:
        """The disk as it is found after the power is back."""
        found = ForgetfulDisk(self.anonymous)
        found.root = copy.deepcopy(self.root)
        dice = random.Random(mode)
        _reboot(found.root, mode, dice, set())
        return found

    # What there is ------------------------------------------------------------------------------------------------

    def _find(self, path: str) -> Directory | File:
        node: Directory | File = self.root
        for part in filter(None, path.split("/")):
            if not isinstance(node, Directory):
                raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
            if part not in node.entries:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            node = node.entries[part]
        return node

    def _directory(self, path: str) -> Directory:
        node = self._find(path)
        if not isinstance(node, Directory):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
        return node

    def _parent(self, path: str) -> tuple[Directory, str]:
        return self._directory(os.path.dirname(path)), os.path.basename(path)

    def _open(self, file: File | Directory) -> int:
        fd = 1000 + len(self.steps) + len(self.open_files)
        while fd in self.open_files:
            fd += 1
        self.open_files[fd] = file
        return fd

    def all_files(self) -> list[str]:
        """The paths of all files."""
        return list(_walk(self.root, ""))

    # FileSystem ---------------------------------------------------------------------------------------------------

    def make_directories(self, path: str) -> list[str]:
        if self.exists(path):
            self._directory(path)
            return []
        made = self.make_directories(os.path.dirname(path))
        self._step(f"mkdir {path}")
        parent, name = self._parent(path)
        parent.entries[name] = Directory()
        return [path, *made]

    def open_anonymous(self, directory: str) -> int:
        if not self.anonymous:
            raise AnonymousFilesUnsupported(errno.EOPNOTSUPP, "no anonymous files", directory)
        self._directory(directory)
        self._step(f"open anonymous in {directory}")
        return self._open(File())

    def open_new(self, path: str) -> int:
        parent, name = self._parent(path)
        if name in parent.entries:
            raise FileExistsError(errno.EEXIST, "exists", path)
        self._step(f"create {path}")
        parent.entries[name] = file = File()
        return self._open(file)

    def open_read(self, path: str) -> int:
        file = self._find(path)
        if isinstance(file, Directory):
            raise IsADirectoryError(errno.EISDIR, "is a directory", path)
        return self._open(file)

    def close(self, fd: int) -> None:
        del self.open_files[fd]
        self.locks.discard(fd)

    def write(self, fd: int, data: bytes | memoryview) -> None:
        self._step(f"write {len(data)} bytes")
        self.open_files[fd].data += bytes(data)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return self.open_files[fd].data[offset : offset + size]

    def size(self, fd: int) -> int:
        return len(self.open_files[fd].data)

    def get_attribute(self, fd: int, name: str) -> bytes:
        try:
            return self.open_files[fd].attributes[name]
        except KeyError:
            raise OSError(errno.ENODATA, "no such attribute", name) from None

    def set_attribute(self, fd: int, name: str, value: bytes) -> None:
        self._step(f"set {name}")
        self.open_files[fd].attributes[name] = value

    def preallocate(self, fd: int, size: int) -> None:
        self._step(f"preallocate {size}")

    def sync(self, fd: int) -> None:
        self._step("sync")
        self.open_files[fd].sync()

    def sync_data(self, fd: int) -> None:
        self.sync(fd)

    def sync_directory(self, path: str) -> None:
        self._step(f"sync directory {path}")
        self._directory(path).sync()

    def sync_filesystem(self, path: str) -> None:
        self._step("sync all")
        nodes: list[Directory | File] = [self.root]
        while nodes:
            node = nodes.pop()
            node.sync()
            if isinstance(node, Directory):
                nodes += node.entries.values()

    def drop_cache(self, fd: int, offset: int = 0, size: int = 0) -> None:
        assert fd in self.open_files

    def link(self, fd: int, path: str) -> None:
        parent, name = self._parent(path)
        if name in parent.entries:
            raise FileExistsError(errno.EEXIST, "exists", path)
        self._step(f"link {path}")
        parent.entries[name] = self.open_files[fd]

    def link_file(self, source: str, path: str) -> None:
        parent, name = self._parent(path)
        file = self._find(source)
        if name in parent.entries:
            raise FileExistsError(errno.EEXIST, "exists", path)
        self._step(f"link {source} {path}")
        parent.entries[name] = file

    def inode(self, path: str) -> int:
        return id(self._find(path))

    def rename(self, old: str, new: str) -> None:
        (old_parent, old_name), (new_parent, new_name) = self._parent(old), self._parent(new)
        node = self._find(old)
        self._step(f"rename {old} {new}")
        del old_parent.entries[old_name]
        new_parent.entries[new_name] = node

    def unlink(self, path: str) -> None:
        parent, name = self._parent(path)
        self._find(path)
        self._step(f"unlink {path}")
        del parent.entries[name]

    def remove_directory(self, path: str) -> None:
        if self._directory(path).entries:
            raise OSError(errno.ENOTEMPTY, "not empty", path)
        self._step(f"rmdir {path}")
        parent, name = self._parent(path)
        del parent.entries[name]

    def list(self, path: str) -> list[str]:
        return list(self._directory(path).entries)

    def exists(self, path: str) -> bool:
        try:
            self._find(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def is_directory(self, path: str) -> bool:
        return self.exists(path) and isinstance(self._find(path), Directory)

    def is_mount(self, path: str) -> bool:
        return self.is_directory(path)

    def space(self, path: str) -> Space:
        return Space(1 << 40, 1 << 40)

    def append(self, path: str, data: bytes) -> None:
        parent, name = self._parent(path)
        self._step(f"append {path}")
        file = parent.entries.setdefault(name, File())
        assert isinstance(file, File)
        file.data += data

    def read_file(self, path: str) -> bytes:
        file = self._find(path)
        assert isinstance(file, File)
        return file.data

    def truncate(self, path: str) -> None:
        file = self._find(path)
        assert isinstance(file, File)
        self._step(f"truncate {path}")
        file.data = b""

    def open_directory(self, path: str) -> int:
        return self._open(self._directory(path))

    def is_locked(self, path: str) -> bool:
        directory = self._directory(path)
        return any(self.open_files.get(fd) is directory for fd in self.locks)

    def lock_directory(self, path: str) -> int | None:
        directory = self._directory(path)
        if self.is_locked(path):
            return None
        fd = self._open(directory)
        self.locks.add(fd)
        return fd

    def check_in_place(self, fd: int, path: str) -> None:
        if self._find(path) is not self.open_files[fd]:
            raise FileNotFoundError(errno.ENOENT, "directory replaced", path)

    @contextmanager
    def lock(self, path: str, timeout: float = 10.0) -> Iterator[None]:
        parent, name = self._parent(path)
        parent.entries.setdefault(name, File())
        yield


def _walk(directory: Directory, path: str) -> Iterator[str]:
    for name, node in directory.entries.items():
        if isinstance(node, Directory):
            yield from _walk(node, f"{path}/{name}")
        else:
            yield f"{path}/{name}"


def _reboot(directory: Directory, mode: str, dice: random.Random, seen: set[int]) -> None:
    """Turn what was done into what is left of it."""
    if mode == "forgets all":
        directory.entries = dict(directory.synced)
    elif mode.startswith("mixed"):
        for name in sorted({*directory.entries, *directory.synced}):
            survivor = (directory.synced if dice.random() < 0.5 else directory.entries).get(name)
            if survivor is None:
                directory.entries.pop(name, None)
            else:
                directory.entries[name] = survivor
    for node in directory.entries.values():
        if isinstance(node, Directory):
            _reboot(node, mode, dice, seen)
        elif id(node) not in seen:
            seen.add(id(node))
            if mode in ("forgets all", "forgets data") or (mode.startswith("mixed") and dice.random() < 0.5):
                node.forget()
