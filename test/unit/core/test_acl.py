"""Access lists: what is stored, and whom it lets in (formats.md 7.8)."""

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.acl import (
    AccountACL,
    clean_acl,
    format_account_acl,
    parse_account_acl,
    parse_acl,
    read_account_acl,
)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("", ""),
        (" , ,, ", ""),
        ("bob, sue", "bob,sue"),
        ("bob , sue ,, ", "bob,sue"),
        ("account:user", "account:user"),
        (" a : b ", "a : b"),
        (".r:*", ".r:*"),
        (".referrer : *", ".r:*"),
        (".ref:*.example.com", ".r:.example.com"),
        (".referer:example.com", ".r:example.com"),
        (".r: - example.com", ".r:-example.com"),
        (".r:-*.example.com", ".r:-.example.com"),
        (".r:* , .rlistings", ".r:*,.rlistings"),
        (".rlistings", ".rlistings"),
        (".anything", ".anything"),
        (":x", ":x"),
        ("test:*", "test:*"),
        (".r:-*", ".r:-*"),
        (".r:a:b", ".r:a:b"),
    ],
)
def test_clean_acl(sent, stored):
    assert clean_acl("X-Container-Read", sent) == stored


@pytest.mark.parametrize(
    "bad", [".r:", ".r:-", ".r:.", ".r:*.", ".r:-.", ".ref: ", ".unknown:x", ".rlistings:x", "a,.x:y"]
)
def test_clean_acl_refuses(bad):
    with pytest.raises(ValueError, match="ACL"):
        clean_acl("X-Container-Read", bad)


@pytest.mark.parametrize("header", ["X-Container-Write", "x-container-write"])
def test_a_write_list_names_no_referrers(header):
    assert clean_acl(header, "bob,.rlistings") == "bob,.rlistings"
    with pytest.raises(ValueError, match=r"\.r:\*"):
        clean_acl(header, "bob,.r:*")


@given(st.lists(st.sampled_from([".r:*", ".ref:-*.a.b", "bob ", " x:y", ".rlistings", "", ".referer: a"])))
def test_cleaning_again_changes_nothing(elements):
    once = clean_acl("X-Container-Read", ",".join(elements))
    assert clean_acl("X-Container-Read", once) == once


@pytest.mark.parametrize(
    ("acl", "referrer", "allowed"),
    [
        ("", "http://example.com/", False),
        (".r:*", None, True),
        (".r:*", "http://example.com/", True),
        (".r:*", "no url", True),
        (".r:example.com", None, False),
        (".r:unknown", None, True),
        (".r:example.com", "http://example.com/x?y", True),
        (".r:example.com", "https://user:pass@EXAMPLE.com:8080/x", True),
        (".r:example.com", "http://www.example.com/", False),
        (".r:.example.com", "http://www.example.com/", True),
        (".r:.example.com", "http://a.b.example.com/", True),
        (".r:.example.com", "http://example.com/", False),
        (".r:.example.com", "http://notexample.com/", False),
        (".r:example.com", "example.com", False),
        # the last one that matches decides
        (".r:*,.r:-thief.com", "http://thief.com/", False),
        (".r:*,.r:-thief.com", "http://other.com/", True),
        (".r:-thief.com,.r:*", "http://thief.com/", True),
        (".r:*,.r:-.thief.com,.r:good.thief.com", "http://good.thief.com/", True),
        (".r:*,.r:-.thief.com,.r:good.thief.com", "http://bad.thief.com/", False),
        (".r:-thief.com", "http://other.com/", False),
        (".r:*", "http://[half", True),
        # a minus before the star is a host named *, which nobody has
        (".r:*,.r:-*", "http://other.com/", True),
    ],
)
def test_referrers(acl, referrer, allowed):
    assert parse_acl(acl).allows_referrer(referrer) is allowed


@pytest.mark.parametrize(
    ("acl", "groups", "allowed"),
    [
        (None, ["test"], False),
        ("", ["test"], False),
        ("test", ["test", "test:tester"], True),
        ("test:tester", ["test", "test:tester"], True),
        ("test:tester", ["test", "test:other"], False),
        ("other,test:tester", ["test", "test:tester"], True),
        ("te%73t", ["test"], True),
        ("te%2Cst", ["te,st"], True),
        (".r:*", ["test"], False),
        (".r:*", [], False),
    ],
)
def test_groups(acl, groups, allowed):
    assert parse_acl(acl).allows_group(groups) is allowed


def test_listings_are_extra():
    assert not parse_acl(".r:*").allows_listings
    assert parse_acl(".r:*,.rlistings").allows_listings


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "Syntax error"),
        ("[]", "Syntax error"),
        ('"admin"', "Syntax error"),
        ("null", "Syntax error"),
        ('{"admin":["a"]', "Syntax error"),
        ('{"owner":["a"]}', 'Key "owner" not recognized'),
        ('{"admin":"a"}', 'Value for key "admin" must be a list'),
        ('{"admin":{"a":1}}', "must be a list"),
        ('{"read-only":["a",1]}', 'Elements of "read-only" list must be strings'),
    ],
)
def test_account_lists_that_are_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        read_account_acl(text)
    assert parse_account_acl(text).level(["a"]) is None or "read-only" in text


def test_account_lists_have_one_spelling():
    lists = read_account_acl('{ "read-write" : ["b", "\\u00e9"], "admin":["a"] }')
    assert format_account_acl(lists) == '{"admin":["a"],"read-write":["b","\\u00e9"]}'
    assert read_account_acl("") == {}
    assert read_account_acl("{}") == {}


@pytest.mark.parametrize(
    ("groups", "level"),
    [
        (["boss"], "admin"),
        (["boss", "reader"], "admin"),
        (["writer"], "read-write"),
        (["reader"], "read-only"),
        (["x"], None),
    ],
)
def test_account_levels(groups, level):
    acl = parse_account_acl('{"admin":["boss"],"read-write":["writer"],"read-only":["reader","writer"]}')
    assert acl.level(groups) == level


@given(st.text())
def test_whatever_is_stored_for_an_account_is_readable(text):
    acl = parse_account_acl(text)
    assert isinstance(acl, AccountACL)


@given(st.dictionaries(st.sampled_from(["admin", "read-write", "read-only"]), st.lists(st.text(max_size=5))))
def test_account_lists_survive_their_spelling(lists):
    spelled = format_account_acl(lists)
    assert spelled.isascii()
    assert read_account_acl(spelled) == json.loads(spelled) == lists


_pieces = st.sampled_from(
    ["%", "2", "C", "f", "%2C", "%ff", "%FE", "\u00e9", "%C3", "%A9", ".r:", "a", ":", "*", "\ufffd"]
)


@given(st.lists(st.lists(_pieces).map("".join), min_size=1, max_size=5))
def test_groups_are_decoded_each_for_itself(elements):
    wanted = {unquote(element) for element in elements if not element.startswith(".r:")}
    stored = ",".join(elements)
    assert parse_acl.__wrapped__(stored).groups == (wanted if stored else set())
