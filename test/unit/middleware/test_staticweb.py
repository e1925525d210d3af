"""staticweb over an application that remembers what it was asked; over real servers in functional/filter_cases."""

import json
import logging
from urllib.parse import parse_qsl

import pytest

from fakes.wsgi_calls import call, make_environ
from swiftlite.common.config import ConfigError
from swiftlite.common.web import HTTPUnauthorized
from swiftlite.middleware.staticweb import StaticWeb, StaticWebOptions, filter_factory
from swiftlite.proxy.info import container_info


class Body(list):
    """A body that knows whether it was let go of."""

    closed = False

    def close(self):
        self.closed = True


class Pipeline:
    """What stands behind the filter: objects and a listing of one container."""

    def __init__(self, meta, objects=(), statuses=None):
        self.info = container_info({f"X-Container-Meta-Web-{k}": v for k, v in meta.items()}, 200)
        self.objects = dict(objects)
        self.statuses = statuses or {}
        self.asked, self.bodies = [], []

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.asked.append((environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", "")))
        body = b""
        status = self.statuses.get(path)
        if path == "/v1/AUTH_a/c":
            prefix = dict(parse_qsl(environ["QUERY_STRING"])).get("prefix", "")
            names = [name for name in self.objects if name.startswith(prefix)]
            entries = [{"name": n, "bytes": 1, "content_type": "a/b", "last_modified": "x"} for n in names]
            body = json.dumps(entries).encode()
        elif path.removeprefix("/v1/AUTH_a/c/") in self.objects:
            body = self.objects[path.removeprefix("/v1/AUTH_a/c/")]
        else:
            status = status or "404 Not Found"
        start_response(status or "200 OK", [("Content-Length", str(len(body)))])
        self.bodies.append(Body([body]))
        return self.bodies[-1]


def ask(pipeline, path="/v1/AUTH_a/c/", method="GET", options=None, authorize=lambda request: None, **more):
    environ = make_environ(method, path)
    environ["swift.authorize"] = authorize
    environ["swift.infocache"] = {"container/AUTH_a/c": pipeline.info}
    environ.update(more)
    app = StaticWeb(pipeline, options or StaticWebOptions(), logging.getLogger("test-staticweb"))
    answer = call(app, environ)
    assert all(body.closed for body in pipeline.bodies), "a body was not let go of"
    return answer


TEMPURL = "temp_url_sig=ab&temp_url_expires=1893456000&temp_url_prefix=d/&inline="


def test_links_of_a_temporary_url_let_the_reader_in_again():
    pipeline = Pipeline({"Listings": "true"}, {"d/x": b"x"})
    answer = ask(pipeline, f"/v1/AUTH_a/c/d/?{TEMPURL}", REMOTE_USER=".wsgi.tempurl")
    link = "?temp_url_prefix=d/&amp;temp_url_expires=1893456000&amp;temp_url_sig=ab&amp;inline"
    assert f'<a href="./x{link}">x</a>'.encode() in answer.body
    assert b'id="parent"' not in answer.body, "above the prefix nobody is let in"
    assert answer.headers["x-backend-content-generator"] == "staticweb"


def test_a_temporary_url_of_one_object_gives_no_links_more_rights():
    pipeline = Pipeline({"Listings": "true"}, {"d/x": b"x"})
    answer = ask(pipeline, "/v1/AUTH_a/c/d/?temp_url_sig=ab&temp_url_expires=1", REMOTE_USER=".wsgi.tempurl")
    assert b"temp_url" not in answer.body and b'id="parent"' in answer.body


def test_redirects_do_not_repeat_a_temporary_url():
    pipeline = Pipeline({"Listings": "true"}, {"d/x": b"x"})
    answer = ask(pipeline, f"/v1/AUTH_a/c/d?{TEMPURL}", REMOTE_USER=".wsgi.tempurl")
    assert (answer.status, answer.headers["location"]) == (301, "/v1/AUTH_a/c/d/")


@pytest.mark.parametrize(
    ("base", "location"),
    [
        ("https://www.example:444/x", "https://www.example:444/v1/AUTH_a/c/"),
        ("//www.example", "http://www.example/v1/AUTH_a/c/"),
        ("https://", "https://127.0.0.1:8080/v1/AUTH_a/c/"),
    ],
)
def test_redirects_lead_to_url_base(base, location):
    pipeline = Pipeline({"Index": "i"})
    assert ask(pipeline, "/v1/AUTH_a/c", options=StaticWebOptions(base)).headers["location"] == location


def test_whoever_may_not_see_it_is_refused_and_nothing_is_read():
    pipeline = Pipeline({"Listings": "true"}, {"x": b"x"})
    answer = ask(pipeline, authorize=lambda request: HTTPUnauthorized(request=request))
    assert answer.status == 401 and pipeline.asked == []


def test_an_answer_that_says_neither_yes_nor_no_is_handed_on():
    pipeline = Pipeline({"Index": "i"}, statuses={"/v1/AUTH_a/c/d/i": "503 Service Unavailable"})
    assert ask(pipeline, "/v1/AUTH_a/c/d").status == 503
    pipeline = Pipeline({"Listings": "1"}, statuses={"/v1/AUTH_a/c": "503 Service Unavailable"})
    assert ask(pipeline).status == 503
    pipeline = Pipeline({"Listings": "1"}, statuses={"/v1/AUTH_a/c/x": "503 Service Unavailable"})
    assert ask(pipeline, "/v1/AUTH_a/c/x").status == 503


def test_a_head_has_no_body_even_of_an_error_page():
    pipeline = Pipeline({"Listings": "1", "Error": "e"}, {"404e": b"gone"})
    answer = ask(pipeline, "/v1/AUTH_a/c/x", "HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (404, "4", b"")


@pytest.mark.parametrize(
    "more",
    [
        {"REMOTE_USER": "a,a:u"},
        {"REQUEST_METHOD": "PUT"},
        {"PATH_INFO": "/v1/AUTH_a"},
        {"PATH_INFO": "/v1/AUTH_a/"},
        {"PATH_INFO": "/info"},
        {"PATH_INFO": "/v1/AUTH_a//c/"},
    ],
)
def test_what_is_none_of_its_business_passes(more):
    pipeline = Pipeline({"Listings": "1"})
    path = more.get("PATH_INFO", "/v1/AUTH_a/c/")
    ask(pipeline, **more)
    assert [(method, asked) for method, asked, _ in pipeline.asked] == [(more.get("REQUEST_METHOD", "GET"), path)]


def test_a_base_that_is_no_url_is_an_error_of_the_conf():
    with pytest.raises(ConfigError, match="url_base"):
        filter_factory({}, url_base="http://[x")


def test_without_an_auth_filter_nothing_is_served_and_the_log_says_so(caplog):
    environ = make_environ("GET", "/v1/AUTH_a/c/")
    pipeline = Pipeline({"Listings": "1"})
    log = logging.getLogger("test-staticweb-open")
    call(StaticWeb(pipeline, StaticWebOptions(), log), environ)
    assert [method for method, *_ in pipeline.asked] == ["GET"] and "auth filter" in caplog.text
