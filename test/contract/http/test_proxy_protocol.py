"""The PROXY protocol on real connections: whom requests come from, and what becomes of those without a header."""

from __future__ import annotations

import logging
from ipaddress import ip_network
from pathlib import Path

import pytest

from fakes.certificates import Authority
from fakes.http_requests import NEXT
from fakes.http_server import EchoApp, RawConnection, ServerThread
from swiftlite.http.greeting import Transport
from swiftlite.http.tls_contexts import server_context

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 8080\r\n"
BLOCK = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x2c"
    + bytes.fromhex("20010db8000000000000000000000007" + "20010db8000000000000000000000001")
    + b"\x12\x67\x01\xbb"
    + b"\x04\0\x05noop!"
)
HEADERS = {
    "version 1": (LINE, "192.0.2.7", "4711", "http"),
    "version 2": (BLOCK, "2001:db8::7", "4711", "https"),
    "unknown": (b"PROXY UNKNOWN whatever\r\n", "127.0.0.1", None, "http"),
    "the balancer itself": (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "127.0.0.1", None, "http"),
}


@pytest.fixture(scope="module")
def behind():
    with ServerThread(EchoApp(), transport=Transport(expects_proxy=True), client_timeout=60) as server:
        yield server


@pytest.mark.parametrize("send", [RawConnection.send, RawConnection.send_slowly])
@pytest.mark.parametrize(("header", "ip", "port", "scheme"), HEADERS.values(), ids=HEADERS)
def test_requests_come_from_whom_the_header_names(behind, send, header, ip, port, scheme) -> None:
    with behind.connect() as wire:
        send(wire, header + NEXT + NEXT)  # with a second request on the kept connection
        for _ in range(2):
            seen = wire.read_response().json
            assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (ip, scheme)
            assert port is None or seen["REMOTE_PORT"] == port


@pytest.mark.parametrize(
    "begin",
    [NEXT, b"PROXY TCP4 1.2.3.4\r\n" + NEXT, b"PROXY " + b"x" * 200, b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0" + NEXT],
    ids=["none", "too short", "too long", "version 3"],
)
def test_without_a_header_nothing_is_served(behind, caplog, begin) -> None:
    before = len(behind.app.requests)
    with caplog.at_level(logging.INFO, "test.http"), behind.connect() as wire:
        wire.send(begin)
        assert wire.is_closed()
    assert "no PROXY header" in caplog.text
    assert len(behind.app.requests) == before


def test_before_a_handshake(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = server_context(authority.issue("server.pem", "127.0.0.1"))
    with ServerThread(EchoApp(), transport=Transport(context, expects_proxy=True)) as server:
        with server.connect() as wire:
            wire.send_slowly(LINE)
            wire.secure(authority.context())
            wire.send(NEXT)
            seen = wire.read_response().json
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("192.0.2.7", "https")


def test_only_named_networks_send_it() -> None:
    for networks, begin, ip in (
        ([ip_network("127.0.0.0/8"), ip_network("::1/128")], LINE, "192.0.2.7"),
        ([ip_network("10.0.0.0/8")], b"", "127.0.0.1"),
    ):
        transport = Transport(expects_proxy=True, proxy_networks=networks)
        with ServerThread(EchoApp(), transport=transport) as server, server.connect() as wire:
            wire.send(begin + NEXT)
            assert wire.read_response().json["REMOTE_ADDR"] == ip


def test_ipv4_at_a_socket_for_both() -> None:
    with ServerThread(EchoApp(), ip="::") as server:
        for ip in ("127.0.0.1", "::1"):
            with RawConnection((ip, server.address[1])) as wire:
                wire.send(NEXT)
                assert wire.read_response().json["REMOTE_ADDR"] == ip
