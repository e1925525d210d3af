"""Rules of the doctor: what all nodes of a cluster must have alike (clocks, confs, versions); rules_copies has the files."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from statistics import median
from typing import TypeVar

from swiftlite.watch.facts import Asked, ClusterView
from swiftlite.watch.findings import (
    CRITICAL,
    WARNING,
    Finding,
    Limits,
    Rule,
    on,
    shell_on,
    span,
)

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
    told = {
        asked: version
        for asked in view.reached()
        if asked.table("facts") and (version := asked.word("version", "version"))
    }
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


RULES: tuple[Rule, ...] = (clocks, confs, reclaim_ages, versions)
