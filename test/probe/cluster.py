"""ProbeCluster: hosts on a network, the rings that all of them share, and passes of their daemons."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from functional.cluster import USERS
from probe.book import Book
from probe.client import Proxy, Writer
from probe.hosts import PORTS, Host, Place, make_layout
from probe.network import Network
from swiftlite.cli import children, layout, ring_builder
from swiftlite.cli.layout import STORAGE_KINDS
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.ring import Node, Ring

PASSES = ("object-updater", "object-replicator", "container-replicator", "container-updater", "account-replicator")
"""What brings a cluster to rest, in the order in which each finds most to do."""
WEIGHT = 100.0


class ProbeCluster:
    """Hosts with servers of their own, and a namespace for each.

    While a cluster lives, the thread that made it is inside its network: it, its threads and what they start reach
    all hosts, and nothing else. `settings` are options by server kind and section, for all hosts.
    """

    def __init__(
        self,
        directory: Path,
        places: Iterable[Place],
        *,
        part_power: int = 5,
        replicas: int = 3,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory
        self.settings = settings or {}
        self.rings = directory / "rings"
        self.rings.mkdir(parents=True)
        self.swift_conf = layout.render({"swift-hash": {"swift_hash_path_suffix": secrets.token_hex(16)}})
        (self.rings / "swift.conf").write_text(self.swift_conf)
        self.swift = SwiftConf.load(str(self.rings))
        self.builders = {kind: RingBuilder(part_power, replicas, min_part_hours=1) for kind in STORAGE_KINDS}
        self._exit = ExitStack()
        self.network = Network()
        self._exit.callback(self.network.close)
        self._exit.enter_context(self.network.inside())
        self.hosts: dict[int, Host] = {}
        try:
            for place in places:
                host = self.add_host(place)
                for device in place.devices:
                    self.add_device(host, device)
            self.rebalance()
            self.push_rings()
        except BaseException:
            self.remove()
            raise

    def add_host(self, place: Place) -> Host:
        """Add a host, with its devices, but not to the rings; it is not started."""
        number = self.network.add()
        directory = self.directory / f"host{number}"
        plan = make_layout(directory, number, self.network.ip(number), place, self.settings)
        host = self.hosts[number] = Host(number, place, self.network.hosts[number], plan)
        host.write(self.swift_conf)
        return host

    # ---------------------------------------------------------------------------------------------------- life and death

    def start(self) -> ProbeCluster:
        """Start the servers of all hosts; return when all answer."""
        for host in self.hosts.values():
            host.launch()
        for host in self.hosts.values():
            host.wait_up()
        return self

    def remove(self) -> None:
        """End everything that runs, and leave nothing behind."""
        try:
            for host in self.hosts.values():
                host.kill()
        finally:
            self._exit.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    def power_off(self, *numbers: int) -> None:
        """Take hosts away without a word: off the net first, then SIGKILL to all that runs on them."""
        for number in numbers:
            self.network.unplug(number)
            self.hosts[number].kill()

    def power_on(self, *numbers: int) -> None:
        """Bring hosts back that were taken away."""
        for number in numbers:
            self.network.plug_in(number)
            self.hosts[number].launch()
        for number in numbers:
            self.hosts[number].wait_up()

    # ------------------------------------------------------------------------------------------------------------- rings

    def add_device(self, host: Host, device: str, weight: float = WEIGHT) -> None:
        """Add a device to all builders."""
        place = {"region": host.place.region, "zone": host.place.zone, "ip": host.ip, "device": device}
        for kind, port in zip(STORAGE_KINDS, PORTS, strict=True):
            self.builders[kind].add_device({**place, "port": port, "weight": weight})

    def remove_device(self, host: Host, device: str) -> None:
        """Remove a device from all builders."""
        for builder in self.builders.values():
            builder.remove_device(_device_id(builder, host, device))

    def set_weight(self, host: Host, device: str, weight: float) -> None:
        """Change a device's weight in all builders."""
        for builder in self.builders.values():
            builder.set_weight(_device_id(builder, host, device), weight)

    def rebalance(self) -> dict[str, int]:
        """Rebalance all builders, and write their rings; return for each how many replicas move."""
        moves = {kind: builder.rebalance(seed=1)[0] for kind, builder in self.builders.items()}
        for kind, builder in self.builders.items():
            builder.write_ring(self._ring_file(kind))
        return moves

    def let_move_again(self) -> None:
        """Let the next rebalance move what the last one moved, as if hours had passed."""
        for builder in self.builders.values():
            builder.pretend_min_part_hours_passed()

    def turn(self, kind: str, step: str) -> None:
        """Do something to a builder with the ring builder's command line, for example ``increase_partition_power``."""
        path = self.rings / f"{kind}.builder"
        self.builders[kind].save(path)
        assert ring_builder.main([str(path), step]) == 0
        builder = self.builders[kind] = RingBuilder.load(path)
        builder.write_ring(self._ring_file(kind))

    def push_rings(self) -> None:
        """Give every host the rings as they are now; its proxy starts anew with them, the rest sees them by and by."""
        for host in self.hosts.values():
            for kind in STORAGE_KINDS:
                new = host.swift_dir / f"{kind}.ring.gz.new"
                shutil.copy(self._ring_file(kind), new)
                new.rename(new.with_suffix(""))
            host.reload_proxy()

    def ring(self, kind: str = "object") -> Ring:
        """A ring as it was written last."""
        return Ring(self.rings, kind, hash_path=self.swift.hash_path)

    def _ring_file(self, kind: str) -> Path:
        return self.rings / f"{kind}.ring.gz"

    def host_of(self, node: Node) -> Host:
        """The host that a ring's device is on."""
        return next(host for host in self.hosts.values() if host.ip == node.ip)

    def path_of(self, node: Node) -> Path:
        """The directory of a ring's device."""
        return self.host_of(node).device(node.device)

    # ----------------------------------------------------------------------------------------------- clients and daemons

    def writer(self, number: int, book: Book) -> Writer:
        """A client of a host's proxy."""
        return Writer(self.proxy(number), book)

    def proxy(self, number: int) -> Proxy:
        """A host's proxy."""
        return Proxy(self.hosts[number].servers["proxy-server"].address, USERS)

    def set_options(self, kind: str, section: str, **options: str) -> None:
        """Change options in the conf of a kind of server on all hosts; daemons that start from now on read them."""
        for host in self.hosts.values():
            path = layout.conf_path(host.layout, kind, host.layout.nodes[0])
            layout.write_private(path, layout.set_options(path.read_text(), section, options))

    def run_passes(self, daemons: Sequence[str] = PASSES, hosts: Collection[int] | None = None) -> None:
        """Make a pass of each daemon: each on all hosts (or those named) at once, one daemon after the other."""
        chosen = [host for number, host in self.hosts.items() if hosts is None or number in hosts]
        for daemon in daemons:
            passes = [host.launch_pass(daemon) for host in chosen]
            for one in passes:
                one.wait()

    def last_words(self) -> list[str]:
        """The last line of every log, to say what went on when something went wrong."""
        logs = sorted(path for host in self.hosts.values() for path in (host.layout.directory / "log").iterdir())
        words = [(path.relative_to(self.directory), children.last_line(path)) for path in logs]
        return [f"{path}: {line}" for path, line in words if line]


def _device_id(builder: RingBuilder, host: Host, device: str) -> int:
    return next(int(found["id"]) for found in builder.present if (found["ip"], found["device"]) == (host.ip, device))
