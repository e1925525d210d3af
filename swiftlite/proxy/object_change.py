"""ObjectChange: a POST or DELETE of an object whose replicas may lie on handoffs (formats.md 5.9)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

from swiftlite.core.existence import is_gone, unrefuted
from swiftlite.core.quorum import Reply, Tally, quorum_size
from swiftlite.http.errors import BackendError
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.nodes import NodeIter
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList, to_reply
from swiftlite.wire.fanout import FanOut, Missing

PATIENCE = 2.0
"""Seconds that a shunned node may take: who works again is quick, and whoever hangs would hold up each such request."""


class ObjectChange:
    """Sends a change to the primaries, or those that stand in for them, and makes sure that a 404 is none of ignorance.

    While nodes restart one after the other, an object that was put a second ago lies on handoffs, too, and primaries come
    back that never got it. So other nodes are asked where those that say 404 do not know it.

    :param nodes: the nodes to try
    :param replicas: the headers of each replica's request
    """

    def __init__(self, cluster: Cluster, nodes: NodeIter, request: BackendRequest, replicas: list[HeaderList]) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.request = request
        self.replicas = replicas
        self.tally = Tally(len(replicas))
        """Of all that were asked."""
        options = cluster.options
        self._fanout = FanOut(
            cluster.client,
            nodes,
            self.tally,
            node_timeout=options.node_timeout,
            post_quorum_timeout=options.post_quorum_timeout,
        )
        self.lost = self._fanout.lost
        """The headers of the replicas that no node took."""

    def post(self) -> Reply | None:
        """Send a POST; return the reply that speaks for all, None when they do not agree.

        Only who has the object can take it. Where too few of those that were asked first have it, all others are asked.
        """
        best = self._send()
        if unrefuted(self.tally.replies) is not None and not self._is_done:
            self._ask_on(lambda: self.nodes.next() or self.nodes.next_limited(), lambda: self._is_done)
            best = self.tally.best()
        if best is None or best.status != 404:
            return best
        if unrefuted(self.tally.replies) is not None:
            return None  # The object is somewhere.
        is_refuted = self.tally.count(200) > 0
        return best if is_refuted or self._is_gone else None

    def delete(self) -> Tally:
        """Send a DELETE; return what has come of it."""
        self._send()
        return self.tally

    @property
    def _is_done(self) -> bool:
        return self.tally.count(200) >= self.tally.quorum

    @property
    def _is_gone(self) -> bool:
        missing = [(found.node.handoff_index is None, found.reply) for found in self._fanout.missing]
        return is_gone(missing, quorum_size(len(self.nodes.primaries)))

    def _send(self) -> Reply | None:
        """Ask as many nodes as there are replicas. Where none of them could know the object, ask those that were passed
        over for their errors: they may work again, and have it."""
        self._fanout.run(self.request, self.replicas)
        best = self.tally.best()
        if best is not None and best.status == 404 and not self.tally.count(200) and not self._is_gone:
            self._ask_on(self.nodes.next_limited, lambda: self.tally.count(200) > 0 or self._is_gone)
            best = self.tally.best()
        return best

    def _ask_on(self, next_node: Callable[[], Node | None], is_enough: Callable[[], bool]) -> None:
        """Ask one node after the other, in place of those that do not have the object."""
        missing = self._fanout.missing
        headers = cycle([found.headers for found in missing])
        client, method, timeout = self.cluster.client, self.request.method, self.cluster.options.node_timeout
        while missing and not is_enough() and (node := next_node()) is not None:
            patience = min(timeout, PATIENCE) if self.nodes.limits.is_limited(node) else timeout
            try:
                path = self.request.on(node)
                reply = to_reply(client.request(node.address, method, path, next(headers), node_timeout=patience))
            except BackendError as error:
                self.nodes.failed(node, f"{self.request}: {error}")
                continue
            if reply.is_server_error:
                self.nodes.refused(node, reply.status, str(self.request))
                continue
            self.nodes.worked(node)
            self.tally.add(reply)
            if reply.status == 404:
                missing.append(Missing(node, reply, []))
