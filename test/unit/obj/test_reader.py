"""Bodies on their way out: whatever becomes of them, their file is closed, and damage never looks complete."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fakes.forgetful_disk import ForgetfulDisk
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.names import EntityName, HashPath
from swiftlite.core.ranges import ByteRange, MultipartFraming
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DiskFileQuarantined
from swiftlite.obj.quarantine import UNREADABLE
from swiftlite.obj.reader import PAGE, DiskFileReader

BODY = bytes(range(256)) * 1000
FRAMING = MultipartFraming("b" * 32, "x/y", len(BODY))
WAYS: dict[str, Callable[[DiskFileReader], Any]] = {
    "whole": lambda reader: reader,
    "one range": lambda reader: reader.range(ByteRange(5, 100_005)),
    "many ranges": lambda reader: reader.multipart([ByteRange(0, 5), ByteRange(10, 200_000)], FRAMING),
}


class FailingDisk(ForgetfulDisk):
    """Can be told to fail reads of bodies."""

    failing = False
    failure = errno.EIO

    def read(self, fd: int, size: int, offset: int) -> bytes:
        if self.failing:
            raise OSError(self.failure, os.strerror(self.failure))
        return super().read(fd, size, offset)


@pytest.fixture
def disk() -> FailingDisk:
    disk = FailingDisk()
    disk.make_directories("/node/sda")
    with stored(disk).writer(len(BODY)) as writer:
        writer.write(BODY)
        length, etag = str(len(BODY)), hashlib.md5(BODY).hexdigest()
        writer.put({"X-Timestamp": Timestamp(1).internal, "Content-Length": length, "ETag": etag})
    return disk


def stored(disk: ForgetfulDisk) -> DiskFile:
    options = DiskFileOptions(devices="/node", mount_check=False, disk_chunk_size=1000)
    manager = DiskFileManager(options, HashPath(b"", b"s"), logging.getLogger("test"), disk, lambda: 2.0)
    return manager.disk_file("/node/sda", "7", EntityName("a", "c", "o"), StoragePolicy(0, "gold"))


def reader(disk: ForgetfulDisk) -> DiskFileReader:
    return stored(disk).open(Timestamp(2)).reader()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("taken", [0, 1, 10])
def test_the_file_is_closed_however_little_was_taken(disk: FailingDisk, way: str, taken: int) -> None:
    body: Iterable[bytes] = WAYS[way](reader(disk))
    for number, _ in enumerate(body, 1) if taken else ():
        if number == taken:
            break
    body.close()  # type: ignore[attr-defined]
    assert disk.open_files == {}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", UNREADABLE)
def test_a_disk_that_cannot_read(disk: FailingDisk, way: str, error: int) -> None:
    disk.failing, disk.failure = True, error
    body = WAYS[way](reader(disk))
    with pytest.raises(DiskFileQuarantined):
        list(body)
    body.close()
    assert disk.open_files == {}
    assert len(disk.list("/node/sda/quarantined/objects")) == 1


def test_ranges_give_just_their_bytes(disk: FailingDisk) -> None:
    assert b"".join(reader(disk).range(ByteRange(5, 100_005))) == BODY[5:100_005]
    assert b"".join(reader(disk)) == BODY


def test_a_truncated_file_is_noticed_in_a_range(disk: FailingDisk) -> None:
    opened = reader(disk)
    disk.open_files[opened.fd].data = BODY[:50_000]
    with pytest.raises(DiskFileQuarantined):
        list(opened.range(ByteRange(40_000, 60_000)))


def test_quarantine_twice_at_once(disk: FailingDisk) -> None:
    one, other = reader(disk), reader(disk)
    disk.failing = True
    for each in (one, other):
        with pytest.raises(DiskFileQuarantined):
            list(each)
    assert len(disk.list("/node/sda/quarantined/objects")) == 1


def test_damage_of_the_past_harms_no_newer_object(disk: FailingDisk) -> None:
    old = reader(disk)
    with stored(disk).writer(3) as writer:
        writer.write(b"new")
        writer.put({"X-Timestamp": Timestamp(1.5).internal, "Content-Length": "3", "ETag": writer.etag})
    disk.failing = True
    with pytest.raises(DiskFileQuarantined):
        list(old)
    disk.failing = False
    assert b"".join(reader(disk)) == b"new"


# --- what stays in the page cache ---


class WatchedDisk(FailingDisk):
    """Remembers what of its open files was dropped from the cache: the kernel does that to whole pages alone."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: set[int] = set()
        """Numbers of pages."""

    def drop_cache(self, fd: int, offset: int = 0, size: int = 0) -> None:
        self.dropped.update(range(-(-offset // PAGE), (offset + size) // PAGE))


def kept(way: str, size: int, *, is_private: bool, metadata: dict[str, str] | None = None, **options: Any) -> bool:
    """Whether a read leaves all in the cache, or else nothing of what it has read."""
    disk = WatchedDisk()
    disk.make_directories("/node/sda")
    body = BODY[:size]
    with stored(disk).writer(size) as writer:
        writer.write(body)
        etag = hashlib.md5(body).hexdigest()
        writer.put({"X-Timestamp": "0000000001.00000", "Content-Length": str(size), "ETag": etag} | (metadata or {}))
    disk.dropped.clear()
    settings = DiskFileOptions(devices="/node", mount_check=False, disk_chunk_size=1000, **options)
    manager = DiskFileManager(settings, HashPath(b"", b"s"), logging.getLogger("test"), disk, lambda: 2.0)
    opened = manager.disk_file("/node/sda", "7", EntityName("a", "c", "o"), StoragePolicy(0, "gold")).open(Timestamp(2))
    list(WAYS[way](opened.reader(is_private=is_private)))
    if not disk.dropped:
        return True
    parts = {"whole": [(0, size)], "one range": [(5, 100_005)], "many ranges": [(0, 5), (10, 200_000)]}[way]
    assert all(disk.dropped.issuperset(range(start // PAGE, min(stop, size) // PAGE)) for start, stop in parts)
    return False


@pytest.mark.parametrize("way", WAYS)
def test_what_stays_in_the_cache(way: str) -> None:
    size = len(BODY)
    assert kept(way, size, is_private=False, keep_cache_size=size + 1)
    assert not kept(way, size, is_private=False, keep_cache_size=size)
    assert not kept(way, size, is_private=True, keep_cache_size=size + 1)
    assert kept(way, size, is_private=True, keep_cache_size=size + 1, keep_cache_private=True)
    assert not kept(way, size, is_private=True, keep_cache_size=size, keep_cache_private=True)
    manifest = {"X-Static-Large-Object": "True"}
    assert not kept(way, size, is_private=True, keep_cache_slo_manifest=True)
    assert kept(way, size, is_private=True, keep_cache_slo_manifest=True, metadata=manifest)
    assert not kept(way, size, is_private=True, metadata=manifest)
