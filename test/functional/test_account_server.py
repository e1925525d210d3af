"""The account server over real HTTP: every verb, its statuses and its headers (formats.md 5.1, 7.7)."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from fakes.database_servers import BackendServer, account_server

ACCOUNT = "/sda/0/a"


def at(seconds: float) -> str:
    return f"{seconds:016.5f}"


def row(put: float, delete: float = 0, count: int = 0, used: int = 0, **more: str) -> dict[str, str]:
    return {
        "X-Put-Timestamp": at(put),
        "X-Delete-Timestamp": at(delete) if delete else "0",
        "X-Object-Count": str(count),
        "X-Bytes-Used": str(used),
    } | {name.replace("_", "-"): value for name, value in more.items()}


@pytest.fixture
def server(tmp_path: Path):
    with account_server(tmp_path) as thread:
        yield BackendServer(thread)


@pytest.fixture
def account(server: BackendServer) -> BackendServer:
    """A server that has account ``a``, created at 10 s."""
    assert server.request("PUT", ACCOUNT, {"X-Timestamp": at(10)}).status == 201
    return server


def names_in(server: BackendServer, query: str = "") -> list[str]:
    answer = server.request("GET", ACCOUNT, query=f"format=json&{query}")
    assert answer.status == 200
    return [entry.get("name") or entry["subdir"] for entry in json.loads(answer.body)]


def test_life_of_an_account(server: BackendServer) -> None:
    assert server.request("HEAD", ACCOUNT).status == 404
    assert server.request("POST", ACCOUNT, {"X-Timestamp": at(9)}).status == 404
    assert server.request("DELETE", ACCOUNT, {"X-Timestamp": at(9)}).status == 404
    assert server.request("PUT", ACCOUNT, {"X-Timestamp": at(10), "X-Account-Meta-A": "1"}).status == 201
    assert server.request("PUT", ACCOUNT, {"X-Timestamp": at(11), "X-Account-Meta-B": "2"}).status == 202
    assert server.request("POST", ACCOUNT, {"X-Timestamp": at(12), "X-Account-Meta-A": ""}).status == 204
    head = server.request("HEAD", ACCOUNT)
    assert head.status == 204
    assert {key: value for key, value in head.headers.items() if key.startswith("x-account")} == {
        "x-account-container-count": "0",
        "x-account-object-count": "0",
        "x-account-bytes-used": "0",
        "x-account-meta-b": "2",
    }
    assert head.headers["x-put-timestamp"] == at(11)
    deleted = server.request("DELETE", ACCOUNT, {"X-Timestamp": at(13)})
    assert (deleted.status, deleted.headers["x-account-status"]) == (204, "Deleted")
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = server.request(method, ACCOUNT, {"X-Timestamp": at(14)})
        assert (method, answer.status, answer.headers["x-account-status"]) == (method, 404, "Deleted")
    again = server.request("PUT", ACCOUNT, {"X-Timestamp": at(15)})
    assert (again.status, again.text, again.headers["x-account-status"]) == (403, "Recently deleted", "Deleted")


def test_rows_and_their_sums(account: BackendServer) -> None:
    silver = {"X_Backend_Storage_Policy_Index": "1"}
    assert account.request("PUT", f"{ACCOUNT}/gold", row(20, count=2, used=7)).status == 201
    assert account.request("PUT", f"{ACCOUNT}/silver", row(21, count=3, used=5, **silver)).status == 201
    head = account.request("HEAD", ACCOUNT).headers
    assert (head["x-account-container-count"], head["x-account-object-count"], head["x-account-bytes-used"]) == (
        "2",
        "5",
        "12",
    )
    assert head["x-account-storage-policy-silver-object-count"] == "3"
    assert head["x-account-storage-policy-gold-container-count"] == "1"
    assert json.loads(account.request("GET", ACCOUNT, query="format=json").body) == [
        {"name": "gold", "count": 2, "bytes": 7, "last_modified": "1970-01-01T00:00:20.000000", "storage_policy": "gold"},
        {"name": "silver", "count": 3, "bytes": 5, "last_modified": "1970-01-01T00:00:21.000000", "storage_policy": "silver"},
    ]  # fmt: skip
    assert account.request("PUT", f"{ACCOUNT}/gold", row(20, delete=30)).status == 204
    assert names_in(account) == ["silver"]
    assert account.request("HEAD", ACCOUNT).headers["x-account-object-count"] == "3"


def test_an_account_with_containers_stays_readable_until_it_is_reaped(account: BackendServer) -> None:
    account.request("PUT", f"{ACCOUNT}/c", row(20))
    assert account.request("DELETE", ACCOUNT, {"X-Timestamp": at(30)}).status == 204
    refused = account.request("PUT", f"{ACCOUNT}/d", row(31))
    assert refused.status == 404
    assert account.request("PUT", f"{ACCOUNT}/c", row(20, delete=31, X_Account_Override_Deleted="yes")).status == 204


def test_rows_need_an_account_unless_it_is_hidden(server: BackendServer) -> None:
    assert server.request("PUT", f"{ACCOUNT}/c", row(1)).status == 404
    assert server.request("PUT", f"{ACCOUNT}/c", row(1, X_Account_Override_Deleted="yes")).status == 404
    assert server.request("PUT", "/sda/0/.expiring_objects/c", row(1)).status == 201
    assert server.request("GET", "/sda/0/.expiring_objects").text == "c\n"


@pytest.mark.parametrize("missing", ["X-Put-Timestamp", "X-Delete-Timestamp", "X-Object-Count", "X-Bytes-Used"])
def test_a_row_without_a_mandatory_header_is_refused(account: BackendServer, missing: str) -> None:
    headers = row(20)
    del headers[missing]
    answer = account.request("PUT", f"{ACCOUNT}/c", headers)
    assert (answer.status, answer.text) == (400, f"Missing {missing} header")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "says"),
    [
        ("PUT", ACCOUNT, {}, 400, "Missing X-Timestamp header"),
        ("PUT", "/sda/0", {"X-Timestamp": "1"}, 400, "Invalid path: /sda/0"),
        ("PUT", f"{ACCOUNT}/c/o", {"X-Timestamp": "1"}, 400, "Invalid path: /sda/0/a/c/o"),
        ("PUT", "/sdz/0/a", {"X-Timestamp": "1"}, 507, "Drive: sdz"),
        ("GET", ACCOUNT, {"Accept": "image/png"}, 406, ""),
        ("COPY", ACCOUNT, {}, 405, ""),
        ("PUT", f"{ACCOUNT}/c", row(1, count=2**63), 404, ""),
        ("PUT", ACCOUNT, {"X-Timestamp": "1", "X-Account-Meta-A": "b" * 257}, 400, "value longer than 256"),
    ],
)
def test_bad_requests_say_what_is_wrong(
    server: BackendServer, tmp_path: Path, method: str, path: str, headers: dict[str, str], status: int, says: str
) -> None:
    answer = server.request(method, path, headers)
    assert answer.status == status
    assert says in answer.text
    assert not (tmp_path / "sda/accounts").exists()


@pytest.mark.parametrize("bad", [row(20, count=2**63), row(20, X_Backend_Storage_Policy_Index=str(2**70))])
def test_a_row_that_no_database_can_keep_does_no_harm(account: BackendServer, bad: dict[str, str]) -> None:
    assert account.request("PUT", f"{ACCOUNT}/big", bad).status == 400
    assert account.request("PUT", f"{ACCOUNT}/c", row(20)).status == 201
    assert names_in(account) == ["c"]


def test_queries_are_utf8_percent_encoded_or_not(account: BackendServer) -> None:
    account.request("PUT", f"{ACCOUNT}/ü", row(20))
    with socket.create_connection(account.thread.address[:2]) as client:
        client.sendall(f"GET {ACCOUNT}?prefix=ü HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.endswith("\r\n\r\nü\n".encode())
    assert names_in(account, "prefix=%C3%BC") == ["ü"]
    assert account.request("GET", ACCOUNT, query="prefix=%C3").status == 400


def test_listing_parameters_and_formats(account: BackendServer) -> None:
    for name in ("a", "b-1", "b-2", "ü"):
        account.request("PUT", f"{ACCOUNT}/{name}", row(20))
    assert names_in(account, "limit=2") == ["a", "b-1"]
    assert names_in(account, "marker=a&end_marker=b-2") == ["b-1"]
    assert names_in(account, "prefix=b") == ["b-1", "b-2"]
    assert names_in(account, "delimiter=-") == ["a", "b-", "ü"]
    assert names_in(account, "path=b-1") == ["a", "b-1", "b-2", "ü"]  # accounts have no pseudo-directories
    assert names_in(account, "reverse=yes") == ["ü", "b-2", "b-1", "a"]
    assert account.request("GET", ACCOUNT).text == "a\nb-1\nb-2\nü\n"
    in_xml = account.request("GET", ACCOUNT, {"Accept": "text/xml"}, query="limit=1")
    assert in_xml.headers["content-type"] == "text/xml; charset=utf-8"
    assert in_xml.text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<account name="a">\n<container><name>a</name><count>0</count>'
        "<bytes>0</bytes><last_modified>1970-01-01T00:00:20.000000</last_modified>"
        "<storage_policy>gold</storage_policy></container>\n</account>"
    )
    assert account.request("GET", ACCOUNT, query="limit=10001").status == 412


def test_an_empty_account_lists_nothing(account: BackendServer) -> None:
    assert account.request("GET", ACCOUNT).status == 204
    assert account.request("GET", ACCOUNT, query="format=json").body == b"[]"
    assert account.request("GET", ACCOUNT, query="format=xml").text.endswith('<account name="a">\n</account>')


def test_options_names_the_server(server: BackendServer) -> None:
    assert server.request("OPTIONS", "/").headers["server"].startswith("account-server/")
