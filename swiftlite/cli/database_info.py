"""What the database of an account or a container says, as lines for operators; it is left where it is, however bad."""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from swiftlite.account.backend import AccountBroker
from swiftlite.cli.locations import locate, location_lines
from swiftlite.cli.tool import SUCCESS, ToolError, add_drop_prefixes, add_swift_dir, ring_if_any, swift_conf_of
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.shard_rows import shard_ranges
from swiftlite.core.metadata import SYSTEM_PREFIX, USER_PREFIX, is_system_metadata, is_user_metadata, title_case
from swiftlite.core.names import EntityName
from swiftlite.core.rows import Metadata
from swiftlite.core.shard_ranges import ShardRange
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.broker import DatabaseMissing
from swiftlite.db.connections import open_database
from swiftlite.db.layout import Kind
from swiftlite.db.pending import FRESH_READS, STALE_READS, LockTimeout, Patience

STALE = 2
"""Exit code when rows that were accepted may be missing from what is shown."""

STATES = {
    10: "found",
    20: "created",
    30: "cleaved",
    40: "active",
    50: "shrinking",
    60: "sharding",
    70: "sharded",
    80: "shrunk",
}
"""A shard range's life, as OpenStack Swift counts and calls it."""
COUNTED_STATES = (40, 50, 60)
"""States in which a shard is what its root counts."""
QUOTED_ROOT, ROOT = "X-Container-Sysmeta-Shard-Quoted-Root", "X-Container-Sysmeta-Shard-Root"


@dataclass(frozen=True)
class Database:
    """What is shown of a database.

    :ivar info: the row of its stat table
    :ivar ranges: shard ranges but the container's own, in the order of names they hold
    :ivar state: ``unsharded``, ``sharding``, ``sharded`` or ``collapsed``
    :ivar syncs: incoming and outgoing sync points
    """

    kind: Kind
    info: Mapping[str, Any]
    metadata: Metadata
    is_deleted: bool
    is_root: bool = True
    ranges: Sequence[ShardRange] = ()
    state: str = "unsharded"
    syncs: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def name(self) -> EntityName:
        """Whose database it is."""
        return EntityName(self.info["account"], self.info.get("container"))


class _LeftInPlace:
    """A broker that shows a database and does not quarantine it."""

    def possibly_quarantine(
        self, error: sqlite3.DatabaseError | UnicodeDecodeError, identity: tuple[int, int] | None = None
    ) -> None:
        """Do nothing: the operator hears of the error."""


class _Account(_LeftInPlace, AccountBroker):
    pass


class _Container(_LeftInPlace, ContainerBroker):
    pass


# --- reading ---


def read(kind: Kind, path: str, patience: Patience) -> Database:
    """Read a database, after merging the rows that are pending.

    :param path: of the file, in any form of its name
    :raises sqlite3.DatabaseError: when it is none, or of another kind
    :raises LockTimeout: when somebody else has it
    """
    directory, file = os.path.split(os.path.abspath(path))
    base = f"{directory}/{file[: -len('.db')].partition('_')[0]}.db"
    logger = logging.getLogger(__name__)
    broker: AccountBroker | ContainerBroker
    if kind == "account":
        broker = _Account(path, "", None, logger=logger, patience=patience)
    else:
        broker = _Container(path, "", None, logger=logger, patience=patience)
    broker.pending_path = f"{base}.pending"
    info = broker.get_info()
    syncs = {"Incoming": _syncs(broker, "incoming_sync"), "Outgoing": _syncs(broker, "outgoing_sync")}
    found = Database(kind, info, broker.metadata(), broker.is_deleted(), syncs=syncs)
    return found if isinstance(broker, AccountBroker) else _with_shards(broker, found, _files(base))


def _syncs(broker: AccountBroker | ContainerBroker, table: str) -> list[dict[str, Any]]:
    with broker.connection() as connection:
        rows = connection.execute(f"SELECT remote_id, sync_point, updated_at FROM {table}").fetchall()
    return [dict(zip(("remote_id", "sync_point", "updated_at"), row, strict=True)) for row in rows]


def _files(base: str) -> list[str]:
    """The files of a container's database, the oldest first: while it is sharded there are two."""
    directory, name = os.path.split(base)
    stem = name[: -len(".db")]
    forms = [f for f in os.listdir(directory) if f == name or (f.startswith(f"{stem}_") and f.endswith(".db"))]
    return sorted(forms, key=lambda form: form.removesuffix(".db"))


def _with_shards(broker: ContainerBroker, found: Database, files: Sequence[str]) -> Database:
    own_name = "/".join(part for part in found.name if part)
    ranges = shard_ranges(broker)
    own = next((range_ for range_ in ranges if range_.name == own_name), None)
    others = sorted((r for r in ranges if r.name != own_name and not r.deleted), key=_range_order)
    state, is_root = database_state(files, own, others), is_root_container(own_name, found.metadata, own)
    info = dict(found.info)
    if state == "sharding":
        # Rows are still counted in the older file: those of the newer one came since.
        with closing(open_database(f"{broker.directory}/{files[0]}")) as connection:
            counts = connection.execute("SELECT object_count, bytes_used FROM container_stat").fetchone()
        info.update(zip(("object_count", "bytes_used"), counts, strict=True))
    elif state == "sharded" and is_root:
        counted = [range_ for range_ in others if range_.state in COUNTED_STATES]
        info["object_count"] = sum(range_.object_count for range_ in counted)
        info["bytes_used"] = sum(range_.bytes_used for range_ in counted)
    return replace(found, info=info, is_root=is_root, ranges=others, state=state)


def _range_order(found: ShardRange) -> tuple[Any, ...]:
    # The range without an upper bound comes last.
    return not found.upper, found.upper, found.state, found.lower, found.name


def database_state(files: Sequence[str], own: ShardRange | None, others: Sequence[ShardRange]) -> str:
    """How far a container is sharded.

    :param files: of the database: the name of one that shards go into tells its epoch
    :param own: the container's own range
    """
    if len(files) > 1:
        return "sharding"
    _, _, epoch = files[0].removesuffix(".db").partition("_") if files else ("", "", "")
    if not epoch or own is None or epoch != own.epoch:
        return "unsharded"
    return "sharded" if others else "collapsed"


def is_root_container(own_name: str, metadata: Metadata, own: ShardRange | None) -> bool:
    """Whether a container is no shard of another one."""
    quoted, plain = (metadata.get(key, ("", ""))[0] for key in (QUOTED_ROOT, ROOT))
    root = unquote(quoted) if quoted else plain
    if root:
        return root == own_name
    # A shard that was emptied and deleted has no metadata left.
    return own is None or not own.deleted


# --- lines ---


def info_lines(found: Database, policy_name: str, name_hash: str) -> Iterator[str]:
    """Lines that say whose database it is, when it changed, and what it counts."""
    kind, info = found.kind, found.info
    yield f"Path: {found.name.path}"
    yield f"  Account: {found.name.account}"
    if kind == "container":
        yield f"  Container: {found.name.container}"
    yield f"  Deleted: {found.is_deleted}"
    yield f"  {kind.title()} Hash: {name_hash}"
    yield "Metadata:"
    yield f"  Created at: {_moment(info['created_at'])}"
    yield f"  Put Timestamp: {_moment(info['put_timestamp'])}"
    yield f"  Delete Timestamp: {_moment(info['delete_timestamp'])}"
    yield f"  Status Timestamp: {_moment(info['status_changed_at'])}"
    if kind == "account":
        yield f"  Container Count: {info['container_count']}"
    yield f"  Object Count: {info['object_count']}"
    yield f"  Bytes Used: {info['bytes_used']}"
    if kind == "container":
        yield f"  Storage Policy: {policy_name} ({info['storage_policy_index']})"
        yield f"  Reported Put Timestamp: {_moment(info['reported_put_timestamp'])}"
        yield f"  Reported Delete Timestamp: {_moment(info['reported_delete_timestamp'])}"
        yield f"  Reported Object Count: {info['reported_object_count']}"
        yield f"  Reported Bytes Used: {info['reported_bytes_used']}"
    yield f"  Chexor: {info['hash']}"
    yield f"  UUID: {info['id']}"
    for key, value in info.items():
        if key.startswith(f"x_{kind}_"):
            yield f"  {title_case(key.replace('_', '-'))}: {value}"


def _moment(text: str) -> str:
    return f"{Timestamp(text).isoformat} ({text})"


def metadata_lines(kind: Kind, metadata: Metadata, drop_prefixes: bool) -> Iterator[str]:
    """Lines that show the metadata, kind by kind."""
    system, user = {}, {}
    for key, (value, _) in metadata.items():
        if is_user_metadata(kind, key):
            user[key[len(USER_PREFIX[kind]) * drop_prefixes :]] = value
        elif is_system_metadata(kind, key):
            system[key[len(SYSTEM_PREFIX[kind]) * drop_prefixes :]] = value
        else:
            yield f"  {title_case(key.replace('_', '-'))}: {value}"
    for title, shown in (("System", system), ("User", user)):
        if shown:
            yield f"  {title} Metadata:"
            yield from (f"    {key}: {value}" for key, value in shown.items())
        else:
            yield f"No {title.lower()} metadata found in db file"


def shard_lines(found: Database, verbose: bool) -> Iterator[str]:
    """Lines that say how far a container is sharded.

    :param verbose: show every range, not just how many there are
    """
    yield "Sharding Metadata:"
    yield f"  Type: {'root' if found.is_root else 'shard'}"
    yield f"  State: {found.state}"
    if not found.ranges:
        return
    yield f"Shard Ranges ({len(found.ranges)}):"
    yield "  States:"
    for state, count in sorted(Counter(range_.state for range_ in found.ranges).items()):
        yield f"    {_state_name(state):>9}: {count}"
    if not verbose:
        yield "(Use -v/--verbose to show more Shard Ranges details)"
        return
    for shown in found.ranges:
        yield f"  Name: {shown.name}"
        yield f"    lower: {shown.lower!r}, upper: {shown.upper!r}"
        yield (
            f"    Object Count: {shown.object_count}, Bytes Used: {shown.bytes_used}, "
            f"State: {_state_name(shown.state)} ({shown.state})"
        )
        yield f"    Created at: {_moment(shown.timestamp)}"
        yield f"    Meta Timestamp: {_moment(shown.meta_timestamp)}"


def _state_name(state: int) -> str:
    return STATES.get(state, "unknown")


def sync_lines(title: str, syncs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table of sync points: how far the rows of other replicas are known here, or ours there."""
    point_width = max([len("Sync Point"), *(len(str(sync["sync_point"])) for sync in syncs)])
    remote_width = max([len("Remote ID"), *(len(sync["remote_id"]) for sync in syncs)])
    yield f"{title} Syncs:"
    yield f"  {'Sync Point':{point_width}}\t{'Remote ID':{remote_width}}\tUpdated At"
    for sync in syncs:
        point, remote = str(sync["sync_point"]), sync["remote_id"]
        yield f"  {point:{point_width}}\t{remote:{remote_width}}\t{_moment(sync['updated_at'])}"


# --- the command line ---


def add_options(arguments: argparse.ArgumentParser, kind: Kind) -> None:
    """What both tools understand."""
    add_swift_dir(arguments)
    add_drop_prefixes(arguments)
    arguments.add_argument("-s", "--sync", action="store_true", help="show how far the replicas know each other's rows")
    arguments.add_argument("file", metavar=f"<{kind} database file>")


def show(kind: Kind, options: argparse.Namespace) -> int:
    """Show a database; what a lock keeps from being merged is left out, with a warning.

    :returns: 0 done, 2 done, but what is shown may be old
    :raises ToolError: when it cannot be shown
    """
    conf = swift_conf_of(options)
    if not options.file.endswith(".db") or not os.path.isfile(options.file):
        raise ToolError("DB file doesn't exist")
    try:
        found, code = read(kind, options.file, FRESH_READS), SUCCESS
    except (sqlite3.OperationalError, LockTimeout) as error:
        if "no such table" in str(error):
            raise ToolError(f'Does not appear to be a DB of type "{kind}": {_bare(options.file)}') from None
        print("WARNING: Possibly Stale Data", flush=True)
        found, code = _read_somehow(kind, options.file, STALE_READS), STALE
    except (sqlite3.DatabaseError, DatabaseMissing, ValueError) as error:
        raise _failed(kind, error) from None
    for line in _all_lines(found, conf, options):
        print(line)
    return code


def _bare(path: str) -> str:
    return path if path.startswith(("/", "./")) else f"./{path}"


def _read_somehow(kind: Kind, path: str, patience: Patience) -> Database:
    try:
        return read(kind, path, patience)
    except (sqlite3.DatabaseError, LockTimeout, DatabaseMissing, ValueError) as error:
        raise _failed(kind, error) from None


def _failed(kind: Kind, error: Exception) -> ToolError:
    return ToolError(f"{kind.title()} info failed: {error}")


def _all_lines(found: Database, conf: SwiftConf, options: argparse.Namespace) -> list[str]:
    policy = conf.policies.by_index(found.info.get("storage_policy_index"))
    name_hash = conf.hash_path.hex(*found.name)
    try:
        lines = list(info_lines(found, policy.name if policy else "Unknown", name_hash))
        lines += metadata_lines(found.kind, found.metadata, options.drop_prefixes)
        if found.kind == "container":
            lines += shard_lines(found, options.verbose)
        if options.sync:
            lines += [line for title, syncs in found.syncs.items() for line in sync_lines(title, syncs)]
    except (ValueError, TypeError, KeyError) as error:  # a value that no server wrote
        raise _failed(found.kind, error) from None
    ring = ring_if_any(options.swift_dir, found.kind, conf.hash_path)
    if ring is not None:
        lines += location_lines(ring, locate(ring, f"{found.kind}s", found.name))
    return lines
