"""Object servers die in the middle of big transfers, or find damage there: whole bodies or broken ones, never wrong ones."""

from __future__ import annotations

import hashlib
import http.client
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.socket_buffers import reluctant_connection
from functional.cluster import Cluster, Server, wait_until
from functional.model import Reply, multipart
from functional.open_files import readers, writers

MIB = 1 << 20
SIZE = 100 * MIB
PIECE = MIB // 2
CONTAINER = "/v1/AUTH_test/transfers"
AT_ONCE = {"error_suppression_interval": "0.2", "node_timeout": "20"}


@pytest.fixture(scope="module")
def body() -> bytes:
    return random.Random(100).randbytes(SIZE)


@pytest.fixture(scope="module")
def shared(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    cluster = make_session_cluster(nodes=4, devices=1, settings={"proxy": {"app:proxy-server": AT_ONCE}})
    cluster.connection().put_container("transfers")
    return cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """All servers up, before and after."""
    yield shared
    for server in object_servers(shared):
        if not server.is_running:
            server.start()


@pytest.fixture(scope="module")
def big(shared: Cluster, body: bytes) -> str:
    """An object of 100 MiB that nobody changes."""
    response = Sending(shared, "big", SIZE).send(body).response()
    assert (response.status, response.headers["etag"]) == (201, hashlib.md5(body).hexdigest())
    return "big"


def object_servers(cluster: Cluster) -> list[Server]:
    return [cluster.server("object-server", node.number) for node in cluster.layout.nodes]


class Sending:
    """A PUT whose body goes out when the test says so."""

    def __init__(self, cluster: Cluster, name: str, size: int, token: str | None = None) -> None:
        self.connection = http.client.HTTPConnection(*cluster.proxy_address, timeout=120)
        self.connection.putrequest("PUT", f"{CONTAINER}/{name}")
        self.connection.putheader("X-Auth-Token", token or cluster.token())
        self.connection.putheader("Content-Length", str(size))
        self.connection.endheaders()

    def send(self, data: bytes) -> Sending:
        """Send more of the body; a server that has answered already need not take it."""
        try:
            for start in range(0, len(data), PIECE):
                self.connection.send(data[start : start + PIECE])
        except OSError:
            pass
        return self

    def response(self) -> Reply:
        with_body = self.connection.getresponse()
        headers = {name.lower(): value for name, value in with_body.getheaders()}
        reply = Reply(with_body.status, headers, with_body.read())
        self.connection.close()
        return reply


class Receiving:
    """A GET whose body comes when the test says so."""

    def __init__(self, cluster: Cluster, name: str, **headers: str) -> None:
        self.connection = reluctant_connection(cluster.proxy_address)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", f"{CONTAINER}/{name}", headers={"X-Auth-Token": cluster.token(), **told})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.headers = {name.lower(): value for name, value in self.response.getheaders()}
        self.body = b""
        self.is_short = False

    def read(self, size: int | None = None) -> Receiving:
        """Take so many bytes, or all that come."""
        pieces = [self.body]
        try:
            while size is None or size > 0:
                piece = self.response.read(PIECE if size is None else min(size, PIECE))
                if not piece:
                    break
                pieces.append(piece)
                size = None if size is None else size - len(piece)
        except (OSError, http.client.HTTPException) as error:
            self.is_short = True
            if isinstance(error, http.client.IncompleteRead):
                pieces.append(error.partial)
        self.body = b"".join(pieces)
        if "content-length" in self.headers and size is None:
            self.is_short = len(self.body) < int(self.headers["content-length"])
        return self


def reader(cluster: Cluster) -> Server:
    """Return the server that has the object open; there is just one."""
    (server,) = wait_until(lambda: len(found := readers(cluster)) == 1 and found, "one server reads the object")
    return server


def data_files(cluster: Cluster, size: int) -> list[Path]:
    return [path for path in cluster.files("objects/**/*.data") if path.stat().st_size == size]


# ----------------------------------------------------------------------------------------------------------------- GET


@pytest.mark.parametrize("percent", [25, 50, 75])
def test_a_get_outlives_its_node(cluster: Cluster, big: str, body: bytes, percent: int) -> None:
    get = Receiving(cluster, big)
    assert (get.status, get.headers["content-length"]) == (200, str(SIZE))
    victim = reader(cluster)
    get.read(SIZE * percent // 100)
    victim.kill()
    get.read()
    assert not get.is_short and get.body == body


def test_a_range_outlives_its_node(cluster: Cluster, big: str, body: bytes) -> None:
    start, stop = 10 * MIB + 7, 90 * MIB + 3
    get = Receiving(cluster, big, Range=f"bytes={start}-{stop - 1}")
    assert (get.status, get.headers["content-range"]) == (206, f"bytes {start}-{stop - 1}/{SIZE}")
    victim = reader(cluster)
    get.read(30 * MIB)
    victim.kill()
    get.read()
    assert not get.is_short and get.body == body[start:stop]


@pytest.mark.parametrize("percent", [25, 75])
def test_several_ranges_outlive_their_node(cluster: Cluster, big: str, body: bytes, percent: int) -> None:
    ranges = [(5, 40 * MIB), (45 * MIB, 45 * MIB + 1), (50 * MIB + 1, SIZE)]
    get = Receiving(cluster, big, Range="bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in ranges))
    assert get.status == 206
    victim = reader(cluster)
    get.read(SIZE * percent // 100)
    victim.kill()
    get.read()
    parts = multipart(Reply(206, get.headers, get.body))
    assert parts == tuple((f"bytes {start}-{stop - 1}/{SIZE}", body[start:stop]) for start, stop in ranges)


def test_a_get_of_which_no_node_is_left_ends_short(cluster: Cluster, big: str, body: bytes) -> None:
    get = Receiving(cluster, big).read(10 * MIB)
    for server in object_servers(cluster):
        server.kill()
    get.read()
    assert get.is_short and body.startswith(get.body)


# ----------------------------------------------------------------------------------------------------------------- PUT


@pytest.mark.parametrize("percent", [25, 50, 75])
def test_a_put_outlives_one_node(cluster: Cluster, body: bytes, percent: int) -> None:
    name, new = f"put{percent}", body[percent:] + body[:percent]
    put = Sending(cluster, name, SIZE).send(new[: SIZE * percent // 100])
    victim = wait_until(lambda: len(found := writers(cluster)) == 3 and found, "three servers write")[0]
    victim.kill()
    response = put.send(new[SIZE * percent // 100 :]).response()
    assert (response.status, response.headers["etag"]) == (201, hashlib.md5(new).hexdigest())
    victim.start()
    get = Receiving(cluster, name).read()
    assert get.status == 200 and not get.is_short and get.body == new
    assert_nothing_half_written(cluster)
    cluster.connection().delete_object("transfers", name)


@pytest.mark.parametrize("percent", [25, 75])
def test_a_put_that_loses_its_quorum_changes_nothing(cluster: Cluster, body: bytes, percent: int) -> None:
    assert Sending(cluster, "lost", 5).send(b"first").response().status == 201
    put = Sending(cluster, "lost", SIZE).send(body[: SIZE * percent // 100])
    victims = wait_until(lambda: len(found := writers(cluster)) == 3 and found, "three servers write")[:2]
    for victim in victims:
        victim.kill()
    response = put.send(body[SIZE * percent // 100 :]).response()
    assert (response.status, response.headers["retry-after"]) == (503, "5")
    for victim in victims:
        victim.start()
    wait_until(lambda: not writers(cluster), "the last server has given up")
    for newest in ("true", "false"):
        get = Receiving(cluster, "lost", X_Newest=newest).read()
        assert (get.status, get.body) == (200, b"first")
    assert_nothing_half_written(cluster)


def test_a_put_whose_client_dies_changes_nothing(cluster: Cluster, body: bytes) -> None:
    assert Sending(cluster, "gone", 5).send(b"first").response().status == 201
    put = Sending(cluster, "gone", SIZE).send(body[: 50 * MIB])
    wait_until(lambda: len(writers(cluster)) == 3, "three servers write")
    put.connection.close()
    wait_until(lambda: not writers(cluster), "the servers have given up")
    get = Receiving(cluster, "gone", X_Newest="true").read()
    assert (get.status, get.body) == (200, b"first")
    assert_nothing_half_written(cluster)


def assert_nothing_half_written(cluster: Cluster) -> None:
    """No file under an object's name is shorter than its metadata say, and none is left in a tmp directory."""
    assert {path.stat().st_size for path in cluster.files("objects/**/*.data")} <= {5, SIZE}
    wait_until(lambda: cluster.files("tmp*/*") == [], "no temporary file is left")


# -------------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("place", [0.01, 0.5, 0.99])
def test_damage_on_a_disk_is_never_served_as_a_whole_body(cluster: Cluster, body: bytes, place: float) -> None:
    size, name = 10 * MIB + int(place * 100), f"damaged{place}"
    assert Sending(cluster, name, size).send(body[:size]).response().status == 201
    replicas = wait_until(lambda: len(found := data_files(cluster, size)) == 3 and found, "three replicas")
    flip(replicas[0], int(size * place))
    for _ in range(60):
        get = Receiving(cluster, name).read()
        assert get.status == 200
        assert get.is_short or get.body == body[:size]
        if not replicas[0].exists():
            break
    quarantined = cluster.files("quarantined/**/*.data")
    assert replicas[0].name in {path.name for path in quarantined} and not replicas[0].exists()
    get = Receiving(cluster, name).read()
    assert not get.is_short and get.body == body[:size]


def test_small_damage_is_answered_by_another_replica(cluster: Cluster, body: bytes) -> None:
    size, name = 1017, "small"
    assert Sending(cluster, name, size).send(body[:size]).response().status == 201
    replicas = wait_until(lambda: len(found := data_files(cluster, size)) == 3 and found, "three replicas")
    for replica in replicas[:2]:
        flip(replica, 500)
    for _ in range(30):
        get = Receiving(cluster, name).read()
        assert (get.status, get.is_short, get.body == body[:size]) == (200, False, True)


def flip(path: Path, offset: int) -> None:
    """Turn one bit of a file over."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes((byte ^ 1,)))


def test_a_listing_with_metadata_tells_whose_servers_are_gone(cluster: Cluster) -> None:
    client = cluster.connection()
    client.put_container("told")
    client.put_object("told", "o", b"x", headers={"X-Object-Meta-A": "b"})
    query = "include=metadata"

    def metadata() -> tuple[object, object]:
        (entry,) = client.get_container("told", query_string=query)[1]
        return entry["metadata"], entry.get("metadata_status")

    assert metadata() == ({"a": "b"}, None)
    for server in object_servers(cluster):
        server.kill()
    assert metadata() == (None, 503)
    for server in object_servers(cluster):
        server.start()
    wait_until(lambda: metadata() == ({"a": "b"}, None), "the servers are asked again")
