"""Object metadata <-> extended attributes, with a checksum (formats.md 3.3)."""

from __future__ import annotations

import errno
import hashlib
import pickle
from collections.abc import Mapping
from typing import NamedTuple

from swiftlite.common import pickles
from swiftlite.common.fs import FileSystem

KEY = "user.swift.metadata"
CHECKSUM_KEY = "user.swift.metadata_checksum"
FINGERPRINT_KEY = "user.swiftlite.xxh3"
"""XXH3-128 of a big body, as hex digits: our own attribute, which OpenStack Swift neither needs nor minds. It finds the
same damage as the ETag at an eightieth of MD5's cost."""
PIECE_SIZE = 65536

_NO_ROOM = (errno.ENOSPC, errno.E2BIG, errno.ERANGE)

PYTHON3_MARK = b"_codecs\nencode"
"""Near the start of every pickle of bytes that Python 3 wrote; without it the text was written by Python 2."""


class BadMetadata(Exception):
    """What the attributes hold is no metadata: missing, damaged, or not ours."""


class AttributesUnsupported(Exception):
    """The filesystem keeps no extended attributes."""


class MetadataTooLarge(Exception):
    """The filesystem has no room for so much metadata on one file.

    :param size: bytes that were to be kept
    """

    def __init__(self, size: int) -> None:
        super().__init__(
            f"{size} bytes of metadata are more than this filesystem keeps in a file's extended attributes"
        )
        self.size = size


def encode(metadata: Mapping[str, str]) -> bytes:
    """The pickle of metadata: header values go in as UTF-8 of their WSGI strings, so that Swift reads them back."""
    return pickle.dumps({_encode(key): _encode(value) for key, value in metadata.items()}, 2)


def decode(blob: bytes) -> dict[str, str]:
    """Read a metadata pickle of either Python.

    :raises BadMetadata: when it is no pickle of a dictionary of bytes
    """
    try:
        stored = pickles.loads(blob, encoding="bytes")
        if PYTHON3_MARK in blob[:32]:
            return {_decode(key): _decode(value) for key, value in stored.items()}
        return {
            key.decode("latin-1"): _decode(value) if key == b"name" else value.decode("latin-1")
            for key, value in stored.items()
        }
    except (pickle.UnpicklingError, AttributeError, TypeError) as error:
        raise BadMetadata(f"metadata cannot be unpickled: {error}") from None


def write(fs: FileSystem, fd: int, metadata: Mapping[str, str]) -> None:
    """Store metadata with an open file.

    :raises MetadataTooLarge: when the filesystem has no room for them
    :raises AttributesUnsupported: when it keeps none at all
    """
    blob = encode(metadata)
    checksum = _checksum(blob)
    try:
        for number, start in enumerate(range(0, len(blob), PIECE_SIZE)):
            fs.set_attribute(fd, _piece_key(number), blob[start : start + PIECE_SIZE])
        fs.set_attribute(fd, CHECKSUM_KEY, checksum)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise AttributesUnsupported(str(error)) from None
        # A full disk gives ENOSPC too; both are answered alike, and the reserve was checked before.
        if error.errno in _NO_ROOM:
            raise MetadataTooLarge(len(blob)) from None
        raise


def write_fingerprint(fs: FileSystem, fd: int, fingerprint: str) -> None:
    """Store the fingerprint of a body, if there is room for it; readers do without."""
    try:
        fs.set_attribute(fd, FINGERPRINT_KEY, fingerprint.encode())
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise


def read_fingerprint(fs: FileSystem, fd: int) -> str | None:
    """The fingerprint of a body; None where none was stored, as by OpenStack Swift."""
    stored = _attribute(fs, fd, FINGERPRINT_KEY)
    return stored.decode("latin-1") if stored else None


class Stored(NamedTuple):
    """Metadata as they are stored with a file.

    :ivar blob: the pickle, its pieces put together
    :ivar has_checksum: whether a checksum was stored, which it fits; the oldest versions of Swift wrote none
    """

    blob: bytes
    has_checksum: bool


def load(fs: FileSystem, fd: int) -> Stored:
    """Read the pickle of an open file's metadata, and hold it against its checksum.

    :raises BadMetadata: when it is missing or damaged
    :raises AttributesUnsupported: when the filesystem keeps none at all
    """
    blob = _attribute(fs, fd, KEY)
    if blob is None:
        raise BadMetadata("there is no metadata")
    checksum = _attribute(fs, fd, CHECKSUM_KEY)
    if not _verify(blob, checksum):
        blob = _read_pieces(fs, fd, blob)
        if checksum is not None and not _verify(blob, checksum):
            raise BadMetadata("metadata do not match their checksum")
    return Stored(blob, checksum is not None)


def read(fs: FileSystem, fd: int) -> dict[str, str]:
    """Read the metadata of an open file; errors as for both :func:`load` and :func:`decode`."""
    return decode(load(fs, fd).blob)


def add_checksum(fs: FileSystem, fd: int, blob: bytes) -> None:
    """Give metadata the checksum that they lack; raises OSError where that is not possible."""
    fs.set_attribute(fd, CHECKSUM_KEY, _checksum(blob))


def _checksum(blob: bytes) -> bytes:
    return hashlib.md5(blob, usedforsecurity=False).hexdigest().encode()


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decode(stored: bytes) -> str:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored.decode("utf-8", "surrogateescape")


def _piece_key(number: int) -> str:
    return f"{KEY}{number}" if number else KEY


def _verify(blob: bytes, checksum: bytes | None) -> bool:
    return checksum is not None and _checksum(blob) == checksum


def _read_pieces(fs: FileSystem, fd: int, first: bytes) -> bytes:
    pieces = [first]
    while (piece := _attribute(fs, fd, _piece_key(len(pieces)))) is not None:
        pieces.append(piece)
    return b"".join(pieces)


def _attribute(fs: FileSystem, fd: int, name: str) -> bytes | None:
    try:
        return fs.get_attribute(fd, name)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        if error.errno == errno.EOPNOTSUPP:
            raise AttributesUnsupported(str(error)) from None
        raise
