"""The deck of cards in a browser, by itself: what stays when a better ranking comes."""

import base64
from typing import Any

from playwright.sync_api import Page, expect

from ui.review.cards.deck import SCRIPT


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
        "order": [1, 0],
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
    code = base64.b64encode(SCRIPT.encode()).decode()
    page.evaluate(
        """async (url) => {
          const { default: draw } = await import(url);
          const parentElement = document.querySelector("#deck");
          window.sent = [];
          const setStateValue = (name, log) => {
            window.client = log.client;
            window.sent.push(...log.events.slice(-1));
          };
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


def acknowledged(page: Page, data: dict[str, Any]) -> dict[str, Any]:
    """The same, after all that was sent so far."""
    last = page.evaluate("[window.client, window.sent.at(-1).sequence]")
    return data | {"client": last[0], "sequence": last[1]}


def judged(page: Page) -> list[tuple[str, str]]:
    """Actions sent, with the card of each."""
    sent = [event for event in page.evaluate("window.sent") if event["kind"] == "verdict"]
    return [(event["action"], item["id"]) for event in sent for item in event["items"]]


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


def test_all_classes_are_listed_in_the_order_that_is_sent(page: Page) -> None:
    begin(page)
    update(page, deck(["p"], "one"))
    every = page.locator("optgroup[label='All classes'] option")
    assert [(one.inner_text(), one.get_attribute("value")) for one in every.all()] == [
        ("b", "1"),
        ("a", "0"),
    ]


def test_a_card_on_another_page_is_looked_for_and_shown_until_it_is_found(page: Page) -> None:
    begin(page)
    update(page, deck(["p", "q"], "by neighbors", provisional=True))
    page.keyboard.press("l")
    update(page, deck(["r", "s"], "by the probe, too"))
    assert [(event["kind"], event["id"]) for event in page.evaluate("window.sent")] == [
        ("find", "q")
    ]
    shown(page, "q")
    update(page, deck(["t", "q"], "its page", focus={"id": "q", "turn": 1}))
    shown(page, "q")
    page.keyboard.press("k")
    assert judged(page) == [("keep", "q")]


def test_cards_that_one_sees_are_judged_while_one_is_looked_for(page: Page) -> None:
    begin(page)
    update(page, deck(["p", "q", "o"], "by neighbors", provisional=True))
    update(page, deck(["r", "s"], "by the probe, too"))
    page.keyboard.press("k")
    shown(page, "q")
    update(page, deck(["p", "t"], "page of p", focus={"id": "p", "turn": 1}))
    shown(page, "q")  # looked for in its turn
    page.keyboard.press("x")
    shown(page, "o")
    update(page, deck(["q", "o"], "page of q", focus={"id": "q", "turn": 2}))
    shown(page, "o")
    page.keyboard.press("u")
    assert judged(page) == [("keep", "p"), ("remove", "q"), ("unsure", "o")]


def test_after_the_last_card_comes_the_head_of_the_better_ranking(page: Page) -> None:
    begin(page)
    update(page, deck(["p"], "by neighbors", provisional=True))
    update(page, deck(["r", "s"], "by the probe, too"))
    page.keyboard.press("k")
    last = page.evaluate("window.sent")[-1]
    assert last["kind"] == "head"
    update(page, deck(["p", "t"], "page of p", focus={"id": "p", "turn": 1}))
    page.keyboard.press("k")
    update(page, acknowledged(page, deck(["r", "s"], "head", focus={"id": "p", "turn": 1})))
    shown(page, "r")
    assert judged(page) == [("keep", "p")]


def test_a_key_for_a_card_that_is_loading_is_not_recorded_and_that_shows(page: Page) -> None:
    begin(page)
    update(page, deck(["p"], "first page", more=True))
    page.keyboard.press("k")
    missed = page.locator(".panel .missed")
    expect(missed).to_have_count(0)
    page.keyboard.press("x")
    expect(missed).to_be_visible()
    update(page, acknowledged(page, deck(["q"], "second page")))
    shown(page, "q")
    expect(missed).to_have_count(0)
    assert judged(page) == [("keep", "p")]


def test_an_undo_leads_to_its_card_while_another_is_looked_for(page: Page) -> None:
    begin(page)
    update(page, deck(["p", "q"], "by neighbors", provisional=True))
    page.keyboard.press("l")
    update(page, deck(["r", "s"], "by the probe, too"))
    update(page, deck(["t", "s"], "of the undo", focus={"id": "s", "turn": 1}))
    shown(page, "s")


def test_another_data_set_begins_at_its_head(page: Page) -> None:
    begin(page)
    update(page, deck(["p", "q"], "by neighbors", provisional=True))
    page.keyboard.press("l")
    update(page, deck(["p", "q"], "other data", case="other data"))
    shown(page, "p")
    assert page.evaluate("window.sent") == []
