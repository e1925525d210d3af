"""An archive as it comes from a client: inflated and read member by member, whatever it holds, within bounded memory."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from swiftlite.common.concurrency import sleep
from swiftlite.common.subrequest import Environ
from swiftlite.common.web import Answer
from swiftlite.core import tar
from swiftlite.core.tar import BadArchive
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout
from swiftlite.middleware.client_body import read_body

AT_ONCE = 65536
"""Bytes of the body that are taken at once."""
TURN = 262144
"""Inflated bytes after which other requests have their turn."""
MOST_HEADERS = 1024 * 1024
"""Bytes that what describes one member may have: names, attributes, a map of holes."""
MOST_GLOBAL = 65536
"""Bytes of attributes that hold for all members: each member gets a copy of them."""
FREE_WASTE = 64 * 1024 * 1024
WASTE_RATIO = 100
"""Inflated bytes that are thrown away may be so many, and so many times the bytes that the client sent."""
HEADERS = (*tar.PAX, tar.PAX_FOR_ALL, tar.LONG_NAME, tar.LONG_LINK)
MAGIC = {"gz": b"\x1f\x8b", "bz2": b"BZh"}
DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    "bz2": bz2.BZ2Decompressor,
}


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
    """One file's bytes, as the body of a PUT.

    :raises BadArchive: when they are described wrongly
    """

    def __init__(self, archive: Archive, member: tar.Member) -> None:
        self._archive = archive
        self._pieces = list(tar.pieces(member))[::-1]

    def read(self, size: int = AT_ONCE) -> bytes:
        """At most ``size`` bytes, ``b""`` at the end.

        :raises RequestBodyError: when the archive cannot be read on
        """
        while self._pieces and not self._pieces[-1][1]:
            self._pieces.pop()
        if not self._pieces:
            return b""
        has_data, left = self._pieces.pop()
        size = min(size if size >= 0 else AT_ONCE, left)
        try:
            data = self._archive.take(size) if has_data else bytes(size)
        except BadArchive as error:
            raise BadBody(str(error)) from None
        except Answer as answer:
            raise {408: ClientTimeout, 499: ClientDisconnected}.get(answer.status_int, BadBody)(answer.status) from None
        self._pieces.append((has_data, left - len(data)))
        return data


class Archive:
    """The members of an archive, in their order.

    :param source: its bytes
    """

    def __init__(self, source: Inflater) -> None:
        self._source = source
        self._left = 0
        """Bytes of the present member that were not read, and those that fill up its last block."""
        self._for_all: dict[str, str] = {}
        self._size_for_all = 0

    def members(self) -> Iterator[tar.Member]:
        """Every member; what was not read of one is passed over when the next is asked for.

        :raises BadArchive: where it cannot be read on
        :raises Answer: when the body does not come as it should
        """
        while (member := self._next()) is not None:
            yield member

    def open(self, member: tar.Member) -> MemberBody:
        """The bytes of the present member, a regular file."""
        return MemberBody(self, member)

    def take(self, size: int) -> bytes:
        """At most ``size`` bytes of the present member, which become those of an object; raises as `members`."""
        data = self._source.read(size)
        if not data:
            raise BadArchive("unexpected end of data")
        self._left -= len(data)
        self._source.stored += len(data)
        return data

    def _next(self) -> tar.Member | None:
        """The next member, with all that is said of it before."""
        self._pass_over()
        described, long_name, records = 0, None, []
        while True:
            block = self._block()
            if block is None:
                if described:
                    raise BadArchive("truncated header")
                return None
            info = tar.read_block(block)
            if info.type not in HEADERS:
                break
            described += tar.BLOCK + info.size
            check_described(described)
            data = self._whole(tar.padded(info.size))[: info.size]
            if info.type in tar.PAX:
                records = tar.pax_records(data)
            elif info.type == tar.PAX_FOR_ALL:
                self._describe_all(tar.pax_records(data))
            elif info.type == tar.LONG_NAME:
                long_name = tar.text(data.partition(b"\0")[0])
        member = tar.describe(info, long_name, self._for_all, records)
        self._left = tar.padded(member.stored)
        if info.type == tar.SPARSE:
            self._read_old_map(member, block)
        elif member.has_map:
            self._read_map(member)
        return member

    def _block(self) -> bytes | None:
        """The next block; None at the archive's end."""
        at_start = not self._source.given
        block = self._whole(tar.BLOCK, may_end=True)
        if not block and at_start:
            raise BadArchive("empty file")
        return None if not block or block == tar.EMPTY else block

    def _whole(self, size: int, may_end: bool = False) -> bytes:
        """So many bytes of the archive."""
        parts, missing = [], size
        while missing and (data := self._source.read(missing)):
            parts.append(data)
            missing -= len(data)
        if missing and not (may_end and missing == size):
            raise BadArchive("truncated header")
        return b"".join(parts)

    def _pass_over(self) -> None:
        while self._left:
            data = self._source.read(min(self._left, AT_ONCE))
            if not data:
                raise BadArchive("unexpected end of data")
            self._left -= len(data)

    def _describe_all(self, records: list[tuple[str, str]]) -> None:
        self._for_all |= records
        self._size_for_all += sum(len(key) + len(value) for key, value in records)
        if self._size_for_all > MOST_GLOBAL:
            raise BadArchive(f"more than {MOST_GLOBAL} bytes describe all files")

    def _read_old_map(self, member: tar.Member, block: bytes) -> None:
        regions, member.size, goes_on = tar.old_sparse(block)
        described = tar.BLOCK
        while goes_on:
            described += tar.BLOCK
            check_described(described)
            more, goes_on = tar.more_sparse(self._whole(tar.BLOCK))
            regions += more
        member.regions = regions

    def _read_map(self, member: tar.Member) -> None:
        parts = [self._whole(tar.BLOCK)]
        lines, found = tar.map_lines(parts[0]), parts[0].count(b"\n")
        while found < lines:
            check_described(len(parts) * tar.BLOCK)
            parts.append(self._whole(tar.BLOCK))
            found += parts[-1].count(b"\n")
        member.regions, used = tar.read_map(b"".join(parts), lines)
        member.stored -= used
        self._left -= len(parts) * tar.BLOCK
        if used != len(parts) * tar.BLOCK or self._left < 0:
            raise BadArchive(tar.INVALID)


def check_described(size: int) -> None:
    """Refuse what takes too much to say what a member is.

    :raises BadArchive: always then
    """
    if size > MOST_HEADERS:
        raise BadArchive(f"more than {MOST_HEADERS} bytes describe one file")
