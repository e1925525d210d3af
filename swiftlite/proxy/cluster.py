"""Cluster: rings, node order, error limits and timeouts: all that a controller may know of the other servers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.constraints import Constraints
from swiftlite.core.names import HashPath
from swiftlite.core.placement import ExpirerQueue, Target
from swiftlite.http.client import Client
from swiftlite.proxy.nodes import ErrorLimits, NodeIter
from swiftlite.proxy.options import ProxyOptions
from swiftlite.ring.ring import Node, Ring


class Cluster:
    """The other servers, as one proxy process sees them.

    :param load_ring: makes the ring of a name; instead of reading the file in ``swift_dir``
    :raises RingError: when a ring cannot be loaded: better at the start than at the first request
    """

    def __init__(
        self,
        options: ProxyOptions,
        swift: SwiftConf,
        log: logging.Logger,
        load_ring: Callable[[str], Ring] | None = None,
    ) -> None:
        self.options = options
        self.log = log
        self.hash_path: HashPath = swift.hash_path
        self.constraints: Constraints = swift.constraints
        self.policies: StoragePolicies = swift.policies
        self.client = Client(conn_timeout=options.conn_timeout, node_timeout=options.node_timeout)
        self.limits = ErrorLimits(options.error_suppression_limit, options.error_suppression_interval, log)
        self.expirer_queue = ExpirerQueue(
            swift.constraints.auto_create_account_prefix + options.expiring_objects_account_name,
            options.expiring_objects_container_divisor,
        )
        load = load_ring or self._load
        self.account_ring = load("account")
        self.container_ring = load("container")
        self._object_rings = {policy.index: load(policy.ring_name) for policy in swift.policies}

    @property
    def user_agent(self) -> str:
        """How this process calls itself; asked after the fork."""
        return f"proxy-server {os.getpid()}"

    def _load(self, name: str) -> Ring:
        return Ring(self.options.swift_dir, name, hash_path=self.hash_path)

    def object_ring(self, policy: StoragePolicy) -> Ring:
        """The ring of a policy's objects."""
        return self._object_rings[policy.index]

    def nodes(self, ring: Ring, partition: int) -> NodeIter:
        """The nodes that a request for this partition may try."""
        return NodeIter(ring, partition, self.limits, self.options.request_node_count.of(ring.replica_count))


def target(node: Node) -> Target:
    """The node as one that hears of updates."""
    host = f"[{node.ip}]" if ":" in node.ip else node.ip
    return Target(f"{host}:{node.port}", node.device)
