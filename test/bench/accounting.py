"""What a set of processes has used: CPU seconds and memory, read from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MARK = "SWIFTLITE_BENCH_STACK"


def processes(mark: str, roots: Collection[int] = ()) -> list[int]:
    """Return the ids of the living processes of a stack: those with `mark` in their environment, and all below `roots`.

    The mark finds processes whose parent has died; the parents find those that write over their environment (nginx).
    """
    wanted = f"{MARK}={mark}".encode()
    parents, found = {}, set(roots)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = _stat(int(entry.name))[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found.add(int(entry.name))
            except OSError:
                continue  # it ended meanwhile, or is not ours to read
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return sorted(found & parents.keys())


def cpu_seconds(pids: list[int]) -> float:
    """Return user and system time of `pids`, with that of their children that have ended and been waited for."""
    total = 0
    for pid in pids:
        try:
            # Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; state is the third.
            total += sum(map(int, _stat(pid)[11:15]))
        except OSError:
            continue
    return total / TICKS


def user_and_system(pids: list[int]) -> tuple[float, float]:
    """Return the seconds that `pids` spent in their own code and in the kernel's."""
    user = system = 0
    for pid in pids:
        fields = [int(field) for field in _stat(pid)[11:15]]
        user, system = user + fields[0] + fields[2], system + fields[1] + fields[3]
    return user / TICKS, system / TICKS


def settled_cpu_seconds(pids: list[int], patience: float = 3.0) -> float:
    """Return `cpu_seconds` of a stack once it has gone quiet: late background work belongs to the row that caused it.

    `patience`: seconds after which a stack that stays busy is read as it is.
    """
    deadline = time.monotonic() + patience
    before = cpu_seconds(pids)
    while time.monotonic() < deadline:
        time.sleep(0.3)
        now = cpu_seconds(pids)
        if now - before <= 0.02:
            return now
        before = now
    return before


def memory_bytes(pids: list[int]) -> int:
    """Return the proportional set size of `pids`: shared pages are counted once over all of them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def command_line(pid: int) -> str:
    """Return the command line of a process, its arguments separated by blanks."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on; the second may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
