"""REPLICATE of the account and container servers: what each operation does and answers (formats.md 4.8)."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import SWIFT, Answer, BackendServer, account_server, container_server
from fakes.http_server import wait_until
from swiftlite.account.backend import AccountBroker
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.db import layout
from swiftlite.db.broker import DatabaseBroker

LOGGER = logging.getLogger("test.replicate")
KINDS = {
    "account": (AccountBroker, account_server, ("a",)),
    "container": (ContainerBroker, container_server, ("a", "c")),
}


def at(seconds: int) -> str:
    return f"{seconds:010d}.00000"


class Site:
    """A server of one kind over device sda, and brokers to look at, or to prepare, what it serves."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.broker_class, serve, self.names = KINDS[kind]
        self.directory = directory
        self.thread = serve(directory / "node")
        self.server = BackendServer(self.thread)
        self.hash = SWIFT.hash_path.hex(*self.names)
        self.device = directory / "node" / "sda"
        self.target = f"/sda/7/{self.hash}"

    def broker(self, device: Path | None = None) -> Any:
        """The database as it is served, or the same of another device."""
        path = layout.database_path(str(device or self.device), self.kind, "7", self.hash)
        return self.broker_class(path, *self.names, logger=LOGGER)

    def made(self, device: Path | None = None, names: str = "", first: int = 10) -> Any:
        """The same, created with a row for each letter."""
        broker = self.broker(device)
        broker.initialize(at(1))
        add(broker, names, first)
        return broker

    def ask(self, *order: Any, target: str | None = None) -> Answer:
        """REPLICATE."""
        return self.server.request("REPLICATE", target or self.target, body=json.dumps(order).encode())

    def send(self, broker: DatabaseBroker, name: str) -> Answer:
        """Send a database's file."""
        broker.get_info()  # merges what is pending
        return self.server.request("REPLICATE", f"{self.target}/{name}", body=Path(broker.path).read_bytes())


def add(broker: Any, names: str, first: int = 10) -> None:
    """Put a row for each letter into a database."""
    for moment, name in enumerate(names, first):
        if isinstance(broker, AccountBroker):
            broker.put_container(ContainerRow(name, at(moment), "0", 1, 5))
        else:
            broker.put_object(ObjectReport(name, at(moment), 5, "text/plain", "e"))


def rows(broker: Any) -> list[str]:
    return sorted(row["name"] for row in broker.items_since(-1, 10000) if not row["deleted"])


def sync_arguments(info: dict[str, Any], **changes: Any) -> list[Any]:
    fields = ("max_row", "hash", "id", "created_at", "put_timestamp", "delete_timestamp", "metadata")
    return [(info | changes)[field] for field in fields]


@pytest.fixture(params=list(KINDS))
def site(request, tmp_path: Path):
    made = Site(request.param, tmp_path)
    yield made
    made.thread.__exit__()


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A device of somebody else."""
    return tmp_path / "elsewhere" / "sdb"


# Asking ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"{}", b'"sync"', b"[]", b'["unheard_of"]', b'[["sync"]]', b'["sync", 1]', b'["merge_items", 1, 2]',
     b'["merge_items", [], 5]', b'["merge_syncs"]', b'["merge_syncs", [1]]', b'["complete_rsync"]',
     b'["complete_rsync", "../x"]', b'["complete_rsync", ".."]', b'["complete_rsync", "x", "../../y.db"]',
     b'["rsync_then_merge", 7]', b'["merge_items", [{"name": 5}], "x"]'],
)  # fmt: skip
def test_nonsense_is_refused(site: Site, body: bytes) -> None:
    site.made(names="a")
    answer = site.server.request("REPLICATE", site.target, body=body)
    assert answer.status == 400 and answer.body
    assert rows(site.broker()) == ["a"]


def test_times_that_are_none_are_refused(site: Site) -> None:
    info = site.made(names="a").replication_info()
    for bad in (None, "", "soon", 5):
        assert site.ask("sync", *sync_arguments(info, put_timestamp=bad)).status in (200, 400)
    assert site.broker().get_info()["put_timestamp"] == at(1)


@pytest.mark.parametrize("target", ["/sda/7/" + "g" * 32, "/sda/7/abc", "/sda/../" + "a" * 32, "/sda/7"])
def test_a_path_that_is_none_is_refused(site: Site, target: str) -> None:
    assert site.ask("sync", 1, 2, 3, 4, 5, 6, 7, target=target).status == 400


def test_a_device_that_is_missing_is_told(site: Site) -> None:
    assert site.ask("sync", 1, 2, target=f"/sdz/7/{site.hash}").status == 507


def test_a_database_that_is_missing_is_told_and_room_is_made_for_it(site: Site) -> None:
    arguments = [5, "0" * 32, "id", at(1), at(1), "0", ""]
    assert site.ask("sync", *arguments).status == 404
    assert site.ask("merge_items", [], "x").status == 404
    assert (site.device / "tmp").is_dir()


# sync -----------------------------------------------------------------------------------------------------------------


def test_each_side_says_what_it_has(site: Site, other: Path) -> None:
    ours, theirs = site.made(names="abc"), site.made(other, "ab")
    answer = site.ask("sync", *sync_arguments(theirs.replication_info()))
    assert answer.status == 200
    told = json.loads(answer.body)
    assert told["point"] == -1
    assert (told["count"], told["max_row"], told["id"]) == (3, 3, ours.get_info()["id"])
    assert told["hash"] == ours.get_info()["hash"]


def test_the_same_rows_count_as_known(site: Site, other: Path) -> None:
    ours, theirs = site.made(names="ab"), site.made(other, "ab")
    info = theirs.replication_info()
    assert json.loads(site.ask("sync", *sync_arguments(info)).body)["point"] == 2
    assert ours.sync_point(info["id"]) == 2


def test_timestamps_and_metadata_are_merged(site: Site, other: Path) -> None:
    ours, theirs = site.made(), site.made(other)
    key = f"X-{site.kind.title()}-Meta-"
    ours.update_metadata({key + "A": ("old", at(5)), key + "B": ("kept", at(5))})
    theirs.update_metadata({key + "A": ("new", at(6)), key + "B": ("", at(4))})
    theirs.update_put_timestamp(at(7))
    info = theirs.replication_info() | {"created_at": at(0)}
    assert site.ask("sync", *sync_arguments(info)).status == 200
    assert ours.metadata() == {key + "A": ("new", at(6)), key + "B": ("kept", at(5))}
    assert (ours.get_info()["created_at"], ours.get_info()["put_timestamp"]) == (at(0), at(7))


# Rows -----------------------------------------------------------------------------------------------------------------


def test_rows_are_merged_and_how_far_is_remembered(site: Site, other: Path) -> None:
    ours, theirs = site.made(names="ab"), site.made(other, "bcd", first=20)
    sent = theirs.items_since(-1, 100)
    assert site.ask("sync", *sync_arguments(theirs.replication_info())).status == 200
    assert site.ask("merge_items", sent, theirs.get_info()["id"]).status == 202
    assert rows(ours) == ["a", "b", "c", "d"]
    assert ours.sync_point(theirs.get_info()["id"]) == 3
    assert site.ask("merge_items", sent[:1], theirs.get_info()["id"]).status == 202
    assert ours.sync_point(theirs.get_info()["id"]) == 3


def test_one_bad_row_does_not_hold_up_the_others(site: Site, other: Path) -> None:
    ours, theirs = site.made(), site.made(other, "abc")
    sent = theirs.items_since(-1, 100)
    sent[1]["name"] = 5
    assert site.ask("sync", *sync_arguments(theirs.replication_info())).status == 200
    assert site.ask("merge_items", sent, theirs.get_info()["id"]).status == 202
    assert rows(ours) == ["a", "c"]
    assert ours.sync_point(theirs.get_info()["id"]) == 3


def test_a_database_that_was_made_in_the_middle_of_a_session_is_not_said_to_know_what_came_before(
    site: Site, other: Path
) -> None:
    """A sync point that covers rows which are not there would hide them for ever."""
    ours, theirs = site.made(), site.made(other, "abcd")
    sent, identity = theirs.items_since(-1, 100), theirs.get_info()["id"]
    assert site.ask("sync", *sync_arguments(theirs.replication_info())).status == 200
    assert site.ask("merge_items", sent[:2], identity).status == 202
    shutil.rmtree(Path(ours.path).parent)
    ours = site.made()
    assert site.ask("merge_items", sent[2:], identity).status == 202
    assert site.ask("merge_syncs", [{"remote_id": "third", "sync_point": 6}]).status == 202
    assert (rows(ours), ours.sync_points()) == (["c", "d"], [])


def test_what_others_know_is_remembered(site: Site, other: Path) -> None:
    ours, theirs = site.made(), site.made(other)
    assert site.ask("sync", *sync_arguments(theirs.replication_info() | {"max_row": 1, "hash": "x"})).status == 200
    points = [{"remote_id": "x", "sync_point": 5}, {"remote_id": "y", "sync_point": 6}]
    assert site.ask("merge_syncs", points).status == 202
    assert site.ask("merge_syncs", [{"remote_id": "x", "sync_point": 4}]).status == 202
    assert (ours.sync_point("x"), ours.sync_point("y")) == (5, 6)


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_file_that_was_sent_becomes_the_database(site: Site, other: Path) -> None:
    theirs = site.made(other, "abc")
    known = theirs.replication_info()
    assert site.send(theirs, known["id"]).status == 201
    assert (site.device / "tmp" / known["id"]).is_file()
    assert site.ask("complete_rsync", known["id"], f"{site.hash}.db").status == 204
    info = site.broker().replication_info()
    assert info["id"] != known["id"] and info["id"].endswith("-sda")
    assert (rows(site.broker()), info["hash"]) == (["a", "b", "c"], known["hash"])
    assert site.broker().sync_point(known["id"]) == 3
    assert list((site.device / "tmp").iterdir()) == []


def test_a_file_does_not_replace_a_database_unasked(site: Site, other: Path) -> None:
    site.made(names="z")
    theirs = site.made(other, "abc")
    site.send(theirs, "x")
    assert site.ask("complete_rsync", "x").status == 404
    assert rows(site.broker()) == ["z"]


def test_a_file_that_never_came_is_missed(site: Site) -> None:
    site.made(names="z")
    assert site.ask("rsync_then_merge", "x").status == 404
    shutil.rmtree(site.broker().directory)
    assert site.ask("complete_rsync", "x").status == 404


def test_what_was_here_is_merged_into_the_file_that_takes_its_place(site: Site, other: Path) -> None:
    ours = site.made(names="yz", first=30)
    key = f"X-{site.kind.title()}-Meta-Color"
    ours.update_metadata({key: ("blue", at(9))})
    ours.update_put_timestamp(at(8))
    ours.merge_sync_points([{"remote_id": "third", "sync_point": 4}])
    old_id = ours.get_info()["id"]
    add(ours, "x", first=40)  # it waits in the pending file
    theirs = site.made(other, "abcd")
    known = theirs.replication_info()
    site.send(theirs, known["id"])
    assert site.ask("rsync_then_merge", known["id"], f"{site.hash}.db").status == 204
    info = site.broker().replication_info()
    assert rows(site.broker()) == list("abcdxyz")
    assert info["id"] not in (known["id"], old_id)
    assert info["put_timestamp"] == at(8)
    assert site.broker().metadata() == {key: ("blue", at(9))}
    assert site.broker().sync_point("third") == 4


def test_rows_that_the_sender_has_not_are_not_taken_for_its_own(site: Site, other: Path) -> None:
    """They get higher numbers than its last one; the rows that it will give those numbers are still unknown here."""
    site.made(names="xyz", first=30)
    theirs = site.made(other, "ab")
    known = theirs.replication_info()
    site.send(theirs, known["id"])
    assert site.ask("rsync_then_merge", known["id"]).status == 204
    assert site.broker().max_row() == 5
    assert site.broker().sync_point(known["id"]) == 2


def test_a_deletion_that_was_here_outlives_the_file(site: Site, other: Path) -> None:
    ours = site.made()
    theirs = site.made(other, "a")
    site.send(theirs, "x")
    ours.delete(at(50))
    assert site.ask("rsync_then_merge", "x").status == 204
    info = site.broker().get_info()
    assert (info["delete_timestamp"], info["status"]) == (at(50), "DELETED")


@pytest.mark.parametrize("damage", [lambda data: data[:1000], lambda data: b"no database" * 1000, lambda data: b""])
def test_a_file_that_is_damaged_replaces_nothing(site: Site, other: Path, damage) -> None:
    theirs = site.made(other, "".join(map(chr, range(0x4E00, 0x4E00 + 300))))
    theirs.get_info()
    data = damage(Path(theirs.path).read_bytes())
    for operation in ("complete_rsync", "rsync_then_merge"):
        if operation == "rsync_then_merge":
            site.made(names="z")
        assert site.server.request("REPLICATE", f"{site.target}/x", body=data).status == 201
        assert site.ask(operation, "x").status == 400
        assert list((site.device / "tmp").iterdir()) == []
    assert rows(site.broker()) == ["z"]


def test_the_file_of_another_database_replaces_nothing(site: Site, other: Path) -> None:
    path = layout.database_path(str(other), site.kind, "7", "b" * 32)
    names = ("a", "other") if site.kind == "container" else ("other",)
    theirs = site.broker_class(path, *names, logger=LOGGER)
    theirs.initialize(at(1))
    site.send(theirs, "x")
    assert site.ask("complete_rsync", "x").status == 400
    assert not site.broker().exists


def test_a_file_that_stays_short_is_not_kept(site: Site) -> None:
    import socket

    with socket.create_connection(site.thread.address[:2], 60) as connection:
        head = f"REPLICATE {site.target}/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b"too short")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)
    wait_until(lambda: list((site.device / "tmp").iterdir()) == [], "nothing is left")


# Policies -------------------------------------------------------------------------------------------------------------


def test_the_container_that_was_created_first_is_right_about_the_policy(tmp_path: Path, other: Path) -> None:
    site = Site("container", tmp_path)
    try:
        ours, theirs = site.broker(), site.broker(other)
        ours.initialize(at(2), 0)
        theirs.initialize(at(1), 1)
        info = theirs.replication_info()
        more = [info["status_changed_at"], info["count"], info["storage_policy_index"]]
        told = json.loads(site.ask("sync", *sync_arguments(info), *more).body)
        assert told["storage_policy_index"] == 1
        assert ours.get_info()["storage_policy_index"] == 1
        later = ["9999999999.00000", 0, 0]  # ours changed a moment ago
        assert json.loads(site.ask("sync", *sync_arguments(info), *later).body)["storage_policy_index"] == 1
        assert site.ask("sync", *sync_arguments(info), "soon", 0, 0).status == 400
        assert site.ask("sync", *sync_arguments(info)).status == 200
    finally:
        site.thread.__exit__()


def test_a_server_for_clients_alone_refuses(tmp_path: Path) -> None:
    from fakes.database_servers import ServerThread, options
    from swiftlite.account.server import AccountServer
    from swiftlite.db.controller import DatabaseServerOptions

    server_options = DatabaseServerOptions(**options(tmp_path / "node"), replication_server=False)
    with ServerThread(AccountServer(server_options, SWIFT, LOGGER)) as thread:
        answer = BackendServer(thread).request("REPLICATE", "/sda/7/" + "a" * 32, body=b"[]")
        assert answer.status == 405
        assert "REPLICATE" not in answer.headers["allow"]


def test_the_file_is_the_database_bit_for_bit_sound(site: Site, other: Path) -> None:
    site.send(site.made(other, "abc"), "x")
    assert site.ask("complete_rsync", "x").status == 204
    with sqlite3.connect(site.broker().path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# Shard ranges ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def container(tmp_path: Path):
    made = Site("container", tmp_path)
    yield made
    made.thread.__exit__()


def shard(name: str, **changes: Any) -> dict[str, Any]:
    """A shard range as OpenStack Swift's replicators send it."""
    shared = {
        "object_count": 1,
        "bytes_used": 2,
        "meta_timestamp": at(5),
        "deleted": 0,
        "reported": 0,
        "tombstones": -1,
    }
    times = {"timestamp": at(4), "state": 20, "state_timestamp": at(5), "epoch": None}
    return {"name": name, "lower": "", "upper": "m", **shared, **times, **changes}


def test_shard_ranges_are_merged_and_told(container: Site) -> None:
    container.made(names="a")
    assert json.loads(container.ask("get_shard_ranges").body) == []
    first, second = shard(".shards_a/c-1"), shard(".shards_a/c-2", lower="m", upper="")
    assert container.ask("merge_shard_ranges", [first, second], "sender").status == 202
    newer = second | {"state": 40, "state_timestamp": at(6)}
    assert container.ask("merge_shard_ranges", [newer], "sender").status == 202
    assert container.ask("merge_shard_ranges", [second], "sender").status == 202
    assert json.loads(container.ask("get_shard_ranges").body) == [first, newer]


@pytest.mark.parametrize("arguments", [[], [[]], ["x", "y"], [[{"name": "x"}], "y"], [[shard("\ud800")], "y"]])
def test_nonsense_about_shards_is_refused(container: Site, arguments: list[Any]) -> None:
    container.made(names="a")
    assert container.ask("merge_shard_ranges", *arguments).status == 400


def test_no_file_takes_the_place_of_a_container_whose_rows_go_to_shards(container: Site, other: Path) -> None:
    container.made(names="a")
    own = shard("a/c", state=60, epoch=at(5))
    container.ask("merge_shard_ranges", [own, shard(".shards_a/c-1")], "sender")
    container.send(container.made(other, "b"), "x")
    assert container.ask("rsync_then_merge", "x").status == 404
    assert rows(container.broker()) == ["a"]


def test_shard_ranges_outlive_the_file_that_takes_their_place(container: Site, other: Path) -> None:
    container.made(names="a")
    known = shard(".shards_a/c-1")
    container.ask("merge_shard_ranges", [known], "sender")
    container.send(container.made(other, "b"), "x")
    assert container.ask("rsync_then_merge", "x").status == 204
    assert json.loads(container.ask("get_shard_ranges").body) == [known]
