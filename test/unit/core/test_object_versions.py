"""Object versions: names sort newest first and can be read back; listings are merged as formats.md 7.14 has it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core import object_versions
from swiftlite.core.constraints import Violation
from swiftlite.core.object_versions import VersionListing, split_version_name, version_id, version_name
from swiftlite.core.timestamp import MAX_OFFSET, MAX_RAW, Timestamp
from swiftlite.core.versions import DELETE_MARKER

NAME = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1)
RAW = st.integers(0, MAX_RAW - 1)
OFFSET = st.just(0) | st.integers(0, MAX_OFFSET)


def moment(raw: int, offset: int = 0) -> Timestamp:
    return Timestamp(Timestamp(0, delta=raw), offset=offset)


@given(NAME, RAW, OFFSET)
def test_a_versions_name_can_be_read_back(name: str, raw: int, offset: int) -> None:
    identity = moment(raw, offset).internal
    assert split_version_name(version_name(name, identity)) == (name, identity)


@given(NAME, RAW, OFFSET, RAW, OFFSET)
def test_newer_versions_sort_first(name: str, raw: int, offset: int, other_raw: int, other_offset: int) -> None:
    one, other = moment(raw, offset), moment(other_raw, other_offset)
    names = version_name(name, one.internal), version_name(name, other.internal)
    assert (names[0] < names[1]) == (one > other)


@given(NAME, RAW, NAME)
def test_markers_stand_before_and_behind_all_versions(name: str, raw: int, other: str) -> None:
    found = version_name(name, moment(raw).internal)
    before = object_versions.versions_query({"marker": name, "version_marker": "null"}).marker
    behind = object_versions.versions_query({"marker": name}).marker
    assert before < found < behind
    if other > name:
        assert behind < version_name(other, moment(0).internal)


@given(RAW, OFFSET)
def test_an_offset_is_no_part_of_a_new_versions_id(raw: int, offset: int) -> None:
    assert version_id(moment(raw, offset)) == version_id(moment(raw)) == moment(raw).normal


def test_the_name_of_the_specification() -> None:
    assert version_name("o", "1402464677.04188") == "\x00o\x008597535322.95811"
    assert object_versions.hidden_container("c") == "\x00versions\x00c"


@pytest.mark.parametrize(
    "name", ["o", "\x00o", "\x00o\x00x", "\x00o\x00", "\x00a\x00b\x001.0", "x\x00o\x001402464677.04188"]
)
def test_other_names_are_of_no_version(name: str) -> None:
    assert split_version_name(name) == (name, None)


@given(NAME)
def test_a_hidden_container_tells_whose_it_is(container: str) -> None:
    assert object_versions.container_of(object_versions.hidden_container(container)) == container
    assert object_versions.container_of(container) == container


@pytest.mark.parametrize(
    "query, words",
    [
        ({"version_marker": "1402464677.04188"}, "version_marker param requires marker"),
        ({"marker": "o", "version_marker": "x"}, "invalid version_marker param"),
        ({"delimiter": "a0"}, "invalid delimiter param"),
        ({"delimiter": "."}, "invalid delimiter param"),
        ({"delimiter": "\x00"}, "invalid delimiter param"),
        ({"marker": "a\x00"}, "invalid marker param"),
        ({"prefix": "\x00"}, "invalid prefix param"),
    ],
)
def test_bad_queries(query: dict[str, str], words: str) -> None:
    with pytest.raises(Violation) as caught:
        object_versions.versions_query(query)
    assert (caught.value.status, caught.value.message) == (400, words)


@pytest.mark.parametrize("text", ["x", "null", "", "1_2_3", "-1"])
def test_bad_version_ids(text: str) -> None:
    with pytest.raises(Violation) as caught:
        object_versions.check_version_id(text)
    assert caught.value.status == 400


HIDDEN = "\x00versions\x00c"


def version(name: str, identity: str, **more: Any) -> dict[str, Any]:
    row = {"bytes": 5, "hash": "h", "content_type": "t/t", "last_modified": "now"}
    return {**row, "name": version_name(name, identity), **more}


def link(name: str, identity: str) -> dict[str, Any]:
    """An entry as the filter for links shows it."""
    path = object_versions.quote_path(f"/v1/a/{HIDDEN}/{version_name(name, identity)}")
    row = {"name": name, "hash": "d41d8; slo_etag=s", "bytes": 0, "content_type": "t/t", "last_modified": "now"}
    return {**row, "symlink_path": path, "symlink_etag": "e", "symlink_bytes": 17}


def shown(listing: VersionListing) -> list[tuple[str, str, bool]]:
    entries = listing.entries(reverse=False, limit=100)
    return [(e["name"], e["version_id"], e["is_latest"]) if "name" in e else (e["subdir"], "", False) for e in entries]


def current(*entries: dict[str, Any]) -> VersionListing:
    for entry in entries:
        object_versions.show_target(entry, "c", HIDDEN, keep_path=True)
    return VersionListing(entries)


def test_a_listing_shows_the_version_behind_a_link() -> None:
    entry = link("é/o", "0000000002.00000")
    object_versions.show_target(entry, "c", HIDDEN, keep_path=False)
    assert (entry["bytes"], entry["hash"], entry["version_symlink"]) == (17, "e; slo_etag=s", True)
    assert entry["symlink_path"] == "/v1/a/c/%C3%A9/o?version-id=0000000002.00000"
    assert "symlink_etag" not in entry


def test_a_link_to_elsewhere_stays_what_it_is() -> None:
    entry = {**link("o", "0000000002.00000"), "symlink_path": "/v1/a/other/o"}
    before = dict(entry)
    object_versions.show_target(entry, "c", HIDDEN, keep_path=False)
    assert entry == before


def test_the_linked_version_is_the_latest() -> None:
    listing = current(link("o", "0000000002.00000"))
    listing.add_versions([version("o", f"000000000{n}.00000") for n in (3, 2, 1)], "a", HIDDEN)
    assert shown(listing) == [
        ("o", "0000000003.00000", False),
        ("o", "0000000002.00000", True),
        ("o", "0000000001.00000", False),
    ]


def test_a_delete_marker_is_the_latest_where_nothing_is_linked() -> None:
    listing = current()
    marker = {"content_type": DELETE_MARKER}
    listing.add_versions(
        [version("o", "0000000003.00000", **marker), version("o", "0000000001.00000", **marker)], "a", HIDDEN
    )
    assert [entry[2] for entry in shown(listing)] == [True, False]


def test_a_null_version_is_the_latest_and_stands_first() -> None:
    listing = current({"name": "o", "hash": "h", "bytes": 1}, {"subdir": "a/"})
    listing.add_versions(
        [version("o", "0000000003.00000", content_type=DELETE_MARKER), {"subdir": "\x00a/"}, {"subdir": "\x00z/"}],
        "a",
        HIDDEN,
    )
    assert shown(listing) == [
        ("a/", "", False),
        ("o", "null", True),
        ("o", "0000000003.00000", False),
        ("z/", "", False),
    ]


def test_links_stand_in_for_lost_versions() -> None:
    listing = current(link("o", "0000000002.00000"))
    listing.add_links()
    assert shown(listing) == [("o", "0000000002.00000", True)]


def test_an_account_counts_the_bytes_of_versions() -> None:
    containers = [{"name": "c", "bytes": 1, "count": 2}, {"name": "d", "bytes": 3, "count": 4}, {"subdir": "x"}]
    hidden = [{"name": HIDDEN, "bytes": 10, "count": 7}, {"name": "\x00versions\x00lost", "bytes": 9, "count": 7}]
    assert object_versions.with_hidden_bytes(containers, hidden) == [
        {"name": "c", "bytes": 11, "count": 2},
        {"name": "d", "bytes": 3, "count": 4},
        {"subdir": "x"},
        {"name": "lost", "bytes": 9, "count": 0},
    ]


@given(st.dictionaries(st.sampled_from(["prefix", "marker", "end_marker", "limit"]), NAME))
def test_hidden_containers_are_listed_as_their_owners_are(query: dict[str, str]) -> None:
    asked = object_versions.hidden_listing_query(query)
    assert asked.get("limit") == query.get("limit")
    for name in ("prefix", "marker", "end_marker"):
        if name in query:
            assert asked[name] == object_versions.hidden_container(query[name])
    assert "prefix" in asked
