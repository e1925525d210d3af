"""Ports for servers that tests start."""

from __future__ import annotations

import random

from swiftlite.cli.children import is_taken


def free_ports(count: int) -> int:
    """Return the first of `count` ports in a row on which nobody listens.

    They lie below the range that the kernel hands out by itself: a port from that range may become the local end of
    some connection, even of one to itself, before the server gets to bind it.
    """
    while True:
        first = random.randrange(10000, 32000 - count)
        if not any(is_taken(("127.0.0.1", port)) for port in range(first, first + count)):
            return first


def free_port() -> int:
    """Return a port on which nobody listens."""
    return free_ports(1)
