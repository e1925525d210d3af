"""The console's filter: which paths it answers, under which headers, and what it tells the page of the pipeline."""

import json
import re

import pytest

from fakes.wsgi_calls import request
from swiftlite.common.config import ConfigError
from swiftlite.middleware import console
from swiftlite.middleware.console import assets, document

PIPELINE = """
[DEFAULT]
bind_port = 8080
[pipeline:main]
pipeline = console {filters} proxy-server
[filter:console]
use = egg:swiftlite#console
[filter:tempauth]
use = egg:swift#tempauth
[filter:tempauth-elsewhere]
use = egg:swift#tempauth
auth_prefix = /door/
[filter:identity]
use = egg:swiftlite#identity
[filter:identity-without-v1]
use = egg:swiftlite#identity
v1 = no
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = https://keystone.example:5000/v3/
auth_url = http://10.0.0.1:35357
[filter:keystoneauth]
use = egg:swift#keystoneauth
[app:proxy-server]
use = egg:swiftlite#proxy
"""


class Inside:
    """The rest of the pipeline: remembers the paths that come through."""

    def __init__(self):
        self.paths = []

    def __call__(self, environ, start_response):
        self.paths.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"through"]


@pytest.fixture
def inside():
    return Inside()


@pytest.fixture
def app(inside):
    return console.filter_factory({})(inside)


@pytest.mark.parametrize("path", ["/", "/consol", "/consoles", "/console.html", "/v1/AUTH_a/console/", "/console%00/x"])
def test_other_paths_pass(app, inside, path):
    assert request(app, "GET", path).body == b"through"
    assert len(inside.paths) == 1


def test_every_file_is_served_with_its_type(app):
    for name, asset in assets.load_assets().items():
        answer = request(app, "GET", f"/console/{name}")
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, asset.body, asset.content_type)
        assert answer.headers["content-length"] == str(len(asset.body))


@pytest.mark.parametrize(
    "path",
    [
        *("/console/../etc/passwd", "/console/..%2f..%2fetc/passwd", "/console//index.html", "/console/./index.html"),
        *("/console/filter.py", "/console/../filter.py", "/console/static/index.html", "/console/index.html/"),
        *("/console/lib/README.md", "/console/lib", "/console/%00", "/console/index.html%00.js", "/console/INDEX.HTML"),
    ],
)
def test_nothing_else_is_served(app, inside, path):
    answer = request(app, "GET", path)
    assert (answer.status, answer.headers["content-type"]) == (404, "text/plain")
    assert inside.paths == []


def test_the_path_without_a_slash_leads_to_the_page(app):
    answer = request(app, "GET", "/console")
    assert (answer.status, answer.headers["location"]) == (301, "/console/")


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/main.js", "/console/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "COPY"])
def test_it_is_only_read(app, method, path):
    answer = request(app, method, path)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_head_says_what_get_would(app):
    got, head = request(app, "GET", "/console/main.js"), request(app, "HEAD", "/console/main.js")
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")


def test_a_browser_that_has_it_is_told_so(app):
    etag = request(app, "GET", "/console/main.js").headers["etag"]
    answer = request(app, "GET", "/console/main.js", headers={"If-None-Match": f'"other", {etag}'})
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    assert request(app, "GET", "/console/main.js", headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/main.js", "/console/config.json", "/console/none"])
def test_every_answer_is_under_the_policy(app, path):
    headers = request(app, "GET", path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
    assert policy["frame-src"] == "blob:" and "object-src" not in policy
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert (headers["referrer-policy"], headers["cross-origin-opener-policy"]) == ("no-referrer", "same-origin")


def test_the_page_has_no_inline_code():
    page = assets.load_assets()[""].body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\bstyle=|<style|javascript:", page)
    assert not re.search(r"(src|href)=\"(https?:)?//", page)


def test_scripts_and_styles_come_from_here_alone():
    for name, asset in assets.load_assets().items():
        text = asset.body.decode()
        imported = re.findall(r"^\s*(?:import|export)[^;]*?from\s*[\"']([^\"']+)[\"']", text, re.MULTILINE)
        assert all(path.startswith(("./", "../")) for path in imported), name
        assert "@import" not in text and not re.search(r"url\(\s*['\"]?https?:", text), name


def test_files_can_be_read_in_one_sitting():
    for path in assets.STATIC.rglob("*"):
        if path.suffix in (".js", ".css") and "lib" not in path.parts:
            text = path.read_text()
            assert text.count("\n") <= 500, path.name
            assert text.startswith("/*"), f"{path.name}: its first line says its one job"


# -- what the page is told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "logins"),
    [
        ("tempauth", [("v1", "/auth/v1.0")]),
        ("tempauth-elsewhere", [("v1", "/door/v1.0")]),
        ("identity tempauth", [("v1", "/auth/v1.0"), ("v3", "/v3/auth/tokens")]),
        ("identity-without-v1 tempauth-elsewhere", [("v1", "/door/v1.0"), ("v3", "/v3/auth/tokens")]),
        ("authtoken keystoneauth", [("v3", "https://keystone.example:5000/v3/auth/tokens")]),
        ("nonesuch", [("v1", "/auth/v1.0")]),
    ],
)
def test_logins_are_those_of_the_pipeline(tmp_path, inside, filters, logins):
    conf = tmp_path / "proxy-server.conf"
    conf.write_text(PIPELINE.format(filters=filters))
    app = console.filter_factory({"__file__": str(conf)})(inside)
    told = json.loads(request(app, "GET", "/console/config.json").body)
    assert [(login["kind"], login["url"]) for login in told["logins"]] == logins


def test_keystone_and_storage_elsewhere_may_be_asked(inside):
    conf = {
        "logins": "v3 https://keystone.example:5000/v3/auth/tokens",
        "storage_origins": "https://store.example/v1, http://10.0.0.1:8080",
    }
    answer = request(console.filter_factory({}, **conf)(inside), "GET", "/console/")
    asked = "connect-src 'self' https://keystone.example:5000 https://store.example http://10.0.0.1:8080;"
    assert asked in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("logins", "v2 /auth"),
        ("logins", "v3 keystone"),
        ("storage_origins", "store.example"),
        ("storage_origins", "https://a.example;script-src"),
        ("storage_origins", "https://user:key@a.example"),
        ("segment_size", "1000"),
        ("segment_size", "much"),
        ("parallel_uploads", "0"),
        ("proxies", "10.0.0.1"),
        ("cluster_age", "0"),
        ("cluster_timeout", "1e9"),
    ],
)
def test_bad_options_are_named(option, text):
    with pytest.raises(ConfigError, match=option):
        console.filter_factory({}, **{option: text})


def test_a_conf_file_that_cannot_be_read_is_no_problem_of_ours(tmp_path):
    assert document.logins_of_pipeline(str(tmp_path / "none.conf")) == ()


@pytest.mark.parametrize(
    "url", ["keystone:5000/v3", "https://swift:secret@keystone:5000", "/identity", "https://[::1", ""]
)
def test_an_address_of_keystone_that_no_browser_can_use_is_not_told(tmp_path, url):
    conf = tmp_path / "proxy-server.conf"
    text = PIPELINE.format(filters="authtoken").replace("https://keystone.example:5000/v3/", url)
    conf.write_text(text.replace("http://10.0.0.1:35357", "http://10.0.0.1:35357/v3"))
    app = console.filter_factory({"__file__": str(conf)})(None)
    told = request(app, "GET", "/console/config.json").body
    assert b"secret" not in told
    assert [login["url"] for login in json.loads(told)["logins"]] == ["http://10.0.0.1:35357/v3/auth/tokens"]
