"""TrustedListing: a listing that shows every write that was acknowledged before it was asked for (doc/consistency.md)."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from swiftlite.common.concurrency import spawn
from swiftlite.core.hosts import spell_address
from swiftlite.core.quorum import Reply
from swiftlite.core.trusted_listing import Known, best_placed, replicas_to_ask
from swiftlite.http.errors import BackendError
from swiftlite.proxy.poll import Poll, answer_of
from swiftlite.proxy.search import Search, Source
from swiftlite.proxy.turns import TurnLost, Turns
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, HeaderList
from swiftlite.wire.catch_up import ASK_KNOWN, Reach, SameRows, Stretch, known_of

CATCH_UP_TIME = 2.0
"""Seconds that one listing may spend on making a replica know what others know."""

LEAST_TIME = 0.2
"""Seconds that the last request of these may take, when there is no more time for another one."""

BUSY_FOR = 2.0
"""Seconds for which a container counts as one that is written to all the time, once replicas have differed."""

LONG_STRETCH = 300
"""Rows that it is worth a request to spare the next catching up."""

NOTICE_INTERVAL = 60.0
"""Seconds for which a server that does not say what it knows is not asked again, and nothing more is logged of it."""

_MOST_BUSY = 1000
"""Containers that are remembered as being written to."""


class ReplicaLost(Exception):
    """A replica that had said what it knows does not go on; carries its node."""

    def __init__(self, node: Node, problem: object) -> None:
        super().__init__(f"{spell_address(*node.address)}/{node.device}: {problem}")
        self.node = node


class TooFarBehind(Exception):
    """A replica lacks more of another one's rows than one listing can wait for."""


@dataclass(slots=True)
class Busy:
    """A container whose replicas differed lately.

    :param keeper: the replica that has been made to know what the others know
    :param known: what each replica that was asked knew then, the keeper included
    :param until: time after which the replicas are compared again
    """

    keeper: Node
    known: dict[Node, Known]
    until: float
    turns: Turns[Known] = field(default_factory=Turns)
    """Many who list it at once catch up together."""


class Trust:
    """What a proxy process remembers from one listing to the next: only how to be quick, nothing that must be true.

    :param clock: seconds, steady
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = monotonic) -> None:
        self.log = log
        self.clock = clock
        self.untrusted = 0
        """Listings that could not be proven to be complete."""
        self._busy: OrderedDict[str, Busy] = OrderedDict()
        self._silent: dict[tuple[str, int], float] = {}
        self._quiet_until = 0.0

    def busy(self, path: str) -> Busy | None:
        """What is remembered of a container that is written to."""
        found = self._busy.get(path)
        if found is not None and found.until <= self.clock():
            del self._busy[path]
            return None
        return found

    def remember(self, path: str, keeper: Node, known: dict[Node, Known]) -> None:
        """Keep in mind which replica knows what."""
        self._busy[path] = Busy(keeper, known, self.clock() + BUSY_FOR)
        if len(self._busy) > _MOST_BUSY:
            self._busy.popitem(last=False)

    def forget(self, path: str) -> None:
        """Begin anew with a container."""
        self._busy.pop(path, None)

    def is_silent(self, node: Node) -> bool:
        """Whether the node's server did not understand lately what it was asked."""
        return self._silent.get(node.address, 0.0) > self.clock()

    def met_silent(self, node: Node) -> None:
        """Leave the node's server alone with our questions for a while."""
        if not self.is_silent(node):
            self._silent[node.address] = self.clock() + NOTICE_INTERVAL
            self.log.warning(
                "The container server %s:%s does not say what it knows: listings may lag, as with "
                "listing_consistency = eventual",
                *node.address,
            )

    def count(self, path: str, problem: str) -> None:
        """Count a listing that may lack something, and log it; as a warning only now and then."""
        self.untrusted += 1
        level = logging.DEBUG
        if self._quiet_until <= self.clock():
            self._quiet_until = self.clock() + NOTICE_INTERVAL
            level = logging.WARNING
        self.log.log(level, "The listing of %s may lag: %s (%d such so far)", path, problem, self.untrusted)


class TrustedListing:
    """One GET or HEAD of a container.

    It comes from a replica that knows all that so many others know that one of them has whatever a majority has taken.
    Mostly that is so already, and a HEAD of each of those others shows it; where not, the replica is brought up to date.

    :param begin_search: begins the same as ``eventual`` would do it
    """

    def __init__(self, trust: Trust, begin_search: Callable[[], Search]) -> None:
        self.trust = trust
        self.begin_search = begin_search
        self.search = begin_search()
        self.client = self.search.cluster.client
        self.path = self.search.request.path.partition("?")[0]
        self.needed = replicas_to_ask(len(self.search.nodes.primaries))
        self.poll: Poll
        self.problem = ""

    def run(self) -> Source | Reply:
        """The replica to read from, or the reply that speaks for all."""
        primaries = self.search.nodes.primaries
        if sum(not self.trust.is_silent(node) for node in primaries) < self.needed:
            self.trust.untrusted += 1
            return self.search.run()
        found = self._straight() or self._round()
        if found is None and self.poll.is_incomplete:
            # A server that was down may be back, now that another one is not.
            self.poll.close()
            self.search = self.begin_search()
            found = self._round()
        return found or self._eventually()

    def _round(self) -> Source | Reply | None:
        """The answer that the primaries' answers prove to be right; None where they do not."""
        poll = self.poll = Poll(self.search, self.needed, self.trust.is_silent)
        while poll.run():
            if poll.verdict is not None:
                return poll.verdict
            try:
                return self._complete(poll)
            except ReplicaLost as lost:
                self.problem = str(lost)
                poll.drop(lost.node)
            except TooFarBehind as error:
                self.problem = str(error)
                break
            except BaseException:
                poll.close()
                raise
        return None

    def _straight(self) -> Source | Reply | None:
        """The answer for a container that is written to: what the others know is fetched at once. None: not this way."""
        busy = self.trust.busy(self.path)
        if busy is None:
            return None
        try:
            others = [node for node in busy.known if node != busy.keeper]
            mine = busy.turns.take(lambda: self._learn(busy.keeper, busy.known, others))
            return self._page_of(busy.keeper, mine)
        except (ReplicaLost, TooFarBehind, TurnLost) as error:
            self.search.cluster.log.debug("asking all replicas of %s again: %s", self.path, error)
            self.trust.forget(self.path)
            return None

    def _complete(self, poll: Poll) -> Source | Reply:
        """The answer of the replica that knows the most, once it knows all.

        :raises ReplicaLost, TooFarBehind: when it cannot be had
        """
        known, page = poll.known, poll.page
        # Who has sent the page stands first: among equals it is to be the one.
        nodes = sorted(known, key=lambda node: page is None or node != page.node)
        keeper = nodes[best_placed([known[node] for node in nodes])]
        lacking = [node for node in nodes if not known[keeper].includes(known[node])]
        before = known[keeper]
        if lacking:
            after = self._learn(keeper, known, lacking)
            self.trust.remember(self.path, keeper, dict(known))
            learned = (before.rows, before.life) != (after.rows, after.life)
        else:
            self._shorten(keeper, known)
            learned = False
        if page is not None and page.node == keeper and not learned:
            return page.answer
        poll.close()
        return self._page_of(keeper, known[keeper])

    def _learn(self, keeper: Node, known: dict[Node, Known], lacking: list[Node]) -> Known:
        """Make the keeper know what others know.

        :param known: what they knew; of the keeper it is renewed
        """
        deadline = monotonic() + CATCH_UP_TIME
        for node in lacking:
            known[keeper] = self._bring(node, known[node], keeper, known[keeper], deadline)
        return known[keeper]

    def _bring(self, node: Node, theirs: Known, keeper: Node, mine: Known, deadline: float) -> Known:
        """Bring one replica's changes to the keeper.

        :returns: what the keeper knows then
        """
        stretch, more = Stretch(theirs.id, mine.point(theirs)), True
        while more:
            if monotonic() > deadline:
                raise TooFarBehind(f"{spell_address(*keeper.address)}/{keeper.device} has too much to learn at once")
            told = self._ask(node, "GET", stretch.to_headers(), deadline)
            try:
                reach = Reach.from_headers(told.headers)
            except ValueError as error:  # it is another server now
                raise ReplicaLost(node, error) from None
            taken = [*stretch.to_headers(), *reach.to_headers()]
            learned = self._ask(keeper, "UPDATE", taken, deadline, told.body)
            self._need_same(keeper, mine, learned.headers)
            mine = known_of(learned.headers) or mine
            stretch, more = Stretch(theirs.id, reach.until), reach.more
        return mine

    def _page_of(self, keeper: Node, mine: Known) -> Source | Reply:
        """The keeper's answer, now that it knows all.

        :param mine: what it knows
        """
        request = self.search.request
        try:
            response = self.client.request(
                keeper.address, request.method, request.on(keeper), [*self.search.headers, ASK_KNOWN]
            )
        except BackendError as error:
            self.search.nodes.failed(keeper, f"{request}: {error}")
            raise ReplicaLost(keeper, error) from None
        try:
            self._need_same(keeper, mine, response.headers)
        except ReplicaLost:
            response.close()
            raise
        return answer_of(self.search, Source(keeper, response))

    def _need_same(self, keeper: Node, mine: Known, headers: Mapping[str, str]) -> None:
        """Make sure that it was the same database that answered.

        :raises ReplicaLost: when it was another one, or does not say
        """
        try:
            known = known_of(headers)
        except ValueError as error:
            raise ReplicaLost(keeper, error) from None
        if known is None or known.id != mine.id:
            raise ReplicaLost(keeper, "it has another database, or cannot say what it knows")

    def _ask(self, node: Node, method: str, headers: HeaderList, deadline: float, body: bytes = b"") -> Reply:
        """One request of catching up."""
        request = BackendRequest(method, self.search.request.partition, self.path)
        timeout = max(LEAST_TIME, deadline - monotonic())
        try:
            response = self.client.request(
                node.address, method, request.on(node), [*self.search.headers, *headers], body, node_timeout=timeout
            )
            reply = Reply(response.status, response.reason, response.headers, response.read())
        except BackendError as error:
            self.search.nodes.failed(node, f"{request}: {error}")
            raise ReplicaLost(node, error) from None
        if reply.status not in (200, 202):
            raise ReplicaLost(node, f"{reply.status} to {request}")
        return reply

    def _shorten(self, keeper: Node, known: dict[Node, Known]) -> None:
        """Tell replicas that have the same rows that they do, where their sync points have fallen behind."""
        for other in known:
            for one, another in ((keeper, other), (other, keeper)):
                mine, theirs = known[one], known[another]
                if mine.rows == theirs.rows and theirs.max_row - mine.point(theirs) > LONG_STRETCH and one != another:
                    spawn(self._tell_same, one, SameRows(theirs.id, theirs.rows, theirs.max_row))

    def _tell_same(self, node: Node, same: SameRows) -> None:
        try:
            self._ask(node, "UPDATE", same.to_headers(), monotonic() + CATCH_UP_TIME)
        except ReplicaLost as lost:
            self.search.cluster.log.debug("%s", lost)

    def _eventually(self) -> Source | Reply:
        """What ``eventual`` answers, and a notice; none where nobody that should know the container does."""
        poll = self.poll
        for node in poll.foreign:
            self.trust.met_silent(node)
        if poll.known or poll.strangers < self.needed:
            reason = f"{len(poll.known)} of the {self.needed} replicas needed said what they know"
            self.trust.count(self.path, self.problem or reason)
        if poll.page is not None and isinstance(poll.page.answer, Source):
            return poll.page.answer
        for node in [*poll.silent, *poll.known]:
            self.search.ask_again(node)
        return self.search.run()
