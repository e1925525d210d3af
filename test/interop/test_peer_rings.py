"""Rings: either side's builder writes what both sides' Ring answers alike."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from interop import peer, rings
from swiftlite.core.names import HashPath
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.ring import Ring

HASH_PATH = HashPath(b"pre", b"suf")
BUILDER = Path(__file__).resolve().parents[2] / "bin" / "swiftlite-ring-builder"
NAMES = 10_000
ALPHABET = "abcXYZ019 -_./%?#é漢😀\n"

Steps = list[list[str]]
Build = Callable[[Path, str, Steps], None]

ADD_FLAT = ["add", *(word for n in range(4) for word in (f"r1z1-127.0.0.1:6200/d{n}", "100"))]
ADD_REGIONS = ["add"]
for region, zones in ((1, 3), (2, 2)):
    for zone, host, (disk, weight) in product(range(1, zones + 1), (1, 2), (("a", "100"), ("b", "57.5"))):
        ADD_REGIONS += [f"r{region}z{zone}-10.{region}.{zone}.{host}:6200/sd{disk}", weight]
# A removed device leaves a hole in the device list; weights differ; a third of the partitions have a fourth replica.
RINGS: dict[str, Steps] = {
    "flat": [["create", "8", "3", "1"], ADD_FLAT, ["rebalance", "--seed", "1"]],
    "regions": [["create", "8", "3", "0"], ADD_REGIONS, ["rebalance", "--seed", "2"]],
    "fractional": [["create", "7", "3.3", "0"], ADD_REGIONS, ["rebalance", "--seed", "3"]],
    "hole": [
        *[["create", "8", "3", "0"], ADD_REGIONS, ["rebalance", "--seed", "4"]],
        *[["remove", "d5"], ["remove", "d11"], ["rebalance", "--seed", "5"]],
    ],
    "one device": [["create", "4", "1", "1"], ADD_FLAT[:3], ["rebalance"]],
}


def build_with_peer(directory: Path, builder: str, steps: Steps) -> None:
    """Run some steps of the peer's ring builder."""
    rings.run(directory, [[directory / builder, *step] for step in steps])


def build_with_ours(directory: Path, builder: str, steps: Steps) -> None:
    """Run some steps of our ring builder; 1 is its status for a warning."""
    for step in steps:
        command = [sys.executable, str(BUILDER), str(directory / builder), *step]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode <= 1, done.stdout + done.stderr


def random_names(seed: int) -> list[list[str]]:
    """Return account, container and object names of any length and script."""
    chance = random.Random(seed)
    return [["".join(chance.choices(ALPHABET, k=chance.randint(1, 24))) for _ in range(3)] for _ in range(NAMES)]


PEER_ANSWERS = """
from swift.common.ring import Ring
ring = Ring(argument["directory"], ring_name="object")
parts = [ring.get_part(*names) for names in argument["names"]]
def told(device):
    return [device[key] for key in ("id", "region", "zone", "ip", "port", "device", "replication_ip", "replication_port")]
answer = {"replicas": ring.replica_count, "parts": parts, "nodes": {
    part: [[told(node) + [node["index"]] for node in ring.get_part_nodes(part)],
           [told(node) + [node["handoff_index"]] for node in ring.get_more_nodes(part)]] for part in set(parts)}}
"""


def our_answers(directory: Path, names: list[list[str]]) -> dict[str, Any]:
    """Return what our Ring says, in the shape of PEER_ANSWERS."""
    ring = Ring(directory, "object", hash_path=HASH_PATH)
    parts = [ring.partition(*entry) for entry in names]

    def told(node: Any) -> list[Any]:
        place = [node.id, node.region, node.zone, node.ip, node.port, node.device]
        return [*place, node.replication_ip, node.replication_port]

    nodes = {
        str(part): [
            [[*told(node), node.index] for node in ring.primaries(part)],
            [[*told(node), node.handoff_index] for node in ring.handoffs(part)],
        ]
        for part in set(parts)
    }
    return {"replicas": ring.replicas, "parts": parts, "nodes": nodes}


@pytest.mark.parametrize("build", [build_with_ours, build_with_peer], ids=["our builder", "their builder"])
@pytest.mark.parametrize("steps", RINGS.values(), ids=RINGS)
def test_both_answer_the_same_nodes_and_handoffs(swift_dir: Path, build: Build, steps: Steps) -> None:
    build(swift_dir, "object.builder", steps)
    names = random_names(7)
    ours = our_answers(swift_dir, names)
    theirs = peer.evaluate(swift_dir, PEER_ANSWERS, {"directory": str(swift_dir), "names": names})
    assert len(ours["nodes"]) > 1
    assert ours == theirs


def test_we_read_rings_of_format_2(swift_dir: Path) -> None:
    build_with_peer(swift_dir, "object.builder", RINGS["fractional"])
    names = random_names(8)
    first = our_answers(swift_dir, names)
    build_with_peer(swift_dir, "object.builder", [["write_ring", "--format-version", "2"]])
    assert b"R1NG\x00\x02" in decompressed(swift_dir / "object.ring.gz")[:6]
    assert our_answers(swift_dir, names) == first


@pytest.mark.parametrize("name", ["fractional", "hole"])
def test_the_peer_reads_our_rings_of_format_2(swift_dir: Path, name: str) -> None:
    build_with_ours(swift_dir, "object.builder", RINGS[name])
    builder = RingBuilder.load(swift_dir / "object.builder")
    builder.write_ring(swift_dir / "object.ring.gz", format_version=2)
    assert b"R1NG\x00\x02" in decompressed(swift_dir / "object.ring.gz")[:6]
    names = random_names(11)
    theirs = peer.evaluate(swift_dir, PEER_ANSWERS, {"directory": str(swift_dir), "names": names})
    assert our_answers(swift_dir, names) == theirs


def test_the_peer_reads_wide_device_ids_of_ours(swift_dir: Path) -> None:
    build_with_ours(swift_dir, "object.builder", RINGS["regions"])
    builder = RingBuilder.load(swift_dir / "object.builder")
    where = {"region": 1, "zone": 1, "ip": "10.1.1.9", "port": 6200, "device": "wide", "weight": 100}
    builder.add_device({**where, "id": 70_000})
    builder.pretend_min_part_hours_passed()
    builder.rebalance(seed=1)
    builder.save(swift_dir / "object.builder")
    builder.write_ring(swift_dir / "object.ring.gz", format_version=2)
    peer.run(swift_dir, "swift-ring-builder", swift_dir / "object.builder", "validate")
    names = random_names(12)
    theirs = peer.evaluate(swift_dir, PEER_ANSWERS, {"directory": str(swift_dir), "names": names})
    assert our_answers(swift_dir, names) == theirs
    assert any(70_000 in [node[0] for node in primaries] for primaries, _ in theirs["nodes"].values())


def decompressed(path: Path) -> bytes:
    """Return how the payload of a ring file starts."""
    with gzip.open(path) as file:
        return file.read(64)


def test_the_peer_carries_on_with_our_builder_file(swift_dir: Path) -> None:
    build_with_ours(swift_dir, "object.builder", RINGS["regions"])
    peer.run(swift_dir, "swift-ring-builder", swift_dir / "object.builder", "validate")
    build_with_peer(swift_dir, "object.builder", [["remove", "d3"], ["rebalance", "--seed", "6"]])
    names = random_names(9)
    theirs = peer.evaluate(swift_dir, PEER_ANSWERS, {"directory": str(swift_dir), "names": names})
    assert our_answers(swift_dir, names) == theirs
    assert all(3 not in [node[0] for node in primaries] for primaries, _ in theirs["nodes"].values())


def test_we_carry_on_with_the_peers_builder_file(swift_dir: Path) -> None:
    build_with_peer(swift_dir, "object.builder", RINGS["regions"])
    build_with_ours(swift_dir, "object.builder", [["remove", "d3"], ["rebalance"], ["validate"]])
    names = random_names(10)
    theirs = peer.evaluate(swift_dir, PEER_ANSWERS, {"directory": str(swift_dir), "names": names})
    assert our_answers(swift_dir, names) == theirs
    assert all(3 not in [node[0] for node in primaries] for primaries, _ in theirs["nodes"].values())


@pytest.mark.parametrize("steps", RINGS.values(), ids=RINGS)
def test_the_peer_reports_of_our_builder_file_what_we_report(swift_dir: Path, steps: Steps) -> None:
    build_with_ours(swift_dir, "object.builder", steps)
    builder = RingBuilder.load(swift_dir / "object.builder")
    peer.run(swift_dir, "swift-ring-builder", swift_dir / "object.builder", "validate")
    told = peer.run(swift_dir, "swift-ring-builder", swift_dir / "object.builder", "dispersion", check=False)
    assert told.returncode == (1 if builder.dispersion else 0), told.stdout + told.stderr
    assert f"Dispersion is {builder.dispersion:f}, Balance is {builder.balance:f}" in told.stdout
    assert f"Required overload is {builder.required_overload() * 100:f}%" in told.stdout
    listing = peer.run(swift_dir, "swift-ring-builder", swift_dir / "object.builder")
    assert "is up-to-date" in listing.stdout
