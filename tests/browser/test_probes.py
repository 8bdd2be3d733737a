"""Probes trained beside WANN, in a real browser, as a person would."""

from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.helpers.browser import download, legend, opened, press, server, settle

ASKED = "/probes?rate=0.003&losses=ce&losses=gce&logistic=logreg"
TRAIN = "button:has(:text-matches('^Train( again| remaining.*)?$'))"
SCORES = ["method_name", "accuracy", "macro_f1", "best_epoch", "C"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What outlives a server."""
    return tmp_path_factory.mktemp("app")


def expect_results(page: Page) -> pd.DataFrame:
    """The scores of a training that has ended, as its CSV holds them."""
    expect(page.get_by_role("button", name="Train again")).to_be_visible()
    expect(page.get_by_role("heading", name="All methods on these rows")).to_be_visible()
    expect(legend(page, "training")).to_have_text(["ce", "gce"])
    assert page.get_by_test_id("stException").count() == 0
    return download(page, "probes")


def test_train_see_and_come_back(context: BrowserContext, folder: Path) -> None:
    with server(folder) as address:
        page = opened(context, address + ASKED, TRAIN)
        expect(page.get_by_text("Press Train to fit 3 methods")).to_be_visible()
        press(page, "Train")
        scores = expect_results(page)
        methods = ["kNN-11", "kNN-51", "ANN", "WANN", "ce", "gce", "logreg"]
        assert list(scores["method_name"]) == methods
        assert set(scores["dataset"]) == {"digits"}
        assert set(scores["realised_noise"]) == {0.4}
        assert set(scores["learning_rate"].dropna()) == {0.003}
        assert scores["accuracy"].min() > 0.7

        page.get_by_role("radio", name="Training loss").click()
        chart = page.locator(".st-key-chart_training")
        expect(chart.get_by_text("training loss", exact=True)).to_be_visible()

        expect(page.locator(".wann-thumb img")).to_have_count(16)
        expect(page.locator(".wann-thumb").first).to_contain_text("true:")
        page.locator(".st-key-last_loss").get_by_role("radio", name="gce").click()
        rows = download(page, "fitted-last-gce")
        assert set(rows["method"]) == {"gce"}
        assert set(rows["learning_rate"]) == {0.003}
        assert rows["margin"].is_monotonic_increasing
        assert (rows["label"] != rows["clean_label"]).head(60).mean() > 0.8

        # What was chosen, and what was trained, outlives other pages and a reload.
        page.get_by_role("link", name="Overview").click()
        page.locator(".wann-card").first.wait_for()
        settle(page)
        page.get_by_role("link", name="Probes").click()
        pd.testing.assert_frame_equal(expect_results(page)[SCORES], scores[SCORES])
        expect(chart.get_by_text("training loss", exact=True)).to_be_visible()
        page.reload()
        pd.testing.assert_frame_equal(expect_results(page)[SCORES], scores[SCORES])
        expect(page.locator(".wann-thumb img")).to_have_count(16)

    with server(folder) as address:  # nothing but the results store remembers
        page = opened(context, address + ASKED, TRAIN)
        pd.testing.assert_frame_equal(expect_results(page)[SCORES], scores[SCORES])
        expect(page.get_by_text("From the results store: 3 of 3")).to_be_visible()
        expect(page.get_by_text("The results store does not keep these rows")).to_be_visible()
