"""The pages in a real browser, used as a person would."""

import re
from xml.etree import ElementTree

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.helpers.browser import cancel_button, download, legend, opened, press, saved, settle

_CHART = "document.querySelector('.st-key-chart_accuracy .js-plotly-plot')"


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    return opened(context, address)


def cards(page: Page) -> dict[str, float]:
    """Accuracy in percent by method, as the cards show it."""
    found = page.locator(".wann-card")
    names = found.locator(".name").all_inner_texts()
    values = found.locator(".value").all_inner_texts()
    return {name: float(v.rstrip(" %")) for name, v in zip(names, values, strict=True)}


def move_noise(page: Page, steps: int) -> None:
    """Press the noise slider to the right, 0.05 a step."""
    slider = page.get_by_role("slider", name="Noise ratio")
    slider.focus()
    for _ in range(steps):
        slider.press("ArrowRight")


def test_noise_slider_moves_the_numbers_and_csv_and_svg_hold_them(page: Page) -> None:
    before = cards(page)
    assert list(before) == ["kNN-11", "kNN-51", "ANN", "WANN"]
    expect(page.get_by_text("Realized noise: 40.00 % of the labels")).to_be_visible()

    page.wait_for_function(f"() => {_CHART}")
    page.evaluate(f"() => {{ {_CHART}.before = true; }}")
    move_noise(page, 6)
    expect(page.get_by_text("Realized noise: 70.00 % of the labels")).to_be_visible()
    settle(page)
    after = cards(page)
    assert after["kNN-11"] < before["kNN-11"] - 10
    # The chart follows where it stands: it was not built again.
    drawn = page.evaluate(f"() => {_CHART}.data.map((trace) => [trace.y[0], trace.x[0]])")
    assert {name: round(x, 1) for name, x in drawn} == after
    assert page.evaluate(f"() => {_CHART}.before")

    table = download(page, "accuracy")
    assert dict(zip(table["method_name"], (100 * table["accuracy"]).round(1), strict=True)) == after
    assert set(table["noise_ratio"]) == {0.7}
    assert set(table["realised_noise"]) == {0.7}
    assert set(table["dataset"]) == {"digits"}

    chart = page.locator(".st-key-chart_accuracy")
    chart.hover()
    file = saved(page, chart.locator("[data-title='Download plot']"))
    assert file.suggested_filename == "wann-accuracy.svg"
    root = ElementTree.parse(file.path()).getroot()
    assert root.tag.endswith("svg")
    assert "WANN" in "".join(root.itertext())
    height = float(root.attrib["height"])
    file = saved(page, page.get_by_role("button", name="SVG: accuracy", exact=True))
    assert file.suggested_filename == "wann-accuracy.svg"
    root = ElementTree.parse(file.path()).getroot()
    told = " ".join(" ".join(root.itertext()).split())
    assert "noise_pattern sym, noise_ratio 0.7" in told and "seed 42" in told
    assert float(root.attrib["height"]) > height
    file = saved(page, page.get_by_role("button", name="PNG: accuracy", exact=True))
    assert file.path().read_bytes().startswith(b"\x89PNG")
    expect(chart.get_by_text("noise_ratio")).to_have_count(0)  # on the page it stays as it was

    # Keys that follow each other fast are one change.
    undo = page.get_by_role("button", name="Undo")
    for _ in range(6):
        if undo.is_disabled():
            break
        undo.click()
        settle(page)
    expect(undo).to_be_disabled()
    expect(page.get_by_text("Realized noise: 40.00 % of the labels")).to_be_visible()
    assert "ratio=" not in page.url
    assert cards(page) == before


def test_comparison_draws_a_curve_a_method(page: Page) -> None:
    page.get_by_role("link", name="Compare").click()
    press(page, "Run")
    expect(page.get_by_text("the best mean is bold")).to_be_visible()
    expect(cancel_button(page)).to_have_count(0)
    expect(legend(page, "compare")).to_have_text(["kNN-11", "kNN-51", "ANN", "WANN"])
    table = download(page, "compare")
    assert len(table) == 9 * 4 * 3
    mean = table.groupby(["noise_ratio", "method_name"])["accuracy"].mean().unstack()
    # More wrong labels never help, and under heavy noise many voters beat few.
    assert mean.loc[0.0].min() > mean.loc[0.8].max()
    assert mean.loc[0.8, "WANN"] > mean.loc[0.8, "kNN-11"]


def test_link_reopens_the_view_in_a_new_tab(page: Page, context: BrowserContext) -> None:
    move_noise(page, 2)
    expect(page.get_by_text("Realized noise: 50.00 %")).to_be_visible()
    page.get_by_role("link", name="Neighborhoods").click()
    page.get_by_role("radio", name="Methods disagree").click()
    expect(page).to_have_url(re.compile(r"show=Methods\+disagree"))
    again = opened(context, page.url)
    expect(again.get_by_role("radio", name="Methods disagree")).to_be_checked()
    expect(again.get_by_text("Realized noise: 50.00 %")).to_be_visible()
    one, other = (
        tab.get_by_role("heading", name=re.compile("Training row")) for tab in (page, again)
    )
    expect(one).to_have_text(other.inner_text())


def test_link_to_what_does_not_exist_says_so(context: BrowserContext, address: str) -> None:
    tab = opened(context, f"{address}/?dataset=nowhere&ratio=7")
    expect(
        tab.get_by_text("The link asks for “nowhere”, which does not exist here.")
    ).to_be_visible()
    expect(tab.get_by_text("The link asks for “7”, which does not exist here.")).to_be_visible()
    expect(tab.get_by_text("Realized noise: 40.00 %")).to_be_visible()


def test_two_tabs_do_not_disturb_each_other(page: Page, context: BrowserContext) -> None:
    other = opened(context, page.url)
    before = cards(other)
    move_noise(page, 4)
    expect(page.get_by_text("Realized noise: 60.00 %")).to_be_visible()
    other.get_by_text("More settings").click()
    other.get_by_text("As published").click()
    expect(other.get_by_text("Realized noise: 37.50 %")).to_be_visible()
    settle(other)
    settle(page)
    assert cards(other) != cards(page)
    other.get_by_text("Exact", exact=True).click()
    expect(other.get_by_text("Realized noise: 40.00 %")).to_be_visible()
    settle(other)
    assert cards(other) == before
    expect(page.get_by_text("Realized noise: 60.00 %")).to_be_visible()


def test_click_steps_to_a_neighbor(page: Page) -> None:
    page.get_by_role("link", name="Neighborhoods").click()
    first = page.get_by_role("button", name=re.compile("Go to training row")).first
    name = first.get_attribute("aria-label")
    assert name is not None
    first.click()
    row = name.removeprefix("Go to training row ").partition(":")[0]
    expect(page.get_by_role("heading", name=f"Training row {row}", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(rf"[?&]row={row}\b"))
    votes = download(page, "votes")
    assert votes.groupby("method_name")["share"].sum().round(9).eq(1).all()
    neighbors = download(page, "neighbors")
    assert len(neighbors) == 51
    assert int(row) not in set(neighbors["row"])
    assert neighbors["distance"].is_monotonic_increasing


def test_comparison_is_canceled_at_once_and_survives_page_and_reload(
    context: BrowserContext, address: str
) -> None:
    url = f"{address}/compare?dataset=large&axis=Imbalance&seeds=10"
    tab = opened(context, url)
    press(tab, "Run")
    expect(tab.get_by_text(re.compile(r"\d+ of \d+ runs have ended.*left"))).to_be_visible()
    # Each page is waited for: what was on the one before stays until then.
    for name, title in (("Overview", "WANN Explorer"), ("Compare", "Compare")):
        tab.get_by_role("link", name=name).click()
        expect(tab.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(cancel_button(tab)).to_be_visible()
    tab.reload()
    cancel = cancel_button(tab)
    expect(cancel).to_be_visible()
    expect(tab.get_by_text("the best mean is bold")).to_be_visible()
    cancel.click()
    expect(tab.get_by_text(re.compile(r"Canceled after \d+ runs"))).to_be_visible()
    expect(cancel).to_have_count(0)
    done = len(download(tab, "compare"))
    assert 0 < done < 5 * 4 * 10
    # What was measured before answers the next run.
    tab.get_by_role("button", name=f"Run remaining {5 * 4 * 10 - done}").click()
    expect(tab.get_by_text(re.compile(r"runs came from the results store"))).to_be_visible()
    cancel_button(tab).click()
    expect(tab.get_by_text(re.compile(r"Canceled after \d+ runs"))).to_be_visible()


@pytest.mark.parametrize("old, new", [("dimension", "Dimensions"), ("review", "Label audit")])
def test_address_of_an_earlier_version_keeps_its_settings(
    context: BrowserContext, address: str, old: str, new: str
) -> None:
    tab = context.new_page()
    tab.goto(f"{address}/{old}?dataset=blobs")
    expect(tab.get_by_role("heading", name=new, level=1)).to_be_visible()
    expect(tab.get_by_role("combobox", name="Data set")).to_have_value("blobs")
    expect(tab.get_by_text("Page not found")).to_have_count(0)
