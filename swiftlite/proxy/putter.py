"""Putter: one node's share of an upload."""

from __future__ import annotations

from swiftlite.core.quorum import Reply
from swiftlite.http.client import Client, Upload
from swiftlite.http.errors import BackendError
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList, to_reply


class Putter:
    """A request to one object server whose body is sent piece by piece, after its word to go on.

    :param chunked: the length of the body is not known beforehand
    """

    __slots__ = ("_chunked", "_send", "_upload", "early", "headers", "node")

    def __init__(self, node: Node, upload: Upload, headers: HeaderList, chunked: bool) -> None:
        self.node = node
        self.headers = headers
        """Those of this replica's request."""
        self.early: Reply | None = None
        """What the server answered instead of going on."""
        self._upload = upload
        self._chunked = chunked
        self._send = upload.send_chunk if chunked else upload.send

    @classmethod
    def connect(
        cls, client: Client, node: Node, request: BackendRequest, headers: HeaderList, length: int | None
    ) -> Putter:
        """Send the head and wait for 100 Continue, or for an early answer.

        :param length: bytes of the body; None: chunked
        :raises BackendError: when the node does not answer
        """
        framed = [*headers, ("Expect", "100-continue")]
        if length is not None:
            framed.append(("Content-Length", str(length)))
        upload = client.open(node.address, request.method, request.on(node), framed)
        putter = cls(node, upload, headers, length is None)
        try:
            response = upload.expect_continue()
        except BaseException:
            upload.close()
            raise
        if response is not None:
            putter.early = to_reply(response)
        return putter

    def send(self, data: bytes) -> None:
        """Send a piece of the body.

        :raises BackendError: when the node takes no more
        """
        self._send(data)

    def finish(self) -> Reply:
        """End the body and return what the server says.

        :raises BackendError: when it says nothing
        """
        try:
            if self._chunked:
                self._upload.finish_chunks()
            return to_reply(self._upload.response())
        except BackendError:
            self._upload.close()
            raise

    def abort(self) -> None:
        """Break off: the server sees a short body and stores nothing."""
        self._upload.close()
