"""RingBuilder: an operator's record of a ring: its devices and weights, who moved when; makes and saves rings."""

from __future__ import annotations

import os
import pickle
import time
import uuid
from array import array
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from swiftlite.common import pickles
from swiftlite.core.hosts import spell_address
from swiftlite.ring import dispersion, format, rows, targets
from swiftlite.ring.assignment import Assignment
from swiftlite.ring.balance import Balancer
from swiftlite.ring.format import Device, RingData, RingError

MAX_BALANCE = 999.99
"""The balance of a device that should be empty and is not."""

NEVER_MOVED = 255
"""Hours since the last move of a partition are kept in a byte; this many or more are all the same."""

MAX_DEVICE_ID = (1 << 24) - 1
"""The list of devices has a place for every id up to the highest: a slip of the pen must not fill all memory."""

_BUILDER_ONLY = ("parts", "parts_wanted")

_ARRAYS = {("array", "array"): array, ("array", "_array_reconstructor"): array("B").__reduce_ex__(3)[0]}
"""What builder files name, in pickles of protocol 2 and of later ones."""


class RingBuilder:
    """A ring in the making. Changes take effect in the ring with the next rebalance.

    :param part_power: the ring has ``2 ** part_power`` partitions, 0 to 32
    :param replicas: of each partition, at least 1; with a fraction, some partitions have one more than others
    :param min_part_hours: after a move, a partition rests for so many hours
    :param clock: tells the time, in seconds
    :raises RingError: when a number is out of range
    """

    def __init__(
        self, part_power: int, replicas: float, min_part_hours: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        if not 0 <= part_power <= 32:
            raise RingError(f"part_power {part_power} is not between 0 and 32")
        self.part_power = part_power
        self.next_part_power: int | None = None
        self.replicas = 0.0
        self.min_part_hours = 0
        self.overload = 0.0
        self.devices: list[Device | None] = []
        """Indexed by id, None where a device was removed; ``parts`` counts what a device holds."""
        self.rows: rows.Rows = []
        """``rows[replica][partition]``, a device id; empty before the first rebalance."""
        self.version = 0
        self.id: str | None = None
        self.devices_changed = False
        self.dispersion = 0.0
        self.dispersion_graph: dispersion.Graph = {}
        self._device_id_bytes = 2
        self._removed: list[Device] = []
        self._addresses: dict[tuple[str, int, str], int] | None = None
        """Which device uses an address, port and name; None until somebody asks."""
        self._last_moves = array("B", bytes(1 << part_power))
        self._last_moves_epoch = 0
        self._gather_start = 0
        self._clock = clock
        self.set_replicas(replicas)
        self.set_min_part_hours(min_part_hours)
        self.devices_changed = False

    # --- facts ---

    @property
    def partition_count(self) -> int:
        """How many partitions the ring has."""
        return 1 << self.part_power

    @property
    def present(self) -> Iterator[Device]:
        """All devices, those marked for removal too."""
        return (device for device in self.devices if device is not None)

    @property
    def balance(self) -> float:
        """How far, in percent, the worst device is from its share by weight."""
        return max((abs(value) for value in self.balances().values()), default=0.0)

    @property
    def seconds_until_move(self) -> int:
        """Seconds until min_part_hours have passed since the last rebalance."""
        elapsed = int(self._clock() - self._last_moves_epoch)
        return max(self.min_part_hours * 3600 - elapsed, 0)

    def balances(self) -> dict[int, float]:
        """For each device how far it is from its share by weight, in percent; negative when it has too little."""
        total = sum(device["weight"] for device in self.present)
        if not total:
            return {}
        share = self.partition_count * self.replicas / total
        return {
            device["id"]: 100.0 * device["parts"] / (device["weight"] * share) - 100.0
            if device["weight"]
            else (MAX_BALANCE if device["parts"] else 0.0)
            for device in self.present
        }

    def required_overload(self) -> float:
        """The smallest overload that allows the widest spread."""
        return targets.required_overload(targets.build_tree(self.present)[0], Fraction(self.replicas))

    def dispersion_report(self, pattern: str | None = None) -> list[dispersion.TierReport]:
        """How well the replicas in each failure domain are spread."""
        if not self.dispersion_graph:
            self.measure_dispersion()
        return dispersion.report(self.present, self.dispersion_graph, self.replicas, pattern)

    def is_removed(self, device_id: int) -> bool:
        """Whether a device will go with the next rebalance."""
        return any(device["id"] == device_id for device in self._removed)

    # --- changes ---

    def add_device(self, device: Mapping[str, Any]) -> int:
        """Add a device with keys as in formats.md 6.3; returns its id, the lowest free one unless it brings one.

        :raises RingError: when a key is missing, or the id or the address and name are taken
        """
        needed = ("region", "zone", "ip", "port", "device", "weight")
        missing = [key for key in needed if device.get(key) is None]
        if missing:
            raise RingError(f"a device needs {', '.join(missing)}")
        free = self.devices.index(None) if None in self.devices else len(self.devices)
        device_id = device.get("id", free)
        if not 0 <= device_id <= MAX_DEVICE_ID:
            raise RingError(f"device id {device_id} is not between 0 and {MAX_DEVICE_ID}")
        if device_id < len(self.devices) and self.devices[device_id] is not None:
            raise RingError(f"device id {device_id} is taken")
        weight = _weight(device["weight"])
        addresses = self._refuse_twin(device)
        if device_id >= format.unassigned(self._device_id_bytes):
            self._set_id_bytes(4)
        self.devices.extend([None] * (device_id + 1 - len(self.devices)))
        defaults = {"replication_ip": device["ip"], "replication_port": device["port"], "meta": ""}
        given = {key: value for key, value in device.items() if value is not None}
        places = {"id": device_id, "weight": weight, "parts": 0, "parts_wanted": 0}
        self.devices[device_id] = {**defaults, **given, **places}
        addresses[_address(device)] = device_id
        self._changed()
        return device_id

    def remove_device(self, device_id: int) -> None:
        """Mark a device for removal; the next rebalance takes it out, whatever min_part_hours say."""
        device = self._device(device_id)
        device["weight"] = 0.0
        self._removed.append(device)
        self._changed()

    def set_weight(self, device_id: int, weight: float) -> None:
        """Change a device's weight; 0 drains it."""
        self._device(device_id)["weight"] = _weight(weight)
        self._changed()

    def set_region(self, device_id: int, region: int) -> None:
        """Say that a device stands in another region."""
        self._device(device_id)["region"] = region
        self._changed()

    def set_zone(self, device_id: int, zone: int) -> None:
        """Say that a device stands in another zone."""
        self._device(device_id)["zone"] = zone
        self._changed()

    def set_info(self, device_id: int, changes: Mapping[str, Any]) -> None:
        """Change what does not concern placement: addresses, ports, the device's name, meta.

        :raises RingError: when another device has the same address, port and name
        """
        device = self._device(device_id, removed=True)
        addresses = self._refuse_twin({**device, **changes})
        addresses.pop(_address(device), None)
        device.update(changes)
        addresses[_address(device)] = device_id

    def set_replicas(self, replicas: float) -> None:
        """Change the number of replicas."""
        if not replicas >= 1:
            raise RingError(f"the replica count must be at least 1, not {replicas}")
        if int(self.partition_count * replicas) != int(self.partition_count * self.replicas):
            self.devices_changed = True
        self.replicas = float(replicas)

    def set_min_part_hours(self, hours: int) -> None:
        """Change for how many hours a partition rests after a move."""
        if hours < 0:
            raise RingError(f"min_part_hours must not be negative: {hours}")
        self.min_part_hours = hours

    def set_overload(self, overload: float) -> None:
        """Change how far devices may be filled beyond their share; 0.1 is 10 %."""
        if not overload >= 0:
            raise RingError(f"overload must not be negative: {overload}")
        self.overload = float(overload)

    def pretend_min_part_hours_passed(self) -> None:
        """Let the next rebalance move any partition."""
        self._last_moves_epoch = 0
        self._last_moves = array("B", bytes([NEVER_MOVED]) * self.partition_count)

    def _refuse_twin(self, device: Mapping[str, Any]) -> dict[tuple[str, int, str], int]:
        """Check that no other device has the address, port and name; returns which device has which."""
        if self._addresses is None:
            self._addresses = {_address(other): other["id"] for other in self.present}
        twin = self._addresses.get(_address(device))
        if twin is not None and twin != device.get("id"):
            raise RingError(
                f"device {twin} already uses {spell_address(device['ip'], device['port'])}/{device['device']}"
            )
        return self._addresses

    def _device(self, device_id: int, removed: bool = False) -> Device:
        device = self.devices[device_id] if 0 <= device_id < len(self.devices) else None
        if device is None:
            raise RingError(f"there is no device {device_id}")
        if self.is_removed(device_id) and not removed:
            raise RingError(f"device {device_id} is marked for removal")
        return device

    def _set_id_bytes(self, width: int) -> None:
        self.rows = rows.with_width(self.rows, width)
        self._device_id_bytes = width

    def _changed(self) -> None:
        self.devices_changed = True
        self.version += 1

    # --- rebalance ---

    def rebalance(self, seed: int | str | None = None) -> tuple[int, float, int]:
        """Assign partitions to devices.

        :param seed: makes the outcome repeatable
        :returns: how many replicas got another device, the balance reached, how many devices were removed
        :raises RingError: when there are fewer devices with weight than replicas
        """
        with_weight = sum(device["weight"] > 0 for device in self.present)
        if with_weight < self.replicas:
            raise RingError(f"{self.replicas:g} replicas need as many devices with weight, but there are {with_weight}")
        before = [row[:] for row in self.rows]
        self._age_moves()
        removed = self._drop_removed()
        rows.resize(self.rows, self._row_lengths(), self._device_id_bytes)
        lost = rows.lost(before if removed else [], self.rows, self.partition_count)
        moves = rows.view(self._last_moves)
        may_move = (moves >= self.min_part_hours) & ~lost
        balancer = Balancer(self.present, self.rows, may_move, self.overload, Random(seed))
        balancer.run()
        moved = lost | (may_move & ~balancer.may_move)
        moves[moved] = 0
        if moved.any():
            # Or what moved now would be counted an hour older than it is by the next rebalance, and might move again.
            self._last_moves_epoch = int(self._clock())
        self._count_parts(balancer.assignment)
        self.measure_dispersion()
        self.devices_changed = False
        self.version += 1
        return rows.differences(before, self.rows), self.balance, removed

    def measure_dispersion(self) -> None:
        """Work out the dispersion of the ring as it is now."""
        self.dispersion_graph, self.dispersion = dispersion.measure(self.present, self.rows, self.replicas)

    def _age_moves(self) -> None:
        """Count the hours since the last rebalance onto every partition's."""
        now = int(self._clock())
        hours = (now - self._last_moves_epoch) // 3600
        if hours > 0 or not self.rows:
            moves = rows.view(self._last_moves)
            moves[:] = np.minimum(moves.astype(np.int64) + hours, NEVER_MOVED)
            self._last_moves_epoch = now
        if not self.rows:
            # What never was placed did not move, but once placed it shall rest like the others.
            self._last_moves = array("B", bytes(self.partition_count))

    def _drop_removed(self) -> int:
        """Take out the devices marked for removal, and their assignments; returns how many."""
        gone = {device["id"] for device in self._removed}
        if gone:
            self._addresses = None
            rows.unassign(self.rows, gone)
            for device_id in gone:
                self.devices[device_id] = None
            while self.devices and self.devices[-1] is None:
                self.devices.pop()
            # Not at the very limit: the next device could be the one that needs wide ids again.
            if self._device_id_bytes > 2 and len(self.devices) < format.unassigned(2) // 2:
                self._set_id_bytes(2)
        self._removed = []
        return len(gone)

    def _row_lengths(self) -> list[int]:
        whole, extra = divmod(int(self.partition_count * self.replicas), self.partition_count)
        return [self.partition_count] * whole + ([extra] if extra else [])

    def _count_parts(self, assignment: Assignment) -> None:
        counts = assignment.loads[3].tolist(), (-assignment.surplus).tolist()
        for device_id, parts, wanted in zip(assignment.index.ids.tolist(), *counts, strict=True):
            device = self.devices[device_id]
            assert device is not None
            device["parts"], device["parts_wanted"] = parts, wanted

    # --- checks ---

    def validate(self) -> None:
        """Check that every replica of every partition has a device, no two the same.

        :raises RingError: saying what is wrong
        """
        if not self.rows:
            raise RingError("the ring has no assignments; rebalance it first")
        if sum(device["parts"] for device in self.present) != sum(map(len, self.rows)):
            raise RingError("the devices' part counts do not add up to all replicas of all partitions")
        for device in self.present:
            if not isinstance(device["port"], int):
                raise RingError(f"device {device['id']} has port {device['port']!r}, which is not an integer")
        if [len(row) for row in self.rows] != self._row_lengths():
            raise RingError(
                f"the assignments do not make {self.replicas:g} replicas of {self.partition_count} partitions"
            )
        rows.check(self.rows, self.devices)

    # --- files ---

    def ring_data(self) -> RingData:
        """The ring as it is now."""
        devices = [device and {k: v for k, v in device.items() if k not in _BUILDER_ONLY} for device in self.devices]
        return RingData(devices, 32 - self.part_power, self.rows, self.version, self.next_part_power)

    def write_ring(self, path: str | os.PathLike[str], format_version: int = 1) -> None:
        """Write the ring file.

        :param format_version: 1, or 2 (formats.md 6.2), which device ids beyond 65534 need
        :raises RingError: when device ids are too large for version 1
        """
        path = os.fspath(path)
        name = os.path.basename(path)
        dump = format.DUMPS[format_version]
        write_file(path, dump(self.ring_data(), name[:-3] if name.endswith(".gz") else name), mode=0o644)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the builder file (formats.md 6.6)."""
        if self.id is None:
            self.id = uuid.uuid4().hex
        # Below protocol 3 an array is pickled as a list of numbers, which takes seconds and gigabytes for big rings.
        write_file(os.fspath(path), pickles.dumps(self.to_dict(), 4))

    def to_dict(self) -> dict[str, Any]:
        """The content of a builder file."""
        return {
            "part_power": self.part_power,
            "next_part_power": self.next_part_power,
            "replicas": self.replicas,
            "min_part_hours": self.min_part_hours,
            "parts": self.partition_count,
            "devs": self.devices,
            "devs_changed": self.devices_changed,
            "dev_id_bytes": self._device_id_bytes,
            "version": self.version,
            "overload": self.overload,
            "_replica2part2dev": self.rows or None,
            "_last_part_moves_epoch": self._last_moves_epoch,
            "_last_part_moves": self._last_moves,
            "_last_part_gather_start": self._gather_start,
            "_dispersion_graph": self.dispersion_graph,
            "dispersion": self.dispersion,
            "_remove_devs": self._removed,
            "id": self.id,
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> RingBuilder:
        """Read a builder file.

        :raises RingError: missing, unreadable or damaged
        """
        path = os.fspath(path)
        try:
            with open(path, "rb") as file:
                content = pickles.loads(file.read(), encoding="utf8", extra=_ARRAYS)
            return cls.from_dict(content, clock=clock)
        except OSError as error:
            raise RingError(f"{path}: cannot read ring builder file: {error.strerror}") from None
        except (
            ArithmeticError, AttributeError, LookupError, RingError, TypeError, ValueError, pickle.UnpicklingError,
        ) as error:  # fmt: skip
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            reason = "it is no pickle of plain data" if isinstance(error, pickle.UnpicklingError) else reason
            raise RingError(f"{path}: not a ring builder file: {reason}; restore it from backups/") from None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, clock: Callable[[], float] = time.time) -> RingBuilder:
        """A builder from the content of its file; keys that older versions did not write may be missing."""
        builder = cls(content["part_power"], content["replicas"], content["min_part_hours"], clock=clock)
        builder.next_part_power = content.get("next_part_power")
        builder.overload = content.get("overload", 0.0)
        builder.devices = list(content["devs"])
        builder.rows = list(content["_replica2part2dev"] or [])
        builder.version = content["version"]
        builder.id = content.get("id")
        builder.devices_changed = content["devs_changed"]
        builder.dispersion = content.get("dispersion", 0.0)
        builder.dispersion_graph = content.get("_dispersion_graph") or {}
        builder._device_id_bytes = content.get("dev_id_bytes", 2)
        builder._removed = [builder.devices[device["id"]] for device in content["_remove_devs"]]
        # OpenStack Swift makes it a list when it increases the partition power.
        builder._last_moves = array("B", content["_last_part_moves"] or builder._last_moves)
        builder._last_moves_epoch = content["_last_part_moves_epoch"] or 0
        builder._gather_start = content.get("_last_part_gather_start", 0)
        builder._check_arrays()
        for device in builder.present:
            device.setdefault("region", 1)
            device.setdefault("meta", "")
            device.setdefault("replication_ip", device["ip"])
            device.setdefault("replication_port", device["port"])
            device.setdefault("parts", 0)
        return builder

    def _check_arrays(self) -> None:
        code = format.TYPE_CODES.get(self._device_id_bytes)
        if code is None:
            raise ValueError(f"device ids of {self._device_id_bytes} bytes are unknown")
        if not all(isinstance(row, array) and row.typecode == code for row in self.rows):
            raise ValueError(f"its assignments are no arrays of device ids of {self._device_id_bytes} bytes")
        moves = self._last_moves
        if not (isinstance(moves, array) and moves.typecode == "B" and len(moves) == self.partition_count):
            raise ValueError("the hours since the last moves are not one byte for each partition")


def write_file(path: str, data: bytes, mode: int | None = None) -> None:
    """Replace a file whole: readers see the old content or the new, also after a crash.

    :param mode: its permission bits; those that umask allows when None
    """
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _address(device: Mapping[str, Any]) -> tuple[str, int, str]:
    return device["ip"], device["port"], device["device"]


def _weight(value: Any) -> float:
    weight = float(value)
    if not 0 <= weight < float("inf"):
        raise RingError(f"a weight must not be negative: {value}")
    return weight
