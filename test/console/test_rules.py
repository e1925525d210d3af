"""The page's pure rules, each called in the browser with tables of good and bad inputs."""

import hashlib
import hmac
import json
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from console.desk import PATIENCE

CALL = "async ([file, name, values]) => (await import(`/console/rules/${file}.js`))[name](...values)"


@pytest.fixture(scope="module")
def page(browser: Browser, cluster):
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
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


@pytest.mark.parametrize(
    ("segment", "is_own"),
    [
        ("a/b/slo/1700000000.123000/65/64/00000001", True),
        ("a/b/1700000000/65/64/00000001", True),
        ("a/b/slo/1700000000.123000-2/65/64/00000001", True),
        ("a/slo/1700000000.123000/65/64/00000001", False),
        ("a/b/c/slo/1700000000.123000/65/64/00000001", False),
        ("a/b/slo/1700000000.123000/65/64/00000001/x", False),
        ("a/b/part-1", False),
    ],
)
def test_which_segments_were_made_for_an_object(page, segment, is_own):
    about = {"container": "c", "name": "a/b"}
    assert js(page, "segments", "isOwnSegment", about, {"container": "c_segments", "name": segment}) is is_own
    assert js(page, "segments", "isOwnSegment", about, {"container": "c", "name": segment}) is False


def test_another_generation_has_other_segments_none_inside_those_of_the_first(page):
    file = {"container": "c", "name": "a", "size": 130, "modified": 1700000000123}
    first, second = (js(page, "segments", "planSegments", file, 64, {"slo": {}}, generation) for generation in (0, 1))
    assert not second["prefix"].startswith(first["prefix"])
    names = [js(page, "segments", "segmentName", first, number) for number in range(3)]
    assert js(page, "segments", "isComplete", first, names) is True
    assert js(page, "segments", "isComplete", first, names[1:]) is False
    assert js(page, "segments", "isComplete", second, names) is False


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
        ("application/pdf", "x.pdf", "pdf"),
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


# --- the administrators' section ---


def look(taken, *servers):
    return {"taken": taken, "ends": [0.1, 1], "silent": 0, "servers": list(servers)}


def test_what_came_between_two_looks(page):
    before = look(100, ["proxy", "[::1]:8080", 100, 5, [50, 90, 100]], ["object", "10.0.0.1:6200", 1000, 0, [1000] * 3])
    after = look(
        102,
        ["proxy", "[::1]:8080", 110, 7, [60, 100, 110]],
        ["object", "10.0.0.1:6200", 4, 0, [2, 4, 4]],  # started anew
        ["object", "10.0.0.2:6200", 9, 0, [9, 9, 9]],  # not seen before
    )
    point = js(page, "requests", "pointBetween", before, after)
    assert set(point["kinds"]) == {"proxy", "object"} and set(point["hosts"]) == {"::1", "10.0.0.1"}
    proxy = point["kinds"]["proxy"]
    assert (proxy["rate"], proxy["errors"]) == (5, 1)
    assert (proxy["half"], proxy["slow"]) == (pytest.approx(0.05), pytest.approx(0.099))
    assert point["kinds"]["object"]["rate"] == 2
    assert js(page, "requests", "pointBetween", None, after) is None
    assert js(page, "requests", "pointBetween", after, after) is None


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ([0, 0, 0], 0.5, None),
        ([10, 10, 10], 0.5, 0.05),
        ([0, 10, 10], 0.5, 0.55),
        ([5, 5, 10], 0.99, 1),
        ([], 0.5, None),
    ],
)
def test_quantiles_of_buckets(page, counts, share, seconds):
    assert js(page, "requests", "quantile", [0.1, 1], counts, share) == (
        seconds if seconds is None else pytest.approx(seconds)
    )


def test_only_the_last_points_are_remembered(page):
    assert js(page, "requests", "withPoint", [1, 2, 3], 4, 3) == [2, 3, 4]


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (3, 5), (7, 10), (12, 20), (99, 100)]
)
def test_axes_end_at_round_numbers(page, value, top):
    assert js(page, "chart", "niceTop", value) == pytest.approx(top)


def test_lines_break_where_nothing_is_known(page):
    bounds = {"from": 0, "to": 4, "top": 10}, {"width": 400, "height": 100}
    path = js(page, "chart", "pathOf", [0, 10, None, 20, 5], [0, 1, 2, 3, 4], *bounds)
    assert path == "M0.0 100.0h0.1L100.0 0.0M300.0 0.0h0.1L400.0 50.0"


SORT = """async ([rows, words, isReversed]) => {
    const {arranged} = await import("/console/rules/sorting.js");
    return arranged(rows, {words, text: (row) => row.name, value: (row) => row.value, isReversed}).map((row) => row.name);
}"""


@pytest.mark.parametrize(
    ("words", "is_reversed", "names"),
    [
        ("", False, ["b 2", "a 1", "c 10", "none"]),
        ("", True, ["c 10", "a 1", "b 2", "none"]),
        ("1", False, ["a 1", "c 10"]),
        ("C  1", False, ["c 10"]),
        ("nothing", False, []),
    ],
)
def test_rows_are_sorted_and_filtered(page, words, is_reversed, names):
    rows = [
        {"name": "none", "value": None},
        *({"name": name, "value": value} for name, value in (("a 1", 2), ("b 2", 1), ("c 10", 30))),
    ]
    assert page.evaluate(SORT, [rows, words, is_reversed]) == names


def test_addresses_are_sorted_by_their_numbers(page):
    names = ["10.0.0.10 sdb", "10.0.0.9 sda", "10.0.0.10 sda"]
    rows = [{"name": name, "value": name} for name in names]
    assert page.evaluate(SORT, [rows, "", False]) == ["10.0.0.9 sda", "10.0.0.10 sda", "10.0.0.10 sdb"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ageText", 0, "0 s"),
        ("ageText", 119, "119 s"),
        ("ageText", 180, "3 min"),
        ("ageText", 86400 * 3, "3 d"),
        ("ageText", None, "–"),
        ("delayText", 0.0034, "3.40 ms"),
        ("delayText", 2.5, "2.50 s"),
        ("plainText", 12.345, "12.3"),
        ("plainText", 12345.6, "12,346"),
        ("percentText", 4.25, "4.3 %"),
        ("percentText", 84.6, "85 %"),
    ],
)
def test_figures(page, name, value, text):
    assert js(page, "figures", name, value) == text


@pytest.mark.parametrize(
    ("critical", "warning", "text"),
    [(0, 0, "Healthy"), (3, 0, "3 critical"), (0, 1, "1 warning"), (1, 2, "1 critical, 2 warnings")],
)
def test_how_things_stand(page, critical, warning, text):
    assert js(page, "figures", "verdictText", {"critical": critical, "warning": warning, "notice": 7}) == text
