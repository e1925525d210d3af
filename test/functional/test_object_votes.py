"""Changes with conditions at one object server: decided while nobody else can change the object."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.http_server import wait_until
from fakes.object_server import Answer, ObjectNode
from swiftlite.http.client import Client
from swiftlite.http.reply import Response
from swiftlite.http.upload import Upload
from swiftlite.wire.messages import Vote

NOW = int(time.time()) - 1000
PATH = "/sda/7/a/c/o"


def at(second: int) -> str:
    return f"{NOW + second}.00000"


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ObjectNode]:
    with ObjectNode(tmp_path, client_timeout=60.0) as node:
        yield node


def put(node: ObjectNode, second: int, body: bytes, **conditions: str) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in conditions.items()}
    return node.request("PUT", PATH, {"X-Timestamp": at(second), "Content-Type": "text/plain", **headers}, body)


def body_of(node: ObjectNode) -> bytes | None:
    answer = node.request("GET", PATH)
    return answer.body if answer.status == 200 else None


class Voter:
    """A change put to the vote, as the proxy does it; step by step."""

    def __init__(self, node: ObjectNode, method: str, second: int, **conditions: str) -> None:
        headers = {"X-Timestamp": at(second), "Expect": "100-continue", **dict([Vote.HEADER])}
        headers |= {"Content-Type": "text/plain"} if method == "PUT" else {}
        headers |= {name.replace("_", "-"): value for name, value in conditions.items()}
        self.upload: Upload = Client(30, 60).open(node.thread.address[:2], method, PATH, headers)
        self.early: Response | None = self.upload.expect_continue()

    def send(self, body: bytes = b"") -> int:
        """Send the body; return 100 for a yes, or the status of the refusal."""
        assert self.early is None
        assert Vote.is_agreed(self.upload.continue_headers)
        self.upload.send_chunk(body)
        self.upload.finish_chunks()
        answer = self.upload.expect_continue()
        return 100 if answer is None else answer.status

    def leave(self, word: bytes = Vote.LEAVE) -> int:
        self.upload.send_chunk(word)
        self.upload.finish_chunks()
        return self.upload.response().status


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If_Match": etag(b"old")}, 201),
        ({"If_Match": hashlib.md5(b"old").hexdigest()}, 201),
        ({"If_Match": "*"}, 201),
        ({"If_Match": etag(b"other")}, 412),
        ({"If_None_Match": etag(b"old")}, 412),
        ({"If_None_Match": etag(b"other")}, 201),
        ({"If_None_Match": "*"}, 412),
        ({"If_Match": etag(b"slo"), "X_Backend_Etag_Is_At": "X-Object-Sysmeta-Etag"}, 201),
        ({"If_Match": etag(b"old"), "X_Backend_Etag_Is_At": "X-Object-Sysmeta-Etag"}, 412),
    ],
)
def test_conditions_of_a_put(node: ObjectNode, conditions: dict[str, str], status: int) -> None:
    put(node, 1, b"old", X_Object_Sysmeta_Etag=etag(b"slo").strip('"'))
    assert put(node, 2, b"new", **conditions).status == status
    assert body_of(node) == (b"new" if status == 201 else b"old")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_conditions_of_other_changes(node: ObjectNode, method: str) -> None:
    put(node, 1, b"old")
    before = node.files()
    assert node.request(method, PATH, {"X-Timestamp": at(2), "If-Match": etag(b"other")}).status == 412
    assert node.files() == before
    changed = node.request(method, PATH, {"X-Timestamp": at(2), "If-Match": etag(b"old")})
    assert changed.status == (202 if method == "POST" else 204)


def test_conditions_where_there_is_nothing(node: ObjectNode) -> None:
    assert put(node, 1, b"new", If_Match="*").status == 412
    assert node.request("DELETE", PATH, {"X-Timestamp": at(1), "If-Match": "*"}).status == 412
    assert node.files() == []
    assert put(node, 1, b"new", If_None_Match="*").status == 201


def test_a_put_that_is_voted_for_is_stored_when_told_to(node: ObjectNode) -> None:
    put(node, 1, b"old")
    voter = Voter(node, "PUT", 2, If_Match=etag(b"old"))
    assert voter.send(b"new") == 100
    assert body_of(node) == b"old"
    assert voter.leave() == 201
    assert body_of(node) == b"new"


@pytest.mark.parametrize(("method", "status"), [("POST", 202), ("DELETE", 204)])
def test_other_changes_are_made_when_told_to(node: ObjectNode, method: str, status: int) -> None:
    put(node, 1, b"old")
    before = node.files()
    voter = Voter(node, method, 2, If_Match=etag(b"old"))
    assert voter.send() == 100
    assert node.files() == before
    assert voter.leave() == status
    assert node.files() != before


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_without_leave_nothing_is_changed(node: ObjectNode, method: str) -> None:
    put(node, 1, b"old")
    before = node.files()
    voter = Voter(node, method, 2, If_Match=etag(b"old"))
    assert voter.send() == 100
    voter.upload.close()
    assert put(node, 3, b"other").status == 201  # waits until the vote is given up
    assert [name for name in node.files() if name in before or name.startswith(at(2))] == []
    voter = Voter(node, method, 4, If_Match=etag(b"other"))
    assert voter.send() == 100
    assert voter.leave(b"never") == 400
    assert body_of(node) == b"other"


def test_a_refusal_comes_before_the_body_if_it_can(node: ObjectNode) -> None:
    put(node, 1, b"old")
    voter = Voter(node, "PUT", 2, If_Match=etag(b"other"))
    assert voter.early is not None and voter.early.status == 412
    early = Voter(node, "PUT", 1, If_Match=etag(b"old")).early
    assert early is not None and early.status == 409


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_what_changes_while_the_body_comes_decides(node: ObjectNode, method: str) -> None:
    put(node, 1, b"old")
    voter = Voter(node, method, 9, If_Match=etag(b"old"))
    put(node, 2, b"between")
    assert voter.send() == 412
    assert body_of(node) == b"between"


def test_others_wait_for_who_has_voted(node: ObjectNode, tmp_path: Path) -> None:
    put(node, 1, b"old")
    first, second = (Voter(node, "PUT", second, If_Match=etag(b"old")) for second in (2, 3))
    assert first.send(b"first") == 100
    second.upload.send_chunk(b"second")
    second.upload.finish_chunks()
    assert first.leave() == 201
    refusal = second.upload.expect_continue()
    assert refusal is not None and refusal.status == 412
    assert body_of(node) == b"first"


def test_a_proxy_that_does_not_come_back_holds_nobody_up_for_long(
    node: ObjectNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swiftlite.obj.changes.LEAVE_TIMEOUT", 0.2)
    put(node, 1, b"old")
    assert Voter(node, "PUT", 2, If_Match=etag(b"old")).send(b"lost") == 100
    assert put(node, 3, b"new").status == 201
    assert body_of(node) == b"new"
    wait_until(lambda: len(node.files()) == 1, "what the vote left is gone")


def test_a_put_repeated_after_its_answer_was_lost(node: ObjectNode) -> None:
    first, again = put(node, 1, b"body"), put(node, 1, b"body")
    assert (first.status, again.status) == (201, 201)
    assert again.headers["etag"] == first.headers["etag"]
    assert put(node, 1, b"other").status == 409
    assert body_of(node) == b"body"
    node.request("DELETE", PATH, {"X-Timestamp": at(1)})
    assert put(node, 0, b"body").status == 409
