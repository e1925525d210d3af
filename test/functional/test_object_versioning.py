"""Object versions over real daemons: who reaches them, what is counted, and what failures leave behind.

Their headers and statuses are in object_cases/version_ids.py, and held against OpenStack Swift in
interop/test_peer_links.py.
"""

from __future__ import annotations

import itertools
import json
import threading

import pytest

from functional.client import Client
from functional.cluster import Cluster, wait_until

numbers = itertools.count()


@pytest.fixture(scope="module")
def tester(cluster: Cluster) -> Client:
    """Owner of the versions."""
    return Client(cluster)


@pytest.fixture
def container(tester: Client) -> str:
    """A container that keeps versions."""
    name = f"/versioned{next(numbers)}"
    assert tester.ask("PUT", name, {"X-Versions-Enabled": "true"}).status == 201
    return name


def versions(client: Client, container: str) -> list[tuple[str, str, bool, int]]:
    """Name, version id, whether it is the latest, and size, of all that ``?versions`` lists."""
    entries = client.ask("GET", container, query="versions").json()
    return [(entry["name"], entry["version_id"], entry["is_latest"], entry["bytes"]) for entry in entries]


def put(client: Client, path: str, body: bytes, **headers: str) -> str:
    """PUT an object; return its version id."""
    heard = client.ask("PUT", path, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    assert heard.status == 201, heard
    return heard.headers["x-object-version-id"]


def test_a_body_of_unknown_length_has_its_size_and_etag(tester: Client, container: str) -> None:
    pieces = [b"x" * 70_000, b"y" * 70_000]
    heard = tester.ask("PUT", f"{container}/o", {}, iter(pieces))
    assert heard.status == 201
    whole = tester.ask("GET", f"{container}/o")
    assert whole.body == b"".join(pieces)
    assert whole.headers["etag"] == heard.headers["etag"]
    wait_until(lambda: tester.ask("HEAD", container).headers["x-container-bytes-used"] == "140000", "bytes are counted")
    entry = tester.ask("GET", container, query="format=json").json()[0]
    assert (entry["bytes"], entry["hash"]) == (140_000, heard.headers["etag"])


def test_a_type_is_guessed_from_the_objects_own_name(tester: Client, container: str) -> None:
    for name, headers in [("plain.txt", {}), ("other.txt", {"Content-Type": "a/b", "X-Detect-Content-Type": "true"})]:
        put(tester, f"{container}/{name}", b"x", **{key.replace("-", "_"): value for key, value in headers.items()})
        assert tester.ask("HEAD", f"{container}/{name}").headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    "name", ['"symlink_bytes"', "symlink_target=", '[{"symlink_bytes": 1, "hash": "; symlink_target=c/o"}]']
)
def test_names_that_look_like_the_marks_of_links(tester: Client, container: str, name: str) -> None:
    put(tester, f"{container}/{name}", b"x")
    assert tester.ask("GET", container).body == f"{name}\n".encode()
    assert [entry["name"] for entry in tester.ask("GET", container, query="format=json").json()] == [name]
    assert [listed[0] for listed in versions(tester, container)] == [name]


def test_nobody_names_a_hidden_container(tester: Client, container: str) -> None:
    identity = put(tester, f"{container}/o", b"secret")
    for path in (f"/\0versions\0{container[1:]}", f"/\0versions\0{container[1:]}/\0o\0{identity}"):
        for headers in ({}, {"X-Backend-Allow-Reserved-Names": "true"}, {"X-Allow-Reserved-Names": "true"}):
            assert tester.ask("GET", path, headers).status == 412
            assert tester.ask("DELETE", path, headers).status == 412
    for query in ("", "format=json", "prefix=%00", "marker=%00"):
        assert b"versions\0" not in tester.ask("GET", "", query=query).body.replace(b"\\u0000", b"\0")


def test_whoever_may_not_write_leaves_no_version(cluster: Cluster, tester: Client, container: str) -> None:
    stranger, reader = Client(cluster, None), Client(cluster, "test2:tester2")
    tester.ask("POST", container, {"X-Container-Read": "test2:tester2"})
    identity = put(tester, f"{container}/o", b"mine")
    for client, refusal in [(stranger, 401), (reader, 403)]:
        assert client.ask("PUT", f"{container}/o", {}, b"theirs").status == refusal
        assert client.ask("DELETE", f"{container}/o").status == refusal
        assert client.ask("DELETE", f"{container}/o", query=f"version-id={identity}").status == refusal
        assert client.ask("PUT", f"{container}/o", query=f"version-id={identity}").status == refusal
        assert client.ask("POST", f"{container}/o", {"X-Object-Meta-A": "b"}).status == refusal
        assert client.ask("POST", container, {"X-Versions-Enabled": "false"}).status == refusal
        assert client.ask("DELETE", container).status == refusal
    assert reader.ask("GET", f"{container}/o").body == b"mine"
    assert [(entry[0], entry[1], entry[2]) for entry in versions(tester, container)] == [("o", identity, True)]


def test_whoever_may_write_makes_versions(cluster: Cluster, tester: Client, container: str) -> None:
    writer = Client(cluster, "test2:tester2")
    tester.ask("POST", container, {"X-Container-Write": "test2:tester2", "X-Container-Read": "test2:tester2"})
    first = put(writer, f"{container}/o", b"first")
    second = put(writer, f"{container}/o", b"second")
    assert second > first
    assert writer.ask("GET", f"{container}/o").body == b"second"
    assert tester.ask("GET", f"{container}/o", query=f"version-id={first}").body == b"first"


def test_the_account_counts_versions_and_hides_their_container(
    cluster: Cluster, tester: Client, container: str
) -> None:
    for body in (b"four", b"sixsix"):
        put(tester, f"{container}/o", body)

    def listed() -> dict:
        cluster.run_updaters()
        entries = tester.ask("GET", "", query="format=json").json()
        found = {entry["name"]: entry for entry in entries}
        assert all("\0" not in name for name in found)
        entry = found[container[1:]]
        return entry if (entry["bytes"], entry["count"]) == (10, 1) else {}

    wait_until(listed, "the account counts both versions and one object")


def test_a_condition_that_fails_leaves_no_version(tester: Client, container: str) -> None:
    identity = put(tester, f"{container}/o", b"one")
    etag = tester.ask("HEAD", f"{container}/o").headers["etag"]
    refused = tester.ask("PUT", f"{container}/o", {"If-None-Match": "*"}, b"two")
    assert (refused.status, refused.headers.get("x-object-version-id")) == (412, None)
    assert tester.ask("PUT", f"{container}/o", {"If-Match": "0" * 32}, b"two").status == 412
    assert tester.ask("DELETE", f"{container}/o", {"If-Match": "0" * 32}).status == 412
    wait_until(lambda: versions(tester, container) == [("o", identity, True, 3)], "only the one version is listed")
    second = put(tester, f"{container}/o", b"two", If_Match=etag)
    assert tester.ask("GET", f"{container}/o").body == b"two"
    assert tester.ask("POST", f"{container}/o", {"If-Match": etag}).status == 412
    new = tester.ask("HEAD", f"{container}/o").headers["etag"]
    assert tester.ask("POST", f"{container}/o", {"If-Match": new, "X-Object-Meta-A": "b"}).status == 202
    query = f"version-id={second}"
    assert tester.ask("DELETE", f"{container}/o", {"If-Match": etag}, query=query).status == 412
    assert tester.ask("GET", f"{container}/o").headers["x-object-meta-a"] == "b"
    assert tester.ask("DELETE", f"{container}/o", {"If-Match": new}, query=query).status == 204


def test_what_was_there_before_becomes_a_version(tester: Client) -> None:
    container = f"/versioned{next(numbers)}"
    assert tester.ask("PUT", container).status == 201
    assert tester.ask("PUT", f"{container}/o", {"Content-Type": "a/b", "X-Object-Meta-A": "kept"}, b"old").status == 201
    assert tester.ask("POST", container, {"X-Versions-Enabled": "true"}).status == 204
    latest = put(tester, f"{container}/o", b"new")
    listed = wait_until(lambda: len(found := versions(tester, container)) == 2 and found, "both versions are listed")
    assert [entry[2:] for entry in listed] == [(True, 3), (False, 3)]
    assert listed[0][1] == latest
    old = tester.ask("GET", f"{container}/o", query=f"version-id={listed[1][1]}")
    assert (old.body, old.headers["content-type"], old.headers["x-object-meta-a"]) == (b"old", "a/b", "kept")


def test_a_link_is_one_tick_newer_than_its_version(cluster: Cluster, tester: Client, container: str) -> None:
    """So that one server's clock, asked twice, cannot make the link lose against what it replaces (formats.md 7.14)."""
    identity = put(tester, f"{container}/o", b"body")
    assert cluster.files(f"objects/**/{identity}.data")
    assert cluster.files(f"objects/**/{identity}_0000000000000001.data")


def test_the_link_to_a_version_counts_for_no_loop(tester: Client, container: str) -> None:
    """The version is a link itself, to a second one: as many as a client may make."""
    assert tester.ask("PUT", "/plain").status in (201, 202)
    assert tester.ask("PUT", "/plain/o", {}, b"body").status == 201
    for link, target in [("/plain/one", "plain/o"), ("/plain/two", "plain/one"), (f"{container}/two", "plain/one")]:
        assert tester.ask("PUT", link, {"X-Symlink-Target": target}).status == 201
    assert tester.ask("GET", f"{container}/two").body == b"body"
    assert tester.ask("PUT", f"{container}/three", {"X-Symlink-Target": "plain/two"}).status == 201
    assert tester.ask("GET", f"{container}/three").status == 409


def test_versions_of_a_large_object(tester: Client, container: str) -> None:
    assert tester.ask("PUT", "/segments").status in (201, 202)
    assert tester.ask("PUT", "/segments/s", {}, b"0123456789").status == 201
    manifest = json.dumps([{"path": "/segments/s"}, {"path": "/segments/s"}]).encode()
    heard = tester.ask("PUT", f"{container}/o", {}, manifest, "multipart-manifest=put")
    assert heard.status == 201
    identity = heard.headers["x-object-version-id"]
    put(tester, f"{container}/o", b"small")
    assert tester.ask("GET", f"{container}/o").body == b"small"
    for method, body in [("GET", b"0123456789" * 2), ("HEAD", b"")]:
        old = tester.ask(method, f"{container}/o", query=f"version-id={identity}")
        assert (old.body, old.headers["content-length"], old.headers["etag"]) == (body, "20", heard.headers["etag"])
    wait_until(
        lambda: sorted(entry[2:] for entry in versions(tester, container)) == [(False, 20), (True, 5)],
        "both versions are listed with their sizes",
    )


def test_the_latest_version_goes_with_its_link(tester: Client, container: str) -> None:
    first, second = put(tester, f"{container}/o", b"first"), put(tester, f"{container}/o", b"second")
    heard = tester.ask("DELETE", f"{container}/o", query=f"version-id={second}")
    assert (heard.status, heard.headers["x-object-current-version-id"]) == (204, "null")
    assert tester.ask("GET", f"{container}/o", query="symlink=get").status == 404
    assert tester.ask("GET", f"{container}/o", query=f"version-id={first}").body == b"first"


def test_a_name_too_long_for_a_hidden_container_is_told(tester: Client) -> None:
    """Its name has ten characters more."""
    assert tester.ask("PUT", "/" + "n" * 246, {"X-Versions-Enabled": "true"}).status == 201
    heard = tester.ask("PUT", "/" + "n" * 247, {"X-Versions-Enabled": "true"})
    assert (heard.status, b"longer than 256" in heard.body) == (400, True)
    assert tester.ask("HEAD", "/" + "n" * 247).status == 404


def test_an_unknown_policy_is_told(tester: Client) -> None:
    heard = tester.ask("PUT", "/policyless", {"X-Versions-Enabled": "true", "X-Storage-Policy": "lead"})
    assert (heard.status, heard.body) == (400, b"Invalid X-Storage-Policy 'lead'")
    assert tester.ask("HEAD", "/policyless").status == 404


def test_copies_of_versions(tester: Client, container: str) -> None:
    first = put(tester, f"{container}/o", b"first")
    put(tester, f"{container}/o", b"second")
    query, to = f"version-id={first}", {"Destination": f"{container[1:]}/copy"}
    heard = tester.ask("COPY", f"{container}/o", to, query=query)
    assert (heard.status, heard.headers["x-copied-from-version-id"]) == (201, first)
    assert tester.ask("GET", f"{container}/copy").body == b"first"
    assert tester.ask("COPY", f"{container}/o", {"Destination": f"{container[1:]}/now"}).status == 201
    assert tester.ask("GET", f"{container}/now").body == b"second"


def test_a_copy_of_a_versions_link_opens_nothing_that_is_closed(
    cluster: Cluster, tester: Client, container: str
) -> None:
    other = Client(cluster, "test2:tester2", "AUTH_test2")
    other.ask("PUT", "/closed")
    other.ask("PUT", "/closed/secret", {}, b"secret")
    put(tester, f"{container}/o", b"mine")
    tester.ask("PUT", "/unversioned")
    elsewhere = {"X-Symlink-Target": "closed/secret", "X-Symlink-Target-Account": "AUTH_test2"}
    for fresh in ("false", "true"):
        link = {**elsewhere, "X-Symlink-Target-Etag": "", "X-Fresh-Metadata": fresh}
        link["X-Copy-From"] = f"{container[1:]}/o"
        tester.ask("PUT", "/unversioned/link", link, query="symlink=get")
        assert tester.ask("GET", "/unversioned/link").status == 403


def test_a_static_link_tells_nothing_of_what_is_closed(cluster: Cluster, tester: Client, container: str) -> None:
    other = Client(cluster, "test2:tester2", "AUTH_test2")
    other.ask("PUT", "/closed")
    right = other.ask("PUT", "/closed/secret", {}, b"secret").headers["etag"]
    elsewhere = {"X-Symlink-Target": "closed/secret", "X-Symlink-Target-Account": "AUTH_test2"}
    for etag in (right, "0" * 32):
        heard = tester.ask("PUT", f"{container}/link", {**elsewhere, "X-Symlink-Target-Etag": etag})
        assert heard.status == 403
        assert right.encode() not in heard.body
    assert versions(tester, container) == []


def test_a_link_whose_target_has_changed_can_be_replaced(tester: Client) -> None:
    tester.ask("PUT", "/promised")
    etag = tester.ask("PUT", "/promised/target", {}, b"first").headers["etag"]
    link = {"X-Symlink-Target": "promised/target", "X-Symlink-Target-Etag": etag}
    for method in ("PUT", "DELETE"):
        assert tester.ask("PUT", f"/promised/{method}", link).status == 201
    tester.ask("POST", "/promised", {"X-Versions-Enabled": "true"})
    tester.ask("PUT", "/promised/target", {}, b"second")
    put(tester, "/promised/PUT", b"x")
    assert tester.ask("DELETE", "/promised/DELETE").status == 204
    kept = [identity for name, identity, latest, _ in versions(tester, "/promised") if name == "PUT" and not latest]
    shown = tester.ask("HEAD", "/promised/PUT", query=f"version-id={kept[0]}&symlink=get").headers
    assert (shown["x-symlink-target"], shown["x-symlink-target-etag"]) == ("promised/target", etag)


def test_whoever_may_not_delete_a_version_leaves_its_link(cluster: Cluster, tester: Client, container: str) -> None:
    writer = Client(cluster, "test2:tester2")
    tester.ask("POST", container, {"X-Container-Write": "test2:tester2"})
    identity = put(tester, f"{container}/o", b"mine")
    assert writer.ask("DELETE", f"{container}/o", query=f"version-id={identity}").status == 403
    assert tester.ask("GET", f"{container}/o").body == b"mine"


def test_a_version_of_a_large_object_goes_with_all_that_is_nested_in_it(tester: Client, container: str) -> None:
    tester.ask("PUT", "/nested")
    tester.ask("PUT", "/nested/a", {}, b"a")
    making = "multipart-manifest=put"
    tester.ask("PUT", "/nested/sub", {}, json.dumps([{"path": "/nested/a"}]).encode(), query=making)
    heard = tester.ask("PUT", f"{container}/top", {}, json.dumps([{"path": "/nested/sub"}]).encode(), query=making)
    query = "multipart-manifest=delete&version-id=" + heard.headers["x-object-version-id"]
    result = tester.ask("DELETE", f"{container}/top", {"Accept": "application/json"}, query=query).json()
    assert (result["Number Deleted"], result["Errors"]) == (3, [])
    assert tester.ask("GET", "/nested/a").status == 404


@pytest.mark.parametrize(
    "method, path, query, status",
    [
        ("GET", "/o\0", "version-id=1", 412),
        ("PUT", "/o\0", "version-id=1", 412),
        ("DELETE", "/o\0", "version-id=1", 412),
        ("PUT", "/o\0", "", 412),
        ("GET", "", "versions&prefix=%00", 400),
        ("GET", "", "versions&marker=%00", 400),
    ],
)
def test_reserved_names_are_refused(
    tester: Client, container: str, method: str, path: str, query: str, status: int
) -> None:
    assert tester.ask(method, container + path, query=query).status == status


def test_no_reserved_container_keeps_versions(tester: Client) -> None:
    for method in ("PUT", "POST"):
        assert tester.ask(method, "/a\0b", {"X-Versions-Enabled": "true"}).status == 412


def test_a_lost_container_of_versions_is_told_and_made_again(cluster: Cluster, tester: Client, container: str) -> None:
    """Only a fault, or an operator, takes it away."""
    name_hash = [path.parent for path in cluster.files("containers/**/*.db")]
    hidden = f"\0versions\0{container[1:]}"
    for directory in set(name_hash):
        for database in directory.glob("*.db"):
            if hidden.encode() in database.read_bytes():
                database.unlink()
    heard = tester.ask("PUT", f"{container}/o", {}, b"body")
    assert (heard.status, heard.body[:38]) == (500, b"The versions container does not exist.")
    assert tester.ask("GET", f"{container}/o").status == 404
    assert tester.ask("POST", container, {"X-Versions-Enabled": "true"}).status == 204
    put(tester, f"{container}/o", b"body")
    assert tester.ask("GET", f"{container}/o").body == b"body"


def test_every_acknowledged_put_is_a_version(tester: Client, container: str) -> None:
    """Writers at the same time: none loses what another was told is stored."""
    made: dict[str, bytes] = {}

    def write(writer: int) -> None:
        for number in range(5):
            body = f"{writer}-{number}".encode()
            heard = tester.ask("PUT", f"{container}/o", {}, body)
            assert heard.status in (201, 202), heard  # 202: another's later one came first
            made[heard.headers["x-object-version-id"]] = body

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    listed = wait_until(lambda: len(found := versions(tester, container)) == 20 and found, "all versions are listed")
    assert [entry[1] for entry in listed] == sorted(made, reverse=True)
    assert [entry[2] for entry in listed] == [True] + [False] * 19
    for identity, body in made.items():
        assert tester.ask("GET", f"{container}/o", query=f"version-id={identity}").body == body
    assert tester.ask("GET", f"{container}/o").body == made[max(made)]


def test_info_tells_of_versions(cluster: Cluster) -> None:
    assert cluster.connection().get_capabilities()["object_versioning"] == {}
