"""Replication of databases: both sides' replicators and servers, alone, against each other and by turns (formats.md 9, 12)."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes.ports import free_port
from fakes.rsync_daemon import rsync_daemon
from interop import rings
from interop.conftest import SWIFT_CONF
from interop.lab import SIDES, Lab
from swiftlite.account.backend import AccountBroker
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.shard_rows import merge_shard_ranges, shard_ranges
from swiftlite.core.names import HashPath
from swiftlite.core.rows import ContainerRow, ObjectReport
from swiftlite.core.shard_ranges import ShardRange
from swiftlite.db import layout
from swiftlite.ring.ring import Ring

LOGGER = logging.getLogger("test.peer_database_replication")
NOW = int(time.time()) - 1000
SECTION = """
[{kind}-replicator]
per_diff = 50
rsync_module = rsync://{{replication_ip}}:{port}/{kind}
"""

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="replicators of OpenStack Swift need rsync")


def at(seconds: float) -> str:
    return f"{NOW + seconds:016.5f}"


class Site:
    """A server of either side for each of four devices; three of them are the primaries of one database."""

    def __init__(self, directory: Path, kind: str, servers: Sequence[str]) -> None:
        (directory / "etc").mkdir()
        (directory / "etc/swift.conf").write_text(SWIFT_CONF)
        self.lab = lab = Lab(directory / "etc", directory)
        self.kind = kind
        self.servers = servers
        self.broker_class: Any = {"account": AccountBroker, "container": ContainerBroker}[kind]
        self.devices = lab.devices()
        self.databases = 0
        self.rsync_port = free_port()
        ports = [free_port() for _ in servers]
        places = [f"127.0.0.1:{port}/d{number}" for number, port in enumerate(ports, 1)]
        rings.make(lab.swift_dir, {kind: places}, part_power=2, seed=7)
        extra = SECTION.format(kind=kind, port=self.rsync_port)
        started = [
            lab.launch(side, kind, self.devices, ("127.0.0.1", port)) for side, port in zip(servers, ports, strict=True)
        ]
        self.confs = [lab.write_conf(kind, self.devices, server.address, extra) for server in started]
        lab.wait_up(started)

    def renew(self) -> Site:
        """Empty the devices and turn to another database."""
        for entry in self.devices.glob("*/*"):
            shutil.rmtree(entry)
        self.databases += 1
        self.names = (f"AUTH_t{self.databases}", "cø 漢")[: 1 if self.kind == "account" else 2]
        ring = Ring(self.lab.swift_dir, self.kind, hash_path=HashPath(b"pre", b"suf"))
        self.partition, primaries = ring.get_nodes(*self.names)
        self.primaries = [int(node.device[1:]) for node in primaries]
        (self.handoff,) = {1, 2, 3, 4} - set(self.primaries)
        return self

    @property
    def replicator(self) -> str:
        """The side that the servers are not of."""
        return SIDES[1 - SIDES.index(self.servers[0])]

    def broker(self, number: int) -> Any:
        """The database on device ``d<number>``."""
        name_hash = HashPath(b"pre", b"suf").hex(*self.names)
        path = layout.database_path(str(self.devices / f"d{number}"), self.kind, str(self.partition), name_hash)
        return self.broker_class(path, *self.names, logger=LOGGER)

    def made(self, number: int, rows: Sequence[str] = (), created: float = 1, policy: int = 0) -> Any:
        """The same, created, with rows of these names."""
        broker = self.broker(number)
        broker.initialize(at(created), policy)
        self.add(number, rows, policy=policy)
        return broker

    def add(self, number: int, names: Sequence[str], moment: float = 10, policy: int = 0) -> None:
        """Put rows into a database."""
        if self.kind == "account":
            records: list[Any] = [ContainerRow(name, at(moment), "0", 1, 5, 0, policy) for name in names]
        else:
            records = [ObjectReport(name, at(moment), 5, "text/plain", "e", 0, policy) for name in names]
        self.broker(number).merge_items(records)

    def remove(self, number: int, names: Sequence[str], moment: float = 50) -> None:
        """Delete rows."""
        if self.kind == "account":
            records: list[Any] = [ContainerRow(name, at(10), at(moment), 0, 0, 1) for name in names]
        else:
            records = [ObjectReport(name, at(moment), 0, "application/deleted", "noetag", 1) for name in names]
        self.broker(number).merge_items(records)

    def replicate(self, side: str, *numbers: int) -> None:
        """Make a pass of one side's replicator on some devices' nodes; on all without any."""
        for number in numbers or self.primaries:
            self.lab.run_once(side, f"{self.kind}-replicator", self.confs[number - 1])

    def found(self, number: int) -> dict[str, Any]:
        """What matters of a database, read with SQLite alone."""
        table, columns = f"{self.kind}_stat", "hash, put_timestamp, delete_timestamp, created_at, metadata"
        with sqlite3.connect(self.broker(number).path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            info = connection.execute(f"SELECT {columns} FROM {table}").fetchone()
            rows = {"account": "container", "container": "object"}[self.kind]
            names = {name for (name,) in connection.execute(f"SELECT name FROM {rows} WHERE deleted = 0")}
        return dict(zip(columns.split(", "), info, strict=True)) | {"names": names}

    def agreed(self) -> dict[str, Any]:
        """What all primaries say, which must be the same."""
        first, *others = [self.found(number) for number in self.primaries]
        assert all(other == first for other in others)
        return first

    def exists(self, number: int) -> bool:
        """Whether a device has the database."""
        return self.broker(number).exists


# Whose servers d1 to d4 are.
SERVERS = {"ours": ("ours",) * 4, "theirs": ("theirs",) * 4, "both": ("ours", "theirs") * 2}
PLACES = {f"{kind} {name}": (kind, name) for kind in ("account", "container") for name in SERVERS}


def places(*kinds: str, servers: Sequence[str] = SIDES) -> pytest.MarkDecorator:
    """Run a test with each of these; all tests of one place run in a row, on the same servers."""
    found = [place for place, (kind, name) in PLACES.items() if kind in kinds and name in servers]
    return pytest.mark.parametrize("place", found, indirect=True, scope="module")


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    kind, servers = PLACES[request.param]
    site = Site(tmp_path_factory.mktemp("place"), kind, SERVERS[servers])
    try:
        modules = dict.fromkeys(("account", "container"), site.devices)
        with rsync_daemon(site.lab.directory, modules, site.rsync_port):
            yield site
    finally:
        site.lab.stop()


@pytest.fixture
def site(place: Site) -> Site:
    return place.renew()


@places("account", "container")
def test_a_replicator_of_one_side_among_servers_of_the_other(site: Site) -> None:
    kind, replicator = site.kind, site.replicator
    first, second, third = site.primaries
    many = [f"n{number} é" for number in range(200)]
    key = f"X-{kind.title()}-Meta-"
    site.made(first, many).update_metadata({key + "A": ("ä", at(5)), key + "B": ("new", at(6))})
    site.made(second, ["own", "n3 é"], created=0.5).update_metadata(
        {key + "B": ("old", at(5)), key + "C": ("c", at(5))}
    )
    site.broker(second).update_put_timestamp(at(7))
    # One is missing, one is far behind and gets the whole file, which its own rows and metadata are merged into.
    site.replicate(replicator, first)
    assert site.found(third)["names"] == set(many)
    assert site.found(second)["names"] == {*many, "own"}
    assert site.broker(second).get_info()["put_timestamp"] == at(7)
    site.replicate(replicator)
    site.replicate(replicator)
    agreed = site.agreed()
    assert agreed["names"] == {*many, "own"}
    assert {name: value for name, (value, _) in site.broker(first).metadata().items()} == {
        key + "A": "ä",
        key + "B": "new",
        key + "C": "c",
    }
    # A few rows and deletions go as rows.
    site.add(second, ["later"], 60)
    site.remove(third, many[:20])
    site.replicate(replicator)
    site.replicate(replicator)
    assert site.agreed()["names"] == {*many[20:], "own", "later"}
    assert [path.name for path in site.devices.glob("*/tmp/*")] == []


@places("account", "container")
def test_a_handoff_goes_home(site: Site) -> None:
    replicator = site.replicator
    first, second, _ = site.primaries
    site.made(first, ["a"])
    site.made(second, ["b"])
    site.made(site.handoff, ["c", "d"])
    site.replicate(replicator, site.handoff)
    assert not site.exists(site.handoff)
    site.replicate(replicator)
    site.replicate(replicator)
    assert site.agreed()["names"] == {"a", "b", "c", "d"}


@places("account", "container", servers=["both"])
def test_replicators_of_both_sides_take_turns_on_the_same_databases(site: Site) -> None:
    """Whoever comes last finds nothing left to do."""
    alive: set[str] = set()
    for number in site.primaries:
        site.made(number, [f"{number}-{row}" for row in range(30)])
        alive |= {f"{number}-{row}" for row in range(30)}
    for turn in range(4):
        side, number = SIDES[turn % 2], site.primaries[turn % 3]
        added = [f"t{turn}-{row}" for row in range(20)]
        gone = sorted(alive & site.found(number)["names"])[:7]
        site.add(number, added, 100 + turn)
        site.remove(number, gone, 200 + turn)
        alive = (alive - set(gone)) | set(added)
        if turn == 2:
            shutil.rmtree(site.broker(site.primaries[1]).directory)
        site.replicate(side, number, site.primaries[(turn + 1) % 3])
    for side in SIDES:
        site.replicate(side)
    agreed = site.agreed()
    if site.kind == "container":
        assert agreed["names"] == alive
    before = [row_numbers(site, number) for number in site.primaries]
    for side in SIDES:
        site.replicate(side)
        assert site.agreed() == agreed
    assert [row_numbers(site, number) for number in site.primaries] == before


def row_numbers(site: Site, number: int) -> int:
    """The last row number: it grows whenever a row is written."""
    return site.broker(number).max_row()


@places("container")
def test_a_conflict_of_policies_is_settled_alike(site: Site) -> None:
    replicator = site.replicator
    first, second, third = site.primaries
    site.made(first, ["a"], created=3, policy=0)
    site.made(second, ["b"], created=2, policy=1)
    site.made(third, ["c"], created=4, policy=0)
    site.replicate(replicator)
    site.replicate(replicator)
    assert [site.broker(number).get_info()["storage_policy_index"] for number in site.primaries] == [1, 1, 1]
    assert site.agreed()["names"] == {"a", "b", "c"}
    queued = set()
    for path in site.devices.glob("*/containers/*/*/*/*.db"):
        with sqlite3.connect(path) as connection:
            if connection.execute("SELECT account FROM container_info").fetchone() == (".misplaced_objects",):
                queued |= {name for (name,) in connection.execute("SELECT name FROM object")}
    assert queued == {f"0:/{'/'.join(site.names)}/a", f"0:/{'/'.join(site.names)}/c"}


@places("container")
def test_shard_ranges_are_exchanged(site: Site) -> None:
    replicator = site.replicator
    first, second, _ = site.primaries
    for number in site.primaries:
        site.made(number, ["a"])
    ranges = {
        number: ShardRange(f".shards_AUTH_t/x-{number}", at(2), "", "", 1, 2, at(3), 0, 20, at(3), None)
        for number in (first, second)
    }
    for number, found in ranges.items():
        merge_shard_ranges(site.broker(number), [found])
    site.replicate(replicator, first)
    site.replicate(replicator, first)
    assert [set(shard_ranges(site.broker(number))) for number in site.primaries] == [set(ranges.values())] * 3
