"""Rules of the doctor: what all nodes of a cluster must have alike (clocks, rings, swift.conf, confs, versions)."""

from __future__ import annotations

import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from statistics import median
from typing import TypeVar

from swiftlite.watch.facts import Asked, ClusterView
from swiftlite.watch.files import is_of_a_sample
from swiftlite.watch.findings import (
    CRITICAL,
    WARNING,
    Finding,
    Limits,
    Rule,
    copy_from,
    copy_to,
    on,
    open_to_daemons,
    shell_on,
    span,
)
from swiftlite.watch.starting import restart_all_line

V = TypeVar("V", bound=Hashable)

RECLAIM_AGE = "reclaim_age"


def _odd(values: Mapping[str, V]) -> tuple[V | None, list[str]]:
    """What most have, and who has something else; None, and all, where as many have one thing as another."""
    counts = Counter(values.values()).most_common(2)
    if len(counts) < 2:
        return None, []
    if counts[0][1] == counts[1][1]:
        return None, list(values)
    return counts[0][0], [name for name, value in values.items() if value != counts[0][0]]


# --- clocks ---


def skew(asked: Asked) -> float:
    """Seconds that a server's clock is ahead of ours (negative: behind), as far as that is certain."""
    there = asked.figure("time")
    if there is None:
        return 0.0
    return max(there - asked.received, 0.0) + min(there - asked.sent, 0.0)


def clocks(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Clocks that are wrong: updates are ordered by them."""
    by_ip = {asked.server.ip: asked for asked in reversed(view.reached()) if asked.figure("time") is not None}
    skews = {ip: skew(asked) for ip, asked in by_ip.items()}
    ours = median(skews.values()) if len(skews) > 2 else 0.0
    why = "the newest timestamp wins: where clocks differ, an older PUT or DELETE can undo a newer one"
    if abs(ours) >= limits.clock_skew:
        what = f"its clock is {span(abs(ours))} {'behind' if ours > 0 else 'ahead of'} those of most servers"
        yield Finding("clock-skew", WARNING, "this machine", what, why, "chronyc makestep")
        skews = {ip: seconds - ours for ip, seconds in skews.items()}
    for ip, seconds in sorted(skews.items()):
        if abs(seconds) >= limits.clock_skew:
            severity = CRITICAL if abs(seconds) >= 10 * limits.clock_skew else WARNING
            what = f"its clock is {span(abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"
            yield Finding("clock-skew", severity, ip, what, why, on(by_ip[ip].server, "chronyc", "makestep"))


# --- rings and swift.conf ---


def rings(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers whose rings are not this machine's."""
    why = "servers with different rings look for the same thing in different places, and do not find it"
    for ring in view.rings:
        if ring.problem:
            continue
        file = os.path.basename(ring.path)
        held = {asked: sums[0] for asked in view.reached() if (sums := _sums(asked, file))}
        # A ring that its builder here has just made is no stray: it waits to be distributed.
        is_made_here = ring.builder is not None and not ring.builder.problem and ring.builder.is_written
        if len(held) > 2 and ring.md5 not in held.values() and len(set(held.values())) == 1 and not is_made_here:
            what = "this machine's ring is another than that of all servers"
            first = next(iter(held))
            fix = copy_from(first.server, _path(first, file), ring.path)
            yield Finding("ring-differs", CRITICAL, ring.path, what, why, fix)
            continue
        for asked, path in _once_a_file(held, file):
            if held[asked] != ring.md5:
                what = f"{file} is not the ring of this machine"
                yield Finding(
                    "ring-differs", CRITICAL, _host(asked, path), what, why, copy_to(asked.server, ring.path, path)
                )
        for asked in view.reached(ring.name.partition("-")[0]):
            if asked.table("ringmd5") and asked not in held:
                path = f"{os.path.dirname(next(iter(asked.table('ringmd5'))))}/{file}"
                is_closed = path in asked.table("ringmd5")
                if asked.server.is_local and view.is_unreadable(path):
                    continue
                what = f"{file} is {'there, and its server may not read it' if is_closed else 'missing'}"
                fix = copy_to(asked.server, ring.path, path)
                if is_closed or _is_same(asked, ring.path, path):
                    fix = open_to_daemons(asked.server, path)
                yield Finding("ring-missing", CRITICAL, _host(asked, path), what, why, fix)


def _sums(asked: Asked, file: str) -> list[str]:
    sums = asked.table("ringmd5").items()
    return [value for path, value in sums if os.path.basename(path) == file and value and isinstance(value, str)]


def _path(asked: Asked, file: str) -> str:
    return next(path for path in asked.table("ringmd5") if os.path.basename(path) == file)


def _once_a_file(held: Mapping[Asked, str], file: str) -> Iterator[tuple[Asked, str]]:
    """Servers of one machine read the same file: one of them speaks for all."""
    seen = set()
    for asked in held:
        place = (asked.server.ip, _path(asked, file))
        if place not in seen:
            seen.add(place)
            yield asked, place[1]


def _is_same(asked: Asked, ours: str, theirs: str) -> bool:
    """Whether a server has the very file that we have."""
    return asked.server.is_local and os.path.normpath(ours) == os.path.normpath(theirs)


def _host(asked: Asked, path: str) -> str:
    return f"{asked.server.ip}:{path}"


def swift_conf(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers whose swift.conf is not this machine's; or this machine, where more have another one."""
    ours = view.swift_conf
    if not ours.md5:
        return
    held: dict[tuple[str, str], tuple[Asked, object]] = {}
    for asked in view.reached():
        for path, md5 in asked.table("swiftconfmd5").items():
            held.setdefault((asked.server.ip, path), (asked, md5))
    others = Counter(md5 for _, md5 in held.values() if isinstance(md5, str) and md5 and md5 != ours.md5)
    # This machine may be one of those that were asked.
    agreeing = max(1, sum(md5 == ours.md5 for _, md5 in held.values()))
    most, count = others.most_common(1)[0] if others else ("", 0)
    why = "with another hash secret or other policies a server does not find what the others stored, and hides it"
    if count > agreeing:
        (_, path), (asked, _) = next(entry for entry in held.items() if entry[1][1] == most)
        what = f"{count} machines have another swift.conf than this one; here it is as on {agreeing}"
        yield Finding("swift-conf-differs", CRITICAL, ours.path, what, why, _difference(asked, path, ours.path))
        return
    for (_, path), (asked, md5) in held.items():
        if md5 == ours.md5 or (asked.server.is_local and view.is_unreadable(path)):
            continue
        what = "swift.conf is not that of this machine" if md5 else "it is missing, or its server may not read it"
        then = restart_all_line(view, asked.server)
        fix = shell_on(asked.server, then) if md5 else open_to_daemons(asked.server, path, then)
        if not _is_same(asked, ours.path, path):
            fix = f"{copy_to(asked.server, ours.path, path)} && {fix}"
        if md5 and count == agreeing:  # nobody can tell which of them is right
            fix = _difference(asked, path, ours.path)
        yield Finding("swift-conf-differs", CRITICAL, _host(asked, path), what, why, fix)


def _difference(asked: Asked, theirs: str, ours: str) -> str:
    """Show how a file of a server's machine differs from ours."""
    return f"{on(asked.server, 'cat', theirs)} | diff {shlex.quote(ours)} -"


def hash_secret(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """A hash secret that is missing or that everybody knows. No remedy makes a new one where there may be data."""
    facts = view.swift_conf
    first = next((asked.server for asked in view.reached() if not asked.server.is_local), None)
    if view.is_unreadable(facts.path):
        pass  # it is told of already
    elif facts.problem:
        fix = (
            copy_from(first, facts.path, facts.path)
            if first
            else f"rsync -t BACKUP/swift.conf {shlex.quote(facts.path)}"
        )
        what, why = f"it cannot be read: {facts.problem}", "no server starts without the cluster's hash secret"
        yield Finding("swift-conf-unreadable", CRITICAL, facts.path, what, why, fix)
    elif not facts.secrets:
        what = "neither swift_hash_path_prefix nor swift_hash_path_suffix is set"
        why = "no server starts without it; those that run have the cluster's: with another one, all data are out of reach"
        fix = copy_from(first, facts.path, facts.path) if first else _show_secret(facts.path)
        yield Finding("hash-secret-missing", CRITICAL, facts.path, what, why, fix)
    elif any(map(is_of_a_sample, facts.secrets)):
        what = "the hash secret is that of a sample conf"
        why = (
            "who knows it can choose names that all hash to one place; "
            "only while nothing is stored can it be changed: with another one, all data are out of reach"
        )
        yield Finding("hash-secret-known", WARNING, facts.path, what, why, _show_secret(facts.path))
    for asked in view.reached():
        told = asked.table("facts", "hash_path")
        sums = asked.table("swiftconfmd5")
        # Who cannot read it knows no secret: that is told of above.
        if told and not any(told.values()) and (not sums or any(sums.values())):
            what = "its swift.conf has neither hash prefix nor hash suffix"
            why = "it does not find what the others stored, and hides it"
            path = next(iter(sums), "/etc/swift/swift.conf")
            is_same = _is_same(asked, facts.path, path)
            remedy = _show_secret(path) if is_same else copy_to(asked.server, facts.path, path)
            yield Finding("hash-secret-missing", CRITICAL, asked.server.name, what, why, remedy)


def _show_secret(path: str) -> str:
    return f"grep -n swift_hash_path {shlex.quote(path)}"


# --- confs ---


def confs(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Options of one kind of server, or of its daemons, that differ from node to node."""
    for kind in ("proxy", "object", "container", "account"):
        for section, option, values in _by_option(view, kind):
            most, odd = _odd(values)
            if not odd or option == RECLAIM_AGE:
                continue
            what = f"[{section}] {option} is another on {', '.join(odd[:5])}{' and others' if len(odd) > 5 else ''}"
            if most is None:
                what = f"[{section}] {option} differs between {', '.join(odd[:5])}"
            asked = next(asked for asked in view.reached(kind) if asked.server.address == odd[-1])
            other = next(asked for asked in view.reached(kind) if asked.server.address not in odd[-1:])
            fix = f"{on(asked.server, 'cat', asked.conf)} | diff {_own_conf(other)} -"
            why = "servers that do not do the same make a cluster whose answers depend on chance"
            yield Finding("conf-differs", WARNING, f"{kind}-server.conf", what, why, fix)


def _own_conf(asked: Asked) -> str:
    return shlex.quote(asked.conf) if asked.server.is_local else f"<({on(asked.server, 'cat', asked.conf)})"


def _by_option(view: ClusterView, kind: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Section, option, and its digest on each server; only of those that share a hash secret, which digests rest on."""
    told = [asked for asked in view.reached(kind) if asked.table("facts", "options")]
    sums = Counter(_conf_sum(asked) for asked in told)
    told = [asked for asked in told if _conf_sum(asked) == sums.most_common(1)[0][0]]
    names: dict[tuple[str, str], None] = {}
    for asked in told:
        for section, options in asked.table("facts", "options").items():
            names |= {(section, option): None for option in (options if isinstance(options, dict) else ())}
    for section, option in names:
        yield (
            section,
            option,
            {asked.server.address: str(asked.get("facts", "options", section, option)) for asked in told},
        )


def _conf_sum(asked: Asked) -> str:
    return str(next(iter(asked.table("swiftconfmd5").values()), ""))


def reclaim_ages(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Daemons that forget deletions at different ages."""
    for kind in ("object", "container", "account"):
        ages: dict[str, list[Asked]] = defaultdict(list)
        for asked in view.reached(kind):
            for section, age in asked.table("facts", "settings", RECLAIM_AGE).items():
                if _tells_reclaim_age(kind, section):
                    ages[_number(age)].append(asked)
        if len(ages) > 1:
            rarest = min(ages, key=lambda age: len(ages[age]))
            asked = ages[rarest][0]
            others = ", ".join(sorted(set(ages) - {rarest}))
            what = f"reclaim_age is {rarest} s on {asked.server.address} and {others} s elsewhere"
            why = "a node that forgets a deletion before the others have heard of it brings what was deleted back"
            fix = on(asked.server, "grep", "-n", RECLAIM_AGE, asked.conf)
            yield Finding("reclaim-age-differs", WARNING, f"{kind}-server.conf", what, why, fix)


def _tells_reclaim_age(kind: str, section: str) -> bool:
    return section == f"{kind}-replicator" or (kind == "object" and section.startswith("app:"))


def _number(text: object) -> str:
    try:
        return f"{float(str(text)):g}" if "e" not in f"{float(str(text)):g}" else f"{float(str(text)):.0f}"
    except ValueError:
        return str(text)


# --- versions ---


def versions(view: ClusterView, limits: Limits) -> Iterator[Finding]:
    """Servers of another release of swiftlite. Those of OpenStack Swift have versions of their own."""
    told = {asked: asked.word("version", "version") for asked in view.reached() if asked.table("facts")}
    newest = max(told.values(), key=_as_numbers, default="")
    seen = set()
    for asked, version in told.items():
        if version != newest and asked.server.ip not in seen:
            seen.add(asked.server.ip)
            what = f"it runs swiftlite {version}, others {newest}"
            why = (
                "two releases work side by side while a cluster is upgraded, and are tested for no more than that; "
                "upgrade it from where the others were"
            )
            # No "pip install": what a package index has by this name need not be what the others run.
            line = "pip show swiftlite"
            yield Finding("versions-differ", WARNING, asked.server.ip, what, why, shell_on(asked.server, line))


def _as_numbers(version: str) -> list[int]:
    return [int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")]


RULES: tuple[Rule, ...] = (clocks, rings, swift_conf, hash_secret, confs, reclaim_ages, versions)
