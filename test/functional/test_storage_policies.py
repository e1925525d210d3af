"""Several storage policies: each with its ring and directories; names, default and deprecated ones, counts."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
import swiftclient

from functional.cluster import Cluster, wait_until
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.ring.builder import RingBuilder

POLICIES = {
    "storage-policy:0": {"name": "gold", "aliases": "yellow, au"},
    "storage-policy:1": {"name": "silver", "default": "yes"},
    "storage-policy:7": {"name": "bronze", "deprecated": "yes"},
}
BODY = b"0123456789abcdef" * 8192


@pytest.fixture(scope="module")
def store(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    return make_session_cluster(swift_conf=POLICIES)


@pytest.fixture
def user(store: Cluster) -> Iterator[swiftclient.Connection]:
    connection = store.connection()
    yield connection
    connection.close()


def refusal(user: swiftclient.Connection, container: str, policy: str) -> swiftclient.ClientException:
    """The answer to a PUT of a container that is refused."""
    with pytest.raises(swiftclient.ClientException) as raised:
        user.put_container(container, headers={"X-Storage-Policy": policy})
    return raised.value


def kinds(store: Cluster, container: str, name: str) -> dict[str, list[str]]:
    """Directory of a policy -> suffixes of the object's files there."""
    digest = SwiftConf.load(str(store.layout.etc)).hash_path.hex("AUTH_test", container, name)
    found: dict[str, list[str]] = {}
    for path in store.files(f"objects*/*/*/{digest}/*"):
        found.setdefault(path.parents[3].name, []).append(path.suffix)
    return found


def make_bronze(store: Cluster, container: str) -> None:
    """Make a container with the deprecated policy, as if that had been before."""
    conf = store.layout.etc / "swift.conf"
    text = conf.read_text()
    try:
        conf.write_text(text.replace("deprecated = yes\n", ""))
        restart_proxy(store)
        with_old_conf = store.connection()
        with_old_conf.put_container(container, headers={"X-Storage-Policy": "bronze"})
        with_old_conf.close()
    finally:
        conf.write_text(text)
        restart_proxy(store)


def restart_proxy(store: Cluster) -> None:
    server = store.server("proxy-server")
    server.stop()
    server.start()


def test_info_names_what_new_containers_may_use(store: Cluster) -> None:
    with urllib.request.urlopen(f"{store.url}/info") as answer:
        info = json.load(answer)
    assert info["swift"]["policies"] == [
        {"name": "gold", "aliases": "gold, yellow, au"},
        {"name": "silver", "aliases": "silver", "default": True},
    ]


@pytest.mark.parametrize(
    ("asked", "policy", "directory"),
    [
        (None, "silver", "objects-1"),
        ("silver", "silver", "objects-1"),
        ("SilVER", "silver", "objects-1"),
        ("gold", "gold", "objects"),
        ("Yellow", "gold", "objects"),
        ("AU", "gold", "objects"),
    ],
)
def test_objects_lie_where_their_policy_has_them(
    store: Cluster, user: swiftclient.Connection, asked: str | None, policy: str, directory: str
) -> None:
    container = f"c-{asked}"
    user.put_container(container, headers={"X-Storage-Policy": asked} if asked else None)
    assert user.head_container(container)["x-storage-policy"] == policy
    assert user.get_container(container)[0]["x-storage-policy"] == policy
    for name, body in (("small", b"x"), ("big", BODY)):
        user.put_object(container, name, body)
        assert kinds(store, container, name) == {directory: [".data"] * 3}
        assert user.get_object(container, name)[1] == body
    user.post_object(container, "big", {"X-Object-Meta-Color": "blue"})
    assert user.head_object(container, "big")["x-object-meta-color"] == "blue"
    user.delete_object(container, "big")
    assert kinds(store, container, "big") == {directory: [".ts"] * 3}
    assert [row["name"] for row in user.get_container(container)[1]] == ["small"]
    # A copy is of the policy of where it goes.
    user.put_container("copies")
    user.copy_object(container, "small", "/copies/small")
    assert set(kinds(store, "copies", "small")) == {"objects-1"}


def test_a_policy_can_be_neither_invented_nor_changed(store: Cluster, user: swiftclient.Connection) -> None:
    for name in ("iron", "0", "Policy-0", "gold silver", "é"):
        assert refusal(user, "new", name).http_status == 400
    assert refusal(user, "new", "bronze").http_status == 400
    assert b"is deprecated" in refusal(user, "new", "bronze").http_response_content
    with pytest.raises(swiftclient.ClientException):
        user.head_container("new")
    user.put_container("kept", headers={"X-Storage-Policy": "gold"})
    assert refusal(user, "kept", "silver").http_status == 409
    for again in ("gold", "yellow"):
        user.put_container("kept", headers={"X-Storage-Policy": again})
    user.put_container("kept")  # without a name, the default is not meant
    user.post_container("kept", {"X-Storage-Policy": "silver", "X-Container-Meta-A": "b"})  # not heeded
    headers = user.head_container("kept")
    assert (headers["x-storage-policy"], headers["x-container-meta-a"]) == ("gold", "b")


def test_a_container_that_was_deleted_may_have_another_policy(store: Cluster, user: swiftclient.Connection) -> None:
    user.put_container("again", headers={"X-Storage-Policy": "gold"})
    user.put_object("again", "o", b"x")
    user.delete_object("again", "o")
    user.delete_container("again")
    user.put_container("again", headers={"X-Storage-Policy": "silver"})
    assert user.head_container("again")["x-storage-policy"] == "silver"
    user.put_object("again", "o", b"y")
    assert user.get_object("again", "o")[1] == b"y"
    assert kinds(store, "again", "o") == {"objects": [".ts"] * 3, "objects-1": [".data"] * 3}


def test_a_deprecated_policy_goes_on_for_its_containers(store: Cluster, user: swiftclient.Connection) -> None:
    make_bronze(store, "old")
    assert user.head_container("old")["x-storage-policy"] == "bronze"
    user.put_object("old", "o", BODY)
    assert kinds(store, "old", "o") == {"objects-7": [".data"] * 3}
    assert user.get_object("old", "o")[1] == BODY
    user.put_container("old", headers={"X-Container-Meta-A": "b"})
    assert refusal(user, "old", "bronze").http_status == 400  # as for any container


def test_an_account_counts_by_policy(store: Cluster) -> None:
    other = store.connection("test2:tester2")
    for container, policy, objects in (("g1", "gold", 2), ("g2", "gold", 0), ("s", "silver", 3)):
        other.put_container(container, headers={"X-Storage-Policy": policy})
        for number in range(objects):
            other.put_object(container, f"o{number}", b"x" * 10)
    store.run_updaters()
    headers = other.head_account()
    prefix = "x-account-storage-policy-"
    found = {name[len(prefix) :]: int(value) for name, value in headers.items() if name.startswith(prefix)}
    assert found == {
        "gold-container-count": 2,
        "gold-object-count": 2,
        "gold-bytes-used": 20,
        "silver-container-count": 1,
        "silver-object-count": 3,
        "silver-bytes-used": 30,
    }
    assert (headers["x-account-container-count"], headers["x-account-object-count"]) == ("3", "5")
    listed = {entry["name"]: entry["storage_policy"] for entry in other.get_account()[1]}
    assert listed == {"g1": "gold", "g2": "gold", "s": "silver"}
    other.delete_object("g1", "o0")
    store.run_updaters()
    assert other.head_account()["x-account-storage-policy-gold-bytes-used"] == "10"
    other.close()


def test_updates_are_spooled_and_delivered_by_policy(store: Cluster, user: swiftclient.Connection) -> None:
    for policy in ("gold", "silver"):
        user.put_container(f"late-{policy}", headers={"X-Storage-Policy": policy})
        user.head_container(f"late-{policy}")  # the proxy knows it from now on
    containers = store.server("container-server")
    containers.kill()
    try:
        for policy in ("gold", "silver"):
            user.put_object(f"late-{policy}", "o", b"x")
        wait_until(lambda: len(store.async_pending()) >= 6, "the rows are spooled")
        assert {path.parents[1].name for path in store.async_pending()} == {"async_pending", "async_pending-1"}
    finally:
        containers.start()
    store.run_updaters(["object-updater"])
    assert store.async_pending() == []
    for policy in ("gold", "silver"):
        assert [row["name"] for row in user.get_container(f"late-{policy}")[1]] == ["o"]


def test_every_policy_has_a_ring_of_its_own(store: Cluster, user: swiftclient.Connection) -> None:
    """One with fewer devices: its objects lie on these alone."""
    etc = store.layout.etc
    builder = RingBuilder(4, 2, 1)
    node = store.layout.nodes[0]
    for zone, device in enumerate(node.devices[:2]):
        place = {"region": 1, "zone": zone, "ip": node.ip, "port": node.ports[0], "device": device, "weight": 1}
        builder.add_device(place)
    builder.rebalance(seed=1)
    ring = etc / "object.ring.gz"
    before = ring.read_bytes()
    try:
        builder.write_ring(ring)
        restart_proxy(store)
        user.put_container("two copies", headers={"X-Storage-Policy": "gold"})
        user.put_container("three copies", headers={"X-Storage-Policy": "silver"})
        for number in range(5):
            for container in ("two copies", "three copies"):
                user.put_object(container, f"o{number}", b"x")
            assert kinds(store, "two copies", f"o{number}") == {"objects": [".data"] * 2}
            assert kinds(store, "three copies", f"o{number}") == {"objects-1": [".data"] * 3}
        digest = SwiftConf.load(str(etc)).hash_path.hex("AUTH_test", "two copies", "o0")
        assert {path.parents[4].name for path in store.files(f"objects/*/*/{digest}/*")} == set(node.devices[:2])
    finally:
        ring.write_bytes(before)
        restart_proxy(store)


def test_an_unknown_policy_is_refused_by_storage_servers(store: Cluster) -> None:
    """Of a proxy whose swift.conf has more policies than theirs."""
    headers = {"X-Backend-Storage-Policy-Index": "3", "X-Timestamp": "1700000000.00000"}
    for kind, path, status in (
        ("container-server", "/d1/1/AUTH_test/unknown", 400),
        ("object-server", "/d1/1/AUTH_test/c/o", 503),
    ):
        request = urllib.request.Request("http://%s:%d%s" % (*store.server(kind).address, path), headers=headers)
        request.method = "PUT"
        request.add_header("Content-Type", "text/plain")
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(request, b"")
        assert raised.value.code == status
