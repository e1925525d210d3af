"""A real rsync daemon on loopback, for what replicators send by rsync."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT = 60.0


@contextmanager
def rsync_daemon(directory: Path, modules: Mapping[str, Path], port: int) -> Iterator[None]:
    """An rsync daemon that ends with the block.

    :param directory: for its conf and log
    :param modules: the directory of each
    :param port: where it listens
    """
    user = pwd.getpwuid(os.getuid())
    lines = ["use chroot = no", f"uid = {user.pw_name}", f"gid = {user.pw_gid}", f"log file = {directory}/rsyncd.log"]
    for name, path in modules.items():
        lines += [f"[{name}]", f"path = {path}", "read only = no"]
    conf = directory / "rsyncd.conf"
    conf.write_text("\n".join(lines) + "\n")
    command = ["rsync", "--daemon", "--no-detach", f"--config={conf}", "--address=127.0.0.1", f"--port={port}"]
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while subprocess.run(["rsync", f"rsync://127.0.0.1:{port}/"], capture_output=True).returncode:
            assert daemon.poll() is None and time.monotonic() < deadline, "rsync does not listen"
            time.sleep(0.02)
        yield
    finally:
        daemon.terminate()
        daemon.wait(60)
