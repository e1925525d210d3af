"""Timestamps: the vectors of formats.md 11, and the laws of order and spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.timestamp import (
    MAX_RAW,
    Timestamp,
    decode_timestamps,
    encode_timestamps,
    normal_delete_at,
)


def from_parts(raw, offset=0):
    return Timestamp(Timestamp("0000000000.00000", delta=raw), offset=offset)


timestamps = st.builds(from_parts, st.integers(0, MAX_RAW), st.sampled_from([0, 0, 1, 42, 2**64 - 1]))
plain_timestamps = st.builds(from_parts, st.integers(0, MAX_RAW))


@given(timestamps)
def test_every_spelling_reads_back(timestamp):
    assert Timestamp(timestamp.internal) == timestamp
    assert Timestamp(timestamp.short) == timestamp
    assert Timestamp(timestamp.normal).raw == timestamp.raw


@given(timestamps, timestamps)
def test_order_is_that_of_the_internal_text(one, other):
    assert (one < other) == (one.internal < other.internal)
    assert (one == other) == (one.internal == other.internal)


@given(timestamps, timestamps)
def test_inversion_turns_the_order_round(one, other):
    if one.raw != other.raw:
        assert (one < other) == (~other < ~one)


@given(plain_timestamps, plain_timestamps, plain_timestamps)
def test_three_in_one_text_read_back(data, content_type, metadata):
    encoded = encode_timestamps(data, content_type, metadata)
    assert decode_timestamps(encoded) == (data, content_type, metadata)


def test_encoding_vectors():
    data, later = Timestamp("1402464677.04188"), Timestamp("1402464677.04198")
    assert encode_timestamps(data, data, later) == "1402464677.04188+0+a"
    assert encode_timestamps(data, data, data) == "1402464677.04188"
    assert encode_timestamps(data, data, explicit=True) == "1402464677.04188+0"
    assert encode_timestamps(Timestamp("1402464677.04188"), Timestamp("1402464677.04162")) == "1402464677.04188-1a"


def test_decoding_keeps_the_offset_where_nothing_changed():
    offset = Timestamp("1402464677.04188", offset=0x2A)
    assert decode_timestamps("1402464677.04188_2a+0+a") == (offset, offset, Timestamp("1402464677.04198"))
    assert decode_timestamps("1402464677.04188", explicit=True)[1:] == (None, None)


def test_inversion_vectors():
    assert (~Timestamp("1402464677.04188")).internal == "8597535322.95811"
    assert (~Timestamp("1402464677.04188", offset=1)).internal == "8597535322.95810_ffffffffffffffff"


def test_dates():
    timestamp = Timestamp("1402464677.04188")
    assert timestamp.isoformat == "2014-06-11T05:31:17.041880"
    assert timestamp.ceil() == 1402464678
    assert Timestamp("1402464677.00000").ceil() == 1402464677
    assert Timestamp(1402464677.041884).normal == "1402464677.04188"


@pytest.mark.parametrize(
    "bad", ["", "x", "1_2_3", "1_", "1_g", "1_11112222333344445", "-1", "10000000000", "nan", "inf", "1402464677.0_-1"]
)
def test_what_is_no_timestamp_is_refused(bad):
    with pytest.raises(ValueError):
        Timestamp(bad)


@pytest.mark.parametrize("bad", ["1402464677.04188+1+1+1", "+1"])
def test_what_is_no_encoding_is_refused(bad):
    with pytest.raises(ValueError):
        decode_timestamps(bad)


def test_delete_at_is_ten_digits_in_range():
    assert normal_delete_at("1400000000.9") == "1400000000"
    assert normal_delete_at(-5) == "0000000000"
    assert normal_delete_at("99999999999") == "9999999999"
    with pytest.raises(ValueError):
        normal_delete_at("soon")
