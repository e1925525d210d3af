"""Growth of the partition power: a change reaches both places of an object, whatever step the power goes at."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.forgetful_disk import MODES, ForgetfulDisk, PowerLoss
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.names import EntityName, HashPath, partition_of_hash
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import growth, hashes, layout
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DiskFileDeleted, DiskFileNoSpace, DiskFileNotExist

POLICY = StoragePolicy(0, "gold", is_default=True)
NAME = EntityName("a", "c", "o")
HASH_PATH = HashPath(b"pre", b"suf")
HASH = HASH_PATH.hex("a", "c", "o")
OLD, NEW = str(partition_of_hash(HASH, 10)), str(partition_of_hash(HASH, 11))
NOW = 1_000_000.0


def place(disk: ForgetfulDisk, partition: str, next_part_power: int | None = None) -> DiskFile:
    options = DiskFileOptions(devices="/srv/node", mount_check=False)
    manager = DiskFileManager(options, HASH_PATH, logging.getLogger("test"), disk, lambda: NOW)
    file = manager.disk_file("/srv/node/sda", partition, NAME, POLICY)
    file.twins = growth.twins(file.directory, next_part_power)
    return file


def put(file: DiskFile, second: int, body: bytes) -> None:
    with file.writer(len(body)) as writer:
        writer.write(body)
        stamp = Timestamp(NOW + second).internal
        writer.put({"X-Timestamp": stamp, "Content-Type": "x/y", "Content-Length": str(len(body)), "ETag": writer.etag})


def post(file: DiskFile, second: int) -> None:
    file.write_metadata({"X-Timestamp": Timestamp(NOW + second).internal, "X-Object-Meta-Of": str(second)})


def delete(file: DiskFile, second: int) -> None:
    file.delete(Timestamp(NOW + second))


def read(disk: ForgetfulDisk, partition: str, next_part_power: int | None = None) -> tuple[object, ...]:
    try:
        with place(disk, partition, next_part_power).open(Timestamp(NOW + 100)) as opened:
            return b"".join(opened.reader()), opened.metadata.get("X-Object-Meta-Of"), opened.timestamp
    except DiskFileDeleted as error:
        return "deleted", error.timestamp
    except DiskFileNotExist:
        return ("nothing",)


def a_disk() -> ForgetfulDisk:
    disk = ForgetfulDisk()
    disk.make_directories("/srv/node/sda")
    return disk


def settle(disk: ForgetfulDisk) -> ForgetfulDisk:
    def sync(directory: object) -> None:
        directory.sync()  # type: ignore[attr-defined]
        for node in directory.entries.values():  # type: ignore[attr-defined]
            sync(node) if hasattr(node, "entries") else node.sync()

    sync(disk.root)
    return disk


CHANGES: dict[str, Callable[[DiskFile], None]] = {
    "PUT": lambda file: put(file, 5, b"new"),
    "PUT of the same moment": lambda file: put(file, 1, b"other"),
    "POST": lambda file: post(file, 5),
    "DELETE": lambda file: delete(file, 5),
}
PHASES = {"growing": (OLD, 11), "grown": (NEW, 11), "cancelled": (OLD, 10)}
"""The partition that requests name, and the power that they say comes next."""


def prepared(phase: str) -> ForgetfulDisk:
    """A disk with an object at its place; at its other place too, if it has grown or was about to."""
    disk = a_disk()
    put(place(disk, OLD, None if phase == "growing" else 11), 1, b"old")
    for partition in (OLD, NEW):  # so that a lost invalidation would show
        hashes.get_hashes(disk, f"/srv/node/sda/objects/{partition}", place(disk, partition).manager.tidy)
    return settle(disk)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 31))
def test_places_before_and_after(digest: bytes, power: int) -> None:
    def at(power: int) -> str:
        return layout.hash_directory("/d", POLICY, str(partition_of_hash(digest.hex(), power)), digest.hex())

    assert partition_of_hash(digest.hex(), power + 1) // 2 == partition_of_hash(digest.hex(), power)
    future = {twin.directory for twin in growth.twins(at(power), power + 1) if twin.is_needed}
    assert future == {at(power + 1)} - {at(power)}
    past = growth.twins(at(power + 1), power + 1)
    assert at(power) in {at(power + 1), *(twin.directory for twin in past)}
    assert not any(twin.is_needed for twin in past)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("phase", PHASES)
def test_a_change_reaches_both_places_and_leaves_no_litter(phase: str, name: str) -> None:
    disk = prepared(phase)
    partition, power = PHASES[phase]
    CHANGES[name](place(disk, partition, power))
    directories = [place(disk, each).directory for each in (OLD, NEW)]
    names = [sorted(disk.list(directory)) for directory in directories]
    if (phase, name) == ("growing", "POST"):
        # What was there before comes with the relinker.
        assert [name for name in names[0] if name.endswith(".meta")] == names[1]
        return
    assert names[0] == names[1]
    assert {disk.inode(f"{directories[0]}/{name}") for name in names[0]} == {
        disk.inode(f"{directories[1]}/{name}") for name in names[1]
    }
    assert read(disk, OLD) == read(disk, NEW) != ("nothing",)
    for each in (OLD, NEW):
        tidy, root = place(disk, each).manager.tidy, f"/srv/node/sda/objects/{each}"
        known = hashes.get_hashes(disk, root, tidy)
        assert known == hashes.get_hashes(disk, root, tidy, recalculate=list(known), relist=True)
    assert len(known) == 1


@pytest.mark.parametrize("phase", ["grown", "cancelled"])
def test_a_place_that_was_cleared_stays_so(phase: str) -> None:
    disk = a_disk()
    partition, power = PHASES[phase]
    put(place(disk, partition, power), 1, b"x")
    assert disk.list("/srv/node/sda/objects") == [partition]


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("phase", PHASES)
def test_power_loss_at_every_step(phase: str, name: str) -> None:
    partition, power = PHASES[phase]
    whole = prepared(phase)
    old = [read(whole, each) for each in (OLD, NEW)]
    whole.arm()
    CHANGES[name](place(whole, partition, power))
    new = [read(whole, each) for each in (OLD, NEW)]
    for stop_at in range(len(whole.steps) + 1):
        disk = prepared(phase)
        disk.arm(stop_at=stop_at)
        acknowledged = False
        try:
            CHANGES[name](place(disk, partition, power))
            acknowledged = True
        except PowerLoss:
            pass
        for mode in MODES:
            rebooted = disk.reboot(mode)
            found = [read(rebooted, each) for each in (OLD, NEW)]
            where = f"{mode}, stopped before step {stop_at} of {whole.steps}"
            if acknowledged:
                assert found == new, where
            else:
                assert all(f in pair for f, pair in zip(found, zip(old, new, strict=True), strict=True)), where


def test_a_full_device_refuses_the_whole_change() -> None:
    whole = prepared("growing")
    whole.arm()
    put(place(whole, OLD, 11), 5, b"new")
    for fail_at in range(len(whole.steps)):
        disk = prepared("growing")
        disk.error = errno.ENOSPC
        disk.arm(fail_at=fail_at)
        try:
            put(place(disk, OLD, 11), 5, b"new")
        except DiskFileNoSpace:
            continue
        assert read(disk, NEW)[0] == b"new", whole.steps[fail_at]


def test_a_place_that_is_tidied_away_meanwhile_is_made_anew() -> None:
    class Hasty(ForgetfulDisk):
        times = 2

        def link_file(self, source: str, path: str) -> None:
            if self.times:
                self.times -= 1
                self.remove_directory(path.rpartition("/")[0])
            super().link_file(source, path)

    disk = Hasty()
    disk.make_directories("/srv/node/sda")
    put(place(disk, OLD, 11), 5, b"new")
    assert read(disk, NEW)[0] == b"new"


def test_a_place_that_is_moved_to_quarantine_meanwhile_is_made_anew() -> None:
    class Moving(ForgetfulDisk):
        has_moved = False

        def link_file(self, source: str, path: str) -> None:
            super().link_file(source, path)
            if not self.has_moved:
                self.has_moved = True
                self.rename(path.rpartition("/")[0], "/srv/node/sda/away")

    disk = Moving()
    disk.make_directories("/srv/node/sda")
    put(place(disk, OLD, 11), 5, b"new")
    assert disk.exists("/srv/node/sda/away")
    assert read(disk, NEW)[0] == b"new"


def test_who_hashes_the_other_place_before_the_link_is_made_forgets_it() -> None:
    partition = f"/srv/node/sda/objects/{NEW}"

    def hashed(disk: ForgetfulDisk, relist: bool = False) -> dict[str, str]:
        return hashes.get_hashes(disk, partition, place(disk, NEW).manager.tidy, relist=relist)

    class Hashing(ForgetfulDisk):
        def link_file(self, source: str, path: str) -> None:
            if self.list(path.rpartition("/")[0]):  # Hashing removes an empty one.
                hashed(self)
            super().link_file(source, path)

    disk = Hashing()
    disk.make_directories("/srv/node/sda")
    for second in (1, 5):
        put(place(disk, OLD, 11), second, b"body")
    known = hashed(disk)
    disk.unlink(f"{partition}/hashes.pkl")
    assert known == hashed(disk, relist=True) != {}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("change", ["PUT", "POST", "DELETE"])
def test_what_is_only_at_the_other_place_is_found(phase: str, change: str) -> None:
    partition, power = PHASES[phase]
    other = NEW if partition == OLD else OLD
    disk = a_disk()
    put(place(disk, other), 1, b"body")
    if change != "PUT":
        CHANGES[change](place(disk, other))
    wanted = read(disk, other)
    assert read(disk, partition, power) == wanted
    assert read(disk, partition) == wanted  # it is linked by now
    assert sorted(disk.list(place(disk, partition).directory)) == sorted(disk.list(place(disk, other).directory))


@pytest.mark.parametrize("phase", PHASES)
def test_what_was_deleted_is_not_found_again(phase: str) -> None:
    partition, power = PHASES[phase]
    disk = a_disk()
    put(place(disk, NEW if partition == OLD else OLD), 1, b"body")
    delete(place(disk, partition), 5)
    assert read(disk, partition, power)[0] == "deleted"


@pytest.mark.parametrize("phase", PHASES)
def test_a_damaged_file_goes_from_both_places(phase: str) -> None:
    partition, power = PHASES[phase]
    disk = prepared("grown")
    for path in disk.all_files():
        if path.endswith(".data"):
            disk._find(path).data = b"rotten and longer"
    assert read(disk, partition, power) == ("nothing",)
    assert read(disk, OLD) == read(disk, NEW) == ("nothing",)
    assert sum("/quarantined/" in path for path in disk.all_files()) == 2


def test_a_sound_copy_at_the_other_place_stays() -> None:
    disk = a_disk()
    for partition in (OLD, NEW):
        put(place(disk, partition), 1, b"body")
    name = disk.list(place(disk, NEW).directory)[0]
    disk._find(f"{place(disk, NEW).directory}/{name}").data = b"rotten and longer"
    assert read(disk, NEW, 11) == ("nothing",)
    assert read(disk, OLD)[0] == b"body"
    assert read(disk, NEW, 11)[0] == b"body"
