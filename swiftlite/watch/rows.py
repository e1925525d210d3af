"""What swiftlite-top and the console show of each host and device: answers of servers, put together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swiftlite.core.metrics_text import Requests
from swiftlite.watch.facts import Asked, number
from swiftlite.watch.gathering import METRICS
from swiftlite.watch.rules_daemons import last_pass, pending
from swiftlite.watch.rules_devices import fills

NEARLY_FULL, FULL = 85.0, 95.0
OLD_PASS = 86400.0
OLD_UPDATE = 3600.0
CLOSED = "closed to the servers"


@dataclass(frozen=True)
class Look:
    """One look at a cluster: when, and what every server answered."""

    taken: float
    asked: tuple[Asked, ...]

    def requests(self) -> dict[str, Requests]:
        """What the servers have answered, of those that have metrics."""
        read = {one.server.name: Requests.read(one.table(METRICS)) for one in self.asked}
        return {name: requests for name, requests in read.items() if requests is not None}


@dataclass(frozen=True)
class HostRow:
    """A machine; None where it does not tell.

    :ivar up: servers that answer, of `servers`
    :ivar rate: requests a second, of all its servers
    :ivar errors: 5xx a second
    :ivar mean: milliseconds of a request
    :ivar slow: milliseconds within which 99 % are answered
    :ivar fill: percent, of the fullest device
    :ivar lost: devices that the rings name and that cannot be used
    :ivar updates: that wait
    :ivar update_age: of the oldest, in seconds
    :ivar replication: seconds since the last pass of the replicator that is furthest behind
    """

    ip: str
    up: int = 0
    servers: int = 0
    rate: float | None = None
    errors: float | None = None
    mean: float | None = None
    slow: float | None = None
    fill: float | None = None
    free: float | None = None
    devices: int = 0
    lost: int = 0
    updates: int | None = None
    update_age: float | None = None
    replication: float | None = None
    quarantined: int | None = None
    load: float | None = None

    @property
    def style(self) -> str:
        """``bad``, ``warn`` or ``plain``."""
        if self.up < self.servers or self.lost or (self.fill or 0) >= FULL:
            return "bad"
        is_old = (self.replication or 0) >= OLD_PASS or (self.update_age or 0) >= OLD_UPDATE
        return "warn" if is_old or self.errors or self.quarantined or (self.fill or 0) >= NEARLY_FULL else "plain"


@dataclass(frozen=True)
class DeviceRow:
    """A device of a machine; None where it does not tell.

    :ivar updates: that wait on it
    :ivar quarantined: things in its quarantine
    :ivar filesystem: its number on the machine
    """

    ip: str
    device: str
    fill: float | None = None
    free: float | None = None
    size: float | None = None
    inodes: float | None = None
    problem: str = ""
    updates: int | None = None
    quarantined: int | None = None
    filesystem: int | None = None

    @property
    def style(self) -> str:
        """``bad``, ``warn`` or ``plain``."""
        most = max(self.fill or 0, self.inodes or 0)
        return "bad" if self.problem or most >= FULL else "warn" if most >= NEARLY_FULL else "plain"


# --- hosts ---


def host_rows(look: Look, before: Look | None = None) -> list[HostRow]:
    """A row for each machine; rates are those since the look before."""
    machines: dict[str, list[Asked]] = {}
    for one in look.asked:
        machines.setdefault(one.server.ip, []).append(one)
    recent = requests_since(look, before)
    seconds = look.taken - before.taken if before else 0.0
    return [
        _with_requests(
            _host_row(ip, servers, look.taken),
            [recent[one.server.name] for one in servers if one.server.name in recent],
            seconds,
        )
        for ip, servers in machines.items()
    ]


def requests_since(look: Look, before: Look | None) -> dict[str, Requests]:
    """What each server has answered between two looks."""
    earlier = before.requests() if before else {}
    return {name: requests.since(earlier[name]) for name, requests in look.requests().items() if name in earlier}


def together(requests: Iterable[Requests]) -> Requests:
    """Of several servers."""
    return sum(requests, Requests())


def _with_requests(row: HostRow, requests: Sequence[Requests], seconds: float) -> HostRow:
    if not requests or seconds <= 0:
        return row
    total = together(requests)
    mean, slow = (1000 * value if value is not None else None for value in (total.mean, total.quantile(0.99)))
    return replace(row, rate=total.count / seconds, errors=total.errors / seconds, mean=mean, slow=slow)


def _host_row(ip: str, servers: Sequence[Asked], now: float) -> HostRow:
    well = [one for one in servers if not one.problem]
    devices = [device for one in _one_a_root(well) for device in _devices_of(one, servers)]
    counted = [pending(one) for one in _one_a_root(well, "object")]
    oldest = min((since for _, since in counted if since is not None), default=None)
    ages = [
        now - last for one in well if (last := last_pass(one, (f"replication/{one.server.kind}", "replication_last")))
    ]
    held = [one.table("quarantined") for one in _one_a_root(well) if one.table("quarantined")]
    loads = [load for one in well if (load := one.figure("load", "1m")) is not None]
    return HostRow(
        ip,
        up=len(well),
        servers=len(servers),
        fill=_most(device.fill for device in devices),
        free=_free(devices) if devices else None,
        devices=len(devices),
        lost=sum(bool(device.problem) for device in devices),
        updates=sum(count for count, _ in counted) if counted else None,
        update_age=now - oldest if oldest is not None else None,
        replication=max(ages, default=None),
        quarantined=sum(map(_quarantined, held)) if held else None,
        load=loads[0] if loads else None,
    )


def _free(devices: Iterable[DeviceRow]) -> float:
    """The bytes that are free on a machine: directories of one filesystem share them."""
    found: dict[Any, float] = {}
    for place, device in enumerate(devices):
        found[("alone", place) if device.filesystem is None else device.filesystem] = device.free or 0
    return sum(found.values())


def _quarantined(counts: Mapping[str, Any]) -> int:
    return sum(count for kind in ("objects", "containers", "accounts") if isinstance(count := counts.get(kind), int))


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _one_a_root(servers: Sequence[Asked], *kinds: str) -> list[Asked]:
    """One server for each directory of devices."""
    found: dict[str, Asked] = {}
    for one in servers:
        if one.server.kind != "proxy" and (not kinds or one.server.kind in kinds):
            found.setdefault(one.root or str(one.server.port), one)
    return list(found.values())


# --- devices ---


def device_rows(look: Look) -> list[DeviceRow]:
    """A row for each device of each machine."""
    machines: dict[str, list[Asked]] = {}
    for one in look.asked:
        machines.setdefault(one.server.ip, []).append(one)
    return [
        device
        for servers in machines.values()
        for one in _one_a_root([one for one in servers if not one.problem])
        for device in _devices_of(one, servers)
    ]


def _devices_of(one: Asked, servers: Sequence[Asked]) -> list[DeviceRow]:
    """The devices that a server has, and those that the rings say it should have."""
    ip = one.server.ip
    rows = {
        fill.device: DeviceRow(ip, fill.device, fill.used, fill.free, fill.total, fill.inodes_used)
        for fill in fills(one)
    }
    listed = one.get("devices", one.root)
    there = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else None
    named = {
        name
        for other in servers
        if other.root in ("", one.root)
        for names in other.server.devices.values()
        for name in names
    }
    problems = {
        str(row.get("device")): problem
        for other in servers
        if other.root == one.root
        for row in other.rows("facts", "devices")
        if (problem := _problem(row))
    }
    for name in sorted(named):
        if one.word("facts", "closed_root"):
            rows[name] = DeviceRow(ip, name, problem=CLOSED)
        elif there is not None and name not in there:
            rows[name] = DeviceRow(ip, name, problem="missing")
        elif name in problems:
            rows[name] = replace(rows.get(name, DeviceRow(ip, name)), problem=problems[name])
        elif name not in rows:
            rows[name] = DeviceRow(ip, name, problem="not mounted")
    for row in one.rows("unmounted"):
        if isinstance(row.get("mounted"), str):
            rows[str(row.get("device"))] = DeviceRow(ip, str(row.get("device")), problem=row["mounted"])
    counts = _counts_of_devices([other for other in servers if other.root == one.root])
    return [replace(row, **counts.get(row.device, {})) for row in rows.values()]


def _problem(row: Mapping[str, Any]) -> str:
    """Why a device cannot be used, as far as a server's facts of it tell."""
    problem = row.get("problem")
    if row.get("closed") or problem == "Permission denied":
        return CLOSED
    return problem if isinstance(problem, str) else "read-only" if row.get("read_only") is True else ""


def _counts_of_devices(servers: Iterable[Asked]) -> dict[str, dict[str, Any]]:
    """For each device, what servers of one directory have counted there; only the object server knows of updates."""
    found: dict[str, dict[str, Any]] = {}
    for server in servers:
        for row in server.rows("facts", "devices"):
            names = {"updates": "async_pending", "quarantined": "quarantined", "filesystem": "filesystem"}
            told = {name: number(row.get(key)) for name, key in names.items()}
            counts = {name: int(count) for name, count in told.items() if count is not None}
            found.setdefault(str(row.get("device")), {}).update(counts)
    return found


# --- choosing ---


Key = Callable[[Any], Any]


def chosen(rows: Iterable[Any], words: str, key: Key, is_reversed: bool) -> list[Any]:
    """The rows whose names hold some words, in order; what does not tell comes last.

    :param key: what they are ordered by
    :param is_reversed: the greatest first
    """
    found = [row for row in rows if all(word in f"{row.ip} {getattr(row, 'device', '')}" for word in words.split())]
    known = [row for row in found if key(row) is not None]
    unknown = [row for row in found if key(row) is None]
    return sorted(known, key=key, reverse=is_reversed) + unknown
