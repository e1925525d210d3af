"""Who replicates a partition, or to a device, keeps others from doing the same at the same time (formats.md 3.8)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from swiftlite.common.fs import FileSystem
from swiftlite.obj import layout


@contextmanager
def partition_lock(fs: FileSystem, partition_directory: str, timeout: float) -> Iterator[None]:
    """Hold a partition, which must exist.

    :param timeout: seconds to wait for others
    :raises LockTimeout: when that was not enough
    """
    with fs.lock(f"{partition_directory}/{layout.REPLICATION_LOCK_FILE}", timeout):
        yield


@contextmanager
def replication_lock(
    fs: FileSystem, device_root: str, partition_directory: str, per_device: int, timeout: float
) -> Iterator[None]:
    """Hold a partition, and one of the places for those that replicate to the device.

    :param per_device: how many places there are; 0 for any number
    :param timeout: seconds to wait for both
    :raises LockTimeout: when that was not enough
    """
    deadline = monotonic() + timeout
    with partition_lock(fs, partition_directory, timeout):
        if not per_device:
            yield
            return
        with fs.lock_any(layout.device_lock_files(device_root, per_device), max(0.0, deadline - monotonic())):
            yield
