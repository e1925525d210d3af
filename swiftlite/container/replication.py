"""ContainerReplication: what REPLICATE does to containers besides what it does to accounts (formats.md 4.8)."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from swiftlite.common import web
from swiftlite.container.policy_choice import take_policy
from swiftlite.container.shard_rows import merge_shard_ranges, own_name, shard_ranges
from swiftlite.core.rows import is_storable
from swiftlite.core.shard_ranges import ShardRange, is_sharding
from swiftlite.db.broker import DatabaseBroker
from swiftlite.db.controller import Reply, bad_request
from swiftlite.db.replication import Place, Replication


class ContainerReplication(Replication):
    """Answers the REPLICATE requests for container databases."""

    operations: ClassVar[dict[str, str]] = {
        **Replication.operations,
        "merge_shard_ranges": "_merge_shard_ranges",
        "get_shard_ranges": "_get_shard_ranges",
    }

    def settle(self, broker: DatabaseBroker, info: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        """Take over the sender's policy where it is right."""
        try:
            return broker.replication_info() if take_policy(broker, self._server.swift.policies, info, theirs) else info
        except ValueError as error:
            raise bad_request(f"Bad arguments: {error}") from None

    def merge_rest(self, existing: DatabaseBroker, received: DatabaseBroker) -> None:
        """Merge what a container knows besides its rows, shard ranges included; not once its rows go to shards."""
        ranges = shard_ranges(existing)
        if is_sharding(ranges, own_name(existing)):
            raise web.HTTPNotFound()
        merge_shard_ranges(received, ranges)
        super().merge_rest(existing, received)

    def _merge_shard_ranges(self, place: Place, *arguments: Any) -> Reply:
        if len(arguments) != 2 or not isinstance(arguments[0], list):
            raise bad_request("The arguments must be a list of shard ranges and the sender's id")
        try:
            ranges = [ShardRange.from_mapping(row) for row in arguments[0]]
            if not all(is_storable(found) for found in ranges):
                raise ValueError("a shard range that no database can keep")
        except ValueError as error:
            raise bad_request(str(error)) from None
        merge_shard_ranges(self.existing(place), ranges)
        return Reply(202)

    def _get_shard_ranges(self, place: Place, *_: Any) -> Reply:
        found = [range_._asdict() for range_ in shard_ranges(self.existing(place))]
        return Reply(200, [("Content-Type", "application/json")], json.dumps(found).encode("ascii"))
