"""Putter: one node's share of an upload."""

from __future__ import annotations

from swiftlite.core.quorum import Reply
from swiftlite.http.client import Client, Upload
from swiftlite.http.errors import BackendError
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList, to_reply
from swiftlite.wire.messages import OBJECT_LENGTH, DigestTrailer


class Putter:
    """A request to one object server whose body is sent piece by piece, after its word to go on.

    The body goes in chunks even where its length is known: only so its checksums can follow it.
    """

    __slots__ = ("_upload", "early", "headers", "node", "takes_digest")

    def __init__(self, node: Node, upload: Upload, headers: HeaderList) -> None:
        self.node = node
        self.headers = headers
        """Those of this replica's request."""
        self.early: Reply | None = None
        """What the server answered instead of going on."""
        self.takes_digest = False
        """The server relies on the checksums that are to follow the body."""
        self._upload = upload

    @classmethod
    def connect(
        cls, client: Client, node: Node, request: BackendRequest, headers: HeaderList, length: int | None
    ) -> Putter:
        """Send the head and wait for 100 Continue, or for an early answer.

        :param length: bytes of the body, None when that is not known
        :raises BackendError: when the node does not answer
        """
        framed = [*headers, ("Expect", "100-continue"), DigestTrailer.HEADER]
        if length is not None:
            framed.append((OBJECT_LENGTH, str(length)))
        upload = client.open(node.address, request.method, request.on(node), framed)
        putter = cls(node, upload, headers)
        try:
            response = upload.expect_continue()
        except BaseException:
            upload.close()
            raise
        if response is not None:
            putter.early = to_reply(response)
        putter.takes_digest = DigestTrailer.is_agreed(upload.continue_headers)
        return putter

    def send(self, data: bytes | memoryview) -> None:
        """Send a piece of the body.

        :raises BackendError: when the node takes no more
        """
        self._upload.send_chunk(data)

    def finish(self, digest: DigestTrailer | None) -> Reply:
        """End the body and return what the server says.

        :param digest: of the body; for a server that relies on it
        :raises BackendError: when it says nothing
        """
        try:
            self._upload.finish_chunks(digest.to_headers().items() if digest and self.takes_digest else ())
            return to_reply(self._upload.response())
        except BackendError:
            self._upload.close()
            raise

    def abort(self) -> None:
        """Break off: the server sees a short body and stores nothing."""
        self._upload.close()
