"""The partition power of a cluster grows, host by host, while clients of two proxies write and read."""

from __future__ import annotations

import getpass
from collections.abc import Callable

import pytest

from probe.book import Book
from probe.busy import Busy
from probe.client import fill
from probe.cluster import ProbeCluster
from probe.hosts import Host
from probe.verify import on_disk, reading_problems, settle

POWER = 4


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest.fixture(scope="module")
def cluster(make_probe_cluster: Callable[..., ProbeCluster], book: Book) -> ProbeCluster:
    """Four hosts at rest, with objects in nearly every partition."""
    cluster = make_probe_cluster(part_power=POWER)
    writer = cluster.writer(1, book)
    writer.put_container("c")
    fill(writer, "c", "first", 24)
    settle(cluster, book)
    return cluster


def relinker(host: Host, step: str) -> None:
    """Run the relinker on a host."""
    place = [
        "--swift-dir",
        str(host.swift_dir),
        "--devices",
        str(host.root),
        "--skip-mount-check",
        "--user",
        getpass.getuser(),
    ]
    host.run("object-relinker", step, *place, "--recon-cache-path", str(host.layout.directory / "recon"))


def test_the_partition_power_grows_while_clients_write(cluster: ProbeCluster, book: Book) -> None:
    busy = Busy(cluster, book)
    with busy.running():
        busy.work_a_while()
        for turn, step in [("prepare", "relink"), ("increase", "cleanup"), ("finish", "")]:
            cluster.turn(
                "object", f"{turn}_increase_partition_power" if turn != "increase" else "increase_partition_power"
            )
            cluster.push_rings()
            busy.work_a_while()
            for host in cluster.hosts.values() if step else ():
                relinker(host, step)
                busy.work_a_while()
            cluster.run_passes(("object-replicator",))
    settle(cluster, book)
    assert cluster.ring().partition_count == 2 ** (POWER + 1)
    assert max(part for *_, part in on_disk(cluster)) >= 2**POWER
    for number in (1, 4):
        assert reading_problems(cluster, book, number) == []
