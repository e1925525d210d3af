"""A store under way: in a child process, or in a thread of this one; how either is started, watched and ended."""

from __future__ import annotations

import gc
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

START_TIMEOUT = 60.0
"""Seconds after which a store that is not up is taken for one that never will be."""
STOP_TIMEOUT = 30.0
LOG = "log/store.log"
LOGGER = "swiftlite.testing"
READY = b"ready\n"


class StoreError(Exception):
    """A store does not start, or does not do what was asked."""


class Running(Protocol):
    """What can be stopped."""

    def stop(self) -> None:
        """End it; return once it has ended."""


class Child:
    """A store in a process of its own, which ends when its standard input does: with this process at the latest."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def stop(self) -> None:
        """Let it end; kill it where it takes too long."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def start_child(directory: Path, listeners: Mapping[str, socket.socket]) -> Child:
    """Start a store in a child process; return once it serves.

    :param listeners: bound sockets, by kind of server; they are the child's from now on
    :raises StoreError: when it ends instead
    """
    numbers = [f"{kind}:{listener.fileno()}" for kind, listener in listeners.items()]
    with open(directory / LOG, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "swiftlite.testing.child", str(directory), *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=[listener.fileno() for listener in listeners.values()],
            env=python_environment(),
            start_new_session=True,  # what ends the test run's whole process group leaves it the time to tidy up
        )
    for listener in listeners.values():
        listener.close()
    child = Child(process)
    assert process.stdout
    watchdog = threading.Timer(START_TIMEOUT, process.kill)
    watchdog.start()
    try:
        said = process.stdout.readline()
    finally:
        watchdog.cancel()
    if said != READY:
        child.stop()
        raise StoreError(f"the store did not start: {tail(directory)}")
    return child


class Thread:
    """A store in a thread of this process, with an event loop of its own."""

    def __init__(self, thread: threading.Thread, ender: socket.socket) -> None:
        self.thread = thread
        self.ender = ender

    def stop(self) -> None:
        """Let it end."""
        self.ender.close()
        self.thread.join(STOP_TIMEOUT)
        gc.collect()  # kept connections and open databases go with the servers, which refer to each other


def start_thread(directory: Path, listeners: Mapping[str, socket.socket]) -> Thread:
    """Start a store in a thread; return once it serves.

    :param listeners: bound sockets, by kind of server; they are the thread's from now on
    :raises StoreError: when it ends instead
    """
    from swiftlite.common.concurrency import get_hub
    from swiftlite.testing.serving import serve

    log = _start_log(directory / LOG)
    ready = threading.Event()
    failures: list[BaseException] = []
    ours, theirs = socket.socketpair()
    starter = threading.get_native_id()

    def run() -> None:
        try:
            serve(directory, listeners, theirs, ready.set)
        except BaseException as error:
            failures.append(error)
        finally:
            theirs.close()
            ready.set()
            # Else its greenlet stays, and all that it refers to. Where eventlet has made the threads of this process
            # green, the loop is everybody's.
            if threading.get_native_id() != starter:
                get_hub().abort(wait=True)
            _end_log(log)

    thread = threading.Thread(target=run, name="swiftlite store", daemon=True)
    thread.start()
    running = Thread(thread, ours)
    is_up = ready.wait(START_TIMEOUT)
    if failures or not is_up:
        running.stop()
        raise StoreError(f"the store did not start: {tail(directory)}") from (failures[0] if failures else None)
    return running


def _start_log(path: Path) -> logging.Handler:
    """Let the servers of this process log to a file, and to whoever catches what the tests log."""
    handler = logging.FileHandler(path)
    logging.getLogger(LOGGER).addHandler(handler)
    return handler


def _end_log(handler: logging.Handler) -> None:
    logging.getLogger(LOGGER).removeHandler(handler)
    handler.close()


def python_environment() -> dict[str, str]:
    """Variables of a child's that let it import this very package, however this process came by it."""
    home = str(Path(__file__).resolve().parents[2])
    rest = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{rest}" if rest else home}


def tail(directory: Path) -> str:
    """The end of a store's log."""
    lines = (directory / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-20:]) or "its log is empty"
