"""Reads over real daemons while replicas die, lag behind, or are damaged on their disks."""

from __future__ import annotations

import email
import hashlib
import http.client
import itertools
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.socket_buffers import reluctant_connection, under_way
from functional.cluster import Cluster, wait_until

CONTAINER = "reads"
BIG = random.Random(3).randbytes(22_000_000 + 3 * under_way() // 2)
"""Two thirds of it are more than can be under way."""
SMALL = 20_000
NEAR = 1
"""The node in the zone that the proxy reads from as long as it can."""

names = (f"o{number}-" for number in itertools.count())


@pytest.fixture(scope="module")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    near = {"sorting_method": "affinity", "read_affinity": f"r1z{NEAR}=1", "error_suppression_limit": "1000"}
    cluster = make_session_cluster(nodes=3, devices=1, settings={"proxy": {"app:proxy-server": near}})
    cluster.connection().put_container(CONTAINER)
    return cluster


@pytest.fixture
def near_server(cluster: Cluster) -> Iterator[None]:
    """The test may kill the near node's object server."""
    yield
    server = cluster.server("object-server", NEAR)
    if not server.is_running:
        server.start()


class Reader:
    """A client in the middle of a GET."""

    def __init__(self, cluster: Cluster, name: str, **headers: str) -> None:
        self.connection = reluctant_connection(cluster.proxy_address)
        path = cluster.connection().get_auth()[0].split("/", 3)[3]
        more = {key.replace("_", "-"): value for key, value in headers.items()}
        token = {"X-Auth-Token": cluster.token()}
        self.connection.request("GET", f"/{path}/{CONTAINER}/{name}", headers=token | more)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def read(self, size: int | None = None) -> bytes:
        """The next bytes, or all that is left."""
        return self.response.read(size)

    def whole(self) -> bytes:
        """All of the body."""
        try:
            return self.read()
        finally:
            self.connection.close()


def put(cluster: Cluster, body: bytes, **headers: str) -> str:
    """Upload an object and return its name, once all three replicas have it."""
    name = next(names)
    cluster.connection().put_object(CONTAINER, name, body, headers=headers)
    wait_until(lambda: len(replicas(cluster, name)) == 3, f"three replicas of {name}")
    return name


def replicas(cluster: Cluster, name: str) -> list[Path]:
    """The files of an object."""
    wanted = f"/AUTH_test/{CONTAINER}/{name}".encode()
    return [path for path in cluster.files("objects/**/*.data") if wanted in os.getxattr(path, "user.swift.metadata")]


def near_replica(cluster: Cluster, name: str) -> Path:
    """The file of an object on the near node."""
    root = cluster.layout.nodes[NEAR - 1].root
    (found,) = [path for path in replicas(cluster, name) if path.is_relative_to(root)]
    return found


def quarantined(cluster: Cluster) -> list[Path]:
    return cluster.files("quarantined/objects/**/*.data")


# --- a node dies ---


@pytest.fixture(scope="module")
def big(cluster: Cluster) -> str:
    return put(cluster, BIG, **{"content-type": "x/y"})


def kill_near_server(cluster: Cluster) -> None:
    """Kill the server that is sending; what it had sent by then may still come."""
    cluster.server("object-server", NEAR).kill()


def deaths_in_bodies(cluster: Cluster) -> int:
    """How often the proxy had to find another replica for the rest of a body."""
    return cluster.log_text().count("bytes of the body: ")


@pytest.mark.parametrize("taken", [1, len(BIG) // 3])
def test_a_whole_object(cluster: Cluster, near_server: None, big: str, taken: int) -> None:
    before = deaths_in_bodies(cluster)
    reader = Reader(cluster, big)
    start = reader.read(taken)
    kill_near_server(cluster)
    assert hashlib.md5(start + reader.whole()).digest() == hashlib.md5(BIG).digest()
    assert deaths_in_bodies(cluster) == before + 1


def test_a_range(cluster: Cluster, near_server: None, big: str) -> None:
    before = deaths_in_bodies(cluster)
    first, last = 12_345, len(BIG) - 54_321
    reader = Reader(cluster, big, Range=f"bytes={first}-{last}")
    assert reader.status == 206
    start = reader.read(100)
    kill_near_server(cluster)
    assert hashlib.md5(start + reader.whole()).digest() == hashlib.md5(BIG[first : last + 1]).digest()
    assert deaths_in_bodies(cluster) == before + 1


def test_several_ranges(cluster: Cluster, near_server: None, big: str) -> None:
    before = deaths_in_bodies(cluster)
    ranges = [(5, 15_000_000), (15_000_001, 20_000_000), (22_000_000, len(BIG) - 1)]
    spelled = ",".join(f"{first}-{last}" for first, last in ranges)
    reader = Reader(cluster, big, Range=f"bytes={spelled}")
    assert reader.status == 206
    content_type = reader.response.headers["Content-Type"]
    start = reader.read(1_000_000)
    kill_near_server(cluster)
    body = start + reader.whole()
    assert len(body) == int(reader.response.headers["Content-Length"])
    found = parts(content_type, body)
    assert [part[:2] for part in found] == [("x/y", f"bytes {first}-{last}/{len(BIG)}") for first, last in ranges]
    assert all(part[2] == BIG[first : last + 1] for part, (first, last) in zip(found, ranges, strict=True))
    assert deaths_in_bodies(cluster) == before + 1


def parts(content_type: str, body: bytes) -> list[tuple[str, str, bytes]]:
    """Type, range and bytes of every part of a multipart body."""
    boundary = content_type.partition("boundary=")[2].encode()
    begin, *found, end = body.split(b"--" + boundary)
    assert (begin, end) == (b"", b"--")
    read = []
    for part in found:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = email.message_from_bytes(head)
        read.append((headers["Content-Type"], headers["Content-Range"], content.removesuffix(b"\r\n")))
    return read


# --- a replica lags behind ---


def test_newest(cluster: Cluster, near_server: None) -> None:
    name = put(cluster, b"old")
    near = cluster.server("object-server", NEAR)
    near.kill()
    cluster.connection().put_object(CONTAINER, name, b"newer")
    near.start()
    assert Reader(cluster, name).whole() == b"old"
    assert Reader(cluster, name, X_Newest="true").whole() == b"newer"


# --- a replica is damaged ---


def flip_a_byte(path: Path, place: int) -> None:
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def cut(path: Path, place: int) -> None:
    os.truncate(path, place)


@pytest.mark.parametrize("damage", [flip_a_byte, cut])
@pytest.mark.parametrize("size", [SMALL, 5_000_000])
def test_damage_is_noticed_and_never_reaches_the_client(
    cluster: Cluster, damage: Callable[[Path, int], None], size: int
) -> None:
    body = random.Random(f"{damage.__name__} {size}").randbytes(size)
    name = put(cluster, body)
    path = near_replica(cluster, name)
    before = quarantined(cluster)
    damage(path, size // 2)
    # A byte that was sent before the damage was noticed cannot be taken back: then the transfer ends short.
    reader = Reader(cluster, name)
    try:
        received = reader.whole()
    except http.client.IncompleteRead as error:
        received = error.partial
        assert len(received) < size
    else:
        assert received == body
    wait_until(lambda: len(quarantined(cluster)) == len(before) + 1, "the replica is quarantined")
    assert not path.exists()
    assert Reader(cluster, name).whole() == body
