"""Power lost at every step of a write: a reader finds the old object or the new one, and what was acknowledged stays."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from fakes.forgetful_disk import MODES, ForgetfulDisk, PowerLoss
from swiftlite.common.policies import StoragePolicy
from swiftlite.core.names import EntityName, HashPath
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import hashes
from swiftlite.obj.async_pending import AsyncPending, RowUpdate
from swiftlite.obj.diskfile import DiskFile, DiskFileManager, DiskFileOptions
from swiftlite.obj.errors import DiskFileDeleted, DiskFileNoSpace, DiskFileNotExist

POLICY = StoragePolicy(0, "gold", is_default=True)
NAME = EntityName("a", "c", "o")
HASH_PATH = HashPath(b"pre", b"suf")
NOW = 1_000_000.0
BIG = b"x" * 200_000

Seen = tuple[object, ...]
"""What a reader finds: the body, some metadata, the timestamps; or that and when it was deleted."""


def disk_file(disk: ForgetfulDisk) -> DiskFile:
    options = DiskFileOptions(devices="/srv/node", mount_check=False, bytes_per_sync=100_000)
    manager = DiskFileManager(options, HASH_PATH, logging.getLogger("test"), disk, lambda: NOW)
    return manager.disk_file("/srv/node/sda", "7", NAME, POLICY)


def put(disk: ForgetfulDisk, second: int, body: bytes) -> None:
    with disk_file(disk).writer(len(body)) as writer:
        for start in range(0, len(body), 65536):
            writer.write(body[start : start + 65536])
        metadata = {"Content-Type": "text/plain", "Content-Length": str(len(body)), "ETag": writer.etag}
        writer.put({**metadata, "X-Timestamp": Timestamp(NOW + second).internal, "X-Object-Meta-Of": "put"})


def post(disk: ForgetfulDisk, second: int) -> None:
    stamp = Timestamp(NOW + second).internal
    metadata = {"X-Timestamp": stamp, "Content-Type": f"x/{second}", "Content-Type-Timestamp": stamp}
    disk_file(disk).write_metadata({**metadata, "X-Object-Meta-Of": f"post {second}"})


def delete(disk: ForgetfulDisk, second: int) -> None:
    disk_file(disk).delete(Timestamp(NOW + second))


def read(disk: ForgetfulDisk) -> Seen:
    try:
        with disk_file(disk).open(Timestamp(NOW + 100)) as opened:
            metadata = opened.metadata
            body = b"".join(opened.reader())
            return body, metadata["Content-Type"], metadata["X-Object-Meta-Of"], opened.timestamp
    except DiskFileDeleted as error:
        return "deleted", error.timestamp
    except DiskFileNotExist:
        return ("nothing",)


@dataclass
class Story:
    """What was done before, and what is done when the power goes."""

    before: Callable[[ForgetfulDisk], None]
    change: Callable[[ForgetfulDisk], None]
    anonymous: bool = True


def nothing(disk: ForgetfulDisk) -> None:
    pass


def an_object(disk: ForgetfulDisk) -> None:
    put(disk, 1, b"old")


def posted_twice(disk: ForgetfulDisk) -> None:
    put(disk, 1, b"old")
    post(disk, 2)
    post(disk, 3)


STORIES = {
    "first PUT": Story(nothing, lambda disk: put(disk, 5, b"new")),
    "empty PUT": Story(nothing, lambda disk: put(disk, 5, b"")),
    "PUT over an object": Story(an_object, lambda disk: put(disk, 5, b"new")),
    "PUT over posted metadata": Story(posted_twice, lambda disk: put(disk, 5, b"new")),
    "big PUT": Story(an_object, lambda disk: put(disk, 5, BIG)),
    "PUT of the same moment": Story(lambda disk: put(disk, 5, b"one"), lambda disk: put(disk, 5, b"other")),
    "PUT after a DELETE": Story(lambda disk: (an_object(disk), delete(disk, 2))[0], lambda disk: put(disk, 5, b"new")),
    "POST": Story(an_object, lambda disk: post(disk, 5)),
    "POST over posted metadata": Story(posted_twice, lambda disk: post(disk, 5)),
    "DELETE": Story(an_object, lambda disk: delete(disk, 5)),
    "DELETE of posted metadata": Story(posted_twice, lambda disk: delete(disk, 5)),
    "DELETE of nothing": Story(nothing, lambda disk: delete(disk, 5)),
    "PUT without anonymous files": Story(an_object, lambda disk: put(disk, 5, b"new"), anonymous=False),
    "first PUT without anonymous files": Story(nothing, lambda disk: put(disk, 5, BIG), anonymous=False),
    "DELETE without anonymous files": Story(an_object, lambda disk: delete(disk, 5), anonymous=False),
}


def prepared(story: Story) -> ForgetfulDisk:
    """The disk before the change; all of it long since synced by the kernel."""
    disk = ForgetfulDisk(story.anonymous)
    disk.make_directories("/srv/node/sda")
    story.before(disk)
    if disk.is_directory("/srv/node/sda/objects/7"):
        # So that a lost invalidation would show.
        hashes.get_hashes(disk, "/srv/node/sda/objects/7", disk_file(disk).manager.tidy)
    return settle(disk)


def settle(disk: ForgetfulDisk) -> ForgetfulDisk:
    def sync(directory: object) -> None:
        directory.sync()  # type: ignore[attr-defined]
        for node in directory.entries.values():  # type: ignore[attr-defined]
            sync(node) if hasattr(node, "entries") else node.sync()

    sync(disk.root)
    return disk


@pytest.mark.parametrize("name", STORIES)
def test_power_loss_at_every_step(name: str) -> None:
    story = STORIES[name]
    whole = prepared(story)
    old = read(whole)
    whole.arm()
    story.change(whole)
    new, count = read(whole), len(whole.steps)
    assert new != old
    assert count > 3
    for stop_at in range(count + 1):
        disk = prepared(story)
        disk.arm(stop_at=stop_at)
        acknowledged = False
        try:
            story.change(disk)
            acknowledged = True
        except PowerLoss:
            pass
        assert acknowledged == (stop_at == count)
        for mode in MODES:
            found = read(disk.reboot(mode))
            where = f"{mode}, stopped before step {stop_at} of {whole.steps}"
            assert found == new if acknowledged else found in (old, new), where


@pytest.mark.parametrize("name", STORIES)
def test_a_killed_writer_never_leaves_a_stale_suffix_hash(name: str) -> None:
    story = STORIES[name]
    whole = prepared(story)
    whole.arm()
    story.change(whole)
    for stop_at in range(len(whole.steps) + 1):
        disk = prepared(story)
        disk.arm(stop_at=stop_at)
        try:
            story.change(disk)
        except PowerLoss:
            pass
        disk = disk.reboot("killed")
        tidy = disk_file(disk).manager.tidy
        known = hashes.get_hashes(disk, "/srv/node/sda/objects/7", tidy)
        everything = hashes.get_hashes(disk, "/srv/node/sda/objects/7", tidy, recalculate=list(known), relist=True)
        assert known == everything, whole.steps[:stop_at]


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failing_step_leaves_no_litter(name: str, number: int) -> None:
    story = STORIES[name]
    whole = prepared(story)
    old = read(whole)
    whole.arm()
    story.change(whole)
    new = read(whole)
    for fail_at in range(len(whole.steps)):
        disk = prepared(story)
        disk.error = number
        disk.arm(fail_at=fail_at)
        try:
            story.change(disk)
        except DiskFileNoSpace:
            assert number == errno.ENOSPC
        except OSError as error:
            assert error.errno == number
        assert not disk.open_files, whole.steps[fail_at]
        assert read(disk) in (old, new)
        litter = [path for path in disk.all_files() if "/tmp/" in path]
        assert not litter or whole.steps[fail_at].startswith("unlink"), whole.steps[fail_at]


def test_a_spooled_update_survives_once_saved() -> None:
    update = RowUpdate("PUT", "a", "c", "o", {"X-Timestamp": Timestamp(NOW).internal, "X-Size": "1"})

    def save(disk: ForgetfulDisk) -> AsyncPending:
        spool = AsyncPending(disk, HASH_PATH)
        spool.save("/srv/node/sda", POLICY, update)
        return spool

    def fresh() -> ForgetfulDisk:
        disk = ForgetfulDisk()
        disk.make_directories("/srv/node/sda")
        return settle(disk)

    whole = fresh()
    whole.arm()
    save(whole)
    for stop_at in range(len(whole.steps) + 1):
        disk = fresh()
        disk.arm(stop_at=stop_at)
        try:
            save(disk)
            acknowledged = True
        except PowerLoss:
            acknowledged = False
        for mode in MODES:
            rebooted = disk.reboot(mode)
            spool = AsyncPending(rebooted, HASH_PATH)
            found = [spool.load(file) for file in spool.walk("/srv/node/sda", POLICY)]
            assert found == [update] if acknowledged else found in ([], [update]), (mode, whole.steps[:stop_at])
