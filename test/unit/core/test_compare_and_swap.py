"""Specifies which changes their conditions forbid, and how replicas vote on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.compare_and_swap import Ballot, refuses_change
from swiftlite.core.quorum import majority


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


@given(st.lists(st.sampled_from(["yes", "no", "silent"]), min_size=1, max_size=9))
def test_a_ballot_is_settled_once_and_for_all(votes: list[str]) -> None:
    ballot = Ballot(len(votes))
    settled = set()
    for vote in votes:
        ballot.yes += vote == "yes"
        ballot.no += vote == "no"
        settled |= {name for name in ("is_carried", "is_rejected") if getattr(ballot, name)}
    assert len(settled) <= 1
    assert ballot.is_carried == (votes.count("yes") > len(votes) / 2)
    assert ballot.is_rejected == (votes.count("no") >= len(votes) / 2)


@pytest.mark.parametrize(
    ("yes", "no", "carried", "rejected"), [(2, 0, True, False), (1, 1, False, False), (1, 2, False, True)]
)
def test_three_replicas(yes: int, no: int, carried: bool, rejected: bool) -> None:
    ballot = Ballot(3)
    ballot.yes, ballot.no = yes, no
    assert (ballot.is_carried, ballot.is_rejected) == (carried, rejected)
