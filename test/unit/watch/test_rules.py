"""The doctor's rules, one by one: a healthy cluster, one thing wrong with it, and what is said of that."""

from __future__ import annotations

import copy
import inspect
import pwd
import re
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functional.remedies import commands, problem
from swiftlite.cli import doctor, ring_builder
from swiftlite.common.config import ConfFile
from swiftlite.core.metrics_text import Sample
from swiftlite.middleware import node_facts
from swiftlite.ring.builder import RingBuilder
from swiftlite.watch import files, judging, rules_hosts, starting
from swiftlite.watch.facts import (
    AUTHORITY,
    NODE,
    Asked,
    BuilderFacts,
    CertificateFacts,
    ClusterView,
    ConfFacts,
    MemcachedFacts,
    OwnConf,
    RingFacts,
    Server,
    SwiftConfFacts,
    UnreadableFacts,
)
from swiftlite.watch.findings import Finding, Limits
from swiftlite.watch.gathering import CHECKS, NO_METRICS, STRANGE

NOW = 1_700_000_000.0
DAY = 86400.0
TB = 10**12
PORTS = {"object": 6200, "container": 6201, "account": 6202}
KINDS = tuple(PORTS)


def device_of(number, kind, **changes):
    place = {"id": number, "ip": f"10.0.0.{number}", "port": PORTS[kind], "region": 1, "zone": number}
    return {**place, "device": "sda", "weight": 100.0, **changes}


def ring_of(kind, name=None, **changes):
    builder = BuilderFacts(f"/etc/swift/{kind}.builder", min_part_hours=1)
    devices = tuple(device_of(number, kind) for number in (1, 2, 3))
    facts = {"md5": kind, "replicas": 3.0, "part_power": 10, "devices": devices, "builder": builder}
    return RingFacts(name or kind, f"/etc/swift/{kind}.ring.gz", **{**facts, **changes})


def facts_of(kind):
    disk = {"size": TB, "free": TB // 2, "inodes": 1000, "inodes_free": 900, "read_only": False}
    return {
        "conf": f"/etc/swift/{kind}-server.conf",
        "kind": kind,
        "started": NOW - 30 * DAY,
        "manager": {"name": "systemd"},
        "cores": 2,
        "limits": {"nofile": 65536},
        "hash_path": {"prefix": False, "suffix": True},
        "hash_secret": {"running": "5ec1", "file": "5ec1"},
        "options": {"DEFAULT": {"mount_check": "0a"}, f"app:{kind}-server": {"use": "1b"}},
        "settings": {
            "mount_check": True,
            "workers": 2,
            "max_clients": 1024,
            "fallocate_reserve": "1%",
            "reclaim_age": {f"app:{kind}-server": "604800", f"{kind}-replicator": "604800"},
        },
        "devices": [{"device": "sda", "mounted": True, **disk, "async_pending": 0, "async_oldest": None}],
        "passes": {
            "object_updater_last": NOW - 60,
            "object_expiration_last": NOW - 60,
            "handoffs_left": 0,
            "failed": {},
            "container_updater_last": NOW - 60,
            "account_reaper_last": NOW - 60,
            "drive_errors": {},
        },
    }


def answers_of(kind):
    return {
        "time": NOW,
        "version": {"version": "1.2.3"},
        "ringmd5": {f"/etc/swift/{name}.ring.gz": name for name in KINDS},
        "swiftconfmd5": {"/etc/swift/swift.conf": "conf"},
        "facts": facts_of(kind),
        "load": {"1m": 0.1, "5m": 0.1, "15m": 0.1},
        "sockstat": {"tcp_in_use": 10, "orphan": 0, "time_wait": 5, "tcp_mem_allocated_bytes": 4096},
        "async": {"async_pending": 0, "async_pending_last": NOW - 60},
        "auditor/object": {"object_auditor_stats_ALL": {"start_time": NOW - 60}, "object_auditor_stats_ZBF": None},
        **{f"auditor/{name}": {f"{name}_audits_since": NOW - 60} for name in ("container", "account")},
        **{
            f"replication/{name}": {
                "replication_last": NOW - 60,
                "replication_stats": {"attempted": 100, "failure": 0, "failure_nodes": {}},
            }
            for name in KINDS
        },
        "devices": {"/srv/node": ["sda"]},
        "driveaudit": {"drive_audit_errors": 0},
        "diskusage": [{"device": "sda", "mounted": True, "size": TB, "used": TB // 2, "avail": TB // 2}],
        "unmounted": [],
        "quarantined": {"objects": 0, "containers": 0, "accounts": 0, "policies": {}},
    }


def healthy():
    servers = tuple(
        Asked(
            Server(kind, f"10.0.0.{number}", PORTS[kind], {kind: ("sda",)}),
            answers_of(kind),
            sent=NOW - 0.001,
            received=NOW + 0.001,
        )
        for kind in KINDS
        for number in (1, 2, 3)
    )
    conf = SwiftConfFacts("/etc/swift/swift.conf", "conf", secrets=("something secret",))
    rings = tuple(ring_of(kind) for kind in KINDS)
    certificates = (CertificateFacts("10.0.0.9:443", NOW + 90 * DAY),)
    return ClusterView(NOW, "/etc/swift", conf, rings, servers, certificates, (MemcachedFacts("10.0.0.9:11211"),))


def told(number, kind, *path_and_value):
    """A change: a server tells something else; with a function as value, something made of what it told."""
    *path, value = path_and_value

    def change(view):
        servers = []
        for asked in view.servers:
            if asked.server.kind in (kind, *(KINDS if kind == "*" else ())) and asked.server.ip == f"10.0.0.{number}":
                answers = copy.deepcopy(dict(asked.answers))
                place = answers
                for key in path[:-1]:
                    place = place[key]
                place[path[-1]] = value(place[path[-1]]) if callable(value) else value
                asked = replace(asked, answers=answers)
            servers.append(asked)
        return replace(view, servers=tuple(servers))

    return change


def disk(**changes):
    return lambda rows: [{**rows[0], **changes}]


def unanswered(number, kind, problem="the connection was refused"):
    def change(view):
        return replace(
            view,
            servers=tuple(
                Asked(asked.server, problem=problem)
                if asked.server.ip == f"10.0.0.{number}" and kind in (asked.server.kind, "*")
                else asked
                for asked in view.servers
            ),
        )

    return change


def ring(**changes):
    return lambda view: replace(view, rings=(ring_of("object", **changes), *view.rings[1:]))


def builder(**changes):
    return ring(builder=BuilderFacts("/etc/swift/object.builder", min_part_hours=1, **changes))


def together(*changes):
    def change(view):
        for one in changes:
            view = one(view)
        return view

    return change


def absent(name, builders=()):
    return lambda view: replace(view, missing_rings=(name,), builders=builders)


def closed(path, view):
    """A file that swift may not read, as the doctor finds it."""
    problem = "unreadable for swift: it is root:root 0640"
    return replace(view, unreadable=(UnreadableFacts(path, problem, f"chgrp swift {path} && chmod 640 {path}"),))


def local(view):
    """The cluster, of which this machine is a node."""
    servers = [replace(asked, server=replace(asked.server, is_local=True)) for asked in view.servers[:1]]
    return replace(view, servers=(*servers, *view.servers[1:]))


HASH = "0123456789abcdef" * 2
RSYNC = "rsync -a --chown=root:swift --chmod=F640"
REBALANCE = "swiftlite-ring-builder /etc/swift/object.builder rebalance"
CASES = [
    # what is wrong, code, severity, subject, the remedy's beginning
    (told(2, "*", "time", NOW + 3), "clock-skew", "warning", "10.0.0.2", "ssh 10.0.0.2 'chronyc makestep'"),
    (told(2, "*", "time", NOW - 60), "clock-skew", "critical", "10.0.0.2", "ssh 10.0.0.2"),
    (
        together(*(told(number, "*", "time", NOW + 9) for number in (1, 2, 3))),
        *("clock-skew", "warning", "this machine", "chronyc makestep"),
    ),
    (
        told(3, "object", "ringmd5", "/etc/swift/object.ring.gz", "other"),
        *("ring-differs", "critical", "10.0.0.3:/etc/swift/object.ring.gz"),
        f"{RSYNC} /etc/swift/object.ring.gz 10.0.0.3:/etc/swift/object.ring.gz",
    ),
    (
        absent("object", builders=("object",)),
        *("ring-absent", "critical", "/etc/swift/object.ring.gz"),
        "swiftlite-ring-builder /etc/swift/object.builder write_ring",
    ),
    (
        absent("object"),
        *("ring-absent", "critical", "/etc/swift/object.ring.gz"),
        f"{RSYNC} 10.0.0.1:/etc/swift/object.ring.gz /etc/swift/object.ring.gz",
    ),
    (absent("object-1"), "ring-absent", "critical", "/etc/swift/object-1.ring.gz", f"{RSYNC} BACKUP/object-1.ring.gz"),
    (
        lambda view: closed(
            "/etc/swift/swift.conf",
            replace(view, swift_conf=SwiftConfFacts("/etc/swift/swift.conf", problem="Permission denied")),
        ),
        *("file-unreadable", "critical", "/etc/swift/swift.conf", "chgrp swift /etc/swift/swift.conf && chmod 640"),
    ),
    (
        lambda view: closed("/etc/swift/object.ring.gz", ring(problem="Permission denied")(view)),
        *("file-unreadable", "critical", "/etc/swift/object.ring.gz", "chgrp swift /etc/swift/object.ring.gz"),
    ),
    (
        together(
            told(1, "object", "swiftconfmd5", "/etc/swift/swift.conf", None),
            told(1, "object", "facts", "hash_path", {"prefix": False, "suffix": False}),
            local,
        ),
        *("swift-conf-differs", "critical", "10.0.0.1:/etc/swift/swift.conf"),
        "chgrp swift /etc/swift/swift.conf && chmod 640 /etc/swift/swift.conf && systemctl restart",
    ),
    (
        together(told(1, "object", "ringmd5", "/etc/swift/object.ring.gz", None), local),
        *("ring-missing", "critical", "10.0.0.1:/etc/swift/object.ring.gz", "chgrp swift /etc/swift/object.ring.gz"),
    ),
    (
        ring(md5="mine", builder=None),
        *("ring-differs", "critical", "/etc/swift/object.ring.gz"),
        f"{RSYNC} 10.0.0.1:/etc/swift/object.ring.gz /etc/swift/object.ring.gz",
    ),
    (
        told(3, "object", "ringmd5", {"/etc/swift/account.ring.gz": "account"}),
        *("ring-missing", "critical", "10.0.0.3:/etc/swift/object.ring.gz", "rsync -a"),
    ),
    (
        told(1, "*", "swiftconfmd5", "/etc/swift/swift.conf", "other"),
        *(
            "swift-conf-differs",
            "critical",
            "10.0.0.1:/etc/swift/swift.conf",
            f"{RSYNC} /etc/swift/swift.conf 10.0.0.1:",
        ),
    ),
    (
        told(1, "account", "facts", "hash_path", {"prefix": False, "suffix": False}),
        *("hash-secret-missing", "critical", "10.0.0.1:/etc/swift/swift.conf", "rsync -a"),
    ),
    (
        told(1, "object", "facts", "hash_secret", "running", "0dd"),
        *("hash-secret-differs", "critical", "object-server 10.0.0.1:6200", "ssh 10.0.0.1 'systemctl restart '"),
    ),
    (
        lambda view: replace(view, swift_conf=SwiftConfFacts("/etc/swift/swift.conf", "conf")),
        *("hash-secret-missing", "critical", "/etc/swift/swift.conf", f"{RSYNC} 10.0.0.1:/etc/swift/swift.conf"),
    ),
    (
        lambda view: replace(view, swift_conf=replace(view.swift_conf, secrets=("changeme",))),
        *("hash-secret-known", "warning", "/etc/swift/swift.conf", "grep -n swift_hash_path"),
    ),
    (
        lambda view: replace(view, swift_conf=SwiftConfFacts("/etc/swift/swift.conf", problem="no such file")),
        *("swift-conf-unreadable", "critical", "/etc/swift/swift.conf", f"{RSYNC} 10.0.0.1:/etc/swift/swift.conf"),
    ),
    (
        told(2, "container", "facts", "options", "DEFAULT", {"mount_check": "ff"}),
        *(
            "conf-differs",
            "warning",
            "container-server.conf",
            "ssh 10.0.0.2 'cat /etc/swift/container-server.conf' | diff",
        ),
    ),
    (
        told(2, "account", "facts", "settings", "reclaim_age", {"account-replicator": "3600"}),
        *("reclaim-age-differs", "warning", "account-server.conf", "ssh 10.0.0.2 'grep -n reclaim_age"),
    ),
    (
        told(2, "*", "version", {"version": "1.2.2"}),
        *("versions-differ", "warning", "10.0.0.2", "ssh 10.0.0.2 'pip show swiftlite'"),
    ),
    (
        told(1, "*", "devices", {"/srv/node": []}),
        "device-missing",
        "critical",
        "10.0.0.1:/srv/node/sda",
        "ssh 10.0.0.1 'mkdir",
    ),
    (
        told(1, "*", "unmounted", [{"device": "sda", "mounted": False}]),
        *("device-unmounted", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'mount /srv/node/sda'"),
    ),
    (
        told(1, "*", "unmounted", [{"device": "sdx", "mounted": False}]),
        *("device-unknown", "notice", "10.0.0.1:/srv/node/sdx", "ssh 10.0.0.1 'rmdir"),
    ),
    (
        told(1, "*", "unmounted", [{"device": "sda", "mounted": "[Errno 5] Input/output error"}]),
        *("device-broken", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'umount -l /srv/node/sda'"),
    ),
    (
        told(1, "*", "facts", "devices", disk(problem="Input/output error")),
        *("device-broken", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'stat"),
    ),
    (
        told(1, "*", "facts", "devices", disk(read_only=True)),
        *("device-read-only", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'umount"),
    ),
    (
        told(1, "*", "facts", "devices", disk(free=TB // 10)),
        *("device-full", "warning", "10.0.0.1:/srv/node/sda"),
        # To the average: 90, 50 and 50 percent.
        "swiftlite-ring-builder /etc/swift/object.builder set_weight --ip 10.0.0.1 --port 6200 --device sda 70.37 --yes",
    ),
    (
        told(1, "*", "facts", "devices", disk(free=TB // 25)),
        *("device-full", "critical", "10.0.0.1:/srv/node/sda", "swiftlite-ring-builder"),
    ),
    (
        told(1, "*", "facts", "devices", disk(free=TB // 200)),
        *("device-full", "critical", "10.0.0.1:/srv/node/sda", "swiftlite-ring-builder"),
    ),
    (
        told(1, "*", "facts", "devices", disk(inodes_free=20)),
        *("inodes-full", "critical", "10.0.0.1:/srv/node/sda", "swiftlite-ring-builder"),
    ),
    (
        told(1, "*", "facts", "passes", "drive_errors", {"/srv/node/sda": 2}),
        *("drive-errors", "warning", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'smartctl"),
    ),
    (
        told(1, "*", "driveaudit", {"drive_audit_errors": 2}),
        *("drive-errors", "warning", "10.0.0.1", "ssh 10.0.0.1 'swiftlite-drive-audit /etc/swift/drive-audit.conf'"),
    ),
    (
        told(1, "*", "quarantined", "containers", 2),
        *("quarantined", "warning", "10.0.0.1:/srv/node", "ssh 10.0.0.1 'find /srv/node/*/quarantined"),
    ),
    (
        together(
            *(told(n, "object", "facts", "devices", disk(quarantined_hashes={"objects": [HASH]})) for n in (1, 2, 3))
        ),
        *("quarantined-everywhere", "critical", "object"),
        f"ssh 10.0.0.1 'ls -l /srv/node/sda/quarantined/objects/{HASH}*' && ssh 10.0.0.2",
    ),
    (
        told(1, "object", "facts", "devices", disk(async_pending=5, async_oldest=NOW - 7200)),
        *("async-old", "warning", "object-server 10.0.0.1:6200"),
        "ssh 10.0.0.1 'swiftlite-object-updater /etc/swift/object-server.conf --once'",
    ),
    (
        told(1, "object", "facts", "devices", disk(async_pending=20000, async_oldest=NOW - 5)),
        *("async-many", "warning", "object-server 10.0.0.1:6200", "ssh 10.0.0.1 'swiftlite-object-updater"),
    ),
    (
        told(1, "object", "facts", "devices", disk(async_pending=2000, async_oldest=NOW - 5)),
        *("async-growing", "warning", "object-server 10.0.0.1:6200", "ssh 10.0.0.1 'swiftlite-object-updater"),
    ),
    (
        told(1, "object", "replication/object", "replication_last", NOW - 8 * DAY),
        *("pass-stale", "critical", "object-replicator 10.0.0.1"),
        "ssh 10.0.0.1 'systemctl restart swiftlite-object-replicator'",
    ),
    (
        told(1, "object", "auditor/object", {"object_auditor_stats_ALL": {"sda": {"start_time": NOW - 2 * DAY}}}),
        *("pass-stale", "warning", "object-auditor 10.0.0.1", "ssh 10.0.0.1 'systemctl restart"),
    ),
    (
        told(1, "account", "facts", "passes", "account_reaper_last", None),
        *(
            "pass-never",
            "warning",
            "account-reaper 10.0.0.1",
            "ssh 10.0.0.1 'systemctl restart swiftlite-account-reaper'",
        ),
    ),
    (
        together(
            *(
                told(number, "object", "facts", "passes", "object_expiration_last", NOW - 2 * DAY)
                for number in (1, 2, 3)
            )
        ),
        *(
            "pass-stale",
            "warning",
            "object-expirer 10.0.0.1",
            "ssh 10.0.0.1 'systemctl restart swiftlite-object-expirer'",
        ),
    ),
    (
        told(3, "object", "facts", "dequeues", False),
        *("expirers-idle", "warning", "object-expirer"),
        "ssh 10.0.0.3 'sed -i ",
    ),
    (
        told(
            1, "object", "replication/object", "replication_stats", {"attempted": 9, "failure": 3, "failure_nodes": {}}
        ),
        *("replication-failures", "warning", "object-replicator 10.0.0.1", "ssh 10.0.0.1 'journalctl"),
    ),
    (
        told(1, "object", "facts", "passes", "handoffs_left", 4),
        *("handoffs-left", "warning", "object-replicator 10.0.0.1", "ssh 10.0.0.1 'swiftlite-object-replicator"),
    ),
    (
        told(
            1, "*", "facts", "passes", "failed", {"account-reaper": {"count": 3, "since": NOW - 7200, "problem": "x"}}
        ),
        *("pass-failed", "warning", "account-reaper 10.0.0.1", "ssh 10.0.0.1 'journalctl -u swiftlite-account-reaper"),
    ),
    (
        lambda view: replace(
            view,
            servers=(
                *view.servers,
                Asked(
                    Server("proxy", "10.0.0.9", 8080),
                    {"swiftconfmd5": {"/etc/swift/swift.conf": "conf"}},
                    problems={"metrics": "status 500"},
                ),
            ),
        ),
        *("metrics-fails", "warning", "proxy-server 10.0.0.9:8080"),
        "ssh 10.0.0.9 'journalctl -u swiftlite-proxy-server -p err'",
    ),
    (
        ring(next_part_power=11),
        *("part-power", "warning", "object", "ssh 10.0.0.1 'swiftlite-object-relinker relink"),
    ),
    (
        ring(next_part_power=10),
        *("part-power", "warning", "object", "ssh 10.0.0.1 'swiftlite-object-relinker cleanup"),
    ),
    (
        lambda view: replace(ring(problem="cut short")(view), builders=("object",)),
        *("ring-unreadable", "critical", "/etc/swift/object.ring.gz", "swiftlite-ring-builder"),
    ),
    (
        ring(problem="cut short", builder=None),
        *("ring-unreadable", "critical", "/etc/swift/object.ring.gz"),
        f"{RSYNC} 10.0.0.1:/etc/swift/object.ring.gz /etc/swift/object.ring.gz",
    ),
    (
        told(1, "object", "facts", "daemons", {"object-updater": {"running": False, "meant": True}}),
        *("daemon-stopped", "warning", "object-updater 10.0.0.1"),
        "ssh 10.0.0.1 'systemctl restart swiftlite-object-updater'",
    ),
    (
        told(1, "account", "facts", "closed_caches", ["/var/cache/swift/account.recon"]),
        *("recon-cache", "warning", "10.0.0.1:/var/cache/swift/account.recon"),
        "ssh 10.0.0.1 'chown swift: /var/cache/swift/account.recon'",
    ),
    (
        told(1, "*", "facts", "devices", disk(closed="/srv/node/sda")),
        *("device-closed", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'chown swift: /srv/node/sda'"),
    ),
    (
        told(1, "*", "facts", "devices", disk(closed="/srv/node/sda/objects-1/77")),
        *("device-closed", "critical", "10.0.0.1:/srv/node/sda"),
        "ssh 10.0.0.1 'chown -R swift: /srv/node/sda/objects-1'",
    ),
    (
        told(1, "*", "facts", "devices", disk(closed="/srv/node/sda", closed_owner="swift", closed_mode="0000")),
        *("device-closed", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'chmod u+rwx /srv/node/sda'"),
    ),
    (
        told(1, "*", "facts", "devices", disk(problem="Permission denied")),
        *("device-closed", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'chown swift: /srv/node/sda'"),
    ),
    (
        together(
            told(1, "*", "facts", "closed_root", "/srv"),
            told(1, "*", "facts", "devices", []),
            told(1, "*", "devices", {"/srv/node": None}),
        ),
        *("device-closed", "critical", "10.0.0.1:/srv"),
        "# leave /srv closed: mount devices elsewhere",
    ),
    (
        together(
            told(1, "*", "facts", "closed_root", "/srv/node"),
            told(1, "*", "unmounted", [{"device": "sda", "mounted": "[Errno 13] Permission denied: '/srv/node/sda'"}]),
        ),
        *("device-closed", "critical", "10.0.0.1:/srv/node", "ssh 10.0.0.1 'chmod a+rx /srv/node'"),
    ),
    (
        told(1, "*", "unmounted", [{"device": "sda", "mounted": "[Errno 13] Permission denied: '/srv/node/sda'"}]),
        *("device-closed", "critical", "10.0.0.1:/srv/node/sda", "ssh 10.0.0.1 'chmod a+x /srv/node'"),
    ),
    (
        told(1, "object", "facts", "devices", disk(outside={"object": 4})),
        *("partitions-outside", "critical", "10.0.0.1:/srv/node", "ls -lt /etc/swift/backups/*.object.builder"),
    ),
    (
        lambda view: replace(view, servers=(*view.servers, Asked(Server("proxy", "10.0.0.9", 8080), {"info": {}}))),
        *("proxy-not-compared", "notice", "proxy-server 10.0.0.9:8080"),
        "ssh 10.0.0.9 'md5sum /etc/swift/swift.conf /etc/swift/*.ring.gz' | md5sum -c -",
    ),
    (
        lambda view: replace(
            view, servers=(replace(view.servers[0], problems={"unmounted": STRANGE}), *view.servers[1:])
        ),
        *("recon-strange", "warning", "object-server 10.0.0.1:6200", "curl -s http://10.0.0.1:6200/recon/unmounted"),
    ),
    (
        unanswered(1, "container", "TLS handshake failed: certificate has expired"),
        *(
            "server-unreachable",
            "critical",
            "container-server 10.0.0.1:6201",
            "openssl s_client -connect 10.0.0.1:6201",
        ),
    ),
    (
        lambda view: replace(view, certificates=(CertificateFacts("/etc/swift/node.pem", NOW - 5, role=NODE),)),
        *("certificate-expires", "critical", "/etc/swift/node.pem"),
        f"{RSYNC} NEW.pem /etc/swift/node.pem && systemctl reload",
    ),
    (
        lambda view: replace(view, certificates=(CertificateFacts("/etc/swift/ca.pem", NOW - 5, role=AUTHORITY),)),
        *("certificate-expires", "critical", "/etc/swift/ca.pem", "openssl x509 -noout -subject -issuer"),
    ),
    (builder(problem="cut short"), "builder-unreadable", "warning", "/etc/swift/object.builder", "ls -t"),
    (builder(has_changes=True), "rebalance-due", "warning", "/etc/swift/object.builder", REBALANCE),
    (builder(is_written=False), "ring-not-written", "warning", "/etc/swift/object.builder", "swiftlite-ring-builder"),
    (builder(balance=7.0), "ring-unbalanced", "warning", "/etc/swift/object.builder", REBALANCE),
    (
        builder(balance=7.0, seconds_until_move=600),
        *("ring-unbalanced", "notice", "/etc/swift/object.builder", REBALANCE),
    ),
    (
        builder(dispersion=2.0, required_overload=0.1234),
        *("ring-dispersion", "warning", "/etc/swift/object.builder"),
        f"swiftlite-ring-builder /etc/swift/object.builder set_overload 12.4% && {REBALANCE}",
    ),
    (
        builder(dispersion=8.33, required_overload=0.5, seconds_until_move=3000),  # just drained
        *("ring-dispersion", "warning", "/etc/swift/object.builder", "swiftlite-ring-builder"),
    ),
    (
        builder(dispersion=8.33, seconds_until_move=3000),
        *("ring-dispersion", "notice", "/etc/swift/object.builder", REBALANCE),
    ),
    (
        ring(replicas=4.0),
        "ring-too-small",
        "critical",
        "object",
        "swiftlite-ring-builder /etc/swift/object.builder add",
    ),
    (
        ring(devices=tuple(device_of(number, "object", zone=1) for number in (1, 2, 3))),
        *("ring-few-zones", "warning", "object", "swiftlite-ring-builder /etc/swift/object.builder add"),
    ),
    (
        ring(devices=tuple(device_of(number, "object", ip="10.0.0.1") for number in (1, 2, 3))),
        *("ring-few-servers", "notice", "object", "swiftlite-ring-builder"),
    ),
    (
        unanswered(1, "container"),
        *("server-unreachable", "critical", "container-server 10.0.0.1:6201"),
        "ssh 10.0.0.1 'systemctl restart swiftlite-container-server'",
    ),
    (unanswered(1, "*"), "host-unreachable", "critical", "10.0.0.1", "ping -c 3 10.0.0.1"),
    (
        lambda view: replace(
            view, servers=(Asked(view.servers[0].server, problems={"time": "status 404"}), *view.servers[1:])
        ),
        *("recon-missing", "warning", "object-server 10.0.0.1:6200", "ssh 10.0.0.1"),
    ),
    (
        lambda view: replace(
            view, servers=(replace(view.servers[0], problems={"unmounted": "no answer"}), *view.servers[1:])
        ),
        *("recon-fails", "warning", "object-server 10.0.0.1:6200", "ssh 10.0.0.1 'journalctl"),
    ),
    (
        told(1, "object", "facts", "limits", "nofile", 1024),
        *("open-files", "warning", "object-server 10.0.0.1:6200", "ssh 10.0.0.1"),
    ),
    (
        together(told(1, "object", "facts", "cores", 16), told(1, "object", "facts", "settings", "workers", 0)),
        *("few-workers", "notice", "object-server 10.0.0.1:6200", "ssh 10.0.0.1 'sed -i"),
    ),
    (
        told(1, "*", "sockstat", "time_wait", 25000),
        *("sockets", "warning", "10.0.0.1", "ssh 10.0.0.1"),
    ),
    (
        lambda view: replace(
            view,
            servers=(
                *view.servers,
                Asked(
                    Server("proxy", "10.0.0.9", 8080),
                    {
                        "metrics": {
                            "swiftlite_node_error_limited": [
                                Sample({"node": "10.0.0.2:6201/sda"}, 1.0),
                                Sample({"node": "10.0.0.3:6201/sda"}, 0.0),
                            ]
                        },
                        "swiftconfmd5": {"/etc/swift/swift.conf": "conf"},
                    },
                    problems={"time": "status 404"},
                ),
            ),
        ),
        *("error-limited", "warning", "10.0.0.2:6201/sda", "ssh 10.0.0.2 'journalctl -u swiftlite-container-server"),
    ),
    (
        lambda view: replace(view, certificates=(CertificateFacts("10.0.0.9:443", NOW - 5),)),
        *("certificate-expires", "critical", "10.0.0.9:443", "certbot renew"),
    ),
    (
        lambda view: replace(view, certificates=(CertificateFacts("10.0.0.9:443", NOW + 20 * DAY),)),
        *("certificate-expires", "warning", "10.0.0.9:443", "certbot renew"),
    ),
    (
        lambda view: replace(view, certificates=(CertificateFacts("/a.pem", problem="cut short"),)),
        *("certificate-unreadable", "critical", "/a.pem", "openssl x509"),
    ),
    (
        lambda view: replace(view, confs=(ConfFacts("object-updater", "/etc/swift/o.conf", ("error: a", "error: b")),)),
        *("conf-errors", "warning", "/etc/swift/o.conf", "swiftlite-object-updater /etc/swift/o.conf --check"),
    ),
    (
        lambda view: replace(view, memcached=(MemcachedFacts("10.0.0.9:11211", "Connection refused"),)),
        *("memcached", "warning", "10.0.0.9:11211", "ssh 10.0.0.9 systemctl restart memcached"),
    ),
]


@pytest.mark.parametrize(
    "change, code, severity, subject, remedy", CASES, ids=[f"{n}-{case[1]}" for n, case in enumerate(CASES)]
)
def test_one_thing_is_wrong(change, code, severity, subject, remedy):
    found = judging.findings(change(healthy()), Limits())
    assert [(finding.code, finding.severity, finding.subject) for finding in found] == [(code, severity, subject)]
    assert found[0].fix.startswith(remedy), found[0].fix
    assert found[0].what
    assert found[0].why


def test_nothing_is_wrong_with_a_healthy_cluster():
    assert judging.findings(healthy(), Limits()) == []


@pytest.mark.parametrize("check, file", [("swiftconfmd5", "swift.conf"), ("ringmd5", "object.ring.gz")])
def test_what_this_machine_may_not_read_is_told_of_once(check, file):
    path = f"/etc/swift/{file}"
    view = closed(path, local(told(1, "object", check, path, None)(healthy())))
    assert [finding.code for finding in judging.findings(view, Limits())] == ["file-unreadable"]


def silent(view):
    """None of its servers answers, and they are this machine's."""
    servers = [
        Asked(replace(one.server, is_local=True), problem="Connection refused")
        for one in view.servers
        if one.server.ip == "10.0.0.1"
    ]
    return replace(view, servers=tuple(servers))


def managed(number, **manager):
    return told(number, "*", "facts", "manager", manager)


STALE = told(1, "object", "auditor/object", "object_auditor_stats_ALL", "start_time", NOW - 2 * DAY)
INIT = {"name": "swiftlite-init", "run_dir": "/run/s", "log_dir": "/log"}
AUDITOR = "swiftlite-init object-auditor restart --swift-dir /etc/swift"
DIRECTORIES = "--swift-dir /etc/swift --run-dir /run/s --log-dir /log"


@pytest.mark.parametrize(
    "change, remedy",
    [
        (together(), "ssh 10.0.0.1 'systemctl restart swiftlite-object-auditor'"),
        (managed(1, **INIT), f"ssh 10.0.0.1 'swiftlite-init object-auditor restart {DIRECTORIES}'"),
        (
            together(managed(1, **INIT), told(1, "object", "facts", "conf", "/etc/swift/object-server/2.conf")),
            f"ssh 10.0.0.1 'swiftlite-init object-auditor.2 restart {DIRECTORIES}'",
        ),
        # Of this one nobody knows it, and the others are all alike.
        (managed(1), "ssh 10.0.0.1 'systemctl restart swiftlite-object-auditor'"),
        (
            together(managed(1), managed(2, **INIT)),
            f"ssh 10.0.0.1 'systemctl restart swiftlite-object-auditor  # without systemd: {AUDITOR}'",
        ),
        # What a node says is no command, whatever it says.
        (
            managed(1, name="swiftlite-init", run_dir="/run; reboot", log_dir=""),
            shlex.join(
                (
                    "ssh",
                    "10.0.0.1",
                    "swiftlite-init object-auditor restart --swift-dir /etc/swift --run-dir '/run; reboot'",
                )
            ),
        ),
    ],
)
def test_a_remedy_starts_daemons_as_they_were_started(change, remedy):
    [finding] = judging.findings(together(change, STALE)(healthy()), Limits())
    assert (finding.code, finding.fix) == ("pass-stale", remedy)
    assert not problem(finding.fix)


def test_the_log_of_who_was_started_by_swiftlite_init():
    view = managed(1, **INIT)(healthy())
    assert starting.show_log(
        view, view.servers[0].server, "object-server", "/etc/swift/object-server/2.conf", "-p", "3"
    ) == ("ssh 10.0.0.1 'tail -n 50 /log/object-server.2.log'")


@pytest.mark.parametrize(
    "here, remedy",
    [
        ({}, "systemctl start swiftlite.target"),
        ({"has_systemd": False}, "swiftlite-init all start --swift-dir /etc/swift"),
        ({"has_systemd": False, "all_in_one": "/srv/aio"}, "swiftlite-aio start --dir /srv/aio --detach"),
    ],
)
def test_when_nobody_answers_here_all_is_started(here, remedy):
    confs = tuple(OwnConf(kind, "0.0.0.0", PORTS[kind], f"/etc/swift/{kind}-server.conf") for kind in KINDS)
    [finding] = judging.findings(replace(silent(healthy()), own_confs=confs, **here), Limits())
    assert (finding.code, finding.severity, finding.fix) == ("host-unreachable", "critical", remedy)
    assert not problem(finding.fix)


ALL_IN_ONE = {"has_systemd": False, "all_in_one": "/srv/aio"}


def all_here(view):
    servers = tuple(replace(one, server=replace(one.server, is_local=True)) for one in view.servers)
    return replace(view, servers=servers, **ALL_IN_ONE)


def test_remedies_on_an_all_in_one_work_there():
    fixes = set()
    for change, *_ in CASES:
        fixes |= {finding.fix for finding in judging.findings(all_here(change(healthy())), Limits())}
    assert [fix for fix in sorted(fixes) if "journalctl" in fix or problem(fix)] == []
    assert "tail -n 50 /srv/aio/log/object-replicator.log" in fixes
    assert "swiftlite-aio stop --dir /srv/aio && swiftlite-aio start --dir /srv/aio --detach" in fixes


@pytest.mark.parametrize(
    "mount_check, remedy", [(True, "mkdir -p /srv/node/sda && mount "), (False, "install -d -o ann -g swift ")]
)
def test_a_missing_device_is_mounted_where_devices_are(mount_check, remedy):
    view = told(1, "*", "devices", {"/srv/node": []})(all_here(healthy()))
    view = told(1, "*", "facts", "settings", "mount_check", mount_check)(told(1, "*", "facts", "user", "ann")(view))
    [finding] = [one for one in judging.findings(view, Limits()) if one.code == "device-missing"]
    now, _, for_good = finding.fix.partition("  # gone for good: ")
    assert now == f"{remedy}/srv/node/sda"
    assert "remove" in for_good and not problem(for_good)
    assert len(finding.why) < 100


def test_nothing_is_copied_onto_itself():
    view = healthy()
    view = replace(view, servers=tuple(replace(one, server=replace(one.server, is_local=True)) for one in view.servers))
    for number in (1, 2, 3):
        view = told(number, "*", "swiftconfmd5", "/etc/swift/swift.conf", None)(view)
        view = told(number, "*", "ringmd5", "/etc/swift/object.ring.gz", None)(view)
        view = told(number, "*", "facts", "hash_path", {"prefix": False, "suffix": False})(view)
    found = [words for finding in judging.findings(view, Limits()) for words in commands(finding.fix)]
    assert found
    assert [words for words in found if words[0] == "rsync" and words[-2] == words[-1]] == []


def test_rings_are_not_missed_where_swift_conf_names_no_secret():
    """Without one it cannot be used, nor says it for which policies there are rings."""
    view = told(1, "*", "facts", "hash_path", {"prefix": False, "suffix": False})(healthy())
    view = told(
        1, "*", "ringmd5", {"/etc/swift/account.ring.gz": "account", "/etc/swift/container.ring.gz": "container"}
    )(view)
    assert {finding.code for finding in judging.findings(view, Limits())} == {"hash-secret-missing"}


def test_directories_do_for_devices_where_mount_check_is_off():
    view = told(1, "*", "unmounted", [{"device": "sda", "mounted": False}])(healthy())
    view = told(1, "*", "facts", "settings", "mount_check", False)(view)
    assert judging.findings(view, Limits()) == []


@pytest.mark.parametrize("problem, expected", [("status 404", ["device-unmounted"]), ("status 500", []), ("", [])])
def test_who_does_not_tell_whether_devices_are_mounts_is_told_to_mount_none(problem, expected):
    """One of OpenStack Swift has no facts to tell, and by default wants mounts."""
    view = together(told(1, "*", "facts", None), told(1, "*", "unmounted", [{"device": "sda", "mounted": False}]))(
        healthy()
    )
    servers = [replace(one, problems={"facts": problem} if problem else {}) for one in view.servers]
    view = replace(view, servers=tuple(servers))
    assert [finding.code for finding in judging.findings(view, Limits())] == expected


@pytest.mark.parametrize(
    "places",
    [
        {1: ("objects", HASH), 2: ("objects", HASH)},  # a sound one is left
        {1: ("objects", HASH), 2: ("objects", HASH), 3: ("objects", HASH[::-1])},
        {1: ("objects", HASH), 2: ("objects", HASH), 3: ("objects-1", HASH)},  # another policy's
        {1: ("objects", HASH), 2: ("objects", HASH), 3: ("objects", None)},
    ],
)
def test_of_what_is_quarantined_on_fewer_devices_there_is_a_sound_one(places):
    changes = (
        told(number, "object", "facts", "devices", disk(quarantined_hashes={directory: [name]}))
        for number, (directory, name) in places.items()
    )
    assert judging.findings(together(*changes)(healthy()), Limits()) == []


def test_what_the_reserve_keeps_is_not_free():
    [finding] = judging.findings(told(1, "*", "facts", "devices", disk(free=TB // 200))(healthy()), Limits())
    assert finding.what == "5 GB are free, less than fallocate_reserve keeps"


IDLE = together(*(told(number, "object", "facts", "dequeues", False) for number in (1, 2, 3)))


@pytest.mark.parametrize(
    "change",
    [
        told(2, "object", "facts", "dequeues", True),
        told(2, "object", "facts", None),
        told(2, "object", "facts", "settings", {}),  # its conf is being edited
        told(2, "object", "expirer/object", {"object_expiration_pass": 1.5}),
        lambda view: replace(view, confs=(ConfFacts("object-expirer", "/etc/swift/object-expirer.conf"),)),
    ],
)
def test_where_an_expirer_may_work_others_may_be_idle(change):
    assert [finding.code for finding in judging.findings(IDLE(healthy()), Limits())] == ["expirers-idle"]
    assert judging.findings(together(IDLE, change)(healthy()), Limits()) == []
    unreached = together(IDLE, unanswered(2, "object"))(healthy())
    assert [finding.code for finding in judging.findings(unreached, Limits())] == ["server-unreachable"]


@pytest.mark.parametrize("before", ["", "dequeue_from_legacy = false\n", "# dequeue_from_legacy = false\n"])
def test_one_that_is_idle_is_told_to_work(tmp_path, before):
    path = tmp_path / "object-server.conf"
    path.write_text(f"[object-expirer]\ninterval = 9\n{before}[object-auditor]\ndequeue_from_legacy = false\n")
    conf = ConfFile.load(str(path))
    assert node_facts.dequeues(conf) is False
    view = together(IDLE, told(1, "object", "facts", "conf", str(path)))(local(healthy()))
    [finding] = judging.findings(view, Limits())
    subprocess.run(["bash", "-c", finding.fix.partition(" && ")[0]], check=True)
    conf = ConfFile.load(str(path))
    assert node_facts.dequeues(conf) is True
    assert conf.section("object-expirer")["interval"] == "9"
    assert conf.section("object-auditor")["dequeue_from_legacy"] == "false"


@pytest.mark.parametrize(
    "facts, what",
    [
        ({"count": 1, "since": NOW, "problem": "no ring"}, "its last pass failed (ZBF): no ring"),
        ({"count": 9, "since": NOW - 7200}, "its last 9 passes failed (ZBF), the first 2 hours ago: see its log"),
    ],
)
def test_passes_that_fail(facts, what):
    change = told(1, "object", "facts", "passes", "failed", {"object-auditor ZBF": facts})
    [finding] = judging.findings(change(healthy()), Limits())
    assert (finding.subject, finding.what) == ("object-auditor 10.0.0.1", what)
    stopped = told(1, "object", "facts", "daemons", {"object-auditor": {"running": False, "meant": True}})
    assert [one.code for one in judging.findings(together(change, stopped)(healthy()), Limits())] == ["daemon-stopped"]


def test_passes_that_failed_long_ago_are_nobodys():
    """Their daemon has been switched off for good, or has other parts now."""
    row = {"count": 2, "since": NOW - 30 * DAY}
    for last, expected in ((NOW - DAY + 60, ["pass-failed"]), (NOW - DAY - 60, [])):
        change = told(1, "object", "facts", "passes", "failed", {"object-replicator 2": row | {"last": last}})
        assert [finding.code for finding in judging.findings(change(healthy()), Limits())] == expected


@pytest.mark.parametrize(
    "closed, fix",
    [
        ("/srv/node", "ssh 10.0.0.1 'chmod a+rx /srv/node'"),
        ("/data/private", "ssh 10.0.0.1 'chmod a+x /data/private'"),  # who passes through needs not list it
        ("/home/alice", "# leave /home/alice closed: mount"),
        ("/home/alice/disks", "# leave /home/alice/disks closed: mount"),
        ("/root/disks", "# leave /root/disks closed: mount"),
        ("/var", "# leave /var closed: mount"),
        # Whose home it is the doctor's own machine does not know of another.
        ("/swift-of-here", "ssh 10.0.0.1 'chmod a+x /swift-of-here'"),
    ],
)
def test_directories_above_devices_are_opened_as_far_as_they_must(closed, fix, monkeypatch):
    here = replace_home(monkeypatch, "/swift-of-here")
    view = told(1, "*", "facts", "closed_root", closed)(healthy())
    [finding] = judging.findings(view, Limits())
    assert (finding.code, finding.fix[: len(fix)]) == ("device-closed", fix)
    local = replace(
        view, servers=tuple(replace(one, server=replace(one.server, is_local=True)) for one in view.servers)
    )
    [found] = [one.fix for one in judging.findings(local, Limits()) if one.code == "device-closed"]
    assert found.startswith("# leave") is (closed in ("/home/alice", "/var", here))


def replace_home(monkeypatch, *homes):
    """Let accounts of this machine have their homes there."""
    accounts = [pwd.struct_passwd(("x", "x", 1000, 1000, "", home, "")) for home in (*homes, "/home/alice")]
    monkeypatch.setattr(pwd, "getpwall", lambda: accounts)
    return homes[0]


@pytest.mark.parametrize("problem", ["status 403", "status 404"])
def test_metrics_that_others_may_ask_for_are_no_fault(problem):
    answers = {"swiftconfmd5": {"/etc/swift/swift.conf": "conf"}}
    proxy = Asked(Server("proxy", "10.0.0.9", 8080), answers, problems={"metrics": problem})
    assert judging.findings(replace(healthy(), servers=(*healthy().servers, proxy)), Limits()) == []


@pytest.mark.parametrize("before", ["catch_errors healthcheck cache proxy-server", "healthcheck metrics proxy-server"])
def test_a_proxy_without_metrics_is_noticed_and_no_more(tmp_path, before):
    """As OpenStack Swift's pipelines are."""
    conf = tmp_path / "proxy-server.conf"
    conf.write_text(f"[pipeline:main]\npipeline = {before}\n")
    server = Server("proxy", "10.0.0.9", 8080, is_local=True)
    answers = {"swiftconfmd5": {"/etc/swift/swift.conf": "conf"}, "facts": {"conf": str(conf)}}
    proxy = Asked(server, answers, problems={"metrics": NO_METRICS})
    view = replace(healthy(), servers=(*healthy().servers, proxy))
    [finding] = judging.findings(view, Limits())
    assert (finding.code, finding.severity, problem(finding.fix)) == ("metrics-missing", "notice", "")
    assert doctor.exit_code([finding]) == doctor.HEALTHY
    subprocess.run(["bash", "-c", finding.fix.partition(" && swiftlite-")[0]], check=True)
    pipeline = ConfFile.load(str(conf)).section("pipeline:main")["pipeline"].split()
    assert pipeline[pipeline.index("healthcheck") + 1] == "metrics" and pipeline.count("metrics") == 1
    assert ConfFile.load(str(conf)).section("filter:metrics") == {"use": "egg:swiftlite#metrics"}


def test_reclaim_age_is_told_of_once():
    view = told(2, "account", "facts", "settings", "reclaim_age", {"account-replicator": "3600"})(healthy())
    view = told(2, "account", "facts", "options", "account-replicator", {"reclaim_age": "other digest"})(view)
    assert [finding.code for finding in judging.findings(view, Limits())] == ["reclaim-age-differs"]


def test_names_that_a_server_tells_are_no_shell():
    strange = "/srv/node; rm -rf ~"
    view = told(1, "*", "devices", {strange: ["sda"]})(healthy())
    view = told(1, "*", "quarantined", "objects", 1)(view)
    view = told(1, "*", "facts", "devices", disk(read_only=True))(view)
    remedies = [finding.fix for finding in judging.findings(view, Limits())]
    assert len(remedies) == 2
    for remedy in remedies:
        assert "rm" not in [words[0] for words in commands(remedy)]


# --- remedies that would do harm ---


@pytest.mark.parametrize(
    "change",
    [
        ring(md5="mine", builder=None),
        lambda view: replace(view, swift_conf=SwiftConfFacts("/etc/swift/swift.conf", problem="no such file")),
        lambda view: replace(view, swift_conf=replace(view.swift_conf, secrets=())),
    ],
)
def test_files_come_from_hosts_with_addresses_of_version_6(change):
    view = change(healthy())
    servers = tuple(
        replace(asked, server=replace(asked.server, ip=f"fd00::{asked.server.ip[-1]}")) for asked in view.servers
    )
    fixes = [
        one.fix for one in doctor.findings(replace(view, servers=servers), Limits()) if one.fix.startswith("rsync")
    ]
    assert len(fixes) == 1
    assert commands(fixes[0])[0][4].startswith("[fd00::1]:/etc/swift/")


def test_a_new_ring_that_no_node_has_yet_is_not_replaced_by_the_old_one():
    found = judging.findings(ring(md5="new")(healthy()), Limits())
    assert [finding.subject for finding in found] == [f"10.0.0.{n}:/etc/swift/object.ring.gz" for n in (1, 2, 3)]
    assert all(finding.fix.startswith(f"{RSYNC} /etc/swift/object.ring.gz 10.0.0.") for finding in found)


def test_a_swift_conf_that_is_the_odd_one_here_is_not_spread():
    view = healthy()
    [finding] = judging.findings(replace(view, swift_conf=replace(view.swift_conf, md5="mine")), Limits())
    assert (finding.code, finding.subject) == ("swift-conf-differs", "/etc/swift/swift.conf")
    assert finding.fix == "ssh 10.0.0.1 'cat /etc/swift/swift.conf' | diff /etc/swift/swift.conf -"


def test_of_two_machines_nobody_can_tell_whose_swift_conf_is_right():
    view = healthy()
    only = tuple(asked for asked in view.servers if asked.server.ip == "10.0.0.1")
    view = replace(view, servers=only, swift_conf=replace(view.swift_conf, md5="mine"))
    fixes = [finding.fix for finding in judging.findings(view, Limits()) if finding.code == "swift-conf-differs"]
    assert fixes == ["ssh 10.0.0.1 'cat /etc/swift/swift.conf' | diff /etc/swift/swift.conf -"]


@pytest.mark.parametrize("secrets", [(), ("changeme",)])
@pytest.mark.parametrize("is_local", [True, False])
def test_no_remedy_makes_a_new_hash_secret(secrets, is_local):
    view = healthy()
    servers = tuple(replace(asked, server=replace(asked.server, is_local=is_local)) for asked in view.servers)
    view = replace(view, servers=servers, swift_conf=replace(view.swift_conf, secrets=secrets))
    [finding] = judging.findings(view, Limits())
    assert commands(finding.fix)[0][0] in ("rsync", "grep")


def test_a_device_of_the_same_name_on_another_node_of_the_address_stays_in_the_rings():
    view = healthy()
    near = Asked(Server("object", "10.0.0.1", 6300, {"object": ("sda",)}), answers_of("object"), sent=NOW, received=NOW)
    near = replace(near, answers={**near.answers, "devices": {"/srv/2": ["sda"]}})
    view = replace(view, servers=(*view.servers, near))
    broken = told(1, "*", "unmounted", [{"device": "sda", "mounted": "Input/output error"}])(healthy())
    view = replace(view, servers=(*broken.servers, near))
    [finding] = judging.findings(view, Limits())
    ports = [
        words[words.index("--port") + 1] for words in commands(finding.fix.partition("good: ")[2]) if "remove" in words
    ]
    assert sorted(ports) == ["6200", "6201", "6202"]


def test_what_the_operator_has_to_fill_in_is_refused_as_it_stands(tmp_path):
    everywhere = together(*(told(n, "*", "facts", "devices", disk(free=TB // 10)) for n in (1, 2, 3)))
    fixes = {finding.fix for finding in judging.findings(everywhere(healthy()), Limits())}
    assert len(fixes) == 3
    made = RingBuilder(8, 3, 1)
    path = tmp_path / "object.builder"
    made.save(path)
    before = path.read_bytes()
    for fix in fixes:
        first = commands(fix)[0]
        assert ring_builder.main([str(path), *first[2:]]) != 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("before", ["healthcheck object-server", "healthcheck recon object-server"])
@pytest.mark.parametrize("section", ["", "[filter:recon]\nuse = egg:swiftlite#recon\n"])
def test_the_filter_recon_is_put_into_a_conf_once(tmp_path, before, section):
    conf = tmp_path / "object-server.conf"
    conf.write_text(f"[pipeline:main]\npipeline = {before}\n\n[app:object-server]\n{section}")
    local = replace(healthy().servers[0].server, is_local=True)
    # It tells nothing of its conf when it does not answer; here the test says where that is.
    asked = Asked(local, {"facts": None}, problems={"time": "status 404"})
    line = rules_hosts._add_recon(healthy(), asked, "object").replace("/etc/swift/object-server.conf", str(conf))
    subprocess.run(["bash", "-c", line.partition(" && swiftlite-")[0]], check=True)
    assert conf.read_text().count("[filter:recon]") == 1
    assert "pipeline = healthcheck recon object-server\n" in conf.read_text()
    assert re.search(r"--check && systemctl restart", line)


def test_every_remedy_is_a_command_that_exists():
    remedies = {finding.fix for change, *_ in CASES for finding in judging.findings(change(healthy()), Limits())}
    assert len(remedies) > 40
    assert [wrong for remedy in sorted(remedies) if (wrong := problem(remedy))] == []


@pytest.mark.parametrize(
    "line, says",
    [
        ("swiftlite-nothing --once", "there is no bin/swiftlite-nothing"),
        ("ssh 10.0.0.1 'swiftlite-object-updater x.conf --twice'", "has no option --twice"),
        ("swiftlite-ring-builder x.builder unbalance", "knows no unbalance"),
        ("frobnicate && ls", "nobody knows frobnicate"),
    ],
)
def test_a_remedy_that_does_not_exist_is_noticed(line, says):
    assert says in problem(line)


def test_every_rule_has_a_case():
    seen = {rule for rule in judging.RULES for change, *_ in CASES if list(rule(change(healthy()), Limits()))}
    assert set(judging.RULES) == seen
    modules = {sys.modules[rule.__module__] for rule in judging.RULES}
    written = {function for module in modules for function in vars(module).values() if is_rule(function, module)}
    assert set(judging.RULES) == written


def is_rule(function, module):
    """Whether a module has made it a rule, by what it takes."""
    if not inspect.isfunction(function) or function.__module__ != module.__name__ or function.__name__.startswith("_"):
        return False
    return list(inspect.signature(function).parameters) == ["view", "limits"]


def test_servers_of_openstack_swift_do_not_tell_all_and_that_is_no_fault():
    view = healthy()
    for number in (1, 2, 3):
        view = told(number, "*", "facts", None)(view)
        view = told(number, "*", "version", {"version": f"2.38.{number}"})(view)
    assert judging.findings(view, Limits()) == []


@pytest.mark.parametrize(
    "severities, code", [([], 0), (["notice"], 0), (["notice", "warning"], 1), (["critical", "warning"], 2)]
)
def test_exit_codes(severities, code):
    assert doctor.exit_code([Finding("c", severity, "s", "w", "y", "f") for severity in severities]) == code


@pytest.mark.parametrize("severity, code", [("warning", 3), ("critical", 2)])
def test_who_tells_nothing_that_can_be_judged_is_unknown(severity, code):
    strange = Finding("recon-strange", "warning", "s", "w", "y", "f")
    assert doctor.exit_code([strange, Finding("c", severity, "s", "w", "y", "f")]) == code


def test_what_many_nodes_have_is_shown_together(capsys):
    found = [Finding("c", "warning", f"node{number}\x1b[2J", "is ill", "it hurts", "heal") for number in range(4)]
    doctor.show(healthy(), found, sys.stdout, most=2)
    assert capsys.readouterr().out.splitlines() == [
        "WARNING c: it hurts",
        *(line for number in (0, 1) for line in (f"  node{number}\\x1b[2J: is ill", "    heal")),
        "  and 2 more; -v shows all",
        "9 servers and 3 rings: 0 critical, 4 warnings",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*path, key))


PLACES = {kind: [path for path in _places(answers_of(kind)) if path] for kind in KINDS}


@settings(deadline=None)
@given(st.data())
def test_no_answer_is_too_strange(data):
    """Another version, or somebody who means ill, answers: the doctor does not fall ill itself."""
    kind = data.draw(st.sampled_from(KINDS))
    path = data.draw(st.sampled_from(PLACES[kind]))
    view = told(2, kind, *path, data.draw(JSON))(healthy())
    for finding in judging.findings(view, Limits()):
        assert finding.as_json()


def test_what_is_asked_is_what_is_judged():
    """A rule that reads a check which nobody asks for would be silent for ever."""
    for kind in KINDS:
        assert set(CHECKS[kind]) - {"expirer/object", "updater/object", "updater/container"} <= set(answers_of(kind))


def test_which_rings_a_machine_should_have(tmp_path):
    (tmp_path / "swift.conf").write_text("[storage-policy:0]\nname = a\ndefault = yes\n[storage-policy:2]\nname = b\n")
    for file in ("account.ring.gz", "object-1.builder", "other.builder"):
        (tmp_path / file).write_text("")
    assert files.missing_rings(str(tmp_path)) == ["container", "object", "object-1", "object-2"]
    (tmp_path / "swift.conf").unlink()
    assert files.missing_rings(str(tmp_path)) == ["container", "object", "object-1"]
