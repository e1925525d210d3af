"""Rules of the doctor: this machine's rings and builders (readable, distributed, balanced, spread, large enough)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from swiftlite.watch.copying import copy_from, from_backup
from swiftlite.watch.facts import BuilderFacts, ClusterView, RingFacts
from swiftlite.watch.findings import (
    CRITICAL,
    NOTICE,
    WARNING,
    Finding,
    Limits,
    Rule,
    builder,
    span,
)


def readable(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Ring and builder files that cannot be used."""
    for ring in view.rings:
        if view.is_unreadable(ring.path):
            continue
        if ring.problem:
            why = "servers that read it again do not start"
            fix = _ring_source(view, ring.name, ring.path)
            yield Finding("ring-unreadable", CRITICAL, ring.path, ring.problem, why, fix)
        elif ring.builder and ring.builder.problem:
            why = "without its builder a ring cannot be changed; backups of it are in backups/"
            fix = f"ls -t {view.swift_dir}/backups/*.{ring.name}.builder"
            yield Finding("builder-unreadable", WARNING, ring.builder.path, ring.builder.problem, why, fix)


def unreadable(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Files that are there, and that somebody who needs them may not read."""
    for facts in view.unreadable:
        why = "a daemon that cannot read it does not start, or answers 503; and nobody can judge what it says"
        yield Finding("file-unreadable", CRITICAL, facts.path, facts.problem, why, facts.fix)


def absent(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Rings that every node needs, or that have a builder here, and are not on this machine."""
    for name in view.missing_rings:
        file = f"{name}.ring.gz"
        path = f"{view.swift_dir}/{file}"
        what = "there is no such ring on this machine"
        why = "servers that are started or reloaded here do not find it, and the servers that it names are not asked"
        yield Finding("ring-absent", CRITICAL, path, what, why, _ring_source(view, name, path))


def _ring_source(view: ClusterView, name: str, path: str) -> str:
    """Get a ring: from its builder, else from a server that has it, else from a backup."""
    if name in view.builders:
        return builder(view, name, "write_ring")
    for asked in view.reached():
        for theirs, md5 in asked.table("ringmd5").items():
            if theirs.endswith(f"/{name}.ring.gz") and md5 and not asked.server.is_local:
                return copy_from(view, asked.server, theirs, path)
    return from_backup(view, f"{name}.ring.gz", path)


def _builders(view: ClusterView) -> Iterator[tuple[RingFacts, BuilderFacts]]:
    for ring in view.rings:
        if not ring.problem and ring.builder and not ring.builder.problem:
            yield ring, ring.builder


def rebalance(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Changes of a builder that have not come into its ring."""
    for ring, facts in _builders(view):
        if facts.has_changes:
            what, why = "it was changed and not rebalanced", "new devices stay empty, and removed ones stay in use"
            if facts.seconds_until_move:
                what += f"; partitions that moved lately rest for {span(facts.seconds_until_move)} more"
            fix = builder(view, ring.name, "rebalance")
            yield Finding("rebalance-due", WARNING, facts.path, what, why, fix)
        elif not facts.is_written:
            what, why = f"{ring.path} is not what it would write", "the servers place things by an older ring"
            yield Finding("ring-not-written", WARNING, facts.path, what, why, builder(view, ring.name, "write_ring"))


def balance(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Rings whose devices are far from their shares, and that could be better."""
    for ring, facts in _builders(view):
        is_bad = facts.balance > max(limits.balance, facts.overload * 100)
        if is_bad and not facts.has_changes and ring.devices:
            what = f"its worst device is {facts.balance:.1f} % away from its share"
            why = "the fullest device decides when the cluster is full"
            # Before that nothing would move.
            if facts.seconds_until_move:
                what += f"; the next rebalance can help in {span(facts.seconds_until_move)}"
            severity = NOTICE if facts.seconds_until_move else WARNING
            yield Finding("ring-unbalanced", severity, facts.path, what, why, builder(view, ring.name, "rebalance"))


def dispersion(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Rings with replicas that lie too close together."""
    for ring, facts in _builders(view):
        if facts.dispersion <= 0 or facts.has_changes:
            continue
        what = f"{facts.dispersion:.2f} % of its replicas are closer together than they could be"
        why = "one zone, server or disk that fails takes more than one replica of them with it"
        fix = builder(view, ring.name, "rebalance")
        if facts.required_overload > facts.overload:
            percent = ceil(facts.required_overload * 1000) / 10
            fix = f"{builder(view, ring.name, 'set_overload', f'{percent:g}%')} && {fix}"
            what += f"; more devices there help, or the few get up to {percent:g} % more than their share"
        # Waiting is enough only where the next rebalance may part them.
        is_waiting = facts.seconds_until_move and facts.required_overload <= facts.overload
        severity = NOTICE if is_waiting else WARNING
        yield Finding("ring-dispersion", severity, facts.path, what, why, fix)


def capacity(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Rings that cannot keep replicas apart, for want of devices, servers or zones."""
    for ring in view.rings:
        devices = [device for device in ring.devices if device["weight"] > 0]
        replicas = ceil(ring.replicas)
        if ring.problem or not replicas:
            continue
        add = ("add", "--region", "1", "--zone", "NEW", "--ip", "NEW", "--port", "NEW", "--device", "NEW")
        fix = builder(view, ring.name, *add, "--weight", "100")
        servers = {device["ip"] for device in devices}
        zones = {(device["region"], device["zone"]) for device in devices}
        if len(devices) < replicas:
            what = f"it has {len(devices)} devices with weight for {replicas} replicas"
            why = "two replicas on one device are lost together"
            yield Finding("ring-too-small", CRITICAL, ring.name, what, why, fix)
        elif len(servers) < min(replicas, 2):
            what = f"all its {replicas} replicas are on one server"
            yield Finding("ring-few-servers", NOTICE, ring.name, what, "when that server is down, all is down", fix)
        elif len(zones) < replicas and len(servers) > 1:
            what = f"it has {len(zones)} zones for {replicas} replicas"
            why = "replicas of one zone share what fails: a rack, its switch, its power"
            severity = WARNING if len(zones) == 1 else NOTICE
            yield Finding("ring-few-zones", severity, ring.name, what, why, fix)


RULES: tuple[Rule, ...] = (unreadable, absent, readable, rebalance, balance, dispersion, capacity)
