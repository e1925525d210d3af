"""Start daemons that outlive who started them, and learn when they are ready, as systemd does: by NOTIFY_SOCKET."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from swiftlite.cli import pid_files
from swiftlite.cli.children import environment, last_line
from swiftlite.cli.init_names import MAIN, Instance

PROGRAMS = Path(sys.argv[0]).resolve().parent
"""Where the programs are: beside the one that runs."""
POLL = 0.02
"""Seconds between two looks at daemons that are starting."""
SILENT = 2.0
"""Seconds after which a daemon that serves nobody, and says nothing, is taken for ready."""


@dataclass
class Started:
    """A daemon that was started; `channel` hears what it says of itself."""

    instance: Instance
    running: subprocess.Popen[bytes]
    channel: socket.socket
    log: Path
    began: float
    is_ready: bool = False
    took: float = 0.0
    """Seconds until it was ready."""

    def look(self) -> bool:
        """Whether it is ready, or has ended."""
        took = time.monotonic() - self.began
        try:
            self.is_ready = b"READY=1" in self.channel.recv(4096).split(b"\n")
        except BlockingIOError:
            self.is_ready = self.instance.program not in MAIN and took > SILENT
        if self.is_ready:
            self.took = took
        return self.running.poll() is not None or self.is_ready

    @property
    def reason(self) -> str:
        """Why it has ended, as far as its log tells."""
        return f"ended with {self.running.returncode}: {last_line(self.log) or 'see its log'}"


def start(instance: Instance, run_dir: str, log_dir: str, arguments: Sequence[str] = ()) -> Started:
    """Start a daemon in a session of its own, its output appended to a file, and write its pid file.

    :raises OSError: when a directory, the file or the process cannot be made
    """
    os.makedirs(log_dir, exist_ok=True)
    log = Path(log_dir) / f"{instance.name}.log"
    name = f"swiftlite-init/{os.getpid()}/{secrets.token_hex(8)}"
    with ExitStack() as on_failure:
        channel = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        channel.bind("\0" + name)  # abstract: whoever the daemon becomes, it may write, and nothing is left behind
        channel.setblocking(False)
        with open(log, "ab") as output:
            running = subprocess.Popen(
                command(instance, arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={**environment(), "NOTIFY_SOCKET": "@" + name},
                start_new_session=True,
            )
        pid_files.write(instance.pid_path(run_dir), running.pid)
        on_failure.pop_all()
    return Started(instance, running, channel, log, time.monotonic())


def command(instance: Instance, arguments: Sequence[str] = ()) -> list[str]:
    """The command line of a daemon; its conf is absolute, so that it can be told by it."""
    return [sys.executable, str(PROGRAMS / f"swiftlite-{instance.program}"), instance.place.path, *arguments]


def wait_ready(started: Sequence[Started], timeout: float) -> None:
    """Wait until each daemon is ready or has ended, or the time is up; `is_ready` tells."""
    deadline = time.monotonic() + timeout
    waiting = list(started)
    while waiting := [each for each in waiting if not each.look()]:
        if time.monotonic() > deadline:
            break
        time.sleep(POLL)
    for each in started:
        each.channel.close()
