"""Names of users do nothing in a real browser, on any page."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import press, settle
from tests.helpers.nasty import NASTY, write_database
from tests.helpers.roots import ROOT

# What a name could have become: a link, markup of its own, a mathematical formula, a turned line.
_FOUND = """() => {
  const all = [...document.querySelectorAll("*")];
  const roots = [document, ...all.map((node) => node.shadowRoot).filter(Boolean)];
  const seen = (css) => roots.flatMap((root) => [...root.querySelectorAll(css)]);
  const text = roots.map((root) => (root.body ?? root).textContent ?? "").join(" ");
  return {
    links: seen("a").map((a) => a.getAttribute("href") ?? "").filter(
      (href) => /example\\.org|^javascript|^mailto|^ftp/i.test(href)),
    markup: seen("img[src=x], .katex, del, [data-testid=stMarkdown] u").map((n) => n.outerHTML),
    turned: /[\\u202a-\\u202e\\u2066-\\u2069]/.test(text),
    broken: seen("[data-testid=stException], [data-testid=stAlertContentError]").map(
      (node) => node.textContent),
  };
}"""


@pytest.mark.slow
def test_names_do_nothing_on_any_page(page: Page, address: str, tmp_path: Path) -> None:
    write_database(tmp_path, len(NASTY))
    page.on("dialog", lambda dialog: (_ for _ in ()).throw(AssertionError(dialog.message)))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    chosen = f"databases={tmp_path}&dataset=nasty&backbone=b"
    for place in ["", *sorted(path.stem for path in (ROOT / "pages").glob("[a-z]*.py"))]:
        if place == "overview":
            continue  # the first one
        page.goto(f"{address}/{place}?{chosen}&probe=false")
        page.locator("h1").first.wait_for()
        settle(page)
        if not place:
            expect(page.get_by_role("combobox", name="Data set")).to_have_value("nasty")
        if place == "label_audit":
            press(page, "Audit", page.locator(".deck .card"))
            settle(page)
        found = page.evaluate(_FOUND)
        assert found == {"links": [], "markup": [], "turned": False, "broken": []}, (place, found)
    assert errors == []
