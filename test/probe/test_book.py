"""What the book allows: the newest write wins, and what nobody acknowledged may be true or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functional.model import Content
from probe.book import Book, Outcome, Write, outcome

NAME = ("c", "o")
OLD, NEW = Content(1, 10), Content(2, 20)


def put(at: float, content: Content = OLD, acknowledged: bool = True, **metadata: str) -> Write:
    return Write("PUT", at, at + 0.5, acknowledged, content, metadata)


def post(at: float, acknowledged: bool = True, **metadata: str) -> Write:
    return Write("POST", at, at + 0.5, acknowledged, None, metadata)


def delete(at: float, acknowledged: bool = True) -> Write:
    return Write("DELETE", at, at + 0.5, acknowledged)


def book(*writes: Write) -> Book:
    made = Book()
    for write in writes:
        made.record(NAME, write)
    return made


@pytest.mark.parametrize(
    ("writes", "content", "metadata"),
    [
        ([], None, {}),
        ([put(1, a="1")], OLD, {"x-object-meta-a": "1"}),
        ([put(1, a="1"), put(2, NEW)], NEW, {}),
        ([put(1, a="1"), post(2, b="2")], OLD, {"x-object-meta-b": "2"}),
        ([put(1), post(2, b="2"), post(3, c="3")], OLD, {"x-object-meta-c": "3"}),
        ([put(1), post(2, b="2"), put(3, NEW, c="3")], NEW, {"x-object-meta-c": "3"}),
        ([put(1), delete(2)], None, {}),
        ([put(1), delete(2), put(3, NEW)], NEW, {}),
        ([put(1), delete(2), post(3, b="2")], None, {}),
    ],
)
def test_the_newest_wins(writes: list[Write], content: Content | None, metadata: dict[str, str]) -> None:
    (found,) = book(*writes).outcomes(NAME)
    assert (found.content, found.metadata) == (content, metadata)


def test_what_nobody_acknowledged_may_be_true_or_not() -> None:
    doubtful = book(put(1), put(2, NEW, acknowledged=False), delete(3, acknowledged=False))
    assert [found.content for found in doubtful.outcomes(NAME)] == [OLD, NEW, None]


def test_what_was_acknowledged_later_leaves_no_doubt() -> None:
    assert len(book(put(1, acknowledged=False), delete(2, acknowledged=False), put(3, NEW)).outcomes(NAME)) == 1


def test_a_name_that_may_never_have_been_written_may_be_missing() -> None:
    assert Outcome(None, None) in book(put(1, acknowledged=False)).outcomes(NAME)


def test_writes_that_overlap_are_refused() -> None:
    with pytest.raises(AssertionError, match="at once"):
        book(put(1), put(1.2))


writes_in_order = st.lists(st.sampled_from(["PUT", "POST", "DELETE"]), max_size=6).map(
    lambda methods: [
        {"PUT": put, "POST": post, "DELETE": delete}[method](float(moment)) for moment, method in enumerate(methods)
    ]
)


@given(writes_in_order, st.randoms(use_true_random=False))
def test_the_order_in_which_writes_arrive_does_not_matter(writes: list[Write], random: object) -> None:
    shuffled = list(writes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert outcome(shuffled) == outcome(writes)


@given(writes_in_order, st.integers(0, 6))
def test_writes_can_be_merged_in_two_steps(writes: list[Write], cut: int) -> None:
    first = outcome(writes[:cut])
    kept = [write for write in (first.last, first.post) if write]
    again, whole = outcome([*kept, *writes[cut:]]), outcome(writes)
    assert (again.content, again.metadata) == (whole.content, whole.metadata)
