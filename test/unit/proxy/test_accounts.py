"""Specifies what the proxy does with accounts."""

import pytest

from fakes.backends import Say
from swiftlite.common.cache import Cache
from swiftlite.common.web import HTTPForbidden
from swiftlite.proxy.info import account_info, account_key

HEADERS = {"Content-Type": "application/json; charset=utf-8", "X-Account-Container-Count": "3"}
DELETED = Say(404, {"X-Account-Status": "Deleted", "X-Backend-Timestamp": "1400000000.00000"})


def test_listing(stage):
    stage.all_say(Say(200, HEADERS, b"[]"))
    result = stage.call("GET", "/v1/a?marker=x")
    assert (result.status, result.body) == (200, b"[]")
    assert stage.seen[0].query == "marker=x&format=json"
    assert result.headers["x-account-container-count"] == "3"


def test_a_deleted_account_is_gone(staged):
    stage = staged(account_autocreate=True)
    stage.all_say(DELETED)
    assert stage.call("GET", "/v1/a").status == 410
    assert stage.call("HEAD", "/v1/a").status == 410


def test_an_account_that_may_be_made_looks_empty(staged):
    stage = staged(account_autocreate=True)
    result = stage.call("GET", "/v1/a")
    assert (result.status, result.body) == (200, b"[]")
    assert result.headers["x-account-container-count"] == "0"
    assert stage.call("HEAD", "/v1/a").status == 200


def test_an_account_that_may_not_be_made_is_missing(stage):
    assert stage.call("GET", "/v1/a").status == 404
    assert stage.call("POST", "/v1/a", headers={"X-Account-Meta-A": "b"}).status == 404


def test_post_makes_the_account(staged):
    stage = staged(account_autocreate=True)
    made = set()

    def script(backend):
        def answer(seen):
            if seen.method == "PUT":
                made.add(backend.number)
                return Say(201)
            return Say(204 if backend.number in made else 404)

        return answer

    for backend in stage.backends:
        backend.script = script(backend)
    assert stage.call("POST", "/v1/a", headers={"X-Account-Meta-A": "b"}).status == 204
    assert stage.seen[-1].headers["x-account-meta-a"] == "b"


def test_only_owners_set_what_is_theirs(stage):
    stage.all_say(204)
    secret = {"X-Account-Meta-Temp-Url-Key": "secret", "X-Account-Meta-A": "b"}
    stage.call("POST", "/v1/a", headers=secret)
    assert all("x-account-meta-temp-url-key" not in seen.headers for seen in stage.seen)
    assert all(seen.headers["x-account-meta-a"] == "b" for seen in stage.seen)
    stage.call("POST", "/v1/a", headers=secret, swift_owner=True)
    assert stage.seen[-1].headers["x-account-meta-temp-url-key"] == "secret"


def test_a_change_is_seen_at_once(stage):
    cache = Cache()
    key = account_key("a")
    stage.all_say(204)
    cache.set(key, account_info({"X-Account-Meta-A": "old"}, 204), 60)
    stage.call("POST", "/v1/a", headers={"X-Account-Meta-A": "new"}, **{"swift.cache": cache})
    assert cache.get(key) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_management_is_off_by_default_and_says_so_to_everybody(stage, method):
    result = stage.call(method, "/v1/a")
    assert result.status == 405
    assert result.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert stage.call(method, "/v1/a", **{"swift.authorize": lambda request: HTTPForbidden()}).status == 405
    assert not stage.seen


def test_management(staged):
    stage = staged(allow_account_management=True)
    stage.all_say(201)
    assert stage.call("PUT", "/v1/a").status == 201
    stage.all_say(204)
    assert stage.call("DELETE", "/v1/a").status == 204
    assert stage.call("DELETE", "/v1/a?x=y").status == 400


def test_bad_metadata(stage):
    assert stage.call("POST", "/v1/a", headers={"X-Account-Meta-": "v"}).status == 400
    assert stage.call("POST", "/v1/a", headers={"X-Account-Meta-A": "v" * 257}).status == 400
    assert stage.call("GET", "/v1/" + "a" * 257).status == 400
    assert not stage.seen


def test_owners_see_the_access_list(stage):
    stored = '{"read-only":["x"],"admin":["y"]}'
    stage.all_say(Say(204, HEADERS | {"X-Account-Sysmeta-Core-Access-Control": stored}))
    assert "x-account-access-control" not in stage.call("HEAD", "/v1/a").headers
    shown = stage.call("HEAD", "/v1/a", swift_owner=True).headers["x-account-access-control"]
    assert shown == '{"admin":["y"],"read-only":["x"]}'
