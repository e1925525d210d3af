"""Links: what a client asks for, and how metadata and listings carry it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core import links
from swiftlite.core.constraints import Violation
from swiftlite.core.links import Link
from swiftlite.core.names import quote_wsgi

OWN = ("AUTH_a", "c", "link")
NAME = st.text(st.characters(max_codepoint=255), min_size=1).filter(lambda name: "/" not in name)
ETAG = st.text("0123456789abcdef", min_size=1)


@given(container=NAME, name=st.text(st.characters(max_codepoint=255), min_size=1), account=st.none() | NAME, etag=ETAG)
def test_what_was_asked_for_is_listed_and_shown(container: str, name: str, account: str | None, etag: str) -> None:
    asked = None if account is None else quote_wsgi(account)
    wanted = links.requested_link(OWN, quote_wsgi(f"{container}/{name}"), asked, etag)
    static = Link(wanted.target, wanted.account, wanted.etag, "17")
    entry = {"hash": static.listed_etag(), "bytes": 0}
    links.show_link(entry, "v1", "AUTH_a")
    assert entry == {
        "hash": links.MD5_OF_NOTHING,
        "bytes": 0,
        "symlink_etag": etag,
        "symlink_bytes": 17,
        "symlink_path": quote_wsgi(f"/v1/{account or 'AUTH_a'}/{container}/{name}"),
    }


@given(st.builds(Link, NAME, st.none() | NAME, st.none() | ETAG, st.none() | ETAG, st.booleans(), st.booleans()))
def test_metadata_carry_a_link(link: Link) -> None:
    headers = [
        (links.TARGET.upper(), link.target),
        (links.TARGET_ACCOUNT.lower(), link.account),
        (links.TARGET_ETAG, link.etag),
        (links.TARGET_BYTES, link.size),
        (links.EXTENDS_LOOP, "true" if link.extends_loop else None),
        (links.REACHES_RESERVED, "true" if link.reaches_reserved else None),
        ("X-Object-Meta-Other", "x"),
    ]
    assert links.stored_link((name, value) for name, value in headers if value is not None) == link


def test_an_ordinary_object_is_no_link() -> None:
    assert links.stored_link([("Etag", "x"), ("X-Object-Sysmeta-Symlink-Tarpit", "c/o")]) is None


@pytest.mark.parametrize(
    "target, account, etag, status",
    [
        ("", None, None, 412),
        ("c", None, None, 412),
        ("c/", None, None, 412),
        ("/c/o", None, None, 412),
        ("%2fc/o", None, None, 412),
        ("c/o", "", None, 412),
        ("c/o", "a/b", None, 412),
        ("c/o", "a%2fb", None, 412),
        ("c/link", None, None, 400),
        ("c/%6cink", "AUTH_a", None, 400),
        ("c/o", None, "a;b", 400),
        ("c/o", None, 'a"b', 400),
        ("c/o", None, '"a\\b"', 400),
    ],
)
def test_bad_requests(target: str, account: str | None, etag: str | None, status: int) -> None:
    with pytest.raises(Violation) as caught:
        links.requested_link(OWN, target, account, etag)
    assert caught.value.status == status


def test_an_etag_loses_its_quotes_and_an_empty_one_asks_for_nothing() -> None:
    assert links.requested_link(OWN, "c/o", None, '"abc"').etag == "abc"
    assert links.requested_link(OWN, "c/o", None, "").etag is None


def test_parameters_of_others_stay_in_a_listing() -> None:
    entry = {"hash": Link("c/o").listed_etag("abc; slo_etag=def")}
    links.show_link(entry, "v1", "AUTH_a")
    assert entry == {"hash": "abc; slo_etag=def", "symlink_path": "/v1/AUTH_a/c/o"}


@pytest.mark.parametrize(
    "headers, listed",
    [
        ({}, None),
        ({"x-object-sysmeta-slo-etag": "s"}, f"{links.MD5_OF_NOTHING}; slo_etag=s"),
        (
            {"x-object-sysmeta-container-update-override-etag": "m; slo_etag=s", "x-object-sysmeta-slo-etag": "t"},
            f"{links.MD5_OF_NOTHING}; slo_etag=s",
        ),
    ],
)
def test_a_link_to_a_large_object_inherits_its_etag(headers: dict[str, str], listed: str | None) -> None:
    assert links.inherited_etag(headers) == listed
