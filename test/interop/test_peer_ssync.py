"""SSYNC across the sides: what either side's sender gives to the other's receiver is the same to the last byte."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fakes.database_servers import SWIFT
from fakes.replicas import CLIENT, PARTITION, POLICY, Files, contents, node_at
from interop import peer
from interop.lab import Lab, Server
from swiftlite.common.fs import FileSystem
from swiftlite.core.metadata import title_case
from swiftlite.obj.diskfile import DiskFileManager, DiskFileOptions
from swiftlite.obj.shipment import Shipment
from swiftlite.obj.ssync_sender import SsyncSender
from swiftlite.wire.peers import PeerFailed

NOW = int(time.time()) - 1000
PREFIX = "X-Object-Meta-"
ACCENTS = "é漢😀".encode().decode("latin-1")
BODIES = {size: random.Random(size).randbytes(size) for size in (0, 5, 65_536, 65_537, 700_000)}
LOGGER = logging.getLogger("test.peer_ssync")
THEIR_SENDER = """
import logging
from swift.common.storage_policy import POLICIES
from swift.obj.diskfile import DiskFileRouter
from swift.obj.ssync_sender import Sender

class Daemon:
    conn_timeout, node_timeout, http_timeout, network_chunk_size = 30, 60, 60, 65536
    logger = logging.getLogger("sender")
    _df_router = DiskFileRouter({"devices": argument["devices"], "mount_check": "false"}, logger)

job = {"device": "d1", "partition": argument["partition"], "policy": POLICIES[0]}
answer = []
for _ in range(2):
    is_well, offered = Sender(Daemon(), argument["node"], job, argument["suffixes"])()
    answer.append([is_well, sorted(offered)])
"""


def at(second: int, offset: int = 0) -> str:
    return f"{NOW + second}.{second * 11:05d}" + (f"_{offset:016x}" if offset else "")


def ask(server: Server, method: str, name: str, moment: str, body: bytes | None = None, **headers: str) -> None:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    if method == "PUT":
        named = {"Content-Type": "text/plain", **named}
    answer = server.ask(method, f"/d1/{PARTITION}/a/c/{name}", {"X-Timestamp": moment, **named}, body)
    assert answer.status < 300 or (method, answer.status) == ("DELETE", 404), (method, name, answer)


def fill(server: Server) -> None:
    """Store all that an object can be."""
    for size, body in BODIES.items():
        ask(server, "PUT", f"of {size} bytes", at(1), body)
    ask(server, "PUT", "é 漢😀%2F?#\n/o", at(1, 3), b"x", **{f"{PREFIX}Ünï".encode().decode("latin-1"): ACCENTS})
    ask(
        server,
        "PUT",
        "rich",
        at(1),
        b"manifest",
        Content_Type='text/plain; charset="utf-8"; swift_bytes=12',
        Content_Encoding="gzip",
        Content_Disposition='attachment; filename="x"',
        X_Object_Sysmeta_Kind=ACCENTS,
        X_Object_Transient_Sysmeta_Kind="transient",
        X_Object_Meta_Empty="",
        X_Static_Large_Object="True",
        X_Delete_At="4000000000",
    )
    ask(server, "PUT", "expired", at(1), b"old", X_Delete_At=str(NOW + 5))
    ask(server, "PUT", "posted", at(1), b"x", X_Object_Meta_Gone="1", X_Object_Sysmeta_Stays="1")
    ask(server, "POST", "posted", at(2, 1), X_Object_Meta_Colour=ACCENTS, X_Object_Transient_Sysmeta_A="b")
    ask(server, "PUT", "typed", at(1), b"x")
    ask(server, "POST", "typed", at(2), X_Object_Meta_Colour="blue", Content_Type="text/x;a=b")
    ask(server, "PUT", "typed before", at(1), b"x")
    ask(server, "POST", "typed before", at(3), Content_Type="a/b", Content_Type_Timestamp=at(2, 7))
    ask(server, "PUT", "made to expire", at(1), b"x")
    ask(server, "POST", "made to expire", at(2), X_Delete_At="4000000000")
    ask(server, "PUT", "deleted", at(1), b"x")
    ask(server, "DELETE", "deleted", at(4))
    ask(server, "DELETE", "never there", at(5, 2))


def behind(server: Server) -> None:
    """Give the receiver other states of the same objects: older ones, and newer."""
    ask(server, "PUT", "of 5 bytes", at(0), b"older")
    ask(server, "PUT", "of 0 bytes", at(9), b"newer")
    ask(server, "PUT", "deleted", at(3), b"not yet")
    ask(server, "PUT", "posted", at(1), b"x", X_Object_Meta_Gone="1", X_Object_Sysmeta_Stays="1")
    ask(server, "DELETE", "typed", at(0, 1))
    ask(server, "PUT", "expired", at(0), b"older", X_Delete_At=str(NOW + 6))
    ask(server, "PUT", "made to expire", at(0), b"older")
    ask(server, "POST", "made to expire", at(6), X_Object_Meta_Colour="red")


class Site:
    """An object server of each side, with a device each; one is filled, the other gets what it lacks."""

    def __init__(self, lab: Lab, side: str) -> None:
        self.swift_dir = lab.swift_dir
        self.side = side
        self.devices = {name: lab.devices(name, 1) for name in ("source", "target")}
        other = "theirs" if side == "ours" else "ours"
        self.source = lab.launch(side, "object", self.devices["source"])
        self.target = lab.launch(other, "object", self.devices["target"])
        lab.wait_up([self.source, self.target])

    def partition(self, name: str) -> Path:
        return self.devices[name] / "d1" / "objects" / PARTITION

    def contents(self, name: str) -> Files:
        return contents(self.partition(name))

    def send(self) -> list[list[Any]]:
        """Make two sessions; return for each whether it went well, and the objects that are in sync then."""
        suffixes = sorted(path.name for path in self.partition("source").glob("???"))
        if self.side == "ours":
            return [[True, sorted(self._send_ours(suffixes))] for _ in range(2)]
        ip, port = self.target.address
        node = {"replication_ip": ip, "replication_port": port, "ip": ip, "port": port, "device": "d1", "index": 0}
        argument = {"devices": str(self.devices["source"]), "partition": PARTITION, "node": node, "suffixes": suffixes}
        answer: list[list[Any]] = peer.evaluate(self.swift_dir, THEIR_SENDER, argument)
        return answer

    def _send_ours(self, suffixes: Iterable[str]) -> Iterable[str]:
        options = DiskFileOptions(str(self.devices["source"]), mount_check=False)
        files = DiskFileManager(options, SWIFT.hash_path, LOGGER, FileSystem(), time.time)
        sender = SsyncSender(CLIENT, files, node_timeout=60.0)
        root = f"{self.devices['source']}/d1"
        shipment = Shipment(root, POLICY, int(PARTITION), list(suffixes))
        return sender.send(node_at(self.target.address, "d1"), shipment).in_sync


SENDERS = pytest.mark.parametrize("side", ["ours", "theirs"])


@SENDERS
def test_a_whole_partition(side: str, lab: Lab) -> None:
    site = Site(lab, side)
    fill(site.source)
    sessions = site.send()
    names = sorted({path.split("/")[1] for path in site.contents("source")})
    assert sessions == [[True, names], [True, names]]
    assert len(names) == len(BODIES) + 9
    assert site.contents("target") == site.contents("source")
    key = title_case(f"{PREFIX}Ünï".encode().decode("latin-1"))
    assert any(metadata.get(key) == ACCENTS for _, metadata in site.contents("target").values())


@SENDERS
def test_what_the_receiver_lacks(side: str, lab: Lab) -> None:
    site = Site(lab, side)
    fill(site.source)
    behind(site.target)
    newer = {name: file for name, file in site.contents("target").items() if at(9) in name or at(6) in name}
    assert all(is_well for is_well, _ in site.send())
    expected = site.contents("source") | newer
    for name in newer:
        directory, own = name.rsplit("/", 1)
        for other in [path for path in expected if path.startswith(directory) and not path.endswith(own)]:
            if not (own.endswith(".meta") and other.endswith(".data")):
                del expected[other]
    assert site.contents("target") == expected


def test_their_receiver_refuses_what_it_must(lab: Lab) -> None:
    """Its errors are told from an answer."""
    site = Site(lab, "ours")
    ask(site.source, "PUT", "o", at(1), b"x")
    device = site.devices["target"] / "d1"
    device.rename(device.with_name("d2"))
    with pytest.raises(PeerFailed) as failed:
        site.send()
    assert failed.value.status == 507
