"""PROXY headers: whole, byte by byte, with more behind them; and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.http.proxy_protocol import MAX_LINE, SIGNATURE, BadProxyHeader, ProxyHeader, header_end, parse

V4 = b"\xc0\0\x02\x07\xc6\x33\x64\x01\x12\x67\x1f\x90"
SECURE = b"\x20\0\x05\x01\0\0\0\0"
INSECURE = b"\x20\0\x05\0\0\0\0\0"


def block(command: int, family: int, data: bytes) -> bytes:
    return SIGNATURE + bytes([0x20 | command, family]) + len(data).to_bytes(2, "big") + data


FROM, TO = ("192.0.2.7", 4711), ("198.51.100.1", 8080)
GOOD = {
    "TCP4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 8080\r\n", ProxyHeader(FROM, TO)),
    "TCP4 to 443": (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", ProxyHeader(FROM, (TO[0], 443), True)),
    "TCP6": (b"PROXY TCP6 2001:DB8:0::7 ::1 1 2\r\n", ProxyHeader(("2001:db8::7", 1), ("::1", 2))),
    "unknown": (b"PROXY UNKNOWN\r\n", ProxyHeader()),
    "block": (block(1, 0x11, V4), ProxyHeader(FROM, TO)),
    "block over TLS": (block(1, 0x11, V4 + b"\x03\0\x01x" + SECURE), ProxyHeader(FROM, TO, True)),
    "block not over TLS": (block(1, 0x11, V4 + INSECURE), ProxyHeader(FROM, TO)),
    "block of IPv6": (
        block(1, 0x21, b"\0" * 15 + b"\1" + b"\0" * 15 + b"\2" + b"\0\1\0\2"),
        ProxyHeader(("::1", 1), ("::2", 2)),
    ),
    "local": (block(0, 0x11, V4), ProxyHeader()),
    "unspecified": (block(1, 0, b""), ProxyHeader()),
    "a Unix socket": (block(1, 0x31, b"\0" * 216), ProxyHeader()),
}
BAD = {
    "a request": b"GET / HTTP/1.1\r\n",
    "another word": b"PROXI TCP4 ",
    "a POST": b"POST / HTTP/1.1\r\n",
    "too long a line": b"PROXY TCP6 " + b"x" * MAX_LINE,
    "too few words": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n",
    "too many words": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 8080 1\r\n",
    "a wrong family": b"PROXY TCP4 ::1 ::1 4711 8080\r\n",
    "no address": b"PROXY TCP4 192.0.2.700 198.51.100.1 4711 8080\r\n",
    "a zone": b'PROXY TCP6 ::1%\rX-Evil:"\x1b ::1 4711 8080\r\n',
    "no port": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n",
    "not ASCII": b"PROXY TCP4 192.0.2.\xb2 198.51.100.1 4711 8080\r\n",
    "another signature": SIGNATURE[:-1] + b"x",
    "version 1 in binary": block(1, 0x11, V4).replace(b"\n\x21", b"\n\x11"),
    "another command": block(2, 0x11, V4),
    "another family": block(1, 0x41, V4),
    "too short": block(1, 0x11, V4[:-1]),
    "a field cut off": block(1, 0x11, V4 + b"\x20\0\x05\1"),
    "too long": SIGNATURE + b"\x21\x11\xff\xff",
}


def read(data: bytes) -> ProxyHeader:
    end = header_end(data)
    if not end:
        raise AssertionError("more is wanted")
    return parse(data[:end])


@pytest.mark.parametrize(("header", "meaning"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("behind", [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01"])
def test_good_headers(header: bytes, meaning: ProxyHeader, behind: bytes) -> None:
    assert header_end(header + behind) == len(header)
    assert all(header_end(header[:count]) == 0 for count in range(1, len(header)))
    assert read(header + behind) == meaning


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
def test_bad_headers(header: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        read(header)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(lambda data: SIGNATURE + data)))
def test_anything_else_is_refused_or_waits(data: bytes) -> None:
    try:
        end = header_end(data)
        assert 0 <= end <= len(data)
        if end:
            parse(data[:end])
    except BadProxyHeader:
        pass
