"""Removal: deletes a container with all its objects, at every server that has a replica of one of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal
from urllib.parse import quote

from swiftlite.account.asking import Asker
from swiftlite.common.concurrency import GreenPool
from swiftlite.core.hosts import spell_address
from swiftlite.core.json_text import load_json
from swiftlite.core.placement import Target, deal_accounts, spread_updates
from swiftlite.core.quorum import quorum_size
from swiftlite.core.reaping import is_gone, outcome
from swiftlite.core.timestamp import ZERO, Timestamp
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.messages import POLICY_INDEX, AccountUpdate, ObjectOrder, UpdateTargets

Counts = Counter[str]


@dataclass(frozen=True)
class Doomed:
    """A container that is to go.

    :param confirm: raises when the account must not be emptied after all; called before every page of objects
    """

    account: str
    container: str
    policy_index: int
    account_partition: int
    account_nodes: Sequence[Node]
    confirm: Callable[[], None]

    @property
    def path(self) -> str:
        """``/account/container``."""
        return f"/{self.account}/{self.container}"


class Removal:
    """Deletes containers and their objects.

    :param objects: limits how many objects are deleted at once, of all containers together
    :param clock: seconds since the epoch
    """

    def __init__(
        self,
        asker: Asker,
        containers: Ring,
        object_ring: Callable[[int], Ring | None],
        objects: GreenPool,
        clock: Callable[[], float],
        logger: logging.Logger,
    ) -> None:
        self.asker = asker
        self.containers = containers
        self.object_ring = object_ring
        self.objects = objects
        self.clock = clock
        self.logger = logger

    def remove(self, doomed: Doomed) -> Counts:
        """Delete one container with its objects.

        :returns: how many containers and objects are deleted, remaining or possibly remaining
        :raises Exception: whatever ``doomed.confirm`` raises
        """
        partition, nodes = self.containers.get_nodes(doomed.account, doomed.container)
        counts: Counts = Counter()
        for node in reversed(nodes):  # One replica's listing will do, mostly.
            if self._empty(doomed, partition, node, nodes, counts):
                break
        doomed.confirm()
        statuses = self._delete(doomed, partition, nodes)
        full = [node for node, status in zip(nodes, statuses, strict=True) if status == 409]
        if full:  # They have rows that the one that was listed had not.
            for node in full:
                self._empty(doomed, partition, node, nodes, counts)
            statuses = self._delete(doomed, partition, nodes)
        counts["containers_" + outcome(statuses)] += 1
        if statuses and all(status == 404 for status in statuses):
            self._forget(doomed, partition, nodes)
        return counts

    # Objects --------------------------------------------------------------------------------------------------------

    def _empty(self, doomed: Doomed, partition: int, node: Node, nodes: Sequence[Node], counts: Counts) -> bool:
        """Delete the objects that one replica of a container lists.

        :returns: whether it could be listed to the end
        """
        marker = ""
        while True:
            doomed.confirm()
            query = f"format=json&marker={quote(marker, safe='')}"
            (answer,) = self.asker.ask("GET", partition, doomed.path, [(node, {})], query)
            if answer.status // 100 != 2:
                return False
            names = [entry["name"] for entry in load_json(answer.body or b"[]")]
            if not names or names[-1] <= marker:  # The latter would be a server that goes round in circles.
                return True
            self._delete_objects(doomed, names, int(answer.headers.get(POLICY_INDEX) or 0), (partition, nodes), counts)
            marker = names[-1]

    def _delete_objects(
        self, doomed: Doomed, names: Iterable[str], policy_index: int, rows: tuple[int, Sequence[Node]], counts: Counts
    ) -> None:
        names = list(names)
        ring = self.object_ring(policy_index)
        if ring is None:
            self.logger.error("%s: cannot delete its objects: no storage policy %d here", doomed.path, policy_index)
            counts["objects_remaining"] += len(names)
            return
        calls = [
            self.objects.spawn(self._delete_object, ring, (doomed.account, doomed.container, name), policy_index, rows)
            for name in names
        ]
        for call in calls:
            counts["objects_" + call.wait()] += 1

    def _delete_object(
        self, ring: Ring, name: tuple[str, str, str], policy_index: int, rows: tuple[int, Sequence[Node]]
    ) -> str:
        """Write a tombstone over each replica of an object; its server takes the row out of the container's replicas."""
        partition, nodes = ring.get_nodes(*name)
        container_partition, containers = rows
        shares = spread_updates(len(nodes), quorum_size(len(nodes)), [_target(node) for node in containers])
        timestamp = Timestamp(self.clock())
        requests = []
        for node, share in zip(nodes, shares, strict=True):
            targets = _targets("Container", share.containers, container_partition)
            order = ObjectOrder(timestamp, policy_index, targets, next_part_power=ring.next_part_power)
            requests.append((node, order.to_headers()))
        return outcome(
            [answer.status for answer in self.asker.ask("DELETE", partition, "/" + "/".join(name), requests)]
        )

    # The container --------------------------------------------------------------------------------------------------

    def _delete(self, doomed: Doomed, partition: int, nodes: Sequence[Node]) -> list[int]:
        """Delete all replicas of a container; between them they tell all replicas of the account.

        :returns: the statuses
        """
        stamp = Timestamp(self.clock()).internal
        shares = deal_accounts(len(nodes), [_target(node) for node in doomed.account_nodes])
        requests = []
        for node, accounts in zip(nodes, shares, strict=True):
            targets = _targets("Account", accounts, doomed.account_partition)
            headers = {"X-Timestamp": stamp, "X-Account-Override-Deleted": "yes"}
            requests.append((node, headers | (targets.to_headers() if targets else {})))
        return [answer.status for answer in self.asker.ask("DELETE", partition, doomed.path, requests)]

    def _forget(self, doomed: Doomed, partition: int, nodes: Sequence[Node]) -> None:
        """Take a container that is nowhere out of the account itself, for no container server will ever do it."""
        handoffs = [(node, {}) for node in islice(self.containers.handoffs(partition), len(nodes))]
        if not all(answer.status == 404 for answer in self.asker.ask("HEAD", partition, doomed.path, handoffs)):
            return
        update = AccountUpdate(ZERO, Timestamp(self.clock()), 0, 0, doomed.policy_index, override_deleted=True)
        requests = [(node, update.to_headers()) for node in doomed.account_nodes]
        answers = self.asker.ask("PUT", doomed.account_partition, doomed.path, requests)
        if not all(is_gone(answer.status) for answer in answers):
            self.logger.info("%s is nowhere, but not all replicas of its account could be told", doomed.path)


def _target(node: Node) -> Target:
    return Target(spell_address(*node.address), node.device)


def _targets(kind: Literal["Account", "Container"], targets: Sequence[Target], partition: int) -> UpdateTargets | None:
    if not targets:
        return None
    return UpdateTargets(
        kind, tuple(target.host for target in targets), tuple(target.device for target in targets), str(partition)
    )
