"""The container replicator: brings the replicas of containers together (formats.md 4.8)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from swiftlite.common import daemon
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container import sync_store
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.misplaced import MisplacedQueue
from swiftlite.container.policy_choice import take_policy
from swiftlite.container.shard_rows import merge_shard_ranges, own_name, shard_ranges
from swiftlite.core.quorum import majority
from swiftlite.core.shard_ranges import ShardRange, is_sharding
from swiftlite.db.broker import DatabaseBroker
from swiftlite.db.peer import Peer
from swiftlite.db.replicator import DatabaseReplicator, ReplicatorOptions

_POLICY_FIELDS = ("status_changed_at", "count", "storage_policy_index")


class ContainerReplicator(DatabaseReplicator):
    """Bring the replicas of containers to the newest state."""

    section = "container-replicator"
    kind = "container"
    broker_class = ContainerBroker

    def __init__(self, options: ReplicatorOptions, swift: SwiftConf, logger: logging.Logger) -> None:
        super().__init__(options, swift, logger)
        self.has_policies = len(list(swift.policies)) > 1
        self.queue = MisplacedQueue(self.ring, self.client, logger, self.section)

    def sync_arguments(self, info: dict[str, Any]) -> list[Any]:
        """What is told to a peer about our database; of policies only where there are several."""
        more = [info[field] for field in _POLICY_FIELDS] if self.has_policies else []
        return super().sync_arguments(info) + more

    def settle(self, broker: DatabaseBroker, info: dict[str, Any], theirs: dict[str, Any], peer: Peer) -> None:
        """Take over the peer's policy, where it is right (formats.md 1.8), and exchange shard ranges."""
        take_policy(broker, self.swift.policies, info, theirs)
        if theirs.get("shard_max_row", -1) >= 0:
            told = peer.tell("get_shard_ranges").json()
            merge_shard_ranges(broker, [ShardRange.from_mapping(row) for row in told])
        if info["shard_max_row"] >= 0:
            ranges = [range_._asdict() for range_ in shard_ranges(broker)]
            peer.tell("merge_shard_ranges", ranges, info["id"])

    def defers_rows(self, broker: DatabaseBroker, info: dict[str, Any]) -> bool:
        """Whether the container's rows go to shards, and the sharder sees to them."""
        return info["shard_max_row"] >= 0 and is_sharding(shard_ranges(broker), own_name(broker))

    def after_replication(self, broker: DatabaseBroker, info: dict[str, Any], successes: Sequence[bool]) -> None:
        """Queue misplaced rows once most replicas agree on the policy, and mark the container if it is to be synced."""
        assert isinstance(broker, ContainerBroker)
        sync_store.update_link(broker)
        if sum(successes) >= majority(len(successes)):
            self.queue.feed(broker)

    def before_removal(self, broker: DatabaseBroker) -> None:
        """Let container sync forget it."""
        sync_store.remove_link(broker.path)


def main(argv: list[str]) -> int:
    """Run it: ``CONF [-v] [-o | --once] [-d D1,D2] [-p P1,P2]``; returns the exit status."""
    return daemon.main(ContainerReplicator, argv)
