"""The console for everybody: by keyboard alone, with a screen reader, on a phone, in the dark."""

import pytest
from playwright.sync_api import Browser, expect

from console.axe import audit
from console.desk import PATIENCE, Desk

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module", autouse=True)
def stored(cluster):
    connection = cluster.connection()
    connection.put_container("walk", {"X-Versions-Enabled": "true"})
    for name in (
        "a.txt",
        "b.txt",
        "folder/c.txt",
        "a rather long name of an object that does not fit on a phone's screen.txt",
    ):
        connection.put_object("walk", name, b"contents of " + name.encode(), content_type="text/plain")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_keeps_the_rules_of_accessibility(desk: Desk, shoot, scheme):
    desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    desk.page.goto(desk.url)
    audit(desk.page)
    desk.log_in(route="walk")
    desk.wait_loaded()
    audit(desk.page)
    expect(desk.row("a.txt")).not_to_contain_text("a link")  # but to its own version
    desk.select("a.txt", "b.txt")
    audit(desk.page)
    shoot(desk.page, f"selection-{scheme}")
    desk.page.get_by_role("button", name="Copy or move").click()
    audit(desk.page)
    shoot(desk.page, f"copy-{scheme}")
    desk.close_dialog()
    desk.open("a.txt")
    for tab in ("Preview", "Properties", "Link", "Versions"):
        panel = desk.show_tab(tab)
        expect(panel.locator(".inside > *").first).to_be_visible()
        audit(desk.page)
    shoot(desk.page, f"sheet-{scheme}")


def test_by_keyboard_alone(desk: Desk, cluster):
    page = desk.page
    page.goto(desk.url)
    expect(page.get_by_role("textbox", name="Account")).to_be_focused()
    for text in ("test", "tester", "testing"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(desk.grid).to_be_visible()
    desk.wait_loaded()
    for _ in range(12):
        page.keyboard.press("Tab")
        if desk.grid.evaluate("(grid) => grid === document.activeElement"):
            break
    expect(desk.grid).to_be_focused()
    for _ in range(200):
        if "walk" in page.locator(".is-active").inner_text():
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(desk.row("a.txt")).to_be_visible()
    expect(desk.grid).to_be_focused()
    active = desk.grid.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-rowindex") == "2"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="a.txt")).to_be_visible()
    for _ in range(12):  # the focus stays inside, or in the browser's own bars
        page.keyboard.press("Tab")
        assert desk.evaluate(
            "() => document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        )
    page.get_by_role("tab", name="Preview").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Properties")).to_be_visible()
    page.keyboard.press("Escape")
    expect(desk.grid).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.get_by_role("group", name="Actions on the selection")).to_contain_text("2 things selected")
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog", name="Delete 2 things?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(desk.grid).to_be_focused()
    page.keyboard.press("Backspace")
    expect(desk.row("walk")).to_be_visible()


def test_on_a_phone(browser: Browser, cluster, shoot):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    try:
        desk = Desk(cluster, context.new_page())
        desk.page.goto(desk.url)
        shoot(desk.page, "phone-login")
        desk.log_in(route="walk")
        desk.wait_loaded()
        shoot(desk.page, "phone-listing")
        assert desk.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
        sizes = [button.bounding_box() for button in desk.page.get_by_role("button").all()[:8]]
        assert all(size["height"] >= 24 for size in sizes if size)
        desk.row("a.txt").get_by_role("button").tap()
        expect(desk.page.get_by_label("Text")).to_contain_text("contents of a.txt")
        shoot(desk.page, "phone-sheet")
        desk.show_tab("Properties")
        assert desk.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
        audit(desk.page)
        desk.check()
    finally:
        context.close()


def test_dark_and_light_are_the_systems_or_the_users_choice(desk: Desk, shoot):
    page = desk.page
    ground = "() => getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    desk.log_in(route="walk")
    dark = desk.evaluate(ground)
    shoot(page, "listing-dark")
    page.emulate_media(color_scheme="light")
    light = desk.evaluate(ground)
    assert dark != light
    page.get_by_role("button", name="Colours: as the system").click()
    page.get_by_role("button", name="Colours: light").click()
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert desk.evaluate(ground) == dark
    page.reload()
    assert desk.evaluate(ground) == dark
