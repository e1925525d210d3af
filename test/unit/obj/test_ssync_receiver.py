"""When a receiver of SSYNC gives up on a sender's subrequests."""

from __future__ import annotations

import pytest

from swiftlite.obj.ssync_receiver import Tally


def test_what_is_a_success() -> None:
    tally = Tally()
    for status in (201, 202, 204, 404):
        tally.add(status)
    for status in (400, 409, 422, 499, 500, 507):
        tally.add(status)
    assert (tally.successes, tally.failures) == (4, 6)
    assert str(tally) == "6 failures to 4 successes"


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
