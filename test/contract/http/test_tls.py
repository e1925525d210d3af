"""The HTTP server and client over TLS: the same rules as without, and what only TLS has."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes.certificates import Authority
from fakes.http_requests import GOOD, NEXT
from fakes.http_server import EchoApp, RawConnection, ServerThread, wait_until
from swiftlite.common.concurrency import sleep
from swiftlite.http.client import Client
from swiftlite.http.errors import ConnectFailed, PeerClosed
from swiftlite.http.exchange import wait_any
from swiftlite.http.greeting import Transport
from swiftlite.http.tls import TLSStream
from swiftlite.http.tls_contexts import FollowingContext, client_context, server_context

BIG = 9_000_000


class Store(EchoApp):
    """Answers a PUT with the MD5 of its body, a GET of a number with so many bytes, the rest as an echo.

    ``reads``: a PUT's body is not read before this is set.
    """

    def __init__(self):
        super().__init__()
        self.reads = threading.Event()
        self.reads.set()

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"][1:].isdigit():
            size = int(environ["PATH_INFO"][1:])
            start_response("200 OK", [("Content-Length", str(size))])
            return iter([pattern(size)[start : start + 65536] for start in range(0, size, 65536)])
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"] == "/digest":
            digest, buffer = hashlib.md5(), bytearray(65536)
            while not self.reads.is_set():
                sleep(0.002)
            while count := environ["wsgi.input"].readinto(buffer):
                digest.update(memoryview(buffer)[:count])
            start_response("201 Created", [("ETag", digest.hexdigest()), ("Content-Length", "0")])
            return []
        return super().__call__(environ, start_response)


@functools.cache
def pattern(size: int) -> bytes:
    """Bytes no two records of which are alike."""
    block = b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))
    return block[:size]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> str:
    return authority.issue("server.pem", "127.0.0.1", "::1", "localhost")


@pytest.fixture(scope="module")
def store(certificate: str) -> Iterator[ServerThread]:
    transport = Transport(server_context(certificate))
    with ServerThread(Store(), transport=transport, client_timeout=60, hsts_max_age=500) as server:
        yield server


@pytest.fixture
def app(store: ServerThread) -> Store:
    store.app.requests.clear()
    store.app.failures.clear()
    return store.app


@pytest.fixture(scope="module")
def mutual(authority: Authority, certificate: str) -> Iterator[ServerThread]:
    transport = Transport(server_context(certificate, client_ca_file=authority.ca_file))
    with ServerThread(Store(), transport=transport, client_timeout=60) as server:
        yield server


@pytest.fixture
def client(authority: Authority) -> Iterator[Client]:
    made = Client(60, 60, tls=authority.context)
    yield made
    made.close()


@pytest.mark.parametrize("send", [RawConnection.send, RawConnection.send_slowly])
@pytest.mark.parametrize(("request_bytes", "body"), GOOD.values(), ids=GOOD)
def test_requests_are_framed_as_without_tls(app, store, authority, send, request_bytes, body) -> None:
    with store.connect(authority.context()) as wire:
        send(wire, request_bytes + NEXT)
        response = wire.read_response()
        assert (response.status, response.json["body"], response.json["PATH_INFO"]) == (200, body, "/a")
        assert response.json["wsgi.url_scheme"] == "https"
        assert response.headers["strict-transport-security"] == "max-age=500"
        assert wire.read_response().json["PATH_INFO"] == "/next"


@pytest.mark.parametrize("size", [1, 16383, 16384, 16385, 65536, BIG])
def test_bodies_pass_both_ways(client: Client, store: ServerThread, size: int) -> None:
    body = pattern(size)
    upload = client.open(store.address, "PUT", "/digest", {"Content-Length": str(size)})
    for start in range(0, size, 70_000):
        upload.send(body[start : start + 70_000])
    assert upload.response().headers["ETag"] == hashlib.md5(body).hexdigest()
    response = client.request(store.address, "GET", f"/{size}", {})
    buffer, found = bytearray(100_000), bytearray()
    while count := response.readinto(buffer):
        found += buffer[:count]
    assert bytes(found) == body


def test_chunks_that_find_no_room_arrive_whole(client: Client, store: ServerThread) -> None:
    """What is left of a record that OpenSSL has begun to send goes first, with whatever comes after it."""
    body = pattern(BIG)
    upload = client.open(store.address, "PUT", "/digest", {})
    store.app.reads.clear()
    try:
        upload.send_chunk(body[:10])
        upload._connection.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        left = []
        for start in range(10, BIG, 50_000):
            left = upload.send_now([*left, *upload.frame(body[start : start + 50_000])])
            if sum(map(len, left)) > 400_000:
                store.app.reads.set()
                upload.send_all(left)
                left = []
        assert store.app.reads.is_set(), "there was always room: the case was not tried"
    finally:
        store.app.reads.set()
    upload.send_all(left)
    upload.finish_chunks()
    assert upload.response().headers["ETag"] == hashlib.md5(body).hexdigest()


def test_a_request_in_the_record_that_ends_the_one_before(
    app: Store, store: ServerThread, authority: Authority
) -> None:
    """It has been decrypted already: nobody must wait for the socket."""
    with store.connect(authority.context()) as wire:
        wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        wait_until(lambda: app.paths == ["/a"], "the head is read alone")
        wire.send(b"hello" + NEXT)
        assert wire.read_response().json["body"] == "hello"
        assert wire.read_response().json["PATH_INFO"] == "/next"


def test_connections_are_kept_and_a_dead_one_is_replaced(client: Client, app: Store, store: ServerThread) -> None:
    ports = {
        client.request(store.address, "GET", "/x", {}).read() and app.requests[-1]["REMOTE_PORT"] for _ in range(3)
    }
    assert len(ports) == 1
    (kept,) = client._idle[store.address]
    assert isinstance(kept.stream, TLSStream)
    socket.socket.shutdown(kept.stream.sock, socket.SHUT_RDWR)
    assert client.request(store.address, "GET", "/y", {}).status == 200


def test_many_are_waited_for_at_once(client: Client, store: ServerThread) -> None:
    exchanges = [client.start(store.address, "GET", "/x", {}) for _ in range(3)]
    done: set[int] = set()
    while len(done) < 3:
        done.update(wait_any(exchanges, 60))
    assert [exchange.response().status for exchange in exchanges] == [200] * 3


def test_a_slow_reader_gets_it_all(store: ServerThread, authority: Authority) -> None:
    with store.connect(authority.context()) as wire:
        wire.send(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % BIG)
        head = wire.read_head()
        found = b""
        with store.connect(authority.context()) as other:  # while nothing moves here, others are served
            other.send(NEXT)
            assert other.read_response().status == 200
        found = wire.read_bytes(BIG)
    assert (head.status, found == pattern(BIG)) == (200, True)


def test_the_end_is_declared(store: ServerThread, authority: Authority) -> None:
    with store.connect(authority.context()) as wire:
        wire.send(b"GET /x HTTP/1.0\r\nHost: h\r\n\r\n")
        assert wire.read_response().status == 200
        assert wire.read_to_end() == b"", "close_notify did not come: that raises"


def test_half_a_body_and_a_client_that_is_gone(app: Store, store: ServerThread, authority: Authority) -> None:
    with store.connect(authority.context()) as wire:
        wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
        wait_until(lambda: app.paths == ["/a"], "the request arrives")
    wait_until(lambda: app.failures, "its end is seen")
    assert "ClientDisconnected" in repr(app.failures.pop())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # old TLS is tried on purpose
def test_http_1_1_is_agreed_on_and_old_tls_is_not(store: ServerThread, authority: Authority) -> None:
    modern = authority.context()
    modern.set_alpn_protocols(["h2", "http/1.1"])
    with store.connect(modern) as wire:
        assert (wire.sock.selected_alpn_protocol(), wire.sock.version()) == ("http/1.1", "TLSv1.3")
    old = authority.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with store.connect(old) as wire:
        assert wire.sock.version() == "TLSv1.2"
        assert wire.sock.cipher()[0].startswith("ECDHE-")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        store.connect(old)


def test_plain_http_is_told_what_to_speak(store: ServerThread) -> None:
    with store.connect() as wire:
        wire.send(NEXT)
        response = wire.read_response()
        assert (response.status, b"https://" in response.body) == (400, True)
        assert wire.is_closed()


@pytest.mark.parametrize("noise", [b"\0" * 50, b"\x16\x03\x01\x02\x00garbage" * 100, b"SSH-2.0-x\r\n"])
def test_noise_closes(store: ServerThread, noise: bytes) -> None:
    with store.connect() as wire:
        wire.send(noise)
        wire.read_to_end()  # perhaps an alert
    with store.connect() as wire:
        wire.send(NEXT)
        assert wire.read_response().status == 400


def test_a_silent_client_loses_its_place_and_keeps_nobody_waiting(authority: Authority, certificate: str) -> None:
    transport = Transport(server_context(certificate))
    with ServerThread(Store(), transport=transport, client_timeout=1, max_clients=2) as server:
        with server.connect() as silent, server.connect() as halfway:
            halfway.send(b"\x16\x03\x01")
            assert silent.is_closed()
            halfway.read_to_end()

        def is_served() -> bool:
            with suppress(OSError, AssertionError), server.connect(authority.context()) as wire:
                wire.send(NEXT)
                return wire.read_response().status == 200
            return False  # a second is short on a busy machine

        wait_until(is_served, "another to be served")


def test_a_server_that_drains_waits_for_no_handshake(certificate: str) -> None:
    with ServerThread(Store(), transport=Transport(server_context(certificate)), client_timeout=60) as server:
        with server.connect() as silent, server.connect() as halfway:
            halfway.send(b"\x16\x03\x01")
            wait_until(lambda: len(server.server.idle) == 2, "both are accepted")
            server.drain(30)
            silent.read_to_end()  # perhaps an alert
            server.join()


def test_a_server_that_drains_declares_the_end_of_kept_connections(authority: Authority, certificate: str) -> None:
    with ServerThread(Store(), transport=Transport(server_context(certificate)), client_timeout=60) as server:
        with server.connect(authority.context()) as kept, server.connect(authority.context()) as fresh:
            kept.send(NEXT)
            assert kept.read_response().status == 200
            wait_until(lambda: len(server.server.idle) == 2, "both are idle")
            server.drain(30)
            assert kept.read_to_end() == b"", "an alert, or no close_notify: that raises"
            assert fresh.read_to_end() == b""
            server.join()


class TestMutual:
    def test_a_client_with_a_certificate_of_the_authority(self, mutual: ServerThread, authority: Authority) -> None:
        own = authority.issue("client.pem", "127.0.0.9")
        client = Client(60, 60, tls=lambda: client_context(authority.ca_file, own))
        for _ in range(2):
            assert client.request(mutual.address, "GET", "/x", {}).status == 200
        client.close()

    @pytest.mark.parametrize("kind", ["none", "foreign", "expired"])
    def test_others_are_not_served(self, mutual: ServerThread, authority: Authority, tmp_path: Path, kind: str) -> None:
        shown = {
            "none": lambda: "",
            "foreign": lambda: Authority(tmp_path).issue("f.pem", "127.0.0.9"),
            "expired": lambda: authority.issue("old.pem", "127.0.0.9", expired=True),
        }[kind]()
        before = len(mutual.app.requests)
        client = Client(60, 60, tls=lambda: client_context(authority.ca_file, shown))
        with pytest.raises((PeerClosed, ConnectFailed)):
            client.request(mutual.address, "PUT", "/x", {}, b"secret")
        assert len(mutual.app.requests) == before

    @pytest.mark.parametrize(
        ("identity", "expired", "why"),
        [("127.0.0.2", False, "IP address mismatch"), ("127.0.0.1", True, "expired")],
    )
    def test_servers_that_are_not_who_the_ring_says(
        self, authority: Authority, identity: str, expired: bool, why: str
    ) -> None:
        shown = authority.issue("wrong.pem", identity, expired=expired)
        client = Client(60, 60, tls=lambda: client_context(authority.ca_file))
        app = Store()
        with ServerThread(app, transport=Transport(server_context(shown))) as server:
            with pytest.raises(ConnectFailed, match=why):
                client.request(server.address, "PUT", "/x", {}, b"secret")
        assert not app.requests


def test_ipv6(authority: Authority, certificate: str) -> None:
    client = Client(60, 60, tls=lambda: client_context(authority.ca_file))
    with ServerThread(Store(), ip="::1", transport=Transport(server_context(certificate))) as server:
        answer = client.request(server.address, "GET", "/x", {}).read()
        assert b'"HTTP_HOST": "[::1]:' in answer


def test_plain_and_tls_on_one_port(authority: Authority, certificate: str) -> None:
    transport = Transport(server_context(certificate), tls_optional=True)
    with ServerThread(Store(), transport=transport) as server:
        for tls, scheme in ((None, "http"), (authority.context(), "https")):
            with server.connect(tls) as wire:
                wire.send(NEXT)
                assert wire.read_response().json["wsgi.url_scheme"] == scheme


def test_a_client_follows_its_files(authority: Authority, tmp_path: Path) -> None:
    """A certificate that is exchanged is shown from the next connection on; one that is of no use is not."""
    path, told = tmp_path / "own.pem", []
    path.write_bytes(Path(authority.issue("first.pem", "a.example")).read_bytes())
    log = SimpleNamespace(error=lambda text, *values: told.append(text % values))
    following = FollowingContext(
        lambda: client_context(authority.ca_file, str(path)), [authority.ca_file, str(path)], log
    )
    first = following()
    assert following() is first
    path.write_text("half a certificate")
    assert following() is first
    assert following() is first
    assert len(told) == 1
    os.replace(authority.issue("second.pem", "a.example"), path)
    assert following() is not first


def test_many_clients_at_once(authority: Authority, store: ServerThread) -> None:
    context, failures = authority.context(), []

    def work() -> None:
        try:
            with store.connect(context) as wire:
                for _ in range(20):
                    wire.send(b"GET /40000 HTTP/1.1\r\nHost: h\r\n\r\n")
                    assert wire.read_response().body == pattern(40000)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
