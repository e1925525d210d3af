"""Old versions in another container, over a real cluster: who may, what is kept, and what happens when it cannot be."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
import requests

from functional.cluster import Cluster, wait_until
from swiftlite.common.swift_conf import SwiftConf
from swiftlite.core.timestamp import Timestamp
from swiftlite.core.versions import version_name
from swiftlite.middleware.versioned_writes.legacy import PAGE
from swiftlite.ring.ring import Ring

OWNER, GUEST = "test:tester", "test:tester3"


@dataclass(frozen=True)
class Shelf:
    """A container, and the one that its versions go to."""

    cluster: Cluster
    container: str
    tokens: dict[str, str]

    @property
    def archive(self) -> str:
        """The container for versions."""
        return f"{self.container}-versions"

    def ask(
        self, method: str, path: str, body: bytes | None = None, user: str = OWNER, **headers: str
    ) -> requests.Response:
        """Make a request; `path` follows the account, more headers have underscores for dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["X-Auth-Token"] = self.tokens[user]
        path, _, query = path.partition("?")
        url = f"{self.cluster.url}/v1/AUTH_test/{quote(path)}"
        return requests.request(method, f"{url}?{query}" if query else url, data=body, headers=sent, timeout=60)

    def put(self, body: bytes, name: str = "o", user: str = OWNER, **headers: str) -> int:
        """Store an object; return the status."""
        return self.ask("PUT", f"{self.container}/{name}", body, user, **headers).status_code

    def get(self, name: str = "o") -> bytes | int:
        """Return what an object holds, or the status that says why not."""
        answer = self.ask("GET", f"{self.container}/{name}")
        return answer.content if answer.status_code == 200 else answer.status_code

    def delete(self, name: str = "o", user: str = OWNER, **headers: str) -> int:
        """Delete an object; return the status."""
        return self.ask("DELETE", f"{self.container}/{name}", None, user, **headers).status_code

    def kept(self) -> list[dict[str, str]]:
        """Return the listing of the versions."""
        return self.ask("GET", f"{self.archive}?format=json").json()

    def bodies(self) -> list[bytes]:
        """Return what the versions hold, in the order of their names."""
        return [self.ask("GET", f"{self.archive}/{entry['name']}").content for entry in self.kept()]


@pytest.fixture(scope="module")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    return make_session_cluster(settings={"proxy": {"filter:versioned_writes": {"allow_versioned_writes": "true"}}})


@pytest.fixture(scope="module")
def tokens(cluster: Cluster) -> dict[str, str]:
    return {user: cluster.token(user) for user in cluster.layout.users}


@pytest.fixture(params=["X_Versions_Location", "X_History_Location"])
def shelf(request: pytest.FixtureRequest, cluster: Cluster, tokens: dict[str, str]) -> Shelf:
    """Both kinds."""
    return make_shelf(cluster, tokens, request.param)


@pytest.fixture
def stack(cluster: Cluster, tokens: dict[str, str]) -> Shelf:
    return make_shelf(cluster, tokens, "X_Versions_Location")


def make_shelf(cluster: Cluster, tokens: dict[str, str], header: str) -> Shelf:
    made = Shelf(cluster, uuid.uuid4().hex, tokens)
    assert made.ask("PUT", made.archive).status_code == 201
    assert made.ask("PUT", made.container, **{header: made.archive}).status_code == 201
    return made


def test_info_names_the_headers(cluster: Cluster) -> None:
    info = requests.get(f"{cluster.url}/info", timeout=60).json()
    assert info["versioned_writes"] == {"allowed_flags": ["x-versions-location", "x-history-location"]}


def test_what_a_put_replaces_is_kept_whole(shelf: Shelf) -> None:
    big = b"0123456789abcdef" * 200_000
    assert shelf.put(big, Content_Type="x/big", X_Object_Meta_A="b", Content_Disposition="inline") == 201
    assert shelf.put(b"small") == 201
    (version,) = shelf.kept()
    found = shelf.ask("GET", f"{shelf.archive}/{version['name']}")
    told = [found.headers[name] for name in ("Content-Type", "X-Object-Meta-A", "Content-Disposition")]
    assert (found.content, told) == (big, ["x/big", "b", "inline"])
    assert shelf.get() == b"small"


def test_a_guest_s_writes_are_kept_by_the_owner(shelf: Shelf) -> None:
    """Who may write to the container need not know of the other one."""
    assert shelf.put(b"one") == 201
    assert (shelf.put(b"x", user=GUEST), shelf.delete(user=GUEST)) == (403, 403)
    assert (shelf.kept(), shelf.get()) == ([], b"one")
    assert shelf.ask("POST", shelf.container, X_Container_Write=GUEST).status_code == 204
    assert shelf.put(b"two", user=GUEST) == 201
    assert (shelf.bodies(), shelf.get()) == ([b"one"], b"two")
    assert shelf.ask("GET", f"{shelf.archive}/{shelf.kept()[0]['name']}", user=GUEST).status_code == 403
    assert shelf.delete(user=GUEST) == 204
    assert shelf.get() in (b"one", 404)


def test_without_the_container_for_versions_nothing_is_overwritten(shelf: Shelf) -> None:
    assert shelf.ask("DELETE", shelf.archive).status_code == 204
    assert shelf.put(b"one") == 201
    assert (shelf.put(b"two"), shelf.get()) == (412, b"one")
    assert shelf.ask("PUT", shelf.archive).status_code == 201
    assert (shelf.put(b"two"), shelf.get(), shelf.bodies()) == (201, b"two", [b"one"])


def test_a_deletion_in_a_history_is_written_down(cluster: Cluster, tokens: dict[str, str]) -> None:
    shelf = make_shelf(cluster, tokens, "X_History_Location")
    assert shelf.put(b"one") == 201
    assert (shelf.delete(), shelf.get()) == (204, 404)
    assert shelf.bodies() == [b"one", b""]
    assert [entry["content_type"] for entry in shelf.kept()][1] == "application/x-deleted;swift_versions_deleted=1"
    assert shelf.delete() == 404


def test_versions_come_back_in_the_opposite_order(stack: Shelf) -> None:
    bodies = [b"%d" % number for number in range(5)]
    for body in bodies:
        assert stack.put(body, "é/ %2F") == 201
    for body in reversed(bodies):
        assert stack.get("é/ %2F") == body
        assert stack.delete("é/ %2F") == 204
    assert (stack.get("é/ %2F"), stack.kept(), stack.delete("é/ %2F")) == (404, [], 404)


def test_one_object_s_versions_are_not_another_s(stack: Shelf) -> None:
    for name in ("o", "o/1", "oo"):
        for number in range(2):
            assert stack.put(f"{name} {number}".encode(), name) == 201
    assert stack.delete("o") == 204
    assert [stack.get(name) for name in ("o", "o/1", "oo")] == [b"o 0", b"o/1 1", b"oo 1"]


def test_versions_that_are_only_listed_are_passed_over_page_by_page(stack: Shelf) -> None:
    assert (stack.put(b"one"), stack.put(b"two")) == (201, 201)
    later = int(time.time()) + 1000
    list_rows(stack, [version_name("o", Timestamp(later + number)) for number in range(PAGE + 1)])
    assert len(stack.kept()) == PAGE + 2
    assert (stack.delete(), stack.get()) == (204, b"one")
    assert len(stack.kept()) == PAGE + 1


def list_rows(shelf: Shelf, names: list[str]) -> None:
    """Tell all container servers of versions that no object server has."""
    etc = shelf.cluster.layout.etc
    ring = Ring(etc, "container", hash_path=SwiftConf.load(str(etc)).hash_path)
    partition, nodes = ring.get_nodes("AUTH_test", shelf.archive)
    headers = {"X-Size": "3", "X-Content-Type": "x/y", "X-Etag": "e", "X-Timestamp": Timestamp(time.time()).internal}
    for node in nodes:
        connection = http.client.HTTPConnection(node.ip, node.port, timeout=60)
        for name in names:
            connection.request("PUT", f"/{node.device}/{partition}/AUTH_test/{shelf.archive}/{name}", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        connection.close()


def test_a_version_that_has_expired_is_none(cluster: Cluster, tokens: dict[str, str]) -> None:
    for life in ("2", "15", "60"):  # on a machine that stands still it may have expired before it is replaced
        stack = make_shelf(cluster, tokens, "X_Versions_Location")
        assert stack.put(b"one") == 201
        assert stack.put(b"two", X_Delete_After=life) == 201
        assert stack.put(b"three") == 201
        if len(stack.kept()) == 2:
            break
    else:
        raise AssertionError("it has always expired before it is replaced")
    newest = stack.kept()[-1]["name"]
    wait_until(lambda: stack.ask("HEAD", f"{stack.archive}/{newest}").status_code == 404, "the version expires")
    assert (stack.delete(), stack.get()) == (204, b"one")


def test_an_object_that_has_expired_is_not_kept(shelf: Shelf) -> None:
    assert shelf.put(b"one", X_Delete_After="1") == 201
    wait_until(lambda: shelf.get() == 404, "the object expires")
    assert (shelf.put(b"two"), shelf.kept()) == (201, [])


def test_a_condition_is_about_what_would_go(stack: Shelf) -> None:
    assert (stack.put(b"one"), stack.put(b"two")) == (201, 201)
    etag = stack.ask("HEAD", f"{stack.container}/o").headers["Etag"]
    assert (stack.delete(If_Match="0" * 32), stack.get()) == (412, b"two")
    assert (stack.delete(If_Match=etag), stack.get()) == (204, b"one")


def test_a_large_object_is_kept_as_its_manifest(shelf: Shelf) -> None:
    assert shelf.ask("PUT", f"{shelf.archive}/segment", b"part").status_code == 201
    manifest = json.dumps([{"path": f"/{shelf.archive}/segment"}] * 2).encode()
    put = shelf.ask("PUT", f"{shelf.container}/o?multipart-manifest=put", manifest)
    assert put.status_code == 201
    assert shelf.put(b"small") == 201
    (name,) = [entry["name"] for entry in shelf.kept() if entry["name"] != "segment"]
    found = shelf.ask("GET", f"{shelf.archive}/{name}")
    assert (found.content, found.headers["Etag"]) == (b"partpart", put.headers["Etag"])
    (entry,) = [entry for entry in shelf.kept() if entry["name"] == name]
    assert entry["bytes"] == 8


def test_what_the_servers_cannot_keep_is_not_overwritten(shelf: Shelf) -> None:
    assert shelf.put(b"one") == 201
    server = shelf.cluster.server("object-server")
    server.stop()
    try:
        assert (shelf.put(b"two"), shelf.delete()) == (503, 503)
    finally:
        server.start()
    assert (shelf.get(), [entry for entry in shelf.kept() if "deleted" not in entry["content_type"]]) == (b"one", [])


# --- what operators may say --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def older(make_session_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    """A cluster whose container servers alone know of versions."""
    made = make_session_cluster(settings={"container": {"app:container-server": {"allow_versions": "true"}}})
    yield made
    made.stop()


def test_container_servers_may_keep_the_location(older: Cluster) -> None:
    shelf = make_shelf(older, {OWNER: older.token(OWNER)}, "X_Versions_Location")
    assert shelf.ask("HEAD", shelf.container).headers["X-Versions-Location"] == shelf.archive
    for body in (b"one", b"two"):
        assert shelf.put(body) == 201
    assert (shelf.bodies(), shelf.delete(), shelf.get()) == ([b"one"], 204, b"one")
    assert shelf.ask("POST", shelf.container, X_Remove_Versions_Location="x").status_code == 204
    assert "X-Versions-Location" not in shelf.ask("HEAD", shelf.container).headers
    assert (shelf.put(b"two"), shelf.kept()) == (201, [])


def test_where_nobody_allows_it_a_location_has_no_effect(make_cluster: Callable[..., Cluster]) -> None:
    """The conf says no: 412 for who asks; a container that has a location from earlier is like any other."""
    options = {"filter:versioned_writes": {"allow_versioned_writes": "true"}}
    cluster = make_cluster(settings={"proxy": options})
    shelf = make_shelf(cluster, {OWNER: cluster.token(OWNER)}, "X_Versions_Location")
    proxy = cluster.server("proxy-server")
    conf = proxy.process.conf
    conf.write_text(conf.read_text().replace("allow_versioned_writes = true", "allow_versioned_writes = false"))
    proxy.stop()
    proxy.start()
    shelf = Shelf(cluster, shelf.container, {OWNER: cluster.token(OWNER)})
    for body in (b"one", b"two"):
        assert shelf.put(body) == 201
    assert (shelf.kept(), shelf.delete(), shelf.get()) == ([], 204, 404)
    refused = shelf.ask("PUT", "other", X_History_Location="c")
    assert (refused.status_code, refused.content) == (412, b"Versioned Writes is disabled")
    assert shelf.ask("POST", shelf.container, X_Versions_Location="").status_code == 204
    assert "X-Versions-Location" not in shelf.ask("HEAD", shelf.container).headers
