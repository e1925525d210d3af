"""What swiftlite-doctor finds: a record each, the limits it judges by, and how remedies are spelled."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from swiftlite.watch.facts import Asked, ClusterView, Server

NOTICE, WARNING, CRITICAL = "notice", "warning", "critical"
SEVERITIES = (NOTICE, WARNING, CRITICAL)
"""A notice is no reason to get up; it does not change the exit code."""

DAY = 86400.0


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    :ivar code: names the rule, for monitoring
    :ivar severity: one of SEVERITIES
    :ivar subject: which server, device, ring or file
    :ivar what: is wrong
    :ivar why: it matters
    :ivar fix: the command that repairs it, or shows what has to be; for a shell on the machine that the doctor ran on
    """

    code: str
    severity: str
    subject: str
    what: str
    why: str
    fix: str

    def as_json(self) -> dict[str, str]:
        """By the names above."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Limits:
    """From where on something is wrong; each is an option of the doctor."""

    clock_skew: float = 1.0
    """Seconds; ten times that is critical."""
    fill_warning: float = 85.0
    """Percent of a device's bytes or inodes."""
    fill_critical: float = 95.0
    async_pending: int = 10000
    """Updates that wait on one node."""
    async_age: float = 3600.0
    """Seconds for which the oldest of them waits."""
    stale: float = DAY
    """Seconds since the end of a daemon's last pass; reclaim_age is critical."""
    certificate_days: float = 30.0
    """Days that a certificate is still good for; a quarter of that is critical."""
    balance: float = 5.0
    """Percent that a device may be from its share."""
    quarantined: int = 0
    """Things in one node's quarantine."""
    time_wait: int = 20000
    """TCP connections of one node that are over and still hold their port."""


Rule = Callable[[ClusterView, Limits], Iterator[Finding]]


# --- remedies ---


def on(server: Server, *command: str) -> str:
    """A command, to be run on a server's machine."""
    return shell_on(server, shlex.join(command))


def shell_on(server: Server, line: str) -> str:
    """A line of shell, to be run on a server's machine; what is mere comment stays one."""
    return line if server.is_local or line.startswith("#") else shlex.join(("ssh", server.ip, line))


def chain(*lines: str) -> str:
    """Lines of shell, each run when those before it have done well; comments come last."""
    told = [line for line in lines if line.startswith("#")]
    return "  ".join(filter(None, [" && ".join(line for line in lines if line not in told), *told]))


def once(asked: Asked, program: str) -> str:
    """Let a daemon make one pass now."""
    return on(asked.server, f"swiftlite-{program}", asked.conf, "--once")


def builder(view: ClusterView, ring: str, *words: str) -> str:
    """A command of the ring builder."""
    return shlex.join(("swiftlite-ring-builder", f"{view.swift_dir}/{ring}.builder", *words))


def repair(path: str) -> str:
    """A line of shell that repairs the filesystem of a device, as /etc/fstab names it.

    Where that does not, nothing is repaired: fsck without a name would take all there are. Its status 1 says that it has.
    """
    place = shlex.quote(path)
    fsck = 'fsck -y "$disk" || test $? -eq 1'
    return f"umount {place} && disk=$(findmnt -nso SOURCE {place}) && {{ {fsck}; }} && mount {place}"


def for_device(server: Server, device: str) -> tuple[str, ...]:
    """The ring builder's options that select a device."""
    return ("--ip", server.ip, "--port", str(server.port), "--device", device)


# --- texts ---


def span(seconds: float) -> str:
    """A time, so that a person can grasp it: ``40 seconds``, ``3 hours``, ``12 days``."""
    for unit, length in (("day", DAY), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return f"{seconds:.1f} seconds" if seconds < 10 else f"{seconds:.0f} seconds"


def size(count: Any) -> str:
    """Bytes, so that a person can grasp them: ``1.4 TB``."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if number < 1000 or unit == "PB":
            break
        number /= 1000
    return f"{number:.3g} {unit}"
