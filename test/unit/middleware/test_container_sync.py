"""The filter container_sync: who is let in, what others are told, and what nobody is."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.wsgi_calls import call, make_environ
from swiftlite.common import swift_info
from swiftlite.common.subrequest import make_environ as make_subrequest
from swiftlite.common.web import Request
from swiftlite.core.signature import container_sync_signature
from swiftlite.middleware import container_sync, gatekeeper
from swiftlite.middleware.container_sync import TRUSTED

REALMS = """
[us]
key = old
key2 = new
cluster_here = http://127.0.0.1/v1/
cluster_there = http://127.0.0.2/v1/

[keyless]
cluster_here = http://127.0.0.1/v1/

[alone]
key = lonely
"""
KEY = "user key é"
STAMP = "1402464677.04188"


class Proxy:
    """Stands for the rest of the pipeline, in which container ``c`` has a key and ``open`` has none."""

    def __init__(self) -> None:
        self.reached: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD" and environ.get("swift.source") == "CS":
            headers = [("X-Container-Sync-Key", KEY.encode().decode("latin-1"))] if "/c" in environ["PATH_INFO"] else []
            if "/versioned" in environ["PATH_INFO"]:
                headers.append(("X-Container-Sysmeta-Versions-Container", "x"))
            start_response("204 No Content", headers)
            return []
        self.reached.append(environ)
        start_response("201 Created", [])
        return [b""]


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
def app(proxy: Proxy, tmp_path: Path) -> Any:
    """The filter behind a gatekeeper, as in any proxy."""
    (tmp_path / "container-sync-realms.conf").write_text(REALMS)
    conf = {"swift_dir": str(tmp_path), "allow_full_urls": "false", "current": "//US/here"}
    return gatekeeper.filter_factory({})(container_sync.filter_factory({}, **conf)(proxy))


def signed(
    realm: str = "us",
    key: str = "old",
    user_key: str = KEY,
    method: str = "PUT",
    path: str = "/v1/AUTH_t/c/%C3%A9%20%2525",
    timestamp: str = STAMP,
) -> dict[str, str]:
    signature = container_sync_signature(method, path, timestamp, "nonce", key, user_key)
    return {"X-Container-Sync-Auth": f"{realm} nonce {signature}", "X-Timestamp": timestamp}


PATH = "/v1/AUTH_t/c/%C3%A9%20%2525"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "GET"])
@pytest.mark.parametrize("key", ["old", "new"])
def test_either_key_of_a_realm_opens(app: Any, proxy: Proxy, method: str, key: str) -> None:
    assert call(app, make_environ(method, PATH, signed(key=key, method=method))).status == 201
    [environ] = proxy.reached
    assert all(environ[name] is True for name in TRUSTED)
    assert environ["HTTP_X_TIMESTAMP"] == STAMP
    assert environ["swift.log_info"] == ["cs:valid"]
    assert "swift_owner" not in environ  # so that even the other cluster is not shown the key


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"X-Container-Sync-Auth": "us nonce"}, "not-3-args"),
        ({"X-Container-Sync-Auth": "us nonce a b"}, "not-3-args"),
        (signed(realm="nowhere"), "no-local-realm-key"),
        (signed(realm="keyless"), "no-local-realm-key"),
        (signed(key="other"), "invalid-sig"),
        (signed(realm="alone"), "invalid-sig"),
        (signed(user_key="other"), "invalid-sig"),
        (signed(method="GET"), "invalid-sig"),
        (signed(path="/v1/AUTH_t/c/o"), "invalid-sig"),
        (signed() | {"X-Timestamp": "1402464677.04189"}, "invalid-sig"),
        ({"X-Container-Sync-Auth": signed()["X-Container-Sync-Auth"]}, "invalid-sig"),
        ({"X-Container-Sync-Auth": "us n\xe9 \xff\xfe"}, "invalid-sig"),
    ],
)
def test_others_are_told_nothing(app: Any, proxy: Proxy, headers: dict[str, str], why: str) -> None:
    answer = call(app, make_environ("PUT", PATH, headers))
    assert answer.status == 401
    assert answer.body == b"X-Container-Sync-Auth header not valid; contact cluster operator for support."
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["www-authenticate"] == 'SwiftContainerSync realm="AUTH_t"'
    assert answer.environ["swift.log_info"] == [f"cs:{why}"]
    assert not proxy.reached
    assert not any(name in answer.environ for name in TRUSTED)


def test_a_container_without_a_key_takes_nothing(app: Any, proxy: Proxy) -> None:
    for user_key in ("", "None"):
        headers = signed(user_key=user_key, path="/v1/AUTH_t/open/o")
        answer = call(app, make_environ("PUT", "/v1/AUTH_t/open/o", headers))
        assert (answer.status, answer.environ["swift.log_info"]) == (401, ["cs:no-local-user-key"])
    assert not proxy.reached


def test_a_signature_without_a_timestamp_signs_zero(app: Any, proxy: Proxy) -> None:
    headers = signed(timestamp="0")
    del headers["X-Timestamp"]
    assert call(app, make_environ("PUT", PATH, headers)).status == 201


COPIES = {
    "X-Copy-From": "/private/secret",
    "X-Copy-From-Account": "AUTH_v",
    "Destination": "c/o",
    "Destination-Account": "x",
}


@pytest.mark.parametrize(
    ("method", "path", "query", "more"),
    [
        *(("PUT", PATH, "", {name: value}) for name, value in COPIES.items()),
        *((method, PATH, "", {}) for method in ("POST", "COPY", "OPTIONS")),
        *((method, "/v1/AUTH_t/c", "", {}) for method in ("GET", "HEAD", "PUT", "POST", "DELETE")),
        ("PUT", "/v1/AUTH_t/c", "?extract-archive=tar", {}),
        ("PUT", PATH, "?multipart-manifest=put", {}),
        ("DELETE", PATH, "?multipart-manifest=delete", {}),
        ("DELETE", PATH, "?version-id=null", {}),
        ("GET", PATH, "?version-id=1", {}),
    ],
)
def test_a_signature_opens_nothing_that_sync_does_not_do(
    app: Any, proxy: Proxy, method: str, path: str, query: str, more: dict[str, str]
) -> None:
    headers = signed(method=method, path=path) | more
    answer = call(app, make_environ(method, path + query, headers))
    assert (answer.status, proxy.reached) == (403, [])
    if method != "HEAD":
        assert b"ontainer sync" in answer.body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["", "?symlink=get", "?symlink=get&multipart-manifest=get"])
def test_a_link_or_manifest_is_read_as_it_is(app: Any, proxy: Proxy, method: str, query: str) -> None:
    """OpenStack Swift's daemon does not ask for that, and would be led to what a link points to."""
    assert call(app, make_environ(method, PATH + query, signed(method=method))).status == 201
    assert set(proxy.reached[0]["QUERY_STRING"].split("&")) == {"symlink=get", "multipart-manifest=get"}


def test_a_signature_is_good_for_its_object_alone(app: Any, proxy: Proxy) -> None:
    """Whatever else filters ask for on the request's behalf."""
    call(app, make_environ("PUT", PATH, signed()))
    [environ] = proxy.reached
    assert environ["swift.authorize"](Request(environ)) is None
    for path in ("/v1/AUTH_t/c/other", "/v1/AUTH_t/c", "/v1/AUTH_v/private/secret"):
        made = make_subrequest(environ, "GET", path)
        assert made["swift.authorize"](Request(made)).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_who_shows_the_key_is_believed_when_it_happened(app: Any, proxy: Proxy, method: str) -> None:
    shown = {"X-Container-Sync-Key": KEY.encode().decode("latin-1"), "X-Timestamp": STAMP}
    assert call(app, make_environ(method, PATH, shown)).status == 201
    [environ] = proxy.reached
    assert environ["HTTP_X_TIMESTAMP"] == STAMP
    assert "HTTP_X_BACKEND_INBOUND_X_TIMESTAMP" not in environ
    assert not any(name in environ for name in (*TRUSTED, "swift.authorize"))  # that is for the auth filter to say
    for more in COPIES:
        assert call(app, make_environ(method, PATH, {**shown, more: "c/o"})).status == 403
    assert call(app, make_environ(method, f"{PATH}?multipart-manifest={method.lower()}", shown)).status == 403


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [("PUT", PATH, "other"), ("PUT", "/v1/AUTH_t/open/o", KEY), ("PUT", "/v1/AUTH_t/open/o", ""), ("POST", PATH, KEY)],
)
def test_others_are_not(app: Any, proxy: Proxy, method: str, path: str, key: str) -> None:
    shown = {"X-Container-Sync-Key": key.encode().decode("latin-1"), "X-Timestamp": STAMP}
    assert call(app, make_environ(method, path, shown)).status == 201
    assert "HTTP_X_TIMESTAMP" not in proxy.reached[0]


def test_the_future_is_refused(app: Any, proxy: Proxy) -> None:
    """An object of the year 2286 could not be deleted before."""
    key = KEY.encode().decode("latin-1")
    for ahead, status in ((86400 - 600, 201), (86400 + 600, 400)):
        stamp = f"{time.time() + ahead:.5f}"
        for headers in (signed(timestamp=stamp), {"X-Container-Sync-Key": key, "X-Timestamp": stamp}):
            answer = call(app, make_environ("PUT", PATH, headers))
            assert answer.status == status
            assert status == 201 or b"ahead" in answer.body
    assert call(app, make_environ("PUT", PATH, signed(timestamp="soon"))).status == 400
    assert len(proxy.reached) == 2


@pytest.mark.parametrize("path", ["/v1/AUTH_t", "/v2/AUTH_t/c/o", "/healthcheck", "/v1//c/o"])
def test_what_is_no_container_is_not_looked_at(app: Any, proxy: Proxy, path: str) -> None:
    assert call(app, make_environ("PUT", path, {"X-Container-Sync-Auth": "bad"})).status == 201
    assert not any(name in proxy.reached[0] for name in TRUSTED)


def test_targets_that_are_refused(app: Any, proxy: Proxy) -> None:
    url, realm = {"X-Container-Sync-To": "http://127.0.0.1/v1/a/c"}, {"X-Container-Sync-To": "//us/there/a/c"}
    assert call(app, make_environ("PUT", "/v1/AUTH_t/c", url)).status == 400
    assert call(app, make_environ("POST", "/v1/AUTH_t/c", realm)).status == 201
    answer = call(app, make_environ("POST", "/v1/AUTH_t/versioned", realm))
    assert answer.status == 400
    assert b"object versioning" in answer.body
    assert call(app, make_environ("POST", "/v1/AUTH_t/versioned", {"X-Container-Sync-To": ""})).status == 201


def test_info_tells_realms_and_clusters_but_no_keys(app: Any, tmp_path: Path) -> None:
    call(app, make_environ("GET", "/info"))
    shown = swift_info.registered()["container_sync"]
    assert shown == {
        "realms": {"US": {"clusters": {"HERE": {"current": True}, "THERE": {}}}, "KEYLESS": {"clusters": {"HERE": {}}}}
    }
    assert not any(secret in json.dumps(shown) for secret in ("old", "new", "lonely"))


@pytest.mark.parametrize("current", ["US", "//US/nowhere", "a/b/c"])
def test_a_wrong_name_of_this_cluster_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, current: str) -> None:
    (tmp_path / "container-sync-realms.conf").write_text(REALMS)
    conf = {"swift_dir": str(tmp_path), "current": current, "log_name": "test.container_sync"}
    logging.getLogger("test.container_sync").addHandler(caplog.handler)
    container_sync.filter_factory({}, **conf)(Proxy())
    assert "current" in caplog.text
