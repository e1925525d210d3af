"""Long listings: of a hundred thousand names only those in sight are in the document, and the page stays quick."""

import json
import logging
import shutil

import pytest
from playwright.sync_api import Browser, Route, expect

from console.desk import Desk
from functional.cluster import wait_until
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.rows import ObjectReport

COUNT = 100_000
MOST_ROWS = 80
LONGEST_TASK = 300
"""Milliseconds that the page may be deaf; a frame takes 16."""
TASKS = "disabled-by-default-devtools.timeline"
"""What the browser traces: each task, and how long the processor was at it, whoever else had it meanwhile."""

WATCH = """() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
        .observe({type: "longtask"});
}"""
SCROLL_TO_THE_END = """async () => {
    const grid = document.querySelector("[role=grid]"), spacer = document.querySelector(".grid-spacer");
    let most = 0, still = 0;
    for (let height = 0; still < 40; ) {
        grid.scrollTop = grid.scrollHeight;
        await new Promise(requestAnimationFrame);
        most = Math.max(most, document.querySelectorAll(".grid-rows .row").length);
        const isLoading = document.querySelector(".listing").getAttribute("aria-busy") === "true";
        still = isLoading || height !== grid.scrollHeight ? 0 : still + 1;
        height = grid.scrollHeight;
    }
    return {most, nodes: document.querySelectorAll("*").length};
}"""


@pytest.fixture(scope="module", autouse=True)
def long_container(cluster):
    """Its rows are written straight into the databases of its replicas."""
    before = set(cluster.files("containers/**/*.db"))
    connection = cluster.connection()
    connection.put_container("long")
    stamp = connection.head_container("long")["x-timestamp"]
    rows = [ObjectReport(f"name-{number:06d}.txt", stamp, number, "text/plain", "0" * 32) for number in range(COUNT)]
    paths = sorted(set(cluster.files("containers/**/*.db")) - before)
    assert len(paths) == 3  # the proxy has waited for all of them
    ContainerBroker(str(paths[0]), "AUTH_test", "long", logger=logging.getLogger("long")).merge_items(rows)
    for path in paths[1:]:
        shutil.copy(paths[0], path)  # nobody replicates here, to whom it matters that replicas have ids of their own


@pytest.fixture
def long_desk(desk: Desk) -> Desk:
    desk.log_in(route="long")
    expect(desk.row("name-000000.txt")).to_be_visible()
    desk.evaluate(WATCH)
    return desk


def test_scrolling_through_all_of_it(long_desk: Desk, browser: Browser, shoot):
    long_tasks = tasks_of_scrolling(long_desk)
    shoot(long_desk.page, "hundred-thousand")
    if max(long_tasks, default=0) >= LONGEST_TASK:  # the page's own doing, or who took the processor away from it?
        long_desk.page.reload()
        long_desk.log_in(route="long")
        expect(long_desk.row("name-000000.txt")).to_be_visible()
        long_desk.evaluate(WATCH)
        browser.start_tracing(page=long_desk.page, categories=[TASKS])
        tasks_of_scrolling(long_desk)
        tasks = milliseconds_of_tasks(browser)
        assert max(tasks) < LONGEST_TASK, (sorted(tasks)[-5:], long_tasks)


def tasks_of_scrolling(desk: Desk) -> list[float]:
    """Scroll to the end of the listing; how long the page's long tasks were meanwhile, in milliseconds."""
    found = desk.evaluate(SCROLL_TO_THE_END)
    expect(desk.row("name-099999.txt")).to_be_visible()
    assert 10 < found["most"] <= MOST_ROWS and found["nodes"] < 2500
    long_tasks = desk.evaluate("() => window.longTasks")
    desk.evaluate("() => setTimeout(() => { for (const end = performance.now() + 150; performance.now() < end; ); })")
    wait_until(lambda: len(desk.evaluate("() => window.longTasks")) > len(long_tasks), "a long task would be seen")
    return long_tasks


def milliseconds_of_tasks(browser: Browser) -> list[float]:
    """End the trace; for how long the processor was at each task of pages."""
    events = json.loads(browser.stop_tracing())["traceEvents"]
    names = {(event["pid"], event["tid"]): event["args"]["name"] for event in events if event["name"] == "thread_name"}
    tasks = [event for event in events if event["name"] == "RunTask" and "tdur" in event]
    return [task["tdur"] / 1000 for task in tasks if names.get((task["pid"], task["tid"])) == "CrRendererMain"]


def test_both_ends_are_a_key_away(long_desk: Desk):
    long_desk.grid.focus()
    long_desk.page.keyboard.press("End")
    expect(long_desk.page.locator(".is-active")).to_contain_text("name-099999.txt")
    long_desk.page.keyboard.press("PageUp")
    long_desk.page.keyboard.press("ArrowUp")
    expect(long_desk.page.locator(".is-active")).to_be_in_viewport()
    # Upwards the listing is fetched backwards, without a gap.
    long_desk.evaluate("() => { document.querySelector('[role=grid]').scrollTop = 0; }")
    expect(long_desk.page.locator(".count")).to_contain_text("4,000 names")
    long_desk.page.keyboard.press("Home")
    expect(long_desk.row("name-000000.txt")).to_be_visible()


def test_search_and_jump(long_desk: Desk):
    page = long_desk.page
    page.get_by_role("searchbox").fill("name-0777")
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_have_text("100 names")
    assert long_desk.names()[0] == "name-077700.txt"
    page.get_by_label("Way to search").select_option("From")
    page.get_by_role("searchbox").fill("name-05")
    page.keyboard.press("Enter")
    expect(long_desk.row("name-050000.txt")).to_be_visible()
    assert long_desk.names()[0].startswith("name-0")
    page.get_by_role("searchbox").fill("zzz")
    page.get_by_label("Way to search").select_option("Begins with")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".count")).to_have_text("Nothing begins with “zzz”.")


def test_rows_are_all_there_in_order_wherever_one_looks(long_desk: Desk):
    """The window on the listing forgets at one end what it learns at the other; rows stay neighbours."""
    numbers = long_desk.evaluate("""async () => {
        const { ListingWindow } = await import("/console/rules/window.js");
        const all = Array.from({length: 1000}, (_, number) => ({name: String(number).padStart(4, "0")}));
        const fetchPage = async ({marker, isReverse, limit}) => {
            const rows = isReverse ? all.filter(({name}) => !marker || name < marker).reverse() : all.filter(({name}) => name > marker);
            return rows.slice(0, limit);
        };
        const listing = new ListingWindow(fetchPage, {pageSize: 30, mostRows: 100});
        await listing.open("0400");
        const gaps = [];
        const step = async (work) => {
            await work();
            const names = listing.rows.map(({name}) => Number(name));
            if (names.some((number, index) => index && number !== names[index - 1] + 1)) gaps.push(names);
            if (names.length > 100) gaps.push(names.length);
        };
        for (let turn = 0; turn < 30; turn++) await step(() => listing.extendDown());
        const atEnd = [listing.isAtEnd, listing.rows.at(-1).name];
        for (let turn = 0; turn < 50; turn++) await step(() => listing.extendUp());
        return {gaps, atEnd, atStart: [listing.isAtStart, listing.rows[0].name]};
    }""")
    assert numbers == {"gaps": [], "atEnd": [True, "0999"], "atStart": [True, "0000"]}


def test_a_listing_is_loading_until_the_last_that_was_asked_for_is_there(desk: Desk, cluster):
    connection = cluster.connection()
    connection.put_container("slowly")
    for name in ("one", "other"):
        connection.put_object("slowly", name, b"")
    desk.log_in()
    expect(desk.row("slowly")).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    desk.page.route("**/slowly?*", hold)
    desk.open("slowly")
    comes(desk, lambda: len(held) == 1)
    desk.page.get_by_role("searchbox").fill("ot")
    desk.page.get_by_role("searchbox").press("Enter")
    comes(desk, lambda: len(held) == 2)
    with desk.page.expect_response(lambda response: "prefix=ot" not in response.url):
        held[0].continue_()
    assert desk.evaluate("() => new Promise((resolve) => setTimeout(resolve, 100))") is None
    expect(desk.page.locator(".listing")).to_have_attribute("aria-busy", "true")
    held[1].continue_()
    expect(desk.row("other")).to_be_visible()
    assert desk.names() == ["other"]


def comes(desk: Desk, is_so) -> None:
    """Wait, and let the browser go on meanwhile."""
    for _ in range(1200):
        if is_so():
            return
        desk.page.wait_for_timeout(50)
    raise AssertionError("it never came")
