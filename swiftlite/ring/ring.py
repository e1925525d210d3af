"""Ring: which devices hold a name's replicas, and where to look next; read from a ring file, reloaded when it changes."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from swiftlite.common.permissions import explain
from swiftlite.core.hosts import HandoffAddress
from swiftlite.core.names import HashPath
from swiftlite.ring.format import Device, RingData, RingError, load

__all__ = ["Node", "Ring", "RingError"]


@dataclass(frozen=True, slots=True)
class Node:
    """A device in its role for one partition: ``index`` among the primaries, or ``handoff_index`` after them."""

    id: int
    region: int
    zone: int
    ip: str
    port: int
    replication_ip: str
    replication_port: int
    device: str
    weight: float
    meta: str = ""
    index: int | None = None
    handoff_index: int | None = None
    address: tuple[str, int] = field(init=False, compare=False, repr=False)
    replication_address: tuple[str, int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Made once: the address is wanted at every backend request.
        address = (self.ip, self.port)
        object.__setattr__(self, "address", address if self.handoff_index is None else HandoffAddress(address))
        object.__setattr__(self, "replication_address", (self.replication_ip, self.replication_port))

    def __hash__(self) -> int:
        return hash((self.id, self.ip, self.port, self.index, self.handoff_index))

    @classmethod
    def from_device(cls, device: Device, index: int | None = None, handoff_index: int | None = None) -> Node:
        """The node that a ring file's device is, in the given role."""
        return cls(**{key: device[key] for key in _DEVICE_KEYS}, index=index, handoff_index=handoff_index)


_DEVICE_KEYS = (
    "id", "region", "zone", "ip", "port", "replication_ip", "replication_port", "device", "weight", "meta",
)  # fmt: skip


class Ring:
    """The placement of one kind of data: accounts, containers, or the objects of one policy.

    :param path: the ring file, or the folder that holds ``<ring_name>.ring.gz``
    :param hash_path: hashes names under the cluster's secret
    :param reload_time: seconds between looks at the file for a change
    :param clock: tells the time, in seconds
    :raises RingError: when the file is missing, damaged or without partitions
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        ring_name: str = "object",
        *,
        hash_path: HashPath,
        reload_time: float = 15.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        path = os.fspath(path)
        self.path = os.path.join(path, ring_name + ".ring.gz") if os.path.isdir(path) else path
        self.hash_path = hash_path
        self.reload_time = reload_time
        self._clock = clock
        self._digest = hash_path.digest
        self._load()

    # --- looking up ---

    def partition(self, account: str, container: str | None = None, object_name: str | None = None) -> int:
        """The partition of a name (formats.md 1.3)."""
        return int.from_bytes(self._digest(account, container, object_name)[:4], "big") >> self._part_shift

    def primaries(self, partition: int) -> tuple[Node, ...]:
        """The devices that should hold a partition, in order of their index, each once (formats.md 6.4)."""
        if self._clock() >= self._next_look:
            self._reload()
        try:
            return self._primaries[partition]
        except KeyError:
            nodes = self._primaries[partition] = self._find_primaries(partition)
            return nodes

    def get_nodes(
        self, account: str, container: str | None = None, object_name: str | None = None
    ) -> tuple[int, tuple[Node, ...]]:
        """The partition of a name, and its primaries."""
        if self._clock() >= self._next_look:
            self._reload()
        partition = self.partition(account, container, object_name)
        return partition, self.primaries(partition)

    def handoffs(self, partition: int) -> Iterator[Node]:
        """All other devices, in the order in which they stand in for the primaries (formats.md 6.5)."""
        primaries = self.primaries(partition)
        return _handoffs(self._data, self._tiers, partition, primaries)

    # --- facts ---

    @property
    def name(self) -> str:
        """That of its file, say ``object-1``."""
        return os.path.basename(self.path).removesuffix(".ring.gz")

    @property
    def replica_count(self) -> int:
        """The most replicas that a partition has."""
        return len(self._current().rows)

    @property
    def replicas(self) -> float:
        """Replicas of a partition, on average: may have a fraction."""
        return self._current().replicas

    @property
    def partition_count(self) -> int:
        """How many partitions there are."""
        return self._current().partition_count

    @property
    def part_shift(self) -> int:
        """How many low bits of a hash's first 32 do not count."""
        return self._current().part_shift

    @property
    def next_part_power(self) -> int | None:
        """The partition power that the ring is growing to, if it is."""
        return self._current().next_part_power

    @property
    def version(self) -> int | None:
        """Version of the builder that wrote the ring."""
        return self._current().version

    @property
    def devices(self) -> list[Device | None]:
        """The devices as the ring file spells them, indexed by id, None where one was removed."""
        return self._current().devices

    # --- the file ---

    def has_changed(self) -> bool:
        """Whether the file on disk is not the one that was loaded.

        :raises OSError: when the file is gone
        """
        return self._stamp != _stamp(self.path)

    def _current(self) -> RingData:
        if self._clock() >= self._next_look:
            self._reload()
        return self._data

    def _reload(self) -> None:
        """Load the file again if it changed; a bad or vanished file leaves the loaded ring in use."""
        self._next_look = self._clock() + self.reload_time
        try:
            if self.has_changed():
                self._load()
        except (OSError, RingError) as error:
            logging.getLogger(__name__).error(
                "ring %s was not reloaded, the old one stays in use: %s", self.path, error
            )

    def _load(self) -> None:
        # The stamp first: a file replaced between the two is loaded once too often, not once too little.
        try:
            stamp = _stamp(self.path)
        except OSError as error:
            problem, remedy = explain(self.path, error, "write it with swiftlite-ring-builder")
            raise RingError(f"{self.path}: cannot read ring file: {problem}; {remedy}") from None
        data = load(self.path)
        if not data.rows:
            raise RingError(f"{self.path}: the ring has no partitions; rebalance its builder and write it again")
        self._stamp = stamp
        self._data = data
        self._part_shift = data.part_shift
        self._tiers = _Tiers(data)
        self._primaries: dict[int, tuple[Node, ...]] = {}
        self._nodes: dict[tuple[int, int], Node] = {}
        self._next_look = self._clock() + self.reload_time

    def _find_primaries(self, partition: int) -> tuple[Node, ...]:
        if not 0 <= partition < self._data.partition_count:
            raise ValueError(f"partition {partition} is not in the ring, which has {self._data.partition_count}")
        ids = dict.fromkeys(row[partition] for row in self._data.rows if partition < len(row))
        return tuple(self._node(device_id, index) for index, device_id in enumerate(ids))

    def _node(self, device_id: int, index: int) -> Node:
        """The one Node of a device in a place, shared by all partitions."""
        key = (device_id, index)
        node = self._nodes.get(key)
        if node is None:
            device = self._data.devices[device_id]
            assert device is not None
            node = self._nodes[key] = Node.from_device(device, index=index)
        return node


def _stamp(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_ino, status.st_size


class _Tiers:
    """For each device its failure domains, widest first, and how many of each kind own partitions."""

    def __init__(self, data: RingData) -> None:
        self.of: dict[int, tuple[Any, ...]] = {}
        for device_id in set().union(*map(set, data.rows)):
            device = data.devices[device_id]
            assert device is not None
            region, zone, ip = device["region"], device["zone"], device["ip"]
            self.of[device_id] = (region, (region, zone), (region, zone, ip), device_id)
        self.counts = [len({tiers[level] for tiers in self.of.values()}) for level in range(4)]


def _handoffs(data: RingData, tiers: _Tiers, partition: int, primaries: tuple[Node, ...]) -> Iterator[Node]:
    used = [{tiers.of[node.id][level] for node in primaries} for level in range(4)]
    found = 0
    for level in range(4):
        if len(used[level]) == tiers.counts[level]:
            continue
        for device_id in _candidates(data, partition):
            domains = tiers.of[device_id]
            if domains[level] in used[level]:
                continue
            for seen, domain in zip(used, domains, strict=True):
                seen.add(domain)
            device = data.devices[device_id]
            assert device is not None
            yield Node.from_device(device, handoff_index=found)
            found += 1
            if len(used[level]) == tiers.counts[level]:
                break


def _candidates(data: RingData, partition: int) -> Iterator[int]:
    """Device ids, again and again, from a place in the ring that depends on the partition alone."""
    count = data.partition_count
    digest = hashlib.md5(str(partition).encode("ascii"), usedforsecurity=False).digest()
    start = int.from_bytes(digest[:4], "big") >> data.part_shift
    step = max(count // 65536, 1)
    rows: list[array[int]] = data.rows
    for at in chain(range(start, count, step), range(step - ((count - start) % step), start, step)):
        for row in rows:
            if at < len(row):
                yield row[at]
