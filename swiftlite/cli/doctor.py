"""swiftlite-doctor: what is wrong with a cluster, why it matters, and the command that repairs it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from time import time
from typing import Any, NoReturn, TextIO

from swiftlite.cli.cluster_files import (
    ask_memcached,
    certificate_files,
    certificate_of_file,
    certificate_of_server,
    conf_facts,
    memcached_servers,
    own_confs,
    proxies_here,
    unreadable_files,
)
from swiftlite.cli.node_facts import systemd_runs
from swiftlite.cli.tool import printable, tool
from swiftlite.common.config import ConfigError, StartError
from swiftlite.common.memcached import parse_server
from swiftlite.common.permissions import closed_to, remedy_of_asker, this_account
from swiftlite.watch.facts import Asked, CertificateFacts, ClusterView, MemcachedFacts, RingFacts
from swiftlite.watch.files import all_in_one, builder_names, missing_rings, ring_facts, ring_names, swift_conf_facts
from swiftlite.watch.findings import CRITICAL, NOTICE, SEVERITIES, WARNING, Finding, Limits
from swiftlite.watch.gathering import CONCURRENCY, TIMEOUT, Gatherer, clients_of_nodes, servers_of
from swiftlite.watch.judging import findings, worst
from swiftlite.watch.proxies import apart, ask_local, with_sums
from swiftlite.watch.rules_copies import NOT_COMPARED
from swiftlite.watch.rules_hosts import STRANGE_ANSWERS
from swiftlite.wire.direct import parse_host

HEALTHY, WARNINGS, CRITICALS, UNKNOWN = 0, 1, 2, 3
"""Exit codes, as monitoring of Nagios' kind reads them."""

SHOWN = 10
"""Findings of a kind that are shown unless all are wanted."""

USAGE = "[--swiftdir DIR] [--json] [--quiet] [options]"
DESCRIPTION = """Ask every server that the rings of this machine name how it is, and look at the files here. Show what is
wrong, why it matters, and a command that repairs it. Nothing is changed.

Exit codes: 0 healthy, 1 warnings, 2 something critical, 3 could not look."""

_COLOURS = {CRITICAL: "\x1b[31m", WARNING: "\x1b[33m", NOTICE: "\x1b[2m"}
_LIMITS = {
    "clock_skew": ("SECONDS", "clocks may differ by less; ten times that is critical"),
    "fill_warning": ("PERCENT", "of a device's bytes or inodes"),
    "fill_critical": ("PERCENT", "the same, critical"),
    "async_pending": ("COUNT", "updates that may wait on a node"),
    "async_age": ("SECONDS", "for which an update may wait"),
    "stale": ("SECONDS", "since a daemon's last pass; a week is critical"),
    "certificate_days": ("DAYS", "that certificates must still be good for"),
    "balance": ("PERCENT", "that a device may be from its share of a ring"),
    "quarantined": ("COUNT", "things that may be in a node's quarantine"),
    "time_wait": ("COUNT", "TCP connections of a machine that may be in TIME_WAIT"),
}


class CannotLook(Exception):
    """There is nothing to judge."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """2 would be "critical"."""
        self.print_usage(sys.stderr)
        self.exit(UNKNOWN, f"{self.prog}: {message}\n")


# --- looking ---


def look(options: argparse.Namespace) -> ClusterView:
    """Gather all that the rules judge.

    :raises CannotLook: when there is no ring
    """
    swift_dir: str = os.path.abspath(options.swiftdir)
    try:
        names = ring_names(swift_dir)
    except OSError as error:
        raise CannotLook(f"{swift_dir}: {error.strerror}; name it by --swiftdir (all-in-one: DIR/etc)") from None
    if not names:
        raise CannotLook(
            f"there is no ring in {swift_dir}: name the directory of the rings by --swiftdir (all-in-one: DIR/etc)"
        )
    _refuse_the_blind(swift_dir, names)
    rings = tuple(ring_facts(swift_dir, name) for name in names)
    return ClusterView(
        taken=time(),
        swift_dir=swift_dir,
        swift_conf=swift_conf_facts(swift_dir),
        rings=rings,
        servers=tuple(_ask(swift_dir, rings, options)),
        certificates=tuple(_certificates(swift_dir, options)),
        memcached=tuple(_memcached(swift_dir, options.timeout)),
        confs=tuple(conf_facts(swift_dir)),
        own_confs=tuple(own_confs(swift_dir)),
        unreadable=tuple(unreadable_files(swift_dir)),
        missing_rings=tuple(missing_rings(swift_dir)),
        builders=tuple(builder_names(swift_dir)),
        all_in_one=all_in_one(swift_dir),
        has_systemd=systemd_runs(),
        has_push=os.access(os.path.join(swift_dir, "push"), os.X_OK),
    )


def _refuse_the_blind(swift_dir: str, names: Iterable[str]) -> None:
    """Who may not read swift.conf or the rings would take that for a fault of the cluster."""
    for name in ("swift.conf", *(f"{name}.ring.gz" for name in names)):
        path = os.path.join(swift_dir, name)
        if closed := closed_to(path, this_account()):
            raise CannotLook(f"{path}: {closed.problem}; {remedy_of_asker(closed)}")


def _ask(swift_dir: str, rings: Iterable[RingFacts], options: argparse.Namespace) -> Iterator[Asked]:
    """Ask the servers of the rings, the proxies of this machine, and those that are named."""
    here = proxies_here(swift_dir)
    try:
        gatherer = Gatherer(options.timeout, options.concurrency, new_client=clients_of_nodes(swift_dir))
        servers = [*servers_of(rings), *apart(options.proxy, here)]
        yield from map(with_sums, gatherer.ask_all(servers))
    except ConfigError as error:
        remedy = (
            "who asks over TLS needs the authority's certificate, and a certificate of its own from it (doc/tls.md)"
        )
        raise CannotLook(f"{error}; {remedy}") from None
    yield from ask_local(gatherer, here)


def _certificates(swift_dir: str, options: argparse.Namespace) -> Iterator[CertificateFacts]:
    for path, role in {**dict.fromkeys(options.certificate, ""), **certificate_files(swift_dir)}.items():
        yield certificate_of_file(path, role)
    for address in options.tls:
        yield certificate_of_server(address, options.timeout)


def _memcached(swift_dir: str, timeout: float) -> Iterator[MemcachedFacts]:
    for server in memcached_servers(swift_dir):
        try:
            yield ask_memcached(server, parse_server(server), timeout)
        except ValueError:
            yield MemcachedFacts(server, "it is no ip:port")


# --- judging ---


def exit_code(found: Sequence[Finding]) -> int:
    """What monitoring is told: what is critical, or else that somebody tells nothing that could be judged."""
    if worst(found) != CRITICAL and any(finding.code == STRANGE_ANSWERS for finding in found):
        return UNKNOWN
    return {CRITICAL: CRITICALS, WARNING: WARNINGS}.get(worst(found), HEALTHY)


# --- showing ---


def show(view: ClusterView, found: Sequence[Finding], output: TextIO, most: int | None = None) -> None:
    """Write the findings for a person: those of a kind together, since a fault of many nodes is one fault.

    :param most: of a kind that are shown
    """
    is_terminal = output.isatty()
    kinds: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in found:
        kinds.setdefault((finding.severity, finding.code, finding.why), []).append(finding)
    for (severity, code, why), alike in kinds.items():
        colour, end = (_COLOURS[severity], "\x1b[0m") if is_terminal else ("", "")
        print(f"{colour}{severity.upper()} {code}{end}: {printable(why)}", file=output)
        for finding in alike[:most]:
            subject, what, fix = map(printable, (finding.subject, finding.what, finding.fix))
            print(f"  {subject}: {what}\n    {fix}", file=output)
        if most is not None and len(alike) > most:
            print(f"  and {len(alike) - most} more; -v shows all", file=output)
    counts = [_count([one for one in found if one.severity == severity], severity) for severity in reversed(SEVERITIES)]
    verdict = "healthy" if exit_code(found) == HEALTHY else ", ".join(counts[:2])
    print(f"{_count(view.servers, 'server')} and {_count(view.rings, 'ring')}: {verdict}", file=output)


def _count(things: Collection[Any], noun: str) -> str:
    """How many there are: ``1 server``, ``2 servers``, ``2 critical``."""
    return f"{len(things)} {noun}" + ("" if len(things) == 1 or noun == CRITICAL else "s")


def as_json(view: ClusterView, found: Sequence[Finding]) -> str:
    """The findings for a program."""
    status = worst(found) if exit_code(found) != HEALTHY else "healthy"
    facts = {"status": status, "taken": view.taken, "servers": len(view.servers)}
    return json.dumps({**facts, "findings": [finding.as_json() for finding in found]}, indent=2)


# --- the command line ---


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool; returns the exit code."""
    options = arguments().parse_args(argv)
    try:
        view = look(options)
    except (CannotLook, StartError, OSError) as error:
        print(json.dumps({"status": "unknown", "problem": str(error)}) if options.json else f"UNKNOWN {error}")
        return UNKNOWN
    limits = Limits(**{field.name: getattr(options, field.name) for field in fields(Limits)})
    everything = [finding for finding in findings(view, limits) if finding.code not in options.ignore]
    found = [finding for finding in everything if options.verbose or finding.severity != NOTICE]
    if options.json:
        print(as_json(view, found))
    elif found or not options.quiet:
        show(view, found, sys.stdout, most=None if options.verbose else SHOWN)
        unseen = [finding.subject for finding in everything if finding.code == NOT_COMPARED]
        if unseen and not options.verbose:
            print(f"not compared: rings and swift.conf of {', '.join(map(printable, unseen))}; -v says how to")
    return exit_code(found)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    shown = argparse.RawDescriptionHelpFormatter
    usage = f"%(prog)s {USAGE}"
    made = _Parser(prog="swiftlite-doctor", usage=usage, description=DESCRIPTION, formatter_class=shown)
    add = made.add_argument
    add("--swiftdir", default="/etc/swift", metavar="DIR", help="directory of swift.conf, the rings and the builders")
    add("--json", action="store_true", help="write JSON")
    add("--quiet", action="store_true", help="write nothing when all is well")
    add("-v", "--verbose", action="store_true", help="show notices too, which are no reason to get up")
    add("--ignore", action="append", default=[], metavar="CODE", help="a kind of finding that is known, and left out")
    add("--proxy", action="append", default=[], metavar="IP:PORT", type=parse_host, help="a proxy, to be asked too")
    add("--tls", action="append", default=[], metavar="IP:PORT", type=parse_host, help="whose certificate is looked at")
    add("--certificate", action="append", default=[], metavar="FILE", help="a PEM file that is looked at")
    add("--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="for every answer (default: 5)")
    add("--concurrency", type=int, default=CONCURRENCY, metavar="N", help="servers asked at once (default: 30)")
    defaults = Limits()
    for name, (unit, what) in _LIMITS.items():
        default = getattr(defaults, name)
        option = f"--{name.replace('_', '-')}"
        add(option, type=type(default), default=default, metavar=unit, help=f"{what} (default: {default:g})")
    return made
