"""Search: the replica to read from, found by asking one node after another, or several at once (formats.md 5.9)."""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from swiftlite.common import metrics
from swiftlite.common.tracing import traced
from swiftlite.core.quorum import Reply, Tally
from swiftlite.core.timestamp import ZERO, Timestamp
from swiftlite.http.client import Response
from swiftlite.http.errors import BackendError
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.race import Race
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.backend import BackendRequest, HeaderList, to_reply

GOOD_OBJECT_FAILURES = (412, 416)
"""What an object server says of data that it has: no other replica could say better."""

TIMESTAMP_HEADERS = ("X-Backend-Data-Timestamp", "X-Backend-Timestamp", "X-Put-Timestamp", "X-Timestamp")


class Source(NamedTuple):
    """A replica that has what was asked for; its body is still to be read."""

    node: Node
    response: Response

    @property
    def timestamp(self) -> Timestamp:
        """How new it is."""
        for name in TIMESTAMP_HEADERS:
            value = self.response.headers.get(name)
            if value:
                return Timestamp(value)
        return ZERO

    @property
    def rank(self) -> tuple[Timestamp, Timestamp]:
        """For the newest: of two replicas of the same data, one may have missed a POST."""
        return self.timestamp, Timestamp(self.response.headers.get("X-Backend-Timestamp") or 0)


class Search:
    """Asks the nodes of a partition until one has a good answer, or for X-Newest all of them at once.

    :param is_object: objects have tombstones, whose timestamps rule out older replicas
    :param newest: ask all nodes, take the newest
    """

    def __init__(
        self,
        cluster: Cluster,
        ring: Ring,
        request: BackendRequest,
        headers: HeaderList,
        *,
        is_object: bool,
        newest: bool,
    ) -> None:
        self.cluster = cluster
        self.request = request
        self.headers = headers
        self.is_object = is_object
        self.newest = newest
        self.nodes = cluster.nodes(ring, request.partition)
        self.newest_tombstone = ZERO
        self.newest_expired = (ZERO, ZERO)
        """The rank of the newest replica that has expired."""
        options = cluster.options_of(ring)
        primaries = len(self.nodes.primaries)
        self._unknowing = min(options.rebalance_missing_suppression_count, primaries - 1)
        self._failures: list[Reply] = []
        self._again: list[Node] = []
        self._race: Race[Source] | None = None
        if newest:
            self._race = Race(self._ask, self.nodes.next, cluster.node_count(ring), 0.0)
        elif options.concurrent_gets:
            patience = options.concurrency_timeout
            patience = cluster.options.conn_timeout if patience is None else patience
            self._race = Race(self._ask, self.nodes.next, primaries, patience)

    @traced("find object")
    def run(self) -> Source | Reply:
        """The source to read from, or the reply that speaks for all failures, 503 if they do not agree."""
        passed_over: list[Node] = []
        try:
            best = self.next_source()
            while best is not None and self.newest:
                other = self.next_source()
                if other is None:
                    break
                newer, older = (other, best) if other.rank > best.rank else (best, other)
                older.response.close()
                passed_over.append(older.node)
                best = newer
        finally:
            if self._race is not None:
                unheard = self._race.stop(lambda source: source.response.close())
                self._race, self._again = None, passed_over + unheard
        if best is not None and self._is_ruled_out(best):
            best.response.close()
            best = None
        return best or self.failure()

    def next_source(self) -> Source | None:
        """The next good source; None when no node is left to ask."""
        if self._race is not None and (source := self._race.next()) is not None:
            return source
        while (node := self._again.pop(0) if self._again else self.nodes.next()) is not None:
            source = self._ask(node)
            if source is not None:
                return source
        # Where nobody knew anything, those that were passed over for their errors get a chance.
        while self._is_unanswered() and (node := self.nodes.next_limited()) is not None:
            source = self._ask(node)
            if source is not None:
                self.nodes.worked(node)
                return source
        return None

    def ask_again(self, node: Node) -> None:
        """Let a node that has answered well be the next to be asked."""
        self._again.insert(0, node)

    def failure(self) -> Reply:
        """The reply that speaks for the nodes that had nothing good to say."""
        tally = Tally(len(self._failures))
        for reply in self._failures:
            tally.add(reply)
        best = tally.best()
        if best is None:
            metrics.QUORUM_FAILURES.add(1, metrics.method_label(self.request.method))
            return Reply(503)
        return best

    def _ask(self, node: Node) -> Source | None:
        cluster = self.cluster
        patient = self.newest or not self.is_object
        timeout = cluster.options.node_timeout if patient else cluster.options.read_timeout
        started = monotonic() if cluster.sorts_by_timing else 0.0
        try:
            response = cluster.client.request(
                node.address, self.request.method, self.request.on(node), self.headers, node_timeout=timeout
            )
            if started:
                cluster.timings.took(node, monotonic() - started)
            return self._judged(Source(node, response))
        except BackendError as error:
            self.nodes.failed(node, f"{self.request}: {error}")
        except ValueError as error:
            self.nodes.failed(node, f"{self.request}: nonsense in the answer's headers: {error}")
        return None

    def _judged(self, source: Source) -> Source | None:
        """The source if it is a good one; else what it says is noted."""
        response = source.response
        status = response.status
        if status >= 400 and not (self.is_object and status in GOOD_OBJECT_FAILURES):
            self.note_failure(source.node, to_reply(response))
            return None
        if self.was_never_put(response):
            response.close()
            self._failures.append(Reply(404, "Not Found", response.headers))
            return None
        if self._is_ruled_out(source):
            response.close()
            return None
        return source

    def _is_ruled_out(self, source: Source) -> bool:
        """Whether another node knows that the object was deleted later, or has expired for a reason as new."""
        if self.newest_tombstone and source.timestamp < self.newest_tombstone:
            return True
        return bool(self.newest_expired[0]) and source.rank < self.newest_expired

    def _is_unanswered(self) -> bool:
        """Whether all that were asked failed, or may know nothing for a reason of their own."""
        return all(reply.is_server_error for reply in self._failures)

    def was_never_put(self, response: Response) -> bool:
        """Whether a database is there that only replication, or an early update, has made so far."""
        put_timestamp = None if self.is_object else response.headers.get("X-Put-Timestamp")
        return put_timestamp is not None and not Timestamp(put_timestamp)

    def note_failure(self, node: Node, reply: Reply) -> None:
        """Count a node's answer among those that had nothing good to say."""
        if reply.status >= 500:
            self.nodes.refused(node, reply.status, str(self.request))
        known_since = Timestamp(reply.headers.get("X-Backend-Timestamp") or 0)
        if not known_since and (reply.status == 404 or reply.status >= 500):
            if node.handoff_index is not None:
                return  # A handoff that knows nothing says nothing about the primaries.
            if reply.status == 404 and self._unknowing > 0:
                self._unknowing -= 1  # A primary may be new to the partition.
                return
        self._failures.append(reply)
        if self.is_object and reply.status == 404:
            data_timestamp = reply.headers.get("X-Backend-Data-Timestamp")
            if data_timestamp:  # it has expired; a replica with a newer POST may know otherwise
                self.newest_expired = max(self.newest_expired, (Timestamp(data_timestamp), known_since))
            else:
                self.newest_tombstone = max(self.newest_tombstone, known_since)
