"""Whose token a request has: asked of real auth filters, with a proxy behind them that answers anything."""

import pytest

from fakes.wsgi_calls import make_environ, request
from swiftlite.middleware import keystoneauth, tempauth
from swiftlite.middleware.console.rights import ADMIN, NOBODY, UNKNOWN, USER, standing


class Proxy:
    """The end of the pipeline; remembers what came through."""

    def __init__(self, status="200 OK"):
        self.status, self.asked = status, []

    def __call__(self, environ, start_response):
        self.asked.append(environ["PATH_INFO"])
        start_response(self.status, [])
        return [b""]


USERS = {
    "user_admin_admin": "key .admin .reseller_admin",
    "user_test_owner": "key .admin",
    "user_test_reader": "key .reseller_reader",
}


@pytest.fixture(scope="module")
def auth():
    return tempauth.filter_factory({}, **USERS)(Proxy())


def token(auth, user):
    return request(auth, "GET", "/auth/v1.0", headers={"X-Auth-User": user, "X-Auth-Key": "key"}).headers[
        "x-auth-token"
    ]


@pytest.mark.parametrize(("user", "who"), [("admin:admin", ADMIN), ("test:owner", USER), ("test:reader", USER)])
@pytest.mark.parametrize("header", ["X-Auth-Token", "X-Storage-Token"])
def test_tempauths_users(auth, user, who, header):
    environ = make_environ("GET", "/console/cluster.json", {header: token(auth, user)})
    assert standing(auth, environ) == who


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": ""}, {"X-Auth-Token": "AUTH_tk0"}, {"X-Auth-Token": "other"}])
def test_nobody(auth, headers):
    assert standing(auth, make_environ("GET", "/console/cluster.json", headers)) == NOBODY


def test_without_a_token_nobody_is_asked():
    proxy = Proxy()
    assert standing(proxy, make_environ("GET", "/console/cluster.json")) == NOBODY
    assert proxy.asked == []


def test_no_storage_server_is_asked():
    proxy = Proxy()
    standing(proxy, make_environ("GET", "/console/cluster.json", {"X-Auth-Token": "x"}))
    assert proxy.asked == ["/info"]


@pytest.mark.parametrize(
    ("roles", "status", "who"),
    [
        ("ResellerAdmin", "Confirmed", ADMIN),
        ("member, reselleradmin", "Confirmed", ADMIN),
        ("admin", "Confirmed", USER),
        ("", "Confirmed", USER),
        ("ResellerAdmin", "Invalid", NOBODY),
    ],
)
def test_keystones_users(roles, status, who):
    """As authtoken leaves them, which stands to the right of the console, too."""
    inside = keystoneauth.filter_factory({})(Proxy())

    def authtoken(environ, start_response):
        found = {
            "HTTP_X_IDENTITY_STATUS": status,
            "HTTP_X_ROLES": roles,
            "HTTP_X_PROJECT_ID": "p",
            "HTTP_X_USER_ID": "u",
        }
        environ.update(found)
        return inside(environ, start_response)

    assert standing(authtoken, make_environ("GET", "/console/cluster.json", {"X-Auth-Token": "t"})) == who


def test_headers_of_a_client_make_nobody_an_admin():
    inside = keystoneauth.filter_factory({})(Proxy())
    headers = {
        "X-Auth-Token": "t",
        "X-Roles": "ResellerAdmin",
        "X-Identity-Status": "Confirmed",
        "Reseller-Request": "1",
    }
    assert standing(inside, make_environ("GET", "/console/cluster.json", headers)) == NOBODY


def test_what_a_filter_in_front_has_allowed_is_no_right(auth):
    environ = make_environ("GET", "/console/cluster.json", {"X-Auth-Token": token(auth, "test:owner")})
    environ |= {"swift.authorize_override": True, "REMOTE_USER": "somebody", "reseller_request": True}
    assert standing(auth, environ) == USER


def test_a_pipeline_that_cannot_tell():
    environ = make_environ("GET", "/console/cluster.json", {"X-Auth-Token": "t"})
    assert standing(Proxy("503 Service Unavailable"), environ) == UNKNOWN
    assert standing(Proxy("401 Unauthorized"), environ) == NOBODY
    assert standing(Proxy(), environ) == NOBODY  # a pipeline without authentication: there are no admins


def test_the_question_is_closed():
    closed = []

    class Body(list):
        def close(self):
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        return Body([b"{}"])

    standing(app, make_environ("GET", "/console/cluster.json", {"X-Auth-Token": "t"}))
    assert closed == [True]
