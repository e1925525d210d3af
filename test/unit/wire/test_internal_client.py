"""The internal client: what its requests look like, which answers it passes on, and what it tries again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from swiftlite.common.config import ConfigError
from swiftlite.wire.internal_client import BUILT_IN, InternalClient, UnexpectedResponse


class App:
    """A pipeline that answers what it is told to, and keeps the requests."""

    def __init__(self, *answers: tuple[str, bytes]) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.requests.append(environ)
        status, body = self.answers.pop(0)
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]


def client(app: App, pauses: list[float] | None = None, tries: int = 3) -> InternalClient:
    return InternalClient(
        app, "tester", tries, logging.getLogger("test.internal"), ([] if pauses is None else pauses).append
    )


def test_a_request_may_name_what_clients_may_not() -> None:
    app = App(("204 No Content", b""))
    assert client(app).delete(".hidden", "\x00c", "o/é", headers={"X-Timestamp": "1.00000"}) == 204
    (environ,) = app.requests
    assert environ["REQUEST_METHOD"] == "DELETE"
    assert environ["PATH_INFO"] == "/v1/.hidden/\x00c/o/Ã©"
    assert environ["HTTP_X_TIMESTAMP"] == "1.00000"
    assert environ["HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"] == "true"
    assert environ["HTTP_USER_AGENT"] == "tester"
    assert environ["wsgi.input"].read() == b""
    assert "swift.authorize" not in environ


def test_server_errors_are_tried_again_others_not() -> None:
    pauses: list[float] = []
    app = App(("503 Busy", b"x"), ("500 Broken", b""), ("204 No Content", b""))
    assert client(app, pauses).delete("a") == 204
    assert pauses == [2.0, 4.0]
    app = App(("503 Busy", b""), ("503 Busy", b""), ("204 No Content", b""))
    with pytest.raises(UnexpectedResponse) as raised:
        client(app, tries=2).delete("a", "c", "o")
    assert raised.value.status == 503 and "DELETE /v1/a/c/o" in str(raised.value)
    app = App(("403 Forbidden", b""), ("204 No Content", b""))
    with pytest.raises(UnexpectedResponse) as raised:
        client(app).delete("a")
    assert raised.value.status == 403 and len(app.requests) == 1


def test_statuses_that_the_caller_can_use() -> None:
    app = App(("409 Conflict", b"why"))
    assert client(app).delete("a", accept=(404, 409)) == 409
    app = App(("503 Busy", b""))
    assert client(app).delete("a", accept=(503,)) == 503
    assert len(app.requests) == 1


def listing(*names: str) -> bytes:
    return json.dumps([{"name": name} for name in names]).encode()


def test_a_listing_is_read_page_by_page() -> None:
    app = App(("200 OK", listing("a", "b é")), ("200 OK", listing("c")), ("200 OK", b"[]"))
    found = client(app).objects("account", "container", prefix="p")
    assert [entry["name"] for entry in found] == ["a", "b é", "c"]
    queries = [parse_qs(environ["QUERY_STRING"]) for environ in app.requests]
    assert [query.get("marker") for query in queries] == [None, ["b é"], ["c"]]
    assert all(query["format"] == ["json"] and query["prefix"] == ["p"] for query in queries)
    assert [environ["PATH_INFO"] for environ in app.requests] == ["/v1/account/container"] * 3


def test_a_listing_of_nothing() -> None:
    assert list(client(App(("404 Not Found", b"none"))).containers("a")) == []
    assert list(client(App(("204 No Content", b""))).containers("a")) == []


def test_a_listing_that_fails_half_way_says_so() -> None:
    app = App(("200 OK", listing("a")), *[("503 Busy", b"")] * 3)
    found = client(app).containers("a")
    assert next(found)["name"] == "a"
    with pytest.raises(UnexpectedResponse):
        next(found)


def test_an_upload_is_sent_once_for_its_body_can_be_read_once() -> None:
    def read_it(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        bodies.append(b"".join(iter(lambda: environ["wsgi.input"].read(3), b"")))
        environs.append(environ)
        start_response(statuses.pop(0), [])
        return []

    bodies: list[bytes] = []
    environs: list[dict[str, Any]] = []
    statuses = ["201 Created", "202 Accepted", "503 Busy"]
    uploader = InternalClient(read_it, "tester", 3, logging.getLogger("test.internal"))
    headers = {"Content-Length": "4", "Content-Type": "text/plain; swift_bytes=5", "X-Timestamp": "1.00000"}
    assert uploader.upload(("a", "c", "o/é"), iter([b"ab", b"cd"]), headers) == 201
    assert bodies == [b"abcd"]
    (environ,) = environs
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("PUT", "/v1/a/c/o/Ã©")
    assert environ["CONTENT_TYPE"] == "text/plain; swift_bytes=5" and environ["swift.content_type_overridden"]
    assert uploader.upload(("a", "c", "o"), [b"abcd"], headers) == 202
    with pytest.raises(UnexpectedResponse):
        uploader.upload(("a", "c", "o"), [b"abcd"], headers)
    assert len(environs) == 3


def test_a_conf_that_looks_for_the_cluster_elsewhere_is_named(tmp_path: Path) -> None:
    """The daemon's own swift.conf is there: it is not that which must be mended."""
    path = tmp_path / "internal-client.conf"
    for swift_dir, expected in (
        (
            f"{tmp_path}/other",
            f"{path}: its pipeline cannot be made, for it looks for files elsewhere than in {tmp_path}: ",
        ),
        (str(tmp_path), f"{tmp_path}/swift.conf: "),
    ):
        path.write_text(f"[DEFAULT]\nswift_dir = {swift_dir}\n{BUILT_IN}")
        with pytest.raises(ConfigError) as caught:
            InternalClient.from_conf(str(path), str(tmp_path), "tester", 1, logging.getLogger("test.internal"))
        assert str(caught.value).startswith(expected)
        assert f"{swift_dir}/swift.conf: No such file" in str(caught.value)
        assert (f"say swift_dir = {tmp_path} in its [DEFAULT]" in str(caught.value)) is (swift_dir != str(tmp_path))
