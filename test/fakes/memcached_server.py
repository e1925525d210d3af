"""A real memcached for tests, on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from fakes.ports import free_port

PROGRAM = shutil.which("memcached") or "/usr/bin/memcached"
needs_memcached = pytest.mark.skipif(not Path(PROGRAM).exists(), reason="the memcached program is not installed")


class Memcached:
    """A memcached that runs until it is stopped."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([PROGRAM, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", *user])
        deadline = time.monotonic() + 60
        while True:
            try:
                self.talk(b"version\r\n")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError("memcached did not start") from None
                time.sleep(0.01)

    @property
    def server(self) -> str:
        """``ip:port``."""
        return f"127.0.0.1:{self.port}"

    def talk(self, command: bytes) -> bytes:
        """What it answers to a command, as any other client would see it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(command)
            answer = connection.recv(65536)
            while answer.startswith(b"VALUE ") and not answer.endswith(b"END\r\n"):
                answer += connection.recv(65536)
            return answer

    def stop(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()
