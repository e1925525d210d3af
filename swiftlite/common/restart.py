"""Starting a program anew in its process, with the conf and code of this moment, once a trial has shown that it can."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import NoReturn

from swiftlite.common.notify import SOCKET, WATCHDOG

TRIAL = "SWIFTLITE_TRIAL"
"""Environment variable that bids a program to stop short of its work; says where a server listens already, if one does."""
TRIAL_TIMEOUT = 60.0
"""Seconds that a trial may take."""


def is_trial() -> bool:
    """Whether this process only shows that the program could start."""
    return TRIAL in os.environ


def place_of_parent() -> str:
    """Where the process listens that makes this trial, as it was given to the trial; empty if it does not, or in no trial."""
    return os.environ.get(TRIAL, "")


class Trial:
    """The program, started beside us with the same arguments; ends with 0 before it would begin its work.

    Nothing less would do: the conf may have changed, the rings, the code itself, and starting anew cannot be undone.

    :param place: where this process listens: a trial cannot bind that
    """

    def __init__(self, place: str = "") -> None:
        self._said = os.memfd_create("trial")
        environment = {name: value for name, value in os.environ.items() if name not in (SOCKET, WATCHDOG)}
        self.pid = os.posix_spawn(
            sys.executable,
            _command(),
            {**environment, TRIAL: place},
            file_actions=[(os.POSIX_SPAWN_DUP2, self._said, 1), (os.POSIX_SPAWN_DUP2, self._said, 2)],
            setsigmask=(),
        )
        self._deadline = time.monotonic() + TRIAL_TIMEOUT

    def poll(self) -> int | None:
        """Return how it ended, as wait(2) says it; None while it runs. One that takes too long is killed."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            return status
        self.end_if_late()
        return None

    def end_if_late(self) -> None:
        """Kill it if it takes too long."""
        if time.monotonic() > self._deadline:
            os.kill(self.pid, signal.SIGKILL)

    def verdict(self, status: int) -> str:
        """Return why the program cannot start, in one line; nothing if it can.

        :param status: how the trial ended, as wait(2) says it
        """
        said = os.pread(self._said, 1 << 20, 0).decode("utf-8", "replace").split("\n")
        os.close(self._said)
        if status == 0:
            return ""
        return next((line for line in reversed(said) if line.strip()), f"it ended with wait status {status}")


def try_out(place: str = "") -> str:
    """Make a trial and wait for it, blocking the process; return what :meth:`Trial.verdict` does."""
    trial = Trial(place)
    while (status := trial.poll()) is None:
        time.sleep(0.01)
    return trial.verdict(status)


def start_anew() -> NoReturn:
    """Start the program in this very process; what its children, threads and green threads do ends, or is theirs."""
    logging.shutdown()  # what no log daemon has taken yet
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, _command())


def _command() -> list[str]:
    return [sys.executable, *sys.orig_argv[1:]]
