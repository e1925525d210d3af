"""Four object servers with a device each, one of them a handoff: what replicators of objects are tested on."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.database_servers import PATIENT, SWIFT
from fakes.object_server import Answer, ObjectNode
from fakes.ports import free_port
from fakes.rsync_daemon import rsync_daemon
from swiftlite.common.fs import FileSystem
from swiftlite.obj import hashes, xattrs
from swiftlite.obj.replicator import ObjectReplicator, ReplicatorOptions
from swiftlite.ring.format import RingData, dump_v1

LOGGER = logging.getLogger("test.object_replicator")
NODES = 4
PRIMARIES = (0, 1, 2)
PART_SHIFT = 29
NOW = int(time.time())
FS = FileSystem()

State = dict[str, tuple[bytes, dict[str, str]]]
"""File name -> content and metadata, of one object's directory."""


def at(seconds: int) -> str:
    """A moment of today, so that nobody reclaims what was deleted then."""
    return f"{NOW - 10000 + seconds:010d}.00000"


class ObjectSite:
    """The servers, their disks, and their replicators."""

    def __init__(self, directory: Path, rsync_port: int = 0) -> None:
        self.directory = directory
        self.rsync_port = rsync_port
        self.nodes: list[ObjectNode | None] = [ObjectNode(directory / f"node{number}") for number in range(NODES)]
        self.ports = [node.thread.address[1] for node in self.nodes if node]
        self.write_ring(PRIMARIES)
        for number in range(NODES):
            # Its own replicator makes it: rsync of others does not, so that none fills the place of a missing disk.
            (self.device(number) / "objects").mkdir()

    def write_ring(
        self, primaries: tuple[int, ...], part_shift: int = PART_SHIFT, next_part_power: int | None = None
    ) -> None:
        """A ring whose partitions are all on these nodes; the others are in it, too, without a partition."""
        devices = [
            {
                "id": number,
                "region": 1,
                "zone": number,
                "ip": "127.0.0.1",
                "port": port,
                "replication_ip": "127.0.0.1",
                "replication_port": port,
                "device": "sda",
                "weight": 1.0,
                "meta": "",
            }
            for number, port in enumerate(self.ports)
        ]
        parts = 2 ** (32 - part_shift)
        rows = [array("H", [number] * parts) for number in primaries]
        data = RingData(devices, part_shift, rows, next_part_power=next_part_power)
        for name in ("object", "object-1"):
            (self.directory / f"{name}.ring.gz").write_bytes(dump_v1(data))

    def stop(self, number: int) -> None:
        """End a node's server."""
        node = self.nodes[number]
        assert node
        node.__exit__()
        self.nodes[number] = None

    # Objects ----------------------------------------------------------------------------------------------------------

    def ask(self, number: int, method: str, name: str, moment: str, body: bytes = b"", **headers: str) -> Answer:
        """Make a request to one replica, as a proxy would."""
        node = self.nodes[number]
        assert node
        path = f"/sda/{self.partition(name)}/a/c/{name}"
        sent = {"X-Timestamp": moment, **({"Content-Type": "text/plain"} if method == "PUT" else {})}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        return node.request(method, path, sent, body if method == "PUT" else None)

    def put(self, numbers: tuple[int, ...], name: str, moment: int, body: bytes = b"body", **headers: str) -> None:
        """Store an object on some nodes."""
        for number in numbers:
            assert self.ask(number, "PUT", name, at(moment), body, **headers).status == 201

    def partition(self, name: str) -> int:
        """Of an object."""
        return int(self.hash(name)[:8], 16) >> PART_SHIFT

    def hash(self, name: str) -> str:
        """Of an object."""
        return SWIFT.hash_path.hex("a", "c", name)

    def device(self, number: int) -> Path:
        """The device of a node."""
        return self.directory / f"node{number}" / "sda"

    def partition_directory(self, number: int, name: str) -> Path:
        """Where the partition of an object is on a node."""
        return self.device(number) / "objects" / str(self.partition(name))

    def place(self, number: int, name: str) -> Path:
        """Where an object is on a node."""
        return self.partition_directory(number, name) / self.hash(name)[-3:] / self.hash(name)

    def state(self, number: int, name: str) -> State:
        """What a node has of an object."""
        found: State = {}
        directory = self.place(number, name)
        for path in sorted(directory.glob("[!.]*")):  # Rsync's are hidden until they are whole.
            try:
                fd = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue  # One that was about to be removed.
            try:
                found[path.name] = (os.pread(fd, os.fstat(fd).st_size, 0), xattrs.read(FS, fd))
            finally:
                os.close(fd)
        return found

    def suffix_hashes(self, number: int) -> dict[str, dict[str, str]]:
        """The hashes of all partitions of a node, computed from what is on its disk now."""
        node = self.nodes[number]
        assert node
        root = self.device(number) / "objects"
        found = {}
        for path in sorted(root.iterdir()) if root.exists() else ():
            (path / "hashes.pkl").unlink(missing_ok=True)
            found[path.name] = hashes.get_hashes(FS, str(path), node.app.files.tidy)
        return {partition: known for partition, known in found.items() if known}

    # Replicators ------------------------------------------------------------------------------------------------------

    def options(self, number: int, **options: object) -> ReplicatorOptions:
        """Of the replicator of a node."""
        values = {
            "swift_dir": str(self.directory),
            "devices": str(self.directory / f"node{number}"),
            "bind_ip": "127.0.0.1",
            "bind_port": self.ports[number],
            "mount_check": False,
            "recon_cache_path": str(self.directory / f"node{number}" / "recon"),
            "rsync_module": f"rsync://127.0.0.1:{self.rsync_port}/object{{replication_port}}",
            **PATIENT,
            "rsync_io_timeout": 60,
            **options,
        }
        return ReplicatorOptions(**values)  # type: ignore[arg-type]

    def replicator(self, number: int, **options: object) -> ObjectReplicator:
        """The replicator of a node."""
        return ObjectReplicator(self.options(number, **options), SWIFT, LOGGER)

    def replicate(self, *numbers: int, **options: object) -> list[Counter[str]]:
        """Make a pass on these nodes, all primaries without any; return what each counted."""
        return [self.replicator(number, **options).run_once() for number in numbers or PRIMARIES]


@contextmanager
def running(directory: Path, with_rsync: bool = False) -> Iterator[ObjectSite]:
    """A site that ends with the block."""
    port = free_port() if with_rsync else 0
    site = ObjectSite(directory, port)
    try:
        if with_rsync:
            modules = {f"object{port}": directory / f"node{number}" for number, port in enumerate(site.ports)}
            with rsync_daemon(directory, modules, port):
                yield site
        else:
            yield site
    finally:
        for number, node in enumerate(site.nodes):
            if node:
                site.stop(number)


def digest(body: bytes) -> str:
    """MD5 as hex digits."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
