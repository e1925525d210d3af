"""The object server over real HTTP: every verb, its statuses and its headers (formats.md 5.3)."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.database_servers import SWIFT
from fakes.http_server import wait_until
from fakes.object_server import Answer, ObjectNode
from fakes.replicas import node_at
from swiftlite.common.fs import FileSystem
from swiftlite.http.client import Client
from swiftlite.obj import xattrs
from swiftlite.wire import suffix_hashes

NOW = int(time.time()) - 1000
PATH = "/sda/7/a/c/o"
BODY = b"Hello, world!"
ETAG = hashlib.md5(BODY).hexdigest()


def at(second: int, offset: int = 0) -> str:
    return f"{NOW + second}.00000" + (f"_{offset:016x}" if offset else "")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ObjectNode]:
    with ObjectNode(tmp_path) as node:
        yield node


def put(node: ObjectNode, second: int, body: bytes = BODY, path: str = PATH, **headers: str) -> Answer:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return node.request("PUT", path, {"X-Timestamp": at(second), "Content-Type": "text/plain", **more}, body)


def post(node: ObjectNode, second: int, **headers: str) -> Answer:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return node.request("POST", PATH, {"X-Timestamp": at(second), **more})


def delete(node: ObjectNode, second: int, **headers: str) -> Answer:
    return node.request(
        "DELETE", PATH, {"X-Timestamp": at(second), **{k.replace("_", "-"): v for k, v in headers.items()}}
    )


def get(node: ObjectNode, path: str = PATH, **headers: str) -> Answer:
    return node.request("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})


# A life ---------------------------------------------------------------------------------------------------------------


def test_put_get_head(node: ObjectNode) -> None:
    assert get(node).status == 404
    created = put(node, 1, X_Object_Meta_Colour="blue", Content_Encoding="gzip", X_Unknown="x")
    assert (created.status, created.headers["etag"], created.body) == (201, f'"{ETAG}"', b"")
    found = get(node)
    assert (found.status, found.body) == (200, BODY)
    expected = {
        "content-type": "text/plain",
        "content-length": "13",
        "etag": f'"{ETAG}"',
        "x-object-meta-colour": "blue",
        "content-encoding": "gzip",
        "x-timestamp": at(1),
        "x-backend-timestamp": at(1),
        "x-backend-data-timestamp": at(1),
        "x-backend-durable-timestamp": at(1),
        "last-modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(NOW + 1)),
    }
    assert expected.items() <= found.headers.items()
    assert "x-unknown" not in found.headers
    head = node.request("HEAD", PATH)
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**found.headers, "date": ""}


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1 << 20, 3_000_001])
def test_bodies_of_any_size(node: ObjectNode, size: int) -> None:
    body = os.urandom(size)
    assert put(node, 1, body).status == 201
    assert get(node).body == body
    assert node.files() == [f"{at(1)}.data"]
    chunked = node.request(
        "PUT",
        PATH,
        {"X-Timestamp": at(2), "Content-Type": "x/y", "Transfer-Encoding": "chunked"},
        (body[start : start + 7000] for start in range(0, size, 7000)),
    )
    assert chunked.status == 201
    assert get(node).body == body
    assert node.files() == [f"{at(2)}.data"]


def test_names_and_metadata_in_any_language(node: ObjectNode) -> None:
    path = "/sda/7/ä/c ø/é 漢😀%2F?#\n/o"
    assert put(node, 1, path=path, X_Object_Meta_Word="é漢").status == 201
    assert get(node, path).headers["x-object-meta-word"].encode("latin-1").decode() == "é漢"


def test_a_body_that_survives_a_restart(tmp_path: Path) -> None:
    with ObjectNode(tmp_path) as node:
        put(node, 1)
    with ObjectNode(tmp_path) as node:
        assert get(node).body == BODY


# Timestamps -----------------------------------------------------------------------------------------------------------


def test_the_newest_put_wins(node: ObjectNode) -> None:
    assert put(node, 5, b"five").status == 201
    for second in (4, 5):
        late = put(node, second, b"late")
        assert (late.status, late.headers["x-backend-timestamp"]) == (409, at(5))
    assert put(node, 6, b"six").status == 201
    assert get(node).body == b"six"
    assert node.files() == [f"{at(6)}.data"]


def test_an_offset_makes_it_newer(node: ObjectNode) -> None:
    put(node, 5, b"first")
    again = node.request("PUT", PATH, {"X-Timestamp": at(5, 1), "Content-Type": "x/y"}, b"second")
    assert again.status == 201
    found = get(node)
    assert (found.body, found.headers["x-backend-timestamp"], found.headers["x-timestamp"]) == (
        b"second",
        at(5, 1),
        at(5),
    )


def test_delete(node: ObjectNode) -> None:
    put(node, 5)
    late = delete(node, 5)
    assert (late.status, late.headers["x-backend-timestamp"]) == (409, at(5))
    gone = delete(node, 6)
    assert (gone.status, gone.body) == (204, b"")
    assert (gone.headers["x-backend-timestamp"], gone.headers["x-backend-content-type"]) == (at(6), "text/plain")
    missing = get(node)
    assert (missing.status, missing.headers["x-backend-timestamp"]) == (404, at(6))
    assert node.request("HEAD", PATH).headers["x-backend-timestamp"] == at(6)
    assert node.files() == [f"{at(6)}.ts"]
    assert put(node, 6).status == 409
    assert put(node, 7).status == 201
    assert node.files() == [f"{at(7)}.data"]


def test_delete_of_what_is_not_there_leaves_word(node: ObjectNode) -> None:
    missing = delete(node, 5)
    assert (missing.status, missing.headers["x-backend-timestamp"]) == (404, at(5))
    assert get(node).headers["x-backend-timestamp"] == at(5)
    assert delete(node, 4).status == 404
    assert delete(node, 6).status == 404
    assert node.files() == [f"{at(6)}.ts"]


def test_a_change_tells_what_was_there_before(node: ObjectNode) -> None:
    assert "x-backend-found" not in post(node, 1).headers
    assert "x-backend-found" not in delete(node, 2).headers
    assert delete(node, 3).headers["x-backend-found"] == at(2)
    assert "x-backend-found" not in delete(node, 3).headers, "that is this very request's, which was sent again"
    assert post(node, 4).headers["x-backend-found"] == at(3)
    put(node, 5)
    assert post(node, 6, X_Delete_At=str(NOW + 8)).headers["x-backend-found"] == at(5)
    for gone in (post(node, 9), delete(node, 10)):
        assert (gone.status, gone.headers["x-backend-found"]) == (404, at(5)), "the PUT of what has expired"
    put(node, 11)
    assert delete(node, 12).headers["x-backend-found"] == at(11)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("stamp", [None, "", "soon", "-1", "99999999999", "1_2_3"])
def test_writes_need_a_timestamp(node: ObjectNode, method: str, stamp: str | None) -> None:
    headers = {"Content-Type": "x/y"} | ({} if stamp is None else {"X-Timestamp": stamp})
    answer = node.request(method, PATH, headers, b"x" if method == "PUT" else None)
    assert answer.status == 400
    assert b"X-Timestamp" in answer.body
    assert node.files() == []


# POST -----------------------------------------------------------------------------------------------------------------


def test_post_replaces_metadata(node: ObjectNode) -> None:
    put(node, 1, X_Object_Meta_A="1", X_Object_Sysmeta_S="s", X_Delete_At="4000000000", Content_Disposition="inline")
    posted = post(node, 2, X_Object_Meta_B="2", X_Object_Sysmeta_S="other", X_Object_Transient_Sysmeta_T="t")
    assert posted.status == 202
    assert (posted.headers["x-backend-content-type"], posted.headers["x-object-sysmeta-s"]) == ("text/plain", "s")
    found = get(node).headers
    assert (found["x-object-meta-b"], found["x-object-sysmeta-s"], found["x-object-transient-sysmeta-t"]) == (
        "2",
        "s",
        "t",
    )
    assert not {"x-object-meta-a", "x-delete-at", "content-disposition"} & set(found)
    assert (found["x-timestamp"], found["x-backend-data-timestamp"]) == (at(2), at(1))
    assert get(node).body == BODY
    assert node.files() == [f"{at(1)}.data", f"{at(2)}.meta"]


def test_post_keeps_or_sets_the_content_type(node: ObjectNode) -> None:
    put(node, 1)
    assert post(node, 2, Content_Type="x/new").headers["x-backend-content-type"] == "x/new"
    assert get(node).headers["content-type"] == "x/new"
    assert post(node, 3, X_Object_Meta_A="1").headers["x-backend-content-type"] == "x/new"
    assert get(node).headers["content-type"] == "x/new"
    # One file tells it all: posted at 3 s, with a type of 2 s, 100000 raw units before.
    assert node.files() == [f"{at(1)}.data", f"{at(3)}-186a0.meta"]
    assert put(node, 4).status == 201
    assert get(node).headers["content-type"] == "text/plain"


def test_metadata_and_content_type_arrive_out_of_order(node: ObjectNode) -> None:
    put(node, 1)
    post(node, 5, X_Object_Meta_A="newest")
    assert post(node, 4, Content_Type="x/of-4").status == 202
    found = get(node).headers
    assert (found["content-type"], found["x-object-meta-a"], found["x-timestamp"]) == ("x/of-4", "newest", at(5))
    assert post(node, 3, Content_Type="x/of-3").status == 409
    late = post(node, 2)
    assert (late.status, late.headers["x-backend-timestamp"]) == (409, at(5))


def test_post_needs_an_object(node: ObjectNode) -> None:
    assert post(node, 1).status == 404
    put(node, 2)
    delete(node, 3)
    assert post(node, 4).status == 404
    assert node.files(".meta") == []


# Expiry ---------------------------------------------------------------------------------------------------------------


def test_an_expired_object_is_gone_but_for_those_who_ask(node: ObjectNode) -> None:
    assert put(node, 1, X_Delete_At=str(NOW + 50)).status == 201
    assert get(node, X_Timestamp=at(49)).status == 200
    gone = get(node, X_Timestamp=at(50))
    assert (gone.status, gone.headers["x-backend-timestamp"]) == (404, at(1))
    assert gone.headers["x-backend-data-timestamp"] == at(1)
    assert get(node).status == 404
    assert get(node, X_Backend_Open_Expired="true").body == BODY
    assert get(node, X_Backend_Replication="true").body == BODY
    assert post(node, 60).status == 404
    assert delete(node, 60).status == 404
    assert node.files() == [f"{at(60)}.ts"]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"X_Delete_At": "soon"}, b"Non-integer X-Delete-At"),
        ({"X_Delete_At": "1"}, b"X-Delete-At in past"),
        ({"X_Delete_After": "x"}, b"Non-integer X-Delete-After"),
        ({"X_Delete_After": "-1"}, b"X-Delete-After in past"),
    ],
)
def test_expiry_that_makes_no_sense(node: ObjectNode, headers: dict[str, str], message: bytes) -> None:
    put(node, 1)
    for answer in (put(node, 2, **headers), post(node, 2, **headers)):
        assert (answer.status, answer.body) == (400, message)


def test_the_expirer_deletes_only_what_is_due(node: ObjectNode) -> None:
    assert delete(node, 60, X_If_Delete_At=str(NOW + 50)).status == 404
    assert node.files() == []
    put(node, 1, X_Delete_At=str(NOW + 50))
    assert delete(node, 60, X_If_Delete_At="x").status == 400
    assert delete(node, 60, X_If_Delete_At=str(NOW + 51)).status == 412
    assert delete(node, 1, X_If_Delete_At=str(NOW + 50)).status == 409
    assert node.files(".ts") == []
    assert delete(node, 60, X_If_Delete_At=str(NOW + 50)).status == 204
    assert node.files() == [f"{at(60)}.ts"]


def test_delete_after_counts_from_the_request(node: ObjectNode) -> None:
    put(node, 1, X_Delete_After="5000")
    assert get(node).headers["x-delete-at"] == str(NOW + 5001)


# Conditions and ranges ------------------------------------------------------------------------------------------------


def test_conditional_reads(node: ObjectNode) -> None:
    put(node, 1)
    assert get(node, If_None_Match=f'"{ETAG}"').status == 304
    assert get(node, If_Match='"other"').status == 412
    assert get(node, If_Match=ETAG).status == 200
    modified = get(node).headers["last-modified"]
    unmodified = get(node, If_Modified_Since=modified)
    assert (unmodified.status, unmodified.body, unmodified.headers["etag"]) == (304, b"", f'"{ETAG}"')
    assert node.request("HEAD", PATH, {"If-None-Match": "*"}).status == 304
    assert get(node, "/sda/7/a/c/other", If_Match="*").status == 412
    assert get(node, "/sda/7/a/c/other", If_Match=ETAG).status == 404


def test_conditions_on_another_etag(node: ObjectNode) -> None:
    put(node, 1, X_Object_Sysmeta_Real_Etag="real")
    where = {"X_Backend_Etag_Is_At": "X-Object-Sysmeta-None, X-Object-Sysmeta-Real-Etag"}
    assert get(node, If_Match="real", **where).status == 200
    assert get(node, If_Match=ETAG, **where).status == 412


def test_put_only_if_nothing_is_there(node: ObjectNode) -> None:
    assert put(node, 1, If_None_Match="*").status == 201
    assert put(node, 2, If_None_Match="*").status == 412
    delete(node, 3)
    assert put(node, 4, If_None_Match="*", X_Delete_At=str(NOW + 50)).status == 201
    # Expired by the time of the next.
    assert put(node, 60, If_None_Match="*").status == 201


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_ranges(node: ObjectNode, size: int) -> None:
    body = os.urandom(size)
    put(node, 1, body)
    part = get(node, Range="bytes=10-19")
    assert (part.status, part.body, part.headers["content-range"]) == (206, body[10:20], f"bytes 10-19/{size}")
    assert get(node, Range="bytes=-7").body == body[-7:]
    assert get(node, Range=f"bytes=50-{size * 2}").body == body[50:]
    assert get(node, Range="nonsense").status == 200
    several = get(node, Range="bytes=0-9,20-29")
    assert several.status == 206
    kind, boundary = several.headers["content-type"].split(";boundary=")
    assert kind == "multipart/byteranges"
    parts = several.body.split(f"--{boundary}".encode())
    assert len(parts) == 4
    assert parts[1].endswith(b"\r\n\r\n" + body[:10] + b"\r\n")
    assert f"Content-Range: bytes 20-29/{size}".encode() in parts[2]
    none = get(node, Range=f"bytes={size}-")
    assert (none.status, none.headers["content-range"]) == (416, f"bytes */{size}")
    assert none.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'


def test_ranges_of_nothing(node: ObjectNode) -> None:
    put(node, 1, b"")
    assert (get(node, Range="bytes=-5").status, get(node, Range="bytes=0-").status) == (200, 416)


def test_a_range_may_be_ignored(node: ObjectNode) -> None:
    put(node, 1, X_Static_Large_Object="True")
    ignored = get(node, Range="bytes=0-1", X_Backend_Ignore_Range_If_Metadata_Present="X-Other,X-Static-Large-Object")
    assert (ignored.status, ignored.body) == (200, BODY)


# Bad requests ---------------------------------------------------------------------------------------------------------


def test_a_wrong_etag(node: ObjectNode) -> None:
    assert put(node, 1, ETag=f'"{ETAG}"').status == 201
    assert put(node, 2, ETag=ETAG).status == 201
    for wrong in ("0" * 32, ETAG.upper(), f'W/"{ETAG}"', f'"{ETAG}', "x"):
        assert put(node, 3, ETag=wrong).status == 422
    assert node.files() == [f"{at(2)}.data"]


def test_limits(node: ObjectNode) -> None:
    assert put(node, 1, path="/sda/7/a/c/" + "n" * 1024).status == 201
    assert put(node, 1, path="/sda/7/a/c/" + "n" * 1025).status == 400
    assert put(node, 1, **{"X-Object-Meta-" + "n" * 129: "v"}).body.startswith(b"Metadata name too long")
    no_type = node.request("PUT", PATH, {"X-Timestamp": at(1)}, b"x")
    assert (no_type.status, no_type.body) == (400, b"No content type")
    connection = node.thread.connect()
    connection.send(f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {at(1)}\r\nContent-Type: x/y\r\n\r\n".encode())
    assert b"411" in _status(connection)
    connection = node.thread.connect()
    head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {at(1)}\r\nContent-Type: x/y\r\nExpect: 100-continue\r\n"
    connection.send((head + "Content-Length: 5368709123\r\n\r\n").encode())
    assert b"413" in _status(connection)


def _status(connection: object) -> bytes:
    connection.sock.settimeout(60)  # type: ignore[attr-defined]
    received = b""
    while b"\r\n" not in received:
        data = connection.sock.recv(65536)  # type: ignore[attr-defined]
        assert data
        received += data
    return received.split(b"\r\n")[0]


@pytest.mark.parametrize("path", ["/", "/sda", "/sda/7", "/sda/7/a", "/sda/7/a/c", "/sda//a/c/o", "/sda/../a/c/o"])
def test_bad_paths(node: ObjectNode, path: str) -> None:
    for method in ("GET", "PUT", "POST", "DELETE"):
        assert node.request(method, path, {"X-Timestamp": at(1), "Content-Type": "x/y"}).status == 400


def test_names_in_the_reserved_space(node: ObjectNode) -> None:
    assert put(node, 1, path="/sda/7/a/\x00c/\x00o").status == 201
    assert put(node, 1, path="/sda/7/a/c/\x00o").status == 400
    assert put(node, 1, path="/sda/7/a/c/o\x00").status == 400


def test_other_verbs(node: ObjectNode) -> None:
    unknown = node.request("PATCH", PATH)
    assert (unknown.status, unknown.headers["allow"]) == (
        405,
        "DELETE, GET, HEAD, OPTIONS, POST, PUT, REPLICATE, SSYNC",
    )
    options = node.request("OPTIONS", "/")
    assert (options.status, options.headers["server"].split("/")[0]) == (200, "object-server")


def test_unknown_devices_and_policies(node: ObjectNode) -> None:
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        away = node.request(method, "/sdz/7/a/c/o", {"X-Timestamp": at(1), "Content-Type": "x/y"})
        assert away.status == 507
        assert method == "HEAD" or b"Drive: sdz" in away.body
    assert put(node, 1, X_Backend_Storage_Policy_Index="9").status == 503
    assert put(node, 1, X_Backend_Storage_Policy_Index="1").status == 201
    assert get(node).status == 404
    assert get(node, X_Backend_Storage_Policy_Index="1").status == 200
    assert list(node.device.glob("objects-1/7/*/*/*.data"))


def test_a_device_that_is_not_mounted(tmp_path: Path) -> None:
    with ObjectNode(tmp_path, mount_check=True) as node:
        assert put(node, 1).status == 507


# Bodies that do not come ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [0, 1000, 200_000])
def test_a_client_that_goes_away_leaves_nothing(node: ObjectNode, sent: int) -> None:
    put(node, 1, b"old")
    connection = node.thread.connect()
    head = (
        f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {at(2)}\r\nContent-Type: x/y\r\nContent-Length: 300000\r\n\r\n"
    )
    connection.send(head.encode() + b"x" * sent)
    connection.sock.shutdown(1)
    assert b"499" in _status(connection)
    assert node.files() == [f"{at(1)}.data"]
    assert get(node).body == b"old"


def test_a_client_that_is_too_slow(tmp_path: Path) -> None:
    head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {at(2)}\r\nContent-Type: x/y\r\nContent-Length: 9\r\n\r\n"
    with ObjectNode(tmp_path, client_timeout=0.2) as node:
        heard = b""
        while not heard:  # whose head is late, too, on a busy machine, gets no answer
            connection = node.thread.connect()
            connection.send(head.encode() + b"x")
            heard = connection.read_to_end()
        assert heard.startswith(b"HTTP/1.1 408 ")
        assert node.files() == []


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_client_that_takes_too_long_though_it_never_stops(tmp_path: Path, framing: str) -> None:
    with ObjectNode(tmp_path, max_upload_time=0.3) as node:
        connection = node.thread.connect()
        head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {at(2)}\r\nContent-Type: x/y\r\n{framing}\r\n\r\n"
        connection.send(head.encode())
        piece = b"1\r\nx\r\n" if "chunked" in framing else b"x"
        while not select.select([connection.sock], [], [], 0.01)[0]:
            connection.send(piece)
        assert b"408" in _status(connection)
        assert node.files() == []


def test_a_server_that_has_no_room_says_so_before_the_body(tmp_path: Path) -> None:
    from swiftlite.obj.writer import Reserve

    with ObjectNode(tmp_path, fallocate_reserve=Reserve.parse("100%")) as node:
        connection = node.thread.connect()
        head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {at(2)}\r\nContent-Type: x/y\r\nContent-Length: 9\r\n"
        connection.send((head + "Expect: 100-continue\r\n\r\n").encode())
        assert b"507" in _status(connection)
        # A tombstone makes room, so it is taken.
        assert delete(node, 3).status == 404
        assert node.files() == [f"{at(3)}.ts"]


# Damage ---------------------------------------------------------------------------------------------------------------


def data_file(node: ObjectNode) -> Path:
    (found,) = node.device.glob("objects/7/*/*/*.data")
    return found


def quarantined(node: ObjectNode) -> list[str]:
    return [path.name for path in node.device.glob("quarantined/objects/*")]


def flip_body(path: Path) -> None:
    path.write_bytes(b"X" + path.read_bytes()[1:])


def flip_metadata(path: Path) -> None:
    os.setxattr(path, xattrs.KEY, b"X" + os.getxattr(path, xattrs.KEY)[1:])


def replace_metadata(path: Path, **changes: str | None) -> None:
    metadata = xattrs.decode(os.getxattr(path, xattrs.KEY))
    changed = {**metadata, **{key.replace("_", "-"): value for key, value in changes.items()}}
    os.removexattr(path, xattrs.CHECKSUM_KEY)
    os.setxattr(path, xattrs.KEY, xattrs.encode({key: value for key, value in changed.items() if value is not None}))


DAMAGE = {
    "a flipped byte of the body": flip_body,
    "a flipped byte of the metadata": flip_metadata,
    "no metadata": lambda path: os.removexattr(path, xattrs.KEY),
    "a cut body": lambda path: os.truncate(path, 5),
    "a longer body": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "no name": lambda path: replace_metadata(path, name=None),
    "no length": lambda path: replace_metadata(path, Content_Length=None),
    "a bad length": lambda path: replace_metadata(path, Content_Length="many"),
    "a bad expiry": lambda path: replace_metadata(path, X_Delete_At="soon"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_put_in_quarantine(node: ObjectNode, damage: str) -> None:
    put(node, 1)
    path = data_file(node)
    DAMAGE[damage](path)
    assert get(node).status == 404
    assert quarantined(node) == [path.parent.name]
    assert not path.parent.exists()
    assert path.parent.parent.name in (node.device / "objects/7/hashes.invalid").read_text().split()
    assert get(node).status == 404
    assert put(node, 2).status == 201
    assert get(node).body == BODY
    DAMAGE[damage](data_file(node))
    assert get(node).status == 404
    assert len(quarantined(node)) == 2


def test_damage_in_a_big_body_never_looks_complete(node: ObjectNode) -> None:
    body = os.urandom(2_000_000)
    put(node, 1, body)
    flip_body(data_file(node))
    connection = node.thread.connect()
    connection.send(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    received = 0
    try:
        while data := connection.sock.recv(1 << 20):
            received += len(data)
    except ConnectionResetError:
        pass
    assert received < len(body)
    wait_until(lambda: len(quarantined(node)) == 1, "the object is in quarantine")
    assert get(node).status == 404


def test_a_file_in_the_place_of_the_directory(node: ObjectNode) -> None:
    put(node, 1)
    path = data_file(node)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"junk")
    assert get(node).status == 404
    assert quarantined(node) == [path.parent.name]


def test_a_bad_tombstone(node: ObjectNode) -> None:
    delete(node, 1)
    (path,) = node.device.glob("objects/7/*/*/*.ts")
    os.removexattr(path, xattrs.KEY)
    missing = get(node)
    assert (missing.status, "x-backend-timestamp" in missing.headers) == (404, False)
    assert quarantined(node) == [path.parent.name]


def test_another_name_in_its_place(node: ObjectNode) -> None:
    put(node, 1)
    replace_metadata(data_file(node), name="/a/c/other")
    assert get(node).status == 403
    assert quarantined(node) == []


def test_metadata_that_the_filesystem_cannot_hold(node: ObjectNode) -> None:
    put(node, 1, b"old")
    sizes = {f"X-Object-Sysmeta-{number}": "v" * 8000 for number in range(4)}
    answer = put(node, 2, **sizes)
    if answer.status == 201:
        pytest.skip("this filesystem holds big metadata")
    assert answer.status == 507
    assert b"metadata" in answer.body
    assert b"Drive: sda" in answer.body
    assert node.app.oversized_metadata == 1
    assert (get(node).body, node.files()) == (b"old", [f"{at(1)}.data"])
    posted = node.request(
        "POST", PATH, {"X-Timestamp": at(3), **{f"X-Object-Transient-{key[9:]}": v for key, v in sizes.items()}}
    )
    assert posted.status == 507
    assert node.files() == [f"{at(1)}.data"]


# Replication ----------------------------------------------------------------------------------------------------------


def test_replicate_answers_hashes(node: ObjectNode) -> None:
    assert pickle.loads(node.request("REPLICATE", "/sda/7").body) == {}
    put(node, 1)
    suffix = data_file(node).parent.parent.name
    expected = {suffix: hashlib.md5(f"{at(1)}.data".encode()).hexdigest()}
    answer = node.request("REPLICATE", "/sda/7")
    assert (answer.status, pickle.loads(answer.body), answer.body[:2]) == (200, expected, b"\x80\x02")
    noted = node.request("REPLICATE", f"/sda/7/{suffix}-abc")
    assert (noted.status, pickle.loads(noted.body)) == (200, None)
    assert (node.device / "objects/7/hashes.invalid").read_text() == f"{suffix}\nabc\n"


def test_a_peer_may_be_told_of_all_suffixes_there_can_be(node: ObjectNode) -> None:
    """In one line they would be more than a server reads."""
    (node.device / "objects/7").mkdir(parents=True)
    suffixes = [f"{number:03x}" for number in range(4096)]
    client = Client()
    to = node_at(node.thread.address)
    suffix_hashes.tell_changed(client, to, SWIFT.policies.by_index(0), 7, suffixes)
    client.close()
    assert (node.device / "objects/7/hashes.invalid").read_text().split() == suffixes


def test_what_rsync_brought_lasts_before_its_sender_hears_of_it(tmp_path: Path) -> None:
    class Disk(FileSystem):
        def sync_filesystem(self, path: str) -> None:
            synced.append(path)
            if len(synced) > 1:
                raise OSError(errno.EIO, "cannot be synced", path)

    synced: list[str] = []
    with ObjectNode(tmp_path, fs=Disk()) as node:
        assert node.request("REPLICATE", "/sda/7").status == 200
        assert synced == []
        assert node.request("REPLICATE", "/sda/7/abc").status == 200
        assert synced == [str(node.device)]
        assert node.request("REPLICATE", "/sda/7/abc").status == 507


def test_a_server_that_is_not_for_replication(tmp_path: Path) -> None:
    with ObjectNode(tmp_path, replication_server=False) as node:
        assert node.request("REPLICATE", "/sda/7").status == 405


def test_replication_brings_headers_of_its_own(node: ObjectNode) -> None:
    headers = {"X_Backend_Replication": "true", "X_Backend_Replication_Headers": "x-special content-type x-timestamp"}
    assert put(node, 1, X_Special="kept", X_Delete_At="5", **headers).status == 201
    stored = xattrs.decode(os.getxattr(data_file(node), xattrs.KEY))
    assert (stored["X-Special"], stored["X-Delete-At"], stored["X-Timestamp"]) == ("kept", "0000000005", at(1))


# Side by side ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 1])
def test_many_writers_and_readers_of_one_object(tmp_path: Path, threads: int) -> None:
    """Whoever reads while others write finds one of the versions, whole."""
    from concurrent.futures import ThreadPoolExecutor

    bodies = {second: os.urandom(1000) + b"%d" % second for second in range(1, 30)}
    with ObjectNode(tmp_path, threads_per_disk=threads) as node:
        assert put(node, 0, b"first").status == 201

        def read() -> bool:
            found = get(node)
            return found.status == 200 and found.body in {b"first", *bodies.values()}

        with ThreadPoolExecutor(8) as pool:
            writes = [pool.submit(put, node, second, body) for second, body in bodies.items()]
            reads = [pool.submit(read) for _ in range(60)]
            assert {write.result().status for write in writes} <= {201, 409}
            assert all(one.result() for one in reads)
        assert get(node).body == bodies[29]
        delete(node, 40)
        wait_until(lambda: node.files() == [f"{at(40)}.ts"], "a tidy directory")
