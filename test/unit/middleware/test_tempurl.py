"""tempurl and formpost, alone: what an owner has not signed, in-process; tables of requests are in filter_cases."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.wsgi_calls import Answered, call, make_environ
from swiftlite.common import swift_info
from swiftlite.common.config import ConfigError
from swiftlite.core import signature
from swiftlite.core.signature import temp_url_signature
from swiftlite.core.temp_url import admits
from swiftlite.middleware import formpost, tempurl

LATER = int(time.time()) + 3600


class Proxy:
    """Stands for the rest of the pipeline: accounts and containers have the keys that the test says."""

    def __init__(self, account: tuple[str, ...] = ("a1", "a2"), container: tuple[str, ...] = ("c1", "c2")) -> None:
        self.keys = {2: ("X-Account", account), 3: ("X-Container", container)}
        self.reached: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ.get("swift.source") in ("TU", "FP") and environ["REQUEST_METHOD"] == "HEAD":
            kind, keys = self.keys[environ["PATH_INFO"].count("/")]
            names = (f"{kind}-Meta-Temp-Url-Key", f"{kind}-Meta-Temp-Url-Key-2")
            start_response("204 No Content", list(zip(names, keys)))
            return []
        self.reached.append(environ)
        start_response("200 OK", [("X-Object-Meta-A", "1"), ("X-Secret-B", "2"), ("Content-Disposition", "x")])
        return [b"body"]


def ask(proxy: Proxy, path: str, key: str, signed: str, method: str = "GET", **conf: str) -> Answered:
    shown = temp_url_signature("sha256", key, method, LATER, signed)
    query = f"temp_url_sig={shown}&temp_url_expires={LATER}"
    return call(tempurl.filter_factory({}, **conf)(proxy), make_environ(method, f"{path}?{query}"))


@pytest.mark.parametrize("key", ["a1", "a2", "c1", "c2"])
def test_every_candidate_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    compared = []
    monkeypatch.setattr(signature.hmac, "compare_digest", lambda one, other: compared.append(1) or one == other)
    assert ask(Proxy(), "/v1/a/c/o", key, "/v1/a/c/o").status == 200
    assert len(compared) == 4


def test_an_empty_key_is_none() -> None:
    assert ask(Proxy(("", ""), ("",)), "/v1/a/c/o", "", "/v1/a/c/o").status == 401


def test_the_lists_of_headers() -> None:
    proxy = Proxy()
    conf = {"outgoing_remove_headers": "x-secret-* x-object-meta-a", "outgoing_allow_headers": "x-object-meta-*"}
    answered = ask(proxy, "/v1/a/c/o", "a1", "/v1/a/c/o", **conf)
    assert "x-object-meta-a" in answered.headers and "x-secret-b" not in answered.headers


def test_what_the_rest_of_the_pipeline_gets() -> None:
    proxy = Proxy()
    ask(proxy, "/v1/a/c/o", "c1", "/v1/a/c/o")
    [environ] = proxy.reached
    assert environ["REMOTE_USER"] == ".wsgi.tempurl" and environ["swift.authorize_override"] is True
    assert "swift_owner" not in environ


@pytest.mark.parametrize(("key", "elsewhere"), [("a1", True), ("c1", False)])
def test_how_far_a_key_reaches(key: str, elsewhere: bool) -> None:
    proxy = Proxy()
    ask(proxy, "/v1/a/c/o", key, "/v1/a/c/o")
    check = proxy.reached[0]["swift.authorize"]

    def may(path: str) -> bool:
        return check(tempurl.Request(make_environ("GET", path))) is None

    assert may("/v1/a/c/other") and may("/v1/a/c")
    assert may("/v1/a/d/o") is elsewhere
    assert not may("/v1/b/c/o") and not may("/v1/aa/c/o") and not may("/v1/b")
    assert may("/v1/a/cc/o") is elsewhere


names = st.text(st.sampled_from(list("ab/.%\n é\u0301")), min_size=1, max_size=6)


@given(names, names)
def test_a_signature_opens_its_own_path_alone(asked: str, signed: str) -> None:
    environ = make_environ("GET", "/")
    shown = temp_url_signature("sha256", "a1", "GET", LATER, f"/v1/a/c/{signed}")
    environ["PATH_INFO"] = f"/v1/a/c/{asked}".encode().decode("latin-1")
    environ["QUERY_STRING"] = f"temp_url_sig={shown}&temp_url_expires={LATER}"
    answered = call(tempurl.filter_factory({})(Proxy()), environ)
    assert (answered.status == 200) is (asked == signed and bool(asked.strip("/")))


@pytest.mark.parametrize(
    ("ip_range", "address", "good"),
    [
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("::ffff:0:0/96", "::ffff:10.1.2.3", True),
        ("fe80::/10", "fe80::1", True),
        ("10.0.0.0/8", None, False),
        ("10.0.0.0/8", "unix", False),
        ("fe80::1%x\nGET", "fe80::1", False),
        ("1" * 9999, "10.1.2.3", False),
    ],
)
def test_addresses(ip_range: str, address: str | None, good: bool) -> None:
    assert admits(ip_range, address) is good


def test_info() -> None:
    swift_info.forget()
    tempurl.filter_factory({}, allowed_digests="SHA256 md5")
    formpost.filter_factory({})
    told = swift_info.registered()
    swift_info.forget()
    assert told["formpost"] == {"allowed_digests": ["sha1", "sha256", "sha512"], "deprecated_digests": ["sha1"]}
    assert told["tempurl"] == {
        "methods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
        "incoming_remove_headers": ["x-timestamp", "x-open-expired"],
        "incoming_allow_headers": [],
        "outgoing_remove_headers": ["x-object-meta-*"],
        "outgoing_allow_headers": ["x-object-meta-public-*"],
        "allowed_digests": ["sha256"],
    }


def test_no_digest_is_an_error() -> None:
    with pytest.raises(ConfigError, match="allowed_digests"):
        tempurl.filter_factory({}, allowed_digests="md5")


def test_a_file_of_a_form_may_not_go_where_only_filters_may() -> None:
    proxy = Proxy()
    fields = ("", "9", "1", str(LATER))
    signed = "\n".join(("/v1/a/c/p", *fields))
    values = {"max_file_size": "9", "max_file_count": "1", "expires": str(LATER)}
    values["signature"] = hmac.digest(b"c1", signed.encode(), "sha256").hex()
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in values.items()
    ]
    parts.append('--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nabc\r\n--B--')
    environ = make_environ("POST", "/v1/a/c/p", body="".join(parts).encode())
    environ["CONTENT_TYPE"] = "multipart/form-data; boundary=B"
    assert call(formpost.filter_factory({})(proxy), environ).status == 200
    [made] = proxy.reached
    assert made["PATH_INFO"] == "/v1/a/c/px" and made["REQUEST_METHOD"] == "PUT"
    assert "swift_owner" not in made and "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES" not in made
    assert made["swift.authorize"](formpost.Request(make_environ("PUT", "/v1/b/c/px"))) is not None
