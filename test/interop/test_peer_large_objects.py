"""Large objects: the same requests have the same answers at either side's proxy, and each reads what the other made."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from interop.cloud import Cloud, running, token
from interop.lab import SIDES, Answer

STORAGE = ("ours", "theirs", "ours")
FILTERS = """
[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo
max_manifest_segments = 40
max_manifest_size = 8000
rate_limit_under_size = 0
concurrency = 1
yield_frequency = 100

[filter:dlo]
use = egg:swift#dlo
rate_limit_segments_per_sec = 0

[filter:versioned_writes]
use = egg:swift#versioned_writes

[filter:symlink]
use = egg:swift#symlink
"""
PASSING = {"connection", "date", "keep-alive", "x-openstack-request-id", "x-trans-id", "accept-ranges"}
WRITTEN_BY = {"ours": "own", "theirs": "its"}
STANDARD = re.compile(rb"<html><h1>[^<]*</h1><p>[^<]*</p></html>")
BOUNDARY = re.compile(r"(?<=boundary=)[0-9a-f]{32}")
RESPONSE_WORDS = re.compile(rb"(Response Body: [\w ]+\n)[^\n]+\n(?=Response Status)")
HTTP_DATE = re.compile(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
SEGMENTS = {f"s{number}": bytes([97 + number]) * (1000 + number) for number in range(5)} | {
    "empty": b"",
    "é漢 x": b"xyz",
}


class Ask(NamedTuple):
    """One request; ``{me}`` in path, query and body is a word of the proxy's own that is asked."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}
    body: bytes | None = None


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Both proxies over servers of both sides, and segments."""
    with running(tmp_path_factory.mktemp("large"), STORAGE, FILTERS) as cloud:
        cloud.token = token(cloud, "ours")
        for container in ("/seg", "/own", "/its"):
            assert cloud.ask("ours", "PUT", container).status == 201
        for name, body in SEGMENTS.items():
            assert cloud.ask("ours", "PUT", f"/seg/{name}", {"Content-Type": "text/plain;a=b"}, body).status == 201
        yield cloud


def manifest(*entries: Any) -> bytes:
    """The body of a PUT that makes a static large object."""
    return json.dumps(entries).encode()


def segment(name: str, **more: Any) -> dict[str, Any]:
    """An entry of a manifest."""
    return {"path": f"/seg/{name}", **more}


def put(name: str, *entries: Any, query: str = "", **headers: str) -> Ask:
    """The PUT of a static large object."""
    more = {key.replace("_", "-"): value for key, value in headers.items()}
    query = f"multipart-manifest=put{query}"
    return Ask("PUT", f"/{{me}}/{name}", query, more, manifest(*entries))


def send(cloud: Cloud, side: str, ask: Ask, me: str | None = None) -> Answer:
    """Make a request to one side's proxy."""
    me = me or WRITTEN_BY[side]
    body = None if ask.body is None else ask.body.replace(b"{me}", me.encode())
    path, query = ask.path.replace("{me}", me), ask.query.replace("{me}", me)
    return cloud.ask(side, ask.method, path, ask.headers, body, query)


def said(answer: Answer, ask: Ask, me: str) -> tuple[int, dict[str, str], bytes]:
    """What of an answer both sides must say alike."""
    headers = {name: value.replace(f"/{me}/", "/ME/") for name, value in answer.headers.items() if name not in PASSING}
    body = answer.body.replace(f"/{me}/".encode(), b"/ME/")
    boundary = BOUNDARY.search(headers.get("content-type", ""))
    if boundary:
        headers["content-type"] = headers["content-type"].replace(boundary[0], "B")
        body = body.replace(boundary[0].encode(), b"B")
    # The words of standard bodies are each side's own, and so is the framing of a body that is made on the way.
    if STANDARD.fullmatch(body):
        body = b"<standard>"
        headers.pop("content-length", None)
        headers.pop("content-type", None)  # which may be the object's
    if "x-container-object-count" in headers:
        headers.pop("x-timestamp")  # when the replica that answers was made
    if ask.method in ("PUT", "DELETE", "COPY"):
        for name in ("content-length", "transfer-encoding", "last-modified", "x-copied-from-last-modified"):
            headers.pop(name, None)
        if "x-copied-from" in headers:
            headers["x-copied-from"] = headers["x-copied-from"].replace(f"{me}/", "ME/")
        body = RESPONSE_WORDS.sub(rb"\1", HTTP_DATE.sub(b"DATE", body))
    # They tell the length of an error's body even where a HEAD or a 304 has none.
    is_error = answer.status >= 300
    if not body and (is_error or (ask.method != "HEAD" and headers.get("content-length", "0") == "0")):
        headers.pop("content-type", None)
        headers.pop("content-length", None)
    return answer.status, headers, body


def without_moments(said: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str], bytes]:
    """What was said of objects that each proxy has written at a time of its own."""
    status, headers, body = said
    moments = ("x-timestamp", "last-modified", "x-manifest-etag")
    return status, {name: value for name, value in headers.items() if name not in moments}, body


def same(cloud: Cloud, *asks: Ask) -> list[Answer]:
    """Send requests to both proxies, each about names of its own; return our answers, once all are found alike."""
    different, ours = [], []
    for ask in asks:
        answers = {side: send(cloud, side, ask) for side in SIDES}
        our, their = (without_moments(said(answers[side], ask, WRITTEN_BY[side])) for side in SIDES)
        ours.append(answers["ours"])
        if our != their:
            different.append(f"{ask}\nours   {our}\ntheirs {their}")
    assert not different, "\n".join(different)
    return ours


def read_alike(cloud: Cloud, *asks: Ask) -> None:
    """Let both proxies read what either made."""
    different = []
    for me in WRITTEN_BY.values():
        for ask in asks:
            our, their = (said(send(cloud, side, ask, me), ask, me) for side in SIDES)
            if our != their:
                different.append(f"{ask} of {me}\nours   {our}\ntheirs {their}")
    assert not different, "\n".join(different)


DATA = {"data": base64.b64encode(b"in between").decode()}
WHOLE = (segment("s0"), segment("s1"), segment("s2"))
MIXED = (segment("s0", range="-10"), DATA, segment("s1", range="5-"), segment("s2", range="0-1001"), segment("é漢 x"))

BAD_MANIFESTS = {
    "no JSON": b"{",
    "no list": b"{}",
    "a number": manifest(segment("s0"), 5),
    "no path but others": manifest({"path": 5}, segment("s0")),
    "extraneous keys": manifest(segment("s0", b=1, a=2)),
    "extraneous keys of data": manifest({**DATA, "path": "/seg/s0"}, segment("s0")),
    "a container": manifest({"path": "/seg"}, {"path": "seg/"}, {"path": "/seg//"}),
    "an etag of no text": manifest(segment("s0", etag=5)),
    "sizes": manifest(segment("s0", size_bytes="x"), segment("s0", size_bytes=0), segment("s0", size_bytes=-1)),
    "size of a list": manifest(segment("s0", size_bytes=[1])),
    "itself": manifest({"path": "/{me}/bad"}, {"path": "{me}/bad"}),
    "ranges": manifest(segment("s0", range="5-4"), segment("s0", range="x"), segment("s0", range=5)),
    "several ranges": manifest(segment("s0", range="0-1,3-4")),
    "ranges beyond the size": manifest(
        segment("s0", range="10-", size_bytes=5), segment("s0", range="-0", size_bytes=5)
    ),
    "only data": manifest(DATA, DATA),
    "data that is none": manifest({"data": "?"}, {"data": 5}, {"data": ""}, {"data": "a b="}, segment("s0")),
    "data without an end": manifest({"data": "YWI"}, segment("s0")),
    "missing": manifest(segment("s0"), segment("nope"), {"path": "/nowhere/é x"}),
    "etag and size": manifest(segment("s0", etag="x", size_bytes=5), segment("s1", size_bytes=1)),
    "too small": manifest(segment("empty"), segment("s0"), segment("empty")),
    "beyond the object": manifest(segment("s0", range="5000-"), segment("s1", range="9000-9001", etag="no")),
    "too many": manifest(*[segment("s0")] * 41),
    "too long": manifest(segment("s" * 9000)),
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
@pytest.mark.parametrize("accept", [None, "application/json", "text/xml"])
def test_a_bad_manifest_is_refused_alike(cloud: Cloud, name: str, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    (answer,) = same(cloud, Ask("PUT", "/{me}/bad", "multipart-manifest=put", headers, BAD_MANIFESTS[name]))
    assert answer.status in (400, 413)
    assert send(cloud, "ours", Ask("HEAD", "/{me}/bad")).status == 404


def test_other_bad_puts_are_refused_alike(cloud: Cloud) -> None:
    same(
        cloud,
        put("bad", *WHOLE, Etag="0" * 32),
        put("bad", *WHOLE, Etag="0" * 32, query="&heartbeat=on"),
        put("bad", segment("nope"), query="&heartbeat=on", Accept="text/nonsense"),
        put("bad", segment("s0"), Accept="nonsense"),
        Ask("PUT", "/{me}/bad", "", {"X-Static-Large-Object": "true"}, b""),
        Ask("POST", "/{me}/bad", "", {"X-Static-Large-Object": "true"}, b""),
        Ask("PUT", "/{me}/bad", "", {"X-Object-Manifest": "seg"}, b""),
        Ask("PUT", "/{me}/bad", "", {"X-Object-Manifest": "seg/"}, b""),
        Ask("PUT", "/{me}/bad", "", {"X-Object-Manifest": "seg//s"}, b""),
        Ask("PUT", "/{me}/bad", "", {"X-Object-Manifest": "seg/s?"}, b""),
        Ask("PUT", "/missing/bad", "multipart-manifest=put", {}, manifest(*WHOLE)),
    )


READS = [
    Ask(method, "/{me}/" + name, query, headers)
    for name in ("whole", "mixed", "nested", "none")
    for query, headers in (
        ("", {}),
        ("", {"Range": "bytes=0-0"}),
        ("", {"Range": "bytes=990-1010"}),
        ("", {"Range": "bytes=5-"}),
        ("", {"Range": "bytes=-15"}),
        ("", {"Range": "bytes=-0"}),
        ("", {"Range": "bytes=-99999"}),
        ("", {"Range": "bytes=99999-"}),
        ("", {"Range": "bytes=1-2,1003-1005"}),
        ("", {"Range": "bytes=-2,99999-"}),
        ("", {"Range": "nonsense"}),
        ("", {"If-None-Match": "*"}),
        ("", {"If-Match": '"00000000000000000000000000000000"'}),
        ("", {"If-Modified-Since": "Sun, 06 Nov 2033 08:49:37 GMT"}),
        ("", {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}),
        ("multipart-manifest=get", {}),
        ("multipart-manifest=get", {"If-None-Match": "*"}),
        ("multipart-manifest=get&format=raw", {}),
        ("part-number=1", {}),
        ("part-number=2", {}),
        ("part-number=9", {}),
        ("part-number=0", {}),
        ("part-number=x", {}),
        ("part-number=1", {"Range": "bytes=0-1"}),
    )
    for method in ("GET", "HEAD")
]


def test_static_large_objects_are_made_and_read_alike(cloud: Cloud) -> None:
    same(
        cloud,
        put("whole", *WHOLE, Content_Type="text/plain;charset=utf-8", X_Object_Meta_Colour="blue"),
        put("mixed.txt", *MIXED),
        put("mixed", *MIXED, query="&heartbeat=on", Accept="application/json"),
        put("nested", {"path": "/{me}/mixed", "range": "3-1500"}, DATA, {"path": "{me}/whole"}, segment("empty")),
        put("none"),
    )
    # The status of a HEAD for a range is each side's own way to ignore it.
    # A HEAD for the raw manifest is an error there.
    reads = [
        ask
        for ask in READS
        if ask.method == "GET" or (("Range" not in ask.headers or "part" in ask.query) and "raw" not in ask.query)
    ]
    read_alike(cloud, *reads)
    read_alike(cloud, Ask("GET", "/{me}", "format=json"), Ask("GET", "/{me}", "format=xml"), Ask("GET", "/{me}"))


def test_conditions_hold_of_the_large_object(cloud: Cloud) -> None:
    (answer,) = same(cloud, put("conditional", *WHOLE))
    etag = answer.headers["etag"]
    reads = []
    for method in ("GET", "HEAD"):
        for name in ("If-Match", "If-None-Match"):
            for value in (etag, etag.strip('"'), f'"x", {etag}'):
                reads.append(Ask(method, "/{me}/conditional", "", {name: value}))
                if method == "GET":
                    reads.append(Ask(method, "/{me}/conditional", "part-number=1", {name: value}))
    reads.append(Ask("GET", "/{me}/conditional", "", {"If-Match": etag, "Range": "bytes=1000-1001"}))
    read_alike(cloud, *reads)


def test_metadata_can_be_posted_and_manifests_overwritten(cloud: Cloud) -> None:
    same(
        cloud,
        put("posted", *WHOLE, Content_Type="x/y"),
        Ask("POST", "/{me}/posted", "", {"X-Object-Meta-Mood": "calm", "Content-Type": "x/z"}, b""),
    )
    reads = [
        Ask("GET", "/{me}/posted"),
        Ask("GET", "/{me}/posted", "multipart-manifest=get"),
        Ask("GET", "/{me}", "format=json&prefix=posted"),
    ]
    read_alike(cloud, *reads)
    same(cloud, Ask("PUT", "/{me}/posted", "", {}, b"an ordinary object"))
    read_alike(cloud, *reads)


def test_changed_and_missing_segments_are_told_alike(cloud: Cloud) -> None:
    for side, me in WRITTEN_BY.items():
        for name in ("first", "second", "third"):
            assert cloud.ask(side, "PUT", f"/{me}/{name}", {}, name.encode() * 100).status == 201
    parts = [{"path": f"/{{me}}/{name}"} for name in ("first", "second", "third")]
    same(cloud, put("broken", *parts), put("around", {"path": "/{me}/broken"}))
    same(
        cloud,
        Ask("PUT", "/{me}/first", "", {}, b"other"),
        Ask("GET", "/{me}/broken"),
        Ask("GET", "/{me}/around"),
        Ask("HEAD", "/{me}/broken"),
        Ask("GET", "/{me}/broken", "", {"Range": "bytes=500-600"}),
        Ask("GET", "/{me}/broken", "part-number=1"),
        Ask("DELETE", "/{me}/first"),
        Ask("GET", "/{me}/broken"),
        Ask("GET", "/{me}/broken", "", {"Range": "bytes=0-5"}),
    )


def test_deletion_is_told_alike(cloud: Cloud) -> None:
    for name in ("d1", "d2", "d3"):
        same(cloud, Ask("PUT", f"/{{me}}/{name}", "", {}, name.encode()))
    parts = [{"path": f"/{{me}}/{name}"} for name in ("d1", "d2", "d3")]
    every = "multipart-manifest=delete"
    same(
        cloud,
        put("gone", *parts, DATA),
        put("outer", {"path": "/{me}/gone"}, {"path": "/{me}/d3"}),
        Ask("DELETE", "/{me}/d3"),
        Ask("DELETE", "/{me}/d1", every),
        Ask("DELETE", "/{me}/d1", every, {"Accept": "application/json"}),
        Ask("DELETE", "/{me}/missing", every),
        Ask("DELETE", "/nowhere/missing", every),
        Ask("DELETE", "/{me}/outer", every, {"Accept": "text/nonsense"}),
        Ask("DELETE", "/{me}/outer", every, {"Accept": "application/json"}),
        Ask("DELETE", "/{me}/outer", every, {"Accept": "application/xml"}),
    )


def test_segments_are_left_to_the_expirer_alike(cloud: Cloud) -> None:
    later = "multipart-manifest=delete&async=on"
    for name in ("a1", "a2"):
        same(cloud, Ask("PUT", f"/{{me}}/{name}", "", {}, name.encode()))
    parts = [{"path": f"/{{me}}/{name}"} for name in ("a1", "a2")]
    same(
        cloud,
        put("later", *parts, DATA),
        put("outer", {"path": "/{me}/later"}, {"path": "/{me}/a1"}),
        put("spread", segment("s0"), {"path": "/{me}/a1"}),
        Ask("DELETE", "/{me}/outer", later),
        Ask("DELETE", "/{me}/a1", later),
        Ask("DELETE", "/{me}/nothing", later),
        Ask("DELETE", "/{me}/later", later),
        Ask("HEAD", "/{me}/later"),
        Ask("HEAD", "/{me}/a1"),
    )


def test_dynamic_large_objects_are_read_alike(cloud: Cloud) -> None:
    same(
        cloud,
        Ask("PUT", "/{me}/dynamic", "", {"X-Object-Manifest": "seg/s", "Content-Type": "x/y"}, b""),
        Ask("PUT", "/{me}/quoted", "", {"X-Object-Manifest": "seg/%C3%A9%E6%BC%A2%20x"}, b"content"),
        Ask("PUT", "/{me}/nothing", "", {"X-Object-Manifest": "seg/none"}, b""),
        Ask("PUT", "/{me}/nowhere", "", {"X-Object-Manifest": "missing/none"}, b""),
    )
    etag = send(cloud, "ours", Ask("HEAD", "/{me}/dynamic")).headers["etag"]
    variants: list[dict[str, str]] = [
        {},
        *(
            {"Range": value}
            for value in ("bytes=999-1001", "bytes=-1005", "bytes=4000-", "bytes=5010-", "bytes=1-2,4-5")
        ),
        {"If-Match": '"x"'},
        *({"If-None-Match": value} for value in (etag, '"x"', "*")),
        {"If-Modified-Since": "Sun, 06 Nov 2033 08:49:37 GMT"},
    ]
    read_alike(
        cloud,
        *(
            Ask(method, f"/{{me}}/{name}", query, headers)
            for name in ("dynamic", "quoted", "nothing", "nowhere")
            for method in ("GET", "HEAD")
            for query in ("", "multipart-manifest=get")
            for headers in variants
            if method == "GET" or "Range" not in headers
        ),
    )
    # Where the condition holds only of the large object, their object servers have lost its content type.
    held = [send(cloud, side, Ask("GET", "/{me}/dynamic", "", {"If-Match": etag}), "own") for side in SIDES]
    assert [answer.status for answer in held] == [200, 200]
    assert held[0].body == held[1].body


def test_copies_of_large_objects_are_made_alike(cloud: Cloud) -> None:
    same(
        cloud,
        put("source", *MIXED, Content_Type="x/y", X_Object_Meta_Colour="blue"),
        Ask("COPY", "/{me}/source", "", {"Destination": "seg/copied"}),
        Ask("COPY", "/{me}/source", "multipart-manifest=get", {"Destination": "seg/manifest"}),
        Ask("GET", "/seg/copied"),
        Ask("GET", "/seg/manifest"),
    )
    read_alike(cloud, Ask("GET", "/seg/manifest", "multipart-manifest=get"))


def test_both_tell_the_same_limits(cloud: Cloud) -> None:
    told = [json.loads(cloud.proxies[side].ask("GET", "/info").body) for side in SIDES]
    assert told[0]["slo"] == told[1]["slo"]
    assert told[0].get("dlo") == told[1].get("dlo")
