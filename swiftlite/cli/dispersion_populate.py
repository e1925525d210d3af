"""swiftlite-dispersion-populate: makes containers and objects in some share of the partitions, for the report to find."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from swiftlite.cli.dispersion import (
    CLEAR_LINE,
    OBJECT_PREFIX,
    Choice,
    Progress,
    Session,
    add_options,
    choose_names,
    choose_policy,
    load_options,
    open_session,
    with_arguments,
)
from swiftlite.cli.storage_api import ApiError
from swiftlite.cli.tool import SUCCESS, ToolError, parser, tool
from swiftlite.common.concurrency import in_order
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.ring import Ring

DESCRIPTION = """Make one container and one object in each of dispersion_coverage percent of the partitions.
Run it again and it makes the same ones: swiftlite-dispersion-report then looks for every replica of them."""


class Kind(NamedTuple):
    """What is made: containers, or objects."""

    title: str
    ring: Ring
    prefix: str
    partition_of: Callable[[str], int]
    make: Callable[[str], None]
    made_before: Callable[[], Iterable[str]]


def containers(session: Session) -> Kind:
    """Containers of the policy."""

    def make(name: str) -> None:
        session.api.put(name, {"X-Storage-Policy": session.policy.name})

    def made_before() -> Iterable[str]:
        return session.api.listing(None, session.container_prefix)

    ring, prefix = session.container_ring, session.container_prefix
    return Kind("container", ring, prefix, session.container_partition, make, made_before)


def objects(session: Session) -> Kind:
    """Objects in the policy's container for them."""
    container = session.object_container

    def make(name: str) -> None:
        session.api.put(f"{container}/{name}", {"X-Object-Meta-Dispersion": name}, name.encode())

    def made_before() -> Iterable[str]:
        return session.api.listing(container, OBJECT_PREFIX)

    return Kind("object", session.object_ring, OBJECT_PREFIX, session.object_partition, make, made_before)


def populate(session: Session, kind: Kind, suffix_start: int, no_overlap: bool) -> None:
    """Make one kind of thing in as many partitions as dispersion_coverage wants.

    :param suffix_start: names with a lower number are left to others
    :param no_overlap: in partitions that have none yet
    :raises ApiError: when one cannot be made
    """
    open_partitions = set(range(kind.ring.partition_count))
    if no_overlap:
        open_partitions.difference_update(kind.partition_of(name) for name in kind.made_before())
    wanted = math.floor(session.options.dispersion_coverage / 100 * kind.ring.partition_count)
    retried = session.api.retried
    progress = Progress(f"Creating {kind.title}s", min(wanted, len(open_partitions)))

    def make(choice: Choice) -> None:
        if choice.is_new:
            kind.make(choice.name)

    choices = choose_names(kind.prefix, kind.partition_of, open_partitions, wanted, suffix_start)
    try:
        for _ in in_order(session.options.concurrency, make, choices):
            progress.step(session.api.retried - retried)
    except ApiError as error:
        raise ToolError(f"Gave up due to error(s): {error}") from None
    print(
        f"{CLEAR_LINE}Created {progress.done} {kind.title}s for dispersion reporting, {progress.elapsed}, "
        f"{session.api.retried - retried} retries"
    )
    if no_overlap:
        covered = 1 - len(open_partitions) / kind.ring.partition_count
        print(f"{CLEAR_LINE}Total {kind.title} coverage is now {covered * 100:.2f}%.")


@tool
def main(argv: Sequence[str]) -> int:
    """Run the tool.

    :returns: 0 done, 1 not
    """
    arguments = parser("swiftlite-dispersion-populate", "[options] [conf_file]", DESCRIPTION)
    add_options(arguments, "population")
    for kind in ("container", "object"):
        arguments.add_argument(
            f"--{kind}-suffix-start", type=int, default=0, metavar="N", help=f"{kind}s numbered below N are not made"
        )
    arguments.add_argument(
        "--no-overlap", action="store_true", help="cover partitions that earlier runs have left, so coverage grows"
    )
    found = arguments.parse_intermixed_args(argv)
    options = with_arguments(load_options(found.conf_file), found)
    swift_conf = SwiftConf.load(options.swift_dir)
    policy = choose_policy(swift_conf, found.policy_name)
    print(f"Using storage policy: {policy.name} ")
    if not (options.container_populate or options.object_populate):
        raise ToolError("Neither container or object populate is set to run")
    session = open_session(options, swift_conf, policy)
    if options.container_populate:
        populate(session, containers(session), found.container_suffix_start, found.no_overlap)
    if options.object_populate:
        try:
            session.api.put(session.object_container, {"X-Storage-Policy": policy.name})
        except ApiError as error:
            raise ToolError(f"Gave up due to error(s): {error}") from None
        populate(session, objects(session), found.object_suffix_start, found.no_overlap)
    return SUCCESS
