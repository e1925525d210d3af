"""How forked processes end: with what they have said, and never in their parent's code."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from fakes.descriptors import opened
from swiftlite.common import forks, log, log_datagrams
from swiftlite.common.concurrency import sleep
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
    killer = threading.Timer(60, os.kill, (pid, signal.SIGKILL))
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
    monkeypatch.setattr(forks, "LAST_WORDS", 60.0)  # a busy machine stops for seconds
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
        return signal.pthread_sigmask(signal.SIG_BLOCK, ()), len(forks.watchdog._children)

    said, before, were_open = Said(), left(), opened()
    assert forks.each(die, ["a", "b"], 2, said.logger) == Counter(failures=2)
    assert left() == before and not opened() - were_open
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


# Companions -------------------------------------------------------------------------------------------------------------


class Companions:
    """Starts them, as long as there is room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pids: list[int] = []
        self.no_room_for = 0
        """Starts that fail."""
        self.hear, self._say = os.pipe()
        """Gets a byte for each."""
        monkeypatch.setattr(forks, "COMPANION_PERIOD", 0.01)
        monkeypatch.setattr(forks, "QUICK_DEATH", 60.0)  # a busy machine lets any live long
        monkeypatch.setattr(forks, "MAX_DELAY", 0.15)
        monkeypatch.setattr(forks, "_companions", [])
        monkeypatch.setattr(forks.Companion, "_attend_forever", lambda _: None)  # tests do it, as long as they run

    def start(self) -> int:
        if self.no_room_for:
            self.no_room_for -= 1
            no_room()
        pid = forks.fork_deaf()
        if pid == 0:
            try:
                signal.pause()
            finally:
                os._exit(99)
        self.pids.append(pid)
        os.write(self._say, b"x")
        return pid

    def kill(self) -> None:
        """Kill the last one, and wait until it is dead."""
        os.kill(self.pids[-1], signal.SIGKILL)
        os.waitid(os.P_PID, self.pids[-1], os.WEXITED | os.WNOWAIT)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, IndexError):  # a test that fails may leave none
            os.kill(self.pids[-1], signal.SIGKILL)
            os.waitpid(self.pids[-1], 0)
        os.close(self.hear)
        os.close(self._say)


@pytest.fixture
def companions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Companions]:
    made = Companions(monkeypatch)
    yield made
    made.close()


def poll(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        sleep(0.01)
    raise AssertionError("it does not come about")


def test_a_companion_that_dies_has_a_successor(companions: Companions) -> None:
    said = Said()
    companion = forks.Companion("/metrics", companions.start, said.logger)
    companion.attend()
    assert len(companions.pids) == 1 and said.messages == []
    companions.no_room_for = 1
    companions.kill()
    poll(lambda: companion.attend() or len(companions.pids) == 2)
    assert said.messages == [
        "the process for /metrics died with signal 9; starting another in 0.1 s",
        "cannot start a process for /metrics, trying again in 0.15 s: no room",
    ]


def test_a_companion_has_a_successor_while_children_block_the_daemon(companions: Companions) -> None:
    said = Said()
    forks.Companion("/metrics", companions.start, said.logger)
    os.read(companions.hear, 1)
    companions.kill()

    def work(_: str) -> Counter[str]:
        return Counter(seen=len(select.select([companions.hear], [], [], 30)[0]))

    assert forks.each(work, ["a"], 1, said.logger) == Counter(seen=1)


def test_who_reaps_a_companion_tells_it_so(companions: Companions) -> None:
    said = Said()
    companion = forks.Companion("/metrics", companions.start, said.logger)
    companions.kill()
    companion.ended(*os.waitpid(companions.pids[0], 0))
    poll(lambda: companion.attend() or len(companions.pids) == 2)
    assert len(said.messages) == 1


def test_one_that_somebody_else_has_reaped_has_a_successor_all_the_same(companions: Companions) -> None:
    said = Said()
    companion = forks.Companion("/metrics", companions.start, said.logger)
    companions.kill()
    os.waitpid(companions.pids[0], 0)
    poll(lambda: companion.attend() or len(companions.pids) == 2)
    assert len(said.messages) == 1


def test_a_companion_that_cannot_be_started_at_first_is_an_error(companions: Companions) -> None:
    companions.no_room_for = 1
    with pytest.raises(BlockingIOError):
        forks.Companion("/metrics", companions.start, Said().logger)


def test_a_process_lets_go_of_what_its_parent_has_open(tmp_path: Path) -> None:
    """A lock is its parent's alone; and who closes a number late closes nothing of ours."""
    with open(tmp_path / "locked", "w") as locked, open(tmp_path / "kept", "w") as kept:
        fcntl.flock(locked, fcntl.LOCK_EX)
        ready, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                forks.hold_only({kept.fileno(), say})
                left = {os.readlink(f"/proc/self/fd/{number}") for number in (locked.fileno(), ready)}
                os.write(say, b"y" if left == {os.devnull} and kept.write("x") and kept.flush() is None else b"n")
                signal.pause()
            finally:
                os._exit(99)
    os.close(say)
    try:
        assert os.read(ready, 1) == b"y"
        with open(tmp_path / "locked") as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
