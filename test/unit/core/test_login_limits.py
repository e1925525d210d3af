"""Windows of time in which wrong logins are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.login_limits import counted_address, seconds_left, window_of


@given(st.floats(0, 1e10), st.integers(0, 10000))
def test_who_waits_as_told_is_in_the_next_window(now, length):
    left = seconds_left(now, length)
    assert 1 <= left <= max(1, length)
    assert window_of(now + left, length) == window_of(now, length) + 1


def test_a_window_lasts_its_length():
    assert window_of(119.9, 60) == window_of(60, 60) == 1
    assert seconds_left(60, 60) == 60
    assert seconds_left(119.9, 60) == 1


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff::2", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_who_has_one_address_of_ipv6_has_all_of_its_network(address, counted):
    assert counted_address(address) == counted
