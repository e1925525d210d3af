"""Login requests: what they ask for, and that anything else is told what is wrong with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.core.identity_request import (
    LoginRequest,
    Named,
    NewCredential,
    Scope,
    read_new_credential,
    read_v2,
    read_v3,
)


def v3(identity, **auth):
    return json.dumps({"auth": {"identity": identity, **auth}}).encode()


def password(**user):
    return {"methods": ["password"], "password": {"user": {"name": "u", "password": "p", **user}}}


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        (v3(password()), LoginRequest(("password",), Named(name="u"), "p")),
        (
            v3(password(id="1", domain={"id": "default"})),
            LoginRequest(("password",), Named("1", "u", "default"), "p"),
        ),
        (
            v3(password(domain={"name": "Default"}), scope={"project": {"name": "a", "domain": {"id": "d"}}}),
            LoginRequest(("password",), Named("", "u", "Default"), "p", scope=Scope("project", Named("", "a", "d"))),
        ),
        (v3(password(), scope="unscoped"), LoginRequest(("password",), Named(name="u"), "p", scope=Scope("unscoped"))),
        (
            v3(password(), scope={"unscoped": {}}),
            LoginRequest(("password",), Named(name="u"), "p", scope=Scope("unscoped")),
        ),
        (
            v3(password(), scope={"system": {"all": True}}),
            LoginRequest(("password",), Named(name="u"), "p", scope=Scope("system")),
        ),
        (
            v3(password(), scope={"domain": {"id": "default"}}),
            LoginRequest(("password",), Named(name="u"), "p", scope=Scope("domain")),
        ),
        (v3({"methods": ["token"], "token": {"id": "t"}}), LoginRequest(("token",), token="t")),
        (
            v3({"methods": ["application_credential"], "application_credential": {"id": "c", "secret": "s"}}),
            LoginRequest(("application_credential",), credential=Named("c"), secret="s"),
        ),
        (
            v3(
                {
                    "methods": ["application_credential"],
                    "application_credential": {"name": "n", "user": {"name": "u"}, "secret": "s"},
                }
            ),
            LoginRequest(("application_credential",), Named(name="u"), credential=Named(name="n"), secret="s"),
        ),
    ],
)
def test_version_3(body, request_):
    assert read_v3(body) == request_


@pytest.mark.parametrize(
    ("auth", "request_"),
    [
        (
            {"passwordCredentials": {"username": "u", "password": "p"}, "tenantName": "a"},
            LoginRequest(("password",), Named(name="u"), "p", scope=Scope("project", Named(name="a"))),
        ),
        (
            {"passwordCredentials": {"userId": "1", "password": "p"}, "tenantId": "a"},
            LoginRequest(("password",), Named("1"), "p", scope=Scope("project", Named("a"))),
        ),
        (
            {"RAX-KSKEY:apiKeyCredentials": {"username": "u", "apiKey": "p"}},
            LoginRequest(("password",), Named(name="u"), "p"),
        ),
        ({"token": {"id": "t"}}, LoginRequest(("token",), token="t")),
    ],
)
def test_version_2(auth, request_):
    assert read_v2(json.dumps({"auth": auth}).encode()) == request_


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "auth is missing"),
        (b'{"auth": []}', "auth must be an object"),
        (b'{"auth": {}}', "identity is missing"),
        (v3({}), "methods"),
        (v3({"methods": []}), "methods"),
        (v3({"methods": [1]}), "methods"),
        (v3({"methods": "password"}), "methods"),
        (v3({"methods": ["totp"]}), "no method 'totp'"),
        (v3({"methods": ["password"]}), "password is missing"),
        (v3({"methods": ["password"], "password": {}}), "user is missing"),
        (v3(password(password=None)), "password is missing"),
        (v3(password(password=7)), "password must be a string"),
        (v3(password(name="\ud800")), "surrogate"),
        (v3(password(name="")), "id or name"),
        (v3(password(domain="default")), "domain must be"),
        (v3(password(), scope=[]), "scope must be"),
        (v3(password(), scope={}), "scope:"),
        (v3(password(), scope={"project": {}}), "id or name"),
        (v3({"methods": ["token"]}), "token is missing"),
        (v3({"methods": ["application_credential"]}), "application_credential is missing"),
        (v3({"methods": ["application_credential"], "application_credential": {"secret": "s"}}), "id or name"),
        (v3({"methods": ["application_credential"], "application_credential": {"id": "s"}}), "secret is missing"),
        (
            v3({"methods": ["application_credential"], "application_credential": {"name": "n", "secret": "s"}}),
            "needs its user",
        ),
    ],
)
def test_what_version_3_refuses(body, says):
    with pytest.raises(ValueError, match=says):
        read_v3(body)


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({}, "passwordCredentials or token"),
        ({"passwordCredentials": {}}, "username"),
        ({"passwordCredentials": {"username": "u"}}, "password is missing"),
        ({"token": {}}, "id is missing"),
        ({"tenantName": 1}, "tenantName must be a string"),
    ],
)
def test_what_version_2_refuses(auth, says):
    with pytest.raises(ValueError, match=says):
        read_v2(json.dumps({"auth": auth}).encode())


def test_new_credentials():
    body = {"application_credential": {"name": "n", "roles": [{"name": "member"}], "unrestricted": True}}
    assert read_new_credential(json.dumps(body).encode()) == NewCredential(
        "n", roles=(Named(name="member"),), unrestricted=True
    )


@pytest.mark.parametrize(
    "given_",
    [
        *({}, {"name": ""}, {"name": "n" * 256}, {"name": 1}, {"name": "n", "roles": "x"}, {"name": "n", "roles": [1]}),
        *({"name": "n", "unrestricted": "yes"}, {"name": "n", "access_rules": [{}]}, {"name": "n", "roles": [{}]}),
    ],
)
def test_credentials_that_cannot_be(given_):
    with pytest.raises(ValueError, match=r"\w"):
        read_new_credential(json.dumps({"application_credential": given_}).encode())


WORDS = [
    *("auth", "identity", "methods", "password", "user", "name", "id", "domain", "scope", "project", "token", "roles"),
    *("secret", "application_credential", "passwordCredentials", "username", "tenantName", "unscoped"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


@given(JSON | st.binary(max_size=30), st.booleans())
def test_nothing_breaks_the_readers(value, wrapped):
    """Whatever comes: a request, or a ValueError that says why not."""
    body = value if isinstance(value, bytes) else json.dumps({"auth": value} if wrapped else value).encode()
    for read in (read_v3, read_v2, read_new_credential):
        try:
            assert read(body)
        except ValueError as error:
            assert str(error)
