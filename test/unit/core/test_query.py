"""Queries: as Python's own parser reads them; and only what is asked for."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.query import Parameters, parse_query, unquote_wsgi

texts = st.lists(
    st.sampled_from(["&", "=", "%", "%41", "%2", "%26", "%3d", "%FF", "%00", "+", "a", "é", ";", " "])
).map("".join)


@given(texts)
def test_all_parameters(query: str) -> None:
    assert parse_query(query) == dict(parse_qsl(query, keep_blank_values=True, encoding="latin-1"))


@given(texts)
def test_decoding(text: str) -> None:
    assert unquote_wsgi(text) == unquote(text, "latin-1")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {}),
        ("a=1&bc=2", {"a": "1", "bc": "2"}),
        ("a", {"a": ""}),
        ("a=&a=1", {"a": ""}),
        ("%61=%C3%A9+x&b%63=%ff", {"a": "é x", "bc": "\ufffd"}),
        ("%2561=1&xa=2&ab=3&A=4&a%=5&ba=6", {}),
        ("x=a=1&=a&a=b=c", {"a": "b=c"}),
        ("&&a&&", {"a": ""}),
    ],
)
def test_some_parameters(query: str, found: dict[str, str]) -> None:
    assert Parameters(("a", "bc"))(query) == found


@given(texts)
def test_the_first_of_each_name_counts(query: str) -> None:
    expected: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        expected.setdefault(name, value)
    assert Parameters(("a",))(query).get("a") == expected.get("a")
