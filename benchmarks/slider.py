"""What one move of the noise slider costs: in the engine, and from key press to picture.

Run `python -m benchmarks.slider` (two to three minutes). It makes a database of 50,000 × 128 rows
in 10 classes, measures the engine part (new noise, adaptive k, four methods), then opens the app in
a headless browser, moves the slider and waits until the last chart shows the new numbers. The
picture is there with the last change of the page, its script and its jobs at rest.

`python -m benchmarks.slider --root ROOT --dataset mixture [--pages …] [--moves 5] [--cache FOLDER]`
measures pages on another database instead, such as one of `benchmarks.scale database`: seconds
until a page shows its numbers, for the first who opens it and for the next, and the server's
memory. `--cache` keeps the neighbor graph for the next run.
"""

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.neighbors import clusters
from tests.helpers.browser import launch, process
from wann_core import Scenario, prepare
from wann_core.experiments.run import classify_all
from wann_core.methods.registry import BASELINES

ROWS, TEST_ROWS, COLUMNS, MOVES = 50_000, 10_000, 128, 60
# What is there once a page shows its numbers.
SIGNS = {
    "overview": ".wann-card",
    "map": ".st-key-chart_map .js-plotly-plot",
    "reliability": ".st-key-chart_reliability .js-plotly-plot",
    "neighborhoods": ".st-key-chart_share-curve .js-plotly-plot",
    "label_audit": ".deck .card",
}
# Nobody knows which of these labels are true: noise has to be asked for.
ASKED = "added_noise=Symmetric&ratio=0.2&layout=pca", "probe=false"
PATIENCE = 600_000  # milliseconds
_WATCH = """() => {
  const app = document.querySelector("[data-testid='stApp']");
  const seen = window.wannSeen = {began: performance.now(), last: performance.now(), ran: false};
  const changed = records => {
    if (app.dataset.testScriptState !== 'notRunning') seen.ran = true;
    if (records.some(r => r.target !== app)) seen.last = performance.now();
  };
  const main = document.querySelector("[data-testid='stMain']");
  new MutationObserver(changed).observe(app, {attributes: true});
  new MutationObserver(changed).observe(main,
    {subtree: true, childList: true, attributes: true, characterData: true});
}"""
_AT_REST = """() => {
  const app = document.querySelector("[data-testid='stApp']"), seen = window.wannSeen;
  const busy = app.dataset.testScriptState !== 'notRunning'
    || document.querySelector("[data-testid='stMain'] [data-testid='stProgress']");
  return !busy && performance.now() - Math.max(seen.last, seen.began) > 700;
}"""


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
        classify_all(prepared, [moved.with_method(method) for method in BASELINES])
        seconds.append(time.perf_counter() - started)
    return seconds


def memory(pid: int, name: str = "VmRSS") -> float:
    """MiB that a process holds, or held at most (VmHWM)."""
    for entry in Path(f"/proc/{pid}/status").read_text().splitlines():
        if entry.startswith(name):
            return int(entry.split()[1]) / 1024
    raise RuntimeError("the server has ended")


def processor(pid: int) -> float:
    """Seconds of the processor that a process has taken: other programs do not change them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def thread_seconds(session: CDPSession) -> float:
    """Seconds that the page's main thread has worked since this session began to measure."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def opened(browser: Browser, address: str, name: str, dataset: str) -> tuple[Page, float]:
    """A page of a new session that shows its numbers, and the seconds that took."""
    page = browser.new_context(viewport={"width": 1440, "height": 1200}).new_page()
    page.set_default_timeout(PATIENCE)
    started = time.perf_counter()
    place = "" if name == "overview" else name
    page.goto(f"{address}/{place}?dataset={dataset}&{ASKED[name == 'label_audit']}")
    if name == "label_audit":
        audit = page.get_by_test_id("stMain").get_by_role("button", name="Audit", exact=True)
        page.locator(SIGNS[name]).or_(audit).first.wait_for()
        if audit.count():
            audit.click()
    page.locator(SIGNS[name]).first.wait_for()
    return page, time.perf_counter() - started


def moved(page: Page, moves: int) -> list[float]:
    """Seconds of each move of the slider, from key press to the last change of the page."""
    page.evaluate(_WATCH)
    page.wait_for_function(_AT_REST, polling=50)
    slider = page.get_by_role("slider", name="Noise ratio")
    slider.focus()
    seconds = []
    for move in range(moves):
        page.evaluate(
            "() => { wannSeen.last = wannSeen.began = performance.now(); wannSeen.ran = false; }"
        )
        # There and back, so that no move meets the end of the slider.
        slider.press("ArrowRight" if move // 12 % 2 == 0 else "ArrowLeft")
        page.wait_for_function("() => wannSeen.ran", polling=25)
        page.wait_for_function(_AT_REST, polling=50)
        seconds.append(page.evaluate("() => (wannSeen.last - wannSeen.began) / 1000"))
    return seconds


def browser_part(root: Path, folder: Path, dataset: str, pages: list[str], moves: int) -> None:
    """Open pages in a browser and move the slider; print what that took."""
    with process(folder, root) as (address, server), sync_playwright() as playwright:
        browser = launch(playwright)
        for name in pages:
            ticks = [processor(server.pid)]
            first, cold = opened(browser, address, name, dataset)
            first.context.close()
            before = memory(server.pid)
            ticks.append(processor(server.pid))
            page, warm = opened(browser, address, name, dataset)
            each = memory(server.pid) - before
            ticks.append(processor(server.pid))
            if name != "label_audit":
                session = page.context.new_cdp_session(page)
                session.send("Performance.enable")
                worked = thread_seconds(session)
                print(line(f"slider to picture, {name}", moved(page, moves)))
                spent = (processor(server.pid) - ticks[-1]) / moves
                print(f"{'of these, the server’s processor':42}{1000 * spent:7.0f} ms mean")
                worked = (thread_seconds(session) - worked) / moves
                print(f"{'of these, the browser’s main thread':42}{1000 * worked:7.0f} ms mean")
            page.context.close()
            held, most = memory(server.pid), memory(server.pid, "VmHWM")
            print(
                f"{name}: first {cold:.1f} s (processor {ticks[1] - ticks[0]:.1f}), again "
                f"{warm:.2f} s ({ticks[2] - ticks[1]:.1f}); {held:,.0f} MiB, {most:,.0f} at most, "
                f"{each:,.0f} more for a session",
                flush=True,
            )
        browser.close()


def line(name: str, seconds: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    tail = statistics.quantiles(seconds, n=20)[-1]
    return f"{name:42}{1000 * statistics.median(seconds):7.0f} ms median{1000 * tail:7.0f} ms 95 %"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="database to open, instead of one made here")
    parser.add_argument("--dataset", default="clusters")
    parser.add_argument("--pages", nargs="+", choices=SIGNS, default=["overview"])
    parser.add_argument("--moves", type=int, default=MOVES)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, root = args.cache or Path(name), args.root
        if root is None:
            root = Path(name) / "database"
            make_database(root)
            print(f"{ROWS:,} + {TEST_ROWS:,} rows × {COLUMNS}, 10 classes, {args.moves} moves")
            for pattern in ("sym", "asym", "instance", "similar"):
                print(line(f"engine, {pattern} noise", engine_part(root, pattern)))
        folder.mkdir(parents=True, exist_ok=True)
        print(f"load of the machine {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        browser_part(root, folder, args.dataset, args.pages, args.moves)


if __name__ == "__main__":
    main()
