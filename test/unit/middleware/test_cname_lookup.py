"""cname_lookup against a real DNS server on loopback."""

import logging
import socket
import sys

import pytest

from fakes.dns_server import CNAMES, FAILS, DNSServer
from fakes.wsgi_calls import call, make_environ
from swiftlite.common.cache import Cache
from swiftlite.common.concurrency import spawn, trampoline
from swiftlite.common.config import ConfigError
from swiftlite.middleware import cname_lookup
from swiftlite.middleware.cname_lookup import (
    CNAMELookup,
    CNAMELookupOptions,
    DNSResolver,
    Nameserver,
    parse_nameservers,
)


@pytest.fixture
def server():
    with DNSServer(CNAMES) as found:
        yield found


def patient_resolver(ip, port):
    """One that asks once, however late a busy machine comes to the answer."""
    resolver = DNSResolver((Nameserver(ip, port),))
    resolver._resolver.timeout = resolver._resolver.lifetime = 60.0
    return resolver


def filter_over(server, location=None, depth=1):
    """The filter with a server; the application answers with the Host that it was told."""

    def app(environ, start_response):
        start_response("200 OK", [("Location", location)] if location else [])
        return [environ["HTTP_HOST"].encode()]

    options = CNAMELookupOptions(storage_domain=("store.example",), lookup_depth=depth)
    return CNAMELookup(app, options, patient_resolver(*server.address), logging.getLogger("test-cname"))


def ask(app, host, cache=None):
    environ = make_environ("GET", "/o", {"Host": host})
    if cache is not None:
        environ["swift.cache"] = cache
    return call(app, environ)


def test_a_name_is_followed(server):
    answer = ask(filter_over(server), "www.customer.test:8080")
    assert (answer.status, answer.body) == (200, b"dns.auth-test.store.example:8080")


@pytest.mark.parametrize(
    "host", ["c.auth-a.store.example", "store.example", "STORE.example.", "127.0.0.1:80", "[::1]:80", "[::1]"]
)
def test_what_is_no_customers_name_is_left_alone(server, host):
    assert ask(filter_over(server), host).body == host.encode()
    assert server.asked == []


@pytest.mark.parametrize("host", ["a@b.test", "a/b", "a..b", "x" * 64 + ".test", "%00", "é.test", "a b", ""])
def test_what_is_no_name_is_not_looked_up(server, host):
    environ = make_environ("GET", "/o", {"Host": host})
    environ["SERVER_NAME"] = "b@d"
    assert call(filter_over(server), environ).status == 400
    assert server.asked == []


def test_a_chain_is_followed_so_far(server):
    assert ask(filter_over(server, depth=2), "chain.customer.test").status == 200
    answer = ask(filter_over(server, depth=1), "chain.customer.test")
    assert (answer.status, answer.body) == (400, b"CNAME lookup failed after 1 tries")


@pytest.mark.parametrize("host", ["none.customer.test", "loop.customer.test", FAILS])
def test_what_leads_nowhere_is_refused(server, host):
    assert ask(filter_over(server, depth=9), host).body == b"CNAME lookup failed to resolve to a valid domain"


def test_answers_are_cached_for_as_long_as_they_hold(server):
    clock = [1000.0]
    cache, app = Cache(clock=lambda: clock[0]), filter_over(server)
    for _ in range(3):
        assert ask(app, "www.customer.test", cache).status == 200
        assert ask(app, "none.customer.test", cache).status == 400
    assert sorted(server.asked) == ["none.customer.test", "www.customer.test"]
    clock[0] += cname_lookup.MISSING_TTL + 1
    assert ask(app, "none.customer.test", cache).status == 400
    assert server.asked.count("none.customer.test") == 2
    clock[0] += server.ttl
    assert ask(app, "www.customer.test", cache).status == 200
    assert server.asked.count("www.customer.test") == 2


def test_without_a_cache_filter_answers_are_remembered_too(server):
    app = filter_over(server)
    assert [ask(app, "www.customer.test").status for _ in range(3)] == [200] * 3
    assert server.asked == ["www.customer.test"]


def test_a_failure_is_not_cached(server):
    cache, app = Cache(), filter_over(server)
    ask(app, FAILS, cache)
    first = len(server.asked)
    ask(app, FAILS, cache)
    assert len(server.asked) > first


def test_what_a_shared_cache_says_is_no_name_is_not_believed(server):
    cache = Cache()
    cache.set("cname-www.customer.test", {"odd": 1}, 60)
    assert ask(filter_over(server), "www.customer.test", cache).status == 400


def test_redirects_lead_to_the_customers_name(server):
    for location, expected in (
        ("/d/", "http://www.customer.test:81/d/"),
        ("http://dns.auth-test.store.example:81/d/", "http://www.customer.test:81/d/"),
        ("https://dns.auth-test.store.example:81", "https://www.customer.test:81"),
        ("http://dns.auth-test.store.example:812/d/", "http://dns.auth-test.store.example:812/d/"),
        ("http://elsewhere/d/", "http://elsewhere/d/"),
    ):
        assert ask(filter_over(server, location), "www.customer.test:81").headers["location"] == expected


def test_a_lookup_stops_no_green_thread():
    """The server is a green thread of the same process: were it stopped, there would be no answer."""
    knows = DNSServer(CNAMES)

    def serve(listener):
        trampoline(listener.fileno(), read=True)
        data, client = listener.recvfrom(4096)
        listener.sendto(knows.answer(data), client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        server = spawn(serve, listener)
        resolver = patient_resolver(*listener.getsockname())
        assert resolver.cname("www.customer.test") == (knows.ttl, CNAMES["www.customer.test"])
        server.wait()
    knows.close()


def test_nameservers_are_read():
    assert parse_nameservers("192.0.2.1, 192.0.2.2:53,[2001:db8::1]:5353, [::1]") == (
        ("192.0.2.1", None),
        ("192.0.2.2", 53),
        ("2001:db8::1", 5353),
        ("::1", None),
    )


@pytest.mark.parametrize("text", ["localhost", "1.2.3", "::1", "1.2.3.4:x", "[::1", "[1.2.3.4.5]", "1.2.3.4:5:6"])
def test_what_is_no_nameserver_is_refused(text):
    with pytest.raises(ConfigError, match="nameservers"):
        cname_lookup.filter_factory({}, nameservers=text)


def test_without_dnspython_the_conf_error_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    with pytest.raises(ConfigError, match="pip install dnspython"):
        cname_lookup.filter_factory({})
