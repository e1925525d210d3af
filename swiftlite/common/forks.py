"""Forks: one function for many values, each in a process of its own, so that a slow disk holds up no other."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import math
import os
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, NoReturn

from swiftlite.common.concurrency import reset_after_fork, sleep, spawn
from swiftlite.common.config import StartError
from swiftlite.common.notify import be_silent, notify
from swiftlite.common.watchdog import watchdog
from swiftlite.core.json_text import load_json

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
OF_THE_PARENT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""Signals that it acts upon, for its children, too."""
END_GRACE = 5.0
"""Seconds after which a descendant that was asked to end is killed, and after which no more is waited for one."""
QUICK_DEATH = 2.0
"""A process that lived no longer than so many seconds gets a successor with growing delay."""
MAX_DELAY = 10.0
"""The longest such, in seconds, and that after which the kernel is asked again that had no room for a process."""
LAST_WORDS = 5.0
"""Seconds that a process may take at its end to write what it has to say still."""
COMPANION_PERIOD = 1.0
"""Seconds between two looks at whether a companion lives."""

_libc = ctypes.CDLL(None)


class _Child(NamedTuple):
    value: str
    pipe: int
    """What its counts come through."""
    started: float
    """When, by the monotonic clock."""


Work = Callable[[str], Counter[str]]


def each(work: Work, values: Sequence[str], most: int, logger: logging.Logger) -> Counter[str]:
    """Call ``work`` for every value, each time in a child process, and add up what it counted.

    Blocks the whole process meanwhile. A child that dies, or cannot be started, is logged and counts as a failure.

    :param most: children at one time
    """
    total: Counter[str] = Counter()
    running: dict[int, _Child] = {}
    for value in values:
        if len(running) >= most:
            total.update(_reap(running, logger))
        try:
            _fork(work, value, running)
        except OSError as error:  # too many processes, or no memory
            logger.error("cannot start a process for %s: %s", value, error.strerror)
            total["failures"] += 1
    while running:
        total.update(_reap(running, logger))
    return total


def keep(work: Work, values: Sequence[str], logger: logging.Logger) -> NoReturn:
    """Keep a child process for every value that calls ``work`` with it; one that ends, or dies, has a successor.

    ``work`` does its work once and then waits for as long as its successor should. Blocks the whole process.
    """
    running: dict[int, _Child] = {}
    delays = dict.fromkeys(values, 0.0)
    due = dict.fromkeys(values, 0.0)  # when to start one, for those that have none
    notify(f"STATUS={len(values)} processes are at work: {', '.join(values)}")
    while True:
        now = time.monotonic()
        for value in [value for value, moment in due.items() if moment <= now]:
            try:
                _fork(work, value, running)
                del due[value]
            except OSError as error:  # too many processes, or no memory
                due[value] = now + MAX_DELAY
                _tell_no_start(logger, value, error.strerror)
        ended = _wait(running, min(due.values(), default=math.inf))
        if ended is None:
            continue
        child, status = ended
        os.close(child.pipe)
        now = time.monotonic()
        delay = next_delay(delays[child.value], now - child.started) if status else 0.0
        delays[child.value] = delay
        due[child.value] = now + delay
        if status:
            _tell_death(logger, child.value, status, delay)


class Companion:
    """A process that stands beside a daemon for as long as that works; one that dies has a successor.

    A green thread looks after it, and so do :func:`each` and :func:`keep`, which let none run.

    :param purpose: what the process is for, in the log
    :param start: forks it and returns its id; raises OSError or StartError when that cannot be, here the first time
    """

    def __init__(self, purpose: str, start: Callable[[], int], logger: logging.Logger) -> None:
        self.purpose = purpose
        self.logger = logger
        self.pid = start()
        """0 while there is none."""
        self._start = start
        self._started = time.monotonic()
        self._delay = 0.0
        self._due = math.inf
        """When to start a successor, by the monotonic clock."""
        _companions.append(self)
        spawn(self._attend_forever)

    def _attend_forever(self) -> None:
        while True:
            sleep(COMPANION_PERIOD)
            self.attend()

    def attend(self) -> None:
        """See whether it has died, and start a successor once that is due."""
        if self.pid:
            try:
                self.ended(*os.waitpid(self.pid, os.WNOHANG))
            except ChildProcessError:  # another has waited for it
                self.ended(self.pid, 0)
        now = time.monotonic()
        if now < self._due:
            return
        try:
            self.pid = self._start()
        except (OSError, StartError) as error:  # too many processes, no memory, or a port that is another's meanwhile
            self._due = now + MAX_DELAY
            _tell_no_start(self.logger, self.purpose, getattr(error, "strerror", None) or error)
        else:
            self._started, self._due = now, math.inf

    def ended(self, pid: int, status: int) -> None:
        """Hear that a child of this process has ended, which may be it.

        :param status: as wait(2) says it
        """
        if pid != self.pid:
            return
        self.pid = 0
        now = time.monotonic()
        self._delay = next_delay(self._delay, now - self._started)
        self._due = now + self._delay
        _tell_death(self.logger, self.purpose, status, self._delay)


_companions: list[Companion] = []
"""Those of this process."""


def _tell_death(logger: logging.Logger, purpose: str, status: int, delay: float) -> None:
    problem = "the process for %s died with %s; starting another in %.1f s"
    logger.error(problem, purpose, describe_exit(status), delay)


def _tell_no_start(logger: logging.Logger, purpose: str, reason: object) -> None:
    logger.error("cannot start a process for %s, trying again in %g s: %s", purpose, MAX_DELAY, reason)


def next_delay(last: float, lived: float) -> float:
    """Seconds until a process that has died gets a successor: ever more while one after the other dies at once.

    :param last: what was waited before that process
    :param lived: seconds
    """
    return min(MAX_DELAY, max(0.1, last * 2)) if lived < QUICK_DEATH else 0.0


def fork_deaf() -> int:
    """As ``os.fork``; signals that the parent acts upon end the child, or do nothing to it.

    :raises OSError: when there is no room for another process; nothing has changed then
    """
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_PARENT)
    try:
        pid = os.fork()
        if pid == 0:
            for number in OF_THE_PARENT:
                ends = number in (signal.SIGTERM, signal.SIGINT)
                signal.signal(number, signal.SIG_DFL if ends else signal.SIG_IGN)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hold_only(kept: Collection[int]) -> None:
    """In a forked process: let go of the parent's open files but some, so that none is locked or kept from its end by us.

    :param kept: descriptors; the standard ones are kept, too
    """
    # Their numbers stay taken: objects that the parent has left us with may close them at any time.
    null = os.open(os.devnull, os.O_RDWR)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number not in (null, *kept):
            os.dup2(null, number, inheritable=False)


def _fork(work: Work, value: str, running: dict[int, _Child]) -> None:
    """Start a child, and note it among those that are running.

    :raises OSError: when there is no room for another process; nothing has changed then
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    try:
        cell = watchdog.new_child(value)
        pid = fork_deaf()
    except OSError:
        watchdog.forget(value)
        os.close(reader)
        os.close(writer)
        raise
    if pid:
        os.close(writer)
        running[pid] = _Child(value, reader, time.monotonic())
        return
    status = 1
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # it works for its parent, and ends with it
        if os.getppid() != parent:
            os._exit(status)  # it has ended already
        _companions.clear()
        be_silent()
        reset_after_fork()
        watchdog.become(cell)
        os.write(writer, json.dumps(work(value)).encode())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        end_process(status)


def end_process(status: int) -> NoReturn:
    """End this process: write what log handlers hold back, as far as that can be written in time, and run nothing else of it.

    It is for a forked process, which must never go on into its parent's code, and for one that a signal ends.
    """
    try:
        # A thread may hold a log, or nobody read it.
        signal.signal(signal.SIGALRM, lambda *_: os._exit(status))
        signal.setitimer(signal.ITIMER_REAL, LAST_WORDS)
        logging.shutdown()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _reap(running: dict[int, _Child], logger: logging.Logger) -> Counter[str]:
    """Wait for one child and return what it counted."""
    ended = _wait(running)
    assert ended is not None
    child, status = ended
    with open(child.pipe, "rb") as reader:
        said = reader.read()
    if status:
        logger.error("the process for %s died with %s", child.value, describe_exit(status))
    return Counter(load_json(said)) if status == 0 and said else Counter(failures=1)


def _wait(running: dict[int, _Child], until: float = math.inf) -> tuple[_Child, int] | None:
    """Wait until a child has ended; take it out of those that run and return it and how it ended, as wait(2) says it.

    The watchdog and companions are attended to meanwhile.

    :param until: by the monotonic clock; None is returned then
    """
    pipes = select.poll()
    for child in running.values():
        pipes.register(child.pipe, select.POLLIN)
    longest = min(watchdog.period, COMPANION_PERIOD) if _companions else watchdog.period
    while True:
        watchdog.beat()
        # A pipe becomes readable when its child has counted, or has died.
        if pipes.poll(min(longest, max(0.0, until - time.monotonic())) * 1000):
            time.sleep(0.001)
        for companion in _companions:
            companion.attend()
        while (found := _reap_any()) is not None:
            pid, status = found
            if pid in running:  # others are what a process that ended has left us
                child = running.pop(pid)
                watchdog.forget(child.value)
                return child, status
            for companion in _companions:
                companion.ended(pid, status)
        if time.monotonic() >= until:
            return None


def _reap_any() -> tuple[int, int] | None:
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        return (pid, status) if pid else None
    return None


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
