"""A store with its console, and Debian's Chromium to look at it; what the browser shows is kept in var/console-screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from console.desk import CHROMIUM, FLAGS, PATIENCE, PATIENT, Desk
from functional.cluster import Cluster

expect.set_options(timeout=PATIENCE)
SCREENSHOTS = Path(__file__).resolve().parents[2] / "var/console-screenshots"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One node; files of more than a mebibyte are uploaded in segments of that size."""
    settings = {**PATIENT, "proxy": {**PATIENT["proxy"], "filter:console": {"segment_size": str(8 * 1024 * 1024)}}}
    cluster = Cluster(tmp_path_factory.mktemp("console") / "cluster", settings=settings)
    try:
        yield cluster.start()
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """An empty profile."""
    context = browser.new_context(accept_downloads=True, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS


@pytest.fixture
def shoot(screenshots: Path) -> Callable[[Page, str], None]:
    """Keep a picture of a page."""
    return lambda page, name: page.screenshot(path=screenshots / f"{name}.png")


@pytest.fixture
def desk(cluster: Cluster, context: BrowserContext) -> Iterator[Desk]:
    """A console before anybody has logged in; afterwards, nothing that the browser complained of may be our own doing."""
    desk = Desk(cluster, context.new_page())
    yield desk
    desk.check()
