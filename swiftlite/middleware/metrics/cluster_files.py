"""ClusterFiles: what there is to say of the rings and of swift.conf, looked at again when they change."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from swiftlite.common import hash_secret, metrics
from swiftlite.common.config import StartError
from swiftlite.common.metric_text import Sample
from swiftlite.ring.format import RingData, load
from swiftlite.ring.own import Place, own_devices, places


class Found(NamedTuple):
    """What there is to say of a file.

    :ivar places: where the devices of a ring are served
    """

    samples: list[Sample]
    places: frozenset[Place] = frozenset()


class ClusterFiles:
    """The rings and swift.conf of a directory; blocks, so it belongs in a thread.

    :param directory: option ``swift_dir``
    :param ip: option ``ring_ip`` or ``bind_ip`` of this server
    :param port: option ``bind_port``; 0: it has no devices
    """

    def __init__(self, directory: str, ip: str = "0.0.0.0", port: int = 0) -> None:
        self.directory = directory
        self.ip, self.port = ip, port
        self._known: dict[str, tuple[tuple[int, int, int], Found]] = {}
        """By path, what a file looked like and what was found in it."""

    def samples(self) -> list[Sample]:
        """All there is to say now."""
        paths = [*sorted(glob.glob(f"{glob.escape(self.directory)}/*.ring.gz")), f"{self.directory}/swift.conf"]
        secret = hash_secret.of_this()
        running = [Sample(metrics.SECRET_INFO, 1, (secret,))] if secret else []
        return [*running, *(sample for path in paths if (found := self._look(path)) for sample in found.samples)]

    def devices(self, kind: str) -> frozenset[str]:
        """The devices that the rings of a kind of server give to this one.

        Each time anew: the network may come later than the server does, and so may who answers for a host name.
        """
        if not self.port:
            return frozenset()
        paths = glob.glob(f"{glob.escape(self.directory)}/{kind}*.ring.gz")
        served = frozenset[Place]().union(*(found.places for path in paths if (found := self._look(path))))
        try:
            return own_devices(served, self.ip, self.port)
        except OSError:
            return frozenset()  # nobody can tell which are ours: those that are there are told of nevertheless

    def _look(self, path: str) -> Found | None:
        try:
            looks = os.stat(path)
            state = looks.st_mtime_ns, looks.st_size, looks.st_ino
            if path not in self._known or self._known[path][0] != state:
                self._known[path] = state, _look_at(path, looks.st_mtime)
        except OSError:
            return None  # not there, or not ours to read: there is nothing to say
        return self._known[path][1]


def _look_at(path: str, modified: float) -> Found:
    with open(path, "rb") as file:
        data = file.read()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    name = os.path.basename(path)
    if name == "swift.conf":
        return Found([Sample(metrics.CONF_INFO, 1, (name, md5))])
    ring = name.removesuffix(".ring.gz")
    found = [Sample(metrics.RING_INFO, 1, (ring, md5)), Sample(metrics.RING_MODIFIED, modified, (ring,))]
    try:
        loaded = load(data)
    except StartError:
        return Found(found)  # its server says so, too, and louder
    return Found([*found, *_ring(ring, loaded)], places(loaded.devices))


def _ring(ring: str, data: RingData) -> Iterator[Sample]:
    if data.version is not None:
        yield Sample(metrics.RING_VERSION, data.version, (ring,))
    yield Sample(metrics.RING_DEVICES, sum(1 for device in data.devices if device and device["weight"]), (ring,))
    yield Sample(metrics.RING_PARTITIONS, data.partition_count, (ring,))
    yield Sample(metrics.RING_REPLICAS, data.replicas, (ring,))
    yield Sample(metrics.RING_BALANCE, balance(data), (ring,))


def balance(data: RingData) -> float:
    """Percent by which the device that is furthest off has more or less than its weight asks for."""
    weights = {device["id"]: float(device["weight"]) for device in data.devices if device and device["weight"]}
    total, held = sum(weights.values()), Counter[int]()
    for row in data.rows:
        held.update(row)
    assigned = sum(held.values())
    if not total or not assigned:
        return 0.0
    return max(abs(held[number] / (assigned * weight / total) - 1) * 100 for number, weight in weights.items())
