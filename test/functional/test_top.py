"""swiftlite-top in a real terminal: a pseudo-terminal, whose screen an emulator keeps, beside a real cluster."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from functional.cluster import PROGRAMS, Cluster

ROWS, COLUMNS = 24, 132
PATIENCE = 120.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node with three devices."""
    made = Cluster(tmp_path_factory.mktemp("top"), devices=3)
    try:
        yield made.start()
    finally:
        made.remove()


class Terminal:
    """A program in a terminal."""

    def __init__(self, *command: str) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            size = {"LINES": "", "COLUMNS": ""}  # of the terminal in which the tests run
            kept = {name: value for name, value in os.environ.items() if name not in size}
            os.execve(command[0], command, {**kept, "TERM": "xterm-256color"})
        self.resize(ROWS, COLUMNS)

    def resize(self, rows: int, columns: int) -> None:
        """As when somebody drags the corner of the window."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, *words: str, gone: str = "") -> str:
        """Return the screen once all words are on it, and another one is not."""
        deadline = time.monotonic() + PATIENCE
        while True:
            text = "\n".join(self.screen.display)
            if all(word in text for word in words) and not (gone and gone in text):
                return text
            assert time.monotonic() < deadline, f"{words} are not on the screen:\n{text}"
            if select.select([self.master], [], [], 0.2)[0]:
                self.stream.feed(os.read(self.master, 65536))

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def exit_code(self) -> int:
        """Wait for its end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    os.read(self.master, 65536)
                except OSError:  # it has closed its end
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("it does not end")

    def close(self) -> None:
        """End it, if it has not."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


def command(cluster: Cluster, *options: str) -> list[str]:
    """Its command line."""
    patient = ("--swiftdir", str(cluster.layout.etc), "--timeout", "60")
    return [sys.executable, str(PROGRAMS / "swiftlite-top"), *patient, *options]


def test_one_frame(cluster: Cluster) -> None:
    done = subprocess.run(command(cluster, "--once"), capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "1 hosts, 4/4 servers up, 3/3 devices" in lines[0]
    assert not any("q quit" in line for line in lines), "nobody presses keys"
    assert lines[4].startswith("127.0.0.1")
    done = subprocess.run(command(cluster), capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_live_view(cluster: Cluster, tmp_path: Path) -> None:
    terminal = Terminal(*command(cluster, "--interval", "0.2"))
    try:
        terminal.wait_for("4/4 servers up", "HOST^", "127.0.0.1", "REPL")
        terminal.press("s")
        terminal.wait_for("UP^")
        terminal.press("r")
        terminal.wait_for("UPv")
        terminal.press("d")
        terminal.wait_for("INODES", " d1 ", " d2 ")
        terminal.press("/d2\r")
        terminal.wait_for("filter: d2", gone=" d1 ")
        terminal.press("d")
        # What happens to the cluster is seen.
        terminal.press("\x1b")
        terminal.wait_for("HOST", "4/4 servers up", gone="filter: ")
        cluster.server("account-server").stop()
        terminal.wait_for("3/4 servers up")
        terminal.press("p")
        terminal.wait_for("PAUSED")
        terminal.resize(5, 40)
        terminal.wait_for("swiftlite-top", gone="127.0.0.1")
        terminal.press("q")
        assert terminal.exit_code() == 0
    finally:
        terminal.close()
        if not cluster.server("account-server").is_running:
            cluster.server("account-server").start()
