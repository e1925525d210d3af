"""SSYNC with peers that say nonsense, fall silent or die: an end that is well breaks off, and nothing half remains."""

from __future__ import annotations

import dataclasses
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.http_server import RawConnection, wait_until
from fakes.more_time import with_more_time
from fakes.replicas import Replica, node_at
from fakes.scripted_server import Peer, ScriptedServer
from swiftlite.common.fs import FileSystem
from swiftlite.obj.ssync_sender import SsyncFailed
from swiftlite.wire.peers import PeerFailed

NOW = int(time.time()) - 1000
HASH = "0123456789abcdef0123456789abcdef"
OFFERS = b":MISSING_CHECK: START\r\n:MISSING_CHECK: END\r\n"
BODY = random.Random(3).randbytes(300_000)


def at(second: int) -> str:
    return f"{NOW + second}.{second:05d}"


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    with Replica(tmp_path) as replica:
        yield replica


class RawSender:
    """A sender that says just what it is told."""

    def __init__(self, replica: Replica, path: str = "/sda/7") -> None:
        self.wire = RawConnection(replica.thread.address[:2])
        self.wire.send(f"SSYNC {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        self.head = self.wire.read_head()

    def say(self, data: bytes) -> None:
        self.wire.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self.wire.send(b"0\r\n\r\n")

    def hear(self) -> str:
        """All that the receiver says, to the end of its answer."""
        body, complete = self.wire._read_chunks()
        assert complete
        return body.decode()


def put(body: bytes, **headers: str) -> bytes:
    """A subrequest that stores ``a/c/o``."""
    named = {"X-Timestamp": at(1), "Content-Type": "a/b", "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"PUT /a/c/o\r\n{lines}\r\n".encode() + body


def test_the_receiver_speaks_first(replica: Replica) -> None:
    sender = RawSender(replica)
    assert sender.head.status == 200
    assert sender.head.headers["x-backend-accept-no-commit"] == "True"
    assert sender.wire.read_bytes(7) == b"2\r\n\r\n\r\n"


def test_a_session_by_hand(replica: Replica) -> None:
    sender = RawSender(replica)
    for byte in f":MISSING_CHECK: START\r\n {HASH} {at(1)} \r\n:MISSING_CHECK: END\r\n".encode():
        sender.say(bytes([byte]))
    sender.say(
        b":UPDATES: START\r\n" + put(b"hello", Etag=hashlib.md5(b"hello").hexdigest(), X_Backend_No_Commit="True")
    )
    sender.say(f"DELETE /a/c/%C3%A9\r\nx-timestamp:{at(2)}\r\n\r\n".encode())
    sender.say(f"POST /a/c/%C3%A9\r\nX-Timestamp: {at(3)}\r\n\r\n:UPDATES: END\r\n".encode())
    sender.end()
    assert sender.hear().split() == [
        *(":MISSING_CHECK:", "START", HASH, "dm", ":MISSING_CHECK:", "END"),
        *(":UPDATES:", "START", ":UPDATES:", "END"),
    ]
    stored = {
        name.rpartition("/")[2]: (body, metadata["name"]) for name, (body, metadata) in replica.contents().items()
    }
    assert stored == {f"{at(1)}.data": (b"hello", "/a/c/o"), f"{at(2)}.ts": (b"", "/a/c/é")}
    ((_, metadata),) = [file for name, file in replica.contents().items() if name.endswith(".data")]
    assert set(metadata) == {"name", "X-Timestamp", "Content-Type", "Content-Length", "ETag"}
    assert sender.wire.is_open()


def test_a_post_of_what_nobody_knows_is_no_success(replica: Replica) -> None:
    """The object was quarantined after we had said that we have it: a handoff must not take it for held here."""
    sender = RawSender(replica)
    sender.say(b":MISSING_CHECK: START\r\n:MISSING_CHECK: END\r\n:UPDATES: START\r\n")
    sender.say(f"POST /a/c/none\r\nX-Timestamp: {at(2)}\r\n\r\n:UPDATES: END\r\n".encode())
    sender.end()
    assert ":ERROR: 500" in sender.hear()


BAD_WORDS = {
    "no marker": b"hello\r\n",
    "another marker": b":UPDATES: START\r\n",
    "no offer": b":MISSING_CHECK: START\r\nnonsense\r\n",
    "no timestamp": f":MISSING_CHECK: START\r\n{HASH} now\r\n".encode(),
    "no hash": f":MISSING_CHECK: START\r\n../../etc {at(1)}\r\n".encode(),
    "not ASCII": ":MISSING_CHECK: START\r\né é\r\n".encode(),
    "a line without an end": b"x" * 200_000,
    "no updates": OFFERS + b":UPDATES: END\r\n",
    "no subrequest": OFFERS + b":UPDATES: START\r\nnonsense\r\n",
    "another method": OFFERS + b":UPDATES: START\r\nGET /a/c/o\r\n\r\n",
    "a method of the server": OFFERS + b":UPDATES: START\r\nSSYNC /a\r\n\r\n",
    "no header": OFFERS + b":UPDATES: START\r\nPUT /a/c/o\r\nnonsense\r\n\r\n",
    "no length": OFFERS + b":UPDATES: START\r\nPUT /a/c/o\r\nX-Timestamp: 1\r\n\r\n",
    "a length that is none": OFFERS + b":UPDATES: START\r\nPUT /a/c/o\r\nContent-Length: -1\r\n\r\n",
    "a body to a deletion": OFFERS + b":UPDATES: START\r\nDELETE /a/c/o\r\nContent-Length: 1\r\n\r\nx",
}


@pytest.mark.parametrize("words", BAD_WORDS)
def test_a_sender_that_says_nonsense(words: str, replica: Replica) -> None:
    sender = RawSender(replica)
    sender.say(BAD_WORDS[words])
    answer = sender.hear()
    assert "\r\n:ERROR: 400 " in answer and answer.endswith("\r\n")
    assert sender.wire.is_closed()
    assert replica.contents() == {}
    assert_well(replica)


def assert_well(replica: Replica) -> None:
    """The receiver holds no lock and no slot, and another session may begin."""
    sender = RawSender(replica)
    sender.say(OFFERS + b":UPDATES: START\r\n:UPDATES: END\r\n")
    sender.end()
    assert sender.hear().endswith(":UPDATES: START\r\n:UPDATES: END\r\n")


ENDS = {
    "before a word": b"",
    "amid offers": f":MISSING_CHECK: START\r\n{HASH} {at(1)}\r\n".encode(),
    "before updates": OFFERS,
    "amid updates": OFFERS + b":UPDATES: START\r\n" + put(b"hello"),
    "amid headers": OFFERS + b":UPDATES: START\r\nPUT /a/c/o\r\nX-Timestamp: 1\r\n",
    "amid a body": OFFERS + b":UPDATES: START\r\n" + put(BODY)[:-1],
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("how", ["dies", "ends the request"])
def test_a_sender_that_goes_away(end: str, how: str, replica: Replica) -> None:
    sender = RawSender(replica)
    if ENDS[end]:
        sender.say(ENDS[end])
    if how == "dies":
        sender.wire.close()
    else:
        sender.end()
        sender.hear()
        assert sender.wire.is_closed()
    wait_until(lambda: not replica.thread.server.connections, "the receiver has given up")
    stored = [name.rpartition("/")[2] for name in replica.contents()]
    assert stored == ([f"{at(1)}.data"] if end == "amid updates" else [])
    assert replica.files() == stored  # And no temporary file either.
    assert_well(replica)


def test_a_sender_that_falls_silent(tmp_path: Path) -> None:
    def attempt(client_timeout: float) -> None:
        with Replica(tmp_path / str(client_timeout), client_timeout=client_timeout) as replica:
            sender = RawSender(replica)
            sender.say(OFFERS + b":UPDATES: START\r\n" + put(BODY)[:-1])
            assert ":ERROR: 408 " in sender.hear()
            assert replica.files() == []
            server = replica.thread.server
            server.options = dataclasses.replace(server.options, client_timeout=60.0)
            assert_well(replica)

    with_more_time(attempt, 0.5, 5.0, 60.0)


def test_a_body_that_is_not_what_its_etag_says(replica: Replica) -> None:
    sender = RawSender(replica)
    sender.say(OFFERS + b":UPDATES: START\r\n" + put(BODY, ETag="0" * 32) + b":UPDATES: END\r\n")
    assert ":ERROR: 500 'ERROR: With :UPDATES: 1 failures to 0 successes'\r\n" in sender.hear()
    assert replica.files() == []


@pytest.mark.parametrize("path", ["/sda/../etc", "/sda/7/x", "/sda/.", "/sda"])
def test_bad_targets(path: str, replica: Replica) -> None:
    sender = RawSender(replica, path)
    assert sender.head.status in (400, 404)


def test_a_subrequest_without_an_object_fails_alone(replica: Replica) -> None:
    sender = RawSender(replica)
    sender.say(
        OFFERS + b":UPDATES: START\r\nDELETE /a\r\nX-Timestamp: 1\r\n\r\n" + put(b"hello") + b":UPDATES: END\r\n"
    )
    assert ":ERROR: 500 'ERROR: With :UPDATES: 1 failures to 1 successes'\r\n" in sender.hear()
    assert len(replica.contents()) == 1


def test_an_error_is_heard_while_the_sender_still_speaks(replica: Replica) -> None:
    """It would otherwise be lost when the connection breaks."""
    replica.partition.mkdir(parents=True)
    object.__setattr__(replica.app.options, "replication_lock_timeout", 0.0)
    with FileSystem().lock(str(replica.partition / ".lock-replication")):
        sender = RawSender(replica)
        sender.say(b":MISSING_CHECK: START\r\n")
        for number in range(100):
            sender.say(f"{number:032x} {at(1)}\r\n".encode() * 100)
        assert ":ERROR: 0 " in sender.hear()


def garbled(words: bytes, chance: random.Random) -> bytes:
    """Words with some bytes changed, lost, or too many."""
    made = bytearray(words)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(made))
        kind = chance.random()
        if kind < 0.4:
            made[place] = chance.randrange(256)
        elif kind < 0.6:
            del made[place : place + chance.randint(1, 20)]
        elif kind < 0.8:
            made[place:place] = chance.randbytes(chance.randint(1, 10))
        else:
            made[place:place] = made[chance.randrange(len(made)) :][: chance.randint(1, 60)]
    return bytes(made)


def test_garbled_sessions(replica: Replica, caplog: pytest.LogCaptureFixture) -> None:
    """Each is answered, none makes the server fail, and what is stored is whole and where it belongs."""
    words = f":MISSING_CHECK: START\r\n{HASH} {at(1)} m:10,t:5\r\n:MISSING_CHECK: END\r\n:UPDATES: START\r\n".encode()
    words += put(b"hello", X_Object_Meta_A="b")
    words += f"POST /a/c/o\r\nX-Timestamp: {at(3)}\r\nContent-Type: x/y\r\n\r\n".encode()
    words += f"DELETE /a/c/p\r\nX-Timestamp: {at(2)}\r\n\r\n:UPDATES: END\r\n".encode()
    chance = random.Random(11)
    endings = set()
    for _ in range(120):
        sender = RawSender(replica)
        sender.say(garbled(words, chance))
        sender.end()
        answer = sender.hear()
        endings.add(answer.split(":ERROR: ")[1][:3] if ":ERROR: " in answer else answer.split()[-1])
        sender.wire.close()
    assert endings <= {"400", "500", "END"} and {"400", "500"} <= endings
    assert [record for record in caplog.records if record.exc_info] == []
    for path, (body, metadata) in replica.contents().items():
        assert replica.app.swift.hash_path.hex(*metadata["name"].split("/", 3)[1:]) == path.split("/")[1]
        assert len(body) == int(metadata.get("Content-Length", 0))


# Receivers ------------------------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def answers(*words: bytes) -> Callable[[Peer], None]:
    """A receiver that says some words, each after the sender has come to the end of a list, and then is gone."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(HEAD + chunk(b"\r\n"))
        for word, due in zip(words, (b":MISSING_CHECK: END\r\n", b":UPDATES: END\r\n"), strict=False):
            while due not in peer.received:
                data = peer.sock.recv(65536)
                if not data:
                    return
                peer.received += data
            peer.send(word)

    return script


def wanted(replica: Replica, parts: bytes = b"dm") -> bytes:
    name = replica.directory("o").name.encode()
    return chunk(b":MISSING_CHECK: START\r\n" + name + b" " + parts + b"\r\n:MISSING_CHECK: END\r\n")


NOTHING_WANTED = chunk(b":MISSING_CHECK: START\r\n\r\n:MISSING_CHECK: END\r\n")
WELL = chunk(b":UPDATES: START\r\n") + chunk(b":UPDATES: END\r\n") + b"0\r\n\r\n"

BAD_ANSWERS: dict[str, tuple[tuple[bytes, ...], int, str]] = {
    "no word": ((), 0, "early"),
    "nonsense": ((chunk(b"nonsense\r\n"),), 0, "said b'nonsense'"),
    "no chunk": ((b"nonsense\r\n",), 0, "chunk"),
    "an error": ((chunk(b":ERROR: 503 'busy'\r\n"),), 503, "busy"),
    "an error of OpenStack Swift": ((chunk(b":ERROR: 507 b'<html>full</html>'\n"),), 507, "full"),
    "half a list": ((chunk(b":MISSING_CHECK: START\r\n"),), 0, "early"),
    "no hash": ((chunk(b":MISSING_CHECK: START\r\n../x d\r\n:MISSING_CHECK: END\r\n"),), 0, "no hash"),
    "not offered": (
        (chunk(f":MISSING_CHECK: START\r\n{HASH} d\r\n:MISSING_CHECK: END\r\n".encode()),),
        0,
        "not offered",
    ),
    "a marker too many": ((chunk(b":MISSING_CHECK: START\r\n:UPDATES: START\r\n"),), 0, "UPDATES"),
    "gone before the end": ((NOTHING_WANTED,), 0, "early"),
    "failures": ((NOTHING_WANTED, chunk(b":ERROR: 500 'ERROR: With :UPDATES: 1 failures'\r\n")), 500, "1 failures"),
    "more than well": ((NOTHING_WANTED, chunk(b":UPDATES: START\r\nbut\r\n:UPDATES: END\r\n")), 0, "but"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_a_receiver_that_is_not_well(case: str, replica: Replica) -> None:
    replica.put("o", at(1))
    words, status, text = BAD_ANSWERS[case]
    with ScriptedServer(answers(*words)) as server:
        with pytest.raises(SsyncFailed, match=text) as failed:
            replica.send(node_at(server.address))
        assert failed.value.status == status


@pytest.mark.parametrize(
    "head", [b"404 Not Found", b"405 Method Not Allowed", b"501 Not Implemented", b"507 Insufficient Storage"]
)
def test_a_receiver_that_refuses(head: bytes, replica: Replica) -> None:
    replica.put("o", at(1))
    refusal = b"HTTP/1.1 " + head + b"\r\nContent-Length: 2\r\n\r\nno"

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(refusal)

    with ScriptedServer(script) as server:
        with pytest.raises(SsyncFailed, match="no") as failed:
            replica.send(node_at(server.address))
        assert failed.value.status == int(head[:3])


def test_a_receiver_that_falls_silent(replica: Replica) -> None:
    replica.put("o", at(1))
    for script in (lambda peer: peer.wait_for_end(), answers(NOTHING_WANTED, b"")):

        def silent(peer: Peer, script: Callable[[Peer], Any] = script) -> None:
            script(peer)
            peer.wait_for_end()

        with ScriptedServer(silent) as server:
            with pytest.raises(PeerFailed):
                replica.send(node_at(server.address), node_timeout=0.2, http_timeout=0.2)


def test_what_an_old_receiver_wants(replica: Replica) -> None:
    """A hash alone means the data; what was posted it cannot take."""
    replica.put("o", at(1))
    replica.post("o", at(2), X_Object_Meta_A="b")
    heard: list[bytes] = []

    def script(peer: Peer) -> None:
        answers(wanted(replica, b""), WELL)(peer)
        heard.append(peer.received)

    with ScriptedServer(script) as server:
        sent = replica.send(node_at(server.address))
    assert (sent.data, sent.posts, len(sent.in_sync)) == (1, 0, 1)
    wait_until(lambda: heard, "the receiver has heard all")
    head, _, rest = heard[0].partition(b":UPDATES: START\r\n")[2].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"PUT /a/c/o",
        b"Content-Length: 5",
        b"Content-Type: text/plain",
        b"ETag: " + hashlib.md5(b"hello").hexdigest().encode(),
        b"X-Timestamp: " + at(1).encode(),
    ]
    assert rest.startswith(b"hello:UPDATES: END\r\n")


def test_a_kept_connection_that_has_died_is_replaced(replica: Replica) -> None:
    replica.put("o", at(1))

    def once(peer: Peer) -> None:
        answers(NOTHING_WANTED, WELL)(peer)
        peer.received = b""
        peer.sock.recv(10)  # The next session begins, and finds nobody.
        peer.reset()

    with ScriptedServer(once, answers(NOTHING_WANTED, WELL)) as server:
        node = node_at(server.address)
        for _ in range(2):
            assert len(replica.send(node).in_sync) == 1
        assert server.accepted == 2
