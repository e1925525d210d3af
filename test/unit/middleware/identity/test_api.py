"""Keystone's API as the built-in identity answers it: logins, documents, application credentials, errors."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.middleware.identity.site import Site, project

from swiftlite.core.identity_documents import parse_when

HOST = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server for tests that change nothing."""
    directory = tmp_path_factory.mktemp("site")
    return Site(directory, login_failures_per_user="0", login_failures_per_address="0")


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def document(answered, status=200):
    assert answered.status == status, answered.body
    assert answered.headers["content-type"] == "application/json"
    assert int(answered.headers["content-length"]) == len(answered.body)
    return json.loads(answered.body)


def refused(answered, status):
    error = document(answered, status)["error"]
    assert error["code"] == status and error["title"] and error["message"]
    return error["message"]


def urls(token):
    return {
        service["type"]: {endpoint["url"] for endpoint in service["endpoints"]} for service in token.get("catalog", [])
    }


# -- version 3 --------------------------------------------------------------------------------------------------------


def test_the_document_of_a_token(shared):
    answered = shared.login("tester", "testing", project("test"))
    token = document(answered, 201)["token"]
    assert answered.headers["vary"] == "X-Auth-Token"
    assert token["methods"] == ["password"]
    assert token["user"]["name"] == "tester"
    assert token["user"]["domain"] == token["project"]["domain"] == {"id": "default", "name": "Default"}
    assert (token["project"]["id"], token["project"]["name"]) == ("test", "test")
    assert [role["name"] for role in token["roles"]] == ["member", "admin", "swiftoperator"]
    assert parse_when(token["expires_at"]) - parse_when(token["issued_at"]) == 86400
    assert abs(parse_when(token["issued_at"]) - time.time()) < 60
    assert urls(token) == {"object-store": {f"{HOST}/v1/AUTH_test"}, "identity": {f"{HOST}/v3"}}
    interfaces = [endpoint["interface"] for endpoint in token["catalog"][0]["endpoints"]]
    assert interfaces == ["public", "internal", "admin"]
    assert {endpoint["region"] for endpoint in token["catalog"][0]["endpoints"]} == {"RegionOne"}


@pytest.mark.parametrize(
    ("name", "password", "scope", "account"),
    [
        ("tester", "testing", None, "test"),
        ("test:tester", "testing", None, "test"),
        ("tester", "testing", project("test"), "test"),
        ("tester", "testing", project("AUTH_test"), "test"),
        ("tester", "testing", project("test", name="Default"), "test"),
        ("tester", "testing", project("test", name="default"), "test"),
        ("tester", "testing", {"project": {"id": "test"}}, "test"),
        ("tester", "testing", "unscoped", None),
        ("tester", "testing", {"unscoped": {}}, None),
        ("tester3", "testing3", project("test"), "test"),
        ("tester3", "other3", project("test2"), "test2"),
        ("admin", "admin", project("admin"), "admin"),
        ("admin:admin", "admin", project("test2"), "test2"),
        ("admin", "admin", project("test2"), "test2"),
        ("ünder:u_1", "k64", None, "ünder"),
        ("u_1", "k64", project("ünder"), "ünder"),
    ],
)
def test_ways_to_log_in(shared, name, password, scope, account):
    answered = shared.login(name, password, scope)
    token = document(answered, 201)["token"]
    assert token.get("project", {}).get("name") == account
    assert ("catalog" in token) == ("roles" in token) == (account is not None)


@pytest.mark.parametrize(
    ("name", "password", "scope"),
    [
        ("tester", "wrong", None),
        ("tester", "", None),
        ("nobody", "testing", None),
        ("tester3", "testing3", None),  # there are two of that name
        ("tester3", "testing3", project("test2")),
        ("tester", "testing", project("test2")),
        ("tester", "testing", project("nothing")),
        ("tester", "testing", project("test", id="other")),
        ("tester", "testing", {"domain": {"id": "default"}}),
        ("admin", "admin", {"system": {"all": True}}),
    ],
)
def test_ways_to_fail(shared, name, password, scope):
    answered = shared.login(name, password, scope)
    refused(answered, 401)
    assert answered.headers["www-authenticate"] == f'Keystone uri="{HOST}/v3"'
    assert "x-subject-token" not in answered.headers


def test_scopes_that_there_are_not_are_told(shared):
    assert "system" in refused(shared.login("admin", "admin", {"system": {"all": True}}), 401)


def test_a_user_of_another_domain_is_another(shared):
    user = {"name": "tester", "domain": {"id": "elsewhere"}, "password": "testing"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    refused(shared.ask("POST", "/v3/auth/tokens", body=body), 401)


def test_a_user_by_id(shared):
    identity = document(shared.login("tester", "testing"), 201)["token"]["user"]["id"]
    body = {"identity": {"methods": ["password"], "password": {"user": {"id": identity, "password": "testing"}}}}
    assert shared.ask("POST", "/v3/auth/tokens", body={"auth": body}).status == 201


def test_a_token_for_a_token(shared):
    first = shared.token("admin", "admin", "unscoped")
    old = document(shared.ask("GET", "/v3/auth/tokens", first, X_Subject_Token=first))["token"]
    body = {"identity": {"methods": ["token"], "token": {"id": first}}, "scope": project("test")}
    answered = shared.ask("POST", "/v3/auth/tokens", body={"auth": body})
    token = document(answered, 201)["token"]
    assert token["methods"] == ["token", "password"]
    assert token["project"]["name"] == "test"
    assert token["expires_at"] == old["expires_at"]
    assert token["audit_ids"][1:] == old["audit_ids"] != token["audit_ids"][:1]
    assert shared.ask("GET", "/v1/AUTH_test", answered.headers["x-subject-token"]).body == b"owner"
    body["identity"]["token"]["id"] = first + "A"
    refused(shared.ask("POST", "/v3/auth/tokens", body={"auth": body}), 401)


def test_two_methods_must_be_of_one_user(shared):
    for name, status in (("test:tester", 201), ("admin:admin", 401)):
        token = shared.token(name, {"test:tester": "testing", "admin:admin": "admin"}[name])
        identity = {
            "methods": ["password", "token"],
            "password": {"user": {"name": "tester", "password": "testing"}},
            "token": {"id": token},
        }
        assert shared.ask("POST", "/v3/auth/tokens", body={"auth": {"identity": identity}}).status == status


def test_a_login_without_a_catalog(shared):
    answered = shared.login("tester", "testing", path="/v3/auth/tokens?nocatalog")
    assert "catalog" not in document(answered, 201)["token"]


@pytest.mark.parametrize(
    ("options", "store", "identity"),
    [
        ({}, f"{HOST}/v1/AUTH_test", f"{HOST}/v3"),
        (
            {"public_url": "https://store.example.com/"},
            "https://store.example.com/v1/AUTH_test",
            "https://store.example.com/v3",
        ),
        ({"tempauth_storage_url_scheme": "https"}, "https://127.0.0.1:8080/v1/AUTH_test", f"{HOST}/v3"),
        ({"tempauth_reseller_prefix": "SWIFT"}, f"{HOST}/v1/SWIFT_test", f"{HOST}/v3"),
    ],
)
def test_addresses_in_the_catalog(tmp_path, options, store, identity):
    token = document(Site(tmp_path, **options).login("tester", "testing"), 201)["token"]
    assert urls(token) == {"object-store": {store}, "identity": {identity}}


def test_names_of_its_own(tmp_path):
    options = {"region": "home", "domain_id": "d1", "domain_name": "Firm", "user_roles": "user", "admin_roles": "boss"}
    site = Site(tmp_path, **options)
    user = {"name": "tester", "domain": {"name": "Firm"}, "password": "testing"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    token = document(site.ask("POST", "/v3/auth/tokens", body=body), 201)["token"]
    assert token["user"]["domain"] == {"id": "d1", "name": "Firm"}
    assert [role["name"] for role in token["roles"]] == ["user", "boss"]
    assert token["catalog"][0]["endpoints"][0]["region"] == "home"


# -- validation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asker", "password", "subject", "status"),
    [
        ("test:tester", "testing", "test:tester", 200),
        ("admin:admin", "admin", "test:tester", 200),
        ("services:swift", "service", "test:tester", 200),
        ("test:tester", "testing", "admin:admin", 403),
    ],
)
def test_who_may_look_at_whose_token(shared, asker, password, subject, status):
    passwords = {"test:tester": "testing", "admin:admin": "admin"}
    token, subject_token = shared.token(asker, password), shared.token(subject, passwords[subject])
    answered = shared.ask("GET", "/v3/auth/tokens", token, X_Subject_Token=subject_token)
    assert answered.status == status
    if status == 200:
        assert answered.headers["x-subject-token"] == subject_token
        assert document(answered)["token"]["user"]["name"] == subject.partition(":")[2]
        head = shared.ask("HEAD", "/v3/auth/tokens", token, X_Subject_Token=subject_token)
        assert (head.status, head.body) == (200, b"")
    else:
        assert shared.ask("DELETE", "/v3/auth/tokens", token, X_Subject_Token=subject_token).status == 403


def test_tokens_that_are_none(shared):
    token, admin = shared.token(), shared.token("admin", "admin")
    refused(shared.ask("GET", "/v3/auth/tokens", X_Subject_Token=token), 401)
    refused(shared.ask("GET", "/v3/auth/tokens", "idt.x", X_Subject_Token=token), 401)
    refused(shared.ask("GET", "/v3/auth/tokens", token), 400)
    refused(shared.ask("GET", "/v3/auth/tokens", admin, X_Subject_Token=token + "A"), 404)
    refused(shared.ask("GET", "/v3/auth/tokens", token, X_Subject_Token=token + "A"), 403)
    refused(shared.ask("GET", "/v3/auth/catalog"), 401)


# -- version 2 --------------------------------------------------------------------------------------------------------


def test_version_2(shared):
    auth = {"passwordCredentials": {"username": "tester", "password": "testing"}, "tenantName": "test"}
    access = document(shared.ask("POST", "/v2.0/tokens", body={"auth": auth}))["access"]
    assert access["token"]["tenant"]["name"] == "test"
    assert access["user"]["username"] == "tester"
    services = {service["type"]: service["endpoints"][0] for service in access["serviceCatalog"]}
    assert services["object-store"]["publicURL"] == f"{HOST}/v1/AUTH_test"
    assert services["identity"]["publicURL"] == f"{HOST}/v2.0"
    token = access["token"]["id"]
    assert shared.ask("GET", "/v1/AUTH_test", token).body == b"owner"
    assert [item["name"] for item in document(shared.ask("GET", "/v2.0/tenants", token))["tenants"]] == ["test"]
    again = document(shared.ask("POST", "/v2.0/tokens", body={"auth": {"token": {"id": token}, "tenantId": "test"}}))
    assert again["access"]["token"]["tenant"]["id"] == "test"


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        ({"passwordCredentials": {"username": "tester", "password": "wrong"}}, 401),
        ({"passwordCredentials": {"username": "tester", "password": "testing"}, "tenantName": "test2"}, 401),
        ({"passwordCredentials": {"username": "tester"}}, 400),
    ],
)
def test_failures_of_version_2(shared, auth, status):
    refused(shared.ask("POST", "/v2.0/tokens", body={"auth": auth}), status)


# -- version 1 --------------------------------------------------------------------------------------------------------


def test_version_1_is_as_tempauth_has_it(tmp_path):
    ours, theirs = Site(tmp_path), Site(tmp_path, v1="false")
    for path in ("/auth/v1.0", "/auth/auth", "/auth/v1/test/auth", "/auth/v2", "/auth/", "/auth/nothing/x"):
        for method in ("GET", "PUT"):
            for key in ("testing", "wrong", ""):
                headers = {"X_Auth_User": "test:tester", "X_Auth_Key": key}
                mine, other = ours.ask(method, path, **headers), theirs.ask(method, path, **headers)
                assert (mine.status, mine.body, sorted(mine.headers)) == (
                    other.status,
                    other.body,
                    sorted(other.headers),
                )
                if mine.status == 200:
                    assert mine.headers["x-storage-url"] == other.headers["x-storage-url"]
                    assert mine.headers["x-auth-token"] == mine.headers["x-storage-token"]
                    assert mine.headers["x-auth-token"].startswith("idt.")
                    assert ours.ask("GET", "/v1/AUTH_test", mine.headers["x-auth-token"]).body == b"owner"


# -- finding it -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/identity", "/auth"])
def test_versions_are_found_below_each_prefix(shared, prefix):
    found = document(shared.ask("GET", f"{prefix}/v3/"))["version"]
    assert (found["id"], found["status"]) == ("v3.14", "stable")
    assert found["links"] == [{"rel": "self", "href": f"{HOST}{prefix}/v3/"}]
    assert document(shared.ask("GET", f"{prefix}/v2.0"))["version"]["id"] == "v2.0"
    answered = shared.login("tester", "testing", path=f"{prefix}/v3/auth/tokens")
    token = document(answered, 201)["token"]
    assert urls(token)["identity"] == {f"{HOST}{prefix}/v3"}
    assert urls(token)["object-store"] == {f"{HOST}/v1/AUTH_test"}


@pytest.mark.parametrize("path", ["/", "", "/identity", "/identity/"])
def test_all_versions(shared, path):
    answered = shared.ask("GET", path)
    values = document(answered, 300)["versions"]["values"]
    assert [value["id"] for value in values] == ["v3.14", "v2.0"]
    assert values[0]["links"][0]["href"] == f"{HOST}{path.rstrip('/')}/v3/"


def test_a_client_that_leaves_out_the_version(shared):
    assert shared.login("tester", "testing", path="/auth/tokens").status == 201
    assert shared.login("tester", "testing", path="//v3//auth/tokens/").status == 201


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3/nothing", 404),
        ("GET", "/v3/users/x/y/z", 404),
        ("GET", "/identity/nothing", 404),
        ("PUT", "/v3/auth/tokens", 405),
        ("POST", "/v3", 405),
        ("DELETE", "/", 405),
        ("GET", "/v2.0/tokens", 405),
    ],
)
def test_what_is_not_there(shared, method, path, status):
    answered = shared.ask(method, path)
    refused(answered, status)
    assert ("allow" in answered.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/v1/AUTH_test", "/v30/x", "/v3x", "/v2.0x", "/info", "/identityx", "/authx"])
def test_other_paths_are_left_alone(shared, path):
    assert b"error" not in shared.ask("GET", path).body
    assert shared.ask("GET", path).headers.get("content-type") != "application/json"


# -- users and projects -----------------------------------------------------------------------------------------------


def test_everybody_sees_himself_and_resellers_see_all(shared):
    tester, admin = shared.token(), shared.token("admin", "admin")
    names = [item["name"] for item in document(shared.ask("GET", "/v3/auth/projects", tester))["projects"]]
    assert names == ["test"]
    everything = document(shared.ask("GET", "/v3/projects", admin))["projects"]
    assert everything[0]["name"] == "admin"
    assert {"test", "test2", "web", "ünder"} <= {item["name"] for item in everything}
    assert [item["id"] for item in document(shared.ask("GET", "/v3/projects?name=test2", admin))["projects"]] == [
        "test2"
    ]
    under = next(item for item in everything if item["name"] == "ünder")
    assert document(shared.ask("GET", f"/v3/projects/{under['id']}", admin))["project"] == under
    refused(shared.ask("GET", f"/v3/projects/{under['id']}", tester), 404)
    [me] = document(shared.ask("GET", "/v3/users", tester))["users"]
    assert document(shared.ask("GET", f"/v3/users/{me['id']}", tester))["user"] == me
    assert document(shared.ask("GET", f"/v3/users/{me['id']}", admin))["user"] == me
    assert document(shared.ask("GET", f"/v3/users/{me['id']}/projects", tester))["projects"][0]["id"] == "test"
    other = document(shared.ask("GET", "/v3/users?name=tester2", admin))["users"][0]
    refused(shared.ask("GET", f"/v3/users/{other['id']}", tester), 404)
    for path in ("/v3/users", "/v3/projects", "/v3/auth/projects", "/v2.0/tenants", "/v3/domains", "/v3/users/x"):
        refused(shared.ask("GET", path), 401)


def test_the_domain_and_the_catalog(shared):
    token = shared.token()
    [domain] = document(shared.ask("GET", "/v3/auth/domains", token))["domains"]
    assert document(shared.ask("GET", "/v3/domains/default", token))["domain"] == domain
    refused(shared.ask("GET", "/v3/domains/x", token), 404)
    catalog = document(shared.ask("GET", "/v3/auth/catalog", token))["catalog"]
    assert urls({"catalog": catalog})["object-store"] == {f"{HOST}/v1/AUTH_test"}
    refused(shared.ask("GET", "/v3/auth/catalog", shared.token(scope="unscoped")), 403)


# -- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v3/auth/tokens", "/v2.0/tokens"])
def test_bodies_that_are_none(shared, path):
    for body in (b"", b"{", b"\xff\xfe", b"[]", b"[" * 60000, b"null", b'{"auth": 1}'):
        refused(shared.ask("POST", path, body=body), 400)
    refused(shared.ask("POST", path, body=b" " * 70000), 413)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["identity", "methods", "password", "user", "scope", "project"]), inner)
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(VALUES)
def test_no_body_breaks_it(shared, value):
    assert shared.ask("POST", "/v3/auth/tokens", body={"auth": value}).status in (400, 401)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_name_breaks_it(shared, name, password, account):
    assert shared.login(name, password, project(account)).status in (400, 401)


# -- application credentials ------------------------------------------------------------------------------------------


def me(site, token):
    return document(site.ask("GET", "/v3/auth/tokens", token, X_Subject_Token=token))["token"]["user"]["id"]


def make(site, token, status=201, **wanted):
    path = f"/v3/users/{me(site, token)}/application_credentials"
    body = {"application_credential": {"name": "backup", **wanted}}
    return document(site.ask("POST", path, token, body), status).get("application_credential")


def use(site, made, **user):
    named = {"name": made["name"], "user": user} if user else {"id": made["id"]}
    identity = {"methods": ["application_credential"], "application_credential": {**named, "secret": made["secret"]}}
    return site.ask("POST", "/v3/auth/tokens", body={"auth": {"identity": identity}})


def test_a_program_logs_in_with_its_own_secret(site):
    made = make(site, site.token())
    assert made["project_id"] == "test" and len(made["secret"]) == 64 and not made["unrestricted"]
    assert [role["name"] for role in made["roles"]] == ["member", "admin", "swiftoperator"]
    answered = use(site, made)
    token = document(answered, 201)["token"]
    assert token["methods"] == ["application_credential"]
    assert token["application_credential"] == {"id": made["id"], "name": "backup", "restricted": True}
    assert site.ask("GET", "/v1/AUTH_test", answered.headers["x-subject-token"]).body == b"owner"
    assert use(site, made, name="test:tester").status == use(site, made, name="tester").status == 201
    assert all(made["secret"].encode() not in body for body in site.proxy.objects.values())


@pytest.mark.parametrize(
    "wrong", [{"secret": "x"}, {"id": "0" * 32}, {"id": "../revoked"}, {"id": "x"}, {"secret": ""}]
)
def test_wrong_secrets(site, wrong):
    refused(use(site, {**make(site, site.token()), **wrong}), 401)


def test_a_credential_can_have_less_than_its_user(site):
    made = make(site, site.token(), roles=[{"name": "member"}])
    answered = use(site, made)
    assert [role["name"] for role in document(answered, 201)["token"]["roles"]] == ["member"]
    token = answered.headers["x-subject-token"]
    found = site.ask("PUT", "/v1/AUTH_test/c", token)
    assert (found.status, found.environ["REMOTE_USER"]) == (403, "test,test:tester")


def test_a_reseller_can_lend_its_own_account_alone(site):
    made = make(site, site.token("admin", "admin"), roles=[{"name": "admin"}])
    token = use(site, made).headers["x-subject-token"]
    assert site.ask("GET", "/v1/AUTH_admin", token).body == b"owner"
    assert site.ask("GET", "/v1/AUTH_test", token).status == 403
    assert len(document(site.ask("GET", "/v3/users", token))["users"]) == 1


def test_nobody_can_lend_what_he_has_not(site):
    make(site, site.token("tester3", "testing3", project("test")), 400, roles=[{"name": "admin"}])


def test_credentials_are_listed_shown_and_deleted(site):
    token = site.token()
    made = make(site, token)
    make(site, token, name="other")
    path = f"/v3/users/{me(site, token)}/application_credentials"
    listed = document(site.ask("GET", path, token))["application_credentials"]
    assert {item["name"] for item in listed} == {"backup", "other"}
    assert all("secret" not in item and "hash" not in item for item in listed)
    assert len(document(site.ask("GET", f"{path}?name=other", token))["application_credentials"]) == 1
    shown = document(site.ask("GET", f"{path}/{made['id']}", token))["application_credential"]
    assert shown == {key: value for key, value in made.items() if key != "secret"}
    had = use(site, made).headers["x-subject-token"]
    assert site.ask("DELETE", f"{path}/{made['id']}", token).status == 204
    refused(site.ask("GET", f"{path}/{made['id']}", token), 404)
    refused(site.ask("DELETE", f"{path}/{made['id']}", token), 404)
    refused(use(site, made), 401)
    assert site.ask("GET", "/v1/AUTH_test", had).status == 401


def test_names_are_ones_own(site):
    token = site.token()
    make(site, token)
    make(site, token, 409)
    assert make(site, site.token("admin", "admin"))


def test_nobody_sees_anothers(site):
    made = make(site, site.token())
    owner, admin = me(site, site.token()), site.token("admin", "admin")
    path = f"/v3/users/{owner}/application_credentials"
    for method, at in (
        ("GET", path),
        ("POST", path),
        ("GET", f"{path}/{made['id']}"),
        ("DELETE", f"{path}/{made['id']}"),
    ):
        refused(site.ask(method, at, admin, {"application_credential": {"name": "x"}}), 403)
    own = f"/v3/users/{me(site, admin)}/application_credentials/{made['id']}"
    refused(site.ask("DELETE", own, admin), 404)


def test_only_an_unrestricted_credential_makes_others(site):
    for unrestricted, status in ((False, 403), (True, 201)):
        made = make(site, site.token(), name=f"n{status}", unrestricted=unrestricted)
        make(site, use(site, made).headers["x-subject-token"], status, name=f"m{status}")


def test_a_credential_cannot_be_traded_for_more(site):
    token = use(site, make(site, site.token("admin", "admin"))).headers["x-subject-token"]
    for scope in (None, project("test")):
        body = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}
        refused(site.ask("POST", "/v3/auth/tokens", body={"auth": body}), 403)


def test_a_credential_expires(site, monkeypatch):
    now = time.time()
    soon = time.strftime("%Y-%m-%dT%H:%M:%S.000000", time.gmtime(now + 100))
    make(site, site.token(), 400, expires_at="2001-01-01T00:00:00")
    make(site, site.token(), 400, expires_at="tomorrow")
    made = make(site, site.token(), expires_at=soon)
    assert made["expires_at"] == soon
    token = document(use(site, made), 201)["token"]
    assert token["expires_at"] == soon + "Z"
    monkeypatch.setattr(time, "time", lambda: now + 101)
    refused(use(site, made), 401)


def test_a_credential_outlives_a_password_but_no_user(site, tmp_path):
    made = make(site, site.token())
    changed = Site(tmp_path, site.proxy, tempauth_user_test_tester="changed")
    answered = use(changed, made)
    assert [role["name"] for role in document(answered, 201)["token"]["roles"]] == ["member"]
    refused(use(Site(tmp_path, site.proxy, tempauth_user_test_tester=""), made), 401)


def test_there_is_an_end_to_credentials(site, monkeypatch):
    monkeypatch.setattr("swiftlite.middleware.identity.credentials.MOST", 1)
    make(site, site.token(), name="one")
    assert "delete one" in refused(
        site.ask(
            "POST",
            f"/v3/users/{me(site, site.token())}/application_credentials",
            site.token(),
            {"application_credential": {"name": "two"}},
        ),
        403,
    )


def test_a_damaged_record_is_no_credential(site):
    made = make(site, site.token())
    [path] = site.proxy.objects
    for damage in (b"", b"{", b"[]", b'{"id": 1}', b'{"roles": null, "x": 1}'):
        site.proxy.objects[path] = damage
        refused(use(site, made), 401)
    site.proxy.down = 503
    refused(use(site, made), 503)


@pytest.mark.parametrize("expires_at", ["9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "2286-11-20T17:46:40Z"])
def test_a_credential_that_expires_too_late_is_refused(site, expires_at):
    """No object can be deleted as late, and a date after the year 9999 could not be shown: not even in a listing."""
    token = site.token()
    path = f"/v3/users/{me(site, token)}/application_credentials"
    wanted = {"application_credential": {"name": "late", "expires_at": expires_at}}
    refused(site.ask("POST", path, token, wanted), 400)
    assert document(site.ask("GET", path, token))["application_credentials"] == []


def test_a_narrow_credential_for_anothers_project_opens_that_alone(site):
    """Its owner may do all everywhere; of his own account the credential says nothing."""
    token = site.token("admin:admin", "admin", project("test"))
    made = make(site, token, roles=[{"name": "admin"}])
    assert made["project_id"] == "test"
    narrow = use(site, made).headers["x-subject-token"]
    assert site.ask("GET", "/v1/AUTH_test", narrow).body == b"owner"
    assert site.ask("GET", "/v1/AUTH_admin", narrow).status == 403
    assert site.ask("GET", "/v1/AUTH_test2", narrow).status == 403
    guest = use(site, make(site, token, name="guest", roles=[{"name": "member"}])).headers["x-subject-token"]
    assert [site.ask("GET", f"/v1/AUTH_{name}", guest).status for name in ("test", "admin")] == [403, 403]
