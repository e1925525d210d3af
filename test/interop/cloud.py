"""A cluster of mixed servers: storage nodes of either side, and both sides' proxies over them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fakes.memcached_server import Memcached
from fakes.ports import free_port
from interop import rings
from interop.conftest import SWIFT_CONF
from interop.lab import SIDES, Answer, Lab, Server, wait_until
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.backend import ContainerBroker

LOGGER = logging.getLogger("test.cloud")
KINDS = ("account", "container", "object")
UPDATERS = "\n[object-updater]\n\n[container-updater]\n"


@dataclass
class Cloud:
    """Three storage nodes and a proxy of each side, that share one memcached."""

    lab: Lab
    confs: list[tuple[str, str, Path]]
    devices: list[Path]
    proxies: dict[str, Server]
    token: str = ""

    def ask(
        self,
        side: str,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        query: str = "",
    ) -> Answer:
        """Make a client's request to one side's proxy; `path` follows the account."""
        own = {"X-Auth-Token": self.token, **(headers or {})}
        return self.proxies[side].ask(method, f"/v1/AUTH_test{path}", own, body, query)

    def run_updaters(self) -> None:
        """Make one pass of each node's object updater and container updater."""
        for daemon in ("object", "container"):
            for side, kind, conf in self.confs:
                if kind == daemon:
                    self.lab.run_once(side, f"{daemon}-updater", conf)

    def agree(self, container: str) -> None:
        """Return when all replicas of a container, and of that of its versions, have the same rows.

        A client is answered when most have them; where an object server has given up telling one, an updater has to.
        """
        hash_path = SwiftConf.load(str(self.lab.swift_dir)).hash_path
        digests = [hash_path.hex("AUTH_test", name) for name in (container, f"\x00versions\x00{container}")]

        def is_same(digest: str) -> bool:
            paths = [path for root in self.devices for path in root.glob(f"*/containers/*/*/{digest}/*.db")]
            return len({ContainerBroker(str(path), "", logger=LOGGER).get_info()["hash"] for path in paths}) < 2

        def are_same() -> bool:
            return all(map(is_same, digests))

        with suppress(AssertionError):  # mostly the last object server is about to tell the last replica
            wait_until(are_same, "all replicas have the same rows", 5)
            return

        def are_made_same() -> bool:
            self.run_updaters()
            return are_same()

        wait_until(are_made_same, f"all replicas of {container} have the same rows", 120)

    def spooled(self) -> list[Path]:
        """Return all updates that wait to be delivered."""
        return [path for root in self.devices for path in root.glob("*/async_pending*/*/*") if path.is_file()]


@contextmanager
def running(directory: Path, sides: Sequence[str], filters: str = "") -> Iterator[Cloud]:
    """A storage node of each of these sides, and a proxy of either, in a directory of their own; `filters` as Lab's."""
    (directory / "etc").mkdir()
    (directory / "etc/swift.conf").write_text(SWIFT_CONF)
    memcached = Memcached()
    lab = Lab(directory / "etc", directory, memcached=memcached.server, filters=filters)
    try:
        yield start(lab, sides)
    finally:
        lab.stop()
        memcached.stop()


def start(lab: Lab, sides: Sequence[str]) -> Cloud:
    """Write rings over three nodes, start a storage server of each kind on each, and both proxies."""
    ports = {kind: [free_port() for _ in sides] for kind in KINDS}
    places = {kind: [f"127.0.0.1:{port}/d1" for port in ports[kind]] for kind in KINDS}
    rings.make(lab.swift_dir, {**places, "object-1": places["object"]}, part_power=6)
    confs, devices, servers = [], [], []
    for number, side in enumerate(sides):
        devices.append(lab.devices(f"node{number}", 1))
        for kind in KINDS:
            address = ("127.0.0.1", ports[kind][number])
            servers.append(lab.launch(side, kind, devices[-1], address))
            confs.append((side, kind, lab.write_conf(kind, devices[-1], address, UPDATERS)))
    proxies = {side: lab.launch(side, "proxy", devices[0]) for side in SIDES}
    lab.wait_up([*servers, *proxies.values()])
    return Cloud(lab, confs, devices, proxies)


def token(cloud: Cloud, side: str) -> str:
    """Return a token given out by one side's proxy."""
    answer = cloud.proxies[side].ask("GET", "/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"})
    assert answer.status == 200, answer
    return answer.headers["x-auth-token"]
