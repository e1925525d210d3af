"""NodeOrder: the order in which primaries are asked: at random, the quickest first, or the nearest first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from swiftlite.core.affinity import ReadAffinity
from swiftlite.ring.ring import Node

Order = Callable[[list[Node]], None]
"""Brings a list of nodes into order, in place."""

SORTING_METHODS = ("shuffle", "timing", "affinity")


class Timings:
    """How quickly each server answered the last time.

    :param expiry: seconds that a timing is believed
    """

    def __init__(self, expiry: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.expiry = expiry
        self._clock = clock
        self._last: dict[tuple[str, int], tuple[float, float]] = {}

    def took(self, node: Node, seconds: float) -> None:
        """Remember what the node took to begin its answer; to the millisecond, for less is chance."""
        self._last[node.address] = (round(seconds, 3), self._clock() + self.expiry)

    def of(self, node: Node) -> float:
        """What the node took; -1 where that is not known, so that it is tried."""
        seconds, expires = self._last.get(node.address, (-1.0, 0.0))
        return seconds if self._clock() < expires else -1.0


def node_order(method: str, affinity: ReadAffinity, timings: Timings, shuffle: Order = random.shuffle) -> Order:
    """The order of a sorting method; nodes that are equal to it are shuffled.

    :param method: one of ``SORTING_METHODS``
    """
    if method == "shuffle" or (method == "affinity" and not affinity):
        return shuffle
    key: Callable[[Node], float] = timings.of if method == "timing" else affinity.priority

    def sort(nodes: list[Node]) -> None:
        shuffle(nodes)
        nodes.sort(key=key)

    return sort
