"""Disks that die: what was on them comes back, whether a new one stands in their place or the ring goes on without."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from probe.book import Book
from probe.client import fill
from probe.cluster import ProbeCluster
from probe.verify import reading_problems, settle, wait_at_rest

Parts = set[tuple[str, str, str]]
"""Host, device and partition."""


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest.fixture(scope="module")
def cluster(make_probe_cluster: Callable[..., ProbeCluster], book: Book) -> ProbeCluster:
    """Four hosts at rest, with objects in nearly every partition."""
    cluster = make_probe_cluster(part_power=4)
    writer = cluster.writer(1, book)
    writer.put_container("c")
    fill(writer, "c", "first", 40)
    settle(cluster, book)
    return cluster


@pytest.fixture(params=["ssync", "rsync"])
def method(request: pytest.FixtureRequest, cluster: ProbeCluster) -> str:
    """The replicators of all hosts send objects so."""
    cluster.set_options("object", "object-replicator", sync_method=request.param)
    return str(request.param)


def on_disk(cluster: ProbeCluster) -> Parts:
    """All object partitions that lie anywhere."""
    return {
        (host.ip, device, path.name)
        for host in cluster.hosts.values()
        for device in host.devices()
        for path in (host.device(device) / "objects").glob("*")
        if path.is_dir()
    }


def in_ring(cluster: ProbeCluster) -> Parts:
    """All that the object ring wants anywhere."""
    ring = cluster.ring()
    return {(node.ip, node.device, str(part)) for part in range(ring.partition_count) for node in ring.primaries(part)}


def test_a_disk_that_was_emptied_is_filled_again(cluster: ProbeCluster, book: Book, method: str) -> None:
    host = cluster.hosts[2]
    before = on_disk(cluster)
    host.empty("d1")
    lost = before - on_disk(cluster)
    assert lost and {(ip, device) for ip, device, _ in lost} == {(host.ip, "d1")}
    assert reading_problems(cluster, book, 1) == []
    settle(cluster, book)
    assert on_disk(cluster) == before


def test_a_disk_that_was_replaced_gets_what_the_builder_says_and_no_more(
    cluster: ProbeCluster, book: Book, method: str
) -> None:
    host = cluster.hosts[3]
    old = host.devices()[0]
    new = f"new-{method}"
    before, wanted_before = on_disk(cluster), in_ring(cluster)
    host.unmount(old)
    host.device(new).mkdir()
    cluster.remove_device(host, old)
    cluster.add_device(host, new)
    moves = cluster.rebalance()["object"]
    cluster.push_rings()
    filled = {partition for *_, partition in before}
    moved = in_ring(cluster) - wanted_before
    assert len(moved) == moves > 0
    assert reading_problems(cluster, book, 1) == []
    settle(cluster, book)
    assert on_disk(cluster) - before == {part for part in moved if part[2] in filled}
    assert on_disk(cluster) == {part for part in in_ring(cluster) if part[2] in filled}


def test_a_disk_that_is_gone_for_a_while_is_stood_in_for(cluster: ProbeCluster, book: Book, method: str) -> None:
    host = cluster.hosts[1]
    host.unmount("d2")
    names = fill(cluster.writer(4, book), "c", f"meanwhile-{method}-", 10)
    host.mount("d2")
    assert reading_problems(cluster, book, 1) == []
    settle(cluster, book)
    assert set(cluster.writer(1, book).listing("c")) >= {name for _, name in names[1::5]}


def test_daemons_that_are_left_alone_heal_what_they_find(cluster: ProbeCluster, book: Book) -> None:
    try:
        for host in cluster.hosts.values():
            for name in ("object-replicator", "container-replicator", "account-replicator"):
                host.start_daemon(name)
        cluster.hosts[1].empty("d1")
        wait_at_rest(cluster, book)
    finally:
        for host in cluster.hosts.values():
            host.stop_daemons()
