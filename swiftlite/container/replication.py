"""ContainerReplication: what REPLICATE does to containers besides what it does to accounts (formats.md 4.8)."""

from __future__ import annotations

from typing import Any

from swiftlite.container.policy_choice import take_policy
from swiftlite.db.broker import DatabaseBroker
from swiftlite.db.controller import bad_request
from swiftlite.db.replication import Replication


class ContainerReplication(Replication):
    """Answers the REPLICATE requests for container databases."""

    def settle(self, broker: DatabaseBroker, info: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        """Take over the sender's policy where it is right."""
        try:
            return broker.replication_info() if take_policy(broker, info, theirs) else info
        except ValueError as error:
            raise bad_request(f"Bad arguments: {error}") from None
