"""Databases: either side's container and account servers, brokers and info tools work on what the other wrote."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from interop import peer, rings
from interop.lab import Answer, Lab, Server

NOW = int(time.time()) - 1000
CONTAINER, ACCOUNT = "/d1/5/AUTH_t/cø", "/d1/3/AUTH_t"
BOTH_WAYS = pytest.mark.parametrize("writer, reader", [("ours", "theirs"), ("theirs", "ours")])
ETAG = "5d41402abc4b2a76b9719d911017c592"
NAMES = ["a", "b/1", "b/2", "b/sub/x", "c", "é漢😀", "line\nbreak", "%2F", 'quote"<&>']
VOLATILE = {"date", "x-trans-id", "x-openstack-request-id", "connection", "x-timestamp", "x-backend-timestamp"}
VOLATILE |= {"x-backend-status-changed-at", "x-account-host"}
LISTINGS = [
    "format=json",
    "format=json&limit=3&marker=a",
    "format=json&prefix=b/&delimiter=/",
    "format=json&delimiter=/",
    "format=json&path=b",
    "format=json&reverse=on&end_marker=b/2",
    "format=json&reverse=on&delimiter=/",
    "format=xml",
    "format=plain&limit=4",
]
INFO_OF_CONTAINER = """
from swift.container.backend import ContainerBroker
broker = ContainerBroker(argument["path"], account="AUTH_t", container="c\\u00f8")
for row in argument["put"]:
    broker.put_object(*row)
answer = broker.get_info()
answer["rows"] = [list(row) for row in broker.list_objects_iter(10000, "", None, None, None)]
answer["metadata"] = {key: list(value) for key, value in broker.metadata.items()}
"""


def at(seconds: float) -> str:
    """Return a timestamp so many seconds after the start of the story."""
    return f"{NOW + seconds:016.5f}"


def row(name: str, second: float, size: int = 5, **more: str) -> dict[str, str]:
    """Return the headers of an object row."""
    return {
        "X-Timestamp": at(second),
        "X-Size": str(size),
        "X-Content-Type": "text/plain",
        "X-Etag": ETAG,
        **more,
    }


def fill_container(server: Server, path: str = CONTAINER) -> list[Answer]:
    """Make a container with metadata, put rows in it, replace and delete some; return all that was answered."""
    meta = {"X-Container-Meta-Colour": "é".encode().decode("latin-1"), "X-Container-Read": ".r:*,.rlistings"}
    meta |= {"X-Container-Sysmeta-Kind": "system", "X-Backend-Storage-Policy-Index": "1"}
    answers = [server.ask("PUT", path, {"X-Timestamp": at(1), **meta})]
    policy = {"X-Backend-Storage-Policy-Index": "1"}
    for number, name in enumerate(NAMES):
        answers.append(server.ask("PUT", f"{path}/{name}", row(name, 2 + number, **policy)))
    answers.append(server.ask("PUT", f"{path}/a", row("a", 20, size=70, **policy)))
    # Older than what is there, then a POST's report: content type and metadata newer than the data.
    answers.append(server.ask("PUT", f"{path}/a", row("a", 1.5, size=1, **policy)))
    post = {"X-Content-Type": "text/new", "X-Content-Type-Timestamp": at(21), "X-Meta-Timestamp": at(22)}
    answers.append(server.ask("PUT", f"{path}/c", row("c", 6, **policy) | post))
    answers.append(server.ask("DELETE", f"{path}/b/1", {"X-Timestamp": at(23), **policy}))
    answers.append(server.ask("DELETE", f"{path}/never", {"X-Timestamp": at(23), **policy}))
    answers.append(server.ask("POST", path, {"X-Timestamp": at(24), "X-Container-Meta-Mood": "calm"}))
    return answers


def fill_account(server: Server) -> list[Answer]:
    """Make an account with metadata and report containers to it; return all that was answered."""
    answers = [server.ask("PUT", ACCOUNT, {"X-Timestamp": at(1), "X-Account-Meta-Colour": "blue"})]
    for number, name in enumerate(["c1", "cø", "pre/x"]):
        report = {"X-Put-Timestamp": at(2 + number), "X-Delete-Timestamp": "0", "X-Object-Count": str(number)}
        report |= {"X-Bytes-Used": str(100 * number), "X-Backend-Storage-Policy-Index": str(number % 2)}
        answers.append(server.ask("PUT", f"{ACCOUNT}/{name.replace('/', '-')}", report))
    gone = {"X-Put-Timestamp": at(2), "X-Delete-Timestamp": at(9), "X-Object-Count": "0", "X-Bytes-Used": "0"}
    answers.append(server.ask("PUT", f"{ACCOUNT}/c1", {**gone, "X-Backend-Storage-Policy-Index": "0"}))
    return answers


def lasting(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """Return what of an answer does not depend on when and by whom it was made; words of refusals are each side's own."""
    headers = {name: value for name, value in answer.headers.items() if name not in VOLATILE}
    if "x-account-status" in headers:  # ours also says when a deleted account was made and deleted: reapers must know
        headers = {name: value for name, value in headers.items() if not name.startswith("x-backend-")}
    body = answer.body if answer.status < 300 else b""
    if not body:
        headers = {name: value for name, value in headers.items() if name not in ("content-type", "content-length")}
    return answer.status, headers, body


def asked(server: Server, path: str, listings: list[str]) -> list[Any]:
    """Return what a server says of a database."""
    answers = [server.ask("HEAD", path), server.ask("GET", path)]
    return [lasting(answer) for answer in answers + [server.ask("GET", path, query=query) for query in listings]]


def database(devices: Path, kind: str) -> Path:
    """Return the only database of a kind."""
    (path,) = devices.glob(f"*/{kind}/*/*/*/*.db")
    return path


def make_rings(swift_dir: Path) -> None:
    """Write account and container rings: the info tools want to say where a database belongs."""
    rings.make(swift_dir, {kind: ["127.0.0.1:6200/d1"] for kind in ("account", "container")})


@BOTH_WAYS
def test_a_container_of_one_is_served_by_the_other(lab: Lab, writer: str, reader: str) -> None:
    devices = lab.devices()
    writing, reading = lab.start(writer, "container", devices), lab.start(reader, "container", devices)
    assert fill_container(writing)[0].status == 201
    # The reader comes first: it finds the writer's rows in the pending file.
    other = asked(reading, CONTAINER, LISTINGS)
    assert other == asked(writing, CONTAINER, LISTINGS)
    assert [entry["name"] for entry in json.loads(other[2][2])] == sorted(set(NAMES) - {"b/1"})


@BOTH_WAYS
def test_an_account_of_one_is_served_by_the_other(lab: Lab, writer: str, reader: str) -> None:
    devices = lab.devices()
    writing, reading = lab.start(writer, "account", devices), lab.start(reader, "account", devices)
    assert [answer.status for answer in fill_account(writing)] == [201, 201, 201, 201, 204]
    other = asked(reading, ACCOUNT, LISTINGS)
    assert other == asked(writing, ACCOUNT, LISTINGS)
    assert [entry["name"] for entry in json.loads(other[2][2])] == ["cø", "pre-x"]


def test_the_same_requests_get_the_same_answers(lab: Lab) -> None:
    seen: dict[str, list[Any]] = {}
    for side in ("ours", "theirs"):
        devices = lab.devices(side)
        container, account = lab.start(side, "container", devices), lab.start(side, "account", devices)
        answers = [*fill_container(container), *fill_account(account)]
        answers.append(container.ask("DELETE", CONTAINER, {"X-Timestamp": at(30)}))
        answers.append(container.ask("PUT", "/d1/5/AUTH_t/empty", {"X-Timestamp": at(1)}))
        answers.append(container.ask("DELETE", "/d1/5/AUTH_t/empty", {"X-Timestamp": at(2)}))
        answers.append(container.ask("GET", "/d1/5/AUTH_t/empty"))
        answers.append(container.ask("GET", "/d1/5/AUTH_t/never"))
        answers.append(container.ask("PUT", "/d1/5/AUTH_t/never/o", row("o", 3)))
        answers.append(container.ask("PUT", "/d1/5/.hidden/new/o", row("o", 3)))
        answers.append(account.ask("DELETE", ACCOUNT, {"X-Timestamp": at(30)}))
        answers.append(account.ask("PUT", ACCOUNT, {"X-Timestamp": at(31)}))
        answers.append(account.ask("GET", ACCOUNT))
        seen[side] = [lasting(answer) for answer in answers]
        seen[side] += asked(container, CONTAINER, LISTINGS)
    assert seen["ours"] == seen["theirs"]


@BOTH_WAYS
def test_the_schemas_name_the_same_tables_triggers_and_indexes(lab: Lab, writer: str, reader: str) -> None:
    def shape(side: str, kind: str) -> tuple[Any, ...]:
        with sqlite3.connect(database(lab.devices(side), kind)) as connection:
            names = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2, 3").fetchall()
            columns = {
                # Without their places: a view's columns are asked for by name.
                name: {column[1:] for column in connection.execute(f"PRAGMA table_info({name})")}
                for what, name, _ in names
                if what in ("table", "view")
            }
            pragmas = [connection.execute(f"PRAGMA {name}").fetchall() for name in ("journal_mode", "auto_vacuum")]
        return names, columns, pragmas

    for side in (writer, reader):
        devices = lab.devices(side)
        fill_container(lab.start(side, "container", devices))
        fill_account(lab.start(side, "account", devices))
    for kind in ("containers", "accounts"):
        assert shape(writer, kind) == shape(reader, kind)


def test_container_info_reads_ours(lab: Lab) -> None:
    make_rings(lab.swift_dir)
    devices = lab.devices()
    server = lab.start("ours", "container", devices)
    fill_container(server)
    server.ask("PUT", f"{CONTAINER}/pending", row("pending", 60, **{"X-Backend-Storage-Policy-Index": "1"}))
    path = database(devices, "containers")
    assert path.with_name(path.name + ".pending").stat().st_size > 0
    text = peer.run(lab.swift_dir, "swift-container-info", "-d", lab.swift_dir, path).stdout
    assert re.search(r"Account: AUTH_t\n\s+Container: cø\n", text)
    assert f"Container Hash: {path.parent.name}" in text
    assert f"Object Count: {len(NAMES)}\n" in text
    assert f"Bytes Used: {5 * (len(NAMES) - 1) + 70}\n" in text
    assert "Storage Policy: silver (1)" in text
    assert "X-Container-Read: .r:*,.rlistings" in text or "'X-Container-Read'" in text


def test_account_info_reads_ours(lab: Lab) -> None:
    make_rings(lab.swift_dir)
    devices = lab.devices()
    fill_account(lab.start("ours", "account", devices))
    path = database(devices, "accounts")
    text = peer.run(lab.swift_dir, "swift-account-info", "-d", lab.swift_dir, path).stdout
    assert re.search(r"Path: /AUTH_t\n\s+Account: AUTH_t\n", text)
    assert "Container Count: 2\n" in text
    assert "Object Count: 3\n" in text
    assert "Bytes Used: 300\n" in text


@BOTH_WAYS
def test_their_broker_carries_on_with_a_container_and_then_we_do(lab: Lab, writer: str, reader: str) -> None:
    devices = lab.devices()
    server = lab.start(writer, "container", devices)
    fill_container(server)
    path = str(database(devices, "containers"))
    more = [["later", at(40), 7, "text/plain", ETAG, 0, 1], ["a", at(41), 0, "application/deleted", "noetag", 1, 1]]
    info = peer.evaluate(lab.swift_dir, INFO_OF_CONTAINER, {"path": path, "put": more})
    assert info["object_count"] == len(NAMES) - 1
    ours = lab.start(reader, "container", devices)
    names = {entry["name"] for entry in json.loads(ours.ask("GET", CONTAINER, query="format=json").body)}
    assert names == {*NAMES, "later"} - {"a", "b/1"}
    assert (
        ours.ask("PUT", f"{CONTAINER}/last", row("last", 50, **{"X-Backend-Storage-Policy-Index": "1"})).status == 201
    )
    again = peer.evaluate(lab.swift_dir, INFO_OF_CONTAINER, {"path": path, "put": []})
    assert again["object_count"] == len(NAMES)
    assert again["bytes_used"] == 5 * (len(NAMES) - 1) + 7
    with sqlite3.connect(path) as connection:
        connection.create_function("chexor", 3, lambda *_: "")
        kept = connection.execute("SELECT hash FROM container_info").fetchone()[0]
        rows = connection.execute("SELECT name, created_at FROM object").fetchall()
    assert kept == chexor(rows)


def chexor(rows: list[tuple[str, str]]) -> str:
    """Return the hash of a set of rows, made here from formats.md 4.5 alone."""
    total = 0
    for name, timestamp in rows:
        total ^= int(hashlib.md5(f"{name}-{timestamp}".encode()).hexdigest(), 16)
    return f"{total:032x}"
