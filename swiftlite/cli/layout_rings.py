"""The rings and builders of a layout: made once, later only told of new addresses."""

from __future__ import annotations

from swiftlite.cli.layout import STORAGE_KINDS, Layout, ring_names
from swiftlite.ring.builder import RingBuilder

MIN_PART_HOURS = 1


def write_rings(layout: Layout) -> None:
    """Write builder and ring for accounts, containers and each storage policy's objects; keep existing assignments.

    Raises RingError when an existing builder file cannot be used.
    """
    for number, kind in enumerate(STORAGE_KINDS):
        for name in ring_names(layout, kind):
            path = layout.etc / f"{name}.builder"
            builder = RingBuilder.load(path) if path.exists() else _new(layout, number)
            _set_addresses(builder, layout, number)
            builder.save(path)
            builder.write_ring(layout.etc / f"{name}.ring.gz")


def _new(layout: Layout, number: int) -> RingBuilder:
    builder = RingBuilder(layout.part_power, layout.replicas, MIN_PART_HOURS)
    # With nodes to choose from, each is a zone; within the only node, each device stands for one.
    for node in layout.nodes:
        for place, device in enumerate(node.devices):
            zone = place + 1 if len(layout.nodes) == 1 else node.number
            port = node.ports[number]
            builder.add_device(
                {"region": 1, "zone": zone, "ip": node.ip, "port": port, "device": device, "weight": 100}
            )
    builder.rebalance(seed=0)
    return builder


def _set_addresses(builder: RingBuilder, layout: Layout, number: int) -> None:
    """Devices are in the builder in the order of the layout: ids stay theirs for ever."""
    wanted = [(node, device) for node in layout.nodes for device in node.devices]
    for device_id, (node, device) in enumerate(wanted):
        address = {"ip": node.ip, "port": node.ports[number], "device": device}
        builder.set_info(device_id, address | {"replication_ip": node.ip, "replication_port": node.ports[number]})
