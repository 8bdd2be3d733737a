"""From start to the first number, and from page to page, beside an app that does nothing.

Run `python -m benchmarks.start [DATABASE_ROOT DATASET BACKBONE]` (about a minute); without
arguments it looks at the built-in digits. Server and browser are real. The disk cache is warm: the
app has run once before the clock starts. A switch lasts from the click until the new page's script
has ended and its charts are drawn; work that a chart stands in for (PCA for UMAP) may go on. The
other app has two pages of one line each, and is measured in the same run by the same means.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from tests.helpers.browser import launch, server

WARM_UPS, STARTS, ROUNDS = 1, 3, 5
_EMPTY = """
import streamlit as st

def one():
    st.title("One")

def two():
    st.title("Two")

st.navigation([st.Page(one, title="One"), st.Page(two, title="Two")]).run()
"""
_SHOWN = """
title => {
  const app = document.querySelector("[data-testid='stApp']");
  const heading = document.querySelector("h1");
  const charts = [...document.querySelectorAll("[class*='st-key-chart_']")];
  return app && heading && app.dataset.testScriptState === "notRunning"
    && heading.textContent.trim() === title
    && charts.every(chart => chart.querySelector(".main-svg"))
    && !document.querySelector("[data-testid='stSkeleton']")
    && (charts.length > 0 || !document.querySelector("[data-testid='stProgress']"));
}
"""
# Pages whose heading is not their name.
_HEADINGS = {"Overview": "WANN Explorer"}
Seconds = dict[str, list[float]]


def shown(page: Page, title: str) -> None:
    """Wait until the page of this title is complete."""
    page.wait_for_function(_SHOWN, arg=title, polling=25, timeout=120_000)


def measure(
    browser: Browser, app: Path, database_root: Path | None, query: str, first: str, sign: str
) -> tuple[Seconds, Seconds]:
    """Seconds of each start, in stages, and of each switch to a page.

    Parameters
    ----------
    app : Path
        The script that Streamlit runs.
    first, sign : str
        Title of the page that opens, and a selector of the first thing worth seeing on it.
    """
    starts: Seconds = {"server answers": [], f"{first}: first number": [], f"{first}: complete": []}
    switches: Seconds = {}
    with tempfile.TemporaryDirectory() as name:
        for attempt in range(WARM_UPS + STARTS):
            page = browser.new_page(viewport={"width": 1440, "height": 1200})
            began = time.perf_counter()
            with server(Path(name), database_root, app=app) as address:
                seconds = [time.perf_counter() - began]
                page.goto(f"{address}/?{query}")
                page.locator(sign).first.wait_for(timeout=600_000)
                seconds.append(time.perf_counter() - began)
                shown(page, _HEADINGS.get(first, first))
                seconds.append(time.perf_counter() - began)
                if attempt >= WARM_UPS:  # the cache is warm
                    for stage, value in zip(starts.values(), seconds, strict=True):
                        stage.append(value)
                if attempt == WARM_UPS + STARTS - 1:
                    switches = switch(page)
            page.close()
    return starts, switches


def switch(page: Page) -> Seconds:
    """Click through the navigation; the first round, which imports what pages need, by itself."""
    # Ours are at the top, those of the empty app in its sidebar.
    links = page.locator("[data-testid=stTopNavLink], [data-testid=stSidebarNavLink]")
    titles = links.all_inner_texts()
    titles = [text.strip().splitlines()[-1] for text in titles]
    seconds: Seconds = {}
    for turn in range(ROUNDS + 1):
        for at in [*range(1, len(titles)), 0]:
            page.wait_for_timeout(300)
            began = time.perf_counter()
            links.nth(at).click()
            shown(page, _HEADINGS.get(titles[at], titles[at]))
            kind = "first visit" if turn == 0 else "later visits"
            seconds.setdefault(f"{titles[at]}, {kind}", []).append(time.perf_counter() - began)
    return seconds


def table(title: str, ours: Seconds, empty: Seconds) -> None:
    """Median and worst, and the median over that of the empty app."""
    print(f"\n{title:38}{'median, s':>10}{'worst, s':>10}{'times the empty app':>21}")
    for name, seconds in ours.items():
        base = empty[name] if name in empty else [s for many in empty.values() for s in many]
        median = statistics.median(seconds)
        ratio = median / statistics.median(base)
        print(f"{name:38}{median:10.2f}{max(seconds):10.2f}{ratio:21.1f}")


def main() -> None:
    """Measure and print."""
    given = sys.argv[1:]
    root = Path(given[0]) if given else None
    query = urlencode({"dataset": given[1], "backbone": given[2]}) if given else ""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        script = Path(name) / "empty.py"
        script.write_text(_EMPTY)
        browser = launch(playwright)
        empty_starts, empty_switches = measure(browser, script, None, "", "One", "h1")
        app = Path(__file__).resolve().parents[1] / "app.py"
        starts, switches = measure(browser, app, root, query, "Overview", ".wann-card")
        browser.close()
    stages = dict(zip(starts, empty_starts.values(), strict=True))
    print(f"{STARTS} starts, {ROUNDS} rounds over all pages; {query or 'built-in digits'}")
    print(f"empty app: {_medians(empty_starts)}; {_medians(empty_switches)}")
    table("start", starts, stages)
    table("switch to", switches, empty_switches)


def _medians(seconds: Seconds) -> str:
    return ", ".join(f"{name} {statistics.median(s):.2f} s" for name, s in seconds.items())


if __name__ == "__main__":
    main()
