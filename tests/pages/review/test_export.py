"""What a review leaves, and what comes in from elsewhere."""

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

from tests.helpers.apps import figures, press, ready
from tests.helpers.reviewed_photos import photos, review
from tests.helpers.reviewing import audited, digits_verdicts, judge, opened, texts
from ui.review.cards import card as review_cards
from ui.review.case.data import Case
from ui.review.export import outcome
from wann_core import WannError, datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets import database
from wann_core.noise.known_errors import flip_for_practice
from wann_core.review.imports import Incoming, read_incoming
from wann_core.review.ledger import ledger_of


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
    chart = figures(app)["before-after"]
    assert [trace["marker"]["symbol"] for trace in chart["data"]] == ["circle-open", "diamond"]
    assert chart["layout"]["yaxis"]["labelalias"]["logistic regression, by corrected labels"] == (
        "logistic regression,<br>by corrected labels"
    )


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
    press(ready(app.run()), "Take over 1 verdict")
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


def files_of(case: Case, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], bytes]]:
    """What the buttons of the page would download."""

    found: dict[str, Any] = {}

    class Column:
        def download_button(self, label: str, content: Any, *args: Any, **options: Any) -> None:
            if not options["disabled"]:
                found[label] = content

        def caption(self, text: str) -> None: ...

    monkeypatch.setattr(st, "columns", lambda *args, **options: [Column(), Column()])
    states = case.states()
    outcome._files(case, states)
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
    # Seen before a folder is named, and of use only then.
    assert [b.disabled for b in app.button if b.label == "Write the folder"] == [True]
    app = press(app, "Make a zip file")
    assert "Download the zip file" in [box.proto.label for box in app.get("download_button")]
    app.text_input(key="clean_folder").set_value(str(tmp_path / "clean"))
    app = press(ready(app.run()), "Write the folder")
    assert "39 copied" in texts(app)
    assert len([*(tmp_path / "clean").glob("*/*.png")]) == 39
    # There is something now: refused beside the button, and nothing changes.
    app.text_input(key="clean_folder").set_value(str(tmp_path))
    app = press(ready(app.run()), "Write the folder")
    name = "“New folder on the machine of this app” must be a new or an empty folder"
    assert [name in error.value for error in app.error] == [True]


def test_a_table_of_issues_asks_for_the_rows_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "issues.csv"
    path.write_text(",is_label_issue,label_score\n7,True,0.1\n3,True,0.2\n")
    app = photo_page(tmp_path)
    app.text_input(key="import_verdicts_path").set_value(str(path))
    app = ready(app.run())
    assert "name the split" in texts(app)
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
    app = press(app, "Take over 1 verdict")
    assert "1 verdict taken from export.json" in texts(app).replace("\\", "")
