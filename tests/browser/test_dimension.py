"""The Dimensions page in a real browser, as a person would use it."""

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.helpers.browser import cancel_button, download, legend, opened, press

COLUMNS = 120


def test_run_cancel_resume_and_come_back(context: BrowserContext, address: str) -> None:
    page = opened(context, f"{address}/dimensions?dataset=blobs&added_noise=Symmetric")
    expect(page.get_by_text("embeddings × 4 methods × 3 seeds")).to_be_visible()
    press(page, "Run")

    expect(page.get_by_text("All methods")).to_be_visible()
    cancel_button(page).click()
    note = page.get_by_text(re.compile(r"Canceled after \d+ runs"))
    expect(note).to_be_visible()
    expect(cancel_button(page)).to_have_count(0)
    done = int(re.sub(r"\D", "", note.inner_text()))
    first = download(page, "dimensions")
    assert len(first) == done < 3 * 4 * 20

    press(page, f"Run remaining {3 * 4 * 15 - done}")
    expect(cancel_button(page)).to_have_count(0)
    expect(note).to_have_count(0)
    runs = download(page, "dimensions")
    sizes = {name: set(rows["dimensions"]) for name, rows in runs.groupby("reduction")}
    assert sizes == {
        "none": {COLUMNS},
        "PCA": {2, 4, 5, 8, 12, 16, 32, 64},
        "LDA": {2, 4, 5},
        "fLDA": {2, 4, 5},
    }
    assert len(runs) == 3 * 4 * sum(map(len, sizes.values()))
    # What was measured before the Cancel was not measured again.
    keys = ["reduction", "dimensions", "seed", "method_name", "accuracy", "search_seconds"]
    both = first[keys].merge(runs[keys], on=keys)
    assert len(both) == len(first)
    assert runs["stored_at"].notna().sum() == done
    expect(page.get_by_text("runs were not taken now but stored")).to_be_visible()
    # Six blobs lie in five dimensions: the rest is noise that discriminants leave out.
    mean = (
        runs[runs["method_name"] == "WANN"].groupby(["reduction", "dimensions"])["accuracy"].mean()
    )
    assert mean["LDA", 5] > mean["none", COLUMNS]
    assert mean["LDA", 5] > mean["LDA", 2] + 0.1
    assert {"noise_ratio", "reduction_size", "embedding_bytes", "k_min", "draw"} <= set(runs)
    assert set(runs["dataset"]) == {"blobs"}

    expect(legend(page, "dimensions")).to_have_text(["no reduction", "PCA", "LDA", "fLDA"])
    expect(page.get_by_role("heading", name="Accuracy of WANN")).to_be_visible()
    chart = page.locator(".st-key-chart_dimensions")
    expect(chart.get_by_text("10× smaller")).to_be_visible()
    expect(chart.get_by_text("100× smaller")).to_be_visible()

    page.get_by_role("radio", name="kNN-51").click()
    page.get_by_role("radio", name="Wrong labels").click()
    expect(page.get_by_role("heading", name="Accuracy of kNN-51")).to_be_visible()
    expect(page.get_by_role("heading", name="Mean adaptive k, wrong labels")).to_be_visible()
    k = download(page, "dimensions-adaptive-k")
    wrong = runs[runs["method_name"] == "kNN-51"].groupby(["reduction", "dimensions"])
    expected = wrong["adaptive_k_wrong"].mean()
    for row in k.itertuples():
        assert row.mean == pytest.approx(expected[row.reduction, row.dimensions])
    words = page.get_by_text(re.compile(r"10× smaller \(at most 12"))
    sentence = words.inner_text()

    again = opened(context, page.url)
    expect(again.get_by_role("heading", name="Accuracy of kNN-51")).to_be_visible()
    expect(again.get_by_role("heading", name="Mean adaptive k, wrong labels")).to_be_visible()
    expect(again.get_by_text(re.compile(r"10× smaller \(at most 12"))).to_have_text(sentence)
    table = download(again, "dimensions-table")
    assert len(table) == sum(map(len, sizes.values()))
    assert again.get_by_test_id("stException").count() == 0
