"""One browser and one server for all tests of this folder; each test has a fresh context."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.engine.experiments.test_leave_one_out import write as write_without_test_rows
from tests.helpers.browser import PATIENCE, fresh_context, launch, server
from tests.pages.test_reliability import many_classes
from wann_core import ProbeSettings, Scenario, classify, prepare, run_all
from wann_core.methods.registry import BASELINES
from wann_core.storage.files import locked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: `pytest -m "not browser"` leaves them out."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Closed with the last test of this folder: Playwright's event loop must not run beside others.
@pytest.fixture(scope="package")
def browser(umap_kernels: None) -> Iterator[Browser]:
    """A real browser; the test is skipped where there is none."""
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        compile_kernels()
        expect.set_options(timeout=PATIENCE)
        yield chromium
        chromium.close()


def compile_kernels() -> None:
    """Compile the kernels of search, votes and probes, in one process, before a page needs them."""
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    scenario = Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact")
    with locked(folder / "tests.lock"):
        prepared = prepare(scenario)
        for method in BASELINES:
            classify(prepared, scenario.with_method(method))
        once = dataclasses.replace(scenario, probe=ProbeSettings(num_epochs=1))
        for _ in run_all([once.with_method(loss) for loss in ("ce", "gce")]):
            pass


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """What one person's tabs share."""
    fresh = fresh_context(browser)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab."""
    return context.new_page()


@pytest.fixture(scope="package")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parent of the folders `database` and `data` of the shared server.

    Its data sets: `blobs` and `large`, whose searches take long enough to be canceled, `hundred` of
    a hundred classes, and `lone` without test rows.
    """
    folder = tmp_path_factory.mktemp("app")
    (folder / "data").mkdir()
    root = folder / "database"
    many_classes(root, 100)
    write_without_test_rows(root, n=90)
    write_clusters(root / "blobs" / "gauss", (3_000, 1_000), 120, classes=6, apart=4)
    write_clusters(root / "large" / "gauss", (40_000, 1_000), 384, classes=5, apart=3)
    return folder


def write_clusters(
    place: Path, rows: tuple[int, int], columns: int, classes: int, apart: float
) -> None:
    """Write training and test rows of Gaussian classes, each shifted along an axis of its own."""
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in zip(("train", "test"), rows, strict=True):
        labels = rng.integers(0, classes, count)
        X = rng.standard_normal((count, columns)).astype(np.float32)
        X[:, :classes] += apart * np.eye(classes, dtype=np.float32)[labels]
        np.savez(place / f"{split}.npz", embeddings=X.astype(np.float16), labels=labels)


# Asks for the browser first: without one there is no use in starting a server.
@pytest.fixture(scope="package")
def address(browser: Browser, app_folder: Path) -> Iterator[str]:
    """Where the shared server answers."""
    with server(app_folder, app_folder / "database", app_folder / "data") as url:
        yield url
