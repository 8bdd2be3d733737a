"""Several people judge the same rows."""

from typing import Any

import numpy as np

from tests.helpers.apps import press, ready
from tests.helpers.reviewing import digits_verdicts, opened, people, texts
from ui.review.cards import card as review_cards
from ui.review.cards import card_list, deck
from ui.review.case import session as review_session
from ui.review.case.data import Case
from wann_core import datasets
from wann_core.review.ledger import ledger_of


def test_a_blind_second_look_shows_ones_own_verdicts_alone(
    blobs: Case, session: dict[str, Any]
) -> None:
    people(blobs)
    assert blobs.ledger.verdicts()["who"].tolist() == ["ann"] * 3  # hers stay in force
    mine = blobs.blind_states("bob")
    assert list(mine.places) == [0] and mine.table["note"].tolist() == ["clearly a 0"]
    listing = card_list.Listing("", "", np.array([0, 5]), 0)
    first, second = review_cards.page(blobs, listing, mine)
    assert first["verdict"]["note"] == "clearly a 0" and second["verdict"] is None
    found = blobs.reviewers()
    assert (found.blind, found.corrections, found.wrong) == (True, 1, 0)
    again = card_list.Wanted("second", share=1.0)
    rows = np.flatnonzero(card_list.of_person(blobs, again, "bob"))
    assert rows.tolist() == [5, 6]
    deck.receive(
        blobs, {"client": "b", "events": [{"kind": "undo", "sequence": 2}]}, "bob", 0, True
    )
    assert "Undone: train row 1000" in review_session.session().pop_note()
    assert not blobs.blind_states("bob").places


def test_a_third_person_sees_both_opinions(blobs: Case, session: dict[str, Any]) -> None:
    people(blobs)
    event = {"kind": "verdict", "action": "keep", "items": [{"id": "train-1006"}], "sequence": 2}
    deck.receive(blobs, {"client": "b", "events": [event]}, "bob", 0, True)
    settle = card_list.Wanted("settle")
    assert np.flatnonzero(card_list.of_person(blobs, settle, "eve")).tolist() == [6]
    assert not card_list.of_person(blobs, settle, "bob").any()
    listing = card_list.Listing("", "", np.array([6]), 0, card_list.opinions(blobs))
    (card,) = review_cards.page(blobs, listing, blobs.states())
    given = blobs.found.table["given_label"].iat[6]
    assert card["reasons"][0] == f"Reviewers disagree: ann: (removed); bob: {given}."


def test_people_offers_a_second_look(blobs: Case) -> None:
    rows = digits_verdicts()
    rows["new_label"] = rows["new_label"].replace("", None)
    ledger_of(datasets.load("digits", "pixels")).record(rows, who="ann")
    app = opened(probe=False, part="annotators", who="bob")  # nobody presses Audit
    assert "Rows with one other person's verdict: 2; waiting for a third: 0." in texts(app)
    app = press(app, "Blind second look")
    app.slider(key="review_share").set_value(100)
    app = ready(app.run())
    assert "A blind second look" in texts(app)
    listed = app.session_state["_review"]
    assert {listed.listed_case.name(i) for i in listed.listed} == {
        *zip(rows["split"], rows["row"], strict=True)
    }
