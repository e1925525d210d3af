"""Metadata: which headers are stored, under which names, and what a POST keeps (formats.md 3.3)."""

import pytest

from swiftlite.core.metadata import (
    ALLOWED_OBJECT_HEADERS,
    client_content_type,
    merge_object_metadata,
    posted_object_headers,
    stored_database_headers,
    stored_object_headers,
    title_case,
)

ALLOWED = frozenset(ALLOWED_OBJECT_HEADERS)
HEADERS = [
    ("x-object-meta-a2b_c", "1"),
    ("X-OBJECT-META-", "no name"),
    ("X-Object-Sysmeta-Slo", "2"),
    ("X-Object-Transient-Sysmeta-Crypto", "3"),
    ("content-encoding", "gzip"),
    ("X-Backend-Secret", "4"),
    ("Host", "h"),
]


def test_titles_are_those_of_bytes():
    assert title_case("x-object-meta-a2b_c") == "X-Object-Meta-A2B_C"
    assert title_case("x-object-meta-\xe9") == "X-Object-Meta-\xe9"


def test_a_put_stores_metadata_and_allowed_headers():
    assert stored_object_headers(HEADERS, ALLOWED) == {
        "X-Object-Meta-A2B_C": "1",
        "X-Object-Sysmeta-Slo": "2",
        "X-Object-Transient-Sysmeta-Crypto": "3",
        "Content-Encoding": "gzip",
    }


def test_a_post_stores_no_system_metadata():
    assert "X-Object-Sysmeta-Slo" not in posted_object_headers(HEADERS, ALLOWED)
    assert posted_object_headers(HEADERS, ALLOWED)["Content-Encoding"] == "gzip"


def test_databases_store_their_own_kind():
    headers = [("x-container-meta-a", "1"), ("X-Container-Read", ".r:*"), ("X-Account-Meta-B", "2"), ("X-Size", "3")]
    assert stored_database_headers("container", headers) == {"X-Container-Meta-A": "1", "X-Container-Read": ".r:*"}
    assert stored_database_headers("account", headers) == {"X-Account-Meta-B": "2"}


def test_posted_metadata_lie_over_the_data():
    data = {
        "name": "/a/c/o",
        "ETag": "e",
        "Content-Length": "1",
        "X-Object-Meta-Old": "x",
        "X-Object-Sysmeta-S": "s",
        "X-Delete-At": "5",
        "X-Static-Large-Object": "True",
    }
    posted = {"name": "/a/c/o", "X-Object-Meta-New": "y", "X-Timestamp": "2"}
    assert merge_object_metadata(data, posted) == {
        "name": "/a/c/o",
        "ETag": "e",
        "Content-Length": "1",
        "X-Object-Meta-New": "y",
        "X-Object-Sysmeta-S": "s",
        "X-Static-Large-Object": "True",
        "X-Timestamp": "2",
    }
    assert merge_object_metadata(data, None) == data


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("text/plain", "text/plain"),
        ("text/plain;charset=utf-8", "text/plain;charset=utf-8"),
        ("text/plain;charset=utf-8; swift_bytes=5", "text/plain;charset=utf-8"),
        ("text/plain;swift_bytes=5;charset=utf-8", "text/plain;swift_bytes=5;charset=utf-8"),
        ("swift_x", "swift_x"),
        ("", ""),
    ],
)
def test_clients_do_not_see_our_parameter_of_a_content_type(stored: str, shown: str) -> None:
    assert client_content_type(stored) == shown
