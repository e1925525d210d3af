"""Which of two replicas' policies a container has: both ends of replication ask this, each for itself (formats.md 1.8)."""

from __future__ import annotations

import time
from typing import Any

from swiftlite.container.backend import ContainerBroker
from swiftlite.core.misplaced import Claim, policy_to_take
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.broker import DatabaseBroker


def take_policy(broker: DatabaseBroker, info: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Give a container the policy of another replica, if that is right.

    :param info: what the container says of itself
    :param theirs: what the other replica says of itself
    :returns: whether the policy was changed
    :raises ValueError: when the other replica talks nonsense
    """
    assert isinstance(broker, ContainerBroker)
    if theirs.get("storage_policy_index") is None:
        return False  # a peer with a single policy says nothing of it
    index = policy_to_take(Claim.from_info(info), Claim.from_info(theirs))
    if index is None:
        return False
    broker.set_storage_policy_index(index, Timestamp(time.time()).internal)
    return True
