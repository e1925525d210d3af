"""Which of two replicas' policies a container has: both ends of replication ask this, each for itself (formats.md 1.8)."""

from __future__ import annotations

import time
from typing import Any

from swiftlite.common.policies import StoragePolicies
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.misplaced import Claim, policy_to_take
from swiftlite.core.timestamp import Timestamp
from swiftlite.db.broker import DatabaseBroker


def take_policy(
    broker: DatabaseBroker, policies: StoragePolicies, info: dict[str, Any], theirs: dict[str, Any]
) -> bool:
    """Give a container the policy of another replica, if that is right, and swift.conf has it.

    :param policies: of swift.conf: in any other the container would be out of reach
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
    if policies.by_index(index) is None:
        broker.logger.error("%s: another replica has storage policy %d, which is not in swift.conf", broker.path, index)
        return False
    broker.set_storage_policy_index(index, Timestamp(time.time()).internal)
    return True
