"""Legacy versioning over a stand-in for the rest of the pipeline: what it costs those who have none, and its order."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fakes.wsgi_calls import call, make_environ
from swiftlite.middleware.versioned_writes.legacy import LegacyVersioning
from swiftlite.proxy.info import container_info

LOG = logging.getLogger("test-legacy")
STACK = {"X-Container-Sysmeta-Versions-Location": "v%2c", "X-Container-Sysmeta-Versions-Mode": "stack"}
HISTORY = {**STACK, "X-Container-Sysmeta-Versions-Mode": "history"}


class Rest:
    """The rest of the pipeline, with one object in it; answers PUTs and DELETEs as told."""

    def __init__(self, **statuses: str) -> None:
        self.statuses = statuses
        self.asked: list[str] = []
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        method = environ["REQUEST_METHOD"]
        self.asked.append(f"{method} {environ['PATH_INFO']}")
        self.environs.append(environ)
        if method == "PUT":
            environ["wsgi.input"].read()
        status = self.statuses.get(method, "204 No Content")
        found = [("Content-Length", "1"), ("X-Timestamp", "1402464677.04188"), ("Content-Type", "x/y"), ("Etag", "e")]
        start_response(status, found if method == "GET" else [("Content-Length", "0")])
        return [b"1"] if method == "GET" else []


def send(rest: Rest, method: str, headers: dict[str, str], allowed: bool | None = True, **more: Any) -> Any:
    """A request for an object whose container's HEAD has these headers."""
    environ = make_environ(method, "/v1/a/c/o") | more
    environ["swift.infocache"] = {"container/a/c": container_info(headers, 204)}
    return call(LegacyVersioning(rest, allowed, LOG), environ)


@pytest.mark.parametrize("allowed", [None, False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_a_container_without_versions_costs_no_request(method: str, allowed: bool | None) -> None:
    rest = Rest()
    answered = send(rest, method, {}, allowed)
    assert rest.asked == [f"{method} /v1/a/c/o"]
    assert rest.environs[0] is answered.environ


@pytest.mark.parametrize(
    ("headers", "allowed", "versioned"),
    [
        (STACK, True, True),
        (STACK, False, False),
        (STACK, None, False),
        ({"X-Versions-Location": "v,"}, None, True),
        ({"X-Versions-Location": "v,"}, True, True),
        ({"X-Versions-Location": "v,"}, False, False),
    ],
)
def test_whose_location_counts(headers: dict[str, str], allowed: bool | None, versioned: bool) -> None:
    rest = Rest(GET="200 OK", PUT="201 Created")
    assert send(rest, "PUT", headers, allowed).status == 201
    kept = ["GET /v1/a/c/o", "PUT /v1/a/v,/001o/1402464677.04188"] if versioned else []
    assert rest.asked == [*kept, "PUT /v1/a/c/o"]


@pytest.mark.parametrize(
    ("failing", "status", "told"),
    [
        ("GET", "503 Service Unavailable", 503),
        ("GET", "403 Forbidden", 412),
        ("PUT", "404 Not Found", 412),
        ("PUT", "422 Unprocessable Entity", 412),
        ("PUT", "500 Internal Error", 503),
    ],
)
@pytest.mark.parametrize(("method", "headers"), [("PUT", STACK), ("PUT", HISTORY), ("DELETE", HISTORY)])
def test_what_cannot_be_kept_is_not_overwritten(
    method: str, headers: dict[str, str], failing: str, status: str, told: int
) -> None:
    rest = Rest(**{"GET": "200 OK", "PUT": "201 Created", failing: status})
    assert send(rest, method, headers).status == told
    assert f"{method} /v1/a/c/o" not in rest.asked


def test_a_marker_that_cannot_be_written_stops_the_deletion() -> None:
    rest = Rest(GET="404 Not Found", PUT="507 Insufficient Storage")
    assert send(rest, "DELETE", HISTORY).status == 503
    assert [asked.split()[0] for asked in rest.asked] == ["GET", "PUT"]


@pytest.mark.parametrize(
    ("status", "told"), [("404 Not Found", 204), ("403 Forbidden", 412), ("503 Service Unavailable", 503)]
)
def test_versions_that_cannot_be_listed(status: str, told: int) -> None:
    """Without a container for versions there are none; where it cannot be told, nothing is deleted."""
    rest = Rest(GET=status)
    assert send(rest, "DELETE", STACK).status == told
    assert ("DELETE /v1/a/c/o" in rest.asked) == (told == 204)


def test_a_refusal_comes_before_anything_is_read() -> None:
    def refuse(request: Any) -> Any:
        assert request.acl == "writers"

        def denied(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("403 Forbidden", [])
            return [b"no"]

        return denied

    rest = Rest(GET="200 OK", PUT="201 Created")
    answered = send(rest, "PUT", {**STACK, "X-Container-Write": "writers"}, **{"swift.authorize": refuse})
    assert (answered.status, answered.body, rest.asked) == (403, b"no", [])


def test_what_is_kept_is_kept_in_the_owner_s_name() -> None:
    rest = Rest(GET="200 OK", PUT="201 Created")
    send(rest, "PUT", STACK, **{"swift.authorize": lambda request: None, "REMOTE_USER": "guest"})
    *own, client = rest.environs
    assert {environ["REMOTE_USER"] for environ in own} == {".wsgi.pre_authed"}
    assert {environ["swift.source"] for environ in own} == {"VW"}
    assert client["REMOTE_USER"] == "guest"
    assert (own[0]["HTTP_X_NEWEST"], own[0]["QUERY_STRING"]) == ("true", "symlink=get")
