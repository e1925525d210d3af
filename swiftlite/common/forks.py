"""Forks: one function for many values, each in a process of its own, so that a slow disk holds up no other."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NoReturn

from swiftlite.common.concurrency import reset_after_fork
from swiftlite.core.json_text import load_json

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def each(function: Callable[[str], Counter[str]], values: Sequence[str], most: int) -> Counter[str]:
    """Call ``function`` for every value, each time in a child process, and add up what it counted.

    Blocks the whole process meanwhile. A child that dies counts as a failure.

    :param most: children at one time
    """
    total: Counter[str] = Counter()
    running: dict[int, int] = {}
    for value in values:
        if len(running) >= most:
            total.update(_reap(running))
        pid, pipe = _fork(function, value)
        running[pid] = pipe
    while running:
        total.update(_reap(running))
    return total


def keep(function: Callable[[str], Counter[str]], values: Sequence[str]) -> NoReturn:
    """Keep a child process for every value that calls ``function`` with it; one that ends, or dies, has a successor.

    ``function`` does its work once and then waits for as long as its successor should. Blocks the whole process.
    """
    running: dict[int, tuple[str, int]] = {}
    due = list(values)
    while True:
        for value in due:
            pid, pipe = _fork(function, value)
            running[pid] = value, pipe
        pid, _ = os.waitpid(-1, 0)
        due = []
        if pid in running:  # not so for what a process that ran as number 1 of a container was left with
            value, pipe = running.pop(pid)
            os.close(pipe)
            due = [value]


def _fork(function: Callable[[str], Counter[str]], value: str) -> tuple[int, int]:
    """Start a child; return its process id, and the pipe that its counts will come through."""
    reader, writer = os.pipe()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # it works for its parent, and ends with it
        reset_after_fork()
        os.write(writer, json.dumps(function(value)).encode())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:  # never on into the parent's code
        sys.stderr.flush()
        os._exit(status)


def _reap(running: dict[int, int]) -> Counter[str]:
    """Wait for one child and return what it counted."""
    pid, status = os.waitpid(-1, 0)
    pipe = running.pop(pid, None)
    if pipe is None:
        return Counter()
    with open(pipe, "rb") as reader:
        said = reader.read()
    return Counter(load_json(said)) if status == 0 and said else Counter(failures=1)
