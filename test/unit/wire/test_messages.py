"""Messages between servers: what one end writes, the other reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.timestamp import Timestamp
from swiftlite.wire.messages import (
    AccountUpdate,
    BadMessage,
    DigestTrailer,
    ObjectOrder,
    ObjectRowUpdate,
    RowReport,
    UpdateTargets,
    found_by,
    found_headers,
)

timestamps = st.integers(0, 10**14).map(lambda raw: Timestamp(Timestamp(0), delta=raw))
counts = st.integers(0, 2**60)
words = st.text("abcdefgh0123456789.:", min_size=1)


@st.composite
def targets(draw, kind):
    pairs = draw(st.lists(st.tuples(words, words), min_size=1, max_size=4))
    hosts, devices = zip(*pairs, strict=True)
    extra = draw(st.none() | words)
    if kind == "Container":
        return UpdateTargets(kind, hosts, devices, "7", root_db_state=extra)
    return UpdateTargets(kind, hosts, devices, "7", container=extra if kind == "Delete-At" else None)


@given(st.builds(RowReport, st.lists(words).map(tuple), st.none() | st.dictionaries(words, st.text(max_size=9))))
def test_reports_of_rows_read_back(report):
    assert RowReport.from_headers(dict(report.to_headers())) == report
    assert all(value.isascii() and value.isprintable() for _, value in report.to_headers())


@pytest.mark.parametrize("row", ["{", "[]", "7", "\xff"])
def test_a_report_whose_row_nobody_can_read_still_says_who_has_it(row):
    headers = {"X-Backend-Container-Updated": "h:1/d", "X-Backend-Container-Row": row}
    assert RowReport.from_headers(headers) == RowReport(("h:1/d",))
    assert RowReport.from_headers({}) is None


@given(st.builds(AccountUpdate, timestamps, timestamps, counts, counts, st.integers(0, 9), st.booleans()))
def test_account_updates_read_back(update):
    assert AccountUpdate.from_headers(update.to_headers()) == update


@given(
    st.builds(
        ObjectRowUpdate,
        st.just("PUT"),
        timestamps,
        st.integers(0, 9),
        counts,
        words,
        words,
        st.none() | timestamps,
        st.none() | timestamps,
    )
    | st.tuples(st.just("DELETE"), timestamps, st.integers(0, 9)).map(lambda fields: ObjectRowUpdate(*fields))
)
def test_row_updates_read_back(update):
    assert ObjectRowUpdate.from_headers(update.operation, update.to_headers()) == update


@given(
    st.builds(
        ObjectOrder,
        timestamps,
        st.integers(0, 9),
        st.none() | targets("Container"),
        st.none() | targets("Delete-At"),
        st.none() | words,
        st.booleans(),
        st.none() | st.integers(0, 32),
    )
)
def test_object_orders_read_back(order):
    assert ObjectOrder.from_headers(order.to_headers()) == order


@pytest.mark.parametrize("value", ["33", "-1", "x", "1.0", "٣", "9" * 5000])
def test_a_partition_power_that_is_none_is_refused(value):
    headers = ObjectOrder(Timestamp(1)).to_headers() | {"X-Backend-Next-Part-Power": value}
    with pytest.raises(BadMessage, match="X-Backend-Next-Part-Power"):
        ObjectOrder.from_headers(headers)


def test_lists_of_unequal_length_are_refused():
    headers = {"X-Account-Host": "h:1,h:2", "X-Account-Device": "d", "X-Account-Partition": "3"}
    with pytest.raises(BadMessage, match="same number of entries"):
        UpdateTargets.from_headers("Account", headers)


@pytest.mark.parametrize("kind", ["Account", "Container", "Delete-At"])
def test_without_a_partition_nobody_is_told(kind):
    assert UpdateTargets.from_headers(kind, {f"X-{kind}-Host": "h:1", f"X-{kind}-Device": "d"}) is None


@pytest.mark.parametrize("missing", ["X-Timestamp", "X-Size", "X-Content-Type", "X-Etag"])
def test_a_row_needs_all_its_headers(missing):
    headers = ObjectRowUpdate("PUT", Timestamp(1), 0, 3, "a/b", "e").to_headers()
    del headers[missing]
    with pytest.raises(BadMessage, match=f"Missing {missing} header"):
        ObjectRowUpdate.from_headers("PUT", headers)


@pytest.mark.parametrize(("name", "value"), [("X-Timestamp", "soon"), ("X-Size", "big")])
def test_a_row_with_an_unreadable_header_is_refused(name, value):
    headers = ObjectRowUpdate("PUT", Timestamp(1), 0, 3, "a/b", "e").to_headers() | {name: value}
    with pytest.raises(BadMessage, match=f"Invalid {name} header"):
        ObjectRowUpdate.from_headers("PUT", headers)


checksums = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(st.builds(DigestTrailer, checksums, checksums))
def test_digests_read_back(digest):
    assert DigestTrailer.from_headers(digest.to_headers()) == digest


@pytest.mark.parametrize("name", ["X-Backend-Etag", "X-Backend-Fingerprint"])
@pytest.mark.parametrize(
    "value", [None, "", "x" * 32, "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n", "a" * 32 + "," + "b" * 32]
)
def test_a_digest_that_is_none_is_refused(name, value):
    headers = DigestTrailer("0" * 32, "1" * 32).to_headers()
    headers.pop(name) if value is None else headers.update({name: value})
    with pytest.raises(BadMessage, match=name):
        DigestTrailer.from_headers(headers)


@pytest.mark.parametrize(
    ("value", "agreed"), [("yes", True), ("Yes", True), ("no", False), ("", False), ("yes,yes", False)]
)
def test_a_digest_is_agreed_on_by_one_word(value, agreed):
    assert DigestTrailer.is_agreed({DigestTrailer.HEADER[0]: value}) is agreed
    assert not DigestTrailer.is_agreed({})


@given(st.none() | timestamps)
def test_what_was_found_survives_the_wire(found):
    assert found_by(found_headers(found)) == found


@pytest.mark.parametrize("text", ["", "1 2", "a", "-1"])
def test_what_was_found_says_nothing_where_it_cannot_be_read(text):
    assert found_by({"X-Backend-Found": text}) is None
