"""Specifies what the proxy does with containers, and what it remembers of them."""

import json

import pytest

from fakes.backends import Say
from swiftlite.common.cache import Cache
from swiftlite.common.web import HTTPForbidden
from swiftlite.core.acl import clean_acl
from swiftlite.proxy.controllers.base import LISTING_AS_TEXT

LISTING = json.dumps([{"name": "o", "bytes": 1}]).encode()
HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "X-Container-Object-Count": "1",
    "X-Container-Bytes-Used": "1",
    "X-Timestamp": "1400000000.00000",
    "X-Put-Timestamp": "1400000000.00000",
    "X-Container-Read": ".r:*",
    "X-Container-Meta-A": "b",
    "X-Container-Meta-Temp-Url-Key": "secret",
    "X-Backend-Storage-Policy-Index": "0",
}


def paths(stage, method="HEAD"):
    return [seen.path.split("/", 3)[3] for seen in stage.seen if seen.method == method]


def test_listing_is_asked_for_as_json_with_the_other_parameters_kept(stage):
    stage.all_say(Say(200, HEADERS, LISTING))
    result = stage.call("GET", "/v1/a/c?prefix=x%20y&format=xml&limit=5")
    assert (result.status, result.body) == (200, LISTING)
    assert {seen.query for seen in stage.seen if seen.method == "GET"} == {"prefix=x%20y&limit=5&format=json"}
    assert result.headers["x-storage-policy"] == "gold"
    assert "x-put-timestamp" not in result.headers


def test_a_listing_is_asked_for_as_text_where_the_pipeline_says_so(stage):
    stage.all_say(Say(200, {**HEADERS, "Content-Type": "text/plain; charset=utf-8"}, b"a\n"))
    result = stage.call("GET", "/v1/a/c?format=json&limit=5", **{LISTING_AS_TEXT: True})
    assert (result.status, result.body) == (200, b"a\n")
    assert {seen.query for seen in stage.seen if seen.method == "GET"} == {"limit=5&format=plain"}


def test_what_only_owners_see(stage):
    stage.all_say(Say(204, HEADERS))
    result = stage.call("HEAD", "/v1/a/c")
    assert "x-container-meta-temp-url-key" not in result.headers
    assert "x-container-read" not in result.headers
    assert result.headers["x-container-meta-a"] == "b"
    result = stage.call("HEAD", "/v1/a/c", swift_owner=True)
    assert result.headers["x-container-meta-temp-url-key"] == "secret"
    assert result.headers["x-container-read"] == ".r:*"


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ("10001", 412),
        ("10000", 200),
        ("x", 200),
        ("", 200),
        ("0010000", 200),
        ("1" * 5000, 412),
        ("0" * 5000 + "5", 200),
    ],
)
def test_limit(stage, limit, status):
    stage.all_say(Say(200, HEADERS, LISTING))
    result = stage.call("GET", f"/v1/a/c?limit={limit}")
    assert result.status == status
    if status == 412:
        assert result.body == b"Maximum limit is 10000"


def test_the_read_list_decides_and_a_denied_listing_is_not_sent(stage):
    stage.all_say(Say(200, HEADERS, LISTING))
    asked = []

    def authorize(request):
        asked.append(request.acl)
        return HTTPForbidden(request=request)

    result = stage.call("GET", "/v1/a/c", **{"swift.authorize": authorize})
    assert (result.status, asked) == (403, [".r:*"])
    assert LISTING not in result.body


def test_names_beyond_ascii_in_access_lists_mean_the_users_of_that_name(stage):
    stage.all_say(Say(200, HEADERS | {"X-Container-Read": "tést:usér".encode().decode("latin-1")}, LISTING))
    asked = []
    stage.call("GET", "/v1/a/c", **{"swift.authorize": lambda request: asked.append(request.acl)})
    assert asked == ["tést:usér"]


def test_a_missing_account_is_not_searched_for_containers(stage):
    stage.known["account/a"] = dict(stage.known["account/a"], status=404)
    for method in ("GET", "HEAD", "POST", "DELETE", "PUT"):
        assert stage.call(method, "/v1/a/c").status == 404
    assert not stage.seen


def test_a_database_that_was_never_put_counts_as_missing(stage):
    stage.all_say(Say(200, HEADERS | {"X-Put-Timestamp": "0000000000.00000"}, b"[]"))
    assert stage.call("GET", "/v1/a/c").status == 404


def test_put_tells_every_account_server(stage):
    stage.all_say(201)
    headers = {"X-Container-Meta-A": "b", "X-Remove-Container-Meta-C": "x", "X-Container-Read": ".r:*"}
    assert stage.call("PUT", "/v1/a/c", headers=headers, swift_owner=True).status == 201
    assert {seen.headers["x-account-device"] for seen in stage.seen} == {"d0", "d1", "d2"}
    for seen in stage.seen:
        assert seen.headers["x-account-partition"] == "7"
        assert seen.headers["x-container-meta-a"] == "b"
        assert seen.headers["x-container-meta-c"] == ""
        assert seen.headers["x-container-read"] == ".r:*"
        assert seen.headers["x-backend-storage-policy-default"] == "0"


def test_who_is_no_owner_cannot_set_lists(stage):
    stage.all_say(201)
    stage.call("PUT", "/v1/a/c", headers={"X-Container-Read": ".r:*", "X-Container-Meta-A": "b"})
    assert all("x-container-read" not in seen.headers for seen in stage.seen)


def test_a_list_that_cannot_be_understood(stage):
    result = stage.call("PUT", "/v1/a/c", headers={"X-Container-Write": ".r:*"}, **{"swift.clean_acl": clean_acl})
    assert result.status == 400
    assert b"write" in result.body.lower()
    assert not stage.seen


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("Gold", 201, b""),
        ("nope", 400, b"Invalid X-Storage-Policy 'nope'"),
        ("old", 400, b"Storage Policy 'old' is deprecated"),
    ],
)
def test_policies(stage, name, status, body):
    stage.all_say(201)
    result = stage.call("PUT", "/v1/a/c", headers={"X-Storage-Policy": name})
    assert (result.status, result.body) == (status, body)
    if status == 201:
        assert {seen.headers["x-backend-storage-policy-index"] for seen in stage.seen} == {"0"}


def test_names_that_are_too_long(stage):
    result = stage.call("PUT", "/v1/a/" + "c" * 257)
    assert (result.status, result.body) == (400, b"Container name length of 257 longer than 256")


def test_no_more_containers_than_allowed(staged):
    stage = staged(max_containers_per_account=2)
    stage.all_say(201)
    stage.known["account/a"] = dict(stage.known["account/a"], container_count=2)
    assert stage.call("PUT", "/v1/a/c").status == 201
    stage.known["container/a/c"] = dict(stage.known["container/a/c"], status=404)
    result = stage.call("PUT", "/v1/a/c")
    assert (result.status, result.body) == (403, b"Reached container limit of 2")
    stage.known["account/a"]["container_count"] = "2"  # as Swift's proxies spell it in a memcached shared with us
    assert stage.call("PUT", "/v1/a/c").status == 403


def test_an_account_is_made_for_its_first_container(staged):
    stage = staged(account_autocreate=True)
    stage.all_say(201)
    stage.known["account/a"] = dict(stage.known["account/a"], account_really_exists=False)
    assert stage.call("PUT", "/v1/a/c").status == 201
    for backend in stage.primaries:
        assert [seen.path for seen in backend.seen] == [f"/{backend.name}/7/a", f"/{backend.name}/7/a/c"]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [((204, 204, 404), 204), ((409, 409, 204), 409), ((404, 404, 404), 404), ((204, 409, 507), 503)],
)
def test_delete_adds_up(stage, statuses, status):
    stage.all_say(507)
    stage.primaries_say(*statuses)
    assert stage.call("DELETE", "/v1/a/c").status == status


class TestWhatIsRemembered:
    def ask(self, stage, cache, method="HEAD", path="/v1/a/c/o", **kwargs):
        return stage.call(method, path, **{"swift.cache": cache, "swift.infocache": {}}, **kwargs)

    def script(self, seen):
        depth = seen.path.count("/") - 3
        if depth == 2:
            return Say(404 if seen.method in ("GET", "HEAD") else 201)
        return Say(204, HEADERS) if seen.method in ("GET", "HEAD") else Say(202)

    def test_container_and_account_are_asked_once(self, stage):
        for backend in stage.backends:
            backend.script = self.script
        cache = Cache()
        for _ in range(3):
            self.ask(stage, cache)
        assert sorted(set(paths(stage))) == ["a", "a/c", "a/c/o"]
        assert paths(stage).count("a") == paths(stage).count("a/c") == 1

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
    def test_a_write_makes_it_ask_again(self, staged, method):
        stage = staged(listing_consistency="eventual")  # otherwise a DELETE asks for itself, too
        for backend in stage.backends:
            backend.script = self.script
        cache = Cache()
        self.ask(stage, cache)
        self.ask(stage, cache, method, "/v1/a/c")
        self.ask(stage, cache)
        assert paths(stage).count("a/c") == 2
        assert paths(stage).count("a") == 1

    def test_a_listing_is_an_answer_too(self, stage):
        for backend in stage.backends:
            backend.script = self.script
        cache = Cache()
        self.ask(stage, cache, "GET", "/v1/a/c")
        before = paths(stage).count("a/c")
        self.ask(stage, cache)
        assert paths(stage).count("a/c") == before

    def test_an_answer_older_than_a_write_is_not_kept(self, stage):
        cache = Cache()

        def script(seen):
            if seen.path.endswith("/a/c") and seen.method == "HEAD":
                # While the container is looked up, another worker changes it.
                cache.delete("container/a/c")
            return self.script(seen)

        for backend in stage.backends:
            backend.script = script
        self.ask(stage, cache)
        assert cache.get("container/a/c") is None
        assert cache.get("account/a") is not None

    def test_failures_are_not_remembered(self, stage):
        stage.all_say(503)
        cache = Cache()
        assert self.ask(stage, cache, "PUT").status == 503
        assert self.ask(stage, cache, "GET", "/v1/a/c").status == 503
        assert cache.get("account/a") is None
        assert cache.get("container/a/c") is None

    def test_what_is_missing_is_remembered_a_tenth_of_the_time(self, stage):
        now = [0.0]
        cache = Cache(clock=lambda: now[0])
        assert self.ask(stage, cache, "PUT").status == 404
        count = len(stage.seen)
        self.ask(stage, cache, "PUT")
        assert len(stage.seen) == count
        now[0] = 6.1
        self.ask(stage, cache, "PUT")
        assert len(stage.seen) > count
