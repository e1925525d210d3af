"""FanOut: one change sent to many nodes at once, until a Tally is decided."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from swiftlite.common.tracing import traced
from swiftlite.core.quorum import Reply, Tally
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.http.exchange import Exchange, wait_any
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList, Nodes, to_reply

UNAVAILABLE = Reply(503, "Service Unavailable")
"""Counted for a replica that no node would take."""


@dataclass(slots=True)
class _Pending:
    """One replica's request that is on its way."""

    headers: HeaderList
    node: Node
    exchange: Exchange
    deadline: float


class Missing(NamedTuple):
    """A node that does not have what was to be changed.

    :ivar headers: of its request; they name containers that nobody has told
    """

    node: Node
    reply: Reply
    headers: HeaderList


class FanOut:
    """Sends a request with a body at hand to as many nodes as there are replicas, and counts their replies.

    It needs no green thread of its own: the requests are written one after the other, and the replies read as they
    come. A node that cannot be reached or answers with a server error is replaced by the next one.

    :param nodes: whom to ask, and where failures are told
    :param tally: takes the replies
    :param node_timeout: seconds that a node may be silent
    :param post_quorum_timeout: seconds to wait for the others once the matter is decided
    """

    def __init__(
        self, client: Client, nodes: Nodes, tally: Tally, *, node_timeout: float, post_quorum_timeout: float
    ) -> None:
        self.client = client
        self.nodes = nodes
        self.tally = tally
        self.node_timeout = node_timeout
        self.post_quorum_timeout = post_quorum_timeout
        self.lost: list[HeaderList] = []
        """The headers of the replicas that no node took."""
        self.missing: list[Missing] = []
        """The nodes that answered 404."""
        self._pending: list[_Pending] = []

    @traced("ask storage servers")
    def run(self, request: BackendRequest, replicas: list[HeaderList], body: bytes = b"") -> Tally:
        """Send the request once for every list of headers; return when nothing more is worth waiting for."""
        for headers in replicas:
            self._start(request, headers, body)
        try:
            self._collect(request, body)
        finally:
            for pending in self._pending:
                pending.exchange.close()
        return self.tally

    def _start(self, request: BackendRequest, headers: HeaderList, body: bytes) -> None:
        """Send one replica's request to the next node that takes it."""
        while (node := self.nodes.next() or self.nodes.next_limited()) is not None:
            try:
                exchange = self.client.start(node.address, request.method, request.on(node), headers, body)
            except BackendError as error:
                self.nodes.failed(node, f"{request}: {error}")
                continue
            self._pending.append(_Pending(headers, node, exchange, monotonic() + self.node_timeout))
            return
        self.lost.append(headers)
        self.tally.add(UNAVAILABLE)

    def _collect(self, request: BackendRequest, body: bytes) -> None:
        decided_at = None
        while self._pending:
            now = monotonic()
            if decided_at is None and self.tally.decided:
                decided_at = now
            deadline = min(pending.deadline for pending in self._pending)
            if decided_at is not None:
                deadline = min(deadline, decided_at + self.post_quorum_timeout)
            ready = wait_any([pending.exchange for pending in self._pending], max(0.0, deadline - now))
            if ready:
                for index in reversed(ready):
                    self._settle(self._pending.pop(index), request, body)
            elif decided_at is not None and monotonic() >= decided_at + self.post_quorum_timeout:
                return
            else:
                self._drop_silent(request, body)

    def _settle(self, pending: _Pending, request: BackendRequest, body: bytes) -> None:
        """Take a reply that has begun to come; a node that fails is replaced."""
        try:
            reply = to_reply(pending.exchange.response())
        except BackendError as error:
            self.nodes.failed(pending.node, f"{request}: {error}")
            self._start(request, pending.headers, body)
            return
        if reply.is_server_error:
            self.nodes.refused(pending.node, reply.status, str(request))
            self._start(request, pending.headers, body)
            return
        self.nodes.worked(pending.node)
        if reply.status == 404:
            self.missing.append(Missing(pending.node, reply, pending.headers))
        self.tally.add(reply)

    def _drop_silent(self, request: BackendRequest, body: bytes) -> None:
        """Replace the nodes whose time is over."""
        now = monotonic()
        late = [pending for pending in self._pending if pending.deadline <= now]
        for pending in late:
            self._pending.remove(pending)
            pending.exchange.close()
            self.nodes.failed(pending.node, f"{request}: silent for {self.node_timeout} s")
        for pending in late:
            self._start(request, pending.headers, body)
