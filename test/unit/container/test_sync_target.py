"""Targets of container sync: accepted, or refused with the reason."""

from __future__ import annotations

import pytest

from swiftlite.container.sync_target import sync_target_problem

ALLOWED = frozenset({"127.0.0.1", "other"})


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1/v1/a/c", "https://other:8080/v1/AUTH_t/c%20d", "http://OTHER/v1/a/c"]
)
def test_good_targets(url: str) -> None:
    assert sync_target_problem(url, ALLOWED) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("//realm/cluster/a/c", "no realms are configured"),
        ("ftp://other/v1/a/c", "must begin with http:// or https://, not 'ftp'"),
        ("other/v1/a/c", "of the form"),
        ("http://other/v1/a", "of the form"),
        ("http://other/v1/a/c/o", "of the form"),
        ("http://other/v1/a/c?x=y", "neither query nor fragment"),
        ("http://other/v1/a/c#x", "neither query nor fragment"),
        ("http://[other/v1/a/c", "of the form"),
        ("http://127.0.0.1@evil/v1/a/c", "'evil' is not allowed"),
        ("http://127.0.0.1.evil/v1/a/c", "'127.0.0.1.evil' is not allowed"),
        ("http:///v1/a/c", "None is not allowed"),
    ],
)
def test_bad_targets(url: str, says: str) -> None:
    problem = sync_target_problem(url, ALLOWED)
    assert problem is not None
    assert says in problem
