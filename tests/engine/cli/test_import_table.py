"""`wann import` from the command line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wann_core.cli.main import main
from wann_core.datasets import database


def write(path: Path, labels: list[str]) -> Path:
    X = np.random.default_rng(0).standard_normal((len(labels), 4))
    frame = pd.DataFrame(X, columns=[f"e{i}" for i in range(4)])
    frame.assign(label=labels).to_csv(path, index=False)
    return path


def test_doubts_about_labels_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "t.csv", ["cat", "dog", "Cat", "cat"] * 30)
    assert main(["import", str(path), "--dataset", "t", "--database_root", str(tmp_path)]) == 0
    assert "the classes 'Cat', 'cat' differ only in case" in capsys.readouterr().err
    assert database.load(tmp_path, "t", "table").class_names == ("Cat", "cat", "dog")


def test_look_alike_classes_are_merged_under_the_most_frequent_spelling(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "t.csv", ["cat", "dog", "Cat", "cat"] * 30)
    flags = ["--dataset", "t", "--database_root", str(tmp_path), "--merge-alike"]
    assert main(["import", str(path), *flags]) == 0
    assert "differ only" not in capsys.readouterr().err
    data = database.load(tmp_path, "t", "table")
    assert data.class_names == ("cat", "dog")
    assert np.bincount(data.train.y).tolist() == [90, 30]
