"""What can be done to containers and objects, each step seen from outside as well."""

import datetime
import hashlib
import json
import random
import re
import subprocess
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from console.desk import Desk
from console.tcp_proxy import CuttingProxy

ODD_NAMES = [
    *("../up", "a/../b", "./here", "..", "end/", "two//slashes", "100%", "%2F%2e", "q?a=b&c#d", "line\nbreak", "tab\t"),
    *("quo\"te's", "ünï ☃ 𝄞", "rtl\u202egpj.exe", "plus+plus", "back\\slash", " blanks ", "semi;colon,comma"),
]


TEXT = ("-H", "Content-Type: text/plain")


def put(cluster, container, **objects):
    connection = cluster.connection()
    connection.put_container(container)
    for name, body in objects.items():
        connection.put_object(container, name, body, content_type="text/plain")
    return connection


def curl(url: str, *options: str) -> tuple[int, bytes]:
    """What somebody without a token gets."""
    done = subprocess.run(["curl", "-s", "-w", "%{http_code}", *options, url], capture_output=True, check=True)
    return int(done.stdout[-3:]), done.stdout[:-3]


def test_containers_are_made_and_deleted_with_all_that_is_in_them(desk: Desk, cluster):
    desk.log_in()
    desk.page.get_by_role("button", name="New container").click()
    desk.dialog.get_by_label("Name").fill("a/b")
    desk.dialog.get_by_role("button", name="Create").click()
    expect(desk.dialog.get_by_role("alert")).to_have_text("A container's name cannot have a slash.")
    desk.dialog.get_by_label("Name").fill("short-lived ü")
    desk.dialog.get_by_role("button", name="Create").click()
    expect(desk.row("short-lived ü")).to_be_visible()
    put(cluster, "short-lived ü", **{"one": b"1", "two/three": b"3"})
    desk.select("short-lived ü")
    desk.page.get_by_role("button", name="Delete").click()
    desk.dialog.get_by_role("button", name="Delete").click()
    expect(desk.row("short-lived ü")).to_have_count(0)
    assert "short-lived ü" not in [row["name"] for row in cluster.connection().get_account()[1]]


def test_odd_names_are_shown_read_and_deleted(desk: Desk, cluster):
    connection = put(cluster, "odd")
    for name in ODD_NAMES:
        url = f"{cluster.url}/v1/AUTH_test/odd/{quote(name, safe='')}"
        status, _ = curl(url, "--path-as-is", "-X", "PUT", "-d", "x", "-H", f"X-Auth-Token: {cluster.token()}", *TEXT)
        assert status == 201, name
    desk.log_in(route="odd")
    expect(desk.grid).to_contain_text("100%")
    names = desk.names()
    assert {"../", "./", "a/", "end/", "two/", "..", "line␊break", "tab␉", "rtl⟨U+202E⟩gpj.exe"} <= set(names)
    for label in ("..", "q?a=b&c#d", "line␊break", "%2F%2e", "quo\"te's", "ünï ☃ 𝄞"):
        desk.open(label)
        expect(desk.page.get_by_label("Text")).to_have_text("x")
        desk.close_dialog()
    desk.open("two/")
    desk.open("(no name)/")
    expect(desk.row("slashes")).to_be_visible()
    desk.page.get_by_role("link", name="odd").click()
    expect(desk.row("100%")).to_be_visible()
    desk.grid.focus()
    desk.page.keyboard.press("Control+a")
    desk.page.get_by_role("button", name="Delete").click()
    desk.dialog.get_by_role("button", name="Delete").click()
    desk.wait_done()
    assert connection.get_container("odd")[1] == []


def test_copy_rename_and_move(desk: Desk, cluster):
    connection = put(cluster, "source", **{"plan.txt": b"plan", "dir/a ü.txt": b"a", "dir/sub/b%.txt": b"b"})
    desk.log_in(route="source")
    desk.select("plan.txt")
    desk.page.get_by_role("button", name="Copy or move").click()
    desk.dialog.get_by_label("New name").fill("copies/plan ü.txt")
    desk.dialog.get_by_role("button", name="Go").click()
    expect(desk.row("copies/")).to_be_visible()
    desk.select("plan.txt")
    desk.page.get_by_role("button", name="Copy or move").click()
    desk.dialog.get_by_label("Move or rename").check()
    desk.dialog.get_by_label("New name").fill("renamed.txt")
    desk.dialog.get_by_role("button", name="Go").click()
    expect(desk.row("renamed.txt")).to_be_visible()
    desk.select("dir/")
    desk.page.get_by_role("button", name="Copy or move").click()
    desk.dialog.get_by_label("Move or rename").check()
    desk.dialog.get_by_label("To container").fill("elsewhere")
    desk.dialog.get_by_label("To folder").fill("from source")
    desk.dialog.get_by_role("button", name="Go").click()
    expect(desk.row("dir/")).to_have_count(0)
    desk.wait_done()
    assert [row["name"] for row in connection.get_container("source")[1]] == ["copies/plan ü.txt", "renamed.txt"]
    moved = [row["name"] for row in connection.get_container("elsewhere")[1]]
    assert moved == ["from source/dir/a ü.txt", "from source/dir/sub/b%.txt"]
    assert connection.get_object("elsewhere", moved[1])[1] == b"b"


def test_metadata_type_and_expiry(desk: Desk, cluster, shoot):
    connection = put(cluster, "meta", **{"doc.txt": b"text"})
    connection.post_object("meta", "doc.txt", {"X-Object-Meta-Old": "goes", "Content-Disposition": "inline"})
    desk.log_in(route="meta")
    panel = desk.sheet("doc.txt", "Properties")
    panel.get_by_role("button", name="Remove old").click()
    panel.get_by_role("button", name="Add").click()
    panel.get_by_label("Name 1").fill("Colour")
    panel.get_by_label("Value 1").fill("grün ☃")
    panel.get_by_label("Content type").fill("text/markdown")
    expires = datetime.datetime(2031, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    panel.get_by_label("Expires at").fill(expires.strftime("%Y-%m-%dT%H:%M"))
    shoot(desk.page, "properties")
    panel.get_by_role("button", name="Save").click()
    desk.hears("Saved")
    headers = connection.head_object("meta", "doc.txt")
    assert headers["x-object-meta-colour"] == "grün ☃" and "x-object-meta-old" not in headers
    assert headers["x-delete-at"] == str(int(expires.timestamp()))
    assert (headers["content-type"], headers["content-disposition"]) == ("text/markdown", "inline")
    panel.get_by_role("button", name="Add").click()
    panel.get_by_label("Name 2").fill("not a name")
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_role("alert")).to_contain_text("cannot be a name here")


def test_an_object_expires(desk: Desk, cluster):
    connection = put(cluster, "soon", **{"doc.txt": b"text"})
    desk.log_in(route="soon")
    panel = desk.sheet("doc.txt", "Properties")
    panel.get_by_label("Expires at").fill("2001-01-01T00:00")
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_role("alert")).to_have_text("The time to expire is over.")
    assert "x-delete-at" not in connection.head_object("soon", "doc.txt")


def test_a_container_is_made_public_and_private_again(desk: Desk, cluster, shoot):
    put(cluster, "shared", **{"hello.txt": b"hello"})
    url = f"{cluster.url}/v1/AUTH_test/shared"
    assert curl(f"{url}/hello.txt")[0] == 401
    desk.log_in(route="shared")
    desk.page.get_by_role("button", name="Container").click()
    panel = desk.show_tab("Access")
    panel.get_by_label("Public").check()
    panel.get_by_label("see the listing").check()
    panel.get_by_label("Others who may write").fill("test2:tester2\ntest:tester3")
    panel.get_by_role("button", name="Save").click()
    desk.hears("Saved")
    shoot(desk.page, "access")
    headers = cluster.connection().head_container("shared")
    assert headers["x-container-read"] == ".r:*,.rlistings"
    assert headers["x-container-write"] == "test2:tester2,test:tester3"
    assert curl(f"{url}/hello.txt") == (200, b"hello") and curl(url) == (200, b"hello.txt\n")
    desk.close_dialog()
    panel = desk.sheet("hello.txt", "Link")
    assert curl(panel.get_by_label("Public link", exact=True).input_value()) == (200, b"hello")
    desk.close_dialog()
    desk.page.get_by_role("button", name="Container").click()
    panel = desk.show_tab("Access")
    panel.get_by_label("Public").uncheck()
    panel.get_by_label("see the listing").uncheck()
    with desk.page.expect_response(lambda response: response.request.method == "POST"):
        panel.get_by_role("button", name="Save").click()
    assert curl(f"{url}/hello.txt")[0] == 401


@pytest.mark.parametrize("name", ["hello.txt", 'a b/ü "☃" %2F.txt'])
def test_a_link_for_a_while(desk: Desk, cluster, name):
    put(cluster, "signed", **{name: b"for you"})
    *folders, label = name.split("/")
    desk.log_in(route="signed")
    for folder in folders:
        desk.open(f"{folder}/")
    panel = desk.sheet(label, "Link")
    make, key = panel.get_by_role("button", name="Make a link"), panel.get_by_role("button", name="Make a key")
    expect(make.or_(key)).to_be_visible()
    if key.is_visible():
        key.click()
    make.click()
    url = panel.get_by_label("for whoever has it", exact=False).first.input_value()
    assert curl(url) == (200, b"for you")
    assert curl(url.replace("temp_url_expires=", "temp_url_expires=9"))[0] == 401
    assert curl(url, "-X", "DELETE")[0] == 401


def test_downloads(desk: Desk, cluster):
    put(cluster, "loads", **{"dir/report ü.txt": b"report" * 1000})
    desk.log_in(route="loads")
    desk.open("dir/")
    desk.select("report ü.txt")
    for _ in range(2):  # through the page, then by a signed link
        with desk.page.expect_download() as download:
            desk.page.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename == "report ü.txt"
        assert download.value.path().read_bytes() == b"report" * 1000
        cluster.connection().post_container("loads", {"X-Container-Meta-Temp-Url-Key": "secret"})
    assert "temp_url_sig" in download.value.url


PICK = """() => {
    window.showSaveFilePicker = async () => {
        const folder = await navigator.storage.getDirectory();
        return (window.picked = await folder.getFileHandle("picked", {create: true}));
    };
}"""
READ_PICKED = """async () => {
    const digest = await crypto.subtle.digest("SHA-256", await (await window.picked.getFile()).arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}"""


def test_downloads_that_are_too_large_for_memory(context, cluster):
    connection = put(cluster, "huge", segment=random.Random(3).randbytes(13 << 20))
    manifest = json.dumps([{"path": "/huge/segment"}] * 5)
    connection.put_object("huge", "film.mkv", manifest, query_string="multipart-manifest=put")
    wanted = hashlib.sha256(connection.get_object("huge", "segment")[1] * 5).hexdigest()
    with CuttingProxy(cluster.proxy_address) as proxy:
        desk = Desk(cluster, context.new_page(), proxy.url).log_in(route="huge")
        desk.evaluate(PICK)  # a real file, but for the system's own dialog
        desk.select("film.mkv")
        proxy.hold_at = proxy.received + (30 << 20)
        desk.page.get_by_role("button", name="Download").click()
        expect(desk.page.locator(".job")).to_contain_text(re.compile(" MiB of"))
        with desk.page.expect_request(lambda request: "range" in request.headers):  # it goes on where it was
            proxy.cut()
            proxy.go_on.set()
        desk.wait_done()
        assert desk.evaluate(READ_PICKED) == wanted

        desk.evaluate("() => { delete window.showSaveFilePicker; window.showSaveFilePicker = undefined; }")
        desk.page.get_by_role("button", name="Download").click()
        expect(desk.dialog).to_contain_text("in memory")
        with desk.page.expect_download() as download:
            desk.dialog.get_by_role("button", name="Download").click()
        assert "temp_url_sig" in download.value.url
        download.value.cancel()
        assert len(connection.head_container("huge")["x-container-meta-temp-url-key"]) == 64
        desk.check()


def test_versions_are_seen_restored_and_deleted(desk: Desk, cluster, shoot):
    connection = put(cluster, "history")
    desk.log_in(route="history")
    desk.page.get_by_role("button", name="Container").click()
    panel = desk.show_tab("Properties")
    panel.get_by_label("Keep versions").check()
    panel.get_by_role("button", name="Save").click()
    desk.hears("Saved")
    desk.close_dialog()
    for body in (b"first", b"second!"):
        connection.put_object("history", "doc.txt", body, content_type="text/plain")
    desk.page.get_by_role("button", name="Refresh").click()
    panel = desk.sheet("doc.txt", "Versions")
    expect(panel.get_by_role("listitem")).to_have_count(2)
    shoot(desk.page, "versions")
    panel.get_by_role("listitem").filter(has_text="5 bytes").get_by_role("button", name="Restore").click()
    desk.hears("Restored")
    assert connection.get_object("history", "doc.txt")[1] == b"first"
    panel.get_by_role("listitem").filter(has_text="7 bytes").get_by_role("button", name="Delete").click()
    desk.dialog.get_by_role("button", name="Delete").click()
    desk.hears("Deleted")
    expect(panel.get_by_role("listitem").filter(has_text="7 bytes")).to_have_count(0)
    desk.close_dialog()
    desk.select("doc.txt")
    desk.page.get_by_role("button", name="Copy or move").click()
    desk.dialog.get_by_label("Move or rename").check()
    desk.dialog.get_by_label("New name").fill("other.txt")
    desk.dialog.get_by_role("button", name="Go").click()
    expect(desk.row("other.txt")).to_be_visible()
    desk.wait_done()
    assert connection.get_object("history", "other.txt")[1] == b"first"
    desk.page.get_by_label("Versions").check()
    expect(desk.grid).to_contain_text("deleted")
    desk.page.get_by_role("link", name="AUTH_test").click()
    desk.select("history")
    desk.page.get_by_role("button", name="Delete").click()
    desk.dialog.get_by_role("button", name="Delete").click()
    expect(desk.row("history")).to_have_count(0)


def test_large_objects_and_links_are_known_and_go_with_their_segments(desk: Desk, cluster):
    connection = put(cluster, "parts", **{"1": b"one ", "2": b"two"})
    put(cluster, "whole", **{"link-target.txt": b"target"})
    manifest = json.dumps([{"path": "/parts/1"}, {"path": "/parts/2"}])
    connection.put_object(
        "whole", "slo.txt", manifest, query_string="multipart-manifest=put", content_type="text/plain"
    )
    connection.put_object("whole", "link.txt", b"", headers={"X-Symlink-Target": "whole/link-target.txt"})
    desk.log_in(route="whole")
    desk.open("slo.txt")
    expect(desk.page.get_by_label("Text")).to_have_text("one two")
    expect(desk.show_tab("Properties")).to_contain_text("static large object")
    desk.close_dialog()
    expect(desk.row("link.txt")).to_contain_text("a link")
    expect(desk.sheet("link.txt", "Properties")).to_contain_text("/whole/link-target.txt")
    desk.close_dialog()
    for label in ("slo.txt", "link.txt"):
        desk.select(label)
        desk.page.get_by_role("button", name="Copy or move").click()
        desk.dialog.get_by_label("Move or rename").check()
        desk.dialog.get_by_label("New name").fill(f"moved {label}")
        desk.dialog.get_by_role("button", name="Go").click()
        expect(desk.row(f"moved {label}")).to_be_visible()
        desk.wait_done()
    assert connection.head_object("whole", "moved slo.txt")["x-static-large-object"] == "True"
    assert connection.get_object("whole", "moved slo.txt")[1] == b"one two"
    link = connection.head_object("whole", "moved link.txt", query_string="symlink=get")
    assert link["x-symlink-target"] == "whole/link-target.txt"
    desk.page.get_by_role("button", name="Refresh").click()
    expect(desk.row("slo.txt")).to_have_count(0)
    desk.select("moved slo.txt", "moved link.txt")
    desk.page.get_by_role("button", name="Delete").click()
    desk.dialog.get_by_role("button", name="Delete").click()
    expect(desk.row("moved slo.txt")).to_have_count(0)
    assert connection.get_container("parts")[1] == []
    assert [row["name"] for row in connection.get_container("whole")[1]] == ["link-target.txt"]


CANCEL_WHEN_COPIED = """() => {
    const ask = window.fetch;
    window.fetch = async (url, how) => {
        const answer = await ask(url, how);
        const button = () => document.querySelector('[aria-label^="Cancel Move"]');
        while (how?.method === "COPY" && !button()) await new Promise((drawn) => setTimeout(drawn, 5));
        if (how?.method === "COPY") button().click();
        return answer;
    };
}"""


def test_no_two_objects_have_the_same_segments_when_a_move_is_cancelled(desk: Desk, cluster):
    connection = put(cluster, "moves", part=b"needed")
    connection.put_object("moves", "slo", json.dumps([{"path": "/moves/part"}]), query_string="multipart-manifest=put")
    desk.log_in(route="moves")
    desk.evaluate(CANCEL_WHEN_COPIED)
    desk.select("slo")
    desk.page.get_by_role("button", name="Copy or move").click()
    desk.dialog.get_by_label("Move or rename").check()
    desk.dialog.get_by_label("New name").fill("moved")
    with desk.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        desk.dialog.get_by_role("button", name="Go").click()
    assert [row["name"] for row in connection.get_container("moves")[1]] == ["moved", "part"]


def test_a_container_goes_without_the_segments_that_what_is_kept_elsewhere_needs(desk: Desk, cluster):
    put(cluster, "archive")
    connection = put(cluster, "gone_segments", part=b"needed")
    connection.put_container("gone", headers={"X-History-Location": "archive"})
    manifest = json.dumps([{"path": "/gone_segments/part"}])
    connection.put_object("gone", "slo", manifest, query_string="multipart-manifest=put")
    desk.log_in()
    desk.select("gone")
    desk.page.get_by_role("button", name="Delete").click()
    expect(desk.dialog.get_by_label("With the segments")).to_be_checked()
    desk.dialog.get_by_role("button", name="Delete").click()
    expect(desk.row("gone")).to_have_count(0)
    desk.wait_done()
    kept = [row["name"] for row in connection.get_container("archive")[1]]
    assert connection.get_object("archive", kept[0])[1] == b"needed"


def test_who_may_see_one_container_alone_opens_it_by_name(desk: Desk, cluster):
    connection = put(cluster, "for tester3", **{"doc.txt": b"for you, too"})
    connection.post_container("for tester3", {"X-Container-Read": "test:tester3"})
    desk.log_in("test:tester3")
    alert = desk.page.locator("#messages [role=alert]")
    expect(alert).to_contain_text("You may not do this here.")
    desk.page.get_by_role("button", name="Open by name").click()
    desk.dialog.get_by_label("Name").fill("for tester3")
    desk.dialog.get_by_role("button", name="Open").click()
    desk.open("doc.txt")
    expect(desk.page.get_by_label("Text")).to_have_text("for you, too")
    expect(desk.show_tab("Link")).to_contain_text("it has none yet")
    desk.close_dialog()


def test_a_request_that_fails_is_said(desk: Desk, cluster):
    put(cluster, "gone", **{"doc.txt": b"x"})
    desk.log_in(route="gone")
    expect(desk.row("doc.txt")).to_be_visible()
    cluster.connection().delete_object("gone", "doc.txt")
    desk.open("doc.txt")
    expect(desk.page.locator("#messages [role=alert]")).to_contain_text("It is not there.")
