"""DiskFileReader: an object's bytes, whole or in ranges, checked on the way."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import xxhash

from swiftlite.core.ranges import ByteRange, MultipartFraming
from swiftlite.obj import quarantine, xattrs
from swiftlite.obj.errors import DiskFileQuarantined

if TYPE_CHECKING:
    from swiftlite.obj.diskfile import DiskFile

SMALL = 65536
"""Bodies up to so many bytes are read and checked at once, before the answer begins."""
PAGE = 4096

_md5 = functools.partial(hashlib.md5, usedforsecurity=False)


class Digest(Protocol):
    """What hashlib's and xxhash's objects have in common."""

    name: str

    def update(self, data: bytes, /) -> None:
        """Take more of the body."""

    def hexdigest(self) -> str:
        """The digest of what was taken."""


class DiskFileReader:
    """Reads one open object file, and closes it.

    A whole body is held against its fingerprint, or else its ETag, before its last bytes leave: damage shows as a
    broken transfer, never as a success; the object is quarantined, and the next reader finds another replica.

    :param file_name: of the open file, in the object's directory
    :param size: bytes of the body
    :param etag: MD5 of the body as hex digits
    """

    def __init__(self, disk_file: DiskFile, file_name: str, fd: int, size: int, etag: str) -> None:
        self.disk_file = disk_file
        self.file_name = file_name
        self.fs = disk_file.fs
        self.fd = fd
        self.size = size
        self.etag = etag
        options = disk_file.manager.options
        self.chunk_size = options.disk_chunk_size
        self.keep_cache = size < options.keep_cache_size
        self.validate = options.etag_validate_pct >= 100 or random.random() * 100 < options.etag_validate_pct

    def read_all(self) -> bytes:
        """The whole body of a small object.

        :raises DiskFileQuarantined: when it is damaged
        """
        try:
            body = self._read(self.size, 0)
            self._check(len(body), _md5(body) if self.validate else None, self.etag)
            if self.size >= self.disk_file.manager.options.keep_cache_size:
                self._forget(0, self.size)
            return body
        finally:
            self.close()

    def __iter__(self) -> Iterator[bytes]:
        """The whole body in chunks.

        :raises DiskFileQuarantined: before the last chunk, when it is damaged
        """
        digest, expected = self._digest()
        offset = 0
        try:
            while offset < self.size:
                chunk = self._read(min(self.chunk_size, self.size - offset), offset)
                offset += len(chunk)
                if digest is not None:
                    digest.update(chunk)
                if not chunk or offset >= self.size:
                    self._check(offset, digest, expected)
                if not self.keep_cache:
                    self._forget(offset - len(chunk), offset)
                yield chunk
        finally:
            self.close()

    def range(self, part: ByteRange) -> PartialBody:
        """Some bytes."""
        return PartialBody(self, self._chunks(part))

    def multipart(self, parts: Sequence[ByteRange], framing: MultipartFraming) -> PartialBody:
        """Several ranges in one multipart/byteranges body."""
        return PartialBody(self, self._framed(parts, framing))

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        if self.fd >= 0:
            self.fs.close(self.fd)
            self.fd = -1

    def _chunks(self, part: ByteRange) -> Iterator[bytes]:
        offset = part.start
        while offset < part.stop:
            chunk = self._read(min(self.chunk_size, part.stop - offset), offset)
            if not chunk:
                raise self._quarantine(f"the file ends at {offset} of {self.size} bytes")
            offset += len(chunk)
            if not self.keep_cache:
                self._forget(offset - len(chunk), offset)
            yield chunk

    def _framed(self, parts: Sequence[ByteRange], framing: MultipartFraming) -> Iterator[bytes]:
        for piece in framing.pieces(parts):
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from self._chunks(piece)

    def _forget(self, start: int, stop: int) -> None:
        """Take what was read out of the page cache."""
        start -= start % PAGE  # The kernel drops whole pages only; the first one may have been begun before.
        self.fs.drop_cache(self.fd, start, stop - start)

    def _read(self, size: int, offset: int) -> bytes:
        try:
            return self.fs.read(self.fd, size, offset)
        except OSError as error:
            if error.errno in quarantine.UNREADABLE:
                raise self._quarantine(f"it cannot be read: {error}") from None
            raise

    def _digest(self) -> tuple[Digest | None, str]:
        """What to hold the whole body against."""
        if not self.validate:
            return None, ""
        fingerprint = xattrs.read_fingerprint(self.fs, self.fd)
        make: Callable[[], Digest] = xxhash.xxh3_128 if fingerprint else _md5
        return make(), fingerprint or self.etag

    def _check(self, size: int, digest: Digest | None, expected: str) -> None:
        problem = None
        if size != self.size:
            problem = f"read {size} bytes of {self.size}"
        elif digest is not None and expected and digest.hexdigest() != expected:
            problem = f"its {digest.name} is {digest.hexdigest()}, and should be {expected}"
        if problem:
            raise self._quarantine(problem)

    def _quarantine(self, problem: str) -> DiskFileQuarantined:
        return self.disk_file.quarantine(problem, self.file_name)


class PartialBody:
    """Parts of a body on their way out; whoever sends them closes this, even if not one byte was taken.

    A bare generator would not do: one that was never begun never reaches its ``finally``.
    """

    def __init__(self, reader: DiskFileReader, chunks: Iterator[bytes]) -> None:
        self._reader = reader
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
