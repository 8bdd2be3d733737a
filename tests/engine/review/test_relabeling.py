"""Another table of labels: a new version of a data set with the same embeddings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.reviewed_photos import photos
from wann_core import WannError, datasets
from wann_core.datasets.dataset import Dataset
from wann_core.review.relabeling import relabel


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return photos(tmp_path)


def table(path: Path, **columns: Any) -> Path:
    frame = pd.DataFrame(columns)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_new_version_has_the_same_rows_under_the_new_labels(
    data: Dataset, tmp_path: Path, suffix: str
) -> None:
    files = ["cat/02.png", "cat/03.png", "/elsewhere/photos/dog/19.png", "no.png", "cat/04.png"]
    labels = ["dog", "cat", "bird", "cat", None]
    made = relabel(table(tmp_path / f"t.{suffix}", file=files, label=labels), data)
    columns = ["split", "row", "name", "old_label", "new_label"]
    assert made.changes[columns].values.tolist() == [
        ["train", 0, "cat/02.png", "cat", "dog"],
        ["test", 3, "dog/19.png", "dog", "bird"],
    ]
    assert made.data.class_names == ("cat", "dog", "bird") and made.new_classes == ("bird",)
    assert made.text == (
        "4 labels: 2 changed, 1 as before, 37 rows not in the table keep theirs, 1 left out (no "
        "such sample). Most often cat → dog 1, dog → bird 1. New classes: bird."
    )
    place = made.write(tmp_path / "db", "photos-v2")
    read = datasets.load("photos-v2", "tiny", tmp_path / "db", tmp_path)
    for name, split in data.splits.items():
        np.testing.assert_array_equal(read.splits[name].X, split.X)
        np.testing.assert_array_equal(read.splits[name].ids, split.ids)
        expected = split.y.copy()
        expected[{"train": 0, "test": 3}[name]] = {"train": 1, "test": 2}[name]
        np.testing.assert_array_equal(read.splits[name].y, expected)
    assert read.image("test", 3) is not None and read.class_names == made.data.class_names
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["relabeled"]["dataset"] == "photos" and manifest["relabeled"]["changed"] == 2


def test_rows_tell_samples_and_whole_numbers_are_class_ids(data: Dataset, tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", split=["train"] * 3, row=[0, 0, 99], label=[1, 1, 0])
    made = relabel(path, data)
    assert made.changes["new_label"].tolist() == ["dog"] and made.new_classes == ()
    assert made.unmatched == {"no such sample": 1, "the sample is there twice": 1}


def test_a_class_without_rows_is_named(data: Dataset, tmp_path: Path) -> None:
    names = [name for split in data.splits.values() for name in split.names or ()]
    made = relabel(table(tmp_path / "t.csv", id=names, label=["'+1"] * 40), data)
    # The guard of a table for people is taken off only where a class is called so.
    assert made.empty_classes == ("cat", "dog") and made.new_classes == ("'+1",)


WRONG = {
    "label": ({"file": ["cat/02.png"]}, "needs a column label"),
    "name": ({"label": ["cat"]}, "needs a column id or file"),
    "none": ({"file": ["x"], "label": ["cat"]}, "no row of the table names a labeled row"),
}


@pytest.mark.parametrize("case", WRONG)
def test_tables_that_cannot_serve_are_refused(data: Dataset, tmp_path: Path, case: str) -> None:
    columns, message = WRONG[case]
    with pytest.raises(WannError, match=message):
        relabel(table(tmp_path / "t.csv", **columns), data)


def test_no_change_writes_nothing(data: Dataset, tmp_path: Path) -> None:
    made = relabel(table(tmp_path / "t.csv", file=["cat/02.png"], label=["cat"]), data)
    with pytest.raises(WannError, match="no label changed"):
        made.write(tmp_path / "db", "photos-v2")
