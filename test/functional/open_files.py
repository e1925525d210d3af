"""Which servers of a cluster have an object's file open: found in /proc, so that a test kills the one at work."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from functional.cluster import Cluster, Server


def processes(server: Server) -> list[int]:
    """Return the process ids of a running server: itself and its workers."""
    assert server.running is not None
    found, unseen = [], [server.running.pid]
    while unseen:
        pid = unseen.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
                unseen += map(int, children.read_text().split())
    return found


def open_files(server: Server) -> list[str]:
    """Return the paths of all files that a server has open; those without a name end in " (deleted)"."""
    found = []
    for pid in processes(server):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found.append(os.readlink(link))
            except FileNotFoundError:  # closed meanwhile
                continue
    return found


def servers_at(cluster: Cluster, marks: tuple[str, ...]) -> list[Server]:
    """Return the object servers that run and have a file open below a device whose path has one of the marks."""
    return [
        server
        for node in cluster.layout.nodes
        if (server := cluster.server("object-server", node.number)).is_running
        and any(path.startswith(str(node.root)) and any(m in path for m in marks) for path in open_files(server))
    ]


def readers(cluster: Cluster) -> list[Server]:
    """Return the object servers that read an object now."""
    return servers_at(cluster, (".data",))


def writers(cluster: Cluster) -> list[Server]:
    """Return the object servers that write an object now, which has no name yet."""
    return servers_at(cluster, ("/#", "/tmp/"))
