"""A cluster that grows and shrinks while clients use it: nothing is lost, and nothing is unreadable for a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from probe.book import Book
from probe.client import fill
from probe.cluster import ProbeCluster
from probe.hosts import Host, Place
from probe.verify import on_disk, reading_problems, settle, wanted


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest.fixture(scope="module")
def cluster(make_probe_cluster: Callable[..., ProbeCluster], book: Book) -> ProbeCluster:
    """Four hosts at rest, with objects in nearly every partition."""
    cluster = make_probe_cluster(part_power=4)
    writer = cluster.writer(1, book)
    writer.put_container("c")
    fill(writer, "c", "first", 24)
    settle(cluster, book)
    return cluster


@contextmanager
def readers(cluster: ProbeCluster, book: Book) -> Iterator[None]:
    """While the block runs, a client of each proxy reads all objects again and again; each must be right each time.

    Nothing may be written meanwhile.
    """
    over = threading.Event()
    found: list[str] = []
    rounds = {1: 0, 4: 0}

    def read(number: int) -> None:
        while not over.is_set():
            found.extend(reading_problems(cluster, book, number))
            rounds[number] += 1

    threads = [threading.Thread(target=read, args=(number,)) for number in rounds]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert found == []
    assert all(rounds.values())


def parts(cluster: ProbeCluster, host: Host) -> int:
    """How many replicas of object partitions the builder has put onto a host."""
    return sum(device["parts"] for device in cluster.builders["object"].present if device["ip"] == host.ip)


def rebalance(cluster: ProbeCluster) -> set[int]:
    """Rebalance; return the partitions that move. Of each it may be one replica only: two are to be read meanwhile."""
    before = wanted(cluster)
    moves = cluster.rebalance()["object"]
    moved = [part for *_, part in wanted(cluster) - before]
    assert len(moved) == moves
    assert len(set(moved)) == moves
    return set(moved)


def test_a_host_that_is_added_gets_its_share(cluster: ProbeCluster, book: Book) -> None:
    host = cluster.add_host(Place(region=1, zone=2))
    host.start()
    for device in host.place.devices:
        cluster.add_device(host, device)
    cluster.let_move_again()
    moved = rebalance(cluster)
    assert len(moved) >= parts(cluster, host) > 0
    assert not rebalance(cluster) & moved, "what has moved must rest for min_part_hours"
    with readers(cluster, book):
        cluster.push_rings()
        settle(cluster, book)
    filled = {part for *_, part in on_disk(cluster)}
    assert on_disk(cluster) == {place for place in wanted(cluster) if place[2] in filled}
    assert {part for ip, _, part in on_disk(cluster) if ip == host.ip}


def test_a_host_is_drained_step_by_step_and_taken_away(cluster: ProbeCluster, book: Book) -> None:
    host = cluster.hosts[3]
    for device in host.place.devices:
        cluster.set_weight(host, device, 0)
    steps = 0
    while parts(cluster, host):
        left = parts(cluster, host)
        fill(cluster.writer(4, book), "c", f"while-draining-{steps}-", 4)
        cluster.let_move_again()
        assert rebalance(cluster)
        assert parts(cluster, host) < left
        with readers(cluster, book):
            cluster.push_rings()
            settle(cluster, book)
        steps += 1
    assert host.ip not in {ip for ip, *_ in on_disk(cluster)}
    for device in host.place.devices:
        cluster.remove_device(host, device)
    assert set(cluster.rebalance().values()) == {0}
    cluster.push_rings()
    cluster.power_off(3)
    del cluster.hosts[3]
    assert reading_problems(cluster, book, 1) == []
    settle(cluster, book)
