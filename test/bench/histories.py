"""Histories of growing clusters, seeded: what an operator adds, drains, removes and sets, step by step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FIRST = 10
"""Devices of a cluster when it starts."""

_GROWTHS = 10
_FAILING = 0.02


@dataclass
class Step:
    """One change, after which the ring is rebalanced.

    ``added`` are whole devices with their ids, ``removed`` ids, ``weights`` new weights by id; ``overload`` None leaves it.
    """

    title: str
    added: list[dict[str, Any]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    weights: dict[int, float] = field(default_factory=dict)
    overload: float | None = None


class Fleet:
    """The devices of a cluster, oldest first."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.devices: dict[int, dict[str, Any]] = {}
        self._ids = 0
        self._servers = 0

    def server(self, region: int, zone: int, disks: int, weight: float) -> Iterator[dict[str, Any]]:
        """Rack a server: yields its devices."""
        self._servers += 1
        ip = f"10.{region}.{self._servers // 250}.{1 + self._servers % 250}"
        for disk in range(disks):
            yield self.device({"region": region, "zone": zone, "ip": ip, "device": f"d{disk}", "weight": weight})

    def device(self, place: dict[str, Any]) -> dict[str, Any]:
        """Put a device in."""
        device = {
            "port": 6200, "replication_ip": place["ip"], "replication_port": 6200, "meta": "", **place, "id": self._ids
        }  # fmt: skip
        self.devices[self._ids] = device
        self._ids += 1
        return device

    def grow(self, title: str, goal: int, zones: list[tuple[int, int]], disks: int, weight: float) -> Step:
        """Add servers, turn about in some zones, until there are so many devices."""
        step = Step(f"{title}, {weight / 1000:g} TB")
        turn = 0
        while len(self.devices) < goal:
            region, zone = zones[turn % len(zones)]
            step.added += self.server(region, zone, min(disks, goal - len(self.devices)), weight)
            turn += 1
        return step

    def remove(self, title: str, ids: list[int]) -> Step:
        """Take devices out."""
        for device_id in ids:
            del self.devices[device_id]
        return Step(title, removed=ids)

    def fail(self) -> Step:
        """Lose some devices for good."""
        failed = self._failing()
        return self.remove(f"{len(failed)} failed", failed)

    def replace(self, weight: float) -> Step:
        """Lose some devices, and put larger ones into their places."""
        failed = [self.devices[device_id] for device_id in self._failing()]
        step = self.remove(f"{len(failed)} failed, replaced by {weight / 1000:g} TB", [old["id"] for old in failed])
        step.added = [self.device({**old, "device": f"r{old['id']}", "weight": weight}) for old in failed]
        return step

    def _failing(self) -> list[int]:
        return self.chance.sample(sorted(self.devices), max(1, round(len(self.devices) * _FAILING)))

    def drain(self, title: str, ids: list[int]) -> Step:
        """Empty devices before they are taken out."""
        for device_id in ids:
            self.devices[device_id]["weight"] = 0.0
        return Step(title, weights=dict.fromkeys(ids, 0.0))

    def on_server_of(self, device_id: int) -> list[int]:
        """The devices that stand in the same server."""
        ip = self.devices[device_id]["ip"]
        return [other["id"] for other in self.devices.values() if other["ip"] == ip]


def history(size: int, seed: int) -> Iterator[Step]:
    """Ten devices in one zone grow to ``size`` in two regions.

    Each growth about doubles the cluster, with disks larger than before. In between devices fail, some are replaced, one
    server and later the oldest tenth of all devices are drained and removed, and one server is lost at the end.
    """
    fleet = Fleet(seed)
    goals = [round(FIRST * (size / FIRST) ** (growth / _GROWTHS)) for growth in range(_GROWTHS + 1)]
    first, second, third = (1, 1), (1, 2), (1, 3)
    region = [first, second, third]
    everywhere = [*region, (2, 1), (2, 2)]
    disks = [max(2, round(count**0.45)) for count in goals]
    yield fleet.grow("new: one zone", FIRST, [first], 2, 4000.0)
    yield fleet.grow("servers added", goals[1], [first], disks[1], 4000.0)
    yield fleet.fail()
    yield fleet.grow("second zone", goals[2], [second], disks[2], 4000.0)
    yield fleet.grow("third zone", goals[3], [third], disks[3], 8000.0)
    yield fleet.grow("servers added", goals[4], region, disks[4], 8000.0)
    yield fleet.replace(12000.0)
    yield Step("overload set to 10 %", overload=0.1)
    yield fleet.grow("servers added", goals[5], region, disks[5], 12000.0)
    server = fleet.on_server_of(next(iter(fleet.devices)))
    yield fleet.drain("oldest server drained", server)
    yield fleet.remove("and removed", server)
    yield fleet.grow("second region", goals[6], [(2, 1), (2, 2)], disks[6], 12000.0)
    yield fleet.fail()
    yield fleet.grow("servers added", goals[7], everywhere, disks[7], 16000.0)
    oldest = list(fleet.devices)[: len(fleet.devices) // 10]
    yield fleet.drain("oldest tenth drained", oldest)
    yield fleet.remove("and removed", oldest)
    yield fleet.grow("servers added", goals[8], everywhere, disks[8], 16000.0)
    yield fleet.replace(20000.0)
    yield fleet.grow("servers added", goals[9], everywhere, disks[9], 20000.0)
    yield fleet.fail()
    yield fleet.grow("servers added", goals[10], everywhere, disks[10], 20000.0)
    yield fleet.remove("a server is lost", fleet.on_server_of(list(fleet.devices)[-1]))
