"""Copies and old versions: the same requests to either side's proxy have the same answers, and leave the same objects."""

from __future__ import annotations

import json

import pytest

from interop.lab import SIDES
from interop.test_peer_cluster import Cloud
from interop.test_peer_links import Step, cloud, compare

__all__ = ["cloud"]

ETAG = "5d41402abc4b2a76b9719d911017c592"  # of b"hello"
FUTURE = "Sun, 01 Jan 2040 00:00:00 GMT"
PAST = "Sun, 01 Jan 1990 00:00:00 GMT"
E_ACUTE = "é".encode().decode("latin-1")
UTF8 = "é漢ÿ".encode().decode("latin-1")
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
    for path, headers in ((f"{container}-versions", {}), (container, {"X-Versions-Location": f"both-{writer}-versions"})):
        assert cloud.ask(writer, "PUT", path, headers).status == 201
    for number in range(4):
        headers = {"X-Object-Meta-N": str(number), "Content-Type": f"x/{number}"}
        assert cloud.ask(writer, "PUT", f"{container}/é", headers, b"%d" % number).status == 201
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
