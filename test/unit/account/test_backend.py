"""AccountBroker: its rows, its sums per policy, its life (formats.md 4.4, 4.6, 4.7)."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from swiftlite.account.backend import AccountBroker, is_deleted, is_marked_deleted
from swiftlite.core.listing import ListingQuery, Subdir
from swiftlite.core.rows import ContainerRow
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import pending
from swiftlite.db.schema import chexor

HASH = "fc2edd920780369df3731867e6921ef2"


def at(seconds: float) -> str:
    return Timestamp(seconds).internal


@pytest.fixture
def broker(tmp_path: Path) -> AccountBroker:
    path = str(tmp_path / f"sda/accounts/1/ef2/{HASH}/{HASH}.db")
    made = AccountBroker(path, "AUTH_t", logger=logging.getLogger(__name__))
    made.initialize(at(10), now=Timestamp(11))
    return made


def test_a_new_account(broker: AccountBroker) -> None:
    info = broker.get_info()
    assert (info["account"], info["created_at"], info["put_timestamp"]) == ("AUTH_t", at(11), at(10))
    assert (info["container_count"], info["object_count"], info["bytes_used"]) == (0, 0, 0)
    assert broker.policy_stats() == {}
    assert not is_deleted(info)
    assert not is_marked_deleted(info)


def test_rows_are_summed_by_policy(broker: AccountBroker) -> None:
    broker.put_container(ContainerRow("c", at(20), "0", 2, 7))
    broker.put_container(ContainerRow("d", at(21), "0", 3, 5, storage_policy_index=1))
    broker.put_container(ContainerRow("c", at(20), "0", 4, 8))
    info = broker.get_info()
    assert (info["container_count"], info["object_count"], info["bytes_used"]) == (2, 7, 13)
    assert info["hash"] == chexor(chexor("0" * 32, "c", f"{at(20)}-0-4-8"), "d", f"{at(21)}-0-3-5")
    assert broker.policy_stats() == {
        0: {"container_count": 1, "object_count": 4, "bytes_used": 8},
        1: {"container_count": 1, "object_count": 3, "bytes_used": 5},
    }
    assert broker.list_containers(ListingQuery()) == [("c", 4, 8, at(20), 0), ("d", 3, 5, at(21), 1)]


def test_a_deleted_container_disappears_and_can_come_back(broker: AccountBroker) -> None:
    broker.put_container(ContainerRow("c", at(20), "0", 0, 0))
    broker.put_container(ContainerRow("c", at(20), at(30), 0, 0))
    assert broker.list_containers(ListingQuery()) == []
    assert broker.get_info()["container_count"] == 0
    broker.put_container(ContainerRow("c", at(25), at(30), 0, 0))  # an old PUT arrives late
    assert broker.list_containers(ListingQuery()) == []
    broker.put_container(ContainerRow("c", at(40), "0", 1, 1))
    assert [row[0] for row in broker.list_containers(ListingQuery())] == ["c"]


def test_a_delimiter_listing(broker: AccountBroker) -> None:
    for name in ("a-1", "a-2", "b"):
        broker.put_container(ContainerRow(name, at(20), "0", 0, 0))
    assert broker.list_containers(ListingQuery(delimiter="-")) == [Subdir("a-"), ("b", 0, 0, at(20), 0)]
    assert [row[0] for row in broker.list_containers(ListingQuery(reverse=True, limit=2))] == ["b", "a-2"]


def test_bad_pending_records_are_logged_and_dropped(broker: AccountBroker, caplog: pytest.LogCaptureFixture) -> None:
    odd = [("o", at(5), "0", 2**63, 2, 0), ("o", at(5), "0", 1, 2, 0, -(2**70)), ("old", 5.0, "0", 1, 2, 0)]
    with open(broker.pending_path, "wb") as file:
        file.write(b"".join(map(pending.encode, [(1, 2), ("old", at(5), "0", 1, 2, 0), tuple("abcdefgh"), *odd])))
    assert [row[0] for row in broker.list_containers(ListingQuery())] == ["old"]
    assert len(caplog.messages) == 5


def test_deleting(broker: AccountBroker) -> None:
    broker.put_container(ContainerRow("c", at(20), "0", 0, 0))
    broker.delete(at(30))
    info = broker.get_info()
    assert is_marked_deleted(info)
    assert (info["status"], info["delete_timestamp"]) == ("DELETED", at(30))
    assert is_deleted(info)


def test_deleted_by_time_alone(broker: AccountBroker) -> None:
    info = broker.get_info() | {"delete_timestamp": at(20)}
    assert is_marked_deleted(info)
    assert is_deleted(info)
    assert not is_deleted(info | {"container_count": 1})
    assert not is_marked_deleted(info | {"put_timestamp": at(21)})
