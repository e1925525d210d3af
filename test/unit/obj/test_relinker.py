"""The object relinker over real directories: what it walks, what it remembers, what it tells, how it ends."""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import os
from pathlib import Path

import pytest

from swiftlite.cli.relinker import main
from swiftlite.common.fs import FileSystem
from swiftlite.core.names import HashPath, partition_of_hash
from swiftlite.obj import hashes
from swiftlite.obj.diskfile import DiskFileManager, DiskFileOptions
from swiftlite.obj.relink_state import RelinkState
from swiftlite.ring import part_power
from swiftlite.ring.builder import RingBuilder

POWER = 3
HASHES = sorted(hashlib.md5(str(number).encode()).hexdigest() for number in range(40))
STAMP = "1700000000.00000"


class Node:
    """A machine with devices, whose ring goes through the phases of an increase."""

    def __init__(self, directory: Path, devices: tuple[str, ...] = ("sda",)) -> None:
        self.directory = directory
        self.devices = directory / "devices"
        for device in devices:
            (self.devices / device).mkdir(parents=True)
        (directory / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = s\n[storage-policy:0]\nname = gold\ndefault = yes\n"
            "[storage-policy:1]\nname = silver\n"
        )
        builder = RingBuilder(POWER, 1, 0)
        builder.add_device({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": 1, "device": "sda", "weight": 1})
        builder.rebalance(seed=1)
        self.content = builder.to_dict()
        builder.write_ring(directory / "object-1.ring.gz")
        self.write()

    def write(self) -> None:
        RingBuilder.from_dict(self.content).write_ring(self.directory / "object.ring.gz")

    def step(self, name: str) -> None:
        self.content = getattr(part_power, name)(self.content)
        self.write()

    def place(self, name_hash: str, power: int, device: str = "sda") -> Path:
        return self.devices / device / f"objects/{partition_of_hash(name_hash, power)}/{name_hash[-3:]}/{name_hash}"

    def fill(self, power: int = POWER, device: str = "sda") -> None:
        for name_hash in HASHES:
            place = self.place(name_hash, power, device)
            place.mkdir(parents=True)
            (place / f"{STAMP}.data").write_text(name_hash)

    def run(self, *words: str) -> int:
        fixed = ["--swift-dir", self.directory, "--devices", self.devices, "-r", self.directory / "recon"]
        own = ["--skip-mount-check", "--user", getpass.getuser(), "--logfile", str(self.directory / "log")]
        return main([*words, *map(str, fixed), *own])

    def data(self) -> set[Path]:
        return {path.relative_to(self.devices) for path in self.devices.rglob("*.data")}

    def state(self, device: str = "sda") -> dict:
        return json.loads((self.devices / device / "relink.objects.json").read_text())

    def recon(self) -> dict:
        return json.loads((self.directory / "recon/relinker.recon").read_text())

    def log(self) -> str:
        return (self.directory / "log").read_text()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path)
    node.fill()
    return node


def places(node: Node, *powers: int) -> set[Path]:
    files = (node.place(name_hash, power) / f"{STAMP}.data" for name_hash in HASHES for power in powers)
    return {path.relative_to(node.devices) for path in files}


def assert_hashes_are_right(node: Node) -> None:
    options = DiskFileOptions(str(node.devices), False)
    manager = DiskFileManager(options, HashPath(b"", b"s"), logging.getLogger("test"), FileSystem(), lambda: 1.8e9)
    for directory in (node.devices / "sda/objects").iterdir():
        known = hashes.get_hashes(manager.fs, str(directory), manager.tidy)
        assert known == hashes.get_hashes(manager.fs, str(directory), manager.tidy, recalculate=known, relist=True)


def test_an_increase(node: Node) -> None:
    assert node.run("relink") == node.run("cleanup") == 2
    node.step("prepared")
    assert node.run("cleanup") == 2
    assert node.run("relink") == 0
    assert node.data() == places(node, POWER, POWER + 1)
    inodes = {path.stat().st_ino for path in node.devices.rglob("*.data")}
    assert len(inodes) == len(HASHES)
    moved = sum(node.place(name_hash, POWER) != node.place(name_hash, POWER + 1) for name_hash in HASHES)
    assert f"{moved} hash dirs processed ({moved} files, {moved} linked, 0 removed, 0 errors)" in node.log()
    node.step("increased")
    assert node.run("relink") == 2
    assert node.run("cleanup") == 0
    assert node.data() == places(node, POWER + 1)
    assert_hashes_are_right(node)
    numbers = {int(path.name) for path in (node.devices / "sda/objects").iterdir()}
    assert numbers == {partition_of_hash(name_hash, POWER + 1) for name_hash in HASHES}
    assert node.run("cleanup") == 0  # once more
    node.step("finished")
    assert node.run("cleanup") == 2


def test_partitions_that_nobody_visits_later_are_hashed_at_once(node: Node) -> None:
    node.step("prepared")
    node.run("relink")
    for directory in (node.devices / "sda/objects").iterdir():
        is_hashed = (directory / "hashes.pkl").exists()
        assert is_hashed == (int(directory.name) >= 1 << POWER), directory


def test_a_cancelled_increase(node: Node) -> None:
    node.step("prepared")
    node.run("relink")
    node.step("cancelled")
    assert node.run("cleanup") == 0
    assert node.data() == places(node, POWER)
    assert_hashes_are_right(node)


def test_what_it_remembers(node: Node) -> None:
    node.step("prepared")
    partitions = {str(partition_of_hash(name_hash, POWER)) for name_hash in HASHES}
    assert node.run("relink", "--partition", "3", "-p", "5") == 0
    assert node.state() == {
        "part_power": POWER, "next_part_power": POWER + 1, "state": {name: name in ("3", "5") for name in partitions},
    }  # fmt: skip
    # What a writer makes meanwhile is in its place already: it is not walked.
    late = node.devices / "sda/objects/2/abc"
    late.mkdir(parents=True, exist_ok=True)
    assert node.run("relink") == 0
    assert set(node.state()["state"].values()) == {True}
    assert node.run("relink") == 0
    assert "0 hash dirs processed" in node.log().splitlines()[-1]
    node.step("increased")
    assert node.run("cleanup") == 0
    state = node.state()
    assert (state["part_power"], state["next_part_power"], state["prev_part_power"]) == (POWER + 1, POWER + 1, POWER)
    assert all(int(name) < 1 << POWER for name in state["state"])


def test_a_device_that_was_away_is_cleaned_up_whole(node: Node) -> None:
    node.step("prepared")
    assert node.run("relink") == 0
    kept = (node.devices / "sda/relink.objects.json").read_bytes()
    for step in ("increased", "finished", "prepared"):
        node.step(step)
    assert node.run("relink") == 0
    (node.devices / "sda/relink.objects.json").write_bytes(kept)  # It saw neither clean-up nor relinking since.
    node.step("increased")
    assert node.run("cleanup") == 0
    assert node.data() == places(node, POWER + 2)


def test_a_second_increase_that_is_cancelled_is_cleaned_up_too(node: Node) -> None:
    for _ in range(2):
        node.step("prepared")
        for name_hash in HASHES:  # as writers do
            link = node.place(name_hash, POWER + 1)
            if not link.exists():
                link.mkdir(parents=True)
                (link / f"{STAMP}.data").hardlink_to(node.place(name_hash, POWER) / f"{STAMP}.data")
        node.step("cancelled")
        assert node.run("cleanup") == 0
        assert node.data() == places(node, POWER)
        node.step("finished")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"state": {}}', '{"part_power": 3, "next_part_power": 4, "state": 5}']
)
def test_a_damaged_state_is_no_state(node: Node, text: str) -> None:
    node.step("prepared")
    (node.devices / "sda/relink.objects.json").write_text(text)
    assert node.run("relink") == 0
    assert node.data() == places(node, POWER, POWER + 1)


def test_what_fails_is_told_and_tried_again(node: Node) -> None:
    node.step("prepared")
    name_hash = next(name for name in HASHES if node.place(name, POWER) != node.place(name, POWER + 1))
    other = node.place(name_hash, POWER + 1)
    other.mkdir(parents=True)
    (other / f"{STAMP}.data").write_text("another of the same moment")
    assert node.run("relink") == 1
    assert "different files" in node.log()
    assert node.state()["state"][str(partition_of_hash(name_hash, POWER))] is False
    assert node.data() == places(node, POWER, POWER + 1)
    assert node.run("relink", "--clobber-hardlink-collisions") == 0
    assert (other / f"{STAMP}.data").samefile(node.place(name_hash, POWER) / f"{STAMP}.data")


def test_what_it_tells(node: Node) -> None:
    node.step("prepared")
    node.run("relink")
    told = node.recon()
    device = told["devices"]["sda"]
    policy = device["policies"]["0"]
    assert (policy["step"], policy["part_power"], policy["next_part_power"]) == ("relink", POWER, POWER + 1)
    assert policy["parts_done"] == policy["total_parts"] == device["total_parts"] == len(node.state()["state"])
    assert device["stats"]["hash_dirs"] == device["stats"]["linked"] > len(HASHES) // 2
    assert device["stats"]["errors"] == 0
    (worker,) = told["workers"].values()
    assert (worker["devices"], worker["return_code"]) == (["sda"], 0)


def test_devices(tmp_path: Path) -> None:
    node = Node(tmp_path, ("sda", "sdb", "sdc"))
    for device in ("sda", "sdb", "sdc"):
        node.fill(device=device)
    node.step("prepared")
    assert node.run("relink", "--device", "sda", "--device", "sdb") == 0
    assert not (node.devices / "sdc/relink.objects.json").exists()
    assert node.run("relink", "--workers", "2", "--policy", "gold") == 0
    assert set(node.state("sdc")["state"].values()) == {True}
    assert set(node.recon()["devices"]) == {"sda", "sdb", "sdc"}
    assert node.run("relink", "--policy", "1") == 2
    (node.devices / "notes.txt").touch()
    assert node.run("relink") == 1  # no device: an operator must see that
    assert "not mounted" in node.log()
    assert node.run("relink", "--device", "sdx") == 1


def test_the_conf_file(node: Node, capfd: pytest.CaptureFixture[str]) -> None:
    node.step("prepared")
    conf = node.directory / "object-server.conf"
    conf.write_text(
        f"[DEFAULT]\nswift_dir = {node.directory}\ndevices = {node.devices}\nmount_check = false\nlog_address =\nuser = {getpass.getuser()}\n"
        f"[object-relinker]\nfiles_per_second = 100000\nrecon_cache_path = {node.directory}/recon\nworkers = 1\n"
    )
    assert main(["relink", str(conf)]) == 0
    assert "hash dirs processed" in capfd.readouterr().err
    assert main(["relink", str(conf), "--files-per-second", "many"]) == 1
    assert "files_per_second" in capfd.readouterr().err
    conf.write_text("[DEFAULT]\n")
    assert main(["relink", str(conf)]) == 1
    assert "[object-relinker]" in capfd.readouterr().err


def test_root_becomes_whom_the_daemons_are(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what it makes on devices is root's, and no server can write there."""
    became: list[str] = []
    monkeypatch.setattr("swiftlite.cli.relinker.check_user", lambda *_: None)  # there is none of these
    monkeypatch.setattr("swiftlite.cli.relinker.drop_privileges", lambda user, _: became.append(user))
    conf = node.directory / "object-server.conf"
    text = f"log_address =\nlog_name = {node.directory.name}\nswift_dir = {node.directory}\ndevices = {node.devices}\n[object-relinker]\nrecon_cache_path = {node.directory}\n"
    for default, words in (("", []), ("user = sue\n", []), ("user = sue\n", ["--user", "tom"])):
        conf.write_text(f"[DEFAULT]\n{default}{text}")
        assert main(["relink", str(conf), *words]) == 2
    place = ["--swift-dir", str(node.directory), "--devices", str(node.devices), "-r", str(node.directory)]
    assert main(["relink", *place]) == 2
    assert became == ["swift", "sue", "tom", "swift"]


def test_an_account_that_is_not_there(
    node: Node, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["relink", "--swift-dir", str(node.directory), "--user", "no-such-account"]) == 1
    assert "--user" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["dance"], [], ["relink", "-p", "-1"], ["relink", "--policy", "7"]])
def test_a_wrong_command_line(node: Node, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        node.run(*words)
    assert stop.value.code == 2


def test_partitions_are_taken_from_the_end_and_new_ones_left_alone(tmp_path: Path) -> None:
    state = RelinkState(str(tmp_path / "relink.objects.json"), 3, 4)
    assert state.begin([0, 5, 7, 8, 15]) == [7, 5, 0]
    state.finish(5)
    again = RelinkState(state.path, 3, 4)
    again.load()
    assert again.begin([0, 1, 5, 7, 12]) == [7, 0]
    assert again.progress == (2, 4)
    cleanup = RelinkState(state.path, 4, 4)
    cleanup.load()
    assert cleanup.begin([0, 5, 7, 8, 15]) == [7, 5, 0]
    assert cleanup.begin([1, 12]) == [7, 5, 1, 0]
    cleanup.finish(7)
    resumed = RelinkState(state.path, 4, 4)
    resumed.load()
    assert resumed.begin([0, 1, 5, 7, 8, 15]) == [5, 1, 0]
    lost = RelinkState(str(tmp_path / "none"), 4, 4)
    lost.load()
    assert lost.begin([0, 15]) == [15, 0]


def test_no_partition_is_done_before_its_links_are_safe(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fs: FileSystem, path: str) -> None:
        raise OSError(5, "Input/output error", path)

    node.step("prepared")
    with monkeypatch.context() as patch:
        patch.setattr(FileSystem, "sync_filesystem", fail)
        assert node.run("relink") == 1
    assert "Input/output error" in node.log()
    assert not (node.devices / "sda/relink.objects.json").exists()
    assert node.run("relink") == 0
    assert set(node.state()["state"].values()) == {True}
