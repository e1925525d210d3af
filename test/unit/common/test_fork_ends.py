"""How forked processes end: with what they have said, and never in their parent's code."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import NoReturn

import pytest

from swiftlite.common import forks, log, log_datagrams
from swiftlite.common.life import Life


class Enough(Exception):
    """What ends who would go on for ever."""


class Said(logging.Handler):
    """Keeps what a logger says.

    :param most: messages, of which the last one raises Enough
    """

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.logger = logging.Logger("forks")
        self.logger.addHandler(self)
        self.most = most

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        if len(self.messages) == self.most:
            raise Enough


def no_room() -> NoReturn:
    raise BlockingIOError(errno.EAGAIN, "no room")


def die(value: str) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(f"{value} lives")


def exit_code(pid: int) -> int:
    """How a child ended; one that does not is killed after a while."""
    killer = threading.Timer(30, os.kill, (pid, signal.SIGKILL))
    killer.start()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        killer.cancel()


MUCH = 500
"""Lines, more than a socket holds."""


@pytest.fixture
def unheard(syslog: socket.socket, fresh_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """A logger whose daemon reads nothing, and that does not wait for it."""
    monkeypatch.setattr(log_datagrams, "PATIENCE", 0.01)
    return log.get_logger({"log_address": str(tmp_path / "log")}, fresh_name)


def say_much(logger: logging.Logger) -> None:
    for number in range(MUCH):
        logger.warning("line %d", number)


def test_a_child_says_what_its_log_has_lost(
    unheard: logging.Logger, syslog: socket.socket, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(value: str) -> Counter[str]:
        say_much(unheard)
        return Counter({value: 1})

    assert forks.each(work, ["done"], 1, unheard) == Counter(done=1)
    assert f"{unheard.name}: the last {MUCH - _come(syslog)} log lines are lost" in capfd.readouterr().err


def test_a_daemon_that_is_ended_says_what_its_log_has_lost(
    unheard: logging.Logger, syslog: socket.socket, capfd: pytest.CaptureFixture[str]
) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            with Life(unheard):
                say_much(unheard)
                signal.raise_signal(signal.SIGTERM)
        finally:
            os._exit(99)
    assert exit_code(pid) == 0
    assert f"{unheard.name}: the last {MUCH - _come(syslog)} log lines are lost" in capfd.readouterr().err


def _come(syslog: socket.socket) -> int:
    """How many lines wait to be read."""
    syslog.setblocking(False)
    count = 0
    with pytest.raises(BlockingIOError):
        while syslog.recv(1000):
            count += 1
    return count


def test_a_child_ends_though_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        pid = os.fork()
        if pid == 0:
            try:
                monkeypatch.setattr(sys, "stderr", full)
                print("something", file=full)
                forks.end_process(7)
            finally:
                os._exit(99)  # the parent's code
        assert exit_code(pid) == 7


def test_a_process_ends_though_a_thread_holds_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "LAST_WORDS", 0.05)
    pid = os.fork()
    if pid == 0:
        try:
            handler = logging.StreamHandler()
            holder = threading.Thread(target=handler.acquire)
            holder.start()
            holder.join()
            forks.end_process(7)
        finally:
            os._exit(99)
    assert exit_code(pid) == 7


def test_where_no_process_can_be_started_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are heard as before, no pipe stays open, and the watchdog waits for nobody."""
    monkeypatch.setattr(os, "fork", no_room)
    monkeypatch.setattr(forks.watchdog, "limit", 60.0)

    def left() -> tuple[object, ...]:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return blocked, len(os.listdir("/proc/self/fd")), len(forks.watchdog._children)

    said, before = Said(), left()
    assert forks.each(die, ["a", "b"], 2, said.logger) == Counter(failures=2)
    assert left() == before
    assert said.messages == [f"cannot start a process for {value}: no room" for value in "ab"]


def test_a_child_that_dies_is_told_of() -> None:
    said = Said()
    assert forks.each(die, ["a"], 1, said.logger) == Counter(failures=1)
    assert said.messages == ["the process for a died with signal 9"]


def test_one_that_dies_again_and_again_is_replaced_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "QUICK_DEATH", 60.0)
    monkeypatch.setattr(forks, "MAX_DELAY", 0.15)
    results, fork = [no_room], os.fork
    monkeypatch.setattr(os, "fork", lambda: results.pop()() if results else fork())
    said = Said(most=4)
    with pytest.raises(Enough):
        forks.keep(die, ["a"], said.logger)
    died = "the process for a died with signal 9; starting another in 0.1 s"
    assert said.messages[:2] == ["cannot start a process for a, trying again in 0.15 s: no room", died]
    assert all(message.startswith(died[:-5]) for message in said.messages[2:])


def test_successors_come_later_and_later_while_one_after_the_other_dies_at_once() -> None:
    delays = [0.0]
    for lived in [0.5] * 9:
        delays.append(forks.next_delay(delays[-1], lived))
    assert delays[1:] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert forks.next_delay(10.0, lived=3.0) == 0.0
