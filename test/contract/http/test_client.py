"""The client against servers that answer well, badly, late, or not at all."""

import errno
import gc
import json
import os
import socket
import threading

import pytest

from fakes.http_server import EchoApp, ServerThread
from fakes.scripted_server import OK, ScriptedServer, answering, answering_for_ever
from swiftlite.common.concurrency import GreenPool
from swiftlite.http.client import Client
from swiftlite.http.errors import (
    BackendError,
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    NodeTimeout,
    PeerClosed,
    ShortBody,
)
from swiftlite.http.exchange import wait_any
from swiftlite.http.reply import Asked, format_request


@pytest.fixture
def client():
    client = Client(conn_timeout=60, node_timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="module")
def echo():
    with ServerThread(EchoApp()) as server:
        yield server


class TestAgainstOurServer:
    @pytest.mark.parametrize("size", [0, 1, 5000, 20000, 5_000_000])
    @pytest.mark.parametrize("method", ["PUT", "POST", "REPLICATE"])
    def test_request_with_body(self, client, echo, method, size):
        body = bytes(range(32, 127)) * (size // 95 + 1)
        body = body[:size]
        response = client.request(echo.address, method, "/a%20b?c=d", {"X-Foo": "\xc3\xa9"}, body)
        assert (response.status, response.reason) == (200, "OK")
        assert response.headers["content-type"] == "application/json"
        seen = json.loads(response.read())
        assert (seen["body"].encode(), seen["PATH_INFO"], seen["QUERY_STRING"]) == (body, "/a b", "c=d")
        assert seen["HTTP_X_FOO"] == "\xc3\xa9"
        assert seen["HTTP_HOST"] == f"127.0.0.1:{echo.address[1]}"

    def test_head(self, client, echo):
        response = client.request(echo.address, "HEAD", "/", {})
        assert int(response.headers["content-length"]) > 0
        assert response.read() == b""

    def test_connections_are_used_again(self, client, echo):
        ports = {client.request(echo.address, "HEAD", "/", {}).status for _ in range(5)}
        assert ports == {200}
        ports = {json.loads(client.request(echo.address, "GET", "/", {}).read())["REMOTE_PORT"] for _ in range(5)}
        assert len(ports) == 1

    def test_concurrent_requests_never_share_a_connection(self, client, echo):
        def ask(number):
            body = f"<{number}>".encode() * 1000
            return f"<{number}>" * 1000 in client.request(echo.address, "PUT", "/", {}, body).read().decode()

        pool = GreenPool(20)
        assert all(pool.imap(ask, range(200)))

    def test_unfinished_responses_do_not_return_to_the_pool(self, client, echo):
        first = client.request(echo.address, "PUT", "/", {}, b"x" * 300_000)
        assert len(first.read(10)) == 10
        second = client.request(echo.address, "GET", "/", {})
        assert b"REMOTE_PORT" in second.read()
        first.close()
        assert first.read() == b""
        assert b"REMOTE_PORT" in client.request(echo.address, "GET", "/", {}).read()

    def test_drain_saves_the_connection(self, client, echo):
        response = client.request(echo.address, "GET", "/", {})
        response.drain()
        assert len(client._idle[echo.address]) == 1

    def test_drain_gives_a_long_body_up(self, client, echo):
        client.request(echo.address, "PUT", "/", {}, b"x" * 300_000).drain(1000)
        assert not client._idle.get(echo.address)

    def test_into_a_buffer(self, client, echo):
        response = client.request(echo.address, "PUT", "/", {}, b"x" * 1000)
        wanted = int(response.headers["content-length"])
        buffer, got = bytearray(700), b""
        while count := response.readinto(buffer):
            got += buffer[:count]
        assert len(got) == wanted and b"x" * 1000 in got

    def test_dropped_responses_close_their_connection(self, client):
        ended = threading.Event()

        def script(peer):
            peer.read_head()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
            peer.wait_for_end()
            ended.set()

        with ScriptedServer(script) as server:
            response = client.request(server.address, "GET", "/", {})
            del response
            gc.collect()
            assert ended.wait(60)


class TestUploads:
    def test_length_and_continue(self, client, echo):
        upload = client.open(echo.address, "PUT", "/a", {"Content-Length": "10", "Expect": "100-continue"})
        assert upload.expect_continue() is None
        upload.send(b"hello")
        upload.send(bytearray(b"world"))
        response = upload.response()
        assert b'"helloworld"' in response.read()
        assert len(client._idle[echo.address]) == 1

    @pytest.mark.parametrize("expect", [True, False])
    def test_chunks(self, client, echo, expect):
        upload = client.open(echo.address, "PUT", "/a", {"Expect": "100-continue"} if expect else {})
        if expect:
            assert upload.expect_continue() is None
        for piece in (b"hello", b"", memoryview(b"world"), b"x" * 200_000):
            upload.send_chunk(piece)
        upload.finish_chunks()
        assert b'"helloworldxxx' in upload.response().read()

    def test_trailers(self, client):
        def tell(environ, start_response):
            source = environ["wsgi.input"]
            before = len(source.trailers)
            body = source.read()
            start_response("200 OK", [])
            return [repr((before, len(body), source.trailers.items(), "HTTP_A" in environ)).encode()]

        with ServerThread(tell) as server:
            for trailers in ([("A", "b"), ("X-C", "\xe9")], [("A", "b")], []):
                upload = client.open(server.address, "PUT", "/a", {})
                upload.send_chunk(b"hello")
                upload.send_chunk(b"x" * 300_000)
                upload.finish_chunks(trailers)
                assert upload.response().read() == repr((0, 300_005, trailers, False)).encode()
            assert client.request(server.address, "PUT", "/a", {}, b"hello").read() == repr((0, 5, [], False)).encode()
            assert len(client._idle[server.address]) == 1

    @pytest.mark.parametrize("trailer", [("A", "b\r\n\r\nGET / HTTP/1.1"), ("A: b\r\nB", "c"), ("A", "b\nc")])
    def test_a_trailer_with_a_line_end_is_refused(self, client, echo, trailer):
        upload = client.open(echo.address, "PUT", "/a", {})
        with pytest.raises(ValueError, match="line end"):
            upload.finish_chunks([trailer])
        upload.close()

    def test_no_body_sent_at_all(self, client, echo):
        upload = client.open(echo.address, "PUT", "/a", {"Content-Length": "0"})
        assert upload.response().status == 200

    def test_early_final_answer(self, client):
        with ScriptedServer(answering(b"HTTP/1.1 507 Full\r\nContent-Length: 0\r\n\r\n")) as server:
            upload = client.open(server.address, "PUT", "/", {"Expect": "100-continue"})
            assert upload.expect_continue().status == 507
            assert not client._idle.get(server.address)

    def test_headers_of_the_continue_and_a_second_one(self, client):
        def script(peer):
            peer.read_head()
            peer.send(b"HTTP/1.1 100 Continue\r\nX-Obj-Metadata-Footer: yes\r\n\r\n")
            peer.read(len(b"3\r\ndoc\r\n0\r\n\r\n"))
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.read(len(b"6\r\ncommit\r\n0\r\n\r\n"))
            peer.send(OK)

        with ScriptedServer(script) as server:
            upload = client.open(server.address, "PUT", "/", {"Expect": "100-continue"})
            assert upload.expect_continue() is None
            assert upload.continue_headers["x-obj-metadata-footer"] == "yes"
            upload.send_chunk(b"doc")
            upload.finish_chunks()
            assert upload.expect_continue() is None
            assert "x-obj-metadata-footer" not in upload.continue_headers
            upload.send_chunk(b"commit")
            upload.finish_chunks()
            assert upload.response().read() == b"ok"

    def test_dead_kept_connection_is_replaced_before_anything_is_sent(self, client):
        def dying(peer):
            answering(OK)(peer)
            peer.read_head()
            peer.reset()

        def second(peer):
            peer.read_head()
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert peer.read(5) == b"hello"
            peer.send(OK)

        with ScriptedServer(dying, second) as server:
            client.request(server.address, "GET", "/", {}).read()
            upload = client.open(server.address, "PUT", "/", {"Expect": "100-continue", "Content-Length": "5"})
            assert upload.expect_continue() is None
            upload.send(b"hello")
            assert upload.response().read() == b"ok"

    def test_the_answer_of_a_server_that_closed_mid_body_can_be_read(self, client):
        def script(peer):
            peer.read_head()
            peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            peer.sock.shutdown(socket.SHUT_RDWR)

        with ScriptedServer(script) as server:
            upload = client.open(server.address, "PUT", "/", {"Content-Length": "100000000"})
            with pytest.raises(PeerClosed):
                for _ in range(1000):
                    upload.send(b"x" * 100_000)
            # Whether the answer survives the reset is up to the kernel; an error of ours is the other possibility.
            try:
                assert upload.response().status == 413
            except PeerClosed:
                pass

    @pytest.mark.parametrize("headers", [{"Content-Length": "10"}, {}])
    def test_an_answer_before_the_body_is_complete_ends_the_connection(self, client, headers):
        with ScriptedServer(answering(OK, OK)) as server:
            upload = client.open(server.address, "PUT", "/", headers)
            (upload.send if headers else upload.send_chunk)(b"hello")
            assert upload.response().read() == b"ok"
            assert not client._idle.get(server.address)

    def test_a_second_body_that_is_not_complete_ends_the_connection(self, client):
        def script(peer):
            peer.read_head()
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.read(len(b"0\r\n\r\n"))
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)

        with ScriptedServer(script) as server:
            upload = client.open(server.address, "PUT", "/", {"Expect": "100-continue"})
            assert upload.expect_continue() is None
            upload.finish_chunks()
            assert upload.expect_continue() is None
            assert upload.response().read() == b"ok"
            assert not client._idle.get(server.address)

    def test_server_that_takes_nothing(self, client):
        def script(peer):
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            release.wait(60)

        release = threading.Event()
        with ScriptedServer(script) as server:
            upload = client.open(server.address, "PUT", "/", {"Content-Length": "100000000"}, node_timeout=0.1)
            with pytest.raises(NodeTimeout) as caught:
                for _ in range(1000):
                    upload.send(b"x" * 100_000)
            assert caught.value.address == server.address
            upload.close()
            release.set()


BODIES = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"hello",
        True,
    ),
    "until close": (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "no content": (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
    "closing": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", b"hello", False),
    "interim response": (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        True,
    ),
}


class TestResponses:
    @pytest.mark.parametrize(("wire", "body", "kept"), BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("slowly", [False, True])
    def test_framings(self, client, wire, body, kept, slowly):
        def script(peer):
            peer.read_head()
            for index in range(len(wire)) if slowly else ():
                peer.send(wire[index : index + 1])
            if not slowly:
                peer.send(wire)
            if kept:
                peer.read_head()

        with ScriptedServer(script) as server:
            assert client.request(server.address, "GET", "/", {}).read() == body
            assert bool(client._idle.get(server.address)) is kept

    @pytest.mark.parametrize(
        "wire",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ],
    )
    @pytest.mark.parametrize("hard", [True, False])
    def test_short_body(self, client, wire, hard):
        def script(peer):
            answering(wire)(peer)
            if hard:
                peer.sock.recv(1)
                peer.reset()

        with ScriptedServer(script) as server:
            response = client.request(server.address, "GET", "/", {})
            assert response.read(5) == b"hello"
            if hard:
                response._connection.stream.send(b"x", 1)
            with pytest.raises(ShortBody) as caught:
                response.read()
            assert caught.value.address == server.address
            assert response.read() == b""

    def test_stalled_body(self, client):
        def script(peer):
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")(peer)
            peer.wait_for_end()

        with ScriptedServer(script) as server:
            response = client.request(server.address, "GET", "/", {})
            assert response.read(5) == b"hello"
            assert response._body.timeout == client.node_timeout
            response._body.timeout = 0.05
            with pytest.raises(NodeTimeout):
                response.read()

    @pytest.mark.parametrize(
        "wire",
        [
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 2OO OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nA: " + b"x" * 300_000,
        ],
    )
    def test_nonsense(self, client, wire):
        with ScriptedServer(answering(wire)) as server, pytest.raises(BadResponse):
            client.request(server.address, "GET", "/", {})

    def test_bad_chunks(self, client):
        wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
        with ScriptedServer(answering(wire)) as server, pytest.raises(BadResponse):
            client.request(server.address, "GET", "/", {}).read()


class TestFailures:
    def test_refused(self, client):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
        with pytest.raises(ConnectFailed) as caught:
            client.request(address, "GET", "/", {})
        assert caught.value.address == address
        assert "refused" in str(caught.value)

    @pytest.mark.parametrize("address", [("127.0.0.1", 65536), ("127.0.0.1", -1), ("no..such", 1), ("x" * 64, 1)])
    def test_no_such_address(self, client, address):
        with pytest.raises(ConnectFailed):
            client.request(address, "GET", "/", {})

    def test_no_descriptors_left(self, client, monkeypatch):
        def none_left(*_):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(socket, "socket", none_left)
        with pytest.raises(ConnectFailed, match="Too many open files"):
            client.request(("127.0.0.1", 1), "GET", "/", {})

    def test_no_connection(self):
        # A listener whose backlog is full answers no further SYN.
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            fillers = []
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            with pytest.raises(ConnectTimeout):
                Client(conn_timeout=0.1).request(listener.getsockname(), "GET", "/", {})
            for filler in fillers:
                filler.close()

    def test_silence(self, client):
        with ScriptedServer(lambda peer: peer.wait_for_end()) as server, pytest.raises(NodeTimeout):
            client.request(server.address, "GET", "/", {}, node_timeout=0.05)

    def test_new_connection_closed_without_a_word_is_no_case_for_a_retry(self, client):
        with ScriptedServer(lambda peer: peer.read_head()) as server:
            with pytest.raises(PeerClosed):
                client.request(server.address, "GET", "/", {})
            assert server.accepted == 1

    def test_response_cut_within_its_head(self, client):
        with ScriptedServer(answering(b"HTTP/1.1 200 OK\r\nCont")) as server, pytest.raises(PeerClosed):
            client.request(server.address, "GET", "/", {})

    def test_all_are_backend_errors(self):
        errors = (ConnectFailed, ConnectTimeout, NodeTimeout, PeerClosed, ShortBody, BadResponse)
        assert all(issubclass(error, BackendError) and issubclass(error, OSError) for error in errors)


class TestStaleConnections:
    def test_closed_while_idle(self, client):
        with ScriptedServer(answering(OK)) as server:
            for _ in range(3):
                assert client.request(server.address, "GET", "/", {}).read() == b"ok"

    @pytest.mark.parametrize("reset", [False, True])
    def test_closed_when_the_request_arrives(self, client, reset):
        def dying(peer):
            answering(OK)(peer)
            peer.read_head()
            if reset:
                peer.reset()

        with ScriptedServer(dying, answering_for_ever) as server:
            client.request(server.address, "PUT", "/", {}, b"first").read()
            assert client.request(server.address, "PUT", "/", {}, b"second").read() == b"ok"
            assert server.accepted == 2

    def test_only_one_retry(self, client):
        def dying(peer):
            answering(OK)(peer)
            peer.read_head()

        with ScriptedServer(dying, lambda peer: peer.read_head()) as server:
            client.request(server.address, "GET", "/", {}).read()
            with pytest.raises(PeerClosed):
                client.request(server.address, "GET", "/", {})
            assert server.accepted == 2

    def test_no_retry_after_a_timeout(self, client):
        """The server may be at work on the request."""

        def slow(peer):
            answering(OK)(peer)
            peer.wait_for_end()

        with ScriptedServer(slow) as server:
            client.request(server.address, "PUT", "/", {}).read()
            with pytest.raises(NodeTimeout):
                client.request(server.address, "PUT", "/", {}, node_timeout=0.05)
            assert server.accepted == 1

    def test_no_retry_once_a_response_has_begun(self, client):
        def dying(peer):
            answering(OK, b"HTTP/1.1 200 O")(peer)

        with ScriptedServer(dying, answering_for_ever) as server:
            client.request(server.address, "GET", "/", {}).read()
            with pytest.raises(PeerClosed):
                client.request(server.address, "GET", "/", {})

    def test_unasked_bytes_spoil_a_connection(self, client):
        with ScriptedServer(
            answering(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), answering_for_ever
        ) as server:
            assert client.request(server.address, "GET", "/", {}).read() == b"ok"
            assert client.request(server.address, "GET", "/", {}).read() == b"ok"
            assert server.accepted == 2

    def test_old_ones_are_not_used(self):
        client = Client(60, 60, idle_timeout=0)
        with ScriptedServer(answering_for_ever) as server:
            client.request(server.address, "GET", "/", {}).read()
            client.request(server.address, "GET", "/", {}).read()
            assert server.accepted == 2

    def test_no_more_than_allowed_are_kept(self):
        client = Client(60, 60, max_idle_per_host=2)
        with ScriptedServer(answering_for_ever) as server:
            exchanges = [client.start(server.address, "GET", "/", {}) for _ in range(5)]
            for exchange in exchanges:
                assert exchange.response().read() == b"ok"
            assert len(client._idle[server.address]) == 2


class TestExchanges:
    def test_the_first_to_answer(self, client):
        release = threading.Event()

        def slow(peer):
            peer.read_head()
            release.wait(60)
            peer.send(OK)

        with ScriptedServer(slow) as late, ScriptedServer(answering_for_ever) as early:
            exchanges = [client.start(server.address, "GET", "/", {}) for server in (late, early)]
            assert wait_any(exchanges, 60) == [1]
            assert exchanges[1].response().read() == b"ok"
            assert wait_any(exchanges[:1], 0.02) == []
            release.set()
            assert wait_any(exchanges[:1], 60) == [0]
            assert exchanges[0].response().read() == b"ok"


def head_of(address, method, path, headers, length):
    return format_request(address, Asked(address, method, path), headers, length)


class TestRequestHeads:
    def test_what_is_added(self):
        head = head_of(("10.0.0.1", 80), "PUT", "/a", {"X": "1"}, 5)
        assert head == b"PUT /a HTTP/1.1\r\nX: 1\r\nHost: 10.0.0.1:80\r\nContent-Length: 5\r\n\r\n"

    @pytest.mark.parametrize(
        ("headers", "length", "end"),
        [
            ({"host": "h", "content-length": "7"}, None, b""),
            ({"Host": "h"}, None, b"Transfer-Encoding: chunked\r\n"),
            ({"Host": "h"}, 0, b""),
        ],
    )
    def test_what_is_not(self, headers, length, end):
        head = head_of(("::1", 80), "GET", "/", headers, length)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        assert head == b"GET / HTTP/1.1\r\n" + lines + end + b"\r\n"

    def test_ipv6(self):
        assert b"Host: [::1]:80\r\n" in head_of(("::1", 80), "GET", "/", [], 0)

    @pytest.mark.parametrize(
        ("path", "headers"),
        [("/a b", {}), ("/a\r\nX: y", {}), ("/", {"X": "a\r\nY: b"}), ("/", {"X\r\nY": "a"}), ("/", {"X": "a\n"})],
    )
    def test_what_would_change_the_request_is_refused(self, path, headers):
        with pytest.raises(ValueError, match="none may be"):
            head_of(("h", 1), "GET", path, headers, 0)
