"""Hear what a daemon tells systemd of itself (sd_notify): who has started it by hand listens in systemd's place."""

from __future__ import annotations

import os
import secrets
import socket

from swiftlite.common.notify import SOCKET

MARK = "@swiftlite-init/"
"""How the names of our sockets begin: what is systemd's is left to it."""


class Channel:
    """A socket that a daemon writes to; of the kernel's abstract names, so that nothing is left behind, and whoever
    the daemon becomes, it may write.

    :param name: as ``NOTIFY_SOCKET`` spells it, with an ``@`` in front
    :raises OSError: when somebody listens there already
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind("\0" + name[1:])
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    @classmethod
    def new(cls) -> Channel:
        """One for a daemon that is about to start."""
        return cls(f"{MARK}{os.getpid()}/{secrets.token_hex(8)}")

    @classmethod
    def of(cls, pid: int) -> Channel | None:
        """That of a daemon that runs: it goes on writing where it was told to when it started.

        None where that is systemd's business, or another user's, or somebody listens already.
        """
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = file.read().decode("utf-8", "surrogateescape").split("\0")
            name = next(text.partition("=")[2] for text in variables if text.startswith(f"{SOCKET}={MARK}"))
            return cls(name)
        except (OSError, StopIteration):
            return None

    def read(self) -> list[str]:
        """The assignments that have come since the last look: ``READY=1``, ``STATUS=…``."""
        said: list[str] = []
        while True:
            try:
                said += self._socket.recv(65536).decode("utf-8", "replace").split("\n")
            except BlockingIOError:
                return said

    def close(self) -> None:
        """Listen no more; what the daemon says from now on is lost, which does not hold it up."""
        self._socket.close()
