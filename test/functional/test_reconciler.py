"""The container reconciler: what was written into another policy than the container's ends up in it, and nothing is lost."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from functional.cluster import PROGRAMS, Cluster
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.backend import ContainerBroker
from swiftlite.container.misplaced import MisplacedQueue
from swiftlite.container.reconciler import ContainerReconciler, ReconcilerOptions
from swiftlite.core import misplaced
from swiftlite.core.misplaced import Entry
from swiftlite.core.timestamp import Timestamp
from swiftlite.db import layout as places
from swiftlite.http.client import Client
from swiftlite.ring.ring import Ring
from swiftlite.wire.internal_client import InternalClient

LOGGER = logging.getLogger(__name__)
POLICIES = {
    "storage-policy:0": {"name": "gold", "default": "yes"},
    "storage-policy:1": {"name": "silver"},
    "storage-policy:2": {"name": "bronze"},
}
CONF = """
[DEFAULT]
swift_dir = {etc}
user = {user}
log_address =

[container-reconciler]
request_tries = 1
conn_timeout = 30
node_timeout = 60

[pipeline:main]
pipeline = catch_errors proxy-logging proxy-server

[app:proxy-server]
use = egg:swiftlite#proxy
account_autocreate = true
conn_timeout = 30
node_timeout = 60
post_quorum_timeout = 30

[filter:catch_errors]
use = egg:swiftlite#catch_errors

[filter:proxy-logging]
use = egg:swiftlite#proxy_logging
"""
ACCOUNT = "AUTH_test"
GOLD, SILVER = 0, 1
LATER = 4000000000


class Site:
    """A cluster with several policies, and what an operator of it can see and do."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        etc = cluster.layout.etc
        self.conf = etc / "container-reconciler.conf"
        self.conf.write_text(CONF.format(etc=etc, user=etc.owner()))
        self.swift = SwiftConf.load(str(etc))
        self.client = InternalClient.from_conf(str(self.conf), str(etc), "test", 1, LOGGER)
        ring = Ring(str(etc), "container", hash_path=self.swift.hash_path)
        self.queue = MisplacedQueue(ring, Client(30.0, 60.0), LOGGER, "test")
        self.ring = ring

    def put(self, policy: int, container: str, name: str, body: bytes, moment: float, **headers: str) -> None:
        """Write an object into a policy, whatever the container's is."""
        sent = {"Content-Length": str(len(body)), **self._headers(policy, moment)}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        assert self.client.upload((ACCOUNT, container, name), [body], sent) == 201

    def post(self, policy: int, container: str, name: str, moment: float, **headers: str) -> None:
        sent = self._headers(policy, moment) | {key.replace("_", "-"): value for key, value in headers.items()}
        self.client.request("POST", (ACCOUNT, container, name), headers=sent).close()

    def delete(self, policy: int, container: str, name: str, moment: float) -> None:
        self.client.delete(ACCOUNT, container, name, headers=self._headers(policy, moment), accept=(404,))

    def _headers(self, policy: int, moment: float) -> dict[str, str]:
        return {"X-Backend-Storage-Policy-Index": str(policy), "X-Timestamp": Timestamp(moment).internal}

    def databases(self, container: str) -> list[ContainerBroker]:
        """The container's replicas."""
        name_hash = self.swift.hash_path.hex(ACCOUNT, container)
        partition, nodes = self.ring.get_nodes(ACCOUNT, container)
        root = self.cluster.layout.nodes[0].root
        paths = [
            places.database_path(str(root / node.device), "container", str(partition), name_hash) for node in nodes
        ]
        return [ContainerBroker(path, ACCOUNT, container, logger=LOGGER) for path in paths]

    def feed(self, container: str) -> None:
        """Queue the container's misplaced rows, as every replica's replicator does."""
        assert all(self.queue.feed(broker) for broker in self.databases(container))

    def reconcile(self, *arguments: str) -> None:
        """Make one pass of the reconciler."""
        command = [sys.executable, str(PROGRAMS / "swiftlite-container-reconciler"), str(self.conf), "--once", "-v"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)
        failed = re.search(r": pass of .* (errors|failures) \d", done.stderr)
        assert done.returncode == (3 if failed else 0) and "Traceback" not in done.stderr, done.stderr
        self.said = done.stderr

    def queued(self, container: str, tell: bool = True) -> list[str]:
        """The queue's rows about a container; `tell`: its account of new containers first."""
        if tell:
            self.cluster.run_updaters(["container-updater"])
        queues = {entry["name"] for entry in self.client.containers(misplaced.ACCOUNT)}
        queues.add(misplaced.queue_container(Timestamp(time.time()).internal))
        rows = [row["name"] for queue in sorted(queues) for row in self.client.objects(misplaced.ACCOUNT, queue)]
        return [row for row in rows if f"/{container}/" in row]

    def files(self, policy: int, container: str, name: str) -> list[str]:
        """What lies in an object's directories of a policy, file names of all replicas."""
        digest = self.swift.hash_path.hex(ACCOUNT, container, name)
        directory = "objects" if not policy else f"objects-{policy}"
        return sorted(path.name for path in self.cluster.files(f"{directory}/*/*/{digest}/*"))

    def listing(self, container: str) -> list[str]:
        return [entry["name"] for entry in self.client.objects(ACCOUNT, container)]


@pytest.fixture(scope="module")
def site(make_session_cluster: Callable[..., Cluster]) -> Site:
    return Site(make_session_cluster(swift_conf=POLICIES))


@pytest.fixture
def user(site: Site) -> Iterable[object]:
    connection = site.cluster.connection()
    yield connection
    connection.close()


def spelled(moment: float, offset: int = 0) -> str:
    return Timestamp(moment, offset=offset).internal


def test_the_conf_of_a_storage_server_is_refused_in_one_line(site: Site) -> None:
    conf = site.cluster.layout.etc / "container-server.conf"
    assert conf.exists()
    command = [sys.executable, str(PROGRAMS / "swiftlite-container-reconciler"), str(conf), "--once", "-v"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and str(conf) in line and "container-reconciler.conf" in line


def test_objects_are_moved_as_they_are(site: Site, user) -> None:
    user.put_container("moved", headers={"X-Storage-Policy": "gold"})
    before = time.time() - 100
    big = b"0123456789abcdef" * 8192
    meta = {"X_Object_Meta_Color": "blue", "Content_Type": "text/x; charset=utf-8", "X_Delete_At": str(LATER)}
    site.put(SILVER, "moved", "plain é/1", b"hello", before, **meta, Content_Encoding="rot13")
    site.put(SILVER, "moved", "big", big, before)
    site.put(SILVER, "moved", "posted", b"x", before, Content_Type="text/plain")
    site.post(SILVER, "moved", "posted", before + 5, X_Object_Meta_Color="red", X_Delete_At=str(LATER))
    site.put(GOLD, "moved", "elsewhere", b"target", before)
    manifest = {"X_Static_Large_Object": "True", "X_Object_Sysmeta_Slo_Size": "12345"}
    site.put(SILVER, "moved", "manifest", b"[]", before, **manifest, Content_Type="text/x; swift_bytes=12345")
    link = {"X_Object_Sysmeta_Symlink_Target": "moved/elsewhere", "Content_Type": "application/symlink"}
    site.put(SILVER, "moved", "link", b"", before, **link)
    assert site.listing("moved") == ["elsewhere"]
    site.feed("moved")
    assert len(site.queued("moved")) == 5

    site.reconcile()

    assert site.queued("moved") == []
    headers, body = user.get_object("moved", "plain é/1")
    assert body == b"hello"
    assert headers["x-object-meta-color"] == "blue" and headers["content-type"] == "text/x; charset=utf-8"
    assert headers["content-encoding"] == "rot13" and headers["x-delete-at"] == str(LATER)
    assert headers["x-timestamp"] == Timestamp(before).normal
    assert user.get_object("moved", "big")[1] == big
    headers, _ = user.get_object("moved", "posted")
    assert (headers["x-object-meta-color"], headers["x-delete-at"]) == ("red", str(LATER))
    assert headers["content-type"] == "text/plain" and headers["x-timestamp"] == Timestamp(before + 5).normal
    rows = {row["name"]: row for row in user.get_container("moved")[1]}
    assert sorted(rows) == ["big", "elsewhere", "link", "manifest", "plain é/1", "posted"]
    assert rows["posted"]["last_modified"] == Timestamp(before + 5).isoformat
    assert rows["manifest"]["bytes"] == 12345  # what it stands for
    link_itself = user.head_object("moved", "link", query_string="symlink=get")
    assert link_itself["x-symlink-target"] == "moved/elsewhere"
    assert user.get_object("moved", "link")[1] == b"target"
    for name in set(rows) - {"elsewhere"}:
        assert {file for file in site.files(SILVER, "moved", name) if not file.endswith(".meta")} == {
            spelled(before, 1) + ".ts"
        }
        assert spelled(before, 3) + ".data" in site.files(GOLD, "moved", name)
    assert [broker.policy_stats()[SILVER] for broker in site.databases("moved")] == [(0, 0)] * 3

    # The rows of its own deletions are misplaced, too: they lead to nothing more.
    site.feed("moved")
    assert site.queued("moved") == []


def test_the_newest_version_wins_wherever_it_is(site: Site, user) -> None:
    user.put_container("contested", headers={"X-Storage-Policy": "silver"})
    old, mid, new = (time.time() - back for back in (300, 200, 100))
    site.put(GOLD, "contested", "older", b"loses", old)
    site.put(SILVER, "contested", "older", b"wins", new)
    site.put(SILVER, "contested", "newer", b"loses", old)
    site.put(GOLD, "contested", "newer", b"wins", new)
    site.put(GOLD, "contested", "deleted later", b"x", old)
    site.delete(SILVER, "contested", "deleted later", new)
    site.put(SILVER, "contested", "deleted elsewhere", b"x", old)
    site.delete(GOLD, "contested", "deleted elsewhere", new)
    site.put(SILVER, "contested", "deleted elsewhere, then written", b"wins", new)
    site.delete(GOLD, "contested", "deleted elsewhere, then written", old)
    # A POST to the older version holds for the newer one, too.
    site.put(SILVER, "contested", "posted", b"loses", old)
    site.put(GOLD, "contested", "posted", b"wins", mid)
    site.post(SILVER, "contested", "posted", new, X_Object_Meta_Color="blue")
    site.feed("contested")
    assert len(site.queued("contested")) == 6

    site.reconcile()

    assert site.queued("contested") == []
    found = {name: user.get_object("contested", name)[1] for name in site.listing("contested")}
    names = ["deleted elsewhere, then written", "newer", "older", "posted"]
    assert found == dict.fromkeys(names, b"wins")
    assert user.head_object("contested", "posted")["x-object-meta-color"] == "blue"
    assert site.files(SILVER, "contested", "deleted elsewhere") == [spelled(new, 1) + ".ts"] * 3
    assert not any(site.files(GOLD, "contested", name)[0].endswith(".data") for name in names)


def test_an_expired_object_is_deleted_not_moved(site: Site, user) -> None:
    user.put_container("expired", headers={"X-Storage-Policy": "gold"})
    moment = time.time() - 100
    site.put(GOLD, "expired", "o", b"old", moment - 100)
    site.put(SILVER, "expired", "o", b"x", moment, X_Delete_At=str(int(time.time()) + 1))
    site.feed("expired")
    time_is_up = int(time.time()) + 2
    while time.time() < time_is_up:
        time.sleep(0.05)
    site.reconcile()
    assert site.queued("expired") == [] and site.listing("expired") == []
    assert site.files(GOLD, "expired", "o") == [spelled(moment, 1) + ".ts"] * 3


def test_what_is_not_to_be_found_is_looked_for_again(site: Site, user) -> None:
    user.put_container("missing", headers={"X-Storage-Policy": "gold"})
    moment = time.time() - 100
    site.put(SILVER, "missing", "o", b"x", moment)
    site.feed("missing")
    hidden = [path for path in site.cluster.files("objects-1/*/*/*/*.data") if path.name == f"{spelled(moment)}.data"]
    assert len(hidden) == 3
    for path in hidden:
        path.rename(path.with_suffix(".hidden"))
    site.reconcile()
    assert len(site.queued("missing")) == 1 and site.listing("missing") == []
    for path in hidden:
        path.with_suffix(".hidden").rename(path)
    site.reconcile()
    assert site.queued("missing") == [] and user.get_object("missing", "o")[1] == b"x"


@pytest.mark.parametrize("kind", ["object-server", "container-server"])
def test_while_servers_are_down_all_stays_as_it_is(site: Site, user, kind: str) -> None:
    container = f"down-{kind}"
    user.put_container(container, headers={"X-Storage-Policy": "gold"})
    moment = time.time() - 100
    site.put(SILVER, container, "o", b"x", moment)
    site.feed(container)
    server = site.cluster.server(kind)
    server.kill()
    try:
        site.reconcile()
    finally:
        server.start()
    assert len(site.queued(container)) == 1
    assert site.files(SILVER, container, "o") == [f"{spelled(moment)}.data"] * 3
    assert site.files(GOLD, container, "o") == []
    site.reconcile()
    assert site.queued(container) == [] and user.get_object(container, "o")[1] == b"x"


def test_nothing_is_deleted_before_the_right_policy_has_it(site: Site, user) -> None:
    """A pass that was cut short has brought the object to one replica: it counts for nothing."""
    user.put_container("cut", headers={"X-Storage-Policy": "gold"})
    moment = time.time() - 100
    body = b"0123456789abcdef" * 8192
    site.put(SILVER, "cut", "o", body, moment)
    site.put(GOLD, "cut", "o", body, Timestamp(moment, offset=3))  # type: ignore[arg-type]
    kept, *others = [
        path for path in site.cluster.files("objects/*/*/*/*.data") if path.name.startswith(spelled(moment))
    ]
    assert len(others) == 2
    for path in others:
        path.unlink()
    site.feed("cut")
    site.reconcile()
    assert site.queued("cut") == []
    assert kept.parent.exists()
    assert site.files(GOLD, "cut", "o").count(spelled(moment, 4) + ".data") == 3
    assert user.get_object("cut", "o")[1] == body
    assert site.files(SILVER, "cut", "o") == [spelled(moment, 1) + ".ts"] * 3


def test_an_entry_waits_while_the_replicas_of_its_container_disagree(site: Site, user) -> None:
    user.put_container("torn", headers={"X-Storage-Policy": "gold"})
    site.put(GOLD, "torn", "o", b"x", time.time() - 100)
    site.put(SILVER, "torn", "p", b"x", time.time() - 100)
    broker = site.databases("torn")[0]
    broker.set_storage_policy_index(SILVER, Timestamp(time.time()).internal)
    assert broker.reconciler_sync_point() == -1
    site.feed("torn")
    assert sorted(site.queued("torn")) == ["0:/AUTH_test/torn/o", "1:/AUTH_test/torn/p"]
    site.reconcile()
    # What the others misplaced is moved; that the first one's policy is wrong may still turn out otherwise.
    assert site.queued("torn") == ["0:/AUTH_test/torn/o"]
    broker.set_storage_policy_index(GOLD, Timestamp(time.time()).internal)
    site.reconcile()
    assert site.queued("torn") == [] and site.listing("torn") == ["o", "p"]


def test_a_replica_that_has_lost_its_database_says_nothing_of_policies(site: Site, user) -> None:
    user.put_container("lost", headers={"X-Storage-Policy": "silver"})
    site.put(GOLD, "lost", "o", b"x", time.time() - 100)
    for path in Path(site.databases("lost")[0].path).parent.iterdir():
        path.unlink()
    assert all(site.queue.feed(broker) for broker in site.databases("lost")[1:])
    site.reconcile()
    assert site.queued("lost") == [] and user.get_object("lost", "o")[1] == b"x"


def test_an_old_entry_is_given_up_only_when_all_say_that_there_is_no_container(site: Site, user) -> None:
    """Two disks may be new, and the third one, that has the container, away."""
    moment = time.time() - 30 * 86400
    row = {"name": "o", "created_at": spelled(moment), "size": 1, "content_type": "t", "etag": "e", "deleted": 0}
    assert site.queue.add([row | {"storage_policy_index": SILVER}], ACCOUNT, "nowhere")
    queue = misplaced.queue_container(spelled(moment))
    queued = {node.device for node in site.ring.get_nodes(misplaced.ACCOUNT, queue)[1]}
    _, nodes = site.ring.get_nodes(ACCOUNT, "nowhere")
    device = site.cluster.layout.nodes[0].root / next(node.device for node in nodes if node.device in queued)
    assert site.queued("nowhere") == ["1:/AUTH_test/nowhere/o"]
    away = device.parent.parent / "away"
    device.rename(away)
    try:
        site.reconcile()
        assert site.queued("nowhere", tell=False) == ["1:/AUTH_test/nowhere/o"]
    finally:
        away.rename(device)
    site.reconcile()
    assert site.queued("nowhere") == []


def test_two_reconcilers_share_the_work(site: Site, user) -> None:
    user.put_container("shared", headers={"X-Storage-Policy": "gold"})

    def is_first_s(name: str) -> bool:
        return int(site.swift.hash_path.hex(ACCOUNT, "shared", name), 16) % 2 == 1

    every = [f"o{number:02d}" for number in range(99)]
    names = sorted(
        [name for name in every if is_first_s(name)][:4] + [name for name in every if not is_first_s(name)][:4]
    )
    for name in names:
        site.put(SILVER, "shared", name, b"x", time.time() - 100)
    site.feed("shared")
    site.reconcile("--processes", "2", "--process", "1")
    done = site.listing("shared")
    assert len(done) == 4 and done == [name for name in names if is_first_s(name)]
    site.reconcile("--processes", "2", "--process", "0")
    assert site.listing("shared") == names and site.queued("shared") == []


def test_what_cannot_be_understood_stays_and_disturbs_nobody(site: Site, user) -> None:
    user.put_container("fine", headers={"X-Storage-Policy": "gold"})
    site.put(SILVER, "fine", "o", b"x", time.time() - 100)
    site.put(2, "fine", "p", b"x", time.time() - 100)
    site.feed("fine")
    body = json.dumps(
        [
            {
                "name": name,
                "created_at": "1700000000.00000",
                "etag": "x",
                "size": 0,
                "content_type": "application/x-put",
            }
            for name in ("junk", "7:/AUTH_test/fine/no such policy", "1:/AUTH_test/fine")
        ]
    )
    queue = misplaced.queue_container("1700000000.00000")
    headers = {"X-Backend-Storage-Policy-Index": "0", "X-Timestamp": spelled(time.time())}
    partition, nodes = site.ring.get_nodes(misplaced.ACCOUNT, queue)
    for node in nodes:
        path = f"/{node.device}/{partition}/{misplaced.ACCOUNT}/{queue}"
        answer = site.queue.client.request(node.address, "UPDATE", path, headers, body.encode())
        assert answer.status == 202
        answer.read()
    site.cluster.run_updaters(["container-updater"])
    site.reconcile()
    assert "cannot understand" in site.said
    assert site.listing("fine") == ["o", "p"]
    assert sorted(row["name"] for row in site.client.objects(misplaced.ACCOUNT, queue)) == [
        "1:/AUTH_test/fine",
        "7:/AUTH_test/fine/no such policy",
        "junk",
    ]


class PowerCut(BaseException):
    """The reconciler's machine is off."""


def cut_power(reconciler: ContainerReconciler, steps: int) -> None:
    """Let a reconciler send so many requests, and no more."""
    left = iter(range(steps))
    app, start = reconciler.client.app, reconciler.direct.start

    def counted(send: Callable[..., object]) -> Callable[..., object]:
        def sent(*arguments: object, **options: object) -> object:
            if next(left, None) is None:
                raise PowerCut
            return send(*arguments, **options)

        return sent

    reconciler.client.app, reconciler.direct.start = counted(app), counted(start)  # type: ignore[method-assign, assignment]


def in_process(site: Site) -> ContainerReconciler:
    made = ContainerReconciler(
        ReconcilerOptions(swift_dir=str(site.cluster.layout.etc), conn_timeout=30.0, node_timeout=60.0),
        site.swift,
        LOGGER,
    )
    made.client = InternalClient(site.client.app, "test", 1, LOGGER)
    return made


def test_power_may_fail_before_any_request(site: Site, user) -> None:
    """Wherever that is, the object is whole in one of the policies, and the next pass finishes the work."""
    user.put_container("dark", headers={"X-Storage-Policy": "gold"})
    moment, is_cut, steps = time.time() - 100, True, 0
    while is_cut:
        kept, gone = f"kept {steps}", f"gone {steps}"
        site.put(SILVER, "dark", kept, b"x", moment)
        site.put(GOLD, "dark", gone, b"x", moment)
        site.delete(SILVER, "dark", gone, moment + 1)
        site.feed("dark")
        entries = [
            Entry.from_listing(queue, row)
            for queue in {misplaced.queue_container(spelled(moment + later)) for later in (0, 1)}
            for row in site.client.objects(misplaced.ACCOUNT, queue)
            if row["name"].startswith(f"1:/{ACCOUNT}/dark/")
        ]
        assert len(entries) == 2
        for entry in entries:
            reconciler = in_process(site)
            cut_power(reconciler, steps)
            try:
                reconciler.work(entry)
                is_cut = False
            except PowerCut:
                is_cut = True
            copies = [
                site.files(policy, "dark", kept).count(spelled(moment, 3 * (policy == GOLD)) + ".data")
                for policy in (GOLD, SILVER)
            ]
            assert max(copies) == 3, f"cut before request {steps}"
            again = in_process(site)
            again.work(entry)
            assert again.counts["success"] == 1
        assert site.queued("dark", tell=False) == []
        assert user.get_object("dark", kept)[1] == b"x"
        assert site.files(GOLD, "dark", gone) == [spelled(moment + 1, 1) + ".ts"] * 3
        steps += 1
    assert steps > 10
    assert site.listing("dark") == sorted(f"kept {step}" for step in range(steps))


def test_a_container_that_was_made_twice_ends_up_with_one_policy_and_all_objects(site: Site, user) -> None:
    """Two of its servers have made it with one policy, the third with another one before; replicators settle that."""
    user.put_container("first")  # makes the account
    partition, nodes = site.ring.get_nodes(ACCOUNT, "twice")
    started = time.time() - 100
    for node, policy in zip(nodes, (SILVER, GOLD, GOLD), strict=True):
        headers = {
            "X-Backend-Storage-Policy-Index": str(policy),
            "X-Timestamp": spelled(started + (policy == GOLD)),
        }
        path = f"/{node.device}/{partition}/{ACCOUNT}/twice"
        answer = site.queue.client.request(node.address, "PUT", path, headers)
        answer.read()
        assert answer.status == 201
    site.put(GOLD, "twice", "o", b"from gold", started + 10)
    site.put(GOLD, "twice", "older", b"loses", started + 10)
    site.put(SILVER, "twice", "older", b"wins", started + 20)
    site.put(GOLD, "twice", "gone", b"x", started + 30)
    site.put(SILVER, "twice", "gone", b"x", started + 20)
    site.delete(GOLD, "twice", "gone", started + 40)
    databases = site.databases("twice")
    # Whoever replicates before it has heard of silver queues silver's rows, too: those are only to be taken off.
    assert site.queue.feed(next(broker for broker in databases if broker.get_info()["storage_policy_index"] == GOLD))
    for _ in range(2):  # the second time every replica knows what the others agree on
        site.cluster.run_once("container-replicator")
    assert [broker.get_info()["storage_policy_index"] for broker in databases] == [SILVER] * 3
    assert len({broker.get_info()["hash"] for broker in databases}) == 1
    misplaced_rows = {f"{GOLD}:/{ACCOUNT}/twice/{name}" for name in ("gone", "o", "older")}
    needless_rows = {f"{SILVER}:/{ACCOUNT}/twice/{name}" for name in ("gone", "older")}
    assert set(site.queued("twice")) == misplaced_rows | needless_rows
    site.reconcile()
    assert site.queued("twice") == []
    assert {name: user.get_object("twice", name)[1] for name in site.listing("twice")} == {
        "o": b"from gold",
        "older": b"wins",
    }
    assert user.head_container("twice")["x-storage-policy"] == "silver"
    site.cluster.run_once("container-replicator")
    assert site.queued("twice") == []
    assert [broker.policy_stats()[GOLD] for broker in databases] == [(0, 0)] * 3
