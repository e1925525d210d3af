"""Pid files: who runs, who has died without a word; a signal reaches only the daemon that the file was written for."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from swiftlite.cli.conf_places import place_of
from swiftlite.cli.init_names import Instance
from swiftlite.cli.processes import PREFIX, Process, read_process
from swiftlite.common.manager import manager_of


@dataclass(frozen=True)
class State:
    """What a daemon's pid file tells.

    :ivar pid: in the file; None: there is no file, or none with a number
    :ivar process: the daemon; None: it has ended, or its pid is another's by now
    :ivar other_conf: the daemon lives, and the file is its own, but it runs with this conf of another directory than
        the one that was asked about: nobody here may signal it, or take its file away
    """

    path: str
    pid: int | None
    process: Process | None
    other_conf: str = ""

    @property
    def is_running(self) -> bool:
        """Whether the daemon lives."""
        return self.process is not None

    @property
    def is_stale(self) -> bool:
        """Whether there is a file for a daemon that has ended."""
        return self.process is None and not self.other_conf and os.path.exists(self.path)


def state_of(instance: Instance, run_dir: str) -> State:
    """What the pid file of a daemon tells, and whether the process is that daemon."""
    path = instance.pid_path(run_dir)
    pid = _read(path)
    process = read_process(pid) if pid else None
    if process is None or is_instance(process, instance):
        return State(path, pid, process)
    return State(
        path, pid, None, _conf_of(process, instance.program) if _has_its_file(process, instance, run_dir) else ""
    )


def is_instance(process: Process, instance: Instance) -> bool:
    """Whether a process is a daemon's, and not one that has got its pid since: by program and conf.

    One whose conf of the same directory has changed its name, and not the pid file's, is the same daemon still. When
    it started tells nothing that could be relied on: clocks are set.
    """
    conf = _conf_of(process, instance.program)
    if not conf:
        return False
    if os.path.realpath(conf) == os.path.realpath(instance.place.path):
        return True
    directories = {os.path.realpath(place_of(path)[0]) for path in (conf, instance.place.path)}
    return len(directories) == 1 and _has_same_file(conf, instance)


def _conf_of(process: Process, program: str) -> str:
    """The conf that a process was started with; empty: it is not of this program, or nobody can tell."""
    for index, argument in enumerate(process.arguments[:4]):
        if os.path.basename(argument) == PREFIX + program:
            return next(filter(os.path.isabs, process.arguments[index + 1 :]), "")
    return ""


def _has_same_file(conf: str, instance: Instance) -> bool:
    """Whether a daemon of the same program with another conf has its pid file at the same place of a run directory."""
    return Instance(instance.program, place_of(conf)[1]).pid_path("") == instance.pid_path("")


def _has_its_file(process: Process, instance: Instance, run_dir: str) -> bool:
    """Whether a daemon of another directory of confs has its pid file here, as far as it tells: not one that runs with
    another run directory, and has got the pid of a daemon that has ended.
    """
    conf = _conf_of(process, instance.program)
    if not conf or not _has_same_file(conf, instance):
        return False
    its_run_dir = manager_of(process.pid).get("run_dir", run_dir)
    return os.path.realpath(its_run_dir) == os.path.realpath(run_dir)


def _read(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def write(path: str, pid: int) -> None:
    """Write a pid file in one step."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(f"{pid}\n")
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: str) -> None:
    """Remove a pid file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)


class Handle:
    """A running daemon that cannot be mistaken for a later process: the kernel's own handle of it."""

    def __init__(self, instance: Instance, state: State, descriptor: int) -> None:
        self.instance = instance
        self.state = state
        self.descriptor = descriptor

    def send(self, number: int) -> bool:
        """Send a signal.

        :returns: whether the daemon lived to get it
        :raises PermissionError: when it is somebody else's
        """
        try:
            signal.pidfd_send_signal(self.descriptor, number)
        except ProcessLookupError:
            return False
        return True

    def wait(self, deadline: float) -> bool:
        """Wait until it has ended, or the monotonic clock says `deadline`.

        :returns: whether it has ended
        """
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


@contextmanager
def handle(instance: Instance, run_dir: str) -> Iterator[Handle | None]:
    """Take hold of a daemon; None when it does not run.

    What the process is is asked only once the kernel's handle is held, so its pid cannot be reused in between.
    """
    pid = _read(instance.pid_path(run_dir))
    descriptor = None
    if pid:
        with suppress(ProcessLookupError, OSError):
            descriptor = os.pidfd_open(pid)
    if descriptor is None:
        yield None
        return
    try:
        state = state_of(instance, run_dir)
        yield Handle(instance, state, descriptor) if state.is_running and state.pid == pid else None
    finally:
        os.close(descriptor)
