"""Which object server tells which container server about a change, and where the expirer's queue keeps its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

from swiftlite.core.quorum import quorum_size
from swiftlite.core.timestamp import normal_delete_at

QUEUE_CLEANERS = 2
"""How many object servers remove an old row from the expirer's queue.

Each of them makes every container server work, and a row that is left over does no harm: the expirer finds nothing to
delete and drops it. So one, and another in case the first is down.
"""


class Target(NamedTuple):
    """One database replica that hears of a change: ``ip:port`` and device."""

    host: str
    device: str


class Share(NamedTuple):
    """What one object server tells, and to whom.

    :param containers: replicas of the container
    :param queue: replicas of the expirer queue's container
    :param cleans_queue: whether it removes the object's old row from that queue
    """

    containers: tuple[Target, ...]
    queue: tuple[Target, ...] = ()
    cleans_queue: bool = False


def updates_needed(containers: int, container_quorum: int, objects: int, object_quorum: int) -> int:
    """How many updates to hand out, so that a quorum of object servers carries a quorum of container updates.

    Any ``objects - object_quorum`` servers may fail with theirs.
    """
    return max(container_quorum + objects - object_quorum, containers)


def spread_updates(
    objects: int,
    object_quorum: int,
    containers: Sequence[Target],
    queue: Sequence[Target] = (),
) -> list[Share]:
    """Deal the container replicas out to ``objects`` object servers, the queue's replicas from the other end.

    From the other end, so that no server has both the most container updates and the most queue updates
    (formats.md 5.3).
    """
    told: list[list[Target]] = [[] for _ in range(objects)]
    queued: list[list[Target]] = [[] for _ in range(objects)]
    if objects and containers:
        count = updates_needed(len(containers), quorum_size(len(containers)), objects, object_quorum)
        next_container, next_queue = cycle(containers), cycle(queue)
        for number in range(count):
            index = number % objects
            told[index].append(next(next_container))
            if queue:
                queued[objects - 1 - index].append(next(next_queue))
    return [Share(tuple(told[i]), tuple(queued[i]), i < QUEUE_CLEANERS) for i in range(objects)]


@dataclass(frozen=True)
class ExpirerQueue:
    """Names the rows of the expirer's queue (formats.md 1.8).

    :param account: the hidden account that holds the queue
    :param divisor: seconds that share a container
    """

    account: str = ".expiring_objects"
    divisor: int = 86400

    def container(self, delete_at: int, object_hash: str) -> str:
        """The container of an object's row: a day, spread over a hundred containers.

        :param delete_at: Unix seconds
        :param object_hash: hash of the object's path, 32 hex digits
        """
        return normal_delete_at(delete_at // self.divisor * self.divisor - int(object_hash, 16) % 100)

    def object(self, delete_at: int, path: str) -> str:
        """The name of an object's row.

        :param path: ``account/container/object``, without a slash in front
        """
        return f"{normal_delete_at(delete_at)}-{path}"


def deal_accounts(requests: int, accounts: Sequence[Target]) -> list[tuple[Target, ...]]:
    """Deal the account replicas out to the ``requests`` container servers of a container PUT or DELETE."""
    told: list[list[Target]] = [[] for _ in range(requests)]
    for number, account in enumerate(accounts):
        told[number % requests].append(account)
    return [tuple(targets) for targets in told]
