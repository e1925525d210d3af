"""SSYNC between two object servers: what comes over is the same to the last byte, whatever was there before."""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fakes.http_server import wait_until
from fakes.replicas import CLIENT, PARTITION, POLICY, Replica, node_at
from swiftlite.common.fs import FileSystem
from swiftlite.core.fileset import FileSet, resolve
from swiftlite.core.metadata import title_case
from swiftlite.core.names import EntityName
from swiftlite.core.timestamp import ZERO, Timestamp
from swiftlite.http.client import Client
from swiftlite.http.errors import Address
from swiftlite.http.reply import Connection
from swiftlite.http.upload import Upload
from swiftlite.obj import ssync_sender, xattrs
from swiftlite.obj.diskfile import OpenObject
from swiftlite.obj.errors import DiskFileDeleted
from swiftlite.obj.found_file import FoundFile
from swiftlite.obj.shipment import Shipment
from swiftlite.obj.ssync_sender import SsyncFailed, SsyncSender
from swiftlite.obj.writer import Reserve
from swiftlite.ring.ring import Node
from swiftlite.wire.peers import PeerFailed

NOW = int(time.time()) - 1000
BIG = random.Random(7).randbytes(700_000)


def at(second: int, offset: int = 0) -> str:
    return f"{NOW + second}.{second:05d}" + (f"_{offset:016x}" if offset else "")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Replica]:
    with Replica(tmp_path / "source") as replica:
        yield replica


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Replica]:
    with Replica(tmp_path / "target") as replica:
        yield replica


def test_all_that_an_object_can_be(source: Replica, target: Replica) -> None:
    source.put("plain", at(1))
    source.put("big", at(1), BIG)
    source.put("empty", at(1), b"")
    source.put("é 漢😀%2F?#\n/o", at(1), X_Object_Meta_Colour="é漢😀")
    source.store("named", at(1), **{title_case("X-Object-Meta-Ünï\u00e0".encode().decode("latin-1")): "x"})
    source.put(
        "all",
        at(1, 3),
        Content_Type='text/plain; charset="utf-8"; swift_bytes=12',
        Content_Encoding="gzip",
        X_Object_Sysmeta_Kind="system",
        X_Object_Transient_Sysmeta_Kind="transient",
        X_Object_Meta_Empty="",
        X_Static_Large_Object="True",
        X_Delete_At="4000000000",
    )
    source.put("expired", at(1), X_Delete_At=str(NOW + 5))
    source.put("posted", at(1))
    source.post("posted", at(2, 1), X_Object_Meta_Colour="blue", X_Object_Transient_Sysmeta_A="b")
    source.put("typed", at(1))
    source.post("typed", at(2), X_Object_Meta_Colour="blue", Content_Type="text/x;a=b")
    source.put("typed earlier", at(1))
    source.post("typed earlier", at(3), Content_Type="a/b", Content_Type_Timestamp=at(2))
    source.put("deleted", at(1))
    source.delete("deleted", at(4))
    source.delete("never there", at(5, 2))
    sent = source.send(target)
    assert (sent.offered, sent.data, sent.posts, sent.tombstones, sent.failures) == (12, 10, 3, 2, 0)
    assert sent.bytes > len(BIG)
    assert target.contents() == source.contents()
    assert target.hashes() == source.hashes()
    assert set(sent.in_sync) == {path.split("/")[1] for path in source.contents()}
    again = source.send(target)
    assert (again.offered, again.data, again.posts, again.tombstones) == (12, 0, 0, 0)
    assert again.in_sync == sent.in_sync


def test_replicas_with_different_histories_end_the_same(source: Replica, target: Replica) -> None:
    chance = random.Random(5)
    for number in range(60):
        name, moment, exists = f"o{number}", 0, {source: False, target: False}
        for _ in range(chance.randint(1, 6)):
            moment += 1
            for replica in chance.choice([(source,), (target,), (source, target)]):
                verb = chance.choice(["put", "put", "post", "type", "delete"])
                if verb in ("post", "type") and exists[replica]:
                    headers = {"Content_Type": f"image/{chance.randint(1, 9)}"} if verb == "type" else {}
                    replica.post(name, at(moment), X_Object_Meta_Moment=f"{moment} é", **headers)
                elif verb == "delete":
                    replica.delete(name, at(moment))
                    exists[replica] = False
                else:
                    expiry = {"X_Delete_At": str(NOW + moment + 1)} if chance.random() < 0.2 else {}
                    replica.put(name, at(moment), f"{name} {moment} {verb}".encode(), **expiry)
                    exists[replica] = not expiry  # To clients it may have expired by the next moment.
                moment += 1
    assert source.hashes() != target.hashes()
    for _ in range(2):  # A POST over data that were behind needs them first.
        source.send(target)
        target.send(source)
    assert source.hashes() == target.hashes()
    for one, other in ((source, target), (target, source)):
        sent = one.send(other)
        assert (sent.data, sent.posts, sent.tombstones, sent.failures) == (0, 0, 0, 0)
        assert len(sent.in_sync) == sent.offered == 60
    assert meaningful(source) == meaningful(target)


def meaningful(replica: Replica) -> dict[str, Any]:
    """What readers see of all objects: the same whether a content type lies in one .meta file with the metadata or in
    another, and whether or not one is kept that is older than the data below it."""
    found = {}
    for directory in replica.partition.glob("???/*"):
        disk_file = FoundFile(replica.own_files, replica.root, POLICY, str(directory))
        try:
            opened = disk_file.open(ZERO, open_expired=True)
        except DiskFileDeleted as error:
            found[directory.name] = ("deleted", error.timestamp)
            continue
        with opened:
            body = os.pread(opened.fd, opened.size, 0)
            merged = {key: value for key, value in opened.metadata.items() if key != "Content-Type-Timestamp"}
            times = (opened.timestamp, opened.content_type_timestamp)
            found[directory.name] = (body, opened.data_metadata, merged, times)
    return found


def test_two_files_of_posts_come_as_one(source: Replica, target: Replica) -> None:
    """The newest metadata lie in one, a newer content type in the other: rsync may bring them so."""
    source.put("o", at(1))
    for second, more in ((3, {"X-Object-Meta-A": "b"}), (2, {"Content-Type": "x/y", "Content-Type-Timestamp": at(2)})):
        disk_file = source.own_files.disk_file(source.root, PARTITION, EntityName("a", "c", "o"), POLICY)
        disk_file.write_metadata({"X-Timestamp": at(second), **more})
    assert len(list(source.directory("o").glob("*.meta"))) == 2
    assert source.send(target).posts == 1
    assert source.send(target).posts == 0
    assert target.hashes() == source.hashes()
    assert meaningful(target) == meaningful(source)
    assert len(list(target.directory("o").glob("*.meta"))) == 1


def test_what_has_expired_here_gives_way_to_newer_data(source: Replica, target: Replica) -> None:
    """Although a POST later than those has made it expire."""
    target.put("o", at(1))
    target.post("o", at(5), X_Delete_At=str(NOW + 6))
    source.put("o", at(2), b"newer")
    target.put("p", at(1), X_Delete_At=str(NOW + 6))
    source.delete("p", at(3))
    source.send(target)
    assert sorted(path.name for path in target.directory("o").iterdir()) == [f"{at(2)}.data", f"{at(5)}.meta"]
    assert [path.name for path in target.directory("p").iterdir()] == [f"{at(3)}.ts"]
    assert not list(target.device.glob("async_pending*/*/*"))  # Who took the client's request sees to the queue.


def test_some_suffixes_alone(source: Replica, target: Replica) -> None:
    for number in range(5):
        source.put(f"o{number}", at(1))
    one = source.directory("o1")
    assert source.send(target, [one.parent.name]).data == 1
    assert {path.name for path in target.partition.glob("???/*")} == {one.name}
    assert source.send(target, []).offered == 0


def test_sessions_share_a_connection(source: Replica, target: Replica) -> None:
    source.put("o", at(1))
    source.send(target)
    address = target.node.replication_address
    (kept,) = CLIENT._idle[address]
    source.put("o", at(2))
    assert source.send(target).data == 1
    assert CLIENT._idle[address] == [kept]


# What cannot be sent --------------------------------------------------------------------------------------------------


def quarantined(replica: Replica) -> list[str]:
    return [path.name for path in (replica.device / "quarantined").glob("objects/*")]


def corrupt(path: Path, at: int) -> None:
    """Change one byte."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("damage", ["body", "metadata", "size", "name", "place"])
def test_a_damaged_object_is_left_out(damage: str, source: Replica, target: Replica) -> None:
    for number in range(4):
        source.put(f"o{number}", at(1))
    victim = source.directory("o1")
    (path,) = victim.iterdir()
    if damage == "body":
        corrupt(path, 2)
    elif damage == "metadata":
        os.setxattr(path, "user.swift.metadata", b"nonsense")
    elif damage == "size":
        path.write_bytes(b"hell")
    elif damage == "name":
        with open(path, "rb") as file:
            fs = FileSystem()
            xattrs.write(fs, file.fileno(), {**xattrs.read(fs, file.fileno()), "name": "/a/c/another"})
    else:
        source.delete("o1", at(2))  # Its tombstone as that of another object.
        moved = victim.with_name("0" * 29 + victim.name[-3:])
        victim.rename(moved)
        victim = moved
    sent = source.send(target)
    assert (sent.offered, sent.data, sent.failures) == (4, 3, 1)
    assert victim.name not in sent.in_sync and len(sent.in_sync) == 3
    assert len(target.contents()) == 3
    assert quarantined(source) == ([] if damage in ("name", "place") else [victim.name])


def test_a_body_that_proves_damaged_on_the_way_is_never_stored(source: Replica, target: Replica) -> None:
    source.put("big", at(1), BIG)
    (path,) = source.directory("big").iterdir()
    corrupt(path, len(BIG) - 1)
    with pytest.raises(SsyncFailed, match="in the midst of /a/c/big"):
        source.send(target)
    wait_until(lambda: not target.thread.server.connections, "the receiver has given up")
    assert target.contents() == {} and target.files() == []
    assert quarantined(source) == [source.directory("big").name]
    source.put("big", at(2), BIG)
    assert source.send(target).data == 1
    assert target.contents() == source.contents()


def test_a_session_that_breaks_off_leaves_no_file_open(
    source: Replica, target: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where that happens between an object's head and its body."""
    source.put("big", at(1), BIG)
    put = ssync_sender._Receiver.put

    def fail(peer: Any, data: bytes) -> None:
        if data.startswith(b"PUT "):
            raise SsyncFailed("gone")
        put(peer, data)

    monkeypatch.setattr(ssync_sender._Receiver, "put", fail)
    assert str(failure_of(source, target)) == "gone"
    (path,) = source.directory("big").iterdir()
    opened = set()
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.add(os.readlink(fd))
    assert str(path) not in opened


def meddle_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[str], None]) -> None:
    """Let somebody change each object between the offer and the sending."""

    class Changed(FoundFile):
        def open(self, now: Timestamp, open_expired: bool = False) -> OpenObject:
            change(self.directory)
            return super().open(now, open_expired)

    monkeypatch.setattr(ssync_sender, "FoundFile", Changed)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda source: source.put("o", at(5)),
        lambda source: source.post("o", at(5)),
        lambda source: source.delete("o", at(5)),
        lambda source: shutil.rmtree(source.directory("o")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["put", "delete"])
def test_what_changes_meanwhile_comes_in_the_next_pass(
    start: str,
    meddle: Callable[[Replica], None],
    source: Replica,
    target: Replica,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source.put("o", at(1))
    if start == "delete":
        source.delete("o", at(2))
        source.put("other", at(1))

    def change(directory: str) -> None:
        if directory == str(source.directory("o")) and not done:
            done.append(True)
            if start == "delete":
                source.put("o", at(4))
            else:
                meddle(source)

    done: list[bool] = []
    meddle_with(monkeypatch, change)
    sent = source.send(target)
    assert done and sent.failures == 0
    assert source.directory("o").name not in sent.in_sync
    assert not target.directory("o").exists()
    source.send(target)
    assert target.contents() == source.contents()


@pytest.mark.parametrize("where", ["object", "suffix"])
def test_a_file_where_a_directory_should_be(where: str, source: Replica, target: Replica) -> None:
    """It is no reason not to replicate the rest."""
    for number in range(3):
        source.put(f"o{number}", at(1))
    source.send(target)
    for replica, second in ((target, 2), (source, 3)):
        source.put("o0", at(second))
        source.put("o1", at(second))
        in_the_way = replica.directory("o2" if where == "object" else "o1")
        if where == "suffix":
            in_the_way = in_the_way.parent
        shutil.rmtree(in_the_way)
        in_the_way.write_bytes(b"")
        if where == "suffix" and replica is target:
            failure_of(source, target)  # Nothing can be stored there, but all else was.
            in_the_way.unlink()
        sent = source.send(target)
        assert sent.failures == 0
        assert source.directory("o0").name in sent.in_sync
        assert f"{at(second)}.data" in os.listdir(target.directory("o0"))
    assert not quarantined(source)


@pytest.mark.parametrize(("kind", "damage"), [(".data", "size"), (".data", "metadata"), (".ts", "metadata")])
def test_what_is_damaged_there_does_not_pass_for_the_object(
    kind: str, damage: str, source: Replica, target: Replica
) -> None:
    """A handoff would be removed because of it. A crash may leave such files where rsync had brought them."""
    for replica in (source, target):
        replica.put("o", at(1))
        if kind == ".ts":
            replica.delete("o", at(2))
    (path,) = target.directory("o").iterdir()
    if damage == "size":
        os.truncate(path, 0)
    else:
        os.removexattr(path, "user.swift.metadata")
    sent = source.send(target)
    assert sent.data + sent.tombstones == len(sent.in_sync) == 1
    assert target.contents() == source.contents()
    assert quarantined(target) == [source.directory("o").name]


# What is not taken ----------------------------------------------------------------------------------------------------


@pytest.fixture
def make_target(tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def make(**options: Any) -> Replica:
        made.append(Replica(tmp_path / f"target{len(made)}", **options))
        return made[-1]

    yield make
    for replica in made:
        replica.__exit__()


def failure_of(source: Replica, target: Replica | Node) -> PeerFailed:
    with pytest.raises(PeerFailed) as failed:
        source.send(target)
    return failed.value


def test_a_refusal(source: Replica, target: Replica, make_target: Callable[..., Replica]) -> None:
    source.put("o", at(1))
    assert failure_of(source, make_target(replication_server=False)).status == 405
    assert failure_of(source, node_at(target.thread.address, "sdz")).status == 507
    (port,) = [target.thread.address[1]]
    target.__exit__()
    assert failure_of(source, node_at(("127.0.0.1", port))).status == 0


def test_only_so_many_at_once(source: Replica, make_target: Callable[..., Replica]) -> None:
    target = make_target(replication_concurrency=2)
    source.put("o", at(1))
    slots = target.app.ssync.slots
    with slots.taken():
        source.send(target)
        with slots.taken():
            assert failure_of(source, target).status == 503
    source.put("o", at(2))
    assert source.send(target).data == 1


@pytest.mark.parametrize("what", ["partition", "device"])
def test_a_lock_that_others_hold(what: str, source: Replica, make_target: Callable[..., Replica]) -> None:
    target = make_target(replication_lock_timeout=0.05)
    source.put("o", at(1))
    target.partition.mkdir(parents=True)
    path = target.partition / ".lock-replication" if what == "partition" else target.device / ".lock"
    with FileSystem().lock(str(path)):
        error = failure_of(source, target)
        assert error.status == 0 and "another replicates to this partition or device" in str(error)
        if what == "device":
            assert source.send(make_target(replication_concurrency_per_device=2)).data == 1
    assert source.send(target).data == 1


def test_one_of_two_places_on_a_device(source: Replica, make_target: Callable[..., Replica]) -> None:
    target = make_target(replication_lock_timeout=0.05, replication_concurrency_per_device=2)
    source.put("o", at(1))
    fs = FileSystem()
    with fs.lock(f"{target.root}/.lock"):
        assert source.send(target).data == 1
        with fs.lock(f"{target.root}/.lock-1"):
            assert failure_of(source, target).status == 0


def test_failures_are_told_in_the_end(source: Replica, make_target: Callable[..., Replica]) -> None:
    full = make_target(fallocate_reserve=Reserve(100.0, True))
    source.put("o", at(1))
    source.delete("p", at(2))
    source.put("q", at(3), BIG)
    error = failure_of(source, full)
    assert error.status == 500 and "2 failures to 1 successes" in str(error)
    assert [Path(name).name for name in full.contents()] == [f"{at(2)}.ts"]
    assert full.files(".data") == []


@pytest.mark.parametrize("size", [5, 700_000])
def test_an_error_that_nobody_thought_of_is_no_success(size: int, source: Replica, target: Replica) -> None:
    source.put("o", at(1), bytes(size))

    def serve(request: Any) -> Any:
        raise RuntimeError("something unheard of")

    target.app.ssync.serve = serve
    assert failure_of(source, target).status in (0, 500)
    assert target.contents() == {}


def test_too_many_failures_end_the_session(source: Replica, make_target: Callable[..., Replica]) -> None:
    full = make_target(fallocate_reserve=Reserve(100.0, True), replication_failure_threshold=3)
    for number in range(9):
        source.put(f"o{number}", at(1))
    error = failure_of(source, full)
    assert error.status == 500 and re.search(r"Too many [3-8] failures to 0 successes", str(error))


# Big partitions -------------------------------------------------------------------------------------------------------


SMALL = 32768
"""Bytes that wait in a connection at most, or twice as many."""


class SmallClient(Client):
    """Connections with little room in them."""

    def connect(self, address: Address) -> Connection:
        connection = super().connect(address)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.stream.sock.setsockopt(socket.SOL_SOCKET, option, SMALL)
        return connection


def test_nobody_waits_for_ever_however_many_objects_there_are(
    source: Replica, target: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends have much more to say than fits between them."""
    count = 20_000
    files = resolve([f"{at(1)}.data"])

    def many(*_: object) -> Iterator[tuple[str, FileSet]]:
        return ((f"{number:032x}", files) for number in range(count))

    monkeypatch.setattr(ssync_sender, "objects_of", many)
    target.thread.server.listeners[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    target.thread.server.listeners[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    client = SmallClient(30.0, 60.0)
    sent = SsyncSender(client, source.own_files, node_timeout=60.0).send(
        target.node, Shipment(source.root, POLICY, int(PARTITION), ["000"])
    )
    client.close()
    assert (sent.offered, len(sent.in_sync), sent.failures) == (count, 0, 0)  # None of them is really there.


def test_a_receiver_is_not_kept_waiting_by_a_slow_disk(
    source: Replica, target: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little there is to send at a time."""
    for number in range(4):
        source.put(f"o{number}", at(1))
    said: list[int] = []
    say = Upload.say
    monkeypatch.setattr(Upload, "say", lambda upload, data: (said.append(len(data)), say(upload, data)))
    clock = itertools.count(0, 2)  # Seconds pass between any two objects.
    monkeypatch.setattr(ssync_sender, "monotonic", lambda: float(next(clock)))
    assert source.send(target).data == 4
    assert len(said) >= 5


def test_no_faster_than_allowed(source: Replica, target: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    source.put("big", at(1), BIG)
    rests: list[float] = []
    monkeypatch.setattr(ssync_sender, "sleep", lambda seconds=0: rests.append(seconds))
    monkeypatch.setattr(ssync_sender, "monotonic", lambda: 0.0)  # No time passes.
    source.send(target, bytes_per_second=100_000.0)
    assert max(rests) == pytest.approx(len(BIG) / 100_000, rel=0.05)
    assert sorted(rests) == rests
