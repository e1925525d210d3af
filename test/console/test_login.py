"""Logging in and out and looking round, in a browser."""

import pytest
from playwright.sync_api import expect

from console.desk import Desk


@pytest.fixture(scope="module", autouse=True)
def stored(cluster):
    connection = cluster.connection()
    connection.put_container("demo")
    for name in ("readme.txt", "photos/2024/cat.txt", "photos/2025/dog.txt", "zoo.txt"):
        connection.put_object("demo", name, name.encode(), content_type="text/plain")


def test_log_in_look_round_and_log_out(desk: Desk, shoot):
    page = desk.page
    page.goto(desk.url)
    shoot(page, "login")
    desk.log_in()
    desk.row("demo").get_by_role("button").click()
    expect(desk.row("readme.txt")).to_be_visible()
    assert desk.names() == ["photos/", "readme.txt", "zoo.txt"]
    shoot(page, "listing")
    desk.row("photos/").get_by_role("button").click()
    desk.row("2025/").get_by_role("button").click()
    expect(desk.row("dog.txt")).to_be_visible()
    page.go_back()
    expect(desk.row("2024/")).to_be_visible()
    page.get_by_label("Path").get_by_role("link", name="demo").click()
    page.get_by_role("searchbox").fill("re")
    page.get_by_role("searchbox").press("Enter")
    expect(desk.row("zoo.txt")).to_have_count(0)
    assert desk.names() == ["readme.txt"]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(desk.grid).to_have_count(0)


def test_a_wrong_password_is_said(desk: Desk):
    page = desk.page
    page.goto(desk.url)
    page.get_by_role("textbox", name="Account").fill("test")
    page.get_by_role("textbox", name="User").fill("tester")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_have_text("User or password is wrong.")


def test_log_in_by_version_3(desk: Desk):
    page = desk.page
    page.goto(desk.url)
    page.get_by_label("Protocol").select_option(label="Keystone, version 3 (project and user)")
    page.get_by_role("textbox", name="Project").fill("test")
    page.get_by_role("textbox", name="User").fill("tester")
    page.get_by_label("Password").fill("testing")
    page.get_by_role("button", name="Log in").click()
    expect(desk.row("demo")).to_be_visible()


def test_nothing_of_the_session_outlives_the_page(desk: Desk):
    desk.log_in(route="demo")
    expect(desk.row("readme.txt")).to_be_visible()
    kept = desk.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert kept == '[{},{},""]'
    desk.page.reload()
    expect(desk.page.get_by_role("button", name="Log in")).to_be_visible()
