"""Rules of the doctor: consistency daemons (updates that wait, passes that do not end, peers that fail, handoffs)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from swiftlite.common.failed_passes import is_forgotten
from swiftlite.common.manager import INIT
from swiftlite.watch.copying import user_of
from swiftlite.watch.facts import Asked, ClusterView, number
from swiftlite.watch.findings import (
    CRITICAL,
    DAY,
    NOTICE,
    WARNING,
    Finding,
    Limits,
    Rule,
    chain,
    on,
    once,
    shell_on,
    span,
)
from swiftlite.watch.starting import restart, restart_line, show_log

EXPIRER = "object-expirer"
RECLAIM_AGE = 7 * DAY
FAILED_SHARE = 0.1
"""Of the things that a replicator tried to replicate: as many failures are no accident."""


# --- updates ---


def pending(asked: Asked) -> tuple[int, float | None]:
    """How many updates wait on a node, and since when the oldest does, as far as it tells."""
    rows = asked.rows("facts", "devices")
    counts = [count for row in rows if (count := number(row.get("async_pending"))) is not None]
    ages = [oldest for row in rows if (oldest := number(row.get("async_oldest"))) is not None]
    count = int(sum(counts) if counts else asked.figure("async", "async_pending") or 0)
    return count, min(ages, default=None)


def updates(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Updates that containers have not got."""
    why = "objects are there, and listings and account totals do not show them until these updates are delivered"
    for asked in view.nodes("object"):
        count, oldest = pending(asked)
        fix, subject = once(asked, "object-updater"), asked.server.name
        if is_stopped(view, asked, "object-updater"):
            fix = restart(view, asked.server, "object-updater", asked.conf)
        age = view.taken - oldest if oldest is not None else 0.0
        at_last_pass = asked.figure("async", "async_pending")
        if age >= limits.async_age:
            severity = CRITICAL if age >= DAY else WARNING
            what = f"{count} updates wait, the oldest for {span(age)}"
            yield Finding("async-old", severity, subject, what, why, fix)
        elif count >= limits.async_pending:
            yield Finding("async-many", WARNING, subject, f"{count} updates wait", why, fix)
        elif at_last_pass is not None and count > 2 * at_last_pass + limits.async_pending / 10:
            what = f"{count} updates wait; after the updater's last pass it were {at_last_pass:.0f}"
            yield Finding("async-growing", WARNING, subject, what, why, fix)


# --- passes ---


@dataclass(frozen=True)
class Pass:
    """Where a daemon tells of its passes.

    :ivar check: the check, and the keys that lead to the moment of the last pass
    :ivar why: it matters that it makes passes
    """

    program: str
    check: tuple[str, ...]
    why: str


_REPLICATION = "what a node missed while it was down, and what handoffs hold for it, is not brought to it"
_AUDITOR = "damage on disks is not found until it is the last replica that is damaged"
PASSES = {
    "object": (
        Pass("object-replicator", ("replication/object", "replication_last"), _REPLICATION),
        Pass("object-updater", ("facts", "passes", "object_updater_last"), "listings do not learn of what was stored"),
        Pass("object-auditor", ("auditor/object", "object_auditor_stats_ALL"), _AUDITOR),
    ),
    "container": (
        Pass("container-replicator", ("replication/container", "replication_last"), _REPLICATION),
        Pass("container-updater", ("facts", "passes", "container_updater_last"), "totals of accounts are out of date"),
        Pass("container-auditor", ("auditor/container", "container_audits_since"), _AUDITOR),
    ),
    "account": (
        Pass("account-replicator", ("replication/account", "replication_last"), _REPLICATION),
        Pass("account-reaper", ("facts", "passes", "account_reaper_last"), "data of deleted accounts take up space"),
        Pass("account-auditor", ("auditor/account", "account_audits_since"), _AUDITOR),
    ),
}


def last_pass(asked: Asked, check: tuple[str, ...]) -> float | None:
    """When a daemon last told of a pass; None where it has not, or cannot be asked."""
    value = asked.get(*check)
    if isinstance(value, dict):
        return max(_starts(value), default=None)
    moment = number(value)
    return moment if moment and moment > 0 else None


def _starts(statistics: dict[str, Any]) -> Iterator[float]:
    """The starts in an object auditor's statistics, which may stand below the names of devices."""
    for name, value in statistics.items():
        if isinstance(value, dict):
            yield from _starts(value)
        elif name == "start_time" and (moment := number(value)) is not None:
            yield moment


def passes(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Daemons that have made no pass for long, or never."""
    for kind, daemons in PASSES.items():
        for asked in view.nodes(kind):
            for daemon in daemons:
                yield from _pass_of(view, limits, asked, daemon)


def _pass_of(view: ClusterView, limits: Limits, asked: Asked, daemon: Pass) -> Iterator[Finding]:
    if daemon.check[0] not in asked.answers or is_stopped(view, asked, daemon.program):
        return
    last, subject = last_pass(asked, daemon.check), f"{daemon.program} {asked.server.ip}"
    fix = restart(view, asked.server, daemon.program, asked.conf)
    if last is None:
        # A server that has just been started says nothing of its daemons yet.
        started = asked.figure("facts", "started")
        if started is not None and view.taken - started >= limits.stale:
            what = f"it has told of no pass, and the server has run for {span(view.taken - started)}"
            yield Finding("pass-never", WARNING, subject, what, daemon.why, fix)
    elif view.taken - last >= limits.stale:
        severity = CRITICAL if view.taken - last >= max(RECLAIM_AGE, limits.stale) else WARNING
        what = f"its last pass was {span(view.taken - last)} ago"
        yield Finding("pass-stale", severity, subject, what, daemon.why, fix)


def failing(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Daemons whose passes fail as a whole, so that they do nothing and run nevertheless."""
    for kind, daemons in PASSES.items():
        whys = {daemon.program: daemon.why for daemon in daemons}
        for asked in view.nodes(kind):
            for name, row in asked.table("facts", "passes", "failed").items():
                program, _, part = name.partition(" ")
                count = number(row.get("count")) if isinstance(row, dict) else None
                if not count or not program.startswith(f"{kind}-") or is_stopped(view, asked, program):
                    continue
                if is_forgotten(row, view.taken):
                    continue
                passes_failed = "its last pass failed" if count == 1 else f"its last {count:.0f} passes failed"
                since = number(row.get("since"))
                ago = f", the first {span(max(0.0, view.taken - since))} ago" if since and count > 1 else ""
                what = f"{passes_failed}{f' ({part})' if part else ''}{ago}: {row.get('problem') or 'see its log'}"
                why = whys.get(program, "what it does is not done")
                fix = show_log(view, asked.server, program, asked.conf, "-p", "warning")
                yield Finding("pass-failed", WARNING, f"{program} {asked.server.ip}", what, why, fix)


# --- daemons that do not run ---


def is_stopped(view: ClusterView, asked: Asked, program: str) -> bool:
    """Whether a daemon does not run, and should: systemd has it enabled, or swiftlite-init has not stopped it.

    Of one that swiftlite-init was told to stop, or never to start, nothing is left but that it has made passes, or
    makes them on other nodes. Who starts daemons by hand knows best which he wants.
    """
    if asked.get("facts", "daemons", program, "running") is not False:
        return False
    meant = asked.get("facts", "daemons", program, "meant")
    if isinstance(meant, bool) or asked.word("facts", "manager", "name") != INIT:
        return meant is True
    kind = asked.server.kind
    checks = [daemon.check for daemon in PASSES.get(kind, ()) if daemon.program == program]
    runs = any(one.get("facts", "daemons", program, "running") is True for one in view.reached(kind))
    return bool(checks) and (runs or last_pass(asked, checks[0]) is not None)


def stopped(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Daemons that do not run, and should."""
    seen = set()
    for kind, daemons in PASSES.items():
        whys = {daemon.program: daemon for daemon in daemons}
        for asked in view.reached(kind):
            for program in asked.table("facts", "daemons"):
                place = (asked.server.ip, asked.conf, program)
                if place in seen or not is_stopped(view, asked, program):
                    continue
                seen.add(place)
                last = last_pass(asked, whys[program].check) if program in whys else None
                what = "it does not run" + (f"; its last pass was {span(view.taken - last)} ago" if last else "")
                why = (
                    whys[program].why
                    if program in whys
                    else "its conf has a section for it, and what it does is not done"
                )
                fix = restart(view, asked.server, program, asked.conf)
                yield Finding("daemon-stopped", WARNING, f"{program} {asked.server.ip}", what, why, fix)


def caches(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Recon caches that the daemons cannot write."""
    seen = set()
    for asked in view.reached():
        told = asked.get("facts", "closed_caches")
        for path in told if isinstance(told, list) else ():
            place = (asked.server.ip, path)
            if not isinstance(path, str) or place in seen:
                continue
            seen.add(place)
            what = f"the account {user_of(view, asked.server)} may not write it"
            why = "daemons that cannot tell of their passes seem to stand still"
            fix = on(asked.server, "chown", f"{user_of(view, asked.server)}:", path)
            yield Finding("recon-cache", WARNING, f"{asked.server.ip}:{path}", what, why, fix)


def expirer(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """The expirer, of which the whole cluster may have but one."""
    told = {
        asked: last
        for asked in view.nodes("object")
        if (last := asked.figure("facts", "passes", "object_expiration_last"))
    }
    if not told:
        return
    asked = max(told, key=lambda one: told[one])
    if view.taken - told[asked] >= limits.stale:
        what = f"no expirer has made a pass for {span(view.taken - told[asked])}"
        why = "expired objects are hidden, and still listed and take up space"
        fix = restart(view, asked.server, "object-expirer")
        yield Finding("pass-stale", WARNING, f"object-expirer {asked.server.ip}", what, why, fix)


def idle_expirers(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Expirers of which none works off the queue; silent where one may that nobody tells of."""
    nodes = [asked for asked in view.servers if asked.server.kind == "object"]
    told = {asked: asked.get("facts", "dequeues") for asked in nodes}
    idle = [asked for asked, dequeues in told.items() if dequeues is False]
    if not idle or any(told.values()) or not all(asked.table("facts", "settings") for asked in nodes):
        return
    if any(facts.program == EXPIRER and "expirer" in facts.path for facts in view.confs):
        return  # one that is on this machine alone
    if any(asked.figure("expirer/object", "object_expiration_pass") is not None for asked in nodes):
        return  # one has; whether it still does, the age of its last pass tells
    conf, server = shlex.quote(idle[0].conf), idle[0].server
    what = f"no expirer works off the queue: all {len(idle)} confs with an [{EXPIRER}] leave that to another"
    why = "expired objects are hidden, and still listed and take up space: one expirer of a cluster has to be told to"
    section = rf"^\[{EXPIRER}\]"
    line = rf"sed -i '/{section}/,/^\[/{{/^dequeue_from_legacy *[=:]/d}}; s/{section}/&\ndequeue_from_legacy = true/' {conf}"
    fix = shell_on(server, chain(line, restart_line(view, server, EXPIRER)))
    yield Finding("expirers-idle", WARNING, EXPIRER, what, why, fix)


# --- replication ---


def failures(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Replicators whose peers fail."""
    for kind in PASSES:
        for asked in view.nodes(kind):
            stats = asked.table(f"replication/{kind}", "replication_stats")
            failed, attempted = number(stats.get("failure")) or 0, number(stats.get("attempted")) or 0
            if failed <= attempted * FAILED_SHARE:
                continue
            nodes = stats.get("failure_nodes")
            peers = ", ".join(sorted(nodes)[:5]) if isinstance(nodes, dict) else ""
            what = f"{failed:.0f} failures in its last pass" + (f", with {peers}" if peers else "")
            why = "replicas that should be alike stay different, and a node more to fail can lose the newest"
            fix = show_log(view, asked.server, f"{kind}-replicator", asked.conf, "-p", "warning")
            yield Finding("replication-failures", WARNING, f"{kind}-replicator {asked.server.ip}", what, why, fix)


def handoffs(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Partitions that are still where they do not belong."""
    for asked in view.nodes("object"):
        left = asked.figure("facts", "passes", "handoffs_left")
        if left:
            what = f"after its last pass it still held {left:.0f} partitions for other nodes"
            why = (
                "these partitions have fewer replicas where they belong than they should; wait with the next rebalance"
            )
            fix = once(asked, "object-replicator")
            yield Finding("handoffs-left", WARNING, f"object-replicator {asked.server.ip}", what, why, fix)


def relinking(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Rings whose partition power is being increased."""
    for ring in view.rings:
        if ring.next_part_power is None:
            continue
        is_increased = ring.next_part_power == ring.part_power
        step = "cleanup" if is_increased else "relink"
        done = "increased" if is_increased else "about to be increased"
        what = f"its partition power is {done} to {ring.next_part_power}, and not finished"
        why = "until it is finished replicators leave these objects alone; do not leave a cluster so for long"
        node = next((asked for asked in view.reached("object") if ring.name in asked.server.devices), None)
        command = ("swiftlite-object-relinker", step)
        fix = on(node.server, *command, node.conf) if node else shlex.join((*command, "/etc/swift/object-server.conf"))
        yield Finding("part-power", WARNING if node else NOTICE, ring.name, what, why, fix)


RULES: tuple[Rule, ...] = (
    updates,
    stopped,
    passes,
    failing,
    caches,
    expirer,
    idle_expirers,
    failures,
    handoffs,
    relinking,
)
