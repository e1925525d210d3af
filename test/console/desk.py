"""Desk: a browser's page with the console on it, and a note of all that the browser complains of."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import ConsoleMessage, Dialog, Locator, Page, expect

from functional.cluster import AT_FULL_SPEED, Cluster

PATIENCE = 60000
"""Milliseconds for whatever is waited for: the machine may have other things to do."""
_PATIENT = {"conn_timeout": "20", "node_timeout": "60"}
PATIENT: dict[str, dict[str, dict[str, str]]] = {
    "proxy": {"app:proxy-server": {**_PATIENT, "post_quorum_timeout": "20"}},
    "object": {**AT_FULL_SPEED["object"], "app:object-server": {**_PATIENT, "container_update_timeout": "20"}},
    "container": {**AT_FULL_SPEED["container"], "app:container-server": _PATIENT},
}
"""Settings of servers that wait for each other as long as it takes: all three replicas know of what a test has done, also
those of an account, of which any one is asked for its listing."""
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
# The browser writes each answer with an error status to its console, whatever the page does about it.
EXPECTED = re.compile(r"Failed to load resource: (the server responded with a status of|net::ERR_)")
IS_HEARD = """(text) => {
    const said = [...document.querySelectorAll(".messages [role=status] .message")];
    const message = said.findLast((one) => one.textContent.includes(text));
    const box = message?.getBoundingClientRect();
    return Boolean(box) && message.contains(document.elementFromPoint(box.left + 20, box.top + 20));
}"""


class Desk:
    """One page. `url` is where the console lies, with another host when a test puts something in between."""

    def __init__(self, cluster: Cluster, page: Page, url: str | None = None) -> None:
        self.cluster = cluster
        self.page = page
        self.url = f"{url or cluster.url}/console/"
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self._refuse)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED.match(message.text):
            self.complaints.append(f"{message.type}: {message.text}")

    def _refuse(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # ours: uploads are under way
            dialog.accept()
            return
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """No script failed, nothing broke the security policy, no window popped up."""
        assert self.complaints == []

    def log_in(self, user: str = "test:tester", route: str = "") -> Desk:
        """Open the console and fill in the form."""
        account, _, name = user.partition(":")
        self.page.goto(self.url + (f"#/files/{route}" if route else ""))
        self.page.get_by_role("textbox", name="Account").fill(account)
        self.page.get_by_role("textbox", name="User").fill(name)
        self.page.get_by_label("Password").fill(self.cluster.layout.users[user].split()[0])
        self.page.get_by_role("button", name="Log in").click()
        expect(self.grid).to_be_visible()
        return self

    @property
    def grid(self) -> Locator:
        """The listing."""
        return self.page.get_by_role("grid")

    def row(self, label: str) -> Locator:
        """A row of the listing, by what stands in its first column."""
        name = self.page.locator(".cell.name").filter(has=self.page.get_by_text(label, exact=True))
        return self.page.get_by_role("row").filter(has=name)

    def open(self, label: str) -> None:
        """Click on a name of the listing."""
        self.row(label).get_by_role("button").click()

    def go(self, route: str) -> None:
        """To a place, by the address: of a long listing only what is in sight can be clicked on."""
        self.evaluate("(hash) => { location.hash = hash; }", f"#/files/{route}")

    def select(self, *labels: str) -> None:
        """Tick rows."""
        for label in labels:
            self.row(label).get_by_role("checkbox").click()

    @property
    def dialog(self) -> Locator:
        """The dialog on top."""
        return self.page.get_by_role("dialog").last

    def sheet(self, label: str, tab: str) -> Locator:
        """Open what there is to know of a row, at one of its tabs."""
        self.open(label)
        return self.show_tab(tab)

    def show_tab(self, tab: str) -> Locator:
        """Go to a tab of the sheet that is open."""
        self.page.get_by_role("tab", name=tab).click()
        return self.page.get_by_role("tabpanel", name=tab)

    def close_dialog(self) -> None:
        """By the key that closes dialogs."""
        expect(self.dialog).to_be_visible()
        self.page.keyboard.press("Escape")
        expect(self.page.get_by_role("dialog")).to_have_count(0)

    def hears(self, text: str) -> None:
        """Wait until the live region for good news says something, where it can be seen and heard: above all dialogs.

        The page looks itself: the message goes after some seconds.
        """
        self.page.wait_for_function(IS_HEARD, arg=text)

    def wait_done(self, timeout: float = 300.0) -> None:
        """Return when no transfer is open, and none has failed."""
        expect(self.page.get_by_role("region", name="Transfers")).to_contain_text("All done", timeout=timeout * 1000)
        expect(self.page.locator(".job.is-failed")).to_have_count(0)

    def wait_loaded(self) -> None:
        """Return when the listing is there."""
        expect(self.page.locator(".listing")).to_have_attribute("aria-busy", "false")

    def names(self) -> list[str]:
        """What the rows in the document are called."""
        self.wait_loaded()
        return self.page.locator(".grid-rows .cell.name button").all_text_contents()

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Run a function in the page."""
        return self.page.evaluate(script, argument)
