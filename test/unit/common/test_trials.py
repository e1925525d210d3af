"""Trials: what takes too long is ended, and nobody waits for what does not even end then."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from swiftlite.common import restart

PROBLEM = "the trial took longer than 0.1 s: what the conf names may lie on a disk or mount that hangs"


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Those of trials, which hang."""
    found: list[int] = []
    spawn, kill = os.posix_spawn, os.kill

    def note(*arguments: object, **options: object) -> int:
        found.append(spawn(*arguments, **options))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(os, "posix_spawn", note)
    monkeypatch.setattr(restart, "_command_line", lambda: [sys.executable, "-c", "import time; time.sleep(100)"])
    monkeypatch.setattr(restart, "TRIAL_TIMEOUT", 0.1)
    yield found
    for pid in found:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_one_that_hangs_is_killed(pids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "KILL_GRACE", 60.0)  # a busy machine takes its time to end it
    assert restart.try_out() == PROBLEM
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def test_one_that_cannot_be_killed_is_left(pids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel lets none be that waits for a disk."""
    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr(restart, "KILL_GRACE", 0.1)
    assert restart.try_out() == PROBLEM
    assert os.waitpid(pids[0], os.WNOHANG) == (0, 0)
