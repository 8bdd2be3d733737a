"""What the deck of cards sends, and what is written."""

from typing import Any

import pandas as pd
import pytest

from tests.helpers.reviewing import judge, listed
from ui.review.cards import card as review_cards
from ui.review.cards import card_list, deck
from ui.review.case import session as review_session
from ui.review.case.data import Case
from wann_core import WannError


def test_a_verdict_is_written_with_all_that_it_was_made_on(
    blobs: Case, session: dict[str, Any]
) -> None:
    judge(blobs, "relabel", "train-1000", label=0)
    verdict = blobs.ledger.verdicts().iloc[0]
    assert verdict[["split", "row", "given_label", "action", "new_label", "who"]].to_list() == [
        "train",
        1000,
        "bee",
        "relabel",
        "ant",
        "ann",
    ]
    assert verdict["score"] == blobs.found.table["label_score"][0]
    assert verdict["score_name"] == "combined" and verdict["predicted_label"] == "ant"


def test_an_event_counts_once_however_often_it_is_sent(
    blobs: Case, session: dict[str, Any]
) -> None:
    events = [
        {"kind": "verdict", "action": "keep", "sequence": 1, "items": [{"id": "train-1001"}]},
        {"kind": "verdict", "action": "remove", "sequence": 2, "items": [{"id": "train-1002"}]},
    ]
    deck.receive(blobs, {"client": "a", "events": events[:1]}, "ann")
    deck.receive(blobs, {"client": "a", "events": events}, "ann")
    deck.receive(blobs, {"client": "a", "events": events}, "ann")
    assert blobs.ledger.version() == 2
    assert session["_review"].heard == ("a", 2)
    # Another tab, or the same one after a reload, counts again.
    deck.receive(blobs, {"client": "b", "events": events[:1]}, "ann")
    assert blobs.ledger.version() == 3


def test_pages_are_turned_and_the_head_is_found(blobs: Case, session: dict[str, Any]) -> None:
    state = review_session.session()
    state.listed = blobs.order
    asked = ({"kind": "page", "by": 1}, {"kind": "page", "by": 1}, {"kind": "page", "by": -1})
    firsts = []
    for number, event in enumerate([*asked, {"kind": "page", "by": 1}, {"kind": "head"}], 1):
        deck.receive(blobs, {"client": "a", "events": [{**event, "sequence": number}]}, "ann")
        firsts.append(state.first)
    assert firsts == [20, 40, 20, 40, 0]


def test_two_people_on_one_card(blobs: Case, session: dict[str, Any]) -> None:
    event = {"kind": "verdict", "action": "keep", "items": [{"id": "train-1000"}], "sequence": 1}
    seen = blobs.states().version
    deck.receive(blobs, {"client": "a", "events": [event]}, "ann", seen)
    deck.receive(blobs, {"client": "b", "events": [event | {"action": "remove"}]}, "bob", seen)
    assert "ann has judged train row 1000 meanwhile (keep)" in session["_review"].error
    assert blobs.ledger.counts()["keep"] == 1
    # The card shows Ann's verdict now; the second press is a decision.
    seen = blobs.states().version
    again = event | {"action": "remove", "sequence": 2}
    deck.receive(blobs, {"client": "b", "events": [again]}, "bob", seen)
    assert blobs.ledger.counts()["remove"] == 1


def test_a_verdict_on_the_whole_list_leaves_out_what_was_judged_since(
    blobs: Case, session: dict[str, Any]
) -> None:
    state = review_session.session()
    shown = listed(blobs, given=1).positions  # row 0, a wrong one, and 40 others
    state.listed, state.listed_case, state.listed_token = shown, blobs, "list"
    judge(blobs, "keep", "train-1050")

    def on_all(action: str, token: str, at: int) -> None:
        event = {"kind": "verdict", "action": action, "items": [], "list": token, "sequence": at}
        deck.receive(blobs, {"client": "a", "events": [event]}, "ann")

    on_all("remove", "another list", 2)
    assert "has changed; nothing is recorded" in state.pop_error()
    on_all("relabel", "list", 3)  # as suggested, where anything is
    table = blobs.ledger.verdicts().set_index("row")
    clear = shown[blobs.clear[shown]]
    assert set(table.index) == {1050} | {1000 + int(i) for i in clear} and 0 in clear
    assert table.loc[1000, "new_label"] == "ant" and table.loc[1050, "action"] == "keep"
    assert f"{len(shown) - 1 - len(clear)} have no suggestion and stay" in state.pop_note()
    on_all("remove", "list", 4)
    table = blobs.ledger.verdicts().set_index("row")
    assert (table["action"] == "remove").sum() == len(shown) - 1 - len(clear)
    deck.receive(blobs, {"client": "a", "events": [{"kind": "undo", "sequence": 5}]}, "ann")
    assert (blobs.ledger.verdicts()["action"] == "remove").sum() == 0


def test_relabeled_to_what_it_is_means_kept(blobs: Case, session: dict[str, Any]) -> None:
    judge(blobs, "relabel", "train-1000", label=1)
    verdict = blobs.ledger.verdicts().iloc[0]
    assert verdict["action"] == "keep" and pd.isna(verdict["new_label"])


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "verdict", "action": "keep", "items": [{"id": "train-7"}]},
        {"kind": "verdict", "action": "keep", "items": [{"id": "nowhere-1000"}]},
        {"kind": "verdict", "action": "keep", "items": [{"id": 5}]},
        {"kind": "verdict", "action": "keep", "items": ["train-1000"]},
        {"kind": "verdict", "action": "relabel", "items": [{"id": "train-1000", "label": 9}]},
        {"kind": "verdict", "action": "relabel", "items": [{"id": "train-1000", "label": None}]},
        {"kind": "verdict", "action": "burn", "items": [{"id": "train-1000"}]},
        {"kind": "verdict", "action": "keep", "items": "all"},
        {"kind": "verdict", "action": "keep", "items": [{"id": "train-1000"}] * 2000},
        {"kind": "verdict", "action": "keep", "items": [{"id": "train-1000"}] * 2},
    ],
)
def test_what_cannot_be_a_verdict_is_reported_and_not_written(
    blobs: Case, session: dict[str, Any], event: dict[str, Any]
) -> None:
    deck.receive(blobs, {"client": "a", "events": [event | {"sequence": 1}]}, "ann")
    assert session["_review"].error
    assert blobs.ledger.version() == 0


@pytest.mark.parametrize("log", [None, 3, {}, {"client": "a"}, {"client": "a", "events": [1]}])
def test_what_is_no_log_changes_nothing(blobs: Case, session: dict[str, Any], log: Any) -> None:
    deck.receive(blobs, log, "ann")
    assert blobs.ledger.version() == 0


def test_undo_and_redo_point_to_the_card(blobs: Case, session: dict[str, Any]) -> None:
    judge(blobs, "keep", "train-1003")
    judge(blobs, "remove", "train-1004", "train-1005", at=2)

    def step(kind: str, at: int, who: str = "ann") -> None:
        event = {"kind": kind, "sequence": at}
        deck.receive(blobs, {"client": "a", "events": [event]}, who)

    step("undo", 3, who="bob")
    assert session["_review"].note == "Nothing of yours to undo."
    step("undo", 4)
    assert set(blobs.states().places) == {3}
    assert session["_review"].focus_id in ("train-1004", "train-1005")
    assert "and 1 more" in session["_review"].note
    step("undo", 5)
    assert not blobs.states().places and session["_review"].focus_id == "train-1003"
    step("redo", 6)
    assert set(blobs.states().places) == {3}
    assert session["_review"].note == "Done again: train row 1003."


def test_undo_turns_to_the_page_of_its_row(blobs: Case, session: dict[str, Any]) -> None:
    state = review_session.session()
    state.listed = listed(blobs).positions
    last = int(state.listed[-1])
    judge(blobs, "keep", review_cards.identity(blobs, last))

    def step(kind: str, at: int) -> None:
        event = {"kind": kind, "sequence": at}
        deck.receive(blobs, {"client": "a", "events": [event]}, "ann")

    step("undo", 2)
    card_list.turn_to_target()
    assert state.first == 100 and state.turn == 0
    # A list that was made while it was judged lacks the row: another one is made.
    state.listed, state.first = state.listed[:-1], 0
    step("redo", 3)
    assert state.turn == 1
    card_list.turn_to_target()
    assert state.first == 0


def test_an_unknown_verdict_kind_is_no_verdict(blobs: Case, session: dict[str, Any]) -> None:
    with pytest.raises(WannError, match="unknown row"):
        deck._verdict(blobs, "keep", {"id": "train--5"})


def test_a_card_is_found_on_its_page(blobs: Case, session: dict[str, Any]) -> None:
    state = review_session.session()
    state.listed = listed(blobs).positions
    last = review_cards.identity(blobs, int(state.listed[-1]))
    for at, event in enumerate(({"kind": "find", "id": last}, {"kind": "find"}), start=1):
        deck.receive(blobs, {"client": "a", "events": [{**event, "sequence": at}]}, "ann")
    card_list.turn_to_target()
    assert state.first == 100 and state.focus_id == last and state.heard == ("a", 2)
