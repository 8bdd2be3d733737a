"""Clicks, keys and waiting of two new users in a real browser: `python -m docs.make_walks`."""

import os
import re
import tempfile
import time
from pathlib import Path
from unittest import mock

from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.browser.test_review import draw
from tests.helpers.browser import PATIENCE, launch, process, settle

_VERDICTS = 10


class Walk:
    """A user's hands: each click and key is counted, and the time until the page is at rest."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.keys, self.begun = page, 0, 0, time.monotonic()

    def click(self, target: Locator) -> None:
        """Click, and wait for what follows."""
        settle(self.page)
        target.first.click()
        self.clicks += 1
        settle(self.page)

    def press(self, target: Locator, key: str) -> None:
        """Press a key on a control."""
        target.first.press(key)
        self.keys += 1
        settle(self.page)

    def end(self, who: str, what: str) -> None:
        """Print the line of a table."""
        seconds = time.monotonic() - self.begun
        print(f"| {who} | {what} | {self.clicks} | {self.keys} | {seconds:.0f} s |", flush=True)


def researcher(page: Page, address: str) -> None:
    """From the first screen to a comparison over noise ratios as a file."""
    walk = Walk(page)
    page.goto(address)
    page.get_by_role("slider", name="Noise ratio").wait_for()
    settle(page)
    walk.end("researcher", "first screen: accuracy against noise ratio")
    for _ in range(8):
        walk.press(page.get_by_role("slider", name="Noise ratio"), "ArrowRight")
    walk.end("researcher", "noise ratio at 0.8, methods apart")
    walk.click(page.get_by_role("link", name="Compare", exact=True))
    walk.click(page.get_by_role("button", name="Run", exact=True))
    page.get_by_role("button", name="Summary, HTML").wait_for()
    page.get_by_test_id("stMain").get_by_role("button", name="Cancel").wait_for(state="detached")
    with page.expect_download():
        walk.click(page.get_by_role("button", name="Summary, HTML"))
    walk.end("researcher", "comparison of 108 runs saved as one page")


def engineer(page: Page, address: str, images: Path) -> None:
    """From a folder of images, some in the wrong class, to a cleaned copy."""
    walk = Walk(page)
    page.goto(address)
    walk.click(page.get_by_role("link", name="Check my labels"))
    walk.click(page.get_by_role("link", name="Data", exact=True))
    folder = page.get_by_role("textbox", name="Folder", exact=True)
    folder.fill(str(images))
    walk.press(folder, "Enter")
    walk.click(page.get_by_role("combobox", name="Backbone"))
    page.keyboard.type("pixels")
    walk.press(page.get_by_role("combobox", name="Backbone"), "Enter")
    walk.click(page.get_by_role("button", name="Embed", exact=True))
    walk.click(page.get_by_role("link", name=re.compile("Audit its labels")))
    audit = page.get_by_role("button", name="Audit", exact=True)
    audit.wait_for()
    walk.click(audit)
    page.locator(".deck .card").first.wait_for()
    walk.end("engineer", "the most doubtful labels of 250 images, with reasons")
    for _ in range(_VERDICTS):
        page.keyboard.press("r")
        walk.keys += 1
    expect(page.get_by_text(f"{_VERDICTS} reviewed")).to_be_visible()
    walk.click(page.get_by_role("button", name="Before and after, and export"))
    with page.expect_download():
        walk.click(page.get_by_role("button", name="Table as CSV"))
    walk.end("engineer", f"{_VERDICTS} verdicts, and the corrected table")
    walk.click(page.get_by_role("button", name="Write the database"))
    page.get_by_text("is written").wait_for()
    walk.end("engineer", "a cleaned data set")


def main() -> None:
    """Walk with both, each on a fresh server and without any cache but the compiled kernels."""
    print("| who | has | clicks | keys | after |\n|---|---|---|---|---|")
    expect.set_options(timeout=PATIENCE)
    for walk in ("researcher", "engineer"):
        with (
            tempfile.TemporaryDirectory() as name,
            mock.patch.dict(os.environ),
            sync_playwright() as playwright,
        ):
            folder = Path(name)
            draw(folder / "data" / "drawings")
            with process(folder, folder / "database", folder / "data") as (address, _):
                context = launch(playwright).new_context(viewport={"width": 1440, "height": 900})
                context.add_init_script("localStorage.setItem('wann-tour-seen', '1')")
                page = context.new_page()
                page.set_default_timeout(PATIENCE)
                if walk == "researcher":
                    researcher(page, address)
                else:
                    engineer(page, address, folder / "data" / "drawings")


if __name__ == "__main__":
    main()
