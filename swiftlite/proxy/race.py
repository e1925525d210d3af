"""Race: several nodes asked at once, each further one when those asked before are slow."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from swiftlite.common.concurrency import GreenThread, Queue, QueueEmpty, spawn
from swiftlite.ring.ring import Node

Found = TypeVar("Found")


class Race(Generic[Found]):
    """Asks nodes in green threads, and hands over what they found, in the order in which it comes.

    :param ask: asks one node; None when that found nothing, and the next node is asked at once
    :param next_node: the next node to ask; None when there is no other
    :param at_once: how many nodes are asked at the same time
    :param patience: seconds until another node is asked besides those that are silent
    """

    def __init__(
        self, ask: Callable[[Node], Found | None], next_node: Callable[[], Node | None], at_once: int, patience: float
    ) -> None:
        self._ask = ask
        self._next_node = next_node
        self._at_once = at_once
        self._patience = patience
        self._running: dict[Node, GreenThread] = {}
        self._results: Queue = Queue()
        self._due = 0.0

    def next(self) -> Found | None:
        """What the next node found; None when no node is left."""
        while True:
            self._start_due()
            if not self._running:
                return None
            wait = None if len(self._running) >= self._at_once else max(0.0, self._due - monotonic())
            try:
                node, found, error = self._results.get(timeout=wait)
            except QueueEmpty:
                continue
            del self._running[node]
            if error is not None:
                raise error
            if found is not None:
                return found
            self._due = 0.0

    def stop(self, discard: Callable[[Found], None]) -> list[Node]:
        """Ask nobody any more.

        :param discard: gets what was found and not handed over
        :returns: the nodes whose answers nobody has seen
        """
        for thread in self._running.values():
            thread.kill()
        while not self._results.empty():
            _, found, _ = self._results.get()
            if found is not None:
                discard(found)
        unheard, self._running = list(self._running), {}
        return unheard

    def _start_due(self) -> None:
        """Ask as many more nodes as it is time for."""
        while len(self._running) < self._at_once and (not self._running or monotonic() >= self._due):
            node = self._next_node()
            if node is None:
                self._at_once = len(self._running)  # nothing to wait for but those
                return
            self._running[node] = spawn(self._run, node)
            self._due = monotonic() + self._patience

    def _run(self, node: Node) -> None:
        try:
            self._results.put((node, self._ask(node), None))
        except Exception as error:
            self._results.put((node, None, error))
