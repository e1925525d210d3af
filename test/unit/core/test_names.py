"""Names: the hash vectors of formats.md 11, path splitting, and the reserved namespace."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.names import (
    EntityName,
    HashPath,
    quote_path,
    quote_wsgi,
    reserved_names_problem,
    split_path,
    str_to_wsgi,
    wsgi_to_str,
)

HASH = HashPath(b"pre", b"suf")


@pytest.mark.parametrize(
    ("names", "digest"),
    [
        (("AUTH_t",), "fc2edd920780369df3731867e6921ef2"),
        (("AUTH_t", "c1"), "277013d51b0186f9d602edcbebdf6668"),
        (("AUTH_t", "c1", "o1"), "684b6cedb964bd63fd434995ed10fcda"),
        (("a", "c", "é"), "01ae8e7cde3c18351cc8dd52e0d82bec"),
        (("AUTH_t", "", ""), "fc2edd920780369df3731867e6921ef2"),
    ],
)
def test_hash_vectors(names, digest):
    assert HASH.hex(*names) == digest


def test_an_object_needs_a_container():
    with pytest.raises(ValueError):
        HASH.hex("a", None, "o")


@given(st.binary())
def test_any_bytes_survive_both_spellings(data):
    wsgi = data.decode("latin-1")
    assert str_to_wsgi(wsgi_to_str(wsgi)) == wsgi
    assert quote_wsgi(wsgi) == quote_path(wsgi_to_str(wsgi))


@pytest.mark.parametrize(
    ("path", "limits", "parts"),
    [
        ("/a", (1, 3, True), ["a", None, None]),
        ("/a/", (1, 3, True), ["a", None, None]),
        ("/a/c/", (1, 3, True), ["a", "c", None]),
        ("/a/c/o/p/", (1, 3, True), ["a", "c", "o/p/"]),
        ("/a/c//o", (1, 3, True), ["a", "c", "/o"]),
        ("/d/1/a", (3, 5, True), ["d", "1", "a", None, None]),
    ],
)
def test_paths_split(path, limits, parts):
    assert split_path(path, *limits) == parts


@pytest.mark.parametrize("path", ["", "a", "/", "//c", "/a//o", "/a/b/c/d"])
def test_bad_paths_are_refused(path):
    with pytest.raises(ValueError):
        split_path(path, 1, 3)


@given(st.text(min_size=1).filter(lambda name: "/" not in name), st.text(min_size=1))
def test_entity_paths_read_back(container, name):
    entity = EntityName("a", container, name)
    assert EntityName.from_path(entity.path) == entity


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (("a", "c", "o"), True),
        (("a", "\x00c", "\x00o"), True),
        (("a", "\x00c", "o"), False),
        (("a", "c", "\x00o"), False),
        ((".a", "c", "\x00o"), True),
        (("a", "c\x00", None), False),
        (("a", "\x00c\x00d", None), True),
    ],
)
def test_reserved_names_go_together(names, allowed):
    assert (reserved_names_problem(*names) is None) == allowed


@given(st.one_of(st.text(), st.text("aZ0-_.~/% é\n", max_size=8)))
def test_what_needs_no_quoting_is_seen_as_such(path):
    raw = path.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    assert quote_path(raw) == quote(raw.encode("utf-8", "surrogateescape"))
