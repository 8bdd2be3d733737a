"""The deck of cards in a browser, by itself: what stays when a better ranking comes."""

import base64
from typing import Any

from playwright.sync_api import Page, expect

from tests.helpers.roots import ROOT

_SCRIPT = (ROOT / "ui" / "review" / "cards" / "deck.js").read_bytes()


def card(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "title": name,
        "where": f"row {name}",
        "line": "a → b",
        "doubt": "",
        "given": 0,
        "suggestion": 1,
        "likely": [1],
        "large": "data:,",
        "small": "data:,",
        "smooth": False,
        "bars": [],
        "issues": [],
        "reasons": [],
        "evidence": [],
        "texts": [],
        "facts": [],
        "verdict": None,
    }


def deck(names: list[str], at: str, **more: object) -> dict[str, Any]:
    return {
        "list": at,
        "page": at,
        "case": "same data",
        "provisional": False,
        "client": "",
        "sequence": 0,
        "focus": {"id": "", "turn": 0},
        "classes": ["a", "b"],
        "colors": {"keep": "#111", "relabel": "#222", "remove": "#333", "unsure": "#444"},
        "who": "ann",
        "longest": 100,
        "cards": [card(name) for name in names],
        "first": 1,
        "more": False,
        "total": len(names),
        "where": "",
        **more,
    }


def begin(page: Page) -> None:
    page.set_content("<main id='deck'></main>")
    code = base64.b64encode(_SCRIPT).decode()
    page.evaluate(
        """async (url) => {
          const { default: draw } = await import(url);
          const parentElement = document.querySelector("#deck");
          window.sent = [];
          const setStateValue = (name, log) => window.sent.push(...log.events.slice(-1));
          let stop = () => {};
          window.update = (data) => {
            stop();
            stop = draw({ data, parentElement, setStateValue });
          };
        }""",
        f"data:text/javascript;base64,{code}",
    )


def update(page: Page, data: dict[str, Any]) -> None:
    page.evaluate("(data) => window.update(data)", data)


def shown(page: Page, name: str) -> None:
    expect(page.locator(".panel")).to_contain_text(f"row {name}")


def test_a_better_ranking_leaves_one_on_the_card_one_is_on(page: Page) -> None:
    begin(page)
    update(page, deck(["p", "q", "r"], "by neighbors", provisional=True))
    page.keyboard.press("l")
    shown(page, "q")
    page.get_by_label("Note").fill("blurred")
    update(page, deck(["r", "p", "q"], "by the probe, too"))
    shown(page, "q")
    expect(page.get_by_label("Note")).to_have_value("blurred")
    # Filters that are changed later begin at the head of the list.
    update(page, deck(["r", "q"], "another filter"))
    shown(page, "r")


def test_a_card_on_another_page_is_looked_for_and_shown_until_it_is_found(page: Page) -> None:
    begin(page)
    update(page, deck(["p", "q"], "by neighbors", provisional=True))
    page.keyboard.press("l")
    update(page, deck(["r", "s"], "by the probe, too"))
    assert [(event["kind"], event["id"]) for event in page.evaluate("window.sent")] == [
        ("find", "q")
    ]
    shown(page, "q")
    page.keyboard.press("k")  # nothing is judged while the card is looked for
    assert len(page.evaluate("window.sent")) == 1
    update(page, deck(["t", "q"], "its page", focus={"id": "q", "turn": 1}))
    shown(page, "q")
    page.keyboard.press("k")
    verdict = page.evaluate("window.sent")[-1]
    assert (verdict["action"], [item["id"] for item in verdict["items"]]) == ("keep", ["q"])


def test_another_data_set_begins_at_its_head(page: Page) -> None:
    begin(page)
    update(page, deck(["p", "q"], "by neighbors", provisional=True))
    page.keyboard.press("l")
    update(page, deck(["p", "q"], "other data", case="other data"))
    shown(page, "p")
    assert page.evaluate("window.sent") == []
