"""VotedChange: a PUT, POST or DELETE with conditions, which the object's replicas vote on (doc/compare-and-swap.md)."""

from __future__ import annotations

from time import monotonic
from typing import Any

from swiftlite.common.concurrency import Queue, QueueEmpty, spawn
from swiftlite.common.web import HTTPPreconditionFailed
from swiftlite.core.compare_and_swap import Ballot
from swiftlite.core.quorum import Reply, Tally
from swiftlite.http.errors import BackendError
from swiftlite.proxy.cluster import Cluster
from swiftlite.proxy.nodes import NodeIter
from swiftlite.proxy.putter import Putter
from swiftlite.proxy.upload import ClientBody, Decided, ReplicatedUpload
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList
from swiftlite.wire.messages import DigestTrailer, Vote

PATIENCE = 3.0
"""Seconds to wait for the other votes once a server holds the object; it waits for us only a little longer."""


class VotedChange(ReplicatedUpload):
    """Makes a change only if more than half of an object's replicas say that its conditions hold, and hold the object.

    Only primaries vote: with handoffs, two proxies that cannot see the same servers could each find a majority.

    :param nodes: where failures are told
    :param request: what to do, and where
    :param replicas: the headers of each primary's request
    :param primaries: of the object's partition, in the ring's order
    """

    def __init__(
        self,
        cluster: Cluster,
        nodes: NodeIter,
        request: BackendRequest,
        replicas: list[HeaderList],
        primaries: tuple[Node, ...],
    ) -> None:
        self.ballot = Ballot(len(primaries))
        super().__init__(cluster, nodes, request, replicas, self.ballot.needed)
        well = [node for node in primaries if not nodes.limits.is_limited(node)]
        # A server that fails time and again is spared, as long as the others suffice.
        self._asked = well if len(well) >= self.ballot.needed else list(primaries)
        self._places = iter(primaries)
        self._voting = True

    def run(self, body: ClientBody) -> Tally:
        """Put the change to the vote and, if that carries it, make it.

        :raises Answer: 412 when it is rejected; 503 when too few could vote, or too few of those that were to make it
            have said that they did
        """
        return self.stream(b"", body)

    def _offers(self, length: int | None) -> HeaderList:
        return [*super()._offers(length), Vote.HEADER]

    def _connect_one(self, headers: HeaderList, offers: HeaderList) -> Putter | None:
        node = next(self._places)
        putter = self._connect_to(node, headers, offers) if node in self._asked else None
        if putter is None:
            self._lose(headers)
        return putter

    # --- the first opinions: they spare the body where the matter is clear ---

    def _take_early_answers(self, putters: list[Putter]) -> None:
        for putter in putters[:]:
            if putter.early is not None:
                putters.remove(putter)
                self._take_refusal(putter, putter.early)
        self._need_quorum(putters)

    def _need_quorum(self, putters: list[Putter]) -> None:
        if self._opinions(putters) < self.ballot.needed:
            raise self._refusal()

    def _opinions(self, putters: list[Putter]) -> int:
        """How many of the servers that take the body count."""
        return sum(putter.takes_vote for putter in putters)

    def _take_refusal(self, putter: Putter, reply: Reply) -> None:
        if reply.status == 412:
            self.ballot.no += 1
            self.lost.append(putter.headers)
        elif reply.status == 409:
            # What the client has seen is there, but with a timestamp that this proxy's clock has not reached yet.
            self._lose(putter.headers)
        else:
            self._count(putter, reply)

    def _refusal(self) -> Exception:
        """Why the change is not made."""
        if self.ballot.is_rejected:
            return HTTPPreconditionFailed()
        return self.nodes.too_few() if self.tally.best() is None else Decided()

    # --- the vote, and what follows ---

    def _finish(self, putters: list[Putter], digest: DigestTrailer | None) -> None:
        voters = sorted((putter for putter in putters if putter.takes_vote), key=_rank)
        followers = [putter for putter in putters if not putter.takes_vote]
        try:
            self._take_for_votes(followers)
            held = self._vote(voters, digest)
        except BaseException:
            for putter in followers:
                putter.abort()
            raise
        self._collect(
            [*held, *followers], lambda putter: putter.commit() if putter.takes_vote else putter.finish(digest)
        )

    def _take_for_votes(self, followers: list[Putter]) -> None:
        """What servers that do not vote, OpenStack Swift's, mean for the ballot: nothing, for they know no If-Match."""

    def _vote(self, voters: list[Putter], digest: DigestTrailer | None) -> list[Putter]:
        """The servers that hold the object for this change: a majority.

        :raises Answer: when there is none; no server holds it then
        """
        held: list[Putter] = []
        unasked = list(voters)
        votes: Any = Queue()
        try:
            # All proxies begin with the same server: who comes second waits there, and holds nothing meanwhile.
            while unasked and not held and not self.ballot.is_rejected:
                self._ask_vote(unasked.pop(0), digest, votes)
                self._take_vote(votes, 0.0, held)
            if not self.ballot.is_rejected:
                asked, unasked = unasked, []
                for putter in asked:
                    spawn(self._ask_vote, putter, digest, votes)
                self._take_votes(votes, len(asked), held)
            if not self.ballot.is_carried:
                raise self._refusal()
        except BaseException:
            self._voting = False
            uncounted = [votes.get()[0] for _ in range(votes.qsize())]
            for putter in (*held, *unasked, *uncounted):
                putter.abort()
            raise
        self._voting = False
        return held

    def _take_votes(self, votes: Any, count: int, held: list[Putter]) -> None:
        deadline = monotonic() + PATIENCE
        for _ in range(count):
            if self.ballot.is_carried:
                deadline = min(deadline, monotonic() + self.cluster.options.post_quorum_timeout)
            if not self._take_vote(votes, max(0.0, deadline - monotonic()), held):
                return

    def _ask_vote(self, putter: Putter, digest: DigestTrailer | None, votes: Any) -> None:
        try:
            vote: Any = putter.vote(digest)
        except BackendError as error:
            vote = error
        if self._voting:
            votes.put((putter, vote))
        else:
            putter.abort()

    def _take_vote(self, votes: Any, timeout: float, held: list[Putter]) -> bool:
        """Count a vote; False when none comes in time."""
        try:
            putter, vote = votes.get(timeout=timeout)
        except QueueEmpty:
            return False
        if vote is None:
            self.ballot.yes += 1
            held.append(putter)
        elif isinstance(vote, Reply):
            self._take_refusal(putter, vote)
        else:
            self._failed(putter, vote)
        return True


class VotedCreation(VotedChange):
    """A PUT that is to store an object only where there is none: ``If-None-Match: *``.

    As in OpenStack Swift handoffs may stand in for primaries, one server that has the object is enough to refuse it,
    and servers that do not vote are believed what they said before the body.
    """

    _connect_one = ReplicatedUpload._connect_one

    def _opinions(self, putters: list[Putter]) -> int:
        return len(putters)

    def _take_for_votes(self, followers: list[Putter]) -> None:
        self.ballot.yes += len(followers)

    def _take_refusal(self, putter: Putter, reply: Reply) -> None:
        if reply.status == 412:
            raise HTTPPreconditionFailed()
        self._count(putter, reply)
        if reply.status == 409:
            raise Decided


def _rank(putter: Putter) -> tuple[bool, int]:
    node = putter.node
    return node.index is None, node.handoff_index or 0 if node.index is None else node.index
