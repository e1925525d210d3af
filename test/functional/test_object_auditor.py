"""The object auditor over directories that a real object server wrote: what it moves away, and what it leaves alone."""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import SWIFT, BackendServer, container_server
from fakes.object_server import ObjectNode
from functional.cluster import wait_until
from swiftlite.common.fs import FileSystem
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.names import HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import audited_file, hashes, layout, xattrs
from swiftlite.obj.audit_options import AuditorOptions
from swiftlite.obj.audit_pass import ALL, ZERO_BYTE, AuditPass, usable_devices
from swiftlite.obj.audited_file import AuditedFile, Verdict
from swiftlite.obj.diskfile import DiskFileManager, DiskFileOptions
from swiftlite.obj.watchers import Watchers
from swiftlite.ring.format import RingData, dump_v1

ROOT = Path(__file__).resolve().parents[2]
NOW = int(time.time()) - 1000
LOGGER = logging.getLogger("test.object_auditor")
FS = FileSystem()
BIG = bytes(range(256)) * 1200
OLD_RECLAIM = 10.0
ANSWERS = {"conn_timeout": "30", "node_timeout": "60"}


def at(second: float) -> str:
    return f"{NOW + second:.5f}"


def target(name: str, device: str = "sda", policy: int = 0) -> str:
    """The backend path of an object of account ``a``, container ``c``, in the partition of part power 8."""
    return f"/{device}/{int(SWIFT.hash_path.hex('a', 'c', name)[:2], 16)}/a/c/{name}"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ObjectNode]:
    with ObjectNode(tmp_path / "node") as node:
        yield node


def put(node: ObjectNode, name: str, body: bytes = b"hello", second: float = 1, **headers: str) -> Path:
    """Store an object and return its .data file."""
    more = {key.replace("_", "-"): value for key, value in headers.items()}
    sent = {"X-Timestamp": at(second), "Content-Type": "text/plain", **more}
    assert node.request("PUT", target(name), sent, body).status == 201
    return directory_of(node, name, int(more.get("X-Backend-Storage-Policy-Index", 0))) / f"{at(second)}.data"


def post(node: ObjectNode, name: str, second: float, **headers: str) -> Path:
    more = {key.replace("_", "-"): value for key, value in headers.items()}
    assert node.request("POST", target(name), {"X-Timestamp": at(second), **more}).status == 202
    (path,) = directory_of(node, name).glob(f"{at(second)}*.meta")
    return path


def delete(node: ObjectNode, name: str, second: float) -> Path:
    assert node.request("DELETE", target(name), {"X-Timestamp": at(second)}).status in (204, 404)
    return directory_of(node, name) / f"{at(second)}.ts"


def directory_of(node: ObjectNode, name: str, policy: int = 0) -> Path:
    name_hash = SWIFT.hash_path.hex("a", "c", name)
    objects = f"objects-{policy}" if policy else "objects"
    return node.device / objects / str(int(name_hash[:2], 16)) / name_hash[-3:] / name_hash


def audit(node: ObjectNode, kind: str = ALL, *, watchers: dict[str, Any] | None = None, **options: Any) -> AuditPass:
    """Make one pass over the node's devices, at full speed."""
    made = auditor(node, kind, watchers=watchers, **options)
    made.run(usable_devices(made.options, LOGGER), is_part=False)
    return made


def auditor(node: ObjectNode, kind: str = ALL, *, watchers: dict[str, Any] | None = None, **options: Any) -> AuditPass:
    devices = node.device.parent
    values = {"devices": str(devices), "mount_check": False, "files_per_second": 0.0, "bytes_per_second": 0.0}
    values |= {"zero_byte_files_per_second": 0.0, "recon_cache_path": str(devices.parent / "recon"), **options}
    clock: Callable[[], float] = values.pop("clock", time.time)
    sleep: Callable[[float], object] = values.pop("sleep", time.sleep)
    swift: SwiftConf = values.pop("swift", SWIFT)
    made = AuditorOptions(**values)
    return AuditPass(made, swift, LOGGER, kind, Watchers(watchers or {}, LOGGER), clock, sleep)


def quarantined(node: ObjectNode) -> list[str]:
    return sorted(path.name for path in node.device.glob("quarantined/objects/*"))


def metadata_of(path: Path) -> dict[str, str]:
    fd = FS.open_read(str(path))
    try:
        return xattrs.read(FS, fd)
    finally:
        FS.close(fd)


def describe(path: Path, **changes: str | None) -> None:
    """Store other metadata with a file, checksum and all; None takes a key away."""
    metadata = metadata_of(path)
    for key, value in changes.items():
        key = key.replace("_", "-")
        if value is None:
            metadata.pop(key)
        else:
            metadata[key] = value
    fd = FS.open_read(str(path))
    try:
        xattrs.write(FS, fd, metadata)
    finally:
        FS.close(fd)


def flip(path: Path, attribute: str | None = None, place: int = 3) -> None:
    """Change one bit of a file, or of one of its extended attributes."""
    found = bytearray(path.read_bytes() if attribute is None else os.getxattr(path, attribute))
    found[place % len(found)] ^= 1
    if attribute is None:
        path.write_bytes(found)
    else:
        os.setxattr(path, attribute, bytes(found))


# What it finds --------------------------------------------------------------------------------------------------------


def _write(path: Path, body: bytes) -> None:
    path.write_bytes(body)


DATA_DAMAGE: dict[str, Callable[[Path], None]] = {
    "a flipped bit": flip,
    "a shorter file": lambda path: os.truncate(path, 3),
    "a longer file": lambda path: _write(path, b"hello, hello"),
    "nothing left": lambda path: os.truncate(path, 0),
    "no metadata": lambda path: os.removexattr(path, xattrs.KEY),
    "a flipped bit of metadata": lambda path: flip(path, xattrs.KEY, 40),
    "a flipped bit of the checksum": lambda path: flip(path, xattrs.CHECKSUM_KEY),
    "metadata that are no pickle": lambda path: (
        os.removexattr(path, xattrs.CHECKSUM_KEY),
        os.setxattr(path, xattrs.KEY, b"garbage"),
    )[0],
    "no name": lambda path: describe(path, name=None),
    "another's name": lambda path: describe(path, name="/a/c/another"),
    "the name of a container": lambda path: describe(path, name="/a/c"),
    "no name at all": lambda path: describe(path, name="nonsense"),
    "no Content-Length": lambda path: describe(path, Content_Length=None),
    "a bad Content-Length": lambda path: describe(path, Content_Length="five"),
    "a wrong Content-Length": lambda path: describe(path, Content_Length="6"),
    "a bad X-Delete-At": lambda path: describe(path, X_Delete_At="soon"),
    "a wrong ETag": lambda path: describe(path, ETag="0" * 32),
}
NEED_THE_BODY = {"a flipped bit", "a wrong ETag"}


@pytest.mark.parametrize("damage", DATA_DAMAGE)
def test_a_damaged_object_is_moved_away_and_nothing_else(node: ObjectNode, damage: str) -> None:
    path = put(node, "o")
    for name in ("one", "two"):
        put(node, name)
    before = hashes_of(node, path)
    DATA_DAMAGE[damage](path)
    brief = audit(node, ZERO_BYTE)
    assert brief.total["quarantined"] == (damage not in NEED_THE_BODY)
    full = audit(node)
    assert brief.total["quarantined"] + full.total["quarantined"] == 1
    assert quarantined(node) == [path.parent.name]
    assert not path.parent.exists()
    assert all(node.request("GET", target(name)).body == b"hello" for name in ("one", "two"))
    assert node.request("GET", target("o")).status == 404
    assert hashes_of(node, path) == {}, f"replicas must learn that it is gone, {before} was stored"


def hashes_of(node: ObjectNode, path: Path) -> dict[str, str]:
    """The suffix hashes of a file's partition, as REPLICATE tells them; the stored ones are fresh after that."""
    manager = DiskFileManager(DiskFileOptions(str(node.device.parent)), SWIFT.hash_path, LOGGER, FS, time.time)
    return hashes.get_hashes(FS, str(path.parents[2]), manager.tidy)


def test_damage_is_told_with_its_reason(node: ObjectNode, caplog: pytest.LogCaptureFixture) -> None:
    path = put(node, "o")
    flip(path)
    audit(node)
    digest = hashlib.md5(path.parent.name and b"helmo").hexdigest()
    assert f"its ETag is 5d41402abc4b2a76b9719d911017c592, and the MD5 of its body {digest}" in caplog.text
    assert f"{node.device}/quarantined/objects/{path.parent.name}" in caplog.text


def test_a_big_body_is_read_to_its_end(node: ObjectNode) -> None:
    """It has a fingerprint beside its ETag; damage in its last byte, in pieces of any size, is found."""
    sound, damaged = put(node, "sound", BIG), put(node, "damaged", BIG)
    assert os.getxattr(sound, xattrs.FINGERPRINT_KEY)
    flip(damaged, place=-1)
    found = audit(node, disk_chunk_size=10_000)
    assert found.total["bytes_processed"] == 2 * len(BIG)
    assert quarantined(node) == [damaged.parent.name]


def test_a_rotten_fingerprint_is_corrected(node: ObjectNode) -> None:
    """OpenStack Swift does not look at it: the object is sound, and must not be lost to readers that do."""
    path = put(node, "o", BIG)
    right = os.getxattr(path, xattrs.FINGERPRINT_KEY)
    flip(path, xattrs.FINGERPRINT_KEY)
    assert audit(node).total["quarantined"] == 0
    assert os.getxattr(path, xattrs.FINGERPRINT_KEY) == right
    assert node.request("GET", target("o")).body == BIG


def test_an_object_without_an_etag_is_an_error_and_stays(node: ObjectNode) -> None:
    path = put(node, "o")
    describe(path, ETag=None)
    found = audit(node)
    assert (found.total["errors"], found.total["quarantined"]) == (1, 0)
    assert path.exists()


def test_an_empty_object_is_sound(node: ObjectNode) -> None:
    put(node, "o", b"")
    assert audit(node).total == {"passes": 1}
    assert audit(node, ZERO_BYTE).total == {"passes": 1}


META_DAMAGE: dict[str, Callable[[Path], None]] = {
    "no metadata": lambda path: os.removexattr(path, xattrs.KEY),
    "a flipped bit": lambda path: flip(path, xattrs.KEY, 40),
    "a bad X-Delete-At": lambda path: describe(path, X_Delete_At="soon"),
}


@pytest.mark.parametrize("kind", [ALL, ZERO_BYTE])
@pytest.mark.parametrize("damage", META_DAMAGE)
def test_damaged_metadata_of_a_post(node: ObjectNode, damage: str, kind: str) -> None:
    put(node, "o")
    path = post(node, "o", 2, X_Object_Meta_Color="blue")
    META_DAMAGE[damage](path)
    put(node, "other")
    assert audit(node, kind).total["quarantined"] == 1
    assert quarantined(node) == [path.parent.name]


@pytest.mark.parametrize("kind", [ALL, ZERO_BYTE])
@pytest.mark.parametrize("key", [xattrs.KEY, xattrs.CHECKSUM_KEY])
def test_a_damaged_tombstone(node: ObjectNode, key: str, kind: str) -> None:
    put(node, "o")
    path = delete(node, "o", 2)
    flip(path, key, 20)
    assert audit(node, kind).total["quarantined"] == 1
    assert quarantined(node) == [path.parent.name]


def test_a_file_in_the_place_of_a_directory(node: ObjectNode) -> None:
    path = put(node, "o")
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"hm")
    assert audit(node).total["quarantined"] == 1
    assert (node.device / "quarantined/objects" / path.parent.name).read_bytes() == b"hm"


@pytest.mark.parametrize("where", ["another hash", "another suffix", "another partition", "no hash"])
def test_an_object_where_nobody_looks_for_it(node: ObjectNode, where: str) -> None:
    path = put(node, "o")
    put(node, "other")
    suffix_directory, name_hash = path.parents[1], path.parent.name
    partition_directory = suffix_directory.parent
    other_partition = str(int(partition_directory.name) ^ 128)
    moved = {
        "another hash": suffix_directory / ("0" * 29 + suffix_directory.name),
        "another suffix": partition_directory / "zzz" / name_hash,
        "another partition": partition_directory.with_name(other_partition) / suffix_directory.name / name_hash,
        "no hash": suffix_directory / "lost",
    }[where]
    if where == "another hash":
        moved = suffix_directory / f"{name_hash[:2]}{'0' * 27}{suffix_directory.name}"
    moved.parent.mkdir(parents=True, exist_ok=True)
    path.parent.rename(moved)
    assert audit(node).total["quarantined"] == 1
    assert quarantined(node) == [moved.name]


def test_partitions_of_another_part_power_are_no_damage(node: ObjectNode) -> None:
    """While it is increased, an object lies in two."""
    path = put(node, "o")
    name_hash = path.parent.name
    doubled = node.device / "objects" / str(int(name_hash[:4], 16) >> 7) / name_hash[-3:]
    doubled.mkdir(parents=True)
    shutil.copytree(path.parent, doubled / name_hash, copy_function=os.link)
    assert audit(node).total == {"passes": 2, "bytes_processed": 10}


def test_objects_of_other_policies(node: ObjectNode) -> None:
    path = put(node, "o", X_Backend_Storage_Policy_Index="1")
    flip(path)
    assert audit(node).total["quarantined"] == 1
    assert (node.device / "quarantined/objects-1" / path.parent.name).is_dir()


def test_a_second_damaged_copy_finds_its_place_too(node: ObjectNode) -> None:
    for second in (1, 2):
        flip(put(node, "o", second=second))
        assert audit(node).total["quarantined"] == 1
    assert len(quarantined(node)) == 2
    wait_until(lambda: open_below(node) == [], "no file or directory is left open")


def open_below(node: ObjectNode) -> list[str]:
    """What this process, the server in it included, has open of objects."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(fd))
    return [path for path in found if path.startswith(str(node.device)) and "/objects/" in path]


# What it leaves alone -------------------------------------------------------------------------------------------------


def everything(device: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(device.rglob("*")) if path.is_file()}


def test_a_sound_tree_stays_as_it_is(node: ObjectNode) -> None:
    put(node, "posted")
    post(node, "posted", 2, Content_Type="x/y")
    post(node, "posted", 3, X_Object_Meta_A="b")
    put(node, "gone")
    delete(node, "gone", 2)
    delete(node, "never", 2)
    put(node, "expired", X_Delete_At=str(int(time.time()) + 2))
    waiting = put(node, "waiting").parent
    post(node, "waiting", 2, X_Object_Meta_A="b")
    (waiting / f"{at(1)}.data").unlink()  # its .data is still to come
    (directory_of(node, "posted").parents[1] / "hashes.pkl").write_bytes(b"rotten, which is for the replicator to see")
    before = everything(node.device)
    for kind in (ALL, ZERO_BYTE):
        found = audit(node, kind, clock=lambda: time.time() + 1000)
        assert (found.total["errors"], found.total["quarantined"], found.total["passes"]) == (0, 0, 5)
    assert everything(node.device) == before


def test_metadata_without_a_checksum_get_one(node: ObjectNode) -> None:
    put(node, "o")
    files = [put(node, "o"), post(node, "o", 2, X_Object_Meta_A="b"), delete(node, "gone", 2)]
    right = [os.getxattr(path, xattrs.CHECKSUM_KEY) for path in files]
    for path in files:
        os.removexattr(path, xattrs.CHECKSUM_KEY)
    assert audit(node).total["quarantined"] == 0
    assert [os.getxattr(path, xattrs.CHECKSUM_KEY) for path in files] == right


def test_what_rsync_has_left_behind_is_removed(node: ObjectNode) -> None:
    path = put(node, "o")
    litter = [path.with_name(f".{path.name}.{end}") for end in ("abcDE1", "abcDE2")]
    for file in litter:
        file.write_bytes(b"half")
    os.utime(litter[0], (time.time() - 90_000,) * 2)
    audit(node)
    assert not litter[0].exists() and litter[1].exists()
    audit(node, rsync_tempfile_timeout=-1.0)
    assert not litter[1].exists() and path.exists()


def test_old_tombstones_are_told_to_who_hashes_the_suffix(node: ObjectNode) -> None:
    path = delete(node, "o", 1)
    assert hashes_of(node, path)
    invalid = path.parents[2] / layout.INVALIDATIONS_FILE
    audit(node, ZERO_BYTE, reclaim_age=OLD_RECLAIM)
    audit(node)
    assert invalid.read_bytes() == b""
    audit(node, reclaim_age=OLD_RECLAIM)
    assert invalid.read_text() == f"{path.parents[1].name}\n"


def test_a_wrong_swift_conf_moves_nothing(node: ObjectNode, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("one", "two", "three"):
        put(node, name)
    wrong = SwiftConf(HashPath(b"", b"wrong"), SWIFT.constraints, SWIFT.policies)
    found = audit(node, swift=wrong)
    assert (found.total["quarantined"], found.total["errors"]) == (0, 1)
    assert "swift.conf's hash prefix or suffix may be wrong" in caplog.text
    assert audit(node).total["errors"] == 0


def test_what_was_written_with_a_wrong_swift_conf_does_not_condemn_what_was_there_before(
    node: ObjectNode, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = SwiftConf(HashPath(b"", b"wrong"), SWIFT.constraints, SWIFT.policies)
    name_hash = wrong.hash_path.hex("a", "c", "new")
    first = put(node, "new").parent
    placed = node.device / "objects" / "0" / name_hash[-3:] / name_hash  # before all others
    placed.parent.mkdir(parents=True)
    first.rename(placed)
    for name in ("one", "two", "three"):
        put(node, name)
    found = audit(node, swift=wrong)
    assert (found.total["quarantined"], found.total["errors"]) == (1, 1)  # one while it looked like the exception
    assert "2 objects lie" not in caplog.text
    assert "3 objects lie where their names do not hash to" in caplog.text


def test_a_misplaced_object_before_all_others_is_found_all_the_same(node: ObjectNode) -> None:
    """Only a later one shows that swift.conf is right."""
    paths = sorted((put(node, f"o{number}") for number in range(8)), key=lambda path: int(path.parts[-4]))
    describe(paths[0], name="/a/c/another")
    found = audit(node)
    assert quarantined(node) == [paths[0].parent.name]
    assert found.total["passes"] == 8


# Races with writers ---------------------------------------------------------------------------------------------------


class MeddlingDisk(FileSystem):
    """Does something once, just before a body or attributes are read."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self.meddle: Callable[[], object] | None = meddle

    def _once(self) -> None:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()

    def get_attribute(self, fd: int, name: str) -> bytes:
        self._once()
        return super().get_attribute(fd, name)


CHANGES: dict[str, Callable[[ObjectNode], object]] = {
    "replaced": lambda node: put(node, "o", b"new", 5),
    "deleted": lambda node: delete(node, "o", 5),
    "posted": lambda node: post(node, "o", 5, X_Object_Meta_A="new"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_writer_comes_first(node: ObjectNode, change: str, damaged: bool) -> None:
    """What was put in place while the auditor was looking stays, whatever it was looking at."""
    path = put(node, "o")
    if damaged:
        flip(path)
    made = auditor(node)
    made.fs = made.files.fs = MeddlingDisk(lambda: CHANGES[change](node))
    made.run(["sda"], is_part=False)
    still_damaged = damaged and change == "posted"
    assert quarantined(node) == ([path.parent.name] if still_damaged else [])
    if not still_damaged:
        assert list(path.parent.glob(f"{at(5)}*"))


def test_a_damaged_post_that_another_has_superseded(node: ObjectNode) -> None:
    put(node, "o")
    bad = post(node, "o", 2, X_Object_Meta_A="b")
    newer = shutil.copy2(bad, node.device / "newer")
    flip(bad, xattrs.KEY, 40)
    made = auditor(node)

    class Late(MeddlingDisk):
        def get_attribute(self, fd: int, name: str) -> bytes:
            if os.readlink(f"/proc/self/fd/{fd}").endswith(".meta"):
                self._once()
            return FileSystem.get_attribute(self, fd, name)

    made.fs = made.files.fs = Late(lambda: newer.rename(bad.with_name(f"{at(5)}.meta")))
    made.run(["sda"], is_part=False)
    assert (quarantined(node), made.total["errors"]) == ([], 0)
    assert node.request("HEAD", target("o")).headers["x-object-meta-a"] == "b"


def test_a_writer_that_is_busy_is_not_disturbed(node: ObjectNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swiftlite.obj.quarantine.PATIENCE", 0.05)
    path = put(node, "o")
    flip(path)
    lock = FS.lock_directory(str(path.parent))
    assert lock is not None
    found = audit(node)
    assert (found.total["errors"], quarantined(node)) == (1, [])
    FS.close(lock)
    assert audit(node).total["quarantined"] == 1


def test_what_changes_all_the_time_is_left_for_the_next_pass(node: ObjectNode) -> None:
    put(node, "o")
    seconds = iter(range(5, 100))

    class Restless(FileSystem):
        def open_read(self, path: str) -> int:
            put(node, "o", b"new", next(seconds))
            return super().open_read(path)

    made = auditor(node)
    made.fs = made.files.fs = Restless()
    device, directory = str(node.device), str(directory_of(node, "o"))
    file = AuditedFile(made.files, device, SWIFT.policies.default, directory, spend=lambda size: None, trusts_hash=True)
    assert file.inspect(Timestamp(time.time())).verdict is Verdict.CHANGING
    assert quarantined(node) == []


def test_who_hashes_during_a_quarantine_forgets_it(node: ObjectNode) -> None:
    """The suffix is hashed after it was noted as changed, and before the object has gone."""
    path = put(node, "o")
    flip(path)
    made = auditor(node)

    class Hashing(FileSystem):
        def rename(self, old: str, new: str) -> None:
            if "quarantined" in new:
                hashes_of(node, path)
            super().rename(old, new)

    made.fs = made.files.fs = Hashing()
    made.run(["sda"], is_part=False)
    assert quarantined(node) == [path.parent.name]
    assert hashes_of(node, path) == {}


# Disks that fail ------------------------------------------------------------------------------------------------------


class FailingDisk(FileSystem):
    """Fails for paths and open files that have a certain text in their names."""

    def __init__(self, text: str, number: int, calls: tuple[str, ...]) -> None:
        self.text, self.number, self.calls = text, number, calls

    def _check(self, call: str, path: str) -> None:
        if call in self.calls and self.text in path:
            raise OSError(self.number, os.strerror(self.number), path)

    def list(self, path: str) -> list[str]:
        self._check("list", path)
        return super().list(path)

    def open_read(self, path: str) -> int:
        self._check("open_read", path)
        return super().open_read(path)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        self._check("read", os.readlink(f"/proc/self/fd/{fd}"))
        return super().read(fd, size, offset)

    def read_cached(self, fd: int, size: int, offset: int) -> bytes | bytearray | None:
        self._check("read_cached", os.readlink(f"/proc/self/fd/{fd}"))
        return None

    def get_attribute(self, fd: int, name: str) -> bytes:
        self._check("get_attribute", os.readlink(f"/proc/self/fd/{fd}"))
        return super().get_attribute(fd, name)


@pytest.mark.parametrize(
    ("call", "number"),
    [(call, errno.EIO) for call in ("open_read", "read", "read_cached", "get_attribute")]
    + [("list", errno.EUCLEAN), ("open_read", errno.EUCLEAN)],
)
def test_what_the_disk_cannot_read_is_moved_away(node: ObjectNode, call: str, number: int) -> None:
    path = put(node, "o")
    put(node, "other")
    made = auditor(node)
    made.fs = made.files.fs = FailingDisk(path.parent.name, number, (call,))
    made.run(["sda"], is_part=False)
    assert quarantined(node) == [path.parent.name]
    assert made.total["passes"] == 2


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_what_cannot_be_listed_is_an_error_and_the_walk_goes_on(node: ObjectNode, number: int) -> None:
    names = [f"o{number}" for number in range(4)]
    paths = [put(node, name) for name in names]
    flip(paths[3])
    made = auditor(node)
    places = (str(paths[0].parents[2]), str(paths[1].parents[1]), str(paths[2].parent))

    class Broken(FileSystem):
        def list(self, path: str) -> list[str]:
            if path in places:
                raise OSError(number, os.strerror(number), path)
            return super().list(path)

    made.fs = made.files.fs = Broken()
    made.run(["sda"], is_part=False)
    assert (made.total["errors"], made.total["passes"]) == (3, 1)
    assert quarantined(node) == [paths[3].parent.name]


def test_a_device_that_fails_stops_no_other(node: ObjectNode, caplog: pytest.LogCaptureFixture) -> None:
    path = put(node, "o")
    shutil.copytree(node.device, node.device.with_name("sdb"))
    shutil.rmtree(node.device / "objects")
    (node.device / "objects").write_bytes(b"")
    node.device.with_name("stray").write_bytes(b"")
    found = audit(node)
    assert (found.total["errors"], found.total["passes"]) == (1, 1)
    assert "skipping stray" in caplog.text and path


# Passes ---------------------------------------------------------------------------------------------------------------


def test_each_pass_keeps_to_its_rates(node: ObjectNode) -> None:
    for number in range(4):
        put(node, f"o{number}", b"x" * 1000)

    def waited(kind: str) -> float:
        clock = [1_800_000_000.0]
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock[0] += seconds

        rates = {"files_per_second": 2.0, "bytes_per_second": 500.0, "zero_byte_files_per_second": 8.0}
        audit(node, kind, **rates, clock=lambda: clock[0], sleep=sleep)
        return sum(slept)

    assert waited(ZERO_BYTE) == pytest.approx(4 / 8)
    assert waited(ALL) == pytest.approx(4 * 1000 / 500 + 1 / 2, abs=1.1)


def test_an_interrupted_pass_goes_on_where_it_was(node: ObjectNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swiftlite.obj.audit_status.SAVE_INTERVAL", 0.0)
    for number in range(6):
        put(node, f"o{number}")
    made = auditor(node)
    inspect, seen = made._inspect, []

    def interrupted(place: Any, trusts_hash: bool) -> Any:
        seen.append(place.path)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return inspect(place, trusts_hash)

    made._inspect = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        made.run(["sda"], is_part=False)
    status = node.device / "objects/auditor_status_ALL.json"
    left = json.loads(status.read_text())["partitions"]
    assert left[0] == Path(seen[3]).parts[-3] and len(left) == 3
    assert audit(node, ZERO_BYTE).total["passes"] == 6, "the other pass has a status of its own"
    assert audit(node).total["passes"] == 3
    assert not status.exists()
    assert audit(node).total["passes"] == 6


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"partitions": 5}', '{"partitions": [1, null]}', "[" * 100_000])
def test_a_bad_status_file_is_no_problem(node: ObjectNode, text: str) -> None:
    put(node, "o")
    status = node.device / "objects/auditor_status_ALL.json"
    status.write_text(text)
    assert audit(node).total["passes"] == 1
    assert not status.exists()


def test_statistics_for_operators(node: ObjectNode, tmp_path: Path) -> None:
    flip(put(node, "o", b"12345678"))
    put(node, "other", b"1234")
    audit(node, object_size_stats=(2, 5))
    audit(node, ZERO_BYTE)
    told = json.loads((tmp_path / "recon/object.recon").read_text())
    full, brief = told["object_auditor_stats_ALL"], told["object_auditor_stats_ZBF"]
    names = {"errors", "passes", "quarantined", "bytes_processed", "start_time", "audit_time"}
    assert set(full) == set(brief) == names
    assert [full[name] for name in ("errors", "passes", "quarantined", "bytes_processed")] == [0, 2, 1, 12]
    assert [brief[name] for name in ("errors", "passes", "quarantined", "bytes_processed")] == [0, 1, 0, 0]
    audit_one = auditor(node)
    audit_one.run(["sda"], is_part=True)
    told = json.loads((tmp_path / "recon/object.recon").read_text())
    assert told["object_auditor_stats_ALL"]["sda"]["passes"] == 1


def test_reports_come_as_often_as_the_conf_says(node: ObjectNode, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        put(node, f"o{number}")
    clock = [1_800_000_000.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with caplog.at_level(logging.INFO):
        audit(node, files_per_second=0.001, log_time=1500.0, clock=lambda: clock[0], sleep=sleep)
    assert caplog.text.count("ALL pass so far") == 2
    assert caplog.text.count("ALL pass is complete") == 1


class WatchedDisk(FileSystem):
    """Knows which pages are in the cache, and remembers what was dropped."""

    def __init__(self, cached: bool) -> None:
        self.cached = cached
        self.dropped: list[tuple[int, int]] = []

    def read_cached(self, fd: int, size: int, offset: int) -> bytes | None:
        return super().read(fd, size, offset) if self.cached else None

    def drop_cache(self, fd: int, offset: int = 0, size: int = 0) -> None:
        self.dropped.append((offset, size))


def test_the_page_cache_stays_as_it_was(node: ObjectNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audited_file, "DROP_WINDOW", 100_000)
    put(node, "o", BIG)
    for cached in (True, False):
        made = auditor(node, disk_chunk_size=65536)
        made.fs = made.files.fs = disk = WatchedDisk(cached)
        made.run(["sda"], is_part=False)
        assert disk.dropped == ([] if cached else [(0, 131072), (131072, 131072), (262144, len(BIG) - 262144)])


def test_pages_that_are_in_the_cache_are_read_from_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    fd = FS.open_read(str(path))
    assert FS.read_cached(fd, 5, 0) in (b"hello", None)  # None where the filesystem cannot tell
    assert FS.read_cached(fd, 6, 0) is None
    FS.close(fd)


# Watchers -------------------------------------------------------------------------------------------------------------


class Listener:
    """Remembers what it was shown, and wants something done with it."""

    def __init__(self, wish: str | None = None) -> None:
        self.wish = wish
        self.heard: list[str] = []

    def start(self, audit_type: str) -> None:
        self.heard.append(audit_type)

    def see_object(self, object_metadata: dict[str, str], data_file_path: str) -> str | None:
        assert Path(data_file_path).exists()
        self.heard.append(object_metadata["name"])
        return self.wish

    def end(self) -> None:
        self.heard.append("end")


class Clumsy(Listener):
    """Fails whenever it is shown something."""

    def see_object(self, object_metadata: dict[str, str], data_file_path: str) -> str | None:
        raise RuntimeError("oh")


def test_watchers_see_sound_objects_and_harm_nobody(node: ObjectNode) -> None:
    put(node, "sound")
    flip(put(node, "damaged"))
    delete(node, "gone", 2)
    listener = Listener()
    found = audit(node, watchers={"clumsy": Clumsy(), "listener": listener})
    assert listener.heard == ["ALL", "/a/c/sound", "end"]
    assert (found.total["passes"], found.total["errors"]) == (3, 0)


@pytest.mark.parametrize("wish", ["quarantine", "delete"])
def test_a_watcher_gets_what_it_asks_for(node: ObjectNode, wish: str) -> None:
    path = put(node, "o")
    assert hashes_of(node, path)
    audit(node, watchers={"w": Listener(wish)})
    assert quarantined(node) == ([path.parent.name] if wish == "quarantine" else [])
    assert not path.exists()
    assert hashes_of(node, path) == {}


# Dark data ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[list[BackendServer]]:
    """Three container servers that have container ``a/c``, and a ring that names them."""
    threads = [container_server(tmp_path / f"containers{number}") for number in range(3)]
    servers = [BackendServer(thread) for thread in threads]
    nodes = [
        {"id": number, "region": 1, "zone": 1, "weight": 1.0, "ip": host, "port": port, "device": "sda", "meta": ""}
        | {"replication_ip": host, "replication_port": port}
        for number, (host, port) in enumerate(thread.address[:2] for thread in threads)
    ]
    data = RingData(nodes, 32, [array("H", [number]) for number in range(3)])
    (tmp_path / "container.ring.gz").write_bytes(dump_v1(data))
    prefix, suffix = SWIFT.hash_path.prefix.decode(), SWIFT.hash_path.suffix.decode()
    (tmp_path / "swift.conf").write_text(
        f"[swift-hash]\nswift_hash_path_prefix = {prefix}\nswift_hash_path_suffix = {suffix}\n"
        "[storage-policy:0]\nname = gold\ndefault = yes\n[storage-policy:1]\nname = silver\n"
    )
    for server in servers:
        assert server.request("PUT", "/sda/0/a/c", {"X-Timestamp": at(0)}).status == 201
    yield servers
    for thread in threads:
        thread.__exit__()


def list_object(server: BackendServer, name: str, policy: int = 0) -> None:
    row = {"X-Timestamp": at(1), "X-Size": "5", "X-Content-Type": "text/plain", "X-Etag": "e"}
    row["X-Backend-Storage-Policy-Index"] = str(policy)
    assert server.request("PUT", f"/sda/0/a/c/{name}", row).status == 201


def dark_data(tmp_path: Path, **conf: str) -> Any:
    confs = {
        "swift#dark_data": {
            "use": "egg:swift#dark_data",
            "swift_dir": str(tmp_path),
            "grace_age": "600",
            **ANSWERS,
            **conf,
        }
    }
    watchers = Watchers.load(confs, LOGGER).watchers
    assert list(watchers) == ["swift#dark_data"]
    return watchers


def counted(watchers: Any) -> tuple[int, int, int]:
    watcher = watchers["swift#dark_data"]
    return watcher.unknown, watcher.okay, watcher.dark


@pytest.mark.parametrize("action", ["log", "quarantine", "delete", "nonsense"])
def test_dark_data(
    node: ObjectNode, containers: list[BackendServer], tmp_path: Path, action: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One replica that knows an object is enough; so is a row of the policy that the object is in."""
    dark, known, moving = (
        put(node, "dark ø"),
        put(node, "known"),
        put(node, "moving", X_Backend_Storage_Policy_Index="1"),
    )
    put(node, "dark", second=time.time() - NOW)  # too young to judge
    list_object(containers[1], "known")
    list_object(containers[2], "moving", 1)
    list_object(containers[0], "dark øø")
    watchers = dark_data(tmp_path, action=action)
    audit(node, watchers=watchers)
    assert counted(watchers) == (0, 3, 1)
    assert "no container knows /a/c/dark ø:" in caplog.text
    assert known.exists() and moving.exists()
    assert dark.exists() == (action in ("log", "nonsense"))
    assert quarantined(node) == ([dark.parent.name] if action == "quarantine" else [])
    audit(node, ZERO_BYTE, watchers=watchers)
    assert counted(watchers) == (0, 0, 0)


def test_nothing_is_dark_while_a_container_server_is_down(
    node: ObjectNode, containers: list[BackendServer], tmp_path: Path
) -> None:
    dark, known = put(node, "dark"), put(node, "known")
    list_object(containers[1], "known")
    containers[0].thread.__exit__()
    watchers = dark_data(tmp_path, action="delete")
    audit(node, watchers=watchers)
    assert counted(watchers) == (1, 1, 0)
    assert dark.exists() and known.exists()


def test_a_container_that_a_server_lacks_makes_nothing_dark(
    node: ObjectNode, containers: list[BackendServer], tmp_path: Path
) -> None:
    dark = put(node, "dark")
    shutil.rmtree(tmp_path / "containers2/sda/containers")
    watchers = dark_data(tmp_path, action="delete")
    audit(node, watchers=watchers)
    assert counted(watchers) == (1, 0, 0) and dark.exists()


# As an operator runs it -----------------------------------------------------------------------------------------------


def write_conf(node: ObjectNode, tmp_path: Path, **options: object) -> Path:
    prefix, suffix = SWIFT.hash_path.prefix.decode(), SWIFT.hash_path.suffix.decode()
    (tmp_path / "swift.conf").write_text(
        f"[swift-hash]\nswift_hash_path_prefix = {prefix}\nswift_hash_path_suffix = {suffix}\n"
    )
    lines = [f"{name} = {value}" for name, value in options.items()]
    conf = tmp_path / "object-server.conf"
    conf.write_text(
        f"[DEFAULT]\nswift_dir = {tmp_path}\ndevices = {node.device.parent}\nmount_check = false\n"
        f"user = {getpass.getuser()}\nlog_address = /dev/nonexistent\nrecon_cache_path = {tmp_path}/recon\n"
        "[object-auditor]\n" + "\n".join(lines) + "\n"
    )
    return conf


def command(conf: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "bin/swiftlite-object-auditor"), str(conf), *arguments]


def run(conf: Path, *arguments: str) -> str:
    done = subprocess.run(command(conf, *arguments), capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_both_passes_of_several_devices(node: ObjectNode, tmp_path: Path) -> None:
    paths = [put(node, name) for name in ("flipped", "cut", "sound")]
    shutil.copytree(node.device, node.device.with_name("sdb"))
    flip(paths[0])
    os.truncate(paths[1], 0)
    log = run(write_conf(node, tmp_path, concurrency=2), "--once", "-v")
    assert quarantined(node) == sorted(path.parent.name for path in paths[:2])
    assert "ZBF pass is complete" in log and log.count("ALL pass is complete") == 2
    told = json.loads((tmp_path / "recon/object.recon").read_text())
    assert set(told["object_auditor_stats_ALL"]) == {"sda", "sdb"}
    assert "passes" in told["object_auditor_stats_ZBF"]


def test_the_command_line_chooses(node: ObjectNode, tmp_path: Path) -> None:
    flip(put(node, "flipped"))
    os.truncate(put(node, "cut"), 0)
    conf = write_conf(node, tmp_path)
    run(conf, "--once", "-d", "sdb,sdc")
    assert quarantined(node) == []
    log = run(conf, "--once", "-v", "-z", "1000", "--devices", "sda")
    assert quarantined(node) == [directory_of(node, "cut").name]
    assert "ALL pass" not in log
    told = json.loads((tmp_path / "recon/object.recon").read_text())
    assert told["object_auditor_stats_ZBF"]["sda"]["quarantined"] == 1


@pytest.mark.parametrize(
    ("option", "problem"),
    [("watchers = swift#light_data", "there is no watcher 'swift#light_data'"), ("files_per_second = fast", "'fast'")],
)
def test_a_bad_conf_is_told_in_one_line(node: ObjectNode, tmp_path: Path, option: str, problem: str) -> None:
    name, _, value = option.partition(" = ")
    conf = write_conf(node, tmp_path, **{name: value})
    done = subprocess.run(command(conf, "--once"), capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 1
    assert problem in done.stderr and done.stderr.count("\n") == 1


def test_killed_in_mid_pass_it_goes_on_and_both_passes_come_back(node: ObjectNode, tmp_path: Path) -> None:
    """SIGKILL to the parent ends its children, too; a child that is killed alone has a successor."""
    paths = sorted((put(node, f"o{number}") for number in range(6)), key=lambda path: int(path.parts[-4]))
    conf = write_conf(node, tmp_path, files_per_second=3, interval=0)
    program = "import sys, swiftlite.obj.audit_status as s; s.SAVE_INTERVAL = 0.0; import swiftlite.obj.auditor as a; "
    status = node.device / "objects/auditor_status_ALL.json"

    def start() -> subprocess.Popen[bytes]:
        line = [sys.executable, "-c", program + "sys.exit(a.main(sys.argv[1:]))", str(conf)]
        return subprocess.Popen(line, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=open(tmp_path / "log", "ab"))

    def left() -> list[str]:
        try:
            found: list[str] = json.loads(status.read_text())["partitions"]
            return found
        except (FileNotFoundError, ValueError):
            return []

    def children(pid: int) -> list[int]:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def two_children() -> list[int]:
        found = wait_until(lambda: len(pids := children(daemon.pid)) == 2 and pids, "there are two passes")
        assert found
        return found

    daemon = start()
    try:
        while True:
            wait_until(lambda: 0 < len(left()) <= 4, "some partitions are done")
            first = two_children()
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
            wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in first), "its children end")  # noqa: B023
            before = left()
            if 0 < len(before) <= 4:
                break
            daemon = start()  # the pass came to its end before it was killed
        flip(paths[-1])
        daemon = start()
        wait_until(lambda: quarantined(node) == [paths[-1].parent.name], "the rest is looked at")
        pids = two_children()
        os.kill(pids[0], signal.SIGKILL)
        wait_until(
            lambda: len(children(daemon.pid)) == 2 and pids[0] not in children(daemon.pid), "the killed one comes back"
        )
    finally:
        daemon.terminate()
        daemon.wait()
