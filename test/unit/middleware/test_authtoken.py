"""authtoken and keystoneauth together: the real keystonemiddleware asks a small Keystone over real sockets."""

from __future__ import annotations

import io
import sys
import time

import pytest

from fakes import keystone as fake
from swiftlite.common.concurrency import sleep, spawn
from swiftlite.common.config import ConfigError
from swiftlite.common.pipeline import load_app
from swiftlite.common.web import Answer, Request
from swiftlite.middleware import authtoken

needs_it = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("keystonemiddleware") is None, reason="keystonemiddleware is missing"
)
REACHED = []


def app_factory(global_conf, **local_conf):
    """The end of the pipeline: authorizes as the proxy does."""

    def app(environ, start_response):
        if environ.get("swift.source") == "KS":
            start_response("404 Not Found", [])
            return [b""]
        REACHED.append(environ)
        request = Request(environ)
        request.acl = ".r:*" if environ["PATH_INFO"].endswith("/public") else None
        denial = environ["swift.authorize"](request)
        return (denial or Answer(200, b"in", content_type="text/plain"))(environ, start_response)

    return app


@pytest.fixture(scope="module")
def keystone():
    server = fake.Keystone()
    server.tokens = {
        "ann": fake.token("ann", "one", "admin"),
        "bob": fake.token("bob", "one", "member"),
        "boss": fake.token("boss", "ops", "ResellerAdmin"),
        "unscoped": fake.token("ann", None),
        "glance": fake.token("glance", "service", "service"),
        "no-service": fake.token("eve", "one", "member"),
    }
    yield server
    server.close()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, keystone):
    """Both filters as operators write them down, the one that the loader must run in threads."""
    options = "".join(f"{name} = {value}\n" for name, value in keystone.conf().items())
    path = tmp_path_factory.mktemp("conf") / "proxy.conf"
    path.write_text(
        f"[pipeline:main]\npipeline = authtoken keystoneauth end\n"
        f"[filter:authtoken]\npaste.filter_factory = keystonemiddleware.auth_token:filter_factory\n{options}"
        "cache = swift.cache\n"
        "[filter:keystoneauth]\nuse = egg:swift#keystoneauth\nreseller_prefix = AUTH, SERVICE\n"
        "SERVICE_service_roles = service\n"
        f"[app:end]\npaste.app_factory = {__name__}:app_factory\n"
    )
    return load_app(str(path))


def ask(app, path="/v1/AUTH_id-one/c/o", method="GET", **headers):
    environ = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "h",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr, **{f"HTTP_{name}": value for name, value in headers.items()},
    }  # fmt: skip
    started = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: started.extend((status, headers))))
    return int(started[0][:3]), started[1], body


@needs_it
@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"X_AUTH_TOKEN": "ann"}, "/v1/AUTH_id-one/c/o", 200),
        ({"X_AUTH_TOKEN": "ann"}, "/v1/AUTH_id-two/c/o", 403),
        ({"X_STORAGE_TOKEN": "ann"}, "/v1/AUTH_id-one/c/o", 200),
        ({"X_AUTH_TOKEN": "bob"}, "/v1/AUTH_id-one/c/o", 403),
        ({"X_AUTH_TOKEN": "boss"}, "/v1/AUTH_id-two/c/o", 200),
        ({"X_AUTH_TOKEN": "unscoped"}, "/v1/AUTH_id-one/c/o", 403),
        ({"X_AUTH_TOKEN": "wrong"}, "/v1/AUTH_id-one/c/o", 401),
        ({"X_AUTH_TOKEN": "wrong"}, "/v1/AUTH_id-one/c/public", 200),
        ({}, "/v1/AUTH_id-one/c/o", 401),
        ({}, "/v1/AUTH_id-one/c/public", 200),
        ({"X_AUTH_TOKEN": "ann"}, "/v1/SERVICE_id-one/c/o", 403),
        ({"X_AUTH_TOKEN": "ann", "X_SERVICE_TOKEN": "glance"}, "/v1/SERVICE_id-one/c/o", 200),
        ({"X_AUTH_TOKEN": "ann", "X_SERVICE_TOKEN": "no-service"}, "/v1/SERVICE_id-one/c/o", 401),
    ],
)
def test_who_comes_in(pipeline, headers, path, status):
    answered, _headers, _body = ask(pipeline, path, **headers)
    assert answered == status
    if status != 401 or not headers:
        assert not [key for key, value in REACHED[-1].items() if value is None], "a header without a value"


@needs_it
@pytest.mark.parametrize("headers", [{}, {"X_AUTH_TOKEN": "wrong"}])
def test_a_client_cannot_say_who_it_is(pipeline, keystone, headers):
    claims = {
        "X_IDENTITY_STATUS": "Confirmed", "X_ROLES": "ResellerAdmin", "X_PROJECT_ID": "id-one", "X_USER_ID": "id-ann",
        "X_SERVICE_IDENTITY_STATUS": "Confirmed", "X_SERVICE_ROLES": "service", "X_TENANT_ID": "id-one",
    }  # fmt: skip
    status, answer, _body = ask(pipeline, **claims, **headers)
    assert status == 401
    challenges = [value for name, value in answer if name.lower() == "www-authenticate"]
    assert challenges == ['Swift realm="AUTH_id-one"', f'Keystone uri="{keystone.url}"']
    assert REACHED[-1].get("HTTP_X_IDENTITY_STATUS") in (None, "Invalid")
    assert not {"HTTP_X_ROLES", "HTTP_X_PROJECT_ID", "HTTP_X_SERVICE_ROLES"} & set(REACHED[-1])


@needs_it
def test_other_requests_go_on_while_keystone_is_slow(pipeline, keystone):
    keystone.tokens["slow"] = fake.token("ann", "one", "admin")
    keystone.gate.clear()
    before = keystone.waiting
    slow = [spawn(ask, pipeline, X_AUTH_TOKEN="slow") for _ in range(3)]
    deadline = time.monotonic() + 60
    while keystone.waiting < before + 3:
        assert time.monotonic() < deadline, "the three do not wait side by side"
        sleep(0.01)
    assert ask(pipeline, "/v1/AUTH_id-one/c/public")[0] == 200
    assert not any(thread.dead for thread in slow)
    keystone.gate.set()
    assert [thread.wait()[0] for thread in slow] == [200] * 3


def test_without_keystonemiddleware_the_operator_hears_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keystonemiddleware", None)
    with pytest.raises(ConfigError, match=r"f \[s\]: keystonemiddleware cannot be loaded .*; pip install"):
        authtoken.filter_factory({"__file__": "f", "__section__": "s"})
