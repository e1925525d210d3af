"""swiftlite-dispersion-report: asks every node that should have one for its replica of what dispersion-populate made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from swiftlite.cli.dispersion import (
    CLEAR_LINE,
    OBJECT_PREFIX,
    Progress,
    Session,
    add_options,
    choose_policy,
    complain,
    load_options,
    open_session,
    with_arguments,
)
from swiftlite.cli.storage_api import ApiError
from swiftlite.cli.tool import SUCCESS, ToolError, parser, tool
from swiftlite.common.backend_tls import PLAIN, BackendTLS
from swiftlite.common.concurrency import in_order, sleep
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.hosts import spell_address
from swiftlite.core.names import EntityName, quote_path
from swiftlite.http.errors import BackendError
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.direct import user_agent
from swiftlite.wire.messages import POLICY_INDEX
from swiftlite.wire.node_client import node_client

CONN_TIMEOUT, ANSWER_TIMEOUT = 5.0, 15.0
MISSING, UNMOUNTED = 404, 507

DESCRIPTION = """Ask every node for its replica of each container and object that swiftlite-dispersion-populate
made, and report how many are where they should be."""


def identifier(node: Node) -> str:
    """``ip:port/device``."""
    return f"{spell_address(*node.address)}/{node.device}"


class Place(NamedTuple):
    """A thing to be found: its name, its partition, and who should have it."""

    name: EntityName
    partition: int
    nodes: Sequence[Node]


@dataclass
class Tally:
    """What was found of one kind of things.

    :ivar listed: names that the cluster lists
    :ivar places: one for each partition that they are in
    :ivar missing: number of copies that a partition lacks -> number of such partitions
    """

    listed: int
    places: Sequence[Place]
    found: int = 0
    retries: int = 0
    missing: Counter[int] = field(default_factory=Counter)

    @property
    def expected(self) -> int:
        """Copies that there should be."""
        return sum(len(place.nodes) for place in self.places)

    @property
    def overlapping(self) -> int:
        """Names that were not looked for, since others are in their partitions."""
        return self.listed - len(self.places)

    @property
    def percent(self) -> float:
        """How many of the copies were found."""
        return 100.0 * self.found / self.expected

    def add(self, place: Place, found: int, retries: int) -> None:
        """Count what was found of one place."""
        self.found += found
        self.retries += retries
        if found < len(place.nodes):
            self.missing[len(place.nodes) - found] += 1

    def as_json(self) -> dict[str, Any]:
        """The figures, by the names that OpenStack Swift's report has."""
        figures = {
            "retries": self.retries,
            "overlapping": self.overlapping,
            "pct_found": self.percent,
            "copies_found": self.found,
            "copies_expected": self.expected,
        }
        return figures | {f"missing_{copies}": count for copies, count in sorted(self.missing.items())}

    def lines(self, kind: str, ring: Ring, elapsed: str) -> list[str]:
        """The figures for a person.

        :param kind: ``container`` or ``object``
        """
        lines = [
            f"{CLEAR_LINE}Queried {self.listed} {kind}s for dispersion reporting, {elapsed}, {self.retries} retries"
        ]
        if self.overlapping:
            lines.append(f"There were {self.overlapping} overlapping partitions")
        lines += [missing_line(count, copies, ring.replica_count) for copies, count in sorted(self.missing.items())]
        share = 100.0 * len(self.places) / ring.partition_count
        lines.append(f"{self.percent:.2f}% of {kind} copies found ({self.found} of {self.expected})")
        lines.append(f"Sample represents {share:.2f}% of the {kind} partition space")
        return lines


def missing_line(partitions: int, missing: int, copies: int) -> str:
    """Say that so many partitions lack so many of their copies; louder the fewer are left."""
    were, noun = ("were", "partitions") if partitions > 1 else ("was", "partition")
    loud = "!!! " if missing == copies else "! " if copies - missing == 1 else ""
    lacking = "all" if missing == copies else str(missing)
    return f"{loud}There {were} {partitions} {noun} missing {lacking} {'copy' if missing == 1 else 'copies'}."


def places_of(names: Iterable[EntityName], ring: Ring) -> tuple[int, list[Place]]:
    """How many names there are, and the first of each partition."""
    listed = 0
    places: dict[int, Place] = {}
    for name in names:
        listed += 1
        partition, nodes = ring.get_nodes(*name)
        places.setdefault(partition, Place(name, partition, nodes))
    return listed, list(places.values())


class Searcher:
    """Asks nodes for their copies.

    :param retries: how often a node is asked again that did not answer, or with a server error
    :param debug: tell of copies that are missing
    :param backend: whether nodes speak TLS
    """

    def __init__(
        self,
        retries: int,
        debug: bool,
        complain: Callable[[str], None] = complain,
        backend: BackendTLS = PLAIN,
    ) -> None:
        self.retries, self.debug, self.complain = retries, debug, complain
        self._client = node_client(backend, CONN_TIMEOUT, ANSWER_TIMEOUT)
        self._unmounted: set[str] = set()
        self._lacking: set[str] = set()

    def count(self, place: Place, headers: dict[str, str]) -> tuple[Place, int, int]:
        """Ask all nodes of a place.

        :returns: the place, how many copies there are, how many requests had to be sent again
        """
        found = retries = 0
        for node in place.nodes:
            is_there, again = self._ask(node, place, headers)
            found += is_there
            retries += again
        return place, found, retries

    def _ask(self, node: Node, place: Place, headers: dict[str, str]) -> tuple[bool, int]:
        headers = {"User-Agent": user_agent("dispersion-report"), **headers}
        target = f"/{node.device}/{place.partition}{quote_path(place.name.path)}"
        problem: object
        wait = 1.0
        for again in range(self.retries + 1):
            try:
                response = self._client.request(node.address, "HEAD", target, headers)
                response.close()
                if 200 <= response.status < 300:
                    return True, again
                problem = f"HEAD {target} gave status {response.status}"
                if response.status < 500 or response.status == UNMOUNTED:
                    self._tell(node, response.status, problem)
                    break
            except BackendError as error:
                problem = error.problem
            self.complain(f"ERROR: {identifier(node)}: {problem}")
            if again < self.retries:
                sleep(wait)
                wait *= 2
        else:
            self.complain(f"ERROR: {identifier(node)}: Giving up on /{place.partition}{place.name.path}: {problem}")
        return False, again

    def _tell(self, node: Node, status: int, problem: str) -> None:
        name = identifier(node)
        if status == UNMOUNTED:
            if name not in self._unmounted:
                self.complain(
                    f"ERROR: {name} is unmounted -- replicas that it should have count as missing until it is mounted "
                    "again, or out of the ring"
                )
            self._unmounted.add(name)
        elif status != MISSING:
            self.complain(f"ERROR: {name}: {problem}")
        elif self.debug and name not in self._lacking:
            self._lacking.add(name)
            self.complain(f"ERROR: {name} returned a 404")


class Reporter:
    """Makes the report.

    :param partitions: tell which partitions lack copies
    """

    def __init__(self, session: Session, searcher: Searcher, partitions: bool) -> None:
        self.session, self.searcher, self.partitions = session, searcher, partitions

    def containers(self) -> dict[str, Any] | None:
        """Report on containers; the figures, or None when there are none to look for."""
        session = self.session
        listed = session.api.listing(None, session.container_prefix)
        names = (EntityName(session.api.account, container) for container in listed)
        return self._report("container", session.container_ring, names, {})

    def objects(self) -> dict[str, Any] | None:
        """Report on objects; the figures, or None when there are none to look for."""
        session = self.session
        container = session.object_container
        listed = session.api.listing(container, OBJECT_PREFIX)
        names = (EntityName(session.api.account, container, name) for name in listed)
        return self._report("object", session.object_ring, names, {POLICY_INDEX: str(session.policy.index)})

    def _report(
        self, kind: str, ring: Ring, names: Iterable[EntityName], headers: dict[str, str]
    ) -> dict[str, Any] | None:
        try:
            tally = Tally(*places_of(names, ring))
        except ApiError as error:
            if error.status != MISSING:
                raise
            tally = Tally(0, [])
        if not tally.listed:
            complain(f"No {kind}s to query. Has swiftlite-dispersion-populate been run?")
            return None
        options = self.session.options
        progress = Progress(f"Querying {kind}s", len(tally.places), shown=not options.dump_json)

        def count(place: Place) -> tuple[Place, int, int]:
            return self.searcher.count(place, headers)

        for place, found, retries in in_order(options.concurrency, count, tally.places):
            tally.add(place, found, retries)
            if self.partitions and found < len(place.nodes):
                self._tell_missing(kind, place, len(place.nodes) - found)
            progress.step(tally.retries)
        if not options.dump_json:
            print("\n".join(tally.lines(kind, ring, progress.elapsed)), flush=True)
        return tally.as_json()

    def _tell_missing(self, kind: str, place: Place, missing: int) -> None:
        if not self.session.options.dump_json:
            print(CLEAR_LINE, end="", flush=True)
        complain(f"# {kind.title()} partition {place.partition} missing {missing} cop{'y' if missing == 1 else 'ies'}")


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0 done, also when copies are missing; 1 not
    """
    arguments = parser("swiftlite-dispersion-report", "[options] [conf_file]", DESCRIPTION)
    arguments.add_argument("-j", "--dump-json", action="store_true", help="print the figures as JSON")
    arguments.add_argument("-d", "--debug", action="store_true", help="tell on standard error of nodes without a copy")
    arguments.add_argument(
        "-p", "--partitions", action="store_true", help="tell on standard error of partitions that lack copies"
    )
    add_options(arguments, "report")
    found = arguments.parse_intermixed_args(argv)
    options = with_arguments(load_options(found.conf_file), found)
    if found.dump_json:
        options = replace(options, dump_json=True)
    swift_conf = SwiftConf.load(options.swift_dir)
    policy = choose_policy(swift_conf, found.policy_name)
    if not options.dump_json:
        print(f"Using storage policy: {policy.name} ", flush=True)
    if not (options.container_report or options.object_report):
        raise ToolError("Neither container or object report is set to run")
    session = open_session(options, swift_conf, policy)
    reporter = Reporter(
        session, Searcher(options.retries, found.debug, backend=swift_conf.backend_tls), found.partitions
    )
    figures = {}
    if options.container_report:
        figures["container"] = reporter.containers()
    if options.object_report:
        figures["object"] = reporter.objects()
    if options.dump_json:
        print(json.dumps(figures))
    return SUCCESS
