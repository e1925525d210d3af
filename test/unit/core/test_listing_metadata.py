"""What a listing's entry tells beyond its row: which question is asked for it, and what becomes of the answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.listing_metadata import describe, question, user_metadata


@pytest.mark.parametrize(
    ("entry", "query"),
    [
        ({"name": "o", "content_type": "x/y"}, "multipart-manifest=get"),
        ({"name": "o", "symlink_path": "/v1/a/c/o"}, "multipart-manifest=get&symlink=get"),
        ({"name": "o", "version_id": "1.0"}, "multipart-manifest=get&version-id=1.0"),
        ({"name": "o", "version_id": "a&b"}, "multipart-manifest=get&version-id=a%26b"),
        ({"name": "o", "version_id": "1", "content_type": "application/x-deleted;swift_versions_deleted=1"}, None),
        ({"subdir": "d/"}, None),
        ({"name": "\x00reserved"}, None),
    ],
)
def test_the_question_is_about_what_the_row_is_of(entry, query):
    assert question(entry) == query


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [
        ([], {}),
        ([("Content-Type", "x"), ("X-Object-Sysmeta-A", "x"), ("X-Object-Meta-", "x")], {}),
        ([("X-Object-Meta-Two-Words", "A b"), ("x-object-meta-b", "")], {"two-words": "A b", "b": ""}),
        ([("X-Object-Meta-\xc3\x84", "\xc3\xbc")], {"Ä": "ü"}),
        ([("X-Object-Meta-A", "\xff")], {"a": "\ufffd"}),
    ],
)
def test_the_users_metadata_are_text(headers, metadata):
    assert user_metadata(headers) == metadata


@pytest.mark.parametrize(
    ("mtime", "shown"),
    [
        ("1538648586.123456789", True),
        ("0", True),
        ("-1.5", True),
        ("yesterday", False),
        ("1e9", False),
        ("", False),
        ("1" * 30, False),
        ("٣", False),
    ],
)
def test_an_mtime_is_shown_as_it_was_set_if_it_is_a_number(mtime, shown):
    entry = {"name": "o"}
    describe(entry, 200, [("X-Object-Meta-Mtime", mtime.encode().decode("latin-1"))])
    assert entry == {"name": "o", "metadata": {"mtime": mtime}} | ({"mtime": mtime} if shown else {})


@pytest.mark.parametrize("status", [404, 403, 503])
def test_what_could_not_be_read_is_told_from_what_has_none(status):
    entry = {"name": "o"}
    describe(entry, status, [("X-Object-Meta-A", "of an error page")])
    assert entry == {"name": "o", "metadata": None, "metadata_status": status}


@given(
    st.lists(st.tuples(st.text(alphabet=st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255))))
)
def test_any_header_can_be_told(headers):
    told = user_metadata([("X-Object-Meta-" + name, value) for name, value in headers])
    assert json.loads(json.dumps(told).encode("ascii").decode()) == told
    "".join(told.values()).encode()  # no surrogates
