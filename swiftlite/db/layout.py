"""Where databases lie on a device (formats.md 1.4), and whether the device is there at all (3.10)."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Literal

Kind = Literal["account", "container"]

_DEVICE = re.compile(r"^[A-Za-z0-9_.~+-]+$")


def database_directory(device_path: str, kind: Kind, partition: str, name_hash: str) -> str:
    """``<device>/containers/<partition>/<suffix>/<hash>``."""
    return f"{device_path}/{kind}s/{partition}/{name_hash[-3:]}/{name_hash}"


def database_path(device_path: str, kind: Kind, partition: str, name_hash: str) -> str:
    """The database's file, in the form without an epoch."""
    return f"{database_directory(device_path, kind, partition, name_hash)}/{name_hash}.db"


def newest_file(path: str) -> str:
    """The file that holds the database: of all forms of its name, the one that sorts last (formats.md 4.1)."""
    directory, file = os.path.split(path)
    if not file.endswith(".db"):  # one that was received, and is not in its place yet
        return path
    stem = file[: -len(".db")]
    try:
        names = [name for name in os.listdir(directory) if name.startswith(stem) and name.endswith(".db")]
    except (FileNotFoundError, NotADirectoryError):
        return path
    return f"{directory}/{max(names)}" if names else path


def device_of(path: str, kind: Kind) -> str:
    """The device path that a database's path begins with, also while it lies in the device's ``tmp``."""
    return path.rpartition(f"/{kind}s/" if is_in_place(path, kind) else "/tmp/")[0]


def is_in_place(path: str, kind: Kind) -> bool:
    """Whether a database lies where it is looked for, in a directory of its own."""
    directory, file = os.path.split(path)
    return f"/{kind}s/" in path and file.startswith(os.path.basename(directory))


def quarantine_directory(path: str, kind: Kind) -> str:
    """Move a database's directory out of the way, to ``<device>/quarantined/<kind>s/<hash>``.

    :returns: where it is now
    """
    directory = os.path.dirname(path)
    target = f"{device_of(path, kind)}/quarantined/{kind}s/{os.path.basename(directory)}"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.rename(directory, target)
    except OSError:
        if not os.path.exists(directory):
            raise
        target = f"{target}-{uuid.uuid4().hex}"
        os.rename(directory, target)
    return target


def databases(
    device_path: str, kind: Kind, tree: str | None = None, failed: Callable[[OSError], None] | None = None
) -> Iterator[str]:
    """The databases of a device: their paths in the form without an epoch, whatever form the files have.

    :param tree: directory of the device that is walked, where it is not ``<kind>s``
    :param failed: is told of directories that cannot be read, and the walk goes on; without it, it ends there
    """

    def names(directory: str) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):  # a stray file, or somebody was faster
            return []
        except OSError as error:
            if failed is None:
                raise
            failed(error)
            return []

    root = f"{device_path}/{tree or f'{kind}s'}"
    for partition in names(root):
        for suffix in names(f"{root}/{partition}") if partition.isdecimal() else ():
            for name_hash in names(f"{root}/{partition}/{suffix}"):
                directory = f"{root}/{partition}/{suffix}/{name_hash}"
                if any(name.startswith(name_hash) and name.endswith(".db") for name in names(directory)):
                    yield f"{directory}/{name_hash}.db"


def is_valid_partition(partition: str) -> bool:
    """Whether a segment of a request's path can be a directory's name."""
    return bool(partition) and partition not in (".", "..") and "/" not in partition and "\x00" not in partition


def usable_device(devices: str, device: str, mount_check: bool) -> str | None:
    """The path of a device, or None when it is not usable.

    :param devices: the directory of all devices
    :param mount_check: the device must be a mount point; otherwise a directory will do
    """
    if not _DEVICE.match(device) or device in (".", ".."):
        return None
    path = f"{devices}/{device}"
    usable = os.path.ismount(path) if mount_check else os.path.isdir(path)
    return path if usable else None


def make_directories(directory: str) -> None:
    """Make a directory and its missing parents, durably."""
    if os.path.isdir(directory):
        return
    parent = os.path.dirname(directory)
    make_directories(parent)
    try:
        os.mkdir(directory)
    except FileExistsError:
        return
    sync_directory(parent)


def remove_journal(file: str) -> None:
    """Remove the journal of a database file that was lost, before another one gets its name.

    SQLite finds a journal by that name: it would write the pages of the lost file into the new one.
    """
    try:
        os.unlink(f"{file}-journal")
    except FileNotFoundError:
        return
    sync_directory(os.path.dirname(file))


def sync_directory(directory: str) -> None:
    """Make what was created, renamed or removed in a directory last."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
