"""Prometheus' text format read back, and what is made of its counters and histograms."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.metrics_text import Requests, Sample, parse

TEXT = r"""
# HELP swiftlite_requests_total Requests
# TYPE swiftlite_requests_total counter
swiftlite_requests_total{server="object-server",method="GET",status="200"} 90.0
swiftlite_requests_total{server="object-server",method="PUT",status="503"} 10.0 1700000000000
swiftlite_request_seconds_bucket{server="object-server",method="GET",le="0.01"} 50.0
swiftlite_request_seconds_bucket{server="object-server",method="GET",le="0.1"} 90.0
swiftlite_request_seconds_bucket{server="object-server",method="GET",le="+Inf"} 100.0
swiftlite_request_seconds_sum{server="object-server",method="GET"} 2.0
strange{path="a\\b\"c\n,d={}e"} 1
nothing nan
broken{
alone 5
"""


def test_samples():
    found = parse(TEXT)
    assert found["alone"] == [Sample({}, 5.0)]
    assert found["strange"] == [Sample({"path": 'a\\b"c\n,d={}e'}, 1.0)]
    assert "nothing" not in found
    assert "broken" not in found


@given(st.text())
def test_anything_can_be_read(text):
    parse(text)


def test_requests():
    requests = Requests.read(parse(TEXT))
    assert (requests.count, requests.errors, requests.seconds) == (100, 10, 2)
    assert requests.mean == pytest.approx(0.02)
    assert requests.quantile(0.5) == pytest.approx(0.01)
    assert requests.quantile(0.7) == pytest.approx(0.055)
    assert requests.quantile(0.99) == pytest.approx(0.1)  # all that is known of the slowest
    assert Requests.read(parse("other 1")) is None


def test_what_came_between_two_looks():
    before, after = Requests(10, 1, 1.0, {0.1: 5.0, inf: 10.0}), Requests(30, 2, 4.0, {0.1: 25.0, inf: 30.0})
    assert after.since(before) == Requests(20, 1, 3.0, {0.1: 20.0, inf: 20.0})
    assert before.since(after) == before  # started anew
    assert (before + after).buckets == {0.1: 30.0, inf: 40.0}


def test_without_requests():
    assert Requests().mean is None
    assert Requests().quantile(0.5) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.floats(0.01, 1.0))
def test_a_quantile_lies_within_the_buckets(counts, share):
    ends = [0.01 * 2**place for place in range(len(counts))]
    total, buckets = 0, {}
    for end, count in zip(ends, counts):
        total += count
        buckets[end] = float(total)
    found = Requests(total, 0, 1, buckets).quantile(share)
    assert found is None if not total else 0 <= found <= ends[-1]
