"""Every object file that OpenStack Swift wrote reads as it meant it (formats.md 3, 11)."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import pickle
import re
import subprocess
from pathlib import Path

import pytest

from swiftlite.common.fs import FileSystem
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.fileset import resolve
from swiftlite.core.names import EntityName, str_to_wsgi
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import hashes, xattrs
from swiftlite.obj.async_pending import AsyncPending, RowUpdate
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DiskFileDeleted

VECTOR = (
    "gAJ9cQAoY19jb2RlY3MKZW5jb2RlCnEBWAQAAABuYW1lcQJYBgAAAGxhdGluMXEDhnEEUnEFaAFYCQAAAC9hL2Mvw4PCqXEGaAOGcQdScQhoAVgP"
    "AAAAWC1PYmplY3QtTWV0YS1LcQloA4ZxClJxC2gBWAgAAADDg8KDw4LCqXEMaAOGcQ1ScQ51Lg=="
)
FS = FileSystem()


@pytest.fixture(scope="session")
def devices(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The devices of four storage nodes, extended attributes included."""
    place = tmp_path_factory.mktemp("golden")
    command = ["tar", "--xattrs", "--xattrs-include=user.*", "-xJf", golden / "devices.tar.xz", "-C", place]
    subprocess.run(command, check=True)
    return place


@pytest.fixture(scope="session")
def swift(golden: Path) -> SwiftConf:
    return SwiftConf.load(str(golden))


def stored(devices: Path, extension: str) -> list[Path]:
    found = sorted(devices.glob(f"*/node/*/objects*/*/*/*/*{extension}"))
    assert found
    return found


def attributes(path: Path) -> dict[str, str]:
    fd = FS.open_read(str(path))
    try:
        return xattrs.read(FS, fd)
    finally:
        FS.close(fd)


def file_of(path: Path, swift: SwiftConf, name: EntityName) -> DiskFile:
    device, objects_dir = path.parents[4], path.parents[3].name
    policy = next(policy for policy in swift.policies if policy.objects_dir == objects_dir)
    options = DiskFileOptions(devices=str(device.parent), mount_check=False)
    manager = DiskFileManager(options, swift.hash_path, logging.getLogger("test"), FS, lambda: 1795339000.0)
    return manager.disk_file(str(device), path.parents[2].name, name, policy)


def is_replicated(path: Path) -> bool:
    return "#" not in path.name


def test_metadata_vector() -> None:
    metadata = {"name": "/a/c/é", "X-Object-Meta-K": str_to_wsgi("é")}
    assert base64.b64encode(xattrs.encode(metadata)).decode() == VECTOR
    assert xattrs.decode(base64.b64decode(VECTOR)) == metadata


def test_every_data_file(devices: Path, swift: SwiftConf) -> None:
    for path in stored(devices, ".data"):
        metadata = attributes(path)
        body = path.read_bytes()
        assert metadata["ETag"] == hashlib.md5(body).hexdigest()
        assert int(metadata["Content-Length"]) == len(body)
        name = EntityName.from_path(metadata["name"])
        assert swift.hash_path.hex(name.account, name.container, name.object) == path.parent.name
        assert Timestamp(metadata["X-Timestamp"]).internal == re.split("#|.data", path.name)[0]
        if is_replicated(path):
            with file_of(path, swift, name).open(Timestamp(1795339000.0)) as opened:
                assert opened.data_metadata == metadata
                assert b"".join(opened.reader()) == body


def test_every_tombstone(devices: Path, swift: SwiftConf) -> None:
    for path in stored(devices, ".ts"):
        metadata = attributes(path)
        assert set(metadata) == {"X-Timestamp", "name"}
        with pytest.raises(DiskFileDeleted) as caught:
            file_of(path, swift, EntityName.from_path(metadata["name"])).open(Timestamp(1795339000.0))
        assert caught.value.timestamp.internal == metadata["X-Timestamp"] == path.stem


def test_posted_metadata_lie_over_the_data(devices: Path, swift: SwiftConf, golden: Path) -> None:
    expected = json.loads((golden / "heads.json").read_text())["/c1/hello"]
    for path in stored(devices, ".meta"):
        name = EntityName("AUTH_test", "c1", "hello")
        with file_of(path, swift, name).open(Timestamp(1795339000.0)) as opened:
            assert opened.metadata["Content-Type"] == expected["Content-Type"]
            assert opened.metadata["X-Object-Meta-Mood"] == expected["X-Object-Meta-Mood"]
            assert opened.metadata["ETag"] == expected["Etag"]
            assert opened.timestamp.normal == expected["X-Timestamp"]
            assert opened.data_timestamp < opened.content_type_timestamp < opened.timestamp


def test_what_we_store_is_what_swift_stores(devices: Path) -> None:
    """The attributes of every file, bit for bit, after a way through our reader and writer."""
    for extension in (".data", ".ts", ".meta"):
        for path in stored(devices, extension):
            raw = os.getxattr(path, xattrs.KEY)
            again = xattrs.encode(xattrs.decode(raw))
            assert again == raw
            assert hashlib.md5(again).hexdigest().encode() == os.getxattr(path, xattrs.CHECKSUM_KEY)


def test_spooled_updates(devices: Path, swift: SwiftConf) -> None:
    count = 0
    for device in sorted(devices.glob("*/node/*")):
        for policy in swift.policies:
            spool = AsyncPending(FS, swift.hash_path)
            for file in spool.walk(str(device), policy):
                update = spool.load(file)
                count += 1
                suffix, name = Path(file.path).parts[-2:]
                hashed = swift.hash_path.hex(update.account, update.container, update.object)
                assert name == f"{hashed}-{update.timestamp.internal}"
                assert suffix == hashed[-3:]
                assert update.operation == "PUT"
                assert update.headers["X-Etag"]
                assert RowUpdate.from_pickle(update.to_pickle()) == update
                # Plain types alone, so that every reader of Python pickles takes it.
                assert pickle.loads(update.to_pickle())["headers"] == dict(update.headers)
    assert count >= 6


def test_suffix_hash_vector() -> None:
    names = ["1795334321.52517.meta", "1795334321.12398.data"]
    text = "".join(hashes.fileset_strings(resolve(names)))
    assert hashlib.md5(text.encode()).hexdigest() == "856fc9f1bc1d26ac999bda32687ff465"
