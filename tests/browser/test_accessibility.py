"""Nothing that axe-core calls serious, in light and in dark."""

from itertools import pairwise
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.helpers.browser import fresh_context, press, settle

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
# The style sheet of the pages: it makes captions readable, and may come a moment after the page.
_STYLED = """() => [...document.querySelectorAll("[data-testid=stCaptionContainer] p")]
  .every((p) => getComputedStyle(p).opacity === "0.85")"""


def serious(page: Page) -> list[str]:
    """What axe-core finds, of the impacts that it calls serious or critical."""
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("/", "light"),
        ("/", "dark"),
        ("/reliability", "light"),
        ("/data?task=here", "dark"),
        ("/label_audit?practice=Symmetric&probe=false", "light"),
    ],
)
def test_no_serious_finding(
    browser: Browser, address: str, path: str, scheme: Literal["light", "dark"]
) -> None:
    context = fresh_context(browser, scheme)
    page = context.new_page()
    page.goto(f"{address}{path}")
    page.locator("h1").wait_for()
    if path.startswith("/label_audit"):
        press(page, "Audit", page.locator(".deck .card"))
    settle(page)
    page.wait_for_function(_STYLED)
    assert serious(page) == []
    tags = page.locator("h1, h2, h3").evaluate_all("nodes => nodes.map(node => node.tagName)")
    levels = [int(tag[1]) for tag in tags]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    names = page.get_by_test_id("stDownloadButton").all_text_contents()
    assert len(names) == len(set(names))
    context.close()


def test_the_tour_goes_on_and_never_returns(page: Page, address: str) -> None:
    page.goto(address)
    tour = page.get_by_role("region", name="Tour")
    tour.get_by_text("1 of 5").wait_for()
    for _ in range(4):
        tour.get_by_role("button", name="Next").click()
    tour.get_by_role("button", name="Done").click()
    page.reload()
    page.locator(".wann-card").first.wait_for()
    settle(page)
    assert tour.count() == 0


def test_tab_comes_to_a_field_before_its_help(page: Page, address: str) -> None:
    page.goto(f"{address}/compare")
    page.get_by_role("button", name="Run", exact=True).wait_for()
    settle(page)

    def tab(keys: str) -> str:
        page.keyboard.press(keys)
        return str(
            page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText")
        )

    fields = ["Noise ratio", "Help for Noise ratio", "Imbalance", "Help for Imbalance"]
    page.get_by_role("combobox", name="Noise pattern").focus()
    assert [tab("Tab") for _ in range(5)] == ["Help for Noise pattern", *fields]
    assert page.get_by_role("tooltip").count() == 1  # its text, without a mouse
    assert [tab("Shift+Tab") for _ in range(4)] == [*fields[2::-1], "Help for Noise pattern"]
    # Of a group of choices Tab meets one.
    page.get_by_role("slider", name="Seeds").focus()
    there = ["Help for Seeds", "kNN-11", "Help for Methods"]
    assert [tab("Tab") for _ in range(4)][:3] == there
    assert [tab("Shift+Tab") for _ in range(3)][::2] == ["Help for Methods", "Help for Seeds"]
