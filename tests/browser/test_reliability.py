"""Cells of heatmaps clicked with the mouse, in a real browser, as a person would."""

import random
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import download, legend, press, settle
from wann_core import Scenario, prepare

# Where a cell lies in the window, in pixels: from Plotly's own axes.
_CELL = """([name, row, column]) => {
  const chart = document.querySelector(`.st-key-chart_${name} .js-plotly-plot`);
  const {xaxis, yaxis} = chart._fullLayout, frame = chart.getBoundingClientRect();
  const edge = (axis, from, place) => from + axis._offset + axis.l2p(place);
  const x = [column - 0.5, column + 0.5].map((place) => edge(xaxis, frame.left, place));
  const y = [row - 0.5, row + 0.5].map((place) => edge(yaxis, frame.top, place));
  return [x[0], x[1], y[0], y[1]];
}"""


def opened(page: Page, address: str, chart: str) -> None:
    page.goto(address)
    drawn(page, chart)


def drawn(page: Page, chart: str) -> None:
    page.locator(f".st-key-chart_{chart} .js-plotly-plot .nsewdrag").wait_for()
    settle(page)


def asked(page: Page) -> dict[str, str]:
    """The query parameters."""
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def click(page: Page, chart: str, row: int, column: int, wanted: dict[str, str]) -> None:
    """Click somewhere in a cell until the URL has what it stands for; never anything else.

    A click while the page is redrawn may be lost, so it is made again.
    """
    rng = random.Random(f"{chart}{row}{column}")
    place = page.locator(f".st-key-chart_{chart} .js-plotly-plot")
    before = {key: asked(page).get(key) for key in wanted}
    for _ in range(4):
        settle(page)
        place.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        left, right, top, bottom = page.evaluate(_CELL, [chart, row, column])
        x = left + rng.uniform(0.15, 0.85) * (right - left)
        y = top + rng.uniform(0.15, 0.85) * (bottom - top)
        page.mouse.move(x, y)
        page.wait_for_timeout(300)
        page.mouse.down()
        page.mouse.up()
        for _ in range(30):
            found = {key: asked(page).get(key) for key in wanted}
            if found == wanted:
                settle(page)
                return
            # The parameters may change one after the other, but to nothing else.
            known = all(found[key] in (before[key], wanted[key]) for key in wanted)
            assert known, f"a click in {row}, {column} chose {found}"
            page.wait_for_timeout(100)
    pytest.fail(f"{chart}: four clicks in cell {row}, {column} chose nothing")


def noisy(ratio: float) -> Scenario:
    return Scenario(noise_pattern="sym", noise_ratio=ratio, draw="exact")


def expect_pair(page: Page, true: int, given: int) -> None:
    """The rows of one true class under one given label, as text, pictures and CSV show them."""
    p = prepare(noisy(0.4))
    wanted = set(p.row_ids[(p.clean_labels == true) & (p.labels == given)].tolist())
    text = f"{len(wanted)} rows, true class {true}, given label {given}:"
    expect(page.get_by_text(text)).to_be_visible()
    rows = download(page, "pair-rows")
    assert set(rows["row"]) == wanted
    assert set(rows["true_class"]) == {true}
    assert set(rows["given_label"]) == {given}
    assert set(rows["noise_ratio"]) == {0.4}
    assert rows["reliability"].is_monotonic_increasing
    pictures = page.get_by_role("button", name=re.compile("^Choose row"))
    expect(pictures).to_have_count(min(len(wanted), 24))


def test_click_a_class_pair_and_a_ratio_see_their_rows_and_come_back(
    page: Page, address: str
) -> None:
    opened(page, f"{address}/reliability", "by-ratio")
    expect(page.get_by_text("Click a cell, or choose above")).to_have_count(2)
    click(page, "class-pairs", 3, 8, {"true": "3", "given": "8"})
    expect_pair(page, 3, 8)
    click(page, "class-pairs", 9, 9, {"true": "9", "given": "9"})
    expect_pair(page, 9, 9)
    # Back to the first, and once more: a cell that was clicked before can be clicked again.
    click(page, "class-pairs", 3, 8, {"true": "3", "given": "8"})
    page.locator(".st-key-given").get_by_label("Clear").click()
    expect(page.get_by_text(re.compile(r"\d+ rows, true class 3: mean"))).to_be_visible()
    click(page, "class-pairs", 3, 8, {"true": "3", "given": "8"})
    expect_pair(page, 3, 8)

    page.reload()
    drawn(page, "by-ratio")
    expect_pair(page, 3, 8)

    click(page, "by-ratio", 2, 4, {"label": "2", "at_ratio": "0.2"})
    q = prepare(noisy(0.2))
    wanted = set(q.row_ids[q.labels == 2].tolist())
    text = f"{len(wanted)} rows, given label 2, noise ratio 0.2:"
    expect(page.get_by_text(text)).to_be_visible()
    rows = download(page, "ratio-rows")
    assert set(rows["row"]) == wanted
    assert set(rows["noise_ratio"]) == {0.2}
    assert rows["flipped"].mean() == pytest.approx((q.clean_labels != 2)[q.labels == 2].mean())
    page.reload()
    drawn(page, "by-ratio")
    expect(page.get_by_text(text)).to_be_visible()
    assert set(download(page, "ratio-rows")["row"]) == wanted


def test_areas_and_curves_come_as_csv(page: Page, address: str) -> None:
    opened(page, f"{address}/reliability?ratio=0.3", "roc")
    areas = download(page, "areas").set_index("score")
    assert set(areas["base_rate"]) == {0.3}
    assert areas["auroc"].between(0.9, 1).all()
    first = f"reliability η: AUROC {areas.loc['eta', 'auroc']:.3f}"
    expect(legend(page, "roc").first).to_have_text(first)
    curves = download(page, "roc")
    assert set(curves["score"]) == set(areas.index)


def test_cells_of_some_pixels_and_of_hundreds(page: Page, address: str) -> None:
    sidebar = "added_noise=Symmetric&ratio=0.4&bounds=3&bounds=9"
    opened(page, f"{address}/reliability?dataset=hundred&backbone=tiny&{sidebar}", "by-ratio")
    for row, column in ((0, 0), (17, 72), (99, 0), (63, 64), (99, 99), (0, 99)):
        wanted = {"true": f"class {row}", "given": f"class {column}"}
        click(page, "class-pairs", row, column, wanted)
    click(page, "by-ratio", 55, 20, {"label": "class 55", "at_ratio": "1"})
    opened(page, f"{address}/k_bounds?dataset=lone&backbone=tiny", "k-bounds")
    for row, column in ((0, 0), (5, 6), (12, 25)):
        wanted = {"at_k_min": str(1 + 2 * row), "at_k_max": str(1 + 2 * column)}
        click(page, "k-bounds", row, column, wanted)


def test_click_bounds_and_take_them(page: Page, address: str) -> None:
    opened(page, f"{address}/k_bounds", "k-bounds")
    grid = download(page, "k-bounds")
    click(page, "k-bounds", 2, 10, {"at_k_min": "5", "at_k_max": "21"})
    cell = grid.query("method_name == 'WANN' and k_min == 5 and k_max == 21").iloc[0]
    shown = f"Chosen, 5 to 21: {100 * cell['accuracy']:.2f} %"
    expect(page.get_by_text(shown)).to_be_visible()
    page.reload()
    drawn(page, "k-bounds")
    expect(page.get_by_text(shown)).to_be_visible()

    press(page, "Use k_min = 5, k_max = 21")
    expect(page.get_by_text("Chosen, 5 to 21: the present bounds.")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["bounds"] == ["5", "21"]
    thumbs = page.locator(".st-key-bounds [data-testid=stSliderThumbValue]")
    expect(thumbs).to_have_text(["5", "21"])
    page.reload()
    drawn(page, "k-bounds")
    expect(page.get_by_text("Present bounds, 5 to 21")).to_be_visible()
