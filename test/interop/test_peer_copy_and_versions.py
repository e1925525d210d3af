"""Copies and old versions: the same requests to either side's proxy have the same answers, and leave the same objects."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from interop.cloud import Cloud, running, token
from interop.lab import SIDES, Answer

STORAGE = ("ours", "theirs", "ours")
FILTERS = """
user_test_guest = guest

[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo

[filter:dlo]
use = egg:swift#dlo

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true

[filter:symlink]
use = egg:swift#symlink
"""
# Of every answer, or of the moment.
PASSING = {
    *("accept-ranges", "connection", "date", "keep-alive", "last-modified", "x-copied-from-last-modified"),
    *("x-openstack-request-id", "x-trans-id"),
}
TIME = re.compile(r"\d{10}\.\d{5}(?!\d)")
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+")
STEADY = 4
ETAG = "5d41402abc4b2a76b9719d911017c592"  # of b"hello"
FUTURE = "Sun, 01 Jan 2040 00:00:00 GMT"
PAST = "Sun, 01 Jan 1990 00:00:00 GMT"
E_ACUTE = "é".encode().decode("latin-1")
UTF8 = "é漢ÿ".encode().decode("latin-1")


class Step(NamedTuple):
    """One request of a story: ``{c}`` stands for the story's own container."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes | None = None
    query: str = ""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Both proxies over servers of both sides."""
    with running(tmp_path_factory.mktemp("copies"), STORAGE, FILTERS) as cloud:
        cloud.token = token(cloud, "ours")
        yield cloud


SOURCE = [
    Step("PUT", "/{c}"),
    Step(
        "PUT",
        "/{c}/source",
        {
            "Content-Type": "text/plain",
            "X-Object-Meta-Kind": "source",
            "X-Object-Meta-Only": "here",
            f"X-Object-Meta-{UTF8}": UTF8,
            "Content-Disposition": "inline",
            "Content-Encoding": "identity",
            "Cache-Control": "max-age=5",
            "X-Delete-At": "4000000000",
        },
        b"hello",
    ),
]


def tell(cloud: Cloud, side: str, name: str, story: Sequence[Step]) -> list[Answer]:
    """Send a story's requests to one proxy, about a container of its own."""
    words = {"c": f"{side[0]}-{name}"}
    return [ask(cloud, side, step, words) for step in story]


def ask(cloud: Cloud, side: str, step: Step, words: dict[str, str]) -> Answer:
    """Make a story's request; of a container, until its replicas, one of which answers, agree."""
    headers = {key: value.format(**words) for key, value in step.headers.items()}
    path, alike, before = step.path.format(**words), 0, None
    deadline = time.monotonic() + 60
    if step.method == "GET" and "/" not in path[1:]:
        cloud.agree(path[1:])
    while True:
        answer = cloud.ask(side, step.method, path, headers, step.body, step.query)
        if step.method != "GET" or "/" in path[1:] or time.monotonic() > deadline:
            return answer
        found = answer.body, answer.headers.get("x-container-bytes-used")
        alike, before = (alike + 1 if found == before else 1), found
        if alike == STEADY:
            return answer


def plain_answers(answers: Sequence[Answer], side: str, name: str) -> list[tuple[int, dict[str, str], str]]:
    """What of some answers both sides must say alike: moments become numbers, the container's name a word."""
    moments: dict[str, str] = {}

    def plain(text: str) -> str:
        text = ISO_TIME.sub("ISO", text.replace(f"{side[0]}-{name}", "CONTAINER"))
        return TIME.sub(lambda found: moments.setdefault(found[0], f"T{len(moments)}"), text)

    told = []
    for answer in answers:
        body = answer.body.decode("utf-8", "replace")
        # Of an error the words matter, where it is more than the status that they explain; its type does not.
        worded = answer.status >= 300 or not body or body.startswith("<html>")
        dropped = PASSING | ({"content-type", "content-length"} if worded else set())
        if "x-container-object-count" in answer.headers:
            dropped |= {"x-timestamp"}  # when the replica that answers was made
        headers = {key: plain(value) for key, value in sorted(answer.headers.items()) if key not in dropped}
        for key in ("allow", "access-control-allow-methods", "access-control-expose-headers"):
            if key in headers:
                headers[key] = ", ".join(sorted(headers[key].split(", ")))
        told.append((answer.status, headers, "" if body.startswith("<html>") else plain(body)))
    return told


def compare(cloud: Cloud, name: str, story: Sequence[Step]) -> None:
    """Tell a story to both proxies and hold the answers against each other; then what is left, read through both."""
    ours, theirs = (plain_answers(tell(cloud, side, name, story), side, name) for side in SIDES)
    different = [
        f"step {number}: {step}\nours   {our}\ntheirs {their}"
        for number, (step, our, their) in enumerate(zip(story, ours, theirs, strict=True))
        if our != their
    ]
    assert not different, "\n".join(different)


def copy(name: str = "source", to: str = "{c}/copy", query: str = "", **more: str) -> Step:
    """A COPY; more headers with underscores for dashes."""
    headers = {key.replace("_", "-"): value for key, value in more.items()}
    return Step("COPY", f"/{{c}}/{name}", {"Destination": to, **headers}, None, query)


def copied(name: str = "copy", of: str = "{c}/source", query: str = "", **more: str) -> Step:
    """A PUT with X-Copy-From."""
    headers = {key.replace("_", "-"): value for key, value in more.items()}
    return Step("PUT", f"/{{c}}/{name}", {"X-Copy-From": of, **headers}, b"", query)


def test_what_a_copy_has_of_its_source(cloud: Cloud) -> None:
    look = Step("GET", "/{c}/copy")
    compare(
        cloud,
        "metadata",
        [
            *SOURCE,
            *(copy(), look),
            *(copied(), look),
            *(copy(to="/{c}/copy"), look),
            *(copy(to="{c}/cop%79"), look),
            *(copy(X_Object_Meta_Kind="copy", X_Object_Meta_New="x", Content_Type="x/copy"), look),
            *(copy(X_Fresh_Metadata="true", X_Object_Meta_New="x"), look),
            *(copied(X_Fresh_Metadata="yes", Content_Type="x/copy"), look),
            *(copy(X_Delete_At="3000000000"), look),
            *(copy(Cache_Control="no-cache", X_Object_Manifest="{c}/none"), look),
            *(copy(to="{c}/source", X_Object_Meta_Kind="self"), Step("GET", "/{c}/source")),
            *(copy(to=f"{{c}}/{E_ACUTE} /%c3%a9"), Step("GET", "/{c}/é /é")),
            copy("é /é"),
            look,
        ],
    )


def test_conditions_and_ranges_are_about_the_source(cloud: Cloud) -> None:
    look = Step("GET", "/{c}/copy")
    compare(
        cloud,
        "conditions",
        [
            *SOURCE,
            *(copy(Range="bytes=1-3"), look),
            *(copied(Range="bytes=-2"), look),
            *(copied(Range="bytes=3-"), look),
            *(copied(Range="bytes=9-"), look),
            *(copied(Range="nonsense"), look),
            *(copied(Range="bytes=1-3", ETag="0" * 32), look),
            *(copied(ETag="0" * 32), look),
            *(copied(If_Match=ETAG), look),
            *(copied(If_Match="0" * 32), look),
            *(copied(If_None_Match=ETAG), look),
            *(copied(If_Modified_Since=PAST), look),
            *(copied(If_Modified_Since=FUTURE), look),
            *(copied(If_Unmodified_Since=PAST), look),
            *(copied(If_Unmodified_Since=FUTURE), look),
        ],
    )


def test_bad_requests(cloud: Cloud) -> None:
    compare(
        cloud,
        "bad",
        [
            *SOURCE,
            Step("COPY", "/{c}/source"),
            Step("COPY", "/{c}/source", {"Destination": ""}),
            *(copy(to=text) for text in ("{c}", "{c}/", "/{c}/", "/", "//copy", "{c}%2fcopy", "no-{c}/copy")),
            *(copied(of=text) for text in ("{c}", "{c}/", "/{c}/", "/", "//copy", "{c}%2fsource", "no-{c}/source")),
            copied(of="{c}/nothing"),
            copied(of=""),
            copied("source", X_Copy_From_Account="AUTH/test"),
            copied("copy", X_Copy_From_Account=""),
            copied("copy", X_Copy_From_Account="AUTH_none"),
            copy(Destination_Account="AUTH/test"),
            copy(Destination_Account=""),
            copy(Destination_Account="AUTH_test"),
            copied(X_Copy_From_Account="AUTH_test"),
            copied(X_Copy_From_Account="AUTH_test2"),
            copy(Destination_Account="AUTH_test2"),
            copy("nothing"),
            Step("COPY", "/{c}/source", {"Destination": "{c}/copy"}, b"body"),
            Step("PUT", "/{c}/copy", {"X-Copy-From": "{c}/source"}, b"body"),
            Step("COPY", "/no-{c}/source", {"Destination": "{c}/copy"}),
            Step("PUT", "/no-{c}/copy", {"X-Copy-From": "{c}/source"}, b""),
            copy(X_Object_Meta_Long="x" * 300),
            copy(X_Delete_At="1"),
            copy(X_Delete_After="nonsense"),
            Step("GET", "/{c}", query="format=json"),
        ],
    )


def test_browsers_are_told_that_an_object_can_be_copied(cloud: Cloud) -> None:
    asked = {"Origin": "http://a.com", "Access-Control-Request-Method": "COPY"}
    compare(
        cloud,
        "options",
        [
            *SOURCE,
            *(Step("OPTIONS", "/{c}/source"), Step("OPTIONS", "/{c}/source", asked)),
            Step("POST", "/{c}", {"X-Container-Meta-Access-Control-Allow-Origin": "*"}),
            *(Step("OPTIONS", "/{c}/source", asked), Step("OPTIONS", "/{c}", asked), Step("OPTIONS", "/{c}")),
            Step("OPTIONS", "/{c}/source", {**asked, "Access-Control-Request-Method": "GET"}),
            Step("COPY", "/{c}/source", {"Destination": "{c}/copy", "Origin": "http://a.com"}),
        ],
    )


def test_guests_need_to_read_the_one_and_write_the_other(cloud: Cloud) -> None:
    login = {"X-Auth-User": "test:guest", "X-Auth-Key": "guest"}
    guest = {"X-Auth-Token": cloud.proxies["theirs"].ask("GET", "/auth/v1.0", login).headers["x-auth-token"]}
    read, write = {"X-Container-Read": "test:guest"}, {"X-Container-Write": "test:guest"}
    attempts = [
        Step("COPY", "/{c}/source", {"Destination": "{c}-other/copy", **guest}),
        Step("PUT", "/{c}-other/copy", {"X-Copy-From": "{c}/source", **guest}, b""),
        Step("PUT", "/{c}-other/copy", {"X-Copy-From": "{c}/none", **guest}, b""),
        Step("GET", "/{c}-other/copy"),
    ]
    compare(
        cloud,
        "guests",
        [
            *(*SOURCE, Step("PUT", "/{c}-other"), *attempts),
            *(Step("POST", "/{c}", read), *attempts),
            *(Step("POST", "/{c}", {"X-Remove-Container-Read": "x"}), Step("POST", "/{c}-other", write), *attempts),
            *(Step("POST", "/{c}", {**read, "X-Versions-Location": "{c}-versions"}), Step("PUT", "/{c}-versions")),
            *(*attempts, Step("PUT", "/{c}/source", guest, b"x"), Step("DELETE", "/{c}/source", guest)),
            Step("GET", "/{c}-versions"),
            Step("POST", "/{c}", write),
            *(
                Step("PUT", "/{c}/source", guest, b"x"),
                Step("DELETE", "/{c}/source", guest),
                Step("GET", "/{c}/source"),
            ),
        ],
    )


def test_large_objects(cloud: Cloud) -> None:
    manifest = json.dumps([{"path": "/segments/s1"}, {"path": "/segments/s2", "range": "0-0"}]).encode()
    for path, body in (("", b""), ("/s1", b"hello"), ("/s2", b"world")):
        assert cloud.ask("theirs", "PUT", f"/segments{path}", {"Content-Type": "x/segment"}, body).status == 201
    raw = {"query": "multipart-manifest=get"}
    looks = [Step("GET", "/{c}/copy"), Step("GET", "/{c}/copy", **raw)]
    compare(
        cloud,
        "large",
        [
            *VERSIONED,
            Step("PUT", "/{c}/slo", {"X-Object-Meta-A": "b"}, manifest, "multipart-manifest=put"),
            Step("PUT", "/{c}/dlo", {"X-Object-Manifest": "segments/s", "Content-Type": "x/dlo"}, b""),
            *(copy("slo"), *looks, copy("slo", **raw), *looks),
            *(copy("slo", X_Fresh_Metadata="true", **raw), *looks),
            *(copied(of="{c}/slo", ETag="0" * 32), copied(of="{c}/slo", ETag="0" * 32, **raw)),
            *(copied(of="{c}/slo", Content_Type="x/mine", X_Object_Meta_A="c", **raw), *looks),
            *(copy("dlo"), *looks, copy("dlo", **raw), *looks, copied(of="{c}/dlo", Range="bytes=3-5"), *looks),
            *(copied(of="segments/s1", **raw), *looks),
            *(write(b"plain", "slo"), KEPT, Step("DELETE", "/{c}/slo"), KEPT),
            *(Step("GET", "/{c}/slo"), Step("GET", "/{c}", query="format=json")),
        ],
    )


def test_a_copy_with_heartbeats(cloud: Cloud) -> None:
    told = []
    for side in SIDES:
        steps = [
            *SOURCE,
            copy(query="heartbeat=on"),
            copy(query="heartbeat=on", Accept="application/json"),
            copy(query="heartbeat=on", to="no-{c}/copy", Accept="application/json"),
            copy("none", query="heartbeat=on"),
        ]
        text, *structured, missing = tell(cloud, side, "heartbeat", steps)[2:]
        assert (text.status, text.body[:1], missing.status) == (202, b" ", 404)
        names = {line.partition(b":")[0] for line in text.body.split(b"\n")}
        results = [json.loads(answer.body) for answer in structured]
        told.append((text.headers["content-type"], names & WANTED, [told_of(result, side) for result in results]))
    assert told[0] == told[1]


WANTED = {b"Response Status", b"Response Body", b" Etag", b"Etag", b"X-Copied-From", b"Errors", b"X-Object-Meta-Kind"}


def told_of(result: dict[str, object], side: str) -> dict[str, str]:
    """What of a heartbeat's result both sides must say."""
    keys = ("Response Status", "Etag", "X-Copied-From", "X-Copied-From-Account", "X-Object-Meta-Kind", "Errors")
    return {key: re.sub(rf"{side[0]}-heartbeat", "CONTAINER", str(result.get(key))) for key in keys}


VERSIONED = [
    Step("PUT", "/{c}-versions"),
    Step("PUT", "/{c}", {"X-Versions-Location": "{c}-versions"}),
]
KEPT = Step("GET", "/{c}-versions", query="format=json")
LOOK = Step("GET", "/{c}/o")
DELETE = Step("DELETE", "/{c}/o")


def write(body: bytes, name: str = "o", **more: str) -> Step:
    """A PUT; more headers with underscores for dashes."""
    headers = {key.replace("_", "-"): value for key, value in more.items()}
    return Step("PUT", f"/{{c}}/{name}", {"Content-Type": "text/plain", **headers}, body)


@pytest.mark.parametrize("kind", ["Versions", "History"])
def test_a_container_s_location(cloud: Cloud, kind: str) -> None:
    other = {"Versions": "History", "History": "Versions"}[kind]
    head, get = Step("HEAD", "/{c}"), Step("GET", "/{c}")
    location, others = f"X-{kind}-Location", f"X-{other}-Location"
    compare(
        cloud,
        f"location-{kind}",
        [
            Step("PUT", "/{c}", {location: "{c}-versions"}),
            *(head, get),
            *(Step("POST", "/{c}", {others: "{c}-others"}), head),
            *(Step("POST", "/{c}", {location: "{c}-versions", others: "{c}-others"}), head),
            *(Step("POST", "/{c}", {location: "{c}-versions", others: ""}), head),
            *(Step("POST", "/{c}", {location: "", others: "{c}-others"}), head),
            *(Step("POST", "/{c}", {location: "", others: ""}), head),
            *(Step("POST", "/{c}", {location: "a/b"}), head),
            *(Step("POST", "/{c}", {location: "a%2fb"}), head),
            *(Step("POST", "/{c}", {location: f"{UTF8}%20%c3%a9"}), head),
            *(Step("POST", "/{c}", {"X-Container-Meta-A": "b"}), head),
            *(Step("POST", "/{c}", {location: "{c}-versions", f"X-Remove-{kind}-Location": "x"}), head),
            *(Step("POST", "/{c}", {f"X-Remove-{kind}-Location": ""}), head),
            *(Step("POST", "/{c}", {f"X-Remove-{kind}-Location": "x"}), head),
            *(Step("POST", "/{c}", {location: "{c}-versions"}), head),
            *(Step("POST", "/{c}", {f"X-Remove-{other}-Location": "x"}), head),
            *(Step("POST", "/{c}", {location: ""}), head),
            *(Step("GET", "/{c}", {location: "{c}-versions"}), head),
            Step("DELETE", "/{c}", {location: "{c}-versions"}),
        ],
    )


@pytest.mark.parametrize("name", ["o", "é漢😀 %2F/x", "n" * 300])
def test_a_stack_of_versions(cloud: Cloud, name: str) -> None:
    look, delete = Step("GET", f"/{{c}}/{name}"), Step("DELETE", f"/{{c}}/{name}")
    compare(
        cloud,
        f"stack{len(name)}",
        [
            *VERSIONED,
            *(delete, KEPT),
            *(write(b"one", name, X_Object_Meta_N="1", Content_Disposition="inline"), KEPT),
            Step("POST", f"/{{c}}/{name}", {"X-Object-Meta-N": "posted"}),
            *(write(b"two", name, X_Object_Meta_N="2", X_Delete_At="4000000000"), KEPT),
            *(write(b"three", name, Content_Type="x/three"), KEPT),
            *(delete, KEPT, look),
            *(delete, KEPT, look),
            *(delete, KEPT, look),
            *(delete, KEPT, look),
            Step("GET", "/{c}", query="format=json"),
        ],
    )


def test_a_history_of_versions(cloud: Cloud) -> None:
    compare(
        cloud,
        "history",
        [
            Step("PUT", "/{c}-versions"),
            Step("PUT", "/{c}", {"X-History-Location": "{c}-versions"}),
            *(DELETE, KEPT),
            *(write(b"one"), KEPT, write(b"two"), KEPT, DELETE, KEPT, LOOK, DELETE, KEPT),
            *(write(b"three"), KEPT),
            # What a history wrote, a stack takes back step by step.
            Step("POST", "/{c}", {"X-Versions-Location": "{c}-versions"}),
            *([DELETE, KEPT, LOOK] * 7),
        ],
    )


def test_what_goes_wrong_with_versions(cloud: Cloud) -> None:
    compare(
        cloud,
        "wrong",
        [
            Step("PUT", "/{c}", {"X-Versions-Location": "{c}-versions"}),
            *(write(b"one"), write(b"two"), LOOK, DELETE, LOOK),
            Step("POST", "/{c}", {"X-History-Location": "{c}-versions"}),
            *(DELETE, write(b"three"), write(b"four"), LOOK, DELETE, LOOK),
            Step("PUT", "/{c}-versions"),
            *(Step("PUT", "/{c}/o", {"If-None-Match": "*"}, b"five"), KEPT, LOOK),
            *(Step("PUT", "/{c}/o", {"ETag": "0" * 32}, b"five"), KEPT, LOOK),
            *(Step("DELETE", "/{c}/o", {"X-If-Delete-At": "5"}), KEPT, LOOK),
        ],
    )


def test_copies_to_and_within_versioned_containers(cloud: Cloud) -> None:
    compare(
        cloud,
        "copied",
        [
            *VERSIONED,
            *(write(b"one"), write(b"two"), write(b"other", "source", X_Object_Meta_A="b")),
            *(copy(to="{c}/o"), KEPT, LOOK),
            *(copied("o", X_Fresh_Metadata="true"), KEPT, LOOK),
            *(copy("o", to="{c}/o", X_Object_Meta_C="d"), KEPT, LOOK),
            *([DELETE, KEPT, LOOK] * 5),
        ],
    )


def test_links_are_kept_as_links(cloud: Cloud) -> None:
    link = Step("PUT", "/{c}/o", {"X-Symlink-Target": "{c}/target", "X-Object-Meta-Kind": "link"}, b"")
    look = Step("GET", "/{c}/o", query="symlink=get")
    compare(
        cloud,
        "links",
        [
            *VERSIONED,
            *(write(b"hello", "target"), link, KEPT, write(b"plain"), KEPT, LOOK),
            *(Step("PUT", "/{c}/o", {**link.headers, "X-Symlink-Target-Etag": ETAG}, b""), KEPT, write(b"x"), KEPT),
            *(Step("COPY", "/{c}/o", {"Destination": "{c}/copy"}), Step("GET", "/{c}/copy", query="symlink=get")),
            *([DELETE, KEPT, look, LOOK] * 4),
            *(link, Step("COPY", "/{c}/o", {"Destination": "{c}/copy"}), Step("GET", "/{c}/copy", query="symlink=get")),
            Step("COPY", "/{c}/o", {"Destination": "{c}/copy"}, query="symlink=get"),
            Step("GET", "/{c}/copy", query="symlink=get"),
            Step("GET", "/{c}/copy"),
        ],
    )


@pytest.mark.parametrize("writer", SIDES)
def test_either_brings_back_what_the_other_has_kept(cloud: Cloud, writer: str) -> None:
    reader = SIDES[1 - SIDES.index(writer)]
    container = f"/both-{writer}"
    for path, headers in (
        (f"{container}-versions", {}),
        (container, {"X-Versions-Location": f"both-{writer}-versions"}),
    ):
        assert cloud.ask(writer, "PUT", path, headers).status == 201
    for number in range(4):
        headers = {"X-Object-Meta-N": str(number), "Content-Type": f"x/{number}"}
        assert cloud.ask(writer, "PUT", f"{container}/é", headers, b"%d" % number).status == 201
    cloud.agree(f"{container[1:]}-versions")
    kept = json.loads(cloud.ask(reader, "GET", f"{container}-versions", query="format=json").body)
    assert len(kept) == 3
    for number in (2, 1, 0):
        assert cloud.ask(reader, "DELETE", f"{container}/é").status == 204
        for side in SIDES:
            found = cloud.ask(side, "GET", f"{container}/é")
            told = found.headers["x-object-meta-n"], found.headers["content-type"], found.body
            assert told == (str(number), f"x/{number}", b"%d" % number)
    source = f"{container}-versions/{kept[0]['name']}"
    assert cloud.ask(reader, "COPY", source, {"Destination": f"{container[1:]}/old"}).status == 404
