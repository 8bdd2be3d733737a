"""The pages in a real browser, used as a person would."""

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import launch, server, settle


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Asks for the browser first: without one there is no use in starting a server.
    with server(tmp_path_factory.mktemp("app")) as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1200})
    opened = context.new_page()
    opened.goto(address)
    # The first page may show a progress bar while the kernels are compiled.
    opened.locator(".wann-card").first.wait_for(timeout=120_000)
    settle(opened)
    yield opened
    context.close()


def cards(page: Page) -> dict[str, float]:
    """Accuracy in percent by method, as the cards show it."""
    found = page.locator(".wann-card")
    names = found.locator(".name").all_inner_texts()
    values = found.locator(".value").all_inner_texts()
    return {name: float(v.rstrip(" %")) for name, v in zip(names, values, strict=True)}


def test_noise_slider_moves_the_numbers_and_the_csv_holds_them(page: Page) -> None:
    before = cards(page)
    assert list(before) == ["kNN-11", "kNN-51", "ANN", "WANN"]
    expect(page.get_by_text("Realised noise: 40.00 % of the labels")).to_be_visible()

    slider = page.get_by_role("slider", name="Noise ratio")
    slider.focus()
    for _ in range(6):
        slider.press("ArrowRight")
    expect(page.get_by_text("Realised noise: 70.00 % of the labels")).to_be_visible()
    settle(page)
    after = cards(page)
    assert after["kNN-11"] < before["kNN-11"] - 10

    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").first.get_by_role("button").click()
    table = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert download.value.suggested_filename == "wann-accuracy.csv"
    assert dict(zip(table["method_name"], (100 * table["accuracy"]).round(1), strict=True)) == after
    assert set(table["noise_ratio"]) == {0.7}
    assert set(table["realised_noise"]) == {0.7}
    assert set(table["dataset"]) == {"digits"}


def test_comparison_draws_a_curve_a_method(page: Page) -> None:
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("the best mean is bold").wait_for(timeout=60_000)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=60_000)
    settle(page)
    legend = page.locator(".js-plotly-plot").first.locator(".legendtext").all_text_contents()
    assert legend == ["kNN-11", "kNN-51", "ANN", "WANN"]
    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").first.get_by_role("button").click()
    table = pd.read_csv(Path(download.value.path()))
    assert len(table) == 9 * 4 * 3
    mean = table.groupby(["noise_ratio", "method_name"])["accuracy"].mean().unstack()
    # More wrong labels never help, and under heavy noise many voters beat few.
    assert mean.loc[0.0].min() > mean.loc[0.8].max()
    assert mean.loc[0.8, "WANN"] > mean.loc[0.8, "kNN-11"]
