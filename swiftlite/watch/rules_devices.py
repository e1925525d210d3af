"""Rules of the doctor: devices (missing, unmounted, dead, read-only, nearly full, with errors), and their quarantines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any, NamedTuple

from swiftlite.common.device_rights import entering, opening, top_of
from swiftlite.watch.copying import copy_from, copy_to, group_of, new_rings, user_of
from swiftlite.watch.facts import Asked, ClusterView, RingFacts, Server, number
from swiftlite.watch.findings import (
    CRITICAL,
    NOTICE,
    WARNING,
    Finding,
    Limits,
    Rule,
    builder,
    for_device,
    on,
    repair,
    shell_on,
    size,
)
from swiftlite.watch.starting import CUSTOMARY, conf_dir

LESS_WEIGHT = 0.9
"""What a device that is fuller than others gets of its weight, at most."""
LEAST_FILL = 1.0
"""Percent: a device is to be left with some weight, however empty the others are."""
CLOSED = "Permission denied"


def _rings_of(view: ClusterView, node: Asked, device: str) -> list[tuple[Server, str]]:
    """The rings that know a device, each with the server that serves it there.

    Another node may have the same address, other ports, and a device of that name in a directory of its own.
    """
    return [
        (asked.server, ring)
        for asked in view.machines.get(node.server.ip, ())
        if asked is node or asked.root == node.root != ""
        for ring, names in asked.server.devices.items()
        if device in names
    ]


def _drain(view: ClusterView, node: Asked, device: str) -> str:
    """Take a device out of its rings."""
    places = _rings_of(view, node, device) or [(node.server, "object")]
    commands = [builder(view, ring, "remove", *for_device(place, device), "--yes") for place, ring in places]
    line = f"{' && '.join(commands)} && {new_rings(view, [ring for _, ring in places])}"
    return " ".join(line.split())  # a comment, which ends where the line does


# --- presence ---


def missing_devices(asked: Asked) -> list[str]:
    """The devices that rings name and a node has no directory of; none where it does not tell what it has."""
    listed = asked.get("devices", asked.root)
    if not isinstance(listed, list):
        return []
    there = {name for name in listed if isinstance(name, str)}
    return sorted({name for names in asked.server.devices.values() for name in names} - there)


def missing(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Devices of the rings that their node does not have."""
    found: set[tuple[str, str]] = set()
    for asked in view.reached("object", "container", "account"):
        root = asked.root
        for device in missing_devices(asked):
            path = f"{root}/{device}"
            if (asked.server.ip, path) in found:
                continue
            found.add((asked.server.ip, path))
            what = "the rings name it, and its node has no such directory"
            why = "its replicas are missing until it is back (operators-guide.md, Replacing a disk)"
            line = f"mkdir -p {quote(path)} && mount {quote(path)}"
            if asked.get("facts", "settings", "mount_check") is False:
                user, group = (quote(name(view, asked.server)) for name in (user_of, group_of))
                line = f"install -d -o {user} -g {group} {quote(path)}"
            fix = f"{shell_on(asked.server, line)}  # gone for good: {_drain(view, asked, device)}"
            yield Finding("device-missing", CRITICAL, f"{asked.server.ip}:{path}", what, why, fix)


def unmounted(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Devices that are not mounted, or cannot be looked at; where mount_check is off, directories do for devices."""
    for asked in view.nodes():
        checks_mounts = _checks_mounts(asked)
        known = {name for _, names in _devices_in_rings(view, asked) for name in names}
        for row in asked.rows("unmounted"):
            device, mounted = str(row.get("device")), row.get("mounted")
            path = f"{asked.root}/{device}"
            subject = f"{asked.server.ip}:{path}"
            if asked.word("facts", "closed_root"):
                continue  # it is told of once
            if isinstance(mounted, str) and CLOSED in mounted:
                why = "the servers answer 507 for it, and what it holds has a replica less"
                fix = on(asked.server, "chmod", "a+x", asked.root)
                yield Finding("device-closed", CRITICAL, subject, mounted, why, fix)
            elif isinstance(mounted, str):
                why = "nothing can be read from it; a disk that has died is replaced, or leaves the rings (operators-guide.md)"
                fix = f"{on(asked.server, 'umount', '-l', path)}  # gone for good: {_drain(view, asked, device)}"
                yield Finding("device-broken", CRITICAL, subject, mounted, why, fix)
            elif checks_mounts and device in known:
                why = "the servers answer 507 for it, and what it holds has a replica less"
                yield Finding(
                    "device-unmounted", CRITICAL, subject, "it is not mounted", why, on(asked.server, "mount", path)
                )
            elif checks_mounts:
                why = "no ring names it: a directory that nobody needs, or a device that nobody uses"
                fix = on(asked.server, "rmdir", path)
                yield Finding("device-unknown", NOTICE, subject, "it is not mounted, and in no ring", why, fix)


def _checks_mounts(asked: Asked) -> bool:
    """Whether only what is mounted does for a device of a node, as far as that is known.

    One of OpenStack Swift, which tells no facts, most likely has its default.
    """
    told = asked.get("facts", "settings", "mount_check")
    return told if isinstance(told, bool) else asked.problems.get("facts") == "status 404"


def _devices_in_rings(view: ClusterView, node: Asked) -> Iterator[tuple[str, tuple[str, ...]]]:
    for asked in view.machines.get(node.server.ip, ()):
        if asked.root in ("", node.root):
            yield from asked.server.devices.items()


def read_only(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Devices that cannot be written to."""
    for asked in view.nodes():
        broken = {str(row.get("device")) for row in asked.rows("unmounted") if isinstance(row.get("mounted"), str)}
        for row in asked.rows("facts", "devices"):
            path = f"{asked.root}/{row.get('device')}"
            if str(row.get("device")) in broken:
                continue  # it is told of already
            if row.get("read_only") is True:
                why = "Linux mounts a damaged filesystem read-only: every write to it fails"
                what, fix = "it is mounted read-only", shell_on(asked.server, repair(path))
                yield Finding("device-read-only", CRITICAL, f"{asked.server.ip}:{path}", what, why, fix)
            elif isinstance(row.get("problem"), str) and CLOSED not in row["problem"]:
                what, why = row["problem"], "nobody can tell how full it is, and perhaps nobody can use it"
                fix = on(asked.server, "stat", "-f", path)
                yield Finding("device-broken", CRITICAL, f"{asked.server.ip}:{path}", what, why, fix)


def closed_roots(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Directories on the way to devices that the daemons' account may not enter."""
    seen = set()
    for asked in view.reached("object", "container", "account"):
        path = asked.word("facts", "closed_root")
        if path and (asked.server.ip, path) not in seen:
            seen.add((asked.server.ip, path))
            what = f"the account {user_of(view, asked.server)} may not enter it, and its devices are below"
            why = "the servers answer 507 for all of them"
            fix = shell_on(asked.server, entering(path, asked.root or path, asked.server.is_local))
            yield Finding("device-closed", CRITICAL, f"{asked.server.ip}:{path}", what, why, fix)


def closed(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Devices in which the daemons' account may not write everywhere."""
    seen = set()
    for asked in view.reached("object", "container", "account"):
        for row in () if asked.word("facts", "closed_root") else asked.rows("facts", "devices"):
            device, path = f"{asked.root}/{row.get('device')}", row.get("closed")
            if row.get("problem") and CLOSED in str(row["problem"]) and not path:
                path = device
            if not isinstance(path, str) or not path or row.get("read_only") is True:
                continue
            if (asked.server.ip, device) in seen or not (path + "/").startswith(device + "/"):
                continue
            seen.add((asked.server.ip, device))
            user = user_of(view, asked.server)
            owner, mode = str(row.get("closed_owner") or ""), _mode(row.get("closed_mode"))
            what = f"{path} is not the account {user}'s to write in"
            what += f": it is {owner}'s, and has mode {mode:04o}" if owner else ""
            why = "every write there fails, and replicators bring nothing to it"
            fix = shell_on(asked.server, opening(path, user, owner, mode, top_of(device, path)))
            yield Finding("device-closed", CRITICAL, f"{asked.server.ip}:{device}", what, why, fix)


def _mode(text: object) -> int:
    try:
        return int(str(text), 8) & 0o7777
    except ValueError:
        return 0o700


# --- partitions ---


def outside(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Partitions of objects that the ring does not have: it is one of a smaller partition power than wrote them."""
    for asked in view.nodes("object"):
        for ring in view.rings:
            counts = [(row.get("device"), _outside(row, ring.name)) for row in asked.rows("facts", "devices")]
            devices = [str(device) for device, count in counts if count]
            if not devices:
                continue
            total = sum(count for _, count in counts)
            what = f"{total:.0f} partitions on {', '.join(devices[:5])} are not in its {ring.name} ring"
            why = (
                "its partition power is smaller than that of the ring by which they were written: their objects are all "
                "there, and nobody finds them; bring the larger ring back, and remove nothing"
            )
            fix = _larger_ring(view, asked, ring)
            yield Finding("partitions-outside", CRITICAL, f"{asked.server.ip}:{asked.root}", what, why, fix)


def _outside(row: dict[str, Any], ring: str) -> float:
    counts = row.get("outside")
    return number(counts.get(ring)) or 0 if isinstance(counts, dict) else 0


def _larger_ring(view: ClusterView, node: Asked, ring: RingFacts) -> str:
    """Bring a ring of a larger partition power from where one is; else show the builders that were kept."""
    file = f"/{ring.name}.ring.gz"
    powers = {
        asked: (path, power)
        for asked in view.reached()
        for path in asked.table("facts", "rings")
        if path.endswith(file) and (power := asked.figure("facts", "rings", path, "part_power")) is not None
    }
    path, power = powers.get(node, (ring.path, None))
    if power is not None and ring.part_power > power:
        return copy_to(view, node.server, ring.path, path)
    for asked, (theirs, more) in powers.items():
        if more > ring.part_power and not asked.server.is_local:
            return copy_from(view, asked.server, theirs, ring.path)
    return f"ls -lt {quote(view.swift_dir)}/backups/*.{ring.name}.builder"


# --- space ---


class Fill(NamedTuple):
    """How full a device is, in percent, and what it has left."""

    device: str
    used: float
    free: float
    total: float
    inodes_used: float


def fills(asked: Asked) -> Iterator[Fill]:
    """How full a node's devices are; of OpenStack Swift's servers only the mounted ones, and no inodes."""
    rows = asked.rows("facts", "devices")
    for row in rows or asked.rows("diskusage"):
        total, free = _figure(row, "size"), _figure(row, "free" if rows else "avail")
        inodes = _figure(row, "inodes")
        if total > 0:
            inodes_used = 100.0 * (1 - _figure(row, "inodes_free") / inodes) if inodes > 0 else 0.0
            yield Fill(str(row.get("device")), 100.0 * (1 - free / total), free, total, inodes_used)


def _figure(row: dict[str, Any], name: str) -> float:
    return float(number(row.get(name)) or 0.0)


def _reserve(asked: Asked, total: float) -> float:
    """The bytes that objects may not use (``fallocate_reserve``)."""
    text = asked.word("facts", "settings", "fallocate_reserve")
    try:
        return float(text[:-1]) * total / 100 if text.endswith("%") else float(text or 0)
    except ValueError:
        return 0.0


def full(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Devices that are nearly full, in bytes or in inodes."""
    everywhere = [(asked, fill) for asked in view.nodes() for fill in fills(asked)]
    average = sum(fill.used for _, fill in everywhere) / len(everywhere) if everywhere else 0.0
    for asked, fill in everywhere:
        subject = f"{asked.server.ip}:{asked.root}/{fill.device}"
        if max(fill.used, fill.inodes_used) < limits.fill_warning and fill.free >= _reserve(asked, fill.total):
            continue
        fix = _relieve(view, asked, fill, average, average >= limits.fill_warning)
        if fill.free < _reserve(asked, fill.total):
            what = f"{size(fill.free)} are free, less than fallocate_reserve keeps"
            why = "its server answers 507 to every PUT; replicas go to handoffs until there is room"
            yield Finding("device-full", CRITICAL, subject, what, why, fix)
        elif fill.used >= limits.fill_warning:
            severity = CRITICAL if fill.used >= limits.fill_critical else WARNING
            what = f"{fill.used:.0f} % of its {size(fill.total)} are used; on average {average:.0f} %"
            why = "a device that is full takes no more writes, and cannot even take back what handoffs hold for it"
            yield Finding("device-full", severity, subject, what, why, fix)
        if fill.inodes_used >= limits.fill_warning:
            severity = CRITICAL if fill.inodes_used >= limits.fill_critical else WARNING
            what = f"{fill.inodes_used:.0f} % of its inodes are used"
            why = "without a free inode it takes no file, however small, though there are bytes left"
            yield Finding("inodes-full", severity, subject, what, why, fix)


def _relieve(view: ClusterView, asked: Asked, fill: Fill, average: float, is_everywhere: bool) -> str:
    """Less weight, in all its rings, for a device that is fuller than others; one more device where all are full."""
    places = _rings_of(view, asked, fill.device) or [(asked.server, "object")]
    if is_everywhere:
        places = [place for place in places if place[1].startswith("object")] or places
        server, ring = places[0]
        entry = _entry(view, server, ring, fill.device)
        place = ("--region", str(entry["region"]), "--zone", str(entry["zone"]), "--ip", server.ip)
        # The weight is not told: the ring builder refuses the word, so that nobody adds a device called NEW.
        new = ("--port", str(server.port), "--device", "NEW", "--weight", "NEW")
        return f"{builder(view, ring, 'add', *place, *new)} && {new_rings(view, [ring])}"
    most = max(fill.used, fill.inodes_used)
    share = min(LESS_WEIGHT, max(average, LEAST_FILL) / most) if most else LESS_WEIGHT
    commands = []
    for server, ring in places:
        weight = f"{_entry(view, server, ring, fill.device)['weight'] * share:.4g}"
        commands.append(builder(view, ring, "set_weight", *for_device(server, fill.device), weight, "--yes"))
    return f"{' && '.join(commands)} && {new_rings(view, [ring for _, ring in places])}"


def _entry(view: ClusterView, server: Server, ring: str, device: str) -> Mapping[str, Any]:
    return view.placed.get((ring, server.ip, server.port, device), {"region": 1, "zone": 1, "weight": 100.0})


# --- errors ---


def drive_errors(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Devices of which the kernel has logged errors, as drive-audit counts them."""
    why = "disks that return errors die soon; drive-audit unmounts them, and replicators heal around them"
    for asked in view.nodes():
        errors = {name: count for name, count in asked.table("facts", "passes", "drive_errors").items() if count}
        total = asked.figure("driveaudit", "drive_audit_errors")
        if errors:
            for device, count in sorted(errors.items()):
                line = f"smartctl -a $(findmnt -nseo SOURCE {quote(device)})"
                fix = shell_on(asked.server, line)
                subject = f"{asked.server.ip}:{device}"
                yield Finding("drive-errors", WARNING, subject, f"{count} errors in the kernel's log", why, fix)
        elif total:
            fix = on(
                asked.server, "swiftlite-drive-audit", f"{conf_dir(view, asked.server) or CUSTOMARY}/drive-audit.conf"
            )
            yield Finding("drive-errors", WARNING, asked.server.ip, f"{total:.0f} errors in the kernel's log", why, fix)


def quarantined(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Things that auditors have put aside."""
    for asked in view.nodes():
        counts = {kind: int(asked.figure("quarantined", kind) or 0) for kind in ("objects", "containers", "accounts")}
        if sum(counts.values()) > limits.quarantined:
            what = "in quarantine: " + ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
            why = "they were damaged; replicators bring good copies back where one is left, and many on a device tell of a dying one"
            fix = shell_on(asked.server, f"find {quote(asked.root)}/*/quarantined -mindepth 2 -maxdepth 2 -ls")
            yield Finding("quarantined", WARNING, f"{asked.server.ip}:{asked.root}", what, why, fix)


def quarantined_everywhere(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """What is in quarantine on as many devices as it has replicas: nobody may have a sound one."""
    for ring in view.rings:
        kind, _, policy = ring.name.partition("-")
        directory = f"{kind}s-{policy}" if policy else f"{kind}s"
        holders: dict[str, dict[tuple[str, str], Asked]] = {}
        for asked in view.nodes(kind):
            for row in asked.rows("facts", "devices"):
                path = f"{asked.root}/{row.get('device')}/quarantined/{directory}"
                for name in _hashes(row, directory):
                    holders.setdefault(name, {})[asked.server.ip, path] = asked
        gone = {name: places for name, places in holders.items() if len(places) >= max(1, int(ring.replicas))}
        if not gone:
            continue
        name, places = min(gone.items())
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        what = f"{name}{more}: in quarantine on as many devices as the ring {ring.name} has replicas"
        why = (
            "perhaps no sound copy is left: remove nothing from these quarantines, copy it away first "
            "(operators-guide.md, Something was quarantined)"
        )
        shown = (shell_on(asked.server, f"ls -l {quote(f'{path}/{name}')}*") for (_, path), asked in places.items())
        yield Finding("quarantined-everywhere", CRITICAL, ring.name, what, why, " && ".join(shown))


def _hashes(row: dict[str, Any], directory: str) -> Iterator[str]:
    told = row.get("quarantined_hashes")
    names = told.get(directory) if isinstance(told, dict) else None
    yield from (name for name in (names if isinstance(names, list) else ()) if isinstance(name, str))


RULES: tuple[Rule, ...] = (
    missing,
    unmounted,
    read_only,
    closed_roots,
    closed,
    outside,
    full,
    drive_errors,
    quarantined,
    quarantined_everywhere,
)
