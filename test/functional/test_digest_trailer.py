"""The digest trailer: a big object's MD5 is the proxy's word, its XXH3-128 the proof of it (doc/extensions.md)."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xxhash

from fakes.http_server import RawConnection, RawResponse, wait_until
from fakes.more_time import with_more_time
from fakes.object_server import ObjectNode
from functional.cluster import Cluster
from swiftlite.obj import xattrs

PATH = "/sda/7/a/c/o"
BODY = random.Random(3).randbytes(700_000)
CONTAINER = "digests"
Trailers = dict[str, str | None]


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def xxh3(body: bytes) -> str:
    return xxhash.xxh3_128(body).hexdigest()


def lines(headers: Trailers) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None).encode()


def chunks(body: bytes, size: int = 262_144) -> bytes:
    """The chunks of a body, without the last one."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ObjectNode]:
    with ObjectNode(tmp_path) as node:
        yield node


class Sender:
    """A PUT as a proxy of ours sends it."""

    def __init__(self, node: ObjectNode, **more: str | None) -> None:
        self.wire = RawConnection(node.thread.address[:2])
        headers: Trailers = {
            "Host": "h",
            "X-Timestamp": f"{time.time():.5f}",
            "Content-Type": "a/b",
            "Transfer-Encoding": "chunked",
            "Expect": "100-continue",
            "X-Backend-Digest-Trailer": "yes",
        }
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        self.wire.send(f"PUT {PATH} HTTP/1.1\r\n".encode() + lines(headers) + b"\r\n")

    def agreed(self) -> bool:
        """Whether the server wants the checksums."""
        head = self.wire.read_head()
        assert head.status == 100
        return head.headers == {"x-backend-digest-trailer": "yes"}

    def end(self, body: bytes = BODY, **trailers: str | None) -> RawResponse:
        """Send the body and its trailers, the right ones unless others are given; return the answer."""
        sent: Trailers = {"X-Backend-Etag": md5(body), "X-Backend-Fingerprint": xxh3(body)}
        sent |= {name.replace("_", "-"): value for name, value in trailers.items()}
        self.wire.send(chunks(body) + b"0\r\n" + lines(sent) + b"\r\n")
        return self.wire.read_response()


def assert_nothing_stored(node: ObjectNode) -> None:
    assert node.request("GET", PATH).status == 404
    assert node.files() == []


@pytest.mark.parametrize("size", [0, 5, 65_536, 65_537, 262_143, 262_144, 262_145, 700_000])
@pytest.mark.parametrize("tells_length", [True, False])
def test_a_body_with_its_checksums(node: ObjectNode, size: int, tells_length: bool) -> None:
    body = BODY[:size]
    sender = Sender(node, X_Backend_Obj_Content_Length=str(size) if tells_length else None)
    assert sender.agreed()
    answer = sender.end(body)
    assert (answer.status, answer.headers["etag"]) == (201, f'"{md5(body)}"')
    found = node.request("GET", PATH)
    assert (found.body, found.headers["etag"]) == (body, f'"{md5(body)}"')
    (path,) = node.device.glob("objects/**/*.data")
    if size > 65_536:
        assert os.getxattr(path, xattrs.FINGERPRINT_KEY).decode() == xxh3(body)


def test_the_server_takes_the_word_of_the_proxy_for_the_md5(node: ObjectNode) -> None:
    """So it is not computed again, which is what this is for."""
    sender = Sender(node)
    assert sender.agreed()
    answer = sender.end(X_Backend_Etag=md5(b"other"))
    assert (answer.status, answer.headers["etag"]) == (201, f'"{md5(b"other")}"')


@pytest.mark.parametrize("headers", [{}, {"X_Backend_Etag": "0" * 32}])
def test_the_connection_serves_the_next_request(node: ObjectNode, headers: dict[str, str]) -> None:
    sender = Sender(node)
    assert sender.agreed()
    assert sender.end(**headers).status == 201
    sender.wire.send(f"HEAD {PATH} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert sender.wire.read_response("HEAD").status == 200


@pytest.mark.parametrize(
    "more",
    [
        {"X_Backend_Digest_Trailer": None},
        {"X_Backend_Digest_Trailer": "no"},
        {"X_Backend_Digest_Trailer": "yes", "Transfer_Encoding": None, "Content_Length": "700000"},
    ],
)
def test_who_does_not_offer_them_is_not_asked(node: ObjectNode, more: dict[str, str | None]) -> None:
    sender = Sender(node, **more)
    assert not sender.agreed()
    if "Content_Length" in more:
        sender.wire.send(BODY)
        answer = sender.wire.read_response()
    else:
        answer = sender.end(X_Backend_Etag="0" * 32, X_Backend_Fingerprint="0" * 32)
    assert (answer.status, answer.headers["etag"]) == (201, f'"{md5(BODY)}"')


def test_who_does_not_wait_for_a_word_is_not_relied_on(node: ObjectNode) -> None:
    answer = Sender(node, Expect=None).end(X_Backend_Etag="0" * 32, X_Backend_Fingerprint="0" * 32)
    assert (answer.status, answer.headers["etag"]) == (201, f'"{md5(BODY)}"')


@pytest.mark.parametrize(
    ("trailers", "status", "text"),
    [
        ({"X_Backend_Etag": None}, 400, b"X-Backend-Etag"),
        ({"X_Backend_Fingerprint": None}, 400, b"X-Backend-Fingerprint"),
        ({"X_Backend_Etag": None, "X_Backend_Fingerprint": None}, 400, b"X-Backend-Etag"),
        ({"X_Backend_Etag": ""}, 400, b"X-Backend-Etag"),
        ({"X_Backend_Etag": "x" * 32}, 400, b"X-Backend-Etag"),
        ({"X_Backend_Fingerprint": "0" * 31}, 400, b"X-Backend-Fingerprint"),
        ({"x_backend_etag": "0" * 32}, 400, b"X-Backend-Etag"),  # twice, and not the same
        ({"X_Backend_Fingerprint": "0" * 32}, 503, b""),
        ({"X_More": "m" * 9000}, 400, b"trailer"),
        ({"X More": "m"}, 400, b"trailer"),
    ],
)
def test_wrong_trailers(node: ObjectNode, trailers: dict[str, str | None], status: int, text: bytes) -> None:
    sender = Sender(node)
    assert sender.agreed()
    answer = sender.end(**trailers)
    assert answer.status == status
    assert text in answer.body
    assert_nothing_stored(node)


def test_other_trailers_count_for_nothing(node: ObjectNode) -> None:
    sender = Sender(node)
    assert sender.agreed()
    assert sender.end(X_Object_Meta_A="b", X_Timestamp="1", Etag="0" * 32).status == 201
    assert "x-object-meta-a" not in node.request("HEAD", PATH).headers


@pytest.mark.parametrize(("etag", "status"), [(md5(BODY), 201), (md5(b"other"), 422), (f'"{md5(BODY)}"', 201)])
def test_the_etag_that_the_client_sent(node: ObjectNode, etag: str, status: int) -> None:
    sender = Sender(node, ETag=etag)
    assert sender.agreed()
    assert sender.end().status == status
    if status != 201:
        assert_nothing_stored(node)


@pytest.mark.parametrize("length", [0, 100, 262_144, 699_999, 700_001, 5_000_000])
def test_a_body_of_another_length_than_promised(node: ObjectNode, length: int) -> None:
    sender = Sender(node, X_Backend_Obj_Content_Length=str(length))
    assert sender.agreed()
    assert sender.end().status == 499
    assert_nothing_stored(node)


@pytest.mark.parametrize(
    ("length", "status"), [("x", 400), ("-1", 400), ("٣".encode().decode("latin-1"), 400), (str(1 << 60), 413)]
)
def test_a_length_that_is_none(node: ObjectNode, length: str, status: int) -> None:
    assert Sender(node, X_Backend_Obj_Content_Length=length).wire.read_response().status == status
    assert_nothing_stored(node)


def test_a_body_without_framing_has_no_length(node: ObjectNode) -> None:
    sender = Sender(node, X_Backend_Obj_Content_Length="5", Transfer_Encoding=None)
    assert sender.wire.read_response().status == 411


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        chunks(BODY)[:300_000],
        chunks(BODY),
        chunks(BODY) + b"0\r\n",
        chunks(BODY) + b"0\r\n" + lines({"X-Backend-Etag": md5(BODY), "X-Backend-Fingerprint": xxh3(BODY)}),
    ],
)
@pytest.mark.parametrize(("silent", "status"), [(False, 499), (True, 408)])
def test_a_body_that_breaks_off(tmp_path: Path, sent: bytes, silent: bool, status: int) -> None:
    def attempt(client_timeout: float) -> None:
        with ObjectNode(tmp_path / str(client_timeout), client_timeout=client_timeout) as node:
            sender = Sender(node, X_Backend_Obj_Content_Length=str(len(BODY)))
            assert sender.agreed()
            sender.wire.send(sent)
            if not silent:
                sender.wire.finish_sending()
            assert sender.wire.read_response().status == status
            assert_nothing_stored(node)

    # On a machine that stands still, the head of who is not silent yet may be late.
    with_more_time(attempt, *((1.0, 10.0, 60.0) if silent else (60.0,)))


# Through a cluster ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def container(cluster: Cluster) -> str:
    cluster.connection().put_container(CONTAINER)
    return CONTAINER


def stored(cluster: Cluster, body: bytes) -> list[dict[str, str]]:
    """The ETag and fingerprint of every replica that has this body."""
    found = []
    for path in cluster.files("objects/**/*.data"):
        if path.stat().st_size == len(body) and path.read_bytes() == body:
            etag = xattrs.decode(os.getxattr(path, xattrs.KEY))["ETag"]
            found.append({"etag": etag, "fingerprint": os.getxattr(path, xattrs.FINGERPRINT_KEY).decode()})
    return found


def pieces(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 100_000] for start in range(0, len(body), 100_000))


@pytest.mark.parametrize("chunked", [False, True])
def test_every_replica_has_the_right_checksums(cluster: Cluster, container: str, chunked: bool) -> None:
    body = os.urandom(5 << 20)
    contents: bytes | Iterator[bytes] = pieces(body) if chunked else body
    etag = cluster.connection().put_object(container, f"big{chunked}", contents)
    assert etag == md5(body)
    wait_until(lambda: len(stored(cluster, body)) == 3, "three replicas")
    assert stored(cluster, body) == [{"etag": md5(body), "fingerprint": xxh3(body)}] * 3
    headers, read = cluster.connection().get_object(container, f"big{chunked}")
    assert (headers["etag"], read) == (md5(body), body)
    listed = {entry["name"]: entry for entry in cluster.connection().get_container(container)[1]}
    assert (listed[f"big{chunked}"]["hash"], listed[f"big{chunked}"]["bytes"]) == (md5(body), len(body))


def raw_put(cluster: Cluster, path: str, headers: Trailers, body: bytes, finish: bool = True) -> RawResponse:
    with RawConnection(cluster.proxy_address) as wire:
        sent: Trailers = {"Host": "h", "X-Auth-Token": cluster.token(), **headers}
        wire.send(f"PUT /v1/AUTH_test/{path} HTTP/1.1\r\n".encode() + lines(sent) + b"\r\n" + body)
        if not finish:
            wire.sock.shutdown(socket.SHUT_WR)
        return wire.read_response()


FORGED: Trailers = {
    "X-Backend-Etag": "0" * 32,
    "X-Backend-Fingerprint": "0" * 32,
    "X-Object-Meta-Forged": "yes",
    "Etag": "0" * 32,
}


@pytest.mark.parametrize("size", [5, 300_000])
def test_trailers_of_a_client_count_for_nothing(cluster: Cluster, container: str, size: int) -> None:
    body = os.urandom(size)
    headers: Trailers = {"Transfer-Encoding": "chunked", "Trailer": "X-Backend-Etag, X-Backend-Fingerprint"}
    # What only a proxy may say is taken out before anyone believes it.
    headers |= {"X-Backend-Digest-Trailer": "yes", "X-Backend-Obj-Content-Length": "1"}
    answer = raw_put(cluster, f"{container}/forged", headers, chunks(body) + b"0\r\n" + lines(FORGED) + b"\r\n")
    assert (answer.status, answer.headers["etag"]) == (201, md5(body))
    found = cluster.connection().head_object(container, "forged")
    assert found["etag"] == md5(body)
    assert "x-object-meta-forged" not in found
    assert cluster.connection().get_object(container, "forged")[1] == body


@pytest.mark.parametrize(("etag", "status"), [(md5(BODY), 201), (md5(b"other"), 422)])
def test_the_etag_of_a_big_upload(cluster: Cluster, container: str, etag: str, status: int) -> None:
    headers: Trailers = {"Content-Length": str(len(BODY)), "ETag": etag}
    assert raw_put(cluster, f"{container}/etag{status}", headers, BODY).status == status
    head = raw_head(cluster, f"{container}/etag{status}")
    assert head == (200 if status == 201 else 404)


def test_a_client_that_goes_away_leaves_nothing(cluster: Cluster, container: str) -> None:
    body = os.urandom(300_000)
    headers: Trailers = {"Content-Length": str(len(body) + 1)}
    assert raw_put(cluster, f"{container}/short", headers, body, finish=False).status == 499
    assert raw_head(cluster, f"{container}/short") == 404
    # A backend notices a lost connection a moment after the proxy has answered.
    wait_until(lambda: not cluster.files("tmp/*"), "no temporary file is left")
    assert stored(cluster, body) == []


def raw_head(cluster: Cluster, path: str) -> int:
    with RawConnection(cluster.proxy_address) as wire:
        wire.send(f"HEAD /v1/AUTH_test/{path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {cluster.token()}\r\n\r\n".encode())
        return wire.read_response("HEAD").status


def test_a_server_that_dies_while_a_body_comes(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(nodes=3, devices=1)
    cluster.connection().put_container(CONTAINER)
    body = os.urandom(5 << 20)

    def dying() -> Iterator[bytes]:
        for number, piece in enumerate(pieces(body)):
            if number == 20:
                cluster.server("object-server", 2).kill()
            yield piece

    assert cluster.connection().put_object(CONTAINER, "o", dying()) == md5(body)
    wait_until(lambda: len(stored(cluster, body)) == 2, "two replicas")
    assert stored(cluster, body) == [{"etag": md5(body), "fingerprint": xxh3(body)}] * 2
    assert cluster.connection().get_object(CONTAINER, "o")[1] == body
