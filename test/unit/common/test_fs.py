"""The real filesystem, as far as the kernel's calls need care."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from fakes.descriptors import opened
from swiftlite.common.concurrency import spawn
from swiftlite.common.fs import AnonymousFilesUnsupported, FileSystem, LockTimeout

FS = FileSystem()


def test_directories_are_made_once_and_told_deepest_first(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    made = FS.make_directories(str(path))
    assert made == [str(path), str(path.parent), str(path.parent.parent)]
    assert FS.make_directories(str(path)) == []
    assert FS.make_directories(str(path / "d")) == [str(path / "d")]


def test_a_file_without_a_name_gets_one(tmp_path: Path) -> None:
    try:
        fd = FS.open_anonymous(str(tmp_path))
    except AnonymousFilesUnsupported:
        pytest.skip("no O_TMPFILE here")
    try:
        FS.write(fd, b"data")
        assert list(tmp_path.iterdir()) == []
        FS.link(fd, str(tmp_path / "named"))
        assert (tmp_path / "named").read_bytes() == b"data"
        with pytest.raises(FileExistsError):
            FS.link(fd, str(tmp_path / "named"))
        with pytest.raises(FileNotFoundError):
            FS.link(fd, str(tmp_path / "missing" / "named"))
    finally:
        FS.close(fd)
    assert (tmp_path / "named").read_bytes() == b"data"


def test_a_filesystem_without_nameless_files() -> None:
    with pytest.raises((AnonymousFilesUnsupported, PermissionError)):
        FS.open_anonymous("/proc")


def test_preallocation_changes_no_size(tmp_path: Path) -> None:
    fd = FS.open_new(str(tmp_path / "file"))
    try:
        FS.preallocate(fd, 1 << 20)
        assert FS.size(fd) == 0
        FS.write(fd, b"x" * 10)
        assert FS.size(fd) == 10
    finally:
        FS.close(fd)


def test_writes_go_on_until_all_is_written() -> None:
    """A pipe takes less than is offered at once."""
    reader, writer = os.pipe()
    data, received = os.urandom(1 << 20), bytearray()

    def read_all() -> None:
        while chunk := os.read(reader, 50_000):
            received.extend(chunk)

    thread = threading.Thread(target=read_all)
    thread.start()
    FS.write(writer, data)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert bytes(received) == data


def test_appends_are_kept_apart(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    FS.append(path, b"one\n")
    FS.append(path, b"two\n")
    assert FS.read_file(path) == b"one\ntwo\n"
    FS.truncate(path)
    assert FS.read_file(path) == b""


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    path = str(tmp_path / ".lock")
    with FS.lock(path):
        with pytest.raises(LockTimeout) as caught:
            with FS.lock(path, timeout=0.05):
                raise AssertionError("two hold it")
        assert path in str(caught.value)

        def wait() -> str:
            with FS.lock(path, timeout=60):
                return "had it"

        waiting = spawn(wait)
    assert waiting.wait() == "had it"


def test_a_lock_in_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        with FS.lock(str(tmp_path / "missing" / ".lock")):
            pass


def test_space_and_places(tmp_path: Path) -> None:
    space = FS.space(str(tmp_path))
    assert 0 < space.free <= space.total
    assert FS.is_directory(str(tmp_path))
    assert not FS.is_directory(str(tmp_path / "missing"))
    assert not FS.is_mount(str(tmp_path))
    assert FS.is_mount("/")


def test_the_lock_of_a_directory_is_held_by_one(tmp_path: Path) -> None:
    place = tmp_path / "object"
    place.mkdir()
    first = FS.lock_directory(str(place))
    assert first is not None
    assert FS.lock_directory(str(place)) is None
    FS.close(first)
    again = FS.lock_directory(str(place))
    assert again is not None
    FS.close(again)
    with pytest.raises(FileNotFoundError):
        FS.lock_directory(str(tmp_path / "missing"))


def test_the_lock_of_a_directory_that_was_replaced_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "object"
    place.mkdir()
    lock = fcntl.flock

    def replaced_meanwhile(fd: int, how: int) -> None:
        lock(fd, how)
        place.rmdir()
        (tmp_path / "other").mkdir()
        place.mkdir()

    before = opened()
    monkeypatch.setattr(fcntl, "flock", replaced_meanwhile)
    with pytest.raises(FileNotFoundError):
        FS.lock_directory(str(place))
    assert not opened() - before
