"""Who may do what: the whole grid of users, verbs, paths and access lists through both auth filters and OpenStack Swift's.

Every combination is asked, in one process on either side; what whole clusters make of lists is in test_peer_access.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

from interop import peer, test_peer_keystoneauth, test_peer_tempauth
from swiftlite.common.web import Request
from swiftlite.middleware import keystoneauth, tempauth

VERBS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "COPY")
PATHS = tuple(
    f"/v1/{path}" for path in ("AUTH_test", "AUTH_test/c", "AUTH_test/c/o", "SERVICE_test/c/o", "AUTH_.x/c/o")
)
PAGES: tuple[dict[str, Any], ...] = ({}, {"REFERER": "http://a.com/x"})

# tempauth: 7 users x 2 service tokens x 7 verbs x 5 paths x 9 lists x 2 pages x 4 account lists = 35,280; and overrides
LISTS = (
    None,
    ".r:*",
    ".r:*,.rlistings",
    ".r:a.com",
    ".r:*,.r:-a.com",
    "test2",
    "test:tester2",
    "readers",
    "test2:x,test",
)
ACCOUNT_LISTS = (
    None,
    '{"admin":["test2:tester2"]}',
    '{"read-write":["test2"],"read-only":["readers"]}',
    '{"read-only":["test:tester2","audit"]}',
)
TEMPAUTH = {"reseller_prefix": "AUTH, SERVICE", "SERVICE_require_group": ".service"}

# keystoneauth: 9 identities x 2 service tokens x 7 verbs x 5 paths x 12 lists x 2 pages x 2 stored domains = 30,240
ROLES = {
    "operator": ("test", "u1", "admin"),
    "member": ("test", "u1", "member"),
    "reader": ("test", "u1", "reader"),
    "without a role": ("test", "u1", ""),
    "operator elsewhere": ("test2", "u2", "admin,member"),
    "reseller admin": ("test2", "u2", "ResellerAdmin"),
    "system reader": ("test2", "u2", "auditor"),
}
KEYSTONE_LISTS = (
    *(None, ".r:*", ".r:*,.rlistings", ".r:a.com", ".r:*,.r:-a.com", "test2:u2", "*:u2", "test2:*", "*:*", "member"),
    *("name-of-test2:name-of-u2", ".r:*,member"),
)
KEYSTONE = {
    "reseller_prefix": "AUTH, SERVICE",
    "SERVICE_service_roles": "service",
    "project_reader_roles": "reader",
    "system_reader_roles": "auditor",
}


def compared(swift_dir: Path, module: Any, ours: Any, argument: Any, labels: list[Any]) -> Counter[Any]:
    """Run a driver on both sides; fail where answers differ, else count our statuses."""
    scope: dict[str, Any] = {"filter_factory": ours.filter_factory, "Request": Request}
    exec(module.DRIVER, scope)
    found = [list(answer) for answer in scope["drive"](argument)]
    snippet = f"""
import logging
from swift.common.middleware.{ours.__name__.rpartition(".")[2]} import filter_factory
from swift.common.swob import Request
logging.disable(logging.CRITICAL)
{module.DRIVER}
answer = drive(argument)
"""
    theirs = peer.evaluate(swift_dir, snippet, argument)
    assert len(found) == len(theirs) == len(labels)
    different = [each for each in zip(labels, found, theirs, strict=True) if each[1] != each[2]]
    assert different[:20] == []
    return Counter(answer[0] for answer in found)


def test_the_grid_of_tempauth(swift_dir: Path) -> None:
    users = (None, *test_peer_tempauth.KEYS)
    grid = product(users, (None, "svc:svc"), VERBS, PATHS, PAGES, LISTS, ACCOUNT_LISTS)
    cases: list[Any] = list(grid)
    # What a temporary URL does: a filter in front has decided, for users and for nobody.
    override = ({"swift.authorize_override": True},)
    cases += product((None, "test:tester2"), (None,), VERBS, PATHS, override, LISTS[:2], ACCOUNT_LISTS[:1])
    argument = {
        "confs": [TEMPAUTH],
        "users": test_peer_tempauth.USERS,
        "keys": test_peer_tempauth.KEYS,
        "cases": cases,
    }
    labels = [*test_peer_tempauth.KEYS, *cases]
    statuses = compared(swift_dir, test_peer_tempauth, tempauth, argument, labels)
    assert len(cases) == 35280 + 140
    assert {200, 401, 403} == set(statuses)


def test_the_grid_of_keystoneauth(swift_dir: Path) -> None:
    def environ(who: str, service: str | None, page: dict[str, str]) -> dict[str, Any]:
        headers = {f"HTTP_{name}": value for name, value in page.items()}
        if who == "nobody":
            return headers
        project, user, roles = ROLES.get(who) or ROLES["operator"]
        headers |= {
            "HTTP_X_IDENTITY_STATUS": "Invalid" if who == "wrong token" else "Confirmed",
            **{f"HTTP_X_USER_{kind}": prefix + user for kind, prefix in (("ID", ""), ("NAME", "name-of-"))},
            **{f"HTTP_X_PROJECT_{kind}": prefix + project for kind, prefix in (("ID", ""), ("NAME", "name-of-"))},
            "HTTP_X_ROLES": roles,
        }
        if service:
            headers |= {"HTTP_X_SERVICE_IDENTITY_STATUS": "Confirmed", "HTTP_X_SERVICE_ROLES": service}
        return headers

    everybody = ("nobody", "wrong token", *ROLES)
    grid = list(product(everybody, (None, "service"), VERBS, PATHS, PAGES, KEYSTONE_LISTS, (None, "other")))
    cases = [
        {
            "method": verb,
            "path": path,
            "environ": environ(who, service, page),
            "acl": acl,
            "domain": domain,
            "exists": True,
        }
        for who, service, verb, path, page, acl, domain in grid
    ]
    assert len(cases) == 30240
    statuses = compared(swift_dir, test_peer_keystoneauth, keystoneauth, [[KEYSTONE, cases]], grid)
    assert {200, 401, 403} == set(statuses)
