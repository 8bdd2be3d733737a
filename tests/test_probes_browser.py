"""Probes trained beside WANN, in a real browser, as a person would."""

import re
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from tests.browser import server, settle

LONG = 120_000  # milliseconds; a loaded machine is slow, not broken
ASKED = "/probes?rate=0.003&losses=ce&losses=gce&logistic=logreg"
SCORES = ["method_name", "accuracy", "macro_f1", "best_epoch", "C"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What outlives a server."""
    return tmp_path_factory.mktemp("app")


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 1400}).new_page()
    page.set_default_timeout(60_000)
    page.goto(address + ASKED)
    page.get_by_role("button", name=re.compile("^Train( again)?$")).wait_for(timeout=LONG)
    settle(page)
    return page


def train(page: Page) -> None:
    """Press Train until it goes away: a click while the page is drawn anew may be lost."""
    button = page.get_by_role("button", name="Train", exact=True)
    for _ in range(3):
        settle(page)
        button.click()
        try:
            button.wait_for(state="detached", timeout=15_000)
            return
        except TimeoutError:
            continue
    pytest.fail("Train was pressed three times and nothing started")


def download(page: Page, name: str) -> pd.DataFrame:
    with page.expect_download() as event:
        page.locator(f".st-key-csv_{name} button").click()
    assert event.value.suggested_filename == f"wann-{name}.csv"
    return pd.read_csv(Path(event.value.path()))


def expect_results(page: Page) -> pd.DataFrame:
    """The scores of a training that has ended, as its CSV holds them."""
    expect(page.get_by_role("button", name="Train again")).to_be_visible(timeout=LONG)
    settle(page)
    expect(page.get_by_role("heading", name="All methods on these rows")).to_be_visible()
    legend = page.locator(".st-key-chart_training .legendtext")
    expect(legend).to_have_text(["ce", "gce"], timeout=LONG)
    assert page.get_by_test_id("stException").count() == 0
    return download(page, "probes")


def test_train_see_and_come_back(browser: Browser, folder: Path) -> None:
    with server(folder) as address:
        page = opened(browser, address)
        expect(page.get_by_text("Press Train to fit 3 methods")).to_be_visible()
        train(page)
        scores = expect_results(page)
        methods = ["kNN-11", "kNN-51", "ANN", "WANN", "ce", "gce", "logreg"]
        assert list(scores["method_name"]) == methods
        assert set(scores["dataset"]) == {"digits"}
        assert set(scores["realised_noise"]) == {0.4}
        assert set(scores["learning_rate"].dropna()) == {0.003}
        assert scores["accuracy"].min() > 0.7

        page.get_by_role("radio", name="Training loss").click()
        chart = page.locator(".st-key-chart_training")
        expect(chart.get_by_text("training loss", exact=True)).to_be_visible(timeout=LONG)

        expect(page.locator(".wann-thumb img")).to_have_count(16)
        expect(page.locator(".wann-thumb").first).to_contain_text("true:")
        page.locator(".st-key-last_loss").get_by_role("radio", name="gce").click()
        page.locator(".st-key-csv_fitted-last-gce").wait_for()
        settle(page)
        rows = download(page, "fitted-last-gce")
        assert set(rows["method"]) == {"gce"}
        assert set(rows["learning_rate"]) == {0.003}
        assert rows["margin"].is_monotonic_increasing
        assert (rows["label"] != rows["clean_label"]).head(60).mean() > 0.8

        # What was chosen, and what was trained, outlives other pages and a reload.
        page.get_by_role("link", name="Overview").click()
        page.locator(".wann-card").first.wait_for(timeout=LONG)
        settle(page)
        page.get_by_role("link", name="Probes").click()
        pd.testing.assert_frame_equal(expect_results(page)[SCORES], scores[SCORES])
        expect(chart.get_by_text("training loss", exact=True)).to_be_visible(timeout=LONG)
        page.reload()
        pd.testing.assert_frame_equal(expect_results(page)[SCORES], scores[SCORES])
        expect(page.locator(".wann-thumb img")).to_have_count(16)

    with server(folder) as address:  # nothing but the results store remembers
        page = opened(browser, address)
        pd.testing.assert_frame_equal(expect_results(page)[SCORES], scores[SCORES])
        expect(page.get_by_text("From the results store: 3 of 3")).to_be_visible()
        expect(page.get_by_text("The results store does not keep these rows")).to_be_visible()
