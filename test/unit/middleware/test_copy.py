"""The filter copy over a stand-in for the rest of the pipeline: what reaches it, and what becomes of a source that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.wsgi_calls import make_environ
from fakes.wsgi_calls import request as ask
from swiftlite.common.concurrency import sleep
from swiftlite.common.web import Answer
from swiftlite.middleware.copy import filter_factory

Headers = list[tuple[str, str]]
OVERRIDE = "X-Object-Sysmeta-Container-Update-Override-Etag"
METADATA = [
    ("X-Object-Meta-A", "source"),
    ("X-Object-Sysmeta-S", "sys"),
    ("X-Object-Transient-Sysmeta-T", "transient"),
    (OVERRIDE, "listed"),
]
KEYS = {name: "HTTP_" + name.upper().replace("-", "_") for name, _ in METADATA}


class Rest:
    """The rest of the pipeline: answers a GET with the source, and takes a PUT as the proxy would."""

    def __init__(self, status: str = "200 OK", headers: Headers = METADATA, pieces: Any = (b"hel", b"lo")) -> None:
        self.status = status
        self.headers = [("Content-Type", "text/plain"), ("Content-Length", "5"), ("Etag", '"e"'), *headers]
        self.pieces = pieces
        self.requests: list[dict[str, Any]] = []
        self.stored: bytes | None = None
        self.closed = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.requests.append(environ)
        if environ["REQUEST_METHOD"] == "GET":
            start_response(self.status, self.headers)
            return Body(self)
        try:
            return self.put(environ, start_response)
        except Answer as answer:
            return answer(environ, start_response)

    def put(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        data, left = b"", int(environ.get("CONTENT_LENGTH", 0))
        while left and (piece := environ["wsgi.input"].read(left)):
            data += piece
            left -= len(piece)
        self.stored = data
        start_response("499 Client Disconnect" if left else "201 Created", [("Etag", "e")])
        return []


class Body:
    """The source's bytes."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.rest.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        self.rest.closed = True


def copy(rest: Rest, path: str = "/v1/a/c/o", **headers: str) -> Any:
    sent = {"X-Copy-From": "c/source", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ask(filter_factory({})(rest), "PUT", path, headers=sent)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "COPY"])
def test_what_is_no_copy_passes_as_it_is(method: str) -> None:
    seen = []
    app = filter_factory({})(lambda environ, start_response: seen.append((environ, start_response)) or [])
    environ, start_response = make_environ(method, "/v1/a/c" if method == "COPY" else "/v1/a/c/o"), object()
    before = dict(environ)
    app(environ, start_response)
    assert seen[0][0] is environ
    assert seen[0][1] is start_response
    assert environ == before


def test_the_get_and_the_put_of_a_copy() -> None:
    rest = Rest()
    answered = copy(rest, Range="bytes=0-9", X_Object_Meta_A="copy", If_Match='"e"', X_Newest="false")
    get, put = rest.requests
    assert (answered.status, rest.stored, rest.closed) == (201, b"hello", True)
    assert (get["PATH_INFO"], get["HTTP_X_NEWEST"], get["HTTP_RANGE"]) == ("/v1/a/c/source", "true", "bytes=0-9")
    assert (put["PATH_INFO"], put["HTTP_ETAG"], put["CONTENT_TYPE"]) == ("/v1/a/c/o", "e", "text/plain")
    assert (get["swift.source"], put["swift.source"]) == ("SSC", "SSC")
    assert not {"HTTP_RANGE", "HTTP_IF_MATCH", "HTTP_X_COPY_FROM"} & put.keys()
    assert "HTTP_X_COPY_FROM" not in get
    assert put[KEYS["X-Object-Meta-A"]] == "copy"


@pytest.mark.parametrize(
    ("fresh", "kept"),
    [
        ("false", [name for name, _ in METADATA]),
        ("true", ["X-Object-Sysmeta-S", OVERRIDE]),
    ],
)
def test_fresh_metadata_leave_only_what_belongs_to_middleware(fresh: str, kept: list[str]) -> None:
    rest = Rest()
    answered = copy(rest, X_Fresh_Metadata=fresh)
    assert [name for name in KEYS if KEYS[name] in rest.requests[-1]] == kept
    assert [name for name in KEYS if name.lower() in answered.headers] == kept


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("206 Partial Content", []),
        ("200 OK", [("X-Static-Large-Object", "True")]),
        ("200 OK", [("X-Object-Manifest", "c/s")]),
    ],
)
def test_other_bytes_have_another_etag_everywhere(status: str, more: Headers) -> None:
    rest = Rest(status, METADATA + more)
    assert copy(rest).status == 201
    put = rest.requests[-1]
    assert "HTTP_ETAG" not in put
    assert KEYS[OVERRIDE] not in put
    assert KEYS["X-Object-Sysmeta-S"] in put
    assert not {"HTTP_X_STATIC_LARGE_OBJECT", "HTTP_X_OBJECT_MANIFEST"} & put.keys()


def test_a_source_that_breaks_off_is_not_the_client_s_fault() -> None:
    rest = Rest(pieces=(b"hel", OSError("node died")))
    assert (copy(rest).status, rest.stored, rest.closed) == (503, None, True)


def test_a_source_that_ends_early_is_no_success() -> None:
    rest = Rest(pieces=(b"hel",))
    answered = copy(rest)
    assert (answered.status, rest.closed) == (499, True)
    assert "x-copied-from" not in answered.headers


def test_a_source_that_cannot_be_had_is_told_as_it_is() -> None:
    rest = Rest("404 Not Found", [("X-Trans-Id", "tx")], (b"none",))
    answered = copy(rest)
    assert (answered.status, answered.body, len(rest.requests)) == (404, b"none", 1)


def test_a_source_of_unknown_length_is_too_large() -> None:
    rest = Rest()
    rest.headers = [("Content-Type", "text/plain")]
    assert (copy(rest).status, len(rest.requests), rest.closed) == (413, 1, True)


def test_a_slow_copy_shows_that_it_lives() -> None:
    class Slow(Rest):
        def put(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
            for _ in range(5):
                sleep(0.01)
            return super().put(environ, start_response)

    rest = Slow()
    app = filter_factory({}, yield_frequency="0.01")(rest)
    answered = ask(app, "PUT", "/v1/a/c/o?heartbeat=on&x=y", headers={"X-Copy-From": "c/source"})
    blanks = len(answered.body) - len(answered.body.lstrip())
    assert (answered.status, rest.stored, rest.closed) == (202, b"hello", True)
    assert blanks > 1
    assert b"Response Status: 201 Created\n" in answered.body
    assert b"Sysmeta" not in answered.body
    assert rest.requests[-1]["QUERY_STRING"] == "x=y"


def test_whoever_is_gone_before_the_first_blank_leaves_no_source_open() -> None:
    rest = Rest()
    environ = make_environ("PUT", "/v1/a/c/o?heartbeat=on", headers={"X-Copy-From": "c/source"})
    filter_factory({})(rest)(environ, lambda *_: None).close()
    sleep(0)
    assert (rest.stored, rest.closed) == (b"hello", True)


@pytest.mark.parametrize("header", ["X-Static-Large-Object", "X-Symlink-Target"])
def test_a_post_makes_neither_a_manifest_nor_a_link(header: str) -> None:
    rest = Rest()
    ask(filter_factory({}, object_post_as_copy="true")(rest), "POST", "/v1/a/c/o", headers={header: "c/t"})
    assert [environ["REQUEST_METHOD"] for environ in rest.requests] == ["POST"]


def test_a_slow_copy_may_still_fail() -> None:
    rest = Rest(pieces=(b"hel", OSError("node died")))
    app = filter_factory({})(rest)
    answered = ask(app, "PUT", "/v1/a/c/o?heartbeat=on", headers={"X-Copy-From": "c/source"})
    assert b"Response Status: 503 Service Unavailable\n" in answered.body
    assert b"Errors:\nc/source, 503 Service Unavailable\n" in answered.body


@pytest.mark.parametrize(
    ("proxy", "own", "copies"),
    [
        ("", {}, False),
        ("true", {}, True),
        ("true", {"object_post_as_copy": "false"}, False),
        ("", {"object_post_as_copy": "yes"}, True),
    ],
)
def test_older_confs_ask_for_posts_as_copies_elsewhere(
    tmp_path: Path, proxy: str, own: dict[str, str], copies: bool
) -> None:
    conf = tmp_path / "proxy-server.conf"
    conf.write_text(f"[app:proxy-server]\nuse = egg:swift#proxy\nobject_post_as_copy = {proxy}\n")
    rest = Rest()
    ask(filter_factory({"__file__": str(conf)}, **own)(rest), "POST", "/v1/a/c/o")
    assert [environ["REQUEST_METHOD"] for environ in rest.requests] == (["GET", "PUT"] if copies else ["POST"])
