"""Conditional requests: which headers stop a GET, and with what."""

from __future__ import annotations

import pytest

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
        ({"If-Match": ETAG, "If-Unmodified-Since": BEFORE}, 412),
        ({"If-None-Match": '"x"', "If-Modified-Since": THEN}, 304),
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


@pytest.mark.parametrize("text", [None, "", "soon", "Wed, 99 Jun 2014 05:31:18 GMT"])
def test_no_date(text: str | None) -> None:
    assert parse_http_date(text) is None
