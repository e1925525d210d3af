"""One request as it goes to a storage server, and its reply as a tally takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from swiftlite.core.quorum import Reply
from swiftlite.ring.ring import Node
from swiftlite.wire.messages import METADATA_TOO_LARGE, found_by

HeaderList = list[tuple[str, str]]

MAX_REPLY = 65536
"""Bytes of a reply's body that are kept: it is an error's text, nothing longer is meant to be here."""


class Nodes(Protocol):
    """The nodes that a request may try, and where their failures are told."""

    partition: int

    def next(self) -> Node | None:
        """The next node to try; None when there is no other."""

    def next_limited(self) -> Node | None:
        """When there is no other: a node that had errors lately; None when there is no such node either."""

    def worked(self, node: Node) -> None:
        """The node answered."""

    def failed(self, node: Node, problem: object) -> None:
        """The node could not be spoken to."""

    def refused(self, node: Node, status: int, request: str) -> None:
        """The node answered with a server error."""


class BackendRequest(NamedTuple):
    """A request that is the same for every replica, but for some headers.

    :param path: percent-encoded ``/account[/container[/object]]``, with a query if there is one
    """

    method: str
    partition: int
    path: str

    def on(self, node: Node) -> str:
        """The request target on that node (formats.md 5)."""
        return f"/{node.device}/{self.partition}{self.path}"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Response(Protocol):
    """What of the HTTP client's response matters here."""

    status: int
    reason: str

    @property
    def headers(self) -> Mapping[str, str]:
        """Looked up in any case."""

    def read(self, size: int = -1) -> bytes:
        """The next bytes of the body, all with -1."""

    def close(self) -> None:
        """Give the connection up, or back where the body was read to its end."""


def to_reply(response: Response) -> Reply:
    """Read a response whose body is short, and give its connection back."""
    body = b""
    try:
        while len(body) < MAX_REPLY and (chunk := response.read(MAX_REPLY)):
            body += chunk
    finally:
        response.close()
    blames_request = response.status == 507 and METADATA_TOO_LARGE in response.headers
    return Reply(response.status, response.reason, response.headers, body, blames_request, found_by(response.headers))
