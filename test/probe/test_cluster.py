"""The tools themselves, with daemons: hosts come and go, disks go and come, and the verification sees what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from functional.model import Content
from probe.book import Book, Name
from probe.client import ACCOUNT, patiently
from probe.cluster import ProbeCluster
from probe.hosts import IN_A_HURRY
from probe.verify import PATIENCE, object_directory, problems, reading_problems, settle
from swiftlite.cli import children

NAMES: list[Name] = [("c", f"o{number}") for number in range(6)]


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest.fixture(scope="module")
def cluster(make_probe_cluster: Callable[..., ProbeCluster], book: Book) -> ProbeCluster:
    """Four hosts that hold a few objects, one with new metadata, and one that was deleted."""
    cluster = make_probe_cluster(part_power=4, settings=IN_A_HURRY)
    writer = cluster.writer(1, book)
    writer.put_container("c")
    for seed, name in enumerate(NAMES):
        put = partial(writer.put, name, Content(seed, 1000 if seed else 300000), {"Colour": "blue"})
        assert patiently(put) == 201
    assert patiently(partial(writer.post, NAMES[1], {"Colour": "red"})) == 202
    assert patiently(partial(writer.delete, NAMES[2]), gone=204) == 204
    settle(cluster, book)
    return cluster


def test_all_proxies_serve_what_was_written(cluster: ProbeCluster, book: Book) -> None:
    for number in (1, 4):
        assert reading_problems(cluster, book, number) == []
    assert set(cluster.writer(4, book).listing("c")) == {name for _, name in NAMES} - {"o2"}


def replica(cluster: ProbeCluster, name: Name, number: int = 0, extension: str = "") -> Path:
    """The hash directory of one of an object's replicas, or a file in it."""
    nodes = cluster.ring().get_nodes(ACCOUNT, *name)[1]
    directory = object_directory(cluster, nodes[number], name)
    return next(directory.glob(f"*{extension}")) if extension else directory


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Call it with a directory: it is put back after the test, with all attributes, as it was."""
    kept: list[tuple[Path, Path]] = []

    def keep(directory: Path) -> None:
        copy = tmp_path / str(len(kept))
        shutil.copytree(directory, copy)
        kept.append((directory, copy))

    yield keep
    for directory, copy in kept:
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(copy, directory)


def test_a_missing_replica_is_seen(cluster: ProbeCluster, book: Book, spare: Callable[[Path], None]) -> None:
    spare(directory := replica(cluster, NAMES[0]))
    shutil.rmtree(directory)
    assert any("the last PUT is missing" in problem for problem in problems(cluster, book))


def test_a_byte_that_differs_is_seen(cluster: ProbeCluster, book: Book, spare: Callable[[Path], None]) -> None:
    spare(replica(cluster, NAMES[0]))
    path = replica(cluster, NAMES[0], extension=".data")
    with open(path, "r+b") as file:
        file.seek(299999)
        byte = file.read(1)
        file.seek(299999)
        file.write(bytes([byte[0] ^ 1]))
    (problem,) = problems(cluster, book)
    assert "has another body" in problem


def test_metadata_that_were_not_posted_everywhere_are_seen(
    cluster: ProbeCluster, book: Book, spare: Callable[[Path], None]
) -> None:
    spare(replica(cluster, NAMES[1], 1))
    replica(cluster, NAMES[1], 1, ".meta").unlink()
    assert any("the .meta of the last POST is missing" in problem for problem in problems(cluster, book))


def test_a_tombstone_that_one_replica_lacks_is_seen(
    cluster: ProbeCluster, book: Book, spare: Callable[[Path], None]
) -> None:
    spare(replica(cluster, NAMES[2], 2))
    replica(cluster, NAMES[2], 2, ".ts").unlink()
    assert any(f"{NAMES[2]}: " in problem for problem in problems(cluster, book))


def test_a_deleted_object_that_is_still_there_is_seen(
    cluster: ProbeCluster, book: Book, spare: Callable[[Path], None]
) -> None:
    spare(directory := replica(cluster, NAMES[2], 2))
    replica(cluster, NAMES[2], 2, ".ts").unlink()
    shutil.copy2(replica(cluster, NAMES[3], extension=".data"), directory)
    assert any("should be gone" in problem for problem in problems(cluster, book))


@pytest.mark.parametrize("kind", ["object", "container", "account"])
def test_a_handoff_that_is_left_is_seen(cluster: ProbeCluster, book: Book, kind: str) -> None:
    names = (ACCOUNT, *NAMES[0])[: {"account": 1, "container": 2, "object": 3}[kind]]
    ring = cluster.ring(kind)
    partition = ring.partition(*names)
    stray = cluster.path_of(next(ring.handoffs(partition))) / f"{kind}s" / str(partition)
    stray.mkdir(parents=True)
    try:
        (problem,) = problems(cluster, book)
    finally:
        stray.rmdir()
    assert "a handoff is left" in problem


def test_an_update_that_waits_is_seen(cluster: ProbeCluster, book: Book) -> None:
    spool = cluster.hosts[3].device("d1") / "async_pending" / "abc"
    spool.mkdir(parents=True)
    (spool / "file").touch()
    try:
        assert any("an update waits" in problem for problem in problems(cluster, book))
    finally:
        shutil.rmtree(spool.parent)


def test_a_listing_that_lacks_an_object_is_seen(
    cluster: ProbeCluster, book: Book, spare: Callable[[Path], None]
) -> None:
    partition, nodes = cluster.ring("container").get_nodes(ACCOUNT, "c")
    directory = cluster.path_of(nodes[0]) / "containers" / str(partition)
    spare(directory)
    shutil.rmtree(directory)
    (problem,) = problems(cluster, book)
    assert "has none" in problem


def test_a_host_that_is_off_is_not_there_and_comes_back(cluster: ProbeCluster, book: Book) -> None:
    address = cluster.hosts[2].servers["object-server"].address
    assert children.is_healthy(address, PATIENCE)
    cluster.power_off(2)
    assert cluster.hosts[2].namespace.pids() == []
    assert not children.is_healthy(address)
    assert reading_problems(cluster, book, 1) == []
    cluster.power_on(2)
    assert children.is_healthy(address, PATIENCE)


def test_a_disk_that_was_taken_away_is_answered_with_507(cluster: ProbeCluster, book: Book) -> None:
    node = cluster.ring().get_nodes(ACCOUNT, *NAMES[0])[1][0]  # of a disk that holds something
    host = next(host for host in cluster.hosts.values() if host.ip == node.ip)
    address = host.servers["object-server"].address
    host.unmount(node.device)
    assert children.request(address, "HEAD", f"/{node.device}/0/a/c/o", timeout=PATIENCE)[0] == 507
    assert any("missing" in problem for problem in problems(cluster, book))
    host.mount(node.device)
    assert children.request(address, "HEAD", f"/{node.device}/0/a/c/o", timeout=PATIENCE)[0] == 404
    assert problems(cluster, book) == []


def test_rsync_daemons_listen(cluster: ProbeCluster) -> None:
    listed = cluster.hosts[1].namespace.run(["rsync", f"rsync://{cluster.hosts[3].ip}/object/"])
    assert "d1" in listed and "d2" in listed


def test_proxies_follow_rings_that_are_pushed(cluster: ProbeCluster, book: Book) -> None:
    proxy = cluster.hosts[1].servers["proxy-server"]
    assert proxy.running is not None
    pid = proxy.running.pid
    cluster.push_rings()
    assert proxy.running.pid == pid and proxy.is_running
    assert reading_problems(cluster, book, 1) == []
