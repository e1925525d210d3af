"""Relinking of one object: whatever it is and whenever the power goes, nothing that a reader saw is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.obj.test_growth import (
    NEW,
    NOW,
    OLD,
    POLICY,
    a_disk,
    delete,
    place,
    post,
    put,
    read,
    settle,
)

from fakes.forgetful_disk import MODES, ForgetfulDisk, PowerLoss
from swiftlite.core import fileset
from swiftlite.obj import hashes, xattrs
from swiftlite.obj.relink import ObjectRelinker, needed

Story = Callable[[ForgetfulDisk], None]


def at(disk: ForgetfulDisk, partition: str) -> str:
    return place(disk, partition).directory


def names(disk: ForgetfulDisk, partition: str) -> list[str]:
    return sorted(disk.list(at(disk, partition))) if disk.exists(at(disk, partition)) else []


def run(disk: ForgetfulDisk, is_cleanup: bool, clobber: bool = False) -> ObjectRelinker:
    relinker = ObjectRelinker(place(disk, OLD).manager, "/srv/node/sda", POLICY, is_cleanup, clobber)
    relinker.run(at(disk, OLD), at(disk, NEW))
    return relinker


def newer_at_new_place(disk: ForgetfulDisk) -> None:
    put(place(disk, OLD), 1, b"old")
    put(place(disk, NEW), 2, b"new")


def newer_at_old_place(disk: ForgetfulDisk) -> None:
    put(place(disk, OLD), 2, b"new")
    put(place(disk, NEW), 1, b"old")


def deleted_at_new_place(disk: ForgetfulDisk) -> None:
    put(place(disk, OLD), 1, b"old")
    delete(place(disk, NEW), 2)


def posted(disk: ForgetfulDisk) -> None:
    put(place(disk, OLD), 1, b"body")
    post(place(disk, OLD), 2)


def posted_at_new_place(disk: ForgetfulDisk) -> None:
    """As a writer leaves it that came before the relinker."""
    put(place(disk, OLD), 1, b"body")
    post(place(disk, OLD, 11), 2)


STORIES: dict[str, tuple[Story, object]] = {
    "an object": (lambda disk: put(place(disk, OLD), 1, b"body"), b"body"),
    "posted metadata": (posted, b"body"),
    "posted metadata at the new place": (posted_at_new_place, b"body"),
    "a tombstone": (lambda disk: delete(place(disk, OLD), 1), "deleted"),
    "newer at the new place": (newer_at_new_place, b"new"),
    "newer at the old place": (newer_at_old_place, b"new"),
    "deleted at the new place": (deleted_at_new_place, "deleted"),
}


def prepared(name: str) -> ForgetfulDisk:
    disk = a_disk()
    STORIES[name][0](disk)
    for partition in (OLD, NEW):
        hashes.get_hashes(disk, f"/srv/node/sda/objects/{partition}", place(disk, partition).manager.tidy)
    return settle(disk)


@pytest.mark.parametrize("name", STORIES)
def test_both_steps_and_again(name: str) -> None:
    disk = prepared(name)
    wanted = STORIES[name][1]
    for _ in range(2):
        assert not run(disk, is_cleanup=False).counts["errors"]
        assert read(disk, NEW)[0] == wanted
    before = read(disk, NEW)
    first = run(disk, is_cleanup=True)
    assert (first.counts["errors"], first.counts["linked"]) == (0, 0)
    assert first.counts["removed"] > 0
    assert not disk.exists(at(disk, OLD))
    assert read(disk, NEW) == before
    assert not run(disk, is_cleanup=True).counts["errors"]
    for partition in (OLD, NEW):
        root, tidy = f"/srv/node/sda/objects/{partition}", place(disk, partition).manager.tidy
        known = hashes.get_hashes(disk, root, tidy)
        assert known == hashes.get_hashes(disk, root, tidy, recalculate=list(known), relist=True)


@pytest.mark.parametrize("name", STORIES)
def test_a_clean_up_alone_does_both(name: str) -> None:
    disk = prepared(name)
    assert not run(disk, is_cleanup=True).counts["errors"]
    assert read(disk, NEW)[0] == STORIES[name][1]
    assert not disk.exists(at(disk, OLD))


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("is_cleanup", [False, True])
@pytest.mark.parametrize("linked_before", [False, True])
def test_power_loss_at_every_step(name: str, is_cleanup: bool, linked_before: bool) -> None:
    def start() -> ForgetfulDisk:
        disk = prepared(name)
        if linked_before:
            run(disk, is_cleanup=False)
        return settle(disk)

    whole = start()
    whole.arm()
    run(whole, is_cleanup)
    for stop_at in range(len(whole.steps) + 1):
        disk = start()
        before = {file: disk.inode(file) for file in disk.all_files()}
        disk.arm(stop_at=stop_at)
        try:
            run(disk, is_cleanup)
        except PowerLoss:
            pass
        for mode in MODES:
            found = disk.reboot(mode)
            where = f"{mode}, stopped before step {stop_at} of {whole.steps}"
            places = [set(names(found, partition)) for partition in (OLD, NEW)]
            effective = fileset.resolve(set().union(*places)).effective
            together = {path.rpartition("/")[2] for path in before if f"/{OLD}/" in path or f"/{NEW}/" in path}
            assert effective == fileset.resolve(together).effective, where
            # The next run ends it.
            assert not run(found, is_cleanup=True).counts["errors"], where
            assert read(found, NEW)[0] == STORIES[name][1], where
            assert not found.exists(at(found, OLD)), where


def test_an_old_tombstone_is_not_worth_a_link_and_brings_nothing_back() -> None:
    disk = a_disk()
    put(place(disk, OLD), -900_000, b"old")
    delete(place(disk, NEW), -800_000)
    assert needed(names(disk, OLD), ["0000200000.00000.ts"], NOW, 604800) == []
    run(disk, is_cleanup=True)
    assert not disk.exists(at(disk, OLD))
    assert read(disk, NEW)[0] != b"old"


@pytest.mark.parametrize("is_cleanup", [False, True])
def test_different_files_of_one_moment_are_left_for_an_operator(is_cleanup: bool) -> None:
    disk = a_disk()
    put(place(disk, OLD), 1, b"one")
    put(place(disk, NEW), 1, b"other")
    assert run(disk, is_cleanup).counts["errors"] == 1
    assert (read(disk, OLD)[0], read(disk, NEW)[0]) == (b"one", b"other")
    assert not run(disk, is_cleanup, clobber=True).counts["errors"]
    if is_cleanup:
        assert (names(disk, OLD), read(disk, NEW)[0]) == ([], b"other")
    else:
        assert (read(disk, OLD)[0], read(disk, NEW)[0]) == (b"one", b"one")
        assert any("/quarantined/" in path for path in disk.all_files())


def test_equal_files_and_tombstones_of_one_moment_are_no_conflict() -> None:
    disk = a_disk()
    for partition in (OLD, NEW):
        put(place(disk, partition), 1, b"same")
    assert not run(disk, is_cleanup=True).counts["errors"]
    assert (names(disk, OLD), read(disk, NEW)[0]) == ([], b"same")
    for partition in (OLD, NEW):
        delete(place(disk, partition), 2)
    assert not run(disk, is_cleanup=True).counts["errors"]
    assert names(disk, OLD) == []


def test_same_content_with_other_metadata_is_a_conflict() -> None:
    disk = a_disk()
    for partition in (OLD, NEW):
        put(place(disk, partition), 1, b"same")
    fd = disk.open_read(f"{at(disk, NEW)}/{names(disk, NEW)[0]}")
    xattrs.write(disk, fd, {**xattrs.read(disk, fd), "X-Object-Meta-Color": "blue"})
    assert run(disk, is_cleanup=True).counts["errors"] == 1
    assert names(disk, OLD)


def test_names_that_nobody_knows_are_kept_and_rsync_leftovers_are_not() -> None:
    disk = a_disk()
    put(place(disk, OLD), 1, b"x")
    for name in ("note.txt", ".0000000001.00000.data.AbCd12"):
        disk.close(disk.open_new(f"{at(disk, OLD)}/{name}"))
    assert not run(disk, is_cleanup=True).counts["errors"]
    assert "note.txt" in names(disk, NEW)
    assert len(names(disk, NEW)) == 2
    assert not disk.exists(at(disk, OLD))


def test_a_writer_that_comes_in_between_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    class Busy(ForgetfulDisk):
        writes = 1

        def remove_directory(self, path: str) -> None:
            if self.writes and f"/{OLD}/" in path:
                self.writes -= 1
                # One that writes to the new place, and links to the old one as long as that is there.
                put(place(self, NEW, 11), 5, b"late")
            super().remove_directory(path)

    disk = Busy()
    disk.make_directories("/srv/node/sda")
    put(place(disk, OLD, 11), 1, b"early")
    assert not run(disk, is_cleanup=True).counts["errors"]
    assert (names(disk, OLD), read(disk, NEW)[0]) == ([], b"late")


def test_a_disk_that_fails_is_an_error_and_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    whole = prepared("an object")
    whole.arm()
    run(whole, is_cleanup=True)
    for fail_at in range(len(whole.steps)):
        disk = prepared("an object")
        disk.arm(fail_at=fail_at)
        with caplog.at_level(logging.CRITICAL):
            assert run(disk, is_cleanup=True).counts["errors"] == 1
        assert b"body" in (read(disk, OLD)[0], read(disk, NEW)[0])
        disk.arm()
        assert not run(disk, is_cleanup=True).counts["errors"]
        assert read(disk, NEW)[0] == b"body"


stamps = st.integers(0, 5).map(lambda n: f"000000000{n}.00000")
files = st.lists(st.builds(str.__add__, stamps, st.sampled_from([".data", ".ts", ".meta"])), unique=True, max_size=6)


@given(files, files)
def test_what_is_needed_makes_the_new_place_say_all(old: list[str], new: list[str]) -> None:
    links = needed(old, new, 10.0, 1000.0)
    assert set(links) <= set(old)
    assert fileset.resolve({*links, *new}).effective == fileset.resolve({*old, *new}).effective
    assert needed([], new, 10.0, 1000.0) == []


@given(files, files, st.sampled_from([0.0, 7.0]))
def test_no_tombstone_is_too_old_for_what_it_keeps_from_coming_back(
    old: list[str], new: list[str], reclaim_age: float
) -> None:
    links = needed(old, new, 10.0, reclaim_age)
    assert fileset.resolve({*links, *new}).data == fileset.resolve({*old, *new}).data


def test_an_object_that_a_writer_holds_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swiftlite.obj.relink.LOCK_TIMEOUT", 0.0)
    disk = prepared("an object")
    lock = disk.lock_directory(at(disk, OLD))
    assert lock is not None
    assert run(disk, is_cleanup=True).counts["errors"] == 1
    assert (read(disk, OLD)[0], names(disk, NEW)) == (b"body", [])
    disk.close(lock)
    assert not run(disk, is_cleanup=True).counts["errors"]
