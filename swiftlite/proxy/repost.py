"""ReplicatedPost: new metadata for an object whose replicas may lie on handoffs (formats.md 5.9)."""

from __future__ import annotations

from itertools import cycle

from swiftlite.core.quorum import Reply, Tally, quorum_size
from swiftlite.http.errors import BackendError
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.nodes import NodeIter
from swiftlite.wire.backend import BackendRequest, HeaderList, to_reply
from swiftlite.wire.fanout import FanOut


class ReplicatedPost:
    """Posts to the primaries; where only some of them have the object, its other replicas are looked for on handoffs."""

    def __init__(self, cluster: Cluster, nodes: NodeIter, request: BackendRequest, replicas: list[HeaderList]) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.request = request
        self.replicas = replicas
        self.replies: list[Reply] = []
        """What all that were asked have answered."""

    def run(self) -> Reply | None:
        """The reply that speaks for all, or None when they do not agree."""
        options = self.cluster.options
        tally = Tally(len(self.replicas))
        fanout = FanOut(
            self.cluster.client,
            self.nodes,
            tally,
            node_timeout=options.node_timeout,
            post_quorum_timeout=options.post_quorum_timeout,
        )
        fanout.run(self.request, self.replicas)
        self.replies = tally.replies
        missing = sum(reply.status == 404 for reply in tally.replies)
        if not missing or not tally.count(200) or tally.count(200) >= tally.quorum:
            return tally.best()
        return self._ask_handoffs(tally, fanout.missing)

    def _ask_handoffs(self, primaries: Tally, missing: list[HeaderList]) -> Reply | None:
        """Ask handoffs in place of the primaries that do not have the object.

        404 is no answer to a client then: the object is somewhere.

        :param missing: the headers of those primaries' requests; they name containers that nobody has told
        """
        headers = cycle(missing)
        tally = Tally(len(self.replicas), quorum_size(len(self.replicas)))
        self.replies = tally.replies
        for reply in primaries.replies:
            tally.add(reply)
        while tally.count(200) < tally.quorum and (node := self.nodes.next()) is not None:
            try:
                response = self.cluster.client.request(
                    node.address, self.request.method, self.request.on(node), next(headers)
                )
                reply = to_reply(response)
            except BackendError as error:
                self.nodes.failed(node, f"{self.request}: {error}")
                continue
            if reply.is_server_error:
                self.nodes.refused(node, reply.status, str(self.request))
            else:
                tally.add(reply)
        best = tally.best()
        return None if best is None or best.status == 404 else best
