"""What a card shows."""

import dataclasses
from typing import Any

from tests.engine.audit.test_reasons import three_blobs
from tests.helpers.reviewing import (
    judge,
    listed,
)
from ui.review.cards import card as review_cards
from ui.review.case.data import Case
from wann_core.audit.label_audit import audit
from wann_core.review.ledger import ledger_of


def test_a_card_says_why(blobs: Case, session: dict[str, Any]) -> None:
    judge(blobs, "relabel", "train-1000", label=0)
    card = review_cards.page(blobs, listed(blobs, show="all"), blobs.states())[0]
    assert card["id"] == "train-1000" and card["line"] == "bee → ant"
    assert card["suggestion"] == 0 and card["likely"][0] == 0
    assert "39 are labeled “ant”" in card["reasons"][0]
    assert card["verdict"] == {"action": "relabel", "label": 0, "who": "ann", "note": ""}
    against, support = card["evidence"][:2]
    assert [row["line"] for row in against["rows"]] == ["ant"] * 6
    assert all(row["line"] == "bee" for row in support["rows"])
    assert all(row["picture"].startswith("data:image/") for row in against["rows"])
    assert card["bars"][0]["share"] < 0.1 < 0.7 < card["bars"][1]["share"]


def test_a_card_never_suggests_the_label_it_has(blobs: Case, session: dict[str, Any]) -> None:
    cards = review_cards.page(blobs, listed(blobs), blobs.states())
    for card in cards:
        assert card["given"] not in card["likely"]
        assert card["suggestion"] != card["given"]
    sure = next(card for card in cards if card["suggestion"] is None)
    assert sure["line"].endswith("→ ?")
    assert any("do not clearly vote for another class" in text for text in sure["reasons"])


def test_a_twin_under_another_label_is_named(session: dict[str, Any]) -> None:
    data = three_blobs(copies=True)
    case = Case(data, audit(data, probe=False), ledger_of(data), "blobs")
    card = review_cards.page(case, listed(case, asked=1), case.states())[0]
    assert any("Almost the same row has another label: “bee”" in t for t in card["reasons"])
    assert card["issues"] == ["Near-duplicate", "Duplicate, other label"]
    assert card["evidence"][2]["title"] == "Almost the same row"
    assert [row["line"] for row in card["evidence"][2]["rows"]] == ["bee"]


def test_a_file_whose_name_is_no_text_can_be_judged(session: dict[str, Any]) -> None:
    data = three_blobs()
    names = ["\udcff.png", *[f"{i}.png" for i in range(len(data.train) - 1)]]
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, names=names))
    case = Case(data, audit(data, probe=False), ledger_of(data), "blobs")
    judge(case, "keep", "train-1000")
    assert case.ledger.verdicts()["id"].to_list() == ["\\udcff.png"]
    assert review_cards.where(case, 0) == "train row 1000, \\udcff.png"
