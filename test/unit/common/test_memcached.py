"""memcached: Swift's keys, values and choice of server, against a real one, and against one that dies."""

import hashlib
import logging
import socket

import pytest

from fakes.memcached_server import Memcached, needs_memcached
from fakes.more_time import with_more_time
from fakes.ports import free_port
from swiftlite.common.cache import Cache, CacheUnreachable
from swiftlite.common.concurrency import sleep, spawn
from swiftlite.common.config import ConfigError
from swiftlite.common.memcached import MemcachedOptions, MemcachedStore, expiry, parse_server, read_memcached_options

pytest.importorskip("pymemcache", reason="pymemcache is not installed")

log = logging.getLogger("test-memcached")


@pytest.fixture
def memcached():
    server = Memcached()
    yield server
    server.stop()


def store(*servers, **options):
    patient = {"connect_timeout": 20.0, "pool_timeout": 20.0, "io_timeout": 20.0}  # who is dead refuses at once
    return MemcachedStore(MemcachedOptions(memcache_servers=servers, **(patient | options)), log)


def wire_key(key):
    return hashlib.md5(key.encode()).hexdigest().encode()


@needs_memcached
def test_values_are_json_under_the_md5_of_their_key(memcached):
    ours = store(memcached.server)
    ours.set("AUTH_/token/AUTH_tkx", [1700000000.5, "test,test:tester,ünïcode"], 60)
    seen = memcached.talk(b"get " + wire_key("AUTH_/token/AUTH_tkx") + b"\r\n")
    text = b'[1700000000.5, "test,test:tester,\\u00fcn\\u00efcode"]'
    assert seen == b"VALUE %s 2 %d\r\n%s\r\nEND\r\n" % (wire_key("AUTH_/token/AUTH_tkx"), len(text), text)
    assert ours.get("AUTH_/token/AUTH_tkx") == [1700000000.5, "test,test:tester,ünïcode"]
    ours.delete("AUTH_/token/AUTH_tkx")
    assert ours.get("AUTH_/token/AUTH_tkx") is None


@needs_memcached
def test_counters_are_digits_that_others_can_count_on(memcached):
    ours = store(memcached.server)
    assert [ours.incr("n", 5, 60), ours.incr("n", 2, 60), ours.incr("n", -3, 60), ours.incr("n", -9, 60)] == [
        5,
        7,
        4,
        0,
    ]
    assert memcached.talk(b"incr " + wire_key("n") + b" 3\r\n") == b"3\r\n"
    assert ours.incr("m", -1, 60) == 0


@needs_memcached
def test_pickles_of_others_are_not_read(memcached):
    memcached.talk(b"set " + wire_key("k") + b" 1 60 4\r\n\x80\x02N.\r\n")
    assert store(memcached.server).get("k") is None


@needs_memcached
def test_values_that_are_no_json_are_errors_of_the_server_not_ours(memcached):
    memcached.talk(b"set " + wire_key("k") + b" 2 60 3\r\n{x}\r\n")
    with pytest.raises(CacheUnreachable):
        store(memcached.server).get("k")
    assert Cache(store(memcached.server)).get("k") is None


def test_keys_go_to_the_servers_where_swift_looks_for_them():
    """The answers were recorded from swift.common.memcached of OpenStack Swift 2.38.3."""
    ours = store("10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211", tries=3)
    chosen = {key: ours.servers_for(hashlib.md5(key.encode()).hexdigest()) for key in RECORDED}
    assert chosen == {key: [f"10.0.0.{number}:11211" for number in numbers] for key, numbers in RECORDED.items()}


RECORDED = {
    "account/AUTH_test": (1, 3, 2),
    "container/AUTH_test/c": (2, 3, 1),
    "AUTH_/token/AUTH_tk0123456789abcdef": (3, 2, 1),
    "AUTH_/user/test:tester": (1, 3, 2),
    "a": (3, 2, 1),
    "c": (2, 3, 1),
    "d": (3, 1, 2),
    "key-7": (1, 2, 3),
}


@needs_memcached
def test_when_a_server_dies_the_next_one_is_used(memcached):
    other = Memcached()
    try:
        ours = store(memcached.server, other.server)
        for number in range(20):
            ours.set(f"key{number}", number, 60)
        assert {ours.get(f"key{number}") for number in range(20)} == set(range(20))
        other.stop()
        for number in range(20):
            ours.set(f"key{number}", number, 60)
        assert [ours.get(f"key{number}") for number in range(20)] == list(range(20))
    finally:
        other.stop()


@needs_memcached
def test_a_server_that_dies_midway_and_comes_back(memcached):
    cache = Cache(store(memcached.server))
    cache.set("k", "value", 60)
    memcached.stop()
    cache.set("k", "newer", 60)
    assert cache.get("k") == "newer"
    assert cache.get("other") is None
    again = Memcached(memcached.port)
    try:
        cache.set("k", "newest", 60)
        assert Cache(store(again.server)).get("k") == "newest"
    finally:
        again.stop()


def test_a_server_that_is_silent_is_given_up_after_its_time():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        ours = store(f"127.0.0.1:{listener.getsockname()[1]}", io_timeout=0.05)
        with pytest.raises(CacheUnreachable):
            ours.get("k")


def test_while_a_server_is_silent_other_requests_go_on():
    ticks = []

    def tick():
        while True:
            ticks.append(None)
            sleep(0.001)

    def attempt(timeout):
        ticks.clear()
        with pytest.raises(CacheUnreachable):
            store(f"127.0.0.1:{listener.getsockname()[1]}", io_timeout=timeout).get("k")
        assert len(ticks) > 5, "a blocking socket would have stopped everything"

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        ticker = spawn(tick)
        with_more_time(attempt, 0.1, 1.0, 5.0)
        ticker.kill()


def test_a_server_that_fails_too_often_is_left_alone():
    now = [1000.0]
    options = MemcachedOptions(
        memcache_servers=(f"127.0.0.1:{free_port()}",), error_suppression_limit=3, error_suppression_interval=60.0
    )
    ours = MemcachedStore(options, log, clock=lambda: now[0])
    (server,) = ours._servers.values()
    for _ in range(4):
        assert not server.is_avoided
        with pytest.raises(CacheUnreachable):
            ours.get("k")
    assert server.is_avoided
    now[0] += 60
    assert not server.is_avoided


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:11311", ("10.0.0.1", 11311)),
        ("10.0.0.1", ("10.0.0.1", 11211)),
        ("[::1]:11311", ("::1", 11311)),
        ("[::1]", ("::1", 11211)),
        ("cache.example.com:1", ("cache.example.com", 1)),
        ("localhost", ("localhost", 11211)),
    ],
)
def test_servers(text, address):
    assert parse_server(text) == address


@pytest.mark.parametrize(
    "text", ["", ":11211", "a:", "a:x", "a:0", "a:65536", "a b:1", "::1", "[::1", "[::1]1", "a:1:2"]
)
def test_what_is_no_server(text):
    with pytest.raises(ValueError):
        parse_server(text)


def test_long_lives_are_points_in_time():
    assert expiry(86400) == 86400
    assert expiry(31 * 86400) > 1700000000


def test_short_lives_end():
    assert expiry(0.5) == 1


def test_the_filters_section_goes_before_memcache_conf(tmp_path):
    (tmp_path / "memcache.conf").write_text("[memcache]\nmemcache_servers = 10.0.0.1:1, 10.0.0.2:2\ntries = 1\n")
    shared = read_memcached_options({"swift_dir": str(tmp_path)}, "f", "s")
    assert (shared.memcache_servers, shared.tries) == (("10.0.0.1:1", "10.0.0.2:2"), 1)
    own = read_memcached_options({"swift_dir": str(tmp_path), "memcache_servers": "10.0.0.3"}, "f", "s")
    assert (own.memcache_servers, own.tries) == (("10.0.0.3",), 1)
    assert read_memcached_options({"swift_dir": str(tmp_path / "none")}, "f", "s").memcache_servers == ()


def test_a_server_without_a_port_number_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"proxy\.conf \[filter:cache\] memcache_servers: 'here:x'"):
        read_memcached_options({"swift_dir": str(tmp_path), "memcache_servers": "here:x"}, "proxy.conf", "filter:cache")


@needs_memcached
def test_a_counter_that_was_set_can_be_added_to(memcached):
    ours = store(memcached.server)
    ours.set("set", 100, 60)
    assert ours.incr("set", 5, 60) == 105
