"""Ports for servers that tests start."""

from __future__ import annotations

import os
import random

from swiftlite.cli.children import is_taken

FIRST, LAST = 10000, 32000
"""They lie below the range that the kernel hands out by itself: a port from that range may become the local end of some
connection, even of one to itself, before the server gets to bind it."""

_given: set[int] = set()


def ports_of_worker(worker: str = "", workers: str = "") -> range:
    """Return the ports that are this process's own among those that run the tests together.

    A port is free until its server binds it, so two processes that choose from the same ports may both choose one.
    `worker` and `workers` are pytest-xdist's words: ``gw1`` of ``2``; without them, all ports.
    """
    count = int(workers or "1")
    share = (LAST - FIRST) // count
    first = FIRST + share * int(worker.removeprefix("gw") or "0")
    return range(first, first + share)


def free_ports(count: int) -> int:
    """Return the first of `count` ports in a row on which nobody listens, and which were not returned before."""
    mine = ports_of_worker(os.environ.get("PYTEST_XDIST_WORKER", ""), os.environ.get("PYTEST_XDIST_WORKER_COUNT", ""))
    if len(_given) > len(mine) // 2:  # a long run: those of old have been let go
        _given.clear()
    while True:
        first = random.choice(mine[: len(mine) - count + 1])
        ports = range(first, first + count)
        if _given.isdisjoint(ports) and not any(is_taken(("0.0.0.0", port)) for port in ports):
            _given.update(ports)
            return first


def free_port() -> int:
    """Return a port on which nobody listens."""
    return free_ports(1)
