"""Symbolic links and object versions: the same story told to either side's proxy has the same answers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from interop.cloud import Cloud, running, token
from interop.lab import SIDES, Answer, wait_until
from swiftlite.common.fs import FileSystem
from swiftlite.core.object_versions import split_version_name
from swiftlite.core.timestamp import Timestamp
from swiftlite.obj import xattrs

STORAGE = ("ours", "theirs", "ours")
FILTERS = """
user_test_guest = guest
user_test2_tester2 = testing2 .admin

[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo

[filter:dlo]
use = egg:swift#dlo

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true

[filter:symlink]
use = egg:swift#symlink
"""
PASSING = {
    "accept-ranges",
    "connection",
    "date",
    "keep-alive",
    "last-modified",
    "x-copied-from-last-modified",
    "x-openstack-request-id",
    "x-trans-id",
}
STEADY = 6
"""So many answers must be alike: each of three replicas was asked, most likely."""
TIME = re.compile(r"\d{10}\.\d{5}(?!\d)")
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+")


class Step(NamedTuple):
    """One request of a story: ``{c}`` stands for the story's own container, and for a word of an earlier step's `keep`
    the version id that it was answered."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes | None = None
    query: str = ""
    keep: str = ""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Both proxies over servers of both sides."""
    with running(tmp_path_factory.mktemp("links"), STORAGE, FILTERS) as cloud:
        cloud.token = token(cloud, "ours")
        yield cloud


def tell(cloud: Cloud, side: str, name: str, story: Sequence[Step]) -> tuple[list[Step], list[Answer]]:
    """Send a story's requests to one proxy; return them as they were sent, and what was answered."""
    words = {"c": f"{side[0]}-{name}"}
    sent: list[Step] = []
    answers: list[Answer] = []
    settled = False
    for step in story:
        headers = {key: value.format(**words) for key, value in step.headers.items()}
        sent.append(step._replace(path=step.path.format(**words), headers=headers, query=step.query.format(**words)))
        if step.method in ("GET", "HEAD"):
            if step.path == "/{c}" and not settled:
                settle(cloud, side, sent[-1].path)
                settled = True
        else:
            settled = False
        answers.append(ask(cloud, side, sent[-1]))
        if step.keep:
            words[step.keep] = answers[-1].headers.get("x-object-version-id", "none")
    return sent, answers


def ask(cloud: Cloud, side: str, step: Step) -> Answer:
    """Make a story's request."""
    return cloud.ask(side, step.method, step.path, step.headers, step.body, step.query)


def settle(cloud: Cloud, side: str, container: str) -> None:
    """Return when the replicas of a container's listings agree."""
    cloud.agree(container[1:])
    alike, before = 0, None
    deadline = time.monotonic() + 60
    while alike < STEADY and time.monotonic() < deadline:
        answer = cloud.ask(side, "GET", container, query="versions")
        found = (
            answer.body,
            answer.headers.get("x-container-object-count"),
            answer.headers.get("x-container-bytes-used"),
        )
        alike, before = (alike + 1 if found == before else 1), found


def normalized(answers: Sequence[Answer], side: str, name: str) -> list[tuple[int, dict[str, str], str]]:
    """What of some answers both sides must say alike: moments become numbers, the container's name a word."""
    moments: dict[str, str] = {}

    def plain(text: str) -> str:
        text = text.replace(f"{side[0]}-{name}", "CONTAINER")
        text = ISO_TIME.sub("ISO", text)
        return TIME.sub(lambda found: moments.setdefault(found[0], f"T{len(moments)}"), text)

    told = []
    for answer in answers:
        body = answer.body.decode("utf-8", "replace")
        # Of an error the words matter, where it is more than the status that they explain; the charset does not.
        dropped = PASSING | ({"content-type", "content-length"} if answer.status >= 300 else set())
        if "x-container-object-count" in answer.headers:
            dropped.add("x-timestamp")  # when the replica that answers was made
        elif not body and answer.headers.get("content-type", "").startswith("text/html"):
            dropped.add("content-type")  # of nothing
        if body.startswith("<html>"):  # each side has words of its own for what a status means
            body = ""
            dropped |= {"content-length"}
        headers = {key: plain(value) for key, value in sorted(answer.headers.items()) if key not in dropped}
        told.append((answer.status, headers, plain(body)))
    return told


def compare(cloud: Cloud, name: str, story: Sequence[Step]) -> list[Answer]:
    """Tell a story to both proxies, hold the answers against each other, and return ours."""
    told = {side: tell(cloud, side, name, story) for side in SIDES}
    ours, theirs = (normalized(told[side][1], side, name) for side in SIDES)
    pairs = enumerate(zip(story, ours, theirs, strict=True))
    different = [
        f"step {number}: {step}\n{told_apart(our, their)}" for number, (step, our, their) in pairs if our != their
    ]
    assert not different, "\n".join(different)
    for side in SIDES:
        reads = {str(step): step for step in told[side][0] if step.method in ("GET", "HEAD")}
        read_by_both(cloud, side, name, list(reads.values()))
    return told["ours"][1]


def told_apart(ours: tuple[int, dict[str, str], str], theirs: tuple[int, dict[str, str], str]) -> str:
    """Where two answers differ, for a person."""
    both = (ours[1], theirs[1])
    names = [name for name in {**ours[1], **theirs[1]} if both[0].get(name) != both[1].get(name)]
    words = [f"{name}: ours {both[0].get(name)!r}, theirs {both[1].get(name)!r}" for name in names]
    words += [f"body: ours {ours[2]!r}\n    theirs {theirs[2]!r}"] if ours[2] != theirs[2] else []
    return "\n  ".join([f"ours {ours[0]}, theirs {theirs[0]}", *words])


def read_by_both(cloud: Cloud, writer: str, name: str, steps: Sequence[Step]) -> None:
    """What one side's proxy has made, both read alike."""
    answers = [normalized([ask(cloud, reader, step) for step in steps], writer, name) for reader in SIDES]
    for step, our, their in zip(steps, *answers, strict=True):
        assert our == their, f"{step} of what {writer} wrote"


ETAG = "5d41402abc4b2a76b9719d911017c592"  # of b"hello"
FIRST = "8b04d5e3775d298e78455efc5ca404d5"  # of b"first"
SLASHES = [
    Step("PUT", "/{c}"),
    Step("PUT", "/{c}/target", {"Content-Type": "text/plain", "X-Object-Meta-Kind": "target"}, b"hello"),
]


def link(name: str, target: str, **more: str) -> Step:
    """A link's PUT; more headers with underscores for dashes."""
    headers = {key.replace("_", "-"): value for key, value in more.items()}
    return Step("PUT", f"/{{c}}/{name}", {"X-Symlink-Target": target, **headers}, b"")


def test_dynamic_links(cloud: Cloud) -> None:
    compare(
        cloud,
        "dynamic",
        [
            *SLASHES,
            link("link", "{c}/target", X_Object_Meta_Kind="link"),
            Step("GET", "/{c}/link"),
            Step("HEAD", "/{c}/link"),
            Step("GET", "/{c}/link", query="symlink=get"),
            Step("HEAD", "/{c}/link", query="symlink=get"),
            Step("GET", "/{c}/target", query="symlink=get"),
            Step("GET", "/{c}/link", {"Range": "bytes=1-3"}),
            Step("GET", "/{c}/link", {"Range": "bytes=9-"}),
            Step("GET", "/{c}/link", {"If-Match": ETAG}),
            Step("GET", "/{c}/link", {"If-Match": "d41d8cd98f00b204e9800998ecf8427e"}),
            Step("GET", "/{c}/link", {"If-None-Match": ETAG}),
            Step("HEAD", "/{c}/link", {"If-None-Match": ETAG}),
            Step("GET", "/{c}/link", {"If-None-Match": "d41d8cd98f00b204e9800998ecf8427e"}),
            Step("GET", "/{c}/link", {"If-Modified-Since": "Sun, 01 Jan 2040 00:00:00 GMT"}),
            Step("POST", "/{c}/link", {"X-Object-Meta-Kind": "posted"}),
            Step("HEAD", "/{c}/link", query="symlink=get"),
            Step("HEAD", "/{c}/link"),
            Step("POST", "/{c}/link", {"X-Symlink-Target": "{c}/target"}),
            Step("POST", "/{c}/nothing", {"X-Object-Meta-Kind": "posted"}),
            Step("DELETE", "/{c}/link"),
            Step("GET", "/{c}/link"),
            Step("GET", "/{c}/target"),
            link("dangling", "{c}/nothing"),
            Step("GET", "/{c}/dangling"),
            Step("HEAD", "/{c}/dangling"),
            link("typed", "{c}/target", Content_Type="x/link"),
            Step("GET", "/{c}/typed", query="symlink=get"),
        ],
    )


def test_static_links(cloud: Cloud) -> None:
    compare(
        cloud,
        "static",
        [
            *SLASHES,
            link("link", "{c}/target", X_Symlink_Target_Etag=ETAG),
            Step("GET", "/{c}/link"),
            Step("HEAD", "/{c}/link", query="symlink=get"),
            link("quoted", "{c}/target", X_Symlink_Target_Etag=f'"{ETAG}"'),
            link("wrong", "{c}/target", X_Symlink_Target_Etag="0" * 32),
            link("missing", "{c}/nothing", X_Symlink_Target_Etag=ETAG),
            link("nowhere", "no-{c}/nothing", X_Symlink_Target_Etag=ETAG),
            link("bad", "{c}/target", X_Symlink_Target_Etag="a;b"),
            link("bad", "{c}/target", X_Symlink_Target_Etag="a\\b"),
            link("typed", "{c}/target", X_Symlink_Target_Etag=ETAG, Content_Type="x/link"),
            Step("HEAD", "/{c}/typed", query="symlink=get"),
            link("second", "{c}/link", X_Symlink_Target_Etag=ETAG),
            Step("GET", "/{c}/second"),
            link("dynamic", "{c}/target"),
            link("to-dynamic", "{c}/dynamic", X_Symlink_Target_Etag="d41d8cd98f00b204e9800998ecf8427e"),
            link("not-to-target", "{c}/dynamic", X_Symlink_Target_Etag=ETAG),
            Step("GET", "/{c}/to-dynamic"),
            Step("POST", "/{c}/link", {"X-Object-Meta-A": "b"}),
            Step("PUT", "/{c}/target", {}, b"other"),
            Step("GET", "/{c}/link"),
            Step("HEAD", "/{c}/link"),
            Step("GET", "/{c}/second"),
            Step("GET", "/{c}/link", query="symlink=get"),
            link("second", "{c}/link", X_Symlink_Target_Etag=ETAG),
            Step("DELETE", "/{c}/target"),
            Step("GET", "/{c}/link"),
            Step("GET", "/{c}", query="format=json"),
        ],
    )


def test_chains_and_bad_requests(cloud: Cloud) -> None:
    utf8 = "é".encode().decode("latin-1")
    compare(
        cloud,
        "bad",
        [
            *SLASHES,
            link("one", "{c}/target"),
            link("two", "{c}/one"),
            link("three", "{c}/two"),
            Step("GET", "/{c}/two"),
            Step("GET", "/{c}/three"),
            Step("HEAD", "/{c}/three"),
            link("self", "{c}/self"),
            link("slash", "/{c}/target"),
            link("slash", "%2f{c}/target"),
            link("half", "{c}"),
            link("half", "{c}/"),
            link("none", ""),
            link("account", "{c}/target", X_Symlink_Target_Account="AUTH/test"),
            link("account", "{c}/target", X_Symlink_Target_Account=""),
            link("account", "{c}/account", X_Symlink_Target_Account="AUTH_test"),
            link("account", "{c}/target", X_Symlink_Target_Account="AUTH_test"),
            Step("GET", "/{c}/account"),
            link("foreign", "{c}/target", X_Symlink_Target_Account="AUTH_test2"),
            Step("GET", "/{c}/foreign"),
            link("foreign-static", "{c}/target", X_Symlink_Target_Account="AUTH_test2", X_Symlink_Target_Etag=ETAG),
            Step("PUT", "/{c}/body", {"X-Symlink-Target": "{c}/target"}, b"body"),
            Step("PUT", "/{c}/é /x", {}, b"quoted"),
            link("reserved", "%00{c}/%00o"),
            Step("GET", "/{c}/reserved"),
            link("reserved-static", "%00{c}/%00o", X_Symlink_Target_Etag=ETAG),
            link("quoted", "{c}/%c3%a9%20/x"),
            link("raw", "{c}/" + utf8 + " /x"),
            Step("GET", "/{c}/quoted"),
            Step("GET", "/{c}/raw"),
            Step("GET", "/{c}/raw", query="symlink=get"),
            Step("PUT", "/{c}/ordinary", {"X-Symlink-Target-Etag": ETAG}, b"x"),
            Step("GET", "/{c}", query="format=json"),
            Step("GET", "/{c}", query="format=xml"),
            Step("GET", "/{c}"),
            Step("HEAD", "/{c}"),
        ],
    )


def put(name: str, body: bytes, keep: str = "", **more: str) -> Step:
    """An object's PUT."""
    headers = {key.replace("_", "-"): value for key, value in more.items()}
    return Step("PUT", f"/{{c}}/{name}", {"Content-Type": "text/plain; charset=x", **headers}, body, keep=keep)


ENABLE = Step("PUT", "/{c}", {"X-Versions-Enabled": "true"})
LISTINGS = [
    Step("GET", "/{c}", query="versions"),
    Step("GET", "/{c}", query="format=json"),
    Step("GET", "/{c}"),
    Step("GET", "/{c}", query="format=xml"),
    Step("HEAD", "/{c}"),
]


def test_versions_of_an_object(cloud: Cloud) -> None:
    compare(
        cloud,
        "life",
        [
            ENABLE,
            Step("HEAD", "/{c}"),
            put("o", b"one", "one", X_Object_Meta_Number="1"),
            put("o", b"second", "two", X_Object_Meta_Number="2"),
            Step("GET", "/{c}/o"),
            Step("HEAD", "/{c}/o"),
            Step("GET", "/{c}/o", query="symlink=get"),
            Step("GET", "/{c}/o", query="version-id={one}"),
            Step("HEAD", "/{c}/o", query="version-id={one}"),
            Step("GET", "/{c}/o", query="version-id={two}"),
            Step("GET", "/{c}/o", {"Range": "bytes=1-2"}),
            Step("GET", "/{c}/o", {"Range": "bytes=1-2"}, query="version-id={one}"),
            Step("GET", "/{c}/o", query="version-id=null"),
            Step("GET", "/{c}/o", query="version-id=1234567890.12345"),
            Step("GET", "/{c}/o", query="version-id=nonsense"),
            Step("GET", "/{c}/none"),
            Step("POST", "/{c}/o", {"X-Object-Meta-Number": "posted"}),
            Step("HEAD", "/{c}/o"),
            Step("HEAD", "/{c}/o", query="version-id={one}"),
            Step("POST", "/{c}/o", {"X-Object-Meta-Number": "3"}, query="version-id={one}"),
            Step("POST", "/{c}/none", {"X-Object-Meta-Number": "3"}),
            *LISTINGS,
            Step("DELETE", "/{c}/o", keep="gone"),
            Step("GET", "/{c}/o"),
            Step("GET", "/{c}/o", query="version-id={gone}"),
            Step("HEAD", "/{c}/o", query="version-id={gone}"),
            Step("GET", "/{c}/o", query="version-id={two}"),
            Step("DELETE", "/{c}/none"),
            *LISTINGS,
            Step("PUT", "/{c}/o", {}, b"", "version-id={one}"),
            Step("GET", "/{c}/o"),
            *LISTINGS,
            Step("PUT", "/{c}/o", {}, b"body", "version-id={one}"),
            Step("PUT", "/{c}/o", {}, b"", "version-id=null"),
            Step("PUT", "/{c}/o", {}, b"", "version-id=1234567890.12345"),
            Step("PUT", "/{c}/o", {"ETag": "0" * 32}, b"wrong"),
            Step("DELETE", "/{c}/o", query="version-id={two}"),
            Step("GET", "/{c}/o", query="version-id={two}"),
            Step("DELETE", "/{c}/o", query="version-id={one}"),
            Step("GET", "/{c}/o"),
            Step("DELETE", "/{c}/o", query="version-id=1234567890.12345"),
            Step("DELETE", "/{c}/o", query="version-id=nonsense"),
            Step("DELETE", "/{c}"),
            Step("GET", "/{c}", query="versions"),
        ],
    )


def test_switching(cloud: Cloud) -> None:
    compare(
        cloud,
        "switch",
        [
            Step("PUT", "/{c}"),
            put("before", b"before"),
            put("o", b"null one"),
            Step("GET", "/{c}/o", query="version-id=null"),
            Step("GET", "/{c}/o", query="version-id=1234567890.12345"),
            Step("GET", "/{c}", query="versions"),
            Step("POST", "/{c}", {"X-Versions-Enabled": "true"}),
            Step("HEAD", "/{c}"),
            Step("GET", "/{c}/o"),
            put("o", b"first", "first"),
            Step("DELETE", "/{c}/before"),
            *LISTINGS,
            Step("POST", "/{c}", {"X-Versions-Enabled": "false"}),
            Step("HEAD", "/{c}"),
            put("o", b"null two"),
            Step("GET", "/{c}/o"),
            Step("GET", "/{c}/o", query="version-id=null"),
            Step("GET", "/{c}/o", query="version-id={first}"),
            *LISTINGS,
            put("o", b"null three"),
            Step("DELETE", "/{c}/o"),
            *LISTINGS,
            Step("DELETE", "/{c}"),
            put("o", b"null four"),
            Step("POST", "/{c}", {"X-Versions-Enabled": "nonsense"}),
            Step("HEAD", "/{c}"),
            Step("POST", "/{c}", {"X-Versions-Enabled": "true"}),
            put("o", b"fifth"),
            *LISTINGS,
            Step("DELETE", "/{c}/o", query="version-id=null"),
            *LISTINGS,
            Step("POST", "/no-{c}", {"X-Versions-Enabled": "true"}),
        ],
    )


def test_conflicts_with_other_features(cloud: Cloud) -> None:
    compare(
        cloud,
        "others",
        [
            Step("PUT", "/{c}", {"X-Versions-Location": "archive"}),
            Step("POST", "/{c}", {"X-Versions-Enabled": "true"}),
            Step("POST", "/{c}", {"X-Versions-Location": ""}),
            Step("POST", "/{c}", {"X-Container-Sync-To": "http://127.0.0.1/v1/a/c"}),
            Step("POST", "/{c}", {"X-Versions-Enabled": "true"}),
            Step("POST", "/{c}", {"X-Versions-Enabled": "false"}),
            Step("PUT", "/{c}-silver", {"X-Versions-Enabled": "true", "X-Storage-Policy": "silver"}),
            put("../{c}-silver/o", b"x"),
            Step("HEAD", "/{c}-silver"),
            Step("DELETE", "/{c}-silver"),
        ],
    )


def test_deleting_a_container_deletes_its_hidden_one(cloud: Cloud) -> None:
    compare(
        cloud,
        "delete",
        [
            ENABLE,
            put("o", b"one", "one"),
            Step("DELETE", "/{c}"),
            Step("DELETE", "/{c}/o", keep="gone"),
            Step("DELETE", "/{c}"),
            Step("DELETE", "/{c}/o", query="version-id={one}"),
            Step("DELETE", "/{c}/o", query="version-id={gone}"),
            *LISTINGS,
            Step("DELETE", "/{c}"),
            Step("HEAD", "/{c}"),
            Step("PUT", "/{c}"),
            Step("HEAD", "/{c}"),
        ],
    )


def test_listings_of_many_versions(cloud: Cloud) -> None:
    names = ["a/1", "a/2", "b", "é漢", "z"]
    queries = [
        "limit=3",
        "limit=0",
        "limit=99999",
        "reverse=true",
        "prefix=a/",
        "prefix=a",
        "delimiter=/",
        "delimiter=/&prefix=a/",
        "delimiter=0",
        "delimiter=.",
        "marker=a/2",
        "marker=a/2&version_marker=null",
        "marker=a/2&version_marker={v}",
        "marker=a/2&version_marker=nonsense",
        "version_marker={v}",
        "marker=b&reverse=on",
        "end_marker=b",
        "format=plain",
        "format=xml",
    ]
    listings = [Step("GET", "/{c}", query=f"versions&{query}") for query in queries]
    listings += [
        Step("GET", "/{c}", {"Accept": accept}, query="versions") for accept in ("text/plain", "application/*")
    ]
    compare(
        cloud,
        "many",
        [
            Step("PUT", "/{c}"),
            put("a/2", b"null"),
            put("null", b"null"),
            Step("POST", "/{c}", {"X-Versions-Enabled": "true"}),
            *(put(name, b"%d" % number, keep="v" if name == "a/2" else "") for number in (1, 2) for name in names),
            Step("DELETE", "/{c}/b"),
            *LISTINGS,
            *listings,
        ],
    )


def test_versions_of_links_and_manifests(cloud: Cloud) -> None:
    compare(
        cloud,
        "kinds",
        [
            ENABLE,
            *SLASHES[1:],
            link("link", "{c}/target"),
            Step("GET", "/{c}/link"),
            Step("GET", "/{c}/link", query="symlink=get"),
            link("link", "{c}/target", X_Symlink_Target_Etag=ETAG),
            Step("GET", "/{c}/link"),
            put("link", b"now a file", "file"),
            Step("GET", "/{c}/link"),
            Step("GET", "/{c}/link", query="version-id={file}"),
            put("conditional", b"x", If_None_Match="*"),
            put("typeless", b"x", Content_Type="application/json; charset=utf-8"),
            Step("GET", "/{c}/typeless"),
            Step("PUT", "/{c}/dlo", {"X-Object-Manifest": "{c}/targ"}, b""),
            Step("GET", "/{c}/dlo"),
            put("expires", b"x", X_Delete_At="4000000000"),
            Step("HEAD", "/{c}/expires"),
            *LISTINGS,
        ],
    )


def stored(cloud: Cloud, side: str, name: str) -> dict[str, dict[str, str]]:
    """All metadata of the objects that a story has left on the disks, by the object's name; moments are numbers."""
    container = f"{side[0]}-{name}"
    found: dict[str, dict[str, str]] = {}
    for path in sorted(path for root in cloud.devices for path in root.glob("*/objects/*/*/*/*.data")):
        with open(path, "rb") as file:
            metadata = xattrs.read(FileSystem(), file.fileno())
        if container in metadata["name"]:
            found[metadata["name"]] = metadata
    # The same story has the same moments in the same order.
    times = {metadata["X-Timestamp"][:16] for metadata in found.values()}
    times |= {identity for name in found if (identity := split_version_name("\0" + name.rpartition("/\0")[2])[1])}
    words = {moment: f"T{number}" for number, moment in enumerate(sorted(times))}
    words |= {(~Timestamp(moment)).internal: f"~{word}" for moment, word in words.items()}

    def plain(text: str) -> str:
        return TIME.sub(lambda found: words.get(found[0], found[0]), text).replace(container, "CONTAINER")

    return {
        plain(name): {key: plain(value) for key, value in metadata.items()} for name, metadata in sorted(found.items())
    }


def test_both_store_the_same_metadata(cloud: Cloud) -> None:
    story = [
        Step("PUT", "/{c}"),
        put("null", b"null", X_Object_Meta_A="b"),
        Step("POST", "/{c}", {"X-Versions-Enabled": "true"}),
        put("o", b"first", X_Object_Meta_A="b"),
        put("null", b"second"),
        put("gone", b"gone"),
        Step("DELETE", "/{c}/gone"),
        Step("PUT", "/{c}-plain"),
        Step("PUT", "/{c}-plain/target", {"Content-Type": "a/b"}, b"hello"),
        Step("PUT", "/{c}-plain/dynamic", {"X-Symlink-Target": "{c}-plain/target"}, b""),
        Step("PUT", "/{c}-plain/static", {"X-Symlink-Target": "{c}/o", "X-Symlink-Target-Etag": FIRST}, b""),
    ]
    compare(cloud, "disk", story)
    ours, theirs = (stored(cloud, side, "disk") for side in SIDES)
    assert len(ours) == 10
    assert ours == theirs


def test_accounts_count_the_bytes_of_versions(cloud: Cloud) -> None:
    for number in range(3):
        assert cloud.ask("ours", "PUT", f"/counted{number}", {"X-Versions-Enabled": "true"}).status == 201
        for body in (b"x" * 100, b"y" * 1000):
            assert cloud.ask("ours", "PUT", f"/counted{number}/o", {}, body).status == 201
    assert cloud.ask("ours", "PUT", "/counted-not").status == 201

    def counted() -> bool:
        cloud.run_updaters()
        answers = [cloud.ask(side, "GET", "", query="format=json&prefix=counted") for side in SIDES * 6]
        told = [normalized([answer], "ours", "account") for answer in answers]
        return all(one == told[0] for one in told) and told[0][0][2].count('"bytes": 1100') == 3

    wait_until(counted, "both count all bytes", 180)
    queries = [
        "limit=2",
        "limit=2&reverse=on",
        "marker=counted0",
        "end_marker=counted1",
        "prefix=counted1",
        "delimiter=1",
    ]
    for query in [*queries, "prefix=none", "format=xml", "format=plain", "limit=nonsense"]:
        asked = query if "prefix" in query else f"prefix=counted&{query}"
        asked = asked if "format" in query else f"format=json&{asked}"
        ours, theirs = (normalized([cloud.ask(side, "GET", "", query=asked)], side, "account") for side in SIDES)
        assert ours == theirs, query
