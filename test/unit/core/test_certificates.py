"""The last moment of certificates that a real authority made; and of what is none."""

import ssl
from datetime import datetime, timezone

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.certificates import not_after

ENDS = [datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc), datetime(2149, 12, 31, 23, 59, 59, tzinfo=timezone.utc)]


def made(end):
    pem = trustme.CA().issue_cert("localhost", not_after=end).cert_chain_pems[0].bytes()
    return ssl.PEM_cert_to_DER_cert(pem.decode())


@pytest.mark.parametrize("end", ENDS, ids=["two digits of a year", "four"])
def test_the_end_of_a_certificate(end):
    assert not_after(made(end)) == end.timestamp()


WHOLE = made(ENDS[0])


@given(st.integers(0, 250))
def test_one_that_is_cut_short(length):
    with pytest.raises(ValueError):
        not_after(WHOLE[:length])


@given(st.binary(max_size=60))
def test_what_is_no_certificate(data):
    with pytest.raises(ValueError):
        not_after(data)
