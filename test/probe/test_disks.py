"""Disks that die: what was on them comes back, whether a new one stands in their place or the ring goes on without."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from probe.book import Book
from probe.client import ACCOUNT, fill
from probe.cluster import ProbeCluster
from probe.verify import object_directory, on_disk, reading_problems, settle, wait_at_rest, wanted


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


def test_a_disk_that_was_emptied_is_filled_again(cluster: ProbeCluster, book: Book, method: str) -> None:
    host = cluster.hosts[2]
    before, calls = on_disk(cluster), host.rsync_calls("object")
    host.empty("d1")
    lost = before - on_disk(cluster)
    assert lost and {(ip, device) for ip, device, _ in lost} == {(host.ip, "d1")}
    assert reading_problems(cluster, book, 1) == []
    settle(cluster, book)
    assert on_disk(cluster) == before
    assert (host.rsync_calls("object") > calls) == (method == "rsync")


def test_a_disk_that_was_replaced_gets_what_the_builder_says_and_no_more(
    cluster: ProbeCluster, book: Book, method: str
) -> None:
    host = cluster.hosts[3]
    old = host.devices()[0]
    new = f"new-{method}"
    before, wanted_before = on_disk(cluster), wanted(cluster)
    host.unmount(old)
    host.device(new).mkdir()
    cluster.remove_device(host, old)
    cluster.add_device(host, new)
    moves = cluster.rebalance()["object"]
    cluster.push_rings()
    filled = {part for *_, part in before}
    moved = wanted(cluster) - wanted_before
    assert len(moved) == moves > 0
    assert reading_problems(cluster, book, 1) == []
    settle(cluster, book)
    assert on_disk(cluster) - before == {place for place in moved if place[2] in filled}
    assert on_disk(cluster) == {place for place in wanted(cluster) if place[2] in filled}


def test_a_disk_that_is_gone_for_a_while_is_stood_in_for(cluster: ProbeCluster, book: Book) -> None:
    host = cluster.hosts[1]
    host.unmount("d2")
    names = fill(cluster.writer(4, book), "c", "meanwhile", 10)
    host.mount("d2")
    assert reading_problems(cluster, book, 1) == []
    settle(cluster, book)
    assert set(cluster.writer(1, book).listing("c")) >= {name for _, name in names[1::5]}


def test_a_disk_is_filled_over_a_bad_line(cluster: ProbeCluster, book: Book) -> None:
    host = cluster.hosts[2]
    before = on_disk(cluster)
    cluster.network.slow(2, kilobits=20000)
    cluster.network.lose(2, percent=3)
    try:
        host.empty("d2")
        settle(cluster, book)
        assert cluster.network.lost(2) > 0
    finally:
        cluster.network.lose(2, 0)
        cluster.network.quicken(2)
    assert on_disk(cluster) == before


def test_auditors_move_away_what_has_rotted_and_nothing_else(cluster: ProbeCluster, book: Book) -> None:
    name = next(name for name in book.names() if book.outcomes(name)[0].content)
    node = cluster.ring().get_nodes(ACCOUNT, *name)[1][0]
    directory = object_directory(cluster, node, name)
    (data,) = directory.glob("*.data")
    with open(data, "r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
    cluster.run_passes(("object-auditor", "container-auditor", "account-auditor"))
    (quarantined,) = [path for host in cluster.hosts.values() for path in host.root.glob("*/quarantined/*/*")]
    assert quarantined == cluster.path_of(node) / "quarantined" / "objects" / directory.name
    assert reading_problems(cluster, book, 1) == []
    shutil.rmtree(quarantined)
    settle(cluster, book)


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
