"""Storage servers tell nobody but servers of the ring, whatever a request's headers say; what is meant for others is
spooled and delivered within the ring."""

from __future__ import annotations

import json
import logging
import os
import socket
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.database_servers import LOGGER, PATIENT, SWIFT, BackendServer, account_server, container_server, options
from fakes.http_server import ServerThread
from fakes.object_server import ObjectNode
from swiftlite.container.server import ContainerOptions, ContainerServer
from swiftlite.core.allowed_hosts import AllowedHosts
from swiftlite.http.errors import Address
from swiftlite.obj.updater import ObjectUpdater, UpdaterOptions
from swiftlite.ring.format import RingData, dump_v1
from swiftlite.wire.update_hosts import UpdateHosts

PATH = "/sda/7/a/c/o"
BODY = {"Content-Type": "text/plain"}


def write_ring(swift_dir: Path, name: str, *addresses: Address, replication: Address | None = None) -> None:
    """Write a ring of one partition with a replica at each address; atomically, as operators are told to."""
    devices = [
        {
            "id": number,
            "region": 1,
            "zone": number,
            "device": "sda",
            "weight": 1.0,
            "ip": ip,
            "port": port,
            **({"replication_ip": replication[0], "replication_port": replication[1]} if replication else {}),
        }
        for number, (ip, port) in enumerate(addresses)
    ]
    rows = [array("H", [number]) for number in range(len(addresses))]
    swift_dir.mkdir(exist_ok=True)
    temporary = swift_dir / "new.ring.gz"
    temporary.write_bytes(dump_v1(RingData(devices, 32, rows)))
    os.replace(temporary, swift_dir / f"{name}.ring.gz")


class Victim:
    """A service that nobody outside should be able to have talked to."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.address: Address = self.listener.getsockname()
        self.host = "{}:{}".format(*self.address)

    def was_reached(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def victim() -> Iterator[Victim]:
    made = Victim()
    yield made
    made.listener.close()


@pytest.fixture
def container(tmp_path: Path) -> Iterator[BackendServer]:
    with container_server(tmp_path / "containers") as thread:
        server = BackendServer(thread)
        for path in ("/sda/0/a/c", "/sda/0/.expiring_objects/3999999999"):
            assert server.request("PUT", path, {"X-Timestamp": "1.00000"}).status == 201
        yield server


def address(server: BackendServer) -> Address:
    host, _, port = server.host.rpartition(":")
    return host, int(port)


def telling(*hosts: str, kind: str = "Container") -> dict[str, str]:
    return {
        f"X-{kind}-Host": ",".join(hosts),
        f"X-{kind}-Device": ",".join("sda" for _ in hosts),
        f"X-{kind}-Partition": "0",
    }


def names(server: BackendServer, path: str = "a/c") -> list[str]:
    answer = server.request("GET", f"/sda/0/{path}", query="format=json")
    return [row["name"] for row in json.loads(answer.body)] if answer.status == 200 else []


def spooled(node: ObjectNode) -> int:
    return len([path for path in node.device.glob("async_pending*/*/*") if path.is_file()])


def object_node(tmp_path: Path, **settings: object) -> ObjectNode:
    values = {"swift_dir": str(tmp_path / "etc"), "allowed_update_hosts": AllowedHosts(), **settings}
    return ObjectNode(tmp_path / "node", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_an_object_server_tells_the_ring_alone(
    tmp_path: Path, container: BackendServer, victim: Victim, method: str
) -> None:
    write_ring(tmp_path / "etc", "container", address(container))
    with object_node(tmp_path) as node:
        if method != "PUT":
            assert node.request("PUT", PATH, {"X-Timestamp": "2.00000", **BODY}, b"x").status == 201
        headers = {"X-Timestamp": "3.00000", **BODY, **telling(victim.host, container.host)}
        assert node.request(method, PATH, headers, b"x" * (method == "PUT")).status in (201, 202, 204)
        assert not victim.was_reached()
        assert names(container) == ([] if method == "DELETE" else ["o"]), "the ring's own server was told at once"
        assert spooled(node) == 1
        updater = ObjectUpdater(
            UpdaterOptions(
                devices=str(tmp_path / "node"),
                mount_check=False,
                swift_dir=str(tmp_path / "etc"),
                recon_cache_path=str(tmp_path),
                **PATIENT,  # type: ignore[arg-type]
            ),
            SWIFT,
            logging.getLogger("test.updater"),
        )
        updater.run_once()
        assert spooled(node) == 0
        assert not victim.was_reached()


def test_the_expirers_queue_is_told_within_the_ring_alone(
    tmp_path: Path, container: BackendServer, victim: Victim
) -> None:
    write_ring(tmp_path / "etc", "container", address(container))
    with object_node(tmp_path) as node:
        for second, host in ((2, victim.host), (3, container.host)):
            headers = {
                "X-Timestamp": f"{second}.00000",
                "X-Delete-At": "3999999999",
                "X-Delete-At-Container": "3999999999",
                **BODY,
                **telling(host, kind="Delete-At"),
            }
            assert node.request("PUT", f"{PATH}{second}", headers, b"x").status == 201
        assert not victim.was_reached()
        assert names(container, ".expiring_objects/3999999999") == ["3999999999-a/c/o3"]


def test_a_ring_that_changes_is_read_at_once(tmp_path: Path, container: BackendServer, victim: Victim) -> None:
    write_ring(tmp_path / "etc", "container", victim.address)
    with object_node(tmp_path) as node:
        write_ring(tmp_path / "etc", "container", address(container))
        headers = {"X-Timestamp": "3.00000", **BODY, **telling(container.host)}
        assert node.request("PUT", PATH, headers, b"x").status == 201
        assert (names(container), spooled(node)) == (["o"], 0)
        assert node.request("PUT", PATH + "2", {**headers, **telling(victim.host)}, b"x").status == 201
        assert not victim.was_reached(), "what has left the ring is told no more"


def test_a_device_is_known_by_its_replication_address_too(
    tmp_path: Path, container: BackendServer, victim: Victim
) -> None:
    write_ring(tmp_path / "etc", "container", ("127.0.0.9", 9), replication=address(container))
    with object_node(tmp_path) as node:
        headers = {"X-Timestamp": "3.00000", **BODY, **telling(container.host)}
        assert node.request("PUT", PATH, headers, b"x").status == 201
        assert names(container) == ["o"]


def test_the_operator_may_allow_others(tmp_path: Path, container: BackendServer) -> None:
    write_ring(tmp_path / "etc", "container", ("127.0.0.9", 9))
    with object_node(tmp_path, allowed_update_hosts=AllowedHosts.parse("127.0.0.0/29")) as node:
        headers = {"X-Timestamp": "3.00000", **BODY, **telling(container.host)}
        assert node.request("PUT", PATH, headers, b"x").status == 201
        assert names(container) == ["o"]


@pytest.mark.parametrize("ring", [None, b"no ring"])
def test_without_a_usable_ring_nobody_is_told(
    tmp_path: Path, container: BackendServer, victim: Victim, ring: bytes | None
) -> None:
    (tmp_path / "etc").mkdir()
    if ring is not None:
        (tmp_path / "etc/container.ring.gz").write_bytes(ring)
    with object_node(tmp_path) as node:
        headers = {"X-Timestamp": "3.00000", **BODY, **telling(victim.host, container.host)}
        assert node.request("PUT", PATH, headers, b"x").status == 201
        assert (victim.was_reached(), names(container), spooled(node)) == (False, [], 1)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_container_server_tells_the_ring_alone(tmp_path: Path, victim: Victim, is_known: bool) -> None:
    with account_server(tmp_path / "accounts") as accounts:
        account = BackendServer(accounts)
        assert account.request("PUT", "/sda/0/a", {"X-Timestamp": "1.00000"}).status == 201
        write_ring(tmp_path / "etc", "account", address(account) if is_known else ("127.0.0.9", 9))
        values = {**options(tmp_path / "containers"), **PATIENT, "swift_dir": str(tmp_path / "etc")}
        with ServerThread(ContainerServer(ContainerOptions(**values), SWIFT, LOGGER)) as thread:  # type: ignore[arg-type]
            server = BackendServer(thread)
            headers = {"X-Timestamp": "2.00000", **telling(victim.host, account.host, kind="Account")}
            assert server.request("PUT", "/sda/0/a/c", headers).status == 201
            assert not victim.was_reached()
            assert names(account, "a") == (["c"] if is_known else [])
            assert server.request("DELETE", "/sda/0/a/c", {**headers, "X-Timestamp": "3.00000"}).status == 204
            assert not victim.was_reached()


def test_an_address_is_refused_aloud_but_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_ring(tmp_path / "etc", "container", ("127.0.0.9", 9))
    hosts = UpdateHosts(str(tmp_path / "etc"), "container", AllowedHosts(), logging.getLogger("test.hosts"))
    assert [hosts.allows(("127.0.0.1", port)) for port in (1, 1, 2, 1)] == [False] * 4
    assert [record.args[0] for record in caplog.records] == ["127.0.0.1:1", "127.0.0.1:2"]  # type: ignore[index]
    assert hosts.allows(("127.0.0.9", 9))


def test_a_damaged_ring_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    write_ring(tmp_path / "etc", "container", ("127.0.0.9", 9))
    hosts = UpdateHosts(str(tmp_path / "etc"), "container", AllowedHosts(), logging.getLogger("test.hosts"))
    (tmp_path / "etc/container.ring.gz").write_bytes(b"no ring")
    assert not hosts.allows(("127.0.0.1", 1))
    assert hosts.allows(("127.0.0.9", 9))
