"""The filters of a site's own rules, each over real WSGI calls; against OpenStack Swift in functional/filter_cases."""

import pytest

from fakes.wsgi_calls import call, make_environ, request
from swiftlite.common import swift_info
from swiftlite.common.config import ConfigError
from swiftlite.core.names import EntityName
from swiftlite.middleware import crossdomain, domain_remap, etag_quoter, list_endpoints, name_check, read_only
from swiftlite.proxy.info import account_info, container_info
from swiftlite.ring.ring import Node


class App:
    """Remembers what comes, and answers with the headers given."""

    def __init__(self, *headers):
        self.headers = headers
        self.seen = []

    def __call__(self, environ, start_response):
        self.seen.append(environ)
        start_response("200 OK", list(self.headers))
        return [b"through"]


def with_info(environ, account=None, container=None):
    """An environment that knows the account and container of its path already."""
    environ["swift.infocache"] = {
        "account/AUTH_a": account_info(account or {}, 200),
        "account/AUTH_b": account_info({}, 200),
        "container/AUTH_a/c": container_info(container or {}, 200),
    }
    return environ


# -- crossdomain ------------------------------------------------------------------------------------------------------


def test_a_policy_beyond_ascii_is_utf_8():
    app = crossdomain.filter_factory({}, cross_domain_policy="<!-- é -->")(App())
    answer = request(app, "GET", "/crossdomain.xml")
    assert "<!-- é -->".encode() in answer.body and answer.headers["content-length"] == str(len(answer.body))


# -- name_check -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "path", "status"),
    [
        ({}, "/v1/a/c/o", 200),
        ({}, "/v1/a/c/%3C", 400),
        ({}, "/v1/a/c/%C3%A9", 200),
        ({"forbidden_chars": "é"}, "/v1/a/c/%C3%A9", 400),
        ({"forbidden_chars": "é"}, "/v1/a/c/%C3%A8", 200),
        ({"maximum_length": "5"}, "/v1/a", 200),
        ({"maximum_length": "5"}, "/v1/ab", 400),
        ({}, "/v1/a/../b", 400),
        ({"forbidden_regexp": ""}, "/v1/a/../b", 200),
        ({"forbidden_regexp": "x+y"}, "/v1/a/xxy", 400),
    ],
)
def test_names_are_checked(conf, path, status):
    assert request(name_check.filter_factory({}, **conf)(App()), "GET", path).status == status


def test_a_regexp_that_is_none_is_an_error_of_the_conf():
    with pytest.raises(ConfigError, match="forbidden_regexp"):
        name_check.filter_factory({}, forbidden_regexp="(")


# -- read_only --------------------------------------------------------------------------------------------------------

ON, OFF = {"X-Account-Sysmeta-Read-Only": "true"}, {"X-Account-Sysmeta-Read-Only": "false"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "POST", "COPY", "DELETE"])
@pytest.mark.parametrize(
    ("conf", "account", "refused"),
    [
        ({}, {}, ""),
        ({}, ON, "PUT POST COPY DELETE"),
        ({"allow_deletes": "yes"}, ON, "PUT POST COPY"),
        ({"read_only": "true"}, {}, "PUT POST COPY DELETE"),
        ({"read_only": "true"}, OFF, ""),
    ],
)
def test_writes_are_refused(method, conf, account, refused):
    environ = with_info(make_environ(method, "/v1/AUTH_a/c/o"), account)
    answer = call(read_only.filter_factory({}, **conf)(App()), environ)
    assert answer.status == (405 if method in refused.split() else 200)


def test_a_copy_is_a_write_to_where_it_goes():
    app = read_only.filter_factory({})(App())
    for destination, status in (("AUTH_b", 200), ("AUTH%5Fa", 405), ("AUTH_a", 405), ("a/b", 412), ("", 412)):
        environ = with_info(make_environ("COPY", "/v1/AUTH_a/c/o", {"Destination-Account": destination}), ON)
        assert call(app, environ).status == status
    elsewhere = make_environ("COPY", "/v1/AUTH_b/c/o", {"Destination-Account": "AUTH_a"})
    assert call(app, with_info(elsewhere, ON)).status == 405


def test_info_tells_of_a_cluster_that_is_read_only():
    swift_info.forget()
    read_only.filter_factory({}, read_only="false")
    assert "read_only" not in swift_info.registered()
    read_only.filter_factory({}, read_only="true")
    assert swift_info.registered()["read_only"] == {}
    swift_info.forget()


# -- etag_quoter ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("etag", "expected"), [("a", '"a"'), ('"a"', '"a"'), ('W/"a"', 'W/"a"'), ('"a', '""a"'), ("W/a", '"W/a"')]
)
def test_an_etag_is_quoted_once(etag, expected):
    assert etag_quoter.quoted(etag) == expected


@pytest.mark.parametrize(
    ("by_default", "account", "container", "expected"),
    [
        ("false", None, None, "e"),
        ("true", None, None, '"e"'),
        ("false", "True", None, '"e"'),
        ("true", "False", None, "e"),
        ("false", "True", "False", "e"),
        ("true", "False", "True", '"e"'),
    ],
)
def test_the_container_has_the_last_word(by_default, account, container, expected):
    environ = with_info(
        make_environ("GET", "/v1/AUTH_a/c/o"),
        {"X-Account-Sysmeta-Rfc-Compliant-Etags": account} if account else {},
        {"X-Container-Sysmeta-Rfc-Compliant-Etags": container} if container else {},
    )
    app = etag_quoter.filter_factory({}, enable_by_default=by_default)(App(("ETag", "e")))
    assert call(app, environ).headers["etag"] == expected


@pytest.mark.parametrize("path", ["/info", "/v2/AUTH_a/c/o", "/v1", "/healthcheck", "//x/y/z/o"])
def test_what_is_no_object_is_left_alone(path):
    app = etag_quoter.filter_factory({}, enable_by_default="true")(App(("Etag", "e")))
    assert request(app, "GET", path).headers["etag"] == "e"


# -- domain_remap -----------------------------------------------------------------------------------------------------


def test_a_path_is_made_of_the_hosts_name_and_redirects_lead_back():
    app = App(("Location", "/v1/AUTH_a/c/d/"))
    answer = request(domain_remap.filter_factory({})(app), "GET", "/d", headers={"Host": "c.auth-a.example.com"})
    assert app.seen[0]["PATH_INFO"] == "/v1/AUTH_a/c/d" and answer.headers["location"] == "/d/"


def test_without_a_storage_domain_nothing_is_remapped():
    app = App()
    request(
        domain_remap.filter_factory({}, storage_domain="")(app), "GET", "/d", headers={"Host": "auth-a.example.com"}
    )
    assert app.seen[0]["PATH_INFO"] == "/d"


def test_a_request_without_host_has_the_servers_name():
    app, environ = App(), make_environ("GET", "/d")
    del environ["HTTP_HOST"]
    environ["SERVER_NAME"] = "auth-a.example.com"
    call(domain_remap.filter_factory({})(app), environ)
    assert app.seen[0]["PATH_INFO"] == "/v1/AUTH_a/d"


# -- list_endpoints ---------------------------------------------------------------------------------------------------


def node(ip):
    return Node(1, 1, 1, ip, 6200, ip, 6200, "sda", 1.0)


def test_an_endpoint_is_a_url_that_can_be_used():
    name = EntityName("AUTH_é", "c", "a b/?")
    assert list_endpoints.endpoint(node("10.0.0.1"), 7, name) == "http://10.0.0.1:6200/sda/7/AUTH_%C3%A9/c/a%20b/%3F"
    assert list_endpoints.endpoint(node("fe80::1"), 7, EntityName("a")) == "http://[fe80::1]:6200/sda/7/a"


@pytest.mark.parametrize(
    ("path", "version", "name"),
    [
        ("/a", 1, ("a", None, None)),
        ("/v1/a/c", 1, ("a", "c", None)),
        ("/v2.0/a/c/o/p", 2, ("a", "c", "o/p")),
        ("/v_2/a", 1, ("v_2", "a", None)),
        ("/inf/c", 1, ("inf", "c", None)),
    ],
)
def test_questions_are_read(path, version, name):
    assert list_endpoints.read_question(path) == (version, EntityName(*name))


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "//c", "/v9/a", "/v1//c"])
def test_what_names_nothing_is_refused(path):
    with pytest.raises(ValueError):
        list_endpoints.read_question(path)
