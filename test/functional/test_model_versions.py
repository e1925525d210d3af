"""Random calls to containers that keep versions, held against a model of each kind: a stack, a history, and ids.

``MODEL_SEED`` and ``MODEL_OPERATIONS`` as for test_model.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from functional.client import Client, Heard
from functional.cluster import Cluster
from functional.model import Content

SEED_OF_RUN = os.environ.get("MODEL_SEED", "2026")
OPERATIONS = int(os.environ.get("MODEL_OPERATIONS", "200"))
NAMES = ("a", "b", "dir/c")
SIZES = (0, 1, 1000, 70_000)
MARKER = None
"""Stands among the versions for "it was deleted"."""
MARKED = "application/x-deleted;swift_versions_deleted=1"

Version = Content | None


@pytest.fixture(scope="module")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    return make_session_cluster(nodes=3, devices=1)


@dataclass
class Kept:
    """What one name has been: now, and before, the oldest first; each version with its id where there are ids."""

    now: Content | None = None
    before: list[tuple[str, Version]] = field(default_factory=list)


class Stack:
    """``X-Versions-Location``: a DELETE brings back what was there before."""

    header = "X-Versions-Location"

    def put(self, kept: Kept, content: Content) -> None:
        self.archive(kept)
        kept.now = content

    def delete(self, kept: Kept) -> int:
        """Change the model; return the status that the server must answer with."""
        status = 204 if kept.now else 404
        kept.now = kept.before.pop()[1] if kept.before else None
        return status

    @staticmethod
    def archive(kept: Kept) -> None:
        if kept.now is not None:
            kept.before.append(("", kept.now))


class History(Stack):
    """``X-History-Location``: a DELETE is one more version."""

    header = "X-History-Location"

    def delete(self, kept: Kept) -> int:
        status = 204 if kept.now else 404
        self.archive(kept)
        kept.before.append(("", MARKER))
        kept.now = None
        return status


class Writer:
    """Sends calls about the names of one container, and compares."""

    def __init__(self, cluster: Cluster, container: str) -> None:
        self.client = Client(cluster)
        self.container = container
        self.rng = random.Random(f"{SEED_OF_RUN} {container}")
        self.names = {name: Kept() for name in NAMES}
        self.story: list[str] = []

    def ask(self, method: str, name: str, expected: int, content: Content | None = None, query: str = "") -> Heard:
        """Send one request; its status must be the expected one."""
        body = content.body if content else b""
        path = f"/{self.container}/{name}" if name else f"/{self.container}"
        heard = self.client.ask(method, path, {}, body, query=query)
        self.story.append(f"{method} {name} {query} {content or ''} -> {heard.status}")
        assert heard.status == expected, self.tell(f"{expected} expected")
        return heard

    def tell(self, problem: str) -> str:
        """Return what a failure prints."""
        return f"MODEL_SEED={SEED_OF_RUN}: {problem}\n" + "\n".join(self.story[-25:])

    def new(self) -> Content:
        return Content(self.rng.getrandbits(32), self.rng.choice(SIZES))

    def assert_now(self, name: str) -> None:
        """The object is what it was made last, whole."""
        now = self.names[name].now
        heard = self.ask("GET", name, 200 if now else 404)
        assert now is None or heard.body == now.body, self.tell(f"not the body of {now}")


@pytest.mark.parametrize("kind", [Stack(), History()], ids=["stack", "history"])
def test_versions_in_another_container(cluster: Cluster, kind: Stack) -> None:
    container, archive = f"kept-{kind.header[2]}", f"archive-{kind.header[2]}"
    writer = Writer(cluster, container)
    assert writer.client.ask("PUT", f"/{archive}", {}).status == 201
    assert writer.client.ask("PUT", f"/{container}", {kind.header: archive}).status == 201
    for _ in range(OPERATIONS):
        name = writer.rng.choice(NAMES)
        kept = writer.names[name]
        if writer.rng.random() < 0.55:
            content = writer.new()
            writer.ask("PUT", name, 201, content)
            kind.put(kept, content)
        else:
            writer.ask("DELETE", name, kind.delete(kept))
        writer.assert_now(name)
        if writer.rng.random() < 0.3:
            assert_archived(writer, archive, name)
    for name in NAMES:
        assert_archived(writer, archive, name)


def assert_archived(writer: Writer, archive: str, name: str) -> None:
    """The archive lists just the versions of the model, in their order, and has their bodies."""
    entries = writer.client.ask("GET", f"/{archive}", {}, query=f"format=json&prefix={len(name):03x}{name}/").json()
    found = [(entry["hash"], entry["content_type"] == MARKED) for entry in entries]
    kept = [version for _, version in writer.names[name].before]
    expected = [((version or Content(0, 0)).etag, version is MARKER) for version in kept]
    assert found == expected, writer.tell(f"versions of {name}")
    if entries:
        number = writer.rng.randrange(len(entries))
        heard = writer.client.ask("GET", f"/{archive}/{entries[number]['name']}")
        assert heard.body == (kept[number] or Content(0, 0)).body, writer.tell(f"version {number} of {name}")


def test_versions_with_ids(cluster: Cluster) -> None:
    writer = Writer(cluster, "ids")
    assert writer.client.ask("PUT", "/ids", {"X-Versions-Enabled": "true"}).status == 201
    calls = (put_version, put_version, put_version, delete_current, delete_version, read_version, restore_version)
    for _ in range(OPERATIONS):
        name = writer.rng.choice(NAMES)
        writer.rng.choice(calls)(writer, name)
        writer.assert_now(name)
        if writer.rng.random() < 0.3:
            assert_versions(writer, name)
    for name in NAMES:
        assert_versions(writer, name)


def put_version(writer: Writer, name: str) -> None:
    content, kept = writer.new(), writer.names[name]
    heard = writer.ask("PUT", name, 201, content)
    kept.before.append((heard.headers["x-object-version-id"], content))
    kept.now = content


def delete_current(writer: Writer, name: str) -> None:
    """One more version: the marker; what was there remains."""
    kept = writer.names[name]
    heard = writer.ask("DELETE", name, 204 if kept.now else 404)
    if "x-object-version-id" in heard.headers:
        kept.before.append((heard.headers["x-object-version-id"], MARKER))
    kept.now = None


def delete_version(writer: Writer, name: str) -> None:
    """It is gone for good; if it was the current one, there is none until another is put."""
    kept = writer.names[name]
    if kept.before:
        number = writer.rng.randrange(len(kept.before))
        heard = writer.ask("DELETE", name, 204, query=f"version-id={kept.before[number][0]}")
        if heard.headers["x-object-current-version-id"] == "null":
            kept.now = None
        del kept.before[number]


def read_version(writer: Writer, name: str) -> None:
    kept = writer.names[name]
    if kept.before:
        number, version = writer.rng.choice(kept.before)
        heard = writer.ask("GET", name, 200 if version else 404, query=f"version-id={number}")
        assert version is None or heard.body == version.body, writer.tell(f"not the body of version {number}")


def restore_version(writer: Writer, name: str) -> None:
    """An old version becomes the current one."""
    kept = writer.names[name]
    whole = [(number, version) for number, version in kept.before if version]
    if whole:
        number, kept.now = writer.rng.choice(whole)
        writer.ask("PUT", name, 201, query=f"version-id={number}")


def assert_versions(writer: Writer, name: str) -> None:
    """``?versions`` lists just the versions of the model, the newest first."""
    entries = writer.client.ask("GET", "/ids", {}, query=f"versions&format=json&prefix={name}").json()
    found = [(entry["version_id"], entry["hash"]) for entry in entries]
    expected = [(number, (version or Content(0, 0)).etag) for number, version in writer.names[name].before]
    assert found == expected[::-1], writer.tell(f"versions of {name}")
    latest = [entry["hash"] for entry in entries if entry["is_latest"]]
    now = writer.names[name].now
    # A marker that is newer than a version that was restored is called latest too, as OpenStack Swift does.
    assert now is None or now.etag in latest, writer.tell(f"the latest version of {name}")
