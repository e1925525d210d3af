"""Suffix hashes: they follow what is on the disk, through every note that it has changed."""

from __future__ import annotations

import errno
import hashlib
import logging
import pickle

import pytest

from fakes.forgetful_disk import ForgetfulDisk
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.names import EntityName, HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import hashes
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, DiskFileOptions

PARTITION = "/sda/objects/7"
ONE, TWO = "0" * 29 + "abc", "1" * 29 + "abc"
NOW = 1_000_000.0


@pytest.fixture
def disk() -> ForgetfulDisk:
    disk = ForgetfulDisk()
    disk.make_directories(PARTITION)
    return disk


def manager(disk: ForgetfulDisk, reclaim_age: float = 604800.0) -> DiskFileManager:
    options = DiskFileOptions(devices="/", mount_check=False, reclaim_age=reclaim_age)
    return DiskFileManager(options, HashPath(b"", b"s"), logging.getLogger("test"), disk, lambda: NOW)


def add(disk: ForgetfulDisk, name_hash: str, *names: str, note: bool = True) -> None:
    directory = f"{PARTITION}/{name_hash[-3:]}/{name_hash}"
    disk.make_directories(directory)
    for name in names:
        disk.close(disk.open_new(f"{directory}/{name}"))
    if note:
        hashes.invalidate(disk, PARTITION, name_hash[-3:])


def get(disk: ForgetfulDisk, **kwargs: object) -> dict[str, str]:
    return hashes.get_hashes(disk, PARTITION, manager(disk).tidy, **kwargs)  # type: ignore[arg-type]


def md5(*texts: str) -> str:
    return hashlib.md5("".join(texts).encode()).hexdigest()


def test_a_missing_partition_has_no_hashes() -> None:
    assert get(ForgetfulDisk()) == {}


def test_objects_of_a_suffix_in_order_of_their_hash(disk: ForgetfulDisk) -> None:
    add(disk, TWO, "0000999999.00002.ts")
    add(disk, ONE, "0000999999.00001.data", "0000999999.00005-2.meta")
    expected = ["0000999999.00005.meta", "0000999999.00001.data", "0000999999.00003_ctype", "0000999999.00002.ts"]
    assert get(disk) == {"abc": md5(*expected)}


def test_obsolete_files_are_removed_and_do_not_count(disk: ForgetfulDisk) -> None:
    add(disk, ONE, "0000999999.00001.data", "0000999999.00002.data", "0000999999.00001.ts")
    assert get(disk) == {"abc": md5("0000999999.00002.data")}
    assert disk.list(f"{PARTITION}/abc/{ONE}") == ["0000999999.00002.data"]


def test_only_what_was_noted_is_computed_anew(disk: ForgetfulDisk) -> None:
    add(disk, ONE, "0000999999.00001.data")
    first = get(disk)
    add(disk, ONE, "0000999999.00002.data", note=False)
    assert get(disk) == first
    assert get(disk, recalculate=["abc"]) == {"abc": md5("0000999999.00002.data")}
    hashes.invalidate(disk, PARTITION, "abc")
    assert get(disk) == {"abc": md5("0000999999.00002.data")}


def test_a_suffix_that_became_empty_goes(disk: ForgetfulDisk) -> None:
    add(disk, ONE, "0000000001.00000.ts")
    assert get(disk) == {}
    assert disk.list(PARTITION).count("abc") == 0


def test_the_files_that_others_read(disk: ForgetfulDisk) -> None:
    add(disk, ONE, "0000999999.00001.data")
    assert disk.read_file(f"{PARTITION}/hashes.invalid") == b"abc\n"
    found = get(disk)
    assert disk.read_file(f"{PARTITION}/hashes.invalid") == b""
    stored = pickle.loads(disk.read_file(f"{PARTITION}/hashes.pkl"))
    assert {**found, "valid": True} == {key: value for key, value in stored.items() if key != "updated"}
    assert disk.read_file(f"{PARTITION}/hashes.pkl")[:2] == b"\x80\x02"
    assert [name for name in disk.list(PARTITION) if name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", pickle.dumps({"zz": "x"}, 2), pickle.dumps([1], 2), pickle.dumps({"ABC": "x"}, 2)],
    ids=["empty", "junk", "no suffix", "no dict", "upper case"],
)
def test_a_damaged_pickle_is_made_anew(disk: ForgetfulDisk, content: bytes) -> None:
    add(disk, ONE, "0000999999.00001.data", note=False)
    fd = disk.open_new(f"{PARTITION}/hashes.pkl")
    disk.write(fd, content)
    disk.close(fd)
    assert get(disk) == {"abc": md5("0000999999.00001.data")}


def test_notes_with_nonsense_lines(disk: ForgetfulDisk) -> None:
    add(disk, ONE, "0000999999.00001.data")
    disk.append(f"{PARTITION}/hashes.invalid", b"\xff\xfe\n../\nabcd\n\n")
    assert set(get(disk)) == {"abc"}


def test_a_vanished_partition_is_not_brought_back_by_a_note() -> None:
    disk = ForgetfulDisk()
    hashes.invalidate(disk, "/sda/objects/8", "abc")
    assert not disk.exists("/sda")


class HashingDisk(ForgetfulDisk):
    """Somebody hashes the partition whenever a change of an object is about to show."""

    def link(self, fd: int, path: str) -> None:
        get(self)
        super().link(fd, path)

    def rename(self, old: str, new: str) -> None:
        if not old.endswith(".tmp"):  # hashes.pkl itself
            get(self)
        super().rename(old, new)


def place(disk: ForgetfulDisk) -> DiskFile:
    return manager(disk).disk_file("/sda", "7", EntityName("a", "c", "o"), StoragePolicy(0, "gold"))


def put(disk: ForgetfulDisk, second: int) -> None:
    with place(disk).writer(0) as writer:
        writer.put({"X-Timestamp": Timestamp(999_000 + second).internal, "Content-Length": "0", "ETag": "e"})


CHANGES = {
    "first put": lambda disk: put(disk, 1),
    "second put": lambda disk: (put(disk, 1), put(disk, 2)),
    "post": lambda disk: (put(disk, 1), place(disk).write_metadata({"X-Timestamp": Timestamp(999_002).internal})),
    "deletion": lambda disk: (put(disk, 1), place(disk).delete(Timestamp(999_002))),
    "quarantine": lambda disk: (put(disk, 1), place(disk).quarantine("damaged")),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("anonymous", [True, False])
def test_a_change_is_never_hashed_away(change: str, anonymous: bool) -> None:
    """Who hashes between the note of a change and the change must not take the note for done with."""
    disk = HashingDisk(anonymous)
    disk.make_directories(PARTITION)
    CHANGES[change](disk)
    known = get(disk)
    assert known == get(disk, recalculate=list(known), relist=True)
    assert bool(known) == (change != "quarantine")
    assert None not in pickle.loads(disk.read_file(f"{PARTITION}/hashes.pkl")).values()


def test_a_full_disk_can_be_hashed() -> None:
    """It remembers nothing of that, forgets nothing either, and is not littered."""

    class Full(ForgetfulDisk):
        def write(self, fd: int, data: bytes | memoryview) -> None:
            raise OSError(errno.ENOSPC, "full")

    disk = Full()
    disk.make_directories(PARTITION)
    for note in (False, True):
        add(disk, TWO if note else ONE, "0000999999.00001.data", note=note)
        for _ in range(2):
            assert get(disk) == {"abc": md5(*["0000999999.00001.data"] * (1 + note))}
    assert disk.read_file(f"{PARTITION}/hashes.invalid") == b"abc\n"
    assert sorted(disk.list(PARTITION)) == [".lock", "abc", "hashes.invalid"]


def test_a_pickle_that_cannot_be_written_leaves_nothing_behind(disk: ForgetfulDisk) -> None:
    add(disk, ONE, "0000999999.00001.data")

    class Broken(OSError):
        pass

    def fail(fd: int) -> None:
        raise Broken(errno.EIO, "broken")

    disk.sync = fail  # type: ignore[method-assign]
    with pytest.raises(Broken):
        get(disk)
    assert sorted(disk.list(PARTITION)) == [".lock", "abc", "hashes.invalid"]
