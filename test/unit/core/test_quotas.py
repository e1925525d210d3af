"""Quotas: what fits, whose they are, and how they are set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.quotas import (
    Quota,
    account_quota,
    container_quota,
    has_policy_quotas,
    is_limit,
    new_quotas,
    policy_quota,
)

SIZES = st.integers(0, 1 << 50)
POLICIES = {"gold": 0, "silver": 1}


def account(sysmeta: dict[str, str], meta: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """An account's info."""
    return {"sysmeta": sysmeta, "meta": meta or {}, "bytes": 10, "total_object_count": 2, **more}


@given(SIZES, SIZES, SIZES)
def test_bytes_fit_up_to_the_quota_and_no_further(most: int, used: int, size: int) -> None:
    assert Quota(most, None, used, 7).has_room(size) == (used + size <= most)


@given(SIZES, SIZES)
def test_one_object_more_must_fit(most: int, used: int) -> None:
    assert Quota(None, most, 0, used).has_room(99) == (used < most)


def test_both_limits_hold() -> None:
    assert Quota(10, 2, 5, 1).has_room(5)
    assert not Quota(10, 2, 5, 2).has_room(5)
    assert not Quota(10, 2, 6, 1).has_room(5)


@pytest.mark.parametrize("text", [None, "", "0", "5", "00012", "9" * 30])
def test_limits(text: str | None) -> None:
    assert is_limit(text)


@pytest.mark.parametrize("text", ["-1", "1.5", " 1", "1e3", "x", "\u0665", "\u00b2"])
def test_no_limits(text: str) -> None:
    assert not is_limit(text)


def test_a_container_without_quota_has_none() -> None:
    assert container_quota({"meta": {"colour": "blue"}, "bytes": 1, "object_count": 1}) is None


def test_a_containers_quota() -> None:
    info = {"meta": {"quota-bytes": "5", "quota-count": "x"}, "bytes": "3", "object_count": "1"}
    assert container_quota(info) == Quota(5, None, 3, 1)


def test_an_accounts_quota() -> None:
    assert account_quota(account({})) is None
    assert account_quota(account({"quota-bytes": "5"}, {"quota-bytes": "7"})) == Quota(5, None, 10, 2)
    assert account_quota(account({}, {"quota-bytes": "7"})) == Quota(7, None, 10, 2)
    assert account_quota(account({"quota-count": "0"})) == Quota(None, 0, 10, 2)
    assert account_quota(account({"quota-bytes": "-1"})) == Quota(None, None, 10, 2)


def test_a_policys_quota() -> None:
    info = account(
        {"quota-bytes-policy-1": "9", "quota-count-policy-0": "3"},
        storage_policies={"1": {"bytes": 8, "object_count": 4, "container_count": 1}},
    )
    assert has_policy_quotas(info)
    assert policy_quota(info, "1") == Quota(9, None, 8, 4)
    assert policy_quota(info, "0") == Quota(None, 3, 0, 0)
    assert policy_quota(info, "2") is None
    assert not has_policy_quotas(account({"quota-bytes": "1"}))


def test_what_a_request_sets() -> None:
    assert new_quotas({"x-account-meta-colour": "blue"}, POLICIES) == []
    sent = {
        "x-account-quota-bytes": "1",
        "x-account-quota-count-policy-silver": "x",
        "x-remove-account-quota-count": "yes",
        "x-account-quota-count": "5",
        "x-account-quota-bytes-policy-lead": "5",
    }
    assert dict(new_quotas(sent, POLICIES)) == {
        "x-account-sysmeta-quota-bytes": "1",
        "x-account-sysmeta-quota-count": "",
        "x-account-sysmeta-quota-count-policy-1": "x",
    }


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ({"x-account-meta-quota-bytes": "3"}, "3"),
        ({"x-account-meta-quota-bytes": "3", "x-account-quota-bytes": "9"}, "9"),
        ({"x-account-meta-quota-bytes": "3", "x-account-quota-bytes": ""}, "3"),
        ({"x-remove-account-meta-quota-bytes": "x"}, ""),
        ({"x-account-quota-bytes": "9", "x-remove-account-quota-bytes": "x"}, ""),
    ],
)
def test_the_old_way(sent: dict[str, str], value: str) -> None:
    assert new_quotas(sent, POLICIES) == [("x-account-sysmeta-quota-bytes", value)]
