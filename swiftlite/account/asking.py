"""Asker: the reaper's requests to many servers at once; counts the answers and logs each server that fails, once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from swiftlite.common import statsd
from swiftlite.core.names import quote_path
from swiftlite.http.client import Client
from swiftlite.http.errors import Address, BackendError
from swiftlite.http.exchange import Exchange
from swiftlite.ring.ring import Node
from swiftlite.wire.direct import row_target, user_agent


class Answer(NamedTuple):
    """What a server answered; status 0 for none.

    :param headers: looked up in any case
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


NO_ANSWER = Answer(0, {}, b"")


class Asker:
    """Sends requests to the replication addresses of nodes.

    :ivar codes: how many answers of each class there were: ``2xx``…
    """

    def __init__(self, client: Client, sender: str, logger: logging.Logger) -> None:
        self.client = client
        self.sender = sender
        self.logger = logger
        self.codes: Counter[str] = Counter()
        self._failed: set[Address] = set()

    def ask(
        self,
        method: str,
        partition: int,
        path: str,
        requests: Iterable[tuple[Node, Mapping[str, str]]],
        query: str = "",
    ) -> list[Answer]:
        """Send the same request to several nodes at once, to each with headers of its own.

        :param path: native ``/account[/container[/object]]``
        :param requests: nodes and headers
        :param query: percent-encoded
        :returns: their answers in the same order
        """
        quoted = quote_path(path) + (f"?{query}" if query else "")
        common = {"User-Agent": user_agent(self.sender), "X-Backend-Allow-Reserved-Names": "true"}
        started = [
            self._start(node.replication_address, method, row_target(node.device, partition, quoted), common | {**own})
            for node, own in requests
        ]
        return [self._finish(exchange) for exchange in started]

    def _start(self, address: Address, method: str, target: str, headers: Mapping[str, str]) -> Exchange | None:
        try:
            return self.client.start(address, method, target, headers)
        except BackendError as error:
            self._note(error)
            return None

    def _finish(self, exchange: Exchange | None) -> Answer:
        if exchange is None:
            return NO_ANSWER
        try:
            response = exchange.response()
            answer = Answer(response.status, response.headers, response.read())
        except BackendError as error:
            self._note(error)
            return NO_ANSWER
        self.codes[f"{answer.status // 100}xx"] += 1
        statsd.note(f"return_codes.{answer.status // 100}")
        return answer

    def _note(self, error: BackendError) -> None:
        """Log the first failure of a server; others of it say nothing new."""
        if error.address not in self._failed:
            self._failed.add(error.address)
            self.logger.error("%s: %s", self.sender, error)
