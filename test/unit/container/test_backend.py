"""ContainerBroker: nothing acknowledged is lost, readers see all of it, and every rule of formats.md 4.6 and 4.7."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swiftlite.container.backend import ContainerBroker, is_deleted
from swiftlite.core.listing import ListingQuery, Subdir
from swiftlite.core.rows import ObjectReport
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import pending
from swiftlite.db.broker import BadRow, DatabaseExists, DatabaseMissing, DatabaseQuarantined
from swiftlite.db.schema import chexor

LOGGER = logging.getLogger(__name__)
HASH = "277013d51b0186f9d602edcbebdf6668"


def at(seconds: float) -> str:
    return Timestamp(seconds).internal


def make_broker(device: Path, **options: object) -> ContainerBroker:
    path = str(device / f"containers/1/668/{HASH}/{HASH}.db")
    return ContainerBroker(path, "AUTH_t", "c1", logger=LOGGER, **options)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    (tmp_path / "sda").mkdir()
    return tmp_path / "sda"


@pytest.fixture
def broker(device: Path) -> ContainerBroker:
    made = make_broker(device)
    made.initialize(at(10), 0, Timestamp(11))
    return made


def row(name: str, seconds: float = 20, size: int = 3, **values: object) -> ObjectReport:
    return ObjectReport(name, at(seconds), size, "text/plain", "e")._replace(**values)


def names(broker: ContainerBroker, **query: object) -> list[str]:
    return [entry[0] for entry in broker.list_objects(ListingQuery(**query))]


def test_a_new_database(broker: ContainerBroker) -> None:
    info = broker.get_info()
    assert info["id"].endswith("-sda")
    assert (info["created_at"], info["put_timestamp"], info["status_changed_at"]) == (at(11), at(10), at(10))
    assert (info["delete_timestamp"], info["hash"], info["object_count"], info["metadata"]) == ("0", "0" * 32, 0, "")
    assert not is_deleted(info)
    assert os.stat(broker.path).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(broker.directory)) == [".lock", f"{HASH}.db"]
    with pytest.raises(DatabaseExists):
        broker.initialize(at(12))
    assert broker.get_info()["put_timestamp"] == at(10)
    assert sorted(os.listdir(broker.directory)) == [".lock", f"{HASH}.db"]


def test_without_a_database_nothing_works_and_nothing_is_left(device: Path) -> None:
    broker = make_broker(device)
    for call in (broker.get_info, broker.metadata, lambda: broker.put_object(row("o")), lambda: names(broker)):
        with pytest.raises(DatabaseMissing):
            call()
    assert os.listdir(device) == []


def test_rows_are_readable_at_once(broker: ContainerBroker) -> None:
    broker.put_object(row("b"))
    broker.put_object(row("a", size=4))
    broker.delete_object("b", at(21))
    assert names(broker) == ["a"]
    info = broker.get_info()
    assert (info["object_count"], info["bytes_used"]) == (1, 4)
    expected = chexor(chexor("0" * 32, "a", at(20)), "b", at(21))
    assert info["hash"] == expected


def test_a_row_number_changes_only_when_the_row_does(broker: ContainerBroker) -> None:
    def numbers() -> list[tuple]:
        broker.commit_pending()
        with sqlite3.connect(broker.path) as connection:
            return connection.execute("SELECT ROWID, name, created_at, deleted FROM object ORDER BY ROWID").fetchall()

    broker.put_object(row("a"))
    broker.put_object(row("b"))
    broker.put_object(row("a"))
    broker.put_object(row("a", 5))
    assert numbers() == [(1, "a", at(20), 0), (2, "b", at(20), 0)]
    broker.put_object(row("a", 21))
    assert numbers() == [(2, "b", at(20), 0), (3, "a", at(21), 0)]


def test_policies_are_counted_apart(broker: ContainerBroker) -> None:
    broker.put_object(row("o", storage_policy_index=1, size=5))
    broker.put_object(row("o", storage_policy_index=0, size=2))
    assert broker.policy_stats() == {0: (1, 2), 1: (1, 5)}
    broker.delete_object("o", at(30), 0)
    assert broker.get_info()["object_count"] == 0
    assert not broker.empty()
    broker.delete_object("o", at(30), 1)
    assert broker.empty()
    broker.set_storage_policy_index(1, at(40))
    info = broker.get_info()
    assert (info["storage_policy_index"], info["status_changed_at"]) == (1, at(40))
    broker.set_storage_policy_index(1, at(50))
    assert broker.get_info()["status_changed_at"] == at(40)


def test_a_delimiter_listing(broker: ContainerBroker) -> None:
    for name in ("a/1", "a/2", "b", "c/1"):
        broker.put_object(row(name))
    found = broker.list_objects(ListingQuery(delimiter="/", limit=2))
    assert found == [Subdir("a/"), ("b", at(20), 3, "text/plain", "e")]
    broker.put_object(row("d"))  # no statement was left open that would keep the file locked
    assert names(broker, marker="b") == ["c/1", "d"]


def test_a_large_pending_file_is_merged_while_writing(broker: ContainerBroker) -> None:
    count = 0
    while True:
        broker.put_object(row(f"{count:06d}"))
        count += 1
        if not pending.size(broker.pending_path):
            break
        assert count < 10000
    with sqlite3.connect(broker.path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM object").fetchone() == (count,)


def test_records_that_are_merged_twice_change_nothing(broker: ContainerBroker) -> None:
    # What a crash between the commit of the database and the emptying of the pending file leaves behind.
    for report in (row("a"), row("b"), row("a", 21), row("b", 22, deleted=1, size=0)):
        broker.put_object(report)
    waiting = pending.read(broker.pending_path)
    before = broker.get_info()
    Path(broker.pending_path).write_bytes(waiting)
    assert broker.get_info() == before
    assert pending.size(broker.pending_path) == 0


def test_bad_pending_records_are_logged_and_dropped(broker: ContainerBroker, caplog: pytest.LogCaptureFixture) -> None:
    broker.put_object(row("good"))
    bad = [
        ("too", "short"),
        (1, at(2), 3, "t", "e", 0),
        ("o", "no time", 3, "t", "e", 0, 0, None, None),
        tuple("abcdefghij"),
        ("o", at(2), 2**63, "t", "e", 0),
        ("o", at(2), 3, "t/\udcff", "e", 0),
        ("o", at(2), 3, "t", "e", 0, [1]),
    ]
    with open(broker.pending_path, "ab") as file:
        file.write(b":not a record" + b"".join(map(pending.encode, bad)))
    broker.put_object(row("better"))
    assert names(broker) == ["better", "good"]
    assert sum("dropped a bad" in message for message in caplog.messages) == 8


@pytest.mark.parametrize(
    "bad", [ObjectReport("o", at(2), 2**63, "t", "e"), ObjectReport("o", at(2), 1, "t/\udcff", "e")]
)
def test_a_row_that_could_never_be_merged_is_refused_at_once(broker: ContainerBroker, bad: ObjectReport) -> None:
    with pytest.raises(BadRow):
        broker.put_object(bad)
    assert names(broker) == []


def test_records_of_six_fields(broker: ContainerBroker) -> None:
    with open(broker.pending_path, "ab") as file:
        file.write(pending.encode(("old", at(1), 2, "text/plain", "e", 0)))
    assert names(broker) == ["old"]


def test_deleting_and_creating_again(broker: ContainerBroker) -> None:
    broker.update_metadata({"X-Container-Meta-A": ("1", at(12)), "X-Container-Sysmeta-Shard-Root": ("r", at(12))})
    broker.delete(at(30))
    info = broker.get_info()
    assert is_deleted(info)
    assert (info["status"], info["delete_timestamp"], info["status_changed_at"]) == ("DELETED", at(30), at(30))
    assert broker.metadata() == {
        "X-Container-Meta-A": ("", at(30)),
        "X-Container-Sysmeta-Shard-Root": ("r", at(12)),
    }
    broker.delete(at(20))
    assert broker.get_info()["delete_timestamp"] == at(30)
    broker.put_object(row("late"))
    assert not is_deleted(broker.get_info())
    broker.delete_object("late", at(31))
    assert is_deleted(broker.get_info())
    broker.update_put_timestamp(at(29))
    assert is_deleted(broker.get_info())
    broker.update_put_timestamp(at(32))
    assert not is_deleted(broker.get_info())


updates = st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["", "x"]), st.integers(1, 9)), max_size=8)


@settings(max_examples=25, deadline=None)
@given(updates)
def test_the_newest_metadata_stay(many: list[tuple[str, str, int]]) -> None:
    kept: dict[str, tuple[str, str]] = {}
    for key, value, moment in many:
        if key not in kept or at(moment) > kept[key][1]:
            kept[key] = (value, at(moment))
    with TemporaryBroker() as broker:
        for key, value, moment in many:
            broker.update_metadata({key: (value, at(moment))})
        assert broker.metadata() == kept


class TemporaryBroker:
    """A broker in a directory of its own, for tests that run many times."""

    def __enter__(self) -> ContainerBroker:
        import tempfile

        self.directory = tempfile.TemporaryDirectory()
        broker = make_broker(Path(self.directory.name))
        broker.initialize(at(1))
        return broker

    def __exit__(self, *_: object) -> None:
        self.directory.cleanup()


def test_refused_metadata_change_nothing(broker: ContainerBroker) -> None:
    def refuse(values: dict[str, str]) -> None:
        raise ValueError(json.dumps(values))

    broker.update_metadata({"A": ("1", at(1)), "B": ("", at(1))})
    with pytest.raises(ValueError, match=r'\{"A": "1", "C": "2"\}'):
        broker.update_metadata({"C": ("2", at(2))}, refuse)
    assert broker.metadata() == {"A": ("1", at(1)), "B": ("", at(1))}
    broker.update_metadata({"D": ("3", at(3))})


def test_what_was_reported(broker: ContainerBroker) -> None:
    broker.set_reported(at(10), "0", 7, 8)
    info = broker.get_info()
    assert (info["reported_put_timestamp"], info["reported_object_count"], info["reported_bytes_used"]) == (
        at(10),
        7,
        8,
    )


@pytest.mark.parametrize("damage", [b"", b"not a database" * 500])
def test_a_corrupt_file_is_quarantined(broker: ContainerBroker, device: Path, damage: bytes) -> None:
    Path(broker.path).unlink()
    Path(broker.path).write_bytes(damage)
    with pytest.raises(DatabaseQuarantined):
        broker.get_info()
    assert (device / f"quarantined/containers/{HASH}/{HASH}.db").exists()
    with pytest.raises(DatabaseMissing):
        broker.get_info()


def test_a_truncated_file_is_quarantined_when_what_is_missing_is_read(broker: ContainerBroker, device: Path) -> None:
    for number in range(1000):
        broker.put_object(row(f"{number:06d}"))
    broker.commit_pending()
    broker.close()
    os.truncate(broker.path, os.path.getsize(broker.path) // 2)
    with pytest.raises(DatabaseQuarantined):
        names(broker)
    assert (device / f"quarantined/containers/{HASH}/{HASH}.db").exists()


def test_a_file_that_has_been_replaced_is_not_quarantined_in_its_place(broker: ContainerBroker, device: Path) -> None:
    with pytest.raises(DatabaseQuarantined), broker.connection():
        sound = Path(broker.path).read_bytes()
        os.rename(broker.path, device / "bad")
        Path(broker.path).write_bytes(sound)
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert broker.get_info()["put_timestamp"] == at(10)


def test_a_database_without_its_row_is_quarantined(broker: ContainerBroker) -> None:
    with sqlite3.connect(broker.path) as connection:
        connection.execute("DELETE FROM container_info")
    with pytest.raises(DatabaseQuarantined):
        broker.get_info()


def test_stale_readers_do_not_wait(broker: ContainerBroker, device: Path) -> None:
    broker.put_object(row("merged"))
    assert names(broker) == ["merged"]
    broker.put_object(row("waiting"))
    with pending.directory_lock(broker.directory, 1):
        assert names(make_broker(device, patience=pending.STALE_READS)) == ["merged"]
        with pytest.raises(pending.LockTimeout):
            names(make_broker(device, patience=pending.Patience(0.01)))
    assert names(broker) == ["merged", "waiting"]


def test_rows_wait_for_a_transaction_of_another_process(broker: ContainerBroker) -> None:
    other = sqlite3.connect(broker.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    broker.put_object(row("o"))  # appends only: the database is not even opened
    other.execute("ROLLBACK")
    other.close()
    assert names(broker) == ["o"]


WRITER = """
import sys, logging
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.rows import ObjectReport
from swiftlite.core.listing import ListingQuery
path, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
broker = ContainerBroker(path, "AUTH_t", "c1", logger=logging.getLogger())
for number in range(count):
    broker.put_object(ObjectReport(f"{who}-{number:05d}", "0000000020.00000", 1, "t/t" * 20, "e"))
    print(number, flush=True)
    if number % 97 == 0:
        broker.list_objects(ListingQuery(limit=1))
"""


def start_writer(broker: ContainerBroker, who: str, count: int, program: str = WRITER) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, broker.path, who, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd())


def test_processes_that_write_and_read_at_once_lose_nothing(broker: ContainerBroker) -> None:
    writers = [start_writer(broker, who, 1000) for who in "abc"]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    info = broker.get_info()
    assert info["object_count"] == info["bytes_used"] == 3000
    assert len(names(broker)) == 3000


ANNOTATOR = """
import sys, logging
from swiftlite.container.backend import ContainerBroker
path, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
broker = ContainerBroker(path, "AUTH_t", "c1", logger=logging.getLogger())
for number in range(count):
    broker.update_metadata({f"X-Container-Meta-{who}-{number}": ("v", "0000000020.00000")})
"""


def test_processes_that_set_metadata_at_once_lose_nothing(broker: ContainerBroker) -> None:
    writers = [start_writer(broker, who, 60, ANNOTATOR) for who in "abc"]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert len(broker.metadata()) == 180


@pytest.mark.parametrize("after", [1, 350, 700])
def test_a_killed_process_loses_nothing_that_it_acknowledged(broker: ContainerBroker, after: int) -> None:
    writer = start_writer(broker, "w", 100000)
    assert writer.stdout is not None
    for _ in range(after):
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    writer.stdout.close()
    writer.wait()
    found = names(broker)
    assert found[: last + 1] == [f"w-{number:05d}" for number in range(last + 1)]
    assert broker.get_info()["object_count"] == len(found)
