"""ClusterFiles: what there is to say of the rings and of swift.conf, looked at again when they change."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterator

from swiftlite.common import metrics
from swiftlite.common.config import StartError
from swiftlite.common.metric_text import Sample
from swiftlite.ring.format import RingData, load


class ClusterFiles:
    """The rings and swift.conf of a directory; blocks, so it belongs in a thread.

    :param directory: option ``swift_dir``
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._known: dict[str, tuple[tuple[int, int, int], list[Sample]]] = {}
        """By path, what a file looked like and what was found in it."""

    def samples(self) -> list[Sample]:
        """All there is to say now."""
        found = []
        for path in [*sorted(glob.glob(f"{glob.escape(self.directory)}/*.ring.gz")), f"{self.directory}/swift.conf"]:
            try:
                looks = os.stat(path)
                state = looks.st_mtime_ns, looks.st_size, looks.st_ino
                if path not in self._known or self._known[path][0] != state:
                    self._known[path] = state, list(_look_at(path, looks.st_mtime))
            except OSError:
                continue  # not there, or not ours to read: there is nothing to say
            found += self._known[path][1]
        return found


def _look_at(path: str, modified: float) -> Iterator[Sample]:
    with open(path, "rb") as file:
        data = file.read()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    name = os.path.basename(path)
    if name == "swift.conf":
        yield Sample(metrics.CONF_INFO, 1, (name, md5))
        return
    ring = name.removesuffix(".ring.gz")
    yield Sample(metrics.RING_INFO, 1, (ring, md5))
    yield Sample(metrics.RING_MODIFIED, modified, (ring,))
    try:
        yield from _ring(ring, load(data))
    except StartError:
        pass  # its server says so, too, and louder


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
