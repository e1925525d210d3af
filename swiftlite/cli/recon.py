"""swiftlite-recon: what the servers of the rings tell of themselves, in tables, with swift-recon's options."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swiftlite.cli import recon_checks as checks
from swiftlite.cli.recon_checks import Check, Context, Section
from swiftlite.cli.recon_tables import lines_of, tables_of
from swiftlite.cli.tool import FAILURE, SUCCESS, ToolError, look_for_swift_dir, parser, printable, tool
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.watch.facts import Asked, RingFacts, Server
from swiftlite.watch.files import md5_of, ring_facts, ring_names
from swiftlite.watch.gathering import CONCURRENCY, TIMEOUT, Gatherer, clients_of_nodes, servers_of

KINDS = ("account", "container", "object")

USAGE = "[<server type> [<server type> [<server type>]]] [options]"
DESCRIPTION = """Ask every server of the rings how it is, and show figures over all of them.
<server type> is account, container or object (the default).

Exit codes: 0 asked and shown, 1 not."""


@dataclass(frozen=True)
class Question:
    """A check of the command line.

    :ivar option: its name among the options
    :ivar asks: what servers are asked; ``{kind}`` is their kind
    :ivar kinds: the kinds that can be asked
    :ivar refusal: said where others are
    :ivar hints: asked, too; a server that cannot tell (one of OpenStack Swift) is not told of
    """

    option: str
    asks: tuple[str, ...]
    check: Check
    kinds: tuple[str, ...] = KINDS
    refusal: str = ""
    hints: tuple[str, ...] = ()


OBJECTS, DATABASES = ("object",), ("container", "account")
QUESTIONS = (
    Question("async_pending", ("async",), checks.async_pending, OBJECTS, "Can't check asyncs on non object servers."),
    Question("auditor", ("auditor/object",), checks.object_auditor, OBJECTS),
    Question("auditor", ("auditor/{kind}",), checks.auditor, DATABASES),
    Question(
        *("updater", ("updater/{kind}",), checks.updater, ("object", "container")),
        "Can't check updaters on account servers.",
    ),
    Question("expirer", ("expirer/object",), checks.expirer, OBJECTS, "Can't check expirer on non object servers."),
    Question(
        *("sharding", ("sharding",), checks.sharding, ("container",)),
        "Can't check sharding on non container servers.",
    ),
    Question(
        *("reconstruction", ("reconstruction/object",), checks.reconstruction, OBJECTS),
        "Can't check reconstruction stats on non object servers.",
    ),
    Question("replication", ("replication/{kind}",), checks.replication),
    Question("unmounted", ("unmounted",), checks.unmounted, hints=("facts", "devices")),
    Question("loadstats", ("load",), checks.load),
    Question("diskusage", ("diskusage",), checks.disk_usage, hints=("facts",)),
    Question("md5", ("ringmd5",), checks.ring_sums),
    Question("md5", ("swiftconfmd5",), checks.swift_conf_sums),
    Question("quarantined", ("quarantined",), checks.quarantined),
    Question("sockstat", ("sockstat",), checks.sockets),
    Question("validate_servers", ("server",), checks.server_types),
    Question("driveaudit", ("driveaudit",), checks.drive_audit),
    Question("time", ("time",), checks.clocks),
    Question("swift_versions", ("version",), checks.versions),
)
"""In the order in which they are shown."""


# --- whom to ask ---


def rings_of(kind: str, swift_dir: str, policy: str | None) -> list[RingFacts]:
    """The rings of a kind of server.

    :param policy: name or index of the only storage policy that matters
    :raises ToolError: when there is none, or one cannot be read
    """
    look_for_swift_dir(swift_dir)
    names = [name for name in ring_names(swift_dir) if name.partition("-")[0] == kind]
    if policy is not None and kind == "object":
        policies = SwiftConf.load(swift_dir).policies
        chosen = policies.by_name(policy) or (policies.by_index(policy) if policy.isdigit() else None)
        if chosen is None:
            raise ToolError(f"Invalid Storage Policy: {policy}")
        names = [chosen.ring_name]
    rings = [ring_facts(swift_dir, name, with_builder=False) for name in names]
    if not rings:
        raise ToolError(f"there is no {kind} ring in {swift_dir}: name the directory of the rings by --swiftdir")
    for ring in rings:
        if ring.problem:
            raise ToolError(ring.problem)
    return rings


def servers_in(rings: Sequence[RingFacts], region: int | None, zone: int | None) -> list[Server]:
    """The servers of some rings; of those, the ones that have a device in a region and a zone."""

    def matches(device: Mapping[str, Any]) -> bool:
        return region in (None, device["region"]) and zone in (None, device["zone"])

    return servers_of([replace(ring, devices=[one for one in ring.devices if matches(one)]) for ring in rings])


def own_sums(kind: str, swift_dir: str) -> dict[str, str]:
    """MD5 of this machine's rings of a kind, and of its swift.conf, by their names."""
    files = [f"{name}.ring.gz" for name in ring_names(swift_dir) if name.startswith(kind)] + ["swift.conf"]
    paths = {file: os.path.join(swift_dir, file) for file in files}
    return {file: md5_of(path) for file, path in paths.items() if os.path.exists(path)}


# --- asking and showing ---


@dataclass(frozen=True)
class Report:
    """What was found of one kind of server: the checks' names, each with its section."""

    kind: str
    asked: tuple[Asked, ...]
    sections: tuple[tuple[str, Section], ...]

    def as_json(self) -> dict[str, Any]:
        """By kind of check."""
        found: dict[str, Any] = {"hosts": [one.server.address for one in self.asked]}
        found["problems"] = {one.server.address: one.problem for one in self.asked if one.problem}
        for option, section in self.sections:
            found.setdefault(option, {}).update(section.as_json())
        return found


def report(kind: str, options: argparse.Namespace) -> Report:
    """Ask the servers of a kind what the options want to know."""
    servers = servers_in(rings_of(kind, options.swiftdir, options.policy), options.region, options.zone)
    wanted = [question for question in QUESTIONS if getattr(options, question.option) or options.all]
    questions = [question for question in wanted if kind in question.kinds]
    names = list(dict.fromkeys(name.format(kind=kind) for question in questions for name in question.asks))
    hinting = () if options.lines else questions  # swift-recon's lines say what its users know
    hints = dict.fromkeys(name for question in hinting for name in question.hints if name not in names)
    asked = Gatherer(options.timeout, options.concurrency, new_client=clients_of_nodes(options.swiftdir)).ask_all(
        servers, {kind: [*names, *hints]}
    )
    asked = tuple(
        replace(one, problems={check: said for check, said in one.problems.items() if check not in hints})
        for one in asked
    )
    context = Context(
        *(kind, own_sums(kind, options.swiftdir), time.time()),
        *(options.jitter, options.top, options.lowest, options.human_readable),
    )
    sections = [(question.option, question.check(asked, context)) for question in questions]
    sections += [("errors", section) for section in _refusals(kind, wanted, options.all)]
    return Report(kind, asked, tuple(sections))


def _refusals(kind: str, wanted: Sequence[Question], is_all: bool) -> Iterator[Section]:
    """What was asked of servers that cannot tell."""
    for question in wanted:
        if question.refusal and kind not in question.kinds and not is_all:
            yield Section("Error", lines=[f"Error: {question.refusal}"], facts={question.option: question.refusal})


def show(found: Report, options: argparse.Namespace) -> None:
    """Write a report for a person, or for scripts that read swift-recon's lines."""
    print(f"--> Starting reconnaissance on {len(found.asked)} hosts ({found.kind})")
    if options.verbose or not options.suppress:
        for one in found.asked:
            for check, problem in one.problems.items():
                print(f"-> http://{one.server.address}/recon/{check}: {printable(problem)}")
    if options.verbose:
        for one in found.asked:
            for check, answer in one.answers.items():
                print(f"-> http://{one.server.address}/recon/{check}: {printable(str(answer))}")
    spell = lines_of if options.lines else tables_of
    for _, section in found.sections:
        print("\n".join(map(printable, spell(section))))


# --- the command line ---


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool; returns the exit code."""
    made = arguments()
    options = made.parse_intermixed_args(argv)
    if not argv:
        made.print_help()
        return SUCCESS
    kinds = list(dict.fromkeys(options.server_type)) or ["object"]
    if not set(kinds) <= set(KINDS):
        print("Invalid Server Type", file=sys.stderr)
        return FAILURE
    reports = [report(kind, options) for kind in kinds]
    if options.json:
        print(json.dumps({found.kind: found.as_json() for found in reports}, indent=2))
        return SUCCESS
    for found in reports:
        show(found, options)
    return SUCCESS


def arguments() -> argparse.ArgumentParser:
    """The command line: swift-recon's options, and three of our own."""
    made = parser("swiftlite-recon", USAGE, DESCRIPTION)
    add = made.add_argument
    add("server_type", nargs="*", help=argparse.SUPPRESS)
    add("-v", "--verbose", action="store_true", help="show every answer")
    add("--suppress", action="store_true", help="do not show servers that do not answer")
    flags = (
        (("-a", "--async"), "async_pending", "updates that wait to be sent to containers"),
        (("-r", "--replication"), "replication", "passes of replicators"),
        (("-R", "--reconstruction"), "reconstruction", "passes of reconstructors"),
        (("--auditor",), "auditor", "passes of auditors"),
        (("--updater",), "updater", "passes of updaters"),
        (("--expirer",), "expirer", "passes of expirers"),
        (("--sharding",), "sharding", "passes of sharders"),
        (("-u", "--unmounted"), "unmounted", "devices that are not mounted"),
        (("-d", "--diskusage"), "diskusage", "how full devices are"),
        (("--human-readable",), "human_readable", "show sizes with units"),
        (("-l", "--loadstats"), "loadstats", "load averages"),
        (("-q", "--quarantined"), "quarantined", "things in quarantine"),
        (("--validate-servers",), "validate_servers", "are the servers of the kind that the ring says?"),
        (("--md5",), "md5", "are rings and swift.conf those of this machine?"),
        (("--sockstat",), "sockstat", "TCP sockets"),
        (("--driveaudit",), "driveaudit", "errors of drives"),
        (("-T", "--time"), "time", "are the clocks right?"),
        (("--swift-versions",), "swift_versions", "versions of the servers"),
        (("--all",), "all", "all of these"),
    )
    for names, target, what in flags:
        add(*names, dest=target, action="store_true", help=what)
    add("--jitter", type=float, default=0.0, metavar="SECONDS", help="that clocks may differ")
    add("--top", type=int, default=0, metavar="COUNT", help="show the fullest devices, too")
    add("--lowest", type=int, default=0, metavar="COUNT", help="show the emptiest devices, too")
    add("--region", type=int, help="ask only servers of this region")
    add("-z", "--zone", type=int, help="ask only servers of this zone")
    add("-t", "--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="for every answer (default: 5)")
    add("--swiftdir", default="/etc/swift", metavar="DIR", help="directory of swift.conf and the rings")
    add("-p", "--policy", help="ask only object servers of this storage policy: its name or index")
    add("--json", action="store_true", help="write JSON")
    add("--lines", action="store_true", help="write swift-recon's lines, which scripts may read")
    add("--concurrency", type=int, default=CONCURRENCY, metavar="N", help="servers asked at once (default: 30)")
    return made
