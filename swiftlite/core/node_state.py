"""What the kernel's files and a quarantine say of a node, in the words of /recon (formats.md 5.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def load(text: str) -> dict[str, float | int | str]:
    """The averages and processes of ``/proc/loadavg``."""
    one, five, fifteen, tasks, last = text.split()
    return {"1m": float(one), "5m": float(five), "15m": float(fifteen), "tasks": tasks, "processes": int(last)}


def memory(text: str) -> dict[str, str]:
    """Each line of ``/proc/meminfo``, its unit with it."""
    lines = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in lines}


def mounts(text: str) -> list[dict[str, str]]:
    """Device and path of each line of ``/proc/mounts``."""
    return [{"device": words[0], "path": words[1]} for words in map(str.split, text.splitlines()) if len(words) >= 2]


def sockets(text: str, text_6: str, page: int) -> dict[str, int]:
    """The TCP sockets of ``/proc/net/sockstat`` and ``sockstat6``; memory in bytes. `page`: bytes of one."""
    found: dict[str, int] = {}
    tcp = _counters(text, "TCP:")
    if tcp:
        found["tcp_in_use"], found["orphan"], found["time_wait"] = tcp["inuse"], tcp["orphan"], tcp["tw"]
        found["tcp_mem_allocated_bytes"] = tcp["mem"] * page
    tcp_6 = _counters(text_6, "TCP6:")
    if tcp_6:
        found["tcp6_in_use"] = tcp_6["inuse"]
    return found


def _counters(text: str, protocol: str) -> dict[str, int]:
    for line in text.splitlines():
        first, *words = line.split()
        if first == protocol:
            return dict(zip(words[::2], map(int, words[1::2])))
    return {}


def quarantined(counts: Mapping[str, int]) -> dict[str, Any]:
    """The counts of a node's quarantines by kind and storage policy.

    :param counts: things below each directory of a quarantine: ``accounts``, ``containers``, ``objects``, ``objects-1``…
    """
    found: dict[str, Any] = {"objects": 0, "containers": 0, "accounts": 0, "policies": {}}
    for kind, count in counts.items():
        if kind.partition("-")[0] == "objects":
            found["objects"] += count
            if count:
                found["policies"][kind.partition("-")[2] or "0"] = {"objects": count}
        elif kind in found:
            found[kind] += count
    return found
