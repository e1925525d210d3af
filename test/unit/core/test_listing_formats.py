"""Listing formats: which one a client gets, and the exact text of each (formats.md 7.7)."""

from __future__ import annotations

import json
import xml.etree.ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.listing import Subdir
from swiftlite.core.listing_formats import (
    JSON,
    PLAIN,
    TEXT_XML,
    XML,
    choose_format,
    container_entry,
    last_modified,
    object_entry,
    read_entries,
    render_containers,
    render_objects,
)
from swiftlite.core.listing_formats import render as render_pieces
from swiftlite.core.timestamp import Timestamp


@pytest.mark.parametrize(
    ("parameter", "accept", "chosen"),
    [
        (None, None, PLAIN),
        (None, "", PLAIN),
        ("json", None, JSON),
        ("JSON", "text/plain", JSON),
        ("xml", None, XML),
        ("plain", JSON, PLAIN),
        ("unknown", JSON, PLAIN),
        ("", JSON, JSON),
        (None, "*/*", PLAIN),
        (None, "text/*", PLAIN),
        (None, "application/*", JSON),
        (None, "*/xml", XML),
        (None, "text/xml", TEXT_XML),
        (None, "Text/XML", TEXT_XML),
        (None, "application/xml;q=0.5,application/json;q=0.4", XML),
        (None, "*/*,application/json", JSON),
        (None, "application/xml,application/json", XML),
        (None, "application/json;q=0.5;x=y, text/xml;q=0.5", JSON),
        (None, "text/plain;q=0, */*", JSON),
        (None, "image/png, application/json;q=0.1", JSON),
        (None, "image/png", None),
        (None, "application/json;q=0", None),
    ],
)
def test_choosing_a_format(parameter: str | None, accept: str | None, chosen: str | None) -> None:
    assert choose_format(parameter, accept) == chosen


@pytest.mark.parametrize(
    "accept", ["bad", "text/plain;q=foo", "text/plain/foo", "*", "text/plain;q", "a b/c", "a/b;q=nan", ",", "a/b,"]
)
def test_an_accept_header_that_makes_no_sense(accept: str) -> None:
    with pytest.raises(ValueError, match="Invalid Accept header"):
        choose_format(None, accept)


def render(media_type: str, kind: str, name: str, entries: list[dict]) -> bytes:
    return b"".join(render_pieces(media_type, kind, name, entries))


ROWS = [
    ("a<&>\"'", "1402464677.04188", 3, "text/plain; charset=utf-8", "h"),
    Subdir('d"<&\n/'),
    ("é", "1402464677.04188+0+a", 329, "x/y;swift_bytes=7", "e; slo_etag=z"),
]
OBJECTS = [
    {
        "bytes": 3,
        "hash": "h",
        "name": "a<&>\"'",
        "content_type": "text/plain;charset=utf-8",
        "last_modified": "2014-06-11T05:31:17.041880",
    },
    {"subdir": 'd"<&\n/'},
    {
        "bytes": 7,
        "hash": "e; slo_etag=z",
        "name": "é",
        "content_type": "x/y",
        "last_modified": "2014-06-11T05:31:17.041980",
    },
]


def test_entries_of_a_container() -> None:
    entries = [object_entry(row) for row in ROWS]
    assert entries == OBJECTS
    assert list(entries[0]) == ["bytes", "hash", "name", "content_type", "last_modified"]


def test_entries_of_an_account() -> None:
    rows = [("c", 1, 2, "1402464677.04188", 1), ("d", 0, 0, "1402464677.04188", 9), Subdir("e/")]
    assert [container_entry(row, {1: "silver"}) for row in rows] == [
        {
            "name": "c",
            "count": 1,
            "bytes": 2,
            "last_modified": "2014-06-11T05:31:17.041880",
            "storage_policy": "silver",
        },
        {"name": "d", "count": 0, "bytes": 0, "last_modified": "2014-06-11T05:31:17.041880"},
        {"subdir": "e/"},
    ]


names = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
object_rows = st.tuples(
    names,
    st.sampled_from(
        ["1402464677.04188", "1402464677.04188+0+a", "0000000000.00000", "1402464677.04188_000000000000000a"]
    ),
    st.integers(0, 2**63 - 1),
    names | st.sampled_from(["text/plain; charset=utf-8", "a/b;swift_bytes=12", "a/b;c=d;swift_bytes=x"]),
    names,
)
container_rows = st.tuples(names, st.integers(0), st.integers(0), st.just("1402464677.04188"), st.integers(0, 2))


@given(st.sampled_from([JSON, PLAIN, XML, TEXT_XML]), st.lists(object_rows | st.builds(Subdir, names), max_size=5))
def test_rows_of_a_container_are_rendered_as_their_entries_are(media_type: str, rows: list) -> None:
    entries = [object_entry(row) for row in rows]
    assert b"".join(render_objects(media_type, "c", rows)) == render(media_type, "container", "c", entries)


@given(st.sampled_from([JSON, PLAIN, XML, TEXT_XML]), st.lists(container_rows | st.builds(Subdir, names), max_size=5))
def test_rows_of_an_account_are_rendered_as_their_entries_are(media_type: str, rows: list) -> None:
    policies = {0: "gold", 1: "silver"}
    entries = [container_entry(row, policies) for row in rows]
    assert b"".join(render_containers(media_type, "a", rows, policies)) == render(media_type, "account", "a", entries)


@pytest.mark.parametrize("media_type", [JSON, PLAIN, XML])
def test_a_long_listing_comes_in_pieces_that_join_without_a_seam(media_type: str) -> None:
    rows = [(f"n{number}", "1402464677.04188", number, "a/b", "e") for number in range(2345)]
    pieces = list(render_objects(media_type, "c", rows))
    assert len(pieces) > 4
    assert max(map(len, pieces)) < 2 * len(b"".join(pieces)) / len(pieces)
    whole = b"".join(pieces)
    assert whole == render(media_type, "container", "c", [object_entry(row) for row in rows])
    found = {
        JSON: lambda: [entry["name"] for entry in json.loads(whole)],
        PLAIN: lambda: whole.decode().splitlines(),
        XML: lambda: [element.text for element in xml.etree.ElementTree.fromstring(whole).iter("name")],
    }[media_type]()
    assert found == [row[0] for row in rows]


nasty = st.text(alphabet='}{, "[]\\\n\x00é', max_size=12)


@given(st.lists(st.dictionaries(nasty, nasty | st.integers(), min_size=1, max_size=3), max_size=6), st.integers(1, 90))
def test_a_json_list_is_read_in_pieces(entries: list, at_once: int) -> None:
    pieces = list(read_entries(json.dumps(entries).encode(), at_once))
    assert [entry for piece in pieces for entry in piece] == entries


def test_a_long_json_list_is_read_in_many_pieces() -> None:
    entries = [{"name": '}, {"', "hash": "ends with }, {"} for _ in range(10000)]
    pieces = list(read_entries(json.dumps(entries).encode()))
    assert len(pieces) > 4
    assert [entry for piece in pieces for entry in piece] == entries


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b"]", b"[1]x", b"[1], [2]", b"[{]", b'[{"a": "}, {"]', b"\xff", b"null"]
)
def test_what_is_no_json_list(body: bytes) -> None:
    with pytest.raises(ValueError):
        list(read_entries(body))


def test_plain_text() -> None:
    assert render(PLAIN, "container", "c", OBJECTS) == 'a<&>"\'\nd"<&\n/\né\n'.encode()
    assert render(PLAIN, "container", "c", []) == b""


def test_json_is_ascii() -> None:
    body = render(JSON, "container", "c", OBJECTS)
    assert body.isascii()
    assert json.loads(body) == OBJECTS
    assert render(JSON, "account", "a", []) == b"[]"


def test_xml_of_a_container() -> None:
    assert render(XML, "container", "c<\"'&\n", OBJECTS).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<container name="c&lt;&quot;\'&amp;&#10;">'
        "<object><name>a&lt;&amp;&gt;\"'</name><hash>h</hash><bytes>3</bytes>"
        "<content_type>text/plain;charset=utf-8</content_type>"
        "<last_modified>2014-06-11T05:31:17.041880</last_modified></object>"
        '<subdir name="d&quot;&lt;&amp;&#10;/"><name>d"&lt;&amp;\n/</name></subdir>'
        "<object><name>é</name><hash>e; slo_etag=z</hash><bytes>7</bytes><content_type>x/y</content_type>"
        "<last_modified>2014-06-11T05:31:17.041980</last_modified></object></container>"
    )
    assert render(XML, "container", "c", []) == b'<?xml version="1.0" encoding="UTF-8"?>\n<container name="c" />'


def test_xml_of_an_account() -> None:
    entries = [
        {"name": "c&", "count": 1, "bytes": 3, "last_modified": "L", "storage_policy": "gold"},
        {"subdir": "d/"},
        {"name": "e", "count": 0, "bytes": 0, "last_modified": ""},
    ]
    assert render(TEXT_XML, "account", "a", entries).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<account name="a">\n'
        "<container><name>c&amp;</name><count>1</count><bytes>3</bytes><last_modified>L</last_modified>"
        "<storage_policy>gold</storage_policy></container>\n"
        '<subdir name="d/" />\n'
        "<container><name>e</name><count>0</count><bytes>0</bytes><last_modified /></container>\n"
        "</account>"
    )
    assert render(XML, "account", "a", []) == b'<?xml version="1.0" encoding="UTF-8"?>\n<account name="a">\n</account>'


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_names_survive_xml(name: str) -> None:
    entry = {"name": name, "hash": "", "bytes": 0, "content_type": "", "last_modified": ""}
    document = xml.etree.ElementTree.fromstring(render(XML, "container", name, [entry, {"subdir": name}]))
    assert document.attrib["name"] == name
    assert document.findtext("object/name") == name
    assert document.find("subdir").attrib["name"] == name


@given(st.integers(0, 999_999_999_999_999))
def test_last_modified_is_the_iso_form(raw: int) -> None:
    moment = Timestamp(0, delta=raw)
    try:
        expected = moment.isoformat
    except OverflowError:
        return
    assert last_modified(moment.internal) == expected


@pytest.mark.parametrize(("digits", "shown"), [("9" * 19, int("9" * 19)), ("9" * 20, 5), ("9" * 5000, 5), ("x", 5)])
def test_a_size_that_nobody_can_keep_is_not_shown(digits: str, shown: int) -> None:
    rows = [("o", "1402464677.04188", 5, f"a/b;swift_bytes={digits}", "e")]
    (entry,) = json.loads(b"".join(render_objects(JSON, "c", rows)))
    assert (entry["bytes"], entry["content_type"]) == (shown, "a/b")
