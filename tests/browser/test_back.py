"""Back and Forward of the browser, through settings and pages."""

import re

from playwright.sync_api import Page, expect

from tests.helpers.browser import choose, settle


def test_back_takes_back_a_setting_and_then_a_page(page: Page, address: str) -> None:
    ratio = page.get_by_role("slider", name="Noise ratio").first
    axis = page.get_by_role("combobox", name="Compare along")

    def stands(path: str, *settings: str) -> None:
        asked = "".join(rf"(?=.*[?&]{one}(&|$))" for one in settings)
        expect(page).to_have_url(re.compile(f"{address}/{path}{asked or '$'}"))
        expect(ratio).to_have_attribute("aria-valuetext", "45%" if "ratio=0.45" in asked else "40%")
        settle(page)

    page.goto(f"{address}/dimensions")
    ratio.wait_for()
    settle(page)
    ratio.press("ArrowRight")
    stands("dimensions", "ratio=0.45")
    choose(page, "Noise pattern", "Asymmetric")
    stands("dimensions", "ratio=0.45", "noise=Asymmetric")
    page.get_by_role("link", name="Compare", exact=True).click()
    stands("compare", "ratio=0.45", "noise=Asymmetric")
    choose(page, "Compare along", "Imbalance")
    stands("compare", "ratio=0.45", "noise=Asymmetric", "axis=Imbalance")

    page.go_back()
    stands("compare", "ratio=0.45", "noise=Asymmetric")
    expect(page.get_by_role("slider", name="Noise ratios")).to_have_count(2)
    page.go_back()
    stands("dimensions", "ratio=0.45", "noise=Asymmetric")  # not without its settings
    expect(axis).to_have_count(0)
    page.go_back()
    stands("dimensions", "ratio=0.45")
    page.go_back()
    stands("dimensions")
    for _ in range(4):
        page.go_forward()
    stands("compare", "ratio=0.45", "noise=Asymmetric", "axis=Imbalance")
