"""Wrong logins are limited, by user and by address; hashed passwords log in everywhere."""

import pytest
from unit.middleware.identity.site import Site, project

from swiftlite.common.passwords import LABEL
from swiftlite.middleware.identity.directory import user_id
from swiftlite.middleware.identity.logins import TooManyLogins

HASH = "$argon2id$v=19$m=1024,t=1,p=1$4Nzb96XQv26o5YNh0GtUqw$8OFQCquiwqYmaL+FsYY6FhtN3YC1xz1Yqe+MzzBKYzQ"
"""Of "testing"."""


@pytest.fixture
def clock():
    """The moment, as a list of one."""
    return [6000.0]


def limited(directory, clock, **options):
    site = Site(directory, **{"login_failures_per_user": "3", "login_failures_per_address": "5", **options})
    site.app.api.authentication.logins._clock = lambda: clock[0]
    return site


def v1(site, user, key):
    return site.ask("GET", "/auth/v1.0", X_Auth_User=user, X_Auth_Key=key)


def test_too_many_wrong_passwords_for_a_user(tmp_path, clock):
    site = limited(tmp_path, clock)
    assert [site.login("tester", "wrong").status for _ in range(3)] == [401] * 3
    clock[0] += 20
    for answered in (site.login("test:tester", "testing"), v1(site, "test:tester", "testing")):
        assert (answered.status, answered.headers["retry-after"]) == (429, "40")
    assert site.login("test2:tester2", "testing2").status == 201
    clock[0] += 40
    assert site.login("tester", "testing").status == 201


def test_the_limit_is_the_same_for_users_that_there_are_not(tmp_path, clock):
    site = limited(tmp_path, clock)
    assert [site.login("nobody", "x").status for _ in range(4)] == [401, 401, 401, 429]
    assert b'"title": "Too Many Requests"' in site.login("nobody", "x").body


def test_each_version_counts(tmp_path, clock):
    site = limited(tmp_path, clock)
    auth = {"passwordCredentials": {"username": "tester", "password": "wrong"}}
    assert site.ask("POST", "/v2.0/tokens", body={"auth": auth}).status == 401
    assert v1(site, "test:tester", "wrong").status == 401
    assert site.login("tester", "wrong", project("test")).status == 401
    assert site.ask("POST", "/v2.0/tokens", body={"auth": auth}).status == 429


def test_too_many_wrong_passwords_from_an_address(tmp_path, clock):
    site = limited(tmp_path, clock)
    assert [site.login(f"user{number}", "x").status for number in range(6)] == [401] * 5 + [429]
    assert site.login("tester", "testing").status == 429


def test_right_passwords_do_not_count(tmp_path, clock):
    site = limited(tmp_path, clock)
    assert [site.login("tester", "testing").status for _ in range(20)] == [201] * 20


def test_no_limit(tmp_path, clock):
    site = limited(tmp_path, clock, login_failures_per_user="0", login_failures_per_address="0")
    assert [site.login("tester", "x").status for _ in range(20)] == [401] * 20


def test_secrets_of_credentials_count_too(tmp_path, clock):
    site = limited(tmp_path, clock)
    identity = {"methods": ["application_credential"], "application_credential": {"id": "0" * 32, "secret": "x"}}
    statuses = [site.ask("POST", "/v3/auth/tokens", body={"auth": {"identity": identity}}).status for _ in range(4)]
    assert statuses == [401, 401, 401, 429]


def test_tokens_go_on_while_logins_are_limited(tmp_path, clock):
    site = limited(tmp_path, clock)
    token = site.token()
    for _ in range(4):
        site.login("tester", "wrong")
    assert site.ask("GET", "/v1/AUTH_test", token).status == 200


# -- hashed passwords -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [HASH, LABEL + HASH])
@pytest.mark.parametrize("own", ["true", "false"])
def test_a_hashed_password(tmp_path, stored, own):
    site = Site(tmp_path, tempauth_user_test_tester=f"{stored} .admin", v1=own)
    for _ in range(2):
        assert site.login("tester", "testing").status == v1(site, "test:tester", "testing").status + 1 == 201
        assert site.login("tester", "Testing").status == v1(site, "test:tester", "Testing").status == 401
        assert v1(site, "test:tester", stored).status == 401  # the hash is no password
    assert v1(site, "admin:admin", "admin").status == 200


def test_an_address_of_ipv6_is_its_network(tmp_path, clock):
    """Whoever has one address of version 6 has 2^64 of them, and would never be counted twice."""
    site = limited(tmp_path, clock)
    logins = site.app.api.authentication.logins
    user = site.app.api.authentication.directory.conf.users["test:tester"]
    for number in range(5):
        assert not logins.match({"REMOTE_ADDR": f"2001:db8::{number}:1"}, None, f"user{number}", "x")
    with pytest.raises(TooManyLogins):
        logins.match({"REMOTE_ADDR": "2001:db8::ffff:1"}, user, "test:tester", "testing")
    assert logins.match({"REMOTE_ADDR": "2001:db8:0:1::1"}, user, "test:tester", "testing")


def test_no_record_is_looked_for_when_there_were_too_many_wrong_secrets(tmp_path, clock):
    """A name makes for a listing and a read of each of a user's credentials: nobody may have that for nothing."""
    site = limited(tmp_path, clock)
    given = {"name": "backup", "user": {"name": "test:tester"}, "secret": "x"}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": given}}
    statuses = [site.ask("POST", "/v3/auth/tokens", body={"auth": auth}).status for _ in range(3)]
    assert statuses == [401] * 3
    asked = len(site.proxy.asked)
    assert asked > 0
    assert site.ask("POST", "/v3/auth/tokens", body={"auth": auth}).status == 429
    assert len(site.proxy.asked) == asked


def test_a_credential_counts_the_same_however_its_owner_is_named(tmp_path, clock):
    site = limited(tmp_path, clock, login_failures_per_address="0")
    owner = {"name": "test:tester"}, {"id": user_id(site.app.api.authentication.directory.user("test:tester"))}
    statuses = []
    for user in (*owner, *owner):
        given = {"name": "backup", "user": user, "secret": "x"}
        auth = {"identity": {"methods": ["application_credential"], "application_credential": given}}
        statuses.append(site.ask("POST", "/v3/auth/tokens", body={"auth": auth}).status)
    assert statuses == [401, 401, 401, 429]
