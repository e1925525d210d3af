"""Verification: what lies on the disks of all hosts, held against the book: every replica, byte for byte, and no more."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probe.book import Book, Name, Outcome
from probe.client import ACCOUNT
from probe.cluster import PASSES, ProbeCluster
from probe.hosts import Host
from swiftlite.account.backend import AccountBroker
from swiftlite.cli.layout import STORAGE_KINDS
from swiftlite.common.fs import FileSystem
from swiftlite.container.backend import ContainerBroker
from swiftlite.core import fileset
from swiftlite.core.fileset import FileSet
from swiftlite.db import layout as database_layout
from swiftlite.obj import layout, xattrs
from swiftlite.ring.ring import Node, Ring

_LOGGER = logging.getLogger("test.probe")
_FS = FileSystem()
PATIENCE = 60.0
"""Seconds for which disks may change while they are looked at."""


def settle(cluster: ProbeCluster, book: Book, rounds: int = 12) -> int:
    """Make rounds of passes, of those daemons that have to do with what is wrong, until nothing is; return how many.

    There is at least one pass of the object replicators, which must not spoil what is well. Fails after too many rounds.
    """
    check = _Check(cluster, book)
    daemons = {"object-replicator", *check.by_daemon()}
    for number in range(1, rounds + 1):
        cluster.run_passes([daemon for daemon in PASSES if daemon in daemons])
        daemons = set(check.by_daemon())
        if not daemons:
            return number
    told = [*problems(cluster, book)[:30], *cluster.last_words()]
    raise AssertionError(f"after {rounds} rounds of passes:\n" + "\n".join(told))


def wait_at_rest(cluster: ProbeCluster, book: Book, timeout: float = 300.0) -> None:
    """Return when daemons that run by themselves have left nothing wrong; fail with what is after so many seconds."""
    deadline = time.monotonic() + timeout
    while found := problems(cluster, book):
        assert time.monotonic() < deadline, "\n".join(found[:30])
        time.sleep(0.5)


def problems(cluster: ProbeCluster, book: Book) -> list[str]:
    """Everything that is not as it must be once a cluster is at rest; one line each."""
    # Two daemons may have to do with one of them.
    return list(dict.fromkeys(line for lines in _Check(cluster, book).by_daemon().values() for line in lines))


def reading_problems(cluster: ProbeCluster, book: Book, number: int) -> list[str]:
    """What a client of a host's proxy reads and should not, or does not and should; one line each."""
    writer = cluster.writer(number, book)
    found = []
    for name in book.names():
        heard = writer.get(name)
        allowed = book.outcomes(name)
        body = heard.body if heard.status == 200 else None
        if heard.status not in (200, 404) or body not in [result.content and result.content.body for result in allowed]:
            found.append(f"GET {name} at host{number}: {heard.status}, {len(heard.body)} bytes")
    return found


@dataclass
class Replica:
    """What one device holds of an object."""

    node: Node
    directory: Path
    names: list[str]
    files: FileSet
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    body: bytes | None = None

    @classmethod
    def read(cls, node: Node, directory: Path) -> Replica:
        """Read all files of a hash directory, which may be missing."""
        names = sorted(os.listdir(directory)) if directory.is_dir() else []
        replica = cls(node, directory, names, fileset.resolve(names))
        for name in names:
            fd = _FS.open_read(str(directory / name))
            try:
                replica.metadata[name] = xattrs.read(_FS, fd)
            finally:
                _FS.close(fd)
        if replica.files.data:
            replica.body = (directory / replica.files.data.name).read_bytes()
        return replica

    @property
    def counting(self) -> list[str]:
        """The names of the files that count. A .meta newer than a tombstone does not: it says nothing of any object,
        no suffix hash tells of it, and it goes when it is old enough (formats.md 3.2, 3.7)."""
        strays = {file.name for file in self.files.strays}
        return [name for name in self.names if name not in strays]

    def mismatch(self, wanted: Outcome) -> str:
        """What is not as the outcome says; empty when all is."""
        data, tombstone = self.files.data, self.files.tombstone
        if self.files.obsolete or self.files.unexpected:
            return f"there are files too many: {self.names}"
        if wanted.content is None:
            if data:
                return f"{data.name} should be gone"
            if tombstone and wanted.last and not wanted.last.has_timestamp(float(tombstone.timestamp)):
                return f"{tombstone.name} is not of the last DELETE"
            return ""
        assert wanted.last is not None
        if data is None or not wanted.last.has_timestamp(float(data.timestamp)):
            return f"the last PUT is missing: {self.names}"
        if self.body != wanted.content.body:
            return f"{data.name} has another body"
        if bool(wanted.post) != bool(self.files.meta):
            return f"the .meta of the last POST is missing, or there is one without a POST: {self.names}"
        if wanted.post and not wanted.post.has_timestamp(float(self.files.meta.timestamp)):  # type: ignore[union-attr]
            return f"the .meta is not of the last POST: {self.names}"
        return self._metadata_mismatch(wanted)

    def _metadata_mismatch(self, wanted: Outcome) -> str:
        assert self.files.data is not None and wanted.content is not None
        system = self.metadata[self.files.data.name]
        if (system["ETag"], system["Content-Length"]) != (wanted.content.etag, str(wanted.content.size)):
            return f"ETag or size are wrong: {system}"
        found = self.metadata[(self.files.meta or self.files.data).name]
        user = {key.lower(): value for key, value in found.items() if key.lower().startswith("x-object-meta-")}
        return "" if user == wanted.metadata else f"user metadata {user} instead of {wanted.metadata}"


class _Check:
    """One look at all disks."""

    def __init__(self, cluster: ProbeCluster, book: Book) -> None:
        self.cluster = cluster
        self.book = book
        self.rings: dict[str, Ring] = {kind: cluster.ring(kind) for kind in STORAGE_KINDS}
        self.listed: dict[Name, tuple[int, str]] = {}
        """Size and ETag of what is there, as the disks have it."""

    def by_daemon(self) -> dict[str, list[str]]:
        """What is wrong, under the daemons that have to mend it.

        Where daemons are at work meanwhile, files may go while they are looked at: then it looks again.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._found()
            except (FileNotFoundError, xattrs.BadMetadata):
                if time.monotonic() > deadline:
                    raise

    def _found(self) -> dict[str, list[str]]:
        self.listed.clear()
        objects = [*self.objects(), *self.astray("object"), *self.unknown()]
        account = [*self.account(), *self.astray("account")]
        found = {
            "object-updater": list(self.waiting()),
            "object-replicator": objects,
            "container-replicator": [*self.containers(), *self.astray("container")],
            "container-updater": account,
            "account-replicator": account,
        }
        return {daemon: lines for daemon, lines in found.items() if lines}

    def objects(self) -> Iterator[str]:
        """Every primary holds the same files, and they are what the book allows."""
        for name in self.book.names():
            replicas = [Replica.read(node, self._directory(node, name)) for node in self._primaries(name)]
            first = replicas[0]
            for other in replicas[1:]:
                if [(n, other.metadata[n]) for n in other.counting] != [(n, first.metadata[n]) for n in first.counting]:
                    yield f"{name}: {self._at(first.node)} has {first.names}, {self._at(other.node)} {other.names}"
            allowed = self.book.outcomes(name)
            for replica in replicas:
                found = [replica.mismatch(wanted) for wanted in allowed]
                if all(found):
                    yield f"{name} on {self._at(replica.node)}: {' or '.join(found)}"
            if len(allowed) == 1 and allowed[0].content is None and not any(r.files.tombstone for r in replicas):
                yield f"{name}: its tombstone is nowhere"
            if first.body is not None and first.files.data:
                self.listed[name] = (len(first.body), first.metadata[first.files.data.name]["ETag"])

    def astray(self, kind: str) -> Iterator[str]:
        """No partition lies on a device that is no primary of it."""
        ring = self.rings[kind]
        for host, device, partition in self._partitions(kind):
            number = int(partition.name) if partition.name.isdecimal() else -1
            wanted = ring.primaries(number) if 0 <= number < ring.partition_count else ()
            if (host.ip, device) not in [(node.ip, node.device) for node in wanted]:
                yield f"a handoff is left: {partition.relative_to(self.cluster.directory)}"

    def unknown(self) -> Iterator[str]:
        """No object lies anywhere that was never written, or in another's partition, and nothing was quarantined."""
        shift = self.rings["object"].part_shift
        hashes = {self.cluster.swift.hash_path.hex(ACCOUNT, *name) for name in self.book.names()}
        for *_, partition in self._partitions("object"):
            for directory in partition.glob("???/*"):
                if directory.name not in hashes:
                    yield f"nobody wrote what is in {directory.relative_to(self.cluster.directory)}"
                elif int(directory.name[:8], 16) >> shift != int(partition.name):
                    yield f"in another's partition: {directory.relative_to(self.cluster.directory)}"
        for host in self.cluster.hosts.values():
            for path in host.root.glob("*/quarantined/*/*"):
                yield f"quarantined: {path.relative_to(self.cluster.directory)}"

    def waiting(self) -> Iterator[str]:
        """No update waits to be delivered."""
        for host in self.cluster.hosts.values():
            for path in host.root.glob("*/async_pending*/*/*"):
                yield f"an update waits: {path.relative_to(self.cluster.directory)}"

    def containers(self) -> Iterator[str]:
        """Every primary of a container lists what the disks hold."""
        for container in sorted(self.book.containers):
            wanted = {name: facts for (owner, name), facts in self.listed.items() if owner == container}

            def rows(path: str, container: str = container) -> tuple[dict[str, Any], str]:
                broker = ContainerBroker(path, ACCOUNT, container, logger=_LOGGER)
                live = [row for row in broker.items_since(-1, 1000000) if not row["deleted"]]
                return {row["name"]: (row["size"], row["etag"]) for row in live}, broker.get_info()["hash"]

            yield from self._databases("container", (ACCOUNT, container), wanted, rows)

    def account(self) -> Iterator[str]:
        """Every primary of the account counts what its containers list."""
        wanted = {}
        for container in self.book.containers:
            sizes = [size for (owner, _), (size, _) in self.listed.items() if owner == container]
            wanted[container] = (len(sizes), sum(sizes))

        def rows(path: str) -> tuple[dict[str, Any], str]:
            broker = AccountBroker(path, ACCOUNT, logger=_LOGGER)
            live = [row for row in broker.items_since(-1, 1000000) if not row["deleted"]]
            return {row["name"]: (row["object_count"], row["bytes_used"]) for row in live}, broker.get_info()["hash"]

        yield from self._databases("account", (ACCOUNT,), wanted, rows)

    def _databases(
        self,
        kind: database_layout.Kind,
        names: tuple[str, ...],
        wanted: dict[str, Any],
        rows: Callable[[str], tuple[dict[str, Any], str]],
    ) -> Iterator[str]:
        partition, primaries = self.rings[kind].get_nodes(*names)
        name_hash = self.cluster.swift.hash_path.hex(*names)
        hashes = set()
        for node in primaries:
            device = str(self.cluster.path_of(node))
            path = database_layout.database_path(device, kind, str(partition), name_hash)
            if not os.path.exists(database_layout.newest_file(path)):
                yield f"{kind} {names[-1]}: {self._at(node)} has none"
                continue
            found, digest = rows(path)
            hashes.add(digest)
            if found != wanted:
                differing = sorted(name for name in found.keys() | wanted if found.get(name) != wanted.get(name))
                yield f"{kind} {names[-1]} on {self._at(node)} lists other than the disks hold: {differing[:5]}"
        if len(hashes) > 1:
            yield f"{kind} {names[-1]}: its replicas have {len(hashes)} different hashes"

    # ------------------------------------------------------------------------------------------------------------ places

    def _primaries(self, name: Name) -> tuple[Node, ...]:
        return self.rings["object"].get_nodes(ACCOUNT, *name)[1]

    def _directory(self, node: Node, name: Name) -> Path:
        return object_directory(self.cluster, node, name)

    def _at(self, node: Node) -> str:
        return f"{self.cluster.host_of(node)}/{node.device}"

    def _partitions(self, kind: str) -> Iterator[tuple[Host, str, Path]]:
        """Host, device and path of every partition directory."""
        for host in self.cluster.hosts.values():
            for device in host.devices():
                for path in sorted((host.device(device) / f"{kind}s").glob("*")):
                    if path.is_dir():
                        yield host, device, path


def handoffs(cluster: ProbeCluster, name: Name, away: Host) -> set[Path]:
    """Where an object or its tombstone lies that belongs on a host which is away, the devices apart where it belongs."""
    primaries = cluster.ring().get_nodes(ACCOUNT, *name)[1]
    if away.ip not in {node.ip for node in primaries}:
        return set()
    name_hash = cluster.swift.hash_path.hex(ACCOUNT, *name)
    hosts = [host for host in cluster.hosts.values() if host is not away]
    found = {path for host in hosts for path in host.root.glob(f"*/objects/*/{name_hash[-3:]}/{name_hash}")}
    return found - {object_directory(cluster, node, name) for node in primaries}


PlacedPart = tuple[str, str, int]
"""Address of a host, device and object partition."""


def on_disk(cluster: ProbeCluster) -> set[PlacedPart]:
    """All object partitions that lie anywhere."""
    return {
        (host.ip, device, int(path.name))
        for host in cluster.hosts.values()
        for device in host.devices()
        for path in (host.device(device) / "objects").glob("*")
        if path.name.isdecimal()
    }


def wanted(cluster: ProbeCluster) -> set[PlacedPart]:
    """All that the object ring, as it was written last, wants anywhere."""
    ring = cluster.ring()
    return {(node.ip, node.device, part) for part in range(ring.partition_count) for node in ring.primaries(part)}


def object_directory(cluster: ProbeCluster, node: Node, name: Name) -> Path:
    """The hash directory of an object on a ring's device."""
    ring = cluster.ring()
    names = (ACCOUNT, *name)
    policy = next(iter(cluster.swift.policies))
    partition, name_hash = str(ring.partition(*names)), cluster.swift.hash_path.hex(*names)
    return Path(layout.hash_directory(str(cluster.path_of(node)), policy, partition, name_hash))
