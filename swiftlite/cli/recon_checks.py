"""What swiftlite-recon tells of servers' answers: figures over all hosts, and lines about single ones. Pure.

Names, and what counts as no result, are those of OpenStack Swift's swift-recon, so that both tools say the same numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from swiftlite.watch.facts import Asked, number
from swiftlite.watch.rules_devices import missing_devices

Values = Sequence["float | None"]


@dataclass(frozen=True)
class Stats:
    """A figure over all hosts.

    :ivar missing: hosts that answered without a value
    """

    name: str
    low: float
    high: float
    total: float
    reported: int
    missing: int

    @property
    def average(self) -> float:
        """Over the hosts that have a value."""
        return self.total / self.reported

    @property
    def percent_missing(self) -> float:
        """Of the hosts that answered."""
        return 100.0 * self.missing / (self.reported + self.missing)

    def as_json(self) -> dict[str, float]:
        """By the names of swift-recon's line."""
        figures = {"low": self.low, "high": self.high, "avg": self.average, "total": self.total}
        return figures | {"no_result": self.missing, "reported": self.reported}


@dataclass(frozen=True)
class Section:
    """A check.

    :ivar stats: name -> figure, None where no host has a value
    :ivar lines: about single hosts
    :ivar facts: the same for programs
    """

    title: str
    stats: Mapping[str, Stats | None] = field(default_factory=dict)
    lines: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Figures and facts."""
        figures = {name: stats.as_json() if stats else None for name, stats in self.stats.items()}
        return ({"stats": figures} if figures else {}) | dict(self.facts)


def stats_of(name: str, values: Values) -> Stats | None:
    """The figure over some hosts' values, None for those without; None when nobody has one."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Stats(name, min(known), max(known), sum(known), len(known), len(values) - len(known))


def figures(named: Mapping[str, Values]) -> dict[str, Stats | None]:
    """A figure for each name."""
    return {name: stats_of(name, values) for name, values in named.items()}


@dataclass(frozen=True)
class Context:
    """What a check is about.

    :ivar kind: of the servers
    :ivar own: MD5 of this machine's files, by their names: rings and swift.conf
    :ivar now: by this machine's clock
    """

    kind: str
    own: Mapping[str, str]
    now: float
    jitter: float = 0.0
    top: int = 0
    lowest: int = 0
    human: bool = False


Check = Callable[[Sequence[Asked], Context], Section]


def _telling(asked: Iterable[Asked], check: str) -> list[Asked]:
    return [one for one in asked if check in one.answers]


# --- figures of one check ---


def async_pending(asked: Sequence[Asked], context: Context) -> Section:
    """Updates that wait."""
    values = [one.figure("async", "async_pending") for one in _telling(asked, "async")]
    return Section("Async pendings", figures({"async_pending": values}))


def drive_audit(asked: Sequence[Asked], context: Context) -> Section:
    """Errors of drives."""
    values = [one.figure("driveaudit", "drive_audit_errors") for one in _telling(asked, "driveaudit")]
    return Section("Drive audit errors", figures({"drive_audit_errors": values}))


def expirer(asked: Sequence[Asked], context: Context) -> Section:
    """Passes of expirers."""
    told = _telling(asked, "expirer/object")
    names = ("object_expiration_pass", "expired_last_pass")
    return Section("Expirers", figures({name: [one.figure("expirer/object", name) for one in told] for name in names}))


def updater(asked: Sequence[Asked], context: Context) -> Section:
    """Passes of updaters."""
    check = f"updater/{context.kind}"
    sweeps = [one.figure(check, f"{context.kind}_updater_sweep") for one in _telling(asked, check)]
    return Section("Updaters", figures({"updater_last_sweep": [sweep for sweep in sweeps if sweep]}))


def load(asked: Sequence[Asked], context: Context) -> Section:
    """Load averages."""
    told = _telling(asked, "load")
    return Section(
        "Load averages",
        figures({f"{span}_load_avg": [one.figure("load", span) for one in told] for span in ("1m", "5m", "15m")}),
    )


def sockets(asked: Sequence[Asked], context: Context) -> Section:
    """TCP sockets."""
    told = _telling(asked, "sockstat")
    names = ("tcp_in_use", "tcp_mem_allocated_bytes", "tcp6_in_use", "time_wait", "orphan")
    values = {name: [one.figure("sockstat", name) for one in told] for name in names}
    values["tcp6_in_use"] = [value or 0 for value in values["tcp6_in_use"]]
    return Section("Socket usage", figures(values))


def quarantined(asked: Sequence[Asked], context: Context) -> Section:
    """Things in quarantine, by kind and storage policy."""
    told = _telling(asked, "quarantined")
    values: dict[str, list[float | None]] = {}
    for one in told:
        for policy in one.table("quarantined", "policies"):
            count = one.figure("quarantined", "policies", policy, "objects")
            values.setdefault(f"quarantined_objects_{policy}", []).append(count)
    for kind in ("objects", "containers", "accounts"):
        values[f"quarantined_{kind}"] = [one.figure("quarantined", kind) for one in told]
    return Section("Quarantine", figures(values))


# --- passes ---


def replication(asked: Sequence[Asked], context: Context) -> Section:
    """Passes of replicators."""
    check = f"replication/{context.kind}"
    told = _telling(asked, check)
    values: dict[str, list[float | None]] = {"replication_time": [_either(one, check, "time") for one in told]}
    for name in ("failure", "success", "attempted"):
        with_stats = [one for one in told if one.table(check, "replication_stats")]
        values[f"replication_{name}"] = [one.figure(check, "replication_stats", name) for one in with_stats]
    return _passes("Replication", values, [(one, _either(one, check, "last")) for one in told], context)


def _either(one: Asked, check: str, name: str) -> float | None:
    """A value that older object replicators gave another name."""
    newer, older = f"replication_{name}", f"object_replication_{name}"
    table = one.table(check)
    return number(table[newer] if newer in table else table.get(older, 0))


def reconstruction(asked: Sequence[Asked], context: Context) -> Section:
    """Passes of reconstructors, which OpenStack Swift has for erasure coding."""
    check = "reconstruction/object"
    told = _telling(asked, check)
    values = {"object_reconstruction_time": [one.figure(check, "object_reconstruction_time") for one in told]}
    return _passes(
        "Reconstruction", values, [(one, one.figure(check, "object_reconstruction_last")) for one in told], context
    )


def sharding(asked: Sequence[Asked], context: Context) -> Section:
    """Passes of sharders, which OpenStack Swift has."""
    told = _telling(asked, "sharding")
    values: dict[str, list[float | None]] = {"sharding_time": [one.figure("sharding", "sharding_time") for one in told]}
    for name in ("attempted", "failure", "success"):
        with_stats = [one for one in told if one.table("sharding", "sharding_stats")]
        values[name] = [one.figure("sharding", "sharding_stats", name) for one in with_stats]
    return _passes("Sharding", values, [(one, one.figure("sharding", "sharding_last")) for one in told], context)


def _passes(
    title: str, values: Mapping[str, Values], ends: Sequence[tuple[Asked, float | None]], context: Context
) -> Section:
    known = [(end, one.server.address) for one, end in ends if end is not None]
    lines: list[str] = []
    facts: dict[str, Any] = {}
    if known:
        for word, (end, address) in (("Oldest", min(known)), ("Most recent", max(known, key=lambda pair: pair[0]))):
            facts[f"{word.lower().replace(' ', '_')}_completion"] = {"time": end, "host": address}
            if end:
                lines.append(f"{word} completion was {moment(end)} ({age(context.now - end)} ago) by {address}.")
            elif word == "Oldest":
                lines.append(f"{word} completion was NEVER by {address}.")
    return Section(title, figures(values), lines, facts)


def auditor(asked: Sequence[Asked], context: Context) -> Section:
    """Passes of auditors of databases."""
    kind = context.kind
    check = f"auditor/{kind}"
    told = _telling(asked, check)
    names = (f"{kind}_auditor_pass_completed", f"{kind}_audits_failed", f"{kind}_audits_passed")
    values = {name: _known(one.figure(check, name) for one in told) for name in names}
    since = _known(one.figure(check, f"{kind}_audits_since") for one in told)
    if not since:
        return Section("Auditors", figures({**values, f"{kind}_audits_since": []}))
    ends = {"oldest": min(since), "newest": max(since), "avg": sum(since) / len(since)}
    line = ", ".join(f"{name}: {moment(end)}" for name, end in ends.items())
    return Section("Auditors", figures(values), [f"[last_pass] {line}"], {"last_pass": ends})


def object_auditor(asked: Sequence[Asked], context: Context) -> Section:
    """Passes of object auditors; each may have told of its devices in parts."""
    check = "auditor/object"
    named: dict[str, Stats | None] = {}
    for kind in ("ALL", "ZBF"):
        told = [table for one in _telling(asked, check) if (table := one.table(check, f"object_auditor_stats_{kind}"))]
        names = ["audit_time", "bytes_processed", "passes", "errors", "quarantined"]
        if kind == "ZBF":
            names.remove("passes")
        if not told:
            named[f"{kind}_auditor"] = None
        for name in names if told else ():
            named |= figures({f"{kind}_{name}_last_path": [sum(_nested(name, table)) for table in told]})
    return Section("Auditors", named)


def _nested(name: str, table: Mapping[str, Any]) -> Iterator[float]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _nested(name, value)
        elif key == name and (known := number(value)) is not None:
            yield known


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


# --- devices ---


def _mounts_devices(one: Asked) -> bool:
    """Whether a node's devices must be mounted; so it is where it does not tell (``mount_check``)."""
    return one.get("facts", "settings", "mount_check") is not False


def unmounted(asked: Sequence[Asked], context: Context) -> Section:
    """Devices that are not mounted, though they should be, or of which there is not even a directory."""
    lines, facts = [], []
    for one in _telling(asked, "unmounted"):
        for row in one.rows("unmounted"):
            is_broken = not isinstance(row.get("mounted"), bool)
            if not is_broken and not _mounts_devices(one):
                continue
            words = "Device errors" if is_broken else "Not mounted"
            lines.append(f"{words}: {row.get('device')} on {one.server.address}")
            facts.append({"host": one.server.address, "device": row.get("device"), "mounted": row.get("mounted")})
        for device in missing_devices(one):
            lines.append(f"Missing: {device} on {one.server.address}")
            facts.append({"host": one.server.address, "device": device, "mounted": False})
    return Section("Unmounted drives", lines=lines, facts={"unmounted": facts})


def disk_usage(asked: Sequence[Asked], context: Context) -> Section:
    """How full the devices are. Of each machine one server is believed, since they all serve the same disks."""
    used = available = 0.0
    percents: list[tuple[float, str, str]] = []
    lines: list[str] = []
    machines = {one.server.ip: one for one in _telling(asked, "diskusage")}
    for one in machines.values():
        found = len(percents)
        for row in one.rows("diskusage"):
            size, taken, free = (number(row.get(name)) for name in ("size", "used", "avail"))
            if not isinstance(row.get("mounted"), bool):
                lines.append(f"-> {one.server.address}/{row.get('device')}: Error: {row.get('mounted')}")
            elif row["mounted"] and size and taken is not None and free is not None:
                used, available = used + taken, available + free
                percents.append((100.0 * taken / size, one.server.ip, str(row.get("device"))))
        if len(percents) == found and _mounts_devices(one):
            lines.append(f"-> {one.server.address}: Error. No drive info available.")
        elif len(percents) == found:
            lines.append(f"-> {one.server.address}: plain directories do for devices (mount_check = false), ask df")
    if not percents:
        return Section("Disk usage", lines=lines)
    shares = [round(percent, 2) for percent, *_ in percents]
    total = used + available
    facts = {"used": used, "free": available, "size": total}
    facts |= {"lowest": min(shares), "highest": max(shares), "avg": 100.0 * used / total if total else 0.0}
    lines += _distribution(shares)
    lines += _space(used, available, context.human)
    lines.append(f"Disk usage: lowest: {facts['lowest']}%, highest: {facts['highest']}%, avg: {facts['avg']}%")
    for title, count, rows in (
        ("TOP", context.top, sorted(percents, key=lambda row: -row[0])),
        ("LOWEST", context.lowest, sorted(percents)),
    ):
        if count:
            lines.append(f"{title} {count}")
            lines += [f"{percent:.2f}%  {ip:<15} {device}" for percent, ip, device in rows[:count]]
    by_device = [{"host": ip, "device": device, "percent": percent} for percent, ip, device in sorted(percents)]
    return Section("Disk usage", lines=lines, facts={**facts, "devices": by_device})


BARS = 69


def _distribution(shares: Sequence[float]) -> list[str]:
    counts: dict[int, int] = {}
    for share in shares:
        counts[int(share)] = counts.get(int(share), 0) + 1
    most = max(counts.values())
    bars = [f"{percent: 3d}%{count:5d} {'*' * (BARS * count // most)}" for percent, count in sorted(counts.items())]
    return ["Distribution Graph:", *bars]


def _space(used: float, free: float, human: bool) -> list[str]:
    spell = human_size if human else lambda count: f"{count:.0f}"
    total = spell(used + free)
    return [f"Disk usage: space used: {spell(used)} of {total}", f"Disk usage: space free: {spell(free)} of {total}"]


# --- what must be alike ---


def _matched(title: str, asked: Sequence[Asked], check: str, differing: Mapping[str, str]) -> Section:
    """How many hosts are as they should be; `differing` says of the others why."""
    told = _telling(asked, check)
    matched = len(told) - len(differing)
    errors = len(asked) - matched
    lines = [f"!! {why}" for why in differing.values()]
    lines.append(f"{matched}/{len(asked)} hosts matched, {errors} error[s] while checking hosts.")
    facts = {"matched": matched, "hosts": len(asked), "errors": errors, "differing": dict(differing)}
    return Section(title, lines=lines, facts=facts)


def ring_sums(asked: Sequence[Asked], context: Context) -> Section:
    """Rings that are not this machine's."""
    differing: dict[str, str] = {}
    for one in _telling(asked, "ringmd5"):
        for path, md5 in one.table("ringmd5").items():
            name = os.path.basename(path)
            if name.startswith(context.kind) and md5 != context.own.get(name):
                differing[one.server.address] = f"{one.server.address} ({name} => {md5}) doesn't match on disk md5sum"
    return _matched("Ring md5sums", asked, "ringmd5", differing)


def swift_conf_sums(asked: Sequence[Asked], context: Context) -> Section:
    """swift.conf that is not this machine's."""
    differing = {
        one.server.address: f"{one.server.address} ({md5}) doesn't match on disk md5sum"
        for one in _telling(asked, "swiftconfmd5")
        for md5 in one.table("swiftconfmd5").values()
        if md5 != context.own.get("swift.conf")
    }
    return _matched("swift.conf md5sum", asked, "swiftconfmd5", differing)


def clocks(asked: Sequence[Asked], context: Context) -> Section:
    """Clocks that do not tell this machine's time."""
    differing, jitter = {}, abs(context.jitter)
    for one in _telling(asked, "time"):
        there = one.figure("time")
        if there is None or there + jitter < one.sent or there - jitter > one.received:
            differing[one.server.address] = (
                f"{one.server.address} current time is {moment(one.received)}, but remote is {moment(there or 0)}, "
                f"differs by {abs(one.received - (there or 0)):.4f} sec"
            )
    return _matched("Time synchronization", asked, "time", differing)


def versions(asked: Sequence[Asked], context: Context) -> Section:
    """Versions of the servers' software."""
    told = {one.server.address: one.word("version", "version") for one in _telling(asked, "version")}
    found, errors = sorted(set(told.values())), len(asked) - len(told)
    if not found:
        line = "No hosts returned valid data."
    else:
        words = "matched" if len(found) == 1 else "not matched"
        line = f"Versions {words} ({', '.join(found)}), {errors} error[s] while checking hosts."
    return Section("Versions", lines=[line], facts={"versions": told, "errors": errors})


def server_types(asked: Sequence[Asked], context: Context) -> Section:
    """Servers that are of another kind than the ring says."""
    wrong = {
        one.server.address: one.word("server")
        for one in _telling(asked, "server")
        if one.word("server") != f"{context.kind}-server"
    }
    well = len(asked) - len(wrong)
    lines = [f"{well}/{len(asked)} hosts ok, {len(wrong)} error[s] while checking hosts."]
    lines += [f"Invalid: {address} is {kind}" for address, kind in wrong.items()]
    return Section("Server types", lines=lines, facts={"ok": well, "hosts": len(asked), "invalid": wrong})


# --- texts ---


def moment(seconds: float) -> str:
    """A time in UTC."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s"


def age(seconds: float) -> str:
    """A span as swift-recon tells it: ``5 minutes``."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{int(seconds / length)} {unit}"
    return f"{int(seconds)} seconds"


def human_size(count: float) -> str:
    """Bytes as swift-recon tells them: ``12 GB``."""
    whole = int(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB", "EB", "ZB"):
        if whole < 1000:
            return f"{whole} {unit}"
        whole //= 1000
    return f"{whole} YB"
