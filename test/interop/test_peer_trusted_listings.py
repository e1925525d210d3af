"""Specifies what our proxy's listings promise where some or all container servers are OpenStack Swift's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interop import lab
from interop.cloud import Cloud, running, token
from interop.lab import wait_until

SILENT = "does not say what it knows"
OBJECTS = 25


@pytest.fixture(autouse=True)
def changes_are_answered_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxies wait no longer than by default for the last replica: listings have to be right without it."""
    monkeypatch.setattr(lab, "POST_QUORUM", "")


def names(cloud: Cloud) -> list[str]:
    """The listing of the container, through our proxy."""
    answer = cloud.ask("ours", "GET", "/c", query="format=json")
    assert answer.status == 200
    return [entry["name"] for entry in json.loads(answer.body)]


def notices(cloud: Cloud) -> int:
    """How often our proxy said of a server that it cannot be asked."""
    return cloud.proxies["ours"].output.read_text().count(SILENT)


def test_with_their_servers_only_listings_lag_and_the_proxy_says_so_once(tmp_path: Path) -> None:
    with running(tmp_path, ("theirs",) * 3) as cloud:
        cloud.token = token(cloud, "ours")
        assert cloud.ask("ours", "PUT", "/c").status == 201
        for number in range(OBJECTS):
            assert cloud.ask("ours", "PUT", f"/c/{number:02}", body=b"x").status == 201
            names(cloud)
        wait_until(lambda: len(names(cloud)) == OBJECTS, "the listing is complete in the end")
        wait_until(lambda: notices(cloud), "the proxy says so")
        assert notices(cloud) <= 3


@pytest.mark.parametrize("sides", [("ours", "theirs", "ours"), ("theirs", "ours", "ours")])
def test_with_enough_of_ours_among_them_the_very_next_listing_shows_a_change(
    tmp_path: Path, sides: tuple[str, ...]
) -> None:
    with running(tmp_path, sides) as cloud:
        cloud.token = token(cloud, "ours")
        assert cloud.ask("ours", "PUT", "/c").status == 201
        expected: list[str] = []
        for number in range(OBJECTS):
            expected.append(f"{number:02}")
            assert cloud.ask("ours", "PUT", f"/c/{number:02}", body=b"x").status == 201
            assert names(cloud) == expected
            assert cloud.ask("ours", "HEAD", "/c").headers["x-container-object-count"] == str(len(expected))
            if number % 3 == 0:
                assert cloud.ask("ours", "DELETE", f"/c/{expected.pop(0)}").status == 204
                assert names(cloud) == expected
        assert notices(cloud) <= 1
