"""How versions are named, and what the headers of a container ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.constraints import Violation
from swiftlite.core.names import str_to_wsgi
from swiftlite.core.timestamp import Timestamp
from swiftlite.core.versions import NOWHERE, Location, requested_location, version_name, version_prefix

names = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=300)
moments = st.integers(0, 9_999_999_999).map(Timestamp)


def test_the_length_in_a_version_s_name_is_that_of_its_utf_8():
    assert version_name("o", Timestamp("1402464677.04188")) == "001o/1402464677.04188"
    assert version_prefix(str_to_wsgi("é")) == "002" + str_to_wsgi("é") + "/"
    assert version_prefix("n" * 171) == "0ab" + "n" * 171 + "/"
    assert version_prefix("n" * 1024) == "400" + "n" * 1024 + "/"


@given(names, names, moments)
def test_no_version_of_one_object_looks_like_another_s(name, other, written):
    name, other = str_to_wsgi(name), str_to_wsgi(other)
    assert version_name(name, written).startswith(version_prefix(other)) == (name == other)


@given(names, moments, moments)
def test_versions_are_listed_in_the_order_in_which_they_were_written(name, first, second):
    assert (version_name(name, first) < version_name(name, second)) == (first < second)


@pytest.mark.parametrize(
    ("versions", "history", "removes", "wanted"),
    [
        (None, None, False, None),
        ("c", None, False, Location("c", "stack")),
        (None, "c", False, Location("c", "history")),
        ("c", "", False, Location("c", "stack")),
        ("", "c", False, Location("c", "history")),
        ("", None, False, NOWHERE),
        (None, "", False, NOWHERE),
        ("", "", False, NOWHERE),
        (None, None, True, NOWHERE),
        ("c", None, True, Location("c", "stack")),
        ("a%2fb", None, False, Location("a%2fb", "stack")),
    ],
)
def test_what_a_container_s_headers_ask_for(versions, history, removes, wanted):
    assert requested_location(versions, history, removes, allowed=True) == wanted


@pytest.mark.parametrize(
    ("versions", "history", "allowed", "status"),
    [
        ("c", "d", True, 400),
        ("c", "d", False, 400),
        ("c", None, False, 412),
        ("a/b", None, True, 412),
        (None, "/", True, 412),
    ],
)
def test_what_they_may_not_ask_for(versions, history, allowed, status):
    with pytest.raises(Violation) as refused:
        requested_location(versions, history, False, allowed)
    assert refused.value.status == status


def test_who_may_not_version_may_still_stop_it():
    assert requested_location("", None, False, allowed=False) == NOWHERE
    assert requested_location(None, None, True, allowed=False) == NOWHERE
