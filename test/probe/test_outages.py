"""Hosts that are away, one or half of them, while clients write: what was acknowledged survives, and the newest wins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pytest

from functional.model import Content
from probe.book import Book, Name
from probe.client import Writer, content, fill, patiently
from probe.cluster import ProbeCluster
from probe.hosts import IN_A_HURRY
from probe.verify import handoffs, reading_problems, settle

NEW = Content(77, 5000)
T = TypeVar("T")
METHODS = ["ssync", "rsync"]
LEFT, RIGHT = {1, 2}, {3, 4}
"""Zones 1 and 2, and zone 3: two replicas of everything are on the left, one is on the right."""


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest.fixture(scope="module")
def cluster(make_probe_cluster: Callable[..., ProbeCluster], book: Book) -> ProbeCluster:
    """Four hosts at rest, with objects in nearly every partition."""
    cluster = make_probe_cluster(part_power=4, settings=IN_A_HURRY)
    writer = cluster.writer(1, book)
    writer.put_container("c")
    fill(writer, "c", "first", 24)
    settle(cluster, book)
    return cluster


def at_once(*actions: Callable[[], T]) -> list[T]:
    """Do things at the same time: while hosts are away, most of it is waiting."""
    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(action) for action in actions]]


def changes(writer: Writer, names: list[Name]) -> list[Callable[[], int]]:
    """Requests, still to be made, that return their status: every third of the names is overwritten, POSTed to, deleted."""
    return [
        *(partial(writer.put, name, content((*name, "again"), 70_000), {"Again": "yes"}) for name in names[::3]),
        *(partial(writer.post, name, {"Later": "yes"}) for name in names[1::3]),
        *(partial(writer.delete, name) for name in names[2::3]),
    ]


def until_acknowledged(*requests: Callable[[], int]) -> None:
    """Make requests at once, patiently; each must be acknowledged in the end."""
    statuses = at_once(*(partial(patiently, request, gone=204) for request in requests))
    assert all(200 <= status < 300 for status in statuses), statuses


@pytest.mark.parametrize("method", METHODS)
def test_a_host_that_was_off_during_writes_catches_up(cluster: ProbeCluster, book: Book, method: str) -> None:
    cluster.set_options("object", "object-replicator", sync_method=method)
    writer = cluster.writer(1, book)
    old = fill(writer, "c", f"old-{method}-", 9)
    new = [("c", f"new-{method}-{number}") for number in range(6)]
    cluster.power_off(2)
    until_acknowledged(*changes(writer, [name for name in old if book.outcomes(name)[0].content]))
    until_acknowledged(*(partial(writer.put, name, content(name, 500)) for name in new))
    until_acknowledged(*changes(writer, new[1:4]))
    before = {path for name in book.names() for path in handoffs(cluster, name, cluster.hosts[2])}
    assert before, "nothing was written to a handoff"
    cluster.run_passes(("object-replicator",), hosts={1, 3, 4})
    # A handoff keeps what not all primaries have.
    assert before <= {path for name in book.names() for path in handoffs(cluster, name, cluster.hosts[2])}
    cluster.power_on(2)
    settle(cluster, book)
    assert reading_problems(cluster, book, 4) == []


@pytest.mark.parametrize("method", METHODS)
def test_the_newest_wins_when_both_sides_of_a_partition_wrote(cluster: ProbeCluster, book: Book, method: str) -> None:
    cluster.set_options("object", "object-replicator", sync_method=method)
    left, right = cluster.writer(1, book), cluster.writer(4, book)
    names = [("c", f"torn-{method}-{number}") for number in range(12)]
    until_acknowledged(*(partial(left.put, name, content(name, 1000)) for name in names))
    cluster.network.partition(LEFT, RIGHT)
    # Each side is the last to write half of the names, each method after another one.
    first, second = names[:6], names[6:]
    at_once(*changes(left, first), *changes(right, second))
    at_once(*changes(right, first[1:] + first[:1]), *changes(left, second[2:] + second[:2]))
    at_once(*(partial(side.put, ("c", f"{name}-{method}"), NEW) for name, side in (("left", left), ("right", right))))
    twice = [name for name in names if sum(write.acknowledged for write in book.writes[name]) == 3]
    assert len(twice) >= 4, "hardly anything was acknowledged on both sides"
    cluster.run_passes(("object-replicator",), hosts=RIGHT)
    cluster.network.heal()
    settle(cluster, book)
    for number in (1, 4):
        assert reading_problems(cluster, book, number) == []
