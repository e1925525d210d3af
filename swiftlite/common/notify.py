"""sd_notify: tell systemd, if it asked to be told, how this process is."""

from __future__ import annotations

import contextlib
import os
import socket
import time

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
"""Environment variables by which systemd asks."""

PATIENCE = 1.0
"""Seconds to wait for a systemd that does not listen at the moment."""

CANNOT_RELOAD = "cannot reload, going on as before"
"""How the status begins of who has refused a new conf."""


def notify(*states: str) -> None:
    """Tell systemd about a change.

    :param states: assignments of sd_notify(3), say ``READY=1``
    """
    path = os.environ.get(SOCKET, "")
    if not path:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(PATIENCE)
        channel.sendto("\n".join(states).encode(), "\0" + path[1:] if path.startswith("@") else path)


def reloading() -> None:
    """Tell that the conf is being read anew; ``READY=1`` ends that, whatever came of it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def cannot_reload(problem: str) -> None:
    """Tell that the conf cannot be read anew, and that all stays as it is.

    :param problem: why, in one line
    """
    notify(f"STATUS={CANNOT_RELOAD}: {problem}".replace("\n", " "), "READY=1")


def watchdog_seconds() -> float:
    """Seconds of silence after which systemd takes this process for dead; 0: never."""
    if os.environ.get(WATCHDOG_PID, str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = os.environ.get(WATCHDOG, "")
    return int(text) / 1e6 if text.isdecimal() else 0.0


def be_silent() -> None:
    """In a child: systemd listens to its parent."""
    for name in (SOCKET, WATCHDOG, WATCHDOG_PID):
        os.environ.pop(name, None)
