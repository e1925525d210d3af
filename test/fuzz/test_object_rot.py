"""Bit rot: whatever bit of whatever file flips, the auditor lives, and moves away what is damaged and nothing else.

Each seed damages one thing of a small tree and makes one full pass. What a pass must find is said here, apart from
the auditor: any change of a body, of metadata, or of a metadata checksum. What it cannot see by design:

- a flip in ``user.swiftlite.xxh3``, our fingerprint of a big body: the ETag says that the body is sound, and the
  fingerprint is corrected;
- a flip in metadata that have no checksum, as the oldest versions of Swift left them, where it makes another sound
  value of a sound one, say of a user's ``X-Object-Meta-Color``. What it does to the name, the length or the ETag shows;
- a checksum that is gone altogether: so it is with the oldest versions' metadata, and one is added;
- a flip in a file that a newer one has superseded: nobody reads it, and it goes with the next write or hashing;
- a flip in hashes.pkl or hashes.invalid: that is no object's, and the replicator hashes anew what it cannot read.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.bit_rot import attributes, flipped
from swiftlite.common.fs import FileSystem
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import fileset
from swiftlite.core.constraints import Constraints
from swiftlite.core.names import EntityName, HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import hashes, xattrs
from swiftlite.obj.audit_options import AuditorOptions
from swiftlite.obj.audit_pass import ALL, ZERO_BYTE, AuditPass
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, DiskFileOptions
from swiftlite.obj.watchers import Watchers

POLICY = StoragePolicy(0, "gold", is_default=True)
SWIFT = SwiftConf(HashPath(b"pre", b"suf"), Constraints(), StoragePolicies([POLICY]))
LOGGER = logging.getLogger("test.object_rot")
FS = FileSystem()
NOW = time.time()
BODIES = {"small": b"hello", "empty": b"", "page": b"p" * 4096, "big": bytes(range(256)) * 400}
SEEDS = 400


def stamp(second: float) -> str:
    return Timestamp(NOW - 1000 + second).internal


def disk_file(device: Path, name: str) -> DiskFile:
    manager = DiskFileManager(DiskFileOptions(str(device.parent)), SWIFT.hash_path, LOGGER, FS, time.time)
    partition = str(int(SWIFT.hash_path.hex("a", "c", name)[:2], 16))
    return manager.disk_file(str(device), partition, EntityName("a", "c", name), POLICY)


def put(device: Path, name: str, body: bytes, second: float = 1) -> None:
    with disk_file(device, name).writer(len(body)) as writer:
        writer.write(body)
        metadata = {"X-Timestamp": stamp(second), "Content-Length": str(len(body)), "ETag": writer.etag}
        writer.put(
            {**metadata, "Content-Type": "text/plain", "X-Object-Meta-Color": "blue", "X-Delete-At": "4000000000"}
        )


def post(device: Path, name: str, second: float, **more: str) -> None:
    disk_file(device, name).write_metadata({"X-Timestamp": stamp(second), "X-Object-Meta-Color": "red", **more})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device with objects of several sizes, posted ones, deleted ones, and the bookkeeping of its partitions."""
    device = tmp_path_factory.mktemp("rot") / "node/sda"
    device.mkdir(parents=True)
    for name, body in BODIES.items():
        put(device, name, body)
        put(device, f"posted-{name}", body)
        post(device, f"posted-{name}", 2)
    retyped = {"Content-Type": "x/new", "Content-Type-Timestamp": stamp(2)}
    put(device, "retyped", b"hello")
    post(device, "retyped", 2, **retyped)
    post(device, "retyped", 3)
    disk_file(device, "never").delete(Timestamp(NOW))
    put(device, "gone", b"hello")
    disk_file(device, "gone").delete(Timestamp(NOW))
    old = disk_file(device, "small").directory + f"/{stamp(0)}.data"
    shutil.copy2(f"{disk_file(device, 'small').directory}/{stamp(1)}.data", old)  # superseded, and not yet tidied away
    for partition in (device / "objects").iterdir():
        hashes.get_hashes(FS, str(partition), lambda directory: fileset.resolve(os.listdir(directory)))
    return device


class Rotting:
    """A copy of the tree, in which one thing at a time is spoiled, and made good afterwards."""

    def __init__(self, tree: Path, device: Path) -> None:
        self.tree = tree
        self.device = device
        shutil.copytree(tree, device)

    def heal(self) -> None:
        """Bring back what differs from the tree."""
        shutil.rmtree(self.device / "quarantined", ignore_errors=True)
        for sound in (self.tree / "objects").iterdir():
            partition = self.device / "objects" / sound.name
            if contents(partition) != contents(sound):
                shutil.rmtree(partition)
                shutil.copytree(sound, partition)


def contents(directory: Path) -> list[tuple[str, int, dict[str, bytes]]]:
    """Names, times and attributes of a directory's files."""
    return sorted(
        (os.path.relpath(path, directory), path.stat().st_mtime_ns, attributes(path))
        for path in directory.rglob("*")
        if path.is_file()
    )


@pytest.fixture(scope="module")
def rotting(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Rotting:
    return Rotting(tree, tmp_path_factory.mktemp("copy") / "node/sda")


@pytest.fixture
def device(rotting: Rotting) -> Iterator[Path]:
    """The copy for one seed to spoil."""
    yield rotting.device
    rotting.heal()


def audit(device: Path, kind: str = ALL, errors: int = 0) -> AuditPass:
    """One pass, which meets with no more errors than that."""
    options = AuditorOptions(
        devices=str(device.parent),
        mount_check=False,
        files_per_second=0,
        bytes_per_second=0,
        zero_byte_files_per_second=0,
        recon_cache_path=str(device.parent.parent / "recon"),
    )
    made = AuditPass(options, SWIFT, LOGGER, kind, Watchers({}, LOGGER))
    made.run([device.name], is_part=False)
    assert made.total["errors"] <= errors
    return made


def objects(device: Path) -> dict[str, dict[str, bytes]]:
    """Every hash directory, and what its files hold, attributes included."""
    found = {}
    for directory in device.glob("objects/*/*/*"):
        found[directory.name] = {
            path.name: path.read_bytes() + repr(attributes(path)).encode() for path in directory.iterdir()
        }
    return found


def is_effective(path: Path) -> bool:
    """Whether readers go by a file, as far as the names beside it say."""
    files = fileset.resolve(os.listdir(path.parent))
    return any(file and file.name == path.name for file in files.effective)


def spoil(device: Path, random: random.Random) -> tuple[Path, str]:
    """Damage the content of one file, or one attribute of it; returns the file, and which."""
    choices = []
    for path in sorted(device.glob("objects/*/*/*/*")):
        choices += [(path, "content")] * (path.stat().st_size > 0) + [(path, name) for name in attributes(path)]
    path, what = random.choice(choices)
    if what == "content":
        path.write_bytes(flipped(path.read_bytes(), random))
    elif random.randrange(8):
        os.setxattr(path, what, flipped(os.getxattr(path, what), random))
    else:
        os.removexattr(path, what)
    return path, what


def is_visible(path: Path, what: str) -> bool:
    """Whether the damage shows, by design."""
    lost_checksum = what == xattrs.CHECKSUM_KEY and what not in attributes(path)  # then one is added
    return is_effective(path) and what != xattrs.FINGERPRINT_KEY and not lost_checksum


@pytest.mark.parametrize("seed", range(SEEDS))
def test_exactly_what_is_damaged_is_moved_away(device: Path, seed: int) -> None:
    chance = random.Random(seed)
    path, what = spoil(device, chance)
    expected = {path.parent.name} if is_visible(path, what) else set()
    before = objects(device)
    audit(device)
    moved = {directory.name for directory in device.glob("quarantined/objects/*")}
    assert moved == expected, f"{path.name} {what}"
    after = objects(device)
    assert set(after) == set(before) - moved
    for name in set(after) - {path.parent.name}:
        assert after[name] == before[name]
    assert audit(device).total["quarantined"] == 0, "the second pass finds nothing more"
    invalid = path.parents[2] / "hashes.invalid"
    assert (path.parents[1].name in invalid.read_text().split()) == bool(expected)


@pytest.mark.parametrize("seed", range(SEEDS // 4))
def test_metadata_without_a_checksum(device: Path, seed: int) -> None:
    """Whatever rots in them, no pass dies; what is moved away was spoiled; and what clients are answered with fits."""
    chance = random.Random(seed)
    path = chance.choice(sorted(device.glob("objects/*/*/*/*")))
    os.removexattr(path, xattrs.CHECKSUM_KEY)
    os.setxattr(path, xattrs.KEY, flipped(os.getxattr(path, xattrs.KEY), chance))
    for kind in (ZERO_BYTE, ALL):
        audit(device, kind, errors=1)  # an object that has lost its ETag stays, and is told of
    assert {directory.name for directory in device.glob("quarantined/objects/*")} <= {path.parent.name}


@pytest.mark.parametrize("seed", range(SEEDS // 8))
def test_bookkeeping_rots(device: Path, seed: int) -> None:
    """Nothing is moved; suffixes are hashed as before, or anew."""
    chance = random.Random(seed)
    partition = chance.choice(sorted((device / "objects").iterdir()))
    pickle = partition / "hashes.pkl"
    pickle.write_bytes(flipped(pickle.read_bytes(), chance))
    (partition / "hashes.invalid").write_bytes(chance.randbytes(40))
    before = objects(device)
    audit(device)
    assert objects(device) == before
    assert not (device / "quarantined").exists()
