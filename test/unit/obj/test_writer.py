"""What a writer does besides surviving crashes: the reserve of free space, syncs of long uploads, files of one moment."""

from __future__ import annotations

import errno
import logging

import pytest

from fakes.forgetful_disk import ForgetfulDisk
from swiftlite.common.fs import Space
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.fileset import TOMBSTONE, FileSet
from swiftlite.core.names import EntityName, HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DiskFileLocked, DiskFileNoSpace, DiskFileNotExist, DiskFileStateChanged
from swiftlite.obj.writer import PREALLOCATED, Reserve


class FullDisk(ForgetfulDisk):
    """Has as much room as it is told."""

    free = 1000

    def space(self, path: str) -> Space:
        return Space(self.free, 10_000)


def disk_file(disk: ForgetfulDisk, **options: object) -> DiskFile:
    disk.make_directories("/node/sda")
    values = {"devices": "/node", "mount_check": False, **options}
    manager = DiskFileManager(
        DiskFileOptions(**values), HashPath(b"", b"s"), logging.getLogger("test"), disk, lambda: 9.0
    )
    return manager.disk_file("/node/sda", "7", EntityName("a", "c", "o"), StoragePolicy(0, "gold"))


@pytest.mark.parametrize(
    ("text", "reserve"),
    [("1%", Reserve(1.0, True)), (" 2.5% ", Reserve(2.5, True)), ("10737418240", Reserve(10737418240, False))],
)
def test_reserves_as_operators_write_them(text: str, reserve: Reserve) -> None:
    assert Reserve.parse(text) == reserve
    assert Reserve.parse(str(reserve)) == reserve


@pytest.mark.parametrize("text", ["", "%", "much", "1.5"])
def test_no_reserve(text: str) -> None:
    with pytest.raises(ValueError):
        Reserve.parse(text)


@pytest.mark.parametrize(
    ("free", "size", "refused"),
    [(100, 0, False), (100, None, False), (99, None, True), (150, 50, True), (151, 50, False), (50, 1, True)],
)
def test_what_a_reserve_refuses(free: int, size: int | None, refused: bool) -> None:
    for reserve in (Reserve(1.0, True), Reserve(100, False)):
        assert reserve.refuses(Space(free, 10_000), size) is refused


def test_a_full_disk_takes_tombstones_alone() -> None:
    disk = FullDisk()
    disk.free = 50
    place = disk_file(disk)
    with pytest.raises(DiskFileNoSpace):
        place.writer(10)
    with pytest.raises(DiskFileNoSpace):
        place.write_metadata({"X-Timestamp": Timestamp(1).internal})
    place.delete(Timestamp(1))
    assert [path for path in disk.all_files() if path.endswith(".ts")]
    disk_file(disk, disable_fallocate=True).writer(10).close()


def test_space_is_taken_at_once_for_big_bodies_alone() -> None:
    disk = ForgetfulDisk()
    for size, expected in ((PREALLOCATED - 1, 0), (PREALLOCATED, 1)):
        disk.arm()
        with disk_file(disk).writer(size) as writer:
            for _ in range(2):
                writer.write(b"x" * 100_000)
        assert len([step for step in disk.steps if step.startswith("preallocate")]) == expected


def test_long_uploads_are_synced_on_the_way() -> None:
    disk = ForgetfulDisk()
    place = disk_file(disk, bytes_per_sync=300_000)
    disk.arm()
    with place.writer(None) as writer:
        for _ in range(10):
            writer.write(b"x" * 100_000)
    assert disk.steps.count("sync") == 3


def test_a_writer_that_is_left_leaves_nothing() -> None:
    for anonymous in (True, False):
        disk = ForgetfulDisk(anonymous)
        with disk_file(disk).writer(None) as writer:
            writer.write(b"x" * 100_000)
        assert disk.all_files() == []
        assert disk.open_files == {}


def put(place: DiskFile, second: int, seen: FileSet | None = None) -> None:
    with place.writer(3) as writer:
        writer.write(b"abc")
        writer.put({"X-Timestamp": Timestamp(second).internal, "Content-Length": "3", "ETag": writer.etag}, seen=seen)


def seen_now(place: DiskFile) -> FileSet:
    try:
        with place.open(Timestamp(9)) as opened:
            return opened.files
    except DiskFileNotExist as error:
        return error.files


def test_a_put_is_refused_when_something_else_stands_there_by_now() -> None:
    disk = ForgetfulDisk()
    place = disk_file(disk)
    nothing = seen_now(place)
    put(place, 2, nothing)
    first = seen_now(place)
    before = disk.all_files()
    with pytest.raises(DiskFileStateChanged):
        put(place, 3, nothing)
    assert [path for path in disk.all_files() if "hashes" not in path] == [
        path for path in before if "hashes" not in path
    ]
    assert disk.open_files == {}
    put(place, 3, first)
    with pytest.raises(DiskFileStateChanged):
        put(place, 4, first)
    place.delete(Timestamp(5))
    put(place, 6, seen_now(place))
    assert disk.open_files == {}


def test_a_put_may_be_tried_again_after_another_look() -> None:
    place = disk_file(ForgetfulDisk())
    nothing = seen_now(place)
    put(place, 1)
    with place.writer(3) as writer:
        writer.write(b"abc")
        metadata = {"X-Timestamp": Timestamp(2).internal, "Content-Length": "3", "ETag": writer.etag}
        with pytest.raises(DiskFileStateChanged):
            writer.put(metadata, seen=nothing)
        writer.put(metadata, seen=seen_now(place))
    with place.open(Timestamp(9)) as opened:
        assert opened.timestamp == Timestamp(2)


def test_who_holds_an_object_keeps_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swiftlite.obj.writer.LOCK_TIMEOUT", 0.0)
    disk = ForgetfulDisk()
    place = disk_file(disk)
    holder = place.remover()
    holder.hold()
    for change in (lambda: put(place, 1), lambda: place.delete(Timestamp(1))):
        with pytest.raises(DiskFileLocked):
            change()
    holder.put({"X-Timestamp": Timestamp(2).internal}, TOMBSTONE)
    holder.close()
    put(place, 3)
    assert disk.open_files == {}


def test_an_object_that_is_let_go_unchanged_is_as_before() -> None:
    disk = ForgetfulDisk()
    place = disk_file(disk)
    put(place, 1)
    before = disk.all_files()
    with place.writer(3) as writer:
        writer.write(b"xyz")
        writer.hold({"X-Timestamp": Timestamp(2).internal})
    assert disk.all_files() == before
    put(place, 2)


def test_a_directory_is_not_removed_under_a_writer_that_holds_it() -> None:
    disk = ForgetfulDisk()
    place = disk_file(disk)
    holder = place.remover()
    holder.hold()
    place.manager.tidy(place.directory)
    assert disk.is_directory(place.directory)
    holder.close()
    place.manager.tidy(place.directory)
    assert not disk.is_directory(place.directory)


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_process_without_descriptors_left_loses_none(fails: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = ForgetfulDisk()
    opened = []

    def open_directory(path: str) -> int:
        opened.append(path)
        if len(opened) == fails:
            raise OSError(errno.EMFILE, "Too many open files", path)
        return ForgetfulDisk.open_directory(disk, path)

    monkeypatch.setattr(disk, "open_directory", open_directory)
    with pytest.raises(OSError, match="Too many open files"):
        put(disk_file(disk), 1)
    assert disk.open_files == {} and len(opened) == fails


class QuarantiningDisk(ForgetfulDisk):
    """While a file is synced, its directory is moved away, and another writer makes it anew."""

    moved = False

    def sync(self, fd: int) -> None:
        super().sync(fd)
        if not self.moved:
            self.moved = True
            directory = "/node/sda/objects/7/" + "/".join(self.hash_directory)
            self.rename(directory, "/node/sda/moved")
            self.make_directories(directory)

    @property
    def hash_directory(self) -> list[str]:
        (suffix,) = [name for name in self.list("/node/sda/objects/7") if len(name) == 3]
        return [suffix, *self.list(f"/node/sda/objects/7/{suffix}")]


def test_a_put_whose_directory_was_replaced_lasts_all_the_same() -> None:
    disk = QuarantiningDisk()
    file = disk_file(disk)
    for above in ("/", "/node"):
        disk.sync_directory(above)
    with file.writer(3) as writer:
        writer.write(b"abc")
        writer.put({"X-Timestamp": "0000000002.00000", "Content-Length": "3", "ETag": "e"})
    assert disk.moved
    assert not disk.open_files
    after = disk.reboot("forgets all")
    assert [name for name in after.all_files() if name.endswith("/0000000002.00000.data")]
