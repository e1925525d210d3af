"""keystoneauth's decision: every role, kind of account and access list, in a table that a second description checks."""

from __future__ import annotations

from itertools import product

import pytest

from swiftlite.core.acl import parse_acl
from swiftlite.core.keystone import (
    NO,
    OWNER,
    UNKNOWN_DOMAIN,
    YES,
    Asked,
    Identity,
    PrefixRules,
    Rules,
    StoredDomain,
    decide,
    decide_anonymous,
    domain_to_keep,
    keeps_domain,
)

PLAIN = PrefixRules(frozenset({"admin", "swiftoperator"}), frozenset(), frozenset({"reader"}))
SERVICE = PrefixRules(frozenset({"admin"}), frozenset({"service"}), frozenset({"reader"}))
RULES = Rules({"AUTH_": PLAIN, "SERVICE_": SERVICE}, "reselleradmin", frozenset({"auditor"}), "default", True)
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


def someone(*roles: str, **changes: object) -> Identity:
    values = {"user_id": "u1", "user_name": "ann", "project_id": "p1", "project_name": "one", **changes}
    return Identity(roles=frozenset(roles), **values)


def never() -> StoredDomain:
    raise AssertionError("the account was asked for without need")


def verdict(who: Identity, method: str, path: str, acl: str | None = None, stored=never, **more: object):
    names = [*path.split("/", 2), None, None][:3]
    return decide(RULES, who, Asked(method, names[0] or "", names[1], names[2], parse_acl(acl), **more), stored)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["AUTH_p1", "AUTH_p1/c", "AUTH_p1/c/o", "AUTH_p2/c", "SERVICE_p1/c/o", "OTHER_p1/c"])
def test_roles(method, path):
    reads, own = method in ("GET", "HEAD"), path.startswith("AUTH_p1")
    deletes_account = method == "DELETE" and "/" not in path
    assert verdict(someone("reselleradmin"), method, path) == OWNER
    assert verdict(someone("auditor"), method, path) == (YES if reads else NO)
    assert verdict(someone("swiftoperator"), method, path) == (OWNER if own and not deletes_account else NO)
    readable = own or path.startswith("SERVICE_p1")
    assert verdict(someone("reader"), method, path) == (YES if reads and readable else NO)
    assert verdict(someone("member"), method, path) == NO
    assert verdict(someone(), method, path) == NO


def test_service_accounts_need_both_tokens():
    with_both = someone("admin", service_roles=frozenset({"service"}))
    assert verdict(with_both, "PUT", "SERVICE_p1/c/o") == OWNER
    assert verdict(with_both, "PUT", "AUTH_p1/c/o") == OWNER
    assert verdict(someone("admin"), "PUT", "SERVICE_p1/c/o") == NO
    assert verdict(someone("admin", "service"), "PUT", "SERVICE_p1/c/o") == NO
    assert verdict(someone(service_roles=frozenset({"service"})), "PUT", "SERVICE_p1/c/o") == NO
    assert verdict(someone("admin", service_roles=frozenset({"other"})), "PUT", "SERVICE_p1/c/o") == NO


def test_roles_in_access_lists_count_in_the_own_project_alone():
    assert verdict(someone("member"), "PUT", "AUTH_p1/c/o", "Member") == YES
    assert verdict(someone("member"), "PUT", "AUTH_p2/c/o", "member") == NO
    assert verdict(someone("member"), "PUT", "AUTH_p1/c/o", "members") == NO


@pytest.mark.parametrize(("project", "user"), list(product(("p1", "one", "*", "p2", "two"), ("u1", "ann", "*", "u2"))))
@pytest.mark.parametrize("domain", [None, "default", "other"])
def test_projects_and_users_in_access_lists(project, user, domain):
    fits = project in ("p1", "one", "*") and user in ("u1", "ann", "*")
    has_name = project == "one" or user == "ann"

    def answer(stored, **changes):
        found = verdict(someone(**changes), "GET", "AUTH_p2/c/o", f"{project}:{user}", lambda: stored)
        assert found in (YES, NO)
        return found.is_allowed

    here = StoredDomain(True, domain)
    assert answer(here) == (fits and (not has_name or domain in (None, "default")))
    assert answer(StoredDomain(False, None)) == (fits and not has_name)
    assert answer(here, user_domain="other") == (fits and not has_name)
    assert answer(here, project_domain="other") == (fits and not has_name)
    assert answer(here, user_domain="default", project_domain="default") == answer(here)


def test_names_in_access_lists_can_be_switched_off():
    rules = Rules(RULES.by_prefix, "reselleradmin", frozenset(), "default", False)
    asked = Asked("GET", "AUTH_p1", "c", "o", parse_acl("one:ann"))
    assert decide(rules, someone(), asked, never) == NO
    assert decide(RULES, someone(), asked, never) == YES, "the own project's domain is known without asking"


def test_a_token_without_project_or_user_is_nobody():
    nobody = someone("admin", project_id=None, project_name=None, user_id=None, user_name=None)
    for path, acl in product(("AUTH_None/c/o", "AUTH_/c/o"), (None, "None:None", "None:*", "*:None")):
        assert verdict(nobody, "GET", path, acl) == NO
    assert verdict(nobody, "GET", "AUTH_p1/c/o", "*:*") == YES


@pytest.mark.parametrize("who", [None, someone(), someone("admin", project_id="p2")])
def test_referrers(who):
    def allowed(path, acl, **more):
        if who is not None:
            return verdict(who, "GET", path, acl, **more).is_allowed
        names = [*path.split("/", 2), None, None][:3]
        return decide_anonymous(RULES, Asked("GET", names[0], names[1], names[2], parse_acl(acl), **more))

    assert allowed("AUTH_p1/c/o", ".r:*")
    assert not allowed("AUTH_p1/c", ".r:*")
    assert allowed("AUTH_p1/c", ".r:*,.rlistings")
    assert not allowed("AUTH_p1/c/o", ".r:a.com", referrer="http://b.com/")
    assert allowed("AUTH_p1/c/o", ".r:a.com", referrer="http://a.com/")
    assert not allowed("AUTH_p1/c/o", None)
    assert not allowed("AUTH_p1/c/o", ".rlistings")
    assert allowed("AUTH_p1/c/o", None, shows_sync_key=True)


def test_a_referrer_that_may_not_list_does_not_shut_out_operators_but_roles_in_the_list():
    assert verdict(someone("admin"), "GET", "AUTH_p1/c", ".r:*") == OWNER
    assert verdict(someone("member"), "GET", "AUTH_p1/c", ".r:*,member") == NO
    assert verdict(someone("member"), "GET", "AUTH_p1/c", ".r:a.com,member") == YES


def test_strangers_accounts_are_nobodys_business():
    assert not decide_anonymous(RULES, Asked("GET", "OTHER_p1", "c", "o", parse_acl(".r:*")))
    assert not decide_anonymous(RULES, Asked("GET", "", None, None))


@pytest.mark.parametrize(
    ("method", "path", "keeps"),
    [
        *[
            ("PUT", "a", True),
            ("POST", "a", True),
            ("PUT", "a/c", True),
            ("POST", "a/c", False),
            ("PUT", "a/c/o", False),
        ],
        *[("GET", "a", False), ("DELETE", "a", False), ("POST", "a/c/o", False), ("HEAD", "a/c", False)],
    ],
)
def test_which_requests_keep_the_domain(method, path, keeps):
    names = [*path.split("/", 2), None, None][:3]
    assert keeps_domain(Asked(method, *names)) is keeps


@pytest.mark.parametrize(
    ("account", "told", "stored", "new", "odd"),
    [
        ("AUTH_p1", "d1", StoredDomain(False, None), "d1", False),
        ("AUTH_p1", None, StoredDomain(False, None), None, False),
        ("AUTH_p2", "d1", StoredDomain(False, None), UNKNOWN_DOMAIN, False),
        ("AUTH_p1", "default", StoredDomain(True, None), "default", False),
        ("AUTH_p1", "d1", StoredDomain(True, None), None, True),
        ("AUTH_p2", "default", StoredDomain(True, None), None, False),
        ("AUTH_p1", "d1", StoredDomain(True, UNKNOWN_DOMAIN), "d1", False),
        ("AUTH_p1", None, StoredDomain(True, UNKNOWN_DOMAIN), "", False),
        ("AUTH_p2", "d1", StoredDomain(True, UNKNOWN_DOMAIN), None, False),
        ("AUTH_p1", "d1", StoredDomain(True, "d1"), None, False),
        ("AUTH_p1", "d1", StoredDomain(True, "d2"), None, True),
        ("AUTH_p2", "d1", StoredDomain(True, "d2"), None, False),
    ],
)
def test_the_domain_that_is_kept(account, told, stored, new, odd):
    assert domain_to_keep(RULES, someone(project_domain=told), account, stored) == (new, odd)
