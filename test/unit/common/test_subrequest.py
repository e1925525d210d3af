"""Subrequests carry what they must, and their answers can be read, sent on or dropped."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.common.subrequest import BodyReader, call, make_environ, may_have, object_path, trust

CLIENT = {
    "REQUEST_METHOD": "PUT",
    "PATH_INFO": "/v1/a/c/o",
    "QUERY_STRING": "x=y",
    "HTTP_X_COPY_FROM": "c/source",
    "HTTP_USER_AGENT": "curl",
    "REMOTE_USER": "account,account:user",
    "swift.trans_id": "tx1",
    "swift.authorize": "the check",
    "wsgi.input": "the client's body",
}


class Closing:
    """A body that tells whether it was closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.closed = False

    def __iter__(self):
        return iter(self.pieces)

    def close(self) -> None:
        self.closed = True


def eager(body):
    def app(environ, start_response):
        start_response("201 Created", [("Etag", "e")])
        return body

    return app


def test_a_subrequest_is_by_the_same_client_but_has_its_own_headers() -> None:
    made = make_environ(CLIENT, "GET", "/v1/a/c/p", query="q", headers=[("X-Newest", "true")], source="COPY")
    assert made["REMOTE_USER"] == CLIENT["REMOTE_USER"]
    assert made["swift.authorize"] == "the check"
    assert (made["swift.trans_id"], made["swift.source"]) == ("tx1", "COPY")
    assert (made["REQUEST_METHOD"], made["PATH_INFO"], made["QUERY_STRING"]) == ("GET", "/v1/a/c/p", "q")
    assert made["HTTP_X_NEWEST"] == "true"
    assert "HTTP_X_COPY_FROM" not in made
    assert made["wsgi.input"].read() == b""


def test_the_body_is_counted_where_it_is_known_and_chunked_where_it_is_not() -> None:
    known = make_environ(CLIENT, "PUT", "/v1/a/c/o", body=b"abc")
    assert (known["CONTENT_LENGTH"], known["wsgi.input"].read()) == ("3", b"abc")
    assert "HTTP_TRANSFER_ENCODING" not in known
    told = make_environ(CLIENT, "PUT", "/v1/a/c/o", body=BodyReader([b"abc"]), headers=[("Content-Length", "3")])
    assert told["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in told
    unknown = make_environ(CLIENT, "PUT", "/v1/a/c/o", body=BodyReader([b"abc"]))
    assert unknown["HTTP_TRANSFER_ENCODING"] == "chunked"
    assert "CONTENT_LENGTH" not in unknown


def test_nobody_is_asked_about_a_trusted_subrequest() -> None:
    made = trust(make_environ(CLIENT, "GET", "/v1/a/\x00c/o"))
    assert made["swift.authorize"](None) is None
    assert made["swift.authorize_override"]
    assert made["HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"] == "true"


def test_an_answer_is_read_once_and_closed() -> None:
    body = Closing(b"ab", b"cd")
    answer = call(eager(body), {})
    assert (answer.status, answer.is_success, answer.header("ETAG"), answer.header("x")) == (201, True, "e", None)
    assert answer.read() == b"abcd"
    assert body.closed


def test_no_more_is_read_than_wanted() -> None:
    body = Closing(b"ab", b"cd", b"ef")
    assert call(eager(body), {}).read(3) == b"abc"
    assert body.closed


def test_an_answer_is_sent_on_as_it_is() -> None:
    told: list[object] = []
    body = call(eager([b"ab"]), {}).forward(lambda status, headers: told.append((status, headers)))
    assert (told, list(body)) == ([("201 Created", [("Etag", "e")])], [b"ab"])


@pytest.mark.parametrize("pieces", [[], [b"ab", b"cd"]])
def test_a_late_head_is_waited_for(pieces: list[bytes]) -> None:
    def late(environ, start_response):
        start_response("200 OK", [])
        yield from pieces

    answer = call(late, {})
    assert answer.status == 200
    assert answer.read() == b"".join(pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_bodys_pieces_are_read_as_a_file(size: int) -> None:
    reader = BodyReader([b"abc", b"", b"de"])
    found = []
    while data := reader.read(size):
        assert len(data) <= size
        found.append(data)
    assert b"".join(found) == b"abcde"


def test_a_bodys_rest_is_read_at_once() -> None:
    reader = BodyReader([b"abc", b"de"])
    assert (reader.read(1), reader.read(), reader.read()) == (b"a", b"bcde", b"")


@pytest.mark.parametrize("path", ["/v1", "/v1/a", "/v1/a/c", "/v1/a/c/", "/v1//c/o", "/info"])
def test_only_objects_have_an_object_path(path: str) -> None:
    assert object_path({"PATH_INFO": path}) is None


def test_an_objects_path_keeps_its_slashes() -> None:
    assert object_path({"PATH_INFO": "/v1/a/c/o//p/"}) == ("v1", "a", "c", "o//p/")


def test_a_header_s_name_may_hold_bytes_of_utf_8() -> None:
    name = "X-Object-Meta-漢ÿ".encode().decode("latin-1")
    made = make_environ(CLIENT, "PUT", "/v1/a/c/o", headers=[(name, "x"), ("content-type", "text/plain")])
    assert made["HTTP_X_OBJECT_META_漢ÿ".encode().decode("latin-1")] == "x"
    assert made["CONTENT_TYPE"] == "text/plain"


@given(
    st.lists(
        st.tuples(st.sampled_from(["ab", "a%62", "%61b", "%61%62", "a", "x"]), st.sampled_from(["", "=", "=%61b"]))
    )
)
def test_no_parameter_is_overlooked_however_its_name_is_spelled(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(map("".join, pairs))
    assert may_have(query, "ab") or "ab" not in dict(parse_qsl(query, keep_blank_values=True))


def test_a_query_without_a_parameter_is_not_decoded() -> None:
    assert not any(may_have(query, "ab") for query in ("", "a=b", "a=%61%62", "a=b&c=%61&d"))
