"""The account and container replicators among real servers: what was missed is made up for, and nothing is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import shutil
import socket
import sqlite3
import threading
import time
from array import array
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import PATIENT, SWIFT, account_server, container_server
from fakes.http_server import ServerThread
from fakes.ports import free_port
from swiftlite.account.backend import AccountBroker
from swiftlite.account.replicator import AccountReplicator
from swiftlite.container import shard_rows
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.replicator import ContainerReplicator
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.core.shard_ranges import ShardRange
from swiftlite.db import layout, replication
from swiftlite.db.broker import DatabaseQuarantined
from swiftlite.db.replicator import DatabaseReplicator, Job, ReplicatorOptions
from swiftlite.db.whole_file import make_copy
from swiftlite.ring.format import RingData, dump_v1

LOGGER = logging.getLogger("test.replicator")
KINDS: dict[str, Any] = {
    "account": (AccountBroker, AccountReplicator, account_server, ("a",)),
    "container": (ContainerBroker, ContainerReplicator, container_server, ("a", "c")),
}
NODES = 4
NOW = int(time.time())


def at(seconds: int) -> str:
    """A moment of today, so that nobody reclaims what was deleted then."""
    return f"{NOW - 10000 + seconds:010d}.00000"


class Site:
    """Four servers of one kind, each with a device; the first three are the primaries of all partitions."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.broker_class, self.replicator_class, self.serve, self.names = KINDS[kind]
        self.directory = directory
        self.hash = SWIFT.hash_path.hex(*self.names)
        self.threads: list[ServerThread | None] = [self.serve(self.node(number)) for number in range(NODES)]
        self.ports = [thread.address[1] for thread in self.threads if thread]
        self.write_ring((0, 1, 2))

    def write_ring(self, primaries: tuple[int, ...], part_shift: int = 32) -> None:
        """A ring whose every partition is on these nodes; the others are in it, too, with other partitions."""
        devices = [
            {
                "id": number,
                "region": 1,
                "zone": number,
                "ip": "127.0.0.1",
                "port": self.ports[number],
                "replication_ip": "127.0.0.1",
                "replication_port": self.ports[number],
                "device": "sda",
                "weight": 1.0,
                "meta": "",
            }
            for number in range(NODES)
        ]
        parts = 2 ** (32 - part_shift)
        rows = [array("H", [number] * parts) for number in primaries]
        # A handoff must have partitions somewhere: give it those that our database is not in.
        for number in set(range(NODES)) - set(primaries):
            for partition in set(range(parts)) - {self.partition(part_shift)}:
                rows[0][partition] = number
        (self.directory / f"{self.kind}.ring.gz").write_bytes(dump_v1(RingData(devices, part_shift, rows)))

    def partition(self, part_shift: int = 32) -> int:
        """Of our database."""
        return int(self.hash[:8], 16) >> part_shift

    def node(self, number: int) -> Path:
        """The devices of a node."""
        return self.directory / f"node{number}"

    def broker(self, number: int, partition: int = 0) -> Any:
        """The database on a node."""
        path = layout.database_path(str(self.node(number) / "sda"), self.kind, str(partition), self.hash)
        return self.broker_class(path, *self.names, logger=LOGGER)

    def made(self, number: int, names: Any = (), first: int = 10, partition: int = 0) -> Any:
        """The same, created, with these rows."""
        broker = self.broker(number, partition)
        broker.initialize(at(1))
        add(broker, names, first)
        return broker

    def replicator(self, number: int, **options: Any) -> DatabaseReplicator:
        """The replicator of a node."""
        made = ReplicatorOptions(
            **{
                "swift_dir": str(self.directory),
                "devices": str(self.node(number)),
                "bind_ip": "127.0.0.1",
                "bind_port": self.ports[number],
                "mount_check": False,
                "databases_per_second": 0,
                "recon_cache_path": str(self.node(number) / "recon"),
                **PATIENT,
                **options,
            }
        )
        return self.replicator_class(made, SWIFT, LOGGER)

    def replicate(self, *numbers: int, **options: Any) -> list[Any]:
        """Make a pass on these nodes, all three primaries without any; return what each counted."""
        return [self.replicator(number, **options).run_once() for number in numbers or (0, 1, 2)]

    def stop(self, number: int) -> None:
        """End a node's server."""
        thread = self.threads[number]
        assert thread
        thread.__exit__()
        self.threads[number] = None

    def hashes(self, numbers: tuple[int, ...] = (0, 1, 2)) -> list[str]:
        """The hashes of the rows on these nodes."""
        return [self.broker(number).get_info()["hash"] for number in numbers]

    def litter(self) -> list[Path]:
        """What lies in the directories for temporary files."""
        return [path for number in range(NODES) for path in (self.node(number) / "sda" / "tmp").glob("*")]


def add(broker: Any, names: Any, first: int = 10) -> None:
    if isinstance(broker, AccountBroker):
        records = [ContainerRow(name, at(first), "0", 1, 5) for name in names]
    else:
        records = [ObjectReport(name, at(first), 5, "text/plain", "e") for name in names]
    broker.merge_items([tuple(record) for record in records])


def remove(broker: Any, names: Any, moment: int = 50) -> None:
    for name in names:
        if isinstance(broker, AccountBroker):
            broker.put_container(ContainerRow(name, at(10), at(moment), 0, 0))
        else:
            broker.delete_object(name, at(moment))


def names_of(broker: Any) -> set[str]:
    return {row["name"] for row in broker.items_since(-1, 100000) if not row["deleted"]}


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is old is so at the time of each test, whenever this module was loaded."""
    monkeypatch.setitem(globals(), "NOW", int(time.time()))


@pytest.fixture(params=list(KINDS))
def site(request, tmp_path: Path):
    made = Site(request.param, tmp_path)
    yield made
    for number, thread in enumerate(made.threads):
        if thread:
            made.stop(number)


@pytest.fixture
def containers(tmp_path: Path):
    made = Site("container", tmp_path)
    yield made
    for number, thread in enumerate(made.threads):
        if thread:
            made.stop(number)


# What was missed ------------------------------------------------------------------------------------------------------


def test_a_replica_that_was_away_catches_up(site: Site) -> None:
    many = [f"n{number:05d}" for number in range(3000)]
    for number in range(3):
        site.made(number, many[:2000])
    site.replicate()
    for number in (0, 1):
        add(site.broker(number), many[2000:], 20)
        remove(site.broker(number), many[:700])
    add(site.broker(2), ["only", "here"], 30)
    site.replicate()
    assert len(set(site.hashes())) == 1
    assert names_of(site.broker(2)) == {*many[700:], "only", "here"}
    counts = site.replicate()
    assert [count["hashmatch"] + count["no_change"] for count in counts] == [2, 2, 2]
    assert sum(count["diff"] + count["remote_merge"] + count["rsync"] for count in counts) == 0


def test_what_each_has_alone_comes_to_all(site: Site) -> None:
    key = f"X-{site.kind.title()}-Meta-"
    for number in range(3):
        broker = site.made(number, f"{number}abc", 10 + number)
        broker.update_metadata({key + str(number): ("v", at(number)), key + "Same": (str(number), at(number))})
    site.broker(1).update_put_timestamp(at(77))
    site.replicate()
    site.replicate()
    assert len(set(site.hashes())) == 1
    for number in range(3):
        assert names_of(site.broker(number)) == set("012abc")
        metadata = site.broker(number).metadata()
        assert {name: value for name, (value, _) in metadata.items()} == {
            **{key + str(other): "v" for other in range(3)},
            key + "Same": "2",
        }
        assert site.broker(number).get_info()["put_timestamp"] == at(77)


def test_rows_that_wait_to_be_merged_are_replicated(containers: Site) -> None:
    for number in range(3):
        containers.made(number)
    containers.broker(0).put_object(ObjectReport("pending", at(10), 5, "text/plain", "e"))
    containers.replicate(0)
    assert names_of(containers.broker(2)) == {"pending"}


def test_a_replica_whose_file_is_gone_gets_it_back(site: Site) -> None:
    for number in range(3):
        site.made(number, "abc")
    shutil.rmtree(site.broker(1).directory)
    (counts,) = site.replicate(0)
    assert counts["rsync"] == 1
    assert len(set(site.hashes())) == 1
    ids = {site.broker(number).get_info()["id"] for number in range(3)}
    assert len(ids) == 3
    assert site.litter() == []


def test_no_file_on_its_way_is_for_all_to_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database holds keys and access lists."""
    seen = set()

    def look(path: str) -> None:
        seen.update(oct(file.stat().st_mode & 0o777) for file in site.directory.glob("node*/sda/tmp/*"))
        check(path)

    check = replication._check_file
    monkeypatch.setattr(replication, "_check_file", look)
    for number in range(2):
        site.made(number, "abc")
    add(site.broker(0), [f"more{number}" for number in range(30)])
    site.replicate(0, per_diff=10)
    copy = make_copy(site.broker(0).path, str(site.node(0) / "sda"))
    assert oct(os.stat(copy).st_mode & 0o777) == "0o600"
    assert seen == {"0o600"}
    assert {oct(os.stat(site.broker(number).path).st_mode & 0o777) for number in range(3)} == {"0o600"}


def test_a_corrupt_replica_is_quarantined_and_comes_back(site: Site) -> None:
    for number in range(3):
        site.made(number, "abc")
    path = Path(site.broker(1).path)
    path.write_bytes(b"no database" * 1000)
    (counts,) = site.replicate(1)
    assert counts["failures"] == 1
    assert list((site.node(1) / "sda" / "quarantined" / f"{site.kind}s").iterdir())
    site.replicate(0)
    assert names_of(site.broker(1)) == set("abc")


def test_a_corrupt_replica_found_by_a_peer_comes_back(site: Site) -> None:
    for number in range(3):
        site.made(number, "abc")
    Path(site.broker(1).path).write_bytes(b"no database" * 1000)
    site.replicate(0)
    site.replicate(0)
    assert len(set(site.hashes())) == 1


def test_one_bad_database_does_not_end_the_pass(site: Site) -> None:
    for number in range(3):
        site.made(number)
    add(site.broker(0), "abc")
    bad = Path(layout.database_path(str(site.node(0) / "sda"), site.kind, "0", "0" * 32))
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"no database" * 1000)
    (counts,) = site.replicate(0)
    assert (counts["failures"], counts["attempted"]) == (1, 2)
    assert names_of(site.broker(1)) == set("abc")


def test_a_peer_far_behind_gets_the_whole_file_and_keeps_its_own_rows(site: Site) -> None:
    site.made(0, [f"n{number}" for number in range(500)])
    site.made(1, ["mine"])
    site.made(2, [f"n{number}" for number in range(490)])
    remove(site.broker(1), ["n3"], 60)
    (counts,) = site.replicate(0, per_diff=100)
    assert (counts["remote_merge"], counts["diff"]) == (1, 1)
    assert names_of(site.broker(1)) == {"mine", *(f"n{number}" for number in range(500))} - {"n3"}
    site.replicate(1)
    site.replicate(0)
    assert len(set(site.hashes())) == 1
    assert site.litter() == []


def test_a_pass_sends_no_more_than_it_may_and_the_next_goes_on(site: Site) -> None:
    site.made(0, [f"n{number}" for number in range(100)])
    site.made(1, [f"m{number}" for number in range(60)])
    site.made(2, [f"m{number}" for number in range(60)])
    (counts,) = site.replicate(0, per_diff=10, max_diffs=4)
    assert counts["diff_capped"] == 2
    assert len(names_of(site.broker(1))) == 100
    site.replicate(0, per_diff=10, max_diffs=4)
    site.replicate(0, per_diff=10, max_diffs=4)
    assert len(names_of(site.broker(1))) == 160


def test_a_third_replica_learns_what_was_told_already(site: Site) -> None:
    for number in range(3):
        site.made(number)
    add(site.broker(0), "abc")
    first = site.broker(0).get_info()["id"]
    site.broker(1).merge_sync_points([{"remote_id": first, "sync_point": -1}])
    site.broker(1).merge_rows(site.broker(0).items_since(-1, 10), first)
    site.replicate(1)
    assert names_of(site.broker(2)) == set("abc")
    assert site.broker(2).sync_point(first) == 3
    assert site.replicate(0)[0]["diff"] == 0


def test_a_peer_is_not_said_to_know_what_came_after_the_last_row_it_got(site: Site) -> None:
    """A third replica's rows arrive between the last batch and the word on whose rows the peer has now."""
    for number in range(3):
        site.made(number)
    add(site.broker(0), "abc")
    third = site.made(3, "xyz", 30)
    known = third.get_info()["id"]

    class Visited(site.broker_class):  # type: ignore[misc, name-defined]
        def items_since(self, row: int, count: int) -> list[dict[str, Any]]:
            found = super().items_since(row, count)
            site.broker(0).merge_sync_points([{"remote_id": known, "sync_point": -1}])
            site.broker(0).merge_rows(third.items_since(-1, 10), known)
            return found

    replicator = site.replicator(0)
    replicator.broker_class = Visited
    replicator.run_once()
    assert site.broker(0).sync_point(known) == 3
    assert (names_of(site.broker(1)), site.broker(1).sync_point(known)) == (set("abc"), -1)


def test_a_replica_that_was_copied_by_hand_from_another_hides_no_row(site: Site) -> None:
    """Both number their new rows alike, under one identity: what one has told passes for what the other one has."""
    site.made(0, ["a"])
    site.replicate(0)
    shutil.rmtree(site.broker(1).directory)
    shutil.copytree(site.broker(0).directory, site.broker(1).directory)
    add(site.broker(0), ["first", "second"], 50)
    add(site.broker(1), ["third"], 60)
    site.replicate(0, 1, 2, 0, 1, 2)
    assert len({site.broker(number).get_info()["id"] for number in range(3)}) == 3
    for number in range(3):
        assert names_of(site.broker(number)) == {"a", "first", "second", "third"}


def test_a_database_restored_from_an_old_copy_takes_a_new_name(site: Site, tmp_path: Path) -> None:
    for number in range(3):
        site.made(number)
    shutil.copyfile(site.broker(0).path, tmp_path / "backup")
    add(site.broker(0), "abcdef")
    site.replicate()
    old_id = site.broker(0).get_info()["id"]
    shutil.copyfile(tmp_path / "backup", tmp_path / "restored")
    os.replace(tmp_path / "restored", site.broker(0).path)
    add(site.broker(0), "xyz")  # rows 1 to 3, which the others believe to know
    site.replicate(0)
    assert site.broker(0).get_info()["id"] != old_id
    assert site.broker(0).sync_point(old_id) == -1
    site.replicate()
    assert len(set(site.hashes())) == 1
    assert names_of(site.broker(2)) == set("abcdefxyz")


# Handoffs -------------------------------------------------------------------------------------------------------------


def test_what_is_on_a_handoff_goes_home(site: Site) -> None:
    for number in range(3):
        site.made(number, "ab")
    handoff = site.made(3, "bcd", 20)
    site.replicate(3)
    assert not handoff.exists
    assert not os.path.exists(os.path.dirname(os.path.dirname(handoff.directory)))
    assert site.litter() == []
    assert all(names_of(site.broker(number)) == set("abcd") for number in range(3))


def test_a_handoff_makes_what_is_missing(site: Site) -> None:
    site.made(3, "abc")
    site.replicate(3)
    assert not site.broker(3).exists
    assert len(set(site.hashes())) == 1
    assert names_of(site.broker(0)) == set("abc")


def test_a_handoff_stays_while_a_primary_is_down(site: Site) -> None:
    for number in range(3):
        site.made(number)
    site.made(3, "abc")
    site.stop(1)
    (counts,) = site.replicate(3)
    assert (counts["failure"], counts["success"], counts["remove"]) == (1, 2, 0)
    assert names_of(site.broker(3)) == set("abc")
    site.replicate(3, handoff_delete=2)
    assert not site.broker(3).exists


class Interrupting:
    """Lets something happen to a handoff once its peers have been told, and before it may be removed."""

    def __init__(self, replicator: DatabaseReplicator, act: Any) -> None:
        self._after = replicator.after_replication
        self._act = act
        replicator.after_replication = self  # type: ignore[method-assign]

    def __call__(self, *arguments: Any) -> None:
        self._after(*arguments)
        act, self._act = self._act, lambda: None
        act()


def test_a_row_that_comes_in_between_keeps_a_handoff_alive(site: Site) -> None:
    for number in range(3):
        site.made(number)
    handoff = site.made(3, "abc")
    replicator = site.replicator(3)
    if site.kind == "account":
        late = ContainerRow("late", at(40), "0", 1, 5)
        Interrupting(replicator, lambda: site.broker(3).put_container(late))
    else:
        Interrupting(replicator, lambda: site.broker(3).put_object(ObjectReport("late", at(40), 5, "t", "e")))
    replicator.run_once()
    assert "late" in names_of(handoff)
    replicator.run_once()
    assert not handoff.exists
    assert all("late" in names_of(site.broker(number)) for number in range(3))


def test_metadata_that_come_in_between_keep_a_handoff_alive(site: Site) -> None:
    key = f"X-{site.kind.title()}-Meta-Color"
    for number in range(3):
        site.made(number)
    handoff = site.made(3, "abc")
    replicator = site.replicator(3)
    Interrupting(replicator, lambda: site.broker(3).update_metadata({key: ("blue", at(60))}))
    replicator.run_once()
    assert handoff.exists
    replicator.run_once()
    assert not handoff.exists
    assert all(site.broker(number).metadata()[key] == ("blue", at(60)) for number in range(3))


def test_metadata_from_the_primaries_do_not_keep_a_handoff_alive(site: Site) -> None:
    key = f"X-{site.kind.title()}-Meta-"
    for number in range(3):
        site.made(number).update_metadata({key + str(number): ("v", at(number))})
    site.broker(1).update_put_timestamp(at(66))
    site.made(3, "abc")
    site.replicate(3)
    assert not site.broker(3).exists


def test_a_disk_that_is_missing_is_stood_in_for(site: Site) -> None:
    site.write_ring((0, 1, 2), part_shift=30)
    partition = site.partition(30)
    for number in range(2):
        site.made(number, "abc", partition=partition)
    shutil.rmtree(site.node(2) / "sda")
    (counts,) = site.replicate(0)
    assert (counts["failure"], counts["success"]) == (1, 2)
    assert names_of(site.broker(3, partition)) == set("abc")


def test_a_database_in_the_wrong_partition_goes_to_the_right_one(site: Site) -> None:
    misplaced = site.made(0, "abc", partition=9)
    site.replicate(0)
    assert not misplaced.exists
    assert all(names_of(site.broker(number)) == set("abc") for number in range(3))


def test_a_ring_that_comes_between_two_looks_makes_no_primary_a_handoff(site: Site, monkeypatch) -> None:
    """Our device is told by one ring that it is a handoff, and is a primary in the next one."""
    site.write_ring((1, 2, 3))
    site.made(0, "abc")
    replicator = site.replicator(0)
    replicator.local = replicator.local_nodes()
    monkeypatch.setattr(replicator.ring, "reload_time", -1.0)  # it looks for a newer file whenever it is asked
    ask = replicator.ring.primaries

    def and_then_another_comes(partition: int) -> Any:
        found = ask(partition)
        site.write_ring((0, 1, 2))
        return found

    monkeypatch.setattr(replicator.ring, "primaries", and_then_another_comes)
    for job in replicator.jobs():
        replicator.work(job)
    assert names_of(site.broker(0)) == set("abc")
    assert site.broker(3).exists  # one ring decided who was told


def test_a_ring_that_comes_before_the_removal_keeps_a_database(site: Site) -> None:
    site.write_ring((1, 2, 3))
    site.made(0, "abc")
    replicator = site.replicator(0)
    Interrupting(replicator, lambda: site.write_ring((0, 1, 2)))
    assert replicator.run_once()["success"] == 3
    assert names_of(site.broker(0)) == set("abc")


@pytest.mark.parametrize("new", [{"id": 77}, {"replication_port": 1}])
def test_a_device_whose_number_or_address_has_changed_is_still_itself(site: Site, new: dict[str, int]) -> None:
    for number in range(3):
        site.made(number, "abc")
    replicator = site.replicator(0)
    node = dataclasses.replace(replicator.local_nodes()[0], **new)  # as the ring had it when the pass began
    replicator.work(Job(site.broker(0).path, node))
    assert names_of(site.broker(0)) == set("abc")
    assert replicator.counts["success"] == 2


@pytest.mark.parametrize("first", [0, 1])
def test_a_database_in_another_s_directory_is_quarantined_and_the_right_one_comes_back(
    site: Site, caplog: pytest.LogCaptureFixture, first: int
) -> None:
    """Restored there by mistake, say. Peers are told by hash: its rows would go into the other one, or theirs into it."""
    for number in range(1, 3):
        site.made(number, "abc")
    others = (*site.names[:-1], "other")
    foreign = site.broker_class(site.broker(0).path, *others, logger=LOGGER)
    foreign.initialize(at(1))
    add(foreign, ["foreign"])
    foreign.update_metadata({f"X-{site.kind.title()}-Meta-Color": ("blue", at(20))})
    (counts,) = site.replicate(first)
    assert counts["failures"] == 1
    assert "/".join(others) in caplog.text or first
    assert (names_of(foreign), site.broker(1).metadata()) == ({"foreign"}, {})
    with pytest.raises(DatabaseQuarantined):
        site.broker(0).get_info()
    site.replicate(1)
    assert all((names_of(b), b.metadata()) == (set("abc"), {}) for b in map(site.broker, range(3)))


# What is old ----------------------------------------------------------------------------------------------------------


def test_old_deletions_are_forgotten_and_young_ones_not(site: Site) -> None:
    for number in range(3):
        site.made(number, "abcd")
        remove(site.broker(number), "ab", 100)
        remove(site.broker(number), "c", 9000)
    site.replicate(reclaim_age=5000)
    site.replicate(reclaim_age=5000)
    for number in range(3):
        assert {row["name"] for row in site.broker(number).items_since(-1, 100)} == {"c", "d"}


def test_a_deletion_of_long_ago_is_told_before_it_is_forgotten(site: Site) -> None:
    """It may come late: an expired object's, or one of container sync, or one that waited for its server."""
    for number in range(3):
        site.made(number, "abcd")
    site.replicate(reclaim_age=6000)
    for number in (0, 1):
        remove(site.broker(number), "ab", 100)
    site.replicate(reclaim_age=6000)
    assert all(names_of(site.broker(number)) == {"c", "d"} for number in range(3))
    for _ in range(2):
        site.replicate(reclaim_age=6000)
    for number in range(3):
        assert {row["name"] for row in site.broker(number).items_since(-1, 100)} == {"c", "d"}


def test_deletions_do_not_wait_for_ever_for_who_is_away(site: Site) -> None:
    for number in range(3):
        site.made(number, "abcd")
    site.replicate()
    site.stop(2)
    remove(site.broker(0), "ab", 100)
    for age, left in ((6000, 4), (6000, 4), (4000, 2)):  # it is some 9900 seconds old
        site.replicate(0, reclaim_age=age)
        assert len(site.broker(0).items_since(-1, 100)) == left


def test_a_deleted_database_is_kept_until_it_is_old_and_then_removed(site: Site) -> None:
    for number in range(3):
        broker = site.made(number)
        broker.delete(at(100))
        if site.kind == "container":
            broker.set_reported(at(1), at(100), 0, 0)
    site.replicate(reclaim_age=20000)
    assert site.broker(0).exists
    site.replicate(reclaim_age=5000)
    assert not any(site.broker(number).exists for number in range(3))
    assert site.litter() == []


def test_a_deleted_container_stays_until_its_account_knows(containers: Site) -> None:
    containers.made(0).delete(at(100))
    containers.replicate(0, reclaim_age=5000)
    assert containers.broker(0).exists


def test_a_deletion_spreads(site: Site) -> None:
    for number in range(3):
        site.made(number)
    site.broker(0).delete(at(100))
    site.replicate(0)
    for number in range(3):
        assert site.broker(number).is_deleted()
        assert site.broker(number).get_info()["delete_timestamp"] == at(100)


def test_what_was_left_behind_is_removed_when_it_is_old(site: Site) -> None:
    broker = site.made(0)
    tmp = site.node(0) / "sda" / "tmp"
    (tmp / "grave").mkdir(parents=True)
    old, young = [tmp / "old", Path(broker.directory) / "old.tmp"], [tmp / "young", Path(broker.directory) / "y.tmp"]
    for path in (*old, *young):
        path.write_text("x")
    for path in (*old, tmp / "grave"):
        os.utime(path, (NOW - 9000, NOW - 9000))
    site.replicate(0, reclaim_age=5000)
    assert [path.exists() for path in (*old, tmp / "grave", *young)] == [False, False, False, True, True]


# Which databases, and how fast ----------------------------------------------------------------------------------------


def test_only_what_was_asked_for_is_replicated(site: Site) -> None:
    for number in range(3):
        site.made(number)
    add(site.broker(0), "abc")
    assert site.replicate(0, only_devices=("sdb",))[0]["attempted"] == 0
    assert site.replicate(0, only_partitions=("5", "6"))[0]["attempted"] == 0
    assert site.replicate(0, handoffs_only=True)[0]["attempted"] == 0
    assert site.replicate(0, only_devices=("sda",), only_partitions=("0",))[0]["attempted"] == 1
    assert names_of(site.broker(1)) == set("abc")


def test_a_server_at_another_port_is_not_us(site: Site) -> None:
    site.made(0, "abc")
    assert site.replicate(0, bind_port=free_port())[0]["attempted"] == 0


def test_a_pass_is_told_of(site: Site) -> None:
    for number in range(3):
        site.made(number)
    site.stop(2)
    site.replicate(0)
    told = json.loads((site.node(0) / "recon" / f"{site.kind}.recon").read_text())
    assert told["replication_stats"]["attempted"] == 1
    assert told["replication_stats"]["success"] == 1
    assert told["replication_stats"]["failure_nodes"] == {"127.0.0.1": {"sda": 1}}
    assert told["replication_last"] >= told["replication_stats"]["start"]


def test_a_peer_that_is_down_is_complained_of_once(site: Site, caplog) -> None:
    for number in range(3):
        site.made(number)
    path = layout.database_path(str(site.node(0) / "sda"), site.kind, "0", SWIFT.hash_path.hex("b", *site.names[1:]))
    site.broker_class(path, "b", *site.names[1:], logger=LOGGER).initialize(at(1))
    site.stop(2)
    site.replicate(0)
    complaints = [record for record in caplog.records if str(site.ports[2]) in record.getMessage()]
    assert len([record for record in complaints if record.levelno >= logging.WARNING]) == 1


def test_a_peer_that_does_not_answer_is_left_alone(site: Site) -> None:
    """Or every database would wait for it."""
    for number in range(8):
        path = layout.database_path(
            str(site.node(0) / "sda"), site.kind, "0", SWIFT.hash_path.hex(f"b{number}", *site.names[1:])
        )
        site.broker_class(path, f"b{number}", *site.names[1:], logger=LOGGER).initialize(at(1))
    site.stop(2)
    asked = []
    with socket.create_server(("127.0.0.1", site.ports[2])) as listener:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    asked.append(listener.accept()[0].close())

        thread = threading.Thread(target=hang_up)
        thread.start()
        (counts,) = site.replicate(0, concurrency=1)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert (counts["success"], counts["failure"], len(asked)) == (8, 8, 3)


# Policies -------------------------------------------------------------------------------------------------------------


def test_replicas_agree_on_a_policy_and_queue_what_lies_in_another(containers: Site) -> None:
    policies = [0, 1, 1]
    for number, policy in enumerate(policies):
        broker = containers.broker(number)
        broker.initialize(at(1 + number), policy)
        broker.put_object(ObjectReport(f"o{number}", at(10 + number), 5, "text/plain", "e", 0, policy))
    containers.replicate()
    containers.replicate()
    assert [containers.broker(number).get_info()["storage_policy_index"] for number in range(3)] == [0, 0, 0]
    assert len(set(containers.hashes())) == 1
    queued = set()
    for number in range(3):
        for path in layout.databases(str(containers.node(number) / "sda"), "container"):
            queue = ContainerBroker(path, "", logger=LOGGER)
            if queue.get_info()["account"] == ".misplaced_objects":
                queued |= {row["name"] for row in queue.items_since(-1, 100)}
    assert queued == {"1:/a/c/o1", "1:/a/c/o2"}


# Shard ranges ---------------------------------------------------------------------------------------------------------


def shard(name: str, state: int, moment: int) -> ShardRange:
    return ShardRange(name, at(4), "", "", 1, 2, at(moment), 0, state, at(moment), at(4))


def test_replicas_exchange_shard_ranges(containers: Site) -> None:
    for number in range(3):
        containers.made(number)
    shard_rows.merge_shard_ranges(containers.broker(0), [shard(".shards_a/1", 20, 5), shard(".shards_a/2", 20, 5)])
    shard_rows.merge_shard_ranges(containers.broker(1), [shard(".shards_a/1", 40, 6), shard(".shards_a/3", 20, 5)])
    containers.replicate(0)
    containers.replicate(0)
    expected = {shard(".shards_a/1", 40, 6), shard(".shards_a/2", 20, 5), shard(".shards_a/3", 20, 5)}
    for number in range(3):
        assert set(shard_rows.shard_ranges(containers.broker(number))) == expected


def test_rows_that_go_to_shards_are_left_where_they_are(containers: Site) -> None:
    for number in range(3):
        containers.made(number)
    containers.made(3, "abc")
    shard_rows.merge_shard_ranges(containers.broker(3), [shard("a/c", 60, 5), shard(".shards_a/1", 20, 5)])
    (counts,) = containers.replicate(3)
    assert (counts["deferred"], counts["remove"]) == (3, 0)
    assert names_of(containers.broker(3)) == set("abc")
    assert len(shard_rows.shard_ranges(containers.broker(0))) == 2


def test_the_files_stay_sound(site: Site) -> None:
    site.made(0, [f"n{number}" for number in range(500)])
    site.made(1, ["mine"])
    site.replicate(0, per_diff=100)
    for number in range(3):
        with sqlite3.connect(site.broker(number).path) as connection:
            connection.create_function("chexor", 3, lambda *_: "")
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
