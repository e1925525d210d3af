"""Supervisor: start a layout's daemons side by side, restart what dies, stop all in order."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swiftlite.cli import children, probing
from swiftlite.cli.layout import Process
from swiftlite.common.config import StartError
from swiftlite.common.metric_memory import GIVEN, TOLD

SIGNALS = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
POLL = 0.005
"""Seconds between two looks at a server that is starting."""
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
STEADY = 5.0
"""A child that lived this many seconds is restarted at once; one that did not, after a growing delay."""
LONGEST_DELAY = 5.0


class Stopped(Exception):
    """A signal asked for the end."""


@dataclass
class Child:
    """A daemon and its running process; `due` is when to start it again once it has ended."""

    process: Process
    log: Path
    running: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    delay: float = 0.0
    due: float = 0.0


class Supervisor:
    """Keeps `processes` running, their programs taken from `programs`, their output in files below `logs`.

    Signals are waited for, not handled: all happens in the one thread that calls these methods, in order.
    """

    def __init__(self, processes: Sequence[Process], programs: Path, logs: Path) -> None:
        self.programs = programs
        self.children = [Child(process, logs / f"{process.name}.log") for process in processes]
        self.memories = {
            process.name: os.memfd_create("swiftlite-metrics") for process in processes if process.address is None
        }
        """What each daemon that does not listen counts in; the proxy's /metrics tells of it."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def start(self) -> None:
        """Start all servers at once, return when every one answers, the updaters just started. Raises StartError, Stopped."""
        servers = [child for child in self.children if child.process.address]
        for child in servers:
            self._start_child(child)
        ways = {child.process.name: probing.way_to(child.process) for child in servers}
        deadline = time.monotonic() + START_TIMEOUT
        waiting = servers
        while waiting:
            self._wait_signal(POLL)
            self._refuse_dead()
            waiting = [child for child in waiting if not probing.is_up(child.process, ways[child.process.name])]
            if waiting and time.monotonic() > deadline:
                child = waiting[0]
                raise StartError(f"{child.process.name} does not answer after {START_TIMEOUT:.0f} s: see {child.log}")
        # Only now: until somebody has stored something, updaters would only keep the servers from the processors.
        for child in self.children:
            if child not in servers:
                self._start_child(child)

    def _start_child(self, child: Child) -> None:
        child.started = time.monotonic()
        variables, descriptors = {}, []
        if child.process.name in self.memories:
            descriptors = [self.memories[child.process.name]]
            variables = {GIVEN: f"{os.getpid()}:{descriptors[0]}"}
        elif child.process.name.startswith("proxy"):
            descriptors = list(self.memories.values())
            variables = {TOLD: " ".join(f"{name}:{memory}" for name, memory in self.memories.items())}
        child.running = children.start(child.process, child.log, self.programs, variables, descriptors)

    def _refuse_dead(self) -> None:
        for child in self.children:
            if child.running and child.running.poll() is not None:
                said = children.last_line(child.log) or f"it ended with {child.running.returncode}"
                raise StartError(f"{said} (see {child.log})")

    def _wait_signal(self, timeout: float) -> None:
        """Sleep until a child ends or `timeout` seconds have passed. Raises Stopped."""
        received = signal.sigtimedwait(SIGNALS, timeout)
        if received is not None and received.si_signo != signal.SIGCHLD:
            raise Stopped(signal.Signals(received.si_signo).name)

    def supervise(self) -> None:
        """Restart children that end, until a signal asks for the end. Raises Stopped."""
        while True:
            now = time.monotonic()
            for child in self.children:
                self._look_after(child, now)
            due = [child.due for child in self.children if child.running is None]
            self._wait_signal(max(0.0, min(due, default=now + 60.0) - now))

    def _look_after(self, child: Child, now: float) -> None:
        if child.running is not None and child.running.poll() is not None:
            steady = now - child.started >= STEADY
            child.delay = 0.0 if steady else min(LONGEST_DELAY, max(0.1, child.delay * 2))
            child.due = now + child.delay
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            print(f"{when} {child.process.name} ended with {child.running.returncode}, starting it again", flush=True)
            child.running = None
        if child.running is None and child.due <= now:
            self._start_child(child)

    def stop(self) -> None:
        """Stop every child: the servers that clients see first, so that what they began can still end well."""
        first = [child for child in self.children if child.process.name.startswith("proxy")]
        for group in (first, [child for child in self.children if child not in first]):
            for child in group:
                if child.running and child.running.poll() is None:
                    child.running.terminate()
            deadline = time.monotonic() + STOP_TIMEOUT
            for child in group:
                self._wait_end(child, deadline)

    def _wait_end(self, child: Child, deadline: float) -> None:
        if child.running is None:
            return
        try:
            child.running.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.running.kill()
            child.running.wait()
