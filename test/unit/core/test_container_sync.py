"""The rules of container sync: targets accepted or refused, shares of work, how far it has come, headers sent on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.container_sync import (
    BadTarget,
    Realm,
    asks_for_more,
    object_headers,
    read_target,
    sends_first,
    settled_point,
)

ALLOWED = frozenset({"127.0.0.1", "other", "::1"})
REALMS = {
    "US": Realm("secret", None, {"EAST": "https://east:8443/v1/", "WEST": "http://west/swift/v1", "ODD": "ftp://x/v1"}),
    "KEYLESS": Realm(None, None, {"EAST": "https://east/v1/"}),
}


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1/v1/a/c", "http://127.0.0.1:80/v1/a/c"),
        ("http://127.0.0.1/v1/a/c//", "http://127.0.0.1:80/v1/a/c"),
        ("https://other:8080/v1.0/AUTH_t/c%20d", "https://other:8080/v1.0/AUTH_t/c%20d"),
        ("http://OTHER/v1/a/é%c3%a9", "http://other:80/v1/a/%C3%A9%C3%A9"),
        ("http://[::1]:8080/v1/a/c", "http://[::1]:8080/v1/a/c"),
        ("//us/east/AUTH_t/c", "https://east:8443/v1/AUTH_t/c"),
        ("//US/West/AUTH_t/c%2520/", "http://west:80/swift/v1/AUTH_t/c%2520"),
        ("//us/east/a/c?x=y#z", "https://east:8443/v1/a/c%3Fx%3Dy%23z"),
    ],
)
def test_good_targets(text: str, url: str) -> None:
    target = read_target(text, ALLOWED, REALMS)
    assert target.url == url
    assert (target.realm, target.realm_key) == (("US", "secret") if text.startswith("//") else (None, None))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("//nowhere/east/a/c", "no key for realm 'nowhere'"),
        ("//keyless/east/a/c", "no key for realm 'keyless'"),
        ("//us/north/a/c", "no cluster 'north' in realm 'us'"),
        ("//us/odd/a/c", "of the form"),
        ("//us/east/a", "of the form"),
        ("//us/east/a/c/o", "of the form"),
        ("//us/east/../c", "of the form"),
        ("//us/east/a/%2e%2E", "of the form"),
        ("//us/east/a/c%2Fo", "of the form"),
        ("//us/east//c", "of the form"),
        ("/v1/a/c", "must begin with"),
        ("ftp://other/v1/a/c", "must begin with //, http:// or https://, not 'ftp'"),
        ("other/v1/a/c", "must begin with"),
        ("http://other/v1/a", "of the form"),
        ("http://other/v1/a/c/o", "of the form"),
        ("http://other/v1/../a/c", "of the form"),
        ("http://other/v1/a/..", "of the form"),
        ("http://other", "of the form"),
        ("http://other:80x/v1/a/c", "of the form"),
        ("http://[other/v1/a/c", "of the form"),
        ("http://other/v1/a/c?x=y", "neither parameters nor query nor fragment"),
        ("http://other/v1/a/c#x", "neither parameters nor query nor fragment"),
        ("http://other/v1/a/c;x", "neither parameters nor query nor fragment"),
        ("http://127.0.0.1@evil/v1/a/c", "'evil' is not allowed"),
        ("http://evil#@127.0.0.1/v1/a/c", "neither"),
        ("http://127.0.0.1.evil/v1/a/c", "'127.0.0.1.evil' is not allowed"),
        ("http:///v1/a/c", "None is not allowed"),
        ("http://user:word@127.0.0.1/v1/a/c", "of the form"),
        # The path of a storage server, which asks nobody for a token, and of other services.
        ("http://127.0.0.1:6200/sda/0/AUTH_victim", "of the form"),
        ("http://127.0.0.1:6200/sda/0/v1/a/c", "of the form"),
        ("http://127.0.0.1:6200/v1/sda/v1/a/c", "of the form"),
        ("http://other/swift/v1/a/c", "of the form"),
    ],
)
def test_bad_targets(text: str, says: str) -> None:
    with pytest.raises(BadTarget, match=says.replace("(", "\\(")):
        read_target(text, ALLOWED, REALMS)


@given(st.text(max_size=40))
def test_nothing_else_is_raised_and_no_other_host_reached(text: str) -> None:
    for tried in (text, f"http://{text}", f"//us/east/{text}", f"http://127.0.0.1/v1/{text}"):
        try:
            target = read_target(tried, ALLOWED, REALMS)
        except BadTarget:
            continue
        assert target.host in ALLOWED | {"east"}
        assert target.path.isascii()
        assert not set(target.path) & set(' \r\n?#"')


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(REALMS)
    assert "secret" not in repr(read_target("//us/east/a/c", ALLOWED, REALMS))


@pytest.mark.parametrize(
    ("method", "query"),
    [
        *(("PUT", ""), ("DELETE", ""), ("HEAD", ""), ("GET", "")),
        *((method, "multipart-manifest=get&symlink=get") for method in ("HEAD", "GET")),
        ("HEAD", "symlink=%67et"),
    ],
)
def test_sync_may_do_what_it_does(method: str, query: str) -> None:
    assert asks_for_more(method, True, query, copies=False) is None
    assert "copy" in (asks_for_more(method, True, query, copies=True) or "")
    assert "objects" in (asks_for_more(method, False, query, copies=False) or "")


@pytest.mark.parametrize(
    ("method", "query"),
    [
        *((method, "") for method in ("POST", "COPY", "OPTIONS", "PATCH", "UPDATE", "put")),
        *(("PUT", query) for query in ("multipart-manifest=put", "symlink=get", "extract-archive=tar", "x")),
        *(("DELETE", query) for query in ("multipart-manifest=delete", "version-id=1", "multipart%2Dmanifest=delete")),
        *(("HEAD", query) for query in ("symlink", "symlink=", "symlink=get&version-id=null", "part-number=1")),
    ],
)
def test_sync_may_do_nothing_else(method: str, query: str) -> None:
    assert asks_for_more(method, True, query, copies=False)


@given(st.binary(min_size=16, max_size=16), st.integers(1, 7))
def test_one_replica_sends_a_row_first(digest: bytes, replicas: int) -> None:
    assert [sends_first(digest, replicas, ordinal) for ordinal in range(replicas)].count(True) == 1


@pytest.mark.parametrize(
    ("outcomes", "point"),
    [
        ([], 4),
        ([(5, True), (9, True)], 9),
        ([(5, True), (6, False), (9, True)], 5),
        ([(5, False), (6, True)], 4),
    ],
)
def test_what_has_not_arrived_is_not_passed_over(outcomes: list[tuple[int, bool]], point: int) -> None:
    assert settled_point(4, outcomes) == point


def test_an_object_is_sent_without_what_is_of_the_answer_or_internal() -> None:
    assert object_headers(
        [
            ("Content-Type", "text/plain;charset=utf-8;swift_bytes=7"),
            ("Content-Length", "7"),
            ("ETag", '"abc"'),
            ("Last-Modified", "x"),
            ("Date", "x"),
            ("X-Trans-Id", "x"),
            ("X-Timestamp", "1.00000"),
            ("X-Backend-Timestamp", "1.00000"),
            ("X-Object-Sysmeta-Secret", "x"),
            ("X-Object-Transient-Sysmeta-Secret", "x"),
            ("X-Object-Meta-Colour", "blue"),
            ("X-Static-Large-Object", "True"),
            ("X-Delete-At", "4000000000"),
        ]
    ) == [
        ("Content-Type", "text/plain;charset=utf-8"),
        ("Content-Length", "7"),
        ("ETag", "abc"),
        ("X-Object-Meta-Colour", "blue"),
        ("X-Static-Large-Object", "True"),
        ("X-Delete-At", "4000000000"),
    ]
