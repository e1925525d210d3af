"""Drain and limits: nothing in progress is lost, nothing idle is waited for, one client more than allowed waits."""

import socket
import threading
import time

import pytest

from fakes.http_server import PATIENCE, EchoApp, RawConnection, ServerThread, wait_until
from swiftlite.common.concurrency import get_hub, sleep
from swiftlite.http import server as server_module
from swiftlite.http.stream import Stream

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


class GateApp:
    """Answers once the gate is open."""

    def __init__(self):
        self.gate = threading.Event()
        self.waiting = 0

    def __call__(self, _environ, start_response):
        self.waiting += 1
        while not self.gate.is_set():
            sleep(0.002)
        start_response("200 OK", [])
        return [b"done"]


class TestDrain:
    def test_idle_connections_are_closed_at_once(self):
        with ServerThread(EchoApp()) as server, server.connect() as wire:
            wire.send(GET)
            wire.read_response()
            server.drain(20)
            assert wire.is_closed()
            server.join()

    def test_requests_in_progress_finish(self):
        app = GateApp()
        with ServerThread(app) as server, server.connect() as wire:
            wire.send(GET)
            wait_until(lambda: app.waiting, "the request")
            server.drain(20)
            wait_until(lambda: server.server.draining, "the drain")
            app.gate.set()
            response = wire.read_response()
            assert (response.body, response.headers["connection"]) == (b"done", "close")
            assert wire.is_closed()
            server.join()

    def test_body_in_progress_finishes(self):
        with ServerThread(EchoApp()) as server, server.connect() as wire:
            wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
            wait_until(lambda: server.app.requests, "the request")
            server.drain(20)
            wait_until(lambda: server.server.draining, "the drain")
            wire.send(b"llo")
            assert wire.read_response().json["body"] == "hello"
            server.join()

    def test_grace_ends(self):
        app = GateApp()
        with ServerThread(app) as server, server.connect() as wire:
            wire.send(GET)
            wait_until(lambda: app.waiting, "the request")
            server.drain(0.05)
            assert wire.is_closed()
            app.gate.set()
            server.join()

    def test_new_connections_are_refused(self):
        with ServerThread(EchoApp()) as server:
            server.drain(1)
            server.join()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(server.address)

    def test_connections_without_a_request_yet_get_a_moment(self, monkeypatch):
        monkeypatch.setattr(server_module, "FRESH_GRACE", PATIENCE)  # a moment of a busy machine
        with ServerThread(EchoApp()) as server, server.connect() as wire:
            wait_until(lambda: server.server.idle, "the connection")
            server.drain(20)
            wait_until(lambda: server.server.draining, "the drain")
            wire.send(GET)
            assert wire.read_response().status == 200
            server.join()


class Pausing:
    """Answers with two chunks, the second once the gate is open."""

    def __init__(self):
        self.gate = threading.Event()

    def __call__(self, _environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        yield b"a"
        while not self.gate.is_set():
            sleep(0.002)
        yield b"b"


class TestRetire:
    """No client must hear of it that another server goes on."""

    def test_the_next_request_is_the_last(self):
        with ServerThread(EchoApp()) as server, server.connect() as wire:
            wire.send(GET)
            assert "connection" not in wire.read_response().headers
            server.retire()
            wait_until(lambda: server.server.draining, "the retirement")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(server.address)
            time.sleep(0.2)  # longer than a look at what is left
            assert wire.is_open()
            wire.send(GET)
            response = wire.read_response()
            assert (response.status, response.headers["connection"]) == (200, "close")
            assert wire.is_closed()
            server.join()

    def test_an_answer_that_has_promised_another_is_as_good_as_its_word(self):
        app = Pausing()
        with ServerThread(app) as server, server.connect() as wire:
            wire.send(GET)
            assert "connection" not in wire.read_head().headers
            server.retire()
            wait_until(lambda: server.server.draining, "the retirement")
            app.gate.set()
            assert wire.read_bytes(2) == b"ab"
            time.sleep(0.05)
            wire.send(GET)
            response = wire.read_response()
            assert (response.body, response.headers["connection"]) == (b"ab", "close")
            server.join()

    def test_who_has_not_asked_yet_is_answered(self):
        with ServerThread(EchoApp()) as server, server.connect() as wire:
            server.retire()
            wait_until(lambda: server.server.draining, "the retirement")
            wire.send(GET)
            assert wire.read_response().headers["connection"] == "close"
            server.join()

    def test_idle_connections_have_their_usual_time(self):
        with ServerThread(EchoApp(), keepalive_timeout=0.3) as server, server.connect() as wire:
            wire.send(GET)
            wire.read_response()
            server.retire()
            assert wire.is_closed()
            server.join()

    def test_it_ends_at_last(self):
        app = GateApp()
        with ServerThread(app, stale_worker_timeout=0.1) as server, server.connect() as wire:
            wire.send(GET)
            wait_until(lambda: app.waiting, "the request")
            server.retire()
            assert wire.is_closed()
            app.gate.set()
            server.join()

    def test_a_drain_hurries_it_up(self):
        app = GateApp()
        with ServerThread(app) as server, server.connect() as idle, server.connect() as wire:
            app.gate.set()
            idle.send(GET)
            idle.read_response()
            app.gate.clear()
            wire.send(GET)
            wait_until(lambda: app.waiting == 2, "the request")
            server.retire()
            wait_until(lambda: server.server.draining, "the retirement")
            server.drain(0.1)
            assert idle.is_closed() and wire.is_closed()
            app.gate.set()
            server.join()


def test_one_server_may_listen_on_several_sockets():
    with ServerThread(EchoApp(), listeners=3) as server:
        for address in server.addresses:
            with RawConnection(address) as wire:
                wire.send(GET)
                assert wire.read_response().status == 200


def test_a_connection_that_nobody_reads_costs_nothing():
    """Bytes that wait for their reader must not wake the event hub again and again."""
    ours, theirs = socket.socketpair()
    stream = Stream(ours)
    theirs.send(b"a")
    stream.wait_readable(1)
    assert ours.fileno() in get_hub().listeners["read"]
    for _ in range(100):
        sleep(
            0.01
        )  # The hub finds the byte still there, and nobody waiting for it; on a busy machine not the first time.
        if ours.fileno() not in get_hub().listeners["read"]:
            break
    assert ours.fileno() not in get_hub().listeners["read"]
    stream.wait_readable(1)
    assert stream.recv(10, 1) == b"a"
    stream.close()
    theirs.close()


class TestMaxClients:
    def test_one_more_waits(self):
        app = GateApp()
        with ServerThread(app, max_clients=2) as server:
            wires = [server.connect() for _ in range(3)]
            for wire in wires:
                wire.send(GET)
            wait_until(lambda: app.waiting == 2, "two requests")
            assert all(wire.is_open() for wire in wires)
            assert len(server.server.connections) == 2
            app.gate.set()
            done = [wire for wire in wires[:2] if wire.read_response().body == b"done"]
            assert len(done) == 2
            # Neither client has gone: the first to fall idle makes room.
            assert wires[2].read_response().body == b"done"
            for wire in wires:
                wire.close()

    def test_the_longest_idle_makes_room(self):
        with ServerThread(EchoApp(), max_clients=2) as server:
            idle = [server.connect(), server.connect()]
            for wire in idle:
                wire.send(GET)
                wire.read_response()
            with server.connect() as third:
                third.send(GET)
                assert third.read_response().status == 200
                assert idle[0].is_closed()
                assert idle[1].is_open()
            for wire in idle:
                wire.close()


def test_one_busy_client_does_not_starve_another():
    """A client that sends without a pause must leave turns to others."""
    app = EchoApp()
    with ServerThread(app) as server, server.connect() as busy, server.connect() as other:
        stop = threading.Event()

        def flood():
            busy.send(b"PUT /flood HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n")
            while not stop.is_set():
                busy.send(b"x" * 1_000_000)
                time.sleep(0)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            wait_until(lambda: app.requests, "the flood")
            other.send(GET)
            assert other.read_response().status == 200
        finally:
            stop.set()
            busy.sock.shutdown(socket.SHUT_RDWR)
            thread.join()
