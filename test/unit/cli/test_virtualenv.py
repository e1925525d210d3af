"""The checkout's virtualenv: what is said where it is another user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swiftlite.cli import aio, virtualenv


def refuse(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One whose virtualenv is as it should be."""
    (tmp_path / "setup.py").touch()
    for name in ("bin", ".venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".venv/bin/python").touch()
    (tmp_path / ".venv/installed").write_text(virtualenv._fingerprint(tmp_path, ()))
    return tmp_path


@pytest.mark.parametrize("place", [(Path, "exists"), (os, "execv")], ids=["looked-at", "run"])
def test_a_python_that_this_user_cannot_reach_is_told_of(
    checkout: Path, place: tuple[object, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(*place, refuse)
        with pytest.raises(virtualenv.VirtualenvError, match="cannot be used by you: Permission denied"):
            virtualenv.enter(checkout / ".venv", checkout, [])


def test_a_store_of_another_user_is_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(aio, "supervisor_pid", lambda _: os.getpid())
    monkeypatch.setattr("signal.pidfd_send_signal", refuse)
    assert aio.main(["stop", "--dir", str(tmp_path)]) == 1
    assert "another user's" in capsys.readouterr().err
