"""Manifests of static large objects: what is refused and why, what is stored, which bytes answer a range."""

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core import manifest
from swiftlite.core.manifest import Found, ManifestError, Segment, TooDeep
from swiftlite.core.ranges import RangeRequest

OWN = "/c/own"
PLACE = {"path": "/c/o"}
DATA = {"data": base64.b64encode(b"hello").decode()}


def found(size=10, etag="e", **changes):
    """What a HEAD told of an object that is there."""
    told = Found("200 OK", size, etag, "text/plain; a=b", "Sun, 22 Nov 2026 19:38:20 GMT", False)
    return told._replace(**changes)


# What a client sends


@pytest.mark.parametrize("path", ["/c/o", "c/o", "//c/o", "/c/o/", "/c/é 漢"])
def test_a_path_begins_with_one_slash(path):
    (wanted,) = manifest.parse_manifest(json.dumps([{"path": path}]).encode(), OWN)
    assert wanted.path == "/" + path.lstrip("/")
    assert (wanted.etag, wanted.size, wanted.span, wanted.data) == (None, None, None, None)


def test_everything_that_can_be_said_of_a_segment_is_read():
    entries = [{"path": "/c/o", "etag": "x", "size_bytes": "12", "range": " 1 - 5"}, DATA, {**PLACE, "range": None}]
    first, second, third = manifest.parse_manifest(json.dumps(entries).encode(), OWN)
    assert (first.etag, first.size, first.span.specs) == ("x", 12, ((1, 5),))
    assert second.data == b"hello"
    assert third.span is None


def test_a_manifest_may_be_empty():
    assert manifest.parse_manifest(b"[]", OWN) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Manifest must be valid JSON.\n"),
        (b"\xff", "Manifest must be valid JSON.\n"),
        (b"[" * 100000, "Manifest must be valid JSON.\n"),
        (b"{}", "Manifest must be a list.\n"),
        (b'"a"', "Manifest must be a list.\n"),
    ],
)
def test_what_is_no_list_is_refused(body, message):
    with pytest.raises(ManifestError) as refused:
        manifest.parse_manifest(body, OWN)
    assert str(refused.value) == message


TOO_SMALL = "too small; each segment must be at least 1 byte."
BAD_ENTRIES = [
    (5, "not a JSON object"),
    (None, "not a JSON object"),
    ({}, "expected keys to include one of 'data' or 'path'"),
    ({"etag": "x"}, "expected keys to include one of 'data' or 'path'"),
    ({"path": "/c/o", "b": 1, "a": 2}, 'extraneous keys "a", "b"'),
    ({"path": "/c/o", "data": "aGVsbG8="}, 'extraneous keys "path"'),
    ({"path": 5}, '"path" must be a string'),
    ({"path": "/c/o", "etag": 5}, '"etag" must be a string or null (if provided)'),
    ({"path": "/c/\ud800"}, '"path" must be valid Unicode'),
    ({"path": "/c"}, "path does not refer to an object. Path must be of the form /container/object."),
    ({"path": "/c/"}, "path does not refer to an object. Path must be of the form /container/object."),
    ({"path": "/c/o", "size_bytes": "x"}, "invalid size_bytes"),
    ({"path": "/c/o", "size_bytes": []}, "invalid size_bytes"),
    ({"path": "/c/o", "size_bytes": float("inf")}, "invalid size_bytes"),
    ({"path": "/c/o", "size_bytes": 0}, TOO_SMALL),
    ({"path": "/c/o", "size_bytes": -1}, TOO_SMALL),
    ({"path": "/c/own"}, "manifest must not include itself as a segment"),
    ({"path": "c/own"}, "manifest must not include itself as a segment"),
    ({"path": "/c/o", "range": "x"}, "invalid range"),
    ({"path": "/c/o", "range": "5-4"}, "invalid range"),
    ({"path": "/c/o", "range": 5}, "invalid range"),
    ({"path": "/c/o", "range": "0-1,2-3"}, "multiple ranges (only one allowed)"),
    ({"path": "/c/o", "range": "9-", "size_bytes": 9}, "unsatisfiable range"),
    ({"path": "/c/o", "range": "-0", "size_bytes": 9}, "unsatisfiable range"),
    ({"data": 5}, "data must be valid base64"),
    ({"data": "a b="}, "data must be valid base64"),
    ({"data": "YWI"}, "data must be valid base64"),
    ({"data": ""}, TOO_SMALL),
]


@pytest.mark.parametrize(("entry", "message"), BAD_ENTRIES)
def test_a_bad_entry_is_named_by_its_index(entry, message):
    with pytest.raises(ManifestError) as refused:
        manifest.parse_manifest(json.dumps([PLACE, entry, PLACE]).encode(), OWN)
    assert str(refused.value) == f"Index 1: {message}\n"


def test_all_bad_entries_are_told_of():
    body = json.dumps([5, PLACE, {"path": "x"}]).encode()
    with pytest.raises(ManifestError) as refused:
        manifest.parse_manifest(body, OWN)
    assert [line[:8] for line in str(refused.value).splitlines()] == ["Index 0:", "Index 2:"]


def test_data_needs_an_object_beside_it():
    with pytest.raises(ManifestError) as refused:
        manifest.parse_manifest(json.dumps([DATA]).encode(), OWN)
    assert str(refused.value) == "Inline data segments require at least one object-backed segment.\n"


def test_the_last_segment_may_be_empty():
    body = json.dumps([PLACE, {**PLACE, "size_bytes": 0}]).encode()
    assert [wanted.size for wanted in manifest.parse_manifest(body, OWN)] == [None, 0]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["path", "data", "etag", "size_bytes", "range", "x"]), inner)
        ),
    )
)
def test_any_json_is_read_or_refused(value):
    try:
        manifest.parse_manifest(json.dumps(value).encode(), OWN)
    except ManifestError as error:
        assert str(error).endswith("\n")


# What is stored


@pytest.mark.parametrize(
    ("wanted", "told", "may_be_empty", "length", "problems"),
    [
        ({}, {}, False, 10, []),
        ({"etag": "e", "size": 10}, {}, False, 10, []),
        ({"etag": "x"}, {}, False, 10, ["Etag Mismatch"]),
        ({"size": 9}, {}, False, 10, ["Size Mismatch"]),
        ({"etag": "x", "size": 9}, {}, False, 10, ["Size Mismatch", "Etag Mismatch"]),
        ({}, {"size": 0}, False, 0, ["Too small; each segment must be at least 1 byte."]),
        ({}, {"size": 0}, True, 0, []),
        ({"span": "2-4"}, {}, False, 3, []),
        ({"span": "-4"}, {}, False, 4, []),
        ({"span": "10-"}, {}, False, 10, ["Unsatisfiable Range"]),
        ({}, {"status": "404 Not Found"}, False, 0, ["404 Not Found"]),
    ],
)
def test_an_object_is_held_against_what_is_said_of_it(wanted, told, may_be_empty, length, problems):
    if "span" in wanted:
        wanted = {**wanted, "span": RangeRequest.parse(f"bytes={wanted['span']}")}
    entry, given_length, found_problems = manifest.check_segment(
        manifest.Wanted("/c/o", **wanted), found(**told), may_be_empty
    )
    assert (given_length, found_problems) == (length, problems)
    assert (entry is None) == ("status" in told)


def test_the_entry_that_is_stored_has_its_keys_in_order():
    span = RangeRequest.parse("bytes=2-4")
    entry, _, _ = manifest.check_segment(manifest.Wanted("/c/o", span=span), found(is_manifest=True), False)
    assert json.dumps(entry) == (
        '{"name": "/c/o", "bytes": 10, "hash": "e", "content_type": "text/plain", '
        '"last_modified": "2026-11-22T19:38:20.000000", "range": "2-4", "sub_slo": true}'
    )


def test_a_range_of_the_whole_object_is_not_stored():
    entry, length, _ = manifest.check_segment(
        manifest.Wanted("/c/o", span=RangeRequest.parse("bytes=0-")), found(), False
    )
    assert (length, "range" in entry) == (10, False)


def test_the_etag_is_that_of_the_parts():
    """The example of the API guide, and the MD5 of the raw data for what is inline."""
    entries = [{"hash": "one", "range": "1-2"}, {"hash": "two"}, DATA]
    text = "one:1-2;two" + hashlib.md5(b"hello").hexdigest()
    assert manifest.large_etag(entries) == hashlib.md5(text.encode()).hexdigest()


def test_a_raw_manifest_can_be_sent_again():
    entry, _, _ = manifest.check_segment(
        manifest.Wanted("/c/o", span=RangeRequest.parse("bytes=2-4")), found(is_manifest=True), False
    )
    raw = manifest.to_raw([entry, DATA])
    assert json.loads(raw) == [{"etag": "e", "path": "/c/o", "range": "2-4", "size_bytes": 10}, DATA]
    again = manifest.parse_manifest(raw, OWN)
    assert manifest.check_segment(again[0], found(is_manifest=True), False)[0] == entry


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[5]", b"[" * 200_000], ids=range(5))
def test_a_stored_manifest_that_is_none_is_refused(body):
    with pytest.raises(ManifestError):
        manifest.read_entries(body)


@pytest.mark.parametrize(
    "entry", [{}, *({"name": "/c/o", "hash": "e", **size} for size in ({}, {"bytes": "x"}, {"bytes": 1e999}))]
)
def test_a_stored_entry_that_is_none_is_refused(entry):
    with pytest.raises(ManifestError):
        manifest.read_segments([entry])


def test_stored_entries_become_segments():
    plain = {"name": "/c/o", "hash": "e", "bytes": 10}
    old = {**plain, "bytes": 99, "sub_slo": True, "content_type": "x/y;swift_bytes=7"}
    assert manifest.read_segments([plain, {**plain, "range": "2-4"}, DATA, old]) == [
        Segment("/c/o", "e", 10, 0, 10),
        Segment("/c/o", "e", 10, 2, 5),
        Segment("", "", 5, 0, 5, data=b"hello"),
        Segment("/c/o", "e", 7, 0, 7, is_manifest=True),
    ]


# Reading


OBJECTS = {f"/c/o{number}": bytes([97 + number]) * number + bytes(range(number)) for number in range(6)}


def spans(size):
    """A part of something of so many bytes."""
    return st.tuples(st.integers(0, size), st.integers(0, size)).map(sorted)


@st.composite
def trees(draw, depth=0):
    """Segments of objects, data and further trees; with them what their bytes are, and the trees by name."""
    segments, content, nested = [], b"", {}
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["object", "data", "tree"] if depth < 3 else ["object", "data"]))
        if kind == "data":
            data = draw(st.binary(min_size=1, max_size=5))
            segments.append(Segment("", "", len(data), 0, len(data), data=data))
            content += data
            continue
        if kind == "object":
            name, body = draw(st.sampled_from(sorted(OBJECTS.items())))
        else:
            inner, body, more = draw(trees(depth + 1))
            name = f"/c/tree{depth}-{number}-{len(body)}-{hashlib.md5(repr(inner).encode()).hexdigest()}"
            nested |= {**more, name: inner}
        first, stop = draw(spans(len(body)))
        segments.append(Segment(name, "e", len(body), first, stop, is_manifest=kind == "tree"))
        content += body[first:stop]
    return segments, content, nested


@given(st.data())
def test_pieces_are_a_slice_of_the_whole(data):
    segments, content, nested = data.draw(trees())
    start, stop = data.draw(spans(len(content)))
    found_pieces = list(manifest.pieces(segments, start, stop, lambda segment: nested[segment.name]))
    bodies = [OBJECTS[p.segment.name] if p.segment.data is None else p.segment.data for p in found_pieces]
    assert b"".join(body[p.first : p.stop] for body, p in zip(bodies, found_pieces)) == content[start:stop]
    assert all(piece.first < piece.stop for piece in found_pieces)
    assert manifest.total_length(segments) == len(content)


@given(st.data())
def test_parts_are_the_segments_themselves(data):
    segments, content, _ = data.draw(trees())
    ranges = [manifest.part_range(segments, number + 1) for number in range(len(segments))]
    assert b"".join(content[start:stop] for start, stop in ranges) == content
    assert [stop - start for start, stop in ranges] == [segment.length for segment in segments]


def test_manifests_that_no_byte_is_wanted_of_are_not_asked_for():
    segments = [Segment("/c/tree", "e", 10, 0, 10, is_manifest=True), Segment("/c/o", "e", 10, 0, 10)]
    (piece,) = manifest.pieces(segments, 10, 15, lambda segment: pytest.fail("asked for"))
    assert (piece.segment.name, piece.first, piece.stop) == ("/c/o", 0, 5)


def test_ten_manifests_may_lie_in_one_another_and_no_more():
    leaf = [Segment("/c/o", "e", 5, 0, 5)]

    def chain(length):
        return lambda segment: leaf if segment.size == length else [segment._replace(size=segment.size + 1, stop=5)]

    outer = [Segment("/c/tree", "e", 2, 0, 5, is_manifest=True)]
    assert [p.segment.name for p in manifest.pieces(outer, 0, 5, chain(10))] == ["/c/o"]
    with pytest.raises(TooDeep):
        list(manifest.pieces(outer, 0, 5, chain(11)))


def test_so_many_faults_are_told_and_no_more():
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.parse_manifest(b"[" + b"1," * 100_000 + b"1]", OWN)
    lines = str(caught.value).splitlines()
    assert len(lines) == manifest.MOST_PROBLEMS
    assert lines[-1] == f"Index {manifest.MOST_PROBLEMS - 1}: not a JSON object"
