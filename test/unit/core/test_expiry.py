"""Specifies when an object expires."""

import pytest

from swiftlite.core.constraints import Violation
from swiftlite.core.expiry import requested_delete_at
from swiftlite.core.timestamp import Timestamp

NOW = Timestamp("1400000000.50000")


@pytest.mark.parametrize(
    ("delete_at", "delete_after", "moment"),
    [
        (None, None, None),
        ("1400000001", None, 1400000001),
        (None, "1", 1400000001),
        ("1500000000", "7", 1400000007),
        ("99999999999", None, 9999999999),
    ],
)
def test_good(delete_at, delete_after, moment):
    assert requested_delete_at(delete_at, delete_after, NOW) == moment


@pytest.mark.parametrize(
    ("delete_at", "delete_after", "message"),
    [
        ("1400000000", None, "X-Delete-At in past"),
        ("-5", None, "X-Delete-At in past"),
        ("1.5", None, "Non-integer X-Delete-At"),
        ("", None, "Non-integer X-Delete-At"),
        (None, "0", "X-Delete-After in past"),
        (None, "-1", "X-Delete-After in past"),
        (None, "soon", "Non-integer X-Delete-After"),
    ],
)
def test_bad(delete_at, delete_after, message):
    with pytest.raises(Violation) as caught:
        requested_delete_at(delete_at, delete_after, NOW)
    assert (caught.value.status, caught.value.message) == (400, message)


@pytest.mark.parametrize("digits", [20, 400, 4000])
def test_what_is_too_large_for_a_float_is_the_last_moment(digits: int) -> None:
    assert requested_delete_at("9" * digits, None, Timestamp(1)) == 9999999999
    assert requested_delete_at(None, "9" * digits, Timestamp(1)) == 9999999999
