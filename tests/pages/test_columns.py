"""What people know about their rows, on the Label audit page: cards, filter, causes, annotators."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import wann_core as wann
from tests.helpers import apps
from tests.helpers.apps import plain, press, ready
from tests.helpers.blobs import blobs
from tests.helpers.roots import ROOT
from ui.pictures import selected_rows, thumbnails
from ui.review import row_content
from ui.review.data import Case
from wann_core import datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets import database
from wann_core.datasets.dataset import Split
from wann_core.datasets.tables import Columns, import_table
from wann_core.review.exports import Review, export
from wann_core.review.ledger import ledger_of

PAGE = ROOT / "pages" / "label_audit.py"
ROWS = 300
SENTENCE = "the <b>first</b> row is a good one"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WANN_REVIEW_ROOT", str(tmp_path / "reviews"))
    st.cache_resource.clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A database of sentences by four annotators, of whom eve errs; one site's labels are worse."""
    X, true = blobs(ROWS, apart=4.0)
    rng = np.random.default_rng(0)
    site = np.array(["Oslo", "Rome"])[(np.arange(ROWS) % 6 == 0).astype(int)]
    wrong = rng.random(ROWS) < np.where(site == "Rome", 0.5, 0.04)
    names = np.array(["ant", "bee", "cat", "dog"])
    table = pd.DataFrame(X, columns=[f"e{j}" for j in range(X.shape[1])])
    table["label"] = names[np.where(wrong, (true + 1) % 4, true)]
    table["sentence"] = [SENTENCE, *(f"row {i} is a bad one" for i in range(1, ROWS))]
    table["site"] = site
    table["age"] = np.arange(ROWS) / 3
    for who, rate in (("ann", 0.1), ("bob", 0.1), ("eve", 0.5)):
        errs = rng.random(ROWS) < rate
        table[who] = names[np.where(errs, (true + 2) % 4, true)]
    table.to_csv(tmp_path / "table.csv", index=False)
    import_table(
        tmp_path / "table.csv",
        Columns(
            tuple(f"e{j}" for j in range(X.shape[1])),
            label="label",
            text="sentence",
            annotators=("ann", "bob", "eve"),
        ),
        dataset="notes",
        backbone="words",
        database_root=tmp_path / "db",
        split="none",
    )
    return tmp_path / "db"


def opened(root: Path, monkeypatch: pytest.MonkeyPatch, **state: object) -> AppTest:
    monkeypatch.setenv("WANN_DATABASE_ROOT", str(root))
    app = apps.opened(
        PAGE, probe=False, dataset="notes", backbone="words", database_root=str(root), **state
    )
    return press(app, "Audit")


def test_a_card_shows_text_with_its_differences_and_columns(root: Path) -> None:
    data = datasets.load("notes", "words", root)
    case = Case(data, audit(data, probe=False), ledger_of(data), "notes")
    texts = row_content.texts(case, 0, np.array([1]))
    assert texts[0]["title"] == "This row"
    assert ("good", True) in texts[0]["parts"] and ("bad", True) in texts[1]["parts"]
    assert dict(row_content.facts(case, 0))["site"] == "Rome"
    assert "sentence" not in dict(row_content.facts(case, 0))
    picture = thumbnails.of_sample(data, "train", 0)
    assert picture.startswith("data:image/svg+xml")
    assert picture != thumbnails.of_sample(data, "train", 1)
    review = Review(data, case.ledger.verdicts(), case.found)
    content = export("csv", review).content.decode()  # type: ignore[union-attr]
    header, first = content.splitlines()[:2]
    assert header.endswith("sentence,ann,bob,eve,site,age") and len(first) > len(header) / 2


def test_causes_are_listed_and_filter_the_cards(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(root, monkeypatch, part="causes")
    said = plain(" ".join(box.value for box in app.markdown))
    assert "site Rome: about" in said.replace("**", "")
    app.session_state["review_column"] = "site"
    app.session_state["review_value"] = "Rome"
    app.session_state["review_show"] = "all"
    app.session_state["part"] = "review"
    app = ready(app.run())
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Column"], chosen["Value of site"]) == ("site", "Rome")
    assert len(app.session_state["_review"].listed) == ROWS // 6


def test_annotators_columns_give_a_consensus(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = press(opened(root, monkeypatch, part="annotators"), "Find the consensus")
    table = next(frame.value for frame in app.dataframe if "right, %" in frame.value)
    assert table["annotator"].tolist()[0] == "eve" and table["right, %"][0] < 65
    again = next(frame.value for frame in app.dataframe if "gain" in frame.value)
    assert len(again) == 100
    assert any("No row has verdicts of two people" in box.value for box in app.caption)
    ledger = ledger_of(datasets.load("notes", "words", root))
    given = pd.DataFrame(
        {"split": ["train"], "row": [0], "given_label": ["ant"], "action": ["keep"]}
    )
    given["given_label"] = datasets.load("notes", "words", root).class_names[
        int(datasets.load("notes", "words", root).train.y[0])
    ]
    ledger.record(given.assign(action="remove"), who="ann")
    ledger.record(given, who="bob")
    app = ready(app.run())
    assert any("0.0 %" in box.value and "**1** corrections" in box.value for box in app.markdown)
    queue = next(frame.value for frame in app.dataframe if "outcomes" in frame.value)
    assert queue["outcomes"].tolist()[0].startswith("ann: (removed); bob: ")


def test_a_data_set_without_columns_says_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    app = apps.opened(PAGE, probe=False, part="causes")
    app = press(app, "Audit")
    assert any("no further columns" in box.value for box in app.info)
    assert not any(box.label == "Column" for box in app.selectbox)


def test_chosen_rows_come_with_their_columns(root: Path) -> None:
    prepared = wann.prepare(
        wann.Scenario(dataset="notes", backbone="words"), wann.Roots(root, root / "none")
    )
    table = selected_rows.table(prepared, "train", np.array([0, 7]))
    rows = table["row"].to_numpy()
    assert table["site"].tolist() == [["Rome", "Oslo"][int(row % 6 > 0)] for row in rows]
    assert table["sentence"].astype(str).str.contains("row").all()


def test_all_issues_are_counted_filter_cards_and_duplicates_go_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = blobs(ROWS, apart=8.0)
    X[5], y[5] = X[4], y[4]
    names = ("ant", "bee", "cat", "dog")
    train = Split(X, y, np.arange(ROWS))
    database.write(root, "copies", "words", {"train": train}, names, {})
    monkeypatch.setenv("WANN_DATABASE_ROOT", str(root))
    place = {"dataset": "copies", "backbone": "words", "database_root": str(root)}
    app = press(apps.opened(PAGE, probe=False, part="issues", who="ann", **place), "Audit")
    app = press(app, "List all issues")
    table = next(frame.value for frame in app.dataframe if "issue" in frame.value)
    assert dict(zip(table["issue"], table["rows"], strict=True))["Near-duplicate"] == 2
    app = press(app, "Remove 1 rows")
    data = datasets.load("copies", "words", root)
    verdicts = ledger_of(data).verdicts()
    assert verdicts[["row", "action", "who"]].to_numpy().tolist() == [[5, "remove", "ann"]]
    app.session_state["review_issue"] = "near_duplicate"
    app.session_state["review_show"] = "all"
    app.session_state["part"] = "review"
    app = ready(app.run())
    assert sorted(app.session_state["_review"].listed) == [4, 5]
