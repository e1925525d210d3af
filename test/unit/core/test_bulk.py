"""Bulk requests: where files go, which headers they get, which names a list has however it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.bulk import NameList, attribute_headers, compression_of, destination, is_object, is_text
from swiftlite.core.constraints import Constraints, Violation
from swiftlite.core.names import quote_path

LIMITS = Constraints(max_container_name_length=3, max_object_name_length=5)
LONGEST = 9 * (3 + 5 + 2)


@pytest.mark.parametrize(
    ("kind", "compression"),
    [("tar", ""), ("TAR", ""), (".tar.gz", "gz"), ("tar.bz2.", "bz2"), ("tgz", None), ("", None), ("tar.xz", None)],
)
def test_kinds_of_archives(kind, compression):
    assert compression_of(kind) == compression


@pytest.mark.parametrize(
    ("base", "name", "place"),
    [
        ("c", "f", "c/f"),
        ("c/p", "d/f", "c/p/d/f"),
        ("c", "./f", "c/f"),
        ("c", "././f", "c/./f"),
        ("c", "/f", "c/f"),
        ("c", ".///f", "c/f"),
        ("c", "../../f", "c/../../f"),
        ("", "c/f", "c/f"),
        ("", "/c/f", "c/f"),
        ("", "f", None),
        ("", "./f", None),
        ("", "../f", "../f"),
    ],
)
def test_where_files_go(base, name, place):
    assert destination(base, name) == place


@given(st.text(), st.text())
def test_nothing_leaves_its_base(base, name):
    assert destination("c" + base, name).startswith(f"c{base}/")


@pytest.mark.parametrize(
    ("attributes", "headers"),
    [
        ({}, {}),
        ({"mtime": "5", "path": "x", "SCHILY.acl.access": "x", "SCHILY.xattr.security.selinux": "x"}, {}),
        ({"SCHILY.xattr.user.mime_type": "a/b"}, {"Content-Type": "a/b"}),
        ({"LIBARCHIVE.xattr.user.mime_type": "a/b"}, {"Content-Type": "a/b"}),
        ({"SCHILY.xattr.user.mime_type_": "a/b", "SCHILY.xattr.user.metadata": "x"}, {}),
        ({"SCHILY.xattr.user.meta.a-b": "c d"}, {"X-Object-Meta-a-b": "c d"}),
        ({"LIBARCHIVE.xattr.user.meta.ä": "ü"}, {"X-Object-Meta-\xc3\xa4": "\xc3\xbc"}),
        ({"SCHILY.xattr.user.meta.a": "\udcff"}, {"X-Object-Meta-a": "\xff"}),
        ({"SCHILY.xattr.user.meta.": "x"}, {"X-Object-Meta-": "x"}),
    ],
)
def test_which_headers_attributes_become(attributes, headers):
    assert attribute_headers(attributes) == headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("meta.a", "b\r\nX-Backend-Evil: yes"),
        ("meta.a", "b\nc"),
        ("meta.a", "b\x00"),
        ("meta.a\r\nX-Evil", "b"),
        ("meta.a: b", "c"),
        ("meta.a b", "c"),
        ("mime_type", "a/b\r\n"),
    ],
)
def test_no_attribute_can_add_headers_of_its_own(name, value):
    with pytest.raises(ValueError):
        attribute_headers({"SCHILY.xattr.user." + name: value})


def names_of(*pieces, most=10):
    listed = NameList(LIMITS, most)
    for piece in pieces:
        listed.feed(piece)
    listed.end()
    return listed.names


def test_names_are_lines():
    assert names_of(b"a/b\n c%20/%C3%A4 \r\n\n/x?y\n\xff%FF") == ["a/b", "c /ä", "", "/x?y", "\udcff\udcff"]
    assert names_of(b"") == names_of(b"  ") == []


NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=10)


@given(NAMES, st.integers(1, 50))
def test_names_are_the_same_however_they_arrive(names, size):
    body = "\n".join(map(quote_path, names)).encode()
    assert names_of(*(body[start : start + size] for start in range(0, len(body), size))) == names


def test_too_many_names():
    assert len(names_of(b"x\n" * 10)) == 10
    with pytest.raises(Violation) as raised:
        names_of(b"x\n" * 10 + b"x")
    assert (raised.value.status, raised.value.message) == (413, "Maximum Bulk Deletes: 10 per request")
    with pytest.raises(Violation):
        names_of(b"\n" * 11)


def test_names_that_are_all_too_long_are_not_kept():
    names = names_of(b"x" * LONGEST + b"\ny")
    assert [len(name) for name in names] == [LONGEST, 1], "one that is too long is told of like other errors"
    with pytest.raises(Violation) as raised:
        names_of(b"\n".join([b"x" * LONGEST] * 2))
    assert (raised.value.status, raised.value.message) == (400, "Invalid File Name")


def test_a_line_without_end_is_not_waited_for():
    assert names_of(b"x" * LONGEST) == ["x" * LONGEST]
    listed = NameList(LIMITS, 10)
    with pytest.raises(Violation) as raised:
        for _ in range(LONGEST + 1):
            listed.feed(b"x")
    assert (raised.value.status, raised.value.message) == (400, "Invalid File Name")
    with pytest.raises(Violation):
        names_of(b"x\n" + b"y" * (LONGEST + 1) + b"\nz")


@pytest.mark.parametrize(
    ("name", "expected"), [("c", False), ("/c", False), ("c/", False), ("/c//", False), ("c/o", True), ("/c//o", True)]
)
def test_objects_are_told_from_containers(name, expected):
    assert is_object(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"), [("c/o", True), ("ä", True), ("a\x00", False), ("ä\x00", False), ("\udcff", False)]
)
def test_names_are_text(name, expected):
    assert is_text(name) is expected
