"""Poll: asks the replicas of a container, all at once, what they know, and one of them for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

from swiftlite.core.quorum import Reply
from swiftlite.core.timestamp import Timestamp
from swiftlite.core.trusted_listing import Known
from swiftlite.http.client import Response
from swiftlite.http.errors import BackendError
from swiftlite.http.exchange import Exchange, wait_any
from swiftlite.proxy.search import Search, Source
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, to_reply
from swiftlite.wire.catch_up import ASK_KNOWN, ASK_ONLY_KNOWN, known_of, speaks_of_known


@dataclass(slots=True)
class _Asked:
    """A replica that has been asked and has not answered."""

    node: Node
    exchange: Exchange
    for_page: bool
    deadline: float


@dataclass(slots=True)
class Page:
    """The answer of the replica that was asked for the page: the page, or that the container is deleted."""

    node: Node
    answer: Source | Reply

    def close(self) -> None:
        """Let go of a page that nobody wants."""
        if isinstance(self.answer, Source):
            self.answer.response.close()


def answer_of(search: Search, source: Source) -> Source | Reply:
    """What a replica's answer to a GET or HEAD means: that container, or that there is none."""
    response = source.response
    if response.status == 404:
        return to_reply(response)
    if search.was_never_put(response):
        response.close()
        return Reply(404, "Not Found", response.headers)
    return source


class Poll:
    """Asks primaries until enough of them have said what they know.

    Only primaries count: handoffs have what was meant for others. A replica without a database does not count either:
    it may have had one, and lost it.

    :param search: of the listing; it hears of all that failed, so that it can go on where the poll gives up
    :param needed: how many replicas must say what they know
    :param is_silent: whether a node is of those that never say it
    """

    def __init__(self, search: Search, needed: int, is_silent: Callable[[Node], bool]) -> None:
        self.search = search
        self.needed = needed
        self.known: dict[Node, Known] = {}
        self.page: Page | None = None
        self.silent: list[Node] = []
        """Those that have the container, but do not say what they know of it."""
        self.foreign: list[Node] = []
        """Of these the ones that did not understand the question: OpenStack Swift's."""
        self.strangers = 0
        """How many said that they have no such container, and never had."""
        self.verdict: Reply | None = None
        """What is wrong with the request, whoever is asked."""
        options = search.cluster.options
        self._patience = options.conn_timeout
        self._timeout = options.node_timeout
        path = search.request.path.partition("?")[0]
        self._probe = BackendRequest("HEAD", search.request.partition, path)
        self._headers = {True: [*search.headers, ASK_KNOWN], False: [*search.headers, ASK_ONLY_KNOWN]}
        """By whether the page is asked for."""
        self._pending: list[_Asked] = []
        self._primaries = self._in_order(is_silent)

    def run(self) -> bool:
        """Whether enough replicas have said what they know, or the matter is settled otherwise."""
        try:
            self._collect()
        finally:
            for asked in self._pending:
                asked.exchange.close()
            self._pending.clear()
        return self.verdict is not None or len(self.known) >= self.needed

    def drop(self, node: Node) -> None:
        """Count a replica no more: it failed since it answered."""
        self.known.pop(node, None)
        if self.page is not None and self.page.node == node:
            self.close()

    def close(self) -> None:
        """Let go of the page: nobody may have it any more."""
        if self.page is not None:
            self.page.close()
            self.page = None

    @property
    def is_incomplete(self) -> bool:
        """Whether too few have said what they know because some could not be asked."""
        heard = len(self.known) + len(self.silent) + self.strangers
        return len(self.known) < self.needed and heard < len(self.search.nodes.primaries)

    def _in_order(self, is_silent: Callable[[Node], bool]) -> Iterator[Node]:
        """The primaries: those that had errors lately come last."""
        nodes = self.search.nodes
        while (node := nodes.next()) is not None:
            if node.handoff_index is not None:
                self.search.ask_again(node)
                break
            if is_silent(node):
                self.silent.append(node)
            else:
                yield node
        while (node := nodes.next_limited()) is not None and node.handoff_index is None:
            yield node

    def _collect(self) -> None:
        more, impatient_at = 0, monotonic() + self._patience
        self._ask(self.needed - len(self.known))
        while self._pending and len(self.known) < self.needed and self.verdict is None:
            now = monotonic()
            until = min(impatient_at, *(asked.deadline for asked in self._pending))
            for index in reversed(wait_any([asked.exchange for asked in self._pending], max(0.0, until - now))):
                self._take(self._pending.pop(index))
            now = monotonic()
            for asked in [asked for asked in self._pending if asked.deadline <= now]:
                self._pending.remove(asked)
                asked.exchange.close()
                self.search.nodes.failed(asked.node, f"{self.search.request}: silent for {self._timeout} s")
            if now >= impatient_at:  # somebody hangs: ask one more
                more, impatient_at = more + 1, now + self._patience
            if self.verdict is None:
                self._ask(self.needed + more - len(self.known) - len(self._pending))
            if more and len(self.known) + len(self._pending) < self.needed:
                break  # too few are left: who hangs is not waited for

    def _ask(self, count: int) -> None:
        """Ask so many more replicas, as far as there are any."""
        while count > 0 and (node := next(self._primaries, None)) is not None:
            for_page = self.page is None and not any(asked.for_page for asked in self._pending)
            request = self.search.request if for_page else self._probe
            try:
                exchange = self.search.cluster.client.start(
                    node.address, request.method, request.on(node), self._headers[for_page], node_timeout=self._timeout
                )
            except BackendError as error:
                self.search.nodes.failed(node, f"{request}: {error}")
                continue
            self._pending.append(_Asked(node, exchange, for_page, monotonic() + self._timeout))
            count -= 1

    def _take(self, asked: _Asked) -> None:
        """Take an answer that has begun to come."""
        try:
            source = Source(asked.node, asked.exchange.response())
            known = known_of(source.response.headers)
            if known is None or source.response.status not in (200, 204, 404):
                self._take_other(asked, source)
            else:
                self._take_known(asked, source, known)
        except BackendError as error:
            self.search.nodes.failed(asked.node, f"{self.search.request}: {error}")
        except ValueError as error:
            self.search.nodes.failed(asked.node, f"{self.search.request}: nonsense in the answer's headers: {error}")

    def _take_known(self, asked: _Asked, source: Source, known: Known) -> None:
        self.search.nodes.worked(asked.node)
        if asked.for_page:
            self.page = Page(asked.node, answer_of(self.search, source))
        else:
            to_reply(source.response)
        self.known[asked.node] = known

    def _take_other(self, asked: _Asked, source: Source) -> None:
        """Take an answer that does not say what its replica knows."""
        node, response = asked.node, source.response
        if response.status // 100 == 2:
            self._not_told(node, response)
            if asked.for_page and not self.search.was_never_put(response):
                self.page = Page(node, source)
            else:
                to_reply(response)
            return
        reply = to_reply(response)
        if reply.status == 404 and not Timestamp(reply.headers.get("X-Backend-Timestamp") or 0):
            self.strangers += 1
        elif reply.status == 404:
            self._not_told(node, response)
        elif reply.status // 100 == 4 and asked.for_page:
            self.verdict = reply
            return
        self.search.note_failure(node, reply)

    def _not_told(self, node: Node, response: Response) -> None:
        self.silent.append(node)
        if not speaks_of_known(response.headers):
            self.foreign.append(node)
