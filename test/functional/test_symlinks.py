"""Symbolic links over real daemons: who may follow them, and how they live beside the other features.

Their headers and statuses are in object_cases/links.py, and held against OpenStack Swift in interop/test_peer_links.py.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from functional.client import Client
from functional.cluster import Cluster, wait_until


@pytest.fixture(scope="module")
def tester(cluster: Cluster) -> Client:
    """Owner of the links."""
    client = Client(cluster)
    assert client.ask("PUT", "/links").status == 201
    return client


@pytest.fixture(scope="module")
def other(cluster: Cluster) -> Client:
    """Owner of another account, with targets in it."""
    client = Client(cluster, "test2:tester2", "AUTH_test2")
    assert client.ask("PUT", "/targets").status == 201
    assert client.ask("PUT", "/targets/o", {"Content-Type": "text/other"}, b"other's").status == 201
    return client


def test_a_link_opens_nothing_that_is_closed(cluster: Cluster, tester: Client, other: Client) -> None:
    headers = {"X-Symlink-Target": "targets/o", "X-Symlink-Target-Account": "AUTH_test2"}
    assert tester.ask("PUT", "/links/foreign", headers).status == 201
    assert tester.ask("GET", "/links/foreign").status == 403
    static = {**headers, "X-Symlink-Target-Etag": hashlib.md5(b"other's").hexdigest()}
    assert tester.ask("PUT", "/links/static", static).status == 403
    assert tester.ask("GET", "/links/static").status == 404
    assert other.ask("POST", "/targets", {"X-Container-Read": "test:tester"}).status == 204
    assert tester.ask("GET", "/links/foreign").body == b"other's"
    assert tester.ask("PUT", "/links/static", static).status == 201
    assert Client(cluster, None).ask("GET", "/links/foreign").status == 401
    assert tester.ask("POST", "/links", {"X-Container-Read": ".r:*"}).status == 204
    assert Client(cluster, None).ask("GET", "/links/foreign").status == 401
    assert other.ask("POST", "/targets", {"X-Container-Read": ".r:*"}).status == 204
    assert Client(cluster, None).ask("GET", "/links/foreign").body == b"other's"


@pytest.mark.parametrize("target", ["%00versions%00links/%00o%001", "links/%00o", "%00c/o"])
def test_a_link_leads_to_no_reserved_name(tester: Client, target: str) -> None:
    headers = {"X-Symlink-Target": target}
    assert tester.ask("PUT", "/links/reserved", headers).status == 201  # as dangling as any other
    assert tester.ask("GET", "/links/reserved").status == 412
    static = tester.ask("PUT", "/links/reserved-static", {**headers, "X-Symlink-Target-Etag": "d" * 32})
    assert static.status == 412


def test_internal_metadata_stay_inside(tester: Client) -> None:
    forged = {
        "X-Object-Sysmeta-Symlink-Target": "links/target",
        "X-Object-Sysmeta-Allow-Reserved-Names": "true",
        "X-Object-Sysmeta-Symlink-Target-Etag": "x",
    }
    assert tester.ask("PUT", "/links/forged", forged, b"mine").status == 201
    assert tester.ask("GET", "/links/forged").body == b"mine"
    tester.ask("PUT", "/links/link", {"X-Symlink-Target": "links/forged"})
    for method, query in [("GET", ""), ("HEAD", ""), ("HEAD", "symlink=get"), ("POST", "")]:
        heard = tester.ask(method, "/links/link", query=query)
        assert not [name for name in heard.headers if "sysmeta" in name or "backend" in name]


def test_a_static_link_to_a_large_object(tester: Client) -> None:
    assert tester.ask("PUT", "/links/segment", {}, b"0123456789").status == 201
    manifest = json.dumps([{"path": "/links/segment"}, {"path": "/links/segment"}]).encode()
    assert tester.ask("PUT", "/links/large", {}, manifest, "multipart-manifest=put").status == 201
    etag = tester.ask("GET", "/links/large").headers["x-manifest-etag"]
    asked = {"X-Symlink-Target": "links/large", "X-Symlink-Target-Etag": etag.strip('"')}
    assert tester.ask("PUT", "/links/to-large", asked).status == 201
    assert tester.ask("GET", "/links/to-large").body == b"0123456789" * 2
    assert tester.ask("GET", "/links/to-large", {"Range": "bytes=8-11"}).body == b"8901"

    def entry() -> dict:
        found = {entry["name"]: entry for entry in tester.ask("GET", "/links", query="format=json").json()}
        return found.get("to-large", {})

    listed = wait_until(entry, "the link is listed")
    assert (listed["symlink_bytes"], listed["symlink_path"]) == (20, "/v1/AUTH_test/links/large")
    assert listed["slo_etag"] == tester.ask("HEAD", "/links/large").headers["etag"]


def test_an_expired_link_is_gone_and_its_target_stays(cluster: Cluster, tester: Client) -> None:
    assert tester.ask("PUT", "/links/kept", {}, b"kept").status == 201
    assert tester.ask("PUT", "/links/short", {"X-Symlink-Target": "links/kept", "X-Delete-After": "1"}).status == 201
    wait_until(lambda: tester.ask("GET", "/links/short").status == 404, "the link expires")
    assert tester.ask("GET", "/links/short", query="symlink=get").status == 404
    assert tester.ask("GET", "/links/kept").body == b"kept"


def test_copies_of_a_link_and_of_its_target(tester: Client) -> None:
    assert tester.ask("PUT", "/links/original", {"Content-Type": "text/original"}, b"original").status == 201
    assert tester.ask("PUT", "/links/alias", {"X-Symlink-Target": "links/original"}).status == 201
    assert tester.ask("COPY", "/links/alias", {"Destination": "links/copied-target"}).status == 201
    assert tester.ask("COPY", "/links/alias", {"Destination": "links/copied-link"}, query="symlink=get").status == 201
    assert tester.ask("PUT", "/links/original", {}, b"changed").status == 201
    assert tester.ask("GET", "/links/copied-target").body == b"original"
    assert tester.ask("GET", "/links/copied-link").body == b"changed"
    shown = tester.ask("HEAD", "/links/copied-link", query="symlink=get").headers
    assert (shown["x-symlink-target"], shown["content-length"]) == ("links/original", "0")


def test_info_tells_of_links(tester: Client, cluster: Cluster) -> None:
    connection = cluster.connection()
    assert connection.get_capabilities()["symlink"] == {"symloop_max": 2, "static_links": True}
