"""Conditional requests: which headers stop a GET, and with what."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.preconditions import evaluate, matches, parse_http_date, unquote_etag

ETAG = "5d41402abc4b2a76b9719d911017c592"
MODIFIED = 1402464678
THEN, BEFORE, AFTER = (
    "Wed, 11 Jun 2014 05:31:18 GMT",
    "Wed, 11 Jun 2014 05:31:17 GMT",
    "Wed, 11 Jun 2014 05:31:19 GMT",
)


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({}, None),
        ({"If-Match": f'"{ETAG}"'}, None),
        ({"If-Match": ETAG}, None),
        ({"If-Match": f'"x", "{ETAG}"'}, None),
        ({"If-Match": "*"}, None),
        ({"If-Match": '"x"'}, 412),
        ({"If-None-Match": f'"{ETAG}"'}, 304),
        ({"If-None-Match": f'W/"{ETAG}"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, None),
        ({"If-Modified-Since": BEFORE}, None),
        ({"If-Modified-Since": THEN}, 304),
        ({"If-Modified-Since": AFTER}, 304),
        ({"If-Modified-Since": "no date"}, None),
        ({"If-Unmodified-Since": BEFORE}, 412),
        ({"If-Unmodified-Since": THEN}, None),
        ({"If-Unmodified-Since": "no date"}, None),
        ({"If-Match": f'W/"{ETAG}"'}, 412),
        ({"If-Match": ""}, 412),
        ({"If-None-Match": ""}, None),
        # A date does not count beside the condition on the entity tag.
        ({"If-Match": ETAG, "If-Unmodified-Since": BEFORE}, None),
        ({"If-None-Match": '"x"', "If-Modified-Since": THEN}, None),
        ({"If-None-Match": ETAG, "If-Modified-Since": BEFORE}, 304),
        # What makes a 412 is looked at before what makes a 304.
        ({"If-Match": '"x"', "If-None-Match": ETAG}, 412),
        ({"If-Unmodified-Since": BEFORE, "If-None-Match": ETAG}, 412),
        ({"If-Unmodified-Since": BEFORE, "If-Modified-Since": THEN}, 412),
        ({"If-Match": '"x"', "If-Modified-Since": THEN}, 412),
        # One of each kind: both count.
        ({"If-Match": ETAG, "If-None-Match": ETAG}, 304),
        ({"If-Match": ETAG, "If-Modified-Since": THEN}, 304),
        ({"If-Unmodified-Since": THEN, "If-None-Match": '"x"'}, None),
        ({"If-Unmodified-Since": THEN, "If-Modified-Since": THEN}, 304),
    ],
)
def test_conditions(conditions: dict[str, str], status: int | None) -> None:
    assert evaluate(conditions, ETAG, MODIFIED) == status


@pytest.mark.parametrize("text", ['"a"', "a", 'W/"a"', ' "a" '])
def test_etags_lose_their_quotes(text: str) -> None:
    assert unquote_etag(text) == "a"


def test_a_lone_quote_stays() -> None:
    assert unquote_etag('"') == '"'
    assert not matches("", "a")


@pytest.mark.parametrize("text", [THEN, "Wednesday, 11-Jun-14 05:31:18 GMT", "Wed Jun 11 05:31:18 2014"])
def test_every_form_of_date(text: str) -> None:
    assert parse_http_date(text) == MODIFIED


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "Wed, 99 Jun 2014 05:31:18 GMT",
        "Sat, 31 Feb 2014 05:31:18 GMT",
        "Wed, 11 Jun 2014 25:31:18 GMT",
        "Wed, 11 Jun 99999999999999999999 05:31:18 GMT",
        "1402464678",
    ],
)
def test_no_date(text: str | None) -> None:
    assert parse_http_date(text) is None


@given(
    st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,5} [A-Z][a-z]{2} \d{1,6} \d{1,3}:\d{1,3}:\d{1,3} GMT")
)
def test_whatever_a_client_calls_a_date_is_one_or_none(text: str) -> None:
    assert isinstance(parse_http_date(text), int | None)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2060, 1, 1)))
def test_what_we_call_a_date_is_read_back(moment: datetime) -> None:
    seconds = int(moment.replace(tzinfo=timezone.utc).timestamp())
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"):
        assert parse_http_date(moment.strftime(form)) == seconds
