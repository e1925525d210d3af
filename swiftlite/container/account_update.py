"""AccountUpdates: tell the account servers that a container was created, deleted or has other counts (formats.md 5.2)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from swiftlite.common.concurrency import GreenPool
from swiftlite.core.names import quote_path
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.controller import Request
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.wire.messages import AccountUpdate, UpdateTargets


class AccountUpdates:
    """Tells account servers about containers.

    :param conn_timeout: seconds to wait for a connection
    :param node_timeout: seconds to wait for an answer
    """

    def __init__(self, logger: logging.Logger, conn_timeout: float, node_timeout: float) -> None:
        self.logger = logger
        self.client = Client(conn_timeout=conn_timeout, node_timeout=node_timeout)

    def targets(self, request: Request) -> UpdateTargets | None:
        """The account servers that a request wants to be told.

        :raises BadMessage: when its headers contradict each other
        """
        return UpdateTargets.from_headers("Account", request)

    def send(
        self, request: Request, targets: UpdateTargets, account: str, container: str, info: Mapping[str, Any]
    ) -> bool:
        """Tell them all, at once.

        :param info: of the container, as its broker gives it
        :returns: False when every one of them answered that there is no such account
        """
        override = (request.header("X-Account-Override-Deleted") or "no").lower() == "yes"
        headers = {
            **update_of(info, override).to_headers(),
            "X-Timestamp": request.header("X-Timestamp") or "",
            "X-Trans-Id": request.header("X-Trans-Id") or "-",
            "Referer": f"{request.method} {request.url}",
            "User-Agent": f"container-server {os.getpid()}",
        }
        pool = GreenPool(len(targets.hosts))
        calls = [
            pool.spawn(self.tell, host, path_of(device, targets.partition, account, container), headers)
            for host, device in targets.pairs()
        ]
        statuses = [call.wait() for call in calls]
        return override or any(status != 404 for status in statuses)

    def tell(self, host: str, path: str, headers: Mapping[str, str]) -> int:
        """Send one update to one account server.

        :param host: ``ip:port``
        :returns: the status it answered, or 503 when it could not be asked
        """
        ip, _, port = host.rpartition(":")
        try:
            response = self.client.request((ip.strip("[]"), int(port)), "PUT", path, headers)
            response.drain()
        except (BackendError, ValueError) as error:
            self.logger.error("account update %s%s failed, the updater will send it: %s", host, path, error)
            return 503
        if response.status >= 300 and response.status != 404:
            self.logger.error("account update %s%s was answered %d", host, path, response.status)
        return response.status


def update_of(info: Mapping[str, Any], override_deleted: bool = False) -> AccountUpdate:
    """What an account has to know of a container."""
    return AccountUpdate(
        Timestamp(info["put_timestamp"]),
        Timestamp(info["delete_timestamp"]),
        info["object_count"],
        info["bytes_used"],
        info["storage_policy_index"],
        override_deleted,
    )


def path_of(device: str, partition: str | int, account: str, container: str) -> str:
    """The quoted path of a container's row on an account server."""
    return quote_path(f"/{device}/{partition}/{account}/{container}")
