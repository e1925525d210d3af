"""How forked processes end: with what they have said, and never in their parent's code."""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from pathlib import Path

import pytest

from swiftlite.common import forks, log, log_datagrams


def test_a_child_says_what_its_log_has_lost(
    syslog: socket.socket,
    fresh_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(log_datagrams, "PATIENCE", 0.01)
    logger = log.get_logger({"log_address": str(tmp_path / "log")}, fresh_name)

    def work(value: str) -> Counter[str]:
        for number in range(500):  # nobody reads them
            logger.warning("line %d", number)
        return Counter({value: 1})

    running: dict[int, forks._Child] = {}
    forks._fork(work, "done", running)
    assert forks._reap(running) == Counter(done=1)
    syslog.setblocking(False)
    came = 0
    with pytest.raises(BlockingIOError):
        while syslog.recv(1000):
            came += 1
    assert f"{fresh_name}: the last {500 - came} log lines are lost" in capfd.readouterr().err


def test_a_child_ends_though_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        pid = os.fork()
        if pid == 0:
            try:
                monkeypatch.setattr(sys, "stderr", full)
                print("something", file=full)
                forks.end_child(7)
            finally:
                os._exit(99)  # the parent's code
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
