"""tempauth and access lists decide as OpenStack Swift's: the same requests through both, the answers compared."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from interop import peer
from swiftlite.common.web import Request
from swiftlite.core.acl import clean_acl, parse_acl
from swiftlite.middleware.tempauth import filter_factory

USERS = {
    "user_test_tester": "testing .admin",
    "user_test_tester2": "testing2 readers",
    "user_test2_tester2": "testing3 .admin",
    "user_admin_admin": "secret .admin .reseller_admin",
    "user_audit_reader": "glasses .reseller_reader",
    "user_svc_svc": "s .service .admin",
}
KEYS = {
    "test:tester": "testing",
    "test:tester2": "testing2",
    "test2:tester2": "testing3",
    "admin:admin": "secret",
    "audit:reader": "glasses",
    "svc:svc": "s",
}
CONFS = [
    {},
    {"reseller_prefix": "AUTH, SERVICE", "SERVICE_require_group": ".service"},
    {"reseller_prefix": "''"},
    {"reseller_prefix": "AUTH,''"},
    {"require_group": "readers"},
]
METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]
PATHS = [
    *("/", "/v1", "/v1/AUTH_test", "/v1/AUTH_test/", "/v1/AUTH_test/c", "/v1/AUTH_test/c/", "/v1/AUTH_test/c/o"),
    *("/v1/AUTH_test/c/o/p/", "/v1/AUTH_test//o", "/v1/AUTH_test2/c/o", "/v1/AUTH_", "/v1/AUTH_.x/c", "/v1/.x/c"),
    *("/v1/SERVICE_test/c", "/v1/SERVICE_svc/c", "/v1/test/c", "/v1/test/c/o", "/info", "/v1//c"),
]
ACLS = [None, ".r:*", ".r:*,.rlistings", "test2", "test:tester2,.rlistings", "readers", ".r:a.com,.r:-b.com"]
ACCOUNT_ACLS = [None, '{"admin":["test2"]}', '{"read-write":["test2:tester2"]}', '{"read-only":["readers"]}']
LOGINS = [
    *("/auth/v1.0", "/auth/auth", "/auth/v1/test/auth", "/auth/v1/test", "/auth/v1", "/auth/v2", "/auth/", "/auth"),
    *("/auth/v1.0/x", "/auth/v1.0/x/y/z", "/auth/v1/test/auth/", "/auth/v1/test/auth/x"),
]
CREDENTIALS: list[dict[str, str]] = [
    *({}, {"X_AUTH_USER": "test:tester"}, {"X_AUTH_KEY": "testing"}),
    *(
        {"X_AUTH_USER": user, "X_AUTH_KEY": key}
        for user in ("test:tester", "tester", "no:body", ":x")
        for key in ("testing", "no")
    ),
    *({"X_STORAGE_USER": user, "X_STORAGE_PASS": "testing"} for user in ("test:tester", "tester", "x:")),
]
SENT_ACCOUNT_ACLS = ["", "{}", '{"admin":["a"]}', '{"admin":"a"}', "x", "[]", "null", '{"x":[]}', '{"admin":[1]}']

# Runs on both sides, so it may use only what both have: a filter factory and a request class.
DRIVER = '''
import io

class Cache:
    """Keeps tokens, but no infos: the account's access list changes from case to case."""
    store = None

    def __init__(self):
        self.values = {}

    def get(self, key, **kwargs):
        return self.values.get(key)

    def set(self, key, value, *args, **kwargs):
        if not key.startswith("account/"):
            self.values[key] = value

    def begin(self, key):
        return None


class Proxy:
    def __call__(self, environ, start_response):
        if environ.get("swift.source") == "TA":
            stored = [("X-Account-Sysmeta-Core-Access-Control", self.account_acl)] if self.account_acl else []
            start_response("204 No Content", stored)
            return [b""]
        request = Request(environ)
        request.acl = self.acl
        denial = environ["swift.authorize"](request) if "swift.authorize" in environ else None
        if denial is not None:
            return denial(environ, start_response)
        start_response("200 OK", [])
        return [b"owner" if environ.get("swift_owner") else b"guest"]


def ask(app, cache, method, path, headers):
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "h",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "h", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), "wsgi.input": io.BytesIO(), "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False, "swift.cache": cache, "swift.trans_id": "tx",
    }
    environ.update((name if "." in name else "HTTP_" + name, value) for name, value in headers.items())
    started = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: started.extend((status, headers))))
    found = {name.lower(): value for name, value in started[1]}
    status = int(started[0][:3])
    return status, found, body.decode() if status == 200 else ""


def drive(argument):
    answers = []
    for conf in argument["confs"]:
        proxy, cache = Proxy(), Cache()
        proxy.acl = proxy.account_acl = None
        app = filter_factory({}, log_address="/nonexistent", **argument["users"], **conf)(proxy)
        tokens = {}
        for user, key in argument["keys"].items():
            status, found, _ = ask(app, cache, "GET", "/auth/v1.0", {"X_AUTH_USER": user, "X_AUTH_KEY": key})
            tokens[user] = found["x-auth-token"]
            answers.append([status, found["x-storage-url"]])
        for user, service, method, path, headers, proxy.acl, proxy.account_acl in argument["cases"]:
            own = {"X_AUTH_TOKEN": tokens.get(user, user)} if user else {}
            if service:
                own["X_SERVICE_TOKEN"] = tokens[service]
            status, found, body = ask(app, cache, method, path, {**headers, **own})
            answers.append([status, found.get("www-authenticate"), body])
    return answers
'''

Case = tuple[str | None, str | None, str, str, dict[str, str], str | None, str | None]


def cases() -> list[Case]:
    """(user or token, service user, method, path, headers, container's list, account's list)."""
    users = [None, *KEYS]
    found: list[Case] = [
        (user, None, method, path, {}, None, None) for user, method, path in product(users, METHODS, PATHS)
    ]
    referrers: list[dict[str, str]] = [{}, {"REFERER": "http://a.com/x"}, {"REFERER": "http://b.com"}]
    for user, acl, account_acl in product(users, ACLS, ACCOUNT_ACLS):
        for path, method, headers in product(PATHS[2:7:2], ("GET", "PUT", "POST"), referrers):
            found.append((user, None, method, path, headers, acl, account_acl))
    for user, service, path in product(KEYS, KEYS, ("/v1/SERVICE_test/c", "/v1/AUTH_test/c")):
        found.append((user, service, "GET", path, {}, None, None))
    for token, path in product(("bad", "AUTH_tkbad", "AUTH_", "SERVICE_tkx", "é"), PATHS):
        found.append((token, None, "GET", path, {}, ".r:*", None))
    for path, headers in product(LOGINS, CREDENTIALS):
        found.append((None, None, "GET", path, headers, None, None))
    for sent in SENT_ACCOUNT_ACLS:
        headers = {"X_ACCOUNT_ACCESS_CONTROL": sent}
        found.append(("test:tester", None, "POST", "/v1/AUTH_test", headers, None, None))
    return found


def test_every_request_is_decided_alike(swift_dir: Path) -> None:
    asked = cases()
    argument = {"confs": CONFS, "users": USERS, "keys": KEYS, "cases": asked}
    scope: dict[str, Any] = {"filter_factory": filter_factory, "Request": Request}
    exec(DRIVER, scope)
    ours = scope["drive"](argument)
    snippet = f"""
import logging
from swift.common.middleware.tempauth import filter_factory
from swift.common.swob import Request
logging.disable(logging.CRITICAL)
{DRIVER}
answer = drive(argument)
"""
    theirs = peer.evaluate(swift_dir, snippet, argument)
    assert len(ours) == len(theirs) == len(CONFS) * (len(KEYS) + len(asked))
    labels = [(conf, *case) for conf in CONFS for case in [*((user,) for user in KEYS), *asked]]
    different = [
        (label, our, their) for label, our, their in zip(labels, ours, theirs, strict=True) if list(our) != their
    ]
    assert different == []


PIECES = [
    *(".r:", ".ref:", " ", "-", "*", ".", "example.com", ".example.com", "a", "b:c", ",", ",", ".rlistings", ":", ".x"),
    *("%41", "referer", ".referrer:", ".referer :"),
]
REFERRERS = [None, "", "http://example.com", "http://www.example.com:80/x", "http://a", "a", "http://EXAMPLE.com"]
PARSER = """
from swift.common.middleware.acl import clean_acl, parse_acl, referrer_allowed
answer = []
for header, text, referrer in argument:
    try:
        cleaned = clean_acl(header, text)
    except ValueError:
        answer.append(None)
        continue
    referrers, groups = parse_acl(cleaned)
    answer.append([cleaned, referrer_allowed(referrer, referrers), sorted(set(groups) - {""})])
"""


@pytest.mark.parametrize("header", ["X-Container-Read", "X-Container-Write"])
def test_access_lists_are_cleaned_and_read_alike(swift_dir: Path, header: str) -> None:
    chance = random.Random(header)
    asked = [
        (header, "".join(chance.choices(PIECES, k=chance.randrange(8))), chance.choice(REFERRERS)) for _ in range(20000)
    ]
    assert [read(*case) for case in asked] == peer.evaluate(swift_dir, PARSER, asked)


def read(header: str, text: str, referrer: str | None) -> list[Any] | None:
    """What we make of a list; None where it is refused."""
    try:
        cleaned = clean_acl(header, text)
    except ValueError:
        return None
    acl = parse_acl(cleaned)
    return [cleaned, acl.allows_referrer(referrer), sorted(acl.groups)]
