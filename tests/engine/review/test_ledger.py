"""Verdicts are kept: whole, in order, for each to undo."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.blobs import noisy_blobs
from tests.helpers.ledgers import KEEP, MOVE, in_force
from wann_core import WannError
from wann_core.audit.label_audit import audit
from wann_core.review.ledger import ACTIONS, Ledger, ledger_of


def test_a_verdict_is_kept_with_all_its_values(ledger: Ledger) -> None:
    assert ledger.record([KEEP, MOVE], who="ada", batch="first two") == 1
    found = Ledger(ledger.path).verdicts()
    assert list(found) == [
        "split",
        "row",
        "id",
        "given_label",
        "action",
        "new_label",
        "who",
        "when",
        "score",
        "score_name",
        "predicted_label",
        "note",
    ]
    moved, kept = (row for _, row in found.iterrows())
    assert {k: moved[k] for k in dataclasses.asdict(MOVE)} == dataclasses.asdict(MOVE)
    assert (moved["who"], moved["when"][-6:]) == ("ada", "+00:00")
    assert kept[["new_label", "score", "predicted_label", "note"]].isna().all()
    assert found["row"].dtype == np.int64
    assert list(ledger.history()["batch"]) == ["first two"] * 2


def test_empty_ledger_answers_and_makes_no_file(ledger: Ledger) -> None:
    assert list(ledger.verdicts()["split"]) == list(ledger.history()["event"]) == []
    assert (ledger.version(), ledger.undo("ada"), ledger.redoable("ada")) == (0, None, None)
    assert ledger.counts() == dict.fromkeys(ACTIONS, 0)
    assert not ledger.path.parent.exists()


def test_last_verdict_counts_whoever_made_it(ledger: Ledger) -> None:
    ledger.record([KEEP, MOVE], who="ada")
    ledger.record([dataclasses.replace(KEEP, action="remove")], who="bob")
    assert in_force(ledger) == {("train", 3): "remove", ("test", 3): "relabel"}
    assert ledger.counts() == {"keep": 0, "relabel": 1, "remove": 1, "unsure": 0}
    assert len(ledger.history()) == 3


def test_undo_and_redo_are_ones_own_and_only_appended(ledger: Ledger) -> None:
    bulk = [dataclasses.replace(KEEP, row=row) for row in range(5)]
    first = ledger.record(bulk, who="ada", batch="five")
    other = ledger.record([dataclasses.replace(KEEP, row=1, action="unsure")], who="bob")
    second = ledger.record([MOVE], who="ada")
    undoable = ledger.undoable("ada")
    assert undoable is not None and (undoable.number, undoable.rows) == (second, 1)
    assert (ledger.undo("ada"), ledger.undo("ada"), ledger.undo("ada")) == (second, first, None)
    assert in_force(ledger) == {("train", 1): "unsure"}
    again = ledger.redoable("ada")
    assert again is not None and (again.number, again.rows, again.batch) == (first, 5, "five")
    assert ledger.redo("ada") == first
    # Bob's verdict was made after the one that is there again.
    assert in_force(ledger) == {**{("train", r): "keep" for r in range(5)}, ("train", 1): "unsure"}
    assert ledger.undo("bob") == other
    assert in_force(ledger)[("train", 1)] == "keep"
    assert ledger.redo("bob") == other
    events = ledger.history().drop_duplicates("operation")
    assert list(events["event"]) == [*["record"] * 3, *["undo"] * 2, "redo", "undo", "redo"]
    assert list(events["target"].dropna()) == [second, first, first, other, other]


def test_new_verdict_drops_what_was_undone(ledger: Ledger) -> None:
    ledger.record([KEEP], who="ada")
    ledger.undo("ada")
    ledger.record([MOVE], who="ada")
    assert ledger.redo("ada") is None and ledger.redoable("ada") is None
    assert in_force(ledger) == {("test", 3): "relabel"}


def test_version_grows_with_every_change(ledger: Ledger) -> None:
    seen = [ledger.version()]
    other = Ledger(ledger.path)
    changes: list[Callable[[], object]] = [
        lambda: ledger.record([KEEP], who="ada"),
        lambda: ledger.undo("ada"),
        lambda: ledger.redo("ada"),
        lambda: ledger.record([MOVE], who="bob"),
    ]
    for change in changes:
        change()
        seen.append(other.version())
    assert seen == sorted({*seen})
    ledger.redo("ada")
    assert other.version() == seen[-1]


def test_audit_rows_are_recorded_as_they_are(tmp_path: Path) -> None:
    data = noisy_blobs(200)[0]
    table = audit(data, probe=False).ranked().head(20)
    rows = table.assign(
        action="relabel",
        new_label=table["predicted_label"],
        score=table["label_score"],
        id=table["name"],
    )
    rows["action"] = rows["action"].where(rows["new_label"] != rows["given_label"], "keep")
    rows["new_label"] = rows["new_label"].where(rows["action"] == "relabel")
    ledger = ledger_of(data, tmp_path)
    ledger.record(rows, who="ada")
    found = ledger.verdicts().set_index("row").loc[rows["row"]]
    np.testing.assert_array_equal(found["score"], rows["label_score"])
    assert (found["new_label"].fillna("") == rows["new_label"].fillna("").to_numpy()).all()
    # What was read can be recorded again, on another machine.
    copy = Ledger(tmp_path / "copy.sqlite")
    copy.record(ledger.verdicts(), who="bob")
    same = ["split", "row", "action", "new_label", "score"]
    pd.testing.assert_frame_equal(copy.verdicts()[same], ledger.verdicts()[same])


WRONG = {
    "split": ({"split": "unlabelled"}, "split", "must be one of train, val, test"),
    "row": ({"row": -1}, "row", "whole number between 0"),
    "row number": ({"row": 1.5}, "row", "whole number"),
    "action": ({"action": "burn"}, "action", "one of keep, relabel, remove, unsure"),
    "no new label": ({"action": "relabel"}, "new_label", "must be a class"),
    "same label": ({"action": "relabel", "new_label": "cat"}, "new_label", "take the action keep"),
    "other class": ({"action": "relabel", "new_label": "cow"}, "new_label", r"\(cat, dog\)"),
    "label kept": ({"new_label": "dog"}, "new_label", "goes with the action relabel only"),
    "score": ({"score": float("inf")}, "score", "finite number"),
    "NUL": ({"id": "a\0b"}, "id", "NUL"),
    "no text": ({"given_label": "\udcff"}, "given_label", "valid text"),
    "long": ({"score_name": "x" * 201}, "score_name", "at most 200"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_refused_whole(ledger: Ledger, case: str) -> None:
    change, field, message = WRONG[case]
    wrong = dataclasses.replace(KEEP, **change)  # type: ignore[arg-type]
    with pytest.raises(WannError, match=message) as error:
        ledger.record([MOVE, wrong], who="ada")
    assert error.value.field == field
    assert ledger.version() == 0


def test_wrong_operations_are_refused(ledger: Ledger) -> None:
    for rows, who, field in (
        ([], "ada", "rows"),
        ([KEEP, KEEP], "ada", "rows"),
        ([KEEP], " ", "who"),
    ):
        with pytest.raises(WannError) as error:
            ledger.record(rows, who=who)
        assert error.value.field == field
    with pytest.raises(WannError, match="need the columns split, given_label"):
        ledger.record(pd.DataFrame({"row": [1], "action": ["keep"]}), who="ada")


def test_a_blind_second_look_changes_nothing_in_force(ledger: Ledger) -> None:
    ledger.record([KEEP], who="ada")
    blind = dataclasses.replace(KEEP, action="remove", note="no cat")
    # It is no overruling, whatever came meanwhile.
    ledger.record([blind], who="bob", second_look=True, seen=0)
    assert in_force(ledger) == {("train", 3): "keep"}
    assert ledger.history()["second_look"].tolist() == [0, 1]
    assert ledger.history()["note"].tolist()[1] == "no cat"
    assert ledger.counts()["keep"] == 1 and ledger.counts()["remove"] == 0
    assert ledger.undo("bob") == 2
    with pytest.raises(WannError, match="`note` must be text of at most 2000 characters"):
        ledger.record([dataclasses.replace(KEEP, note="x" * 2001)], who="bob")


def test_a_clock_that_is_set_back_changes_no_order(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        hour_of_day = 12

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            cls.hour_of_day -= 1
            return cls(2026, 1, 2, cls.hour_of_day, tzinfo=tz)

    monkeypatch.setattr("wann_core.review.ledger_rows.datetime", Clock)
    for action in ("keep", "remove", "unsure"):
        ledger.record([dataclasses.replace(KEEP, action=action)], who="ada")
    assert in_force(ledger) == {("train", 3): "unsure"}
    ledger.undo("ada")
    assert in_force(ledger) == {("train", 3): "remove"}
    when = ledger.history()["when"].tolist()
    assert when == sorted(when, reverse=True)  # the clock did go back
