"""Make docs/screenshots anew from the running app: `python -m docs.make_screenshots`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import ROOT, launch, server, settle

FOLDER = ROOT / "docs" / "screenshots"
VIEWS = {
    "overview": "/",
    "neighbourhoods": "/neighbourhoods?show=Methods+disagree",
    "compare": "/compare?seeds=5",
}


def main() -> None:
    """One picture a page and theme, 1,440 pixels wide and as high as the page."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as address:  # noqa: SIM117
        with sync_playwright() as playwright:
            browser = launch(playwright)
            for theme in ("light", "dark"):
                for view, path in VIEWS.items():
                    context = browser.new_context(
                        viewport={"width": 1440, "height": 1000}, color_scheme=theme
                    )
                    page = context.new_page()
                    page.goto(address + path)
                    take(page, FOLDER / f"{view}-{theme}.png")
                    context.close()


def take(page: Page, target: Path) -> None:
    """Wait until the page stands still, start what it offers to start, and save it."""
    run = page.get_by_role("button", name="Run", exact=True)
    page.get_by_test_id("stDownloadButton").or_(run).first.wait_for(timeout=120_000)
    settle(page)
    if run.count() and run.is_enabled():
        run.click()
    page.get_by_test_id("stDownloadButton").first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Cancel").wait_for(state="detached", timeout=120_000)
    settle(page)
    selector = "[data-testid=stMain], [data-testid=stSidebarContent]"
    height = page.evaluate(
        "s => Math.max(...[...document.querySelectorAll(s)].map(e => e.scrollHeight))", selector
    )
    page.set_viewport_size({"width": 1440, "height": min(height + 20, 1500)})
    page.wait_for_timeout(2500)
    page.screenshot(path=target)


if __name__ == "__main__":
    main()
