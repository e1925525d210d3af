"""A big body's second checksum: it finds damage, and is not needed where it is missing."""

import hashlib
import logging
import os
import time

import pytest
import xxhash

from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.names import EntityName, HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import incoming, xattrs
from swiftlite.obj.diskfile import DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DiskFileQuarantined
from swiftlite.obj.writer import HELD

NOW = Timestamp("1700000000.00000")
POLICY = StoragePolicy(0, "Policy-0", is_default=True)
BODY = bytes(range(256)) * 2000


@pytest.fixture
def stored(tmp_path):
    """An object of 512,000 bytes, and the path of its file."""
    manager = DiskFileManager(
        DiskFileOptions(str(tmp_path), mount_check=False),
        HashPath(b"", b"x"),
        logging.getLogger("t"),
        FileSystem(),
        time.time,
    )
    (tmp_path / "d1").mkdir()
    disk_file = manager.disk_file(str(tmp_path / "d1"), "7", EntityName("a", "c", "o"), POLICY)
    with disk_file.writer(len(BODY)) as writer:
        for start in range(0, len(BODY), 100_000):
            writer.write(BODY[start : start + 100_000])
        metadata = {"X-Timestamp": NOW.internal, "Content-Type": "a/b", "Content-Length": str(len(BODY))}
        writer.put(metadata | {"ETag": writer.etag})
    return disk_file, os.path.join(disk_file.directory, f"{NOW.internal}.data")


def read(disk_file):
    with disk_file.open(NOW) as opened:
        return b"".join(opened.reader())


def damage(path):
    """Turn one byte round where nobody looks: neither size nor attributes change."""
    with open(path, "r+b") as opened:
        opened.seek(300_000)
        byte = opened.read(1)
        opened.seek(300_000)
        opened.write(bytes([byte[0] ^ 1]))


def test_a_whole_body_passes_with_and_without_it(stored):
    disk_file, path = stored
    assert os.getxattr(path, xattrs.FINGERPRINT_KEY)
    assert read(disk_file) == BODY
    os.removexattr(path, xattrs.FINGERPRINT_KEY)
    assert read(disk_file) == BODY


@pytest.mark.parametrize("keep", [True, False])
def test_damage_is_found_with_and_without_it(stored, keep):
    disk_file, path = stored
    if not keep:
        os.removexattr(path, xattrs.FINGERPRINT_KEY)
    damage(path)
    with pytest.raises(DiskFileQuarantined):
        read(disk_file)
    assert not os.path.exists(path)


def test_without_room_for_it_the_object_is_stored_all_the_same(stored):
    disk_file, _path = stored

    class Full(FileSystem):
        def set_attribute(self, fd, name, value):
            if name == xattrs.FINGERPRINT_KEY:
                raise OSError(28, "No space left on device")
            super().set_attribute(fd, name, value)

    disk_file.manager.fs = disk_file.fs = Full()
    later = Timestamp("1700000001.00000")
    with disk_file.writer(len(BODY)) as writer:
        writer.write(BODY)
        metadata = {"X-Timestamp": later.internal, "Content-Type": "a/b", "Content-Length": str(len(BODY))}
        writer.put(metadata | {"ETag": writer.etag})
    with disk_file.open(later) as opened:
        assert opened.data_timestamp == later
    assert read(disk_file) == BODY


@pytest.mark.parametrize("size", [0, 5, HELD, HELD + 1, len(BODY)])
def test_a_writer_without_md5(stored, size):
    """Its ETag is somebody else's word; what was written is known by its fingerprint, held or not."""
    disk_file, _path = stored
    later = Timestamp("1700000001.00000")
    with disk_file.writer(size, makes_etag=False) as writer:
        for start in range(0, size, 100_000):
            writer.write(BODY[start : min(start + 100_000, size)])
        assert writer.fingerprint == xxhash.xxh3_128(BODY[:size]).hexdigest()
        with pytest.raises(AssertionError):
            _ = writer.etag
        metadata = {"X-Timestamp": later.internal, "Content-Type": "a/b", "Content-Length": str(size)}
        writer.put(metadata | {"ETag": hashlib.md5(BODY[:size]).hexdigest()})
    with disk_file.open(later) as opened:
        assert b"".join(opened.reader()) == BODY[:size]


def test_a_buffer_may_be_used_again_once_more_than_is_held_was_written(stored):
    disk_file, _path = stored
    later = Timestamp("1700000001.00000")
    buffer = memoryview(bytearray(HELD + 1))
    with disk_file.writer(None) as writer:
        for byte in (b"a", b"b", b"c"):
            buffer[:] = byte * len(buffer)
            writer.write(buffer)
        metadata = {"X-Timestamp": later.internal, "Content-Type": "a/b", "Content-Length": str(writer.size)}
        writer.put(metadata | {"ETag": writer.etag})
    with disk_file.open(later) as opened:
        assert b"".join(opened.reader()) == b"".join(byte * len(buffer) for byte in (b"a", b"b", b"c"))
    assert incoming.CHUNK > HELD
