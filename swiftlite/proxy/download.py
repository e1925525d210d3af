"""ResumingDownload: an object's body, read on from another replica when the one at hand dies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from swiftlite.core.metadata import client_content_type
from swiftlite.core.ranges import ByteRange, MultipartFraming, RangeRequest
from swiftlite.http.client import Response
from swiftlite.http.errors import BackendError, NodeTimeout
from swiftlite.proxy.search import Search, Source
from swiftlite.wire.backend import HeaderList

SMALL = 65536
"""Bytes up to which a body is read before the answer begins: then a failure can still be told as one."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_MULTIPART = re.compile(r"multipart/byteranges; ?boundary=([0-9A-Za-z]+)")
_NOT_REPEATED = frozenset(
    {
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "x-backend-ignore-range-if-metadata-present",
    }
)


class ResumingDownload:
    """The body of a source, byte by byte what its headers promise, or an error: never another object's bytes.

    Another replica goes on where one stopped if it has the same data: the same ETag and the same timestamp. A body of
    unknown length is not resumed, nor one that its node found to be damaged: it ends short.

    :param search: finds other replicas
    :param chunk_size: bytes read at once
    """

    def __init__(self, search: Search, source: Source, chunk_size: int) -> None:
        self.search = search
        self.source = source
        self.chunk_size = chunk_size
        self.length = _length(source.response)
        """Bytes to come; None when only the server knows."""
        self._asked = search.headers
        self._identity = _identity(source.response)
        self._total: int | None = None

    def whole(self) -> bytes:
        """All of a small body.

        :raises BackendError: when no replica can finish it
        """
        chunks = list(self)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def __iter__(self) -> Iterator[bytes]:
        first, left = self.source.response, self.length
        try:
            if left is None:
                yield from iter(lambda: first.read(self.chunk_size), b"")
                return
            while left > 0:
                try:
                    chunk = self._read(left)
                except BackendError as error:
                    yield from self._rest(first, self.length - left, error)
                    return
                left -= len(chunk)
                yield chunk
        finally:
            self.source.response.close()

    def _read(self, left: int) -> bytes:
        """The next of so many bytes that the source owes."""
        chunk = self.source.response.read(min(left, self.chunk_size))
        if not chunk:
            raise BackendError(self.source.node.address, "response body ended early")
        return chunk

    def _rest(self, first: Response, sent: int, error: BackendError) -> Iterator[bytes]:
        """What is missing of the first source's body after so many bytes, from other replicas; or raise ``error``."""
        self._failed(f"after {sent} bytes of the body", error)
        if None in self._identity or (first.status == 200 and sent and self._is_disowned(error)):
            raise error
        for piece in self._missing(first, sent, error):
            if isinstance(piece, ByteRange):
                yield from self._fetch(piece, error)
            else:
                yield piece

    def _is_disowned(self, error: BackendError) -> bool:
        """Whether the node lives and does not know any more of what it began to send.

        It has found the object damaged then: what was sent may be wrong, and must not look complete. Only whole objects
        are held against their ETag on the way.
        """
        if isinstance(error, NodeTimeout):
            return False  # Whoever finds damage breaks off.
        cluster, request, node = self.search.cluster, self.search.request, self.source.node
        try:
            response = cluster.client.request(
                node.address, "HEAD", request.on(node), self._kept(), node_timeout=cluster.options.read_timeout
            )
        except BackendError:
            return False
        response.close()
        return response.status < 500 and _identity(response) != self._identity

    def _missing(self, first: Response, sent: int, error: BackendError) -> Iterator[bytes | ByteRange]:
        """The pieces of the first source's body that were not sent: framing, and ranges of the object."""
        if (span := _span(first)) is not None:
            self._total = span.total
            return iter([span.part.after(sent)])
        multipart = _MULTIPART.fullmatch(first.headers.get("Content-Type") or "")
        asked = RangeRequest.parse(next((value for name, value in self._asked if name.lower() == "range"), None))
        if first.status != 206 or not multipart or not asked:
            raise error
        # Only a response to one range tells the size and the type of the object.
        source = self._find(ByteRange(0, 1), error)
        response, span = source.response, _span(source.response)
        assert span is not None
        response.drain()
        self.search.ask_again(source.node)
        content_type = client_content_type(response.headers.get("Content-Type") or "")
        framing = MultipartFraming(multipart[1], content_type, span.total)
        parts = asked.resolve(span.total) or []
        if framing.content_length(parts) != self.length:
            raise error
        return framing.pieces(parts, sent)

    def _fetch(self, part: ByteRange, error: BackendError) -> Iterator[bytes]:
        """A range of the object, from as many replicas as it takes."""
        while part.length > 0:
            self.source = self._find(part, error)
            try:
                while part.length > 0:
                    chunk = self._read(part.length)
                    part = part.after(len(chunk))
                    yield chunk
            except BackendError as again:
                error = again
                self._failed(f"at byte {part.start}", error)
        self.search.ask_again(self.source.node)

    def _find(self, part: ByteRange, error: BackendError) -> Source:
        """Another replica's answer to a request for just these bytes of the same data; or raise ``error``."""
        self.search.headers = [*self._kept(), ("Range", f"bytes={part.start}-{part.stop - 1}")]
        while (source := self.search.next_source()) is not None:
            response = source.response
            span = _span(response)
            if response.status == 206 and span and span.part == part and self._is_same(response, span):
                return source
            response.close()
        raise error

    def _kept(self) -> HeaderList:
        return [(name, value) for name, value in self._asked if name.lower() not in _NOT_REPEATED]

    def _is_same(self, response: Response, span: _Span) -> bool:
        return _identity(response) == self._identity and self._total in (None, span.total)

    def _failed(self, where: str, error: BackendError) -> None:
        self.search.nodes.failed(self.source.node, f"{self.search.request} {where}: {error}")


class _Span(NamedTuple):
    """Bytes of an object of so many."""

    part: ByteRange
    total: int


def _length(response: Response) -> int | None:
    if response.status in (204, 304):
        return 0  # A Content-Length tells what a 200 would have had.
    length = response.headers.get("Content-Length")
    return None if length is None else int(length)


def _identity(response: Response) -> tuple[str | None, str | None]:
    """What two replicas of the same data share: ETag and the data's timestamp."""
    headers = response.headers
    return headers.get("Etag"), headers.get("X-Backend-Data-Timestamp") or headers.get("X-Backend-Timestamp")


def _span(response: Response) -> _Span | None:
    """The one range of an object that a response holds; None when it holds another thing."""
    if response.status == 200:
        length = _length(response)
        return None if length is None else _Span(ByteRange(0, length), length)
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range") or "")
    if match is None or response.status != 206:
        return None
    return _Span(ByteRange(int(match[1]), int(match[2]) + 1), int(match[3]))
