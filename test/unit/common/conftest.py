"""What tests of logging have in common: loggers of their own, and whom their lines go to."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from swiftlite.common import log, log_gathering


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that is no server's worker, whatever other tests have started."""
    monkeypatch.setattr(log_gathering, "_hub", None)
    log.transaction_id.set("")


@pytest.fixture
def fresh_name(request: pytest.FixtureRequest, at_once: None) -> Iterator[str]:
    """A logger's name that nobody else uses."""
    name = f"test-{request.node.name}"
    yield name
    logging.getLogger(name).handlers.clear()


@pytest.fixture
def syslog(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a syslog daemon, or of systemd's journal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "log"))
        daemon.settimeout(60)
        yield daemon
