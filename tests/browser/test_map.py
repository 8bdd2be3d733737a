"""The map in a real browser, used as a person would: lasso, colors, links, two tabs."""

import re

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, TimeoutError, expect

from tests.helpers import browser
from tests.helpers.browser import cancel_button, choose, download, legend, press, settle
from wann_core import Scenario, prepare
from wann_core.explore.map import pca_map

AREA = ".st-key-chart_map .nsewdrag"  # of the chart that takes the mouse
SIDE = 110  # pixels of the square that the lasso draws


def opened(context: BrowserContext, url: str) -> Page:
    return browser.opened(context, url, AREA)


def plot(page: Page) -> Locator:
    return page.locator(AREA).first


def drawn(page: Page) -> dict[str, float]:
    """Place of the chart in the window, once it no longer moves, and the data at its edges."""
    before = None
    for _ in range(40):
        box = plot(page).bounding_box()
        if box is not None and box == before:
            break
        before = box
        page.wait_for_timeout(250)
    assert box is not None
    x, y = page.evaluate(
        "() => { const l = document.querySelector('.st-key-chart_map .js-plotly-plot')._fullLayout;"
        " return [l.xaxis.range, l.yaxis.range]; }"
    )
    return dict(box) | {"x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1]}


def pixels(place: dict[str, float], xy: np.ndarray) -> np.ndarray:
    """Where in the window positions are drawn."""
    across = (xy[:, 0] - place["x0"]) / (place["x1"] - place["x0"]) * place["width"]
    down = (place["y1"] - xy[:, 1]) / (place["y1"] - place["y0"]) * place["height"]
    return np.column_stack([place["x"] + across, place["y"] + down])


def lasso(page: Page, x: float, y: float) -> None:
    """Draw a square around a place in the window with the mouse; again if the page was busy."""
    clear = page.get_by_role("button", name="Clear selection")
    for _ in range(3):
        settle(page)
        half = SIDE / 2
        page.mouse.move(x - half, y - half)
        page.mouse.down()
        for dx, dy in ((half, -half), (half, half), (-half, half), (-half, -half + 1)):
            page.mouse.move(x + dx, y + dy, steps=6)
        page.mouse.up()
        try:
            clear.wait_for(timeout=20_000)
            settle(page)
            return
        except TimeoutError:
            continue
    pytest.fail("the lasso was drawn three times and nothing was chosen")


def expect_color(page: Page, name: str) -> None:
    box = page.locator(".st-key-color [data-testid='stSelectbox'] input")
    expect(box).to_have_value(name)


def test_lasso_chooses_the_rows_inside_and_a_new_color_keeps_them(
    context: BrowserContext, address: str
) -> None:
    page = opened(context, f"{address}/map?layout=PCA")
    p = prepare(Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact"))
    at = drawn(page)
    where = pixels(at, pca_map(p.X_train, p.X_test).train)
    center = where[np.argmin(np.abs(where - np.median(where, axis=0)).sum(axis=1))]
    lasso(page, *center.tolist())
    table = download(page, "map-selection")
    reach = np.abs(where - center).max(axis=1)
    # The last pixel of the frame may fall to either side.
    assert set(p.row_ids[reach < SIDE / 2 - 1.5]) <= set(table["row"])
    assert set(table["row"]) <= set(p.row_ids[reach < SIDE / 2 + 1.5])
    assert len(table) > 20
    by_id = dict(zip(p.row_ids, p.labels, strict=True))
    assert [str(by_id[row]) for row in table["row"]] == table["given_label"].astype(str).to_list()

    pictures = page.get_by_role("button", name=re.compile(r"Choose row \d+"))
    expect(pictures).to_have_count(15)
    choose(page, "Color by", "Flipped or not")
    expect(legend(page, "map")).to_have_text(["right label", "flipped"])
    assert download(page, "map-selection")["row"].to_list() == table["row"].to_list()
    # What was chosen in the browser is drawn again by the page itself.
    marked = page.evaluate(
        "() => document.querySelector('.st-key-chart_map .js-plotly-plot').data"
        ".filter(t => t.selectedpoints).map(t => t.selectedpoints.length).reduce((a, b) => a + b)"
    )
    assert marked == len(table)

    name = pictures.first.get_attribute("aria-label")
    assert name is not None
    row = re.findall(r"Choose row (\d+)", name)[0]
    assert int(row) in set(table["row"])
    pictures.first.click()
    page.get_by_role("link", name=f"Neighborhood of row {row}").click()
    expect(page.get_by_role("heading", name=f"Training row {row}", exact=True)).to_be_visible()
    page.get_by_role("link", name="Map").click()
    plot(page).wait_for()
    assert download(page, "map-selection")["row"].to_list() == table["row"].to_list()
    page.get_by_role("button", name="Clear selection").click()
    expect(page.get_by_text("Draw around points")).to_be_visible()


def test_hand_chooses_a_single_point(context: BrowserContext, address: str) -> None:
    page = opened(context, f"{address}/map?layout=PCA&parts=Test")
    p = prepare(Scenario(noise_pattern="sym", noise_ratio=0.4, draw="exact"))
    page.locator(".st-key-chart_map [data-title='Pan']").click()
    where = pixels(drawn(page), pca_map(p.X_train, p.X_test).test)
    gaps = np.abs(where[:, None] - where[None]).sum(axis=2) + 1e9 * np.eye(len(where))
    alone = int(gaps.min(axis=1).argmax())  # the point with the most room around it
    for _ in range(3):
        page.mouse.move(*(where[alone] - 30).tolist())
        page.mouse.move(*where[alone].tolist(), steps=4)
        expect(page.locator(".hoverlayer")).to_contain_text(f"test row {p.test_ids[alone]}")
        picture = page.locator(".st-key-map_hover .box")
        expect(picture).to_contain_text(f"row {p.test_ids[alone]}")
        expect(picture.locator("img")).to_have_count(1)
        page.mouse.click(*where[alone].tolist())
        try:
            page.get_by_role("button", name="Clear selection").wait_for(timeout=8_000)
            break
        except TimeoutError:
            continue
    assert download(page, "map-selection")["row"].to_list() == [p.test_ids[alone]]


def test_url_finds_the_same_view_again(context: BrowserContext, address: str) -> None:
    page = opened(context, f"{address}/map?layout=PCA")
    choose(page, "Color by", "Vote agreement")
    page.get_by_test_id("stExpander").get_by_text("Filter", exact=True).click()
    choose(page, "Classes, by observed label", "3")
    page.keyboard.press("Escape")
    slider = page.get_by_role("slider", name=re.compile("From left to right")).first
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    expect(page.get_by_role("button", name="Whole map")).to_be_visible()
    settle(page)
    again = opened(context, page.url)
    line = again.get_by_text(re.compile(r"\d+ of 1,200 rows, each a point")).inner_text()
    expect(page.get_by_text(line)).to_be_visible()
    expect_color(again, "Vote agreement")
    again.reload()
    plot(again).wait_for()
    expect(again.get_by_text(line)).to_be_visible()


def test_two_tabs_do_not_disturb_each_other(context: BrowserContext, address: str) -> None:
    one = opened(context, f"{address}/map?layout=PCA")
    two = opened(context, f"{address}/map?layout=PCA&parts=Test&color=Reliability")
    at = drawn(one)
    lasso(one, at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    rows = download(one, "map-selection")["row"].to_list()
    choose(two, "Color by", "True label")
    expect(two.get_by_text("597 rows, each a point")).to_be_visible()
    expect(two.get_by_text("Draw around points")).to_be_visible()
    choose(one, "Color by", "Density")
    expect(one.get_by_text("1,200 rows, each a point")).to_be_visible()
    expect_color(two, "True label")
    assert download(one, "map-selection")["row"].to_list() == rows


def test_umap_is_canceled_and_begun_again(page: Page, address: str) -> None:
    # Thousands of rows: a map of hundreds may be there before the button is pressed.
    page.goto(f"{address}/map?dataset=large&rows=10000")
    cancel = page.locator(".st-key-cancel_umap button")
    cancel.click()
    expect(page.get_by_text("UMAP was canceled; PCA is shown instead")).to_be_visible()
    expect(page.get_by_text("PCA shows the two directions")).to_be_visible()
    press(page, "Start UMAP again", cancel)
    cancel.click()
    expect(page.get_by_text("UMAP was canceled; PCA is shown instead")).to_be_visible()


def test_umap_comes_by_itself_and_is_kept(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    page.goto(f"{address}/map?rows=600")
    expect(page.get_by_text("UMAP keeps neighbors together")).to_be_visible()
    expect(cancel_button(page)).to_have_count(0)
    # Other labels lie on the same map.
    again = opened(context, f"{address}/map?rows=600&ratio=0.1&noise=Asymmetric")
    expect(again.get_by_text("UMAP keeps neighbors together")).to_be_visible()
