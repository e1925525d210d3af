"""Specifies which changes their conditions forbid, and how replicas vote on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.compare_and_swap import Ballot, majority, refuses_change


@pytest.mark.parametrize(
    ("match", "none_match", "etag", "refused"),
    [
        (None, None, "a", False),
        (None, None, None, False),
        ('"a"', None, "a", False),
        ("a", None, "a", False),
        ('"b", "a"', None, "a", False),
        ('"b"', None, "a", True),
        ('"a"', None, None, True),
        ("*", None, "a", False),
        ("*", None, None, True),
        (None, "*", None, False),
        (None, "*", "a", True),
        (None, '"a"', "a", True),
        (None, '"a"', "b", False),
        (None, '"a"', None, False),
        ('"a"', '"b"', "a", False),
        ('"a"', '"a"', "a", True),
    ],
)
def test_conditions(match: str | None, none_match: str | None, etag: str | None, refused: bool) -> None:
    assert refuses_change(match, none_match, etag) is refused


@given(st.integers(1, 9))
def test_two_majorities_have_a_member_in_common(replicas: int) -> None:
    assert 2 * majority(replicas) > replicas
    assert majority(replicas) <= replicas


@given(st.lists(st.sampled_from(["yes", "no", "failed"]), min_size=1, max_size=9))
def test_a_ballot_is_settled_once_and_for_all(votes: list[str]) -> None:
    ballot = Ballot(len(votes))
    settled = set()
    for vote in votes:
        setattr(ballot, vote, getattr(ballot, vote) + 1)
        for name in ("is_carried", "is_rejected"):
            if getattr(ballot, name):
                settled.add(name)
    assert len(settled) <= 1
    assert not ballot.is_open
    assert ballot.is_carried == (votes.count("yes") > len(votes) / 2)
    assert ballot.is_rejected == (votes.count("no") >= len(votes) / 2)


@pytest.mark.parametrize(
    ("yes", "no", "failed", "outcome"),
    [
        (2, 0, 0, "carried"),
        (1, 0, 0, "open"),
        (1, 1, 0, "open"),
        (1, 1, 1, "unknown"),
        (0, 2, 0, "rejected"),
        (0, 0, 2, "unknown"),
    ],
)
def test_three_replicas(yes: int, no: int, failed: int, outcome: str) -> None:
    ballot = Ballot(3)
    ballot.yes, ballot.no, ballot.failed = yes, no, failed
    assert ballot.is_carried == (outcome == "carried")
    assert ballot.is_open == (outcome == "open")
    assert ballot.is_rejected == (outcome == "rejected")
