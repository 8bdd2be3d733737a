"""The Label audit page without a browser: audit, list, verdicts, ways out and in."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.engine.audit.test_reasons import three_blobs
from tests.engine.review.test_exports import photos, review
from tests.helpers import apps
from tests.helpers.apps import press, ready
from tests.helpers.roots import ROOT
from ui.pictures import chosen_rows
from ui.review import card_list, deck, pairs, progress
from ui.review import cards as review_cards
from ui.review import session as review_session
from ui.review.data import Case
from wann_core import WannError, datasets
from wann_core.audit.html_report import audit_html
from wann_core.audit.label_audit import audit
from wann_core.datasets import database
from wann_core.noise.known_errors import flip_for_practice
from wann_core.noise.transition import Transition
from wann_core.review.imports import Incoming, read_incoming
from wann_core.review.ledger import ledger_of

PAGE = ROOT / "pages" / "label_audit.py"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No verdict, no result and no job of another test."""
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WANN_REVIEW_ROOT", str(tmp_path / "reviews"))
    monkeypatch.setenv("WANN_DATABASE_ROOT", str(tmp_path / "database"))
    st.cache_resource.clear()


@pytest.fixture
def blobs() -> Case:
    """Three blobs, of which row 0 is labeled wrongly, audited by neighbors."""
    data = three_blobs()
    return Case(data, audit(data, probe=False), ledger_of(data), "blobs")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The session's state, outside of any page."""
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    return state


def opened(**state: object) -> AppTest:
    return apps.opened(PAGE, **state)


def audited(**state: object) -> AppTest:
    return press(opened(probe=False, **state), "Audit")


def texts(app: AppTest) -> str:
    boxes = (*app.info, *app.warning, *app.error, *app.success, *app.markdown, *app.caption)
    return " ".join(box.value for box in boxes)


def judge(
    case: Case, action: str, *ids: str, label: int | None = None, client: str = "a", at: int = 1
) -> None:
    items = [{"id": one, "label": label} for one in ids]
    event = {"kind": "verdict", "action": action, "items": items, "sequence": at}
    deck.receive(case, {"client": client, "events": [event]}, "ann")


# The page


def test_it_says_what_to_do_and_starts_at_a_press() -> None:
    app = opened(probe=False)
    assert "Every label of train, val and test is judged by the other rows" in texts(app)
    assert not any("Labels judged" in block.proto.body for block in app.get("html"))
    app = press(app, "Audit")
    cards = " ".join(block.proto.body for block in app.get("html"))
    assert "Labels judged" in cards and "1,797" in cards and "1,200 train, 597 test" in cards
    assert "Nothing is reviewed yet" in texts(app)


def test_flipped_labels_are_found_and_counted() -> None:
    app = audited(practice="sym", flip=0.2)
    cards = " ".join(block.proto.body for block in app.get("html"))
    assert "Injected errors" in cards and ">359<" in cards
    assert any("Most often: " in box.label for box in app.expander)


def test_who_has_begun_finds_everything_again() -> None:
    data = datasets.load("digits", "pixels")
    given = data.class_names[data.train.y[3]]
    rows = pd.DataFrame(
        {
            "split": ["train"],
            "row": [int(data.train.ids[3])],
            "given_label": [given],
            "action": ["keep"],
        }
    )
    ledger_of(data).record(rows, who="ann")
    app = opened(probe=False)  # nobody presses Audit
    assert "**1** reviewed: **0** wrong (0 %" in texts(app)


def test_a_link_opens_its_row_and_another_says_it_is_not_there() -> None:
    app = AppTest.from_file(PAGE, default_timeout=120)
    app.query_params.update({"row": "1217", "split": "test"})
    app.session_state["probe"] = False
    app = press(ready(app.run()), "Audit")
    assert "test row 1217, asked for by the link, stands first" in texts(app)
    app.query_params["row"] = "99999"
    assert "test row 99999, which has no label here" in texts(app.run()).replace("\\", "")
    app.query_params["row"] = "<b>x"
    assert "which has no label here" in texts(app.run())


def test_known_flips_tell_how_far_to_trust_it() -> None:
    app = audited(part="trust", flips=10)
    app = press(app, "Flip and look")
    assert "**180** labels were flipped" in texts(app)
    table = next(f.value for f in app.dataframe if "recall" in f.value)
    assert table["flips"].sum() == 180
    assert table["recall"].mean() > 0.9
    titles = [c.proto.spec for c in app.get("plotly_chart")]
    assert any("precision, %" in spec for spec in titles)
    assert any("wrong labels expected" in spec for spec in titles)


@pytest.mark.slow
def test_before_and_after_needs_verdicts_and_warns() -> None:
    assert "There is no verdict yet" in texts(audited(part="export"))
    data = datasets.load("digits", "pixels")
    rows = pd.DataFrame(
        {
            "split": "train",
            "row": data.train.ids[:9],
            "given_label": np.array(data.class_names)[data.train.y[:9]],
            "action": "remove",
        }
    )
    ledger_of(data).record(rows, who="ann")
    app = press(opened(probe=False, part="export"), "Compare")
    assert "neither is" in texts(app)
    table = next(f.value for f in app.dataframe if "fitted to" in f.value)
    assert set(table["rows"]) == {1797, 1788}
    assert table["accuracy, %"].min() > 90


def test_a_cleaned_database_is_written_once_and_loads(tmp_path: Path) -> None:
    data = datasets.load("digits", "pixels")
    names = data.class_names
    rows = pd.DataFrame(
        {
            "split": "train",
            "row": data.train.ids[:2],
            "given_label": [names[c] for c in data.train.y[:2]],
            "action": ["remove", "relabel"],
            "new_label": [None, names[(data.train.y[1] + 1) % 10]],
        }
    )
    ledger_of(data).record(rows, who="ann")
    app = press(opened(probe=False, part="export"), "Write the database")
    assert "**digits\\-cleaned** is written" in texts(app)
    made = database.load(tmp_path / "database", "digits-cleaned", "pixels")
    np.testing.assert_array_equal(made.train.ids, data.train.ids[1:])
    assert made.train.y[0] == (data.train.y[1] + 1) % 10
    np.testing.assert_array_equal(made.train.y[1:], data.train.y[2:])
    app = press(app, "Write the database")
    assert "There is already a database" in texts(app)


def digits_verdicts() -> pd.DataFrame:
    """Two verdicts on the built-in digits, as a table."""
    data = datasets.load("digits", "pixels")
    names = data.class_names
    return pd.DataFrame(
        {
            "split": "train",
            "row": data.train.ids[:2],
            "given_label": [names[c] for c in data.train.y[:2]],
            "action": ["keep", "relabel"],
            "new_label": ["", names[(data.train.y[1] + 1) % 10]],
        }
    )


def test_verdicts_come_in_and_nothing_is_overruled_unasked(tmp_path: Path) -> None:
    ledger = ledger_of(datasets.load("digits", "pixels"))
    path = tmp_path / "verdicts.csv"
    digits_verdicts().to_csv(path, index=False)
    app = audited(part="export", import_verdicts_path=str(path))
    assert "2 new" in texts(app)
    assert ledger.version() == 0
    app = press(app, "Take over 2 verdicts")
    assert "2 verdicts taken from verdicts" in texts(app)
    assert ledger.verdicts()["action"].to_list() == ["keep", "relabel"]
    assert app.text_input(key="import_verdicts_path").value == ""
    # It is taken back beside the message, and read once more.
    app = ready(app.run())
    app = ready(app.button(key="import_undo").click().run())
    assert "Taken back\\: 2 verdicts" in texts(app) and ledger.verdicts().empty
    app.text_input(key="import_verdicts_path").set_value(str(path))
    app = press(ready(app.run()), "Take over 2 verdicts")
    # The same again, one of them otherwise.
    digits_verdicts().assign(action=["unsure", "relabel"]).to_csv(path, index=False)
    app.text_input(key="import_verdicts_path").set_value(str(path))
    app = ready(app.run())
    assert "1 in conflict" in texts(app) and "1 as here" in texts(app)
    assert next(b for b in app.button if b.label.startswith("Take over")).disabled
    app.toggle(key="import_overrule").set_value(True)
    press(ready(app.run()), "Take over 1 verdicts")
    assert sorted(ledger.verdicts()["action"]) == ["relabel", "unsure"]


@pytest.mark.parametrize("content", [b"", b"\0\1", b"SQLite format 3\0 and more", b"a,b\n1,2\n"])
def test_a_file_that_holds_no_verdicts_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_bytes(content)
    app = audited(part="export", import_verdicts_path=str(path))
    assert len(app.error) == 1
    assert "inside the program" not in app.error[0].value
    assert not any(b.label.startswith("Take over") for b in app.button)


def test_cleanlabs_ranking_orders_the_cards(tmp_path: Path) -> None:
    data = datasets.load("digits", "pixels")
    names = np.array(data.class_names)
    issues = pd.DataFrame(
        {
            "is_label_issue": False,
            "label_score": 0.9,
            "given_label": names[data.train.y],
            "predicted_label": names[data.train.y],
        }
    )
    issues.loc[700, ["label_score", "is_label_issue"]] = [0.01, True]
    path = tmp_path / "issues.csv"
    issues.to_csv(path)
    app = audited(part="export", import_verdicts_path=str(path))
    app = press(app, "Review in this order")
    app.session_state["part"] = "review"
    app = ready(app.run())
    first = app.session_state["_review"].listed[0]
    assert app.session_state["_review"].listed_case.name(first) == (
        "train",
        int(data.train.ids[700]),
    )
    app.session_state["part"] = "export"
    app = press(ready(app.run()), "Back to our order")
    app.session_state["part"] = "review"
    app = ready(app.run())
    assert app.session_state["_review"].listed_case.found.score_name == "combined"


# The list


def listed(case: Case, session: dict[str, Any], **choices: object) -> card_list.Listing:
    """What the list's own filter makes of a choice."""
    full = {
        "show": "todo",
        "given": None,
        "suggested": None,
        "split": None,
        "most": None,
        "sort": "doubt",
        "asked": None,
    } | choices
    positions = card_list._found(case, **full)  # type: ignore[arg-type]
    return card_list.Listing("list", "page", positions, 0)


def test_the_list_is_ranked_filtered_and_keeps_what_is_asked(
    blobs: Case, session: dict[str, Any]
) -> None:
    full = listed(blobs, session).positions
    assert full[0] == 0 and sorted(full) == list(range(120))
    np.testing.assert_array_equal(listed(blobs, session, sort="sure").positions, full[::-1])
    np.testing.assert_array_equal(listed(blobs, session, sort="row").positions, np.arange(120))
    drawn = listed(blobs, session, sort="sample").positions
    assert sorted(drawn) == list(range(120)) and drawn.tolist() != full.tolist()
    pair = listed(blobs, session, given=1, suggested=0).positions
    assert 0 in pair and (blobs.found.rows.labels[pair] == 1).all()
    assert (blobs.suggested[pair] == 0).all()
    assert not len(listed(blobs, session, split="test").positions)
    scores = blobs.found.table["label_score"].to_numpy()
    below = listed(blobs, session, most=float(scores[full[3]])).positions
    np.testing.assert_array_equal(below, full[:4])
    asked = listed(blobs, session, asked=77).positions
    assert asked[0] == 77 and len(asked) == 120


def test_rows_of_the_map_can_be_reviewed_alone(blobs: Case, session: dict[str, Any]) -> None:
    source = (blobs.data.name, blobs.data.backbone)
    ids = {"train": np.array([1003, 1005, 99_999]), "test": np.array([], np.int64)}
    chosen_rows.offer(source, ids)
    assert len(listed(blobs, session).positions) == 120
    session["chosen"] = True
    assert sorted(listed(blobs, session).positions) == [3, 5]
    assert card_list.narrowed(blobs)
    chosen_rows.offer(("other", "data"), ids)
    assert len(listed(blobs, session).positions) == 120


def test_the_list_knows_verdicts(blobs: Case, session: dict[str, Any]) -> None:
    judge(blobs, "relabel", "train-1000", label=0)
    judge(blobs, "keep", "train-1005", "train-1006", at=2)
    assert len(listed(blobs, session).positions) == 117
    assert set(listed(blobs, session, show="done").positions) == {0, 5, 6}
    assert set(listed(blobs, session, show="keep").positions) == {5, 6}
    assert listed(blobs, session, show="relabel").positions.tolist() == [0]
    assert not len(listed(blobs, session, show="remove").positions)


def test_the_number_of_wrong_labels_follows_the_verdicts(
    blobs: Case, session: dict[str, Any]
) -> None:
    assert blobs.noise_after_review() is None
    judge(blobs, "unsure", "train-1000")
    assert blobs.noise_after_review() is None
    drawn = listed(blobs, session, sort="sample").positions[:40]
    judge(blobs, "remove", *[f"train-{1000 + i}" for i in drawn.tolist()], at=2)
    reviewed = blobs.noise_after_review()
    assert reviewed is not None and reviewed.judged == reviewed.found == 40
    assert blobs.found.noise.high < reviewed.low <= reviewed.count <= reviewed.high <= 120


def test_pages_stay_within_the_list(session: dict[str, Any]) -> None:
    state = review_session.session()
    state.listed = np.arange(45)
    seen = []
    for by in (-1, 1, 1, 1, -1):
        card_list.turn_page(by)
        seen.append(state.first)
    assert seen == [0, 20, 40, 40, 20]


# Several people


def people(case: Case) -> None:
    """Ann corrects row 0, keeps 5 and removes 6; bob agrees with the first without seeing it."""
    judge(case, "relabel", "train-1000", label=0)
    judge(case, "keep", "train-1005", at=2)
    judge(case, "remove", "train-1006", at=3)
    item = {"id": "train-1000", "label": 0, "note": "clearly a 0"}
    event = {"kind": "verdict", "action": "relabel", "items": [item], "sequence": 1}
    deck.receive(case, {"client": "b", "events": [event]}, "bob", 0, True)


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
    rows = np.flatnonzero(card_list._of_people(blobs, "second", "bob", 1.0))
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
    assert np.flatnonzero(card_list._of_people(blobs, "settle", "eve", 0)).tolist() == [6]
    assert not card_list._of_people(blobs, "settle", "bob", 0).any()
    listing = card_list.Listing("", "", np.array([6]), 0, card_list._opinions(blobs))
    (card,) = review_cards.page(blobs, listing, blobs.states())
    given = blobs.found.table["given_label"].iat[6]
    assert card["reasons"][0] == f"Reviewers disagree: ann: (removed); bob: {given}."


def test_people_offers_a_second_look(blobs: Case) -> None:
    rows = digits_verdicts()
    rows["new_label"] = rows["new_label"].replace("", None)
    ledger_of(datasets.load("digits", "pixels")).record(rows, who="ann")
    app = opened(probe=False, part="annotators", who="bob")  # nobody presses Audit
    assert "2 rows have one other person's verdict; 0 wait for a third" in texts(app)
    app = press(app, "Blind second look")
    app.slider(key="review_share").set_value(100)
    app = ready(app.run())
    assert "A blind second look" in texts(app)
    listed = app.session_state["_review"]
    assert {listed.listed_case.name(i) for i in listed.listed} == {
        *zip(rows["split"], rows["row"], strict=True)
    }


# Verdicts


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
    shown = listed(blobs, session, given=1).positions  # row 0, a wrong one, and 40 others
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
def test_what_cannot_be_a_verdict_is_told_and_not_written(
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
    state.listed = listed(blobs, session).positions
    last = int(state.listed[-1])
    judge(blobs, "keep", review_cards.identity(blobs, last))

    def step(kind: str, at: int) -> None:
        event = {"kind": kind, "sequence": at}
        deck.receive(blobs, {"client": "a", "events": [event]}, "ann")

    step("undo", 2)
    card_list._turn_to_target()
    assert state.first == 100 and state.turn == 0
    # A list that was made while it was judged lacks the row: another one is made.
    state.listed, state.first = state.listed[:-1], 0
    step("redo", 3)
    assert state.turn == 1
    card_list._turn_to_target()
    assert state.first == 0


def test_the_pace_leaves_out_breaks() -> None:
    at = ["09:00:00", "09:00:02", "09:00:06", "10:00:00", "10:00:03", "10:00:06"]
    when = pd.Series([f"2026-01-01T{time}+00:00" for time in at])
    assert progress.seconds_per_verdict(when) == pytest.approx(3.0)
    assert progress.seconds_per_verdict(when[:4]) is None
    assert progress.seconds_per_verdict(when[:0]) is None
    # Many at once are one verdict.
    assert progress.seconds_per_verdict(pd.concat([when, when])) == pytest.approx(
        progress.seconds_per_verdict(when)
    )


def test_errors_and_minutes_that_are_left_are_told(blobs: Case, session: dict[str, Any]) -> None:
    def left() -> str:
        states = blobs.states()
        expected = progress.ahead(blobs, states)
        return progress._left(blobs, states, 1.0 if expected is None else expected.factor)

    # The wrong label, and the row far from all others.
    assert left() == "About **2** errors are left."
    for i in range(1, 6):
        judge(blobs, "keep", review_cards.identity(blobs, int(blobs.order[i])), at=i)
    assert "the next row takes **" in left()
    judge(blobs, "relabel", review_cards.identity(blobs, 0), label=0, at=6)
    assert left() == "About **0** errors are left."


@pytest.mark.parametrize("asked", ["gain", "Before and after", "Export", "export"])
def test_parts_of_earlier_links_open_the_result(asked: str) -> None:
    app = AppTest.from_file(PAGE, default_timeout=120)
    app.query_params["part"] = asked
    app.session_state["probe"] = False
    app = press(ready(app.run()), "Audit")
    assert app.session_state["part"] == "export"
    assert not app.warning


def test_groups_that_are_not_there_are_asked_for() -> None:
    app = AppTest.from_file(PAGE, default_timeout=120)
    app.session_state["probe"] = False
    app.session_state["grouped"] = True
    app = press(ready(app.run()), "Audit")
    assert "'digits' has no column of groups" in texts(app).replace("\\", "")


def test_another_tab_is_seen_at_once(blobs: Case, session: dict[str, Any]) -> None:
    other = dataclasses.replace(blobs)
    assert not blobs.states().places
    judge(other, "unsure", "train-1009")
    assert set(blobs.states().places) == {9}


# Cards and words


def test_a_card_says_why(blobs: Case, session: dict[str, Any]) -> None:
    judge(blobs, "relabel", "train-1000", label=0)
    card = review_cards.page(blobs, listed(blobs, session, show="all"), blobs.states())[0]
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
    cards = review_cards.page(blobs, listed(blobs, session), blobs.states())
    for card in cards:
        assert card["given"] not in card["likely"]
        assert card["suggestion"] != card["given"]
    sure = next(card for card in cards if card["suggestion"] is None)
    assert sure["line"].endswith("→ ?")
    assert any("do not clearly vote for another class" in text for text in sure["reasons"])


def test_a_twin_under_another_label_is_named(session: dict[str, Any]) -> None:
    data = three_blobs(copies=True)
    case = Case(data, audit(data, probe=False), ledger_of(data), "blobs")
    card = review_cards.page(case, listed(case, session, asked=1), case.states())[0]
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


def test_counts_leave_out_the_unsure(blobs: Case, session: dict[str, Any]) -> None:
    judge(blobs, "relabel", "train-1000", label=0)
    judge(blobs, "keep", "train-1001", "train-1002", at=2)
    judge(blobs, "unsure", "train-1003", at=3)
    text = progress.counts(blobs.states())
    assert text.startswith("**4** reviewed: **1** wrong (33 %, 95 % interval 6 to 79 %), 2 kept")
    assert text.endswith("1 unsure.")


def test_pairs_and_transitions_as_tables(blobs: Case) -> None:
    table = pairs.pairs_table(blobs)
    assert table["rows"].sum() == blobs.found.table["is_label_issue"].sum()
    assert ("bee", "ant") in set(zip(table["given_label"], table["suggested_label"], strict=True))
    shares = pairs.transitions_table(blobs)
    np.testing.assert_allclose(shares.groupby("true_class")["share"].sum(), 1)


def test_of_very_many_classes_the_largest_entries_are_shown(blobs: Case) -> None:
    rates = np.linspace(0, 0.5, 5000)
    noise = dataclasses.replace(blobs.found.noise, transition=Transition(rates, None))
    names = tuple(f"c{i}" for i in range(5000))
    rows = dataclasses.replace(blobs.found.rows, class_names=names)
    many = dataclasses.replace(
        blobs, found=dataclasses.replace(blobs.found, noise=noise, rows=rows)
    )
    table = pairs.transitions_table(many)
    assert table["true_class"].tolist()[:2] == ["c4999", "c4998"] and len(table) == 5000
    assert pairs.pairs_table(many)["rows"].sum() == blobs.found.table["is_label_issue"].sum()
    report = audit_html(many.found.ranked(), noise, names, title="many")
    assert "c4999" in report and "50.0" in report and "5,000 classes" in report


# Files


def files_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], bytes]]:
    """What the buttons of the page would download."""
    from ui.review import export

    found: dict[str, Any] = {}

    class Column:
        def download_button(self, label: str, content: Any, *args: Any, **options: Any) -> None:
            if not options["disabled"]:
                found[label] = content

        def caption(self, text: str) -> None: ...

    monkeypatch.setattr(st, "columns", lambda *args, **options: [Column(), Column()])
    states = case.states()
    export._files(case, states)
    return found


def test_tables_and_ledger_go_out(
    blobs: Case, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    judge(blobs, "relabel", "train-1000", label=0)
    files = files_of(blobs, monkeypatch)
    # No images: no image formats.
    assert set(files) == {
        "Table as CSV",
        "Table as Parquet",
        "Report as HTML",
        "Label Studio interface",
        "Weights for training as CSV",
        "Weights for training as .npz",
        "Ledger",
    }
    csv = pd.read_csv(io.BytesIO(files["Table as CSV"]()))
    parquet = pd.read_parquet(io.BytesIO(files["Table as Parquet"]()))
    for table in (csv, parquet):
        assert len(table) == 120
        first = table.iloc[0]
        assert (first["row"], first["action"], first["new_label"]) == (1000, "relabel", "ant")
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(files["Ledger"]())
    pd.testing.assert_frame_equal(type(blobs.ledger)(copy).verdicts(), blobs.ledger.verdicts())


def test_an_unknown_verdict_kind_is_no_verdict(blobs: Case, session: dict[str, Any]) -> None:
    with pytest.raises(WannError, match="unknown row"):
        deck._verdict(blobs, "keep", {"id": "train--5"})


def test_labels_flipped_on_purpose_are_exported_marked_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = flip_for_practice(datasets.load("digits", "pixels"), "sym", 0.2)
    case = Case(data, audit(data, probe=False), ledger_of(data), "flipped")
    files = files_of(case, monkeypatch)
    assert set(files) == {"Table as CSV", "Table as Parquet", "Label Studio interface"}
    table = pd.read_csv(io.BytesIO(files["Table as CSV"]()), dtype=str)
    assert set(table["injected_errors"]) == {"20 % sym"}
    wrong = table["given_label"] != table["label_before_injection"]
    assert wrong.sum() == 359


def test_verdicts_on_injected_errors_never_come_in_as_real_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = datasets.load("digits", "pixels")
    data = flip_for_practice(real, "sym", 0.2)
    case = Case(data, audit(data, probe=False), ledger_of(data), "flipped")
    position = int(case.order[0])
    judge(case, "keep", review_cards.identity(case, position))
    path = tmp_path / "review.csv"
    path.write_bytes(files_of(case, monkeypatch)["Table as CSV"]())
    with pytest.raises(WannError, match=r"have 20 % sym, for training; .* have no errors injected"):
        read_incoming(path, real, ledger_of(real))
    _, found = read_incoming(path, data, ledger_of(data))
    assert isinstance(found, Incoming) and found.same == 1


def test_no_database_is_written_of_labels_flipped_on_purpose() -> None:
    app = audited(practice="sym", flip=0.2, part="export")
    assert "20 % sym of these labels were made wrong on purpose" in texts(app)
    (write,) = (button for button in app.button if button.label == "Write the database")
    assert write.disabled


def test_under_practice_verdicts_are_held_against_the_truth(
    blobs: Case, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = dataclasses.replace(blobs, truth=np.repeat(np.arange(3), 40))
    judge(case, "relabel", "train-1000", label=0)
    judge(case, "relabel", "train-1001", label=2, at=2)
    judge(case, "keep", "train-1002", at=3)
    judge(case, "remove", "train-1003", at=4)
    assert progress._truth(case, case.states()).startswith("**2** of 3 labels")
    assert progress._truth(blobs, blobs.states()) == ""


def test_a_link_from_another_page_chooses_the_data_set(database: Path) -> None:
    app = AppTest.from_file(PAGE, default_timeout=120)
    app.session_state["databases"] = str(database)
    app.session_state["dataset"] = "digits"  # as the page before had it
    app.query_params.update({"open_dataset": "small", "open_backbone": "tiny"})
    app = ready(app.run())
    assert app.selectbox(key="dataset").value == "small"
    assert app.selectbox(key="backbone").value == "tiny"
    assert "open_dataset" not in app.query_params
    app.query_params["open_dataset"] = "no such"
    assert ready(app.run()).selectbox(key="dataset").value == "small"


# Cleaned images, and files of other programs


def photo_page(tmp_path: Path) -> AppTest:
    """The Export part for forty photos of which one is relabeled and one removed."""
    data = photos(tmp_path)
    review(data, tmp_path / "reviews")
    named = {"databases": str(tmp_path / "db"), "dataset": "photos", "backbone": "tiny"}
    return opened(probe=False, part="export", **named)


def test_cleaned_images_leave_as_a_zip_file_or_as_a_folder(tmp_path: Path) -> None:
    app = photo_page(tmp_path)
    assert "39 images in 2 class folders; 1 of them under a corrected label; 1 removed" in texts(
        app
    ).replace("\\", "")
    app = press(app, "Make a zip file")
    assert "Download the zip file" in [box.proto.label for box in app.get("download_button")]
    app.text_input(key="clean_folder").set_value(str(tmp_path / "clean"))
    app = press(ready(app.run()), "Write the folder")
    assert "39 copied" in texts(app)
    assert len([*(tmp_path / "clean").glob("*/*.png")]) == 39
    # There is something now: refused beside the button, and nothing changes.
    app.text_input(key="clean_folder").set_value(str(tmp_path))
    app = press(ready(app.run()), "Write the folder")
    assert "a new or an empty folder" in texts(app)


def test_a_table_of_issues_asks_for_the_rows_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "issues.csv"
    path.write_text(",is_label_issue,label_score\n7,True,0.1\n3,True,0.2\n")
    app = photo_page(tmp_path)
    app.text_input(key="import_verdicts_path").set_value(str(path))
    app = ready(app.run())
    assert "say which split it is" in texts(app)
    app.selectbox(key="import_split").set_value("train")
    app = ready(app.run())
    assert "Recognized as a table of label issues, as cleanlab makes it" in texts(app)
    assert "2 rows taken, 0 left out" in texts(app)
    app = press(app, "Review in this order")
    assert "Back to our order" in [button.label for button in app.button]


def test_an_export_of_label_studio_is_recognized_and_taken(tmp_path: Path) -> None:
    result = [{"from_name": "label", "type": "choices", "value": {"choices": ["dog"]}}]
    given = {"split": "train", "row": 9, "given_label": "cat"}
    task = {"id": 1, "data": given, "annotations": [{"result": result, "completed_by": 1}]}
    path = tmp_path / "export.json"
    path.write_text(json.dumps([task]))
    app = photo_page(tmp_path)
    app.text_input(key="import_verdicts_path").set_value(str(path))
    app = ready(app.run())
    assert "Recognized as a JSON export of Label Studio" in texts(app)
    app = press(app, "Take over 1 verdicts")
    assert "1 verdicts taken from export.json" in texts(app).replace("\\", "")
