"""From the controls of a sweep to a paper's table, in a real browser, as a person would."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from tests.browser import server, settle

LONG = 120_000  # milliseconds; a loaded machine is slow, not broken
# Logistic regression takes long enough to be cancelled in the middle.
ASKED = (
    "/sweeps?patterns=Symmetric&noise_ratios=0.2&noise_ratios=0.4&seed_count=8"
    "&sweep_methods=kNN-11&sweep_methods=WANN&sweep_methods=logreg&sweep_methods=logreg_reliability"
)


@pytest.fixture(scope="module")
def address(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("app")) as url:
        yield url


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1400})
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    yield tab
    context.close()


def press(page: Page, name: str, follows: Locator) -> None:
    """Press until what should follow is there: a click while a page redraws may be lost."""
    button = page.get_by_role("button", name=name, exact=True)
    for _ in range(3):
        settle(page)
        if follows.is_visible():
            return
        button.click()
        try:
            follows.wait_for(timeout=15_000)
            return
        except TimeoutError:
            continue
    pytest.fail(f"{name} was pressed three times and nothing followed")


def metric(page: Page, name: str) -> Locator:
    label = page.get_by_text(name, exact=True)
    return page.get_by_test_id("stMetric").filter(has=label).get_by_test_id("stMetricValue")


def download(page: Page, key: str) -> Path:
    with page.expect_download() as event:
        page.locator(f".st-key-{key} button").click()
    return Path(event.value.path())


def test_sweep_cancel_go_on_table_latex_comparison_and_link(page: Page, address: str) -> None:
    page.goto(address + ASKED)
    expect(metric(page, "Runs")).to_have_text("64", timeout=LONG)
    plan = tomllib.loads(download(page, "toml_plan").read_text())
    assert plan["grid"][0]["noise_ratio"] == [0.2, 0.4]
    assert plan["grid"][0]["method"] == ["kNN-11", "WANN", "logreg", "logreg_reliability"]

    press(page, "Run", page.get_by_role("button", name="Cancel"))
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 64 runs have ended"))).to_be_visible(
        timeout=LONG
    )
    press(page, "Cancel", page.get_by_text("Cancelled. What has ended is kept"))
    settle(page)
    press(page, "Go on", page.get_by_role("button", name="Cancel"))
    expect(page.get_by_text("All runs have ended")).to_be_visible(timeout=LONG)
    settle(page)
    expect(metric(page, "Stored")).to_have_text("64", timeout=LONG)
    expect(metric(page, "To do")).to_have_text("0")

    page.get_by_role("link", name="See the results").click()
    expect(page.get_by_text("64 of 64 runs.")).to_be_visible(timeout=LONG)
    settle(page)
    cells = pd.read_csv(download(page, "csv_results"))
    assert len(cells) == 4 * 2
    assert set(cells["seeds"]) == {8}
    latex = download(page, "text_tex").read_text()
    assert latex.count(r"\toprule") == 1
    for cell in cells.itertuples():
        assert f"{100 * cell.mean:.2f} \\pm {100 * cell.std:.2f}" in latex
    best = cells[cells["best"]]
    for cell in best.itertuples():
        assert rf"\mathbf{{{100 * cell.mean:.2f}" in latex
    assert "**" in download(page, "text_md").read_text()

    views = page.get_by_role("radio", name="Compare two", exact=True)
    views.click()
    expect(metric(page, "Pairs")).to_have_text("16", timeout=LONG)
    settle(page)
    page.locator(".st-key-csv_results-pairs").wait_for()
    pairs = pd.read_csv(download(page, "csv_results-pairs"))
    assert list(pairs["condition"]) == ["sym 0.2", "sym 0.4"]
    assert set(pairs["pairs"]) == {8}
    by_cell = cells.set_index(["method", "noise"])["mean"]
    for one in pairs.itertuples():
        first, second = (by_cell[m, one.condition] for m in (one.first_is, one.second_is))
        assert one.difference == pytest.approx(second - first)

    # The URL holds the view: another person sees the same.
    page.get_by_role("radio", name="Chart", exact=True).click()
    chart = page.locator(".st-key-chart_results-chart")
    expect(chart.locator(".legendtext")).to_have_text(
        ["kNN-11", "WANN", "logreg", "logreg_reliability"], timeout=LONG
    )
    settle(page)
    assert "view=Chart" in page.url
    page.reload()
    expect(chart.locator(".legendtext")).to_have_text(
        ["kNN-11", "WANN", "logreg", "logreg_reliability"], timeout=LONG
    )
    assert page.get_by_test_id("stException").count() == 0


def test_a_plan_file_is_uploaded_and_a_log_is_imported(
    page: Page, address: str, tmp_path: Path
) -> None:
    page.goto(f"{address}/sweeps?plan=From+a+plan+file")
    page.get_by_text("A plan is a TOML file of grids").wait_for(timeout=LONG)
    upload = page.locator("input[type=file]")
    (tmp_path / "bad.toml").write_text("[[grid]]\nseeds = 1")
    upload.set_input_files(tmp_path / "bad.toml")
    expect(page.get_by_text("is no key of a plan")).to_be_visible(timeout=LONG)
    (tmp_path / "good.toml").write_text('[[grid]]\nmethod = ["ANN", "WANN"]\ndataset = "digits"')
    page.goto(f"{address}/sweeps?plan=From+a+plan+file")
    page.get_by_text("A plan is a TOML file of grids").wait_for(timeout=LONG)
    page.locator("input[type=file]").set_input_files(tmp_path / "good.toml")
    expect(metric(page, "Runs")).to_have_text("2", timeout=LONG)

    page.goto(f"{address}/results?view=Import+logs")
    page.get_by_text("The published scripts write one JSON log a run").wait_for(timeout=LONG)
    log = (
        '{"dataset": "digits", "backbone": "pixels", "method": "WANN", "k": [11, 51], '
        '"accuracy": 91.25, "artificial_noise": {"pattern": "None", "rate": 0}, '
        '"imbalance_ratio": null, "dimensionality_reduction": "None"}'
    )
    (tmp_path / "digits_WANN_s1.json").write_text(log)
    (tmp_path / "other_s1.json").write_text("[]")
    page.locator("input[type=file]").set_input_files(
        [tmp_path / "digits_WANN_s1.json", tmp_path / "other_s1.json"]
    )
    press(page, "Import", page.get_by_text("1 runs imported"))
    expect(page.get_by_text("is no log of a run: it holds no JSON object")).to_be_visible()
    page.goto(f"{address}/results?f_origin=import: published code")
    expect(page.get_by_text(re.compile("1 of .* runs, 1 of them imported"))).to_be_visible(
        timeout=LONG
    )
