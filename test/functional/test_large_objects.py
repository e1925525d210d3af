"""Large objects over real daemons: made, read in every way, broken on purpose, deleted now and later."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from functional.cluster import Cluster, wait_until

SLOW_PACE = {"rate_limit_segments_per_sec": "0"}
SETTINGS = {"proxy": {"filter:slo": {**SLOW_PACE, "max_manifest_segments": "150"}, "filter:dlo": SLOW_PACE}}
EVERY = "multipart-manifest=delete"


class Answer(NamedTuple):
    """What the proxy answered; `is_whole` tells whether the body came to its promised end."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool = True


class Account:
    """An account's objects, by requests of one of its users."""

    def __init__(self, cluster: Cluster, user: str = "test:tester") -> None:
        self.cluster = cluster
        self.token = cluster.token(user)

    def ask(self, method: str, path: str, query: str = "", body: bytes | None = None, **headers: str) -> Answer:
        """Make a request; header names with ``_`` for ``-``."""
        sent = {"X-Auth-Token": self.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = http.client.HTTPConnection(*self.cluster.proxy_address, timeout=60)
        try:
            connection.request(method, f"/v1/AUTH_test{path}{'?' if query else ''}{query}", body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            try:
                return Answer(response.status, found, response.read())
            except http.client.IncompleteRead as short:
                return Answer(response.status, found, short.partial, False)
            except ConnectionResetError:
                return Answer(response.status, found, b"", False)
        finally:
            connection.close()

    def put(self, path: str, body: bytes = b"", query: str = "", **headers: str) -> Answer:
        """PUT, which must succeed."""
        answer = self.ask("PUT", path, query, body, **headers)
        assert answer.status in (201, 202), answer
        return answer

    def put_large(self, path: str, *entries: dict[str, Any], query: str = "", **headers: str) -> Answer:
        """PUT a static large object."""
        return self.put(path, json.dumps(entries).encode(), f"multipart-manifest=put{query}", **headers)


@pytest.fixture(scope="module")
def large_cluster(make_session_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    cluster = make_session_cluster(settings=SETTINGS)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def account(large_cluster: Cluster) -> Account:
    return Account(large_cluster)


@pytest.fixture
def container(account: Account, request: pytest.FixtureRequest) -> str:
    """A container of the test's own."""
    name = "/" + re.sub(r"\W+", "-", request.node.name)
    account.put(name)
    return name


def segments(account: Account, container: str, sizes: tuple[int, ...]) -> tuple[list[dict[str, Any]], bytes]:
    """Store segments of random bytes; return their entries in a manifest, and all their bytes."""
    content, entries = b"", []
    for number, size in enumerate(sizes):
        body = random.Random(f"{container}{number}").randbytes(size)
        account.put(f"{container}/s{number:03d}", body)
        entries.append({"path": f"{container}/s{number:03d}"})
        content += body
    return entries, content


def test_a_static_large_object_is_its_segments(account: Account, container: str) -> None:
    entries, content = segments(account, container, (100_000, 1, 70_000))
    made = account.put_large(f"{container}/o", *entries, Content_Type="x/y", X_Object_Meta_Colour="blue")
    etags = "".join(
        hashlib.md5(part).hexdigest() for part in (content[:100_000], content[100_000:100_001], content[100_001:])
    )
    assert made.headers["etag"] == f'"{hashlib.md5(etags.encode()).hexdigest()}"'
    for method in ("GET", "HEAD"):
        answer = account.ask(method, f"{container}/o")
        assert answer.status == 200
        assert answer.headers["etag"] == made.headers["etag"]
        assert answer.headers["content-length"] == "170001"
        assert answer.headers["content-type"] == "x/y"
        assert answer.headers["x-static-large-object"] == "True"
        assert answer.headers["x-object-meta-colour"] == "blue"
        assert not [name for name in answer.headers if "sysmeta" in name or "backend" in name]
        assert answer.body == (content if method == "GET" else b"")


def test_a_listing_shows_the_size_and_both_etags(account: Account, container: str) -> None:
    entries, _ = segments(account, container, (10, 20))
    made = account.put_large(f"{container}/o", *entries, Content_Type="x/y;a=b")
    (row,) = json.loads(account.ask("GET", container, "format=json&prefix=o").body)
    stored = account.ask("GET", f"{container}/o", "multipart-manifest=get")
    assert (row["bytes"], row["content_type"]) == (30, "x/y;a=b")
    assert row["slo_etag"] == made.headers["etag"]
    assert row["hash"] == hashlib.md5(stored.body).hexdigest() == stored.headers["etag"]
    assert account.ask("GET", container, "prefix=o").body == b"o\n"
    account.ask("POST", f"{container}/o", body=b"", Content_Type="x/z")
    assert account.ask("GET", f"{container}/o").headers["content-type"] == "x/z"
    (row,) = json.loads(account.ask("GET", container, "format=json&prefix=o").body)
    assert (row["bytes"], row["content_type"], row["slo_etag"]) == (30, "x/z", made.headers["etag"])


def test_any_range_is_a_slice(account: Account, container: str) -> None:
    entries, content = segments(account, container, (1000, 3000, 500))
    inline = b"in between"
    entries[1]["range"] = "100-2099"
    account.put_large(f"{container}/inner", *entries, {"data": base64.b64encode(inline).decode()})
    whole = content[:1000] + content[1100:3100] + content[4000:] + inline
    account.put_large(f"{container}/o", {"path": f"{container}/inner", "range": "7-"}, entries[0])
    whole = whole[7:] + content[:1000]
    assert account.ask("GET", f"{container}/o").body == whole
    chance = random.Random(5)
    for _ in range(25):
        first, last = sorted(chance.randrange(len(whole)) for _ in range(2))
        answer = account.ask("GET", f"{container}/o", Range=f"bytes={first}-{last}")
        assert answer.status == 206
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
        assert answer.body == whole[first : last + 1]
    assert account.ask("GET", f"{container}/o", Range="bytes=-99999").body == whole
    assert account.ask("GET", f"{container}/o", Range=f"bytes={len(whole)}-").status == 416


def test_several_ranges_make_a_multipart_body(account: Account, container: str) -> None:
    entries, content = segments(account, container, (100, 100))
    account.put_large(f"{container}/o", *entries, Content_Type="x/y")
    answer = account.ask("GET", f"{container}/o", Range="bytes=0-9,95-104,-5")
    assert answer.status == 206
    assert int(answer.headers["content-length"]) == len(answer.body)
    boundary = answer.headers["content-type"].partition("boundary=")[2]
    parts = answer.body.split(f"--{boundary}".encode())
    assert parts[-1] == b"--"
    found = [part.partition(b"\r\n\r\n") for part in parts[1:-1]]
    assert [body[:-2] for _, _, body in found] == [content[:10], content[95:105], content[-5:]]
    assert b"Content-Type: x/y\r\nContent-Range: bytes 95-104/200" in found[1][0]


def test_conditions_are_held_against_the_large_object(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10, 20))
    made = account.put_large(f"{container}/o", *entries)
    etag, path = made.headers["etag"], f"{container}/o"
    manifest_etag = account.ask("HEAD", path, "multipart-manifest=get").headers["etag"]
    assert account.ask("GET", path, If_Match=etag).body == content
    assert account.ask("GET", path, If_Match=manifest_etag).status == 412
    assert account.ask("GET", path, If_None_Match=etag).status == 304
    assert account.ask("HEAD", path, If_None_Match=etag).status == 304
    assert account.ask("GET", path, If_None_Match=manifest_etag).body == content
    assert account.ask("GET", path, If_Match=etag, Range="bytes=5-14").body == content[5:15]


def test_conditions_of_changes_are_held_against_the_large_object(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10, 20))
    made = account.put_large(f"{container}/o", *entries)
    etag, path = made.headers["etag"], f"{container}/o"
    manifest_etag = account.ask("HEAD", path, "multipart-manifest=get").headers["etag"]
    body = json.dumps(entries[:1]).encode()
    for wrong in ({"If_Match": manifest_etag}, {"If_None_Match": etag}, {"If_None_Match": "*"}):
        assert account.ask("PUT", path, "multipart-manifest=put", body, **wrong).status == 412
        assert account.ask("DELETE", path, EVERY, **wrong).status == 412
        assert account.ask("DELETE", path, **wrong).status == 412
    assert account.ask("GET", path).body == content
    assert account.ask("PUT", path, "multipart-manifest=put", body, If_Match=etag).status == 201
    assert account.ask("GET", path).body == content[:10]


def test_a_part_can_be_read_by_its_number(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10, 20, 30))
    account.put_large(f"{container}/o", *entries)
    for method in ("GET", "HEAD"):
        answer = account.ask(method, f"{container}/o", "part-number=2")
        assert (answer.status, answer.headers["x-parts-count"]) == (206, "3")
        assert (answer.headers["content-range"], answer.headers["content-length"]) == ("bytes 10-29/60", "20")
        assert answer.body == (content[10:30] if method == "GET" else b"")
    assert account.ask("GET", f"{container}/o", "part-number=4").status == 416
    assert account.ask("GET", f"{container}/o", "part-number=0").status == 400


def test_a_manifest_can_be_read_and_sent_again(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10, 20))
    made = account.put_large(f"{container}/o", {**entries[0], "range": "2-5"}, entries[1])
    raw = account.ask("GET", f"{container}/o", "multipart-manifest=get&format=raw").body
    again = account.put(f"{container}/again", raw, "multipart-manifest=put")
    assert again.headers["etag"] == made.headers["etag"]
    assert account.ask("GET", f"{container}/again").body == content[2:6] + content[10:]


def test_a_manifest_that_does_not_fit_is_refused(account: Account, container: str) -> None:
    entries, _ = segments(account, container, (10, 20))
    bad = [{**entries[0], "etag": "x", "size_bytes": 5}, {"path": f"{container}/none"}]
    answer = account.ask("PUT", f"{container}/o", "multipart-manifest=put", json.dumps(bad).encode())
    assert answer.status == 400
    assert answer.body.decode().splitlines() == [
        "Errors:",
        f"{container}/s000, Size Mismatch",
        f"{container}/s000, Etag Mismatch",
        f"{container}/none, 404 Not Found",
    ]
    expected = account.ask(
        "PUT", f"{container}/o", "multipart-manifest=put", json.dumps(entries).encode(), ETag="0" * 32
    )
    assert expected.status == 422
    assert account.ask("PUT", f"{container}/o", "", b"", X_Static_Large_Object="true").status == 400
    assert account.ask("HEAD", f"{container}/o").status == 404


def test_a_heartbeat_comes_before_the_result(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10, 20))
    made = account.put_large(f"{container}/o", *entries, query="&heartbeat=on", Accept="application/json")
    assert made.status == 202
    beats, _, result = made.body.partition(b"\r\n\r\n")
    assert not beats.strip()
    told = json.loads(result)
    assert (told["Response Status"], told["Errors"]) == ("201 Created", [])
    answer = account.ask("GET", f"{container}/o")
    assert (answer.body, answer.headers["etag"]) == (content, told["Etag"])


def test_a_first_segment_that_changed_is_a_conflict(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10, 20))
    account.put_large(f"{container}/o", *entries)
    account.put(f"{container}/s000", b"other 10 b")
    assert account.ask("GET", f"{container}/o").status == 409
    assert account.ask("GET", f"{container}/o", Range="bytes=10-").body == content[10:]
    account.ask("DELETE", f"{container}/s000")
    assert account.ask("GET", f"{container}/o").status == 409
    assert account.ask("HEAD", f"{container}/o").status == 200


@pytest.mark.parametrize("nested", [False, True])
def test_a_later_segment_that_changed_ends_the_transfer_short(account: Account, container: str, nested: bool) -> None:
    entries, content = segments(account, container, (100, 200, 300))
    if nested:
        account.put_large(f"{container}/inner", entries[1])
        entries[1] = {"path": f"{container}/inner"}
    account.put_large(f"{container}/o", *entries)
    if nested:
        account.put_large(f"{container}/inner", entries[2])
    else:
        account.put(f"{container}/s001", b"x" * 200)
    answer = account.ask("GET", f"{container}/o")
    assert (answer.status, answer.is_whole) == (200, False)
    assert content[:100].startswith(answer.body)
    log = account.cluster.servers["proxy-server"].log
    wait_until(lambda: f"{container}/{'inner' if nested else 's001'}" in log.read_text(), "the proxy logs the segment")


def test_who_may_not_read_a_segment_gets_none_of_it(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10,))
    account.put(f"{container}-shared")
    account.ask("POST", f"{container}-shared", body=b"", X_Container_Read="test:tester3")
    account.put_large(f"{container}-shared/o", *entries)
    guest = Account(account.cluster, "test:tester3")
    assert guest.ask("HEAD", f"{container}-shared/o").status == 200
    assert guest.ask("GET", f"{container}-shared/o").status == 409
    account.ask("POST", container, body=b"", X_Container_Read="test:tester3")
    wait_until(lambda: guest.ask("GET", f"{container}-shared/o").body == content, "the guest may read the segment")


def test_a_hundred_segments_come_in_order(account: Account, container: str) -> None:
    entries, content = segments(account, container, tuple(range(1, 101)))
    account.put_large(f"{container}/o", *entries)
    assert account.ask("GET", f"{container}/o").body == content
    account.put(f"{container}/dynamic", X_Object_Manifest=f"{container[1:]}/s")
    assert account.ask("GET", f"{container}/dynamic").body == content


def test_a_client_that_leaves_takes_nothing_with_it(account: Account, container: str) -> None:
    entries, content = segments(account, container, (3_000_000, 3_000_000, 3_000_000))
    account.put_large(f"{container}/o", *entries)
    for _ in range(5):
        connection = http.client.HTTPConnection(*account.cluster.proxy_address, timeout=60)
        connection.request("GET", f"/v1/AUTH_test{container}/o", headers={"X-Auth-Token": account.token})
        assert connection.getresponse().read(1000) == content[:1000]
        connection.close()
    assert account.ask("GET", f"{container}/o").body == content


def test_everything_is_deleted_together(account: Account, container: str) -> None:
    entries, _ = segments(account, container, (10, 20, 30))
    account.put_large(f"{container}/inner", *entries[:2])
    account.put_large(f"{container}/o", {"path": f"{container}/inner"}, entries[2])
    account.ask("DELETE", f"{container}/s001")
    answer = account.ask("DELETE", f"{container}/o", EVERY, Accept="application/json")
    assert answer.status == 200
    told = json.loads(answer.body)
    assert (told["Response Status"], told["Number Deleted"], told["Number Not Found"]) == ("200 OK", 4, 1)
    assert told["Errors"] == []
    assert account.ask("GET", container).body == b""


def test_what_is_no_manifest_is_not_deleted(account: Account, container: str) -> None:
    account.put(f"{container}/plain", b"x")
    told = json.loads(account.ask("DELETE", f"{container}/plain", EVERY, Accept="application/json").body)
    assert told["Response Status"] == "400 Bad Request"
    assert told["Errors"] == [[f"{container}/plain", "Not an SLO manifest"]]
    assert account.ask("GET", f"{container}/plain").body == b"x"


def test_segments_can_be_left_to_the_expirer(account: Account, container: str) -> None:
    entries, _ = segments(account, container, (10, 20))
    account.put_large(f"{container}/o", *entries)
    assert account.ask("DELETE", f"{container}/o", f"{EVERY}&async=on").status == 204
    assert account.ask("HEAD", f"{container}/o").status == 404
    assert account.ask("HEAD", f"{container}/s000").status == 200
    account.cluster.run_updaters(("container-updater",))  # the queue's account learns of the container
    account.cluster.run_once("object-expirer")
    assert [account.ask("HEAD", f"{container}/{name}").status for name in ("s000", "s001")] == [404, 404]


def test_segments_of_several_containers_cannot_be_left(account: Account, container: str) -> None:
    entries, _ = segments(account, container, (10, 20))
    account.put(f"{container}-2")
    account.put(f"{container}-2/s", b"x")
    account.put_large(f"{container}/o", *entries, {"path": f"{container}-2/s"})
    account.put_large(f"{container}/outer", {"path": f"{container}/o"})
    for name in ("o", "outer"):
        assert account.ask("DELETE", f"{container}/{name}", f"{EVERY}&async=on").status == 400
        assert account.ask("HEAD", f"{container}/{name}").status == 200


def test_clients_cannot_write_rows(account: Account, container: str) -> None:
    rows = json.dumps([{"name": "x", "created_at": "1.0", "size": 1, "content_type": "x", "etag": "x"}]).encode()
    answer = account.ask("UPDATE", container, "", rows, X_Backend_Allow_Private_Methods="true")
    assert answer.status == 405
    assert account.ask("GET", container).body == b""


def test_a_dynamic_large_object_is_what_the_listing_shows(account: Account, container: str) -> None:
    _, content = segments(account, container, (1000, 2000, 3000))
    account.put(f"{container}/o", X_Object_Manifest=f"{container[1:]}/s")
    answer = account.ask("GET", f"{container}/o")
    assert (answer.body, answer.headers["content-length"]) == (content, "6000")
    assert account.ask("GET", f"{container}/o", Range="bytes=995-1004").body == content[995:1005]
    assert account.ask("GET", f"{container}/o", Range="bytes=-2001").body == content[-2001:]
    assert account.ask("GET", f"{container}/o", Range="bytes=6000-").status == 416
    assert account.ask("GET", f"{container}/o", If_None_Match=answer.headers["etag"]).status == 304
    assert account.ask("GET", f"{container}/o", If_Match=answer.headers["etag"]).body == content
    account.put(f"{container}/s001x", b"more")
    assert account.ask("GET", f"{container}/o").body == content[:3000] + b"more" + content[3000:]
    assert account.ask("GET", f"{container}/o", "multipart-manifest=get").body == b""


@pytest.mark.parametrize("value", ["c", "c/", "/c/o", "c//o", "c/o?x", "c/o&x"])
def test_a_bad_object_manifest_is_refused(account: Account, container: str, value: str) -> None:
    assert account.ask("PUT", f"{container}/o", "", b"", X_Object_Manifest=value).status == 400


def test_a_copy_reads_through_a_large_object(account: Account, container: str) -> None:
    entries, content = segments(account, container, (10, 20))
    account.put_large(f"{container}/o", *entries)
    assert account.ask("COPY", f"{container}/o", Destination=f"{container}/copy").status == 201
    copied = account.ask("GET", f"{container}/copy")
    assert copied.body == content
    assert "x-static-large-object" not in copied.headers
    copy = account.ask("COPY", f"{container}/o", "multipart-manifest=get", Destination=f"{container}/manifest")
    assert copy.status == 201
    assert account.ask("GET", f"{container}/manifest").headers["x-static-large-object"] == "True"
    assert account.ask("GET", f"{container}/manifest").body == content


def test_limits_are_told(account: Account) -> None:
    connection = http.client.HTTPConnection(*account.cluster.proxy_address, timeout=60)
    connection.request("GET", "/info")
    told = json.loads(connection.getresponse().read())["slo"]
    assert told == {
        "max_manifest_segments": 150,
        "max_manifest_size": 8388608,
        "yield_frequency": 10,
        "min_segment_size": 1,
        "allow_async_delete": True,
    }
