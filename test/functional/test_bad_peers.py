"""Other servers that talk nonsense get a 400 that says what is wrong, and nothing of what they sent is kept."""

from __future__ import annotations

import itertools
import json
import logging
from typing import Any

import pytest

from fakes.database_servers import SWIFT, Answer, BackendServer, account_server, container_server
from swiftlite.core.timestamp import Timestamp
from swiftlite.wire.catch_up import ASK_KNOWN, Reach, SameRows, Stretch, known_of

CLOCK = itertools.count(1700000000)
ACCOUNT, CONTAINER = "/sda/7/a", "/sda/7/a/c"
REPLICATED = {"container": f"/sda/7/{SWIFT.hash_path.hex('a', 'c')}", "account": f"/sda/7/{SWIFT.hash_path.hex('a')}"}
DEEP = b"[" * 200_000
DEEP_TEXT = "[" * 100_000
HUGE = 10**30
SURROGATE = "\ud800"


def now() -> str:
    return Timestamp(next(CLOCK)).internal


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory):
    """A container with one row, and an account that has the container."""
    base = tmp_path_factory.mktemp("peers")
    with container_server(base / "containers") as containers, account_server(base / "accounts") as accounts:
        found = {"container": BackendServer(containers), "account": BackendServer(accounts)}
        for kind, path in (("container", CONTAINER), ("account", ACCOUNT)):
            assert found[kind].request("PUT", path, {"X-Timestamp": now()}).status == 201
        row = {"X-Timestamp": now(), "X-Size": "1", "X-Content-Type": "t", "X-Etag": "e"}
        assert found["container"].request("PUT", f"{CONTAINER}/good", row).status == 201
        counts = {"X-Object-Count": "1", "X-Bytes-Used": "1"}
        stamps = {"X-Put-Timestamp": now(), "X-Delete-Timestamp": "0"}
        assert found["account"].request("PUT", CONTAINER, {**stamps, **counts}).status == 201
        yield found


@pytest.fixture(autouse=True)
def nothing_changes(servers: dict[str, BackendServer], caplog: pytest.LogCaptureFixture):
    before = [snapshot(servers["container"], CONTAINER), snapshot(servers["account"], ACCOUNT)]
    caplog.set_level(logging.ERROR)
    yield
    assert [snapshot(servers["container"], CONTAINER), snapshot(servers["account"], ACCOUNT)] == before
    assert not any(record.exc_info for record in caplog.records)


class Folded(dict):
    """Headers of an answer, found in any case."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


def snapshot(server: BackendServer, path: str) -> tuple[Any, ...]:
    listing = server.request("GET", path, query="format=json")
    head = server.request("HEAD", path, dict([ASK_KNOWN]))
    known = known_of(Folded(head.headers))
    return listing.status, listing.body, known and {name: point for name, point in known.points.items() if point >= 0}


def refuse(answer: Answer) -> None:
    assert answer.status == 400
    assert answer.text


def row(**changes: Any) -> dict[str, Any]:
    made = {"name": "n", "created_at": now(), "size": 1, "content_type": "t", "etag": "e", "deleted": 0}
    return {**made, "storage_policy_index": 0, **changes}


# Rows of objects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        b"[1" + b"0" * 5000 + b"]",
        *(
            json.dumps([row(name="fine"), row(**changes)]).encode()
            for changes in (
                {"created_at": "x"},
                {"created_at": "x" * 16},
                {"deleted": "x"},
                {"deleted": 2},
                {"size": HUGE},
                {"size": float("inf")},
                {"name": SURROGATE},
                {"storage_policy_index": 99},
                {"storage_policy_index": -1},
                {"storage_policy_index": None},
                {"ctype_timestamp": "x"},
                {"meta_timestamp": 5},
            )
        ),
    ],
    ids=lambda body: body[-60:],
)
def test_an_update_is_taken_whole_or_not_at_all(servers: dict[str, BackendServer], body: bytes) -> None:
    refuse(servers["container"].request("UPDATE", CONTAINER, {"X-Timestamp": now()}, body=body))


# Replicas that catch up -----------------------------------------------------------------------------------------------


def changes(**others: Any) -> bytes:
    told = {"created_at": now(), "put_timestamp": now(), "delete_timestamp": "0", "metadata": "", "object_count": 0}
    return json.dumps(
        {"rows": [row(ROWID=1)], **told, "storage_policy_index": 0, "status_changed_at": "0", **others}
    ).encode()


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        changes(rows=[{}]),
        changes(rows=[{**row(), "ROWID": HUGE}]),
        changes(rows=[{**row(), "ROWID": float("inf")}]),
        changes(metadata=DEEP_TEXT),
        changes(metadata="[["),
        changes(metadata='{"X": 5}'),
        changes(metadata=json.dumps({"X": [SURROGATE, "1"]})),
        changes(storage_policy_index=HUGE),
        changes(storage_policy_index=float("inf")),
        changes(object_count=float("inf")),
    ],
    ids=lambda body: body[-60:],
)
def test_what_another_replica_is_said_to_know(servers: dict[str, BackendServer], body: bytes) -> None:
    headers = dict([*Stretch("peer", -1).to_headers(), *Reach(5, False).to_headers()])
    refuse(servers["container"].request("UPDATE", CONTAINER, headers, body=body))


@pytest.mark.parametrize("row_number", [HUGE, -HUGE, 2**63])
def test_numbers_of_rows_that_no_database_has(servers: dict[str, BackendServer], row_number: int) -> None:
    stretch, reach = Stretch("peer", row_number).to_headers(), Reach(row_number, False).to_headers()
    asked = [
        ("GET", dict(stretch), None),
        ("UPDATE", dict([*stretch, *Reach(5, False).to_headers()]), changes()),
        ("UPDATE", dict([*Stretch("peer", -1).to_headers(), *reach]), changes()),
        ("UPDATE", dict(SameRows("peer", "0" * 32, row_number).to_headers()), b""),
    ]
    for method, headers, body in asked:
        refuse(servers["container"].request(method, CONTAINER, headers, body=body))


# Replication ----------------------------------------------------------------------------------------------------------


def sync(**others: Any) -> list[Any]:
    told = {"max_row": 1, "hash": "0" * 32, "id": "peer", "created_at": now(), "put_timestamp": now()}
    return ["sync", *(told | {"delete_timestamp": "0", "metadata": ""} | others).values()]


@pytest.mark.parametrize("kind", ["container", "account"])
@pytest.mark.parametrize(
    "order",
    [
        sync(id=SURROGATE),
        sync(max_row=HUGE),
        sync(hash=SURROGATE),
        sync(metadata=["x"]),
        sync(put_timestamp=float("inf")),
        ["merge_items", [{"ROWID": HUGE, **row()}], "peer"],
        ["merge_items", [{"ROWID": float("inf"), **row()}], "peer"],
        ["merge_items", [{"ROWID": 1, **row()}], SURROGATE],
        ["merge_syncs", [{"remote_id": "peer", "sync_point": HUGE}]],
        ["complete_rsync", SURROGATE],
        ["complete_rsync", "n" * 223],
        ["rsync_then_merge", SURROGATE],
        ["rsync_then_merge", "é" * 112],
    ],
    ids=lambda order: str(order)[:60].encode("ascii", "replace"),
)
def test_an_order_of_a_replicator(servers: dict[str, BackendServer], kind: str, order: list[Any]) -> None:
    refuse(servers[kind].request("REPLICATE", REPLICATED[kind], body=json.dumps(order).encode()))


@pytest.mark.parametrize("kind", ["container", "account"])
def test_an_order_that_is_nested_too_deeply(servers: dict[str, BackendServer], kind: str) -> None:
    refuse(servers[kind].request("REPLICATE", REPLICATED[kind], body=DEEP))


@pytest.mark.parametrize("kind", ["container", "account"])
@pytest.mark.parametrize("name", ["n" * 223, "n" * 255, "é" * 112], ids=len)
def test_a_file_whose_name_is_too_long(servers: dict[str, BackendServer], kind: str, name: str) -> None:
    refuse(servers[kind].request("REPLICATE", f"{REPLICATED[kind]}/{name}", body=b"a database"))


def test_a_file_may_have_a_long_name(servers: dict[str, BackendServer]) -> None:
    name = "n" * 222
    answer = servers["account"].request("REPLICATE", f"{REPLICATED['account']}/{name}", body=b"a database")
    assert answer.status == 201
    refuse(
        servers["account"].request(
            "REPLICATE", REPLICATED["account"], body=json.dumps(["rsync_then_merge", name]).encode()
        )
    )


@pytest.mark.parametrize(
    "changed", [{"put_timestamp": "x"}, {"put_timestamp": "x" * 16}, {"delete_timestamp": "x"}], ids=repr
)
def test_a_containers_row_that_an_account_cannot_show(servers: dict[str, BackendServer], changed: dict) -> None:
    """It is dropped, and logged: the rows after it are good all the same."""
    made = {"ROWID": 1, "name": "bad", "put_timestamp": now(), "delete_timestamp": "0", "object_count": 1}
    made |= {"bytes_used": 1, "deleted": 0, "storage_policy_index": 0}
    order = ["merge_items", [made | changed], "nobody"]
    assert servers["account"].request("REPLICATE", REPLICATED["account"], body=json.dumps(order).encode()).status == 202


# Storage policies -----------------------------------------------------------------------------------------------------


def test_a_policy_that_is_not_in_swift_conf_is_not_taken_over(tmp_path, caplog: pytest.LogCaptureFixture) -> None:
    with container_server(tmp_path) as thread:
        server, created = BackendServer(thread), Timestamp(1_800_000_000)
        assert server.request("PUT", CONTAINER, {"X-Timestamp": created.internal}).status == 201
        older = {"storage_policy_index": 77, "status_changed_at": "0000000001.00000", "put_timestamp": created.internal}
        headers = dict([*Stretch("peer", -1).to_headers(), *Reach(5, False).to_headers()])
        assert server.request("UPDATE", CONTAINER, headers, body=changes(**older)).status == 202
        order = [*sync(put_timestamp=created.internal), "0000000001.00000", 1, 77]
        assert server.request("REPLICATE", REPLICATED["container"], body=json.dumps(order).encode()).status == 200
        head = server.request("HEAD", CONTAINER)
        assert head.headers["x-backend-storage-policy-index"] == "0"
        assert sum("storage policy 77" in record.getMessage() for record in caplog.records) == 2
        older["storage_policy_index"] = 1
        assert server.request("UPDATE", CONTAINER, headers, body=changes(**older)).status == 202
        assert server.request("HEAD", CONTAINER).headers["x-backend-storage-policy-index"] == "1"
