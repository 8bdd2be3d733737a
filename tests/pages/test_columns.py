"""What people know about their rows, on the Label audit page: cards, filter, causes, annotators."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import wann_core as wann
from tests.helpers import apps
from tests.helpers.apps import press, ready
from tests.helpers.blobs import blobs
from tests.helpers.roots import ROOT
from ui.jobs import jobs
from ui.pictures import selected_rows, thumbnails
from ui.review.cards import column_filter, row_content
from ui.review.case import issue_list
from ui.review.case.data import Case
from ui.review.findings import causes
from ui.shell import theme
from wann_core import datasets
from wann_core.audit.label_audit import audit
from wann_core.audit.metadata import OTHERS
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
    worst = next(box.value for box in app.dataframe if "odds ratio" in box.value).iloc[0]
    assert (worst["column"], worst["value"], worst["p"]) == ("site", "Rome", "< 0.001")
    assert worst["beyond chance"] == "more wrong" and worst["rows"] == ROWS // 6
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
    skipped = [{"split": "train", "row": 900, "file": "ant/900.png", "reason": "cut off"}]
    database.write(root, "copies", "words", {"train": train}, names, {"skipped": skipped})
    monkeypatch.setenv("WANN_DATABASE_ROOT", str(root))
    place = {"dataset": "copies", "backbone": "words", "database_root": str(root)}
    app = press(apps.opened(PAGE, probe=False, part="issues", who="ann", **place), "Audit")
    app = press(app, "List all issues")
    table = next(frame.value for frame in app.dataframe if "issue" in frame.value)
    counts = dict(zip(table["issue"], table["rows"], strict=True))
    assert counts["Near-duplicate"] == 2 and counts["Unreadable image"] == 1
    app = press(app, "Remove 1 row")
    data = datasets.load("copies", "words", root)
    verdicts = ledger_of(data).verdicts()
    assert verdicts[["row", "action", "who"]].to_numpy().tolist() == [[5, "remove", "ann"]]
    assert verdicts["score_name"].tolist() == ["combined"] and 0 <= verdicts["score"][0] <= 1
    assert verdicts["predicted_label"][0] in names
    # What has a verdict is not judged again.
    assert next(b for b in app.button if b.label == "Remove 0 rows").disabled
    assert any("1 has a verdict already" in box.value for box in app.caption)
    app.session_state["review_issue"] = "near_duplicate"
    app.session_state["review_show"] = "all"
    app.session_state["part"] = "review"
    app = ready(app.run())
    assert sorted(app.session_state["_review"].listed) == [4, 5]
    # Another threshold lists other rows at once, and the cards follow.
    app.session_state["part"] = "issues"
    app = ready(app.run())
    assert "Outlier" not in counts
    app.slider(key="issues_limit_outlier").set_value(2.0)
    app = ready(app.run())
    table = next(frame.value for frame in app.dataframe if "issue" in frame.value)
    assert dict(zip(table["issue"], table["rows"], strict=True))["Outlier"] > 0
    assert "issues_limit_dark" not in {slider.key for slider in app.slider}  # no images


def test_rows_without_a_label_are_chosen_to_label_next(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = blobs(ROWS + 60, apart=4.0)
    none = Split(X[ROWS:], np.full(60, -1), np.arange(60))
    splits = {"train": Split(X[:ROWS], y[:ROWS], np.arange(ROWS)), "unlabelled": none}
    database.write(root, "half", "words", splits, ("ant", "bee", "cat", "dog"), {})
    monkeypatch.setenv("WANN_DATABASE_ROOT", str(root))
    place = {"dataset": "half", "backbone": "words", "database_root": str(root)}
    app = press(apps.opened(PAGE, probe=False, part="annotators", **place), "Audit")
    app.number_input(key="next_rows").set_value(7)
    app = press(ready(app.run()), "Choose rows")
    table = next(frame.value for frame in app.dataframe if "uncertainty" in frame.value)
    assert len(table) == 7 and set(table["split"]) == {"unlabelled"}


@pytest.fixture
def filtered(root: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """An audit whose rows have a column of truth values and one of many values."""
    data = datasets.load("notes", "words", root)
    columns = pd.DataFrame(
        {
            "flash*": np.arange(ROWS) % 3 == 0,
            "camera": [f"camera {i}" for i in range(ROWS)],
            "dated": pd.to_datetime(np.where(np.arange(ROWS) % 2, "2024-02-01", "2024-05-01")),
        }
    )
    split = dataclasses.replace(data.train, columns=columns)
    data = dataclasses.replace(data, train=split)
    monkeypatch.setattr(column_filter, "_MOST_VALUES", 10)
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {})
    return Case(data, audit(data, probe=False), ledger_of(data), "flash")


@pytest.mark.parametrize(
    ("column", "value", "rows"),
    [("flash*", "True", ROWS // 3), ("camera", "camera 299", 1), ("dated", "2024-05", ROWS // 2)],
)
def test_every_value_of_a_column_can_be_chosen(
    filtered: Case, monkeypatch: pytest.MonkeyPatch, column: str, value: str, rows: int
) -> None:
    drawn: dict[str, list[str]] = {}
    st.session_state.update({column_filter.COLUMN: column, column_filter.VALUE: value})

    def selectbox(label: str, options: list[str], *_: object, key: str, **__: object) -> object:
        drawn[label] = options
        return st.session_state.get(key)

    monkeypatch.setattr(st, "selectbox", selectbox)
    column_filter.draw(filtered, lambda: None)
    assert st.session_state[column_filter.VALUE] == value
    assert value in drawn[f"Value of {theme.plain(column)}"]
    assert column_filter.mask(filtered).sum() == rows


def test_a_line_of_causes_shows_its_cards_alone(filtered: Case) -> None:
    found = pd.DataFrame({"column": "camera", "value": [OTHERS, "camera 7"]})
    st.session_state.update({"review_given": 2, "part": "causes"})
    before = dict(st.session_state)
    for row, part in ((0, "causes"), (1, "review")):
        st.session_state[causes._TABLE] = {"selection": {"rows": [row]}}
        causes._pick(found)
        assert st.session_state["part"] == part
    assert before["review_given"] == 2 and st.session_state["review_given"] is None
    assert column_filter.mask(filtered).nonzero()[0].tolist() == [7]


def test_issues_are_listed_as_the_page_judges(filtered: Case) -> None:
    wider = dataclasses.replace(filtered, near=1.0)
    table = filtered.found.table.assign(is_label_issue=False)
    found = dataclasses.replace(filtered.found, table=table)
    ranked = dataclasses.replace(filtered, found=found)
    measured = issue_list.panel(filtered).work(jobs.Job(lambda job: None))
    counts = [issue_list.listed(case, measured, {}).counts for case in (filtered, wider, ranked)]
    assert counts[0]["near_duplicate"] == 0 < counts[1]["near_duplicate"]
    assert counts[0]["label"] > 0 == counts[2]["label"]
    odd = issue_list.listed(filtered, measured, {"outlier": 0.5}).counts["outlier"]
    assert odd > counts[0]["outlier"]
