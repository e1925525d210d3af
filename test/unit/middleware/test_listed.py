"""Listings that filters change on their way: every entry, in order, and not in one go."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.common import concurrency
from swiftlite.middleware.listed import change_entries


@given(st.lists(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3), max_size=5))
def test_every_entry_is_changed_and_nothing_else(entries: list[dict]) -> None:
    body = change_entries(json.dumps(entries).encode(), lambda entry: entry.update(seen=True))
    assert body == json.dumps([{**entry, "seen": True} for entry in entries]).encode()


def test_others_run_while_a_long_listing_is_changed() -> None:
    entries = [{"name": f"{number:0100d}", "hash": "}, {"} for number in range(10_000)]
    turns = 0

    def run() -> None:
        nonlocal turns
        while True:
            turns += 1
            concurrency.sleep()

    thread = concurrency.spawn(run)
    body = change_entries(json.dumps(entries).encode(), lambda entry: entry.update(more=1))
    thread.kill()
    assert turns >= 9
    assert json.loads(body) == [{**entry, "more": 1} for entry in entries]


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSON list"):
        change_entries(b"{}", lambda entry: None)
