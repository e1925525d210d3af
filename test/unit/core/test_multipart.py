"""Multipart bodies, fed whole, byte by byte and with trailing bytes; nothing of them piles up."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.multipart import CHUNK, MAX_HEAD, MultipartError, MultipartReader

BOUNDARY = b"xYzZy"
Part = tuple[dict[str, str], bytes]


def one_by_one(body: bytes) -> Callable[[int], bytes]:
    source = io.BytesIO(body)
    return lambda size: source.read(min(size, 1))


WAYS: dict[str, Callable[[bytes], Callable[[int], bytes]]] = {
    "whole": lambda body: io.BytesIO(body).read,
    "byte by byte": one_by_one,
    "trailing bytes": lambda body: io.BytesIO(body + b"\r\n--xYzZy\r\n\r\nmore").read,
}


def part(head: bytes, content: bytes) -> bytes:
    return b"--xYzZy\r\n" + head + b"\r\n" + content + b"\r\n"


def parts_of(read: Callable[[int], bytes], size: int = CHUNK) -> list[Part]:
    reader, found = MultipartReader(read, BOUNDARY), []
    while (headers := reader.next_part()) is not None:
        found.append((headers, b"".join(iter(lambda: reader.read(size), b""))))
    return found


GOOD: dict[bytes, list[Part]] = {
    part(b"A: b\r\n", b"c"): [({"a": "b"}, b"c")],
    b"\r\n\r\n" + part(b"", b""): [({}, b"")],
    part(b"A: b\r\n", b"") + part(b"C:d \r\n", b"\r\n"): [({"a": "b"}, b""), ({"c": "d"}, b"\r\n")],
    part(b"", b"\r\n--xYzZ\r\n--\r\n-"): [({}, b"\r\n--xYzZ\r\n--\r\n-")],
    part(b"A: \xc3\xa9\r\nB: \xe9\r\nA: 2\r\n", b"\r\r\n--xYz"): [({"a": "é", "b": "é"}, b"\r\r\n--xYz")],
    part(b"", b"a").replace(b"xYzZy\r\n", b"xYzZy \t\r\n"): [({}, b"a")],
}
BAD = {
    b"": "invalid starting boundary",
    b"preamble\r\n" + part(b"", b"a"): "invalid starting boundary",
    b"--xYzZ\r\n": "invalid starting boundary",
    b"--xYzZyy\r\n\r\n": "invalid starting boundary",
    b"--xYzZy--": "invalid starting boundary",
    b"\r\n" * 100 + part(b"", b"a"): "invalid starting boundary",
    part(b"", b"a"): "the body ends before its last boundary",
    part(b"A: b\r\n", b"a")[:-9]: "the body ends before its last boundary",
    part(b"", b"a") + b"--xYzZyy--": "a boundary is followed by something else",
    part(b"", b"a") + b"--xYzZy" + b" " * 200 + b"\r\n": "a boundary is followed by something else",
    part(b"A" * MAX_HEAD + b": b\r\n", b""): "the headers of a part are too long",
    part(b"A: b\r\n--xYzZy\r\n", b""): "a part has no content",
    part(b"A\r\n", b""): "a part has a malformed header",
    part(b"A : b\r\n", b""): "a part has a malformed header",
    part(b"A: b\r\n c\r\n", b""): "a part has a malformed header",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("body", GOOD)
def test_good_ones(body: bytes, way: str) -> None:
    assert parts_of(WAYS[way](body + b"--xYzZy--")) == GOOD[body]


@pytest.mark.parametrize("way", ["whole", "byte by byte"])
@pytest.mark.parametrize("body", BAD)
def test_bad_ones(body: bytes, way: str) -> None:
    with pytest.raises(MultipartError, match=BAD[body]):
        parts_of(WAYS[way](body))


@pytest.mark.parametrize("boundary", [b"", b"x" * 257])
def test_a_boundary_has_a_length(boundary: bytes) -> None:
    with pytest.raises(MultipartError):
        MultipartReader(io.BytesIO().read, boundary)


contents = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--xYzZy"[:5], b"xYzZy", b"a"]), max_size=12).map(b"".join)


@given(
    st.lists(contents.filter(lambda one: b"--xYzZy" not in one), min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_parts_come_back_however_they_are_cut(given: list[bytes], read: int, size: int) -> None:
    body = b"".join(part(b"", one) for one in given) + b"--xYzZy--"
    source = io.BytesIO(body)
    assert [content for _, content in parts_of(lambda _: source.read(read), size)] == given


@given(st.binary(max_size=60), st.integers(1, 7))
def test_anything_else_is_an_error_and_the_same_however_it_is_cut(tail: bytes, read: int) -> None:
    body = b"--xYzZy\r\n\r\n" + tail

    def outcome(size: int) -> object:
        source = io.BytesIO(body)
        try:
            return parts_of(lambda _: source.read(size))
        except MultipartError as error:
            return str(error)

    assert outcome(read) == outcome(len(body))


def test_a_part_that_nobody_reads_is_skipped() -> None:
    reader = MultipartReader(
        io.BytesIO(part(b"", b"a" * 200000) + part(b"A: b\r\n", b"") + b"--xYzZy--").read, BOUNDARY
    )
    assert [reader.next_part(), reader.next_part(), reader.next_part()] == [{}, {"a": "b"}, None]


@pytest.mark.parametrize("endless", [b"\r\n--xYzZ", b"a", b"\r\n", b"--xYzZ"])
def test_an_endless_part_is_never_kept(endless: bytes) -> None:
    """Nor is more of it asked for than somebody wants to have."""
    asked = 0

    def read(size: int) -> bytes:
        nonlocal asked
        asked += 1
        return b"--xYzZy\r\n\r\n" if asked == 1 else (endless * size)[:size]

    reader = MultipartReader(read, BOUNDARY)
    assert reader.next_part() == {}
    for count in range(1, 50):
        assert 0 < len(reader.read(CHUNK)) <= CHUNK
        assert asked <= count + 2
        assert len(reader._buffer) <= CHUNK + 64


def test_an_endless_head_ends() -> None:
    source = iter([b"--xYzZy\r\n"])
    with pytest.raises(MultipartError, match="too long"):
        MultipartReader(lambda size: next(source, b"A: b\r\n"), BOUNDARY).next_part()
