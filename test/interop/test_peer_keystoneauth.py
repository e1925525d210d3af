"""keystoneauth decides as OpenStack Swift's: seeded requests through both filters, everything they leave compared."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from interop import peer
from swiftlite.common.web import Request
from swiftlite.middleware.keystoneauth import filter_factory

REQUESTS = 12000
CONFS: list[dict[str, str]] = [
    {},
    {
        "reseller_prefix": "AUTH, SERVICE",
        "operator_roles": "Admin, Member",
        "SERVICE_service_roles": "service",
        "SERVICE_operator_roles": "admin",
        "project_reader_roles": "reader",
        "system_reader_roles": "Auditor",
    },
    {"reseller_prefix": "''", "reseller_admin_role": "boss"},
    {"reseller_prefix": "AUTH,''", "''project_reader_roles": "reader", "allow_names_in_acls": "false"},
    {"default_domain_id": "d2", "allow_overrides": "no", "is_admin": "true", "service_roles": "service,"},
    {"reseller_prefix": "SERVICE_", "operator_roles": "", "service_roles": ","},
]
ROLES = ["admin", "Member", "swiftoperator", "ResellerAdmin", "boss", "reader", "AUDITOR", "x", "", " y "]
ACLS = [
    *("p1:u1", "p1:*", "*:u1", "*:*", "one:ann", "one:*", "*:ann", "p1:ann", "one:u1", "p2:u1", "p2:*", "x", "X,p9:u9"),
    *(".r:*", ".r:*,.rlistings", ".r:a.com,x", ".r:-a.com,p1:*", ".r:*,x", ".rlistings,p1:u1", "%70%31:u1", "p1"),
]
PATHS = [
    *("/v1/AUTH_p1", "/v1/AUTH_p1/", "/v1/AUTH_p1/c", "/v1/AUTH_p1/c/", "/v1/AUTH_p1/c/o", "/v1/AUTH_p1/c/o/p"),
    *("/v1/AUTH_p2", "/v1/AUTH_p2/c", "/v1/AUTH_p2/c/o", "/v1/SERVICE_p1/c/o", "/v1/SERVICE_p1", "/v1/SERVICE_p2/c"),
    *("/v1/p1/c/o", "/v1/p2", "/v1/OTHER_p1/c", "/", "/v1//c", "/v1/.hidden/c", "/v1/AUTH_/c/o"),
]
DOMAINS = [None, "default", "d2", ""]

DRIVER = """
import io

class Proxy:
    def __call__(self, environ, start_response):
        if environ.get("swift.source") == "KS":
            stored = [("X-Account-Sysmeta-Project-Domain-Id", self.domain)] if self.domain is not None else []
            start_response("204 No Content" if self.exists else "404 Not Found", stored)
            return [b""]
        request = Request(environ)
        request.acl = self.acl
        check = environ.get("swift.authorize")
        denial = check(request) if check else None
        if denial is not None:
            return denial(environ, start_response)
        kept = environ.get("HTTP_X_ACCOUNT_SYSMETA_PROJECT_DOMAIN_ID")
        start_response("200 OK", [("X-Account-Sysmeta-Project-Domain-Id", kept)] if kept and self.is_account else [])
        return [b"owner" if environ.get("swift_owner") else b"guest"]


def drive(argument):
    answers = []
    for number, (conf, cases) in enumerate(argument):
        proxy = Proxy()
        app = filter_factory({}, log_address="/nonexistent", **conf)(proxy)
        for case in cases:
            proxy.acl, proxy.domain, proxy.exists = case["acl"], case["domain"], case["exists"]
            # Of other answers only ours stays as it is: those of containers never tell of accounts.
            proxy.is_account = case["path"].rstrip("/").count("/") == 2
            environ = {
                "REQUEST_METHOD": case["method"], "SCRIPT_NAME": "", "PATH_INFO": case["path"], "QUERY_STRING": "",
                "SERVER_NAME": "h", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "h",
                "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(),
                "wsgi.input": io.BytesIO(), "wsgi.multithread": True, "wsgi.multiprocess": True,
                "wsgi.run_once": False, "swift.trans_id": "tx",
            }
            environ.update(case["environ"])
            started = []
            body = app(environ, lambda status, headers, exc_info=None: started.extend((status, headers)))
            body = b"".join(body)
            found = {name.lower(): value for name, value in started[1]}
            status = int(started[0][:3])
            answers.append([
                status,
                found.get("www-authenticate"),
                found.get("x-account-project-domain-id"),
                body.decode() if status == 200 else "",
                environ.get("HTTP_X_ACCOUNT_SYSMETA_PROJECT_DOMAIN_ID"),
                environ.get("REMOTE_USER") and list(environ["REMOTE_USER"]),
                repr(sorted((environ.get("keystone.identity") or {}).items())),
                environ.get("reseller_request"),
                environ.get("swift.access_logging"),
                "swift.clean_acl" in environ,
                bool(environ.get("swift_owner")),
            ])
    return answers
"""


def a_case(chance: random.Random) -> dict[str, Any]:
    """Return one request and what is stored."""
    pick = chance.choice
    headers: dict[str, Any] = {}
    if chance.random() < 0.85:
        project = pick([("p1", "one"), ("p1", "one"), ("p2", "two")])
        headers["HTTP_X_IDENTITY_STATUS"] = pick(["Confirmed"] * 9 + ["Invalid"])
        headers["HTTP_X_USER_ID"], headers["HTTP_X_USER_NAME"] = pick([("u1", "ann"), ("u2", "bob")])
        kind = pick(["PROJECT", "PROJECT", "TENANT"])
        headers[f"HTTP_X_{kind}_ID"], headers[f"HTTP_X_{kind}_NAME"] = project
        headers["HTTP_X_ROLES"] = ",".join(chance.sample(ROLES, chance.randrange(3)))
        version = pick(["token", "token", "access", None])
        if version:
            headers["keystone.token_info"] = {version: {}}
        for key in ("HTTP_X_USER_DOMAIN_ID", "HTTP_X_PROJECT_DOMAIN_ID"):
            domain = pick(DOMAINS)
            if domain is not None:
                headers[key] = domain
        if chance.random() < 0.4:
            headers["HTTP_X_SERVICE_IDENTITY_STATUS"] = pick(["Confirmed"] * 4 + ["Invalid"])
            headers["HTTP_X_SERVICE_ROLES"] = pick(["service", "Service,x", "x", ""])
    if chance.random() < 0.3:
        headers["HTTP_REFERER"] = pick(["http://a.com/x", "http://b.com", "a"])
    if chance.random() < 0.05:
        headers["swift.authorize_override"] = True
    if chance.random() < 0.1:
        headers["swift_owner"] = True
    if chance.random() < 0.1:
        headers["HTTP_X_ACCOUNT_SYSMETA_PROJECT_DOMAIN_ID"] = "kept"
    return {
        "method": pick(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]),
        "path": pick(PATHS),
        "environ": headers,
        "acl": pick([None, *ACLS]),
        "domain": pick([*DOMAINS, "_unknown"]),
        "exists": chance.random() < 0.8,
    }


@pytest.mark.parametrize("seed", [6])
def test_every_request_is_decided_alike(swift_dir: Path, seed: int) -> None:
    chance = random.Random(seed)
    argument = [[conf, [a_case(chance) for _ in range(REQUESTS // len(CONFS))]] for conf in CONFS]
    scope: dict[str, Any] = {"filter_factory": filter_factory, "Request": Request}
    exec(DRIVER, scope)
    ours = scope["drive"](argument)
    snippet = f"""
import logging
from swift.common.middleware.keystoneauth import filter_factory
from swift.common.swob import Request
logging.disable(logging.CRITICAL)
{DRIVER}
answer = drive(argument)
"""
    theirs = peer.evaluate(swift_dir, snippet, argument)
    asked = [(conf, case) for conf, cases in argument for case in cases]
    assert len(ours) == len(theirs) == len(asked)
    different = [(label, our, their) for label, our, their in zip(asked, ours, theirs, strict=True) if our != their]
    assert different == []
    outcomes = {(status, bool(owner)) for status, *_rest, owner in ours}
    assert {(200, True), (200, False), (401, False), (403, False), (404, False)} <= outcomes, "all answers were seen"
