"""Which rows of a data set to label next."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import CommandResult
from tests.helpers.blobs import N_CLASSES, blobs
from wann_core import WannError, datasets
from wann_core.datasets import database
from wann_core.datasets.dataset import Dataset, Split
from wann_core.review.labeling import next_rows, unlabeled_rows

NAMES = tuple("abcd")[:N_CLASSES]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """60 labeled rows, 140 without a label, 40 of test."""
    X, y = blobs(240, apart=3.0)
    files = [f"{row}.png" for row in range(60, 200)]
    splits = {
        "train": Split(X[:60], y[:60], np.arange(60)),
        "test": Split(X[200:], y[200:], np.arange(40)),
        "unlabelled": Split(X[60:200], np.full(140, -1), np.arange(1060, 1200), None, files),
    }
    database.write(tmp_path, "half", "tiny", splits, NAMES, {})
    return datasets.load("half", "tiny", tmp_path)


def test_rows_are_named_as_the_data_set_names_them(data: Dataset) -> None:
    found = next_rows(data, 12)
    assert unlabeled_rows(data) == 140 and len(found) == 12
    assert (found["split"] == "unlabelled").all() and (found["row"] >= 1060).all()
    assert found["name"].tolist() == [f"{row - 1000}.png" for row in found["row"]]
    assert {*found["likeliest_class"]} <= {*NAMES}
    assert len(next_rows(data, 10**6)) == 140
    full = dataclasses.replace(data, unlabeled=None)
    with pytest.raises(WannError, match="no row without a label outside of test"):
        next_rows(full)


def test_the_command_writes_them(
    command: Callable[..., CommandResult], data: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "next.csv"
    ran = command("next", tmp_path / "half" / "tiny", "--rows", 5, "--out", out)
    assert ran.status == 0 and "5 of 140 rows without a label" in ran.out
    assert len(pd.read_csv(out)) == 5
    ran = command("next", "--out", out)
    assert ran.status == 2 and "name either a PATH or a --dataset" in ran.err
    ran = command("next", "--dataset", "digits", "--backbone", "pixels", "--out", out)
    assert ran.status == 2 and "nothing to label next" in ran.err
