"""What can go wrong between two ends of an HTTP connection, one class each."""

from __future__ import annotations

from swiftlite.core.hosts import spell_address

Address = tuple[str, int]


class StreamTimeout(Exception):
    """A socket was neither readable nor writable in time."""


class StreamClosed(Exception):
    """The other end closed or reset the connection."""


class BadRequest(Exception):
    """A request head that must not be served.

    Args:
        status: status line without the version, e.g. ``400 Bad Request``.
        message: one sentence for the client: what is wrong.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class RequestBodyError(Exception):
    """Reading ``wsgi.input`` failed; deliberately no OSError, which would read like a disk fault."""


class ClientDisconnected(RequestBodyError):
    """The client went away before the body it promised was complete (499)."""


class ClientTimeout(RequestBodyError):
    """The client sent nothing for ``client_timeout`` seconds (408)."""


class BadBody(RequestBodyError):
    """The chunked framing of a body is wrong (400)."""


class BackendError(OSError):
    """A request to another server failed.

    Args:
        address: (host, port) of that server.
        problem: what happened, for the log.
    """

    def __init__(self, address: Address, problem: str) -> None:
        super().__init__(f"{spell_address(*address)}: {problem}")
        self.address = address
        self.problem = problem


class ConnectFailed(BackendError):
    """The connection was refused or the host cannot be reached."""


class ConnectTimeout(BackendError):
    """No connection within ``conn_timeout`` seconds."""


class NodeTimeout(BackendError):
    """The server was silent for ``node_timeout`` seconds."""


class PeerClosed(BackendError):
    """The server closed the connection where a response, or room for a request body, was due."""


class ShortBody(PeerClosed):
    """The response body ended before its promised length."""


class BadResponse(BackendError):
    """The server's answer is no valid HTTP/1.x message."""
