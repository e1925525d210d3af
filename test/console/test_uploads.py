"""Uploads: by drop and by picker, folders, large files in segments over a connection that is cut, and what is resumed."""

import hashlib
import json
import random
import re
import subprocess
import urllib.request
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Route, expect

from console.desk import Desk
from console.tcp_proxy import CuttingProxy
from functional.cluster import wait_until

MEBIBYTE = 1024 * 1024
SEGMENT = 8 * MEBIBYTE

DROP = """([files]) => {
    const transfer = new DataTransfer();
    for (const [name, text] of files) transfer.items.add(new File([text], name, {type: "text/plain"}));
    const target = document.querySelector(".listing");
    for (const type of ["dragenter", "dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }
}"""


@pytest.fixture(scope="module", autouse=True)
def containers(cluster):
    for name in ("drop", "pick", "large"):
        cluster.connection().put_container(name)


def test_files_are_dropped(desk: Desk, cluster, shoot):
    desk.log_in(route="drop")
    desk.evaluate(DROP, [[["one.txt", "first"], ["zwei ü%20?#.txt", "second"]]])
    expect(desk.row("one.txt")).to_be_visible()
    expect(desk.row("zwei ü%20?#.txt")).to_be_visible()
    desk.wait_done()
    shoot(desk.page, "dropped")
    headers, body = cluster.connection().get_object("drop", "zwei ü%20?#.txt")
    assert (headers["content-type"], body) == ("text/plain", b"second")


def test_what_is_there_is_replaced_only_when_asked(desk: Desk, cluster):
    cluster.connection().put_object("drop", "there.txt", b"old")
    desk.log_in(route="drop")
    desk.evaluate(DROP, [[["there.txt", "new"]]])
    desk.dialog.get_by_role("button", name="Cancel").click()
    assert cluster.connection().get_object("drop", "there.txt")[1] == b"old"
    desk.evaluate(DROP, [[["there.txt", "new"]]])
    desk.dialog.get_by_role("button", name="Replace").click()
    desk.wait_done()
    assert cluster.connection().get_object("drop", "there.txt")[1] == b"new"


def test_files_and_folders_are_picked(desk: Desk, cluster, tmp_path: Path):
    (tmp_path / "album/inner").mkdir(parents=True)
    (tmp_path / "album/a.txt").write_text("a")
    (tmp_path / "album/inner/b.txt").write_text("b")
    (tmp_path / "single.bin").write_bytes(b"\x00\xff" * 1000)
    desk.log_in(route="pick")
    desk.page.get_by_label("Upload files").set_input_files(tmp_path / "single.bin")
    expect(desk.row("single.bin")).to_be_visible()
    desk.page.get_by_label("Upload folder").set_input_files(tmp_path / "album")
    expect(desk.row("album/")).to_be_visible()
    desk.wait_done()
    names = [row["name"] for row in cluster.connection().get_container("pick")[1]]
    assert names == ["album/a.txt", "album/inner/b.txt", "single.bin"]
    assert cluster.connection().get_object("pick", "single.bin")[1] == b"\x00\xff" * 1000


def test_a_refused_upload_says_why_and_can_be_tried_again(desk: Desk, cluster):
    cluster.connection().put_container("quota", {"X-Container-Meta-Quota-Bytes": "3"})
    desk.log_in(route="quota")
    desk.evaluate(DROP, [[["big.txt", "too much"]]])
    failed = desk.page.locator(".job.is-failed")
    expect(failed).to_contain_text("Upload exceeds quota.")
    cluster.connection().post_container("quota", {"X-Container-Meta-Quota-Bytes": "1000"})
    failed.get_by_role("button", name="Try again").click()
    desk.wait_done()
    assert cluster.connection().get_object("quota", "big.txt")[1] == b"too much"


def make_large_file(path: Path, mebibytes: int) -> str:
    """Bytes of which no two segments are alike; returns their MD5."""
    source, digest = random.Random(7), hashlib.md5()
    with path.open("wb") as file:
        for _ in range(mebibytes):
            piece = source.randbytes(MEBIBYTE)
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def test_200_mib_over_a_connection_that_is_cut_and_a_page_that_is_reloaded(context, cluster, tmp_path, shoot):
    file, size = tmp_path / "film.mkv", 200 * MEBIBYTE
    wanted = make_large_file(file, 200)
    connection = cluster.connection()
    with CuttingProxy(cluster.proxy_address) as proxy:
        desk = Desk(cluster, context.new_page(), proxy.url).log_in(route="large")
        proxy.cut_at = 60 * MEBIBYTE
        desk.page.get_by_label("Upload files").set_input_files(file)

        wait_until(lambda: pumped(desk, proxy) >= 60 * MEBIBYTE, "60 MiB are sent", 300)
        expect(desk.page.locator(".job")).to_contain_text("Trying again")
        shoot(desk.page, "connection-cut")
        proxy.cut_at = 110 * MEBIBYTE
        proxy.refuses = False
        wait_until(lambda: pumped(desk, proxy) >= 110 * MEBIBYTE, "it goes on by itself", 300)

        there = {row["name"]: row for row in connection.get_container("large_segments", full_listing=True)[1]}
        assert 0 < len(there) < 25
        desk.page.goto("about:blank")  # and back: so nothing of the old page is under way any more
        proxy.cut()
        proxy.refuses = False
        before = proxy.sent
        desk.log_in(route="large")
        desk.page.get_by_label("Upload files").set_input_files(file)
        desk.wait_done()
        resent = proxy.sent - before
        desk.check()

    assert resent < size - len(there) * SEGMENT + MEBIBYTE, "segments that were there are not sent again"
    kept = {row["name"]: row["last_modified"] for row in connection.get_container("large_segments")[1]}
    assert len(kept) == 25
    assert all(kept[name] == row["last_modified"] for name, row in there.items())
    headers = connection.head_object("large", "film.mkv")
    assert (headers["x-static-large-object"], headers["content-length"]) == ("True", str(size))
    assert md5_of_download(cluster, "large/film.mkv") == wanted


def pumped(desk: Desk, proxy: CuttingProxy) -> int:
    """What has gone through, while the page's events are served meanwhile."""
    desk.page.wait_for_timeout(10)
    return proxy.sent


def md5_of_download(cluster, path: str) -> str:
    url = f"{cluster.url}/v1/AUTH_test/{path}"
    command = ["curl", "-sf", "-H", f"X-Auth-Token: {cluster.token()}", url]
    digest = hashlib.md5()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while piece := process.stdout.read(MEBIBYTE):
            digest.update(piece)
    assert process.returncode == 0
    return digest.hexdigest()


def test_where_there_are_no_static_large_objects_it_is_a_dynamic_one_which_goes_with_its_segments(
    desk: Desk, cluster, tmp_path
):
    connection = cluster.connection()
    file = tmp_path / "dynamic.bin"
    wanted = make_large_file(file, 9)
    with urllib.request.urlopen(f"{cluster.url}/info") as answer:
        info = json.load(answer)
    del info["slo"]
    desk.page.route("**/info", lambda route: route.fulfill(json=info))
    connection.put_container("dynamic")
    desk.log_in(route="dynamic")
    desk.page.get_by_label("Upload files").set_input_files(file)
    desk.wait_done()
    manifest = connection.head_object("dynamic", "dynamic.bin")["x-object-manifest"]
    assert unquote(manifest).startswith("dynamic_segments/dynamic.bin/")
    assert md5_of_download(cluster, "dynamic/dynamic.bin") == wanted
    desk.select("dynamic.bin")
    desk.page.get_by_role("button", name="Delete").click()
    expect(desk.dialog.get_by_label("With the segments")).to_be_checked()
    desk.dialog.get_by_role("button", name="Delete").click()
    expect(desk.row("dynamic.bin")).to_have_count(0)
    assert connection.get_container("dynamic")[1] == []
    assert connection.get_container("dynamic_segments")[1] == []


def test_a_replaced_large_object_goes_with_its_own_segments_alone(desk: Desk, cluster, tmp_path):
    file = tmp_path / "film.bin"
    wanted = make_large_file(file, 9)
    connection = cluster.connection()
    connection.put_container("replaced")
    desk.log_in(route="replaced")
    desk.page.get_by_label("Upload files").set_input_files(file)
    desk.wait_done()
    source, as_it_is = {"X-Copy-From": "/replaced/film.bin"}, "multipart-manifest=get"
    connection.put_object("replaced", "moved.bin", b"", headers=source, query_string=as_it_is)
    connection.delete_object("replaced", "film.bin")
    desk.page.get_by_label("Upload files").set_input_files(file)
    wait_until(lambda: names(connection, "replaced") == ["film.bin", "moved.bin"], "it is there again")
    desk.wait_done()
    count = len(names(connection, "replaced_segments"))
    assert count == 4, "it has segments of its own, and the moved one keeps those it had"

    sent: list[str] = []

    def say_something_old(route: Route) -> None:
        """As a server that has not heard of the new object yet."""
        is_old = sent and route.request.method == "HEAD"
        sent.extend(["it"] if route.request.method == "PUT" else [])
        route.fulfill(status=200) if is_old else route.continue_()

    film = re.compile("/replaced/film.bin([?]|$)")
    desk.page.route(film, say_something_old)
    with desk.page.expect_response(lambda answer: "multipart-manifest=put" in answer.url):
        desk.page.get_by_label("Upload files").set_input_files(file)
        desk.dialog.get_by_role("button", name="Replace").click()
    desk.wait_done()
    desk.page.unroute(film)
    assert len(names(connection, "replaced_segments")) == 4
    assert md5_of_download(cluster, "replaced/film.bin") == wanted

    desk.evaluate(DROP, [[["film.bin", "short"]]])
    expect(desk.dialog.get_by_label("Delete the segments of what is replaced")).to_be_checked()
    desk.dialog.get_by_role("button", name="Replace").click()
    wait_until(lambda: len(names(connection, "replaced_segments")) == 2, "the replaced one's segments are removed")
    assert connection.get_object("replaced", "film.bin")[1] == b"short"
    assert md5_of_download(cluster, "replaced/moved.bin") == wanted

    connection.post_container("replaced", {"X-Versions-Enabled": "true"})
    desk.evaluate(DROP, [[["moved.bin", "short"]]])
    expect(desk.dialog).to_contain_text("moved.bin")
    expect(desk.dialog.get_by_role("checkbox")).to_have_count(0)  # the version needs them
    desk.close_dialog()
    desk.select("moved.bin")
    desk.page.get_by_role("button", name="Delete").click()
    expect(desk.dialog).to_contain_text("moved.bin")
    expect(desk.dialog.get_by_role("checkbox")).to_have_count(0)


def names(connection, container: str) -> list[str]:
    return [row["name"] for row in connection.get_container(container)[1]]


def test_an_upload_is_cancelled(context, cluster, tmp_path):
    file = tmp_path / "cancelled.bin"
    make_large_file(file, 40)
    with CuttingProxy(cluster.proxy_address) as proxy:
        desk = Desk(cluster, context.new_page(), proxy.url).log_in(route="large")
        proxy.hold_sent_at = proxy.sent + MEBIBYTE
        desk.page.get_by_label("Upload files").set_input_files(file)
        wait_until(lambda: pumped(desk, proxy) >= proxy.hold_sent_at, "it has begun")
        desk.page.get_by_role("button", name="Cancel Upload cancelled.bin").click()
        expect(desk.page.locator(".job.is-cancelled")).to_be_visible()
        proxy.go_on.set()
        desk.page.get_by_role("button", name="Try again").click()
        desk.wait_done()
        desk.check()
    assert cluster.connection().head_object("large", "cancelled.bin")["content-length"] == str(40 * MEBIBYTE)


def test_an_upload_waits_for_a_new_login(desk: Desk, cluster):
    desk.log_in(route="drop")
    # What the store says when a token has ended, until the page has another one.
    desk.page.route("**/v1/AUTH_test/drop/late.txt", lambda route: route.fulfill(status=401, body=""))
    desk.evaluate(DROP, [[["late.txt", "patience"]]])
    login = desk.page.get_by_role("dialog", name="Log in")
    login.get_by_role("textbox", name="Account").fill("test")
    login.get_by_role("textbox", name="User").fill("tester")
    login.get_by_label("Password").fill("testing")
    desk.page.unroute("**/v1/AUTH_test/drop/late.txt")
    login.get_by_role("button", name="Log in").click()
    desk.wait_done()
    assert cluster.connection().get_object("drop", "late.txt")[1] == b"patience"
