"""OldestPending: which containers have waited longest for their updates; a bounded memory for statistics."""

from __future__ import annotations

from bisect import insort
from typing import Any

Entry = tuple[float, tuple[str, str]]


class OldestPending:
    """Remembers the oldest update of each container, of the containers with the oldest ones.

    :param most: containers that are remembered; the ones with the newest updates are forgotten first
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._entries: list[Entry] = []
        self._times: dict[tuple[str, str], float] = {}

    def add(self, account: str, container: str, moment: float) -> None:
        """Note an update that could not be delivered.

        :param moment: when the change was made, in seconds since the epoch
        """
        key = (account, container)
        known = self._times.get(key)
        if known is not None:
            if moment >= known:
                return
            self._entries.remove((known, key))
        self._times[key] = moment
        insort(self._entries, (moment, key))
        if len(self._entries) > self.most:
            _, newest = self._entries.pop()
            del self._times[newest]

    def statistics(self, now: float, count: int) -> dict[str, Any]:
        """What a recon cache says of one device, under the names that OpenStack Swift uses.

        :param now: seconds since the epoch
        :param count: containers that are named
        """
        oldest = self._entries[0][0] if self._entries else None
        entries = [
            {"timestamp": moment, "account": account, "container": container}
            for moment, (account, container) in self._entries[:count]
        ]
        return {
            "failures_oldest_timestamp": oldest,
            "failures_oldest_timestamp_age": None if oldest is None else now - oldest,
            "failures_account_container_count": len(self._entries),
            "failures_oldest_timestamp_account_containers": _named(entries),
        }


def combined(devices: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """The statistics of a node from those of its devices."""
    oldest = [s["failures_oldest_timestamp"] for s in devices if s.get("failures_oldest_timestamp") is not None]
    ages = [s["failures_oldest_timestamp_age"] for s in devices if s.get("failures_oldest_timestamp_age") is not None]
    entries = [
        entry
        for statistics in devices
        for entry in statistics.get("failures_oldest_timestamp_account_containers", {}).get("oldest_entries", [])
    ]
    entries.sort(key=lambda entry: float(entry["timestamp"]))
    return {
        "failures_oldest_timestamp": min(oldest, default=None),
        "failures_oldest_timestamp_age": max(ages, default=None),
        "failures_account_container_count": max(
            (s.get("failures_account_container_count", 0) for s in devices), default=0
        ),
        "failures_oldest_timestamp_account_containers": _named(entries[:count]),
    }


def _named(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"oldest_count": len(entries), "oldest_entries": entries}
