"""Specifies routes, early errors, /info and cross-origin requests (formats.md 7.2, 7.10, 7.21)."""

import hmac
import json
import time

import pytest

from fakes.backends import Say
from swiftlite.common import swift_info
from swiftlite.proxy.info import container_info
from swiftlite.proxy.server import register_info


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/", 404, None),
        ("GET", "/v1", 412, b"Bad URL"),
        ("GET", "/v1/", 412, b"Bad URL"),
        ("GET", "/v2/a", 400, None),
        ("GET", "/v1//c", 404, None),
        ("GET", "/v1/a//o", 404, None),
        ("GET", "/v1/a/c/%FF", 412, b"Invalid UTF8 or contains NULL"),
        ("GET", "/v1/a/c/x%00", 412, b"Invalid UTF8 or contains NULL"),
        ("PATCH", "/v1/a/c", 405, None),
        ("BREW", "/v1/a/c/o", 405, None),
        ("UPDATE", "/v1/a/c", 405, None),
        ("authorize", "/v1/a/c", 405, None),
    ],
)
def test_early_errors(stage, method, path, status, body):
    result = stage.call(method, path)
    assert result.status == status
    assert body is None or result.body == body
    assert not stage.seen
    if status == 405:
        assert "GET" in result.headers["allow"]


def test_negative_length(stage):
    assert stage.call("PUT", CONTENT_LENGTH="-1").status == 400


def test_trailing_slashes_name_the_container(stage):
    stage.all_say(Say(204, {"X-Container-Object-Count": "0"}))
    assert stage.call("HEAD", "/v1/a/c/").status == 204
    assert stage.seen[0].path.endswith("/a/c")


def test_errors_to_head_have_no_body(stage):
    result = stage.call("HEAD", "/v2/a")
    assert (result.status, result.body, result.headers["content-length"]) == (400, b"", "0")


def test_a_bug_is_500(stage):
    def authorize(request):
        raise RuntimeError("bug")

    assert stage.call("GET", **{"swift.authorize": authorize}).status == 500


def test_denied_hosts(staged):
    stage = staged(deny_host_headers=("evil.example",))
    assert stage.call("GET", headers={"Host": "evil.example:8080"}).status == 403


def test_reserved_names_are_for_middleware(stage):
    stage.all_say(Say(204))
    allowed = {"X-Backend-Allow-Reserved-Names": "true"}
    assert stage.call("HEAD", "/v1/a/%00x", headers=allowed).status == 204


def test_who_asks_is_told_to_the_backends(stage):
    stage.call("GET", "/v1/a/c/o%20x?y=z", **{"swift.trans_id": "tx1", "HTTP_HOST": "h:1"})
    assert stage.seen[0].headers["x-trans-id"] == "tx1"
    assert stage.seen[0].headers["referer"] == "GET http://h:1/v1/a/c/o%20x?y=z"
    assert stage.seen[0].headers["user-agent"].startswith("proxy-server ")


class TestInfo:
    @pytest.fixture(autouse=True)
    def registry(self, stage):
        swift_info.forget()
        register_info(stage.cluster.options, type("Swift", (), vars(stage.cluster)))
        swift_info.register("tempauth", account_acls=True)
        swift_info.register("secret", admin=True, depth=1)
        yield
        swift_info.forget()

    def test_public(self, stage):
        result = stage.call("GET", "/info")
        shown = json.loads(result.body)
        assert result.status == 200
        assert shown["swift"]["policies"] == [{"name": "gold", "aliases": "gold", "default": True}]
        assert shown["swift"]["max_file_size"] == 1 << 20
        assert shown["tempauth"] == {"account_acls": True}
        assert "auto_create_account_prefix" not in shown["swift"]
        assert "admin" not in shown
        assert stage.call("HEAD", "/info").body == b""

    def test_hidden(self, staged):
        assert staged(expose_info=False).call("GET", "/info").status == 403

    def test_admin(self, staged):
        stage = staged(admin_key="k")
        expires = int(time.time()) + 60
        signature = hmac.new(b"k", f"GET\n{expires}\n/info".encode(), "sha1").hexdigest()
        url = f"/info?swiftinfo_sig={signature}&swiftinfo_expires="
        assert json.loads(stage.call("GET", f"{url}{expires}").body)["admin"]["secret"] == {"depth": 1}
        assert stage.call("GET", f"{url}{expires + 1}").status == 401
        for bad in ("1", "x", "%C2%B2", "9" * 5000):
            assert stage.call("GET", f"{url}{bad}").status == 401
        assert staged().call("GET", f"{url}{expires}").status == 403


class TestCrossOrigin:
    ORIGIN = {"Origin": "http://a.example"}

    @pytest.fixture
    def shared(self, stage):
        headers = {
            "X-Container-Meta-Access-Control-Allow-Origin": "http://a.example http://b.example",
            "X-Container-Meta-Access-Control-Expose-Headers": "X-Mine",
            "X-Container-Meta-Access-Control-Max-Age": "5",
        }
        stage.known["container/a/c"] = container_info(headers, 200)
        stage.all_say(Say(200, {"X-Object-Meta-A": "b"}, b"x"))
        return stage

    def test_plain_options(self, stage):
        result = stage.call("OPTIONS")
        assert result.status == 200
        assert result.headers["allow"] == "GET, HEAD, PUT, POST, DELETE, OPTIONS"

    def test_preflight(self, shared):
        headers = self.ORIGIN | {
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "x-a, x-b",
        }
        result = shared.call("OPTIONS", headers=headers)
        assert result.status == 200
        assert result.headers["access-control-allow-origin"] == "http://a.example"
        assert result.headers["access-control-max-age"] == "5"
        assert result.headers["access-control-allow-headers"] == "x-a, x-b"
        assert "PUT" in result.headers["access-control-allow-methods"]
        assert result.headers["vary"] == "Origin, Access-Control-Request-Headers"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"},
            ORIGIN,
            ORIGIN | {"Access-Control-Request-Method": "BREW"},
        ],
    )
    def test_preflight_refused(self, shared, headers):
        assert shared.call("OPTIONS", headers=headers).status == 401

    def test_actual_request(self, shared):
        headers = shared.call("GET", headers=self.ORIGIN).headers
        assert headers["access-control-allow-origin"] == "http://a.example"
        assert headers["vary"] == "Origin"
        exposed = headers["access-control-expose-headers"].split(", ")
        assert {"etag", "x-object-meta-a", "x-mine", "x-trans-id"} <= set(exposed)

    def test_actual_request_of_a_stranger(self, shared):
        result = shared.call("GET", headers={"Origin": "http://evil.example"})
        assert result.status == 200
        assert "access-control-allow-origin" not in result.headers

    def test_everyone(self, shared):
        shared.known["container/a/c"] = container_info({"X-Container-Meta-Access-Control-Allow-Origin": "*"}, 200)
        headers = shared.call("GET", headers=self.ORIGIN).headers
        assert headers["access-control-allow-origin"] == "*"
        assert "vary" not in headers
