"""The hash of a database's rows (formats.md 4.5, 11)."""

from __future__ import annotations

import functools

from hypothesis import given
from hypothesis import strategies as st

from swiftlite.db.schema import chexor

ZERO = "0" * 32
rows = st.tuples(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(alphabet="0123456789.+-"))


def fold(many: list[tuple[str, str]]) -> str:
    return functools.reduce(lambda old, row: chexor(old, *row), many, ZERO)


def test_vectors() -> None:
    first = chexor(ZERO, "o1", "1402464677.04188")
    assert first == "b9ac8889e68b0a654e2b85ae400bdc12"
    assert chexor(first, "o2", "1402464678.00000") == "e0ebe7328a260885c5f60e9b11fdff18"


@given(st.lists(rows, max_size=5), st.randoms())
def test_order_does_not_matter_and_twice_is_never(many: list[tuple[str, str]], random) -> None:
    shuffled = random.sample(many, len(many))
    assert fold(shuffled) == fold(many)
    assert fold(many + shuffled) == ZERO
