"""Putter: one node's share of an upload, sent at the node's own pace."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from swiftlite.common.concurrency import Event, spawn
from swiftlite.core.quorum import Reply
from swiftlite.http.client import Client, Upload
from swiftlite.http.errors import BackendError
from swiftlite.http.stream import Piece
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList, to_reply
from swiftlite.wire.messages import DigestTrailer, Vote


class Putter:
    """A request to one object server whose body is sent piece by piece, after its word to go on.

    The body goes in chunks even where its length is known: only so something can follow it. What the node cannot take
    at once waits in a queue of its own, so that a node that is slow for a while does not hold up the others.

    :param depth: pieces that may wait for the node
    """

    def __init__(self, node: Node, upload: Upload, headers: HeaderList, depth: int) -> None:
        self.node = node
        self.headers = headers
        """Those of this replica's request."""
        self.early: Reply | None = None
        """What the server answered instead of going on."""
        self.takes_digest = False
        """The server relies on the checksums that are to follow the body."""
        self.takes_vote = False
        """The server votes before it makes the change."""
        self._upload = upload
        self._depth = depth
        self._queue: deque[list[Piece]] = deque()
        self._error: BackendError | None = None
        self._progress: Event | None = None

    @classmethod
    def connect(
        cls, client: Client, node: Node, request: BackendRequest, headers: HeaderList, depth: int = 10
    ) -> Putter:
        """Send the head and wait for 100 Continue, or for an early answer.

        :param headers: of this replica's request, with all that is offered to the server
        :raises BackendError: when the node does not answer
        """
        framed = [*headers, ("Expect", "100-continue")]
        upload = client.open(node.address, request.method, request.on(node), framed)
        putter = cls(node, upload, headers, depth)
        try:
            response = upload.expect_continue()
        except BaseException:
            upload.close()
            raise
        if response is not None:
            putter.early = to_reply(response)
        putter.takes_digest = DigestTrailer.is_agreed(upload.continue_headers)
        putter.takes_vote = Vote.is_agreed(upload.continue_headers)
        return putter

    def send(self, data: bytes | memoryview) -> Reply | None:
        """Send a piece of the body, or queue it; waits only while the queue is full.

        :returns: what the server has answered already, before the end of the body
        :raises BackendError: when the node takes no more
        """
        try:
            self._pass_on(self._upload.frame(data))
        except BackendError:
            if not self._upload.has_answered():
                raise
        if not self._upload.has_answered():
            return None
        self._stop()
        return to_reply(self._upload.response())

    def finish(self, digest: DigestTrailer | None) -> Reply:
        """End the body and return what the server says.

        :param digest: of the body; for a server that relies on it
        :raises BackendError: when it says nothing
        """
        try:
            self._end_body(digest.to_headers().items() if digest and self.takes_digest else ())
            return to_reply(self._upload.response())
        except BackendError:
            self._upload.close()
            raise

    def vote(self, digest: DigestTrailer | None) -> Reply | None:
        """End the body and ask the server for its vote.

        :returns: None for a yes: the server holds the object until ``commit`` or ``abort``; otherwise its refusal
        :raises BackendError: when it says nothing
        """
        try:
            self._end_body(digest.to_headers().items() if digest and self.takes_digest else ())
            response = self._upload.expect_continue()
            return None if response is None else to_reply(response)
        except BackendError:
            self._upload.close()
            raise

    def commit(self) -> Reply:
        """Make a server that has voted yes go on, and return what it says.

        :raises BackendError: when it says nothing
        """
        try:
            self._upload.send_chunk(Vote.LEAVE)
        except BackendError:
            self._upload.close()
            raise
        return self.finish(None)

    def abort(self) -> None:
        """Break off: the server sees a short body, or no leave, and stores nothing."""
        self._stop()
        self._upload.close()

    def _end_body(self, trailers: Iterable[tuple[str, str]]) -> None:
        self._pass_on(self._upload.frame_end(trailers))
        while self._queue:
            self._wait()
        if self._error:
            raise self._error

    def _pass_on(self, pieces: list[Piece]) -> None:
        while len(self._queue) >= self._depth:
            self._wait()
        if self._error:
            raise self._error
        if self._queue:
            self._queue.append(pieces)
        elif left := self._upload.send_now(pieces):
            self._queue.append(left)
            spawn(self._catch_up)

    def _catch_up(self) -> None:
        """Send what is queued as the node takes it; its own green thread."""
        try:
            while self._queue:
                self._upload.send_all(self._queue[0])
                self._queue.popleft()
                self._tell()
        except BackendError as error:
            self._error = error
            self._queue.clear()
            self._tell()

    def _stop(self) -> None:
        if self._queue:
            self._upload.hang_up()
        while self._queue:
            self._wait()

    def _wait(self) -> None:
        self._progress = Event()
        self._progress.wait()

    def _tell(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.send()
