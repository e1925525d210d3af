"""One replica of a container tells what it knows, and learns what another one knows, so that listings can be trusted."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, NamedTuple

from swiftlite.common import web
from swiftlite.common.policies import StoragePolicies
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.policy_choice import take_policy
from swiftlite.core.json_text import load_json
from swiftlite.core.misplaced import Claim
from swiftlite.core.rows import is_storable
from swiftlite.core.timestamp import Timestamp
from swiftlite.core.trusted_listing import Known, life_digest
from swiftlite.db.broker import BadRow, dictionaries, read_metadata
from swiftlite.db.connections import until_unlocked
from swiftlite.db.controller import Reply
from swiftlite.db.pending import Patience
from swiftlite.db.sync_points import UNTAKEN
from swiftlite.wire.catch_up import Reach, SameRows, Stretch, known_header

PATIENCE = Patience(2.0)
"""For the lock of a database whose newest rows are wanted."""

MOST_ROWS = 1000
"""Rows that go over at once: enough to be quick, few enough to be one short transaction."""

_DESCRIPTION = """
    SELECT container_stat.*,
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'object'), -1) AS max_row,
        (SELECT group_concat(sync_point || ' ' || remote_id, char(10)) FROM
            (SELECT * FROM incoming_sync ORDER BY updated_at DESC LIMIT 16)) AS sync_points
    FROM container_stat
"""
# Of replicas that are no more the sync points stay for weeks.

_ROWS = "SELECT * FROM object WHERE ROWID > ? ORDER BY ROWID LIMIT ?"

_LIFE = ("created_at", "put_timestamp", "delete_timestamp")
_TOLD = (*_LIFE, "metadata", "storage_policy_index", "status_changed_at", "object_count")


class Description(NamedTuple):
    """A container as its database describes it.

    :param info: as ``ContainerBroker.get_info`` gives it
    :param known: what the replica knows, at the same moment
    """

    info: dict[str, Any]
    known: Known


def describe(broker: ContainerBroker) -> Description:
    """What the database says of the container and of itself, all rows merged that anybody was told are taken.

    What is read after this shows at least what the description says, for replicas never forget: no page needs to be of
    the same moment.

    :raises DatabaseMissing: when there is none
    :raises LockTimeout: when rows wait to be merged, and others hold the lock
    """
    broker.commit_pending()
    with broker.snapshot() as connection:
        return _described(broker, connection)


def _described(broker: ContainerBroker, connection: sqlite3.Connection) -> Description:
    found = dictionaries(until_unlocked(lambda: connection.execute(_DESCRIPTION)))
    if not found:
        raise sqlite3.DatabaseError("file is not a database: no row in container_stat")
    info = found[0] | {"db_state": "unsharded"}
    broker.check_names(info)
    points = dict(_point(line) for line in (info.pop("sync_points") or "").splitlines())
    return Description(info, Known(info["id"], info["hash"], life_digest(info), info.pop("max_row"), points))


def _point(line: str) -> tuple[str, int]:
    row, _, remote_id = line.partition(" ")
    return remote_id, int(row)


def tell(broker: ContainerBroker, stretch: Stretch) -> Reply:
    """Answer with the rows of a stretch, and with timestamps and metadata: all that another replica may lack.

    :raises Answer: 409 when this is no longer the database that was meant, or has fewer rows than it once had
    """
    broker.commit_pending()
    with broker.snapshot() as connection:
        info, known = _described(broker, connection)
        rows = dictionaries(until_unlocked(lambda: connection.execute(_ROWS, (stretch.since, MOST_ROWS))))
    if known.id != stretch.of or known.max_row < stretch.since:
        raise web.HTTPConflict("This is another database.", headers=dict([known_header(known)]))
    more = len(rows) == MOST_ROWS
    until = rows[-1]["ROWID"] if more else known.max_row  # the numbers between may have no rows
    body = json.dumps({"rows": rows, **{name: info[name] for name in _TOLD}}).encode()
    headers = [("Content-Type", "application/json"), known_header(known), *Reach(until, more).to_headers()]
    return Reply(200, headers, body)


def learn(broker: ContainerBroker, policies: StoragePolicies, stretch: Stretch, reach: Reach, body: bytes) -> Reply:
    """Take over what :func:`tell` answered for another replica; a repetition does no harm.

    :raises BadRow: when the body is no such answer
    :raises Answer: 409 when rows before the stretch are not known here, or no more, for another database has come in
        between: a sync point that covered them would hide them for ever
    """
    changes = _read(body)
    mine = describe(broker)
    point = mine.known.points.get(stretch.of)
    if (UNTAKEN if point is None else point) < stretch.since:
        raise _gap(mine.known)
    if point is None:
        broker.merge_sync_points([{"remote_id": stretch.of, "sync_point": UNTAKEN}])
    elif not reach.more and reach.until < point:
        broker.lower_sync_point(stretch.of, reach.until)
    if changes["rows"] or reach.until > stretch.since:
        broker.merge_rows(changes["rows"], stretch.of, stretch.since, reach.until)
    _learn_life(broker, policies, mine.info, changes)
    now = describe(broker).known
    if now.id != mine.known.id or now.points.get(stretch.of, UNTAKEN) < reach.until:
        raise _gap(now)
    return Reply(202, [known_header(now)])


def _gap(known: Known) -> web.Answer:
    return web.HTTPConflict("Rows before these are not known here.", headers=dict([known_header(known)]))


def _read(body: bytes) -> dict[str, Any]:
    try:
        changes = load_json(body)
        for name in (*_LIFE, "status_changed_at"):
            changes[name] = Timestamp(changes[name] or 0).internal
        if not is_storable(changes[name] for name in _TOLD):
            raise ValueError("a field that no database can keep")
        Claim.from_info(changes)
        if not isinstance(changes["rows"], list) or not isinstance(changes["metadata"], str):
            raise TypeError("a field of the wrong type")
        read_metadata(changes["metadata"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadRow(f"no changes of a container: {error!r}") from None
    return changes


def _learn_life(
    broker: ContainerBroker, policies: StoragePolicies, mine: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Take over policy, timestamps and metadata, where they are right; a transaction that changes nothing is spared."""
    if changes["storage_policy_index"] != mine["storage_policy_index"]:
        take_policy(broker, policies, mine, changes)
    created, put, deleted = (changes[name] for name in _LIFE)
    my_created, my_put, my_deleted = (Timestamp(mine[name] or 0).internal for name in _LIFE)
    if created < my_created or put > my_put or deleted > my_deleted:
        broker.merge_timestamps(created, put, deleted)
    if changes["metadata"] != mine["metadata"]:
        broker.merge_metadata_text(changes["metadata"])


def agree(broker: ContainerBroker, same: SameRows) -> Reply:
    """Note that all rows of another replica are known here, if they still are the same: no catching up looks at them again."""
    broker.note_same_rows(same.of, same.rows, same.until)
    return Reply(202)
