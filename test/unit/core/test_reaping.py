"""When an account may be emptied, what other replicas' answers mean, who deletes which container."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.reaping import Stand, is_due, outcome, share_of, stand_of, stand_of_refusal, summary
from swiftlite.core.timestamp import Timestamp

DELETION = Timestamp(1000)
DELETED = {"X-Account-Status": "Deleted"}


@pytest.mark.parametrize(
    "put, delete, now, delay, expected",
    [
        (10, 1000, 1001, 0, True),
        (10, 1000, 1000, 0, False),
        (10, 1000, 1100, 100, False),
        (10, 1000, 1100.001, 100, True),
        (1000, 1000, 5000, 0, False),  # created anew at the same moment
        (1001, 1000, 5000, 0, False),
        (10, 0, 5000, 0, False),
        (0, 0, 5000, 0, False),
        (10, 6000, 5000, 0, False),  # a clock that is ahead
    ],
)
def test_due(put: float, delete: float, now: float, delay: float, expected: bool) -> None:
    assert is_due(Timestamp(put), Timestamp(delete), now, delay) is expected


@pytest.mark.parametrize(
    "status, headers, expected",
    [
        (404, DELETED, Stand.DELETED),
        (404, DELETED | {"X-Backend-PUT-Timestamp": "0000000999.99999"}, Stand.DELETED),
        (404, DELETED | {"X-Backend-PUT-Timestamp": "0000001000.00000"}, Stand.RECREATED),  # by replication
        (404, DELETED | {"X-Backend-PUT-Timestamp": "soon"}, Stand.UNKNOWN),
        (404, {}, Stand.MISSING),
        (404, {"X-Backend-PUT-Timestamp": "0000001000.00000"}, Stand.MISSING),
        (404, {"X-Account-Status": "alive"}, Stand.MISSING),
        (204, {"X-PUT-Timestamp": "0000001000.00001"}, Stand.RECREATED),
        (204, {"X-PUT-Timestamp": "0000001000.00000"}, Stand.RECREATED),
        (204, {"X-PUT-Timestamp": "0000000999.99999"}, Stand.UNCLEAR),
        (200, {"X-PUT-Timestamp": "0000000999.99999"}, Stand.UNCLEAR),
        (204, {}, Stand.UNKNOWN),
        (204, {"X-PUT-Timestamp": "soon"}, Stand.UNKNOWN),
        (204, DELETED, Stand.UNKNOWN),
        (403, DELETED, Stand.UNKNOWN),
        (410, DELETED, Stand.UNKNOWN),
        (500, DELETED, Stand.UNKNOWN),
        (507, {}, Stand.UNKNOWN),
        (0, {}, Stand.UNKNOWN),
    ],
)
def test_what_a_replica_says(status: int, headers: dict[str, str], expected: Stand) -> None:
    assert stand_of(status, headers, DELETION) is expected


@pytest.mark.parametrize(
    "status, headers, expected",
    [
        (403, DELETED, Stand.DELETED),
        (403, {}, Stand.UNKNOWN),
        (404, DELETED, Stand.UNKNOWN),
        (201, {}, Stand.LAGS),
        (202, DELETED, Stand.LAGS),
        (409, DELETED, Stand.UNKNOWN),
        (0, {}, Stand.UNKNOWN),
    ],
)
def test_what_a_refused_put_says(status: int, headers: dict[str, str], expected: Stand) -> None:
    assert stand_of_refusal(status, headers) is expected


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 7))
def test_each_container_is_one_replicas_share(container: str, replicas: int) -> None:
    assert [share_of(container, replicas) == index for index in range(replicas)].count(True) == 1


def test_shares_are_those_of_md5() -> None:
    for name in ("a", "é 漢", "x" * 256):
        digest = hashlib.md5(name.encode()).digest()
        assert share_of(name, 3) == int.from_bytes(digest, "big") % 3


@pytest.mark.parametrize(
    "statuses, expected",
    [
        ([204, 204, 204], "deleted"),
        ([204, 404, 404], "deleted"),
        ([204, 204, 0], "deleted"),
        ([204, 503, 0], "possibly_remaining"),
        ([204, 409], "possibly_remaining"),
        ([409, 507, 0], "remaining"),
        ([0, 0, 0], "remaining"),
        ([], "remaining"),
    ],
)
def test_outcome(statuses: list[int], expected: str) -> None:
    assert outcome(statuses) == expected


def test_summary() -> None:
    assert summary({}) == "nothing to do"
    counts = {"2xx": 7, "4xx": 2, "objects_deleted": 3, "containers_deleted": 1, "objects_possibly_remaining": 1}
    assert summary(counts) == (
        "1 containers deleted, 3 objects deleted, 1 objects possibly remaining, return codes: 7 2xxs, 2 4xxs"
    )
