"""NodeIter: the nodes that a request may try, one after another; ErrorLimits: which are left alone for a while."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from itertools import islice

from swiftlite.common import metrics, statsd
from swiftlite.common.web import Answer, HTTPServiceUnavailable
from swiftlite.proxy.ordering import Order
from swiftlite.ring.ring import Node, Ring

OUT_OF_SERVICE = 1 << 30
"""Errors of a device that said itself that it cannot be used."""
NO_ROOM = (
    "<html><h1>Service Unavailable</h1><p>The store has no room for this: the devices that should take it are full, "
    "or not mounted. What is stored can still be read and deleted.</p></html>"
)


class ErrorLimits:
    """Counts the errors of every device, and says which had so many lately that they are not asked.

    :param limit: errors that are borne
    :param interval: seconds after the last error until a device is tried again
    """

    def __init__(
        self, limit: int, interval: float, log: logging.Logger, clock: Callable[[], float] = time.time
    ) -> None:
        self.limit = limit
        self.interval = interval
        self._log = log
        self._clock = clock
        self.when_silent: Callable[[Node], None] | None = None
        """Called with a node that is left alone from now on because it did not answer."""
        self._errors: dict[tuple[str, int, str], tuple[int, float]] = {}

    def failed(self, node: Node, problem: object, status: int | None = None) -> None:
        """Count and log an error of the node.

        :param status: that it answered, if it did
        """
        key = (node.ip, node.port, node.device)
        count = self._errors.get(key, (0, 0.0))[0] + 1
        self._errors[key] = (count, self._clock())
        metrics.NODE_ERRORS.add(1, _label(node), "silence" if status is None else "status")
        if count > self.limit:
            metrics.NODE_LIMITED.set(self._clock() + self.interval, _label(node))
        self._log.error("ERROR with server %s:%s/%s: %s", node.ip, node.port, node.device, problem)
        if count > self.limit:
            statsd.note("error_limiter.incremented_limit")
        if count == self.limit + 1:
            self._log.error("Node error limited: %s:%s/%s", node.ip, node.port, node.device)
            if status is None and self.when_silent is not None:
                self.when_silent(node)

    def out_of_service(self, node: Node, problem: str) -> None:
        """Leave the node alone from now on: its device is full, dead or not mounted (507)."""
        self._errors[node.ip, node.port, node.device] = (OUT_OF_SERVICE, self._clock())
        metrics.NODE_ERRORS.add(1, _label(node), "507")
        statsd.note("error_limiter.forced_limit")
        metrics.NODE_LIMITED.set(self._clock() + self.interval, _label(node))
        self._log.error("Node error limited: %s:%s/%s: %s", node.ip, node.port, node.device, problem)

    def is_limited(self, node: Node) -> bool:
        """Whether the node is not to be asked now."""
        if not self._errors:
            return False
        key = (node.ip, node.port, node.device)
        count, last = self._errors.get(key, (0, 0.0))
        if not count:
            return False
        if self._clock() - last > self.interval:
            del self._errors[key]
            return False
        return count > self.limit

    def forgive(self, node: Node) -> None:
        """Forget the errors of a node that works again."""
        self._errors.pop((node.ip, node.port, node.device), None)
        metrics.NODE_LIMITED.set(0.0, _label(node))


def _label(node: Node) -> str:
    return f"{node.ip}:{node.port}/{node.device}"


class NodeIter:
    """Hands out the nodes of a partition: primaries in some order, then handoffs, none that is error-limited.

    :param count: how many nodes may be tried in all
    :param order: brings the primaries into order
    :param sequence: all nodes in the order that a write affinity wants; as many as there are primaries are brought
        into order
    """

    def __init__(
        self,
        ring: Ring,
        partition: int,
        limits: ErrorLimits,
        count: int,
        order: Order = random.shuffle,
        sequence: Iterator[Node] | None = None,
    ) -> None:
        self.partition = partition
        self.limits = limits
        self.primaries = ring.primaries(partition)
        self._ring = ring
        self._left = count
        self._handoffs_tried = 0
        self._handoffs_expected = count - len(self.primaries)
        first = list(self.primaries if sequence is None else islice(sequence, len(self.primaries)))
        order(first)
        self._first = iter(first)
        self._handoffs = sequence
        self._passed_over: list[Node] = []
        self._failures = 0
        self._without_room = 0

    def __iter__(self) -> NodeIter:
        return self

    def __next__(self) -> Node:
        node = self.next()
        if node is None:
            raise StopIteration
        return node

    def next(self) -> Node | None:
        """The next node to try; None when there is no other."""
        if self._left <= 0:
            return None
        if (node := self._unlimited(self._first)) is not None:
            return node
        if self._handoffs is None:
            self._handoffs = self._ring.handoffs(self.partition)
        return self._unlimited(self._handoffs)

    def next_limited(self) -> Node | None:
        """After all others a node that was passed over for its errors, primaries first: it may work again by now.

        So a small cluster need not wait for the end of ``error_suppression_interval`` when its servers are back, and
        devices that are full (507) still give out what they have, and take the DELETEs that make room.
        """
        return self._passed_over.pop(0) if self._passed_over else None

    def _unlimited(self, nodes: Iterator[Node]) -> Node | None:
        for node in nodes:
            if not self.limits.is_limited(node):
                self._left -= 1
                if node.handoff_index is not None:
                    self._note_handoff()
                return node
            statsd.note("error_limiter.is_limited")
            if len(self._passed_over) < len(self.primaries):
                self._passed_over.append(node)
        return None

    def _note_handoff(self) -> None:
        """Count a handoff. Statsd hears of those beyond what is tried where no primary is passed over."""
        metrics.HANDOFFS.add(1, self._ring.name)
        self._handoffs_tried += 1
        unexpected = self._handoffs_tried - self._handoffs_expected
        if unexpected > 0:
            kind = self._ring.name.partition("-")[0]
            statsd.note(f"{kind}.handoff_count")
            if unexpected == len(self.primaries):
                statsd.note(f"{kind}.handoff_all_count")

    def worked(self, node: Node) -> None:
        """The node answered: what it did wrong before is forgotten."""
        if self.limits.is_limited(node):
            self.limits.forgive(node)

    def failed(self, node: Node, problem: object) -> None:
        """Count and log an error of the node."""
        self._failures += 1
        self.limits.failed(node, problem)

    def refused(self, node: Node, status: int, request: str) -> None:
        """Count and log a server error: 507 puts the device out of service at once, others when there are many."""
        self._failures += 1
        if status == 507:
            self._without_room += 1
            self.limits.out_of_service(node, f"507 to {request}")
        else:
            self.limits.failed(node, f"{status} to {request}", status)

    def too_few(self) -> Answer:
        """What a client hears when too few nodes took a change: 503, which says so if most failed for want of room."""
        if 2 * self._without_room <= self._failures:
            return HTTPServiceUnavailable()
        return HTTPServiceUnavailable(NO_ROOM)
