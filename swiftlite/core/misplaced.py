"""Misplaced objects: which policy is a container's, the queue of objects that lie in another, and what to do with one.

Parts of a cluster that do not see each other may create the same container with different policies. Once they meet, one
policy wins; the objects of the other are queued in a hidden account, and the reconciler moves them (formats.md 1.8).

All that follows from a change at the time T in the wrong policy is written with T and an offset, so that what clients
have written before or after T loses or wins as it would have in a single policy:

======  =============================================================================================================
T + 0   where T deletes: the DELETE once more in the wrong policy, for replicas that have missed it
T + 1   where T deletes: the DELETE in the right policy; else: the DELETE in the wrong policy, of what was moved
T + 2   the DELETE of the queue's row; it outdoes the row of the DELETE before, which will be found misplaced, too
T + 3   the PUT in the right policy; should that DELETE's row come to be queued all the same, what follows is T + 2
======  =============================================================================================================
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from swiftlite.core.names import EntityName, split_path
from swiftlite.core.quorum import Reply, majority
from swiftlite.core.rows import ZERO_LIKE
from swiftlite.core.timestamp import ZERO, Timestamp, decode_timestamps

ACCOUNT = ".misplaced_objects"
"""The hidden account that holds the queue."""

DIVISOR = 3600
"""Seconds of changes that share a container of the queue."""

PUT_TYPE = "application/x-put"
DELETE_TYPE = "application/x-delete"

_EPOCH = datetime(1970, 1, 1)


# Which policy is right ------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """What one replica of a container says of its policy, and by what right.

    :param changed: when its status changed: created, deleted, created again, or moved to another policy
    """

    policy_index: int
    put: Timestamp
    delete: Timestamp
    changed: Timestamp
    object_count: int = 0

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Claim:
        """Read what a broker, or a peer in its answer to ``sync`` (formats.md 4.8), says of a container.

        :raises KeyError: where nothing is said of the policy
        :raises ValueError: for what is no timestamp or number
        """
        names = ("put_timestamp", "delete_timestamp", "status_changed_at")
        put, delete, changed = (Timestamp(str(info[name])) for name in names)
        count = info.get("count", info.get("object_count"))
        return cls(int(info["storage_policy_index"]), put, delete, changed, 0 if count in ZERO_LIKE else int(count))

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Claim:
        """Read what a container server answers to a HEAD, be it a 404 (formats.md 5.2).

        :param headers: looked up in any case
        :raises ValueError: for what is no timestamp or number
        """
        names = ("X-Backend-PUT-Timestamp", "X-Backend-DELETE-Timestamp", "X-Backend-Status-Changed-At")
        put, delete, changed = (Timestamp(headers.get(name) or "0") for name in names)
        return cls(int(headers.get("X-Backend-Storage-Policy-Index") or 0), put, delete, changed)

    @property
    def is_deleted(self) -> bool:
        """Whether the container is deleted there."""
        return self.delete > self.put and not self.object_count

    @property
    def is_recreated(self) -> bool:
        """Whether it was deleted and has been created again."""
        return self.put > self.delete > ZERO

    @property
    def is_void(self) -> bool:
        """Whether nobody has ever created or deleted it there: no database, so nothing to say about policies."""
        return not self.put and not self.delete

    def beats(self, other: Claim) -> bool:
        """Whether the policy of this replica is right rather than the other's (formats.md 1.8).

        What exists is right, and what was created again; else what was first. Of two claims at one moment the lower
        index is right, so that any two replicas agree.
        """
        if self.is_deleted != other.is_deleted:
            return other.is_deleted
        if self.is_deleted:
            return (self.changed, -self.policy_index) > (other.changed, -other.policy_index)
        if self.is_recreated != other.is_recreated:
            return self.is_recreated
        deleted = max(self.delete, other.delete)
        if self.is_recreated and (self.put < deleted) != (other.put < deleted):
            return other.put < deleted
        return (self.changed, self.policy_index) < (other.changed, other.policy_index)


def policy_to_take(local: Claim, remote: Claim) -> int | None:
    """The policy index that a replica has to take over from another one; None: it keeps its own."""
    return remote.policy_index if remote.policy_index != local.policy_index and remote.beats(local) else None


def best_claim(claims: Iterable[Claim]) -> Claim | None:
    """The claim that is right; None where no replica has one."""
    best = None
    for claim in claims:
        if not claim.is_void and (best is None or claim.beats(best)):
            best = claim
    return best


# The queue ------------------------------------------------------------------------------------------------------------


def queue_container(created_at: str) -> str:
    """The queue's container for a row: the hour of its newest timestamp.

    :param created_at: of the row, up to three timestamps in one (formats.md 2)
    """
    newest = decode_timestamps(created_at)[2]
    assert newest is not None
    return str(int(newest) // DIVISOR * DIVISOR)


def queue_rows(
    rows: Iterable[Mapping[str, Any]], account: str, container: str
) -> dict[str, list[dict[str, str | int]]]:
    """What to put into the queue for misplaced rows of a container: queue container -> rows.

    :param rows: dictionaries with the columns of ``object`` (formats.md 4.3)
    """
    found = defaultdict(list)
    for row in rows:
        # The object's timestamps are the row's own, so that no older change replaces a newer one in the queue.
        found[queue_container(row["created_at"])].append(
            {
                "name": f"{row['storage_policy_index']}:/{account}/{container}/{row['name']}",
                "created_at": row["created_at"],
                "size": 0,
                "content_type": DELETE_TYPE if row["deleted"] else PUT_TYPE,
                "etag": row["created_at"],
                "deleted": 0,
                "storage_policy_index": 0,
            }
        )
    return dict(found)


class Entry(NamedTuple):
    """A row of the queue: a change of an object was made in a policy that may not be the container's.

    :param queue: the queue's container
    :param row: the row's name
    :param timestamp: when the change was made
    :param newest: when the object's metadata were set last; what the row's own time is, too,
    :param queued: but where an operator has queued it anew
    """

    queue: str
    row: str
    policy_index: int
    target: EntityName
    is_deletion: bool
    timestamp: Timestamp
    newest: Timestamp
    queued: Timestamp

    @classmethod
    def from_listing(cls, queue: str, listed: Mapping[str, Any]) -> Entry:
        """Read what the listing of a queue's container says.

        :raises ValueError: when it cannot be understood
        """
        index, colon, path = str(listed["name"]).partition(":")
        if not colon or not index.isdecimal():
            raise ValueError("the name does not begin with a policy's index and a colon")
        names = split_path(path, 3, 3, rest_with_last=True)
        content_type = listed.get("content_type")
        if content_type not in (PUT_TYPE, DELETE_TYPE):
            raise ValueError(f"{content_type!r} is neither {PUT_TYPE} nor {DELETE_TYPE}")
        timestamp, _, newest = decode_timestamps(str(listed["hash"]))
        assert newest is not None
        steps = (datetime.fromisoformat(str(listed["last_modified"])) - _EPOCH) // timedelta(microseconds=10)
        deletes = content_type == DELETE_TYPE
        target = EntityName(*names)  # type: ignore[arg-type]
        return cls(
            queue, str(listed["name"]), int(index), target, deletes, timestamp, newest, Timestamp(0, delta=steps)
        )

    @property
    def removed_at(self) -> Timestamp:
        """The timestamp of the DELETE that takes the row out of the queue.

        A POST does not make it later: a change between the data and the POST may yet have to be queued.
        """
        is_queued_anew = self.queued.raw != self.newest.raw
        return Timestamp(max(self.timestamp, self.queued) if is_queued_anew else self.timestamp, offset=2)


# What to do with an object --------------------------------------------------------------------------------------------


class Source(NamedTuple):
    """The newest version in the wrong policy.

    :param timestamp: of its data
    """

    timestamp: Timestamp
    has_expired: bool


class Action(enum.Enum):
    """What has to be done in the right policy, unless it has something newer anyway."""

    PUT = enum.auto()
    DELETE = enum.auto()
    NOTHING = enum.auto()
    """The version is not to be found: without something newer in the right policy, look again later."""


class Plan(NamedTuple):
    """How to settle an entry; in this order, and the last step only when the others have succeeded.

    :param wanted: the right policy is in order when it has a change of this time or later
    :param written: the time of what is written there otherwise
    :param cleaned: the time of the DELETE in the wrong policy
    """

    action: Action
    wanted: Timestamp
    written: Timestamp
    cleaned: Timestamp


def plan(entry: Entry, source: Source | None) -> Plan:
    """Decide what is to be done about an entry.

    A version that is newer than the entry is dealt with in its stead. A deletion of the wrong policy does not go by
    what is found there, for a replica that has missed it may be all that answers.

    :param source: what was found in the wrong policy; None: nothing, or a deletion
    """
    asked = entry.timestamp
    if source is not None and (source.timestamp > asked or (source.timestamp == asked and not entry.is_deletion)):
        moved, after = source.timestamp, Timestamp(source.timestamp, offset=1)
        if source.has_expired:
            return Plan(Action.DELETE, moved, after, after)
        return Plan(Action.PUT, moved, Timestamp(moved, offset=3), after)
    if entry.is_deletion:
        return Plan(Action.DELETE, asked, Timestamp(asked, offset=1), asked)
    return Plan(Action.NOTHING, asked, asked, Timestamp(asked, offset=1))


class Known(NamedTuple):
    """What the replicas of the right policy know of an object: the time of the data or of the deletion.

    :param times: one for each primary; ZERO where it knows nothing, None where it did not answer
    """

    times: Sequence[Timestamp | None]

    def has(self, wanted: Timestamp) -> bool:
        """Whether most of them have a change of this time or a later one, so that it cannot be lost."""
        return sum(time is not None and time >= wanted for time in self.times) >= majority(len(self.times))

    def time_to_write(self, settled: Plan) -> Timestamp:
        """When to date the PUT: later than what an attempt that was cut short has left on some replicas."""
        same = [time for time in self.times if time is not None and time.raw == settled.written.raw]
        return max([settled.written, *(Timestamp(time, offset=1) for time in same)])


def known_time(reply: Reply | None, action: Action) -> Timestamp | None:
    """Since when an object server knows what it answered to a HEAD: ZERO for nothing, None where it has not told.

    A newer POST keeps an object from being deleted, but not from being replaced: it holds for the new data, too.
    """
    if reply is None or (reply.status != 404 and reply.status // 100 != 2):
        return None
    newest = reply.headers.get("X-Backend-Timestamp") or "0"
    try:
        return Timestamp(newest if action is Action.DELETE else reply.headers.get("X-Backend-Data-Timestamp") or newest)
    except ValueError:
        return None
