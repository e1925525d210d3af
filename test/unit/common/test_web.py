"""Requests read as WSGI strings; answers with Swift's statuses and bodies that say why."""

import pytest

from swiftlite.common.web import (
    Answer,
    HTTPCreated,
    HTTPForbidden,
    HTTPInsufficientStorage,
    HTTPNotFound,
    Request,
    from_violation,
    status_line,
)
from swiftlite.core.constraints import Violation


def call(app, **environ):
    environ = {"REQUEST_METHOD": "GET", "SERVER_NAME": "h", "SERVER_PORT": "80", "wsgi.url_scheme": "http"} | environ
    heard = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: heard.append((status, dict(headers)))))
    return *heard[0], body


def test_an_answer_can_be_returned_and_raised():
    with pytest.raises(Answer) as caught:
        raise HTTPForbidden("Not yours")
    status, headers, body = call(caught.value)
    assert (status, body) == ("403 Forbidden", b"Not yours")
    assert headers["Content-Type"] == "text/html; charset=UTF-8"


def test_default_bodies():
    assert call(HTTPNotFound())[2].startswith(b"<html><h1>Not Found</h1><p>")
    assert call(HTTPInsufficientStorage(drive="sdb1"))[2].endswith(b"Drive: sdb1</p></html>")
    status, headers, body = call(HTTPCreated(headers={"Etag": '"e"'}))
    assert (status, headers["Content-Length"], headers["Etag"], body) == ("201 Created", "0", '"e"', b"")


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (300, "300 Multiple Choices"),
        (431, "431 Request Header Fields Too Large"),
        (498, "498 Rate Limited"),
        (799, "799 Unknown"),
    ],
)
def test_every_status_has_a_reason(status, line):
    assert status_line(status) == line


def test_head_has_no_body():
    assert call(HTTPNotFound(), REQUEST_METHOD="HEAD")[2] == b""


def test_a_violation_keeps_its_status_and_reason():
    status, _headers, body = call(from_violation(Violation(412, "Bad URL")))
    assert (status, body) == ("412 Precondition Failed", b"Bad URL")


def request(**environ):
    return Request({"REQUEST_METHOD": "PUT", "PATH_INFO": "/d/1/a/c/\xc3\xa9/x"} | environ)


def test_headers_in_any_case():
    made = request(HTTP_X_TIMESTAMP="1.5", CONTENT_TYPE="a/b", CONTENT_LENGTH="", HTTP_X_OBJECT_META_K="\xc3\xa9")
    assert made.header("x-object-meta-k") == "\xc3\xa9"
    assert made.header("Content-Type") == "a/b"
    assert made.header("X-None", "z") == "z"
    assert ("X-Object-Meta-K", "\xc3\xa9") in made.header_items()
    assert not any(name == "Content-Length" for name, _ in made.header_items())
    assert made.timestamp().normal == "0000000001.50000"


@pytest.mark.parametrize(
    ("environ", "reason"), [({}, b"Missing X-Timestamp header"), ({"HTTP_X_TIMESTAMP": "x"}, b"Invalid X-Timestamp")]
)
def test_a_bad_timestamp_is_400(environ, reason):
    with pytest.raises(Answer) as caught:
        request(**environ).timestamp()
    assert caught.value.status_int == 400 and reason in caught.value.body


def test_paths():
    assert request().path_parts(5, 5, True) == ["d", "1", "a", "c", "\xc3\xa9/x"]
    with pytest.raises(Answer) as caught:
        request(PATH_INFO="/d//a").path_parts(3, 5, True)
    assert (caught.value.status_int, caught.value.body) == (400, b"Invalid path: /d//a")
