"""The small filters, each over real WSGI calls."""

import json
import logging
import re
import sys

import pytest

from fakes.wsgi_calls import call, make_environ, request
from swiftlite.common import tracing
from swiftlite.common.cache import Cache
from swiftlite.common.concurrency import Timeout
from swiftlite.common.config import ConfigError
from swiftlite.common.log import transaction_id
from swiftlite.common.pipeline import FILTERS
from swiftlite.http import reply
from swiftlite.middleware import catch_errors, gatekeeper, healthcheck, listing_formats, memcache, proxy_logging
from swiftlite.proxy.controllers.base import LISTING_AS_TEXT


def answering(status="200 OK", headers=(), body=b"hello"):
    def app(environ, start_response):
        start_response(status, list(headers))
        return [body]

    return app


@pytest.fixture
def lines():
    """Every record that a logger gets, whatever the logger's level."""
    found = []

    class Handler(logging.Handler):
        def emit(self, record):
            found.append(record.getMessage())

    handler = Handler()
    names = ("test-filters", "catch-errors", "proxy-access", "listing-filter")
    for name in names:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel("DEBUG")
    yield found
    for name in names:
        logging.getLogger(name).removeHandler(handler)


def test_every_filter_has_the_factory_that_paste_calls(tmp_path, monkeypatch):
    import importlib

    # That of tracing would send spans of all later tests of this process to a collector, and log that there is none.
    for module, name, nothing in ((tracing, "_tracing", None), (tracing, "_senders", []), (reply, "follow", None)):
        monkeypatch.setattr(module, name, nothing)
    conf = tmp_path / "proxy-server.conf"
    conf.write_text("[filter:tempauth]\n")
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = secret\n")
    conf_of = {"identity": {"__file__": str(conf), "swift_dir": str(tmp_path)}}  # which reads what others' sections say
    for name, target in FILTERS.items():
        if name == "authtoken":
            continue  # keystonemiddleware's, which is optional and wants to know its Keystone
        module, _, factory = target.partition(":")
        made = getattr(importlib.import_module(module), factory)(conf_of.get(name, {}))(answering())
        assert callable(made)


# -- catch_errors -----------------------------------------------------------------------------------------------------


def test_each_request_has_a_transaction_id_of_its_own():
    app = catch_errors.filter_factory({}, trans_id_suffix="-eu")(answering())
    first, second = (request(app, "GET", "/v1/a", headers={"X-Trans-Id-Extra": "x" * 40}) for _ in range(2))
    identity = first.headers["x-trans-id"]
    assert re.fullmatch(rf"tx[0-9a-f]{{21}}-[0-9a-f]{{10}}-eu-{'x' * 32}", identity)
    assert first.headers["x-openstack-request-id"] == identity == first.environ["swift.trans_id"]
    assert second.headers["x-trans-id"] != identity == first.headers["x-trans-id"]
    assert transaction_id.get() == second.headers["x-trans-id"]


def test_a_transaction_id_never_breaks_a_header():
    app = catch_errors.filter_factory({})(answering())
    assert request(app, "GET", "/", headers={"X-Trans-Id-Extra": "a\r\nb é"}).headers["x-trans-id"].isprintable()


@pytest.mark.parametrize(
    ("status", "headers", "conf", "told"),
    [
        ("503 Service Unavailable", {}, {}, "5"),
        ("429 Too Many Requests", {}, {}, "5"),
        ("503 Service Unavailable", {"retry-after": "60"}, {}, "60"),
        ("503 Service Unavailable", {}, {"retry_after": "7"}, "7"),
        ("503 Service Unavailable", {}, {"retry_after": "0"}, None),
        ("498 Rate Limited", {}, {}, None),
        ("500 Internal Error", {}, {}, None),
        ("200 OK", {}, {}, None),
    ],
)
def test_what_cannot_be_done_for_now_says_when_to_try_again(status, headers, conf, told):
    def rest(environ, start_response):
        start_response(status, list(headers.items()))
        return [b""]

    answered = request(catch_errors.filter_factory({}, **conf)(rest), "GET", "/v1/a")
    assert answered.headers.get("retry-after") == told


@pytest.mark.parametrize("error", [ValueError("secret"), Timeout(3600)])
def test_what_nobody_caught_is_a_500_that_tells_no_secrets(error, lines):
    def app(environ, start_response):
        start_response("200 OK", [])
        raise error

    if isinstance(error, Timeout):
        error.cancel()
    answered = request(catch_errors.filter_factory({})(app), "GET", "/v1/a/c/o")
    assert (answered.status, answered.body) == (500, b"An error occurred")
    assert answered.headers["x-trans-id"] == answered.environ["swift.trans_id"]
    assert answered.headers["content-length"] == "17"
    assert len(lines) == 1
    assert "/v1/a/c/o" in lines[0]


def test_an_error_of_a_head_has_no_body(lines):
    def app(environ, start_response):
        raise ValueError

    assert request(catch_errors.filter_factory({})(app), "HEAD", "/").body == b""


def test_a_generator_may_start_its_answer_late():
    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"late"

    answered = request(catch_errors.filter_factory({})(app), "GET", "/")
    assert (answered.body, answered.headers["x-trans-id"]) == (b"late", answered.environ["swift.trans_id"])


# -- gatekeeper -------------------------------------------------------------------------------------------------------

INTERNAL = [
    "X-Account-Sysmeta-Core-Access-Control",
    "x-container-sysmeta-a",
    "X-Object-Sysmeta-",
    "X-Object-Transient-Sysmeta-Crypto",
    "X-Backend",
    "X-Backend-Storage-Policy-Index",
    "X-Account-Host",
    "X-Account-Device",
    "X-Account-Partition",
    "X-Container-Host",
    "X-Container-Device",
    "X-Container-Partition",
    "X-Container-Root-Db-State",
    "X-Delete-At-Host",
    "X-Delete-At-Device",
    "X-Delete-At-Partition",
    "X-Delete-At-Container",
]
PUBLIC = [
    "X-Account-Meta-X",
    "X-Container-Meta-Backend",
    "X-Object-Meta-X",
    "X-Delete-At",
    "X-Container-Hosts",
    "X-Container-Host-Name",
    "X-Auth-Token",
    "X-Backwards",
    "Etag",
]


@pytest.mark.parametrize("name", INTERNAL)
def test_internal_headers_stop_at_the_gate(name):
    app = gatekeeper.filter_factory({})(answering(headers=[(name, "1"), ("Etag", "e")]))
    answered = request(app, "GET", "/", headers={name: "1"})
    assert answered.headers == {"etag": "e"}
    assert "HTTP_" + name.upper().replace("-", "_") not in answered.environ


@pytest.mark.parametrize("name", PUBLIC)
def test_public_headers_pass_the_gate(name):
    app = gatekeeper.filter_factory({})(answering(headers=[(name, "1")]))
    answered = request(app, "GET", "/", headers={name: "1"})
    assert answered.headers == {name.lower(): "1"}
    assert answered.environ["HTTP_" + name.upper().replace("-", "_")] == "1"


def test_a_clients_timestamp_is_set_aside():
    headers = {"X-Timestamp": "1"}
    shunted = request(gatekeeper.filter_factory({})(answering()), "PUT", "/", headers=headers).environ
    assert "HTTP_X_TIMESTAMP" not in shunted
    assert shunted["HTTP_X_BACKEND_INBOUND_X_TIMESTAMP"] == "1"
    kept = gatekeeper.filter_factory({}, shunt_inbound_x_timestamp="no")(answering())
    assert request(kept, "PUT", "/", headers=headers).environ["HTTP_X_TIMESTAMP"] == "1"


def test_reserved_names_are_for_those_whom_the_operator_allows():
    headers = {"X-Allow-Reserved-Names": "true", "X-Backend-Allow-Reserved-Names": "true"}
    key = "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"
    assert key not in request(gatekeeper.filter_factory({})(answering()), "GET", "/", headers=headers).environ
    app = gatekeeper.filter_factory({"allow_reserved_names_header": "true"})(answering())
    assert request(app, "GET", "/", headers=headers).environ[key] == "true"


@pytest.mark.parametrize(
    ("leave", "inside", "outside"),
    [
        (False, "/v1/a/c", "http://127.0.0.1:8080/v1/a/c"),
        (False, "http://elsewhere/x", "http://elsewhere/x"),
        (True, "/v1/a/c?x=1", "/v1/a/c?x=1"),
        (True, "http://127.0.0.1:8080/v1/a/c?x=1#y", "/v1/a/c?x=1#y"),
    ],
)
def test_redirects_are_absolute_unless_their_maker_says_no(leave, inside, outside):
    app = gatekeeper.filter_factory({})(answering("301 Moved", [("Location", inside)]))
    environ = make_environ("GET", "/")
    if leave:
        environ["swift.leave_relative_location"] = True
    assert call(app, environ).headers["location"] == outside


# -- healthcheck ------------------------------------------------------------------------------------------------------


def test_healthcheck(tmp_path):
    flag = tmp_path / "disabled"
    app = healthcheck.filter_factory({}, disable_path=str(flag))(answering(body=b"inside"))
    answered = request(app, "GET", "/healthcheck")
    assert (answered.status, answered.body) == (200, b"OK")
    assert request(app, "HEAD", "/healthcheck").body == b""
    assert request(app, "GET", "/healthcheck/").body == b"inside"
    flag.touch()
    answered = request(app, "GET", "/healthcheck")
    assert (answered.status, answered.body) == (503, b"DISABLED BY FILE")
    assert request(app, "GET", "/v1/a").status == 200


# -- memcache ---------------------------------------------------------------------------------------------------------


def test_everything_inside_sees_the_one_cache(tmp_path):
    made = memcache.filter_factory({"swift_dir": str(tmp_path)})
    first, second = (request(made(answering()), "GET", "/").environ["swift.cache"] for _ in range(2))
    assert isinstance(first, Cache)
    assert first is second
    assert first.store is None


def test_memcached_is_used_where_the_conf_names_it(tmp_path):
    (tmp_path / "memcache.conf").write_text("[memcache]\nmemcache_servers = 127.0.0.1:1\n")
    app = memcache.filter_factory({"swift_dir": str(tmp_path)})(answering())
    assert request(app, "GET", "/").environ["swift.cache"].store is not None


def test_memcached_needs_a_package_that_not_everyone_has(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymemcache", None)
    with pytest.raises(
        ConfigError, match=r"^conf \[filter\] memcache_servers: pymemcache is not installed; install it"
    ):
        memcache.filter_factory({}, memcache_servers="127.0.0.1:11211")
    memcache.filter_factory({})


# -- proxy_logging ----------------------------------------------------------------------------------------------------

FIELDS = "{method} {path} {status_int} {bytes_recvd} {bytes_sent} {source} {policy_index}"


def logged(app, lines, method="GET", path="/v1/a/c/o?x=1", **kwargs):
    answered = request(proxy_logging.filter_factory({}, log_msg_template=FIELDS)(app), method, path, **kwargs)
    return answered, lines


def test_an_answer_that_is_at_hand_is_passed_on_as_it_is(lines):
    body = [b"hello"]

    def app(environ, start_response):
        start_response("200 OK", [("X-Backend-Storage-Policy-Index", "2")])
        return body

    filtered = proxy_logging.filter_factory({}, log_msg_template=FIELDS)(app)
    assert filtered(make_environ("GET", "/v1/a/c/o?x=1"), lambda *args: None) is body
    assert lines == ["GET /v1/a/c/o%3Fx%3D1 200 - 5 - 2"]


def test_the_bytes_of_both_bodies_are_counted(lines):
    def app(environ, start_response):
        start_response("201 Created", [])
        body = environ["wsgi.input"]
        assert body.read(3) + body.readline() + body.read() == b"0123\n56789"
        return iter([b"ab", b"", b"cde"])

    logged(app, lines, "PUT", body=b"0123\n56789")
    assert lines == ["PUT /v1/a/c/o%3Fx%3D1 201 10 5 - -"]


def test_reading_into_a_buffer_is_counted_and_other_methods_pass(lines):
    class Input:
        def readinto(self, buffer):
            buffer[:4] = b"data"
            return 4

        def send_hundred_continue_response(self):
            return "sent"

    environ = make_environ("PUT", "/")
    environ.update({"wsgi.input": Input(), "HTTP_TRANSFER_ENCODING": "chunked"})

    def app(environ, start_response):
        assert environ["wsgi.input"].readinto(bytearray(8)) == 4
        assert environ["wsgi.input"].send_hundred_continue_response() == "sent"
        start_response("201 Created", [])
        return []

    assert call(proxy_logging.filter_factory({}, log_msg_template="{bytes_recvd}")(app), environ).status == 201
    assert lines == ["4"]


def test_a_client_that_leaves_is_a_499(lines):
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"first", b"second"])

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [])
        return Body()

    filtered = proxy_logging.filter_factory({}, log_msg_template=FIELDS)(app)
    body = filtered(make_environ("GET", "/v1/a/c/o"), lambda *args: None)
    assert next(body) == b"first"
    assert lines == []
    body.close()
    assert lines == ["GET /v1/a/c/o 499 - 5 - -"]
    assert closed == [True]


@pytest.mark.parametrize("late", [False, True])
def test_an_answer_that_fails_is_a_500(lines, late):
    def chunks():
        yield b"first"
        raise ValueError

    def app(environ, start_response):
        if not late:
            raise ValueError
        start_response("200 OK", [])
        return chunks()

    with pytest.raises(ValueError):
        logged(app, lines)
    assert lines == [f"GET /v1/a/c/o%3Fx%3D1 500 - {'5' if late else '-'} - -"]


def test_a_request_is_logged_once_but_those_that_filters_make_are_logged_too(lines):
    inner = proxy_logging.filter_factory({}, log_msg_template="inner {path} {source}")(answering())

    def middle(environ, start_response):
        call(inner, {**make_environ("HEAD", "/v1/a"), "swift.source": "TA"})
        return inner(environ, start_response)

    request(proxy_logging.filter_factory({}, log_msg_template="outer {path} {source}")(middle), "GET", "/v1/a/c")
    assert lines == ["inner /v1/a TA", "outer /v1/a/c -"]


def test_the_path_is_the_one_that_was_asked_for(lines):
    def app(environ, start_response):
        environ["QUERY_STRING"] = "format=json"
        return answering()(environ, start_response)

    logged(app, lines, path="/v1/a/c%20d?marker=%C3%A9")
    assert lines == ["GET /v1/a/c%2520d%3Fmarker%3D%25C3%25A9 200 - 5 - -"]


def test_a_filter_may_say_what_the_status_really_was(lines):
    def app(environ, start_response):
        environ["swift.proxy_logging_status"] = 408
        return answering("503 Busy")(environ, start_response)

    logged(app, lines)
    assert lines == ["GET /v1/a/c/o%3Fx%3D1 408 - 5 - -"]


@pytest.mark.parametrize(
    ("module", "option", "text"),
    [
        (proxy_logging, "log_msg_template", "{x}"),
        (proxy_logging, "reveal_sensitive_prefix", "many"),
        (proxy_logging, "log_anonymization_method", "rot13"),
        (proxy_logging, "access_log_headers", "perhaps"),
        (gatekeeper, "shunt_inbound_x_timestamp", "perhaps"),
        (memcache, "memcache_max_connections", "many"),
        (memcache, "memcache_servers", "here:x"),
    ],
)
def test_an_option_that_does_not_fit_is_told_with_its_place(module, option, text):
    with pytest.raises(ConfigError, match=rf"^p\.conf \[filter:x\].*({option}|rot13)"):
        module.filter_factory({"__file__": "p.conf", "__section__": "filter:x"}, **{option: text})


# -- listing_formats --------------------------------------------------------------------------------------------------

OBJECTS = [
    {"bytes": 1, "hash": "h", "name": "a<é", "content_type": "t/x", "last_modified": "2020-01-01T00:00:00.000000"},
    {"subdir": "b/"},
]
CONTAINERS = [{"name": "c", "count": 1, "bytes": 2, "last_modified": "2020-01-01T00:00:00.000000"}]


def listing(entries, status="200 OK", content_type="application/json; charset=utf-8", headers=()):
    body = entries if isinstance(entries, bytes) else json.dumps(entries).encode()

    def app(environ, start_response):
        assert "format=json" in environ["QUERY_STRING"]
        start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    return listing_formats.filter_factory({})(app)


@pytest.mark.parametrize(
    ("query", "accept", "content_type", "start"),
    [
        ("", None, "text/plain", "a<é\nb/\n".encode()),
        ("?format=json", None, "application/json", b'[{"bytes": 1, "hash"'),
        (
            "?format=xml",
            "text/plain",
            "application/xml",
            b'<?xml version="1.0" encoding="UTF-8"?>\n<container name="c">',
        ),
        ("?f%6Frmat=xml", None, "application/xml", b"<?xml"),
        ("?prefix=%3D%26&%66%6f%72%6d%61%74=json", None, "application/json", b"[{"),
        ("?format=nonsense", "application/json", "text/plain", b"a<"),
        ("?prefix=x&format=json&limit=1", None, "application/json", b"[{"),
        ("", "application/json", "application/json", b"[{"),
        ("", "text/xml", "text/xml", b"<?xml"),
        ("", "text/*;q=0.5, application/xml", "application/xml", b"<?xml"),
        ("", "*/*", "text/plain", b"a<"),
    ],
)
def test_the_client_gets_the_format_it_wants(query, accept, content_type, start):
    headers = {"Accept": accept} if accept else {}
    answered = request(listing(OBJECTS), "GET", f"/v1/a/c{query}", headers=headers)
    assert answered.status == 200
    assert answered.headers["content-type"] == f"{content_type}; charset=utf-8"
    assert answered.body.startswith(start)
    assert answered.headers["content-length"] == str(len(answered.body))
    assert answered.headers.get("vary") == (None if "=" in query else "Accept")


def test_the_other_parameters_reach_the_inside_unharmed():
    answered = request(listing([]), "GET", "/v1/a/c?marker=%C3%A9%26&format=xml&limit=1&delimiter=")
    assert answered.environ["QUERY_STRING"] == "marker=%C3%A9%26&limit=1&delimiter=&format=json"
    answered = request(listing([]), "GET", "/v1/a/c?marker=a+%C3%A9%26;x&x=%3D")
    assert answered.environ["QUERY_STRING"] == "marker=a+%C3%A9%26;x&x=%3D&format=json"


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [("", 204, b""), ("?format=json", 200, b"[]"), ("?format=xml", 200, b'<container name="c" />')],
)
def test_an_empty_listing(query, status, body):
    answered = request(listing([]), "GET", f"/v1/a/c{query}")
    assert answered.status == status
    assert answered.body.endswith(body)


def test_an_accounts_listing_is_spelled_as_one():
    answered = request(listing(CONTAINERS), "GET", "/v1/%C3%A9?format=xml")
    assert '<account name="é">\n<container><name>c</name>'.encode() in answered.body
    assert request(listing(CONTAINERS), "GET", "/v1/a/").body == b"c\n"


@pytest.mark.parametrize(("accept", "status"), [("image/png", 406), ("nonsense", 400)])
def test_what_cannot_be_given_is_refused(accept, status):
    assert request(listing([]), "GET", "/v1/a/c", headers={"Accept": accept}).status == status


def test_a_head_names_the_format_too():
    answered = request(listing([]), "HEAD", "/v1/a/c", headers={"Accept": "application/xml"})
    assert answered.headers["content-type"] == "application/xml; charset=utf-8"
    assert answered.headers["vary"] == "Accept"
    assert answered.body == b""


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/a/c/o"),
        ("GET", "/v1/a/c//"),
        ("PUT", "/v1/a/c"),
        ("GET", "/v2/a/c"),
        ("GET", "/info"),
        ("GET", "/v1//c"),
    ],
)
def test_other_requests_pass_untouched(method, path):
    answered = request(listing_formats.filter_factory({})(answering()), method, f"{path}?format=xml")
    assert answered.environ["QUERY_STRING"] == "format=xml"
    assert answered.body == b"hello"


@pytest.mark.parametrize(
    "answer",
    [
        {"entries": b"<html>", "content_type": "text/html"},
        {"entries": b"{}"},
        {"entries": b"[1]"},
        {"entries": b"not json"},
        {"entries": b'[{"x": 1}]'},
        {"entries": b"[]", "status": "404 Not Found"},
    ],
)
def test_what_is_no_listing_goes_out_as_it_is(answer):
    answered = request(listing(**answer), "GET", "/v1/a/c")
    assert answered.body == answer["entries"]
    assert answered.headers["content-type"].startswith(answer.get("content_type", "application/json"))


def test_a_filter_inside_may_make_its_own_listing():
    def app(environ, start_response):
        environ["swift.format_listing"] = False
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        return [b"[]"]

    assert request(listing_formats.filter_factory({})(app), "GET", "/v1/a/c").body == b"[]"


def standing_before(*modules):
    """The filter before others, each of a module, the last of them the proxy; that one notes what it is asked."""
    app = None
    for module in reversed(modules):
        app = type("Inner", (), {"__module__": module, "__call__": lambda self, *wsgi: self.app(*wsgi), "app": app})()
    seen = []

    def proxy(self, environ, start_response):
        seen.append(LISTING_AS_TEXT in environ)
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "4")])
        return [b"a\nb\n"]

    last = app
    while last.app is not None:
        last = last.app
    type(last).__call__ = proxy
    del type(last).app
    return listing_formats.filter_factory({})(app), seen


@pytest.mark.parametrize(
    ("path", "as_text"),
    [
        ("/v1/a/c", True),
        ("/v1/a/c?format=plain&limit=3", True),
        ("/v1/a/c?format=json", False),
        ("/v1/a/c?versions", False),
        ("/v1/a/c?%76ersions=", False),
        ("/v1/a", False),  # the filter for versions merges accounts' listings
    ],
)
def test_text_is_asked_for_where_nobody_needs_json(path, as_text):
    app, seen = standing_before("swiftlite.middleware.slo", "swiftlite.proxy.server")
    answered = request(app, "GET", path)
    assert seen == [as_text]
    assert (answered.status, answered.body) == (200, b"a\nb\n")
    assert answered.headers.get("vary") == (None if "format" in path else "Accept")


@pytest.mark.parametrize(
    "modules", [("theirs.filter", "swiftlite.proxy.server"), ("swiftlite.middleware.slo", "theirs")]
)
def test_filters_of_others_may_rely_on_json(modules):
    app, seen = standing_before(*modules)
    request(app, "GET", "/v1/a/c")
    assert seen == [False]


@pytest.mark.parametrize("vary", ["Origin", "Origin, Accept"])
def test_the_inside_may_vary_too(vary):
    answered = request(listing([], headers=[("Vary", vary)]), "GET", "/v1/a/c")
    assert answered.headers["vary"] == "Origin, Accept"


def test_reserved_names_are_hidden(lines):
    entries = [{**OBJECTS[0], "name": "\0versions\0x"}, OBJECTS[0], {"subdir": "\0dir/"}]
    for query in ("", "?format=json", "?format=xml"):
        answered = request(listing(entries), "GET", f"/v1/a/c{query}")
        assert b"versions" not in answered.body
        assert b"dir/" not in answered.body
    assert len(lines) == 3
    allowed = request(listing(entries), "GET", "/v1/a/c", headers={"X-Backend-Allow-Reserved-Names": "true"})
    assert allowed.body.startswith(b"\0versions\0x\n")
