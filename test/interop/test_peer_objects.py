"""Object files: what one side's object server writes, the other's server, reader and tools take for its own."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from interop import peer, rings
from interop.lab import Answer, Lab, Server
from swiftlite.common.fs import FileSystem
from swiftlite.obj import xattrs

# Of late: a tombstone older than reclaim_age would be gone at the first look.
NOW = int(time.time()) - 1000
T1, T2, T3, T4, T5 = (f"{NOW + second}.{second * 11111:05d}" for second in range(5))
PATHS = {
    "plain": "/d1/7/AUTH_t/c/o",
    "unicode": "/d1/7/AUTH_t/cø/é 漢😀%2F?#\n/o",
    "long": "/d1/7/AUTH_t/c/" + "n" * 1000,
}
METADATA = {
    "Content-Type": "text/plain;charset=utf-8",
    "Content-Encoding": "gzip",
    "Content-Disposition": 'attachment; filename="x"',
    "Cache-Control": "max-age=5",
    "X-Delete-At": "4000000000",
    "X-Object-Meta-Colour": "blue",
    # Bytes of UTF-8 on the wire: http.client sends latin-1.
    "X-Object-Meta-Ünïcode".encode().decode("latin-1"): "é漢😀".encode().decode("latin-1"),
    "X-Object-Meta-Empty": "",
    "X-Object-Sysmeta-Kind": "system",
    "X-Object-Transient-Sysmeta-Kind": "transient",
    "X-Unknown": "dropped",
}
PASSING = {"date", "x-trans-id", "x-openstack-request-id", "connection", "keep-alive"}
READ_METADATA = """
from swift.obj.diskfile import read_metadata
answer = {path: read_metadata(path) for path in argument}
"""
SUFFIX_HASHES = """
import logging
from swift.common.storage_policy import POLICIES
from swift.obj.diskfile import DiskFileManager
manager = DiskFileManager({"devices": argument["devices"], "mount_check": "false"}, logging.getLogger())
answer = manager.get_hashes("d1", "7", [], POLICIES[0])
"""


def put(server: Server, path: str, timestamp: str, body: bytes = b"hello", **more: str) -> Answer:
    """PUT an object with all of METADATA."""
    headers = {**METADATA, "X-Timestamp": timestamp, **more}
    answer = server.ask("PUT", path, headers, body)
    assert answer.status == 201, answer
    return answer


def lasting(answer: Answer) -> dict[str, str]:
    """Return the headers that say something about the object; words about the request are each side's own.

    What was there before a POST or DELETE only ours say (doc/extensions.md).
    """
    own = {"x-backend-found"} | ({"content-length", "content-type"} if answer.status not in (200, 206) else set())
    return {name: value for name, value in answer.headers.items() if name not in PASSING | own}


def object_files(devices: Path) -> list[Path]:
    """Return all files in the hash directories."""
    return sorted(path for path in devices.glob("*/objects*/*/*/*/*") if path.is_file())


def our_metadata(path: Path) -> dict[str, str]:
    """Return what our reader finds in a file's extended attributes."""
    with open(path, "rb") as file:
        return xattrs.read(FileSystem(), file.fileno())


def story(server: Server, path: str) -> list[Answer]:
    """PUT, POST with a new content type, POST without one; return all that was answered."""
    post = {"X-Object-Meta-Colour": "red", "X-Object-Meta-Ä".encode().decode("latin-1"): "ö".encode().decode("latin-1")}
    answers = [put(server, path, T1)]
    answers.append(server.ask("POST", path, {**post, "X-Timestamp": T2, "Content-Type": "text/new"}))
    answers.append(server.ask("POST", path, {"X-Object-Meta-Last": "1", "X-Timestamp": T3}))
    return answers


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("writer, reader", [("ours", "theirs"), ("theirs", "ours")])
def test_an_object_of_one_is_served_by_the_other(lab: Lab, path: str, writer: str, reader: str) -> None:
    devices = lab.devices()
    writing, reading = lab.start(writer, "object", devices), lab.start(reader, "object", devices)
    body = os.urandom(100_000)
    put(writing, path, T1, body)
    for method in ("GET", "HEAD"):
        own, other = writing.ask(method, path), reading.ask(method, path)
        assert (other.status, lasting(other), other.body) == (200, lasting(own), own.body)
        assert other.body == (body if method == "GET" else b"")
        assert other.headers["content-length"] == str(len(body))
    story(writing, path.replace("/7/", "/8/"))
    own, other = (server.ask("GET", path.replace("/7/", "/8/")) for server in (writing, reading))
    assert (other.status, lasting(other), other.body) == (200, lasting(own), b"hello")
    assert other.headers["content-type"] == "text/new"
    part = reading.ask("GET", path, {"Range": "bytes=5-99"})
    assert (part.status, part.body) == (206, body[5:100])


@pytest.mark.parametrize("writer, reader", [("ours", "theirs"), ("theirs", "ours")])
def test_a_tombstone_of_one_is_heeded_by_the_other(lab: Lab, writer: str, reader: str) -> None:
    devices = lab.devices()
    writing, reading = lab.start(writer, "object", devices), lab.start(reader, "object", devices)
    put(writing, PATHS["unicode"], T1)
    assert writing.ask("DELETE", PATHS["unicode"], {"X-Timestamp": T2}).status == 204
    assert writing.ask("DELETE", PATHS["plain"], {"X-Timestamp": T2}).status == 404
    for path in (PATHS["unicode"], PATHS["plain"]):
        own, other = writing.ask("GET", path), reading.ask("GET", path)
        assert (other.status, other.headers["x-backend-timestamp"]) == (404, T2)
        assert lasting(own) == lasting(other)
        assert reading.ask("PUT", path, {**METADATA, "X-Timestamp": T1}, b"late").status == 409
        assert reading.ask("PUT", path, {**METADATA, "X-Timestamp": T3}, b"anew").status == 201
        assert writing.ask("GET", path).body == b"anew"


def test_the_same_requests_leave_the_same_files_and_answers(lab: Lab) -> None:
    seen: dict[str, Any] = {}
    for side in ("ours", "theirs"):
        devices = lab.devices(side)
        server = lab.start(side, "object", devices)
        answers = [answer for path in PATHS.values() for answer in story(server, path)]
        put(server, "/d2/9/a/c/gone", T1)
        answers.append(server.ask("DELETE", "/d2/9/a/c/gone", {"X-Timestamp": T4}))
        answers.append(server.ask("DELETE", "/d2/9/a/c/never", {"X-Timestamp": T4}))
        assert server.ask("POST", "/d2/9/a/c/never", {"X-Timestamp": T4}).status == 404
        answers.append(server.ask("PUT", PATHS["plain"], {**METADATA, "X-Timestamp": T1}, b"old"))
        put(server, "/d2/9/a/c/silver", T1, **{"X-Backend-Storage-Policy-Index": "1"})
        answers.append(server.ask("HEAD", "/d2/9/a/c/silver", {"X-Backend-Storage-Policy-Index": "1"}))
        files = object_files(devices)
        theirs = peer.evaluate(lab.swift_dir, READ_METADATA, [str(path) for path in files])
        assert {str(path): our_metadata(path) for path in files} == theirs
        seen[side] = (
            [(answer.status, lasting(answer)) for answer in answers],
            {str(path.relative_to(devices)): (theirs[str(path)], path.read_bytes()) for path in files},
            {
                str(path.relative_to(devices)): sorted(set(path.read_text().split()))
                for path in devices.glob("*/objects*/*/hashes.invalid")
            },
        )
    assert len(seen["ours"][1]) == 9
    for ours, theirs in zip(seen["ours"], seen["theirs"]):
        assert ours == theirs


def test_object_info_finds_our_files_valid(lab: Lab) -> None:
    rings.make(lab.swift_dir, {kind: ["127.0.0.1:6200/d1"] for kind in ("object", "object-1")})
    devices = lab.devices()
    server = lab.start("ours", "object", devices)
    put(server, PATHS["unicode"], T1)
    (data,) = devices.glob("**/*.data")
    text = peer.run(lab.swift_dir, "swift-object-info", "-d", lab.swift_dir, data).stdout
    assert "ETag: 5d41402abc4b2a76b9719d911017c592 (valid)" in text
    assert "Content-Length: 5 (valid)" in text
    assert "Path: /AUTH_t/cø/é 漢😀%2F?#\n/o\n" in text
    assert f"Object hash: {data.parent.name}" in text
    assert "Colour: blue\n" in text
    assert "ÜNïCode: é漢😀\n" in text


def test_both_hash_suffixes_alike(lab: Lab) -> None:
    devices = lab.devices()
    server = lab.start("ours", "object", devices)
    names = [f"/d1/7/AUTH_t/c/o{number}" for number in range(20)]
    for name in names:
        story(server, name)
    for name in names[::3]:
        server.ask("DELETE", name, {"X-Timestamp": T4})
    theirs = peer.evaluate(lab.swift_dir, SUFFIX_HASHES, {"devices": str(devices)})
    answer = server.ask("REPLICATE", "/d1/7")
    if answer.status == 405:
        pytest.skip("our object server does not answer REPLICATE yet")
    assert pickle.loads(answer.body) == theirs
    # Their hashes.pkl is there now; what changes from here on stands in hashes.invalid.
    for name in names[::2]:
        put(server, name, T5)
    ours = pickle.loads(server.ask("REPLICATE", "/d1/7").body)
    (devices / "d1/objects/7/hashes.pkl").unlink()
    assert ours == peer.evaluate(lab.swift_dir, SUFFIX_HASHES, {"devices": str(devices)}) != theirs
