"""Cluster: rings, node order, error limits and timeouts: all that a controller may know of the other servers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial

from swiftlite.common import metrics
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.affinity import local_handoffs_first, local_nodes_first
from swiftlite.core.constraints import Constraints
from swiftlite.core.hosts import spell_address
from swiftlite.core.names import HashPath
from swiftlite.core.placement import ExpirerQueue, Target
from swiftlite.proxy.nodes import ErrorLimits, NodeIter
from swiftlite.proxy.options import PolicyOptions, ProxyOptions
from swiftlite.proxy.ordering import Order, Timings, node_order
from swiftlite.proxy.revival import Revival
from swiftlite.ring.ring import Node, Ring
from swiftlite.wire.node_client import node_client


class Cluster:
    """The other servers, as one proxy process sees them.

    :param load_ring: makes the ring of a name; instead of reading the file in ``swift_dir``
    :param policy_options: by policy index, where they differ from ``options``
    :raises RingError: when a ring cannot be loaded: better at the start than at the first request
    """

    def __init__(
        self,
        options: ProxyOptions,
        swift: SwiftConf,
        log: logging.Logger,
        load_ring: Callable[[str], Ring] | None = None,
        policy_options: Mapping[int, PolicyOptions] | None = None,
    ) -> None:
        self.options = options
        self.log = log
        self.hash_path: HashPath = swift.hash_path
        self.constraints: Constraints = swift.constraints
        self.policies: StoragePolicies = swift.policies
        self.client = node_client(swift.backend_tls, options.conn_timeout, options.node_timeout, log, debug=True)
        self.client.observer = metrics.BackendCounter() if options.metrics else None
        self.limits = ErrorLimits(options.error_suppression_limit, options.error_suppression_interval, log)
        self.limits.when_silent = Revival(self.limits, self.client, options.conn_timeout, log).watch
        self.expirer_queue = ExpirerQueue(
            swift.constraints.auto_create_account_prefix + options.expiring_objects_account_name,
            options.expiring_objects_container_divisor,
        )
        load = load_ring or self._load
        self.account_ring = load("account")
        self.container_ring = load("container")
        self._object_rings = {policy.index: load(policy.ring_name) for policy in swift.policies}
        self.has_silent_servers = False
        """Object servers were met that do not report who has a change's row."""
        self.late_rows = 0
        """Changes acknowledged before a majority of their container's replicas had the row."""
        self.timings = Timings(options.timing_expiry)
        self._order = self._node_order(options)
        own = {self._object_rings[index]: found for index, found in (policy_options or {}).items()}
        self._own_options: dict[Ring, PolicyOptions] = own
        self.sorts_by_timing = any(found.sorting_method == "timing" for found in (options, *own.values()))
        self._own_orders = {ring: self._node_order(found) for ring, found in own.items()}

    @property
    def user_agent(self) -> str:
        """How this process calls itself; asked after the fork."""
        return f"proxy-server {os.getpid()}"

    def _load(self, name: str) -> Ring:
        return Ring(self.options.swift_dir, name, hash_path=self.hash_path)

    def object_ring(self, policy: StoragePolicy) -> Ring:
        """The ring of a policy's objects."""
        return self._object_rings[policy.index]

    def options_of(self, ring: Ring) -> PolicyOptions:
        """What holds for the data of a ring: the options of its policy, or else those of the proxy."""
        return self._own_options.get(ring, self.options)

    def nodes(self, ring: Ring, partition: int) -> NodeIter:
        """The nodes that a request for this partition may try, in the order for reading."""
        return NodeIter(ring, partition, self.limits, self.node_count(ring), self._own_orders.get(ring, self._order))

    def write_nodes(self, ring: Ring, partition: int) -> NodeIter:
        """The nodes that may store an object: with a write affinity the local ones first, handoffs among them."""
        options = self.options_of(ring)
        if not options.write_affinity:
            return self.nodes(ring, partition)
        primaries = ring.primaries(partition)
        count = options.write_affinity_node_count.of(len(primaries))
        handoffs = partial(ring.handoffs, partition)
        sequence = local_nodes_first(primaries, handoffs, options.write_affinity, count)
        order = self._own_orders.get(ring, self._order)
        return NodeIter(ring, partition, self.limits, self.node_count(ring), order, sequence)

    def delete_nodes(self, ring: Ring, partition: int) -> tuple[NodeIter, int]:
        """The nodes that a DELETE goes to, and to how many of them: with a write affinity also to local handoffs,
        where an upload may have left the object."""
        options, primaries = self.options_of(ring), ring.primaries(partition)
        affinity = options.write_affinity
        if not affinity:
            return self.nodes(ring, partition), len(primaries)
        extra = options.write_affinity_handoff_delete_count
        if extra is None:
            extra = sum(not affinity.is_local(node) for node in primaries)
        sequence = local_handoffs_first(primaries, partial(ring.handoffs, partition), affinity, extra)
        order = self._own_orders.get(ring, self._order)
        nodes = NodeIter(ring, partition, self.limits, self.node_count(ring), order, sequence)
        return nodes, len(primaries) + extra

    def node_count(self, ring: Ring) -> int:
        """How many nodes one request may try."""
        return self.options.request_node_count.of(ring.replica_count)

    def _node_order(self, options: PolicyOptions) -> Order:
        if options.read_affinity and options.sorting_method != "affinity":
            self.log.warning("read_affinity has no effect, for sorting_method is %s", options.sorting_method)
        return node_order(options.sorting_method, options.read_affinity, self.timings)


def target(node: Node) -> Target:
    """The node as one that hears of updates."""
    return Target(spell_address(*node.address), node.device)
