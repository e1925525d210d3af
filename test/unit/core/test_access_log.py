"""The access log's line, field by field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.access_log import (
    DEFAULT_TEMPLATE,
    Entry,
    Style,
    anonymize,
    compile_any,
    compile_template,
    hide_parameters,
    spell,
)


def entry(**changes):
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/v1/AUTH_test/c/o",
        "REMOTE_ADDR": "10.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "store.example.com:8080",
        "HTTP_USER_AGENT": "curl/7.88 (x)",
        "HTTP_X_AUTH_TOKEN": "AUTH_tk0123456789abcdef",
        "HTTP_X_CONTAINER_SYNC_KEY": "short",
        "swift.trans_id": "tx1",
        **changes.pop("environ", {}),
    }
    values = {
        "path": "/v1/AUTH_test/c/o",
        "status": 200,
        "received": 0,
        "sent": 5,
        "start": 1700000000.25,
        "end": 1700000001.5,
        "first_byte": 1700000000.75,
        "policy_index": "1",
        "pid": 42,
        "wire_status": 200,
        **changes,
    }
    return Entry(environ=environ, **values)


def line(template, style=None, **changes):
    return compile_template(Style(template=template, **(style or {})))(entry(**changes))


def test_the_default_line_is_the_one_that_log_readers_of_swift_expect():
    assert compile_template(Style())(entry()).split(" ") == [
        *("10.0.0.1", "10.0.0.1", "14/Nov/2023/22/13/21", "GET", "/v1/AUTH_test/c/o", "HTTP/1.1", "200", "-"),
        *("curl/7.88%20%28x%29", "AUTH_tk012345678...", "-", "5", "-", "tx1", "-", "1.2500", "-", "-"),
        *("1700000000.250000000", "1700000001.500000000", "1", "-"),
    ]
    assert len(DEFAULT_TEMPLATE.split()) == 22


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{end_time.iso8601}", "2023-11-14T22:13:21"),
        ("{end_time.asctime}", "Tue%20Nov%2014%2022:13:21%202023"),
        ("{start_time.s} {start_time.ms} {start_time.us} {start_time.ns}", "1700000000 250 250000 250000000"),
        ("{end_time.Y}-{end_time.j}", "2023-318"),
        ("{account} {container} {object} {domain}", "AUTH_test c o store.example.com"),
        ("{pid}:{ttfb}", "42:0.5"),
        ("[{referer}]", "[-]"),
        ("{remote_addr.anonymized}", "{MD5}3af3a2e3fc1ddce0b7fe25ee26d33fb5"),
    ],
)
def test_fields(template, expected):
    if "anonymized" in template:
        expected = anonymize("10.0.0.1", "md5", "")
    assert line(template) == expected


def test_anonymized_fields_hide_their_value_and_tell_the_method():
    plain, salted = anonymize("10.0.0.1", "sha256", ""), anonymize("10.0.0.1", "sha256", "salt")
    assert plain.startswith("{SHA256}")
    assert salted.startswith("{SSHA256}")
    assert plain[8:] != salted[9:]
    assert "10.0.0.1" not in plain
    assert line("{referer.anonymized}") == "-"


@pytest.mark.parametrize("template", ["{nonsense}", "{end_time.nonsense}", "{method.upper}", "{method!r}", "{pid:04}"])
def test_a_template_that_cannot_be_filled_is_refused(template):
    with pytest.raises(ValueError, match="log_msg_template"):
        compile_template(Style(template=template))


@pytest.mark.parametrize(
    ("environ", "client"),
    [
        ({}, "10.0.0.1"),
        ({"HTTP_X_FORWARDED_FOR": "1.1.1.1, 2.2.2.2"}, "1.1.1.1"),
        ({"HTTP_X_FORWARDED_FOR": "1.1.1.1", "HTTP_X_CLUSTER_CLIENT_IP": "3.3.3.3"}, "3.3.3.3"),
    ],
)
def test_the_client_is_who_the_load_balancer_says(environ, client):
    assert line("{client_ip} {remote_addr}", environ=environ) == f"{client} 10.0.0.1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (0, "-"),
        (7, "7"),
        ("a b\nc", "a%20b%0Ac"),
        ("é", "%C3%A9"),
        ("a%20b", "a%2520b"),
        ("x/y:z", "x/y:z"),
    ],
)
def test_fields_never_break_a_line(value, text):
    assert spell(value) == text


def test_signatures_are_shown_only_in_part():
    assert hide_parameters("/a?temp_url_sig=0123456789&x=1", 4) == "/a?temp_url_sig=0123...&x=1"
    assert hide_parameters("/a?x_temp_url_sig=0123456789", 4) == "/a?x_temp_url_sig=0123456789"
    assert hide_parameters("/a?x=1&temp%5Furl%5fsig=0123456789", 4) == "/a?x=1&temp%5Furl%5fsig=0123..."
    assert "AUTH_tk" not in line("{auth_token}", {"reveal": 4})


def test_headers_are_logged_on_demand_without_secrets():
    assert line("{headers}") == "-"
    everything = line("{headers}", {"headers": True})
    assert "User-Agent: curl".replace(" ", "%20") in everything
    assert "0123456789abcdef" not in everything
    assert "short" not in everything
    only = line("{headers}", {"headers": True, "only_headers": frozenset({"Host"})})
    assert only == "Host:%20store.example.com:8080"


@pytest.mark.parametrize(
    "key",
    [
        "HTTP_X_AUTH_KEY",
        "HTTP_X_STORAGE_PASS",
        "HTTP_X_ACCOUNT_META_TEMP_URL_KEY",
        "HTTP_X_ACCOUNT_META_TEMP_URL_KEY_2",
        "HTTP_X_CONTAINER_META_TEMP_URL_KEY",
        "HTTP_X_CONTAINER_META_TEMP_URL_KEY_2",
    ],
)
def test_no_password_or_key_is_logged(key):
    assert "sesame" not in line("{headers}", {"headers": True}, environ={key: "sesame"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a?temp_url_sig=0123456789&x=0123456789", "/a?temp_url_sig=0123...&x=0123456789"),
        ("/a?temp%5Furl_sig=0123456789", "/a?temp%5Furl_sig=0123..."),
        ("/a?%74emp%5furl%5Fsig=0123456789&y", "/a?%74emp%5furl%5Fsig=0123...&y"),
        ("/a?x&X%2dAmz-Signature=0123456789=", "/a?x&X%2dAmz-Signature=0123..."),
        ("/a?Signature=0123456789&Signature=abcdefghij", "/a?Signature=0123...&Signature=abcd..."),
        ("/a?temp%255Furl_sig=0123456789", "/a?temp%255Furl_sig=0123456789"),
        ("/a?temp_url_sig=", "/a?temp_url_sig="),
    ],
)
def test_signatures_are_hidden_however_their_names_are_spelled(path, expected):
    assert hide_parameters(path, 4) == expected


TEXTS = st.one_of(
    st.none(), st.text(st.characters(max_codepoint=0x17F), max_size=30), st.sampled_from(["-", "a b", "é", "%"])
)
KEYS = ("REMOTE_ADDR", "HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_ETAG", "HTTP_X_AUTH_TOKEN", "SERVER_PROTOCOL")
OTHER_KEYS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_CLUSTER_CLIENT_IP", "swift.source", "swift.trans_id", "REQUEST_METHOD")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*KEYS, *OTHER_KEYS), TEXTS)),
    st.lists(st.text(max_size=5), max_size=3),
    st.fixed_dictionaries({"path": st.text(max_size=30), "policy_index": TEXTS, "status": st.integers(0, 599)}),
    st.integers(0, 20),
)
def test_the_quick_way_to_the_default_line_and_the_general_one_agree(environ, info, changes, reveal):
    found = {name: value for name, value in environ.items() if value is not None}
    some = entry(
        environ={**found, "swift.log_info": info, "swift.access_logging": {"user_id": found.get("HTTP_ETAG")}},
        **changes,
    )
    some.environ["REQUEST_METHOD"] = some.environ["REQUEST_METHOD"] or "GET"
    style = Style(reveal=reveal)
    assert compile_template(style)(some) == compile_any(style)(some)
