"""Bit rot in a cluster: hundreds of files of one replica damaged; clients are served, auditors find it, replicators mend.

Each seed damages one thing of one node: some bits of it, a sector, its end, or all of it. In each round a few dozen seeds
damage as many different things; then clients read, auditors and replicators make a pass, and the three nodes must hold
what they held before, byte for byte.

What cannot be noticed by design is not asked for here:

- a range of a damaged body is not checked, only whole bodies are;
- the fingerprint of a big body (``user.swiftlite.xxh3``) that alone is damaged: a reader takes the object for damaged, the
  auditor knows better and corrects it;
- databases, their pending files, and spooled updates have no checksums. Where other bytes make other sound values, nobody
  can tell; such damage is drawn again, as an oracle of the test's own says (`is_silent`, and the like).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from fakes.bit_rot import attributes, flipped, overwrite, spoiled_database
from functional.cluster import PROGRAMS, Cluster, wait_until
from swiftlite.account.auditor import AccountAuditor
from swiftlite.account.replicator import AccountReplicator
from swiftlite.common.config import ConfFile, read_options
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.auditor import ContainerAuditor
from swiftlite.container.replicator import ContainerReplicator
from swiftlite.core import fileset
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import pending
from swiftlite.obj import xattrs
from swiftlite.obj.async_pending import BadUpdate, RowUpdate
from swiftlite.obj.audit_pass import ALL, AuditPass
from swiftlite.obj.auditor import ObjectAuditor
from swiftlite.obj.replicator import ObjectReplicator
from swiftlite.obj.updater import ObjectUpdater
from swiftlite.obj.watchers import Watchers
from swiftlite.ring.format import RingError, load

LOGGER = logging.getLogger("test.bit_rot")
NODES = (1, 2, 3)
OBJECT_ROUNDS = 5
DATABASE_ROUNDS = 4
SPOOL_ROUNDS = 2
BIG = bytes(range(256)) * 12000  # three megabytes: more than one chunk on every hop
ODD_ROW = re.compile(r"(container|account)-server: (GET|HEAD) \S+ failed Traceback.*(ValueError|TypeError)")
"""What servers log of a row that SQLite reads without a word, and that makes no sense: another replica is asked then."""
UNMEASURED = {"date", "x-trans-id", "x-openstack-request-id", "connection", "keep-alive"}
DAEMONS: dict[str, Any] = {
    "object": (ObjectAuditor, ObjectReplicator),
    "container": (ContainerAuditor, ContainerReplicator),
    "account": (AccountAuditor, AccountReplicator),
}
AT_FULL_SPEED = {
    "files_per_second": "0",
    "bytes_per_second": "0",
    "databases_per_second": "0",
    "objects_per_second": "0",
}
AT_FULL_SPEED |= {"containers_per_second": "0", "accounts_per_second": "0", "zero_byte_files_per_second": "0"}


class Answer(NamedTuple):
    """What a client was sent; body None: the transfer broke off, and the client knows it."""

    status: int
    headers: dict[str, str]
    body: bytes | None


class Site:
    """Three nodes of a device each: every node holds a replica of everything."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.swift = SwiftConf.load(str(cluster.layout.etc))
        self.token = self.admin_token = ""

    def device(self, node: int) -> Path:
        return self.cluster.layout.nodes[node - 1].root / "d1"

    def client(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """One request to the proxy; the path is what follows the account."""
        self.token = self.token or self.cluster.token()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/v1/AUTH_test{quote(path)}" if "?" not in path else f"/v1/AUTH_test{path}"
        return ask(self.cluster.proxy_address, method, path, {"X-Auth-Token": self.token, **sent}, body)

    def direct(self, node: int, place: tuple[str, ...], kind: str = "object", query: str = "") -> Answer:
        """A GET to a node's own server; ``place`` is partition, account and so on."""
        address = self.cluster.server(f"{kind}-server", node).address
        path = "/d1/" + "/".join(map(quote, place)) + query
        return ask(address, "GET", path, {"X-Backend-Allow-Reserved-Names": "true"})

    def daemon(self, cls: Any, node: int, etc: Path | None = None) -> Any:
        """A daemon of a node, in this process: it need not be started for each pass."""
        kind = cls.section.partition("-")[0]
        conf = ConfFile.load(str((etc or self.cluster.layout.etc) / f"{kind}-server/{node}.conf"))
        options = read_options(cls.options_class, conf.section(cls.section) | AT_FULL_SPEED, conf.path, cls.section)
        return cls(options, self.swift, LOGGER)

    def audit(self, kind: str) -> None:
        """A pass of every node's auditor; none meets with anything unexpected."""
        for node in NODES:
            auditor = self.daemon(DAEMONS[kind][0], node)
            if kind == "object":
                made = AuditPass(auditor.options, self.swift, LOGGER, ALL, Watchers({}, LOGGER))
                made.run(["d1"], is_part=False)
                assert made.total["errors"] == 0
            else:
                counts = auditor.run_once()
                assert counts["failures"] == counts["quarantined"]

    def replicate(self, kind: str, passes: int = 1) -> None:
        """Passes of every node's replicator; none fails."""
        for _ in range(passes):
            for node in NODES:
                counts = self.daemon(DAEMONS[kind][1], node).run_once()
                assert counts["failures"] == 0, (node, counts)

    def run(self, kind: str, daemon: str) -> None:
        """A pass of every node's daemon in processes of their own, as operators run them."""
        for node in NODES:
            done = start(f"{kind}-{daemon}", self.cluster.layout.etc / f"{kind}-server/{node}.conf")
            assert done.returncode in (0, 3)
            assert "Traceback" not in done.stderr

    def quarantined(self, kind: str) -> set[tuple[int, str]]:
        """What lies aside now: node and hash."""
        return {
            (node, path.name.partition("-")[0])
            for node in NODES
            for path in self.device(node).glob(f"quarantined/{kind}s/*")
        }

    def forget_quarantined(self) -> None:
        for node in NODES:
            shutil.rmtree(self.device(node) / "quarantined", ignore_errors=True)

    def objects(self, node: int) -> dict[str, dict[str, tuple[str, dict[str, str], bytes | None]]]:
        """Every hash directory of a node: of each file the MD5 of its content, its metadata, and its fingerprint."""
        found: dict[str, dict[str, tuple[str, dict[str, str], bytes | None]]] = {}
        for path in self.device(node).glob("objects/*/*/*/*"):
            stored = attributes(path)
            digest = hashlib.md5(path.read_bytes()).hexdigest()
            described = xattrs.decode(stored[xattrs.KEY]), stored.get(xattrs.FINGERPRINT_KEY)
            found.setdefault(path.parent.name, {})[path.name] = (digest, *described)
        return found


def ask(address: tuple[str, int], method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders() if name.lower() not in UNMEASURED}
        try:
            return Answer(response.status, found, response.read())
        except (http.client.HTTPException, OSError):
            return Answer(response.status, found, None)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    secret = {"swift-hash": {"swift_hash_path_prefix": "bit", "swift_hash_path_suffix": "rot"}}
    cluster = Cluster(tmp_path_factory.mktemp("rot"), nodes=3, devices=1, swift_conf=secret)
    try:
        yield Site(cluster.start())
        unexpected = [
            line for line in cluster.log_text().split("\n") if "Traceback" in line and not ODD_ROW.search(line)
        ]
        assert unexpected == []
        for server in cluster.servers.values():
            assert server.is_running or not server.process.address, f"{server.name} has died"
    finally:
        cluster.remove()


@pytest.fixture(autouse=True)
def _nothing_is_unexpected(site: Site, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No daemon of this process logs a traceback, and nothing is left aside for the next test."""
    yield
    site.forget_quarantined()
    assert not [record for record in caplog.records if record.exc_info]


# Objects --------------------------------------------------------------------------------------------------------------


class Stored(NamedTuple):
    """The objects of the cluster as they are to be for ever.

    :ivar state: as :meth:`Site.objects`
    :ivar places: hash -> partition, account, container, object
    :ivar shown: path -> what a client is answered
    """

    state: dict[str, dict[str, tuple[str, dict[str, str], bytes | None]]]
    places: dict[str, tuple[str, ...]]
    own: dict[str, Answer]
    shown: dict[str, Answer]


@pytest.fixture(scope="module")
def stored(site: Site) -> Stored:
    """Objects of every kind, on all three nodes."""
    paths = put_objects(site)
    site.replicate("object")
    state = site.objects(1)
    assert site.objects(2) == state == site.objects(3)
    places = {}
    for path in site.device(1).glob("objects/*/*/*/*.data"):
        name = xattrs.decode(os.getxattr(path, xattrs.KEY))["name"]
        places[path.parent.name] = (path.parts[-4], *name.encode("latin-1").decode().split("/", 3)[1:])
    own = {name_hash: site.direct(1, place) for name_hash, place in places.items()}
    shown = {path: site.client(path) for path in paths}
    assert all(answer.body is not None for answer in own.values())
    return Stored(state, places, own, shown)


def put_objects(site: Site) -> list[str]:
    """Fill the cluster; returns the paths that clients read from now on."""
    for container in ("plain", "archive"):
        site.client(f"/{container}", "PUT")
    assert site.client("/archive", "POST", X_Versions_Enabled="true").status == 204
    paths = [f"/plain/{kind}{number}" for number in range(6) for kind in ("small", "page", "posted", "gone", "retyped")]
    paths += [f"/plain/big{number}" for number in range(3)] + [f"/plain/middle{number}" for number in range(5)]
    bodies = {"page": b"p" * 4096, "big": BIG, "middle": BIG[:200_000]}
    for path in paths:
        kind = path.rpartition("/")[2].rstrip("0123456789")
        body = bodies.get(kind, b"hello") + path.encode()
        assert site.client(path, "PUT", body, X_Object_Meta_Color="blau é".encode().decode("latin-1")).status == 201
        if kind == "posted":
            assert site.client(path, "POST", X_Object_Meta_Color="rot").status == 202
        elif kind == "retyped":
            assert site.client(path, "POST", Content_Type="x/new").status == 202
            assert site.client(path, "POST", X_Object_Meta_Color="rot").status == 202
        elif kind == "gone":
            assert site.client(path, "DELETE").status == 204
    for body in (b"one", b"two", b"three"):
        assert site.client("/archive/kept", "PUT", body).status == 201
    manifest = json.dumps([{"path": f"/plain/middle{number}"} for number in range(3)]).encode()
    assert site.client("/plain/large?multipart-manifest=put", "PUT", manifest).status == 201
    return [*paths, "/archive/kept", "/plain/large"]


class Damage(NamedTuple):
    """What was done to one node."""

    node: int
    name_hash: str
    file: str
    what: str

    @property
    def is_visible(self) -> bool:
        """Whether an auditor moves the object away."""
        return self.what not in (xattrs.FINGERPRINT_KEY, "no checksum")


def spoil(site: Site, name_hash: str, seed: int) -> Damage:
    """Damage the content or one attribute of one of an object's files, on one node."""
    chance = random.Random(seed)
    node = chance.choice(NODES)
    (directory,) = site.device(node).glob(f"objects/*/*/{name_hash}")
    choices = []
    effective = fileset.resolve(os.listdir(directory)).effective
    for file in filter(None, effective):
        path = directory / file.name
        choices += [(path, "content")] * (path.stat().st_size > 0) + [(path, name) for name in attributes(path)]
    path, what = chance.choice(choices)
    if what == "content":
        overwrite(path, flipped(path.read_bytes(), chance))
    elif what == xattrs.CHECKSUM_KEY and not chance.randrange(4):
        os.removexattr(path, what)
        what = "no checksum"
    else:
        os.setxattr(path, what, flipped(os.getxattr(path, what), chance))
    return Damage(node, name_hash, path.name, what)


def spoil_bookkeeping(site: Site, chance: random.Random) -> None:
    """Damage what some partitions of a node know of their suffixes."""
    partitions = sorted(path for node in NODES for path in site.device(node).glob("objects/*") if path.is_dir())
    for partition in chance.sample(partitions, 12):
        hashes = partition / "hashes.pkl"
        if hashes.exists():
            overwrite(hashes, flipped(hashes.read_bytes(), chance))
        if chance.randrange(2):
            (partition / "hashes.invalid").write_bytes(chance.randbytes(40))


def read_directly(site: Site, stored: Stored, damage: Damage) -> None:
    """The damaged node's server sends what is right, or says that it has nothing, or breaks off: never anything else."""
    place = stored.places.get(damage.name_hash)
    if place is None:
        return
    for _ in range(2):
        answer = site.direct(damage.node, place)
        if answer.status in (404, 500):  # 500: the first piece of the body was to be the last
            continue
        right = stored.own[damage.name_hash]
        assert (answer.status, answer.headers) == (right.status, right.headers), damage
        assert answer.body in (right.body, None), damage
    assert answer.body is not None, "who breaks off has put the object aside"


def read_as_client(site: Site, stored: Stored, chance: random.Random) -> None:
    """What a client is sent whole is right; where a transfer broke off, the next attempt succeeds."""
    for path, right in stored.shown.items():
        if path.startswith("/plain/small") and chance.randrange(3):
            continue
        for _ in range(4):
            answer = site.client(path)
            assert answer.status == right.status, (path, answer)
            assert answer.headers == right.headers, path
            if answer.body is not None:
                break
        assert answer.body == right.body, path
        assert site.client(path, "HEAD").headers == right.headers or right.status == 404


@pytest.mark.parametrize("number", range(OBJECT_ROUNDS))
def test_objects(site: Site, stored: Stored, number: int) -> None:
    chance = random.Random(number)
    damages = [spoil(site, name_hash, 1000 * number + seed) for seed, name_hash in enumerate(sorted(stored.state))]
    spoil_bookkeeping(site, chance)
    read = [damage for damage in damages if chance.randrange(2)]
    for damage in read:
        read_directly(site, stored, damage)
    if number % 2:
        read_as_client(site, stored, chance)
    is_last = number == OBJECT_ROUNDS - 1
    site.run("object", "auditor") if is_last else site.audit("object")
    expected = {(damage.node, damage.name_hash) for damage in damages if damage.is_visible}
    allowed = {(damage.node, damage.name_hash) for damage in damages if damage.what == xattrs.FINGERPRINT_KEY}
    found = site.quarantined("object")
    assert found - allowed == expected, [damage for damage in damages if (damage[0], damage[1]) in found ^ expected]
    site.run("object", "replicator") if is_last else site.replicate("object")
    for node in NODES:
        assert site.objects(node) == stored.state
    if is_last:
        read_as_client(site, stored, chance)
    site.forget_quarantined()
    site.audit("object")
    assert site.quarantined("object") == set(), "the second pass finds nothing more"


# Databases ------------------------------------------------------------------------------------------------------------


class Kept(NamedTuple):
    """The databases of the cluster as they are to be for ever.

    :ivar state: (kind, hash) -> what :func:`dump` gives
    :ivar listings: proxy paths, account included, and the names that are listed there
    """

    state: dict[tuple[str, str], Any]
    listings: dict[str, list[str]]


def database(site: Site, node: int, kind: str, name_hash: str) -> Path:
    (path,) = site.device(node).glob(f"{kind}s/*/*/{name_hash}/{name_hash}.db")
    return path


def dump(path: Path, kind: str) -> Any:
    """All that a database says of the world, whatever numbers its rows have there.

    :raises sqlite3.DatabaseError: when it cannot be read
    """
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        table, columns = {
            "container": ("object", "name, created_at, size, content_type, etag, deleted, storage_policy_index"),
            "account": ("container", "name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted"),
        }[kind]
        rows = sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall())
        stat = "container_info" if kind == "container" else "account_stat"
        info = connection.execute(
            f"SELECT account, created_at, put_timestamp, delete_timestamp, hash, status, metadata FROM {stat}"
        ).fetchone()
        counts = connection.execute("SELECT * FROM policy_stat ORDER BY storage_policy_index").fetchall()
        schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        return rows, info, counts, schema
    finally:
        connection.close()


@pytest.fixture(scope="module")
def kept(site: Site, stored: Stored) -> Kept:
    """Containers of a few rows and of hundreds, and accounts of some containers."""
    admin = site.cluster.token("admin:admin")
    for account in range(6):
        for container in range(5):
            path = f"/v1/AUTH_rot{account}/c{container}"
            assert ask(site.cluster.proxy_address, "PUT", path, {"X-Auth-Token": admin}).status in (201, 202)
    partitions = {}
    for path in site.device(1).glob("containers/*/*/*/*.db"):
        with sqlite3.connect(path) as connection:
            account, container = connection.execute("SELECT account, container FROM container_info").fetchone()
        partitions[account, container] = path.parts[-4]
    for (account, container), partition in partitions.items():
        if account.startswith("AUTH_rot"):
            rows = [row(f"{container} é{number}") for number in range(3 + 70 * int(account[-1]))]
            for node in NODES:
                update_rows(site, node, f"/d1/{partition}/{account}/{container}", rows)
    for kind in ("container", "account"):
        site.replicate(kind, 2)
    state = databases(site, 1)
    assert databases(site, 2) == state == databases(site, 3)
    listed = [f"/v1/AUTH_rot{account}" for account in range(6)] + ["/v1/AUTH_test/plain"]
    listed += [f"/v1/AUTH_rot{account}/c{container}" for account in range(6) for container in range(5)]
    return Kept(state, {path: listing(site, path) for path in listed})


def row(name: str) -> dict[str, object]:
    stamp = Timestamp(time.time() - 100).internal
    shared = {"name": name, "created_at": stamp, "size": 5, "content_type": "text/plain", "etag": "e"}
    return {**shared, "deleted": 0, "storage_policy_index": 0}


def update_rows(site: Site, node: int, path: str, rows: list[dict[str, object]]) -> None:
    headers = {"X-Timestamp": "1", "X-Backend-Storage-Policy-Index": "0", "Content-Type": "application/json"}
    address = site.cluster.server("container-server", node).address
    assert ask(address, "UPDATE", path, headers, json.dumps(rows).encode()).status == 202


def databases(site: Site, node: int) -> dict[tuple[str, str], Any]:
    found = {}
    for kind in ("container", "account"):
        for path in site.device(node).glob(f"{kind}s/*/*/*/*.db"):
            found[kind, path.parent.name] = dump(path, kind)
    return found


def listing(site: Site, path: str) -> list[str]:
    """The names that a client is listed, who always gets an answer."""
    site.admin_token = site.admin_token or site.cluster.token("admin:admin")
    address, sent = site.cluster.proxy_address, {"X-Auth-Token": site.admin_token}
    answer = ask(address, "GET", f"{path}?format=json", sent)
    assert answer.status == 200, (path, answer)
    assert answer.body is not None
    return [entry["name"] for entry in json.loads(answer.body)]


class DatabaseDamage(NamedTuple):
    """What was done to one node's database."""

    node: int
    kind: str
    name_hash: str
    is_visible: bool
    misleads: bool
    """Whether SQLite lists something else from it, and says nothing."""


def spoil_database(site: Site, kept: Kept, kind: str, name_hash: str, seed: int, scratch: Path) -> DatabaseDamage:
    """Damage a node's database in a way that shows, or in one that changes nothing."""
    chance = random.Random(seed)
    node = chance.choice(NODES)
    path = database(site, node, kind, name_hash)
    sound, told = path.read_bytes(), everything(path)
    names = [name for name, *_ in kept.state[kind, name_hash][0]]
    while True:
        spoiled = spoiled_database(sound, chance)
        scratch.write_bytes(spoiled)
        is_visible, is_same, misleads = judge(scratch, kind, told, names)
        if is_visible or is_same:
            overwrite(path, spoiled)
            return DatabaseDamage(node, kind, name_hash, is_visible, misleads)


def everything(path: Path) -> list[str]:
    """All that SQLite reads from a database."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        names = [repr(row) for row in connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()]
        return [*names, *connection.iterdump()]
    finally:
        connection.close()


def judge(path: Path, kind: str, told: list[str], names: list[str]) -> tuple[bool, bool, bool]:
    """Whether SQLite notices damage, whether what it reads is right, and whether it lists other names without a word."""
    try:
        is_same = everything(path) == told
    except (sqlite3.Error, UnicodeDecodeError, TypeError):
        is_same = False
    try:
        misleads = listed(path, kind) != names
    except (sqlite3.Error, UnicodeDecodeError, TypeError):
        misleads = False
    try:
        connection = sqlite3.connect(path)
        try:
            is_sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE policy_stat SET object_count = object_count")
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError):
        is_sound = False
    return not is_sound, is_same, misleads


def listed(path: Path, kind: str) -> list[str]:
    """The names as an index gives them, which is how databases list them."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        table = "object" if kind == "container" else "container"
        sql = f"SELECT name FROM {table} WHERE deleted = 0 AND name > '' ORDER BY name"
        return [name for (name,) in connection.execute(sql).fetchall()]
    finally:
        connection.close()


@pytest.mark.parametrize("number", range(DATABASE_ROUNDS))
def test_databases(site: Site, kept: Kept, number: int, tmp_path: Path) -> None:
    damages = []
    for seed, (kind, name_hash) in enumerate(sorted(kept.state)):
        damages.append(spoil_database(site, kept, kind, name_hash, 1000 * number + seed, tmp_path / "scratch.db"))
    misleading = {damage.name_hash for damage in damages if damage.misleads}
    if number % 2:
        for path, right in kept.listings.items():
            found = listing(site, path)
            assert found == right or site.swift.hash_path.hex(*path.split("/")[2:]) in misleading
    is_last = number == DATABASE_ROUNDS - 1
    for kind in ("container", "account"):
        site.run(kind, "auditor") if is_last else site.audit(kind)
        expected = {(damage.node, damage.name_hash) for damage in damages if damage.is_visible and damage.kind == kind}
        assert site.quarantined(kind) == expected
    for path, right in kept.listings.items():
        assert listing(site, path) == right
    for kind in ("container", "account"):
        site.run(kind, "replicator") if is_last else site.replicate(kind)
    for node in NODES:
        assert databases(site, node) == kept.state


# What waits to be merged or delivered ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(SPOOL_ROUNDS))
def test_pending_rows(site: Site, number: int) -> None:
    """A replica's pending file is damaged: it drops what it cannot read, and hears of it again from the others."""
    chance = random.Random(number)
    names = [f"/pending{number}-{index}" for index in range(10)]
    for name in names:
        assert site.client(name, "PUT").status == 201
        for index in range(4):
            assert site.client(f"{name}/o{index}", "PUT", b"x").status == 201
    damaged = 0
    for name in names:
        path = database_of(site, chance.choice(NODES), name[1:]).with_suffix(".db.pending")
        sound = path.read_bytes() if path.exists() else b""
        if sound:
            damaged += 1
            overwrite(path, spoiled_pending(sound, chance))
    assert damaged
    for name in names:
        answer = site.client(f"{name}?format=json")
        assert answer.status == 200
        assert answer.body is not None
        assert {entry["name"] for entry in json.loads(answer.body)} <= {f"o{index}" for index in range(4)}
    site.audit("container")
    assert site.quarantined("container") == set()
    site.replicate("container", 2)
    for name in names:
        rows = [dump(database_of(site, node, name[1:]), "container")[0] for node in NODES]
        assert rows[0] == rows[1] == rows[2]
        assert [row[0] for row in rows[0]] == [f"o{index}" for index in range(4)]


def database_of(site: Site, node: int, container: str) -> Path:
    return database(site, node, "container", site.swift.hash_path.hex("AUTH_test", container))


def spoiled_pending(sound: bytes, chance: random.Random) -> bytes:
    """Damage that shows: no record of it is sound and another than there was."""
    right, _ = pending.decode(sound)
    while True:
        spoiled = flipped(sound, chance)
        if all(record in right for record in pending.decode(spoiled)[0]):
            return spoiled


@pytest.mark.parametrize("number", range(SPOOL_ROUNDS))
def test_spooled_updates(site: Site, number: int) -> None:
    """Updates for a container server that was down are damaged: they are put aside, and its replicas tell it of the rows."""
    chance = random.Random(number)
    container = f"spooled{number}"
    assert site.client(f"/{container}", "PUT").status == 201
    site.cluster.run_updaters(("object-updater",))
    server = site.cluster.server("container-server", 2)
    server.kill()
    names = [f"o{index}" for index in range(30)]
    for name in names:
        assert site.client(f"/{container}/{name}", "PUT", b"x").status == 201
    wait_until(lambda: len(site.cluster.async_pending()) >= len(names), "what the server missed is spooled")
    spoiled = set()
    for path in chance.sample(site.cluster.async_pending(), 20):
        overwrite(path, spoiled_update(path.read_bytes(), chance))
        spoiled.add(path.name)
    server.start()
    for node in NODES:
        counts = site.daemon(ObjectUpdater, node).run_once()
        assert counts["failures"] == counts["left"] == 0
    assert {path.name for path in site.cluster.files("quarantined/objects/*")} == spoiled
    assert site.cluster.async_pending() == []
    site.replicate("container", 2)
    for node in NODES:
        assert [row[0] for row in dump(database_of(site, node, container), "container")[0]] == sorted(names)


def spoiled_update(sound: bytes, chance: random.Random) -> bytes:
    """Damage that shows: what cannot be read, or is of another object or moment than its file's name says."""
    right = RowUpdate.from_pickle(sound)
    while True:
        spoiled = flipped(sound, chance)
        try:
            found = RowUpdate.from_pickle(spoiled)
        except BadUpdate:
            return spoiled
        if named(found) != named(right):
            return spoiled


def named(update: RowUpdate) -> tuple[str, ...]:
    return update.account, update.container, update.object, update.timestamp.internal


# Rings ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DAEMONS)
def test_a_node_with_a_damaged_ring(site: Site, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What runs goes on with the ring that it has; what starts says in a line why it does not, and does once it is mended."""
    etc = etc_of_its_own(site, tmp_path)
    ring = etc / f"{kind}.ring.gz"
    sound = ring.read_bytes()
    living = site.daemon(DAEMONS[kind][1], 1, etc)
    assert living.run_once()["failures"] == 0
    loaded = living.rings[0] if kind == "object" else living.ring
    loaded.reload_time = 0.0
    for seed in range(30):
        ring.write_bytes(spoiled_ring(sound, random.Random(seed), tmp_path))
        caplog.clear()
        loaded._next_look = 0.0  # its time has come
        assert len(loaded.primaries(seed)) == 3
        assert f"ring {ring} was not reloaded, the old one stays in use" in caplog.text
    counts = living.run_once()
    assert counts["failures"] == 0 < counts["attempted"]
    for program, conf in ((f"{kind}-replicator", f"{kind}-server/1.conf"), ("proxy-server", "proxy-server.conf")):
        done = start(program, etc / conf)
        (said,) = done.stderr.strip().split("\n")
        assert str(ring) in said and "Traceback" not in said
        assert done.returncode == 1 or program == "object-replicator", "it may have other policies to work on"
    ring.write_bytes(sound)
    caplog.clear()
    assert living.run_once()["failures"] == 0
    assert str(ring) not in caplog.text
    assert start(f"{kind}-replicator", etc / f"{kind}-server/1.conf").returncode == 0


def etc_of_its_own(site: Site, directory: Path) -> Path:
    """A copy of the cluster's configuration, as another node would have it."""
    shared, etc = site.cluster.layout.etc, directory / "etc"
    shutil.copytree(shared, etc)
    for conf in etc.rglob("*.conf"):
        conf.write_text(conf.read_text().replace(str(shared), str(etc)))
    return etc


def spoiled_ring(sound: bytes, chance: random.Random, scratch: Path) -> bytes:
    """Damage that shows: the file's own header has bytes that say nothing, the time it was made for one."""
    while True:
        spoiled = flipped(sound, chance)
        (scratch / "scratch.ring.gz").write_bytes(spoiled)
        try:
            load(str(scratch / "scratch.ring.gz"))
        except RingError:
            return spoiled


def start(program: str, conf: Path) -> subprocess.CompletedProcess[str]:
    """Start a program that ends at once, or after a pass."""
    arguments = ["--once"] if "server" not in program else []
    command = [sys.executable, str(PROGRAMS / f"swiftlite-{program}"), str(conf), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
