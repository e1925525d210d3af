"""Responses over a real socket: framing by method, status and version; what an application may get wrong."""

import gc
import logging
import weakref

import pytest

from fakes.http_server import ServerThread, wait_until

NEXT = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"


class ScriptApp:
    """Answers with what the test has put into ``answer``: (status, headers, result)."""

    def __init__(self):
        self.answer = ("200 OK", [], [b"ok"])
        self.closed = 0

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/next":
            start_response("200 OK", [])
            return [b"next"]
        status, headers, result = self.answer
        if callable(result):
            return result(environ, start_response)
        start_response(status, headers)
        return result


@pytest.fixture(scope="module")
def server():
    with ServerThread(ScriptApp()) as server:
        yield server


@pytest.fixture
def ask(server):
    """ask(status, headers, result, method, version, extra request headers) -> (response, connection)"""
    connections = []

    def ask(status="200 OK", headers=(), result=(b"hello",), method="GET", version="1.1", more=""):
        server.app.answer = (status, list(headers), result)
        connections.append(server.connect())
        connections[-1].send(f"{method} / HTTP/{version}\r\nHost: h\r\n{more}\r\n".encode())
        return connections[-1].read_response(method), connections[-1]

    yield ask
    for connection in connections:
        connection.close()


def goes_on(connection):
    """True if the connection carries another request, so that no byte of the last response was left over."""
    connection.send(NEXT)
    return connection.read_response().body == b"next"


class TestFraming:
    @pytest.mark.parametrize("result", [[b"hello"], (b"hel", b"lo"), [b"", b"hello"]])
    def test_lists_get_a_length(self, ask, result):
        response, connection = ask(result=result)
        assert (response.body, response.headers["content-length"]) == (b"hello", "5")
        assert goes_on(connection)

    @pytest.mark.parametrize("result", [[], [b""], iter([]), iter([b""])])
    def test_no_body_has_length_0(self, ask, result):
        response, connection = ask(result=result)
        assert response.headers["content-length"] == "0"
        assert goes_on(connection)

    def test_iterators_are_chunked(self, ask):
        response, connection = ask(result=iter([b"hel", b"", b"lo"]))
        assert (response.body, response.headers["transfer-encoding"]) == (b"hello", "chunked")
        assert "content-length" not in response.headers
        assert goes_on(connection)

    def test_iterators_with_a_length_are_not(self, ask):
        response, connection = ask(headers=[("Content-Length", "5")], result=iter([b"hel", b"lo"]))
        assert response.body == b"hello" and "transfer-encoding" not in response.headers
        assert goes_on(connection)

    @pytest.mark.parametrize("size", [8000, 65536, 1 << 20, 20 << 20])
    @pytest.mark.parametrize("listed", [True, False])
    def test_big_bodies(self, ask, size, listed):
        body = bytes(range(256)) * (size // 256)
        pieces = [body[:size], b"tail"]
        response, connection = ask(result=pieces if listed else iter(pieces))
        assert response.body == body[:size] + b"tail"
        assert goes_on(connection)

    @pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
    @pytest.mark.parametrize("result", [[b"no body may follow"], iter([b"no body may follow"])])
    def test_statuses_without_body(self, ask, status, result):
        response, connection = ask(status, [], result)
        assert "content-length" not in response.headers and "transfer-encoding" not in response.headers
        assert goes_on(connection)

    def test_length_of_a_304_is_that_of_the_representation(self, ask):
        response, connection = ask("304 Not Modified", [("Content-Length", "5")], [])
        assert response.headers["content-length"] == "5"
        assert goes_on(connection)

    @pytest.mark.parametrize("result", [[b"hello"], iter([b"hello"]), []])
    def test_head_keeps_the_length_and_has_no_body(self, ask, result):
        response, connection = ask(headers=[("Content-Length", "5")], result=result, method="HEAD")
        assert response.headers["content-length"] == "5"
        assert goes_on(connection)

    def test_head_without_length(self, ask):
        response, connection = ask(result=iter([b"hello"]), method="HEAD")
        assert "content-length" not in response.headers and "transfer-encoding" not in response.headers
        assert goes_on(connection)

    def test_write_callable(self, ask):
        def app(_environ, start_response):
            write = start_response("200 OK", [])
            write(b"hel")
            return [b"lo"]

        response, connection = ask(result=app)
        assert response.body == b"hello"
        assert goes_on(connection)

    def test_start_response_when_iterated(self, ask):
        def app(_environ, start_response):
            start_response("202 Accepted", [("X-Late", "yes")])
            yield b"hello"

        response, _ = ask(result=app)
        assert (response.status, response.headers["x-late"], response.body) == (202, "yes", b"hello")


class TestPersistence:
    def test_http11_is_kept(self, ask):
        response, connection = ask()
        assert "connection" not in response.headers
        assert goes_on(connection)

    def test_http10_is_not_kept(self, ask):
        response, connection = ask(version="1.0")
        assert response.headers["connection"] == "close"
        assert connection.is_closed()

    def test_http10_keep_alive(self, ask):
        response, connection = ask(version="1.0", more="Connection: Keep-Alive\r\n")
        assert response.headers["connection"] == "keep-alive"
        assert goes_on(connection)

    def test_http10_knows_no_chunks(self, ask):
        response, connection = ask(result=iter([b"hel", b"lo"]), version="1.0", more="Connection: keep-alive\r\n")
        assert response.headers["connection"] == "close" and "transfer-encoding" not in response.headers
        assert response.body == b"hello"
        assert connection.is_closed()

    def test_the_application_may_end_the_connection(self, ask):
        response, connection = ask(headers=[("Connection", "close")])
        assert (response.headers["connection"], response.body) == ("close", b"hello")
        assert connection.is_closed()

    def test_framing_is_not_the_application_s_business(self, ask):
        response, connection = ask(headers=[("Transfer-Encoding", "chunked"), ("Keep-Alive", "x")], result=[b"hello"])
        assert response.body == b"hello" and response.headers["content-length"] == "5"
        assert goes_on(connection)


class TestHeaders:
    def test_date_is_added_once(self, ask):
        assert ask()[0].headers["date"].endswith(" GMT")
        assert ask(headers=[("date", "x")])[0].headers["date"] == "x"

    def test_spelling_and_bytes_are_kept(self, ask):
        response, _ = ask("299 Sp\xe9cial", [("x-oDD-name", "\xc3\xa9"), ("Etag", '"a"')])
        assert (response.status, response.reason) == (299, "Sp\xe9cial")
        assert response.spelling[:2] == ["x-oDD-name", "Etag"]
        assert response.headers["x-odd-name"] == "\xc3\xa9"

    @pytest.mark.parametrize(
        ("status", "header"),
        [
            ("200 OK", ("X", "a\r\nSet-Cookie: b")),
            ("200 OK", ("X", "a\nSet-Cookie: b")),
            ("200 OK", ("X\r\nY", "a")),
            ("200 OK", ("X", "a\0")),
            ("200 OK\r\nX: y", ("X", "a")),
            ("200 OK", ("X", "\u20ac")),
            ("200 OK", ("Content-Length", "5x")),
        ],
    )
    def test_what_cannot_be_sent_is_a_500(self, ask, status, header):
        response, connection = ask(status, [header])
        assert (response.status, response.headers["connection"]) == (500, "close")
        connection.finish_sending()
        assert connection.is_closed()


class TestFailures:
    @pytest.fixture(autouse=True)
    def _quiet(self, caplog):
        caplog.set_level(logging.CRITICAL + 1, "test.http")

    def test_before_the_head(self, ask):
        def app(_environ, _start_response):
            raise RuntimeError("secret detail")

        response, connection = ask(result=app)
        assert (response.status, response.headers["connection"]) == (500, "close")
        assert b"secret" not in response.body
        connection.finish_sending()
        assert connection.is_closed()

    def test_before_the_head_in_the_iterator(self, ask):
        def app(_environ, start_response):
            start_response("200 OK", [])
            raise RuntimeError
            yield b""

        assert ask(result=app)[0].status == 500

    @pytest.mark.parametrize("headers", [[], [("Content-Length", "10")]])
    @pytest.mark.parametrize("raising", [True, False])
    def test_after_the_head_the_client_sees_a_short_body(self, ask, headers, raising):
        def app(_environ, start_response):
            start_response("200 OK", headers)
            yield b"hello"
            if raising:
                raise RuntimeError

        if not headers and not raising:
            return  # That is a whole chunked body.
        response, connection = ask(result=app)
        assert (response.body, response.complete) == (b"hello", False)
        assert connection.is_closed()

    def test_a_body_that_ends_with_the_connection_is_reset(self, server):
        def app(_environ, start_response):
            start_response("200 OK", [])
            yield b"hello"
            raise RuntimeError

        server.app.answer = ("", [], app)
        with server.connect() as wire:
            wire.send(b"GET / HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                while wire.sock.recv(100):
                    pass

    @pytest.mark.parametrize("result", [[b"hello"], iter([b"hello"]), iter([b"hel", b"lo"])])
    def test_fewer_bytes_than_promised(self, ask, result):
        response, connection = ask(headers=[("Content-Length", "6")], result=result)
        assert (response.body, response.complete) == (b"hello", False)
        assert connection.is_closed()

    @pytest.mark.parametrize("result", [[b"hello"], iter([b"hello"]), iter([b"hel", b"lo"])])
    def test_more_bytes_than_promised_are_not_sent(self, ask, result):
        response, connection = ask(headers=[("Content-Length", "4")], result=result)
        assert (response.body, response.complete) == (b"hell", True)
        assert connection.is_closed()

    def test_no_start_response(self, ask):
        assert ask(result=lambda _environ, _start_response: [b"hello"])[0].status == 500

    def test_the_server_goes_on(self, ask):
        self.test_before_the_head(ask)
        assert ask()[0].body == b"hello"

    @pytest.mark.parametrize("pieces", [2, 1000])
    def test_close_is_called_whatever_happens(self, server, pieces):
        closed = []

        class Body:
            def __iter__(self):
                return iter([b"x" * 65536] * pieces)

            def close(self):
                closed.append(True)

        server.app.answer = ("200 OK", [], Body())
        with server.connect() as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            wire.read_head()
        wait_until(lambda: closed, "close()")


def test_finished_connections_leave_nothing_behind(server, ask):
    seen = []

    class Marker:
        pass

    def app(environ, start_response):
        marker = Marker()
        seen.append(weakref.ref(marker))
        environ["marker"] = marker
        start_response("200 OK", [])
        return [b"hello"]

    _, connection = ask(result=app)
    connection.close()
    wait_until(lambda: gc.collect() is not None and seen[0]() is None, "the environ to be freed")
