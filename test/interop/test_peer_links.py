"""Symbolic links and object versions: the same story told to either side's proxy has the same answers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from fakes.ports import free_port
from interop.conftest import SWIFT_CONF
from interop.lab import SIDES, Answer, Lab
from interop.test_peer_cluster import Cloud, start, token

STORAGE = ("ours", "theirs", "ours")
PIPELINE = "tempauth copy versioned_writes symlink proxy-logging"
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
TIME = re.compile(r"\d{10}\.\d{5}(?!\d)")
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+")


class Step(NamedTuple):
    """One request of a story: ``{c}`` stands for the story's own container, ``{v1}`` for the version id that its step
    number 1 was answered."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes | None = None
    query: str = ""


class LinkLab(Lab):
    """A lab whose proxies have the filters of this file's subject."""

    def write_conf(self, kind: str, devices: Path, address: tuple[str, int], extra: str = "") -> Path:
        """Write the conf of a server; a proxy's with more filters."""
        path = super().write_conf(kind, devices, address, extra)
        if kind == "proxy":
            text = path.read_text()
            if "versioned_writes" not in text:
                path.write_text(text.replace("tempauth proxy-logging", PIPELINE, 1) + FILTERS)
        return path


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Both proxies over servers of both sides."""
    directory = tmp_path_factory.mktemp("links")
    (directory / "etc").mkdir()
    (directory / "etc/swift.conf").write_text(SWIFT_CONF)
    port = free_port()
    lab = LinkLab(directory / "etc", directory, memcached=f"127.0.0.1:{port}")
    user = ["-u", "root"] if directory.owner() == "root" else []
    memcached = subprocess.Popen(["memcached", *user, "-l", "127.0.0.1", "-p", str(port)])
    try:
        made = start(lab, STORAGE)
        made.token = token(made, "ours")
        yield made
    finally:
        lab.stop()
        memcached.kill()
        memcached.wait()


def tell(cloud: Cloud, side: str, name: str, story: Sequence[Step]) -> list[Answer]:
    """Send a story's requests to one proxy, about a container of its own."""
    return tell_of(cloud, side, side, name, story)


def tell_of(cloud: Cloud, side: str, owner: str, name: str, story: Sequence[Step]) -> list[Answer]:
    """Send a story's requests to one proxy, about the container of either."""
    words = {"c": f"{owner[0]}-{name}"}
    answers = []
    for number, step in enumerate(story):
        headers = {key: value.format(**words) for key, value in step.headers.items()}
        path, query = step.path.format(**words), step.query.format(**words)
        answer = cloud.ask(side, step.method, path, headers, step.body, query)
        words[f"v{number}"] = answer.headers.get("x-object-version-id", "none")
        answers.append(answer)
    return answers


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
        body = "" if body.startswith("<html>") else body
        headers = {key: plain(value) for key, value in sorted(answer.headers.items()) if key not in dropped}
        told.append((answer.status, headers, plain(body)))
    return told


def compare(cloud: Cloud, name: str, story: Sequence[Step]) -> list[Answer]:
    """Tell a story to both proxies, hold the answers against each other, and return ours."""
    told = {side: tell(cloud, side, name, story) for side in SIDES}
    ours, theirs = (normalized(told[side], side, name) for side in SIDES)
    pairs = enumerate(zip(story, ours, theirs, strict=True))
    different = [
        f"step {number}: {step}\nours   {our}\ntheirs {their}" for number, (step, our, their) in pairs if our != their
    ]
    assert not different, "\n".join(different)
    for side in SIDES:
        read_by_both(cloud, side, name, [step for step in story if step.method in ("GET", "HEAD")])
    return told["ours"]


def read_by_both(cloud: Cloud, writer: str, name: str, steps: Sequence[Step]) -> None:
    """What one side's proxy has made, both read alike."""
    steps = [step for step in steps if "{v" not in step.path + step.query]
    answers = [normalized(tell_of(cloud, reader, writer, name, steps), writer, name) for reader in SIDES]
    for step, our, their in zip(steps, *answers, strict=True):
        assert our == their, f"{step} of what {writer} wrote"


ETAG = "5d41402abc4b2a76b9719d911017c592"  # of b"hello"
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
