"""What sockets hold, for tests in which a server dies before it has sent all of a body."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

OWN = 65536
"""Bytes that wait for a reluctant client in its own socket, or twice as many."""


def reluctant_connection(address: tuple[str, int], timeout: float = 120.0) -> http.client.HTTPConnection:
    """Return a connection whose client has room for little that it has not read yet: the rest is still with servers."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    connection.connect()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, OWN)
    return connection


def under_way() -> int:
    """Return how many bytes can have left an object server and not yet come to a reluctant client of the proxy.

    The kernel lets the room of a socket grow with what it has carried, so a connection that was used before can hold a
    whole body. Counted are the proxy's socket to the server at its largest, what both servers may have ahead of that of
    their peer, and a MiB for the rest.
    """
    return _largest("tcp_rmem") + 2 * _largest("tcp_wmem") + 2 * OWN + (1 << 20)


def _largest(setting: str) -> int:
    """Return the most bytes of a socket's buffer: the last of three numbers (tcp(7))."""
    return int(Path("/proc/sys/net/ipv4", setting).read_text().split()[2])
