"""From the controls of a sweep to a paper's table, in a real browser, as a person would."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.helpers.browser import cancel_button, download, legend, press, saved, server

# Logistic regression takes long enough to be canceled in the middle.
ASKED = (
    "/sweeps?patterns=Symmetric&noise_ratios=0.2&noise_ratios=0.4&seed_count=4"
    "&sweep_methods=kNN-11&sweep_methods=WANN&sweep_methods=logreg&sweep_methods=logreg_reliability"
)


@pytest.fixture(scope="module")
def address(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a results store of its own: what is counted are the runs of these tests."""
    with server(tmp_path_factory.mktemp("app")) as url:
        yield url


def metric(page: Page, name: str) -> Locator:
    label = page.get_by_text(name, exact=True)
    return page.get_by_test_id("stMetric").filter(has=label).get_by_test_id("stMetricValue")


def text(page: Page, key: str) -> str:
    """What comes when the download button of this key is pressed."""
    return Path(saved(page, page.locator(f".st-key-{key} button")).path()).read_text()


def test_sweep_cancel_resume_table_latex_comparison_and_link(page: Page, address: str) -> None:
    page.goto(address + ASKED)
    expect(metric(page, "Runs")).to_have_text("32")
    plan = tomllib.loads(text(page, "toml_plan"))
    assert plan["grid"][0]["noise_ratio"] == [0.2, 0.4]
    assert plan["grid"][0]["method"] == ["kNN-11", "WANN", "logreg", "logreg_reliability"]

    press(page, "Run", cancel_button(page))
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 32 runs have ended"))).to_be_visible()
    cancel_button(page).click()  # at once: the runs go on meanwhile
    expect(page.get_by_text("Canceled. Finished runs are kept")).to_be_visible()
    press(page, re.compile(r"^Run remaining \d+$"), cancel_button(page))
    expect(page.get_by_text("All runs have ended")).to_be_visible()
    expect(metric(page, "Stored")).to_have_text("32")
    expect(metric(page, "To do")).to_have_text("0")

    page.get_by_role("link", name="See the results").click()
    expect(page.get_by_text("32 of 32 runs.")).to_be_visible()
    cells = download(page, "results")
    assert len(cells) == 4 * 2
    assert set(cells["seeds"]) == {4}
    latex = text(page, "text_tex")
    assert latex.count(r"\toprule") == 1
    for cell in cells.itertuples():
        assert f"{100 * cell.mean:.2f} \\pm {100 * cell.std:.2f}" in latex
    best = cells[cells["best"]]
    for cell in best.itertuples():
        assert rf"\mathbf{{{100 * cell.mean:.2f}" in latex
    assert "**" in text(page, "text_md")

    views = page.get_by_role("radio", name="Compare two", exact=True)
    views.click()
    expect(metric(page, "Pairs")).to_have_text("8")
    pairs = download(page, "results-pairs")
    assert list(pairs["condition"]) == ["sym 0.2", "sym 0.4"]
    assert set(pairs["pairs"]) == {4}
    by_cell = cells.set_index(["method", "noise"])["mean"]
    for one in pairs.itertuples():
        first, second = (by_cell[m, one.condition] for m in (one.first_is, one.second_is))
        assert one.difference == pytest.approx(second - first)

    # The URL holds the view: another person sees the same.
    page.get_by_role("radio", name="Chart", exact=True).click()
    methods = ["kNN-11", "WANN", "logreg", "logreg_reliability"]
    expect(legend(page, "results-chart")).to_have_text(methods)
    expect(page).to_have_url(re.compile("view=Chart"))
    page.reload()
    expect(legend(page, "results-chart")).to_have_text(methods)
    assert page.get_by_test_id("stException").count() == 0


def test_a_plan_file_is_uploaded_and_a_log_is_imported(
    page: Page, address: str, tmp_path: Path
) -> None:
    page.goto(f"{address}/sweeps?plan=From+a+plan+file")
    page.get_by_text("A plan is a TOML file of grids").wait_for()
    upload = page.locator("input[type=file]")
    (tmp_path / "bad.toml").write_text("[[grid]]\nseeds = 1")
    upload.set_input_files(tmp_path / "bad.toml")
    expect(page.get_by_text("is not a key of a plan")).to_be_visible()
    (tmp_path / "good.toml").write_text('[[grid]]\nmethod = ["ANN", "WANN"]\ndataset = "digits"')
    page.goto(f"{address}/sweeps?plan=From+a+plan+file")
    page.get_by_text("A plan is a TOML file of grids").wait_for()
    page.locator("input[type=file]").set_input_files(tmp_path / "good.toml")
    expect(metric(page, "Runs")).to_have_text("2")

    page.goto(f"{address}/results?view=Import+logs")
    page.get_by_text("The published scripts write one JSON log a run").wait_for()
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
    press(page, "Import", page.get_by_text("1 run imported"))
    expect(page.get_by_text("is not a log of a run: it holds no JSON object")).to_be_visible()
    page.goto(f"{address}/results?f_origin=import: published code")
    expect(page.get_by_text(re.compile("1 of .* runs, 1 of them imported"))).to_be_visible()
