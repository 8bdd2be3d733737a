"""What one move of the noise slider costs: in the engine, and from key press to picture.

Run `python -m benchmarks.slider` (two to three minutes). It makes a database of 50,000 × 128 rows
in 10 classes, measures the engine part (new noise, adaptive k, four methods), then opens the app in
a headless browser, moves the slider and waits until the last chart shows the new numbers.
"""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.neighbors import clusters
from tests.helpers.browser import launch, server, settle
from wann_core import Scenario, classify, prepare
from wann_core.methods.registry import BASELINES

ROWS, TEST_ROWS, COLUMNS, MOVES = 50_000, 10_000, 128, 60


def make_database(root: Path) -> None:
    """A database named 'clusters' with backbone 'gauss'."""
    place = root / "clusters" / "gauss"
    place.mkdir(parents=True)
    for split, rows, seed in (("train", ROWS, 1), ("test", TEST_ROWS, 2)):
        X, labels = clusters(rows, COLUMNS, seed)
        np.savez(place / f"{split}.npz", embeddings=X, labels=labels)


def engine_part(root: Path, pattern: str) -> list[float]:
    """Seconds of each move of the noise ratio."""
    base = Scenario("clusters", "gauss", noise_pattern=pattern, draw="exact")
    prepare(base, database_root=root)
    seconds = []
    for i in range(MOVES):
        moved = dataclasses.replace(base, noise_ratio=0.2 + 0.01 * i)
        started = time.perf_counter()
        prepared = prepare(moved, database_root=root)
        for method in BASELINES:
            classify(prepared, moved.with_method(method))
        seconds.append(time.perf_counter() - started)
    return seconds


def browser_part(root: Path, folder: Path) -> list[float]:
    """Seconds from the key press until the run is over and the numbers are drawn."""
    seconds = []
    with server(folder, root) as address, sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 1200})
        # Nobody knows which of these labels are true: noise has to be asked for.
        page.goto(f"{address}/?dataset=clusters&added_noise=Symmetric&ratio=0.2")
        page.locator(".wann-card").first.wait_for(timeout=300_000)
        settle(page)
        slider = page.get_by_role("slider", name="Noise ratio")
        slider.focus()
        for move in range(MOVES):
            # There and back, so that no move meets the end of the slider.
            forward = move // 12 % 2 == 0
            before = page.locator(".js-plotly-plot .textpoint").first.text_content()
            started = time.perf_counter()
            slider.press("ArrowRight" if forward else "ArrowLeft")
            page.wait_for_function(
                "before => document.querySelector('.js-plotly-plot .textpoint').textContent"
                " !== before && document.querySelector(\"[data-testid='stApp']\")"
                ".dataset.testScriptState === 'notRunning'",
                arg=before,
                polling=25,
            )
            seconds.append(time.perf_counter() - started)
            page.wait_for_timeout(300)
        browser.close()
    return seconds


def line(name: str, seconds: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    tail = statistics.quantiles(seconds, n=20)[-1]
    return f"{name:42}{1000 * statistics.median(seconds):7.0f} ms median{1000 * tail:7.0f} ms 95 %"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = folder / "database"
        make_database(root)
        print(f"{ROWS:,} + {TEST_ROWS:,} rows × {COLUMNS}, 10 classes, {MOVES} moves")
        for pattern in ("sym", "asym", "instance", "similar"):
            print(line(f"engine, {pattern} noise", engine_part(root, pattern)))
        print(line("slider to picture in the browser, sym", browser_part(root, folder)))


if __name__ == "__main__":
    main()
