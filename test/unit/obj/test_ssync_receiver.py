"""When a receiver of SSYNC gives up on a sender's subrequests."""

from __future__ import annotations

import pytest

from swiftlite.obj.answers import Reply
from swiftlite.obj.ssync_receiver import Tally, is_success


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_what_is_a_success(method: str) -> None:
    known = [("X-Backend-Timestamp", "1402464677.04188")]
    assert all(is_success(method, Reply(status)) for status in (201, 202, 204))
    assert not any(is_success(method, Reply(status, known)) for status in (400, 409, 422, 499, 500, 507))
    assert is_success(method, Reply(404, known))
    assert is_success(method, Reply(404)) == (method != "POST")


def test_a_tally() -> None:
    tally = Tally()
    for went_well in (True, False, True, False, False):
        tally.add(went_well)
    assert str(tally) == "3 failures to 2 successes"


@pytest.mark.parametrize(
    ("successes", "failures", "ratio", "is_hopeless"),
    [
        (0, 99, 1.0, False),
        (0, 100, 1.0, True),
        (99, 100, 1.0, True),
        (100, 100, 1.0, False),
        (100, 101, 1.0, True),
        (100, 150, 1.5, False),
        (100, 151, 1.5, True),
        (1000, 100, 0.0, True),
    ],
)
def test_when_to_go_on_is_in_vain(successes: int, failures: int, ratio: float, is_hopeless: bool) -> None:
    assert Tally(successes, failures).is_hopeless(100, ratio) is is_hopeless
