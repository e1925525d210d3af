"""One row on its way to the other cluster: what is asked of both, and what becomes of every answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakes.http_server import ServerThread
from swiftlite.container.sync_row import Link, NotHereYet, Refused, RowSender
from swiftlite.core.container_sync import Target
from swiftlite.core.signature import container_sync_signature
from swiftlite.wire.internal_client import InternalClient, UnexpectedResponse

LOGGER = logging.getLogger("test.sync_row")
NEWER, MOMENT, OLDER = "1402464678.00000", "1402464677.04188", "1402464676.00000"
ROW = {"ROWID": 1, "name": "é/o", "created_at": MOMENT, "deleted": 0}
BODY = b"x" * 300_000
ETAG = '"etag"'

Head = tuple[str, list[tuple[str, str]]]


class There:
    """The other cluster's proxy: answers each method as a test says, and remembers what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, Head] = {
            "HEAD": ("404 Not Found", []),
            "PUT": ("201 Created", []),
            "DELETE": ("204 No Content", []),
        }
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.requests.append(environ)
        if environ["REQUEST_METHOD"] == "PUT" and self.answers["PUT"][0][0] == "2":
            self.bodies.append(environ["wsgi.input"].read())
        status, headers = self.answers[environ["REQUEST_METHOD"]]
        start_response(status, [*headers, ("Content-Length", "0")] if status[:3] != "204" else headers)
        return []

    @property
    def methods(self) -> list[str]:
        return [environ["REQUEST_METHOD"] for environ in self.requests]


class Here:
    """Our own pipeline, which has one object."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.headers = {
            "X-Timestamp": MOMENT,
            "X-Backend-Timestamp": MOMENT,
            "Content-Length": str(len(BODY)),
            "Content-Type": "text/x",
            "Etag": ETAG,
        }
        self.body = [BODY[:100_000], BODY[100_000:]]
        self.requests: list[dict[str, Any]] = []
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        self.requests.append(environ)
        start_response(self.status, list(self.headers.items()))
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def there() -> There:
    return There()


@pytest.fixture
def address(there: There) -> Iterator[tuple[str, int]]:
    with ServerThread(there) as server:
        yield server.address[:2]


@pytest.fixture
def send(here: Here, address: tuple[str, int]) -> Callable[..., str]:
    local = InternalClient(here, "test", 1, LOGGER, pause=lambda seconds: None)
    sender = RowSender(local, 5, 5)

    def send(realm: str | None = "US", **changed: Any) -> str:
        target = Target("http", *address, "/v1/AUTH_there/c", realm, "realm key" if realm else None)
        return sender.send(Link("AUTH_here", "c", 3, target, "key é"), {**ROW, **changed})

    return send


def test_an_object_is_read_here_and_stored_there(here: Here, there: There, send: Any) -> None:
    assert send() == "puts"
    [asked] = here.requests
    assert (asked["PATH_INFO"], asked["QUERY_STRING"]) == ("/v1/AUTH_here/c/Ã©/o", "symlink=get")
    assert (asked["HTTP_X_NEWEST"], asked["HTTP_X_BACKEND_STORAGE_POLICY_INDEX"]) == ("true", "3")
    assert there.methods == ["HEAD", "PUT"]
    assert there.bodies == [BODY]
    assert here.closed
    for environ in there.requests:
        realm, nonce, signature = environ["HTTP_X_CONTAINER_SYNC_AUTH"].split()
        signed = (environ["REQUEST_METHOD"], "/v1/AUTH_there/c/%C3%A9/o", MOMENT, nonce, "realm key", "key é")
        assert (realm, signature) == ("US", container_sync_signature(*signed))
        assert (environ["PATH_INFO"], environ["HTTP_X_TIMESTAMP"]) == ("/v1/AUTH_there/c/Ã©/o", MOMENT)
        assert "HTTP_X_CONTAINER_SYNC_KEY" not in environ
    put = there.requests[-1]
    assert (put["CONTENT_TYPE"], put["HTTP_ETAG"], put["CONTENT_LENGTH"]) == ("text/x", "etag", str(len(BODY)))
    assert there.requests[0]["HTTP_X_CONTAINER_SYNC_AUTH"] != put["HTTP_X_CONTAINER_SYNC_AUTH"]


@pytest.mark.parametrize(
    ("theirs", "methods"),
    [
        (NEWER, ["HEAD"]),
        (MOMENT, ["HEAD"]),
        (OLDER, ["HEAD", "PUT"]),
        ("bad", ["HEAD", "PUT"]),
        (None, ["HEAD", "PUT"]),
    ],
)
def test_what_is_there_is_not_sent(there: There, send: Any, theirs: str | None, methods: list[str]) -> None:
    there.answers["HEAD"] = "200 OK", [("X-Timestamp", theirs)] if theirs else []
    assert send() == ("present" if len(methods) == 1 else "puts")
    assert there.methods == methods


def test_what_the_reconciler_has_moved_is_sent_in_any_case(here: Here, there: There, send: Any) -> None:
    """The offset of its timestamp makes it newer than the tombstone in its old place; nobody is shown whether it is."""
    moved = f"{MOMENT}_0000000000000002"
    here.headers["X-Backend-Timestamp"] = moved
    there.answers["HEAD"] = "200 OK", [("X-Timestamp", MOMENT)]
    assert send(created_at=moved) == "puts"
    assert there.requests[-1]["HTTP_X_TIMESTAMP"] == moved
    there.answers["HEAD"] = "200 OK", [("X-Timestamp", NEWER)]
    assert send(created_at=moved) == "present"


def test_a_post_counts(here: Here, there: There, send: Any) -> None:
    there.answers["HEAD"] = "200 OK", [("X-Timestamp", MOMENT)]
    here.headers["X-Backend-Timestamp"] = "1402464677.04198"
    assert send(created_at=f"{MOMENT}+0+a") == "puts"
    assert there.requests[-1]["HTTP_X_TIMESTAMP"] == "1402464677.04198"


@pytest.mark.parametrize(
    ("status", "changed"),
    [
        ("200 OK", {"X-Backend-Timestamp": OLDER, "X-Timestamp": OLDER}),
        ("200 OK", {"X-Backend-Timestamp": "", "X-Timestamp": "bad"}),
        ("404 Not Found", {"X-Backend-Timestamp": OLDER}),
        ("404 Not Found", {"X-Backend-Timestamp": f"{MOMENT}_0000000000000002"}),  # the reconciler has moved it
        ("404 Not Found", {"X-Backend-Timestamp": "", "X-Timestamp": ""}),
    ],
)
def test_what_is_not_here_yet_is_waited_for(
    here: Here, there: There, send: Any, status: str, changed: dict[str, str]
) -> None:
    here.status = status
    here.headers |= changed
    with pytest.raises(NotHereYet):
        send()
    assert there.methods == ["HEAD"]
    assert here.closed


def test_what_was_deleted_since_has_a_row_of_its_own(here: Here, there: There, send: Any) -> None:
    here.status = "404 Not Found"
    here.headers["X-Backend-Timestamp"] = NEWER
    assert send() == "skipped"
    assert there.methods == ["HEAD"]
    assert here.closed


def test_our_own_servers_may_fail(here: Here, there: There, send: Any) -> None:
    here.status = "503 Service Unavailable"
    with pytest.raises(UnexpectedResponse, match="503"):
        send()
    assert there.methods == ["HEAD"]


@pytest.mark.parametrize("body", [[BODY[:-1]], [BODY[:200_000], RuntimeError("lost")]])
def test_an_object_is_there_whole_or_not_at_all(here: Here, there: There, send: Any, body: list[Any]) -> None:
    def chunks() -> Iterator[bytes]:
        for piece in body:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    here.body = chunks()  # type: ignore[assignment]
    with pytest.raises((NotHereYet, RuntimeError)):
        send()
    assert there.bodies == []
    assert here.closed


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "status", ["401 Unauthorized", "403 Forbidden", "500 Internal Error", "507 Insufficient Storage"]
)
def test_refusals_are_told(there: There, send: Any, method: str, status: str) -> None:
    there.answers[method] = status, []
    with pytest.raises(Refused, match=f"answered a {method} with {status[:3]}") as caught:
        send(deleted=int(method == "DELETE"))
    assert caught.value.status == int(status[:3])


@pytest.mark.parametrize("status", ["204 No Content", "404 Not Found", "409 Conflict"])
def test_a_deletion_is_done_where_there_is_nothing_older(there: There, here: Here, send: Any, status: str) -> None:
    there.answers["DELETE"] = status, []
    assert send(deleted=1, created_at=MOMENT) == "deletes"
    assert (there.methods, here.requests) == (["DELETE"], [])
    assert there.requests[0]["HTTP_X_TIMESTAMP"] == MOMENT


def test_links_of_versioning_are_left_out(here: Here, there: There, send: Any) -> None:
    here.headers["X-Object-Sysmeta-Versions-Symlink"] = "true"
    assert send() == "skipped"
    assert there.methods == ["HEAD"]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found"])
def test_a_url_gets_the_key_instead_of_a_signature(there: There, send: Any, status: str) -> None:
    there.answers["HEAD"] = status, []
    assert send(realm=None) == "puts"
    for environ in there.requests:
        assert environ["HTTP_X_CONTAINER_SYNC_KEY"] == "key Ã©"
        assert "HTTP_X_CONTAINER_SYNC_AUTH" not in environ
