"""Proxies that share a memcached: tokens are good at each, changes are seen, and its death costs nobody a request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest

from fakes.memcached_server import Memcached, needs_memcached
from functional.cluster import Cluster, wait_until
from swiftlite.cli.children import request

pytestmark = needs_memcached
pytest.importorskip("pymemcache", reason="pymemcache is not installed")


@pytest.fixture
def memcached() -> Iterator[Memcached]:
    server = Memcached()
    yield server
    server.stop()


@pytest.fixture
def make(make_cluster: Callable[..., Cluster], memcached: Memcached) -> Callable[..., Cluster]:
    # Tokens of identity lie nowhere: these tests are about tempauth's.
    patient = {"connect_timeout": "30", "pool_timeout": "30", "io_timeout": "30"}
    settings = {
        "proxy": {
            "filter:cache": {"memcache_servers": memcached.server, **patient},
            "filter:identity": {"v1": "false"},
        },
    }
    return lambda: make_cluster(workers=2, settings=settings)


def status(cluster: Cluster, method: str, path: str, token: str) -> int:
    return request(cluster.proxy_address, method, path, {"X-Auth-Token": token, "Content-Length": "0"}, 60)[0]


def kept(memcached: Memcached, key: str) -> bytes:
    return memcached.talk(b"get " + hashlib.md5(key.encode()).hexdigest().encode() + b"\r\n")


def test_a_token_of_one_proxy_is_good_at_another(make: Callable[..., Cluster], memcached: Memcached) -> None:
    one, other = make(), make()
    token = one.token()
    assert len(token) == len("AUTH_tk") + 32
    assert b'"test,test:tester,AUTH_test"]' in kept(memcached, f"AUTH_/token/{token}")
    assert other.token() == token
    for cluster in (one, other) * 4:
        assert status(cluster, "GET", "/v1/AUTH_test", token) in (200, 204)


def test_infos_lie_in_memcached_as_swift_keeps_them(make: Callable[..., Cluster], memcached: Memcached) -> None:
    cluster = make()
    token = cluster.token()
    assert status(cluster, "PUT", "/v1/AUTH_test/c", token) in (201, 202)
    assert status(cluster, "PUT", "/v1/AUTH_test/c/o", token) == 201
    found = kept(memcached, "container/AUTH_test/c")
    assert b'"status": 204' in found
    assert b'"storage_policy": "0"' in found
    assert status(cluster, "POST", "/v1/AUTH_test/c", token) == 204
    assert kept(memcached, "container/AUTH_test/c") == b"END\r\n"


def is_signed(token: str) -> bool:
    """Whether every worker can verify it without memcached."""
    return token.startswith("AUTH_stk")


def test_when_memcached_dies_requests_go_on(make: Callable[..., Cluster], memcached: Memcached) -> None:
    cluster = make()
    connection = cluster.connection()
    connection.put_container("c")
    for number in range(10):
        connection.put_object("c", f"before{number}", b"x")
    memcached.stop()
    connection.retries = 2  # a worker that never saw the token may ask for another one
    for number in range(10):
        connection.put_object("c", f"after{number}", b"x")
        assert connection.get_object("c", f"before{number}")[1] == b"x"
    # For up to a second a worker hands out the token that it remembers, which others may not.
    fresh = wait_until(lambda: next(filter(is_signed, [cluster.token()]), None), "new tokens are signed ones")
    for _ in range(10):
        assert status(cluster, "HEAD", "/v1/AUTH_test/c", fresh) == 204
    assert len(connection.get_container("c")[1]) == 20
    again = Memcached(memcached.port)
    try:
        for _ in range(10):
            assert status(cluster, "HEAD", "/v1/AUTH_test/c", fresh) == 204
    finally:
        again.stop()
