"""A whole database on its way to a peer: a copy that holds still, sent over HTTP, or by rsync to peers that want that."""

from __future__ import annotations

import dataclasses
import math
import os
import sqlite3
import uuid
from contextlib import closing, suppress
from urllib.parse import quote

from swiftlite.core import replicas
from swiftlite.db.connections import LOCKED_TIMEOUT
from swiftlite.db.peer import Peer
from swiftlite.wire import rsync

RSYNC_TIMEOUT = 3600.0
"""Seconds that rsync may take for one file, if it does not stall: it gives up by itself after ``node_timeout``."""


def open_private(path: str, flags: int) -> int:
    """Open a file that only its owner may read when it is new: a database holds keys and access lists.

    :returns: the descriptor
    """
    return os.open(path, flags, 0o600)


def make_copy(path: str, device_path: str) -> str:
    """Copy a database as it is at one moment; blocks: run it in a real thread.

    A file that is written to while it is sent arrives torn, and a lock held for as long as a network takes would stop
    the writers; the copy takes a read lock for as long as the disk takes. SQLite makes it: opening the file by other
    means would drop the locks that this process has on it.

    :param path: the file
    :param device_path: the copy is made in its ``tmp``
    :returns: the copy's path; the caller removes it
    """
    copy = f"{device_path}/tmp/{uuid.uuid4().hex}"
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    os.close(open_private(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL))  # rsync keeps its mode
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=LOCKED_TIMEOUT)) as source:
            with closing(sqlite3.connect(copy)) as target:
                target.execute("PRAGMA synchronous = OFF")
                source.backup(target)
    except BaseException:
        for leftover in (copy, copy + "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(leftover)
        raise
    return copy


@dataclasses.dataclass(frozen=True)
class Rsync:
    """How files are sent by rsync.

    :param module: template of the peers' rsync modules (formats.md 5.7)
    :param compress: for peers in other regions
    :param conn_timeout: seconds to wait for a connection
    :param node_timeout: seconds without progress
    """

    module: str
    compress: bool
    conn_timeout: float
    node_timeout: float

    def send(self, path: str, peer: Peer, name: str, other_region: bool) -> None:
        """Send a file to the peer's ``tmp`` directory; run it in a real thread.

        :raises PeerFailed: when rsync fails
        """
        module = replicas.rsync_module(self.module, dataclasses.asdict(peer.node))
        arguments = [
            *("--quiet", "--no-motd", "--whole-file"),
            f"--timeout={math.ceil(self.node_timeout)}",
            f"--contimeout={math.ceil(self.conn_timeout)}",
            *(["--compress"] if self.compress and other_region else []),
            *(path, f"{module}/{peer.node.device}/tmp/{name}"),
        ]
        rsync.run(arguments, str(peer), RSYNC_TIMEOUT)
