"""Listings with ``include=metadata`` in a real cluster: whatever an entry stands for, and whoever asks."""

from __future__ import annotations

import json
import time
import uuid
import xml.etree.ElementTree as xml
from typing import Any

import pytest
import requests

from functional.cluster import Cluster

Told = dict[str, Any]


@pytest.fixture(scope="module")
def tokens(cluster: Cluster) -> dict[str, str]:
    return {user: cluster.token(user) for user in ("test:tester", "test:tester3", "test2:tester2")}


class Container:
    """A container of the test's own."""

    def __init__(self, cluster: Cluster, tokens: dict[str, str]) -> None:
        self.name = uuid.uuid4().hex
        self.url = f"{cluster.url}/v1/AUTH_test/{self.name}"
        self.tokens = tokens

    def ask(
        self, method: str, path: str = "", body: bytes = b"", user: str = "test:tester", **headers: str
    ) -> requests.Response:
        """Make a request."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["X-Auth-Token"] = self.tokens[user]
        return requests.request(method, self.url + path, data=body, headers=sent, timeout=60)

    def put(self, path: str = "", body: bytes = b"x", **headers: str) -> None:
        """Store something."""
        assert self.ask("PUT", path, body, **headers).status_code in (201, 202)

    def list(self, query: str = "", user: str = "test:tester") -> list[tuple[str, Any, Any]]:
        """Return name or subdir, metadata and mtime of each entry."""
        answer = self.ask("GET", f"?format=json&include=metadata{query}", user=user)
        assert answer.status_code == 200, answer.text
        return [
            (entry.get("name") or entry["subdir"], entry.get("metadata", "none told"), entry.get("mtime"))
            for entry in answer.json()
        ]


@pytest.fixture
def container(cluster: Cluster, tokens: dict[str, str]) -> Container:
    made = Container(cluster, tokens)
    made.put()
    return made


def test_every_kind_of_entry(container: Container) -> None:
    container.put("/file", X_Object_Meta_Mtime="1538648586.123456789", X_Object_Meta_Color_Of_It="Blue")
    container.put("/d/below", X_Object_Meta_A="b")
    container.put("/link", b"", X_Symlink_Target=f"{container.name}/file", X_Object_Meta_Own="link's")
    container.put("/dangling", b"", X_Symlink_Target=f"{container.name}/nothing")
    manifest = json.dumps([{"path": f"/{container.name}/file"}]).encode()
    container.put("/static?multipart-manifest=put", manifest, X_Object_Meta_Kind="slo")
    container.put("/dynamic", b"", X_Object_Manifest=f"{container.name}/d/", X_Object_Meta_Kind="dlo")
    container.put("/none")
    mtime = "1538648586.123456789"
    assert container.list("&delimiter=/") == [
        ("d/", "none told", None),
        ("dangling", {}, None),
        ("dynamic", {"kind": "dlo"}, None),
        ("file", {"mtime": mtime, "color-of-it": "Blue"}, mtime),
        ("link", {"own": "link's"}, None),
        ("none", {}, None),
        ("static", {"kind": "slo"}, None),
    ]


def test_what_a_row_outlives_has_no_metadata(container: Container) -> None:
    container.put("/expires", X_Delete_After="1", X_Object_Meta_A="b")
    container.put("/stays", X_Object_Meta_A="b")
    while time.time() < int(container.ask("HEAD", "/stays").headers["X-Timestamp"].split(".")[0]) + 2:
        time.sleep(0.05)
    answer = container.ask("GET", "?format=json&include=metadata").json()
    assert [(entry["name"], entry["metadata"], entry.get("metadata_status")) for entry in answer] == [
        ("expires", None, 404),
        ("stays", {"a": "b"}, None),
    ]


def test_versions_have_their_own_metadata(container: Container) -> None:
    assert container.ask("POST", X_Versions_Enabled="true").status_code == 204
    container.put("/o", X_Object_Meta_A="one")
    container.put("/o", X_Object_Meta_A="two")
    assert container.list() == [("o", {"a": "two"}, None)]
    assert container.ask("DELETE", "/o").status_code == 204
    assert container.list("&versions") == [
        ("o", "none told", None),
        ("o", {"a": "two"}, None),
        ("o", {"a": "one"}, None),
    ]
    assert container.list() == []


def test_xml_tells_it_too_and_plain_text_does_not(container: Container) -> None:
    container.put("/o", X_Object_Meta_A="<&", X_Object_Meta_Mtime="5")
    root = xml.fromstring(container.ask("GET", "?include=metadata&format=xml").content)
    (element,) = root.findall("object")
    assert [(item.get("name"), item.text) for item in element.findall("metadata/item")] == [("a", "<&"), ("mtime", "5")]
    assert element.findtext("mtime") == "5"
    assert container.ask("GET", "?include=metadata").text == "o\n"
    assert container.ask("GET", "?include=metadata&limit=5000").text == "o\n"
    assert container.ask("GET", "?include=metadata&format=json&limit=5000").status_code == 412


def test_pages_follow_each_other(container: Container) -> None:
    for name in "abcde":
        container.put(f"/{name}", X_Object_Meta_Name=name)
    found, marker = [], ""
    while page := container.list(f"&limit=2&marker={marker}"):
        assert len(page) <= 2
        found += page
        marker = page[-1][0]
    assert found == [(name, {"name": name}, None) for name in "abcde"]


def test_who_may_read_sees_it_and_who_may_not_sees_nothing(container: Container) -> None:
    container.put("/o", X_Object_Meta_A="b")
    url = "?format=json&include=metadata"
    assert container.ask("GET", url, user="test:tester3").status_code == 403
    assert container.ask("POST", X_Container_Read="test:tester3").status_code == 204
    assert container.list(user="test:tester3") == [("o", {"a": "b"}, None)]
    assert container.ask("GET", url, user="test2:tester2").status_code == 403
    assert container.ask("POST", X_Container_Read=".r:*,.rlistings").status_code == 204
    assert container.list(user="test2:tester2") == [("o", {"a": "b"}, None)]
