"""The processes of swiftlite's programs on this machine, and a table of them: what orphans and oldies show."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep

PREFIX = "swiftlite-"
WIDTH = 80
KERNEL_THREAD = 0x200000
"""A bit of a process's flags, the ninth word of its stat."""
BECOMING = 5.0
"""Seconds that a process may take to become another program, before which it shows no command line."""


@dataclass(frozen=True)
class Process:
    """A process.

    :ivar started: clock ticks after the machine's boot: tells it from a later process with the same pid
    :ivar age: seconds
    :ivar arguments: its command line
    :ivar unit: the systemd service that it belongs to; empty: none
    """

    pid: int
    parent: int
    started: int
    age: float
    name: str
    arguments: tuple[str, ...]
    unit: str = ""

    @property
    def hours(self) -> int:
        """Its age in whole hours."""
        return int(self.age // 3600)

    @property
    def command(self) -> str:
        """The program and its arguments, without its directory and ``swiftlite-``; empty for another's program."""
        for index, argument in enumerate(self.arguments[:4]):
            program = os.path.basename(argument)
            if program.startswith(PREFIX):
                return " ".join((program.removeprefix(PREFIX), *self.arguments[index + 1 :]))
            is_interpreter = program.startswith(("python", "pypy")) if index == 0 else argument.startswith("-")
            if not is_interpreter:
                break
        return ""

    @property
    def runs_once(self) -> bool:
        """Whether it makes one pass and ends by itself."""
        return bool({"once", "-o", "--once"}.intersection(self.arguments))


def read_processes(proc: str = "/proc") -> dict[int, Process]:
    """All processes of this machine by pid; those that end meanwhile are left out."""
    with open(f"{proc}/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    found = {}
    for name in os.listdir(proc):
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                found[int(name)] = _read(proc, int(name), uptime)
    return found


def read_process(pid: int, proc: str = "/proc") -> Process | None:
    """One process; None when there is none, or it has ended and nobody has heard of that yet.

    One that is just becoming a program, as a daemon is that starts or reloads, is waited for.
    """
    deadline = monotonic() + BECOMING
    while True:
        try:
            with open(f"{proc}/uptime", encoding="ascii") as file:
                found = _read(proc, pid, float(file.read().split()[0]))
            if any(found.arguments):
                return found
            _, rest = parse_stat(_bytes(f"{proc}/{pid}/stat"))
            if rest[0] in "ZX" or int(rest[6]) & KERNEL_THREAD or monotonic() > deadline:
                return None
        except (OSError, ValueError, IndexError):
            return None
        sleep(0.001)


def _read(proc: str, pid: int, uptime: float) -> Process:
    name, rest = parse_stat(_bytes(f"{proc}/{pid}/stat"))
    arguments = _bytes(f"{proc}/{pid}/cmdline").decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
    unit = parse_unit(_bytes(f"{proc}/{pid}/cgroup").decode("utf-8", "surrogateescape"))
    started = int(rest[19])
    age = uptime - started / os.sysconf("SC_CLK_TCK")
    return Process(pid, int(rest[1]), started, age, name, tuple(arguments), unit)


def start_time(process: Process, proc: str = "/proc") -> float:
    """When a process started, in seconds since the epoch; the same at each look as long as nobody sets the clock."""
    booted = next(line for line in _bytes(f"{proc}/stat").split(b"\n") if line.startswith(b"btime "))
    return int(booted.split()[1]) + process.started / os.sysconf("SC_CLK_TCK")


def parse_stat(text: bytes) -> tuple[str, list[str]]:
    """A process's name, which may hold anything, and the words that follow it, the state first (proc(5))."""
    name, _, rest = text.decode("utf-8", "surrogateescape").partition("(")[2].rpartition(")")
    return name, rest.split()


def parse_unit(cgroups: str) -> str:
    """The innermost systemd service of a process; empty: none."""
    parts = [part for line in cgroups.splitlines() for part in line.rpartition(":")[2].split("/")]
    return next((part for part in reversed(parts) if part.endswith(".service")), "")


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_pids(run_dir: str) -> set[int]:
    """The pids in the ``.pid`` files of a directory and those below it; a file that holds none is passed over."""
    pids = set()
    for directory, _, names in os.walk(run_dir):
        for name in names:
            if name.endswith((".pid", ".pid.d")):
                with suppress(OSError, ValueError):
                    pids.add(int(_bytes(os.path.join(directory, name))))
    return pids


def orphans(processes: Mapping[int, Process], known: Iterable[int]) -> list[Process]:
    """The processes of our programs that nobody looks after any more.

    One is looked after when its pid, or that of a process above it, is known; when it belongs to a systemd service of
    ours; and when who started it still lives: a supervisor, a master of workers, a shell, or somebody outside of the
    container that this is.

    :param known: pids that pid files name
    """
    pids = set(known)

    def is_looked_after(process: Process) -> bool:
        seen = set()
        current: Process | None = process
        while current is not None and current.pid not in seen:
            seen.add(current.pid)
            if current.pid in pids or "swift" in current.unit:
                return True
            above = processes.get(current.parent)
            if not current.command:
                return not _is_init(current)
            if current.parent == 0:
                return True
            current = above
        return False

    ours = [process for process in processes.values() if process.command and not process.runs_once]
    return [process for process in ours if not is_looked_after(process)]


def _is_init(process: Process) -> bool:
    """Whether it inherits the children of those who end: it has not started them."""
    return process.pid == 1 or process.name in ("systemd", "init")


def table(processes: Sequence[Process], wide: bool = False) -> list[str]:
    """Lines that show processes; there must be one.

    :param wide: leave lines as long as they are
    """
    hours_width = max(len("Hours"), *(len(str(process.hours)) for process in processes))
    pid_width = max(len("PID"), *(len(str(process.pid)) for process in processes))
    room = None if wide else WIDTH - 2 - hours_width - pid_width
    lines = [f"{'Hours':>{hours_width}} {'PID':>{pid_width}} Command"]
    for process in processes:
        lines.append(f"{process.hours:>{hours_width}} {process.pid:>{pid_width}} {process.command[:room]}")
    return lines


def old(processes: Iterable[Process], hours: int) -> list[Process]:
    """Those of our programs that have run for so many hours, by pid."""
    found = [process for process in processes if process.command and process.hours >= hours]
    return sorted(found, key=lambda process: process.pid)
