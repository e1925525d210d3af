"""Two object servers that hold the same partition, and SSYNC from one to the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.database_servers import SWIFT
from fakes.object_server import Answer, ObjectNode
from swiftlite.common.fs import FileSystem
from swiftlite.core.names import EntityName
from swiftlite.http.client import Client
from swiftlite.obj import hashes, layout, xattrs
from swiftlite.obj.diskfile import DiskFileManager
from swiftlite.obj.shipment import Sent, Shipment
from swiftlite.obj.ssync_sender import SsyncSender
from swiftlite.ring.ring import Node

LOGGER = logging.getLogger("test.replicas")
PARTITION = "7"
POLICY = SWIFT.policies.by_index(0)
CLIENT = Client(conn_timeout=30.0, node_timeout=60.0)

Files = dict[str, tuple[bytes, dict[str, str]]]
"""Suffix/hash/name of each file of an object -> its content and its metadata."""


def node_at(address: tuple[Any, ...], device: str = "sda") -> Node:
    """A ring's device at an address of this machine."""
    return Node(0, 1, 1, "127.0.0.1", 1, address[0], address[1], device, 1.0)


class Replica(ObjectNode):
    """One replica: an object server, what it holds of the partition, and a sender of it."""

    def __init__(self, devices: Path, **options: Any) -> None:
        super().__init__(devices, **options)
        self.node = node_at(self.thread.address)
        self.root = str(self.device)
        # A daemon's own: the server's threads belong to the server's thread.
        options = replace(self.app.options.disk_file, threads_per_disk=0)
        self.own_files = DiskFileManager(options, SWIFT.hash_path, LOGGER, FileSystem(), time.time)

    def ask(self, method: str, name: str, at: object, body: bytes | None = None, **headers: str) -> Answer:
        """Change the object ``a/c/<name>`` as a proxy would; ``at`` is its X-Timestamp."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        if method == "PUT":
            body = b"" if body is None else body
            named = {"Content-Type": "text/plain", "Content-Length": str(len(body)), **named}
        return self.request(method, f"/sda/{PARTITION}/a/c/{name}", {"X-Timestamp": str(at), **named}, body)

    def put(self, name: str, at: object, body: bytes = b"hello", **headers: str) -> None:
        """PUT, which must be taken."""
        answer = self.ask("PUT", name, at, body, **headers)
        assert answer.status == 201, answer

    def store(self, name: str, at: str, body: bytes = b"hello", **metadata: str) -> None:
        """Write a .data file, whatever a request could not say."""
        disk_file = self.own_files.disk_file(self.root, PARTITION, EntityName("a", "c", name), POLICY)
        with disk_file.writer(len(body)) as writer:
            writer.write(body)
            own = {"X-Timestamp": at, "Content-Length": str(len(body)), "ETag": writer.etag, "Content-Type": "a/b"}
            writer.put({**own, **metadata})

    def post(self, name: str, at: object, **headers: str) -> None:
        """POST, which must be taken."""
        answer = self.ask("POST", name, at, **headers)
        assert answer.status == 202, answer

    def delete(self, name: str, at: object) -> None:
        """DELETE."""
        assert self.ask("DELETE", name, at).status in (204, 404)

    @property
    def partition(self) -> Path:
        return Path(layout.partition_directory(self.root, POLICY, PARTITION))

    def directory(self, name: str) -> Path:
        """The hash directory of ``a/c/<name>``."""
        name_hash = SWIFT.hash_path.hex("a", "c", name)
        return Path(layout.hash_directory(self.root, POLICY, PARTITION, name_hash))

    def hashes(self) -> dict[str, str]:
        """The suffix hashes, all computed anew."""
        known = hashes.get_hashes(self.own_files.fs, str(self.partition), self.own_files.tidy)
        return hashes.get_hashes(self.own_files.fs, str(self.partition), self.own_files.tidy, list(known), True)

    def contents(self) -> Files:
        """All files of objects, with their metadata."""
        return contents(self.partition)

    def send(
        self,
        to: Replica | Node,
        suffixes: Iterable[str] | None = None,
        sender: Callable[..., SsyncSender] = SsyncSender,
        **options: Any,
    ) -> Sent:
        """SSYNC to another replica, of all suffixes unless some are given."""
        node = to.node if isinstance(to, Replica) else to
        found = sorted(path.name for path in self.partition.glob("???")) if suffixes is None else suffixes
        values = {"node_timeout": 60.0, **options}
        return sender(CLIENT, self.own_files, **values).send(
            node, Shipment(self.root, POLICY, int(PARTITION), list(found))
        )


def contents(partition: Path) -> Files:
    """All files of objects of a partition directory, with their metadata."""
    found = {}
    for path in sorted(partition.glob("???/*/*")):
        with open(path, "rb") as file:
            metadata = xattrs.read(FileSystem(), file.fileno())
            found["/".join(path.parts[-3:])] = (file.read(), metadata)
    return found
