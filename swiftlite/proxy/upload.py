"""ReplicatedUpload: one body from a client to many object servers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import xxhash

from swiftlite.common import statsd
from swiftlite.common.concurrency import Queue, QueueEmpty, spawn
from swiftlite.common.tracing import traced
from swiftlite.common.web import (
    HTTPBadRequest,
    HTTPClientDisconnect,
    HTTPRequestEntityTooLarge,
    HTTPRequestTimeout,
)
from swiftlite.core.quorum import Reply, Tally
from swiftlite.http.errors import BackendError, BadBody, ClientDisconnected, ClientTimeout
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.nodes import NodeIter
from swiftlite.proxy.putter import Putter
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList
from swiftlite.wire.fanout import UNAVAILABLE, FanOut
from swiftlite.wire.messages import OBJECT_LENGTH, DigestTrailer

SMALL = 65536
"""Bytes up to which a body is read whole and sent together with its head, without 100 Continue."""
PASS_ON = 1.0
"""Seconds after which a piece of the body is passed on though it is not full."""


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
        source = environ["wsgi.input"]
        self._read: Callable[[int], bytes] = source.read
        # What a slow client sends goes on to the servers before they lose patience with us.
        read_soon = getattr(source, "read_soon", None)  # the access log's has it, others do not
        self._read_soon: Callable[[int], bytes] = partial(read_soon, seconds=PASS_ON) if read_soon else source.read

    def read(self, size: int) -> bytes:
        """The next bytes, ``b""`` at the end of a chunked body.

        :raises Answer: 408, 413, 499 or 400
        """
        return self._checked(self._read, size)

    def _checked(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            data = read(size)
        except ClientTimeout:
            statsd.note("object.client_timeouts")
            raise HTTPRequestTimeout() from None
        except ClientDisconnected:
            statsd.note("object.client_disconnects")
            raise HTTPClientDisconnect() from None
        except BadBody as error:
            raise HTTPBadRequest(str(error)) from None
        self.received += len(data)
        if self.length is not None and self.received < self.length and not data:
            statsd.note("object.client_disconnects")
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
        return self._checked(self._read_soon, size)


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


class Decided(Exception):
    """The matter is decided before all was sent; the tally says how."""


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

    @traced("send to object servers")
    def run(self, body: ClientBody) -> Tally:
        """Take the body from the client and store it.

        :raises Answer: the body did not come, or too few servers took it
        """
        start, complete = body.read_small()
        return self._send_at_once(start) if complete else self.stream(start, body)

    def stream(self, start: bytes, body: ClientBody) -> Tally:
        """Store a body while it comes, on servers that have given their word to take it.

        :param start: of the body, what was read already
        """
        putters = self._connect(self._offers(body.length))
        try:
            self._take_early_answers(putters)
            digest = self._send(start, body, putters)
            willing, putters = putters, []  # From here on their replies are waited for.
            self._finish(willing, digest)
        except Decided:
            pass
        finally:
            for putter in putters:
                putter.abort()
        return self.tally

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

    # --- before the body ---

    def _offers(self, length: int | None) -> HeaderList:
        """What every server is told and offered, besides its replica's headers."""
        known = (
            [(OBJECT_LENGTH, str(length))] if length else []
        )  # Where there is no body, a chunked one can end at once.
        return [DigestTrailer.HEADER, *known]

    def _connect(self, offers: HeaderList) -> list[Putter]:
        """Open a connection for every replica, all at once, each to the next node that is willing."""
        threads = [spawn(self._connect_one, headers, offers) for headers in self.replicas]
        return [putter for putter in [thread.wait() for thread in threads] if putter is not None]

    def _connect_one(self, headers: HeaderList, offers: HeaderList) -> Putter | None:
        while (node := self.nodes.next() or self.nodes.next_limited()) is not None:
            putter = self._connect_to(node, headers, offers)
            if putter is not None:
                return putter
        self._lose(headers)
        return None

    def _connect_to(self, node: Node, headers: HeaderList, offers: HeaderList) -> Putter | None:
        """A node's word on the upload; None when it cannot give any."""
        depth = self.cluster.options.put_queue_depth
        try:
            putter = Putter.connect(self.cluster.client, node, self.request, headers + offers, depth)
        except BackendError as error:
            self.nodes.failed(node, f"{self.request}: {error}")
            return None
        if putter.early is not None and putter.early.is_server_error:
            self.nodes.refused(node, putter.early.status, str(self.request))
            return None
        self.nodes.worked(node)
        return putter

    def _take_early_answers(self, putters: list[Putter]) -> None:
        """Count what servers said without the body, and leave in ``putters`` those that want it.

        :raises Decided: when it is not needed any more
        :raises Answer: when too few want it
        """
        for putter in putters[:]:
            if putter.early is not None:
                self.tally.add(putter.early)
                putters.remove(putter)
        if any(reply.status == 409 for reply in self.tally.replies):
            raise Decided
        self._need_quorum(putters)

    def _need_quorum(self, putters: list[Putter]) -> None:
        if len(putters) < self.quorum:
            if self.tally.best() is None:
                raise self.nodes.too_few()
            raise Decided

    # --- the body ---

    def _send(self, data: bytes, body: ClientBody, putters: list[Putter]) -> DigestTrailer | None:
        """Pass the body on as it comes; return its checksums, if a server relies on them.

        Servers that fail, or have answered before the end, are left out from then on.
        """
        digest = BodyDigest() if any(putter.takes_digest for putter in putters) else None
        data = data or body.read_chunk()
        while data:
            for putter in putters[:]:
                if not self._feed(putter, data):
                    putters.remove(putter)
            self._need_quorum(putters)
            if digest:
                digest.update(data)
            data = body.read_chunk()
        return digest.trailer() if digest else None

    def _feed(self, putter: Putter, data: bytes) -> bool:
        """Whether the node takes more after this piece."""
        try:
            reply = putter.send(data)
        except BackendError as error:
            self._failed(putter, error)
        else:
            if reply is None:
                return True
            self._count(putter, reply)
        putter.abort()
        return False

    # --- after the body ---

    def _finish(self, putters: list[Putter], digest: DigestTrailer | None) -> None:
        """Collect the replies; once they decide the matter, wait for the others only a little."""
        self._collect(putters, lambda putter: putter.finish(digest))

    def _collect(self, putters: list[Putter], ask: Callable[[Putter], Reply]) -> None:
        """Ask all at once, and count the replies."""
        replies: Any = Queue()
        for putter in putters:
            spawn(lambda putter=putter: replies.put((putter, self._ask(putter, ask))))
        putters = list(putters)
        deadline: float | None = None
        while putters:
            if deadline is None and self.tally.decided:
                deadline = monotonic() + self.cluster.options.post_quorum_timeout
            try:
                putter, reply = replies.get(timeout=None if deadline is None else max(0.0, deadline - monotonic()))
            except QueueEmpty:
                return
            putters.remove(putter)
            if reply is not None:
                self._count(putter, reply)

    def _ask(self, putter: Putter, ask: Callable[[Putter], Reply]) -> Reply | None:
        try:
            return ask(putter)
        except BackendError as error:
            self._failed(putter, error)
            return None

    # --- counting ---

    def _count(self, putter: Putter, reply: Reply) -> None:
        """Count what a server said."""
        if reply.is_server_error:
            self.nodes.refused(putter.node, reply.status, str(self.request))
            self._lose(putter.headers)
        else:
            self.tally.add(reply)

    def _failed(self, putter: Putter, error: BackendError) -> None:
        """Count a server that could not be spoken to."""
        self.nodes.failed(putter.node, f"{self.request}: {error}")
        self._lose(putter.headers)

    def _lose(self, headers: HeaderList) -> None:
        """Note that a replica will not be stored."""
        self.lost.append(headers)
        self.tally.add(UNAVAILABLE)
