"""One request to one node: how a change of a row reaches the server that keeps it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from swiftlite.core.names import quote_path
from swiftlite.http.client import Client
from swiftlite.http.errors import Address, BackendError
from swiftlite.http.head import Headers


class RowRefused(Exception):
    """The server answered, but did not take the row.

    :ivar status: what it answered
    :ivar headers: where it sends us, for a 301
    """

    def __init__(self, address: Address, path: str, status: int, headers: Headers) -> None:
        super().__init__(f"{address[0]}:{address[1]} answered {status} for {path}")
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


def send_row(
    client: Client,
    address: Address,
    device: str,
    partition: str | int,
    path: str,
    operation: str,
    headers: Mapping[str, str],
) -> None:
    """PUT or DELETE one row of a container or an account: the only place from where that is done.

    :param path: native ``/account/container/object`` (row of a container) or ``/account/container`` (of an account)
    :param operation: ``PUT`` or ``DELETE``
    :param headers: the message, as WSGI strings; ``User-Agent`` is expected among them
    :raises RowRefused: when the answer is no success
    :raises RowUnsent: when there is no answer
    """
    target = f"/{device}/{partition}{quote_path(path)}"
    try:
        response = client.request(address, operation, target, headers)
        response.drain()
    except BackendError as error:
        raise RowUnsent(f"{error} for {target}") from None
    if not 200 <= response.status < 300:
        raise RowRefused(address, target, response.status, response.headers)


def user_agent(server: str) -> str:
    """``object-server 4711``: who sends a row."""
    return f"{server} {os.getpid()}"
