"""How a copy's headers name the other object, and what a copy takes over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.copies import exact_headers, inherited_headers, is_shown, read_account, read_place
from swiftlite.core.names import quote_path, str_to_wsgi

GOT = [
    ("Content-Type", "x/slo"),
    ("Content-Length", "5"),
    ("Etag", "e"),
    ("X-Object-Meta-A", "b"),
    ("x-object-sysmeta-slo-size", "77"),
    ("X-Object-Transient-Sysmeta-T", "t"),
    ("X-Delete-At", "4000000000"),
    ("Cache-Control", "max-age=5"),
    ("X-Static-Large-Object", "True"),
    ("X-Object-Manifest", "c/p"),
    ("X-Timestamp", "1402464677.04188"),
    ("Last-Modified", "then"),
    ("X-Backend-Timestamp", "1402464677.04188"),
    ("Access-Control-Allow-Origin", "*"),
    ("X-Trans-Id", "tx"),
]
METADATA = {
    "X-Object-Meta-A",
    "x-object-sysmeta-slo-size",
    "X-Object-Transient-Sysmeta-T",
    "X-Delete-At",
    "Cache-Control",
}


@pytest.mark.parametrize("text", ["c/o", "/c/o", "%63/o", "c/%6f", "%2fc/o"])
def test_the_other_object_is_named_with_or_without_a_slash(text):
    assert read_place(text) == ("c", "o")


@pytest.mark.parametrize("text", ["", "/", "c", "/c", "c/", "/c/", "//o"])
def test_what_names_no_object(text):
    with pytest.raises(ValueError, match="path"):
        read_place(text)


names = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1)


@given(names.filter(lambda name: "/" not in name), names)
def test_any_name_can_be_named(container, name):
    assert read_place(quote_path(f"{container}/{name}")) == (str_to_wsgi(container), str_to_wsgi(name))


@pytest.mark.parametrize(("text", "problem"), [("", "empty"), ("a/b", "slashes"), ("a%2fb", "slashes")])
def test_what_is_no_account(text, problem):
    with pytest.raises(ValueError, match=problem):
        read_account(text)
    assert read_account("%41") == "A"


def test_a_copy_inherits_what_describes_the_object():
    assert {name for name, _ in inherited_headers(GOT, fresh=False)} == METADATA - {"x-object-sysmeta-slo-size"}
    system = [("X-Object-Sysmeta-A", "b")]
    assert inherited_headers(GOT + system, fresh=True) == system


def test_a_copy_inherits_no_rights_of_versionings_links():
    granted = [("X-Object-Sysmeta-Allow-Reserved-Names", "true"), ("X-Object-Sysmeta-Symloop-Extend", "true")]
    granted += [("X-Object-Sysmeta-Versions-Symlink", "true"), ("X-Object-Sysmeta-Other", "kept")]
    for fresh in (False, True):
        assert inherited_headers(granted, fresh) == granted[-1:]


def test_an_exact_copy_has_its_bytes_checked_and_its_size_listed():
    headers = dict(exact_headers(GOT))
    assert headers.keys() == METADATA | {
        *("Content-Type", "Content-Length", "Etag", "X-Static-Large-Object", "X-Object-Manifest"),
    }
    assert headers["Content-Type"] == "x/slo; swift_bytes=77"
    assert dict(exact_headers([("Content-Type", "x/y")])) == {"Content-Type": "x/y"}


def test_an_answer_tells_of_metadata_alone():
    assert {name for name, _ in GOT if is_shown(name)} == METADATA - {"Cache-Control"}
