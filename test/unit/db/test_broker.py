"""DatabaseBroker: what replicas tell each other, and what of it they take (formats.md 4.7, 4.8)."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from unit.db.replicas import KINDS, at, broker_on, delete, exchange, make_replicas, meet, push, put, rows_of

from swiftlite.core.timestamp import Timestamp
from swiftlite.db.broker import BadRow, DatabaseMissing

both = pytest.mark.parametrize("kind", KINDS)


@both
def test_what_a_new_database_tells(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    info = broker.replication_info()
    assert (info["max_row"], info["count"], info["metadata"], info["hash"]) == (-1, 0, "", "0" * 32)
    assert (info["created_at"], info["put_timestamp"], info["delete_timestamp"]) == (at(11), at(10), "0")
    assert info["id"] == broker.get_info()["id"]
    assert broker.items_since(-1, 10) == []
    assert broker.sync_points() == broker.sync_points(incoming=False) == []
    assert broker.sync_point("nobody") == -1
    json.dumps(info)


@both
def test_rows_are_numbered_as_they_change(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    for name in ("b", "a", "c"):
        put(broker, name)
    assert broker.max_row() == -1  # nobody has read yet, so nothing is merged
    assert broker.replication_info()["max_row"] == 3
    delete(broker, "b")
    assert [(row["ROWID"], row["name"], row["deleted"]) for row in broker.items_since(-1, 10)] == [
        *((2, "a", 0), (3, "c", 0), (4, "b", 1)),
    ]
    assert [row["ROWID"] for row in broker.items_since(2, 1)] == [3]
    assert broker.max_row() == broker.replication_info()["max_row"] == 4


@both
def test_a_row_that_says_nothing_new_keeps_its_number(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    for _ in range(2):
        put(broker, "a")
        broker.merge_rows(broker.items_since(-1, 10), "somebody")
    assert broker.max_row() == 1


@both
def test_rows_of_one_become_rows_of_the_other(tmp_path: Path, kind: str) -> None:
    first, second = make_replicas(tmp_path, kind)
    for number in range(5):
        put(first, f"o{number}")
    delete(first, "o3")
    put(second, "mine")
    identity = first.get_info()["id"]
    assert push(first, second) == 5
    assert second.sync_point(identity) == first.max_row()
    assert push(first, second) == 0
    assert push(second, first) == 6
    assert rows_of(first) == rows_of(second)
    assert first.get_info()["hash"] == second.get_info()["hash"]


@both
def test_a_late_batch_moves_no_sync_point_back(tmp_path: Path, kind: str) -> None:
    first, second = make_replicas(tmp_path, kind)
    for name in "abc":
        put(first, name)
    rows = first.items_since(-1, 10)
    meet(second, "first")
    second.merge_rows(rows, "first")
    second.merge_rows(rows[:1], "first")
    second.merge_rows([], "first")
    assert second.sync_point("first") == 3
    second.merge_rows(rows)
    assert second.sync_points() == [{"remote_id": "first", "sync_point": 3}]


NO_ROWS: list[Any] = ["no row", None, {}, {"ROWID": "five", "name": "o"}, 5]
ODD_VALUES: list[dict[str, Any]] = [
    {"name": 1},
    {"name": "\ud800"},
    {"name": None},
    {"storage_policy_index": 2**63},
]


@both
def test_rows_raise_no_sync_point_of_a_replica_that_was_not_heard_of_or_whose_rows_before_are_missing(
    tmp_path: Path, kind: str
) -> None:
    """The database may have taken the place of another one since the rows before were sent."""
    first, second = make_replicas(tmp_path, kind)
    for name in "abcd":
        put(first, name)
    rows = first.items_since(-1, 10)
    second.merge_rows(rows[2:], "first")
    second.merge_sync_points([{"remote_id": "first", "sync_point": 4}], in_session=True)
    assert second.sync_points() == []
    meet(second, "first")
    second.merge_rows(rows[2:], "first", since=2)
    assert second.sync_point("first") == -1
    second.merge_rows(rows[:2], "first", since=-1)
    second.merge_rows(rows[2:], "first", since=2, until=9)
    assert second.sync_point("first") == 9
    second.merge_sync_points([{"remote_id": "first", "sync_point": 10}], in_session=True)
    assert second.sync_point("first") == 10


@both
def test_equal_rows_are_noted_only_while_they_are_equal(tmp_path: Path, kind: str) -> None:
    first, second = make_replicas(tmp_path, kind)
    put(first, "a")
    second.note_same_rows("first", first.get_info()["hash"], 1)
    assert second.sync_points() == []
    second.note_same_rows("first", second.get_info()["hash"], 1)
    second.note_same_rows("first", second.get_info()["hash"], 0)
    assert second.sync_point("first") == 1
    second.lower_sync_point("first", 0)
    assert second.sync_point("first") == 0


@both
@pytest.mark.parametrize("odd", NO_ROWS, ids=repr)
def test_what_is_no_row_is_refused_with_its_whole_batch(tmp_path: Path, kind: str, odd: Any) -> None:
    first, second = make_replicas(tmp_path, kind)
    put(first, "good")
    with pytest.raises(BadRow):
        second.merge_rows([*first.items_since(-1, 10), odd], "first")
    assert (second.items_since(-1, 10), second.sync_points()) == ([], [])


def merge_with_odd(tmp_path: Path, kind: str, odd: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """See that a batch with one row that cannot be kept is merged but for that row."""
    first, second = make_replicas(tmp_path, kind)
    for name in ("a", "odd", "z"):
        put(first, name)
    rows = first.items_since(-1, 10)
    rows[1] |= odd
    meet(second, "first")
    second.merge_rows(rows, "first")
    assert [row["name"] for row in second.items_since(-1, 10)] == ["a", "z"]
    assert second.sync_point("first") == 3
    assert sum("dropped a bad row" in message for message in caplog.messages) == 1


@both
@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_a_bad_row_does_not_hold_up_the_others(
    tmp_path: Path, kind: str, odd: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    merge_with_odd(tmp_path, kind, odd, caplog)


@pytest.mark.parametrize(
    "odd", [{"created_at": "yesterday"}, {"size": "3"}, {"size": None}, {"etag": 5}, {"deleted": 7}], ids=repr
)
def test_bad_rows_of_objects(tmp_path: Path, odd: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    merge_with_odd(tmp_path, "container", odd, caplog)


@pytest.mark.parametrize("odd", [{"put_timestamp": 5}, {"object_count": "x"}, {"bytes_used": None}], ids=repr)
def test_bad_rows_of_containers(tmp_path: Path, odd: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    merge_with_odd(tmp_path, "account", odd, caplog)


@both
def test_rows_of_a_newer_release_carry_more(tmp_path: Path, kind: str) -> None:
    first, second = make_replicas(tmp_path, kind)
    put(first, "o")
    second.merge_rows([{**row, "future": "x"} for row in first.items_since(-1, 10)], "first")
    assert rows_of(first) == rows_of(second)


@both
def test_sync_points_only_rise(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    for incoming in (True, False):
        broker.merge_sync_points([{"remote_id": "a", "sync_point": 4}, {"remote_id": "b", "sync_point": -1}], incoming)
        broker.merge_sync_points([{"remote_id": "a", "sync_point": 3}, {"remote_id": "b", "sync_point": 7}], incoming)
        points = {point["remote_id"]: point["sync_point"] for point in broker.sync_points(incoming)}
        assert points == {"a": 4, "b": 7}
    with broker.connection() as connection:
        touched = connection.execute("SELECT updated_at FROM incoming_sync").fetchall()
    assert all(int(moment) > 1_000_000_000 for (moment,) in touched)


@both
@pytest.mark.parametrize("odd", [[5], [{"remote_id": "a"}], [{"remote_id": 1, "sync_point": 1}], 5], ids=repr)
def test_bad_sync_points_are_refused(tmp_path: Path, kind: str, odd: Any) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    with pytest.raises(BadRow):
        broker.merge_sync_points(odd)
    with pytest.raises(BadRow):
        broker.merge_sync_points([{"remote_id": "good", "sync_point": 1}, {"remote_id": "a", "sync_point": "1"}])
    assert broker.sync_points() == []


@both
def test_timestamps_are_settled(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    broker.merge_timestamps(at(9), at(12), "0", Timestamp(50))
    info = broker.get_info()
    assert (info["created_at"], info["put_timestamp"], info["delete_timestamp"]) == (at(9), at(12), "0")
    assert info["status_changed_at"] == at(10)
    broker.merge_timestamps(at(13), at(8), at(14), Timestamp(60))
    info = broker.get_info()
    assert (info["created_at"], info["put_timestamp"], info["delete_timestamp"]) == (at(9), at(12), at(14))
    assert info["status_changed_at"] == at(60)
    assert broker.is_deleted()
    broker.merge_timestamps(at(13), at(15), at(14), Timestamp(70))
    assert not broker.is_deleted()
    assert broker.get_info()["status_changed_at"] == at(70)


@both
def test_a_full_database_is_not_deleted_by_time_alone(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    put(broker, "o")
    assert not broker.empty()
    broker.merge_timestamps(at(11), at(10), at(30), Timestamp(60))
    assert not broker.is_deleted()
    assert broker.get_info()["status_changed_at"] == at(10)


@both
def test_metadata_are_settled(tmp_path: Path, kind: str) -> None:
    first, second = make_replicas(tmp_path, kind)
    first.update_metadata({"A": ("old", at(1)), "B": ("new", at(5)), "C": ("gone", at(1)), "D": ("x", at(1))})
    second.update_metadata({"A": ("new", at(2)), "B": ("old", at(4)), "C": ("", at(2)), "D": ("y", at(1))})
    exchange([first, second])
    expected = {"A": ("new", at(2)), "B": ("new", at(5)), "C": ("", at(2)), "D": ("y", at(1))}
    assert first.metadata() == second.metadata() == expected


@both
@pytest.mark.parametrize(
    "odd", ["{", "[1]", '"x"', '{"A": 1}', '{"A": ["x"]}', '{"A": ["x", 5]}', '{"A": [null, "1"]}']
)
def test_bad_metadata_are_refused(tmp_path: Path, kind: str, odd: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    broker.update_metadata({"A": ("1", at(1))})
    with pytest.raises(BadRow):
        broker.merge_metadata_text(odd)
    broker.merge_metadata_text("")
    assert broker.metadata() == {"A": ("1", at(1))}


@both
def test_a_copy_gets_an_identity_of_its_own(tmp_path: Path, kind: str) -> None:
    (first,) = make_replicas(tmp_path, kind, 1)
    for name in "abc":
        put(first, name)
    first.commit_pending()
    delete(first, "c")
    old = first.get_info()["id"]
    copy = tmp_path / "d1/tmp/received"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(Path(first.path).read_bytes())
    broker = type(first)(str(copy), "AUTH_t", "c1" if kind == "container" else None, logger=first.logger)
    broker.renew_id(old)
    info = broker.replication_info()
    assert info["id"] != old
    assert info["id"].endswith("-d1")
    assert (broker.sync_point(old), info["max_row"], rows_of(broker)) == (4, 4, rows_of(first))


def test_a_copied_container_has_told_no_account(tmp_path: Path) -> None:
    (broker,) = make_replicas(tmp_path, "container", 1)
    broker.set_reported(at(10), at(1), 5, 6)
    broker.renew_id("somebody")
    info = broker.get_info()
    assert (info["reported_put_timestamp"], info["reported_delete_timestamp"]) == ("0", "0")
    assert (info["reported_object_count"], info["reported_bytes_used"]) == (0, 0)
    assert broker.sync_point("somebody") == -1


@both
def test_old_deletions_are_reclaimed_page_by_page(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swiftlite.db.reclaiming.AT_ONCE", 3)
    (broker,) = make_replicas(tmp_path, kind, 1)
    for number in range(20):
        delete(broker, f"old{number:02d}", 30)
        delete(broker, f"new{number:02d}", 50)
        put(broker, f"kept{number:02d}", 20)
    assert broker.reclaim(at(40), at(40)) == 20
    left = rows_of(broker)
    assert {row["name"][:3] for row in left} == {"new", "kep"}
    assert len(left) == 40
    assert broker.reclaim(at(40), at(40)) == 0
    assert broker.reclaim(at(60), at(40)) == 20
    assert broker.max_row() == 60


@both
def test_blank_metadata_and_old_sync_points_are_reclaimed(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    broker.update_metadata({"A": ("", at(30)), "B": ("", at(50)), "C": ("x", at(30))})
    broker.merge_sync_points([{"remote_id": "a", "sync_point": 4}])
    broker.merge_sync_points([{"remote_id": "a", "sync_point": 4}], incoming=False)
    broker.reclaim(at(40), at(40))
    assert broker.metadata() == {"B": ("", at(50)), "C": ("x", at(30))}
    assert broker.sync_point("a") == broker.sync_point("a", incoming=False) == 4
    broker.reclaim(at(40), at(9_999_999_999))
    assert broker.sync_points() == broker.sync_points(incoming=False) == []


def test_what_is_pending_is_merged_before_reclaiming(tmp_path: Path) -> None:
    (broker,) = make_replicas(tmp_path, "container", 1)
    delete(broker, "o", 30)
    assert broker.reclaim(at(40), at(40)) == 1


@pytest.mark.parametrize(("name", "stays"), [("AUTH_t/c1", True), (".shards_AUTH_t/c1-0", False)])
def test_the_own_shard_range_is_not_reclaimed(tmp_path: Path, name: str, stays: bool) -> None:
    (broker,) = make_replicas(tmp_path, "container", 1)
    with sqlite3.connect(broker.path) as connection:
        connection.execute("INSERT INTO shard_range (name, timestamp, deleted) VALUES (?, ?, 1)", (name, at(20)))
    broker.reclaim(at(10), at(30))
    with sqlite3.connect(broker.path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM shard_range").fetchone() == (int(stays),)


@both
def test_when_a_whole_database_may_go(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    assert not broker.is_reclaimable(1000, 100)
    broker.delete(at(500))
    if kind == "container":
        assert not broker.is_reclaimable(1000, 100)  # no account has been told
        info = broker.get_info()
        broker.set_reported(info["put_timestamp"], info["delete_timestamp"], 0, 0)
        assert broker.is_reported()
    assert broker.is_reclaimable(1000, 100)
    assert not broker.is_reclaimable(1000, 500)
    assert not broker.is_reclaimable(50, 100)
    put(broker, "late")
    assert not broker.is_reclaimable(1000, 100)


def test_rows_of_another_policy_keep_a_container(tmp_path: Path) -> None:
    (broker,) = make_replicas(tmp_path, "container", 1)
    broker.merge_items([("o", at(20), 1, "t", "e", 0, 1)])
    broker.delete(at(30))
    assert broker.is_deleted()
    info = broker.get_info()
    broker.set_reported(info["put_timestamp"], info["delete_timestamp"], 0, 0)
    assert not broker.is_reclaimable(1000, 1)


@both
def test_what_is_missing_is_deleted(tmp_path: Path, kind: str) -> None:
    broker: Any = broker_on(tmp_path / "d0", kind)
    assert broker.is_deleted()
    for call in (broker.replication_info, broker.max_row, broker.sync_points, lambda: broker.items_since(-1, 1)):
        with pytest.raises(DatabaseMissing):
            call()


def test_misplaced_rows(tmp_path: Path) -> None:
    (broker,) = make_replicas(tmp_path, "container", 1)
    assert broker.reconciler_sync_point() == -1
    broker.merge_items([(name, at(20), 1, "t", "e", 0, policy) for name, policy in (("a", 0), ("b", 1), ("c", 2))])
    assert [(row["ROWID"], row["name"]) for row in broker.misplaced_since(-1, 10)] == [(2, "b"), (3, "c")]
    assert [row["name"] for row in broker.misplaced_since(-1, 1)] == ["b"]
    assert [row["name"] for row in broker.misplaced_since(2, 10)] == ["c"]
    broker.set_storage_policy_index(1, at(30))
    assert [row["name"] for row in broker.misplaced_since(-1, 10)] == ["a", "c"]
    broker.set_reconciler_sync_point(3)
    assert broker.reconciler_sync_point() == 3


def test_a_policy_is_counted_from_the_moment_it_is_chosen(tmp_path: Path) -> None:
    (broker,) = make_replicas(tmp_path, "container", 1)
    broker.set_storage_policy_index(2, at(30))
    assert broker.policy_stats() == {0: (0, 0), 2: (0, 0)}


@both
def test_a_received_file_that_is_no_database_harms_nothing_else(tmp_path: Path, kind: str) -> None:
    (broker,) = make_replicas(tmp_path, kind, 1)
    received = tmp_path / "d0/tmp/received"
    received.parent.mkdir()
    received.write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        type(broker)(str(received), "AUTH_t", None, logger=broker.logger).max_row()
    assert received.exists()
    assert not (tmp_path / "d0/quarantined").exists()
