"""The container server over real HTTP: every verb, its statuses and its headers (formats.md 5.2, 7.7)."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import sqlite3
import xml.etree.ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.database_servers import SWIFT, BackendServer, account_server, container_server
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.rows import ObjectReport
from swiftlite.db import pending
from swiftlite.db.pending import LockTimeout, Patience

ROW = {"X-Size": "3", "X-Content-Type": "text/plain", "X-Etag": "e"}
POLICY = "X-Backend-Storage-Policy-Index"


def at(seconds: float) -> str:
    return f"{seconds:016.5f}"


@pytest.fixture
def server(tmp_path: Path):
    with container_server(tmp_path) as thread:
        yield BackendServer(thread)


@pytest.fixture
def accounts(tmp_path: Path):
    with account_server(tmp_path) as thread:
        yield BackendServer(thread)


@pytest.fixture
def container(server: BackendServer) -> BackendServer:
    """A server that has container ``c`` of account ``a``, created at 10 s."""
    assert server.request("PUT", "/sda/0/a/c", {"X-Timestamp": at(10)}).status == 201
    return server


def put_rows(server: BackendServer, *names: str) -> None:
    for name in names:
        assert server.request("PUT", f"/sda/0/a/c/{name}", {"X-Timestamp": at(20), **ROW}).status == 201


def names_in(server: BackendServer, query: str) -> list[str]:
    answer = server.request("GET", "/sda/0/a/c", query=f"format=json&{query}")
    assert answer.status == 200
    return [entry.get("name") or entry["subdir"] for entry in json.loads(answer.body)]


def test_life_of_a_container(server: BackendServer) -> None:
    path = "/sda/0/a/c"
    missing = server.request("HEAD", path)
    assert (missing.status, missing.headers["x-backend-timestamp"]) == (404, at(0))
    created = server.request("PUT", path, {"X-Timestamp": at(10)})
    assert (created.status, created.headers[POLICY.lower()]) == (201, "0")
    assert server.request("PUT", path, {"X-Timestamp": at(11)}).status == 202
    put_rows(server, "o")
    head = server.request("HEAD", path)
    assert head.status == 204
    assert (head.headers["x-container-object-count"], head.headers["x-container-bytes-used"]) == ("1", "3")
    assert head.headers["x-put-timestamp"] == at(11)
    assert head.headers["x-backend-sharding-state"] == "unsharded"
    assert head.headers["last-modified"] == "Thu, 01 Jan 1970 00:00:11 GMT"
    assert server.request("DELETE", path, {"X-Timestamp": at(30)}).status == 409
    assert server.request("DELETE", f"{path}/o", {"X-Timestamp": at(30), POLICY: "0"}).status == 204
    assert server.request("DELETE", path, {"X-Timestamp": at(5)}).status == 409  # a newer PUT keeps it alive
    assert server.request("DELETE", path, {"X-Timestamp": at(31)}).status == 204
    gone = server.request("GET", path)
    assert (gone.status, gone.headers["x-backend-delete-timestamp"]) == (404, at(31))
    assert "x-container-object-count" not in gone.headers
    assert server.request("DELETE", path, {"X-Timestamp": at(32)}).status == 404
    assert server.request("POST", path, {"X-Timestamp": at(32)}).status == 404
    assert server.request("PUT", path, {"X-Timestamp": at(15)}).status == 409
    assert server.request("PUT", path, {"X-Timestamp": at(40)}).status == 201


def test_rows_need_a_database(server: BackendServer) -> None:
    assert server.request("PUT", "/sda/0/a/c/o", {"X-Timestamp": at(1), **ROW}).status == 404
    assert server.request("DELETE", "/sda/0/a/c/o", {"X-Timestamp": at(1)}).status == 404
    assert server.request("DELETE", "/sda/0/a/c", {"X-Timestamp": at(1)}).status == 404
    automatic = {"X-Timestamp": at(1), "X-Backend-Auto-Create": "true", **ROW}
    assert server.request("PUT", "/sda/0/a/c/o", automatic).status == 201
    assert server.request("PUT", "/sda/0/.expiring_objects/c/o", {"X-Timestamp": at(1), **ROW}).status == 201
    assert server.request("PUT", "/sda/0/.shards_a/c/o", {"X-Timestamp": at(1), **ROW}).status == 404
    assert names_in(server, "") == ["o"]


@pytest.mark.parametrize("missing", ["X-Timestamp", "X-Size", "X-Content-Type", "X-Etag"])
def test_a_row_without_a_mandatory_header_is_refused(container: BackendServer, missing: str) -> None:
    headers = {"X-Timestamp": at(1), **ROW}
    del headers[missing]
    answer = container.request("PUT", "/sda/0/a/c/o", headers)
    assert (answer.status, answer.text) == (400, f"Missing {missing} header")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "says"),
    [
        ("PUT", "/sda/0/a/c", {}, 400, "Missing X-Timestamp header"),
        ("PUT", "/sda/0/a/c", {"X-Timestamp": "yesterday"}, 400, "Invalid X-Timestamp header"),
        ("PUT", "/sda/0/a", {"X-Timestamp": "1"}, 400, "Invalid path: /sda/0/a"),
        ("POST", "/sda/0/a/c/o", {"X-Timestamp": "1"}, 400, "Invalid path: /sda/0/a/c/o"),
        ("GET", "/sda/../a/c", {}, 400, "Invalid path: /sda/../a/c"),
        ("PUT", "/sda/0/a/c", {"X-Timestamp": "1", POLICY: "7"}, 400, "Invalid X-Backend-Storage-Policy-Index '7'"),
        (
            "PUT",
            "/sda/0/a/c/o",
            {"X-Timestamp": "1", POLICY: "7", **ROW},
            400,
            "Invalid X-Backend-Storage-Policy-Index '7'",
        ),
        ("DELETE", "/sda/0/a/c/o", {"X-Timestamp": "1", POLICY: "x"}, 400, "Invalid X-Backend-Storage-Policy-Index"),
        ("PUT", "/sdz/0/a/c", {"X-Timestamp": "1"}, 507, "Drive: sdz"),
        ("HEAD", "/../0/a/c", {}, 507, ""),
        ("SSYNC", "/sda/0/a", {}, 405, ""),
        ("SMASH", "/sda/0/a/c", {}, 405, ""),
        ("PUT", "/sda/0/a/c", {"X-Timestamp": "1", "X-Container-Meta-" + "a" * 129: "b"}, 400, "name too long"),
        ("PUT", "/sda/0/a/c", {"X-Timestamp": "1", "X-Container-Meta-A": "b" * 257}, 400, "value longer than 256"),
        ("PUT", "/sda/0/a/c\x00x", {"X-Timestamp": "1"}, 400, "Invalid reserved-namespace container"),
        ("PUT", "/sda/0/a/c/\x00o", {"X-Timestamp": "1", **ROW}, 400, "reserved-namespace object in user-namespace"),
        (
            "PUT",
            "/sda/0/a/c",
            {"X-Timestamp": "1", "X-Account-Host": "h:1,h:2", "X-Account-Device": "sda", "X-Account-Partition": "0"},
            400,
            "need the same number of entries",
        ),
        (
            "PUT",
            "/sda/0/a/c",
            {"X-Timestamp": "1", "X-Account-Host": "h:65536", "X-Account-Device": "d", "X-Account-Partition": "0"},
            400,
            "no port between",
        ),
    ],
)
def test_bad_requests_say_what_is_wrong(
    server: BackendServer, tmp_path: Path, method: str, path: str, headers: dict[str, str], status: int, says: str
) -> None:
    answer = server.request(method, path, headers)
    assert answer.status == status
    assert says in answer.text
    assert not (tmp_path / "sda/containers").exists()


def test_a_row_that_no_database_can_keep_does_no_harm(container: BackendServer) -> None:
    too_big = container.request("PUT", "/sda/0/a/c/big", {"X-Timestamp": at(20), **ROW, "X-Size": str(2**63)})
    assert (too_big.status, "too large a number" in too_big.text) == (400, True)
    put_rows(container, "o")
    assert names_in(container, "") == ["o"]


def test_an_object_is_listed_whatever_bytes_its_type_has(container: BackendServer) -> None:
    headers = {"X-Timestamp": at(20), **ROW, "X-Content-Type": b"text/\xff", "X-Etag": b"\xfe"}
    assert container.request("PUT", "/sda/0/a/c/o", headers).status == 201
    (entry,) = json.loads(container.request("GET", "/sda/0/a/c", query="format=json").body)
    assert (entry["name"], entry["content_type"], entry["hash"]) == ("o", "text/\ufffd", "\ufffd")


def update_row(name: str, **changes: object) -> dict[str, object]:
    """A row of an UPDATE."""
    row = {"name": name, "created_at": at(20), "size": 3, "content_type": "x/y", "etag": "e", "deleted": 0}
    return {**row, "storage_policy_index": 0, **changes}


def test_many_rows_are_merged_at_once(container: BackendServer) -> None:
    put_rows(container, "a", "b", "c")
    rows = [
        update_row("a", deleted=1, created_at=at(30)),
        update_row("b", deleted=1, created_at=at(10)),
        update_row("é"),
    ]
    answer = container.request("UPDATE", "/sda/0/a/c", {"X-Timestamp": at(30)}, body=json.dumps(rows).encode())
    assert answer.status == 202
    assert names_in(container, "") == ["b", "c", "é"]
    again = container.request("UPDATE", "/sda/0/a/c", {"X-Timestamp": at(30)}, body=json.dumps(rows).encode())
    assert (again.status, names_in(container, "")) == (202, ["b", "c", "é"])


def test_rows_make_containers_of_hidden_accounts(server: BackendServer) -> None:
    body = json.dumps([update_row("o")]).encode()
    assert server.request("UPDATE", "/sda/0/a/c", {"X-Timestamp": at(30), POLICY: "0"}, body=body).status == 404
    assert server.request("UPDATE", "/sda/0/.queue/c", {"X-Timestamp": at(30)}, body=body).status == 400
    assert server.request("UPDATE", "/sda/0/.queue/c", {"X-Timestamp": at(30), POLICY: "0"}, body=body).status == 202
    assert server.request("GET", "/sda/0/.queue/c").body == b"o\n"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"5",
        b"[5]",
        b'[{"name": "x"}]',
        json.dumps([update_row("x"), update_row("y", size="3")]).encode(),
        json.dumps([update_row("x"), update_row("y", etag=None)]).encode(),
        json.dumps([update_row("x"), update_row("\ud800")]).encode(),
    ],
)
def test_rows_that_are_none_are_refused_together(container: BackendServer, body: bytes) -> None:
    answer = container.request("UPDATE", "/sda/0/a/c", {"X-Timestamp": at(30)}, body=body)
    assert (answer.status, bool(answer.text)) == (400, True)
    assert names_in(container, "") == []


def test_a_container_keeps_its_policy(server: BackendServer) -> None:
    path = "/sda/0/a/c"
    created = server.request("PUT", path, {"X-Timestamp": at(1), POLICY: "1"})
    assert (created.status, created.headers[POLICY.lower()]) == (201, "1")
    again = server.request("PUT", path, {"X-Timestamp": at(2), "X-Backend-Storage-Policy-Default": "0"})
    assert (again.status, again.headers[POLICY.lower()]) == (202, "1")
    conflict = server.request("PUT", path, {"X-Timestamp": at(3), POLICY: "0"})
    assert (conflict.status, conflict.headers[POLICY.lower()]) == (409, "1")
    assert server.request("DELETE", path, {"X-Timestamp": at(4)}).status == 204
    recreated = server.request("PUT", path, {"X-Timestamp": at(5), POLICY: "0"})
    assert (recreated.status, recreated.headers[POLICY.lower()]) == (201, "0")
    assert server.request("HEAD", path).headers["x-backend-status-changed-at"] == at(5)


def test_rows_of_another_policy_are_neither_listed_nor_lost(container: BackendServer) -> None:
    container.request("PUT", "/sda/0/a/c/o", {"X-Timestamp": at(20), POLICY: "1", **ROW})
    assert names_in(container, "") == []
    assert container.request("HEAD", "/sda/0/a/c").headers["x-container-object-count"] == "0"
    assert container.request("DELETE", "/sda/0/a/c", {"X-Timestamp": at(30)}).status == 409


def test_metadata(container: BackendServer) -> None:
    path = "/sda/0/a/c"
    posted = {"X-Timestamp": at(11), "x-container-meta-colour": "grün", "X-Container-Read": ".r:*", "X-Junk": "no"}
    assert container.request("POST", path, posted).status == 204
    head = container.request("HEAD", path)
    assert head.headers["x-container-meta-colour"].encode("latin-1").decode() == "grün"
    assert head.headers["x-container-read"] == ".r:*"
    assert "x-junk" not in head.headers
    assert head.headers["x-put-timestamp"] == at(11)
    older = {"X-Timestamp": at(10.5), "X-Container-Meta-Colour": "red", "X-Container-Meta-New": "1"}
    assert container.request("POST", path, older).status == 204
    blank = {"X-Timestamp": at(12), "X-Container-Meta-New": "", "X-Backend-No-Timestamp-Update": "true"}
    assert container.request("POST", path, blank).status == 204
    head = container.request("HEAD", path)
    assert head.headers["x-container-meta-colour"].encode("latin-1").decode() == "grün"
    assert "x-container-meta-new" not in head.headers
    assert head.headers["x-put-timestamp"] == at(11)


def test_the_number_of_metadata_is_limited_over_requests(container: BackendServer) -> None:
    for turn in (0, 1):
        headers = {f"X-Container-Meta-{turn}-{number}": "x" for number in range(60)}
        answer = container.request("POST", "/sda/0/a/c", {"X-Timestamp": at(20 + turn), **headers})
    assert (answer.status, answer.text) == (400, "Too many metadata items; max 90")


def test_listing_formats(container: BackendServer) -> None:
    put_rows(container, "a/1", "b&<\n", "ü")
    path = "/sda/0/a/c"
    plain = container.request("GET", path)
    assert (plain.status, plain.text) == (200, "a/1\nb&<\n\nü\n")
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    as_json = container.request("GET", path, query="format=json")
    assert as_json.headers["content-type"] == "application/json; charset=utf-8"
    entries = json.loads(as_json.body)
    assert as_json.body.isascii()
    assert list(entries[0].items()) == [
        ("bytes", 3),
        ("hash", "e"),
        ("name", "a/1"),
        ("content_type", "text/plain"),
        ("last_modified", "1970-01-01T00:00:20.000000"),
    ]
    as_xml = container.request("GET", path, {"Accept": "application/xml"}, query="delimiter=/")
    document = xml.etree.ElementTree.fromstring(as_xml.body)
    assert document.attrib == {"name": "c"}
    assert [(child.tag, child.findtext("name")) for child in document] == [
        ("subdir", "a/"),
        ("object", "b&<\n"),
        ("object", "ü"),
    ]
    assert container.request("GET", path, {"Accept": "image/png"}).status == 406
    assert container.request("GET", path, {"Accept": "nonsense"}).status == 400


def test_empty_listings(container: BackendServer) -> None:
    answers = {
        form: container.request("GET", "/sda/0/a/c", query=f"format={form}") for form in ("plain", "json", "xml")
    }
    assert {form: (answer.status, answer.text) for form, answer in answers.items()} == {
        "plain": (204, ""),
        "json": (200, "[]"),
        "xml": (200, '<?xml version="1.0" encoding="UTF-8"?>\n<container name="c" />'),
    }


def test_listing_parameters(container: BackendServer) -> None:
    put_rows(container, "a", "p/a/x", "p/a/y", "p/b", "p/c/", "q")
    assert names_in(container, "limit=2") == ["a", "p/a/x"]
    assert names_in(container, "limit=0") == []
    assert names_in(container, "limit=many&marker=p/b") == ["p/c/", "q"]
    assert names_in(container, "end_marker=p/b&marker=a") == ["p/a/x", "p/a/y"]
    assert names_in(container, "prefix=p/") == ["p/a/x", "p/a/y", "p/b", "p/c/"]
    assert names_in(container, "delimiter=/") == ["a", "p/", "q"]
    assert names_in(container, "prefix=p/&delimiter=/") == ["p/a/", "p/b", "p/c/"]
    assert names_in(container, "path=p") == ["p/b", "p/c/"]
    assert names_in(container, "reverse=true&limit=2") == ["q", "p/c/"]
    assert names_in(container, "reverse=on&marker=p/b&end_marker=a") == ["p/a/y", "p/a/x"]
    too_many = container.request("GET", "/sda/0/a/c", query="limit=10001")
    assert (too_many.status, too_many.text) == (412, "Maximum limit is 10000")
    assert container.request("GET", "/sda/0/a/c", query="limit=" + "9" * 5000).status == 412
    assert names_in(container, "limit=" + "0" * 5000 + "1") == ["a"]
    assert container.request("GET", "/sda/0/a/c", query="marker=%ff").status == 400


def test_reserved_names_are_shown_only_on_demand(server: BackendServer) -> None:
    path = "/sda/0/a/\x00c"
    server.request("PUT", path, {"X-Timestamp": at(1)})
    assert server.request("PUT", f"{path}/\x00o\x001", {"X-Timestamp": at(2), **ROW}).status == 201
    assert server.request("GET", path).status == 204
    assert server.request("GET", path, {"X-Backend-Allow-Reserved-Names": "true"}).body == b"\x00o\x001\n"


def test_the_content_type_and_the_metadata_have_times_of_their_own(container: BackendServer) -> None:
    put_rows(container, "o")
    newer = {
        "X-Timestamp": at(20),
        "X-Size": "9",
        "X-Content-Type": "text/html",
        "X-Etag": "other",
        "X-Content-Type-Timestamp": at(21),
        "X-Meta-Timestamp": at(22),
    }
    assert container.request("PUT", "/sda/0/a/c/o", newer).status == 201
    [entry] = json.loads(container.request("GET", "/sda/0/a/c", query="format=json").body)
    assert (entry["bytes"], entry["content_type"], entry["last_modified"]) == (
        3,
        "text/html",
        "1970-01-01T00:00:22.000000",
    )


def test_a_container_without_shards_has_no_shard_ranges(container: BackendServer) -> None:
    put_rows(container, "o")
    answer = container.request("GET", "/sda/0/a/c", {"X-Backend-Record-Type": "shard"}, query="format=json")
    assert (answer.status, answer.body, answer.headers["x-backend-record-type"]) == (200, b"[]", "shard")
    answer = container.request("GET", "/sda/0/a/c", {"X-Backend-Record-Type": "auto"})
    assert (answer.body, answer.headers["x-backend-record-type"]) == (b"o\n", "object")


def test_syncing_only_to_allowed_hosts(container: BackendServer) -> None:
    for method in ("PUT", "POST"):
        headers = {"X-Timestamp": at(30), "X-Container-Sync-To": "http://elsewhere/v1/a/c"}
        answer = container.request(method, "/sda/0/a/c", headers)
        assert (answer.status, answer.text) == (400, "X-Container-Sync-To: syncing to host 'elsewhere' is not allowed")
        headers["X-Container-Sync-To"] = "http://127.0.0.1:8080/v1/a/c"
        assert container.request(method, "/sda/0/a/c", headers).status in (202, 204)
    assert container.request("HEAD", "/sda/0/a/c").headers["x-container-sync-to"] == headers["X-Container-Sync-To"]


def test_another_sync_target_is_synced_to_from_the_start(container: BackendServer, tmp_path: Path) -> None:
    [file] = tmp_path.glob("sda/containers/0/*/*/*.db")

    def points() -> tuple[int, int]:
        with sqlite3.connect(file) as connection:
            return connection.execute(
                "SELECT x_container_sync_point1, x_container_sync_point2 FROM container_info"
            ).fetchone()

    for method, target, expected in (("POST", "b", (-1, -1)), ("PUT", "b", (7, 7)), ("POST", "c", (-1, -1))):
        headers = {"X-Timestamp": at(30), "X-Container-Sync-To": f"http://127.0.0.1/v1/a/{target}"}
        assert container.request(method, "/sda/0/a/c", headers).status in (202, 204)
        assert points() == expected
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE container_info SET x_container_sync_point1 = 7, x_container_sync_point2 = 7")


def test_deletion_and_return_change_the_status(container: BackendServer) -> None:
    def changed() -> str:
        return container.request("HEAD", "/sda/0/a/c").headers["x-backend-status-changed-at"]

    assert changed() == at(10)
    for method, time, expected in (("PUT", 20, 10), ("POST", 30, 10), ("DELETE", 40, 40), ("PUT", 50, 50)):
        assert container.request(method, "/sda/0/a/c", {"X-Timestamp": at(time)}).status < 300
        assert changed() == at(expected)


COLOR = "X-Container-Meta-Color"


def test_a_deletion_that_is_refused_changes_nothing(container: BackendServer) -> None:
    path = "/sda/0/a/c"
    assert container.request("POST", path, {"X-Timestamp": at(11), COLOR: "blue"}).status == 204
    put_rows(container, "o")
    assert container.request("DELETE", path, {"X-Timestamp": at(30)}).status == 409
    assert container.request("HEAD", path).headers[COLOR.lower()] == "blue"
    assert container.request("DELETE", f"{path}/o", {"X-Timestamp": at(31), POLICY: "0"}).status == 204
    assert container.request("PUT", path, {"X-Timestamp": at(40)}).status == 202
    assert container.request("DELETE", path, {"X-Timestamp": at(35)}).status == 409
    head = container.request("HEAD", path)
    assert (head.headers[COLOR.lower()], head.headers["x-backend-delete-timestamp"]) == ("blue", at(0))


def test_no_row_comes_between_the_steps_of_a_deletion(container: BackendServer, monkeypatch) -> None:
    """Whoever brings one at the last moment waits, or keeps the container and its metadata."""
    path, begin = "/sda/0/a/c", ContainerBroker.transaction
    assert container.request("POST", path, {"X-Timestamp": at(11), COLOR: "blue"}).status == 204
    waited = []

    @contextmanager
    def disturbed(broker: ContainerBroker) -> Iterator[sqlite3.Connection]:
        if not waited:
            waited.append(False)
            other = ContainerBroker(broker.path, "a", "c", logger=broker.logger, patience=Patience(0.0))
            try:
                other.put_object(ObjectReport("o", at(25), 3, "text/plain", "e"))
            except LockTimeout:
                waited[0] = True
        with begin(broker) as connection:
            yield connection

    monkeypatch.setattr(ContainerBroker, "transaction", disturbed)
    status = container.request("DELETE", path, {"X-Timestamp": at(30)}).status
    head = container.request("HEAD", path)
    if waited == [True]:
        assert (status, head.status) == (204, 404)
    else:
        assert (status, head.headers.get(COLOR.lower())) == (409, "blue")


def test_a_deletion_that_is_cut_off_changes_nothing(container: BackendServer, tmp_path: Path) -> None:
    path = "/sda/0/a/c"
    assert container.request("POST", path, {"X-Timestamp": at(11), COLOR: "blue"}).status == 204
    [file] = tmp_path.glob("sda/containers/0/*/*/*.db")
    with sqlite3.connect(file) as connection:
        connection.execute(
            "CREATE TRIGGER cut BEFORE UPDATE ON container_info WHEN NEW.delete_timestamp <> OLD.delete_timestamp "
            "BEGIN SELECT RAISE(ABORT, 'cut'); END"
        )
    assert container.request("DELETE", path, {"X-Timestamp": at(30)}).status >= 500
    assert container.request("HEAD", path).headers[COLOR.lower()] == "blue"


@pytest.mark.parametrize(
    ("failure", "status", "says"),
    [
        (OSError(errno.ENOSPC, "no space"), 507, "Drive: sda"),
        (OSError(errno.EIO, "broken"), 507, "Drive: sda"),
        (sqlite3.OperationalError("database or disk is full"), 507, "Drive: sda"),
        (LockTimeout("/x/.lock"), 503, "locked by others"),
        (RuntimeError("a bug"), 500, "Internal Error"),
    ],
)
def test_a_failing_disk_and_a_taken_lock_are_told(
    container: BackendServer, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int, says: str
) -> None:
    def fail(*_: object) -> bool:
        raise failure

    monkeypatch.setattr(pending, "append", fail)
    answer = container.request("PUT", "/sda/0/a/c/o", {"X-Timestamp": at(20), **ROW})
    assert (answer.status, says in answer.text) == (status, True)
    monkeypatch.undo()
    put_rows(container, "o")
    assert names_in(container, "") == ["o"]


def test_options_names_the_server(server: BackendServer) -> None:
    answer = server.request("OPTIONS", "/")
    assert answer.status == 200
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST, PUT, REPLICATE, UPDATE"
    assert answer.headers["server"].startswith("container-server/")


def test_a_corrupt_database_is_quarantined(container: BackendServer, tmp_path: Path) -> None:
    name_hash = SWIFT.hash_path.hex("a", "c")
    [file] = tmp_path.glob("sda/containers/0/*/*/*.db")
    put_rows(container, "o")
    replacement = tmp_path / "replacement"
    replacement.write_bytes(b"this is no database, though long enough to be one" * 100)
    os.replace(replacement, file)
    assert container.request("GET", "/sda/0/a/c").status == 500
    assert (tmp_path / f"sda/quarantined/containers/{name_hash}/{name_hash}.db").exists()
    assert container.request("GET", "/sda/0/a/c").status == 404
    assert container.request("PUT", "/sda/0/a/c", {"X-Timestamp": at(50)}).status == 201
    assert names_in(container, "") == []


@pytest.mark.parametrize("wants_known", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_another_container_s_database_is_quarantined_not_served(
    container: BackendServer, tmp_path: Path, method: str, wants_known: bool
) -> None:
    [file] = tmp_path.glob("sda/containers/0/*/*/*.db")
    assert container.request("PUT", "/sda/0/a/private", {"X-Timestamp": at(10)}).status == 201
    [other] = set(tmp_path.glob("sda/containers/0/*/*/*.db")) - {file}
    file.unlink()  # in a file of the same number SQLite would go on with the pages that it remembers
    shutil.copyfile(other, file)
    headers = {"X-Backend-Container-Known": "?"} if wants_known else {}
    assert container.request(method, "/sda/0/a/c", headers).status == 500
    assert list(tmp_path.glob("sda/quarantined/containers/*/*.db")) == [
        tmp_path / f"sda/quarantined/containers/{file.parent.name}/{file.name}"
    ]
    assert container.request(method, "/sda/0/a/c", headers).status == 404
    assert container.request(method, "/sda/0/a/private", headers).status == 204


def test_a_database_that_cannot_grow_stays_where_it_is(container: BackendServer, tmp_path: Path) -> None:
    [file] = tmp_path.glob("sda/containers/0/*/*/*.db")
    put_rows(container, "o")
    columns = {"created_at": at(20), "size": 3, "content_type": "text/plain", "etag": "e"}
    rows = json.dumps([{"name": f"n{number:03}" + "x" * 200, **columns} for number in range(300)]).encode()
    headers = {"X-Timestamp": at(20), POLICY: "0"}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, before[1]))  # as where a quota is used up
    try:
        assert container.request("UPDATE", "/sda/0/a/c", headers, body=rows).status == 507
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names_in(container, "") == ["o"]
    assert container.request("UPDATE", "/sda/0/a/c", headers, body=rows).status == 202
    assert len(names_in(container, "")) == 301


def test_a_replaced_database_is_noticed(container: BackendServer, tmp_path: Path) -> None:
    [file] = tmp_path.glob("sda/containers/0/*/*/*.db")
    old = file.read_bytes()
    put_rows(container, "o")
    assert names_in(container, "") == ["o"]
    replacement = tmp_path / "replacement"
    replacement.write_bytes(old)
    os.replace(replacement, file)
    assert names_in(container, "") == []


def test_account_servers_are_told(server: BackendServer, accounts: BackendServer) -> None:
    targets = {"X-Account-Host": accounts.host, "X-Account-Device": "sda", "X-Account-Partition": "5"}
    refused = server.request("PUT", "/sda/0/a/c", {"X-Timestamp": at(10), **targets})
    assert refused.status == 404  # the only account server asked knows no such account
    insisting = {"X-Timestamp": at(10), "X-Account-Override-Deleted": "yes", **targets}
    assert server.request("PUT", "/sda/0/a/c", insisting).status == 202
    accounts.request("PUT", "/sda/5/a", {"X-Timestamp": at(1)})
    assert server.request("PUT", "/sda/0/a/c", {"X-Timestamp": at(11), **targets}).status == 202
    [entry] = json.loads(accounts.request("GET", "/sda/5/a", query="format=json").body)
    assert entry == {
        "name": "c",
        "count": 0,
        "bytes": 0,
        "last_modified": "1970-01-01T00:00:11.000000",
        "storage_policy": "gold",
    }
    assert server.request("DELETE", "/sda/0/a/c", {"X-Timestamp": at(12), **targets}).status == 204
    assert accounts.request("GET", "/sda/5/a", query="format=json").body == b"[]"


def test_an_account_server_that_is_down_does_not_stop_a_container(server: BackendServer) -> None:
    targets = {"X-Account-Host": "127.0.0.1:1", "X-Account-Device": "sda", "X-Account-Partition": "5"}
    assert server.request("PUT", "/sda/0/a/c", {"X-Timestamp": at(10), **targets}).status == 201


def test_rows_wait_in_the_pending_file_until_somebody_reads(container: BackendServer, tmp_path: Path) -> None:
    [file] = tmp_path.glob("sda/containers/0/*/*/*.db")
    waiting = Path(f"{file}.pending")
    put_rows(container, "o1", "o2")
    assert waiting.read_bytes().count(b":") == 2
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT COUNT(*) FROM object").fetchone() == (0,)
    assert names_in(container, "") == ["o1", "o2"]
    assert waiting.read_bytes() == b""
