"""Forks: one function for many values, each in a process of its own, so that a slow disk holds up no other."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from swiftlite.common.concurrency import reset_after_fork
from swiftlite.common.notify import be_silent, notify
from swiftlite.common.watchdog import watchdog
from swiftlite.core.json_text import load_json

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
OF_THE_PARENT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""Signals that it acts upon, for its children, too."""
END_GRACE = 5.0
"""Seconds after which a descendant that was asked to end is killed, and after which no more is waited for one."""

_libc = ctypes.CDLL(None)


class _Child(NamedTuple):
    value: str
    pipe: int
    """What its counts come through."""


def each(function: Callable[[str], Counter[str]], values: Sequence[str], most: int) -> Counter[str]:
    """Call ``function`` for every value, each time in a child process, and add up what it counted.

    Blocks the whole process meanwhile. A child that dies counts as a failure.

    :param most: children at one time
    """
    total: Counter[str] = Counter()
    running: dict[int, _Child] = {}
    for value in values:
        if len(running) >= most:
            total.update(_reap(running))
        _fork(function, value, running)
    while running:
        total.update(_reap(running))
    return total


def keep(function: Callable[[str], Counter[str]], values: Sequence[str]) -> NoReturn:
    """Keep a child process for every value that calls ``function`` with it; one that ends, or dies, has a successor.

    ``function`` does its work once and then waits for as long as its successor should. Blocks the whole process.
    """
    running: dict[int, _Child] = {}
    notify(f"STATUS={len(values)} processes are at work: {', '.join(values)}")
    for value in values:
        _fork(function, value, running)
    while True:
        pid, _ = _wait(running)
        child = running.pop(pid)
        os.close(child.pipe)
        _fork(function, child.value, running)


def _fork(function: Callable[[str], Counter[str]], value: str, running: dict[int, _Child]) -> None:
    """Start a child, and note it among those that are running."""
    reader, writer = os.pipe()
    cell = watchdog.new_child(value)
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_PARENT)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writer)
        running[pid] = _Child(value, reader)
        return
    status = 1
    try:
        for number in OF_THE_PARENT:
            ends = number in (signal.SIGTERM, signal.SIGINT)
            signal.signal(number, signal.SIG_DFL if ends else signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # it works for its parent, and ends with it
        if os.getppid() != parent:
            os._exit(status)  # it has ended already
        be_silent()
        reset_after_fork()
        watchdog.become(cell)
        os.write(writer, json.dumps(function(value)).encode())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        end_child(status)


def end_child(status: int) -> NoReturn:
    """End a forked process: write what log handlers hold back, as far as that can be written, and never go on into the parent's code."""
    try:
        logging.shutdown()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _reap(running: dict[int, _Child]) -> Counter[str]:
    """Wait for one child and return what it counted."""
    pid, status = _wait(running)
    child = running.pop(pid)
    watchdog.forget(child.value)
    with open(child.pipe, "rb") as reader:
        said = reader.read()
    return Counter(load_json(said)) if status == 0 and said else Counter(failures=1)


def _wait(running: dict[int, _Child]) -> tuple[int, int]:
    """Wait for one child; return its process id and how it ended. The watchdog is attended to meanwhile."""
    pipes = select.poll()
    for child in running.values():
        pipes.register(child.pipe, select.POLLIN)
    while True:
        watchdog.beat()
        # A pipe becomes readable when its child has counted, or has died.
        if pipes.poll(watchdog.period * 1000):
            time.sleep(0.001)
        while (found := _reap_any()) is not None:
            if found[0] in running:  # others are what a process that ended has left us
                return found


def _reap_any() -> tuple[int, int] | None:
    pid, status = os.waitpid(-1, os.WNOHANG)
    return (pid, status) if pid else None


def adopt_orphans(does: bool) -> None:
    """Become the parent of what children leave behind, so that :func:`end_descendants` can wait for all of it, or no more."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, int(does))


def end_descendants() -> None:
    """End all processes that have come from this one, with SIGTERM or else SIGKILL, and wait until they have ended."""
    asked: set[int] = set()
    started = time.monotonic()
    while living := descendants(os.getpid()):
        elapsed = time.monotonic() - started
        if elapsed > 2 * END_GRACE:
            return  # the kernel holds it, say for a disk that does not answer
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                if elapsed > END_GRACE:
                    os.kill(pid, signal.SIGKILL)
                elif pid not in asked:
                    os.kill(pid, signal.SIGTERM)
                    asked.add(pid)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.002)


def descendants(pid: int) -> list[int]:
    """The processes that have come from one, those that have ended but were not waited for included."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it, or its thread, has ended
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                for child in map(int, children.read().split()):
                    found += [child, *descendants(child)]
    return found


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when ``parent`` dies; exit at once if it has died already."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def describe_exit(status: int) -> str:
    """Return a wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"
