"""A fresh store for one client: swiftlite's all-in-one, or OpenStack Swift with the same users."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.harness.install import CHECKOUT
from fakes.ports import free_ports

AIO = CHECKOUT / "bin" / "swiftlite-aio"
ACCOUNT, USER, KEY = "test", "tester", "testing"
"""The customary user of the all-in-one."""
ONLY_OURS = ("console", "identity", "listing_metadata", "metrics")
"""Filters that OpenStack Swift does not have."""


@contextmanager
def swiftlite(directory: Path) -> Iterator[str]:
    """Run the all-in-one in `directory`; yield its URL."""
    port = free_ports(4)
    command = [sys.executable, str(AIO), "start", "--dir", str(directory), "--port", str(port), "--workers", "1"]
    started = subprocess.run([*command, "--detach"], capture_output=True, text=True, timeout=120)
    if started.returncode != 0:
        raise RuntimeError(f"swiftlite-aio: {started.stderr.strip()}")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([sys.executable, str(AIO), "stop", "--dir", str(directory)], capture_output=True, timeout=120)


@contextmanager
def openstack_swift(directory: Path) -> Iterator[str]:
    """Run OpenStack Swift in `directory`, on the confs of a cluster of ours; yield its URL. It knows v1 only."""
    from fakes.memcached_server import Memcached
    from interop.side_by_side import PeerCluster
    from swiftlite.cli.layout import PIPELINE

    memcached = Memcached()
    pipeline = " ".join(name for name in PIPELINE.split() if name not in ONLY_OURS)
    settings = {"filter:cache": {"memcache_servers": memcached.server}, "pipeline:main": {"pipeline": pipeline}}
    cluster = PeerCluster(directory, settings={"proxy": settings})
    try:
        cluster.start()
        yield "http://%s:%d" % cluster.proxy_address
    finally:
        cluster.remove()
        memcached.stop()


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="swiftlite-clients-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
