"""The filters slo and dlo over an application that keeps objects: what no real cluster of today answers, and what costs."""

import hashlib
import io
import json
import logging

import pytest

from fakes.wsgi_calls import call, make_environ
from swiftlite.core import manifest
from swiftlite.middleware.dlo import DLOOptions, DynamicLargeObjects
from swiftlite.middleware.slo.filter import StaticLargeObjects, split_etags
from swiftlite.middleware.slo.options import SLOOptions

DATE = "Sun, 22 Nov 2026 19:38:20 GMT"
BEFORE, AFTER = "Sun, 22 Nov 2026 19:38:19 GMT", DATE
PARTS = {"s1": b"hello", "s2": b" world"}


def md5(body):
    return hashlib.md5(body).hexdigest()


class Store:
    """An application that keeps objects of one container as (headers, body)."""

    def __init__(self):
        self.objects = {name: ({}, body) for name, body in PARTS.items()}
        self.answers = []
        """Answers that come before any other, (status, headers, body)."""
        self.asked = []

    def __call__(self, environ, start_response):
        self.asked.append(environ)
        if self.answers:
            status, headers, body = self.answers.pop(0)
            start_response(status, list(headers.items()))
            return [body]
        name = environ["PATH_INFO"].rpartition("/")[2]
        if environ["REQUEST_METHOD"] == "PUT":
            self.objects[name] = ({}, environ["wsgi.input"].read())
        headers, body = self.objects.get(name, ({}, None))
        if body is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        etag, status = md5(body), "200 OK"
        if "HTTP_RANGE" in environ and not headers:
            first, _, last = environ["HTTP_RANGE"].removeprefix("bytes=").partition("-")
            body, status = body[int(first) : int(last) + 1 if last else None], "206 Partial Content"
        known = {"Etag": etag, "Last-Modified": DATE, "Content-Length": str(len(body)), "Content-Type": "x/y"}
        start_response(status, list({**known, **headers}.items()))
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    def add_old_manifest(self, **more):
        """A manifest as it was made before Swift stored its ETag and size beside it."""
        entries = [
            {"name": f"/c/{name}", "hash": md5(body), "bytes": len(body), **more} for name, body in PARTS.items()
        ]
        self.objects["old"] = ({"X-Static-Large-Object": "True"}, json.dumps(entries).encode())
        return manifest.large_etag(entries)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def slo(store):
    return StaticLargeObjects(store, SLOOptions(), logging.getLogger("test"))


def ask(app, method, path, body=b"", **headers):
    return call(
        app, make_environ(method, path, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/a", "/v1/a/c", "/v1/a/c/s1", "/info", "/", "/v1//c/o", "/auth/v1.0"])
@pytest.mark.parametrize("make", [StaticLargeObjects, DynamicLargeObjects])
def test_what_does_not_concern_them_passes_as_it_is(make, path, method):
    options = SLOOptions() if make is StaticLargeObjects else DLOOptions()
    body = [b"the very same"]
    seen = []

    def app(environ, start_response):
        seen.append(dict(environ))
        start_response("200 OK", [("Content-Type", "x/y")])
        return body

    environ = make_environ(method, path, {"Range": "bytes=0-1"} if path == "/info" else {})
    before = dict(environ)
    assert make(app, options, logging.getLogger("test"))(environ, lambda *_: None) == body
    assert seen == [before]


def test_old_manifests_are_read_too(store, slo):
    etag = store.add_old_manifest()
    for method in ("GET", "HEAD"):
        answer = ask(slo, method, "/v1/a/c/old")
        assert (answer.status, answer.headers["etag"], answer.headers["content-length"]) == (200, f'"{etag}"', "11")
        assert answer.body == (b"hello world" if method == "GET" else b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_hold_of_old_manifests_too(store, slo, method):
    etag = store.add_old_manifest()
    assert ask(slo, method, "/v1/a/c/old", If_None_Match=etag).status == 304
    assert ask(slo, method, "/v1/a/c/old", If_None_Match="x").status == 200
    assert ask(slo, method, "/v1/a/c/old", If_Match=etag).status == 200
    assert ask(slo, method, "/v1/a/c/old", If_Match="x").status == 412
    assert ask(slo, method, "/v1/a/c/old", If_Modified_Since=AFTER).status == 304
    assert ask(slo, method, "/v1/a/c/old", If_Unmodified_Since=BEFORE).status == 412


@pytest.mark.parametrize("parameter", ["multipart-manifest", "multipart%2Dmanifest", "%6Dultipart-manifest"])
def test_a_parameter_is_known_however_it_is_spelled(store, slo, parameter):
    store.add_old_manifest()
    assert ask(slo, "PUT", f"/v1/a/c/o?{parameter}=put", b"nonsense").status == 400
    assert ask(slo, "DELETE", f"/v1/a/c/old?{parameter}=%64elete", If_Match="x").status == 412
    dlo = DynamicLargeObjects(store, DLOOptions(), logging.getLogger("test"))
    store.objects["dlo"] = ({"X-Object-Manifest": "c/s"}, b"stored")
    assert ask(dlo, "GET", f"/v1/a/c/dlo?{parameter}=%67et").body == b"stored"


def test_a_server_that_held_a_condition_against_an_old_manifest_itself_is_asked_again(store, slo):
    etag = store.add_old_manifest()
    headers, body = store.objects["old"]
    store.answers.append(("412 Precondition Failed", {**headers, "Etag": md5(body)}, b""))
    assert ask(slo, "GET", "/v1/a/c/old", If_Match=etag).body == b"hello world"


def test_a_server_that_gave_a_range_of_the_manifest_is_asked_again(store, slo):
    store.add_old_manifest()
    headers, body = store.objects["old"]
    store.answers.append(("206 Partial Content", {**headers, "Content-Range": "bytes 3-7/99"}, body[3:8]))
    answer = ask(slo, "GET", "/v1/a/c/old", Range="bytes=3-7")
    assert (answer.status, answer.body, answer.headers["content-range"]) == (206, b"lo wo", "bytes 3-7/11")
    store.answers.append(("416 Requested Range Not Satisfiable", headers, b""))
    assert ask(slo, "GET", "/v1/a/c/old", Range="bytes=9-").body == b"ld"


def test_a_manifest_that_is_gone_when_it_is_asked_for_again_is_an_outage(store, slo):
    store.answers.append(("206 Partial Content", {"X-Static-Large-Object": "True"}, b"x"))
    assert ask(slo, "GET", "/v1/a/c/old", Range="bytes=3-7").status == 503


@pytest.mark.parametrize("body", [b"", b"{", b"[5]", b'[{"name": "/c/s1"}]'])
@pytest.mark.parametrize("query", ["", "?multipart-manifest=get&format=raw"])
def test_a_manifest_that_cannot_be_read_is_an_error(store, slo, body, query):
    store.objects["old"] = ({"X-Static-Large-Object": "True"}, body)
    answer = ask(slo, "GET", f"/v1/a/c/old{query}")
    assert answer.status == (200 if query and body.startswith(b"[{") else 500)


def test_a_nested_manifest_counts_with_the_bytes_of_its_object(store, slo):
    store.add_old_manifest()
    size = len(store.objects["old"][1])
    entries = [{"name": "/c/old", "hash": store.add_old_manifest(), "bytes": size, "sub_slo": True}]
    entries[0]["content_type"] = "x/y;swift_bytes=11"
    store.objects["outer"] = ({"X-Static-Large-Object": "True"}, json.dumps(entries).encode())
    answer = ask(slo, "GET", "/v1/a/c/outer")
    assert (answer.headers["content-length"], answer.body) == ("11", b"hello world")


@pytest.mark.parametrize("limit", [100, 10])
def test_a_manifest_may_only_be_so_long(store, limit):
    slo = StaticLargeObjects(store, SLOOptions(max_manifest_size=limit), logging.getLogger("test"))
    body = b'[{"path": "/c/s1"}]'
    assert ask(slo, "PUT", "/v1/a/c/o?multipart-manifest=put", body).status == (200 if limit == 100 else 413)
    environ = make_environ("PUT", "/v1/a/c/o?multipart-manifest=put", {"Transfer-Encoding": "chunked"})
    environ["wsgi.input"] = io.BytesIO(body)
    assert call(slo, environ).status == (200 if limit == 100 else 413)


def test_a_manifest_needs_an_end(slo):
    assert ask(slo, "PUT", "/v1/a/c/o?multipart-manifest=put").status == 411
    assert ask(slo, "PUT", "/v1/a/c/o?multipart-manifest=put", b"[]", X_Copy_From="/c/s1").status == 405


@pytest.mark.parametrize(
    ("path", "headers", "content_type"),
    [
        ("o", {"CONTENT_TYPE": "x/y;a=b"}, "x/y;a=b;swift_bytes=5"),
        ("o.txt", {}, "text/plain;swift_bytes=5"),
        ("o.txt", {"CONTENT_TYPE": "x/y", "HTTP_X_DETECT_CONTENT_TYPE": "true"}, "text/plain;swift_bytes=5"),
        ("o", {}, "application/octet-stream;swift_bytes=5"),
    ],
)
def test_the_size_is_told_with_the_type(store, slo, path, headers, content_type):
    environ = make_environ("PUT", f"/v1/a/c/{path}?multipart-manifest=put", body=b'[{"path": "/c/s1"}]')
    assert call(slo, environ | headers).status == 200
    stored = store.asked[-1]
    assert (stored["CONTENT_TYPE"], stored["swift.content_type_overridden"]) == (content_type, True)
    assert "HTTP_X_DETECT_CONTENT_TYPE" not in stored


def test_a_nested_manifest_that_became_another_object_is_not_read(store, slo):
    etag = store.add_old_manifest()
    entries = [{"name": "/c/old", "hash": etag, "bytes": 11, "sub_slo": True}]
    store.objects["outer"] = ({"X-Static-Large-Object": "True"}, json.dumps(entries).encode())
    assert ask(slo, "GET", "/v1/a/c/outer").body == b"hello world"
    store.objects["old"] = ({}, store.objects["old"][1])
    assert ask(slo, "GET", "/v1/a/c/outer").status == 409


def test_every_segment_is_looked_at_once(store, slo):
    body = json.dumps([{"path": "/c/s1"}, {"path": "/c/s2"}, {"path": "/c/s1"}]).encode()
    ask(slo, "PUT", "/v1/a/c/o?multipart-manifest=put", body)
    assert [(e["REQUEST_METHOD"], e["PATH_INFO"]) for e in store.asked] == [
        ("HEAD", "/v1/a/c/s1"),
        ("HEAD", "/v1/a/c/s2"),
        ("PUT", "/v1/a/c/o"),
    ]


def test_listings_have_both_etags_apart():
    rows = [
        {"name": "a", "hash": "m; slo_etag=e"},
        {"name": "b", "hash": "m; symlink_target=x; slo_etag=e; other=y"},
        {"name": "c", "hash": "m"},
        {"subdir": "slo_etag=d/"},
    ]
    assert json.loads(split_etags(json.dumps(rows).encode())) == [
        {"name": "a", "hash": "m", "slo_etag": '"e"'},
        {"name": "b", "hash": "m; symlink_target=x; other=y", "slo_etag": '"e"'},
        *rows[2:],
    ]
    assert split_etags(b"slo_etag= is no JSON") == b"slo_etag= is no JSON"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_conditions_of_changes_mean_the_large_etag(store, slo, method):
    ask(slo, method, "/v1/a/c/o", If_Match="x")
    assert store.asked[0]["HTTP_X_BACKEND_ETAG_IS_AT"] == "X-Object-Sysmeta-Slo-Etag"


def test_nothing_is_deleted_where_a_condition_does_not_hold(store, slo):
    etag = store.add_old_manifest()
    for headers in ({"If_Match": "x"}, {"If_None_Match": etag}):
        assert ask(slo, "DELETE", "/v1/a/c/old?multipart-manifest=delete", **headers).status == 412
    assert {environ["REQUEST_METHOD"] for environ in store.asked} <= {"GET", "HEAD"}
    assert ask(slo, "DELETE", "/v1/a/c/old?multipart-manifest=delete", If_Match=etag).status == 200
    assert sum(environ["REQUEST_METHOD"] == "DELETE" for environ in store.asked) == 3


@pytest.mark.parametrize("value", ["", "/c/s", "c/%FF"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_there_are_no_segments_without_a_name_or_with_one_that_is_no_text(store, value, method):
    dlo = DynamicLargeObjects(store, DLOOptions(), logging.getLogger("test"))
    store.objects["o"] = ({"X-Object-Manifest": value}, b"")
    answer = ask(dlo, method, "/v1/a/c/o")
    assert (answer.status, bool(answer.body)) == (404, method == "GET")


def test_a_dynamic_object_with_more_segments_than_a_page_has_no_length(store, tmp_path):
    (tmp_path / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = x\n[swift-constraints]\ncontainer_listing_limit = 2\n"
    )
    dlo = DynamicLargeObjects(store, DLOOptions(swift_dir=str(tmp_path)), logging.getLogger("test"))
    store.objects["o"] = ({"X-Object-Manifest": "c/s"}, b"")
    page = [{"name": name, "bytes": len(body), "hash": md5(body)} for name, body in PARTS.items()]
    listings = [page, [{"name": "s1", "bytes": 5, "hash": md5(b"hello")}]]

    def answer_listings(environ, start_response):
        if environ["PATH_INFO"] != "/v1/a/c":
            return Store.__call__(store, environ, start_response)
        asked.append(environ["QUERY_STRING"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(listings[len(asked) - 1]).encode()]

    dlo.app = answer_listings
    asked = []
    answer = ask(dlo, "GET", "/v1/a/c/o")
    assert answer.body == b"hello worldhello"
    assert asked == ["prefix=s", "prefix=s&marker=s2"]
    assert "content-length" not in answer.headers
    assert answer.headers["etag"] == md5(b"")  # the manifest's own: that of all segments is not known
    asked.clear()
    answer = ask(dlo, "GET", "/v1/a/c/o", Range="bytes=3-7")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (206, b"lo wo", "5")
    asked.clear()
    assert ask(dlo, "GET", "/v1/a/c/o", Range="bytes=-3").status == 200
    asked.clear()
    assert ask(dlo, "GET", "/v1/a/c/o", Range="bytes=10-12").status == 200


def test_whoever_may_not_delete_queues_nothing(store, slo):
    """Filters for authorization answer with any WSGI application."""

    def refuse(environ, start_response):
        start_response("403 Forbidden", [])
        return [b"no"]

    store.add_old_manifest()
    environ = make_environ("DELETE", "/v1/a/c/old?multipart-manifest=delete&async=on")
    asked = []
    environ["swift.authorize"] = lambda request: asked.append(request.environ["PATH_INFO"]) or refuse
    answered = call(slo, environ)
    assert (answered.status, answered.body) == (403, b"no")
    assert asked == ["/v1/a/c/old"]
    assert {request["REQUEST_METHOD"] for request in store.asked} <= {"GET", "HEAD"}
