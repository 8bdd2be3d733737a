"""Make docs/screenshots again from the running app: `python -m docs.make_screenshots`.

Pictures to look at, at other widths: `… --widths 390 1440 2560 --out FOLDER [--views map …]`.
"""

import argparse
import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_digits

from tests.helpers.browser import launch, server, settle
from tests.helpers.roots import ROOT

FOLDER = ROOT / "docs" / "screenshots"
VIEWS = {
    "overview": "/",
    "map": "/map",
    "neighborhoods": "/neighborhoods?show=Methods+disagree",
    "reliability": "/reliability",
    "k-bounds": "/k_bounds",
    # Results shows what was run until then.
    "sweeps": "/sweeps",
    "results": "/results",
    "compare": "/compare?seeds=5",
    "dimension": "/dimensions",
    "probes": "/probes?rate=0.003",
    "review": "/label_audit?practice=Symmetric",
    "data": "/data?task=embed&embed_backbone=pixels",
}
# Relative to the server's working folder, so that no picture shows where that lies.
DEMO = Path("build/demo")


_HIGHEST = 1600  # pixels
_WIDTH = 1440  # of the pictures in the documentation


def main() -> None:
    """One picture a page, theme and width, as high as the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[_WIDTH], metavar="PIXELS")
    parser.add_argument("--views", nargs="+", default=list(VIEWS), choices=VIEWS)
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="FOLDER")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        with (
            tempfile.TemporaryDirectory() as name,
            mock.patch.dict(os.environ, {"WANN_CACHE": name}),
            server(Path(name), DEMO / "database", DEMO / "data") as address,
            sync_playwright() as playwright,
        ):
            browser = launch(playwright)
            for view, width in itertools.product(asked.views, asked.widths):
                context = browser.new_context(
                    viewport={"width": width, "height": 1000}, color_scheme=theme
                )
                context.add_init_script("localStorage.setItem('wann-tour-seen', '1')")
                page = context.new_page()
                page.goto(address + VIEWS[view])
                size = f"-{width}" if width != _WIDTH else ""
                target = asked.out / f"{view}-{theme}{size}.png"
                if view == "data":
                    embed_digits(page)
                    save(page, target)
                else:
                    take(page, target)
                context.close()
    shutil.rmtree(ROOT / DEMO, ignore_errors=True)


def embed_digits(page: Page) -> None:
    """Embed a folder of handwritten digits, as a user would."""
    shutil.rmtree(ROOT / DEMO, ignore_errors=True)
    source = load_digits()
    for i in range(600):
        file = ROOT / DEMO / "data" / "handwritten" / str(source.target[i]) / f"{i:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((source.images[i] * 255 / 16).astype(np.uint8)).save(file)
    page.get_by_role("radio", name="Embed images").click(timeout=120_000)
    page.get_by_role("radio", name="A folder on this machine").click()
    folder = page.get_by_role("textbox", name="Folder", exact=True)
    folder.fill(str(DEMO / "data" / "handwritten"))
    folder.press("Enter")
    page.get_by_text("Understood:").wait_for()
    settle(page)
    page.get_by_role("button", name="Embed", exact=True).click()
    page.get_by_text("embedded by this backbone already").wait_for(timeout=120_000)
    settle(page)


def take(page: Page, target: Path) -> None:
    """Wait until the page stands still, start what it offers to start, and save it."""
    run = page.get_by_role("button", name=re.compile("^(Run|Run remaining .*|Train|Audit)$"))
    download = page.locator("[data-testid=stDownloadButton]:visible")
    answer = download.or_(page.get_by_text("Keys: K keep"))
    answer.or_(run).first.wait_for(timeout=120_000)
    settle(page)
    if run.count() and run.is_enabled():
        run.click()
        page.wait_for_timeout(2000)
    answer.first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Cancel").wait_for(state="detached", timeout=120_000)
    settle(page)
    save(page, target)


def save(page: Page, target: Path) -> None:
    """A picture of the whole page."""
    selector = "[data-testid=stMain], [data-testid=stSidebarContent]"
    height = page.evaluate(
        "s => Math.max(...[...document.querySelectorAll(s)].map(e => e.scrollHeight))", selector
    )
    width = page.viewport_size["width"] if page.viewport_size else _WIDTH
    page.set_viewport_size({"width": width, "height": min(height + 20, _HIGHEST)})
    page.wait_for_timeout(2500)
    page.screenshot(path=target)


if __name__ == "__main__":
    main()
