"""Requests that daemons send to nodes of their choice: how a change of a row reaches the server that keeps it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

from swiftlite.core.hosts import spell_address
from swiftlite.core.names import quote_path
from swiftlite.core.quorum import Reply
from swiftlite.http.client import Client
from swiftlite.http.errors import Address, BackendError
from swiftlite.http.exchange import Exchange
from swiftlite.http.head import Headers
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest, to_reply


class RowRefused(Exception):
    """The server answered, but did not take the row.

    :ivar status: what it answered
    :ivar headers: where it sends us, for a 301
    """

    def __init__(self, address: Address, path: str, status: int, headers: Headers) -> None:
        super().__init__(f"{spell_address(*address)} answered {status} for {path}")
        self.status = status
        self.headers = headers


class RowUnsent(Exception):
    """The server could not be asked; says which and why."""


def parse_host(text: str) -> Address:
    """``ip:port`` of an update header; IPv6 addresses may stand in brackets.

    :raises ValueError: when it is neither
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not of the form ip:port")
    if not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return host.strip("[]"), int(port)


def start_row(client: Client, address: Address, target: str, operation: str, headers: Mapping[str, str]) -> Exchange:
    """Send the PUT or DELETE of one row of a container or an account, and do not wait for the answer.

    :param target: as :func:`row_target` makes it
    :param operation: ``PUT`` or ``DELETE``
    :param headers: the message, as WSGI strings; ``User-Agent`` is expected among them
    :raises RowUnsent: when the server cannot be reached
    """
    try:
        return client.start(address, operation, target, headers)
    except BackendError as error:
        raise RowUnsent(f"{error} for {target}") from None


def finish_row(exchange: Exchange, target: str, timeout: float | None = None) -> None:
    """Wait for the answer to :func:`start_row`.

    :param timeout: seconds; None: the client's ``node_timeout``
    :raises RowRefused: when the answer is no success
    :raises RowUnsent: when there is no answer
    """
    try:
        response = exchange.response(timeout)
        response.drain()
    except BackendError as error:
        raise RowUnsent(f"{error} for {target}") from None
    if not 200 <= response.status < 300:
        raise RowRefused(exchange.address, target, response.status, response.headers)


def send_row(
    client: Client,
    address: Address,
    device: str,
    partition: str | int,
    path: str,
    operation: str,
    headers: Mapping[str, str],
) -> None:
    """Send a row and wait for the answer; arguments and errors as for both of the above.

    :param path: native ``/account/container/object`` (row of a container) or ``/account/container`` (of an account)
    """
    target = row_target(device, partition, quote_path(path))
    finish_row(start_row(client, address, target, operation, headers), target)


def ask_all(
    client: Client,
    nodes: Sequence[Node],
    request: BackendRequest,
    headers: Mapping[str, str],
    logger: logging.Logger,
    body: bytes = b"",
) -> list[Reply | None]:
    """Send the same request to the replication addresses of several nodes at once, and wait for every answer.

    :param headers: WSGI strings
    :param logger: hears of the nodes that did not answer, or with a server error
    :returns: one reply for each node, None where there was none
    """
    sent: list[Exchange | None] = []
    for node in nodes:
        try:
            sent.append(client.start(node.replication_address, request.method, request.on(node), headers, body))
        except BackendError as error:
            logger.error("%s: %s", request, error)
            sent.append(None)
    replies: list[Reply | None] = []
    for exchange in sent:
        try:
            reply = None if exchange is None else to_reply(exchange.response())
        except BackendError as error:
            logger.error("%s: %s", request, error)
            reply = None
        if exchange is not None and reply is not None and reply.is_server_error:
            logger.error("%s: %s answered %d", request, spell_address(*exchange.address), reply.status)
        replies.append(reply)
    return replies


def row_target(device: str, partition: str | int, path: str) -> str:
    """The request target of a row.

    :param path: percent-encoded, with a slash in front
    """
    return f"/{device}/{partition}{path}"


def user_agent(server: str) -> str:
    """``object-server 4711``: who sends a row."""
    return f"{server} {os.getpid()}"
