"""Byte ranges: what is understood, what of it an object can give, and the frame around several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.ranges import ByteRange, MultipartFraming, RangeRequest


def resolve(header: str, total: int) -> list[tuple[int, int]] | None:
    request = RangeRequest.parse(header)
    assert request is not None
    found = request.resolve(total)
    return None if found is None else [(part.start, part.stop) for part in found]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5",
        "bytes=5-3",
        "bytes=a-b",
        "items=0-1",
        "bytes=0-1,",
        "bytes=--1",
    ],
)
def test_nonsense_means_the_whole_object(header: str | None) -> None:
    assert RangeRequest.parse(header) is None


@pytest.mark.parametrize("header", ["bytes=1-2-3", "bytes=0x1-2", "bytes=٣-٤", "bytes=" + "9" * 5000 + "-"])
def test_digits_are_plain_and_bounded(header: str) -> None:
    assert RangeRequest.parse(header) is None


@pytest.mark.parametrize(
    ("header", "total", "expected"),
    [
        ("bytes=0-4", 13, [(0, 5)]),
        ("Bytes = 0-4", 13, [(0, 5)]),
        ("bytes=5-", 13, [(5, 13)]),
        ("bytes=-5", 13, [(8, 13)]),
        ("bytes=-50", 13, [(0, 13)]),
        ("bytes=0-99999999999999999999", 13, [(0, 13)]),
        ("bytes=12-12", 13, [(12, 13)]),
        ("bytes=13-", 13, []),
        ("bytes=-0", 13, []),
        ("bytes=0-1, 3-4 ,-2", 13, [(0, 2), (3, 5), (11, 13)]),
        ("bytes=0-1,50-60", 13, [(0, 2)]),
        ("bytes=-5", 0, None),
        ("bytes=0-", 0, []),
    ],
)
def test_what_an_object_can_give(header: str, total: int, expected: list[tuple[int, int]] | None) -> None:
    assert resolve(header, total) == expected


def many(count: int, step: int = 10) -> str:
    return "bytes=" + ",".join(f"{number * step}-{number * step + 1}" for number in range(count))


def test_asking_for_too_much_at_once_gives_nothing() -> None:
    assert len(resolve(many(50), 1000) or []) == 50
    assert resolve(many(51), 1000) == []
    assert len(resolve("bytes=0-5,3-8,7-9", 1000) or []) == 3
    assert resolve("bytes=0-5,1-5,2-5", 1000) == []
    backwards = [f"{number}-{number}" for number in range(70, 0, -10)]
    assert len(resolve("bytes=" + ",".join(backwards), 1000) or []) == 7
    assert resolve("bytes=" + ",".join([*backwards, "0-0"]), 1000) == []


SPECS = st.one_of(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))),
    st.tuples(st.integers(0, 30), st.none()),
    st.tuples(st.none(), st.integers(0, 30)),
)


@given(st.lists(SPECS, min_size=1, max_size=5), st.integers(0, 25))
def test_ranges_lie_within_the_object(specs: list[tuple[int | None, int | None]], total: int) -> None:
    text = ",".join(f"{'' if first is None else first}-{'' if last is None else last}" for first, last in specs)
    parsed = RangeRequest.parse(f"bytes={text}")
    assert parsed is not None
    assert parsed.specs == tuple(specs)
    for part in parsed.resolve(total) or []:
        assert 0 <= part.start < part.stop <= total


@given(SPECS, st.binary(min_size=1, max_size=25))
def test_one_range_is_a_slice(spec: tuple[int | None, int | None], body: bytes) -> None:
    first, last = spec
    if first is None:
        expected = body[-last:] if last else b""
    else:
        expected = body[first : None if last is None else last + 1]
    found = RangeRequest([spec]).resolve(len(body))
    assert found is not None
    assert b"".join(body[part.start : part.stop] for part in found) == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 20)), min_size=1, max_size=4))
def test_the_length_of_a_multipart_body_is_known_before(pairs: list[tuple[int, int]]) -> None:
    body = bytes(range(65, 85))
    parts = [ByteRange(start, stop) for start, stop in pairs]
    framing = MultipartFraming("b" * 32, "text/plain", len(body))
    sent = b""
    for index, part in enumerate(parts):
        sent += framing.before(part, index == 0) + body[part.start : part.stop]
    sent += framing.end()
    assert len(sent) == framing.content_length(parts)
    assert framing.header == f"multipart/byteranges;boundary={'b' * 32}"
    pieces = sent.split(b"--" + b"b" * 32)
    assert (pieces[0], pieces[-1]) == (b"", b"--")
    for part, piece in zip(parts, pieces[1:-1], strict=True):
        head, _, content = piece.partition(b"\r\n\r\n")
        assert head == b"\r\nContent-Type: text/plain\r\nContent-Range: " + part.content_range(20).encode()
        assert content == body[part.start : part.stop] + b"\r\n"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 20)), min_size=1, max_size=4))
def test_a_multipart_body_can_be_gone_on_with_at_any_byte(pairs: list[tuple[int, int]]) -> None:
    body = bytes(range(65, 85))
    parts = [ByteRange(start, stop) for start, stop in pairs]
    framing = MultipartFraming("b" * 32, "text/plain", len(body))

    def sent(skip: int) -> bytes:
        pieces = list(framing.pieces(parts, skip))
        assert b"" not in pieces
        assert all(piece.length > 0 for piece in pieces if isinstance(piece, ByteRange))
        return b"".join(piece if isinstance(piece, bytes) else body[piece.start : piece.stop] for piece in pieces)

    whole = sent(0)
    assert len(whole) == framing.content_length(parts)
    for skip in range(len(whole) + 1):
        assert sent(skip) == whole[skip:]
