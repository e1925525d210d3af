"""What users store never becomes code in the console: names, metadata, contents; and the console cannot be framed."""

import urllib.request

import pytest
from playwright.sync_api import BrowserContext, expect

from console.desk import Desk

HOSTILE = (
    "<img src=x onerror=window.hit=1>",
    '"><script>window.hit=1</script>',
    "javascript:window.hit=1",
    "' onmouseover=window.hit=1 x='",
    "${window.hit=1}{{window.hit=1}}",
    "</title></textarea></style><svg onload=window.hit=1>",
    "<!--lit-part--><?lit$1$?>",
)
PAGE = (
    b"<!doctype html><script>window.hit = 1; parent.hit = 1; top.hit = 1; alert(1)</script><b onclick='hit=1'>bold</b>"
)
PICTURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" onload="window.hit=1; parent.hit=1">'
    b"<script>window.hit=1; parent.hit=1; alert(1)</script>"
    b'<foreignObject width="40" height="40"><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:parent.hit=1"/></foreignObject>'
    b'<rect width="40" height="40" fill="red"/></svg>'
)


@pytest.fixture(scope="module", autouse=True)
def stored(cluster):
    connection = cluster.connection()
    for name in HOSTILE:
        container = name.replace("/", "∕")  # the one character that a container's name cannot have
        connection.put_container(container, {"X-Container-Meta-Note": name})
    connection.put_container("xss")
    for name in HOSTILE:
        headers = {"X-Object-Meta-Note": name, "Content-Type": name.replace("\n", "")}
        connection.put_object("xss", name, name.encode(), headers=headers)
        connection.put_object("xss", f"{name}/{name}", b"", content_type="text/plain")
    for name, body, kind in (
        ("page.html", PAGE, "text/html"),
        ("page.xhtml", PAGE, "application/xhtml+xml"),
        ("picture.svg", PICTURE, "image/svg+xml"),
        ("page.png", PAGE, "image/png"),
        ("page.pdf", PAGE, "application/pdf"),
        ("data.json", b'"</pre><script>window.hit=1</script>"', "application/json"),
    ):
        connection.put_object("xss", name, body, content_type=kind)


@pytest.fixture
def xss(desk: Desk):
    """A console that is looked at for anything that ran; the desk's own check sees complaints about the policy."""
    desk.log_in()
    yield desk
    desk.page.wait_for_timeout(100)  # what was let in would have run by now; nothing can be waited for
    assert desk.evaluate("() => window.hit") is None
    scripts = desk.evaluate("() => [...document.scripts].map((script) => script.src)")
    assert scripts == [f"{desk.url}main.js"]
    assert desk.evaluate("() => document.querySelectorAll('iframe, object, embed').length") == 0
    hostile = "() => [...document.querySelectorAll('*')].filter((e) => e.getAttributeNames().some((n) => n.startsWith('on'))).length"
    assert desk.evaluate(hostile) == 0


def test_names_of_containers_and_objects_are_names(xss: Desk, shoot):
    for name in HOSTILE:
        expect(xss.row(name.replace("/", "∕"))).to_be_visible()
    container = HOSTILE[0]
    xss.open(container)
    expect(xss.page.get_by_role("link", name=container)).to_be_visible()
    xss.page.get_by_role("button", name="Container").click()
    assert xss.page.get_by_label("Value 1").input_value() == container
    xss.close_dialog()
    xss.page.get_by_role("link", name="AUTH_test").click()
    xss.go("xss")
    expect(xss.row("page.html")).to_be_visible()
    shoot(xss.page, "hostile-names")
    for name in (HOSTILE[0], HOSTILE[2], HOSTILE[4]):  # those without a slash are objects beside their folders
        panel = xss.sheet(name, "Properties")
        assert panel.get_by_label("Value 1").input_value() == name
        xss.show_tab("Link")
        xss.show_tab("Preview")
        xss.close_dialog()
        xss.open(f"{name}/")
        expect(xss.row(name)).to_be_visible()
        xss.page.go_back()
    xss.select(HOSTILE[0])
    xss.page.get_by_role("button", name="Copy or move").click()
    xss.close_dialog()
    xss.page.get_by_role("button", name="Delete").click()
    expect(xss.dialog).to_contain_text(f"Delete {HOSTILE[0]}?")
    xss.close_dialog()
    xss.page.get_by_role("button", name="Clear").click()
    xss.page.get_by_role("searchbox").fill(HOSTILE[1])
    xss.page.keyboard.press("Enter")
    expect(xss.page.locator(".count")).not_to_have_text("Loading…")


def test_addresses_are_no_code(xss: Desk):
    for route in (
        "javascript:window.hit=1",
        "%3Cimg%20src=x%20onerror=window.hit=1%3E/%E0%A4%A",
        "xss/%00",
        "__proto__",
    ):
        xss.go(route)
        xss.wait_loaded()


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("page.html", "pre.preview"),
        ("page.xhtml", "pre.preview"),
        ("data.json", "pre.preview"),
        ("picture.svg", "img.preview"),
        ("page.png", "img.preview"),
        ("page.pdf", "iframe.preview"),
    ],
)
def test_contents_are_looked_at_without_running(xss: Desk, shoot, name, element):
    xss.go("xss")
    xss.open(name)
    expect(xss.page.locator(element)).to_be_attached()
    if name == "picture.svg":
        width = "() => document.querySelector('img.preview').naturalWidth"
        xss.page.wait_for_function("() => document.querySelector('img.preview').complete")
        assert xss.evaluate(width) == 40
        shoot(xss.page, "hostile-picture")
    if name == "page.pdf":
        frame = xss.page.locator(element).element_handle().content_frame()
        frame.wait_for_load_state()
        assert frame.evaluate("() => window.hit") is None and frame.locator("b").count() == 0
        xss.dialog.get_by_role("button", name="Close").click()  # the viewer's own complaint may take the keys
        expect(xss.page.locator("iframe")).to_have_count(0)
    if element == "pre.preview":
        expect(xss.page.locator(element)).to_contain_text("<script>")


def test_a_page_of_the_same_origin_cannot_frame_or_hold_the_console(context: BrowserContext, cluster):
    connection = cluster.connection()
    connection.put_container("evil", {"X-Container-Read": ".r:*"})
    connection.put_object("evil", "page.html", b"<!doctype html><title>evil</title>", content_type="text/html")
    page = context.new_page()
    page.goto(f"{cluster.url}/v1/AUTH_test/evil/page.html")
    framed = page.evaluate(
        """async (url) => {
        const frame = document.createElement("iframe");
        frame.src = url;
        await new Promise((loaded) => { frame.onload = loaded; document.body.append(frame); });
        return frame.contentDocument?.querySelector("#app") ?? null;
    }""",
        f"{cluster.url}/console/",
    )
    assert framed is None
    with context.expect_page() as opened:
        page.evaluate("(url) => { window.held = window.open(url); }", f"{cluster.url}/console/")
    expect(opened.value.get_by_role("button", name="Log in")).to_be_visible()
    assert page.evaluate("() => { try { return window.held.closed || !window.held.document; } catch { return true; } }")


def test_the_policy_stops_what_is_not_ours(desk: Desk):
    """The policy is in force: what a hole in the page would try does nothing but break it."""
    desk.log_in()
    tried = desk.evaluate("""async () => {
        const broken = [];
        document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
        const script = document.createElement("script");
        try { script.text = "window.hit = 1"; } catch { broken.push("trusted types"); }
        try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hit=1'>"); } catch { broken.push("trusted types"); }
        try { await fetch("https://elsewhere.example/"); } catch { /* as it should be */ }
        const image = new Image();
        image.src = "https://elsewhere.example/?token";
        await new Promise((done) => { image.onerror = done; });
        const isTold = () => ["connect-src", "img-src"].every((name) => broken.includes(name));
        for (let tries = 0; tries < 1000 && !isTold(); tries++) await new Promise((done) => setTimeout(done, 10));
        return {broken, hit: window.hit ?? null};
    }""")
    assert tried["hit"] is None
    assert {"trusted types", "connect-src", "img-src"} <= set(tried["broken"])
    desk.complaints.clear()  # which were asked for


def test_the_token_is_nowhere_but_in_requests(desk: Desk, cluster):
    tokens = []
    desk.page.on("request", lambda request: tokens.append((request.url, request.headers.get("x-auth-token"))))
    desk.log_in(route="xss")
    expect(desk.row("page.html")).to_be_visible()
    token = next(found for _, found in tokens if found)
    assert all(url.startswith(cluster.url) and token not in url for url, found in tokens if found)
    assert token not in desk.evaluate(
        "() => document.documentElement.outerHTML + location.href + JSON.stringify(history.state)"
    )
    assert desk.evaluate("(token) => Object.values(window).some((value) => value === token)", token) is False
    with urllib.request.urlopen(f"{cluster.url}/console/config.json") as answer:
        assert b"testing" not in answer.read()
