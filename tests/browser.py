"""A real server and a real browser for the tests of the pages."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright

ROOT = Path(__file__).resolve().parents[1]
IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)


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


@contextlib.contextmanager
def server(
    folder: Path,
    database_root: Path | None = None,
    dataset_root: Path | None = None,
    app: Path = ROOT / "app.py",
) -> Iterator[str]:
    """The app on a free port, as `streamlit run app.py` starts it; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"WANN_CACHE": str(folder / "cache")}
    if database_root is not None:
        environment["WANN_DATABASE_ROOT"] = str(database_root)
    if dataset_root is not None:
        environment["WANN_DATASET_ROOT"] = str(dataset_root)
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    options = [f"--server.port={port}", "--server.headless=true"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, folder / "server.log")
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
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


def settle(page: Page) -> None:
    """Wait until the script has run to its end."""
    page.wait_for_selector(IDLE, timeout=60_000)
