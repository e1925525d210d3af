"""The guide's procedures for what breaks and what has to be changed: three machines, two proxies, clients at work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from functional.cluster import wait_until
from probe.book import Book
from probe.client import ACCOUNT, Proxy, fill, patiently
from probe.hosts import Place
from probe.machines import CHECKOUT, RELEASE, Machine, Site
from probe.operator import Operator
from probe.verify import object_directory, on_disk, settle
from swiftlite import __version__
from swiftlite.cli import children
from swiftlite.cli.processes import read_process
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.db import layout as database_layout
from swiftlite.ring.ring import Node

DISKS = ("d1", "d2")
PLACES = (Place(1, 1, DISKS, proxy=True), Place(1, 2, DISKS, proxy=True), Place(1, 3, DISKS))
NEXT = "0.1.1"


@pytest.fixture(scope="module")
def site(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three machines; all that they should run runs."""
    site = Site(tmp_path_factory.mktemp("guide") / "site", PLACES, part_power=4)
    try:
        yield site.start()
    finally:
        site.remove()


@pytest.fixture(scope="module")
def operator(site: Site) -> Operator:
    """Who types at its admin's machine; the cluster holds something."""
    return Operator.at(site, "first", 30)


def container_node(site: Site) -> tuple[Machine, Node, Path]:
    """The first machine that has the container's database, the ring's device, and the file."""
    partition, nodes = site.ring("container").get_nodes(ACCOUNT, "c")
    name_hash = site.swift.hash_path.hex(ACCOUNT, "c")
    path = database_layout.database_path(str(site.path_of(nodes[0])), "container", str(partition), name_hash)
    return site.host_of(nodes[0]), nodes[0], Path(path)


def unchanging(book: Book) -> list[tuple[str, str]]:
    """Objects that clients leave alone."""
    return [name for name in book.names() if not name[1].startswith("busy-")]


def quarantined(site: Site) -> list[tuple[Machine, str, Path]]:
    """Machine, its own path and ours, of all that is in quarantine."""
    return [
        (machine, f"/srv/node/{path.relative_to(machine.root)}", path)
        for machine in site.hosts.values()
        for path in sorted(machine.root.glob("*/quarantined/*/*"))
    ]


def remove_quarantined(site: Site, operator: Operator) -> int:
    """As the guide says; return how many there were."""
    found = quarantined(site)
    for machine, path, _ in found:
        operator.types("procedure", "remove-quarantined", machine, QUARANTINED=path)
        operator.types("check", "remove-quarantined", machine, QUARANTINED=path)
    assert not quarantined(site)
    return len(found)


# ---------------------------------------------------------------------------------------------------------- what breaks


def test_a_node_is_rebooted(operator: Operator, site: Site) -> None:
    operator.follows("reboot-node", site.hosts[3])


def test_an_object_is_quarantined(operator: Operator, site: Site) -> None:
    name = next(name for name in unchanging(operator.book) if operator.book.outcomes(name)[0].content)
    node = site.ring().get_nodes(ACCOUNT, *name)[1][0]
    machine = site.host_of(node)
    (data,) = object_directory(site, node, name).glob("*.data")
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    machine.launch_pass("object-auditor").wait()
    with operator.clients_at_work():
        said = operator.types("procedure", "find-quarantined")
        ((_, path, _),) = quarantined(site)
        assert said.split() == [f"{machine.name}:", path]
        operator.types("check", "find-quarantined")
        variables = {"QUARANTINED": path, "RING": "object", "DISK": "/dev/disk/by-id/d1"}
        said = operator.types(
            "procedure", "look-at-quarantined", machine, NAME=f"{ACCOUNT}/{'/'.join(name)}", **variables
        )
        assert data.name in said and len([line for line in said.splitlines() if line.startswith("ssh")]) >= 3
        wait_until(lambda: [*object_directory(site, node, name).glob("*.data")], "replicators have put it back")
        assert remove_quarantined(site, operator) == 1
    operator.verify()


def test_a_container_database_is_damaged(operator: Operator, site: Site) -> None:
    machine, _, path = container_node(site)
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"damaged!" * ((path.stat().st_size - 4096) // 8))
    with operator.clients_at_work():
        operator.types("procedure", "damaged-database", machine)
        assert "quarantined/containers" in operator.types("check", "damaged-database", machine)
        assert remove_quarantined(site, operator) == 1
    operator.verify()


def test_updates_wait(operator: Operator, site: Site) -> None:
    for number in (2, 3):
        site.hosts[number].sh("systemctl stop swiftlite-container-server")
    fill(site.writer(1, operator.book), "c", "meanwhile", 6)
    assert [path for machine in site.hosts.values() for path in machine.root.glob("*/async_pending/*/*")]
    operator.types("procedure", "async-pending")
    operator.types("check", "async-pending")
    operator.verify()


def test_a_disk_fills(operator: Operator, site: Site) -> None:
    machine = site.hosts[3]
    before = len([1 for ip, device, _ in on_disk(site) if (ip, device) == (machine.ip, "d1")])
    operator.hours_pass()
    said = operator.follows("full-disk", machine, DEVICE="d1", WEIGHT="50")
    assert "%" in said
    assert len([1 for ip, device, _ in on_disk(site) if (ip, device) == (machine.ip, "d1")]) < before


def test_a_node_has_another_hash_suffix(operator: Operator, site: Site) -> None:
    machine = site.hosts[3]
    machine.sh("sed -i 's/suffix = ./suffix = x/' /etc/swift/swift.conf; systemctl restart swiftlite-storage.target")
    fill(site.writer(1, operator.book), "c", "astray", 6)
    with operator.clients_at_work():
        operator.types("procedure", "wrong-hash-suffix", machine)
        operator.types("check", "wrong-hash-suffix", machine)
        operator.types("procedure", "wrong-hash-leftovers", machine)
    assert remove_quarantined(site, operator) > 0
    with replicators_stopped(*site.hosts.values()):
        weeks_pass(machine)
    operator.verify()


def test_a_node_was_away_for_too_long(operator: Operator, site: Site) -> None:
    machine = site.hosts[3]
    machine.kill()
    writer = site.writer(1, operator.book)
    gone = [name for name in unchanging(operator.book) if operator.book.outcomes(name)[0].content][:5]
    for name in gone:
        assert patiently(partial(writer.delete, name), gone=204) == 204
    for name in operator.book.names():
        if operator.book.outcomes(name)[0].content is None:
            del operator.book.writes[name]  # soon no disk knows of it any more
    others = [site.hosts[number] for number in (1, 2)]
    with replicators_stopped(*others):
        for other in others:
            weeks_pass(other)
    machine.boot()
    operator.follows("away-too-long", machine)
    assert not [name for name in gone if writer.get(name).status != 404]


@contextmanager
def replicators_stopped(*machines: Machine) -> Iterator[None]:
    """None of the machines brings another one's tombstones back meanwhile, or is at work where they are to be reclaimed."""
    for machine in machines:
        machine.sh("systemctl stop swiftlite-object-replicator")
    yield
    for machine in machines:
        machine.sh("systemctl start swiftlite-object-replicator")


def weeks_pass(machine: Machine) -> None:
    """Tombstones of objects are reclaimed on a machine, as they are after reclaim_age."""
    machine.sh(
        "sed 's/^.object-replicator.$/&\\nreclaim_age = 0/' /etc/swift/object-server.conf >/etc/swift/later.conf;"
        "swiftlite-object-auditor /etc/swift/later.conf --once;"
        "swiftlite-object-replicator /etc/swift/later.conf --once || test $? = 3; rm /etc/swift/later.conf"
    )
    assert not list(machine.root.glob("*/objects/*/*/*/*.ts"))


# ------------------------------------------------------------------------------------------------------------- upgrades


def test_nodes_get_another_release_one_by_one(operator: Operator, site: Site, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "swiftlite", tmp_path / "swiftlite")  # with what is compiled already
    first = tmp_path / "swiftlite" / "__init__.py"
    first.write_text(first.read_text().replace(__version__, NEXT))
    releases = {"RELEASE": NEXT, "OLD_RELEASE": RELEASE.partition("-")[2]}
    for machine in site.hosts.values():
        machine.install(f"swiftlite-{NEXT}", tmp_path)
    with operator.clients_at_work():
        for machine in site.hosts.values():
            operator.types("procedure", "upgrade-storage", machine, **releases)
            operator.types("check", "upgrade-storage", machine, **releases)
            if machine.place.proxy:
                operator.types("procedure", "upgrade-proxy", machine, **releases)
                operator.types("check", "upgrade-proxy", machine, **releases)
            running = [process for pid in machine.namespace.pids() if (process := read_process(pid))]
            interpreters = {process.arguments[0] for process in running if process.command}
            assert interpreters == {f"/opt/swiftlite-{NEXT}/bin/python"}, "the old release could be removed"
        for machine in site.hosts.values():  # and back, before the tree is gone
            operator.types("undo", "upgrade-storage", machine, **releases)
            operator.types("check", "reboot-node", machine)
            if machine.place.proxy:
                back = {"RELEASE": releases["OLD_RELEASE"]}
                operator.types("procedure", "upgrade-proxy", machine, **back)
                operator.types("check", "upgrade-proxy", machine, **back)
    operator.verify()


# ------------------------------------------------------------------------------------------------------ secrets and keys


def test_a_password_is_changed(operator: Operator, site: Site) -> None:
    line = {"USER_OPTION": "user_test_tester3", "LINE": r"an&o|th\er", "AUTH_USER": "test:tester3"}
    operator.follows("change-password", site.hosts[2], **line, OLD_KEY="testing3", NEW_KEY=line["LINE"])


def test_the_key_of_tokens_is_changed(operator: Operator, site: Site) -> None:
    before = site.proxy(1).token("test:tester")
    user = {"NEW_ID": "two", "AUTH_USER": "test:tester", "KEY": "testing"}
    operator.follows("change-token-key", site.hosts[1], **user)
    for number in (1, 2):
        assert accepts(site.proxy(number), before), "tokens of the old key are good for a day"


def accepts(proxy: Proxy, token: str) -> bool:
    """Whether a proxy takes a token."""
    return children.request(proxy.proxy_address, "HEAD", f"/v1/{ACCOUNT}", {"X-Auth-Token": token})[0] == 204


def test_a_conf_is_reloaded(operator: Operator, site: Site) -> None:
    operator.follows("reload-conf", site.hosts[1])


# -------------------------------------------------------------------------------------------------------------- backups


def test_rings_are_backed_up_and_restored(operator: Operator, site: Site, tmp_path: Path) -> None:
    backup = {"BACKUP": str(tmp_path / "rings.tar.gz")}
    operator.types("procedure", "backup-rings", **backup)
    operator.types("check", "backup-rings", **backup)
    before = lose_admin_host(site)
    operator.types("procedure", "restore-rings", **backup)
    operator.types("check", "restore-rings", **backup)
    assert {path.name: path.read_bytes() for path in site.rings.iterdir() if path.is_file()} == before


def lose_admin_host(site: Site) -> dict[str, bytes]:
    """Empty its directory; return what was there."""
    before = {path.name: path.read_bytes() for path in site.rings.iterdir() if path.is_file()}
    for path in [*site.rings.iterdir()]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return before


def test_builders_are_made_of_rings(operator: Operator, site: Site) -> None:
    before = lose_admin_host(site)
    site.write_nodes()
    operator.types("procedure", "admin-host")
    operator.types("procedure", "lost-builders")
    operator.types("check", "lost-builders")
    for name, content in before.items():
        assert name.endswith(".builder") or (site.rings / name).read_bytes() == content
    operator.hours_pass()
    operator.undoes("drain-disk", site.hosts[3], DEVICE="d1")  # test_a_disk_fills had taken half of its weight


def test_a_container_is_restored_from_a_backup(operator: Operator, site: Site) -> None:
    operator.types("procedure", "backup-databases")
    operator.types("check", "backup-databases")
    machine, _, path = container_node(site)
    client = site.writer(1, operator.book).client

    def is_gone() -> bool:
        """A replicator may bring one back from a machine that still has it."""
        for directory in [found for other in site.hosts.values() for found in other.root.glob("*/containers/*/*/*")]:
            if directory.name == path.parent.name:
                shutil.rmtree(directory)
        return client.ask("GET", "/c").status == 404

    wait_until(is_gone, "nobody has the container")
    operator.types("procedure", "restore-container", machine, ACCOUNT=ACCOUNT, CONTAINER="c")
    said = operator.types("check", "restore-container", machine)
    assert len([line for line in said.splitlines() if path.name in line]) == 3
    operator.verify()


# ---------------------------------------------------------------------------------------------------- all of it at once


def test_more_partitions(operator: Operator, site: Site) -> None:
    said = operator.follows("part-power")
    assert "32 partitions" in said
    assert site.ring().partition_count == 32


def test_a_node_dies_for_good(operator: Operator, site: Site) -> None:
    new = site.add_host(Place(1, 3, DISKS))
    new.boot()
    site.hosts[3].kill()
    dead = site.hosts.pop(3)
    with operator.clients_at_work():
        operator.types("procedure", "dead-node", dead)
        operator.hours_pass()
        operator.types("procedure", "add-node", new, DEVICES=" ".join(DISKS))
        operator.types("check", "dead-node", dead)
    operator.verify()


def test_a_cluster_is_emptied_and_used_again(operator: Operator, site: Site) -> None:
    operator.types("procedure", "empty-cluster")
    operator.types("check", "empty-cluster")
    assert not [path for machine in site.hosts.values() for path in machine.root.glob("*/*")]
    operator.types("procedure", "start-cluster")
    operator.types("check", "start-cluster")
    operator.book.writes.clear()
    writer = site.writer(2, operator.book)
    writer.put_container("c")
    fill(writer, "c", "anew", 5)
    settle(site, operator.book)
    assert SwiftConf.load(str(site.rings)).hash_path.hex("a") == site.swift.hash_path.hex("a")
