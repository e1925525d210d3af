"""The two ring builders behind one interface: swiftlite's here, OpenStack Swift's in a process with its own interpreter."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from array import array
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import peer
from histories import Step

from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.rows import Rows, differences

MOST_REBALANCES = 5
HARDLY = 0.002
"""A rebalance that moved this part of all replicas or less is the last."""


class TooSlow(Exception):
    """A builder took longer than allowed."""


class Ours:
    """swiftlite's builder."""

    name = "swiftlite"

    def __init__(self, part_power: int, replicas: int) -> None:
        self._builder = RingBuilder(part_power, replicas, 1)

    def change(self, step: Step) -> None:
        """Do what a step says; takes effect with the next rebalance."""
        if step.overload is not None:
            self._builder.set_overload(step.overload)
        for device_id in step.removed:
            self._builder.remove_device(device_id)
        for device in step.added:
            self._builder.add_device(device)
        for device_id, weight in step.weights.items():
            self._builder.set_weight(device_id, weight)

    def rebalance(self, seed: int) -> tuple[float, Rows]:
        """Rebalance, any partition may move; returns the seconds of a processor it took, and the assignments."""
        self._builder.pretend_min_part_hours_passed()
        began = time.process_time()
        self._builder.rebalance(seed)
        seconds = time.process_time() - began
        self._builder.validate()
        return seconds, [row[:] for row in self._builder.rows]

    def close(self) -> None:
        """Nothing to do."""


class Theirs:
    """OpenStack Swift's builder.

    :param directory: an empty one
    :param budget: seconds of a processor that it may take in its life
    """

    name = "OpenStack Swift"

    def __init__(self, part_power: int, replicas: int, directory: Path, budget: int) -> None:
        directory.mkdir(parents=True)
        (directory / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
        command = peer.command(directory, Path(__file__).with_name("peer_builder.py"))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=peer.environment())
        # The kernel ends what goes on for longer.
        resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (budget, budget + 5))
        self._rows = directory / "rows"
        self._partitions = 1 << part_power
        self._ask({"create": [part_power, replicas, 1]})

    def _ask(self, request: dict[str, Any]) -> float:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            status = self._process.wait()
            if status == -signal.SIGXCPU:
                raise TooSlow
            raise peer.PeerError(f"its builder ended with status {status}")
        return float(answer)

    def change(self, step: Step) -> None:
        """Do what a step says; takes effect with the next rebalance."""
        self._ask({"change": asdict(step)})

    def rebalance(self, seed: int) -> tuple[float, Rows]:
        """Rebalance, any partition may move; returns the seconds of a processor it took, and the assignments."""
        seconds = self._ask({"rebalance": str(self._rows), "seed": seed})
        ids = array("H", self._rows.read_bytes())
        return seconds, [ids[at : at + self._partitions] for at in range(0, len(ids), self._partitions)]

    def close(self) -> None:
        """End its process."""
        self._process.kill()
        self._process.communicate()


class Run:
    """One builder on its way through a history: what it was told, and what it made of that."""

    def __init__(self, builder: Ours | Theirs) -> None:
        self.builder = builder
        self.devices: dict[int, dict[str, Any]] = {}
        self.rows: Rows = []
        self.overload = 0.0

    def take(self, step: Step, seed: int) -> Iterator[tuple[float, Rows]]:
        """Change, and rebalance until that moves hardly anything; yields the seconds and the assignments each time."""
        self.builder.change(step)
        self._note(step)
        for count in range(MOST_REBALANCES):
            before = self.rows
            seconds, self.rows = self.builder.rebalance(seed + count)
            yield seconds, self.rows
            if not before or differences(before, self.rows) <= HARDLY * sum(map(len, self.rows)):
                break

    def _note(self, step: Step) -> None:
        for device_id in step.removed:
            del self.devices[device_id]
        self.devices.update((device["id"], dict(device)) for device in step.added)
        for device_id, weight in step.weights.items():
            self.devices[device_id]["weight"] = weight
        if step.overload is not None:
            self.overload = step.overload
