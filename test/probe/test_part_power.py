"""The partition power of a cluster grows, host by host, while clients of two proxies write and read."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from functional.cluster import wait_until
from functional.model import Content
from probe.book import Book, Name
from probe.client import Writer, fill
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


class Busy:
    """A client of each proxy that changes objects of its own without end, and looks each time for the last change.

    It also looks at one of those objects that were there before, and that nobody changes.
    """

    def __init__(self, cluster: ProbeCluster, book: Book) -> None:
        self.writers = {number: cluster.writer(number, book) for number in (1, 4)}
        self.book = book
        self.unchanged = book.names()
        self.problems: list[str] = []
        self.done = dict.fromkeys(self.writers, 0)
        self.is_over = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """They work while the block runs, and all they saw must be right."""
        threads = [threading.Thread(target=self._work, args=item) for item in self.writers.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over = True
            for thread in threads:
                thread.join()
        assert self.problems == []

    def work_a_while(self) -> None:
        """Return when each has made some more changes."""
        goals = {number: count + 8 for number, count in self.done.items()}
        wait_until(lambda: self.problems or all(self.done[n] >= goals[n] for n in goals), "clients go on", 60)
        assert self.problems == []

    def _work(self, number: int, writer: Writer) -> None:
        dice = random.Random(number)
        try:
            while not (self.is_over or self.problems):
                name = ("c", f"busy-{number}-{dice.randrange(20)}")
                self._change(writer, name, dice)
                self._look(writer, name)
                self._look(writer, dice.choice(self.unchanged))
                self.done[number] += 1
        except Exception as error:  # a thread's failure is the test's
            self.problems.append(f"client of host{number}: {type(error).__name__}: {error}")

    def _change(self, writer: Writer, name: Name, dice: random.Random) -> None:
        is_there = self.book.outcomes(name)[0].content is not None
        method = dice.choice(["PUT", "POST", "DELETE"] if is_there else ["PUT"])
        if method == "PUT":
            status = writer.put(name, Content(dice.randrange(10**9), dice.choice([10, 1000, 70_000])))
        elif method == "POST":
            status = writer.post(name, {"Colour": str(dice.random())})
        else:
            status = writer.delete(name)
        if not 200 <= status < 300:
            self.problems.append(f"{method} {name}: {status}")

    def _look(self, writer: Writer, name: Name) -> None:
        (wanted,) = self.book.outcomes(name)
        heard = writer.get(name, newest=True)
        metadata = {key: value for key, value in heard.headers.items() if key.startswith("x-object-meta-")}
        found = (heard.body, metadata) if heard.status == 200 else None
        if found != ((wanted.content.body, wanted.metadata) if wanted.content else None):
            self.problems.append(f"GET {name}: {heard.status}, {len(heard.body)} bytes, {metadata}; wanted {wanted}")


def relinker(host: Host, step: str) -> None:
    """Run the relinker on a host."""
    place = ["--swift-dir", str(host.swift_dir), "--devices", str(host.root), "--skip-mount-check"]
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
