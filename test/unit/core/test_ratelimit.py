"""Rates by size, the counter that proxies share, and allowances."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.ratelimit import Allowance, Step, cost, is_too_long, judge, rate_for, steps

LIMITS = [Step(10, 100.0), Step(20, 50.0), Step(100, 10.0)]


@pytest.mark.parametrize(
    ("size", "rate"), [(0, None), (9, None), (10, 100), (15, 75), (20, 50), (60, 30), (100, 10), (10**9, 10)]
)
def test_a_rate_lies_between_those_of_two_sizes(size, rate):
    assert rate_for(LIMITS, size) == rate


def test_an_empty_container_has_no_limit():
    assert rate_for([Step(0, 1.0)], 0) is None


def test_steps_are_read_in_order_of_size():
    options = {"container_ratelimit_20": "5", "container_ratelimit_3": "7.5", "container_listing_ratelimit_1": "2"}
    assert steps(options, "container_ratelimit_") == [Step(3, 7.5), Step(20, 5.0)]
    for name, rate in (("container_ratelimit_x", "1"), ("container_ratelimit_-1", "1"), ("container_ratelimit_5", "x")):
        with pytest.raises(ValueError, match=name):
            steps({name: rate}, "container_ratelimit_")


@given(
    rate=st.floats(0.5, 500),
    gaps=st.lists(st.integers(0, 3000), min_size=1, max_size=60),
    buffer=st.integers(0, 5000),
)
def test_no_more_is_let_through_than_the_rate_and_the_buffer_allow(rate, gaps, buffer):
    spent, counter, now, went = cost(rate, 1000), 0, 10**12, []
    for gap in gaps:
        now += gap
        counter += spent
        verdict = judge(counter, now, spent, buffer)
        counter = counter if verdict.restart is None else verdict.restart
        went.append(now + verdict.wait)
        assert verdict.wait >= 0
    for first in range(len(went)):
        for last in range(first, len(went)):
            assert (last - first) * spent <= went[last] - went[first] + buffer + spent


@pytest.mark.parametrize(("wait", "expected"), [(0, False), (1989, False), (1990, True), (2000, True), (9000, True)])
def test_a_wait_that_takes_all_that_is_allowed_is_too_long(wait, expected):
    assert is_too_long(wait, 2.0, 1000) is expected


@given(rate=st.floats(0.5, 100), buffer=st.floats(0, 5), gaps=st.lists(st.floats(0, 2), max_size=80))
def test_an_allowance_lets_no_more_through(rate, buffer, gaps):
    now = 1000.0
    allowance, went = Allowance(rate, buffer, now), []
    for gap in gaps:
        now += gap
        if allowance.take(now):
            went.append(now)
    for first in range(len(went)):
        assert (len(went) - first - 1) / rate <= went[-1] - went[first] + buffer + 1 / rate + 1e-6


def test_an_allowance_saves_up_after_a_rest():
    allowance = Allowance(10, 1.0, 100.0)
    assert [allowance.take(100.0) for _ in range(3)] == [True, False, False]
    assert [allowance.take(110.0) for _ in range(12)].count(True) == 11
    assert all(Allowance(0, 1, 0).take(0) for _ in range(5))
