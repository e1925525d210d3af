"""Misplaced objects: what one side's replicators queue, the other's reconciler moves; all storage servers are mixed."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.ports import free_port
from fakes.rsync_daemon import rsync_daemon
from interop import lab as labs
from interop.cloud import Cloud, running, token
from interop.lab import SIDES
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core import misplaced
from swiftlite.core.timestamp import Timestamp
from swiftlite.ring.ring import Ring
from swiftlite.wire.internal_client import InternalClient

LOGGER = logging.getLogger("test.peer_reconciler")
ACCOUNT = "AUTH_test"
GOLD, SILVER = 0, 1
REPLICATOR = """
[container-replicator]
rsync_module = rsync://{{replication_ip}}:{port}/container_{{replication_port}}

[container-updater]
"""
RECONCILER = """
[container-reconciler]
request_tries = 1

[pipeline:main]
pipeline = catch_errors proxy-logging cache proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
{post_quorum}
[filter:catch_errors]
use = egg:swift#catch_errors

[filter:proxy-logging]
use = egg:swift#proxy_logging

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
"""

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="replicators of OpenStack Swift need rsync")


@dataclass
class Torn:
    """A cluster whose containers may be made with two policies, and the daemons of either side that mend it."""

    cloud: Cloud
    rsync_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        lab = self.cloud.lab
        self.nodes = {server.address: server for server in lab.servers}
        self.swift = SwiftConf.load(str(lab.swift_dir))
        self.ring = Ring(str(lab.swift_dir), "container", hash_path=self.swift.hash_path)
        self.replicators = [
            lab.write_conf("container", devices, self._address(conf), REPLICATOR.format(port=self.rsync_port))
            for devices, (_, _, conf) in zip(self.cloud.devices, self._containers(), strict=True)
        ]
        default = labs.DEFAULT_SECTION.format(
            ip="127.0.0.1",
            port=1,
            user=pwd.getpwuid(os.getuid()).pw_name,
            swift_dir=lab.swift_dir,
            devices=self.cloud.devices[0],
            recon=lab.directory / "recon",
        )
        self.reconciler = lab.directory / "container-reconciler.conf"
        self.reconciler.write_text(default + RECONCILER.format(post_quorum=labs.POST_QUORUM))
        self.client = InternalClient.from_conf(str(self.reconciler), str(lab.swift_dir), "test", 1, LOGGER)

    def _containers(self) -> list[tuple[str, str, Path]]:
        return [conf for conf in self.cloud.confs if conf[1] == "container"]

    def _address(self, conf: Path) -> tuple[str, int]:
        return ("127.0.0.1", int(conf.stem.rpartition("-")[2]))

    def rsync_modules(self) -> dict[str, Path]:
        """The modules of an rsync daemon: one for each node."""
        pairs = zip(self.cloud.devices, self._containers(), strict=True)
        return {f"container_{self._address(conf)[1]}": devices for devices, (_, _, conf) in pairs}

    def make(self, container: str, started: float) -> None:
        """Make a container with silver on one of its servers, and with gold on the others a second later."""
        partition, nodes = self.ring.get_nodes(ACCOUNT, container)
        for node, policy in zip(nodes, (SILVER, GOLD, GOLD), strict=True):
            headers = {
                "X-Backend-Storage-Policy-Index": str(policy),
                "X-Timestamp": Timestamp(started + (policy == GOLD)).internal,
            }
            path = f"/{node.device}/{partition}/{ACCOUNT}/{container}"
            assert self.nodes[node.address].ask("PUT", path, headers).status == 201

    def change(self, method: str, policy: int, path: str, moment: float, body: bytes = b"", **more: str) -> None:
        """Make a change in a policy, whatever the container's is."""
        container, _, name = path.partition("/")
        headers = {"X-Backend-Storage-Policy-Index": str(policy), "X-Timestamp": Timestamp(moment).internal}
        headers |= {key.replace("_", "-"): value for key, value in more.items()}
        if method == "PUT":
            headers["Content-Length"] = str(len(body))
            assert self.client.upload((ACCOUNT, container, name), [body], headers) == 201
        else:
            self.client.request(method, (ACCOUNT, container, name), headers=headers, accept=(404,)).close()

    def replicate(self, side: str, passes: int = 2) -> None:
        """Make passes of one side's container replicator on every node, and tell the queue's account of containers."""
        for daemon in [*["container-replicator"] * passes, "container-updater"]:
            for conf in self.replicators:
                self.cloud.lab.run_once(side, daemon, conf)

    def queued(self, container: str) -> list[str]:
        """The queue's rows about a container."""
        queues = {entry["name"] for entry in self.client.containers(misplaced.ACCOUNT)}
        queues.add(misplaced.queue_container(Timestamp(time.time()).internal))
        rows = [row["name"] for queue in sorted(queues) for row in self.client.objects(misplaced.ACCOUNT, queue)]
        return sorted(row for row in rows if f"/{container}/" in row)

    def files(self, policy: int, path: str) -> set[str]:
        """The kinds of files that lie in an object's directories of a policy."""
        digest = self.swift.hash_path.hex(ACCOUNT, *path.split("/", 1))
        directory = "objects" if not policy else f"objects-{policy}"
        return {file.suffix for root in self.cloud.devices for file in root.glob(f"*/{directory}/*/*/{digest}/*")}


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Torn]:
    """Storage nodes of both sides, a proxy of each, and an rsync daemon."""
    with running(tmp_path_factory.mktemp("reconciler"), ("ours", "theirs", "ours")) as cloud:
        cloud.token = token(cloud, "ours")
        assert cloud.ask("ours", "PUT", "/whole").status == 201  # and with it the account
        made = Torn(cloud)
        with rsync_daemon(cloud.lab.directory, made.rsync_modules(), made.rsync_port):
            yield made


@pytest.mark.parametrize(("replicator", "reconciler"), [SIDES, SIDES[::-1]])
def test_a_container_made_with_two_policies_is_mended(torn: Torn, replicator: str, reconciler: str) -> None:
    container = f"c-{replicator}-{reconciler}"
    started = time.time() - 100
    torn.make(container, started)
    torn.change("PUT", GOLD, f"{container}/é/☃", started + 10, b"from gold", X_Object_Meta_Color="blue")
    torn.change("PUT", GOLD, f"{container}/older", started + 10, b"loses")
    torn.change("PUT", SILVER, f"{container}/older", started + 20, b"wins")
    torn.change("PUT", SILVER, f"{container}/newer", started + 10, b"loses")
    torn.change("PUT", GOLD, f"{container}/newer", started + 20, b"wins")
    torn.change("PUT", GOLD, f"{container}/posted", started + 10, b"x", Content_Type="text/plain")
    torn.change("POST", GOLD, f"{container}/posted", started + 20, X_Object_Meta_Color="red")
    torn.change("PUT", SILVER, f"{container}/gone", started + 10, b"x")
    torn.change("PUT", GOLD, f"{container}/gone", started + 20, b"x")
    torn.change("DELETE", GOLD, f"{container}/gone", started + 30)

    torn.replicate(replicator)
    names = ["gone", "newer", "older", "posted", "é/☃"]
    assert torn.queued(container) == [f"0:/{ACCOUNT}/{container}/{name}" for name in names]
    torn.cloud.lab.run_once(reconciler, "container-reconciler", torn.reconciler)

    assert torn.queued(container) == []
    for proxy in SIDES:
        listed = torn.cloud.ask(proxy, "GET", f"/{container}")
        assert listed.headers["x-storage-policy"] == "silver"
        assert listed.body.decode().split() == names[1:]
        bodies = [torn.cloud.ask(proxy, "GET", f"/{container}/{name}").body for name in names[1:]]
        assert bodies == [b"wins", b"wins", b"x", b"from gold"]
        posted = torn.cloud.ask(proxy, "HEAD", f"/{container}/posted")
        assert (posted.headers["x-object-meta-color"], posted.headers["content-type"]) == ("red", "text/plain")
        assert posted.headers["x-timestamp"] == Timestamp(started + 20).normal
        assert torn.cloud.ask(proxy, "HEAD", f"/{container}/é/☃").headers["x-object-meta-color"] == "blue"
    for name in names:
        assert ".data" not in torn.files(GOLD, f"{container}/{name}")
    # What the moves have left behind is queued by neither side.
    torn.replicate(reconciler, passes=1)
    assert torn.queued(container) == []
