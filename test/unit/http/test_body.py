"""Bodies: every framing, fed whole, byte by byte and with trailing bytes; tables of good chunks and of bad ones."""

import contextlib
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swiftlite.http.body import ChunkedBody, FixedBody, UntilCloseBody
from swiftlite.http.errors import BadBody, StreamClosed, StreamTimeout
from swiftlite.http.stream import Stream

TRAILING = b"GET /next HTTP/1.1\r\n"


class Pipe:
    """A stream and the far end of its socket."""

    def __init__(self):
        near, self.far = socket.socketpair()
        self.stream = Stream(near)

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self.stream.close()
        self.far.close()


def read_all(body, limit=65536):
    parts = []
    while part := body.read_some(limit):
        parts.append(part)
    return b"".join(parts)


def read_into_all(body, size=7):
    buffer, data = bytearray(size), b""
    while count := body.read_into(memoryview(buffer)):
        data += buffer[:count]
    return data


def feed_whole(pipe, data):
    pipe.far.sendall(data)


def feed_from_buffer(pipe, data):
    pipe.stream.buffer += data


def feed_by_byte(pipe, data):
    pipe.far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def feed():
        with contextlib.suppress(OSError):  # A body that is refused half way is not read any further.
            for index in range(len(data)):
                pipe.far.sendall(data[index : index + 1])

    threading.Thread(target=feed, daemon=True).start()


FEEDS = [feed_whole, feed_by_byte, feed_from_buffer]

GOOD_CHUNKS = {
    b"0\r\n\r\n": b"",
    b"5\r\nhello\r\n0\r\n\r\n": b"hello",
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n": b"hello world",
    b"A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n": b"0123456789" * 2,
    b"00005\r\nhello\r\n0\r\n\r\n": b"hello",
    b'5;name=value;other="x y"\r\nhello\r\n0;last\r\n\r\n': b"hello",
    b"5\r\n\r\n\r\n\r\r\n0\r\n\r\n": b"\r\n\r\n\r",
    b"2\r\n0\r\r\n0\r\n\r\n": b"0\r",
    b"0\r\nTrailer: x\r\nOther:\r\n\r\n": b"",
}

BAD_CHUNKS = [
    b"\r\n",
    b"x\r\n",
    b"-5\r\nhello\r\n",
    b"+5\r\nhello\r\n",
    b"0x5\r\nhello\r\n",
    b" 5\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b"5\t;a\r\nhello\r\n",
    b"5\nhello\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhelloX\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"4\r\nhello\r\n0\r\n\r\n",
    b"1_0\r\n",
    b"\xd9\xa1\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"5;a\x00\r\nhello\r\n",
    b"5;a\rb\r\nhello\r\n",
    b"5;" + b"x" * 2000 + b"\r\n",
    b"5" * 2000,
    b"0\r\nTrailer : x\r\n\r\n",
    b"0\r\n folded\r\n\r\n",
    b"0\r\nno colon\r\n\r\n",
    b"0\r\nA: b\n\r\n",
    b"0\r\nA: \x00\r\n\r\n",
    b"0\r\n\n",
    b"0\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
]


@pytest.mark.parametrize("feed", FEEDS)
class TestGoodBodies:
    @pytest.mark.parametrize(("wire", "data"), GOOD_CHUNKS.items())
    @pytest.mark.parametrize("limit", [65536, 3, 1])
    def test_chunked(self, feed, wire, data, limit):
        with Pipe() as pipe:
            body = ChunkedBody(pipe.stream, 10)
            feed(pipe, wire + TRAILING)
            assert read_all(body, limit) == data
            assert body.done and body.read_some(9) == b""
            self.check_trailing(pipe)

    def test_fixed(self, feed):
        with Pipe() as pipe:
            body = FixedBody(pipe.stream, 11, 10)
            feed(pipe, b"hello world" + TRAILING)
            assert read_all(body, 4) == b"hello world"
            assert body.done
            self.check_trailing(pipe)

    def test_into_a_buffer(self, feed):
        with Pipe() as pipe:
            feed(pipe, b"hello world" + b"c\r\nhello world,\r\n0\r\n\r\n" + TRAILING)
            assert read_into_all(FixedBody(pipe.stream, 11, 10)) == b"hello world"
            assert read_into_all(ChunkedBody(pipe.stream, 10)) == b"hello world,"
            self.check_trailing(pipe)

    @staticmethod
    def check_trailing(pipe):
        """What follows the body is still there for the next request."""
        while len(pipe.stream.buffer) < len(TRAILING):
            pipe.stream.fill(10)
        assert pipe.stream.buffer == TRAILING


TRAILERS = {
    b"": [],
    b"A: b\r\n": [("A", "b")],
    b"a:b\r\nX-Empty:\r\nX-Odd: \t a: b \xe9 \r\n": [("a", "b"), ("X-Empty", ""), ("X-Odd", "a: b \xe9")],
    b"A: 1\r\nB: 2\r\nA: 3\r\n": [("A", "1"), ("B", "2"), ("A", "3")],
    b"A: " + b"b" * 8188 + b"\r\n": [("A", "b" * 8188)],
}


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("size", [3, 20_000])
@pytest.mark.parametrize(("wire", "trailers"), TRAILERS.items())
def test_trailers(feed, size, wire, trailers):
    with Pipe() as pipe:
        body = ChunkedBody(pipe.stream, 10)
        feed(pipe, b"%x\r\n%b\r\n0\r\n%b\r\n" % (size, b"x" * size, wire) + TRAILING)
        assert read_all(body) == b"x" * size
        assert body.trailers.items() == trailers
        TestGoodBodies.check_trailing(pipe)


def test_no_trailers_before_the_end():
    with Pipe() as pipe:
        body = ChunkedBody(pipe.stream, 10)
        pipe.far.sendall(b"5\r\nhello\r\n0\r\nA: b\r\n\r\n")
        assert body.read_some(5) == b"hello"
        assert not body.trailers
        assert body.read_some(5) == b"" and body.trailers["a"] == "b"


@pytest.mark.parametrize("end", [b"0\r\nA: " + b"b" * 8190 + b"\r\n\r\n", b"0\r\nA: b\r\nno colon\r\n\r\n"])
def test_trailers_that_are_refused_are_not_seen(end):
    with Pipe() as pipe:
        body = ChunkedBody(pipe.stream, 10)
        pipe.far.sendall(end)
        with pytest.raises(BadBody):
            read_all(body)
        assert not body.trailers


def test_after_a_big_chunk_nothing_of_the_next_is_copied_through_the_buffer():
    chunk = b"x" * 40_000
    with Pipe() as pipe:
        body = ChunkedBody(pipe.stream, 10)
        feed_by_chunk = threading.Thread(target=pipe.far.sendall, args=(b"9c40\r\n%b\r\n" % chunk * 4 + b"0\r\n\r\n",))
        feed_by_chunk.start()
        left = []
        while body.read_some(len(chunk)):
            left.append(len(pipe.stream.buffer))
        feed_by_chunk.join()
        assert left[-1] == 0 and sum(left[len(left) // 2 :]) == 0


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("wire", BAD_CHUNKS)
def test_bad_chunks(feed, wire):
    with Pipe() as pipe:
        body = ChunkedBody(pipe.stream, 10)
        feed(pipe, wire)
        with pytest.raises(BadBody):
            read_all(body)
        assert not body.done


class TestEnds:
    @pytest.mark.parametrize(
        "wire", [b"", b"5", b"5\r\n", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"0\r\n", b"0\r\nA"]
    )
    def test_chunked_body_cut_short(self, wire):
        with Pipe() as pipe:
            pipe.far.sendall(wire)
            pipe.far.close()
            body = ChunkedBody(pipe.stream, 10)
            with pytest.raises(StreamClosed):
                read_all(body)
            assert not body.done

    def test_fixed_body_cut_short(self):
        with Pipe() as pipe:
            pipe.far.sendall(b"hel")
            pipe.far.close()
            body = FixedBody(pipe.stream, 5, 10)
            assert body.read_some(5) == b"hel"
            with pytest.raises(StreamClosed):
                body.read_some(5)

    def test_body_until_close(self):
        with Pipe() as pipe:
            pipe.far.sendall(b"hello")
            pipe.far.close()
            body = UntilCloseBody(pipe.stream, 10)
            assert read_into_all(body) == b"hello" and body.done

    def test_silence(self):
        with Pipe() as pipe:
            for body in (FixedBody(pipe.stream, 5, 0.01), ChunkedBody(pipe.stream, 0.01)):
                with pytest.raises(StreamTimeout):
                    body.read_some(5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(1, 30), max_size=30))
def test_any_chunks_in_any_packets_are_the_same_body(chunks, cuts):
    wire = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n" + TRAILING
    with Pipe() as pipe:
        body, data, at = ChunkedBody(pipe.stream, 10), b"", 0
        for cut in [*cuts, len(wire)]:
            pipe.far.sendall(wire[at : at + cut])
            at += cut
        data = read_all(body, 16)
        assert data == b"".join(chunks)


class TestWhatHasArrived:
    def test_the_end_of_a_chunk_is_nothing_new(self):
        with Pipe() as pipe:
            body = ChunkedBody(pipe.stream, 5.0)
            assert not body.has_arrived()
            pipe.far.sendall(b"3\r\nabc\r")
            assert body.has_arrived()
            assert body.read_some(10) == b"abc"
            assert not body.has_arrived()
            assert not body.has_arrived()
            pipe.far.sendall(b"\n")
            assert not body.has_arrived()
            pipe.far.sendall(b"2\r\nde\r\n")
            assert body.has_arrived()
            assert body.read_some(1) == b"d"
            assert body.has_arrived()
            assert body.read_some(1) == b"e"
            assert not body.has_arrived()
            pipe.far.sendall(b"0\r\n\r\n")
            assert body.has_arrived()
            assert body.read_some(1) == b""
            assert body.done

    def test_the_end_of_the_connection(self):
        with Pipe() as pipe:
            body = ChunkedBody(pipe.stream, 5.0)
            pipe.far.sendall(b"3\r\nabc\r\n")
            assert body.read_some(3) == b"abc"
            pipe.far.close()
            assert body.has_arrived()
            with pytest.raises(StreamClosed):
                body.read_some(1)

    def test_no_line_end(self):
        with Pipe() as pipe:
            body = ChunkedBody(pipe.stream, 5.0)
            pipe.far.sendall(b"3\r\nabcxx")
            assert body.read_some(3) == b"abc"
            with pytest.raises(BadBody):
                body.has_arrived()
