"""Limits on wrong logins: which window of time a moment is in, and how long that lasts."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_network
from typing import NamedTuple


class Limit(NamedTuple):
    """So many wrong logins a window."""

    key: str
    """Of what is counted."""
    most: int


_HOME_BITS = 64
"""Of an IPv6 address, those that tell one client's network from another's; within it he has any address he likes."""


def counted_address(address: str) -> str:
    """Under which name wrong logins from an address are counted: with IPv6 its network, else itself."""
    try:
        network = ip_network(address.partition("%")[0])
    except ValueError:  # of a socket in the file system, or there is none
        return address
    first = network.network_address
    if not isinstance(first, IPv6Address):
        return address
    if first.ipv4_mapped:  # of a server that listens on :: for both
        return str(first.ipv4_mapped)
    return str(network.supernet(new_prefix=_HOME_BITS))


def window_of(now: float, length: int) -> int:
    """The number of the window that a moment is in; windows lie end to end.

    :param now: seconds since the epoch
    :param length: seconds
    """
    return int(now) // max(1, length)


def seconds_left(now: float, length: int) -> int:
    """Whole seconds until the next window begins: 1 at least, ``length`` at most."""
    length = max(1, length)
    return length - int(now) % length
