"""Windows of time in which wrong logins are counted."""

from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.login_limits import seconds_left, window_of


@given(st.floats(0, 1e10), st.integers(0, 10000))
def test_who_waits_as_told_is_in_the_next_window(now, length):
    left = seconds_left(now, length)
    assert 1 <= left <= max(1, length)
    assert window_of(now + left, length) == window_of(now, length) + 1


def test_a_window_lasts_its_length():
    assert window_of(119.9, 60) == window_of(60, 60) == 1
    assert seconds_left(60, 60) == 60
    assert seconds_left(119.9, 60) == 1
