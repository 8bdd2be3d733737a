"""What audit and verdicts say of the whole data set."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.apps import figures, press
from tests.helpers.reviewing import (
    audited,
    judge,
    listed,
    texts,
)
from ui.review.cards import card as review_cards
from ui.review.case.data import Case
from ui.review.findings import pairs, progress
from wann_core.audit.html_report import audit_html
from wann_core.noise.transition import Transition


def test_known_flips_tell_how_far_to_trust_it() -> None:
    app = audited(part="trust", flips=10)
    app = press(app, "Flip and measure")
    assert "**180** labels were flipped" in texts(app)
    table = next(f.value for f in app.dataframe if "recall" in f.value)
    assert table["flips"].sum() == 180
    assert table["recall"].mean() > 0.9
    titles = [json.dumps(figure) for figure in figures(app).values()]
    assert any("precision, %" in spec for spec in titles)
    assert any("wrong labels expected" in spec for spec in titles)


def test_the_number_of_wrong_labels_follows_the_verdicts(
    blobs: Case, session: dict[str, Any]
) -> None:
    assert blobs.noise_after_review() is None
    judge(blobs, "unsure", "train-1000")
    assert blobs.noise_after_review() is None
    drawn = listed(blobs, sort="sample").positions[:40]
    judge(blobs, "remove", *[f"train-{1000 + i}" for i in drawn.tolist()], at=2)
    reviewed = blobs.noise_after_review()
    assert reviewed is not None and reviewed.judged == reviewed.found == 40
    assert blobs.found.noise.high < reviewed.low <= reviewed.count <= reviewed.high <= 120


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


def test_errors_and_minutes_that_are_left_are_reported(
    blobs: Case, session: dict[str, Any]
) -> None:
    def left() -> str:
        states = blobs.states()
        expected = progress.ahead(blobs, states)
        return progress._left(blobs, states, 1.0 if expected is None else expected.factor)

    # The wrong label; the row far from all others is none.
    assert left() == "About **1** error is left."
    for i in range(1, 6):
        judge(blobs, "keep", review_cards.identity(blobs, int(blobs.order[i])), at=i)
    assert "the next row takes **" in left()
    judge(blobs, "relabel", review_cards.identity(blobs, 0), label=0, at=6)
    assert left() == "About **0** errors are left."


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
