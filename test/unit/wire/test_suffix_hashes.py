"""Answers to REPLICATE: the same hashes are the same bytes, whatever way they came."""

from __future__ import annotations

import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.wire import suffix_hashes

HASHES = st.dictionaries(st.from_regex("[0-9a-f]{3}", fullmatch=True), st.from_regex("[0-9a-f]{32}", fullmatch=True))


@given(HASHES, st.randoms())
def test_the_same_hashes_are_the_same_bytes(hashes: dict[str, str], chance: random.Random) -> None:
    items = list(hashes.items())
    chance.shuffle(items)
    encoded = suffix_hashes.encode(hashes)
    assert suffix_hashes.encode(dict(items)) == encoded
    assert suffix_hashes.decode(encoded) == hashes
    assert suffix_hashes.encode(suffix_hashes.decode(encoded)) == encoded, "who has read them spells them alike"


def test_suffixes_that_were_only_invalidated_are_answered_with_nothing() -> None:
    assert pickle.loads(suffix_hashes.encode(None)) is None


@pytest.mark.parametrize("body", [b"", b"nonsense", pickle.dumps(None, 2), pickle.dumps(["abc"], 2)])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError):
        suffix_hashes.decode(body)
