"""The administrators' section in a browser: a real cluster with faults planted, and one of thousands of devices made up."""

import json
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from console.axe import audit
from console.desk import PATIENCE, PATIENT, Desk
from functional.cluster import Cluster
from swiftlite.ring import format

ADMIN = "admin:admin"
HOSTILE = "<img src=x onerror=alert(1)>"
PAGES = ("overview", "nodes", "devices", "rings", "daemons")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes; something in quarantine and an update that waits on the first, a hostile name in the ring of objects."""
    ages = {"cluster_age": "0.5", "requests_age": "0.5"}
    settings = {**PATIENT, "proxy": {**PATIENT["proxy"], "filter:console": ages}}
    cluster = Cluster(tmp_path_factory.mktemp("console") / "cluster", nodes=2, devices=2, settings=settings)
    path = cluster.directory / "etc/object.ring.gz"
    ring = format.load(path)
    ring.devices.append(
        {**ring.devices[-1], "id": len(ring.devices), "device": HOSTILE, "weight": 0.0, "meta": HOSTILE}
    )
    path.write_bytes(format.dump_v1(ring))
    first = cluster.devices()[0]
    (first / "quarantined/objects/0123456789abcdef").mkdir(parents=True)
    spool = first / "async_pending/abc"
    spool.mkdir(parents=True)
    (spool / f"{'0' * 29}abc-1700000000.00000").write_bytes(b"")
    try:
        yield cluster.start()
    finally:
        cluster.remove()


def enter(desk: Desk, page: str = "overview", user: str = ADMIN) -> Page:
    """Log in with the address of a page of the cluster."""
    account, _, name = user.partition(":")
    desk.page.goto(f"{desk.url}#/cluster/{page}")
    desk.page.get_by_role("textbox", name="Account").fill(account)
    desk.page.get_by_role("textbox", name="User").fill(name)
    desk.page.get_by_label("Password").fill(desk.cluster.layout.users[user].split()[0])
    desk.page.get_by_role("button", name="Log in").click()
    return desk.page


def go(page: Page, label: str) -> None:
    link = page.get_by_label("Pages of the cluster").get_by_role("link", name=label, exact=True)
    link.click()
    expect(link).to_have_attribute("aria-current", "page")


def row(page: Page, *words: str):
    """The row of a table that has all these words."""
    found = page.locator("tbody tr")
    for word in words:
        found = found.filter(has_text=word)
    return found


def tile(page: Page, label: str):
    return page.locator(".tile").filter(has_text=label)


def test_an_administrator_sees_what_is_there_and_what_is_wrong(desk: Desk, shoot):
    page = enter(desk)
    expect(page.get_by_role("heading", name="Cluster")).to_be_visible()
    expect(tile(page, "Nodes")).to_contain_text("2 of 2")
    expect(tile(page, "In quarantine")).to_contain_text("1")
    expect(tile(page, "Updates that wait")).to_contain_text("1")
    wrong = page.get_by_role("region", name="What is wrong")
    finding = wrong.get_by_role("article").filter(has_text="quarantined")
    expect(finding).to_contain_text("in quarantine: 1 objects")
    expect(finding.locator(".remedy code")).to_contain_text("find ")
    shoot(page, "cluster-overview")
    go(page, "Devices")
    expect(row(page, "127.0.0.1", "d1").get_by_role("cell").nth(5)).to_have_text("1")
    expect(row(page, "127.0.0.2", "d1").get_by_role("cell").nth(5)).to_have_text("0")
    expect(page.get_by_text("5 devices")).to_be_visible()
    go(page, "Rings")
    expect(row(page, "object")).to_contain_text("the same on all 2")
    partitions = format.load(desk.cluster.directory / "etc/object.ring.gz").partition_count
    expect(row(page, "object")).to_contain_text(f"{partitions:,}")
    go(page, "Consistency")
    expect(row(page, "127.0.0.1")).to_be_visible()
    go(page, "Nodes")
    page.get_by_role("link", name="127.0.0.2").click()
    expect(page.get_by_role("searchbox")).to_have_value("127.0.0.2")
    expect(row(page, "127.0.0.1")).to_have_count(0)


def test_the_time_of_a_daemons_pass_is_shown(desk: Desk):
    desk.cluster.run_once("container-updater-1")
    page = enter(desk, "daemons")
    expect(row(page, "127.0.0.1")).to_be_visible()
    column = [head.strip() for head in page.get_by_role("columnheader").all_text_contents()].index("Container updater")
    expect(row(page, "127.0.0.1").get_by_role("cell").nth(column - 1)).to_have_text(re.compile(r"\d+ (s|min)"))


def test_requests_become_lines(desk: Desk, shoot):
    connection = desk.cluster.connection()
    connection.put_container("lines")
    page = enter(desk)
    chart = page.get_by_role("img", name="Requests to proxies")
    for _ in range(200):
        connection.head_container("lines")
        if re.search(r"all: now [1-9\d.,]+/s, at most", chart.get_attribute("aria-label") or ""):
            break
        page.wait_for_timeout(25)
    expect(chart).to_have_attribute("aria-label", re.compile(r"all: now [\d.,]+/s, at most [\d.,]+/s; 5xx: now 0/s"))
    expect(page.get_by_role("img", name="Latency at proxies")).to_have_attribute(
        "aria-label", re.compile("99 %: now .* m?s")
    )
    expect(page.get_by_role("img", name="Requests to storage servers")).to_have_attribute(
        "aria-label", re.compile(r"object: now [\d.,]+/s")
    )
    expect(chart.locator(".line").first).to_have_attribute("d", re.compile("^M"))
    page.get_by_role("region", name="The last minutes").scroll_into_view_if_needed()
    shoot(page, "cluster-charts")


def test_a_node_that_stops_is_shown_as_unreachable(desk: Desk, shoot):
    page = enter(desk, "nodes")
    expect(row(page, "127.0.0.2")).to_contain_text("up, 3 servers")
    servers = [desk.cluster.server(f"{kind}-server", 2) for kind in ("object", "container", "account")]
    try:
        for server in servers:
            server.stop()
        expect(row(page, "127.0.0.2")).to_contain_text("unreachable")
        shoot(page, "cluster-unreachable")
        go(page, "Devices")
        expect(row(page, "127.0.0.2", "d1")).to_contain_text("its node does not answer")
        go(page, "Overview")
        wrong = page.get_by_role("region", name="What is wrong")
        expect(wrong.get_by_role("article").filter(has_text="host-unreachable")).to_contain_text("127.0.0.2")
        expect(page.get_by_role("alert").filter(has_text=re.compile(r"\S"))).to_have_count(0)
    finally:
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_up()
    go(page, "Nodes")
    expect(row(page, "127.0.0.2")).to_contain_text("up, 3 servers")


def test_other_users_see_nothing_of_it(desk: Desk):
    page = enter(desk, user="test:tester")
    expect(page.get_by_role("grid")).to_be_visible()
    expect(page.get_by_role("link", name="Cluster")).to_have_count(0)
    script = "async ([name, token]) => (await fetch(name, {headers: token ? {'X-Auth-Token': token} : {}})).status"
    for name in ("cluster.json", "requests.json"):
        assert desk.evaluate(script, [name, desk.cluster.token("test:tester")]) == 403
        assert desk.evaluate(script, [name, ""]) == 401
        assert desk.evaluate(script, [name, desk.cluster.token(ADMIN)]) == 200


def test_names_of_devices_run_nothing(desk: Desk):
    page = enter(desk, "devices")
    expect(row(page, HOSTILE)).to_contain_text("missing")
    go(page, "Overview")
    finding = page.get_by_role("article").filter(has_text="device-missing")
    expect(finding).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_keeps_the_rules_of_accessibility(desk: Desk, shoot, scheme):
    desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = enter(desk)
    for name in PAGES:
        page.goto(f"{desk.url}#/cluster/{name}")
        expect(page.locator(".tile, tbody tr").first).to_be_visible()
        if name == "overview":
            page.get_by_text(re.compile("notices?, no reason")).click()
        audit(page)
        shoot(page, f"cluster-{name}-{scheme}")


def test_looking_on_can_be_paused(desk: Desk):
    asked = []
    desk.page.on("request", lambda request: asked.append(request.url) if request.url.endswith("cluster.json") else None)
    desk.page.clock.install()
    page = enter(desk)
    expect(tile(page, "Nodes")).to_be_visible()
    with page.expect_request("**/cluster.json"):
        page.clock.run_for(1000)
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    page.clock.run_for(1000)  # what was under way comes back
    count = len(asked)
    page.clock.run_for(200_000)
    expect(page.get_by_text(re.compile(r"Seen \d min ago"))).to_be_visible()
    assert len(asked) == count
    with page.expect_request("**/cluster.json"):
        page.get_by_role("button", name="Look now").click()
    with page.expect_request("**/cluster.json"):
        pause.click()


def test_of_thousands_of_devices_those_in_sight_are_drawn(desk: Desk, shoot):
    headers = {"X-Auth-Token": desk.cluster.token(ADMIN)}
    answer = desk.page.request.get(f"{desk.url}cluster.json", headers=headers).json()
    columns = answer["devices"]["columns"]
    usual = dict(zip(columns, answer["devices"]["rows"][0]))
    made = [{**usual, "ip": f"10.0.{n // 40}.1", "device": f"sd{n % 40}", "fill": n / 200} for n in range(20000)]
    answer["devices"]["rows"] = [[device[column] for column in columns] for device in made]
    desk.page.route("**/cluster.json", lambda route: route.fulfill(body=json.dumps(answer)))
    page = enter(desk, "devices")
    table = page.get_by_role("region", name="Devices")
    expect(table.get_by_role("table")).to_have_attribute("aria-rowcount", "20001")
    expect(page.locator("tbody tr").first).to_contain_text("100 %")
    assert page.locator("tbody tr").count() < 100
    shoot(page, "cluster-thousands")
    table.focus()
    page.keyboard.press("End")
    expect(page.locator("tr[aria-rowindex='20001']")).to_contain_text("0.0 %")
    assert page.locator("tbody tr").count() < 100
    page.get_by_role("columnheader", name="Device").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="Device")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("searchbox").fill("10.0.7.1 sd39")
    expect(page.get_by_text("1 of 20,000 devices")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_on_a_phone(browser: Browser, cluster, shoot):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    try:
        desk = Desk(cluster, context.new_page())
        page = enter(desk)
        for name in PAGES:
            page.goto(f"{desk.url}#/cluster/{name}")
            expect(page.locator(".tile, tbody tr").first).to_be_visible()
            assert desk.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
            shoot(page, f"phone-cluster-{name}")
        desk.check()
    finally:
        context.close()
