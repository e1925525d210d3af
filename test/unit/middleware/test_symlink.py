"""Symlink, as the filters around it see it; what clients see is in functional/test_symlinks.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fakes.wsgi_calls import make_environ, request
from swiftlite.middleware.symlink import Symlink, SymlinkOptions, filter_factory

PATH = "/v1/a/c/o"


class Proxy:
    """Answers from a table; keeps what it was asked."""

    def __init__(self, answers: dict[str, tuple[int, dict[str, str]]] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(dict(environ))
        status, headers = self.answers.get(environ["PATH_INFO"], (200, {}))
        start_response(f"{status} X", list(headers.items()))
        return []


@pytest.mark.parametrize(
    "method, path",
    [("PUT", PATH), ("DELETE", PATH), ("OPTIONS", PATH), ("HEAD", "/v1/a/c"), ("GET", "/v1/a"), ("GET", "/info")],
)
def test_what_concerns_no_link_passes_untouched(method: str, path: str) -> None:
    environ, seen = make_environ(method, path), []
    filtered = Symlink(lambda *passed: seen.append(passed) or [], SymlinkOptions())
    before = dict(environ)

    def start_response(*_: Any) -> None:
        """Stands for the server's."""

    filtered(environ, start_response)
    assert seen == [(environ, start_response)]
    assert environ == before


def test_a_range_is_for_what_has_no_other_reason_to_ignore_it() -> None:
    proxy = Proxy()
    headers = {"Range": "bytes=1-2", "X-Backend-Ignore-Range-If-Metadata-Present": "X-Static-Large-Object"}
    request(Symlink(proxy, SymlinkOptions()), "GET", PATH, headers=headers)
    key = "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT"
    assert proxy.asked[0][key] == "X-Static-Large-Object,X-Object-Sysmeta-Symlink-Target"


def test_a_target_is_asked_for_as_its_link_was() -> None:
    link = {"X-Object-Sysmeta-Symlink-Target": "c2/o%202"}
    proxy = Proxy({PATH: (200, link)})
    headers = {"Range": "bytes=1-2", "X-Newest": "true", "X-Backend-Storage-Policy-Index": "1"}
    heard = request(Symlink(proxy, SymlinkOptions()), "GET", PATH, headers=headers)
    asked = proxy.asked[1]
    assert (asked["PATH_INFO"], asked["HTTP_RANGE"], asked["HTTP_X_NEWEST"]) == ("/v1/a/c2/o 2", "bytes=1-2", "true")
    assert asked["swift.source"] == "SYM"
    assert "HTTP_X_BACKEND_STORAGE_POLICY_INDEX" not in asked, "the target may lie in another policy"
    assert heard.headers["content-location"] == "/v1/a/c2/o%202"


def test_container_sync_may_bring_a_link_before_its_target() -> None:
    proxy = Proxy()
    headers = {
        "X-Symlink-Target": "c/t",
        "X-Symlink-Target-Etag": "e",
        "X-Symlink-Target-Bytes": "7",
        "Content-Type": "t/t",
    }
    environ = make_environ("PUT", PATH, headers=headers) | {"CONTENT_LENGTH": "0", "swift.symlink_override": True}
    list(Symlink(proxy, SymlinkOptions())(environ, lambda *_: None))
    assert [asked["REQUEST_METHOD"] for asked in proxy.asked] == ["PUT"]
    etag = proxy.asked[0]["HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG"]
    assert etag.endswith("; symlink_target=c/t; symlink_target_etag=e; symlink_target_bytes=7")


@pytest.mark.parametrize("size", [None, "", "x", "-1"])
def test_such_a_link_says_how_large_its_target_is(size: str | None) -> None:
    proxy = Proxy()
    headers = {"X-Symlink-Target": "c/t", "X-Symlink-Target-Etag": "e"}
    headers |= {} if size is None else {"X-Symlink-Target-Bytes": size}
    environ = make_environ("PUT", PATH, headers=headers) | {"CONTENT_LENGTH": "0", "swift.symlink_override": True}
    statuses: list[str] = []
    list(Symlink(proxy, SymlinkOptions())(environ, lambda status, *_: statuses.append(status)))
    assert (statuses, proxy.asked) == (["400 Bad Request"], [])


def test_only_our_own_links_are_trusted_further_than_their_readers() -> None:
    granted = {"X-Object-Sysmeta-Allow-Reserved-Names": "true", "X-Object-Sysmeta-Symloop-Extend": "true"}
    for ours in ({}, {"X-Backend-Allow-Reserved-Names": "true"}):
        proxy = Proxy()
        headers = {"X-Symlink-Target": "c/t", **granted, **ours}
        request(Symlink(proxy, SymlinkOptions()), "PUT", PATH, headers=headers)
        keys = {"HTTP_" + name.upper().replace("-", "_") for name in granted}
        assert keys & proxy.asked[0].keys() == (keys if ours else set())


@pytest.mark.parametrize("text, hops", [("1", 1), ("5", 5), ("0", 2), ("-1", 2)])
def test_symloop_max(text: str, hops: int) -> None:
    proxy = Proxy({PATH: (200, {"X-Object-Sysmeta-Symlink-Target": "c/o"})})
    heard = request(filter_factory({}, symloop_max=text)(proxy), "GET", PATH)
    assert (heard.status, len(proxy.asked)) == (409, hops + 1)
