"""Start daemons that outlive who started them, and learn when they are ready, as systemd does: by NOTIFY_SOCKET."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swiftlite.cli import pid_files
from swiftlite.cli.children import environment, last_line
from swiftlite.cli.hearing import Channel
from swiftlite.cli.init_names import Instance
from swiftlite.common.manager import started_by_init
from swiftlite.common.notify import CANNOT_RELOAD, SOCKET

POLL = 0.02
"""Seconds between two looks at daemons that are starting."""


@dataclass
class Started:
    """A daemon that was started; `channel` hears what it says of itself."""

    instance: Instance
    running: subprocess.Popen[bytes]
    channel: Channel
    log: Path
    began: float
    is_ready: bool = False
    took: float = 0.0
    """Seconds until it was ready."""

    def look(self) -> bool:
        """Whether it is ready, or has ended."""
        if "READY=1" in self.channel.read():
            self.is_ready, self.took = True, time.monotonic() - self.began
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
    channel = Channel.new()
    try:
        with open(log, "ab") as output:
            running = subprocess.Popen(
                command(instance, arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={**environment(), **started_by_init(run_dir, log_dir), SOCKET: channel.name},
                start_new_session=True,
            )
        try:
            pid_files.write(instance.pid_path(run_dir), running.pid)
        except BaseException:  # nobody would find it again
            running.kill()
            running.wait()
            raise
    except BaseException:
        channel.close()
        raise
    return Started(instance, running, channel, log, time.monotonic())


def command(instance: Instance, arguments: Sequence[str] = ()) -> list[str]:
    """The command line of a daemon; its conf is absolute, so that it can be told by it."""
    program = programs_beside(sys.argv[0]) / f"swiftlite-{instance.program}"
    return [sys.executable, str(program), instance.place.path, *arguments]


def programs_beside(program: str) -> Path:
    """The directory of the programs: that of the one that runs, or of the file that it is a link to.

    Links among the directories stay: by one that an upgrade moves, a daemon that is reloaded becomes the new release's.
    """
    path = os.path.abspath(program)
    while os.path.islink(path):
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return Path(path).parent


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


def wait_reloaded(channels: Sequence[Channel | None], timeout: float) -> list[str | None]:
    """Wait until daemons that got a signal for it have read their conf anew, or have refused to.

    :returns: for each why it goes on as before; None: it has it; empty: it has not said anything
    """
    deadline = time.monotonic() + timeout
    verdicts: list[str | None] = [None if channel is None else "" for channel in channels]
    begun = [False] * len(channels)
    while "" in verdicts and time.monotonic() < deadline:
        for number, channel in enumerate(channels):
            for text in channel.read() if channel and verdicts[number] == "" else ():
                begun[number] |= text == "RELOADING=1"
                if text.startswith(f"STATUS={CANNOT_RELOAD}"):
                    verdicts[number] = text.removeprefix("STATUS=")
                elif text == "READY=1" and begun[number] and verdicts[number] == "":
                    verdicts[number] = None
        time.sleep(POLL)
    return verdicts
