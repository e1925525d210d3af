"""AllowedHosts: which addresses an option's list of hosts means."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

Address = tuple[str, int]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class AllowedHosts:
    """A list of ``host``, ``host:port``, ``network/bits`` and ``*``; IPv6 addresses with a port stand in brackets.

    :ivar text: as it was given
    """

    text: str = ""
    everyone: bool = False
    hosts: frozenset[str] = frozenset()
    addresses: frozenset[Address] = frozenset()
    networks: tuple[Network, ...] = ()

    def __str__(self) -> str:
        return self.text

    def allows(self, address: Address) -> bool:
        """Whether the list names an address; host names are compared, not resolved."""
        if self.everyone or address in self.addresses or address[0] in self.hosts:
            return True
        if not self.networks:
            return False
        try:
            ip = ipaddress.ip_address(address[0])
        except ValueError:
            return False
        return any(ip in network for network in self.networks)

    @classmethod
    def parse(cls, text: str) -> AllowedHosts:
        """Read the option.

        :raises ValueError: when an element is none of these
        """
        hosts, addresses, networks = set(), set(), []
        words = [word.strip() for word in text.split(",") if word.strip()]
        for word in words:
            host, colon, port = word.rpartition(":")
            if word == "*":
                continue
            if "/" in word:
                networks.append(ipaddress.ip_network(word, strict=False))
            elif _is_ip(word.strip("[]")):
                hosts.add(word.strip("[]"))
            elif not colon:
                hosts.add(word)
            elif port.isdigit() and 0 < int(port) < 65536 and host:
                addresses.add((host.strip("[]"), int(port)))
            else:
                raise ValueError(f"{word!r} is neither host, host:port nor network")
        return cls(text.strip(), "*" in words, frozenset(hosts), frozenset(addresses), tuple(networks))


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
