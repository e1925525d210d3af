"""A rate is kept over time, whatever the caller's own pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.common.rate_limit import SAVED, RateLimit


class Time:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def test_no_limit_waits_for_nothing() -> None:
    time = Time()
    limit = RateLimit(0, time, time.sleep)
    for _ in range(1000):
        limit.spend(10**9)
    assert time.now == 1000


def test_who_is_late_catches_up_with_no_more_than_a_second() -> None:
    time = Time()
    limit = RateLimit(10, time, time.sleep)
    time.now += 60
    for _ in range(30):
        limit.spend()
    assert time.now == pytest.approx(1060 + 3 - SAVED)


@given(st.floats(0.1, 1000), st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), min_size=1, max_size=30))
def test_no_more_is_spent_than_the_time_allows(per_second: float, steps: list[tuple[float, float]]) -> None:
    time = Time()
    limit = RateLimit(per_second, time, time.sleep)
    spent = 0.0
    for amount, work in steps:
        limit.spend(amount)
        spent += amount
        assert spent <= (time.now - 1000 + SAVED) * per_second * (1 + 1e-6) + 1e-6
        time.now += work
