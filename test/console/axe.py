"""The rules of accessibility, as axe checks them in the browser."""

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
AUDIT = """async () => {
    const {violations} = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]});
    return violations.map(({id, nodes}) => [id, ...nodes.map(({html, failureSummary}) => `${html} ${failureSummary}`)]);
}"""


def audit(page: Page) -> None:
    """axe finds nothing."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE)
    assert page.evaluate(AUDIT) == []
