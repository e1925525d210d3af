"""The units that systemd runs servers and daemons by: one table says what each needs; ``etc/systemd`` is written from it.

Run as a program, it writes them into the directories named: ``python -m swiftlite.cli.unit_files etc``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HEADER = (
    "# Written by swiftlite.cli.unit_files; what a node wants otherwise belongs into a drop-in: systemctl edit {name}\n"
)
INSTANCE = "%i"

Directives = Iterable[tuple[str, str]]


CACHE_DIR = "/var/cache/swift"
"""The statistics of recon, unless confs say otherwise; systemd makes it."""


@dataclass(frozen=True)
class Places:
    """Where things are on a node, and whose they are.

    :ivar bin_dir: of the programs
    :ivar devices: the directory whose entries are the devices
    """

    bin_dir: str = "/usr/local/bin"
    swift_dir: str = "/etc/swift"
    devices: str = "/srv/node"
    user: str = "swift"
    group: str = "swift"
    cache_dir: str = CACHE_DIR


@dataclass(frozen=True)
class Program:
    """A server or daemon.

    :ivar name: its program in bin/ and its unit, without ``swiftlite-``
    :ivar conf: name of its conf file, without ``.conf``
    :ivar role: the target that it belongs to
    :ivar writes_devices: it works on the devices of this node; else it asks servers
    :ivar after: other programs' units; where they run on this node, they start first
    """

    name: str
    conf: str
    role: str
    writes_devices: bool = True
    after: tuple[str, ...] = ()

    @property
    def is_server(self) -> bool:
        """It answers requests: the last to be given up when the node is short of anything."""
        return self.name.endswith("-server")


def _of_kind(kind: str, *daemons: str) -> list[Program]:
    server = f"{kind}-server"
    return [
        Program(server, server, kind),
        *(Program(f"{kind}-{daemon}", server, kind, after=(server,)) for daemon in daemons),
    ]


STORAGE_ROLES = ("account", "container", "object")
PROGRAMS = [
    Program("proxy-server", "proxy-server", "proxy", False, ("account-server", "container-server", "object-server")),
    *_of_kind("account", "auditor", "reaper", "replicator"),
    *_of_kind("container", "auditor", "replicator", "sync", "updater"),
    Program("container-reconciler", "container-reconciler", "container", False, ("container-server",)),
    *_of_kind("object", "auditor", "replicator", "updater"),
    Program("object-expirer", "object-expirer", "object", False, ("object-server",)),
]
"""Every server and daemon, by role."""

TARGETS = {
    "swiftlite": ("everything of swiftlite on this node", "multi-user.target"),
    "swiftlite-proxy": ("swiftlite proxy", "swiftlite.target"),
    "swiftlite-storage": ("swiftlite storage: account, container and object servers and daemons", "swiftlite.target"),
    **{
        f"swiftlite-{role}": (f"swiftlite {role} server and its daemons", "swiftlite-storage.target")
        for role in STORAGE_ROLES
    },
}
"""What each target stands for, and the one that it is part of."""

SANDBOX = (
    # What none of them has a use for; scripts that need more say so in a drop-in.
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateUsers", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectProc", "invisible"),
    ("LockPersonality", "yes"),
    ("MemoryDenyWriteExecute", "yes"),
    ("RemoveIPC", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallErrorNumber", "EPERM"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    # rlimit_nofile and its like; which systemd has set already, above
    ("SystemCallFilter", "getrlimit setrlimit prlimit64"),
    ("UMask", "0027"),
)
"""``ProcSubset=pid`` is not among them: recon tells /proc/meminfo and /proc/loadavg."""


def unit_files(places: Places = Places()) -> dict[str, str]:
    """Return every unit's text by its file name.

    A server or daemon has two: ``swiftlite-NAME.service`` for ``<swift_dir>/<conf>.conf``, and a template
    ``swiftlite-NAME@.service`` for one of several, ``<swift_dir>/<conf>/INSTANCE.conf`` (formats.md 8.1).
    """
    units = {}
    for program in PROGRAMS:
        units[f"swiftlite-{program.name}.service"] = _service(program, places, "")
        units[f"swiftlite-{program.name}@.service"] = _service(program, places, INSTANCE)
    for name, (description, whole) in TARGETS.items():
        units[f"{name}.target"] = _target(description, whole)
    units |= {
        "swiftlite-dispersion-report.service": _dispersion_report(places),
        "swiftlite-dispersion-report.timer": _timer("swiftlite dispersion report, every hour", "hourly", "10min"),
        "swiftlite-drive-audit.service": _drive_audit(places),
        "swiftlite-drive-audit.timer": _timer("swiftlite drive audit, every ten minutes", "*:0/10", "1min"),
    }
    return {name: HEADER.format(name=name.replace("@.", "@INSTANCE.")) + text for name, text in units.items()}


def _service(program: Program, places: Places, instance: str) -> str:
    conf = f"{places.swift_dir}/{program.conf}" + (f"/{instance}.conf" if instance else ".conf")
    target = f"swiftlite-{program.role}.target"
    others = [f"swiftlite-{name}{'@' + instance if instance else ''}.service" for name in program.after]
    unit = (
        ("Description", f"swiftlite {program.name.replace('-', ' ')}{' ' + instance if instance else ''}"),
        ("PartOf", target),
        ("Wants", "network-online.target"),
        ("After", " ".join(("network-online.target", "time-sync.target", "remote-fs.target", *others))),
        # With RestartSec: one that dies at once again and again is given up after a minute of it, and said to have failed.
        ("StartLimitIntervalSec", "300"),
        ("StartLimitBurst", "12"),
    )
    service = (
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("ExecStart", f"{places.bin_dir}/swiftlite-{program.name} {conf}"),
        # Type=notify-reload would do without this, and wait for its end, from systemd 253 on.
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("User", places.user),
        ("Group", places.group),
        *_life(program),
        *_directories(program, places),
        *SANDBOX,
    )
    return _render(("Unit", unit), ("Service", service), ("Install", (("WantedBy", target),)))


def _life(program: Program) -> Directives:
    """How it ends, is started again, and what it may take of the node."""
    yield from (
        ("WatchdogSec", "120"),  # the trial of a reload may take 60
        ("TimeoutStartSec", "90"),
        # Requests in progress have 30 seconds to finish, and workers 5 more to go.
        ("KillMode", "mixed"),
        ("TimeoutStopSec", "60"),
        ("Restart", "on-failure"),
        ("RestartSec", "5"),
        # 1: it cannot start as it is configured, and has said why; 2: a wrong command line.
        ("RestartPreventExitStatus", "1 2"),
        ("LimitNOFILE", "65536"),
        ("LimitNPROC", "65536"),
        ("TasksMax", "infinity"),
        # A line for each request must not be lost because there are many.
        ("LogRateLimitIntervalSec", "0"),
    )
    if program.is_server:
        yield from (("OOMScoreAdjust", "-500"),)
    else:
        yield from (
            ("OOMScoreAdjust", "200"),
            ("Nice", "5"),
            ("CPUWeight", "50"),
            ("IOSchedulingClass", "best-effort"),
            ("IOSchedulingPriority", "6"),
            ("IOWeight", "50"),
        )


def _directories(program: Program, places: Places) -> Directives:
    """Where it may write: the statistics of recon, pid files, and the devices."""
    yield from (
        ("CacheDirectory", "swift"),
        ("CacheDirectoryMode", "0755"),
        # One directory for all of them: none may take it away when it stops.
        ("RuntimeDirectory", "swift"),
        ("RuntimeDirectoryPreserve", "yes"),
    )
    written = [places.cache_dir] if places.cache_dir != CACHE_DIR else []
    written += [places.devices] if program.writes_devices else []
    if written:
        yield "ReadWritePaths", " ".join(written)


def _target(description: str, whole: str) -> str:
    part_of = (("PartOf", whole),) if whole.startswith("swiftlite") else ()
    return _render(("Unit", (("Description", description), *part_of)), ("Install", (("WantedBy", whole),)))


def _timer(description: str, when: str, spread: str) -> str:
    timer = (("OnCalendar", when), ("RandomizedDelaySec", spread), ("AccuracySec", "1min"))
    return _render(
        ("Unit", (("Description", description),)), ("Timer", timer), ("Install", (("WantedBy", "timers.target"),))
    )


def _dispersion_report(places: Places) -> str:
    """Its table goes to the journal, its numbers to the statistics of recon."""
    unit = (
        ("Description", "swiftlite dispersion report: are the objects of dispersion-populate where they belong?"),
        ("Wants", "network-online.target"),
        ("After", "network-online.target"),
    )
    service = (
        ("Type", "oneshot"),
        ("ExecStart", f"{places.bin_dir}/swiftlite-dispersion-report {places.swift_dir}/dispersion.conf"),
        ("User", places.user),
        ("Group", places.group),
        ("TimeoutStartSec", "1h"),
        ("CacheDirectory", "swift"),
        ("CacheDirectoryMode", "0755"),
        ("Nice", "10"),
        *SANDBOX,
    )
    return _render(("Unit", unit), ("Service", service))


def _drive_audit(places: Places) -> str:
    """It unmounts devices, for everybody: so it is root's, and has the mounts of the node, not a view of its own."""
    service = (
        ("Type", "oneshot"),
        ("ExecStart", f"{places.bin_dir}/swiftlite-drive-audit {places.swift_dir}/drive-audit.conf"),
        ("TimeoutStartSec", "10min"),
        ("CapabilityBoundingSet", "CAP_SYS_ADMIN CAP_SYSLOG CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER"),
        ("NoNewPrivileges", "yes"),
        ("LockPersonality", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("IPAddressDeny", "any"),
        ("RestrictAddressFamilies", "AF_UNIX"),
        ("RestrictNamespaces", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallErrorNumber", "EPERM"),
        ("SystemCallFilter", "@system-service @mount"),
    )
    description = "swiftlite drive audit: unmounts devices that the kernel complains about"
    return _render(("Unit", (("Description", description),)), ("Service", service))


def _render(*sections: tuple[str, Directives]) -> str:
    blocks = []
    for name, directives in sections:
        blocks.append("\n".join((f"[{name}]", *(f"{key}={value}" for key, value in directives))) + "\n")
    return "\n".join(blocks)


def sysusers(places: Places = Places()) -> str:
    """Return the text for sysusers.d: the account that all daemons run as."""
    group = "" if places.group == places.user else f"g {places.group} -\n"
    identity = "-" if places.group == places.user else f"-:{places.group}"
    return f'{group}u {places.user} {identity} "object store" /var/lib/swift\n'


def tmpfiles(places: Places = Places()) -> str:
    """Return the text for tmpfiles.d: the directories that all daemons share."""
    owner = f"{places.user} {places.group}"
    return (
        "# The devices are mounted below it; root's, so that nothing lands on the system's disk where one is not mounted\n"
        f"d {places.devices} 0755 root root\n"
        f"d /run/swift 0755 {owner}\n"
        f"d {places.cache_dir} 0755 {owner}\n"
        f"d /var/lib/swift 0750 {owner}\n"
        "# Of rsyslog, where it writes what the daemons log\n"
        "d /var/log/swift 0750 root adm\n"
    )


RSYSLOG = """\
# Where a node has rsyslog: what the daemons log (log_facility, LOG_LOCAL0 as it comes) goes to files of its own.
# The journal has all of it, too: journalctl -t swift, journalctl -u 'swiftlite-*'
local0.*        -/var/log/swift/swift.log
local0.err       /var/log/swift/error.log
local0.*        stop
"""
LOGROTATE = """\
# For files that rsyslog writes. Where no syslog daemon runs, and daemons write theirs themselves (swiftlite-init), put
# `copytruncate` in place of `sharedscripts` to `endscript`: they append, and open no file anew.
/var/log/swift/*.log /var/log/rsyncd.log {
    daily
    rotate 14
    missingok
    notifempty
    compress
    delaycompress
    sharedscripts
    postrotate
        systemctl kill --kill-who=main --signal=HUP rsyslog.service 2>/dev/null || true
    endscript
}
"""
RSYNCD = """\
# What the replicators of OpenStack Swift need to send objects and whole databases to this node, and what
# `sync_method = rsync` needs: an rsync daemon on the replication address of every storage node. Replicators of swiftlite
# send objects by SSYNC, and whole databases to servers of swiftlite over HTTP: they need no rsync among themselves.
uid = {user}
gid = {group}
log file = /var/log/rsyncd.log
pid file = /var/run/rsyncd.pid
# the node's replication address
{address}
"""


def rsyncd(address: str, kinds: Sequence[str] = STORAGE_ROLES, places: Places = Places()) -> str:
    """Return the text of rsyncd.conf.

    :param address: the node's replication address; empty: left to the operator
    :param kinds: of servers that the node has
    """
    line = f"address = {address}" if address else "# address = 127.0.0.1"
    text = RSYNCD.format(user=places.user, group=places.group, address=line)
    for kind in kinds:
        text += (
            f"\n[{kind}]\nmax connections = 4\npath = {places.devices}\nread only = false\n"
            f"lock file = /var/lock/{kind}.lock\n"
        )
    return text


def sample_files() -> dict[str, str]:
    """Return the text of every file that this module writes, by its path in ``etc/``."""
    return {
        **{f"systemd/{name}": text for name, text in unit_files().items()},
        "sysusers.d/swiftlite.conf": sysusers(),
        "tmpfiles.d/swiftlite.conf": tmpfiles(),
        "logrotate.d/swiftlite": LOGROTATE,
        "rsyslog.d/10-swiftlite.conf": RSYSLOG,
        "rsyncd.conf-sample": rsyncd(""),
    }


def main(argv: Sequence[str]) -> int:
    """Write all of them below the directory named."""
    for name, text in sample_files().items():
        path = Path(argv[0]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
