"""SSYNC's messages: what one end writes, the other reads, however it comes; what is no message is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.missing_check import Parts, Versions
from swiftlite.core.timestamp import MAX_RAW, Timestamp
from swiftlite.wire.messages import BadMessage
from swiftlite.wire.ssync import LONGEST_LINE, Body, ErrorLine, LineReader, Offer, Subrequest, Wanted

HASH = "0123456789abcdef0123456789abcdef"
T = "1402464677.04188"

hashes = st.binary(min_size=16, max_size=16).map(bytes.hex)
moments = st.builds(
    lambda raw, offset: Timestamp(Timestamp(0), offset, raw), st.integers(0, MAX_RAW), st.integers(0, 2**64 - 1)
)


@st.composite
def versions(draw: st.DrawFn) -> Versions:
    data = draw(moments)
    metadata = draw(st.just(data) | moments)
    return Versions(data, metadata, data if metadata == data else draw(st.just(data) | moments))


@given(st.builds(Offer, hashes, versions(), st.booleans()))
def test_offers_read_back(offer: Offer) -> None:
    line = offer.to_line()
    assert b"\r" not in line and b"\n" not in line
    assert Offer.from_line(line) == offer


@pytest.mark.parametrize(
    ("line", "data", "metadata", "content_type", "is_durable"),
    [
        (f"{HASH} {T}", T, T, T, True),
        (f"{HASH} {T} m:1", T, "1402464677.04189", T, True),
        (f"{HASH} {T}_000000000000000a m:1__b,t:-1", f"{T}_a", "1402464677.04189_b", "1402464677.04187", True),
        (f"{HASH} {T} m:0__1", T, f"{T}_1", T, True),
        (f"{HASH} {T} durable:False", T, T, T, False),
        (f"{HASH} {T} durable:no,m:10", T, "1402464677.04204", T, False),
        (f"{HASH} {T} x:y,later,m:1", T, "1402464677.04189", T, True),
        ("%30123456789abcdef0123456789abcdef 1402464677%2E04188 m%3A1", T, "1402464677.04189", T, True),
        (f"  {HASH}\t{T}  ", T, T, T, True),
    ],
)  # fmt: skip
def test_offers_as_others_write_them(line: str, data: str, metadata: str, content_type: str, is_durable: bool) -> None:
    expected = Versions(Timestamp(data), Timestamp(metadata), Timestamp(content_type))
    assert Offer.from_line(line.encode()) == Offer(HASH, expected, is_durable)


@pytest.mark.parametrize(
    "line",
    [
        "", " ", HASH, f"{HASH} now", f"{HASH} {T}_x", f"{HASH} -1", f"{HASH} {T} m:", f"{HASH} {T} m:x",
        f"{HASH} {T} m:1__", f"{HASH} {T} m:1__x", f"{HASH} {T} t:-ffffffffffffffff", f"{HASH} {T} m:{'f' * 17}",
        f"..%2F..%2Fetc {T}", f"{HASH[1:]} {T}", f"{HASH.upper()} {T}", f"é {T}", f"{HASH} nan", f"{HASH} {T}_1_2",
        ":MISSING_CHECK: START", ":UPDATES: START",
    ],
)  # fmt: skip
def test_no_offers(line: str) -> None:
    with pytest.raises(BadMessage):
        Offer.from_line(line.encode())


@given(st.builds(Wanted, hashes, st.builds(Parts, st.booleans(), st.booleans()).filter(any)))
def test_wishes_read_back(wanted: Wanted) -> None:
    assert Wanted.from_line(wanted.to_line()) == wanted


def test_wishes_as_others_write_them() -> None:
    assert Wanted.from_line(f"{HASH}".encode()) == Wanted(HASH, Parts(True, False))
    assert Wanted.from_line(f"{HASH} m".encode()) == Wanted(HASH, Parts(False, True))
    assert Wanted.from_line(f"{HASH} md later".encode()) == Wanted(HASH, Parts(True, True))
    assert Wanted.from_line(f"{HASH} x".encode()) == Wanted(HASH, Parts(True, False))


@pytest.mark.parametrize("line", [b"", b"dm", b"\xff dm", b"../x dm"])
def test_no_wishes(line: bytes) -> None:
    with pytest.raises(BadMessage):
        Wanted.from_line(line)


@given(st.integers(0, 999), st.text())
def test_errors_read_back(status: int, text: str) -> None:
    line = ErrorLine(status, text).to_line()
    assert line.isascii() and b"\n" not in line and b"\r" not in line
    read = ErrorLine.from_line(line)
    assert read is not None and read.status == status


def test_errors_as_others_write_them() -> None:
    assert ErrorLine.from_line(b":ERROR: 503 'too many'") == ErrorLine(503, "too many")
    assert ErrorLine.from_line(b":ERROR: 500 b'<html>'") == ErrorLine(500, "<html>")
    assert ErrorLine.from_line(b':ERROR: 0 "it\'s"') == ErrorLine(0, "it's")
    for line in (b"", b":ERROR:", b":ERROR: x 'y'", b":UPDATES: START"):
        assert ErrorLine.from_line(line) is None


names = st.text("abcXYZ-09é\xa0", min_size=1).map(lambda text: "X-" + text)
values = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")).map(
    lambda text: text.strip(" \t\x0b\x0c")
)
paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda text: "/a/c/" + text)
subrequests = st.builds(
    Subrequest, st.sampled_from(["PUT", "POST", "DELETE"]), paths, st.lists(st.tuples(names, values)).map(tuple)
)


def whole(data: bytes) -> Callable[[], bytes]:
    return iter([data, b""]).__next__


def slowly(data: bytes) -> Callable[[], bytes]:
    return iter([bytes([byte]) for byte in data] + [b""]).__next__


FEEDS = {"whole": whole, "byte by byte": slowly}


def receive(read: Callable[[], bytes]) -> tuple[Subrequest, LineReader]:
    lines = LineReader(read)
    first = lines.line()
    assert first is not None
    return Subrequest.receive(first, lines.line), lines


@pytest.mark.parametrize("feed", FEEDS)
@given(subrequest=subrequests, trailing=st.binary(max_size=20))
def test_subrequests_read_back(feed: str, subrequest: Subrequest, trailing: bytes) -> None:
    read, lines = receive(FEEDS[feed](subrequest.to_bytes() + trailing))
    assert read == subrequest
    body = Body(lines, len(trailing))
    buffer = bytearray()
    view = memoryview(bytearray(7))
    while count := body.readinto(view):
        buffer += view[:count]
    assert bytes(buffer) == trailing and body.left == 0


@pytest.mark.parametrize(
    "headers", [(("X-A", "b\r\nX-C: d"),), (("X-A\n", "b"),), (("", "b"),), (("X A", "b"),), (("X-A", "漢"),)]
)
def test_headers_that_no_line_can_carry(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError):
        Subrequest("PUT", "/a/c/o", headers).to_bytes()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /a/c/o\r\n\r\n", b"PUT\r\n\r\n", b"PUT a/c/o\r\n\r\n", b"put /a/c/o\r\n\r\n", b"\xff /a/c/o\r\n\r\n",
        b"PUT /a/c/o\r\nno header\r\n\r\n", b"PUT /a/c/o\r\n: empty\r\n\r\n", b"PUT /a/c/o\r\nX A: b\r\n\r\n",
        b"PUT /a/c/o\r\nX-A: b\r\n", b"PUT /a/c/o\r\n" + b"X-A: b\r\n" * 2000 + b"\r\n", b"SSYNC /a/c/o\r\n\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("feed", FEEDS)
def test_no_subrequests(feed: str, head: bytes) -> None:
    with pytest.raises(BadMessage):
        receive(FEEDS[feed](head))


@pytest.mark.parametrize(
    ("method", "lengths", "length"),
    [("PUT", ["0"], 0), ("PUT", ["17"], 17), ("POST", [], 0), ("POST", ["0"], 0), ("DELETE", [""], 0)],
)
def test_lengths_of_bodies(method: str, lengths: list[str], length: int) -> None:
    headers = tuple(("content-length", text) for text in lengths)
    assert Subrequest(method, "/a/c/o", headers).length == length


@pytest.mark.parametrize(
    ("method", "lengths"),
    [
        ("PUT", []), ("PUT", [""]), ("PUT", ["-1"]), ("PUT", ["x"]), ("PUT", ["٣"]), ("PUT", ["1" * 30]),
        ("PUT", ["1", "1"]), ("POST", ["1"]), ("DELETE", ["1"]),
    ],
)  # fmt: skip
def test_no_lengths_of_bodies(method: str, lengths: list[str]) -> None:
    with pytest.raises(BadMessage):
        assert Subrequest(method, "/a/c/o", tuple(("Content-Length", text) for text in lengths)).length


def lines_of(read: Callable[[], bytes]) -> Iterable[bytes]:
    return list(iter(LineReader(read).line, None))


@pytest.mark.parametrize("feed", FEEDS)
def test_lines(feed: str) -> None:
    assert lines_of(FEEDS[feed](b"one\r\n two \n\r\nthree\r\n")) == [b"one", b"two", b"", b"three"]


@pytest.mark.parametrize("data", [b"no end", b"one\r\nx", b"x" * (LONGEST_LINE + 70000) + b"\r\n"])
def test_lines_that_do_not_end(data: bytes) -> None:
    pieces = [data[start : start + 65536] for start in range(0, len(data), 65536)]
    lines = LineReader(iter([*pieces, b""]).__next__)
    with pytest.raises(BadMessage):
        list(iter(lines.line, None))


def test_what_failed_once_fails_for_ever() -> None:
    class Broken(Exception):
        pass

    def read() -> bytes:
        calls.append(1)
        raise Broken

    calls: list[int] = []
    lines = LineReader(read)
    for _ in range(3):
        with pytest.raises(Broken):
            lines.line()
    assert len(calls) == 1


def test_a_body_that_ends_early() -> None:
    body = Body(LineReader(whole(b"abc")), 5)
    assert not body.drain()
    assert body.left == 2
    assert not Body(LineReader(whole(b"abc")), 5).fill(bytearray(5))


@pytest.mark.parametrize("feed", FEEDS)
def test_a_line_after_a_body(feed: str) -> None:
    lines = LineReader(FEEDS[feed](b"abcdef\r\n"))
    assert Body(lines, 1).drain()
    held = bytearray(2)
    assert Body(lines, 2).fill(held)
    assert held == b"bc"
    assert lines.line() == b"def"
