"""Removal of objects from a handoff: what is remembered of the partition stays true, and nothing keeps the rest."""

from __future__ import annotations

import errno

import pytest
from unit.obj.test_hashes import ONE, PARTITION, TWO, add, get, md5

from fakes.forgetful_disk import ForgetfulDisk
from swiftlite.obj import removal

NAME = "0000999999.00001.data"


def test_a_removal_is_never_hashed_away() -> None:
    """Whoever hashes between the note of it and the removal; another object keeps the partition."""

    class Hashed(ForgetfulDisk):
        def lock_directory(self, path: str) -> int | None:
            get(self)
            return super().lock_directory(path)

    disk = Hashed()
    disk.make_directories(PARTITION)
    for name_hash in (ONE, TWO):
        add(disk, name_hash, NAME)
    assert removal.remove_objects(disk, PARTITION, lambda name_hash, found: name_hash == ONE) == 1
    assert get(disk) == {"abc": md5(NAME)}
    assert removal.remove_objects(disk, PARTITION, lambda name_hash, found: True) == 1
    assert get(disk) == {}


def test_objects_can_be_removed_from_a_full_disk() -> None:
    """It takes no note of that; what it remembers of the partition goes instead."""

    class Full(ForgetfulDisk):
        def append(self, path: str, data: bytes) -> None:
            if self.is_full:
                raise OSError(errno.ENOSPC, "full", path)
            super().append(path, data)

        is_full = False

    disk = Full()
    disk.make_directories(PARTITION)
    for name_hash in (ONE, TWO):
        add(disk, name_hash, NAME)
    get(disk)
    disk.is_full = True
    assert removal.remove_objects(disk, PARTITION, lambda name_hash, found: name_hash == ONE) == 1
    assert get(disk) == {"abc": md5(NAME)}
    assert removal.remove_objects(disk, PARTITION, lambda name_hash, found: True) == 1
    assert get(disk) == {}


def test_one_object_that_cannot_be_removed_keeps_no_other() -> None:
    class Damaged(ForgetfulDisk):
        def lock_directory(self, path: str) -> int | None:
            if path.endswith(ONE):
                raise OSError(errno.EIO, "damaged", path)
            return super().lock_directory(path)

    disk = Damaged()
    for name_hash in (ONE, TWO):
        add(disk, name_hash, NAME)
    with pytest.raises(OSError, match="damaged"):
        removal.remove_objects(disk, PARTITION, lambda name_hash, found: True)
    assert disk.list(f"{PARTITION}/abc") == [ONE]


def test_what_somebody_else_tidies_away_meanwhile_is_no_failure() -> None:
    disk = ForgetfulDisk()
    add(disk, ONE, "0000999998.00001.data", NAME)

    def tidy(name_hash: str, found: object) -> bool:
        disk.unlink(f"{PARTITION}/abc/{ONE}/0000999998.00001.data")
        return True

    assert removal.remove_objects(disk, PARTITION, tidy) == 1
    assert not disk.exists(f"{PARTITION}/abc")
