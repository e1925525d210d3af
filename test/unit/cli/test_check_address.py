"""Where a server would listen: on no other machine's address, and beside nobody but itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swiftlite.cli.check_address import check_address, holders
from swiftlite.cli.findings import Report
from swiftlite.common.conf_lines import Outline
from swiftlite.common.config import ServerOptions

LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"


def found(conf: str, ip: str, port: int) -> list[str]:
    report = Report(Outline(conf))
    check_address(report, "object-server", ServerOptions(bind_ip=ip, bind_port=port))
    return [finding.text for finding in report.findings]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Pid and port of an object-server of /etc/swift/b.conf, or what looks like one from outside."""
    program = tmp_path / "swiftlite-object-server"
    program.write_text(LISTEN)
    command = [sys.executable, str(program), "/etc/swift/b.conf"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.communicate("")


def test_an_address_of_another_machine() -> None:
    assert found("a.conf", "127.0.0.1", 0) == []
    (told,) = found("a.conf", "192.0.2.1", 6200)
    assert told.startswith("error: a.conf: [DEFAULT] bind_ip: cannot listen on 192.0.2.1 port 6200: Cannot assign")
    (told,) = found("a.conf", "nohost.invalid", 6200)
    assert told.startswith("error: a.conf: [DEFAULT] bind_ip: cannot listen on nohost.invalid port 6200: ")


def test_a_port_that_another_process_has(busy: tuple[int, int]) -> None:
    pid, port = busy
    told = f"process {pid} (object-server /etc/swift/b.conf) listens on port {port}; see: ss -ltnp 'sport = :{port}'"
    expected = [f"warning: /etc/swift/a.conf: [DEFAULT] bind_port: {told}; end it, or choose another port"]
    assert found("/etc/swift/a.conf", "127.0.0.1", port) == expected
    assert found("/etc/swift/a.conf", "0.0.0.0", port) == expected
    assert found("/etc/swift/b.conf", "127.0.0.1", port) == [], "our own server is not in its own way"
    assert list(holders(port, [pid, os.getpid()])) == [pid]


def test_who_does_not_listen_holds_no_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert list(holders(port, [os.getpid()])) == [os.getpid()]
    assert list(holders(port, [os.getpid()])) == []
