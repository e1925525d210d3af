"""Container sync on a cluster that is its own counterpart: containers of one account follow those of another."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.client import Client, Heard
from functional.cluster import PROGRAMS, Cluster, wait_until
from swiftlite.cli import layout
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.signature import container_sync_signature

LOGGER = logging.getLogger("test.container_sync")
REALM_KEY = "realm-secret"
USER_KEY = "user-secret-é"
KEY_HEADER = USER_KEY.encode().decode("latin-1")
REALMS = """
[DEFAULT]
mtime_check_interval = 0

[here]
key = {key}
cluster_this = {url}/v1/
cluster_dead = http://127.0.0.1:1/v1/
"""
NAMES = ["a", "dir/b", "é漢😀", "%2F & co?#", "c d", "x" * 1000, "../up", "."]
SETTINGS = {
    "container": {"container-sync": {"request_tries": "1", "conn_timeout": "30"}},
    "proxy": {"app:proxy-server": {"recheck_container_existence": "0"}},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("sync"), settings=SETTINGS)
    realms = cluster.layout.etc / "container-sync-realms.conf"
    realms.write_text(REALMS.format(key=REALM_KEY, url=cluster.url))
    try:
        yield cluster.start()
    finally:
        cluster.remove()


@pytest.fixture
def ours(store: Cluster) -> Iterator[Client]:
    """A user whose containers are synced no longer after the test."""
    client = Client(store)
    yield client
    for entry in client.ask("GET", "", query="format=json").json():
        client.ask("POST", f"/{entry['name']}", {"X-Container-Sync-To": ""})


@pytest.fixture
def theirs(store: Cluster) -> Client:
    return Client(store, "test2:tester2", "AUTH_test2")


def sync(store: Cluster, container: str, replicas: int = 3) -> dict[str, int]:
    """Make one pass when all replicas of a container know the same, and return what it counted."""
    wait_for_rows(store, container, replicas)
    conf = layout.conf_path(store.layout, "container", store.layout.nodes[0])
    command = [sys.executable, str(PROGRAMS / "swiftlite-container-sync"), str(conf), "--once", "-v"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == (3 if re.search(r": pass of .* failures \d", done.stderr) else 0), done.stderr
    assert REALM_KEY not in done.stderr
    assert "user-secret" not in done.stderr
    with open(store.directory / "log/container-sync.log", "a") as log:
        log.write(done.stderr)
    [summary] = re.findall(r"container-sync: pass of \S+s: (.*)", done.stderr)
    return {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", summary)}


def link(ours: Client, theirs: Client, container: str, cluster: str = "this", key: str = KEY_HEADER) -> None:
    """Make a container that is synced to one of the same name in the other account."""
    headers = {"X-Container-Sync-Key": KEY_HEADER}
    assert theirs.ask("PUT", f"/{container}", headers).status == 201
    headers = {"X-Container-Sync-Key": key, "X-Container-Sync-To": f"//here/{cluster}/AUTH_test2/{container}"}
    answer = ours.ask("PUT", f"/{container}", headers)
    assert answer.status == 201, answer.body


def names(client: Client, container: str) -> list[str]:
    return [entry["name"] for entry in client.ask("GET", f"/{container}", query="format=json").json()]


def databases(store: Cluster, container: str) -> list[Path]:
    name_hash = SwiftConf.load(str(store.layout.etc)).hash_path.hex("AUTH_test", container)
    return store.files(f"containers/*/*/{name_hash}/*.db")


def wait_for_rows(store: Cluster, container: str, replicas: int) -> None:
    """Return when all replicas of a container know the same rows: an answer to a client needs only most of them."""

    def hashes() -> list[str]:
        brokers = [ContainerBroker(str(path), "", logger=LOGGER) for path in databases(store, container)]
        return [broker.get_info()["hash"] for broker in brokers]

    wait_until(
        lambda: len(found := hashes()) == replicas and len(set(found)) == 1,
        f"all replicas of {container} have the same rows",
    )


def points(store: Cluster, container: str) -> list[tuple[int, int, int]]:
    """Of each replica: both sync points, and the last ROWID."""
    found = []
    for path in databases(store, container):
        with sqlite3.connect(path) as connection:
            sql = "SELECT x_container_sync_point1, x_container_sync_point2, (SELECT max(ROWID) FROM object) "
            found.append(connection.execute(sql + "FROM container_info").fetchone())
    return found


def links(store: Cluster, container: str) -> list[Path]:
    return [
        path
        for database in databases(store, container)
        for path in database.parents[4].glob(f"sync_containers/*/*/{database.parent.name}/{database.name}")
    ]


def test_what_changes_here_changes_there(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "all")
    for name in NAMES:
        headers = {"Content-Type": "text/x", "X-Object-Meta-Colour": KEY_HEADER, "Content-Encoding": "none"}
        assert ours.ask("PUT", f"/all/{name}", headers, name.encode() * 1000).status == 201

    counts = sync(store, "all")

    # Every replica has sent its share, and nobody anything twice.
    assert (counts["puts"], counts.get("failures", 0), counts["synced"]) == (len(NAMES), 0, 3)
    assert names(theirs, "all") == names(ours, "all") == sorted(NAMES, key=str.encode)
    for name in NAMES:
        sent, received = (client.ask("GET", f"/all/{name}") for client in (ours, theirs))
        assert received.body == sent.body == name.encode() * 1000
        own = ("content-type", "x-object-meta-colour", "content-encoding", "etag", "x-timestamp", "last-modified")
        assert [received.headers[key] for key in own] == [sent.headers[key] for key in own]
    assert [(first, second) for first, second, _ in points(store, "all")] == [(len(NAMES), -1)] * 3

    # Then all look whether all has arrived.
    assert sync(store, "all") == {"jobs": 3, "synced": 3, "present": 3 * len(NAMES)}
    assert points(store, "all") == [(len(NAMES), len(NAMES), len(NAMES))] * 3

    ours.ask("DELETE", "/all/a")
    ours.ask("PUT", "/all/c d", {}, b"new")
    ours.ask("POST", "/all/.", {"X-Object-Meta-New": "yes"})
    theirs.ask("PUT", "/all/dir/b", {}, b"theirs")
    theirs.ask("PUT", "/all/own", {}, b"theirs")
    counts = sync(store, "all")
    assert (counts["puts"], counts["deletes"]) == (2, 1)
    assert names(theirs, "all") == sorted({*NAMES, "own"} - {"a"}, key=str.encode)
    assert theirs.ask("GET", "/all/c d").body == b"new"
    assert theirs.ask("HEAD", "/all/.").headers["x-object-meta-new"] == "yes"
    assert theirs.ask("GET", "/all/dir/b").body == b"theirs"
    counts = sync(store, "all")
    assert (counts["deletes"], counts["present"], "puts" in counts) == (3, 6, False)
    counts = sync(store, "all")
    assert not counts.keys() & {"puts", "deletes", "present", "failures"}


def test_an_older_change_does_not_undo_a_newer_one(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "older")
    ours.ask("PUT", "/older/put", {}, b"old")
    ours.ask("PUT", "/older/deleted", {}, b"old")
    ours.ask("DELETE", "/older/deleted")
    theirs.ask("PUT", "/older/put", {}, b"new")
    theirs.ask("PUT", "/older/deleted", {}, b"new")
    for _ in range(2):
        assert "failures" not in sync(store, "older")
    assert theirs.ask("GET", "/older/put").body == theirs.ask("GET", "/older/deleted").body == b"new"


def test_two_containers_may_follow_each_other(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "both")
    back = {"X-Container-Sync-To": "//here/this/AUTH_test/both"}
    assert theirs.ask("POST", "/both", back).status == 204
    ours.ask("PUT", "/both/a", {}, b"ours")
    theirs.ask("PUT", "/both/b", {}, b"theirs")
    theirs.ask("PUT", "/both/a", {}, b"newer")
    ours.ask("DELETE", "/both/b")
    ours.ask("PUT", "/both/c", {}, b"ours")
    for _ in range(3):  # an object may be deleted by one direction while the other reads it: it is tried again
        sync(store, "both")
    assert names(ours, "both") == names(theirs, "both") == ["a", "c"]
    assert ours.ask("GET", "/both/a").body == theirs.ask("GET", "/both/a").body == b"newer"
    # What has come from there does not go back and forth.
    assert not sync(store, "both").keys() & {"puts", "failures"}
    assert theirs.ask("POST", "/both", {"X-Container-Sync-To": ""}).status == 204


def test_manifests_and_links_arrive_as_they_are(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "odd")
    ours.ask("PUT", "/segments", {})
    ours.ask("PUT", "/segments/1", {}, b"one")
    manifest = json.dumps([{"path": "/segments/1"}]).encode()
    assert ours.ask("PUT", "/odd/static", {"Content-Type": "a/b"}, manifest, "multipart-manifest=put").status == 201
    assert ours.ask("PUT", "/odd/dynamic", {"X-Object-Manifest": "segments/1"}).status == 201
    assert ours.ask("PUT", "/odd/link", {"X-Symlink-Target": "segments/1"}).status == 201
    etag = ours.ask("HEAD", "/segments/1").headers["etag"]
    fixed = {"X-Symlink-Target": "segments/1", "X-Symlink-Target-Etag": etag}
    assert ours.ask("PUT", "/odd/fixed", fixed).status == 201

    counts = sync(store, "odd")

    assert (counts["puts"], counts.get("failures", 0)) == (4, 0)
    stored = [client.ask("GET", "/odd/static", query="multipart-manifest=get") for client in (ours, theirs)]
    assert stored[0].body == stored[1].body
    assert stored[1].headers["x-static-large-object"] == "True"
    assert theirs.ask("GET", "/odd/static").status == 409  # its segments have not come
    for name in ("link", "fixed"):
        found = theirs.ask("HEAD", f"/odd/{name}", query="symlink=get").headers
        assert found["x-symlink-target"] == "segments/1"
        assert found.get("x-symlink-target-etag") == (etag if name == "fixed" else None)
    theirs.ask("PUT", "/segments", {})
    theirs.ask("PUT", "/segments/1", {}, b"one")
    assert [theirs.ask("GET", f"/odd/{name}").body for name in ("static", "dynamic", "link", "fixed")] == [b"one"] * 4

    # A link's own age counts, not its target's, which is newer now.
    ours.ask("PUT", "/odd/link", {"X-Symlink-Target": "segments/2"})
    time.sleep(0.01)
    theirs.ask("PUT", "/segments/1", {}, b"one")
    assert sync(store, "odd")["puts"] == 1
    assert theirs.ask("HEAD", "/odd/link", query="symlink=get").headers["x-symlink-target"] == "segments/2"


def test_who_has_another_key_changes_nothing(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "locked", key="another")
    ours.ask("PUT", "/locked/o", {}, b"x")
    theirs.ask("PUT", "/locked/kept", {}, b"x")
    counts = sync(store, "locked")
    assert (counts["failures"], names(theirs, "locked")) == (1, ["kept"])
    assert sync(store, "locked")["failures"] == 3
    ours.ask("POST", "/locked", {"X-Container-Sync-Key": KEY_HEADER})
    for _ in range(2):
        assert "failures" not in sync(store, "locked")
    assert names(theirs, "locked") == ["kept", "o"]


def test_what_could_not_be_sent_is_sent_later(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "late")
    ours.ask("PUT", "/late/a", {}, b"x")
    assert theirs.ask("DELETE", "/late").status == 204
    assert [sync(store, "late")["failures"] for _ in range(3)] == [1, 3, 3]
    assert {second for _, second, _ in points(store, "late")} == {-1}
    assert theirs.ask("PUT", "/late", {"X-Container-Sync-Key": KEY_HEADER}).status == 201
    assert "failures" not in sync(store, "late")
    assert names(theirs, "late") == ["a"]
    assert points(store, "late") == [(1, 1, 1)] * 3


def test_another_target_gets_all(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "first", cluster="dead")
    ours.ask("PUT", "/first/o", {}, b"x")
    assert sync(store, "first")["failures"] >= 1
    sync(store, "first")
    theirs.ask("PUT", "/second", {"X-Container-Sync-Key": KEY_HEADER})
    assert ours.ask("POST", "/first", {"X-Container-Sync-To": "//HERE/this/AUTH_test2/second"}).status == 204
    assert points(store, "first") == [(-1, -1, 1)] * 3
    assert sync(store, "first")["puts"] == 1
    assert (names(theirs, "first"), names(theirs, "second")) == ([], ["o"])


def test_containers_that_are_not_synced_any_more_have_no_link(store: Cluster, ours: Client, theirs: Client) -> None:
    ours.ask("PUT", "/plain")
    assert links(store, "plain") == []
    link(ours, theirs, "linked")
    found = wait_until(lambda: len(made := links(store, "linked")) == 3 and made, "every replica has a link")
    assert {path.resolve() for path in found} == set(databases(store, "linked"))
    assert ours.ask("POST", "/linked", {"X-Container-Sync-To": ""}).status == 204
    wait_until(lambda: links(store, "linked") == [], "no replica has a link")
    link(ours, theirs, "deleted")
    ours.ask("DELETE", "/deleted")
    wait_until(lambda: links(store, "deleted") == [], "no replica has a link")
    assert sync(store, "deleted").keys() <= {"jobs"}


def test_a_link_without_a_database_is_removed(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "gone")
    [first, *_] = databases(store, "gone")
    for path in first.parent.iterdir():
        path.unlink()
    assert sync(store, "gone", replicas=2)["gone"] == 1
    assert len(links(store, "gone")) == 2


def test_only_the_owner_is_shown_the_key(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "shown")
    ours.ask("POST", "/shown", {"X-Container-Read": "test2:tester2,.r:*,.rlistings"})
    for method in ("HEAD", "GET"):
        assert ours.ask(method, "/shown").headers["x-container-sync-key"] == KEY_HEADER
        for other in (Client(store, "test2:tester2"), Client(store, None)):
            answer = other.ask(method, "/shown")
            assert answer.status in (200, 204)
            assert not [name for name in answer.headers if "sync" in name]
    assert REALM_KEY not in store.log_text()
    assert "user-secret" not in store.log_text()


def test_no_signature_no_change(store: Cluster, theirs: Client) -> None:
    assert theirs.ask("PUT", "/closed", {"X-Container-Sync-Key": KEY_HEADER}).status == 201
    nobody = Client(store, None, "AUTH_test2")
    for headers in ({"X-Container-Sync-Auth": "here nonce sig"}, {"X-Container-Sync-Key": "another"}, {}):
        for method in ("PUT", "DELETE", "GET", "HEAD", "POST"):
            answer = nobody.ask(method, "/closed/o", {"X-Timestamp": "1.00000", **headers})
            assert answer.status == 401, (method, headers)
            kind = "SwiftContainerSync" if "X-Container-Sync-Auth" in headers else "Swift"
            assert answer.headers["www-authenticate"] == f'{kind} realm="AUTH_test2"'


def test_a_url_will_do_where_the_host_is_allowed(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "url")
    headers = {"X-Container-Sync-To": f"{store.url}/v1/AUTH_test2/url"}
    assert ours.ask("POST", "/url", headers).status == 204
    ours.ask("PUT", "/url/o", {}, b"x")
    ours.ask("PUT", "/url/deleted", {}, b"x")
    ours.ask("DELETE", "/url/deleted")
    counts = sync(store, "url")
    assert (counts["puts"], counts["deletes"], counts.get("failures", 0)) == (1, 1, 0)
    assert names(theirs, "url") == ["o"]
    for target in (
        "http://10.0.0.1/v1/a/c",
        "http://127.0.0.1:6200/d1/0/AUTH_test2",
        "http://127.0.0.1:6200/d1/0/v1/a/c",
        "//there/this/a/c",
        "//here/x/a/c",
    ):
        assert ours.ask("POST", "/url", {"X-Container-Sync-To": target}).status == 400


def test_rows_that_are_sent_again_to_a_url_overwrite_nothing(store: Cluster, ours: Client, theirs: Client) -> None:
    link(ours, theirs, "again")
    assert ours.ask("POST", "/again", {"X-Container-Sync-To": f"{store.url}/v1/AUTH_test2/again"}).status == 204
    ours.ask("PUT", "/again/deleted", {}, b"old")
    ours.ask("DELETE", "/again/deleted")
    ours.ask("PUT", "/again/put", {}, b"old")
    assert sync(store, "again")["puts"] == 1
    assert (
        theirs.ask("GET", "/again/put").headers["x-timestamp"] == ours.ask("GET", "/again/put").headers["x-timestamp"]
    )
    for name in ("deleted", "put"):
        assert theirs.ask("PUT", f"/again/{name}", {}, b"precious").status == 201
    for _ in range(2):
        assert "failures" not in sync(store, "again")
    for name in ("deleted", "put"):
        assert theirs.ask("GET", f"/again/{name}").body == b"precious"


def signed(nobody: Client, method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> Heard:
    """A request as another cluster's daemon signs it, dated to now."""
    moment, place = f"{time.time():.5f}", f"/v1/{nobody.account}{path}"
    signature = container_sync_signature(method, place, moment, "nonce", REALM_KEY, USER_KEY)
    shown = {"X-Container-Sync-Auth": f"here nonce {signature}", "X-Timestamp": moment}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return nobody.ask(method, path, {**shown, **more}, body, query)


def test_a_signature_reaches_nothing_of_others(store: Cluster, ours: Client, theirs: Client) -> None:
    ours.ask("PUT", "/private")
    ours.ask("PUT", "/private/secret", {}, b"SECRET")
    assert theirs.ask("PUT", "/open", {"X-Container-Sync-Key": KEY_HEADER}).status == 201
    nobody = Client(store, None, "AUTH_test2")
    copied = signed(nobody, "PUT", "/open/o", X_Copy_From="/private/secret", X_Copy_From_Account="AUTH_test")
    assert copied.status == 403
    shown = {"X-Container-Sync-Key": KEY_HEADER, "X-Copy-From": "/private/secret", "X-Copy-From-Account": "AUTH_test"}
    assert nobody.ask("PUT", "/open/o", shown).status == 403
    target = {"X_Symlink_Target": "private/secret", "X_Symlink_Target_Account": "AUTH_test"}
    assert signed(nobody, "PUT", "/open/link", **target).status == 201
    for method in ("GET", "HEAD"):
        answer = signed(nobody, method, "/open/link")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["x-symlink-target"] == "private/secret"
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        assert signed(nobody, method, "/open").status == 403
    assert signed(nobody, "POST", "/open/link").status == 403
    assert signed(nobody, "DELETE", "/open/link", "multipart-manifest=delete").status == 403
    assert names(theirs, "open") == ["link"]


def test_containers_with_versions_may_be_followers(store: Cluster, theirs: Client) -> None:
    """What versioning does for a signed request, it does on its own account."""
    key = {"X-Container-Sync-Key": KEY_HEADER}
    assert theirs.ask("PUT", "/versions", {**key, "X-Versions-Enabled": "true"}).status == 201
    nobody = Client(store, None, "AUTH_test2")
    for body in (b"1", b"2"):
        assert signed(nobody, "PUT", "/versions/o", body=body).status == 201
    assert signed(nobody, "HEAD", "/versions/o").status == 200
    assert theirs.ask("GET", "/versions/o").body == b"2"
    assert signed(nobody, "DELETE", "/versions/o").status == 204
    assert theirs.ask("GET", "/versions/o").status == 404
    assert len(theirs.ask("GET", "/versions", query="versions&format=json").json()) == 3
