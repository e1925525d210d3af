"""Specifies one node's share of an upload: its own pace, a bounded queue, and answers that come early."""

import threading

import pytest

from fakes.more_time import with_more_time
from fakes.scripted_server import PATIENCE, ScriptedServer
from swiftlite.common.concurrency import Timeout, sleep, spawn
from swiftlite.http.client import Client
from swiftlite.http.errors import BackendError
from swiftlite.proxy.putter import Putter
from swiftlite.ring.ring import Node
from swiftlite.wire.backend import BackendRequest

PIECE = bytes(range(256)) * 256
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STORED = b'HTTP/1.1 201 Created\r\nEtag: "e"\r\nContent-Length: 0\r\n\r\n'
FULL = b"HTTP/1.1 507 Full\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def until(condition):
    with Timeout(PATIENCE, AssertionError("it took too long")):
        while not condition():
            sleep(0.005)


def framed(pieces):
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Server(ScriptedServer):
    """Reads nothing of a body before it is told to."""

    def __init__(self):
        super().__init__(self.script)
        self.may_read = threading.Event()
        self.body = b""

    def script(self, peer):
        peer.read_head()
        peer.send(CONTINUE)
        assert self.may_read.wait(PATIENCE)
        while not self.body.endswith(b"\r\n0\r\n\r\n"):
            data = peer.sock.recv(65536)
            if not data:
                return
            self.body += data
        peer.send(STORED)


def putter_to(server, depth=3, node_timeout=PATIENCE):
    ip, port = server.address
    node = Node(0, 1, 1, ip, port, ip, port, "d0", 100.0, index=0)
    request = BackendRequest("PUT", 7, "/a/c/o")
    return Putter.connect(Client(PATIENCE, node_timeout), node, request, [], depth)


def test_a_slow_node_holds_up_no_other():
    with Server() as slow, Server() as quick:
        quick.may_read.set()
        putters = [putter_to(slow, depth=1000), putter_to(quick, depth=1000)]
        pieces = [PIECE] * 200
        for piece in pieces:
            for putter in putters:
                assert putter.send(piece) is None
        assert putters[1].finish(None).status == 201
        assert quick.body == framed(pieces)
        assert slow.body == b""
        slow.may_read.set()
        assert putters[0].finish(None).status == 201
        assert slow.body == framed(pieces)


def test_no_more_than_the_queue_is_kept_in_memory():
    with Server() as server:
        putter, sent = putter_to(server), []

        def send():
            for _ in range(200):
                putter.send(PIECE)
                sent.append(PIECE)

        thread = spawn(send)
        until(lambda: len(putter._queue) == 3 and putter._progress is not None)
        assert len(sent) < 200
        server.may_read.set()
        thread.wait()
        assert putter.finish(None).status == 201
        assert server.body == framed(sent)


def test_a_node_that_takes_nothing_for_too_long_is_given_up():
    def attempt(timeout):
        with Server() as server:
            try:
                putter = putter_to(server, node_timeout=timeout)
            except BackendError as error:
                raise AssertionError("it had no time to say that it would take any") from error
            with pytest.raises(BackendError, match="took no bytes"):
                for _ in range(1000):
                    putter.send(PIECE)
            putter.abort()
            server.may_read.set()

    with_more_time(attempt, 0.2, 1.0, 5.0)


def test_pieces_of_every_size_keep_their_order():
    with Server() as server:
        putter = putter_to(server)
        pieces = [bytes([number % 256]) * size for number, size in enumerate([1, 300_000, 2, 65536, 1_000_000, 3] * 5)]
        server.may_read.set()
        for piece in pieces:
            putter.send(piece)
        putter.finish(None)
        assert server.body == framed(pieces)


def test_an_answer_before_the_end_is_noticed():
    def script(peer):
        peer.read_head()
        peer.send(CONTINUE)
        peer.read(100_000)
        peer.send(FULL)
        ended.wait(PATIENCE)

    ended = threading.Event()
    with ScriptedServer(script) as server:
        putter, reply = putter_to(server), None
        for _ in range(1000):
            reply = putter.send(PIECE)
            if reply is not None:
                break
            sleep(0.001)
        assert reply is not None
        assert reply.status == 507
        assert not putter._queue
        putter.abort()
        ended.set()


@pytest.mark.parametrize("how", ["while it is sent to", "while it is waited for"])
def test_a_node_that_dies(how):
    def script(peer):
        peer.read_head()
        peer.send(CONTINUE)
        dies.wait(PATIENCE)
        peer.reset()

    dies = threading.Event()
    with ScriptedServer(script) as server:
        putter = putter_to(server)
        while not putter._queue:
            putter.send(PIECE)
        dies.set()
        with pytest.raises(BackendError):
            if how == "while it is sent to":
                while putter.send(PIECE) is None:
                    sleep(0.001)
            else:
                putter.finish(None)
        putter.abort()


def test_breaking_off_while_the_node_is_slow():
    with Server() as server:
        putter = putter_to(server)
        while not putter._queue:
            putter.send(PIECE)
        putter.abort()
        assert not putter._queue
        server.may_read.set()
        assert not server.body.endswith(b"0\r\n\r\n")
