"""MisplacedQueue: tell the reconciler of a container's rows that are of another policy than its own (formats.md 1.8)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from swiftlite.container.backend import ContainerBroker
from swiftlite.core import misplaced
from swiftlite.core.quorum import majority
from swiftlite.core.timestamp import Timestamp
from swiftlite.http.client import Client
from swiftlite.ring.ring import Ring
from swiftlite.wire.backend import BackendRequest
from swiftlite.wire.direct import ask_all, user_agent
from swiftlite.wire.messages import POLICY_INDEX

PAGE = 1000
"""Rows that are read and sent at once."""


class MisplacedQueue:
    """Sends rows to the containers of the queue, of which a majority must take them.

    :param ring: of containers
    :param server: who sends them, say ``container-replicator``
    """

    def __init__(self, ring: Ring, client: Client, logger: logging.Logger, server: str) -> None:
        self.ring = ring
        self.client = client
        self.logger = logger
        self.server = server

    def feed(self, broker: ContainerBroker) -> bool:
        """Queue the misplaced rows of a container that have not been queued yet.

        For the replicator to call once most of the other replicas have been told all that this one knows: by then they
        agree on the container's policy. How far it came is remembered in the database as ``reconciler_sync_point``,
        unless the policy has changed meanwhile: then other rows are misplaced, and the next pass begins anew.

        :returns: whether there is nothing left to queue
        """
        info = broker.get_info()
        if info["account"] == misplaced.ACCOUNT:
            return True
        point, end = info["reconciler_sync_point"], broker.max_row()
        start = point
        while start < end:
            rows = broker.misplaced_since(start, PAGE) if len(broker.policy_stats()) > 1 else []
            if not self.add(rows, info["account"], info["container"]):
                break
            start = rows[-1]["ROWID"] if len(rows) == PAGE else end
        settled = start == point or broker.move_reconciler_sync_point((info["storage_policy_index"], point), start)
        return settled and start >= end

    def add(self, rows: Sequence[Mapping[str, Any]], account: str, container: str) -> bool:
        """Queue rows of a container.

        :param rows: dictionaries with the columns of ``object``
        :returns: whether a majority of the replicas has taken each of them
        """
        queued = misplaced.queue_rows(rows, account, container)
        return all(self._send(name, found) for name, found in queued.items())

    def _send(self, queue: str, rows: list[dict[str, str | int]]) -> bool:
        partition, nodes = self.ring.get_nodes(misplaced.ACCOUNT, queue)
        headers = {
            "X-Timestamp": Timestamp(time.time()).internal,
            POLICY_INDEX: "0",
            "Content-Type": "application/json",
            "User-Agent": user_agent(self.server),
        }
        request = BackendRequest("UPDATE", partition, f"/{misplaced.ACCOUNT}/{queue}")
        replies = ask_all(self.client, nodes, request, headers, self.logger, json.dumps(rows).encode())
        return sum(reply is not None and reply.status == 202 for reply in replies) >= majority(len(nodes))
