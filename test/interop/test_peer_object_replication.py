"""Replication of objects: both sides' replicators by turns over servers of either side, until all replicas agree."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.ports import free_port
from fakes.rsync_daemon import rsync_daemon
from interop import peer
from interop.lab import SIDES, Lab
from swiftlite.common.fs import FileSystem
from swiftlite.core.names import HashPath
from swiftlite.obj import xattrs
from swiftlite.ring.ring import Ring

HASH_PATH = HashPath(b"pre", b"suf")
FS = FileSystem()
NOW = int(time.time()) - 1000
NAMES = [*(f"o{number}" for number in range(40)), "dir/é漢😀", "line\nbreak", "%2F & co?#"]
SECTION = """
[object-replicator]
sync_method = {method}
rsync_module = rsync://{{replication_ip}}:{port}/object
"""
MOST_ROUNDS = 4
METHODS = ["rsync", "ssync"]
SERVERS = [("ours", "theirs"), ("theirs", "theirs"), ("ours", "ours")]

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="replicators of OpenStack Swift need rsync")
State = dict[str, tuple[bytes, dict[str, str]]]


def at(seconds: float) -> str:
    """A moment of today."""
    return f"{NOW + seconds:016.5f}"


class Site:
    """Two object servers with two devices each; three of the four devices hold any object."""

    def __init__(self, lab: Lab, servers: tuple[str, str], method: str) -> None:
        self.lab = lab
        self.rsync_port = free_port()
        self.devices = lab.devices()
        ports = [free_port() for _ in servers]
        builder = lab.swift_dir / "object.builder"
        peer.run(lab.swift_dir, "swift-ring-builder", builder, "create", "3", "3", "1")
        devices = [(f"r1z{number}-127.0.0.1:{ports[number // 3]}/d{number}", "1") for number in (1, 2, 3, 4)]
        peer.run(lab.swift_dir, "swift-ring-builder", builder, "add", *(word for pair in devices for word in pair))
        peer.run(lab.swift_dir, "swift-ring-builder", builder, "rebalance", "7")
        shutil.copy(lab.swift_dir / "object.ring.gz", lab.swift_dir / "object-1.ring.gz")
        self.ring = Ring(lab.swift_dir, "object", hash_path=HASH_PATH)
        self.servers = [
            lab.launch(side, "object", self.devices, ("127.0.0.1", port))
            for side, port in zip(servers, ports, strict=True)
        ]
        extra = SECTION.format(method=method, port=self.rsync_port)
        self.confs = [lab.write_conf("object", self.devices, server.address, extra) for server in self.servers]
        for number in (1, 2, 3, 4):
            (self.devices / f"d{number}" / "objects").mkdir()
        lab.wait_up(self.servers)

    def ask(
        self, number: int, method: str, name: str, moment: float, headers: dict[str, str], body: bytes | None
    ) -> int:
        """Make a request to the server of device ``d<number>``; return the status."""
        partition, _ = self.ring.get_nodes("a", "c", name)
        path = f"/d{number}/{partition}/a/c/{name}"
        return self.servers[number // 3].ask(method, path, {"X-Timestamp": at(moment), **headers}, body).status

    def state(self, number: int, name: str) -> State:
        """What a device has of an object."""
        partition, _ = self.ring.get_nodes("a", "c", name)
        name_hash = HASH_PATH.hex("a", "c", name)
        directory = self.devices / f"d{number}" / "objects" / str(partition) / name_hash[-3:] / name_hash
        found: State = {}
        for path in sorted(directory.iterdir()) if directory.exists() else ():
            fd = os.open(path, os.O_RDONLY)
            try:
                found[path.name] = (path.read_bytes(), xattrs.read(FS, fd))
            finally:
                os.close(fd)
        return found

    def hashes(self, number: int, partition: int) -> dict[str, str]:
        """What the server of a device answers when a replicator asks for a partition's hashes."""
        answer = self.servers[number // 3].ask("REPLICATE", f"/d{number}/{partition}")
        assert answer.status == 200
        found: dict[str, str] = pickle.loads(answer.body)
        return found

    def replicate(self, side: str) -> None:
        """Make a pass of one side's replicator on all devices."""
        for conf in self.confs:
            self.lab.run_once(side, "object-replicator", conf)

    def handoffs(self) -> list[Path]:
        """The partitions that lie where they do not belong."""
        return [
            path
            for number in (1, 2, 3, 4)
            for path in (self.devices / f"d{number}" / "objects").iterdir()
            if f"d{number}" not in [node.device for node in self.ring.primaries(int(path.name))]
        ]

    def primaries(self, partition: int) -> list[int]:
        """The numbers of the devices that hold a partition."""
        return [int(node.device[1:]) for node in self.ring.primaries(partition)]

    def is_level(self) -> bool:
        """Whether all primaries of every partition answer the same hashes, and nothing is anywhere else."""
        answers = [[self.hashes(n, partition) for n in self.primaries(partition)] for partition in range(8)]
        return not self.handoffs() and all(one == two == three for one, two, three in answers)


@pytest.fixture
def make_site(lab: Lab) -> Iterator[object]:
    with ExitStack() as running:

        def make(servers: tuple[str, str], method: str) -> Site:
            site = Site(lab, servers, method)
            running.enter_context(rsync_daemon(lab.directory, {"object": site.devices}, site.rsync_port))
            return site

        yield make


def scatter(site: Site, chance: random.Random) -> dict[str, float]:
    """Let each object's replicas live through histories that differ; return when each was last changed for all.

    Whatever is newest is on one device at least, sometimes on a handoff alone.
    """
    newest = {}
    for name in NAMES:
        moment, last, method = 0.0, 0.0, "DELETE"
        for _ in range(chance.randint(1, 5)):
            moment += chance.choice([0.00001, 0.5, 1, 7])
            devices = chance.sample((1, 2, 3, 4), chance.randint(1, 4))
            # Not even OpenStack Swift can tell what a POST means that missed a DELETE.
            method = "PUT" if method == "DELETE" else chance.choice(["PUT", "PUT", "POST", "TYPE", "DELETE"])
            headers = {"X-Object-Meta-Colour": chance.choice(["red", "grün".encode().decode("latin-1"), ""])}
            body = None
            if method == "PUT":
                body = chance.randbytes(chance.choice([0, 10, 70_000]))
                headers |= {"Content-Type": "text/plain", "X-Object-Sysmeta-A": str(moment)}
                headers |= chance.choice([{}, {"X-Delete-At": str(NOW + 90_000)}, {"Content-Encoding": "gzip"}])
            elif method == "TYPE":
                headers["Content-Type"] = "image/" + chance.choice(["png", "jpeg; a=b"])
            statuses = [
                site.ask(number, method.replace("TYPE", "POST"), name, moment, headers, body) for number in devices
            ]
            if method == "DELETE" or any(status < 300 for status in statuses):
                last = moment
        newest[name] = last
    return newest


def meaningful(state: State) -> State:
    """A state without content types that are older than the data: a POST keeps the one that it found, and data that
    it had not found may come later. Neither readers nor suffix hashes go by it."""
    data = max((name for name in state if name.endswith(".data")), default="")
    found: State = {}
    for name, (body, metadata) in state.items():
        if name.endswith(".meta") and metadata.get("Content-Type-Timestamp", data) < data:
            metadata = {key: value for key, value in metadata.items() if not key.startswith("Content-Type")}
            name = metadata["X-Timestamp"] + ".meta"
        found[name] = (body, metadata)
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("servers", SERVERS, ids=" and ".join)
def test_replicators_by_turns_bring_all_replicas_to_the_same_state(make_site, servers, method: str) -> None:
    site: Site = make_site(servers, method)
    newest = scatter(site, random.Random(f"{servers} {method}"))
    rounds = 0
    while not site.is_level():
        assert rounds < MOST_ROUNDS, f"not level after {rounds} rounds"
        for side in SIDES if rounds % 2 else reversed(SIDES):
            site.replicate(side)
        rounds += 1
    assert rounds, "replicas that never differed show nothing"
    for name in NAMES:
        partition, _ = site.ring.get_nodes("a", "c", name)
        states = [meaningful(site.state(number, name)) for number in site.primaries(partition)]
        assert states[0] == states[1] == states[2] != {}, name
        assert any(at(newest[name]) in file for file in states[0]), (name, list(states[0]), at(newest[name]))
