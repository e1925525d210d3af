"""The partition power of a living cluster grows: clients write all the time, relinkers are killed, nothing is missed."""

from __future__ import annotations

import getpass
import logging
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import swiftclient

from functional.cluster import PROGRAMS, Cluster, wait_until
from swiftlite.cli import ring_builder
from swiftlite.common.fs import FileSystem
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import fileset
from swiftlite.core.names import partition_of_hash
from swiftlite.obj import hashes
from swiftlite.obj.diskfile import DiskFileManager, DiskFileOptions
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.ring import Ring

POWER = 4
RELINKER = [sys.executable, str(PROGRAMS / "swiftlite-object-relinker")]


class GrowingCluster(Cluster):
    """A cluster whose object ring starts small; the tools of an operator."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, devices=4)
        path = self.layout.etc / "object.builder"
        laid_out = RingBuilder.load(path)
        small = RingBuilder(POWER, 3, 0)
        for device in laid_out.present:
            small.add_device(device)
        small.rebalance(seed=0)
        small.save(path)
        small.write_ring(self.layout.etc / "object.ring.gz")

    @property
    def ring(self) -> Ring:
        return Ring(self.layout.etc, "object", hash_path=SwiftConf.load(str(self.layout.etc)).hash_path)

    def builder(self, *words: str) -> int:
        return ring_builder.main([str(self.layout.etc / "object.builder"), *words])

    def relinker(self, *words: str) -> list[str]:
        place = self.layout.nodes[0].root
        where = ["--swift-dir", self.layout.etc, "--devices", place, "-r", self.directory / "recon"]
        return [*RELINKER, *words, *map(str, where), "--skip-mount-check", "--user", getpass.getuser()]

    def relink(self, step: str) -> int:
        return subprocess.run(self.relinker(step), capture_output=True, timeout=120).returncode

    def relink_but_killed(self, step: str) -> None:
        """Start a relinker and kill it on its way."""

        def files() -> int:
            return sum(len(list(device.glob("objects/*/*/*/*"))) for device in self.devices())

        before = files()
        running = subprocess.Popen([*self.relinker(step), "--files-per-second", "40"], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: files() != before or running.poll() is not None, "the relinker does something")
        finally:
            running.kill()
            running.wait()

    def hash_directories(self) -> list[Path]:
        return [path for device in self.devices() for path in device.glob("objects/*/*/*") if len(path.name) == 32]


class Clients:
    """Threads that change objects of their own without end, and look each time whether the last change is there."""

    def __init__(self, cluster: Cluster, container: str) -> None:
        self.cluster = cluster
        self.container = container
        cluster.connection().put_container(container)
        self.lock = threading.Lock()
        """Held during every request: who holds it keeps the clients away."""
        self.expected: dict[str, tuple[str, str] | None] = {}
        """Name -> body and colour; None: deleted."""
        self.problems: list[str] = []
        self.done = 0
        self.is_over = False

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over = True
            for thread in threads:
                thread.join()
        assert not self.problems, self.problems[:3]

    def work_a_while(self) -> None:
        """Return after some more changes."""
        target = self.done + 30
        wait_until(lambda: self.done >= target or self.problems, "clients go on")

    def _work(self, number: int) -> None:
        dice = random.Random(number)
        connection = self.cluster.connection()
        while not (self.is_over or self.problems):
            name = f"{number}-{dice.randrange(30)}"
            with self.lock:
                try:
                    self._check(connection, name)
                    self._change(connection, name, dice)
                    self._check(connection, name)
                except Exception as error:
                    self.problems.append(f"{name}: {type(error).__name__}: {error}")
                self.done += 1

    def _change(self, connection: swiftclient.Connection, name: str, dice: random.Random) -> None:
        known = self.expected.get(name)
        kind = dice.choice(("PUT", "POST", "DELETE")) if known else "PUT"
        text = str(dice.random())
        if kind == "PUT":
            connection.put_object(self.container, name, text, headers={"X-Object-Meta-Colour": text})
            self.expected[name] = text, text
        elif kind == "POST":
            connection.post_object(self.container, name, {"X-Object-Meta-Colour": text})
            self.expected[name] = known[0], text
        else:
            connection.delete_object(self.container, name)
            self.expected[name] = None

    def _check(self, connection: swiftclient.Connection, name: str) -> None:
        wanted = self.expected.get(name)
        try:
            headers, body = connection.get_object(self.container, name)
            found = body.decode(), headers["x-object-meta-colour"]
        except swiftclient.ClientException as error:
            if error.http_status != 404:
                raise
            found = None
        assert found == wanted, f"is {found} instead of {wanted}"

    def check_all(self) -> None:
        """Read everything, and look at every replica."""
        with self.lock:
            connection = self.cluster.connection()
            for name in self.expected:
                self._check(connection, name)


def replica_problems(cluster: GrowingCluster, clients: Clients) -> list[str]:
    """Which objects are not on each of their devices, at the place that the ring says."""
    ring, problems = cluster.ring, []
    devices = {device.name: device for device in cluster.devices()}
    account = cluster.connection().get_auth()[0].rpartition("/")[2]
    for name, wanted in clients.expected.items():
        partition, nodes = ring.get_nodes(account, clients.container, name)
        name_hash = ring.hash_path.hex(account, clients.container, name)
        found = set()
        for node in nodes:
            place = devices[node.device] / f"objects/{partition}/{name_hash[-3:]}/{name_hash}"
            found.add(fileset.resolve([path.name for path in place.iterdir()] if place.exists() else []).effective)
        (effective,) = found if len(found) == 1 else (None,)
        if effective is None or (effective[0] is None) != (wanted is None):
            problems.append(f"{name}: {found}")
    return problems


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrowingCluster]:
    cluster = GrowingCluster(tmp_path_factory.mktemp("growing"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def turn(cluster: GrowingCluster, clients: Clients, step: str) -> None:
    """Take one step of the ring builder, and let the proxy know."""
    assert cluster.builder(step) == 0
    assert cluster.builder("write_ring") == 0
    with clients.lock:
        proxy = cluster.server("proxy-server")
        proxy.stop()
        proxy.start()
    clients.work_a_while()


def assert_all_in_place(cluster: GrowingCluster, power: int) -> None:
    """No file is where it was, and what replicators would compare is right."""
    for directory in cluster.hash_directories():
        assert directory.parts[-3] == str(partition_of_hash(directory.name, power)), directory
    options = DiskFileOptions(str(cluster.layout.nodes[0].root), False)
    logger = logging.getLogger("test")
    manager = DiskFileManager(options, cluster.ring.hash_path, logger, FileSystem(), lambda: 0.0)
    for device in cluster.devices():
        for partition in device.glob("objects/[0-9]*"):
            known = hashes.get_hashes(manager.fs, str(partition), manager.tidy)
            fresh = hashes.get_hashes(manager.fs, str(partition), manager.tidy, recalculate=list(known), relist=True)
            assert known == fresh, partition


def test_an_increase_while_clients_write(cluster: GrowingCluster) -> None:
    clients = Clients(cluster, "grown")
    with clients.running():
        clients.work_a_while()
        turn(cluster, clients, "prepare_increase_partition_power")
        for _ in range(3):
            cluster.relink_but_killed("relink")
        assert cluster.relink("relink") == 0
        clients.work_a_while()
        clients.check_all()
        turn(cluster, clients, "increase_partition_power")
        clients.check_all()
        with clients.lock:
            assert replica_problems(cluster, clients) == []
        for _ in range(3):
            cluster.relink_but_killed("cleanup")
        assert cluster.relink("cleanup") == 0
        clients.check_all()
        turn(cluster, clients, "finish_increase_partition_power")
        clients.check_all()
    assert replica_problems(cluster, clients) == []
    assert_all_in_place(cluster, POWER + 1)
    assert cluster.relink("cleanup") == 2


def test_an_increase_that_is_cancelled(cluster: GrowingCluster) -> None:
    power = 32 - cluster.ring.part_shift
    clients = Clients(cluster, "cancelled")
    with clients.running():
        turn(cluster, clients, "prepare_increase_partition_power")
        assert cluster.relink("relink") == 0
        turn(cluster, clients, "cancel_increase_partition_power")
        clients.check_all()
        assert cluster.relink("cleanup") == 0
        turn(cluster, clients, "finish_increase_partition_power")
        clients.check_all()
    assert replica_problems(cluster, clients) == []
    assert_all_in_place(cluster, power)
