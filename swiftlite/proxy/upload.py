"""ReplicatedUpload: one body from a client to many object servers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import xxhash

from swiftlite.common.concurrency import Queue, QueueEmpty, spawn
from swiftlite.common.web import (
    HTTPBadRequest,
    HTTPClientDisconnect,
    HTTPRequestEntityTooLarge,
    HTTPRequestTimeout,
    HTTPServiceUnavailable,
)
from swiftlite.core.quorum import Reply, Tally
from swiftlite.http.errors import BackendError, BadBody, ClientDisconnected, ClientTimeout
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.nodes import NodeIter
from swiftlite.proxy.putter import Putter
from swiftlite.wire.backend import BackendRequest, HeaderList
from swiftlite.wire.fanout import UNAVAILABLE, FanOut
from swiftlite.wire.messages import DigestTrailer

SMALL = 65536
"""Bytes up to which a body is read whole and sent together with its head, without 100 Continue."""


class ClientBody:
    """The body of a client's request, with what can go wrong turned into the answers to it.

    :param length: bytes promised; None: chunked
    :param limit: bytes allowed
    """

    def __init__(self, environ: dict[str, Any], length: int | None, limit: int, chunk_size: int) -> None:
        self.length = length
        self.limit = limit
        self.chunk_size = chunk_size
        self.received = 0
        self._read: Callable[[int], bytes] = environ["wsgi.input"].read

    def read(self, size: int) -> bytes:
        """The next bytes, ``b""`` at the end of a chunked body.

        :raises Answer: 408, 413, 499 or 400
        """
        try:
            data = self._read(size)
        except ClientTimeout:
            raise HTTPRequestTimeout() from None
        except ClientDisconnected:
            raise HTTPClientDisconnect() from None
        except BadBody as error:
            raise HTTPBadRequest(str(error)) from None
        self.received += len(data)
        if self.length is not None and self.received < self.length and not data:
            raise HTTPClientDisconnect()
        if self.received > self.limit:
            raise HTTPRequestEntityTooLarge("Your request is too large.")
        return data

    def read_small(self) -> tuple[bytes, bool]:
        """The beginning of the body, and whether it is all of it. Raises as ``read``."""
        if self.length is not None and self.length > SMALL:
            return b"", False
        most = SMALL + 1 if self.length is None else self.length
        data = self.read(most) if most else b""
        while len(data) < most:
            more = self.read(most - len(data))
            if not more:
                return data, True
            data += more
        return data, self.length is not None

    def read_chunk(self) -> bytes:
        """The next piece, ``b""`` when all has come. Raises as ``read``."""
        size = self.chunk_size
        if self.length is not None:
            size = min(size, self.length - self.received)
            if not size:
                return b""
        return self.read(size)


class BodyDigest:
    """The checksums of a body, made once here instead of by every server that stores it."""

    def __init__(self) -> None:
        self._etag = hashlib.md5(usedforsecurity=False)
        self._fingerprint = xxhash.xxh3_128()

    def update(self, data: bytes) -> None:
        """Take more of the body."""
        self._etag.update(data)
        self._fingerprint.update(data)

    def trailer(self) -> DigestTrailer:
        """What the servers are told once the whole body was taken."""
        return DigestTrailer(self._etag.hexdigest(), self._fingerprint.hexdigest())


class ReplicatedUpload:
    """Sends one body to as many object servers as there are replicas, and counts what they say.

    :param nodes: the nodes to try
    :param request: what to PUT, and where
    :param replicas: the headers of each replica's request
    :param quorum: how many must take it
    """

    def __init__(
        self, cluster: Cluster, nodes: NodeIter, request: BackendRequest, replicas: list[HeaderList], quorum: int
    ) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.request = request
        self.replicas = replicas
        self.tally = Tally(len(replicas), quorum)
        self.lost: list[HeaderList] = []
        """The headers of the replicas that no node took."""
        self.quorum = quorum

    def run(self, body: ClientBody, only_if_new: bool) -> Tally:
        """Take the body from the client and store it.

        :param only_if_new: a server that has the object must be able to prevent that any other stores it
        :raises Answer: the body did not come, or too few servers took it
        """
        start, complete = body.read_small()
        if complete and not only_if_new:
            return self._send_at_once(start)
        return self._stream(start, body, only_if_new)

    def _send_at_once(self, data: bytes) -> Tally:
        options = self.cluster.options
        fanout = FanOut(
            self.cluster.client,
            self.nodes,
            self.tally,
            node_timeout=options.node_timeout,
            post_quorum_timeout=options.post_quorum_timeout,
        )
        self.lost = fanout.lost
        return fanout.run(self.request, self.replicas, data)

    def _stream(self, start: bytes, body: ClientBody, only_if_new: bool) -> Tally:
        putters = self._connect(body.length)
        try:
            willing = self._take_early_answers(putters, only_if_new)
            if not willing:
                return self.tally
            digest = self._send(start, body, willing)
            putters = []  # From here on their replies are waited for.
            self._finish(willing, digest)
            return self.tally
        finally:
            for putter in putters:
                putter.abort()

    def _connect(self, length: int | None) -> list[Putter]:
        """Open a connection for every replica, all at once, each to the next node that is willing."""
        # An empty body has no place for a 100 Continue, but a chunked one has.
        threads = [spawn(self._connect_one, headers, length or None) for headers in self.replicas]
        return [putter for putter in [thread.wait() for thread in threads] if putter is not None]

    def _take_early_answers(self, putters: list[Putter], only_if_new: bool) -> list[Putter]:
        """Count what servers said without the body; return those that want it, none if the matter is decided."""
        early = [putter.early for putter in putters if putter.early]
        willing = [putter for putter in putters if not putter.early]
        for reply in early:
            self.tally.add(reply)
        statuses = {reply.status for reply in early}
        if 409 in statuses or (only_if_new and 412 in statuses):
            return []
        if len(willing) < self.quorum:
            if self.tally.best() is None:
                raise HTTPServiceUnavailable()
            return []
        return willing

    def _connect_one(self, headers: HeaderList, length: int | None) -> Putter | None:
        while (node := self.nodes.next() or self.nodes.next_limited()) is not None:
            try:
                putter = Putter.connect(self.cluster.client, node, self.request, headers, length)
            except BackendError as error:
                self.nodes.failed(node, f"{self.request}: {error}")
                continue
            if putter.early is None or not putter.early.is_server_error:
                self.nodes.worked(node)
                return putter
            self.nodes.refused(node, putter.early.status, str(self.request))
        self._lose(headers)
        return None

    def _send(self, data: bytes, body: ClientBody, putters: list[Putter]) -> DigestTrailer | None:
        """Pass the body on as it comes; return its checksums, if a server relies on them.

        The pieces go to one server after the other: the kernel's buffers even out their pace, and a queue and a green
        thread for each would cost more than they gain.
        """
        digest = BodyDigest() if any(putter.takes_digest for putter in putters) else None
        data = data or body.read_chunk()
        while data:
            for putter in putters[:]:
                try:
                    putter.send(data)
                except BackendError as error:
                    putters.remove(putter)
                    putter.abort()
                    self.nodes.failed(putter.node, f"{self.request}: {error}")
                    self._lose(putter.headers)
            if len(putters) < self.quorum:
                raise HTTPServiceUnavailable()
            if digest:
                digest.update(data)
            data = body.read_chunk()
        return digest.trailer() if digest else None

    def _lose(self, headers: HeaderList) -> None:
        """Note that a replica will not be stored."""
        self.lost.append(headers)
        self.tally.add(UNAVAILABLE)

    def _finish(self, putters: list[Putter], digest: DigestTrailer | None) -> None:
        """Collect the replies; once they decide the matter, wait for the others only a little."""
        replies: Any = Queue()
        for putter in putters:
            spawn(lambda putter=putter: replies.put((putter, self._finish_one(putter, digest))))
        timeout: float | None = None
        for _ in range(len(putters)):
            if timeout is None and self.tally.decided:
                timeout = self.cluster.options.post_quorum_timeout
            try:
                putter, reply = replies.get(timeout=timeout)
            except QueueEmpty:
                return
            if reply is None:
                self._lose(putter.headers)
            else:
                self.tally.add(reply)

    def _finish_one(self, putter: Putter, digest: DigestTrailer | None) -> Reply | None:
        """End one node's share; None when it failed."""
        try:
            reply = putter.finish(digest)
        except BackendError as error:
            self.nodes.failed(putter.node, f"{self.request}: {error}")
            return None
        if reply.is_server_error:
            self.nodes.refused(putter.node, reply.status, str(self.request))
            return None
        return reply
