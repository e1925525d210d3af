"""Host headers: whose account and container they mean, and that nobody else's can be meant."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.hosts import (
    BadHost,
    Host,
    Remapping,
    domain_of,
    is_host_name,
    read_domains,
    restored_location,
)

ODD = st.text(string.ascii_letters + string.digits + "-_.:@[]/%\\ \x00é", max_size=40)


def remapping(prefixes=("AUTH", "Service"), default="", mangles=False, domains=("example.com",)):
    return Remapping(read_domains(domains), "v1", prefixes, default, mangles)


@pytest.mark.parametrize(
    ("header", "name", "port"),
    [
        ("a.example.com", "a.example.com", ""),
        ("a.example.com:80", "a.example.com", ":80"),
        ("a.example.com:", "a.example.com", ":"),
        ("[::1]", "[::1]", ""),
        ("[::1]:80", "[::1]", ":80"),
        ("a:b:80", "a:b:80", ""),
        ("", "", ""),
    ],
)
def test_a_header_is_split(header, name, port):
    assert Host.parse(header) == (name, port)


@pytest.mark.parametrize("header", ["127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80", "[fe80::1%25eth0]"])
def test_addresses_are_told_from_names(header):
    assert Host.parse(header).is_address
    assert not Host.parse("a.example.com:80").is_address


@pytest.mark.parametrize(
    ("header", "path", "expected"),
    [
        ("auth-a.example.com", "/c/o", "/v1/AUTH_a/c/o"),
        ("c.auth-a.example.com", "/o", "/v1/AUTH_a/c/o"),
        ("c.AUTH_a.example.com:8080", "/", "/v1/AUTH_a/c/"),
        ("SERVICE-a.EXAMPLE.com", "/", "/v1/Service_a/"),
        ("auth-a-b-c.example.com", "/", "/v1/AUTH_a-b-c/"),
        ("auth_a-b.example.com", "/", "/v1/AUTH_a-b/"),
        ("auth-a.example.com", "/v1/c", "/v1/AUTH_a/v1/c"),
        ("auth-a.example.com", "//evil.example/x", "/v1/AUTH_a//evil.example/x"),
        ("example.com", "/v1/AUTH_a", None),
        ("auth-a.other.com", "/", None),
        ("auth-aexample.com", "/", None),
        ("other-a.example.com", "/", None),
        ("auth.example.com", "/", None),
        ("authentic.example.com", "/", None),
        ("auth-.example.com", "/", None),
    ],
)
def test_names_become_paths(header, path, expected):
    assert remapping().path(header, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/v1/c/o", "/v1/AUTH_a/c/o"), ("/v1", "/v1/AUTH_a/"), ("/v1x/o", "/v1/AUTH_a/v1x/o"), ("/", "/v1/AUTH_a/")],
)
def test_a_version_that_the_client_sends_can_be_dropped(path, expected):
    assert remapping(mangles=True).path("auth-a.example.com", path) == expected


def test_a_default_prefix_is_given_to_names_without_one():
    found = [remapping(default="AUTH").path(f"{name}.example.com", "/") for name in ("a", "other-a", "auth-a")]
    assert found == ["/v1/AUTH_a/", "/v1/AUTH_other_a/", "/v1/AUTH_a/"]


def test_without_prefixes_every_account_can_be_reached():
    assert remapping(prefixes=()).path("any-thing.example.com", "/") == "/v1/any-thing/"


@given(ODD, ODD, st.sampled_from(["", "AUTH"]))
def test_no_host_reaches_an_account_of_another_prefix(before, after, default):
    try:
        path = remapping(default=default).path(f"{before}.example.com{after}", "/o")
    except BadHost:
        return
    if path is not None:
        _, version, account, *rest = path.split("/")
        assert version == "v1" and account.startswith(("AUTH_", "Service_")) and len(account.split("_", 1)[1]) > 0
        assert rest[-1] == "o" and len(rest) <= 2
        assert not set("/@:%[] \\\x00") & set("".join((account, *rest)))


@pytest.mark.parametrize(
    "name", ["a.b.c", ".", "", "a@b", "a/b", "a..b", "%41", "a b", "\x00", "[::1]", "x" * 64, "é", "a\n"]
)
def test_what_is_no_name_below_the_domain_is_refused(name):
    with pytest.raises(BadHost):
        remapping().path(f"{name}.example.com", "/")


@pytest.mark.parametrize("port", [":x", ":123456", ":80:", ":-1", ":\u0661"])
def test_ports_are_numbers_or_the_name_is_another(port):
    try:
        assert remapping().path(f"auth-a.example.com{port}", "/") is None
    except BadHost:
        pass


def test_the_first_domain_counts_and_those_with_a_dot_come_last():
    assert read_domains((".b.example", "A.example")) == (".a.example", ".b.example")
    assert domain_of("x.B.example", (".a.example", ".b.example")) == ".b.example"
    assert domain_of("b.example", (".b.example",)) is None


@pytest.mark.parametrize(("name", "expected"), [("a-b_c.d", True), ("a", True), ("a" * 64, False), ("a.", False)])
def test_what_dns_can_know(name, expected):
    assert is_host_name(name) is expected
    assert not is_host_name("a." * 130 + "a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/v1/AUTH_a/c/d/", "/d/"),
        ("http://h:80/v1/AUTH_a/c/d/", "http://h:80/d/"),
        ("https://h/v1/AUTH_a/c/d?x=y", "https://h/d?x=y"),
        ("/v1/AUTH_a/other", "/v1/AUTH_a/other"),
        ("http://h/elsewhere/v1/AUTH_a/c/d", "http://h/elsewhere/v1/AUTH_a/c/d"),
    ],
)
def test_a_redirect_leads_to_what_the_client_knows(value, expected):
    assert restored_location(value, "/v1/AUTH_a/c/d", "/d") == expected


def test_a_redirect_to_an_odd_name_is_quoted():
    assert restored_location("/v1/AUTH_a/%C3%A9%20/", "/v1/AUTH_a/\xc3\xa9 ", "/\xc3\xa9 ") == "/%C3%A9%20/"
