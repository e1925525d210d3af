"""AccountUpdates: tell the account servers that a container was created, deleted or has other counts (formats.md 5.2)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from swiftlite.common import metrics
from swiftlite.common.concurrency import GreenPool
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.controller import Place, Request
from swiftlite.http.client import Client
from swiftlite.http.errors import Address
from swiftlite.wire.direct import RowRefused, RowUnsent, parse_host, send_row, user_agent
from swiftlite.wire.messages import AccountUpdate, BadMessage, UpdateTargets
from swiftlite.wire.update_hosts import UpdateHosts


class AccountUpdates:
    """Tells account servers about containers.

    :param client: asks them
    """

    def __init__(self, logger: logging.Logger, client: Client) -> None:
        self.logger = logger
        self.client = client

    def targets(self, request: Request) -> UpdateTargets | None:
        """The account servers that a request wants to be told.

        :raises BadMessage: when its headers contradict each other, or a host is none
        """
        targets = UpdateTargets.from_headers("Account", request)
        if targets is not None:
            _places(targets)  # Wrong ones are refused before anything is changed.
        return targets

    def send(
        self, request: Request, targets: UpdateTargets, hosts: UpdateHosts, place: Place, info: Mapping[str, Any]
    ) -> bool:
        """Tell them all, at once.

        :param hosts: whom requests may name; others are left to the container updater, which looks into the ring
        :param place: of the container
        :param info: of the container, as its broker gives it
        :returns: False when every one of them answered that there is no such account, and there was one to ask
        """
        override = (request.header("X-Account-Override-Deleted") or "no").lower() == "yes"
        headers = {
            **update_of(info, override).to_headers(),
            "X-Timestamp": request.header("X-Timestamp") or "",
            "X-Trans-Id": request.header("X-Trans-Id") or "-",
            "Referer": f"{request.method} {request.url}",
            "User-Agent": user_agent("container-server"),
        }
        places = _places(targets)
        allowed = [(address, device) for address, device in places if hosts.allows(address)]
        statuses = self.tell_all(allowed, targets.partition, f"/{place.account}/{place.container}", headers)
        metrics.ROW_UPDATES.add(1, "taken" if all(status == 201 for status in statuses) else "left")
        if len(allowed) < len(places):
            return True  # who was not asked may know the account
        return override or not is_denied_by_all(statuses)

    def tell_all(
        self,
        places: Sequence[tuple[Address, str]],
        partition: str | int,
        path: str,
        headers: Mapping[str, str],
        method: str = "PUT",
    ) -> list[int]:
        """Send one update to several account servers at once.

        :param places: address and device of each
        :param path: native ``/account/container``
        :param method: ``HEAD`` with the path of an account asks only whether it is there
        :returns: the status that each answered, 201 for any success, or 503 where it could not be asked
        """

        def tell(address: Address, device: str) -> int:
            try:
                send_row(self.client, address, device, partition, path, method, headers)
            except RowUnsent as error:
                self.logger.error("account update failed, will be tried again: %s", error)
                return 503
            except RowRefused as error:
                if error.status != 404:
                    self.logger.error("account update failed, will be tried again: %s", error)
                return error.status
            return 201

        pool = GreenPool(max(1, len(places)))
        calls = [pool.spawn(tell, address, device) for address, device in places]
        return [call.wait() for call in calls]


def is_denied_by_all(statuses: Sequence[int]) -> bool:
    """Whether every account server says that there is no such account; where none was asked, none has said so."""
    return bool(statuses) and all(status == 404 for status in statuses)


def _places(targets: UpdateTargets) -> list[tuple[Address, str]]:
    try:
        return [(parse_host(host), device) for host, device in targets.pairs()]
    except ValueError as error:
        raise BadMessage(f"X-Account-Host: {error}") from None


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
