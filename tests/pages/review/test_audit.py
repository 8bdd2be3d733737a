"""The Label audit page without a browser: the audit, its settings and links."""

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.apps import press, ready
from tests.helpers.reviewed_photos import photos
from tests.helpers.reviewing import (
    PAGE,
    audited,
    judge,
    opened,
    texts,
)
from ui.jobs import jobs
from ui.review.case import audit as review_audit
from ui.review.case.data import Case
from wann_core import datasets
from wann_core.audit import label_audit
from wann_core.methods.probes.out_of_fold import OutOfFold
from wann_core.review.ledger import ledger_of


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


def small_photos(root: Path) -> dict[str, object]:
    """Where forty photos lie, as the page's controls have it."""
    photos(root)
    return {"databases": str(root / "db"), "dataset": "photos", "backbone": "tiny"}


def test_neighbors_rank_until_the_probe_is_fitted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go_on = threading.Event()

    class Slow(OutOfFold):
        def __init__(self, *args: Any, **named: Any) -> None:
            while not go_on.wait(0.02):
                args[3](0, 1, "fitting the probe")
            super().__init__(*args, **named)

    monkeypatch.setattr(label_audit, "OutOfFold", Slow)
    monkeypatch.setattr(review_audit, "_SOON", 0.0)
    app = opened(**small_photos(tmp_path))
    next(button for button in app.button if button.label == "Audit").click()
    app.run()
    deadline = time.monotonic() + 60
    while "Ranked by neighbors only" not in texts(app) and time.monotonic() < deadline:
        app.run()
    case = app.session_state["_review"].listed_case
    assert case.provisional and case.found.evidence.probe is None
    assert "Cancel" in [button.label for button in app.main.button]
    verdict = case.verdict_on(int(case.order[3]), "keep")
    case.ledger.record([verdict], who="ann")
    go_on.set()
    app = ready(app.run())
    better = app.session_state["_review"].listed_case
    assert not better.provisional and better.found.evidence.probe is not None
    assert list(better.states().places) == [int(case.order[3])]
    assert "**1** reviewed" in texts(app)


def test_a_canceled_probe_leaves_the_neighbors_ranking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Canceled(OutOfFold):
        def __init__(self, *args: Any, **named: Any) -> None:
            raise jobs.Canceled

    monkeypatch.setattr(label_audit, "OutOfFold", Canceled)
    app = press(opened(**small_photos(tmp_path)), "Audit")
    assert "fitting the probe was canceled" in texts(app)
    assert app.session_state["_review"].listed_case.provisional
    monkeypatch.undo()
    monkeypatch.setenv("WANN_REVIEW_ROOT", str(tmp_path / "reviews"))
    app = press(app, "Fit the probe")
    assert "canceled" not in texts(app)
    assert not app.session_state["_review"].listed_case.provisional


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
