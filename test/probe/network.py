"""Network: hosts on one bridge, each in a namespace of its own; links that are cut, slowed or made lossy."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from contextlib import AbstractContextManager

from probe.namespaces import Namespace

HUB = "10.77.0.1"
"""The address of the namespace with the bridge; the test's own requests come from it."""
_PREFIX = 24
_FIREWALL = """\
table inet probe {
    set cut { type ipv4_addr; }
    chain input { type filter hook input priority 0; ip saddr @cut drop; jump lossy; }
    chain lossy { }
}
"""


class Network:
    """Hosts, numbered from 1, and the hub that joins them. All networks have the same addresses: they never meet.

    Nothing is changed outside the namespaces made here.

    :param hosts: how many there are at first
    """

    def __init__(self, hosts: int = 0) -> None:
        self.hub = Namespace()
        self.hosts: dict[int, Namespace] = {}
        bridge = ("link add bridge type bridge", f"address add {HUB}/{_PREFIX} dev bridge", "link set bridge up")
        self.hub.run(["ip", "-batch", "-"], "\n".join(("link set lo up", *bridge)))
        for _ in range(hosts):
            self.add()

    def add(self) -> int:
        """Add a host; return its number."""
        number = len(self.hosts) + 1
        host = self.hosts[number] = Namespace()
        ends = f"link add host{number} type veth peer name eth0 netns {host.path}"
        self.hub.run(["ip", "-batch", "-"], f"{ends}\nlink set host{number} master bridge up")
        address = f"address add {self.ip(number)}/{_PREFIX} dev eth0"
        host.run(["ip", "-batch", "-"], "\n".join(("link set lo up", address, "link set eth0 up")))
        host.run(["nft", "-f", "-"], _FIREWALL)
        return number

    @staticmethod
    def ip(number: int) -> str:
        """The address of a host."""
        return str(ipaddress.IPv4Address(HUB) + 9 + number)

    # ------------------------------------------------------------------------------------------------------------ cuts

    def unplug(self, number: int) -> None:
        """Take a host off the net, as if its cable were pulled: it hears from nobody, and nobody from it."""
        self.hub.run(["ip", "link", "set", f"host{number}", "down"])

    def plug_in(self, number: int) -> None:
        """Put it back."""
        self.hub.run(["ip", "link", "set", f"host{number}", "up"])

    def partition(self, *groups: Collection[int]) -> None:
        """Let hosts of one group hear nothing from those of the others: what is sent is lost. The hub reaches all.

        Replaces an earlier partition; hosts in no group are cut off from nobody.
        """
        self.heal()
        for group in groups:
            others = [self.ip(number) for other in groups if other is not group for number in other]
            for number in group:
                rules = [f"add element inet probe cut {{ {', '.join(others)} }}"] if others else []
                self.hosts[number].run(["nft", "-f", "-"], "\n".join(rules))

    def heal(self) -> None:
        """End a partition."""
        for host in self.hosts.values():
            host.run(["nft", "flush", "set", "inet", "probe", "cut"])

    # -------------------------------------------------------------------------------------------------- slow and lossy

    def slow(self, number: int, kilobits: int, queue_milliseconds: int = 1000) -> None:
        """Let a host send and receive no more than so many kilobits a second.

        There is no constant delay (the kernel's netem is not everywhere): what delays is the queue, which holds
        packets of up to so many milliseconds and loses others.
        """
        limit = f"tbf rate {kilobits}kbit burst 16kb latency {queue_milliseconds}ms"
        self.hosts[number].run(["tc", "qdisc", "replace", "dev", "eth0", "root", *limit.split()])
        self.hub.run(["tc", "qdisc", "replace", "dev", f"host{number}", "root", *limit.split()])

    def quicken(self, number: int) -> None:
        """Take the limit away."""
        self.hosts[number].run(["tc", "qdisc", "delete", "dev", "eth0", "root"])
        self.hub.run(["tc", "qdisc", "delete", "dev", f"host{number}", "root"])

    def lose(self, number: int, percent: int) -> None:
        """Let so many of the packets that come to a host be lost, at random; 0: none."""
        rules = ["flush chain inet probe lossy"]
        if percent:
            rules.append(
                f'add rule inet probe lossy iifname "eth0" numgen random mod 100 <= {percent - 1} counter drop'
            )
        self.hosts[number].run(["nft", "-f", "-"], "\n".join(rules))

    def lost(self, number: int) -> int:
        """How many packets have been lost so since `lose` was called last."""
        words = self.hosts[number].run(["nft", "list", "chain", "inet", "probe", "lossy"]).split()
        return int(words[words.index("packets") + 1]) if "packets" in words else 0

    # -------------------------------------------------------------------------------------------------------------- end

    def inside(self) -> AbstractContextManager[None]:
        """What this thread opens or starts within the block is at the hub, from where all hosts can be reached."""
        return self.hub.inside()

    def close(self) -> None:
        """Let go of all namespaces; those vanish in which nothing runs."""
        for namespace in (*self.hosts.values(), self.hub):
            namespace.close()
