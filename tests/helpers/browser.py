"""A real server and a real browser for the tests of the pages."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Download,
    Locator,
    Page,
    Playwright,
    TimeoutError,
)

from tests.helpers.roots import ROOT

PATIENCE = 120_000  # milliseconds; a loaded machine is slow, not broken
READY = "[data-testid='stDownloadButton'], button:has(:text-is('Run'))"
_QUIET = 300  # milliseconds
_AT_REST = """([state, quiet, call]) => {
  const idle = document.querySelector(state) !== null, now = performance.now();
  if (!idle || window.settling?.call !== call) window.settling = {call, since: now};
  return idle && now - window.settling.since >= quiet;
}"""
_IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"
# The first has no window of its own, and takes less time to draw the same.
_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)


# Without the graphics hardware each frame of an animation costs as much as a page.
_STILL = """addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent = `*, *::before, *::after { animation-duration: 1ms !important;
    animation-delay: 0s !important; animation-iteration-count: 1 !important;
    transition: none !important; }`;
  document.head.append(style);
})"""


def launch(playwright: Playwright) -> Browser:
    """Chromium of the machine or of Playwright; the test is skipped where there is neither."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    own = playwright.chromium.executable_path
    if path is None and not Path(own).exists():
        reason = f"no browser: none of {', '.join(_NAMES)} is on the PATH"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; CI must not skip the real browser")
        pytest.skip(reason)
    return playwright.chromium.launch(executable_path=path, args=list(_ARGS))


def fresh_context(browser: Browser, scheme: Literal["light", "dark"] = "light") -> BrowserContext:
    """What one person's tabs share; nothing moves in them."""
    context = browser.new_context(viewport={"width": 1440, "height": 1300}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(_STILL)
    return context


@contextlib.contextmanager
def server(
    folder: Path,
    database_root: Path | None = None,
    dataset_root: Path | None = None,
    app: Path = ROOT / "app.py",
) -> Iterator[str]:
    """The app on a free port, as `streamlit run app.py` starts it; yields its address."""
    with process(folder, database_root, dataset_root, app) as (address, _):
        yield address


@contextlib.contextmanager
def process(
    folder: Path,
    database_root: Path | None = None,
    dataset_root: Path | None = None,
    app: Path = ROOT / "app.py",
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The same; yields its address and the process, which a test may kill."""
    port = free_port()
    environment = os.environ | {
        "WANN_CACHE": str(folder / "cache"),
        "WANN_REVIEW_ROOT": str(folder / "reviews"),
    }
    if database_root is not None:
        environment["WANN_DATABASE_ROOT"] = str(database_root)
    if dataset_root is not None:
        environment["WANN_DATASET_ROOT"] = str(dataset_root)
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    options = [f"--server.port={port}", "--server.headless=true"]
    with (folder / "server.log").open("w") as log:
        running = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, running, folder / "server.log")
            yield address, running
        finally:
            running.terminate()
            running.wait(20)


def free_port() -> int:
    """Port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers; fail with its log where it ends before."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"the app did not start:\n{log.read_text()}")


def settle(page: Page, patience: float = PATIENCE) -> None:
    """Wait until no script has run for a moment: after a click it may take that long to start."""
    page.wait_for_function(
        _AT_REST, arg=[_IDLE, _QUIET, time.monotonic()], timeout=patience, polling=50
    )


def opened(context: BrowserContext, url: str, sign: str = READY) -> Page:
    """A new tab that has finished loading: `sign` is there, and the page is at rest."""
    tab = context.new_page()
    tab.goto(url)
    tab.locator(sign).first.wait_for()
    settle(tab)
    return tab


def press(page: Page, name: str | re.Pattern[str], follows: Locator | None = None) -> None:
    """Press a button until what should follow is there, or else until the button goes.

    A click while a loaded machine redraws the page may be lost.
    """
    button = page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True).first
    button.wait_for()
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):  # a table that follows a job is never at rest
            settle(page, 5_000)
        with contextlib.suppress(TimeoutError):
            if button.is_visible() and button.is_enabled():
                button.click(timeout=5_000)
            if follows is None:
                button.wait_for(state="detached", timeout=15_000)
            else:
                follows.first.wait_for(timeout=15_000)
            return
    pytest.fail(f"{name} was pressed again and again, and nothing followed")


def choose(page: Page, name: str, option: str) -> None:
    """Choose from a drop-down list; one that is open while the page redraws may close."""
    box = page.get_by_role("combobox", name=name)
    for _ in range(3):
        settle(page)
        box.click()
        with contextlib.suppress(TimeoutError):
            page.get_by_role("option", name=option, exact=True).click(timeout=5_000)
            settle(page)
            # A list of several choices shows them beside its field, which is empty.
            if box.input_value() in (option, ""):
                return
        page.keyboard.press("Escape")
    pytest.fail(f"{option} could not be chosen")


def cancel_button(page: Page) -> Locator:
    """Cancel of the page's own job; the sidebar may list jobs of other pages, each with one."""
    return page.get_by_test_id("stMain").get_by_role("button", name="Cancel", exact=True)


def saved(page: Page, button: Locator) -> Download:
    """Press a download button of a page at rest: before, it may still give an older file."""
    settle(page)
    with page.expect_download() as event:
        button.click()
    return event.value


def download(page: Page, name: str) -> pd.DataFrame:
    """Press the CSV button of this name and read what comes."""
    file = saved(page, page.locator(f".st-key-csv_{name} button"))
    assert file.suggested_filename == f"wann-{name}.csv"
    return pd.read_csv(file.path())


def legend(page: Page, chart: str) -> Locator:
    """The names beside the lines of a chart."""
    return page.locator(f".st-key-chart_{chart} .legendtext")
