"""Metadata in extended attributes: any text survives, any damage shows."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.forgetful_disk import ForgetfulDisk
from swiftlite.common.fs import FileSystem
from swiftlite.obj import xattrs

WSGI = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20)
METADATA = st.dictionaries(WSGI, WSGI, max_size=8)


def stored(disk: ForgetfulDisk, metadata: dict[str, str]) -> int:
    fd = disk.open_new("/file")
    xattrs.write(disk, fd, metadata)
    return fd


@given(METADATA, st.text(max_size=30))
def test_any_text_survives(metadata: dict[str, str], name: str) -> None:
    disk = ForgetfulDisk()
    everything = {"name": f"/a/c/{name}", **metadata}
    assert xattrs.read(disk, stored(disk, everything)) == everything


def test_bytes_that_are_no_utf8_survive() -> None:
    metadata = {"name": "/a/c/\udcff"}
    assert xattrs.decode(xattrs.encode(metadata)) == metadata


def test_large_metadata_are_kept_in_pieces() -> None:
    disk = ForgetfulDisk()
    metadata = {"name": "/a/c/o", **{f"X-Object-Meta-{number}": "v" * 4000 for number in range(50)}}
    fd = stored(disk, metadata)
    attributes = disk.open_files[fd].attributes
    assert sorted(attributes) == sorted(
        [xattrs.KEY, f"{xattrs.KEY}1", f"{xattrs.KEY}2", f"{xattrs.KEY}3", xattrs.CHECKSUM_KEY]
    )
    assert len(attributes[xattrs.KEY]) == 65536
    assert xattrs.read(disk, fd) == metadata
    # As files of old have it: no checksum, small pieces.
    del attributes[xattrs.CHECKSUM_KEY]
    assert xattrs.read(disk, fd) == metadata
    del attributes[f"{xattrs.KEY}3"]
    with pytest.raises(xattrs.BadMetadata):
        xattrs.read(disk, fd)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_flipped_byte_shows(position: int, flip: int) -> None:
    disk = ForgetfulDisk()
    fd = stored(disk, {"name": "/a/c/o", "ETag": "x"})
    attributes = disk.open_files[fd].attributes
    blob = bytearray(attributes[xattrs.KEY])
    blob[position % len(blob)] ^= flip
    attributes[xattrs.KEY] = bytes(blob)
    with pytest.raises(xattrs.BadMetadata):
        xattrs.read(disk, fd)


def test_no_metadata_at_all() -> None:
    disk = ForgetfulDisk()
    with pytest.raises(xattrs.BadMetadata):
        xattrs.read(disk, disk.open_new("/file"))


@pytest.mark.parametrize(
    "value", [b"", b"junk", pickle.dumps([1], 2), pickle.dumps({1: 2}, 2), pickle.dumps(os.getcwd, 2)]
)
def test_other_pickles_are_no_metadata(value: bytes) -> None:
    with pytest.raises(xattrs.BadMetadata):
        xattrs.decode(value)


def test_metadata_of_python_2() -> None:
    # pickle.dumps({'name': '/a/c/\xc3\xa9', 'X-Object-Meta-K': '\xc3\xa9'}, 2) there: plain byte strings.
    blob = b"\x80\x02}q\x00(U\x04nameq\x01U\x07/a/c/\xc3\xa9q\x02U\x0fX-Object-Meta-Kq\x03U\x02\xc3\xa9q\x04u."
    assert xattrs.decode(blob) == {"name": "/a/c/é", "X-Object-Meta-K": "Ã©"}


class RefusingDisk(ForgetfulDisk):
    """Answers every setting of an attribute with one error."""

    number = errno.ENOSPC

    def set_attribute(self, fd: int, name: str, value: bytes) -> None:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, xattrs.MetadataTooLarge),
        (errno.E2BIG, xattrs.MetadataTooLarge),
        (errno.EOPNOTSUPP, xattrs.AttributesUnsupported),
        (errno.EIO, OSError),
    ],
)
def test_what_a_filesystem_refuses(number: int, error: type[Exception]) -> None:
    disk = RefusingDisk()
    disk.number = number
    with pytest.raises(error):
        stored(disk, {"name": "/a/c/o"})


def test_a_real_file(tmp_path: Path) -> None:
    fs = FileSystem()
    fd = fs.open_new(str(tmp_path / "file"))
    try:
        metadata = {"name": "/a/c/é", "ETag": "x"}
        xattrs.write(fs, fd, metadata)
        assert xattrs.read(fs, fd) == metadata
    finally:
        fs.close(fd)


@pytest.mark.parametrize("count", [1, 50])
def test_metadata_of_old_get_the_checksum_that_they_lack(count: int) -> None:
    """In one piece or in several."""
    disk = ForgetfulDisk()
    fd = stored(disk, {"name": "/a/c/o", **{f"X-Object-Meta-{number}": "v" * 4000 for number in range(count)}})
    attributes = disk.open_files[fd].attributes
    right = attributes.pop(xattrs.CHECKSUM_KEY)
    found = xattrs.load(disk, fd)
    assert not found.has_checksum
    xattrs.add_checksum(disk, fd, found.blob)
    assert attributes[xattrs.CHECKSUM_KEY] == right
    assert xattrs.load(disk, fd) == (found.blob, True)
