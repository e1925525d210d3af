"""IPv6 between the two: how container servers are named to object servers, by either side's proxy, for either side's server."""

from __future__ import annotations

import json
import time

import pytest

from fakes.ports import free_port
from interop.lab import Lab
from swiftlite.core.names import HashPath
from swiftlite.proxy.cluster import target
from swiftlite.ring.builder import RingBuilder
from swiftlite.ring.ring import Ring

NOW = int(time.time()) - 1000
THEIR_SPELLING = "%(ip)s:%(port)s"
"""OpenStack Swift puts no brackets around an address (proxy/controllers/obj.py); ours does."""


@pytest.mark.parametrize(("objects", "containers"), [("ours", "theirs"), ("theirs", "ours")])
def test_a_container_server_on_ipv6_is_told_whoever_spelled_its_address(
    lab: Lab, objects: str, containers: str
) -> None:
    port = free_port()
    builder = RingBuilder(4, 1, 1)
    device = {"region": 1, "zone": 1, "ip": "::1", "port": port, "device": "d1", "weight": 1.0}
    builder.add_device(device)
    builder.rebalance(seed=1)
    builder.write_ring(lab.swift_dir / "container.ring.gz")
    ring = Ring(lab.swift_dir, "container", hash_path=HashPath(b"pre", b"suf"))
    partition = ring.partition("AUTH_t", "c")
    (node,) = ring.primaries(partition)
    devices = lab.devices()
    listing = lab.start(containers, "container", devices, ("::1", port))
    container = f"/d1/{partition}/AUTH_t/c"
    assert listing.ask("PUT", container, {"X-Timestamp": f"{NOW}.00000"}).status == 201
    server = lab.start(objects, "object", devices, ("::1", free_port()))
    spellings = {"ours": target(node).host, "theirs": THEIR_SPELLING % device}
    assert spellings["ours"] != spellings["theirs"]
    for number, (name, host) in enumerate(spellings.items(), 1):
        order = {"X-Container-Host": host, "X-Container-Device": "d1", "X-Container-Partition": str(partition)}
        order |= {"Content-Type": "text/plain", "X-Timestamp": f"{NOW + number}.00000"}
        assert server.ask("PUT", f"/d1/7/AUTH_t/c/{name}", order, b"hello").status == 201
    names = [row["name"] for row in json.loads(listing.ask("GET", container, query="format=json").body)]
    assert names == ["ours", "theirs"]
    assert [path for path in devices.glob("*/async_pending/*/*") if path.is_file()] == []
