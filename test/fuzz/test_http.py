"""Random splits, mutations and streams of requests: the server never dies, and never serves what is inside a body."""

import contextlib
import logging
import random
import socket

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fakes.http_server import EchoApp, RawConnection, ServerThread
from swiftlite.http.errors import BadRequest
from swiftlite.http.head import HeadLimits, parse_request, parse_response

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture(scope="module")
def server():
    logging.getLogger("test.http").setLevel(logging.CRITICAL + 1)
    with ServerThread(EchoApp(), client_timeout=10) as server:
        yield server


@pytest.fixture
def app(server):
    server.app.requests.clear()
    server.app.failures.clear()
    return server.app


def chunked(body, cuts):
    """The body in chunks of the given sizes."""
    wire, at = b"", 0
    for cut in cuts:
        piece = body[at : at + cut]
        if piece:
            wire += b"%x\r\n%b\r\n" % (len(piece), piece)
        at += cut
    rest = body[at:]
    if rest:
        wire += b"%X;last\r\n%b\r\n" % (len(rest), rest)
    return wire + b"0\r\n\r\n"


@st.composite
def requests(draw):
    """(path, body, bytes on the wire) of a good request; bodies like to look like requests and chunks."""
    path = "/" + draw(st.text("abc/", max_size=8))
    body = draw(st.one_of(st.binary(max_size=60), st.just(SMUGGLED), st.just(b"0\r\n\r\n" + SMUGGLED)))
    head = f"PUT {path} HTTP/1.1\r\nHost: h\r\n".encode()
    for number, value in enumerate(draw(st.lists(st.text("xyz ,;=", max_size=10), max_size=3))):
        head += f"X-{number}:{value}\r\n".encode()
    if draw(st.booleans()):
        cuts = draw(st.lists(st.integers(1, 20), max_size=5))
        return path, body, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, cuts)
    return path, body, head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def send_split(wire, data, seed):
    """Send in random pieces."""
    pieces, at = random.Random(seed), 0
    while at < len(data):
        size = pieces.choice([1, 2, 3, 7, 30, 200])
        wire.send(data[at : at + size])
        at += size


def converse(server, data, seed):
    """Send, then read every response until the server closes; return their statuses."""
    with server.connect() as wire:
        send_split(wire, data, seed)
        with contextlib.suppress(OSError):
            wire.finish_sending()
        statuses = []
        with contextlib.suppress(AssertionError):
            while True:
                statuses.append(wire.read_response().status)
        assert wire.received == b"", "the server sent something that is no response"
        return statuses


@FUZZ
@given(st.lists(requests(), min_size=1, max_size=5), st.integers(0, 1 << 30))
def test_any_stream_of_requests_in_any_pieces(server, app, stream, seed):
    app.requests.clear()
    statuses = converse(server, b"".join(wire for _, _, wire in stream), seed)
    assert statuses == [200] * len(stream)
    assert app.paths == [path for path, _, _ in stream]
    assert [seen["body"].encode("latin-1") for seen in app.requests] == [body for _, body, _ in stream]


INSERTS = [
    *(b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"-", b"+", b"0", b"5", b"x", b"\x0b", b"\xff"),
    *(b"\r\nContent-Length: 5", b"\r\nTransfer-Encoding: chunked", b"\r\n Transfer-Encoding: chunked", b"\r\nHost: h"),
    *(b"Transfer-Encoding : chunked\r\n", b"Content-Length: 0\r\n", b"\nContent-Length: 0\n", b"0\r\n\r\n"),
]


@st.composite
def mutations(draw):
    """(position as a fraction, bytes removed, bytes inserted)"""
    return draw(st.floats(0, 1)), draw(st.integers(0, 3)), draw(st.sampled_from([b"", *INSERTS]))


@FUZZ
@given(requests(), st.lists(mutations(), min_size=1, max_size=3), st.integers(0, 1 << 30))
def test_mutated_requests_do_not_kill_the_server(server, app, request_, changes, seed):
    _, _, data = request_
    for place, removed, inserted in changes:
        at = int(place * len(data))
        data = data[:at] + inserted + data[at + removed :]
    app.requests.clear()
    statuses = converse(server, data + SMUGGLED, seed)
    # Whatever it was: responses as many as requests, refusals last, and the server still serves.
    assert all(status < 400 for status in statuses[:-1])
    assert len(statuses) - len(app.requests) in (0, 1)
    assert converse(server, SMUGGLED, seed) == [200]


def strict_frame(head):
    """How RFC 9112 frames a body, told apart from the server: its length, ``chunked``, or None where nobody may guess."""
    lines = head.split(b"\r\n")
    if any(b"\r" in line or b"\n" in line or b"\0" in line or line[:1] in (b" ", b"\t") for line in lines):
        return None
    lengths, codings = [], []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or name != name.strip() or b" " in name or b"\t" in name:
            return None
        if name.lower() == b"content-length":
            lengths.append(value.strip(b" \t"))
        if name.lower() == b"transfer-encoding":
            codings.append(value.strip(b" \t").lower())
    if codings:
        return "chunked" if codings == [b"chunked"] and not lengths else None
    if not lengths:
        return 0
    return int(lengths[0]) if len(lengths) == 1 and lengths[0].isdigit() else None


FRAMING_LINES = st.sampled_from(
    [
        *(
            b"Content-Length: 5",
            b"content-length:0",
            b"Content-Length: 34",
            b"Content-Length: 5, 5",
            b"Content-Length : 5",
        ),
        *(
            b"Content-Length: -5",
            b"Content-Length: +5",
            b"Content-Length: 5\x0b",
            b"Content-Length:",
            b"Content_Length: 9",
        ),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked ", b"Transfer-Encoding : chunked", b"X: y"),
        *(b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: \x0bchunked", b" Transfer-Encoding: chunked"),
        *(b"Transfer-Encoding: xchunked", b"X: y\nTransfer-Encoding: chunked", b"X: y\rContent-Length: 5", b"X: a\0b"),
        *(b"Transfer-Encoding:\tchunked", b"Transfer_Encoding: chunked", b"Content-Length: 0x5", b"Content-Length: 05"),
    ]
)


@FUZZ
@given(st.lists(FRAMING_LINES, max_size=3))
@example([b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_a_body_is_framed_in_the_one_lawful_way_or_refused(lines):
    head = b"\r\n".join([b"PUT / HTTP/1.1", b"Host: h", *lines])
    lawful = strict_frame(head)
    try:
        request = parse_request(head + b"\r\n\r\n", HeadLimits())
    except BadRequest:
        return
    assert lawful is not None, "accepted what two servers may frame differently"
    assert ("chunked" if request.chunked else request.content_length or 0) == lawful


@FUZZ
@given(st.lists(FRAMING_LINES, min_size=1, max_size=3), st.integers(0, 1 << 30))
def test_no_second_request_comes_out_of_a_body(server, app, lines, seed):
    head = b"\r\n".join([b"PUT /a HTTP/1.1", b"Host: h", *lines])
    lawful = strict_frame(head)
    body = b"0\r\n\r\n" + SMUGGLED
    app.requests.clear()
    converse(server, head + b"\r\n\r\n" + body, seed)
    smuggled = "/smuggled" in app.paths
    # "0 CRLF CRLF" is a whole chunked body and also five bytes: only then the rest is a request in its own right.
    assert not smuggled or lawful in ("chunked", 5, 0)
    if lawful is None:
        assert app.requests == []


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_refused(data):
    head = b"GET / HTTP/1.1\r\n" + data.replace(b"\r\n\r\n", b"") + b"\r\n\r\n"
    with contextlib.suppress(BadRequest):
        parse_request(head, HeadLimits())
    with contextlib.suppress(BadRequest):
        parse_request(data.replace(b"\r\n\r\n", b"") + b"\r\n\r\n", HeadLimits())


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_a_response_or_refused(data):
    with contextlib.suppress(ValueError):
        parse_response(b"HTTP/1.1 200 OK\r\n" + data.replace(b"\r\n\r\n", b"") + b"\r\n\r\n")


@FUZZ
@given(st.binary(min_size=1, max_size=400), st.integers(0, 1 << 30))
def test_noise_does_not_kill_the_server(server, app, noise, seed):
    app.requests.clear()
    converse(server, noise, seed)
    assert converse(server, SMUGGLED, seed) == [200]


def test_a_client_that_vanishes_anywhere(server, app):
    data = b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for end in range(len(data)):
        wire = RawConnection(server.address)
        wire.send(data[:end])
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.close()
    assert converse(server, SMUGGLED, 0) == [200]
