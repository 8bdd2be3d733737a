"""An audit of partitions is opened from its folder, judged, and nothing is believed unread."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.partitioned import write_result
from wann_core.errors import WannError
from wann_core.review.ledger import JudgedMeanwhile
from wann_core.review.partitioned import VERDICT, open_review


def test_the_most_doubtful_rows_of_all_partitions_stand_first(tmp_path: Path) -> None:
    found = open_review(write_result(tmp_path / "out"), tmp_path / "reviews")
    assert found.table["name"].head(4).tolist() == ["a0.jpg", "b0.jpg", "a1.jpg", "b1.jpg"]
    assert found.table["label_score"].is_monotonic_increasing
    assert len(found.table) == 12
    assert found.table["is_label_issue"].sum() == 4
    assert found.reviewed()[list(VERDICT)].isna().all(axis=None)


def test_verdicts_stay_with_their_rows_wherever_the_folder_lies(tmp_path: Path) -> None:
    folder, reviews = write_result(tmp_path / "out"), tmp_path / "reviews"
    found = open_review(folder, reviews)
    assert found.judge(np.array([0, 1]), "relabel", "ann") == 2
    assert found.judge(np.array([2]), "remove", "ann") == 1
    assert found.judge(np.array([3, 4]), "relabel", "bob", "dog") == 2
    (tmp_path / "elsewhere").mkdir()
    found = open_review(folder.rename(tmp_path / "elsewhere" / "out"), reviews)
    table = found.reviewed().set_index("name")
    assert table.loc["a0.jpg", ["given_label", "action", "new_label", "who"]].tolist() == [
        "cat",
        "relabel",
        "dog",
        "ann",
    ]
    assert table.loc["a1.jpg", "action"] == "remove"
    # The label that a row has means keep.
    assert table.loc["b1.jpg", "action"] == "keep"
    assert table.loc["a2.jpg", ["given_label", "new_label"]].tolist() == ["=owl", "dog"]
    assert table["action"].notna().sum() == 5
    assert found.ledger.undo("bob") is not None
    assert found.reviewed()["action"].notna().sum() == 3


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    found = open_review(write_result(tmp_path / "out"), tmp_path / "reviews")
    with pytest.raises(WannError, match="no other label is suggested"):
        found.judge(np.array([2]), "relabel", "ann")
    with pytest.raises(WannError, match="horse"):
        found.judge(np.array([2]), "relabel", "ann", "horse")
    seen = found.ledger.version()
    found.judge(np.array([5]), "keep", "bob")
    with pytest.raises(JudgedMeanwhile, match="bob has judged"):
        found.judge(np.array([5]), "remove", "ann", seen=seen)


def test_partitions_of_one_file_name_are_kept_apart(tmp_path: Path) -> None:
    sources = ("rows/day=1/part.parquet", "rows/day=2/part.parquet")
    found = open_review(write_result(tmp_path / "out", sources=sources), tmp_path)
    assert found.table["partition"].head(2).tolist() == ["day=1/part.parquet", "day=2/part.parquet"]
    found.judge(np.array([1]), "keep", "ann")
    assert found.reviewed()["action"].notna().tolist() == [False, True] + [False] * 10


def edit(folder: Path, **values: object) -> None:
    path = folder / "summary.json"
    summary = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in summary.items() if v is not None}))


def change(folder: Path, **values: object) -> None:
    path = folder / "doubtful.parquet"
    pd.read_parquet(path).assign(**values).to_parquet(path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "summary.json").unlink(), "no finished audit of partitions"),
        (lambda f: (f / "summary.json").write_text("[" * 10_000), "cannot be read"),
        (lambda f: (f / "summary.json").write_text("[]"), "of something else"),
        (lambda f: edit(f, format=99), "another version"),
        (lambda f: edit(f, class_names=None), "lacks 'class_names'"),
        (lambda f: edit(f, class_names=["cat", "dog"]), "'=owl' is not a class"),
        (lambda f: edit(f, class_names=["cat", 3]), "names no classes"),
        (lambda f: edit(f, partitions=[{"source": "x/a.parquet"}]), "names a partition"),
        (lambda f: (f / "doubtful.parquet").unlink(), "doubtful.parquet is missing"),
        (lambda f: (f / "doubtful.parquet").write_bytes(b"PAR1 no"), "doubtful.parquet"),
        (lambda f: change(f, label_score="much"), "a value of 'label_score' is not a number"),
        (lambda f: change(f, label_score=np.nan), "label_score|no score"),
        (lambda f: change(f, row=-1), "a row has no number"),
        (lambda f: change(f, row=1), "a row is there twice"),
        (lambda f: pd.DataFrame({"row": [1]}).to_parquet(f / "doubtful.parquet"), "lacks the col"),
    ],
)
def test_a_bad_folder_gets_one_sentence(
    damage: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    folder = write_result(tmp_path / "out")
    damage(folder)
    with pytest.raises(WannError, match=says) as error:
        open_review(folder, tmp_path / "reviews")
    assert str(error.value).count("\n") == 0
