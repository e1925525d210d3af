"""A bounded memory of the containers whose updates have waited longest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.oldest import OldestPending, combined


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 50)), max_size=40), st.integers(1, 4))
def test_it_names_the_oldest_update_of_each_container(updates: list[tuple[str, int]], count: int) -> None:
    pending = OldestPending(100)
    for container, moment in updates:
        pending.add("a", container, float(moment))
    oldest = {container: min(m for c, m in updates if c == container) for container, _ in updates}
    expected = sorted((moment, container) for container, moment in oldest.items())
    found = pending.statistics(60.0, count)
    assert found["failures_account_container_count"] == len(oldest)
    assert found["failures_oldest_timestamp"] == (expected[0][0] if expected else None)
    assert found["failures_oldest_timestamp_age"] == (60.0 - expected[0][0] if expected else None)
    entries = found["failures_oldest_timestamp_account_containers"]
    assert entries["oldest_count"] == len(entries["oldest_entries"])
    assert [(e["timestamp"], e["container"]) for e in entries["oldest_entries"]] == expected[:count]


def test_the_newest_are_forgotten() -> None:
    pending = OldestPending(2)
    for moment, container in ((5, "five"), (9, "nine"), (1, "one"), (7, "seven")):
        pending.add("a", container, float(moment))
    entries = pending.statistics(10.0, 9)["failures_oldest_timestamp_account_containers"]["oldest_entries"]
    assert [entry["container"] for entry in entries] == ["one", "five"]


def test_the_statistics_of_a_node() -> None:
    devices = []
    for moments in ((5.0, 3.0), (4.0,), ()):
        pending = OldestPending(9)
        for moment in moments:
            pending.add("a", f"c{moment:g}", moment)
        devices.append(pending.statistics(10.0, 5))
    found = combined(devices, 2)
    assert found["failures_oldest_timestamp"] == 3.0
    assert found["failures_oldest_timestamp_age"] == 7.0
    assert found["failures_account_container_count"] == 2
    entries = found["failures_oldest_timestamp_account_containers"]
    assert entries["oldest_count"] == 2
    assert [entry["container"] for entry in entries["oldest_entries"]] == ["c3", "c4"]


def test_the_statistics_of_no_device() -> None:
    found = combined([], 5)
    assert found["failures_oldest_timestamp"] is None and found["failures_account_container_count"] == 0
