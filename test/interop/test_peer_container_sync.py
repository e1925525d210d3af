"""Container sync between a cluster of ours and one of OpenStack Swift, both ways, and both daemons on one database."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from functional.client import Client, Heard
from functional.cluster import PROGRAMS, Cluster, wait_until
from interop import peer
from interop.lab import SIDES
from interop.side_by_side import two_clusters
from swiftlite.cli import layout
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.signature import container_sync_signature

LOGGER = logging.getLogger("test.peer_container_sync")
REALM_KEY, KEY = "realm key", "user key"
REALMS = """
[DEFAULT]
mtime_check_interval = 0

[world]
key = old %%25
key2 = {key}
cluster_ours = {ours}/v1/
cluster_theirs = {theirs}/v1
"""
INTERNAL_CLIENT = """
[DEFAULT]
swift_dir = {etc}
log_address = /dev/nonexistent
conn_timeout = 30
node_timeout = 60

[pipeline:main]
pipeline = catch_errors proxy-logging cache symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:proxy-logging]
use = egg:swift#proxy_logging

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1

[filter:symlink]
use = egg:swift#symlink
"""
NAMES = ["a", "dir/b", "é漢😀", "%2F & co?#", "c d", "posted"]
SETTINGS = {
    "container": {"container-sync": {"request_tries": "1", "conn_timeout": "30", "node_timeout": "60"}},
    "proxy": {"app:proxy-server": {"recheck_container_existence": "0"}},
}


@dataclass
class World:
    """Both clusters, and a user of each."""

    clusters: dict[str, Cluster]
    users: dict[str, Client]

    def link(self, side: str, source: str, target: str, key: str = KEY) -> str:
        """Sync a container of one side to one of the other, and return that one's side."""
        other = SIDES[1 - SIDES.index(side)]
        assert self.users[other].ask("PUT", f"/{target}", {"X-Container-Sync-Key": key}).status in (201, 202)
        headers = {"X-Container-Sync-Key": key, "X-Container-Sync-To": f"//World/{other}/AUTH_test/{target}"}
        answer = self.users[side].ask("PUT", f"/{source}", headers)
        assert answer.status in (201, 202), answer.body
        return other

    def sync(self, side: str, daemon: str) -> None:
        """Make one pass of a side's daemon over the databases of a side, when their replicas know the same."""
        cluster = self.clusters[side]
        conf = layout.conf_path(cluster.layout, "container", cluster.layout.nodes[0])
        program, environment = [sys.executable, str(PROGRAMS / "swiftlite-container-sync"), str(conf)], None
        if daemon == "theirs":
            program = peer.command(cluster.layout.etc, peer.tool("swift-container-sync"), conf)
            environment = peer.environment()
        done = subprocess.run([*program, "once", "-v"], capture_output=True, text=True, timeout=120, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        if daemon == "ours":
            assert not re.search("ERROR container-sync|Traceback", done.stderr), done.stderr

    def names(self, side: str, container: str) -> list[str]:
        """The listing that all replicas agree on."""
        until_same_rows(self.clusters[side])
        return [entry["name"] for entry in self.users[side].ask("GET", f"/{container}", query="format=json").json()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with two_clusters(tmp_path_factory.mktemp("sync"), SETTINGS) as clusters:
        text = REALMS.format(key=REALM_KEY, **{side: cluster.url for side, cluster in clusters.items()})
        for cluster in clusters.values():
            (cluster.layout.etc / "container-sync-realms.conf").write_text(text)
            conf = INTERNAL_CLIENT.format(etc=cluster.layout.etc)
            (cluster.layout.etc / "internal-client.conf").write_text(conf)
            for kind in ("proxy-server", "container-server"):  # which would look for the file minutes from now
                cluster.server(kind).stop()
                cluster.server(kind).start()
        yield World(clusters, {side: Client(cluster) for side, cluster in clusters.items()})


def until_same_rows(cluster: Cluster) -> None:
    """Return when no container's replicas differ: late rows are delivered, and those that nobody spooled replicated."""

    def is_same() -> bool:
        hashes: dict[str, set[str]] = {}
        for path in cluster.files("containers/*/*/*/*.db"):
            broker = ContainerBroker(str(path), "", logger=LOGGER)
            hashes.setdefault(path.name, set()).add(broker.get_info()["hash"])
        return all(len(found) == 1 for found in hashes.values())

    def is_made_same() -> bool:
        if not is_same():
            cluster.run_updaters(["object-updater"])
            cluster.run_once("container-replicator")
        return is_same()

    with suppress(AssertionError):  # mostly the last object server is about to tell the last replica
        wait_until(is_same, "all replicas have the same rows", 2.0)
    wait_until(is_made_same, "all replicas have the same rows")


def own(answer: Heard) -> tuple[int, bytes, dict[str, str]]:
    """What belongs to the object, not to the answer."""
    kept = ("content-type", "content-encoding", "etag", "x-timestamp", "last-modified", "x-static-large-object")
    headers = {name: value for name, value in answer.headers.items() if name in kept or name.startswith("x-object-")}
    return answer.status, answer.body, headers


@pytest.mark.parametrize("side", SIDES)
def test_all_that_changes_arrives(world: World, side: str) -> None:
    """The daemon of one side brings its cluster's changes to the other side's proxy."""
    source, target = f"from-{side}", f"to-{side}"
    other = world.link(side, source, target)
    user, receiver = world.users[side], world.users[other]
    for name in NAMES:
        headers = {"Content-Type": "text/x", "X-Object-Meta-Name": name.encode().decode("latin-1")}
        assert user.ask("PUT", f"/{source}/{name}", headers, name.encode() * 100).status == 201
    user.ask("POST", f"/{source}/posted", {"X-Object-Meta-New": "yes"})
    user.ask("PUT", "/segments")
    user.ask("PUT", "/segments/1", {}, b"one")
    manifest = json.dumps([{"path": "/segments/1"}]).encode()
    assert user.ask("PUT", f"/{source}/static", {}, manifest, "multipart-manifest=put").status == 201
    assert user.ask("PUT", f"/{source}/link", {"X-Symlink-Target": f"{source}/a"}).status == 201
    etag = user.ask("HEAD", f"/{source}/a").headers["etag"]
    static = {"X-Symlink-Target": f"{source}/a", "X-Symlink-Target-Etag": etag}
    assert user.ask("PUT", f"/{source}/fixed", static).status == 201
    all_names = sorted([*NAMES, "static", "link", "fixed"], key=str.encode)

    for _ in range(2):  # OpenStack Swift takes replicas on one server for one and the same
        until_same_rows(world.clusters[side])
        world.sync(side, side)

    assert world.names(other, target) == all_names
    for name in NAMES:
        assert own(user.ask("GET", f"/{source}/{name}")) == own(receiver.ask("GET", f"/{target}/{name}"))
    stored = [
        own(client.ask("GET", f"/{container}/static", query="multipart-manifest=get"))
        for client, container in ((user, source), (receiver, target))
    ]
    assert stored[0] == stored[1]
    for name in ("link", "fixed"):
        seen = [
            {key: value for key, value in answer.headers.items() if key.startswith("x-symlink") or key == "x-timestamp"}
            for answer in (
                user.ask("HEAD", f"/{source}/{name}", query="symlink=get"),
                receiver.ask("HEAD", f"/{target}/{name}", query="symlink=get"),
            )
        ]
        assert seen[0] == seen[1]
        assert seen[0]["x-symlink-target"] == f"{source}/a"

    user.ask("DELETE", f"/{source}/a")
    user.ask("PUT", f"/{source}/c d", {}, b"new")
    receiver.ask("PUT", f"/{target}/dir/b", {}, b"newer than ours")
    for _ in range(2):
        until_same_rows(world.clusters[side])
        world.sync(side, side)
    assert world.names(other, target) == [name for name in all_names if name != "a"]
    assert receiver.ask("GET", f"/{target}/c d").body == b"new"
    assert receiver.ask("GET", f"/{target}/dir/b").body == b"newer than ours"
    user.ask("POST", f"/{source}", {"X-Container-Sync-To": ""})


@pytest.mark.parametrize("side", SIDES)
def test_both_daemons_take_turns_on_the_same_databases(world: World, side: str) -> None:
    """Each goes on where the other has left, and finds the containers by the links that either server has made."""
    other = world.link(side, "turns", "turned")
    user = world.users[side]
    written: list[str] = []
    for turn, daemon in enumerate(("ours", "theirs", "ours", "theirs")):
        for number in range(5):
            written.append(f"{turn}-{number}")
            assert user.ask("PUT", f"/turns/{written[-1]}", {}, b"x").status == 201
        if turn:
            assert user.ask("DELETE", f"/turns/{turn - 1}-0").status == 204
            written.remove(f"{turn - 1}-0")
        until_same_rows(world.clusters[side])
        world.sync(side, daemon)
    for daemon in ("theirs", "ours"):
        world.sync(side, daemon)
    assert world.names(other, "turned") == sorted(written)
    points = set()
    for path in world.clusters[side].files("containers/*/*/*/*.db"):
        with sqlite3.connect(path) as connection:
            sql = "SELECT container, x_container_sync_point1, x_container_sync_point2 FROM container_info"
            container, *both = connection.execute(sql).fetchone()
        if container == "turns":
            points.add(tuple(both))
    assert points
    for first, second in points:  # of each replica, which may have got its rows in an order of its own
        assert first == second > 0
    user.ask("POST", "/turns", {"X-Container-Sync-To": ""})


def test_bad_requests_are_answered_alike(world: World) -> None:
    """Who is not let in hears the same of both sides: status, headers, body."""

    def signature(method: str, path: str, realm_key: str = REALM_KEY, key: str = KEY) -> str:
        return "world n " + container_sync_signature(method, path, "1402464677.04188", "n", realm_key, key)

    path = "/v1/AUTH_test/c%20%C3%A9/o"
    shown = [
        signature("PUT", path, "other"),
        signature("PUT", path, key="other"),
        signature("GET", path),
        "world n",
        "nowhere n x",
        "world n \xe9",
    ]
    tries = [("PUT", "/c é/o", {"X-Container-Sync-Auth": auth}) for auth in shown]
    tries += [
        (method, "/c é/o", {"X-Container-Sync-Auth": "world n x"}) for method in ("GET", "HEAD", "DELETE", "POST")
    ]
    tries += [("GET", "/c é", {"X-Container-Sync-Auth": "world n x"})]
    tries += [("PUT", "/missing/o", {"X-Container-Sync-Auth": signature("PUT", "/v1/AUTH_test/missing/o")})]
    tries += [(method, "/c é/o", {"X-Container-Sync-Key": key}) for method in ("PUT", "GET") for key in ("bad", KEY)]
    answers: dict[str, list[tuple[object, ...]]] = {}
    for side, cluster in world.clusters.items():
        assert world.users[side].ask("PUT", "/c é", {"X-Container-Sync-Key": KEY}).status == 201
        nobody = Client(cluster, None)
        for method, place, headers in tries:
            answer = nobody.ask(method, place, {**headers, "X-Timestamp": "1402464677.04188"})
            told = ("content-type", "content-length", "www-authenticate")
            body = answer.body if "X-Container-Sync-Auth" in headers else b""
            kept = {name: value for name, value in answer.headers.items() if name in told and body}
            answers.setdefault(side, []).append((method, headers, answer.status, kept, body))
    assert answers["ours"] == answers["theirs"]
    assert {status for _, _, status, _, _ in answers["ours"]} == {201, 401}


def test_bad_targets_are_answered_alike(world: World) -> None:
    statuses = {}
    targets = [
        "//world/theirs/AUTH_test/c",
        "//WORLD/Ours/AUTH_test/c/",
        "//world/nowhere/AUTH_test/c",
        "//nowhere/ours/AUTH_test/c",
        "//world/ours/AUTH_test",
        "//world/ours/AUTH_test/c/o",
        "http://127.0.0.1:1/v1/AUTH_test/c",
        "https://127.0.0.1/v1/AUTH_test/c",
        "http://elsewhere/v1/AUTH_test/c",
        "http://127.0.0.1@elsewhere/v1/AUTH_test/c",
        "http://127.0.0.1/v1/AUTH_test/c?x=y",
        "http://127.0.0.1/v1/AUTH_test/c#x",
        "http://127.0.0.1/v1/AUTH_test/c;x",
        "ftp://127.0.0.1/v1/AUTH_test/c",
        "127.0.0.1/v1/AUTH_test/c",
        "",
    ]
    for side, user in world.users.items():
        user.ask("PUT", "/targets")
        statuses[side] = [
            (target, user.ask("POST", "/targets", {"X-Container-Sync-To": target}).status) for target in targets
        ]
    assert statuses["ours"] == statuses["theirs"]


def test_versions_and_sync_exclude_each_other_alike(world: World) -> None:
    told = {}
    for side, user in world.users.items():
        target = {"X-Container-Sync-To": "//world/theirs/AUTH_test/c", "X-Container-Sync-Key": KEY}
        assert user.ask("PUT", "/versioned", {"X-Versions-Enabled": "true"}).status == 201
        assert user.ask("PUT", "/synced", target).status == 201
        tries = [("/versioned", target), ("/synced", {"X-Versions-Enabled": "true"}), ("/synced", target)]
        told[side] = [
            (answer.status, answer.headers.get("content-type"), answer.body)
            for method in ("PUT", "POST")
            for path, headers in tries
            for answer in [user.ask(method, path, headers)]
            if answer.status >= 400
        ]
        user.ask("POST", "/synced", {"X-Container-Sync-To": ""})
    assert told["ours"] == told["theirs"]
    assert [status for status, *_ in told["ours"]] == [400] * 4


def test_clients_are_told_the_same_realms(world: World) -> None:
    told = []
    for cluster in world.clusters.values():
        with urllib.request.urlopen(f"{cluster.url}/info") as answer:
            told.append(json.load(answer)["container_sync"])
    assert told[0] == told[1] == {"realms": {"WORLD": {"clusters": {"OURS": {}, "THEIRS": {}}}}}
