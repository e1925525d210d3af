"""The page's pure rules, each called in the browser with tables of good and bad inputs."""

import hashlib
import hmac
import json
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page

CALL = "async ([file, name, values]) => (await import(`/console/rules/${file}.js`))[name](...values)"


@pytest.fixture(scope="module")
def page(browser: Browser, cluster):
    page = browser.new_page()
    page.goto(f"{cluster.url}/console/")
    yield page
    page.close()


def js(page: Page, file: str, name: str, *values: object) -> object:
    return page.evaluate(CALL, [file, name, list(values)])


@pytest.mark.parametrize(
    "name",
    [
        "plain.txt",
        "a/b",
        "..",
        "a/../b",
        "./x",
        "end/",
        "two//slashes",
        "100%",
        "%2e%2e",
        "q?#&;",
        "ü ☃ 𝄞",
        "\n",
        "\\",
        ".",
    ],
)
def test_a_path_means_the_name_whatever_a_browser_makes_of_it(page, name):
    path = js(page, "names", "encodePath", "con tainer", name)
    seen = page.evaluate("(path) => new URL('/v1/a' + path, location.href).pathname", path)
    assert unquote(seen) == f"/v1/a/con tainer/{name}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a␊b"),
        ("\x7f", "␡"),
        ("gpj.\u202eexe", "gpj.⟨U+202E⟩exe"),
        ("\u200b", "⟨U+200B⟩"),
        ("ü ☃ 👩‍🚀".replace("\u200d", ""), "ü ☃ 👩🚀"),
    ],
)
def test_what_cannot_be_seen_is_shown(page, name, shown):
    assert js(page, "names", "visible", name) == shown


@pytest.mark.parametrize(
    ("name", "label"), [("a/b", "b"), ("a/", "(this folder)"), ("a//", "(no name)/"), ("a/b/", "b/"), ("a/\n", "␊")]
)
def test_labels_below_a_prefix(page, name, label):
    assert js(page, "names", "relativeName", name, "a/") == label


def test_addresses_go_there_and_back(page):
    for parts in (["c", "a/b/"], ["c#%", "x?y/"], ["", ""], ["c"], ["<b>", "'\"/"]):
        route = js(page, "names", "encodeRoute", "files", parts)
        assert js(page, "names", "decodeRoute", route) == {"section": "files", "parts": parts}
    assert js(page, "names", "decodeRoute", "#/files/%E0%A4%A")["parts"] == ["%E0%A4%A"]


@pytest.mark.parametrize("text", ["b", "name-05", "a\ue000", "ü", "\U0001f680"])
def test_just_before_is_before_and_near(page, text):
    before = js(page, "names", "justBefore", text)
    assert before.encode() < text.encode()
    for smaller in (text[:-1], text[:-1] + chr(ord(text[-1]) - 1) if text[-1] != "\ue000" else text[:-1]):
        assert smaller.encode() <= before.encode()


@pytest.mark.parametrize(
    ("size", "wanted", "info", "plan"),
    [
        (10, 64, {"slo": {}}, None),
        (64, 64, {"slo": {}}, None),
        (65, 64, {"slo": {}}, (64, 2, False)),
        (200 << 20, 8 << 20, {"slo": {"max_manifest_segments": 1000}}, (8 << 20, 25, False)),
        (3000 << 20, 1 << 20, {"slo": {"max_manifest_segments": 1000}}, (3 << 20, 1000, False)),
        (3001 << 20, 1 << 20, {"slo": {"max_manifest_segments": 1000}}, (4 << 20, 751, False)),
        (65, 64, {}, (64, 2, True)),
        (65, 64, {"slo": {}, "swift": {"max_file_size": 50}}, (50, 2, False)),
    ],
)
def test_plans_of_segments(page, size, wanted, info, plan):
    file = {"container": "c", "name": "a/b", "size": size, "modified": 1700000000123}
    found = js(page, "segments", "planSegments", file, wanted, info)
    if plan is None:
        assert found is None
        return
    assert (found["segmentSize"], found["count"], found["isDynamic"]) == plan
    assert found["container"] == "c_segments"
    kind = "" if plan[2] else "slo/"
    assert found["prefix"] == f"a/b/{kind}1700000000.123000/{size}/{plan[0]}/"
    ranges = [js(page, "segments", "segmentRange", found, n, size) for n in (0, plan[1] - 1)]
    assert ranges[0][0] == 0 and ranges[-1][1] == size and ranges[-1][0] < size


def test_a_file_too_large_for_the_store_is_refused(page):
    file = {"container": "c", "name": "n", "size": 10**15, "modified": 0}
    for info in ({}, {"slo": {"max_manifest_segments": 10}}):
        with pytest.raises(Exception, match="too large"):
            js(page, "segments", "planSegments", file, 1 << 20, info)


@pytest.mark.parametrize(
    ("text", "access"),
    [
        ("", (False, False, [])),
        (".r:*", (True, False, [])),
        (".r:*,.rlistings", (True, True, [])),
        (" .referrer : * , .rlistings, test:tester ,", (True, True, ["test:tester"])),
        (".r:-evil.example,.r:.example", (False, False, [".r:-evil.example", ".r:.example"])),
    ],
)
def test_access_lists(page, text, access):
    found = js(page, "acl", "readAccess", text)
    assert (found["isPublic"], found["isListed"], found["others"]) == access
    assert js(page, "acl", "readAccess", js(page, "acl", "readAccessText", found)) == found


@pytest.mark.parametrize("name", ["o", "a/b ü?&%.txt"])
def test_signatures_are_those_of_the_store(page, name):
    key, expires = "kéy", 1900000000
    path = js(
        page,
        "temp_url",
        "temporaryPath",
        {"account": "AUTH_t", "container": "c", "name": name},
        {"key": key, "expires": expires},
    )
    signed = f"GET\n{expires}\n/v1/AUTH_t/c/{name}".encode()
    assert f"temp_url_sig={hmac.new(key.encode(), signed, 'sha256').hexdigest()}&" in path
    assert unquote(urlsplit(path).path) == f"/v1/AUTH_t/c/{name}"


@pytest.mark.parametrize("text", ["ascii", "grün ☃ 𝄞", "", "caf\u00e9"])
def test_headers_carry_utf_8(page, text):
    value = js(page, "headers", "toHeader", text)
    assert value.encode("latin-1") == text.encode()
    assert js(page, "headers", "fromHeader", value) == text


def test_headers_that_are_no_utf_8_are_shown_as_they_are(page):
    assert js(page, "headers", "fromHeader", "caf\xe9") == "caf\xe9"


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (("Colour", "blue"), ""),
        (("x y", "1"), "cannot be a name"),
        (("a:b", "1"), "cannot be a name"),
        (("", "1"), "cannot be a name"),
        (("a\r\nX-Evil", "1"), "cannot be a name"),
        (("a" * 129, "1"), "too long"),
        (("a", "v" * 257), "too long"),
        (("a", "☃" * 86), "too long"),
        (("a", "line\r\nX-Evil: 1"), "control characters"),
    ],
)
def test_metadata_that_cannot_be_sent_is_refused(page, item, problem):
    found = js(page, "metadata", "itemProblem", {"name": item[0], "value": item[1]})
    assert problem in found if problem else found == ""


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [
        ("image/png", "x", "image"),
        ("image/svg+xml; charset=utf-8", "x", "image"),
        ("TEXT/HTML", "x", "text"),
        ("application/xhtml+xml", "x", "text"),
        ("application/octet-stream", "x.JPG", "image"),
        ("application/octet-stream", "x.constructor", "none"),
        ("", "page.html", "text"),
        ("video/mp4", "x", "video"),
        ('video/mp4"><script>', "x", "none"),
        ("image/tiff", "x", "none"),
        ("application/pdf", "x.pdf", "none"),
    ],
)
def test_previews(page, kind, name, shown):
    found = js(page, "preview", "previewOf", kind, name)
    assert found["kind"] == shown
    assert "html" not in found["type"] and "script" not in found["type"]


def test_waits_grow_and_end(page):
    waits = [js(page, "backoff", "delayAfter", tries, 0.5) for tries in range(1, 13)]
    assert waits == sorted(waits) and waits[0] == 375 and waits[-1] == 22500
    passing = [
        status
        for status in (0, 401, 403, 404, 413, 422, 429, 498, 500, 503)
        if js(page, "backoff", "isPassing", status)
    ]
    assert passing == [0, 429, 498, 500, 503]


@pytest.mark.parametrize("data", ["", "abc", "x" * 100])
def test_sums_of_files(page, data):
    script = "async (text) => (await import('/console/store/md5.js')).md5Of(new Blob([text]))"
    assert page.evaluate(script, data) == hashlib.md5(data.encode()).hexdigest()


def test_manifests_name_every_segment(page):
    plan = {"container": "c_segments", "prefix": "n/slo/", "segmentSize": 5, "count": 2, "isDynamic": False}
    text = js(page, "segments", "manifestOf", plan, [{"etag": "e1", "bytes": 5}, {"etag": "e2", "bytes": 2}])
    assert json.loads(text) == [
        {"path": "/c_segments/n/slo/00000000", "etag": "e1", "size_bytes": 5},
        {"path": "/c_segments/n/slo/00000001", "etag": "e2", "size_bytes": 2},
    ]


@pytest.mark.parametrize(
    ("bytes_", "text"), [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (10 << 20, "10 MiB")]
)
def test_sizes(page, bytes_, text):
    assert js(page, "sizes", "sizeText", bytes_) == text
