"""Requests over a real socket: framing, pipelining, refusals, 100 Continue, slow and vanishing clients."""

import threading

import pytest

from fakes.http_requests import GOOD, NEXT, SMUGGLED
from fakes.http_server import EchoApp, RawConnection, ServerThread, wait_until
from swiftlite.http.errors import BadBody, ClientDisconnected, ClientTimeout


@pytest.fixture(scope="module")
def echo():
    app = EchoApp()
    with ServerThread(app) as server:
        server.app = app
        yield server


@pytest.fixture
def app(echo):
    echo.app.requests.clear()
    echo.app.failures.clear()
    return echo.app


@pytest.fixture
def wire(echo):
    with echo.connect() as connection:
        yield connection


@pytest.mark.parametrize("send", [RawConnection.send, RawConnection.send_slowly])
@pytest.mark.parametrize(("request_bytes", "body"), GOOD.values(), ids=GOOD)
class TestGoodRequests:
    def test_followed_by_silence(self, app, wire, send, request_bytes, body):
        send(wire, request_bytes)
        response = wire.read_response()
        assert (response.status, response.json["body"], response.json["PATH_INFO"]) == (200, body, "/a")
        assert wire.is_open()
        wire.send(NEXT)
        assert wire.read_response().json["PATH_INFO"] == "/next"

    def test_followed_by_the_next_request(self, app, wire, send, request_bytes, body):
        send(wire, request_bytes + NEXT)
        assert wire.read_response().json["body"] == body
        assert wire.read_response().json["PATH_INFO"] == "/next"


class TestPipelining:
    def test_many_requests_are_answered_in_order(self, app, wire):
        paths = [f"/{number}" for number in range(200)]
        wire.send(
            b"".join(f"PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz".encode() for path in paths)
        )
        assert [wire.read_response().json["PATH_INFO"] for _ in paths] == paths

    def test_nothing_is_served_after_close(self, app, wire):
        wire.send(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + NEXT)
        assert wire.read_response().headers["connection"] == "close"
        assert wire.is_closed()
        assert app.paths == ["/a"]

    def test_half_closed_clients_get_their_answers(self, app, wire):
        wire.send(NEXT + NEXT)
        wire.finish_sending()
        assert [wire.read_response().status, wire.read_response().status] == [200, 200]
        assert wire.is_closed()


class TestEnviron:
    def test_keys(self, echo, app, wire):
        wire.send(
            b"PUT /%C3%A9%2F?q=%20 HTTP/1.1\r\nHost: h:1\r\nX-Foo: \xc3\xa9\r\nContent-Type: t\r\nContent-Length: 1\r\n\r\nx"
        )
        seen = wire.read_response().json
        client = wire.sock.getsockname()
        expected = {
            "REQUEST_METHOD": "PUT",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/\xc3\xa9/",
            "RAW_PATH_INFO": "/%C3%A9%2F",
            "QUERY_STRING": "q=%20",
            "CONTENT_TYPE": "t",
            "CONTENT_LENGTH": "1",
            "HTTP_HOST": "h:1",
            "HTTP_X_FOO": "\xc3\xa9",
            "REMOTE_ADDR": client[0],
            "REMOTE_PORT": str(client[1]),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(echo.address[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
        }
        assert expected.items() <= seen.items()

    def test_one_request_leaves_nothing_for_the_next(self, app, wire):
        wire.send(b"GET /a HTTP/1.1\r\nHost: h\r\nX-Auth-Token: secret\r\n\r\n" + NEXT)
        assert wire.read_response().json["HTTP_X_AUTH_TOKEN"] == "secret"
        assert "HTTP_X_AUTH_TOKEN" not in wire.read_response().json


BAD = {
    "length and coding": b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 34\r\n\r\n",
    "the same length twice": b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "negative length": b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
    "bare LF": b"GET /a HTTP/1.1\nHost: h\n\n",
    "bare LF within": b"GET /a HTTP/1.1\r\nHost: h\r\nA: b\nContent-Length: 34\r\n\r\n",
    "bare CR": b"GET /a HTTP/1.1\r\nHost: h\r\nA: b\rContent-Length: 34\r\n\r\n",
    "folded header": b"GET /a HTTP/1.1\r\nHost: h\r\nA: b\r\n Content-Length: 34\r\n\r\n",
    "NUL": b"GET /a HTTP/1.1\r\nHost: h\r\nA: \x00\r\n\r\n",
    "space before colon": b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length : 34\r\n\r\n",
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
    "only empty lines": b"\r\n" * 20,
    "too many headers": b"GET /a HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 127 + b"\r\n",
    "huge header": b"GET /a HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 9000 + b"\r\n\r\n",
    "huge header without end": b"GET /a HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 100000,
}


@pytest.mark.parametrize("send", [RawConnection.send, RawConnection.send_slowly])
@pytest.mark.parametrize("head", BAD.values(), ids=BAD)
def test_bad_requests_are_refused_and_the_connection_closed(app, wire, send, head):
    send(wire, head + SMUGGLED if len(head) < 1000 else head)
    response = wire.read_response()
    assert response.status == 400
    assert response.body
    assert response.headers["connection"] == "close"
    wire.finish_sending()
    assert wire.is_closed()
    assert app.requests == []


class TestRefusals:
    def test_long_request_line(self, app, wire):
        wire.send(b"GET /" + b"x" * 8200 + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        assert wire.read_response().status == 414

    def test_long_request_line_without_end(self, app, wire):
        wire.send(b"GET /" + b"x" * 20000)
        assert wire.read_response().status == 414

    def test_unknown_transfer_coding(self, app, wire):
        wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n" + SMUGGLED)
        assert wire.read_response().status == 501
        wire.finish_sending()
        assert wire.is_closed() and app.requests == []

    def test_other_version(self, app, wire):
        wire.send(b"GET / HTTP/2.0\r\nHost: h\r\n\r\n")
        assert wire.read_response().status == 505

    def test_the_refusal_reaches_a_client_that_is_still_sending(self, app, wire):
        wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" + b"x" * 4_000_000)
        assert wire.read_response().status == 400


BAD_BODIES = {
    "bad size": b"x\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": b"4\r\nhello\r\n0\r\n\r\n",
    "bare LF": b"5\nhello\n0\n\n",
    "bad extension": b"5;\x00\r\nhello\r\n0\r\n\r\n",
    "bad trailer": b"0\r\nA : b\r\n\r\n",
    "huge size": b"fffffffffffffffff\r\n",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_chunks_fail_in_the_application_and_end_the_connection(app, wire, body):
    wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)
    response = wire.read_response()
    assert (response.status, response.headers["connection"]) == (400, "close")
    wire.finish_sending()
    assert wire.is_closed()
    assert app.paths == ["/a"]
    assert isinstance(app.failures[0], BadBody)


class TestVanishingClients:
    @pytest.mark.parametrize(
        "start",
        [
            b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello",
            b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        ],
    )
    def test_mid_body(self, app, wire, start):
        wire.send(start)
        wire.finish_sending()
        assert wire.read_response().status == 499
        assert isinstance(app.failures[0], ClientDisconnected)
        assert wire.is_closed()

    @pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\n"])
    def test_mid_head(self, app, wire, start):
        wire.send(start)
        wire.finish_sending()
        assert wire.is_closed()
        assert app.requests == []

    def test_before_the_response(self, echo, app):
        for _ in range(20):
            with echo.connect() as gone:
                gone.send(NEXT)
        with echo.connect() as last:  # it is accepted after them
            last.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            assert last.read_response().status == 200
        wait_until(lambda: not echo.server.connections, "the connections to end")


class TestSlowClients:
    @staticmethod
    def impatient(first):
        """A server that soon gives up a client whose first bytes were there before it was."""
        return ServerThread(EchoApp(), first=first, client_timeout=0.2)

    def test_slow_head(self):
        with self.impatient(b"GET / HTTP/1.1\r\nHost:") as server, server.first_client as wire:
            assert wire.read_response().status == 408
            assert wire.is_closed()

    def test_a_head_that_trickles_in_is_slow_too(self):
        with self.impatient(b"GET / HTTP/1.1\r\n") as server, server.first_client as wire:
            while wire.is_open():
                wire.send(b"A: b\r\n")
            assert wire.read_response().status in (400, 408)

    @pytest.mark.parametrize(
        "framing", [b"Content-Length: 10\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    )
    def test_slow_body(self, framing):
        first = b"PUT /a HTTP/1.1\r\nHost: h\r\n" + framing
        with self.impatient(first) as server, server.first_client as wire:
            assert wire.read_response().status == 408
            assert isinstance(server.app.failures[0], ClientTimeout)
            assert wire.is_closed()

    @pytest.mark.parametrize(("first", "count"), [(b"", 0), (NEXT, 1)], ids=["fresh", "used"])
    def test_silent_connections_are_closed_without_a_word(self, first, count):
        with self.impatient(first) as server, server.first_client as wire:
            assert [wire.read_response().status for _ in range(count)] == [200] * count
            assert wire.is_closed()

    def test_keepalive_timeout_is_apart_from_client_timeout(self):
        with ServerThread(EchoApp(), client_timeout=60, keepalive_timeout=0.1) as server, server.connect() as wire:
            wire.send(NEXT)
            assert wire.read_response().status == 200
            assert wire.is_closed()

    def test_client_that_does_not_read(self):
        asked = []

        def app(_environ, start_response):
            asked.append(True)
            start_response("200 OK", [])
            return (b"x" * 65536 for _ in range(10000))

        with ServerThread(app, first=NEXT, client_timeout=0.2) as server, server.first_client as wire:
            wait_until(lambda: asked, "the request")
            wait_until(lambda: not server.server.connections, "the server to give up")
            assert not wire.read_response().complete


class TestContinue:
    HEAD = b"PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"

    def test_reading_asks_for_the_body(self, app, wire):
        wire.send(self.HEAD + b"Content-Length: 5\r\n\r\n")
        assert wire.read_head().status == 100
        wire.send(b"hello")
        response = wire.read_response()
        assert (response.status, response.json["body"]) == (200, "hello")
        wire.send(NEXT)
        assert wire.read_response().status == 200

    def test_chunked(self, app, wire):
        wire.send(self.HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        assert wire.read_head().status == 100
        wire.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert wire.read_response().json["body"] == "hello"

    def test_no_body_no_continue(self, app, wire):
        wire.send(self.HEAD + b"Content-Length: 0\r\n\r\n")
        assert wire.read_head().status == 200

    def test_early_answer_instead_of_continue_ends_the_connection(self):
        def refuse(_environ, start_response):
            start_response("507 Insufficient Storage", [])
            return [b"full"]

        with ServerThread(refuse) as server, server.connect() as wire:
            wire.send(self.HEAD + b"Content-Length: 5\r\n\r\n")
            response = wire.read_response()
            assert (response.status, response.interim, response.headers["connection"]) == (507, [], "close")
            wire.finish_sending()
            assert wire.is_closed()

    def test_no_continue_once_the_response_has_begun(self):
        def answer_then_read(environ, start_response):
            start_response("200 OK", [])
            yield b"first "
            yield environ["wsgi.input"].read()

        with ServerThread(answer_then_read) as server, server.connect() as wire:
            wire.send(self.HEAD + b"Content-Length: 5\r\n\r\nhello")
            assert wire.read_response().body == b"first hello"

    def test_headers_on_the_first_continue_and_a_second_chunked_stream(self):
        def two_phases(environ, start_response):
            source = environ["wsgi.input"]
            source.set_hundred_continue_response_headers([("x-obj-metadata-footer", "yes")])
            document = source.read()
            source.send_hundred_continue_response()
            commit = source.read()
            start_response("201 Created", [])
            return [document + b"|" + commit]

        with ServerThread(two_phases) as server, server.connect() as wire:
            wire.send(self.HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            first = wire.read_head()
            assert (first.status, first.headers) == (100, {"x-obj-metadata-footer": "yes"})
            assert first.spelling == ["X-Obj-Metadata-Footer"]
            wire.send(b"3\r\ndoc\r\n0\r\n\r\n")
            second = wire.read_head()
            assert (second.status, second.headers) == (100, {})
            wire.send(b"6\r\ncommit\r\n0\r\n\r\n" + NEXT.replace(b"GET", b"HEAD"))
            assert wire.read_response().body == b"doc|commit"


class TestInput:
    """The ways to read ``wsgi.input``, each over both framings, with the next request behind it."""

    BODY = b"one\ntwo\nthree"

    @pytest.mark.parametrize(
        ("read", "expected"),
        [
            (lambda source: [source.read()], [BODY]),
            (lambda source: [source.read(None)], [BODY]),
            (lambda source: [source.read(5), source.read(0), source.read(100), source.read(1)], [b"one\nt", b"", b"wo\nthree", b""]),
            (lambda source: source.readlines(), [b"one\n", b"two\n", b"three"]),
            (lambda source: [source.readline(), source.readline(2), source.read()], [b"one\n", b"tw", b"o\nthree"]),
            (lambda source: [source.readline(100), source.read1(2), source.readline(), source.readline(), source.readline()],
             [b"one\n", b"tw", b"o\n", b"three", b""]),
            (lambda source: [b"".join(source)], [BODY]),
            (lambda source: [], []),
            (lambda source: [source.read(4)], [b"one\n"]),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("chunked", [False, True])
    def test_reading(self, read, expected, chunked):
        results = []

        def app(environ, start_response):
            if environ["PATH_INFO"] == "/a":
                results.append(read(environ["wsgi.input"]))
            start_response("200 OK", [])
            return []

        framing = b"Content-Length: 13\r\n\r\n" + self.BODY
        if chunked:
            framing = b"Transfer-Encoding: chunked\r\n\r\n6\r\none\ntw\r\n7\r\no\nthree\r\n0\r\n\r\n"
        with ServerThread(app) as server, server.connect() as wire:
            wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\n" + framing + NEXT)
            first = wire.read_response()
            assert first.status == 200
            is_left_chunked = chunked and len(b"".join(expected)) < len(self.BODY)
            assert ("connection" in first.headers) == is_left_chunked
            assert is_left_chunked or wire.read_response().status == 200
        assert results == [expected]

    @pytest.mark.parametrize("patience", [0.0, 0.05, 60.0])
    def test_what_comes_slowly_is_handed_on(self, patience):
        pieces, took = [], threading.Semaphore(0)

        def app(environ, start_response):
            source = environ["wsgi.input"]
            while piece := source.read_soon(8, patience):
                pieces.append(piece)
                took.release()
            start_response("200 OK", [])
            return []

        with ServerThread(app) as server, server.connect() as wire:
            wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 13\r\n\r\n")
            for start in range(0, 13, 3):
                wire.send(self.BODY[start : start + 3])
                if patience < 1:
                    assert took.acquire(timeout=60)
            assert wire.read_response().status == 200
        assert b"".join(pieces) == self.BODY
        assert [len(piece) for piece in pieces] == ([8, 5] if patience > 1 else [3, 3, 3, 3, 1])

    def test_into_a_buffer(self):
        def app(environ, start_response):
            buffer, parts = bytearray(7), []
            while count := environ["wsgi.input"].readinto(buffer):
                parts.append(bytes(buffer[:count]))
            start_response("200 OK", [])
            return [b"".join(parts)]

        with ServerThread(app) as server, server.connect() as wire:
            wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 13\r\n\r\n" + self.BODY)
            assert wire.read_response().body == self.BODY


class TestUnreadBodies:
    @staticmethod
    def ignore(_environ, start_response):
        start_response("200 OK", [])
        return [b"ignored"]

    @pytest.mark.parametrize("framing", [b"Content-Length: 60000\r\n\r\n" + b"x" * 60000])
    def test_small_ones_are_read_away(self, framing):
        with ServerThread(self.ignore) as server, server.connect() as wire:
            wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\n" + framing + NEXT)
            assert "connection" not in wire.read_response().headers
            assert wire.read_response().body == b"ignored"

    @pytest.mark.parametrize(
        "framing",
        [
            b"Content-Length: 70000\r\n\r\n" + b"x" * 70000,
            b"Transfer-Encoding: chunked\r\n\r\n20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n",
        ],
    )
    def test_after_others_the_connection_ends_as_the_answer_says(self, framing):
        with ServerThread(self.ignore) as server, server.connect() as wire:
            wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\n" + framing + SMUGGLED)
            response = wire.read_response()
            assert (response.body, response.headers["connection"]) == (b"ignored", "close")
            wire.finish_sending()
            assert wire.is_closed()
