"""tempauth over real WSGI calls: logging in, tokens, and every way to be let in or kept out (formats.md 7.9)."""

import base64
import json
import multiprocessing
import sys
import time

import pytest

from fakes.wsgi_calls import call, make_environ, request
from swiftlite.common import swift_info
from swiftlite.common.cache import Cache, CacheUnreachable
from swiftlite.common.config import ConfigError
from swiftlite.common.web import Request
from swiftlite.middleware.tempauth import filter_factory
from swiftlite.middleware.tempauth.tokens import read_signed, sign

USERS = {
    "user_test_tester": "testing .admin",
    "user_test_tester2": "testing2 readers",
    "user_test2_tester2": "testing3 .admin",
    "user_admin_admin": "secret .admin .reseller_admin",
    "user_audit_reader": "glasses .reseller_reader",
    "user_a.b_c-d": "key .admin http://elsewhere:8080/v1/AUTH_special",
    "user_web_site": "pages .admin $HOST/v1/AUTH_web",
    "user64_"
    + base64.b64encode("ünder_score".encode()).decode().rstrip("=")
    + "_"
    + base64.b64encode(b"u_1").decode(): "k64 .admin",
}


class Proxy:
    """Stands for the proxy at the end: asks for authorization with the access lists that the test sets."""

    def __init__(self):
        self.acl = None
        self.account_acl = None
        self.account_heads = 0

    def __call__(self, environ, start_response):
        if environ.get("swift.source") == "TA":
            self.account_heads += 1
            stored = [("X-Account-Sysmeta-Core-Access-Control", self.account_acl)] if self.account_acl else []
            start_response("204 No Content", stored)
            return []
        asked = Request(environ)
        asked.acl = self.acl
        denial = environ["swift.authorize"](asked) if "swift.authorize" in environ else None
        if denial is not None:
            return denial(environ, start_response)
        start_response("200 OK", [])
        return [b"owner" if environ.get("swift_owner") else b"guest"]


@pytest.fixture
def proxy():
    return Proxy()


def auth(proxy, **options):
    return filter_factory({"__file__": "p.conf"}, **{**USERS, **options})(proxy)


@pytest.fixture
def app(proxy):
    return auth(proxy)


def login(app, user="test:tester", key="testing", path="/auth/v1.0", cache=None, **headers):
    environ = make_environ("GET", path, headers={"X-Auth-User": user, "X-Auth-Key": key, **headers})
    if cache is not None:
        environ["swift.cache"] = cache
    return call(app, environ)


def token(app, user="test:tester", key="testing", **kwargs):
    answered = login(app, user, key, **kwargs)
    assert answered.status == 200
    return answered.headers["x-auth-token"]


def ask(app, method, path, user=None, **kwargs):
    """Do something as ``(name, key)``, or as nobody."""
    headers = kwargs.pop("headers", {})
    if user is not None:
        headers = {**headers, "X-Auth-Token": token(app, *user)}
    return request(app, method, path, headers=headers, **kwargs)


TESTER, TESTER2 = ("test:tester", "testing"), ("test:tester2", "testing2")
OTHER = ("test2:tester2", "testing3")
RESELLER, READER = ("admin:admin", "secret"), ("audit:reader", "glasses")


# -- logging in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}),
        ("/auth/v1.0", {"X-Storage-User": "test:tester", "X-Storage-Pass": "testing"}),
        ("/auth/v1.0/", {"X-Auth-User": "test:tester", "X-Storage-Pass": "testing"}),
        ("/auth/auth", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}),
        ("/auth/v1/test/auth", {"X-Storage-User": "tester", "X-Storage-Pass": "testing"}),
        ("/auth/v1/test/auth", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}),
    ],
)
def test_the_ways_to_log_in(app, path, headers):
    answered = request(app, "GET", path, headers=headers)
    assert (answered.status, answered.body) == (200, b"")
    assert answered.headers["x-storage-url"] == "http://127.0.0.1:8080/v1/AUTH_test"
    assert answered.headers["x-storage-token"] == answered.headers["x-auth-token"]
    assert answered.headers["x-auth-token"].startswith("AUTH_")
    assert 86390 < int(answered.headers["x-auth-token-expires"]) <= 86400
    given = {"X-Auth-Token": answered.headers["x-auth-token"]}
    assert request(app, "GET", "/v1/AUTH_test", headers=given).body == b"owner"


@pytest.mark.parametrize(
    ("path", "headers", "realm"),
    [
        ("/auth/v1.0", {}, "unknown"),
        ("/auth/v1.0", {"X-Auth-User": "test:tester"}, "test"),
        ("/auth/v1.0", {"X-Auth-Key": "testing"}, "unknown"),
        ("/auth/v1.0", {"X-Auth-User": "tester", "X-Auth-Key": "testing"}, "unknown"),
        ("/auth/v1.0", {"X-Auth-User": ":tester", "X-Auth-Key": "testing"}, "unknown"),
        ("/auth/v1.0", {"X-Auth-User": "test:", "X-Auth-Key": "testing"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "wrong"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "testing2"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": "test:tester", "X-Auth-Key": "t\xe9sting"}, "test"),
        ("/auth/v1.0", {"X-Auth-User": "test:nobody", "X-Auth-Key": "testing"}, "test"),
        ("/auth/v1/test/auth", {"X-Storage-User": "tester", "X-Storage-Pass": "wrong"}, "test"),
        ("/auth/v1/test/auth", {"X-Auth-User": "other:tester", "X-Auth-Key": "testing"}, "test"),
        ("/auth/v1/test/auth", {"X-Auth-User": "tester", "X-Auth-Key": "testing"}, "test"),
        ("/auth/v1/te%22st%0D%0A/auth", {}, "te%22st%0D%0A"),
    ],
)
def test_the_ways_to_fail_to_log_in(app, path, headers, realm):
    answered = request(app, "GET", path, headers=headers)
    assert answered.status == 401
    assert answered.headers["www-authenticate"] == f'Swift realm="{realm}"'
    assert "x-auth-token" not in answered.headers
    assert b"The user or the key is wrong" in answered.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/auth/v1.0", 405),
        ("HEAD", "/auth/v1.0", 405),
        ("GET", "/auth/", 404),
        ("GET", "/auth//x", 404),
        ("GET", "/auth/v2.0", 400),
        ("GET", "/auth/v1", 400),
        ("GET", "/auth/v1/test/nonsense", 400),
    ],
)
def test_what_is_no_login(app, method, path, status):
    assert request(app, method, path, headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}).status == status


@pytest.mark.parametrize(
    ("user", "key", "options", "url"),
    [
        ("a.b:c-d", "key", {}, "http://elsewhere:8080/v1/AUTH_special"),
        ("web:site", "pages", {}, "http://127.0.0.1:8080/v1/AUTH_web"),
        ("web:site", "pages", {"storage_url_scheme": "https"}, "https://127.0.0.1:8080/v1/AUTH_web"),
        ("test:tester", "testing", {"reseller_prefix": "SWIFT"}, "http://127.0.0.1:8080/v1/SWIFT_test"),
        ("test:tester", "testing", {"reseller_prefix": "''"}, "http://127.0.0.1:8080/v1/test"),
        ("ünder_score:u_1", "k64", {}, "http://127.0.0.1:8080/v1/AUTH_%C3%BCnder_score"),
    ],
)
def test_storage_urls(proxy, user, key, options, url):
    wire = user.encode().decode("latin-1")
    assert login(auth(proxy, **options), wire, key).headers["x-storage-url"] == url


def test_a_user_with_an_account_elsewhere_owns_it(app):
    assert ask(app, "GET", "/v1/AUTH_special/c", ("a.b:c-d", "key")).body == b"owner"
    assert (
        ask(app, "GET", "/v1/AUTH_%C3%BCnder_score/c", ("ünder_score:u_1".encode().decode("latin-1"), "k64")).body
        == b"owner"
    )


def test_another_auth_prefix(proxy):
    app = auth(proxy, auth_prefix="identity")
    assert login(app, path="/identity/v1.0").status == 200
    assert login(app, path="/auth/v1.0").status == 401


def test_capabilities_are_told(app):
    assert swift_info.registered()["tempauth"] == {"account_acls": True}


# -- who may do what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "method", "path", "status"),
    [
        (None, "GET", "/v1/AUTH_test", 401),
        (None, "GET", "/v1/AUTH_test/c", 401),
        (None, "PUT", "/v1/AUTH_test/c/o", 401),
        (None, "OPTIONS", "/v1/AUTH_test/c/o", 200),
        (None, "GET", "/v1/NOPREFIX_test/c", 401),
        (None, "GET", "/v1", 401),
        (None, "GET", "/v1/", 401),
        (TESTER, "GET", "/v1/AUTH_test", 200),
        (TESTER, "POST", "/v1/AUTH_test", 200),
        (TESTER, "PUT", "/v1/AUTH_test", 403),
        (TESTER, "DELETE", "/v1/AUTH_test", 403),
        (TESTER, "PUT", "/v1/AUTH_test/c", 200),
        (TESTER, "DELETE", "/v1/AUTH_test/c", 200),
        (TESTER, "PUT", "/v1/AUTH_test/c/o", 200),
        (TESTER, "GET", "/v1/AUTH_test2", 403),
        (TESTER, "GET", "/v1/AUTH_test2/c/o", 403),
        (TESTER, "PUT", "/v1/AUTH_test2/c/o", 403),
        (TESTER, "GET", "/v1/AUTH_tes", 403),
        (TESTER, "GET", "/v1/OTHER_test", 403),
        (TESTER, "GET", "/v1/test", 403),
        (TESTER, "OPTIONS", "/v1/AUTH_test2/c", 200),
        (TESTER2, "GET", "/v1/AUTH_test", 403),
        (TESTER2, "GET", "/v1/AUTH_test/c/o", 403),
        (TESTER2, "PUT", "/v1/AUTH_test/c/o", 403),
        (RESELLER, "GET", "/v1/AUTH_test", 200),
        (RESELLER, "PUT", "/v1/AUTH_new", 200),
        (RESELLER, "DELETE", "/v1/AUTH_test", 200),
        (RESELLER, "PUT", "/v1/AUTH_test2/c/o", 200),
        (RESELLER, "GET", "/v1/AUTH_.hidden/c", 403),
        (RESELLER, "GET", "/v1/AUTH_", 403),
        (RESELLER, "GET", "/v1/.expiring_objects/1", 403),
        (RESELLER, "GET", "/v1/OTHER_test", 403),
        (READER, "GET", "/v1/AUTH_test", 200),
        (READER, "HEAD", "/v1/AUTH_test/c/o", 200),
        (READER, "PUT", "/v1/AUTH_test/c/o", 403),
        (READER, "POST", "/v1/AUTH_test", 403),
        (READER, "GET", "/v1/AUTH_.hidden/c", 403),
    ],
)
def test_who_may_do_what_without_access_lists(app, user, method, path, status):
    answered = ask(app, method, path, user)
    assert answered.status == status
    if status == 401:
        realm = "unknown" if path.rstrip("/") == "/v1" else path.split("/")[2]
        assert answered.headers["www-authenticate"] == f'Swift realm="{realm}"'


def test_owners_are_told_from_guests(app):
    assert ask(app, "GET", "/v1/AUTH_test/c", TESTER).body == b"owner"
    assert ask(app, "GET", "/v1/AUTH_test/c", RESELLER).body == b"owner"
    assert ask(app, "GET", "/v1/AUTH_test/c", READER).body == b"guest"


def test_the_request_says_who_asks(app):
    environ = ask(app, "GET", "/v1/AUTH_test/c", TESTER).environ
    assert environ["REMOTE_USER"] == "test,test:tester,AUTH_test"
    assert environ["swift.access_logging"]["user_id"] == "test:tester"
    assert "reseller_request" not in environ
    assert ask(app, "GET", "/v1/AUTH_test/c", RESELLER).environ["reseller_request"] is True
    assert environ["swift.clean_acl"]("X-Container-Read", ".ref : *") == ".r:*"


@pytest.mark.parametrize(
    ("acl", "user", "path", "headers", "status"),
    [
        (".r:*", None, "/v1/AUTH_test/c/o", {}, 200),
        (".r:*", None, "/v1/AUTH_test/c", {}, 401),
        (".r:*,.rlistings", None, "/v1/AUTH_test/c", {}, 200),
        (".rlistings", None, "/v1/AUTH_test/c", {}, 401),
        (".r:*", OTHER, "/v1/AUTH_test/c/o", {}, 200),
        (".r:*", OTHER, "/v1/AUTH_test/c", {}, 403),
        (".r:example.com", None, "/v1/AUTH_test/c/o", {"Referer": "http://example.com/page"}, 200),
        (".r:example.com", None, "/v1/AUTH_test/c/o", {"Referer": "http://other.com/page"}, 401),
        (".r:example.com", None, "/v1/AUTH_test/c/o", {}, 401),
        (".r:*,.r:-example.com", None, "/v1/AUTH_test/c/o", {"Referer": "http://example.com/"}, 401),
        ("test2", OTHER, "/v1/AUTH_test/c/o", {}, 200),
        ("test2:tester2", OTHER, "/v1/AUTH_test/c", {}, 200),
        ("test2:other", OTHER, "/v1/AUTH_test/c", {}, 403),
        ("test:tester2", TESTER2, "/v1/AUTH_test/c", {}, 200),
        ("readers", TESTER2, "/v1/AUTH_test/c", {}, 200),
        ("test2", None, "/v1/AUTH_test/c/o", {}, 401),
        ("", OTHER, "/v1/AUTH_test/c", {}, 403),
        ("test2", OTHER, "/v1/OTHER_test/c", {}, 403),
    ],
)
def test_container_lists(app, proxy, acl, user, path, headers, status):
    proxy.acl = acl
    answered = ask(app, "GET", path, user, headers=headers)
    assert answered.status == status
    if status == 200:
        assert answered.body == b"guest"


@pytest.mark.parametrize(
    ("method", "path", "admin", "read_write", "read_only"),
    [
        ("GET", "/v1/AUTH_test", 200, 200, 200),
        ("POST", "/v1/AUTH_test", 200, 403, 403),
        ("GET", "/v1/AUTH_test/c", 200, 200, 200),
        ("PUT", "/v1/AUTH_test/c", 200, 200, 403),
        ("HEAD", "/v1/AUTH_test/c/o", 200, 200, 200),
        ("DELETE", "/v1/AUTH_test/c/o", 200, 200, 403),
    ],
)
def test_account_lists(app, proxy, method, path, admin, read_write, read_only):
    for level, status in (("admin", admin), ("read-write", read_write), ("read-only", read_only)):
        for member in ("test2", "test2:tester2"):
            proxy.account_acl = json.dumps({level: [member, "someone"]})
            answered = ask(app, method, path, OTHER)
            assert answered.status == status, level
            if status == 200 and method != "HEAD":
                assert answered.body == (b"owner" if level == "admin" else b"guest")


def test_an_account_list_lets_nobody_else_in(app, proxy):
    proxy.account_acl = json.dumps({"admin": ["test3"]})
    assert ask(app, "GET", "/v1/AUTH_test/c", OTHER).status == 403
    proxy.account_acl = "nonsense"
    assert ask(app, "GET", "/v1/AUTH_test/c", OTHER).status == 403
    assert ask(app, "GET", "/v1/AUTH_test/c").status == 401


def test_the_account_is_asked_only_when_nothing_else_decides(app, proxy):
    ask(app, "GET", "/v1/AUTH_test/c", TESTER)
    ask(app, "GET", "/v1/AUTH_test/c")
    proxy.acl = "test2"
    ask(app, "GET", "/v1/AUTH_test/c", OTHER)
    assert proxy.account_heads == 0
    proxy.acl = None
    ask(app, "GET", "/v1/AUTH_test/c", OTHER)
    assert proxy.account_heads == 1


def test_an_account_list_of_a_name_outside_ascii(app, proxy):
    proxy.account_acl = json.dumps({"read-only": ["ünder_score"]})
    user = ("ünder_score:u_1".encode().decode("latin-1"), "k64")
    assert ask(app, "GET", "/v1/AUTH_test/c", user).status == 200


def test_an_account_list_is_stored_where_only_we_write(app):
    given = '{"admin":["test2"]}'
    environ = ask(app, "POST", "/v1/AUTH_test", TESTER, headers={"X-Account-Access-Control": given}).environ
    assert environ["HTTP_X_ACCOUNT_SYSMETA_CORE_ACCESS_CONTROL"] == given
    assert "HTTP_X_ACCOUNT_ACCESS_CONTROL" not in environ


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("nonsense", b"Syntax error"),
        ('{"x":[]}', b'Key "x" not recognized'),
        ('{"admin":"x"}', b"must be a list"),
        ('{"admin":[1]}', b"must be strings"),
    ],
)
def test_a_wrong_account_list_is_refused(app, given, problem):
    answered = ask(app, "POST", "/v1/AUTH_test", TESTER, headers={"X-Account-Access-Control": given})
    assert answered.status == 400
    assert answered.body.startswith(b"X-Account-Access-Control invalid: ")
    assert problem in answered.body
    assert given.encode() in answered.body
    assert answered.headers["content-type"].startswith("text/plain")


def test_container_sync_shows_the_containers_key(app):
    def sync(method="PUT", **headers):
        environ = make_environ(method, "/v1/AUTH_test/c/o", headers=headers)
        environ["swift_sync_key"] = "shared"
        return call(app, environ).status

    assert sync(**{"X-Container-Sync-Key": "shared"}) == 200
    assert sync("DELETE", **{"X-Container-Sync-Key": "shared"}) == 200
    assert sync("POST", **{"X-Container-Sync-Key": "shared"}) == 401
    assert sync(**{"X-Container-Sync-Key": "other"}) == 401
    assert sync() == 401
    # Its timestamp has not been believed: it would happen now, however old it is.
    old = {"X-Container-Sync-Key": "shared", "X-Backend-Inbound-X-Timestamp": "1402464677.04188"}
    assert sync(**old) == 401


def test_filters_before_us_may_decide(proxy):
    environ = {**make_environ("GET", "/v1/AUTH_test/c"), "swift.authorize_override": True}
    assert call(auth(proxy), dict(environ)).status == 200
    assert call(auth(proxy, allow_overrides="no"), dict(environ)).status == 401


# -- reseller prefixes ------------------------------------------------------------------------------------------------


def test_an_admin_owns_the_account_of_every_prefix(proxy):
    app = auth(
        proxy,
        reseller_prefix="AUTH, SERVICE",
        user_glance_glance="image .service .admin",
        SERVICE_require_group=".service",
    )
    assert ask(app, "GET", "/v1/AUTH_test/c", TESTER).body == b"owner"
    assert ask(app, "GET", "/v1/SERVICE_test/c", TESTER).status == 403
    service = token(app, "glance:glance", "image")
    environ = ask(app, "GET", "/v1/SERVICE_test/c", TESTER, headers={"X-Service-Token": service}).environ
    assert environ.get("swift_owner") is True
    assert ask(app, "GET", "/v1/SERVICE_glance/c", ("glance:glance", "image")).body == b"owner"
    wrong = ask(app, "GET", "/v1/SERVICE_test/c", TESTER, headers={"X-Service-Token": "AUTH_tkwrong"})
    assert wrong.status == 403
    foreign = {"X-Service-Token": service.replace("AUTH_", "ELSE_")}
    assert ask(app, "GET", "/v1/SERVICE_test/c", TESTER, headers=foreign).status == 403


def test_a_required_group_without_prefix_binds_all(proxy):
    app = auth(proxy, require_group="staff", user_test_clerk="k .admin staff")
    assert ask(app, "GET", "/v1/AUTH_test/c", TESTER).status == 403
    assert ask(app, "GET", "/v1/AUTH_test/c", ("test:clerk", "k")).status == 200


def test_an_empty_prefix_leaves_what_is_not_ours_to_others(proxy):
    app = auth(proxy, reseller_prefix="''")
    assert ask(app, "GET", "/v1/test/c", TESTER).body == b"owner"
    assert ask(app, "GET", "/v1/test2/c", TESTER).status == 403
    assert ask(app, "GET", "/v1/test/c").status == 401
    elsewhere = make_environ("GET", "/v1/test/c", headers={"X-Auth-Token": "not ours"})
    assert call(app, dict(elsewhere)).status == 401
    assert call(app, {**elsewhere, "swift.authorize": lambda _request: None}).status == 200


def test_another_filters_accounts_are_its_own(app):
    environ = {**make_environ("GET", "/v1/OTHER_test/c"), "swift.authorize": lambda _request: None}
    assert call(app, environ).status == 200
    environ = make_environ("GET", "/v1/OTHER_test/c", headers={"X-Auth-Token": "OTHER_tk1"})
    assert call(app, {**environ, "swift.authorize": lambda _request: None}).status == 200


# -- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", ["AUTH_tk1234", "AUTH_stk", "AUTH_stkAAAA", "AUTH_stk!!", "AUTH_", "AUTH_ftkx", "AUTH_stké"]
)
def test_a_token_that_is_none_is_refused_before_anyone_asks(app, proxy, bad):
    proxy.acl = ".r:*"
    for header in ("X-Auth-Token", "X-Storage-Token"):
        answered = request(app, "GET", "/v1/AUTH_test/c/o", headers={header: bad})
        assert answered.status == 401
        assert answered.headers["www-authenticate"] == 'Swift realm="AUTH_test"'


def test_a_token_of_others_is_nobodys(app):
    assert request(app, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": "elsewhere_tk1"}).status == 401


def test_signed_tokens_cannot_be_altered(app):
    good = token(app)
    bare = good.removeprefix("AUTH_stk")
    for position in range(0, len(bare), 7):
        changed = bare[:position] + ("A" if bare[position] != "A" else "B") + bare[position + 1 :]
        assert request(app, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": f"AUTH_stk{changed}"}).status == 401
    assert request(app, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": good}).status == 200


def test_signed_tokens_carry_groups_and_expiry():
    key = b"k" * 32
    assert read_signed(key, sign(key, "test,test:ü", 1700000000)) == (1700000000, "test,test:ü")
    assert read_signed(b"l" * 32, sign(key, "test", 1700000000)) is None


def test_tokens_expire(proxy):
    app = auth(proxy, token_life="0")
    expired = login(app).headers["x-auth-token"]
    assert request(app, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": expired}).status == 401
    short = auth(proxy, token_life="100")
    assert 90 < int(login(short).headers["x-auth-token-expires"]) <= 100


def test_another_servers_signed_tokens_are_not_ours(app, proxy):
    foreign = token(auth(proxy))
    assert request(app, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": foreign}).status == 401


def test_every_worker_accepts_the_others_tokens(app):
    """The key was made before the fork."""
    context = multiprocessing.get_context("fork")
    tokens = context.SimpleQueue()
    worker = context.Process(target=lambda: tokens.put(token(app)))
    worker.start()
    given = {"X-Auth-Token": tokens.get()}
    worker.join()
    assert request(app, "GET", "/v1/AUTH_test/c", headers=given).status == 200


FERNET = {"fernet_key_a": base64.urlsafe_b64encode(b"a" * 32).decode(), "active_fernet_key_id": "a"}


def test_configured_fernet_keys_are_shared_by_all_proxies(proxy):
    pytest.importorskip("cryptography", reason="the cryptography package is not installed")
    given = token(auth(proxy, **FERNET))
    assert given.startswith("AUTH_ftk")
    long = {**FERNET, "user_test_many": "k .admin " + " ".join(f"group{number}" for number in range(30))}
    packed = token(auth(proxy, **long), "test:many", "k")
    assert packed.startswith("AUTH_zftk")
    rotated = {"fernet_key_a": FERNET["fernet_key_a"], "fernet_key_b": base64.urlsafe_b64encode(b"b" * 32).decode()}
    other = auth(proxy, **rotated, active_fernet_key_id="b")
    for each in (given, packed):
        assert request(other, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": each}).body == b"owner"
    for each in (given[:-3] + "AA=", "AUTH_z" + given[5:], "AUTH_ftk"):
        assert request(other, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": each}).status == 401
    assert request(auth(proxy), "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": given}).status == 401


def test_an_expired_fernet_token_is_refused(proxy):
    pytest.importorskip("cryptography", reason="the cryptography package is not installed")
    app = auth(proxy, **FERNET, token_life="0")
    assert request(app, "GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": token(app)}).status == 401


class Memcached:
    """A store that can die."""

    def __init__(self):
        self.values = {}
        self.dead = False

    def _alive(self):
        if self.dead:
            raise CacheUnreachable

    def get(self, key):
        self._alive()
        return self.values.get(key)

    def set(self, key, value, ttl):
        self._alive()
        self.values[key] = json.loads(json.dumps(value))

    def delete(self, key):
        self._alive()
        self.values.pop(key, None)


def with_cache(app, store, given):
    """Use a token in a process that has just started."""
    environ = make_environ("GET", "/v1/AUTH_test/c", headers={"X-Auth-Token": given})
    return call(app, {**environ, "swift.cache": Cache(store)})


def test_tokens_lie_in_memcached_as_swift_keeps_them(proxy, app):
    store = Memcached()
    given = token(app, cache=Cache(store))
    assert given.startswith("AUTH_tk")
    assert len(given) == len("AUTH_tk") + 32
    expires, groups = store.values[f"AUTH_/token/{given}"]
    assert groups == "test,test:tester,AUTH_test"
    assert abs(expires - time.time() - 86400) < 60
    assert store.values["AUTH_/user/test:tester"] == given
    assert with_cache(auth(proxy), store, given).body == b"owner"
    assert token(auth(proxy), cache=Cache(store)) == given, "another proxy gives the same one"


def test_a_token_whose_groups_changed_is_not_given_again(proxy, app):
    store = Memcached()
    old = token(app, cache=Cache(store))
    assert token(auth(proxy, user_test_tester="testing"), cache=Cache(store)) != old


def test_a_token_that_expired_is_not_given_again(app):
    store = Memcached()
    old = token(app, cache=Cache(store))
    store.values[f"AUTH_/token/{old}"][0] = time.time() - 1
    assert token(app, cache=Cache(store)) != old


def test_a_token_that_swift_made_is_accepted(app):
    store = Memcached()
    store.values["AUTH_/token/AUTH_tk" + "0" * 32] = [time.time() + 60, "test,test:tester,AUTH_test"]
    store.values["AUTH_/token/AUTH_tk" + "1" * 32] = [time.time() - 1, "test,test:tester,AUTH_test"]
    assert with_cache(app, store, "AUTH_tk" + "0" * 32).body == b"owner"
    assert with_cache(app, store, "AUTH_tk" + "1" * 32).status == 401
    assert with_cache(app, store, "AUTH_tk" + "2" * 32).status == 401


def test_when_memcached_dies_nobody_is_locked_out(app):
    store = Memcached()
    given = token(app, cache=Cache(store))
    assert with_cache(app, store, given).status == 200
    store.dead = True
    assert with_cache(app, store, given).status == 200, "who was let in stays in"
    fresh = token(app, cache=Cache(store))
    assert with_cache(app, store, fresh).status == 200, "and new tokens need no memcached"


def test_a_token_that_memcached_forgot_is_revoked(app):
    store = Memcached()
    given = token(app, cache=Cache(store))
    assert with_cache(app, store, given).status == 200
    store.values.clear()
    assert with_cache(app, store, given).status == 401
    store.dead = True
    assert with_cache(app, store, given).status == 401


# -- the conf file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"user_test": "key"}, "user_test: it must be user_<account>_<user>"),
        ({"user_a_b_c": "key"}, "user_a_b_c: it must be"),
        ({"user_a_b": "  "}, "user_a_b: it has no key"),
        ({"user64_!_YQ": "key"}, "user64_!_YQ: '!' is not the base64"),
        ({"user_a,AUTH-x_b": "key"}, "user_a,AUTH-x_b: a name has no comma"),
        ({"user64_YSwucmVzZWxsZXJfYWRtaW4_YQ": "key"}, "user64_YSwucmVzZWxsZXJfYWRtaW4_YQ: a name has no comma"),
        (
            {"user64_LnJlc2VsbGVyX2FkbWlu_YQ": "key"},
            "user64_LnJlc2VsbGVyX2FkbWlu_YQ: no account's name begins with a dot",
        ),
        ({"user_.identity_b": "key .admin"}, "user_.identity_b: no account's name begins with a dot"),
        ({"token_life": "long"}, "token_life: 'long' does not fit"),
        ({"active_fernet_key_id": "x"}, "active_fernet_key_id: there is no fernet_key_x"),
        ({"fernet_key_x": "short"}, "fernet_key_x: Fernet key must be"),
    ],
)
def test_a_wrong_option_is_named(options, problem):
    with pytest.raises(ConfigError) as caught:
        filter_factory({"__file__": "p.conf", "__section__": "filter:auth"}, **options)
    assert str(caught.value).startswith(f"p.conf [filter:auth] {problem}")


def test_a_fernet_key_needs_a_package_that_not_everyone_has(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match=r"^conf \[filter\] fernet_key_a: .*pip install cryptography"):
        filter_factory({}, **FERNET)
    filter_factory({})


def test_the_user_that_servers_run_as_is_no_user_of_ours(proxy):
    assert request(filter_factory({"user": "swift"})(proxy), "GET", "/auth/v1.0").status == 401
