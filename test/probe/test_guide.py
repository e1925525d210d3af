"""The guide's procedures for rings, disks and nodes: from one machine to four, and back to three."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functional.cluster import USERS
from probe.book import Book
from probe.client import fill
from probe.hosts import Place
from probe.machines import Machine, Site
from probe.operator import Operator
from probe.verify import on_disk
from swiftlite.cli.layout import STORAGE_KINDS
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.ring import Node

DISKS = ("d1", "d2", "d3")


@pytest.fixture(scope="module")
def site(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One machine that is up, with nothing on it but conf files."""
    site = Site(tmp_path_factory.mktemp("guide") / "site", [Place(1, 1, DISKS, proxy=True)], part_power=3)
    try:
        for path in [*site.rings.iterdir(), *site.hosts[1].swift_dir.iterdir()]:
            path.unlink()
        users = [f"user_{user.replace(':', '_')} = {line}" for user, line in USERS.items()]
        (site.rings / "users").write_text("\n".join(["[users]", *users, ""]))
        site.hosts[1].boot()
        yield site
    finally:
        site.remove()


@pytest.fixture(scope="module")
def operator(site: Site) -> Operator:
    """Who types at its admin's machine."""
    return Operator(site, Book(), proxies=(1,))


def ready(site: Site, operator: Operator, zone: int) -> Machine:
    """A new machine that is up and set up, with nothing started."""
    machine = site.add_host(Place(1, zone, DISKS))
    for path in machine.swift_dir.iterdir():
        path.unlink()
    machine.boot()
    set_up(operator, machine, "storage")
    return machine


def set_up(operator: Operator, machine: Machine, roles: str) -> None:
    """As the guide says; tests are in a hurry, and change some options then."""
    operator.types("procedure", "set-up-node", machine, ROLES=roles, DEVICES=" ".join(DISKS))
    assert "error" not in operator.types("check", "set-up-node", machine)
    machine.hurry()


def parts(site: Site, machine: Machine, device: str = "") -> int:
    """How many replicas of object partitions the ring has on a machine, or a device of it."""
    ring = site.ring()
    nodes = [node for part in range(ring.partition_count) for node in ring.primaries(part)]
    return sum(node.ip == machine.ip and device in ("", node.device) for node in nodes)


def places(site: Site, kind: str) -> list[tuple[Node, ...]]:
    """The devices of each partition in a ring."""
    ring = site.ring(kind)
    return [ring.primaries(part) for part in range(ring.partition_count)]


def test_the_first_machine(site: Site, operator: Operator) -> None:
    operator.types("procedure", "admin-host")
    machine = site.hosts[1]
    operator.types("procedure", "cluster-secret")
    set_up(operator, machine, "storage, proxy")
    variables = {"DEVICES": " ".join(DISKS), "PART_POWER": "3"}
    operator.types("procedure", "first-machine", machine, **variables)
    operator.types("check", "first-machine", machine)
    secrets = [*(machine.swift_dir / name for name in ("swift.conf", "answers.node1")), site.rings / "swift.conf"]
    assert [path for path in secrets if path.stat().st_mode & 0o007] == []
    site.swift = SwiftConf.load(str(site.rings))
    site.swift_conf = (site.rings / "swift.conf").read_text()
    writer = site.writer(1, operator.book)
    writer.put_container("c")
    fill(writer, "c", "first", 20)
    operator.verify()


def test_from_one_machine_to_three(site: Site, operator: Operator) -> None:
    for zone in (2, 3):
        operator.hours_pass()
        operator.follows("add-node", ready(site, operator, zone), DEVICES=" ".join(DISKS))
    operator.rebalances_until_there_is_no_need()
    ring = site.ring()
    for part in range(ring.partition_count):
        assert len({node.ip for node in ring.primaries(part)}) == 3


def test_a_fourth_machine(site: Site, operator: Operator) -> None:
    operator.hours_pass()
    operator.follows("add-node", ready(site, operator, 1), DEVICES=" ".join(DISKS))
    assert parts(site, site.hosts[4]) > 0


def test_a_disk_is_added_drained_and_removed(site: Site, operator: Operator) -> None:
    machine = site.hosts[2]
    disk = {"DEVICE": "d4", "DISK": "/dev/disk/by-id/d4"}
    operator.hours_pass()
    assert int(operator.follows("add-disk", machine, **disk).splitlines()[-1]) > 0
    operator.hours_pass()
    operator.follows("drain-disk", machine, **disk)
    assert not list((machine.device("d4") / "objects").glob("[0-9]*"))
    operator.follows("remove-disk", machine, **disk)
    machine.forget_disk("d4")


def test_a_disk_is_replaced(site: Site, operator: Operator) -> None:
    machine = site.hosts[3]
    before = on_disk(site)
    operator.follows("replace-disk", machine, DEVICE="d1", DISK="/dev/disk/by-id/d1")
    assert on_disk(site) >= before


def test_a_disk_dies_and_is_not_replaced(site: Site, operator: Operator) -> None:
    machine = site.hosts[1]
    machine.lose_disk("d3")
    operator.follows("dead-disk", machine, DEVICE="d3")
    assert parts(site, machine, "d3") == 0


def test_rings_are_the_same_everywhere(site: Site, operator: Operator) -> None:
    (site.hosts[2].swift_dir / "object.ring.gz").write_bytes((site.rings / "account.ring.gz").read_bytes())
    operator.follows("compare-rings")


def test_a_ring_is_taken_back(site: Site, operator: Operator) -> None:
    before = {kind: places(site, kind) for kind in STORAGE_KINDS}
    operator.hours_pass()
    with operator.clients_at_work():
        operator.types("undo", "drain-disk", site.hosts[3], DEVICE="d1", WEIGHT="10")
        operator.types("procedure", "take-back-rings")
        operator.types("check", "take-back-rings")
    operator.verify()
    assert {kind: places(site, kind) for kind in STORAGE_KINDS} == before


def test_a_node_is_drained_and_taken_away(site: Site, operator: Operator) -> None:
    machine = site.hosts[4]
    operator.hours_pass()
    with operator.clients_at_work():
        operator.types("procedure", "drain-node", machine)
    operator.rebalances_until_there_is_no_need()
    operator.types("check", "drain-node", machine)
    operator.follows("remove-node", machine)
    assert machine.sh("systemctl is-active swiftlite-storage.target || true").count("inactive") == 8
    machine.kill()
    del site.hosts[4]
    operator.verify()
