"""Either side's ring builder and relinker takes any step of an increase of the partition power, whoever took the last."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unit.obj.test_relinker import HASHES, POWER, STAMP, Node, assert_hashes_are_right, places

from interop import peer
from interop.lab import Lab
from swiftlite.core.names import HashPath, partition_of_hash
from swiftlite.ring import format
from swiftlite.ring.builder import RingBuilder

PROGRAMS = Path(__file__).resolve().parents[2] / "bin"
STEPS = ("prepare_increase_partition_power", "increase_partition_power", "finish_increase_partition_power")
SIDES = ("ours", "theirs")


def build(side: str, directory: Path, *words: str) -> int:
    """Run a step of one side's ring builder; returns its exit status."""
    builder = directory / "object.builder"
    if side == "theirs":
        return peer.run(directory, "swift-ring-builder", builder, *words, check=False).returncode
    command = [sys.executable, str(PROGRAMS / "swiftlite-ring-builder"), str(builder), *words]
    return subprocess.run(command, capture_output=True, timeout=120).returncode


def relink(side: str, node: Node, step: str, *words: str) -> int:
    """Run one side's relinker; returns its exit status."""
    conf = node.directory / "object-server.conf"
    conf.write_text(
        f"[object-relinker]\nswift_dir = {node.directory}\ndevices = {node.devices}\nmount_check = false\nuser = {getpass.getuser()}\n"
        f"log_address = /dev/nonexistent\nrecon_cache_path = {node.directory}/recon\nworkers = 0\n"
    )
    (node.directory / "recon").mkdir(exist_ok=True)
    if side == "theirs":
        return peer.run(node.directory, "swift-object-relinker", step, conf, *words, check=False).returncode
    command = [sys.executable, str(PROGRAMS / "swiftlite-object-relinker"), step, str(conf), *words]
    return subprocess.run(command, capture_output=True, timeout=120).returncode


@pytest.mark.parametrize("sides", [("ours", "theirs", "ours"), ("theirs", "ours", "theirs")], ids="-".join)
def test_builders_take_turns(tmp_path: Path, sides: tuple[str, ...]) -> None:
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = s\n")
    node = Node(tmp_path)
    builder = RingBuilder.from_dict(node.content)
    builder.save(tmp_path / "object.builder")
    for number, (side, step) in enumerate(zip(sides, STEPS, strict=True)):
        assert build(side, tmp_path, STEPS[-1] if number < 2 else STEPS[0]) == 2  # out of turn
        assert build(side, tmp_path, step) == 0
        for other in SIDES:
            assert build(other, tmp_path, "validate") == 0
            assert build(other, tmp_path, "write_ring") == 0
            ring = format.load(tmp_path / "object.ring.gz")
            assert ring == RingBuilder.load(tmp_path / "object.builder").ring_data()
    assert 32 - ring.part_shift == POWER + 1


@pytest.mark.parametrize("first", SIDES)
def test_both_builders_increase_alike(tmp_path: Path, first: str) -> None:
    contents = []
    for side in SIDES:
        directory = tmp_path / side
        node = Node(directory)
        builder = RingBuilder.from_dict(node.content)
        builder.id = "0" * 32
        builder.save(directory / "object.builder")
        for step in STEPS[:2]:
            assert build(side, directory, step) == 0
        content = RingBuilder.load(directory / "object.builder").to_dict()
        content["_last_part_moves"] = list(content["_last_part_moves"])
        # The peer leaves these as they were; both are computed anew with the next rebalance.
        for name in ("_dispersion_graph", "_last_part_moves_epoch", "_last_part_moves"):
            del content[name]
        for device in content["devs"]:
            del device["parts_wanted"]
        contents.append(content)
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("relinks", "goes_on", "cleans"),
    [
        ("ours", "theirs", "ours"),
        ("theirs", "ours", "theirs"),
        ("ours", "ours", "theirs"),
        ("theirs", "theirs", "ours"),
    ],
)
def test_relinkers_take_turns(tmp_path: Path, relinks: str, goes_on: str, cleans: str) -> None:
    node = Node(tmp_path)
    node.fill()
    node.step("prepared")
    assert relink(relinks, node, "relink", "--partition", "2", "--partition", "6") == 0
    done = {int(name) for name, is_done in node.state()["state"].items() if is_done}
    assert done == {2, 6}
    assert relink(goes_on, node, "relink") == 0
    assert node.data() == places(node, POWER, POWER + 1)
    assert len({path.stat().st_ino for path in node.devices.rglob("*.data")}) == len(HASHES)
    assert set(node.state()["state"].values()) == {True}
    node.step("increased")
    assert relink(cleans, node, "cleanup") == 0
    assert node.data() == places(node, POWER + 1)
    assert relink("ours", node, "relink") == relink("theirs", node, "relink") == 2
    assert_hashes_are_right(node)


def test_both_tell_recon_alike(tmp_path: Path) -> None:
    told = []
    for side in SIDES:
        node = Node(tmp_path / side)
        node.fill()
        node.step("prepared")
        assert relink(side, node, "relink") == 0
        device = json.loads((node.directory / "recon/relinker.recon").read_text())["devices"]["sda"]
        assert set(device["stats"]) == {"hash_dirs", "files", "linked", "removed", "errors"}
        times = {"start_time", "timestamp", "total_time"}
        policy = {name: value for name, value in device["policies"]["0"].items() if name not in times}
        told.append((policy, {name: value for name, value in device.items() if name not in times | {"policies"}}))
    assert told[0] == told[1]


def test_different_files_of_one_moment(tmp_path: Path) -> None:
    for side in SIDES:
        node = Node(tmp_path / side)
        node.fill()
        node.step("prepared")
        name_hash = next(name for name in HASHES if node.place(name, POWER) != node.place(name, POWER + 1))
        other = node.place(name_hash, POWER + 1)
        other.mkdir(parents=True)
        (other / f"{STAMP}.data").write_text("another")
        assert relink(side, node, "relink") == 1
        assert relink(side, node, "relink", "--clobber-hardlink-collisions") == 0
        assert list((node.devices / "sda/quarantined/objects").iterdir())


def test_both_object_servers_link_alike_and_read_each_others(lab: Lab) -> None:
    name_hash = HashPath(b"pre", b"suf").hex("a", "c", "o")
    old, new = (partition_of_hash(name_hash, power) for power in (10, 11))
    found = []
    for writer, reader in (SIDES, SIDES[::-1]):
        devices = lab.devices(writer)
        writing, reading = lab.start(writer, "object", devices), lab.start(reader, "object", devices)
        growing = {"X-Backend-Next-Part-Power": "11"}
        put = {**growing, "X-Timestamp": "1700000000.00000", "Content-Type": "x/y"}
        assert writing.ask("PUT", f"/d1/{old}/a/c/o", put, b"body").status == 201
        post = {**growing, "X-Timestamp": "1700000001.00000", "X-Object-Meta-Colour": "blue"}
        assert writing.ask("POST", f"/d1/{old}/a/c/o", post).status == 202
        for server in (writing, reading):
            answer = server.ask("GET", f"/d1/{new}/a/c/o", growing)
            assert (answer.status, answer.body, answer.headers["x-object-meta-colour"]) == (200, b"body", "blue")
        files = sorted(path.relative_to(devices) for path in devices.glob("d1/objects/*/*/*/*") if path.is_file())
        assert len({(devices / path).stat().st_ino for path in files}) == len(files) // 2 == 2
        invalid = {path.parent.name for path in devices.glob("d1/objects/*/hashes.invalid")}
        found.append((files, invalid))
        delete = {**growing, "X-Timestamp": f"{time.time():.5f}"}
        assert writing.ask("DELETE", f"/d1/{old}/a/c/o", delete).status == 204
        assert [path.suffix for path in devices.glob("d1/objects/*/*/*/*") if path.is_file()] == [".ts", ".ts"]
        for server in (writing, reading):
            assert server.ask("GET", f"/d1/{new}/a/c/o", growing).status == 404
        writing.stop()
        reading.stop()
    assert found[0][0] == found[1][0]
    assert found[0][1] == {str(old), str(new)}
