"""Tokens of the built-in identity at the proxy's door: whom they let in, and all that ends them."""

import time

import pytest
from unit.middleware.identity.site import Site, project

from swiftlite.middleware.identity.directory import Directory


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("user", "password", "groups"),
    [
        ("test:tester", "testing", "test,test:tester,AUTH_test"),
        ("test:tester3", "testing3", "test,test:tester3,readers"),
        ("admin:admin", "admin", "admin,admin:admin,.reseller_admin,AUTH_admin"),
        ("web:site", "pages", "web,web:site,AUTH_web"),
        ("ünder:u_1", "k64", "ünder,ünder:u_1,AUTH_ünder,AUTH_%C3%BCnder"),
    ],
)
def test_a_token_is_as_good_as_one_of_tempauth(site, user, password, groups):
    environ = site.ask("GET", "/v1/AUTH_x", site.token(user, password)).environ
    assert environ["REMOTE_USER"] == groups
    assert environ["swift.access_logging"]["user_id"] == user
    assert environ.get("reseller_request") == (True if user == "admin:admin" else None)


@pytest.mark.parametrize(
    ("user", "password", "method", "path", "status"),
    [
        ("test:tester", "testing", "PUT", "/v1/AUTH_test/c", 200),
        ("test:tester", "testing", "GET", "/v1/AUTH_test2/c", 403),
        ("test:tester", "testing", "GET", "/v1/.identity/revoked", 403),
        ("test:tester3", "testing3", "GET", "/v1/AUTH_test/c", 403),
        ("admin:admin", "admin", "PUT", "/v1/AUTH_test/c", 200),
        ("admin:admin", "admin", "GET", "/v1/.identity/revoked", 403),
        ("audit:reader", "glasses", "GET", "/v1/AUTH_test/c", 200),
        ("audit:reader", "glasses", "PUT", "/v1/AUTH_test/c", 403),
    ],
)
def test_who_may_do_what(site, user, password, method, path, status):
    assert site.ask(method, path, site.token(user, password)).status == status


def test_the_other_header_for_tokens(site):
    assert site.ask("GET", "/v1/AUTH_test", X_Storage_Token=site.token()).body == b"owner"


def test_tempauth_still_knows_its_own_tokens(tmp_path):
    site = Site(tmp_path, v1="false")
    token = site.ask("GET", "/auth/v1.0", X_Auth_User="test:tester", X_Auth_Key="testing").headers["x-auth-token"]
    assert token.startswith("AUTH_")
    assert site.ask("GET", "/v1/AUTH_test", token).body == b"owner"


def test_what_is_no_token_lets_nobody_in(site):
    good = site.token()
    for bad in ("idt.", "idt.x.y", good[:-1], good + "A", good.upper()):
        answered = site.ask("GET", "/v1/AUTH_test", bad)
        assert (answered.status, answered.headers["www-authenticate"]) == (401, 'Swift realm="AUTH_test"')
        assert "REMOTE_USER" not in answered.environ


@pytest.mark.parametrize(
    "header", ["Remote-User", "Swift.Identity", "Swift-Identity", "X-Identity", "X-User-Id", "X-Roles"]
)
def test_no_header_makes_a_user(site, header):
    answered = site.ask("GET", "/v1/AUTH_test", **{header.replace("-", "_"): "admin,admin:admin,.reseller_admin"})
    assert (answered.status, "REMOTE_USER" in answered.environ) == (401, False)


def test_a_token_expires(site, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    token = site.token()
    monkeypatch.setattr(time, "time", lambda: now + 86398)
    assert site.ask("GET", "/v1/AUTH_test", token).status == 200
    monkeypatch.setattr(time, "time", lambda: now + 86400)
    assert site.ask("GET", "/v1/AUTH_test", token).status == 401


def test_another_proxy_knows_the_token(site, tmp_path):
    token = site.token()
    assert Site(tmp_path).ask("GET", "/v1/AUTH_test", token).body == b"owner"


@pytest.mark.parametrize(
    "change",
    [
        {"tempauth_user_test_tester": ""},
        {"tempauth_user_test_tester": "changed .admin"},
        {"tempauth_user_test_tester": "testing"},
        {"tempauth_user_test_tester": "testing .admin more"},
        {"tempauth_user_test_tester": "testing .admin $HOST/v1/AUTH_other"},
        {"signing_key": "another"},
        {"signing_key": "another", "signing_key_old": "x, y"},
    ],
)
def test_a_token_ends_with_what_it_was_given_for(site, tmp_path, change):
    token = site.token()
    assert Site(tmp_path, **change).ask("GET", "/v1/AUTH_test", token).status == 401


def test_a_key_can_be_changed_under_living_tokens(tmp_path):
    token = Site(tmp_path, signing_key="old").token()
    changed = Site(tmp_path, signing_key="new", signing_key_old="older, old")
    assert changed.ask("GET", "/v1/AUTH_test", token).body == b"owner"
    assert Site(tmp_path, signing_key="old").ask("GET", "/v1/AUTH_test", changed.token()).status == 401


def test_a_changed_user_of_another_account_does_not_matter(site, tmp_path):
    token = site.token()
    assert Site(tmp_path, tempauth_user_test2_tester2="x").ask("GET", "/v1/AUTH_test", token).status == 200


def test_an_unscoped_token_opens_no_account(site):
    token = site.token(scope="unscoped")
    assert site.ask("GET", "/v1/AUTH_test", token).status == 401
    assert site.ask("GET", "/v3/auth/projects", token).status == 200


def test_an_empty_reseller_prefix(tmp_path):
    site = Site(tmp_path, tempauth_reseller_prefix="''")
    token = site.token()
    assert site.ask("GET", "/v1/test", token).body == b"owner"
    assert site.ask("GET", "/v1/test2", token).status == 403
    assert site.ask("GET", "/v1/test", token + "A").status == 401
    assert site.ask("GET", "/v1/test").status == 401


def test_no_reseller_prefix_may_begin_as_tokens_do(tmp_path):
    from swiftlite.common.config import ConfigError

    with pytest.raises(ConfigError, match="reseller_prefix"):
        Site(tmp_path, tempauth_reseller_prefix="idt.")


def test_a_service_beside_its_user(tmp_path):
    options = {"tempauth_reseller_prefix": "AUTH, SERVICE", "tempauth_SERVICE_require_group": ".service"}
    site = Site(tmp_path, **options)
    user, service = site.token(), site.token("services:swift", "service")
    assert site.ask("GET", "/v1/SERVICE_test", user).status == 403
    assert site.ask("GET", "/v1/SERVICE_test", user, X_Service_Token=service).body == b"owner"
    assert site.ask("GET", "/v1/SERVICE_test", service).status == 403
    assert site.ask("GET", "/v1/SERVICE_test", user, X_Service_Token=service + "A").status == 403


def test_what_a_filter_in_front_allows_stays_allowed(site):
    from fakes.wsgi_calls import call, make_environ

    environ = make_environ("GET", "/v1/AUTH_test/c/o", headers={"X-Auth-Token": "idt.nonsense"})
    environ |= {
        "swift.authorize_override": True,
        "REMOTE_USER": ".wsgi.tempurl",
        "swift.authorize": lambda _request: None,
    }
    answered = call(site.app, environ)
    assert (answered.status, answered.environ["REMOTE_USER"]) == (200, ".wsgi.tempurl")


# -- revocation -------------------------------------------------------------------------------------------------------


def test_a_revoked_token_is_good_no_more_and_others_are(site):
    token, other = site.token(), site.token()
    assert site.ask("GET", "/v1/AUTH_test", token).status == 200
    revoked = site.ask("DELETE", "/v3/auth/tokens", token, X_Subject_Token=token)
    assert (revoked.status, revoked.body) == (204, b"")
    assert site.ask("GET", "/v1/AUTH_test", token).status == 401
    assert site.ask("GET", "/v1/AUTH_test", other).status == 200
    [record] = site.proxy.objects
    assert site.proxy.delete_at[record] == str(int(record.split("/")[-1].split("-")[0]))


def test_a_token_had_for_a_revoked_one_lives_on(site):
    """As with Keystone: who has chosen a project throws the unscoped token away."""
    unscoped = site.token(scope="unscoped")
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": unscoped}}, "scope": project("test")}}
    scoped = site.ask("POST", "/v3/auth/tokens", body=body).headers["x-subject-token"]
    site.ask("DELETE", "/v3/auth/tokens", unscoped, X_Subject_Token=unscoped)
    assert site.ask("GET", "/v1/AUTH_test", scoped).status == 200
    assert site.ask("POST", "/v3/auth/tokens", body=body).status == 401


def test_other_servers_and_restarted_ones_hear_of_it(site, tmp_path, monkeypatch):
    elsewhere = Site(tmp_path, site.proxy, revocation_delay="7")
    moment = [100.0]
    monkeypatch.setattr(elsewhere.cache, "_clock", lambda: moment[0])
    token = site.token()
    assert elsewhere.ask("GET", "/v1/AUTH_test", token).status == 200
    site.ask("DELETE", "/v3/auth/tokens", token, X_Subject_Token=token)
    moment[0] += 6.9
    assert elsewhere.ask("GET", "/v1/AUTH_test", token).status == 200
    moment[0] += 0.2
    assert elsewhere.ask("GET", "/v1/AUTH_test", token).status == 401
    assert Site(tmp_path, site.proxy).ask("GET", "/v1/AUTH_test", token).status == 401


def test_records_of_the_past_are_not_listed(site, monkeypatch):
    first = site.token()
    site.ask("DELETE", "/v3/auth/tokens", first, X_Subject_Token=first)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90000)
    site.cache.delete("identity/revoked")
    site.ask("GET", "/v1/AUTH_test", site.token())
    assert site.cache.get("identity/revoked") == []


def test_many_revocations_are_listed_whole(site):
    """Whatever container_listing_limit the store has."""
    tokens = [site.token() for _ in range(8)]
    for token in tokens[:7]:
        site.ask("DELETE", "/v3/auth/tokens", token, X_Subject_Token=token)
    assert [site.ask("GET", "/v1/AUTH_test", token).status for token in tokens] == [401] * 7 + [200]


def test_a_revocation_that_is_not_stored_is_not_said_to_be(site):
    token = site.token()
    site.ask("GET", "/v1/AUTH_test", token)
    site.proxy.down = 503
    answered = site.ask("DELETE", "/v3/auth/tokens", token, X_Subject_Token=token)
    assert (answered.status, answered.headers["retry-after"]) == (503, "5")


def test_who_cannot_know_what_is_revoked_lets_nobody_in(site):
    token = site.token()
    site.proxy.down = 503
    assert site.ask("GET", "/v1/AUTH_test", token).status == 503
    assert site.ask("GET", "/v3/auth/projects", token).status == 503
    site.proxy.down = 0
    assert site.ask("GET", "/v1/AUTH_test", token).status == 200


def test_the_last_known_list_serves_through_an_outage(site):
    good, revoked = site.token(), site.token()
    site.ask("DELETE", "/v3/auth/tokens", revoked, X_Subject_Token=revoked)
    site.ask("GET", "/v1/AUTH_test", good)
    site.proxy.down = 503
    site.cache.delete("identity/revoked")
    assert site.ask("GET", "/v1/AUTH_test", good).status == 200
    assert site.ask("GET", "/v1/AUTH_test", revoked).status == 401


def test_a_known_token_asks_nobody(site, monkeypatch):
    monkeypatch.setattr(site.cache, "_clock", lambda: 100.0)
    token = site.token()
    site.ask("GET", "/v1/AUTH_test", token)
    asked = len(site.proxy.asked)
    for _ in range(5):
        site.ask("GET", "/v1/AUTH_test", token)
    assert len(site.proxy.asked) == asked


def test_what_is_remembered_is_bounded(site, monkeypatch):
    monkeypatch.setattr("swiftlite.middleware.identity.tokens.REMEMBERED", 2)
    tokens = [site.token() for _ in range(4)]
    assert [site.ask("GET", "/v1/AUTH_test", token).status for token in tokens + tokens] == [200] * 8
    assert len(site.app.tokens._known) == 2


def test_ids_do_not_collide(tmp_path):
    site = Site(tmp_path)
    directory: Directory = site.app.tokens.directory
    assert len(directory._users) == len(directory.conf.users)
