"""Starting a program anew in its process, with the conf and code of this moment, once a trial has shown that it can."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from swiftlite.common.notify import SOCKET, WATCHDOG

TRIAL = "SWIFTLITE_TRIAL"
"""Environment variable that bids a program to stop short of its work; says where a server listens already, if one does."""
TOLD: dict[str, str] = {}
"""Environment variables in which this process tells its trials, and no other child, what it works with."""
TRIAL_TIMEOUT = 60.0
"""Seconds that a trial may take."""
KILL_GRACE = 5.0
"""Seconds after which no more is waited for one that was killed: what a dead disk or mount holds may not even die."""
_HEAD = 4096
"""Bytes at the beginning of a program's file that name its interpreter."""


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
    :raises OSError: when the interpreter cannot be run
    """

    def __init__(self, place: str = "") -> None:
        self._said = os.memfd_create("trial")
        environment = {name: value for name, value in os.environ.items() if name not in (SOCKET, WATCHDOG)}
        line = _command_line()
        try:
            self.pid = os.posix_spawn(
                line[0],
                line,
                {**environment, **TOLD, TRIAL: place},
                file_actions=[(os.POSIX_SPAWN_DUP2, self._said, 1), (os.POSIX_SPAWN_DUP2, self._said, 2)],
                setsigmask=(),
            )
        except OSError as error:
            os.close(self._said)
            raise OSError(error.errno, f"{line[0]}: {error.strerror}") from None
        self._deadline = time.monotonic() + TRIAL_TIMEOUT

    def poll(self) -> int | None:
        """Return how it ended, as wait(2) says it; None while it runs. One that takes too long is killed."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else self.end_if_late()

    def end_if_late(self) -> int | None:
        """Kill it if it takes too long; return how it ended, as wait(2) would say it, once nobody need wait for that."""
        late = time.monotonic() - self._deadline
        if late > 0:
            os.kill(self.pid, signal.SIGKILL)
        return int(signal.SIGKILL) if late > KILL_GRACE else None

    def verdict(self, status: int) -> str:
        """Return why the program cannot start, in one line; nothing if it can.

        :param status: how the trial ended, as wait(2) says it
        """
        said = os.pread(self._said, 1 << 20, 0).decode("utf-8", "replace").split("\n")
        os.close(self._said)
        if status == 0:
            return ""
        if status == signal.SIGKILL and time.monotonic() > self._deadline:
            return f"the trial took longer than {TRIAL_TIMEOUT:g} s: what the conf names may lie on a disk or mount that hangs"
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
    line = _command_line()
    os.execv(line[0], line)


def command_line(head: str, argv: Sequence[str], executable: str) -> list[str]:
    """Return the command line that starts a program anew.

    An upgrade moves the link that the program's path goes through: the file is another release's then, and names the
    interpreter of that release, without which it would find the packages of the old one.

    :param head: the first lines of the program's file as it is now; empty where a module was started by its name
    :param argv: by which this process was started, the interpreter and its options included
    :param executable: the interpreter that runs it
    """
    return [_named_interpreter(head) or executable, *argv[1:]]


def _named_interpreter(head: str) -> str:
    """The Python whose path pip has written into a program; empty for any other file, say one that begins ``env python3``."""
    first, second = [*head.split("\n"), ""][:2]
    words = first[2:].split() if first.startswith("#!") else []
    if words == ["/bin/sh"]:  # pip's way where a path is too long for the kernel, or has spaces
        try:
            words = shlex.split(second)  # '''exec' "/opt/swift lite/bin/python3" "$0" "$@"
        except ValueError:
            return ""
        words = words[1:] if words[:1] == ["exec"] else []
    path = words[0] if words else ""
    return path if path.startswith("/") and os.path.basename(path).startswith("python") else ""


def _command_line() -> list[str]:
    return command_line(_head(sys.argv[0]) if sys.argv[0] in sys.orig_argv else "", sys.orig_argv, sys.executable)


def _head(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read(_HEAD))
    except OSError:  # -c names no file; one that is gone the trial will miss, too
        return ""
