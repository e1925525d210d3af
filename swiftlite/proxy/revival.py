"""Revival: finds out that a server that was down is up again, so that it need not be shunned any longer."""

from __future__ import annotations

from logging import Logger

from swiftlite.common.concurrency import sleep, spawn
from swiftlite.core.hosts import spell_address
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.proxy.nodes import ErrorLimits
from swiftlite.ring.ring import Node

PAUSE = 1.0
"""Seconds between two questions."""

Address = tuple[str, int]


class Revival:
    """Asks the servers of nodes that were shunned for their silence, until they answer.

    A restart takes a second, ``error_suppression_interval`` is a minute: as long as a node is shunned, changes go to
    handoffs in its place, and the next node that restarts may be the one that has them.

    :param timeout: seconds that an answer may take
    """

    def __init__(self, limits: ErrorLimits, client: Client, timeout: float, log: Logger) -> None:
        self.limits = limits
        self.client = client
        self.timeout = timeout
        self.log = log
        self._waiting: dict[Address, list[Node]] = {}

    def watch(self, node: Node) -> None:
        """See to a node that is shunned from now on."""
        waiting = self._waiting.setdefault(node.address, [])
        waiting.append(node)
        if len(waiting) == 1:
            spawn(self._watch, node.address, waiting)

    def _watch(self, address: Address, waiting: list[Node]) -> None:
        try:
            if self._answers(address):
                return  # It is not down, but sick: the interval stands.
            while any(map(self.limits.is_limited, waiting)):
                sleep(PAUSE)
                if self._answers(address):
                    for node in waiting:
                        self.limits.forgive(node)
                    self.log.info("%s answers again", spell_address(*address))
                    return
        finally:
            del self._waiting[address]

    def _answers(self, address: Address) -> bool:
        try:
            response = self.client.request(address, "OPTIONS", "/", [], node_timeout=self.timeout)
            response.close()
        except BackendError:
            return False
        return response.status < 500
