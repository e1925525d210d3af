"""The filter listing_metadata over an application that lists: what is asked, how much at once, for how long."""

import json

import pytest

from fakes.more_time import with_more_time
from fakes.wsgi_calls import request
from swiftlite.common import swift_info
from swiftlite.common.concurrency import sleep
from swiftlite.middleware.listing_metadata import ListingMetadata, ListingMetadataOptions, filter_factory

ASKS = {"accept": "application/json"}
URL = "/v1/a/c?format=json&include=metadata"


class Lister:
    """An application that lists objects by name, each with the status of its HEAD; a HEAD takes `seconds`."""

    def __init__(self, objects, seconds=0.0, more=()):
        self.objects = objects
        self.seconds = seconds
        self.more = list(more)
        self.asked = []
        self.under_way = self.most = 0

    def __call__(self, environ, start_response):
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]))
        if environ["REQUEST_METHOD"] == "HEAD":
            return self.head(environ, start_response)
        body = json.dumps([{"name": name} for name in self.objects] + self.more).encode()
        start_response(
            "200 OK", [("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(body)))]
        )
        return [body]

    def head(self, environ, start_response):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            sleep(self.seconds)
        finally:
            self.under_way -= 1
        name = environ["PATH_INFO"].rpartition("/")[2]
        start_response(f"{self.objects[name]} Some", [("X-Object-Meta-Name", name), ("Content-Length", "7")])
        return []

    @property
    def heads(self):
        return [path for method, path, _ in self.asked if method == "HEAD"]


def listed(app, url=URL, headers=ASKS, **options):
    answered = request(ListingMetadata(app, ListingMetadataOptions(**options)), "GET", url, headers=headers)
    assert answered.status == 200
    assert answered.headers["content-length"] == str(len(answered.body))
    return json.loads(answered.body)


def test_each_object_is_asked_and_its_entry_tells_the_answer():
    app = Lister({"x": 200, "gone": 404, "broken": 503}, more=[{"subdir": "d/"}])
    assert listed(app) == [
        {"name": "x", "metadata": {"name": "x"}},
        {"name": "gone", "metadata": None, "metadata_status": 404},
        {"name": "broken", "metadata": None, "metadata_status": 503},
        {"subdir": "d/"},
    ]
    assert app.asked[0] == ("GET", "/v1/a/c", "format=json&limit=1000")
    assert app.heads == ["/v1/a/c/x", "/v1/a/c/gone", "/v1/a/c/broken"]


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("/v1/a/c?format=json", ASKS),
        ("/v1/a/c?format=json&include=", ASKS),
        ("/v1/a/c?format=json&include=more", ASKS),
        ("/v1/a/c?include=metadata", {}),
        ("/v1/a/c?include=metadata", {"accept": "text/plain"}),
        ("/v1/a?format=json&include=metadata", ASKS),
        ("/v1/a/c/o?include=metadata", ASKS),
    ],
)
def test_what_is_not_asked_costs_nothing(url, headers):
    app = Lister({"x": 200})
    assert listed(app, url, headers) == [{"name": "x"}]
    assert app.asked == [("GET", url.partition("?")[0], url.partition("?")[2])]


def test_a_page_is_as_long_as_it_may_be():
    app = Lister({"x": 200})
    listed(app, f"{URL}&limit=3&marker=m%FF")
    assert app.asked[0][2] == "format=json&limit=3&marker=m%FF"
    listed(app, f"{URL}&limit=nonsense", max_entries=5)
    assert app.asked[2][2] == "format=json&limit=5"
    refused = request(ListingMetadata(app, ListingMetadataOptions()), "GET", f"{URL}&limit=1001", headers=ASKS)
    assert (refused.status, refused.body) == (412, b"Maximum limit is 1000 with metadata")


def test_only_so_many_are_asked_at_once():
    app = Lister({str(number): 200 for number in range(10)}, seconds=0.005)
    assert [entry["metadata"]["name"] for entry in listed(app, concurrency=3)] == list("0123456789")
    assert app.most == 3


def test_what_takes_too_long_is_left():
    def attempt(most):
        app = Lister({"x": 200, "y": 200, "z": 200}, seconds=600)
        assert [entry["metadata_status"] for entry in listed(app, concurrency=2, max_seconds=most)] == [503] * 3
        assert app.heads == ["/v1/a/c/x", "/v1/a/c/y"]
        assert app.under_way == 0

    with_more_time(attempt, 0.02, 0.5, 5.0)


@pytest.mark.parametrize(
    "answer", [(404, "text/html", b"x"), (200, "text/plain", b"x\n"), (200, "application/json", b"{")]
)
def test_what_is_no_listing_passes(answer):
    status, content_type, body = answer

    def app(environ, start_response):
        start_response(f"{status} Some", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    answered = request(ListingMetadata(app, ListingMetadataOptions()), "GET", URL, headers=ASKS)
    assert (answered.status, answered.body) == (status, body)


def test_info_tells_of_it():
    swift_info.forget()
    filter_factory({}, max_entries="7")
    assert swift_info.registered()["listing_metadata"] == {"max_entries": 7}
