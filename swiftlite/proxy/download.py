"""ResumingDownload: an object's body, read on from another replica when the one at hand dies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swiftlite.http.client import Response
from swiftlite.http.errors import BackendError
from swiftlite.proxy.search import Search, Source

SMALL = 65536
"""Bytes up to which a body is read before the answer begins: then a failure can still be told as one."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/")
_NOT_REPEATED = frozenset({"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})


class ResumingDownload:
    """The body of a source, byte by byte what its headers promise, or an error: never another object's bytes.

    A body of several ranges, or of unknown length, is not resumed: it ends short if its node dies.

    :param search: finds other replicas
    :param chunk_size: bytes read at once
    """

    def __init__(self, search: Search, source: Source, chunk_size: int) -> None:
        self.search = search
        self.source = source
        self.chunk_size = chunk_size
        self.length = _length(source.response)
        """Bytes to come; None when only the server knows."""
        self._identity = _identity(source.response)
        self._next, self._last = _span(source.response, self.length)

    def whole(self) -> bytes:
        """All of a small body.

        :raises BackendError: when no replica can finish it
        """
        chunks = list(self)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        try:
            if left is None:
                yield from iter(lambda: self.source.response.read(self.chunk_size), b"")
                return
            while left > 0:
                try:
                    chunk = self.source.response.read(self.chunk_size)
                except BackendError as error:
                    self._resume(error)
                    continue
                if not chunk:
                    self._resume(BackendError(self.source.node.address, "response body ended early"))
                    continue
                left -= len(chunk)
                self._next += len(chunk)
                yield chunk
        finally:
            self.source.response.close()

    def _resume(self, error: BackendError) -> None:
        """Go on with another replica's copy of the same data, or raise ``error``."""
        search = self.search
        search.nodes.failed(self.source.node, f"{search.request} at byte {self._next}: {error}")
        if self._last < 0:
            raise error
        kept = [(name, value) for name, value in search.headers if name.lower() not in _NOT_REPEATED]
        search.headers = [*kept, ("Range", f"bytes={self._next}-{self._last}")]
        while (source := search.next_source()) is not None:
            response = source.response
            if response.status == 206 and _identity(response) == self._identity and _span(response, 0)[0] == self._next:
                self.source = source
                return
            response.close()
        raise error


def _length(response: Response) -> int | None:
    if response.status in (204, 304):
        return 0  # A Content-Length tells what a 200 would have had.
    length = response.headers.get("Content-Length")
    return None if length is None else int(length)


def _identity(response: Response) -> tuple[str | None, str | None]:
    """What two replicas of the same data share: ETag and the data's timestamp."""
    headers = response.headers
    return headers.get("Etag"), headers.get("X-Backend-Data-Timestamp") or headers.get("X-Backend-Timestamp")


def _span(response: Response, length: int | None) -> tuple[int, int]:
    """The first and last byte that a response holds; -1 for the last when it cannot be told."""
    if response.status == 200 and length is not None:
        return 0, length - 1
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range") or "")
    return (int(match[1]), int(match[2])) if match and response.status == 206 else (0, -1)
