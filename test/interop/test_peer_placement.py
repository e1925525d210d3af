"""Placement: from the same devices and the same ring, ours is as balanced and spread as the peer's, and moves no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop import peer
from swiftlite.ring.builder import RingBuilder

Device = dict[str, Any]
Change = dict[str, Any]


def device(region: int, zone: int, host: int, disk: int, weight: float = 100.0) -> Device:
    """Return a device as both builders take it."""
    ip = f"10.{region}.{zone}.{host}"
    where = {"region": region, "zone": zone, "ip": ip, "port": 6200, "device": f"sd{disk}", "weight": weight}
    return where | {"replication_ip": ip, "replication_port": 6200, "meta": ""}


def grid(zones: list[tuple[int, int]], hosts: int, weights: list[float]) -> list[Device]:
    """Return so many hosts in each (region, zone), each with a disk of each weight."""
    return [
        device(region, zone, host, disk, weight)
        for region, zone in zones
        for host in range(1, hosts + 1)
        for disk, weight in enumerate(weights)
    ]


CLUSTERS: dict[str, dict[str, Any]] = {
    "three zones": {"devices": grid([(1, 1), (1, 2), (1, 3)], 3, [100.0] * 4)},
    "one zone, mixed weights": {"devices": grid([(1, 1)], 8, [100.0, 100.0, 200.0, 400.0])},
    "two regions": {"devices": grid([(1, 1), (1, 2), (2, 1)], 3, [100.0, 160.0])},
    "two regions, overload": {"devices": grid([(1, 1), (1, 2), (2, 1)], 3, [100.0, 160.0]), "overload": 0.1},
    "uneven zones": {
        "devices": grid([(1, 1)], 2, [100.0] * 2) + grid([(1, 2)], 3, [100.0] * 4) + grid([(1, 3)], 1, [300.0] * 5)
    },
    "fourth replica for some": {"devices": grid([(1, z) for z in range(1, 6)], 2, [100.0, 50.0]), "replicas": 3.25},
}
CHANGES: dict[str, Change] = {
    "add a disk": {"add": [device(1, 1, 1, 9)]},
    "add a zone": {"add": grid([(1, 9)], 2, [100.0] * 3)},
    "remove a disk": {"remove": [2]},
    "drain a disk": {"weights": {3: 0.0}},
    "double some weights": {"weights": {0: 200.0, 5: 200.0}},
}
POWER = 9

PEER = """
from swift.common.ring.builder import RingBuilder
answer = {}
for name, cluster in argument["clusters"].items():
    path = argument["directory"] + "/" + name + ".builder"
    builder = RingBuilder(argument["power"], cluster.get("replicas", 3), 1)
    builder.set_overload(cluster.get("overload", 0.0))
    for device in cluster["devices"]:
        builder.add_dev(dict(device))
    builder.rebalance(seed=1)
    builder.save(path)
    answer[name] = {"new": [builder.get_balance(), builder.dispersion]}
    for title, change in argument["changes"].items():
        builder = RingBuilder.load(path)
        for device in change.get("add", []):
            builder.add_dev(dict(device))
        for device_id in change.get("remove", []):
            builder.remove_dev(device_id)
        for device_id, weight in change.get("weights", {}).items():
            builder.set_dev_weight(int(device_id), weight)
        builder.pretend_min_part_hours_passed()
        before = [row[:] for row in builder._replica2part2dev]
        builder.rebalance(seed=2)
        # Counted here: the tool's own count leaves out what has no fourth replica.
        moved = sum(sum(map(int.__ne__, *pair)) for pair in zip(before, builder._replica2part2dev))
        wanted = sum(max(dev["parts_wanted"], 0) for dev in builder.devs if dev)
        answer[name][title] = [builder.get_balance(), builder.dispersion, moved + wanted]
"""


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The peer's builder files, and the balance and dispersion that it reached, with the moves made and still due."""
    directory = tmp_path_factory.mktemp("placement")
    (directory / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    asked = {"clusters": CLUSTERS, "changes": CHANGES, "power": POWER, "directory": str(directory)}
    yield directory, peer.evaluate(directory, PEER, asked)


def change(builder: RingBuilder, what: Change) -> None:
    """Do what the peer's snippet does."""
    for added in what.get("add", []):
        builder.add_device(added)
    for device_id in what.get("remove", []):
        builder.remove_device(device_id)
    for device_id, weight in what.get("weights", {}).items():
        builder.set_weight(device_id, weight)
    builder.pretend_min_part_hours_passed()


def one_partition(builder: RingBuilder) -> float:
    """Return by how many percent the smallest device is off when it holds one partition too many."""
    total = sum(each["weight"] for each in builder.present)
    least = min(each["weight"] for each in builder.present if each["weight"])
    return 100.0 * total / least / builder.partition_count / builder.replicas


def one_replica(builder: RingBuilder) -> float:
    """Return by how many percent dispersion is up when one more replica is too close to another."""
    return 100.0 / builder.partition_count / builder.replicas


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_new_ring_is_as_balanced_and_spread(name: str, peers: tuple[Path, dict[str, Any]]) -> None:
    balance, dispersion = peers[1][name]["new"]
    cluster = CLUSTERS[name]
    builder = RingBuilder(POWER, cluster.get("replicas", 3), 1)
    builder.set_overload(cluster.get("overload", 0.0))
    change(builder, {"add": cluster["devices"]})
    builder.rebalance(seed=1)
    assert builder.balance <= balance + one_partition(builder)
    assert builder.dispersion <= dispersion + one_replica(builder) + 1e-9


@pytest.mark.parametrize("title", CHANGES)
@pytest.mark.parametrize("name", CLUSTERS)
def test_a_changed_ring_is_as_balanced_and_spread_and_moves_no_more(
    name: str, title: str, peers: tuple[Path, dict[str, Any]]
) -> None:
    directory, answers = peers
    balance, dispersion, moves = answers[name][title]
    builder = RingBuilder.load(directory / f"{name}.builder")
    change(builder, CHANGES[title])
    moved, _, _ = builder.rebalance(seed=2)
    builder.validate()
    assert builder.balance <= balance + one_partition(builder)
    assert builder.dispersion <= dispersion + one_replica(builder) + 1e-9
    # Either side takes a detour now and then where a replica fits on no device in need.
    assert moved <= moves * 1.02 + 1
