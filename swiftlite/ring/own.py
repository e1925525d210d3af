"""Which devices of a ring are this machine's own: those that its daemons work on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swiftlite.common import addresses
from swiftlite.ring.ring import Node, Ring


def own_nodes(ring: Ring, ip: str, port: int | None) -> list[Node]:
    """The devices whose servers listen on this machine.

    :param ip: option ``ring_ip`` or ``bind_ip``
    :param port: option ``bind_port``: the ring's replication port; None for any
    :raises OSError: when the system does not tell its interfaces
    """
    own = addresses.own_addresses(ip)
    known = [Node.from_device(device) for device in ring.devices if device]
    return [
        node for node in known if port in (None, node.replication_port) and addresses.is_own(node.replication_ip, own)
    ]


Place = tuple[str, str, int]
"""A device's name, and a host and port at which a server serves it. Nodes call their devices alike."""


def places(devices: Iterable[Mapping[str, Any] | None]) -> frozenset[Place]:
    """Where the devices of a ring are served: for clients' requests, and for those of replicators."""
    return frozenset(
        (str(device["device"]), str(device[f"{whose}ip"]), device[f"{whose}port"])
        for device in devices
        if device
        for whose in ("", "replication_")
    )


def own_devices(served: Iterable[Place], ip: str, port: int) -> frozenset[str]:
    """Names of the devices that a server of this machine serves.

    :param served: as :func:`places` tells
    :param ip: option ``ring_ip`` or ``bind_ip``
    :param port: option ``bind_port``
    :raises OSError: when the system does not tell its interfaces
    """
    own = addresses.own_addresses(ip)
    here = {(device, host) for device, host, its in served if its == port}
    hosts = {host for host in {host for _, host in here} if addresses.is_own(host, own)}
    return frozenset(device for device, host in here if host in hosts)


def place_among(primaries: Sequence[Node], own: Node) -> int | None:
    """A device's place among the primaries of a partition; None when it is none of them."""
    return next((place for place, node in enumerate(primaries) if is_same(node, own)), None)


def is_same(node: Node, own: Node) -> bool:
    """Whether two rings mean one device: in the newer one it may have another number, or another address."""
    return node.id == own.id or (node.replication_address, node.device) == (own.replication_address, own.device)
