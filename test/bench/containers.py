"""Containers with many rows, put straight into all replicas of a stack's databases: through a proxy it would take hours."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import stacks
from stacks import StackError, SwiftStack

FOLDER = 50
"""Objects of the large container that share a pseudo-folder."""
ROWS = {"listed": 10_000, "million": 1_000_000}
_INSERT = (
    "INSERT INTO object (name, created_at, size, content_type, etag, deleted, storage_policy_index)"
    " VALUES (?, ?, 1024, 'application/octet-stream', 'd41d8cd98f00b204e9800998ecf8427e', 0, 0)"
)


def fill(stack: SwiftStack, container: str) -> None:
    """Make a container of ROWS, unless the stack has it already."""
    status, _ = stack.ask("PUT", stack.container_path(container))
    if status == 202:
        return
    # The PUT was answered by a quorum; the last replica may need a moment.
    time.sleep(1)
    replicas = [path for path in stack.surroundings.devices.glob("*/containers/*/*/*/*.db") if _is_of(path, container)]
    if len(replicas) != stacks.confs.REPLICAS:
        raise StackError(f"{stack.name}: container {container!r} has {len(replicas)} databases")
    for path in replicas:
        _insert(path, container)


def names(container: str) -> Iterator[str]:
    """The names of its objects, in order."""
    for number in range(ROWS[container]):
        yield f"name-{number:05d}" if container == "listed" else f"{number // FOLDER:05d}/{number % FOLDER:02d}"


def _is_of(path: Path, container: str) -> bool:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT container FROM container_info").fetchone() == (container,)
    finally:
        connection.close()


def _insert(path: Path, container: str) -> None:
    """Insert the rows, and do once for all what a trigger of the schema would do for each (formats.md 4.3, 4.5)."""
    connection = sqlite3.connect(path)
    trigger = "object_insert_policy_stat"
    (text,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (trigger,)).fetchone()
    connection.execute(f"DROP TRIGGER {trigger}")
    total = 0

    def rows() -> Iterator[tuple[str, str]]:
        nonlocal total
        for number, name in enumerate(names(container)):
            timestamp = f"{1700000000 + number}.00000"
            total ^= int(hashlib.md5(f"{name}-{timestamp}".encode()).hexdigest(), 16)
            yield name, timestamp

    connection.executemany(_INSERT, rows())
    count = ROWS[container]
    connection.execute("UPDATE policy_stat SET object_count = ?, bytes_used = ?", (count, 1024 * count))
    connection.execute("UPDATE container_info SET hash = ?", (f"{total:032x}",))
    connection.execute(text)
    connection.commit()
    connection.close()
