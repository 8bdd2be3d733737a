"""Verdicts and rankings from elsewhere: matched, counted, never silently preferred."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.reviewed_photos import photos
from wann_core import WannError, datasets
from wann_core.audit.label_audit import audit
from wann_core.datasets.dataset import Dataset
from wann_core.datasets.tables import Limits
from wann_core.methods.voting import vote_shares
from wann_core.neighbors.graph import NeighborGraph
from wann_core.review.exports import Exported, Review, export, review_table
from wann_core.review.imports import import_verdicts, read_cleanlab, read_verdicts
from wann_core.review.ledger import Ledger, Verdict, ledger_of


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return photos(tmp_path)


@pytest.fixture
def here(data: Dataset, tmp_path: Path) -> Ledger:
    return ledger_of(data, tmp_path / "here")


def verdict(data: Dataset, row: int, action: str = "keep", split: str = "train") -> Verdict:
    part = data.splits[split]
    given = data.class_names[part.y[row]]
    new = "dog" if given == "cat" else "cat"
    assert part.names is not None
    return Verdict(
        split,
        row,
        given,
        action,
        new if action == "relabel" else None,
        part.names[row],
        0.25,
        "combined",
        given,
        f"=note, {row}",
    )


@pytest.fixture
def there(data: Dataset, tmp_path: Path) -> Ledger:
    """Another machine's ledger: three verdicts in force, one undone."""
    ledger = ledger_of(data, tmp_path / "there")
    ledger.record([verdict(data, 0, "relabel"), verdict(data, 1, "remove")], who="ada")
    ledger.record([verdict(data, 2, split="test")], who="bob")
    ledger.record([verdict(data, 9)], who="ada")
    ledger.undo("ada")
    return ledger


def exported(data: Dataset, ledger: Ledger, path: Path) -> Path:
    found = export(path.suffix[1:], Review(data, ledger.verdicts(), audit(data, probe=False)))
    assert isinstance(found, Exported)
    found.write(path)
    return path


@pytest.mark.parametrize("form", ["sqlite", "csv", "parquet"])
def test_verdicts_arrive_as_one_operation(
    data: Dataset, here: Ledger, there: Ledger, tmp_path: Path, form: str
) -> None:
    path = there.path if form == "sqlite" else exported(data, there, tmp_path / f"table.{form}")
    before = path.read_bytes()
    incoming = read_verdicts(path, data, here, source="../from ada.bin")
    assert (len(incoming.new), incoming.conflicts, incoming.same) == (3, [], 0)
    assert incoming.unmatched == {} and set(incoming.people) == {"ada", "bob"}
    assert here.version() == 0 and path.read_bytes() == before
    number = import_verdicts(incoming, here)
    same = ["split", "row", "id", "given_label", "action", "new_label", "note"]
    left, right = (x.verdicts()[same].sort_values(same[:2]) for x in (here, there))
    pd.testing.assert_frame_equal(*(f.reset_index(drop=True) for f in (left, right)))
    assert {*here.verdicts()["who"]} == {"import: from ada.bin"}
    undoable = here.undoable("import: from ada.bin")
    assert undoable is not None and (undoable.number, undoable.rows) == (number, 3)
    assert "3 verdicts from from ada.bin, made by" in (undoable.batch or "")
    again = read_verdicts(path, data, here)
    assert (again.new, again.conflicts, again.same) == ([], [], 3)
    assert import_verdicts(again, here) is None
    here.undo("import: from ada.bin")
    assert here.verdicts().empty


def test_conflicts_are_reported_and_left(data: Dataset, here: Ledger, there: Ledger) -> None:
    here.record([verdict(data, 0, "keep"), verdict(data, 1, "remove")], who="me")
    incoming = read_verdicts(there.path, data, here, source="ada.sqlite")
    assert incoming.text == (
        "3 verdicts in 'ada.sqlite': 1 new, 1 as here, 1 in conflict with the verdict here."
    )
    import_verdicts(incoming, here)
    actions = here.verdicts().set_index(["split", "row"])["action"]
    assert actions["train", 0] == "keep" and actions["test", 2] == "keep"
    import_verdicts(read_verdicts(there.path, data, here), here, overrule=True)
    assert here.verdicts().set_index(["split", "row"])["action"]["train", 0] == "relabel"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rows_that_fit_no_sample_are_counted(data: Dataset, here: Ledger, tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "split,row,name,given_label,action,new_label",
        "train,0,cat/02.png,cat,keep,",
        "train,0,cat/02.png,cat,remove,",
        "train,999,,cat,keep,",
        "val,0,,cat,keep,",
        "train,1,cat/03.png,dog,keep,",
        "train,2,other.png,cat,keep,",
        "train,3,,cat,relabel,cow",
        "train,4,,cat,,",
        "test,0,,cat,unsure,",
    )
    incoming = read_verdicts(path, data, here)
    assert [(v.split, v.row, v.action) for v in incoming.new] == [
        ("train", 0, "keep"),
        ("test", 0, "unsure"),
    ]
    assert incoming.unmatched == {
        "the sample is there twice": 1,
        "no such sample": 2,
        "another given label": 1,
        "another name": 1,
        "no class of the data set": 1,
    }
    assert "8 verdicts in 't.csv': 2 new" in incoming.text


def test_names_tell_samples_where_there_are_no_rows(
    data: Dataset, here: Ledger, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "t.csv",
        "id,given_label,action,new_label",
        "dog/19.png,dog,remove,",
        "dog/17.png,dog,relabel,cat",
        "none.png,dog,keep,",
    )
    incoming = read_verdicts(path, data, here)
    assert [(v.split, v.row) for v in incoming.new] == [("test", 3), ("train", 35)]
    assert incoming.unmatched == {"no such sample": 1}


def test_defused_cells_mean_what_they_were(tmp_path: Path) -> None:
    from wann_core.datasets import database
    from wann_core.datasets.dataset import Split

    split = Split(
        np.random.RandomState(0).randn(60, 3),
        np.arange(60) % 2,
        np.arange(60),
        names=[f"-{i}\r.png" for i in range(60)],
    )
    database.write(tmp_path / "db", "odd", "tiny", {"train": split}, ("=cat", "@dog"), {})
    data = datasets.load("odd", "tiny", tmp_path / "db")
    there = ledger_of(data, tmp_path / "there")
    there.record([Verdict("train", 0, "=cat", "relabel", "@dog", "-0\r.png")], who="ada")
    path = exported(data, there, tmp_path / "t.csv")
    assert "'=cat" in path.read_text()
    here = ledger_of(data, tmp_path / "here")
    import_verdicts(read_verdicts(path, data, here), here)
    found = here.verdicts().iloc[0]
    assert (found["given_label"], found["new_label"], found["id"]) == ("=cat", "@dog", "-0\r.png")


BROKEN = {
    "missing": (
        "split,row,action,new_label\ntrain,0,keep,\n",
        "needs the column given_label; it has .*`wann relabel`",
    ),
    "no sample": ("given_label,action,new_label\ncat,keep,\n", "needs the column split and row"),
    "action": (
        "split,row,given_label,action,new_label\ntrain,0,cat,burn,\n",
        "row 0 .* of the table: `action` must be one of",
    ),
    "row": ("split,row,given_label,action,new_label\ntrain,x,cat,keep,\n", "row 0 .* of the table"),
    "score": ("split,row,given_label,action,new_label,score\ntrain,0,cat,keep,,inf\n", "finite"),
    "empty": ("", "its content is empty"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_tables_are_reported(data: Dataset, here: Ledger, tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(WannError, match=message) as error:
        read_verdicts(path, data, here)
    assert error.value.field == "path"


def hostile(path: Path, *statements: str) -> Path:
    """A ledger, then what somebody with other tools did to it."""
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return path


OPERATION = "INSERT INTO operations VALUES (50, 'record', NULL, 'eve', NULL, 'now')"
HOSTILE = {
    "view": ("CREATE VIEW v AS SELECT 1",),
    "trigger": ("CREATE TRIGGER t AFTER INSERT ON verdicts BEGIN SELECT 1; END",),
    "blob": (
        OPERATION,
        "INSERT INTO verdicts VALUES (50, 'train', 5, x'00ff', 'keep', NULL, '', NULL, '', NULL)",
    ),
    "row": (
        OPERATION,
        "INSERT INTO verdicts VALUES (50, 'train', 'five', 'cat', 'keep', NULL, "
        "'', NULL, '', NULL)",
    ),
    "huge": (
        OPERATION,
        "INSERT INTO verdicts VALUES (50, 'train', 5, 'cat', 'keep', NULL, "
        "printf('%.3000000c', 'x'), NULL, '', NULL)",
    ),
    "text": (
        OPERATION,
        "INSERT INTO verdicts VALUES (50, 'train', 5, CAST(x'ff' AS TEXT), 'keep', "
        "NULL, '', NULL, '', NULL)",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_ledgers_are_refused_in_a_sentence(
    data: Dataset, here: Ledger, there: Ledger, case: str
) -> None:
    path = hostile(there.path, *HOSTILE[case])
    with pytest.raises(WannError) as error:
        read_verdicts(path, data, here)
    assert len(str(error.value)) < 400
    assert here.version() == 0


def test_sizes_are_bounded_and_nothing_is_written(
    data: Dataset, here: Ledger, there: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(WannError, match="at most 2 rows"):
        read_verdicts(there.path, data, here, limits=Limits(max_rows=2))
    with pytest.raises(WannError, match="at most 100 bytes"):
        read_verdicts(there.path, data, here, limits=Limits(max_bytes=100))
    there.path.write_bytes(there.path.read_bytes()[:5000])
    with pytest.raises(WannError, match="cannot be used"):
        read_verdicts(there.path, data, here)
    assert [p.name for p in (tmp_path / "there").iterdir()] == [there.path.name]
    with pytest.raises(WannError, match="does not exist"):
        read_verdicts(tmp_path / "none", data, here)


def issues(data: Dataset, rows: np.ndarray, **more: object) -> pd.DataFrame:
    """A table of cleanlab's, of the training split unless rows say otherwise."""
    rng = np.random.RandomState(1)
    return pd.DataFrame(
        {
            "is_label_issue": rng.rand(len(rows)) < 0.2,
            "label_score": rng.rand(len(rows)),
            "given_label": np.array(data.class_names)[rows],
            "predicted_label": np.array(data.class_names)[rng.randint(2, size=len(rows))],
        }
    ).assign(**more)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["csv", "csv without index", "parquet", "class ids"])
def test_cleanlab_ranks_what_is_to_be_reviewed(data: Dataset, tmp_path: Path, form: str) -> None:
    table = issues(data, data.train.y)
    path = tmp_path / "issues"
    if form == "parquet":
        table.sort_values("label_score").to_parquet(path)
    elif form == "class ids":
        numbers = table.assign(given_label=data.train.y, predicted_label=0)
        numbers.rename(columns={"label_score": "label_quality"}).to_csv(path)
    else:
        table.to_csv(path, index=form == "csv")
    ranked, text = read_cleanlab(path, data)
    assert text.startswith("36 rows taken, 0 left out")
    assert ranked["label_score"].is_monotonic_increasing
    by_row = ranked.set_index("row").loc[np.arange(36)]
    np.testing.assert_array_equal(by_row["label_score"], table["label_score"])
    np.testing.assert_array_equal(by_row["is_label_issue"], table["is_label_issue"])
    np.testing.assert_array_equal(by_row["given_label_id"], data.train.y)
    assert (by_row["name"] == list(data.train.names or ())).all()
    assert set(ranked["split"]) == {"train"}
    ledger = ledger_of(data, tmp_path / "reviews")
    rows = (
        ranked.head(3)
        .assign(action="keep", score_name="cleanlab")
        .rename(columns={"name": "id", "label_score": "score"})
    )
    ledger.record(rows, who="ada")
    assert set(review_table(ranked, ledger.verdicts(), "cleanlab")["action"].dropna()) == {"keep"}


def test_cleanlab_s_rows_in_another_order_are_refused(data: Dataset, tmp_path: Path) -> None:
    table = issues(data, data.train.y)
    path = tmp_path / "issues.csv"
    other = {"cat": "dog", "dog": "cat"}[table["given_label"][0]]
    table.assign(given_label=[other, *table["given_label"][1:]]).to_csv(path)
    assert "35 rows taken, 1 left out" in read_cleanlab(path, data)[1]
    table.sample(frac=1, random_state=0).reset_index(drop=True).to_csv(path)
    with pytest.raises(WannError, match="Are they in another order"):
        read_cleanlab(path, data)


def test_cleanlab_of_all_rows_or_a_named_split(data: Dataset, tmp_path: Path) -> None:
    test = data.test
    assert test is not None
    path = tmp_path / "issues.csv"
    issues(data, np.concatenate([data.train.y, test.y])).to_csv(path)
    ranked, _ = read_cleanlab(path, data)
    assert ranked["split"].value_counts().to_dict() == {"train": 36, "test": 4}
    some = issues(data, data.train.y).sort_values("label_score").head(10)
    some.loc[some.index[0], "given_label"] = "cow"
    some.to_csv(path)
    with pytest.raises(WannError, match="10 rows, the data set train 36, test 4: name the split"):
        read_cleanlab(path, data)
    ranked, text = read_cleanlab(path, data, split="train")
    assert ranked["row"].tolist() == some.index[1:].tolist()
    assert text.startswith("9 rows taken, 1 left out")
    with pytest.raises(WannError, match="`split` must be one of train, test, all"):
        read_cleanlab(path, data, split="val")


WRONG_ISSUES = {
    "column": (lambda t: t.drop(columns="is_label_issue"), "needs the column is_label_issue"),
    "score": (lambda t: t.drop(columns="label_score"), "label_score or label_quality"),
    "numbers": (lambda t: t.assign(label_score="low"), "'label_score' must hold numbers"),
    "labels": (lambda t: t.assign(given_label="cow"), "no row has the label"),
    "twice": (lambda t: t.assign(index=0, given_label="cat"), "a row twice"),
}


@pytest.mark.parametrize("case", WRONG_ISSUES)
def test_wrong_tables_of_cleanlab_are_reported(data: Dataset, tmp_path: Path, case: str) -> None:
    change, message = WRONG_ISSUES[case]
    path = tmp_path / "issues.csv"
    change(issues(data, data.train.y)).to_csv(path, index=False)  # type: ignore[no-untyped-call]
    with pytest.raises(WannError, match=message):
        read_cleanlab(path, data)


def test_cleanlab_s_own_table_is_read(tmp_path: Path) -> None:
    CleanLearning = pytest.importorskip("cleanlab.classification").CleanLearning
    data = datasets.load("digits", "pixels")
    votes = vote_shares(NeighborGraph.build(data.train.X).train_ids, data.train.y, 10)
    found = CleanLearning().find_label_issues(labels=data.train.y, pred_probs=votes)
    found.to_csv(tmp_path / "issues.csv")
    ranked, text = read_cleanlab(tmp_path / "issues.csv", data)
    assert text.startswith("1,200 rows taken, 0 left out")
    assert ranked["is_label_issue"].sum() == found["is_label_issue"].sum()
    assert ranked["row"].iloc[0] == data.train.ids[found["label_quality"].argmin()]
