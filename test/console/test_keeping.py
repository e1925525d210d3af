"""The console loses nothing: moves to where things are already, dynamic large objects, stores with small limits."""

from types import SimpleNamespace

import pytest
from playwright.sync_api import BrowserContext, expect

import swiftlite.testing
from console.desk import PATIENT, Desk


def start_move(desk: Desk, how: str, field: str, target: str) -> None:
    desk.page.get_by_role("button", name="Copy or move").click()
    desk.dialog.get_by_label(how, exact=True).check()
    desk.dialog.get_by_label(field).fill(target)
    desk.dialog.get_by_role("button", name="Go").click()


def test_what_is_moved_to_where_it_is_stays(desk: Desk, cluster):
    connection = cluster.connection()
    connection.put_container("stays")
    for name in ("dir/a", "dir/b", "dir/sub/c"):
        connection.put_object("stays", name, name.encode())
    desk.log_in(route="stays/dir%2F")
    desk.select("a", "b")
    start_move(desk, "Move or rename", "To folder", "dir")  # without its slash it is the same folder
    expect(desk.dialog.get_by_role("alert")).to_have_text("That is where it is already.")
    desk.close_dialog()
    desk.page.get_by_role("button", name="Clear").click()
    desk.select("a", "sub/")
    start_move(desk, "Move or rename", "To folder", "dir/sub")
    expect(desk.dialog.get_by_role("alert")).to_have_text("A folder cannot go into itself.")
    desk.close_dialog()
    assert [row["name"] for row in connection.get_container("stays")[1]] == ["dir/a", "dir/b", "dir/sub/c"]


def test_who_copies_over_an_object_is_asked(desk: Desk, cluster):
    connection = cluster.connection()
    connection.put_container("over")
    for name in ("new", "old"):
        connection.put_object("over", name, name.encode())
    desk.log_in(route="over")
    desk.select("new")
    start_move(desk, "Copy", "New name", "old")
    expect(desk.dialog).to_contain_text("Replace 1 object?")
    desk.dialog.get_by_role("button", name="Cancel").click()
    assert connection.get_object("over", "old")[1] == b"old"
    start_move(desk, "Copy", "New name", "old")
    desk.dialog.get_by_role("button", name="Replace").click()
    desk.wait_done()
    assert connection.get_object("over", "old")[1] == b"new"


def test_a_dynamic_large_object_stays_one(desk: Desk, cluster):
    connection = cluster.connection()
    connection.put_container("dynamic")
    connection.put_container("dynamic segments")
    for name in ("ü/1", "ü/2"):
        connection.put_object("dynamic segments", name, name.encode())
    connection.put_object("dynamic", "large", b"", headers={"X-Object-Manifest": "dynamic%20segments/%C3%BC/"})
    desk.log_in(route="dynamic")
    panel = desk.sheet("large", "Properties")
    panel.get_by_role("button", name="Add").click()
    panel.get_by_label("Name 1").fill("colour")
    panel.get_by_label("Value 1").fill("blue")
    panel.get_by_role("button", name="Save").click()
    desk.hears("Saved")
    desk.close_dialog()
    desk.select("large")
    start_move(desk, "Move or rename", "New name", "moved")
    desk.wait_done()
    headers = connection.head_object("dynamic", "moved")
    assert (headers["x-object-manifest"], headers["x-object-meta-colour"]) == ("dynamic segments/ü/", "blue")
    assert connection.get_object("dynamic", "moved")[1] == "ü/1ü/2".encode()


def test_who_may_write_but_not_make_containers_can_copy(desk: Desk, cluster):
    connection = cluster.connection()
    connection.put_container("shared")
    connection.post_container("shared", {"X-Container-Read": "test:tester3", "X-Container-Write": "test:tester3"})
    connection.put_object("shared", "a", b"a")
    desk.log_in("test:tester3", route="shared")
    desk.select("a")
    start_move(desk, "Copy", "New name", "b")
    desk.wait_done()
    assert connection.get_object("shared", "b")[1] == b"a"


@pytest.fixture
def small_desk(context: BrowserContext):
    """The console of a store that lists three names at once, and deletes two."""
    limits = {"swift-constraints": {"container_listing_limit": "3", "account_listing_limit": "3"}}
    settings = {**PATIENT, "proxy": {**PATIENT["proxy"], "filter:bulk": {"max_deletes_per_request": "2"}}}
    with swiftlite.testing.store(swift_conf=limits, settings=settings) as store:
        cluster = SimpleNamespace(url=store.url, layout=SimpleNamespace(users=swiftlite.testing.DEFAULT_USERS))
        desk = Desk(cluster, context.new_page())
        yield desk, store
        desk.check()


def test_a_store_with_small_limits_is_listed_and_emptied(small_desk):
    desk, store = small_desk
    for name in "abcd":
        store.request("PUT", f"c{name}")
    for name in "abcdefgh":
        assert store.request("PUT", f"ca/{name}", b"x").status == 201
    desk.log_in()
    expect(desk.row("cd")).to_be_visible()
    desk.open("ca")
    expect(desk.row("h")).to_be_visible()
    assert desk.names() == list("abcdefgh")
    desk.page.get_by_role("link", name="AUTH_test").click()
    desk.select("ca")
    desk.page.get_by_role("button", name="Delete").click()
    desk.dialog.get_by_role("button", name="Delete").click()
    expect(desk.row("ca")).to_have_count(0)
    assert store.request("HEAD", "ca").status == 404
