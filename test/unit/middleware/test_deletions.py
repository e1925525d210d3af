"""Many deletions for one request: in what order and how many at once, what is counted, when they are given up."""

import json
import logging
import xml.etree.ElementTree as xml

import pytest

from fakes.wsgi_calls import call, make_environ, request
from swiftlite.common.concurrency import Event, Timeout, sleep
from swiftlite.core.constraints import Constraints
from swiftlite.middleware.bulk.filter import Bulk
from swiftlite.middleware.bulk.options import BulkOptions

ASKS = {"accept": "application/json", "x-auth-token": "mine", "user-agent": "curl"}
URL = "/v1/AUTH_a?bulk-delete"


class Deleter:
    """An application that answers deletions by the object's path, 204 if it says nothing; `seconds` each."""

    def __init__(self, statuses=(), seconds=0.0):
        self.statuses = {path: list(codes) for path, codes in dict(statuses).items()}
        self.seconds = seconds
        self.asked = []
        self.under_way = self.most = 0

    def __call__(self, environ, start_response):
        self.asked.append(environ)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            self.pause()
        finally:
            self.under_way -= 1
        codes = self.statuses.get(environ["PATH_INFO"], [204])
        start_response(f"{codes.pop(0) if len(codes) > 1 else codes[0]} Some", [])
        return []

    def pause(self):
        sleep(self.seconds)

    @property
    def paths(self):
        return [environ["PATH_INFO"] for environ in self.asked]


def bulk(app, **options):
    made = Bulk(app, BulkOptions(**options), logging.getLogger("test"))
    made.constraints = Constraints()
    return made


def ask(app, *names, query="bulk-delete", headers=ASKS, **options):
    body = "\n".join(names).encode()
    return request(bulk(app, **options), "POST", f"/v1/AUTH_a?{query}", headers=headers, body=body)


def told(app, *names, **options):
    return json.loads(ask(app, *names, **options).body)


def test_containers_come_after_the_objects_that_are_in_them():
    app = Deleter()
    assert told(app, "c", "c/x", "/d/", "c/y")["Number Deleted"] == 4
    assert app.paths == ["/v1/AUTH_a/c/x", "/v1/AUTH_a/c/y", "/v1/AUTH_a/c", "/v1/AUTH_a/d/"]


def test_each_deletion_is_the_clients():
    """Also of a request that came with leave to do anything: container sync's is for one object."""
    app = Deleter()
    environ = make_environ("POST", "/v1/AUTH_a?bulk-delete", ASKS, b"c/o")
    environ["swift.authorize_override"] = environ["swift.slo_override"] = True
    environ["HTTP_X_SERVICE_TOKEN"] = "too"
    call(bulk(app), environ)
    (made,) = app.asked
    assert made["HTTP_X_AUTH_TOKEN"] == "mine"
    assert made["HTTP_X_SERVICE_TOKEN"] == "too"
    assert made["HTTP_USER_AGENT"] == "curl BulkDelete"
    assert made["swift.source"] == "BD"
    assert not {"swift.authorize_override", "swift.slo_override", "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"} & set(made)


def test_no_name_leaves_the_account():
    app = Deleter()
    told(app, "/v1/AUTH_b/c/o", "../AUTH_b/c/o", "//c/o", "http://host/AUTH_b/c", "%2e%2e/AUTH_b/c", "c/%2e%2e/%2e%2e")
    assert len(app.paths) == 6
    assert all(path.startswith("/v1/AUTH_a/") for path in app.paths)
    assert told(Deleter(), "/", "//")["Errors"] == [["/", "405 Method Not Allowed"], ["//", "405 Method Not Allowed"]]


def test_names_that_cannot_be_are_not_asked_for():
    app = Deleter()
    assert told(app, "c/a%00b", "%00hidden/x", "c/%FF", "c/ok")["Errors"] == [
        [name, "412 Precondition Failed"] for name in ("c/a%00b", "%00hidden/x", "c/%FF")
    ]
    assert app.paths == ["/v1/AUTH_a/c/ok"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([204, 404, 204], ("200 OK", 2, 1, [])),
        ([204, 409, 404], ("400 Bad Request", 1, 1, ["409 Some"])),
        ([503, 409, 204], ("502 Bad Gateway", 1, 0, ["503 Some", "409 Some"])),
        ([401, 401, 204], ("400 Bad Request", 1, 0, ["401 Unauthorized", "401 Unauthorized"])),
    ],
)
def test_what_is_counted(statuses, expected):
    app = Deleter({f"/v1/AUTH_a/c/{number}": [status] for number, status in enumerate(statuses)})
    found = told(app, "c/0", "c/1", "c/2")
    status, done, missing, errors = expected
    assert (found["Response Status"], found["Number Deleted"], found["Number Not Found"]) == (status, done, missing)
    assert [error for _, error in found["Errors"]] == errors
    assert "Results" not in found


RESULTS = [("c", "409 Some"), ("c/x%20", "204 Some"), ("c/%FF", "412 Precondition Failed"), ("c/y", "404 Some")]
STATUSES = {"/v1/AUTH_a/c": [409], "/v1/AUTH_a/c/y": [404]}


def test_each_result_is_told_on_request_in_the_order_of_the_request():
    names, query = ["c", "c/x ", "c/%FF", "c/y"], "bulk-delete&results=all"
    names[1] = "c/x%20"
    assert told(Deleter(STATUSES), *names, query=query)["Results"] == [
        {"name": name, "status": status} for name, status in RESULTS
    ]
    root = xml.fromstring(ask(Deleter(STATUSES), *names, query=query, headers={"accept": "text/xml"}).body)
    found = [(element.findtext("name"), element.findtext("status")) for element in root.findall("results/object")]
    assert found == RESULTS
    text = ask(Deleter(STATUSES), *names, query=query, headers={}).body.decode()
    assert text.partition("Results:\n")[2] == "".join(f"{name}, {status}\n" for name, status in RESULTS)
    assert "Results" not in told(Deleter(STATUSES), *names, query="bulk-delete&results=some")


def test_after_too_many_failures_the_rest_is_left():
    app = Deleter({f"/v1/AUTH_a/c/{number}": [409] for number in range(100)}, seconds=0.001)
    names = [f"c/{number}" for number in range(100)]
    found = told(app, *names, query="bulk-delete&results=all", max_failed_deletes=3, delete_concurrency=2)
    assert (found["Response Status"], found["Response Body"]) == ("400 Bad Request", "Max delete failures exceeded")
    assert app.under_way == 0
    assert len(app.paths) == len(found["Errors"]) <= 5  # what was under way is counted too
    assert [result["status"] for result in found["Results"]] == ["409 Some"] * len(app.paths) + [None] * (
        100 - len(app.paths)
    )


def test_only_so_many_are_deleted_at_once():
    app = Deleter(seconds=0.001)
    told(app, *[f"c/{number}" for number in range(10)], delete_concurrency=3)
    assert app.most == 3


def test_a_container_whose_listing_is_behind_is_tried_again(monkeypatch):
    waited = []
    monkeypatch.setattr("swiftlite.middleware.deletions.sleep", waited.append)
    app = Deleter({"/v1/AUTH_a/c": [409, 409, 204]})
    assert told(app, "c", delete_container_retry_count=2)["Number Deleted"] == 1
    assert waited == [1.5, 2.25]
    app = Deleter({"/v1/AUTH_a/c": [409, 409, 204]})
    assert told(app, "c")["Errors"] == [["c", "409 Some"]]


@pytest.mark.parametrize(
    ("accept", "start"),
    [("application/json", b"  "), ("text/xml", b'<?xml version="1.0" encoding="UTF-8"?>\n ')],
)
def test_a_client_that_waits_gets_blanks(accept, start):
    app, enough = Deleter(), Event()
    app.pause = enough.wait
    found = b""
    for piece in bulk(app, yield_frequency=0.01)(
        make_environ("POST", URL, {"accept": accept}, b"c/o"), lambda *_: None
    ):
        found += piece
        if found.startswith(start) and not enough.ready():
            enough.send()
    assert enough.ready()
    blanks, separator, body = found.partition(b"\r\n\r\n")
    assert separator
    assert not blanks.removeprefix(start).strip()
    if accept == "application/json":
        assert json.loads(found)["Number Deleted"] == json.loads(body)["Number Deleted"] == 1
    else:
        assert xml.fromstring(found.replace(b"\r\n\r\n", b"")).findtext("number_deleted") == "1"


def test_nothing_goes_on_for_a_client_that_has_gone():
    app = Deleter(seconds=600)
    environ = make_environ("POST", URL, ASKS, b"c/1\nc/2\nc/3")
    answer = iter(bulk(app, yield_frequency=0.05)(environ, lambda *_: None))
    assert next(answer) == b" "
    with Timeout(60):
        while app.under_way < 2:
            sleep(0)
        answer.close()
        while app.under_way:
            sleep(0)
    assert len(app.paths) == 2


def test_an_error_of_our_own_is_told_without_its_secrets(caplog):
    def app(environ, start_response):
        raise ValueError("secret")

    found = told(app, "c/o")
    assert (found["Response Status"], found["Response Body"]) == ("500 Internal Error", "")
    assert "secret" in caplog.text


class Endless:
    """A body without an end; counts what was read of it."""

    def __init__(self, piece):
        self.piece = piece
        self.given = 0

    def read(self, size=-1):
        assert 0 < size <= 1 << 20
        assert self.given < 1 << 24, "nobody stops reading"
        self.given += size
        return (self.piece * (size // len(self.piece) + 1))[:size]


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        (b"x", "Invalid File Name"),
        (b"c/o\n", "Maximum Bulk Deletes: 10000 per request"),
        (b"\n", "Maximum Bulk Deletes: 10000 per request"),
    ],
)
def test_a_list_without_end_is_refused_before_anything_is_deleted(piece, text):
    app = Deleter()
    environ = make_environ("POST", "/v1/AUTH_a?bulk-delete", ASKS)
    environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    environ["wsgi.input"] = body = Endless(piece)
    assert json.loads(call(bulk(app), environ).body)["Response Body"] == text
    assert not app.paths
    assert body.given <= 1 << 17
