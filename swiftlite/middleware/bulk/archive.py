"""An archive as it comes from a client: inflated and read member by member, whatever it holds, within bounded memory."""

from __future__ import annotations

import bz2
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

from swiftlite.common.concurrency import sleep
from swiftlite.common.subrequest import Environ
from swiftlite.common.web import Answer
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout
from swiftlite.middleware.client_body import read_body

AT_ONCE = 65536
"""Bytes of the body that are taken at once."""
TURN = 262144
"""Inflated bytes after which other requests have their turn."""
MOST_HEADERS = 262144
"""Bytes that what describes one member may have: names, attributes, a map of holes."""
MOST_GLOBAL = 65536
"""Bytes of attributes that hold for all members: each member gets a copy of them."""
FREE_WASTE = 64 * 1024 * 1024
WASTE_RATIO = 100
"""Inflated bytes that are thrown away may be so many, and so many times the bytes that the client sent."""
BROKEN = (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]
BUFFER = tarfile.RECORDSIZE
MAGIC = {"gz": b"\x1f\x8b", "bz2": b"BZh"}
DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    "bz2": bz2.BZ2Decompressor,
}

T = TypeVar("T")


class BadArchive(Exception):
    """The archive cannot be read on; the client is told why."""


class Inflater:
    """The bytes of an archive, as a file to read from.

    :param environ: the client's request
    :param compression: ``""``, ``gz`` or ``bz2``
    """

    def __init__(self, environ: Environ, compression: str) -> None:
        self.failure: Answer | None = None
        """Why the body does not come."""
        self.given = 0
        self.stored = 0
        """Bytes that went into objects."""
        self.limit = 0
        """What may have been given before the next member is known."""
        self._environ = environ
        self._compression = compression
        self._magic = MAGIC.get(compression, b"")
        self._inflate: Any = DECOMPRESSORS[compression]() if compression else None
        self._received = 0
        self._rest = b""
        self._turn = TURN

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, ``b""`` at the end.

        :raises BadArchive: for what is damaged, or grows out of all proportion
        :raises Answer: when the body does not come as it should
        """
        if self.given > self.limit:
            raise BadArchive(f"more than {MOST_HEADERS} bytes describe one file")
        data = self._receive(size) if self._inflate is None else self._inflated(size)
        self.given += len(data)
        if self.given - self.stored > FREE_WASTE + WASTE_RATIO * self._received:
            raise BadArchive("too little of it can be stored for its size")
        if self.given > self._turn:
            self._turn = self.given + TURN
            sleep()
        return data

    def drain(self, most: int) -> None:
        """Read away what follows the archive, so that the connection can be used again."""
        while most > 0 and (data := self._receive(AT_ONCE)):
            most -= len(data)

    def _receive(self, size: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        try:
            data = read_body(self._environ, size)
        except Answer as answer:
            self.failure = answer
            raise
        self._received += len(data)
        return data

    def _inflated(self, size: int) -> bytes:
        try:
            return self._next_piece(size)
        except (zlib.error, OSError):
            raise BadArchive("invalid compressed data" if self.given else self._no_such_archive()) from None

    def _next_piece(self, size: int) -> bytes:
        while True:
            if self._inflate.eof:
                # Compressors that use many cores write many streams; anything else behind a stream is padding.
                self._rest = self._inflate.unused_data or self._receive(AT_ONCE)
                if not self._rest.startswith(self._magic):
                    return b""
                self._inflate = DECOMPRESSORS[self._compression]()
            data: bytes = self._inflate.decompress(self._rest, size)
            self._rest = getattr(self._inflate, "unconsumed_tail", b"")
            if data:
                return data
            if not self._rest and not self._inflate.eof:
                self._rest = self._receive(AT_ONCE)
                if not self._rest:
                    if not self._received and self._compression == "gz":
                        raise BadArchive(self._no_such_archive())
                    return b""

    def _no_such_archive(self) -> str:
        return "not a gzip file" if self._compression == "gz" else "invalid compressed data"


class MemberBody:
    """One file's bytes, as the body of a PUT."""

    def __init__(self, file: IO[bytes], source: Inflater) -> None:
        self._file = file
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, ``b""`` at the end.

        :raises RequestBodyError: when the archive cannot be read on
        """
        try:
            data = self._file.read(size)
        except (tarfile.TarError, BadArchive) as error:
            raise BadBody(str(error)) from None
        except Answer as answer:
            raise {408: ClientTimeout, 499: ClientDisconnected}.get(answer.status_int, BadBody)(answer.status) from None
        self._source.stored += len(data)
        return data


class _Member(tarfile.TarInfo):
    """A member; in the midst of an archive what is none is an error, not the archive's end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _Member:
        """Read the next one."""
        try:
            return super().fromtarfile(tar)
        except BROKEN as error:
            if tar.offset == 0:  # type: ignore[attr-defined]
                raise
            raise tarfile.ReadError(str(error)) from None


class Archive:
    """The members of an archive, in their order.

    :param source: its bytes
    :raises BadArchive, Answer: as `members`
    """

    def __init__(self, source: Inflater) -> None:
        self._source = source
        source.limit = MOST_HEADERS
        self._tar = self._guarded(lambda: tarfile.open(mode="r|", fileobj=source, bufsize=BUFFER, tarinfo=_Member))  # noqa: SIM115

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Every member; what was not read of one is passed over when the next is asked for.

        :raises BadArchive: where it cannot be read on
        :raises Answer: when the body does not come as it should
        """
        while (member := self._guarded(self._next)) is not None:
            yield member

    def open(self, member: tarfile.TarInfo) -> MemberBody:
        """The bytes of a regular file."""
        file = self._tar.extractfile(member)
        assert file is not None
        return MemberBody(file, self._source)

    def _next(self) -> tarfile.TarInfo | None:
        tar, source = self._tar, self._source
        tar.members = []  # it would remember them all
        source.limit = source.given + max(0, tar.offset - tar.fileobj.tell()) + MOST_HEADERS
        member = tar.next()
        source.limit = source.given + (member.size if member else 0) + MOST_HEADERS
        if sum(map(len, tar.pax_headers)) + sum(map(len, tar.pax_headers.values())) > MOST_GLOBAL:
            raise BadArchive(f"more than {MOST_GLOBAL} bytes describe all files")
        if member is not None and member.size < 0:
            raise BadArchive("a negative size")
        return member

    def _guarded(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except (tarfile.TarError, RecursionError) as error:
            raise BadArchive(str(error)) from None
        except (ValueError, OverflowError, AssertionError):  # numbers of a header that are none
            raise BadArchive("invalid header") from None
