"""Whole clusters of mixed servers: both proxies over storage servers of either side, and of both at once."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator

import pytest

from interop.cloud import Cloud, running, token
from interop.lab import SIDES, Answer, wait_until
from swiftlite.common.fs import FileSystem
from swiftlite.obj import xattrs

STORAGE = {"ours": ("ours",) * 3, "theirs": ("theirs",) * 3, "mixed": ("ours", "theirs", "ours")}
NAMES = ["a", "dir/b", "dir/c", "é漢😀", "line\nbreak", "%2F & co?#"]
# A container's X-Timestamp is when the replica that answers was made.
PASSING = {"date", "x-trans-id", "x-openstack-request-id", "connection", "keep-alive", "accept-ranges"}


@pytest.fixture(scope="module", params=STORAGE, ids=[f"{name} store" for name in STORAGE])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cluster whose storage servers are ours, theirs or mixed."""
    with running(tmp_path_factory.mktemp("cloud"), STORAGE[request.param]) as cloud:
        yield cloud


def lasting(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """Return what of an answer both sides must say alike."""
    drop = PASSING | ({"x-timestamp"} if "x-container-object-count" in answer.headers else set())
    drop |= {"content-type", "content-length"} if not answer.body else set()
    return answer.status, {name: value for name, value in answer.headers.items() if name not in drop}, answer.body


def write(cloud: Cloud, side: str, container: str) -> None:
    """Store objects of all kinds in a new container through one proxy."""
    meta = {"X-Container-Meta-Colour": "é".encode().decode("latin-1"), "X-Container-Read": ".r:*,.rlistings"}
    assert cloud.ask(side, "PUT", container, meta).status == 201
    silver = {"X-Storage-Policy": "silver"}
    assert cloud.ask(side, "PUT", f"{container}-silver", silver).status == 201
    for name in NAMES:
        body = f"the body of {name}".encode()
        headers = {
            "Content-Type": "text/plain",
            "X-Object-Meta-Name": name.encode().decode("latin-1").replace("\n", ""),
        }
        for target in (container, f"{container}-silver"):
            assert cloud.ask(side, "PUT", f"{target}/{name}", headers, body).status == 201
    posted = {"X-Object-Meta-Mood": "calm", "Content-Type": "text/new"}
    assert cloud.ask(side, "POST", f"{container}/a", posted).status == 202
    assert cloud.ask(side, "PUT", f"{container}/big", {"Content-Type": "x/big"}, bytes(range(256)) * 4096).status == 201
    assert cloud.ask(side, "PUT", f"{container}/empty", {"Content-Type": "x/empty"}, b"").status == 201
    assert cloud.ask(side, "PUT", f"{container}/gone", {"Content-Type": "x/gone"}, b"x").status == 201
    assert cloud.ask(side, "DELETE", f"{container}/gone").status == 204


@pytest.mark.parametrize("writer, reader", [SIDES, SIDES[::-1]], ids=["our proxy writes", "their proxy writes"])
def test_what_one_proxy_wrote_the_other_serves(cloud: Cloud, writer: str, reader: str) -> None:
    # A token of one proxy is good at the other: they share the memcached.
    cloud.token = token(cloud, writer)
    container = f"/by {writer}ø"
    write(cloud, writer, container)
    for name in [*NAMES, "big", "empty", "gone"]:
        for method, headers in [
            ("GET", {}),
            ("HEAD", {}),
            ("GET", {"Range": "bytes=2-5"}),
            ("GET", {"If-Match": "no"}),
        ]:
            own = cloud.ask(writer, method, f"{container}/{name}", headers)
            other = cloud.ask(reader, method, f"{container}/{name}", headers)
            assert own.status == other.status
            if own.status < 300:
                assert lasting(other) == lasting(own), name
    for target in (container, f"{container}-silver"):
        wait_for_rows(cloud, target, len(NAMES) + (2 if target == container else 0))
        for query in ("", "format=json", "format=xml", "limit=2&marker=a", "prefix=dir/", "delimiter=/&format=json"):
            own, other = (cloud.ask(side, "GET", target, query=query) for side in (writer, reader))
            assert lasting(other) == lasting(own)
            assert own.status == 200


def wait_for_rows(cloud: Cloud, container: str, count: int) -> None:
    """Return when a container lists that many objects, whichever replica is asked."""

    def all_there() -> bool:
        cloud.run_updaters() if cloud.spooled() else None
        answers = [cloud.ask(side, "HEAD", container) for side in SIDES for _ in range(3)]
        return all(answer.headers.get("x-container-object-count") == str(count) for answer in answers)

    wait_until(all_there, f"{container} lists {count} objects", 120)
    cloud.agree(container[1:])


def copies(cloud: Cloud, body: bytes) -> dict[str, tuple[str, bool]]:
    """Return, by node, the ETag that is stored with this body, and whether our own checksum is."""
    found = {}
    for root in cloud.devices:
        for path in root.glob("*/objects/*/*/*/*.data"):
            if path.stat().st_size == len(body) and path.read_bytes() == body:
                with open(path, "rb") as file:
                    etag = xattrs.read(FileSystem(), file.fileno())["ETag"]
                found[root.name] = (etag, xattrs.FINGERPRINT_KEY in os.listxattr(path))
    return found


@pytest.mark.parametrize("chunked", [False, True])
def test_a_big_body_has_its_etag_on_every_server(cloud: Cloud, chunked: bool) -> None:
    """Ours take the MD5 from our proxy, theirs compute it from the same chunks (doc/extensions.md)."""
    cloud.token = token(cloud, "ours")
    assert cloud.ask("ours", "PUT", "/digests").status in (201, 202)
    body = os.urandom(5 << 20)
    etag = hashlib.md5(body).hexdigest()
    path = f"/digests/{chunked}"
    if chunked:
        answer = send(cloud, path, "Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert answer.startswith(b"HTTP/1.1 201 ")
    else:
        assert cloud.ask("ours", "PUT", path, {"ETag": etag}, body).status == 201
    sides = {root.name: side for root, (side, kind, _) in zip(cloud.devices, cloud.confs[2::3]) if kind == "object"}
    wait_until(lambda: len(copies(cloud, body)) == 3, "three replicas")
    assert copies(cloud, body) == {name: (etag, side == "ours") for name, side in sides.items()}
    for side in SIDES:
        found = cloud.ask(side, "GET", path)
        assert (found.headers["etag"], found.body) == (etag, body)
    assert cloud.ask("ours", "PUT", f"{path}-wrong", {"ETag": "0" * 32}, body).status == 422
    assert cloud.ask("ours", "HEAD", f"{path}-wrong").status == 404


@pytest.mark.parametrize(
    "framing, start", [("Content-Length: 6000000", b""), ("Transfer-Encoding: chunked", b"5b8d80\r\n")]
)
def test_a_big_body_that_breaks_off_is_stored_nowhere(cloud: Cloud, framing: str, start: bytes) -> None:
    cloud.token = token(cloud, "ours")
    assert cloud.ask("ours", "PUT", "/digests").status in (201, 202)
    body = os.urandom(4 << 20)
    assert send(cloud, "/digests/short", framing, start + body).startswith(b"HTTP/1.1 499 ")
    assert cloud.ask("ours", "HEAD", "/digests/short").status == 404
    assert copies(cloud, body) == {}


def send(cloud: Cloud, path: str, framing: str, body: bytes) -> bytes:
    """PUT through our proxy with a body framed by hand, then send no more; return the answer's beginning."""
    head = f"PUT /v1/AUTH_test{path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {cloud.token}\r\n{framing}\r\n\r\n"
    with socket.create_connection(cloud.proxies["ours"].address, 60) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(100)


@pytest.mark.parametrize("deleter", SIDES)
def test_either_proxy_deletes_and_the_account_agrees(cloud: Cloud, deleter: str) -> None:
    cloud.token = token(cloud, deleter)
    writer = SIDES[1 - SIDES.index(deleter)]
    container = f"/for {deleter}"
    write(cloud, writer, container)
    assert cloud.ask(deleter, "DELETE", container).status == 409
    for target in (container, f"{container}-silver"):
        wait_for_rows(cloud, target, len(NAMES) + (2 if target == container else 0))
        for entry in json.loads(cloud.ask(deleter, "GET", target, query="format=json").body):
            assert cloud.ask(deleter, "DELETE", f"{target}/{entry['name']}").status == 204
        wait_for_rows(cloud, target, 0)
        assert cloud.ask(deleter, "DELETE", target).status == 204
        assert cloud.ask(writer, "HEAD", f"{target}/a").status == 404

    def agreed() -> list[str]:
        """What an account has, whichever replica is asked; nothing where they differ."""
        cloud.run_updaters()
        bodies = [cloud.ask(side, "GET", "", query="format=json").body for side in SIDES * 3]
        listings = [json.loads(body) for body in bodies]
        return [entry["name"] for entry in listings[0]] if all(one == listings[0] for one in listings) else []

    names = wait_until(agreed, "all replicas of the account say the same", 120)
    assert cloud.spooled() == []
    assert container.lstrip("/") not in names
